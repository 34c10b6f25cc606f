"""From a report on its topic to the order it causes: dedup alone, at a thousand reports a second.

Two clocks for each order. The broker's: from its report's being on ``outage.input.v1`` to its own being on
``dispatch.order.v1``, by the stamps that Kafka put on both, in whole milliseconds. And the sender's: from when the
report was due to be put there, whether or not the sender was in time, to the record's reaching a consumer.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from services.cli.topics import reader
from services.contracts.ids import incident_id
from services.contracts.topics import DISPATCH_ORDER, OUTAGE_INPUT
from services.runtime import clock
from services.runtime.cluster import apply_topics
from services.runtime.producer import Producer
from services.simulator.shape import Shape
from tests.bench.cores import cores
from tests.bench.drain import reports
from tests.bench.grids import MEDIUM
from tests.bench.latency import Seen, figure
from tests.bench.machine import processor_seconds, watched
from tests.bench.report import Figure, Reach
from tests.bench.workload import STORM, Storms, report_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from services.contracts.messages import OutageReported
    from services.runtime.settings import ServiceSettings
    from tests.bench.plan import Plan

RATE = 1000
REACH = Reach("under", 30.0)
_WARM_SECONDS = 5
_TICK_SECONDS = 0.005
_QUIET_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0


def measure(plan: Plan) -> None:
    """Measure each core once."""
    seconds = plan.scaled(30, quick=10)
    plan.tell("orders: making outage reports")
    told = reports(Storms(STORM, Shape(faults=150)), MEDIUM, RATE * (_WARM_SECONDS + seconds))
    for suffix, core in cores(plan.tell).items():
        _measure(plan, told, suffix, core)


def _measure(plan: Plan, told: Sequence[OutageReported], suffix: str, core: Mapping[str, str]) -> None:
    grid = plan.grids.imported(MEDIUM)
    prefix = plan.servers.prefix()
    settings = plan.servers.settings(grid.dsn, prefix)
    plan.run(apply_topics(settings))
    with plan.servers.running("dedup", grid.dsn, prefix, **core) as process:
        pids = {"dedup": process.pid} | plan.server_pids
        used = {name: processor_seconds(pid) for name, pid in pids.items()}
        plan.tell(f"orders: {len(told):,} reports at {RATE}/s{suffix}")
        with watched() as spell:
            sent, took = plan.run(_send(settings, told))
        busy = {name: (processor_seconds(pid) - used[name]) / spell.seconds for name, pid in pids.items()}
        process.check()
    warm = {opened: 1000 * waited for opened, (at, waited) in took.items() if at >= _WARM_SECONDS}
    whole = [1000 * waited for _, waited in took.values()]
    stamped = plan.run(_stamped(settings))
    on_topic = [stamped[opened] for opened in warm]
    after = f"{len(warm)} orders after the first {_WARM_SECONDS} s"
    figures = [
        figure("on topic → on topic p50", on_topic, 0.50, note=f"by the broker's stamps; {after}"),
        figure("on topic → on topic p99", on_topic, 0.99, reach=REACH, note="the same"),
        figure("on topic → on topic, the longest", on_topic, 1.0, note="the same: a pause hides behind a p99"),
        figure("due → order seen p50", [*warm.values()], 0.50, note="the same orders"),
        figure("due → order seen p99", [*warm.values()], 0.99, note="the same"),
        figure("due → order seen p99, with the start", whole, 0.99, note=f"all {len(whole)} orders"),
        figure("the sender was late by, p99", [1000 * late for late in sent], 0.99, note="in what is from due on"),
    ]
    for one in figures:
        one.spells = one.spells or [spell]
    plan.results.add(
        f"orders: dedup alone{suffix}, {RATE} reports/s put on its topic",
        *figures,
        *(Figure(f"{name}, processor", "cores", [busy[name]]) for name in pids),
    )


async def _send(
    settings: ServiceSettings, told: Sequence[OutageReported]
) -> tuple[list[float], dict[UUID, tuple[float, float]]]:
    """Put the reports on their topic at the rate; return how late each was, and by incident due time and delay."""
    seen, listening = Seen(DISPATCH_ORDER), asyncio.Event()
    listener = asyncio.create_task(seen.listen(settings, listening))
    producer = Producer(settings)
    await producer.start()
    await listening.wait()
    start = clock.now()
    moved = [
        one.model_copy(update={"reported_at": at - (one.received_at - one.reported_at), "received_at": at})
        for one, at in ((one, start + timedelta(seconds=n / RATE)) for n, one in enumerate(told))
    ]
    records = report_records(moved)
    gc.collect()
    gc.freeze()  # or the sender stands still for a quarter of a second while all of these are gone through
    begun = time.perf_counter() + 0.5
    late: list[float] = []
    batches: list[asyncio.Task[None]] = []
    place = 0
    while place < len(records):
        now = time.perf_counter() - begun
        due = min(len(records), max(place, int(now * RATE)))
        late += [now - n / RATE for n in range(place, due)]
        if due > place:
            batches.append(asyncio.create_task(producer.send_batch(records[place:due], deadline_s=30)))
        place = due
        await asyncio.sleep(_TICK_SECONDS)
    await asyncio.gather(*batches)
    deadline = time.perf_counter() + _PATIENCE_SECONDS
    while time.perf_counter() < deadline and not listener.done():
        if seen.arrived and time.perf_counter() - seen.arrived[-1][0] > _QUIET_SECONDS:
            break
        await asyncio.sleep(0.1)
    listener.cancel()
    (ended,) = await asyncio.gather(listener, return_exceptions=True)
    await producer.stop()
    if isinstance(ended, Exception):
        raise ended
    return late, _delays(seen, moved, begun)


def _delays(seen: Seen, told: Sequence[OutageReported], begun: float) -> dict[UUID, tuple[float, float]]:
    """Return by incident when the report that opened it was due, in seconds, and how long its order took."""
    opened_by = {incident_id(one.area, one.report_id): n / RATE for n, one in enumerate(told)}
    found: dict[UUID, tuple[float, float]] = {}
    for at, value, _ in seen.arrived:
        order = json.loads(value)["data"]
        incident = UUID(order["incident_id"])
        if order["version"] == 1 and incident in opened_by:
            found.setdefault(incident, (opened_by[incident], at - begun - opened_by[incident]))
    return found


async def _stamped(settings: ServiceSettings) -> dict[UUID, int]:
    """Return by incident how many milliseconds after its opening report its first order was on its topic."""
    at: dict[UUID, int] = {}
    found: dict[UUID, int] = {}
    async with reader(settings) as kafka:
        async for record in kafka.records(await kafka.bounds([OUTAGE_INPUT.name])):
            report = json.loads(record.value or b"")
            if "report_id" in report:
                at[incident_id(report["area"], UUID(report["report_id"]))] = record.timestamp_ms
        async for record in kafka.records(await kafka.bounds([DISPATCH_ORDER.name])):
            order = json.loads(record.value or b"")["data"]
            incident = UUID(order["incident_id"])
            if order["version"] == 1 and incident in at:
                found.setdefault(incident, record.timestamp_ms - at[incident])
    return found
