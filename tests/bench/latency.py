"""From a contact to the order it causes, with all four services up and contacts arriving at a steady rate.

Two clocks for each order: from when its contact was due to leave (nothing can hide behind a waiting sender), and from
the answer 202. Both end when the record reaches a consumer of ``dispatch.order.v1``. An order belongs to the contact
that opened its incident: the incident's id is derived from the area and the opening report, and the report on
``outage.input.v1`` names its contact.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.contracts.ids import incident_id
from services.contracts.messages import OutageReported
from services.contracts.topics import DISPATCH_ORDER, OUTAGE_INPUT
from services.runtime import clock
from services.runtime.cluster import apply_topics
from services.simulator.shape import Shape
from tests.bench import http_load
from tests.bench.grids import MEDIUM
from tests.bench.machine import processor_seconds, resident_mb, watched
from tests.bench.report import Figure, Reach, percentile
from tests.bench.workload import STORM, Storms, as_http, copies, moved, requests_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.contracts.topics import Topic
    from services.runtime.settings import ServiceSettings
    from services.simulator.payloads import Request
    from tests.bench.grids import Grid
    from tests.bench.http_load import Load
    from tests.bench.plan import Plan

GROUP = "latency: contacts at 300/s with everything on this machine"
REACH = Reach("under", 100.0)
RATE = 300.0
_WARM_SECONDS = 10.0
_WINDOW_SECONDS = 10.0
_QUIET_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0
_SERVICES = ("notify", "dedup", "router", "intake")


@dataclass
class Seen:
    """Records of a topic with the moment each arrived here."""

    topic: Topic
    arrived: list[tuple[float, bytes, str]] = field(default_factory=list)

    async def listen(self, settings: ServiceSettings, ready: asyncio.Event) -> None:
        """Take in everything from now on, until cancelled."""
        consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, fetch_max_wait_ms=20)
        await consumer.start()
        try:
            parts = [TopicPartition(settings.topic_prefix + self.topic.name, n) for n in range(self.topic.partitions)]
            consumer.assign(parts)
            for part, end in (await consumer.end_offsets(parts)).items():
                consumer.seek(part, end)
            ready.set()
            while True:
                fetched = await consumer.getmany(timeout_ms=500)
                now = time.perf_counter()
                for records in fetched.values():
                    self.arrived += [(now, one.value, dict(one.headers)["ce_type"].decode()) for one in records]
        finally:
            await consumer.stop()


def measure(plan: Plan) -> None:
    """Measure once; the spread is over stretches of ten seconds."""
    seconds = plan.scaled(30.0, quick=10.0)
    grid = plan.grids.imported(MEDIUM)
    prefix = plan.servers.prefix()
    settings = plan.servers.settings(grid.dsn, prefix)
    asyncio.run(apply_topics(settings))
    plan.tell("latency: making requests")
    requests = asyncio.run(_requests(grid, int(RATE * (_WARM_SECONDS + seconds))))
    with ExitStack() as running:
        plan.tell("latency: starting the services")
        up = {name: running.enter_context(plan.servers.running(name, grid.dsn, prefix)) for name in _SERVICES}
        pids = {name: process.pid for name, process in up.items()} | plan.server_pids
        used = {name: processor_seconds(pid) for name, pid in pids.items()}
        plan.tell(f"latency: {len(requests):,} requests at {RATE:g}/s")
        with watched() as spell:
            load, reports, orders = plan.run(_send(settings, up["intake"].port, requests))
        cores = {name: (processor_seconds(pid) - used[name]) / spell.seconds for name, pid in pids.items()}
        memory = {name: resident_mb(pid, proportional=name == "Postgres") for name, pid in pids.items()}
        for process in up.values():
            process.check()
    note = f"{spell.ours:.2f} cores busy of ours; generator and consumer {load.generator_cores:.2f}"
    hops = _Hops(requests, load, reports, orders)
    for figure in hops.figures():
        figure.spells = figure.spells or [spell]
        figure.note = figure.note or note
        plan.results.add(GROUP, figure)
    plan.results.add(
        "processor and memory at 300 contacts/s",
        *(Figure(f"{name}, processor", "cores", [cores[name]]) for name in pids),
        *(Figure(f"{name}, memory", "MB", [memory[name]], note=_MEMORY.get(name, "resident")) for name in pids),
    )


_MEMORY = {"Postgres": "all its processes, shared pages once", "Kafka": "resident, 512 MB heap at most"}


async def _requests(grid: Grid, wanted: int) -> list[Request]:
    """Return the first requests of several storms that come at once, in time's order."""
    storms = Storms(STORM, Shape(faults=150))
    now = clock.now()
    found: list[Request] = []
    for copy, seed, shift, _later in copies(grid.size, STORM, 100):
        storm = await moved(storms.drawn(seed), grid.dsn, grid.size, lambda _, shift=shift: shift)  # type: ignore[misc]
        found += requests_of(storm, now, copy=copy, seconds=wanted / RATE)
        if len(found) >= wanted:
            break
    found.sort(key=lambda one: one.at)
    return found[:wanted]


async def _send(settings: ServiceSettings, port: int, requests: Sequence[Request]) -> tuple[Load, Seen, Seen]:
    """Send at the rate, listen to reports and orders until they stop coming."""
    seen = (Seen(OUTAGE_INPUT), Seen(DISPATCH_ORDER))
    listening = [asyncio.Event() for _ in seen]
    tasks = [asyncio.create_task(one.listen(settings, ready)) for one, ready in zip(seen, listening, strict=True)]
    try:
        await asyncio.gather(*(ready.wait() for ready in listening))
        load = await http_load.opened(port, as_http(requests), rate=RATE, connections=256)
        deadline = time.perf_counter() + _PATIENCE_SECONDS
        while time.perf_counter() < deadline and not any(task.done() for task in tasks):
            last = max((one.arrived[-1][0] for one in seen if one.arrived), default=time.perf_counter())
            if time.perf_counter() - last > _QUIET_SECONDS:
                break
            await asyncio.sleep(0.1)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ended:
        if isinstance(end, Exception):
            raise end
    return load, seen[0], seen[1]


class _Hops:
    """Which record came of which request, and how long after."""

    def __init__(self, requests: Sequence[Request], load: Load, reports: Seen, orders: Seen) -> None:
        self._load = load
        self._begun = load.due[0]
        number = {one.contact_id: place for place, one in reversed(list(enumerate(requests)))}
        self._reported: dict[int, float] = {}
        opened_by: dict[UUID, int] = {}
        for at, value, kind in reports.arrived:
            if kind != OutageReported.ce_type:
                continue
            report: dict[str, Any] = json.loads(value)
            place = number[UUID(report["contact_id"])]
            self._reported.setdefault(place, at)
            opened_by[incident_id(report["area"], UUID(report["report_id"]))] = place
        self._ordered: dict[int, float] = {}
        for at, value, _ in orders.arrived:
            order = json.loads(value)["data"]
            if order["version"] == 1:
                self._ordered.setdefault(opened_by[UUID(order["incident_id"])], at)

    def figures(self) -> list[Figure]:
        """Return the figures; without the first seconds, in which every area is loaded for the first time."""
        due, answered = self._load.due, self._load.answered
        places = [place for place in self._ordered if due[place] - self._begun >= _WARM_SECONDS]
        reports = [place for place in self._reported if due[place] - self._begun >= _WARM_SECONDS]
        from_due = [1000 * (self._ordered[place] - due[place]) for place in places]
        from_answer = [1000 * (self._ordered[place] - answered[place]) for place in places]
        windows: dict[int, list[float]] = {}
        for place, took in zip(places, from_due, strict=True):
            windows.setdefault(int((due[place] - self._begun - _WARM_SECONDS) / _WINDOW_SECONDS), []).append(took)
        cold = [1000 * (at - due[place]) for place, at in self._ordered.items()]
        after = f"{len(places)} orders after the first {_WARM_SECONDS:g} s"
        accept = [1000 * (answered[place] - due[place]) for place in range(len(due))]
        route = [1000 * (self._reported[place] - answered[place]) for place in reports]
        decide = [1000 * (self._ordered[place] - self._reported[place]) for place in places]
        return [
            figure("due → order p50", from_due, 0.50, note=after),
            figure("due → order p99", from_due, 0.99, reach=REACH),
            Figure("due → order p99, each 10 s", "ms", [percentile(one, 0.99) for one in windows.values()]),
            figure("202 → order p50", from_answer, 0.50),
            figure("202 → order p99", from_answer, 0.99, reach=REACH),
            figure("due → order p99, with the start", cold, 0.99, note=f"all {len(cold)} orders"),
            figure("due → 202 p50", accept, 0.50, note="all requests"),
            figure("due → 202 p99", accept, 0.99, note="all requests"),
            figure("202 → report p50", route, 0.50, note=f"{len(reports)} reports: the router and its relay"),
            figure("202 → report p99", route, 0.99, note="the same"),
            figure("report → order p50", decide, 0.50, note="dedup and its relay"),
            figure("report → order p99", decide, 0.99, note="the same"),
        ]


def figure(name: str, samples: list[float], share: float, *, reach: Reach | None = None, note: str = "") -> Figure:
    return Figure(name, "ms", [percentile(samples, share)], reach, note)
