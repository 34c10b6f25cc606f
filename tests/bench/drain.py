"""How fast a backlog is worked off: dedup and the router, against a loop that only moves positions and copies bytes.

Each round drains the same backlog several times: by the floor, then by the service from nothing (its schema is
dropped), as one process and as two that share the partitions, and so again with the compiled core where there is a C
compiler. They are started before the backlog and held still while it builds up. A drain counts from the first progress
that is seen, so starting up is not in it. It ends twice: when every record is decided, and when everything decided is
published too.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from services.contracts.messages import Message
from services.contracts.topics import BY_NAME, CONTACT_RECEIVED, OUTAGE_INPUT
from services.runtime import clock
from services.runtime.cluster import apply_topics
from services.runtime.partitioning import partition_of
from services.runtime.producer import Producer
from services.simulator.shape import Shape
from tests.bench.cores import cores
from tests.bench.grids import LARGE, MEDIUM
from tests.bench.machine import Spell, processor_seconds, watched
from tests.bench.report import Figure, Reach
from tests.bench.workload import (
    SEEDS,
    START,
    STORM,
    Doors,
    Move,
    Storms,
    contact_records,
    copied,
    copies,
    moved,
    report_records,
    reports_of,
    requests_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from services.contracts.envelope import Outgoing
    from services.contracts.messages import OutageReported
    from services.contracts.topics import Topic
    from services.runtime.settings import ServiceSettings
    from tests.bench.grids import Grid, Size
    from tests.bench.plan import Plan
    from tests.bench.servers import Process

M = TypeVar("M", bound=Message)
REACH = Reach("at least", 30.0)
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 240.0
_PAGE = 2000
_STATE = """
SELECT coalesce((
    SELECT sum(least(next_offset, n))
    FROM unnest($2::int[], $3::bigint[]) AS preloaded (partition, n)
        JOIN {schema}.consumer_partition USING (partition)
    WHERE topic = $1
), 0)::bigint AS done, EXISTS (SELECT 1 FROM {schema}.outbox_waiting) AS waiting
"""

_OWNERS = "SELECT count(DISTINCT owner) FROM {schema}.consumer_partition WHERE topic = $1"


def measure(plan: Plan) -> None:
    """Measure dedup, then the router."""
    size = plan.scaled(LARGE, quick=MEDIUM)
    storms = Storms(STORM, Shape(faults=150))
    grid = plan.grids.imported(size)
    plan.tell("making outage reports")
    told = reports(storms, size, plan.scaled(60_000, quick=30_000))
    late = clock.now() - told[-1].received_at
    waiting = report_records(_later(one, late, "reported_at", "received_at") for one in told)
    _drain(plan, grid, "dedup", OUTAGE_INPUT, waiting, REACH)
    plan.tell("making contacts")
    contacts = plan.run(_contacts(storms, grid, plan.scaled(30_000, quick=15_000)))
    _drain(plan, grid, "router", CONTACT_RECEIVED, contacts, None)


def reports(storms: Storms, size: Size, wanted: int) -> list[OutageReported]:
    """Return the first outage reports of storms side by side, in the order they came in."""
    doors, move = Doors(), Move(size)
    drawn = {
        seed: reports_of(storms.network, doors.contacts(requests_of(storms.drawn(seed), START), START))
        for seed in range(1, SEEDS + 1)
    }
    found = []
    for copy, seed, shift, later in copies(size, STORM, wanted):
        found += [copied(one, copy, move, shift, later) for one in drawn[seed]]
        if len(found) >= wanted:
            break
    found.sort(key=lambda one: one.received_at)
    return found[:wanted]


async def _contacts(storms: Storms, grid: Grid, wanted: int) -> list[Outgoing]:
    doors = Doors()
    found = []
    for copy, seed, shift, later in copies(grid.size, STORM, wanted):
        storm = await moved(storms.drawn(seed), grid.dsn, grid.size, lambda _, shift=shift: shift)  # type: ignore[misc]
        start = START + later
        found += doors.contacts(requests_of(storm, start, copy=copy), start)
        if len(found) >= wanted:
            break
    found.sort(key=lambda one: one.received_at)
    late = clock.now() - found[wanted - 1].received_at
    return contact_records(_later(one, late, "occurred_at", "received_at") for one in found[:wanted])


def _later(message: M, late: timedelta, *times: str) -> M:
    """Return a message moved in time, so that the last of them comes in now: a backlog that has just built up.

    Were they months old, no ticket would be open for a second contact to join, and every clock would be overdue.
    """
    return message.model_copy(update={name: getattr(message, name) + late for name in times})


@dataclass
class Drained:
    """One drain, by a service.

    Attributes:
        records: Records decided after the first progress was seen.
        decided_s: Seconds from there until all were decided.
        published_s: Seconds from there until the outbox was empty as well.
        service_s: Processor seconds of the service in that time; of the floor, in its own.
        postgres_s: Of all of Postgres.
    """

    records: int
    decided_s: float
    published_s: float
    service_s: float
    postgres_s: float

    @property
    def rate(self) -> float:
        """Records decided a second."""
        return self.records / self.decided_s

    def micros(self, seconds: float) -> float:
        """Return microseconds a record."""
        return 1e6 * seconds / self.records


async def drained(
    dsn: str, schema: str, topic: Topic, preloaded: Counter[int], processes: Sequence[Process], postgres: int
) -> Drained:
    """Watch a service, one process or several, until all that was preloaded is decided, and what came of it published.

    Preloaded is so much a partition; what the service puts on its own topic meanwhile, as timers are, does not count.

    Raises:
        RuntimeError: a process ended, or it took too long.
    """

    def used() -> tuple[float, float]:
        return sum(processor_seconds(one.pid) for one in processes), processor_seconds(postgres)

    connection = await asyncpg.connect(dsn)
    statement, total = _STATE.format(schema=schema), preloaded.total()
    deadline = time.perf_counter() + _PATIENCE_SECONDS
    first: tuple[float, int] | None = None
    before = (0.0, 0.0)
    decided: float | None = None
    done = 0
    try:
        while time.perf_counter() < deadline:
            for process in processes:
                process.check()
            try:
                row = await connection.fetchrow(statement, topic.name, list(preloaded), list(preloaded.values()))
            except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
                row = None  # the service has not made its tables yet
            now = time.perf_counter()
            if row is None:
                await asyncio.sleep(_POLL_SECONDS)
                continue
            done = row["done"]
            if first is None and done:
                first = (now, done)
                before = used()
            if first is not None and decided is None and done >= total:
                decided = now
            if first is not None and decided is not None and not row["waiting"]:
                service_s, postgres_s = (after - then for after, then in zip(used(), before, strict=True))
                return Drained(total - first[1], decided - first[0], now - first[0], service_s, postgres_s)
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await connection.close()
    said = "\n".join(process.tail() for process in processes)
    raise RuntimeError(f"{schema} decided {done} of {total} in {_PATIENCE_SECONDS:g} s:\n{said}")


async def preload(settings: ServiceSettings, records: Sequence[Outgoing]) -> None:
    """Put records on their topic."""
    producer = Producer(settings)
    await producer.start()
    try:
        for place in range(0, len(records), _PAGE):
            await producer.send_batch(records[place : place + _PAGE], deadline_s=60)
    finally:
        await producer.stop()


@dataclass
class _Way:
    """A way to drain, and what its rounds gave.

    Attributes:
        name: What the figures call it.
        processes: How many share the partitions.
        core: Environment variables that choose the core.
    """

    name: str
    processes: int = 1
    core: Mapping[str, str] = field(default_factory=dict)
    drains: list[Drained] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)

    def add(self, drain: Drained, spell: Spell) -> None:
        """Keep a round."""
        self.drains.append(drain)
        self.spells.append(spell)


def _ways(plan: Plan) -> list[_Way]:
    """Return the ways that are compared."""
    return [
        _Way(f"{name}{suffix}", processes, core)
        for suffix, core in cores(plan.tell).items()
        for name, processes in (("one process", 1), ("two processes", 2))
    ]


def _drain(
    plan: Plan, grid: Grid, service: str, topic: Topic, records: Sequence[Outgoing], reach: Reach | None
) -> None:
    floor, ways = _Way("floor"), _ways(plan)
    for number in range(plan.rounds):
        plan.tell(f"{service}: floor, round {number + 1} of {plan.rounds}")
        prefix, settings = _topics(plan, grid)
        plan.run(preload(settings, records))
        with watched() as spell:
            drain = _floor(plan, grid, topic, prefix, len(records))
        floor.add(drain, spell)
        for way in ways:
            plan.tell(f"{service}: {way.name}, round {number + 1} of {plan.rounds}")
            way.add(*_by(plan, grid, service, topic, records, way))
    _tell(plan, service, len(records), floor, ways, reach)


def _topics(plan: Plan, grid: Grid) -> tuple[str, ServiceSettings]:
    """Return the prefix of topics nobody has written to, and settings for them; no service has a schema.

    A service reads what it writes, and would meet the timers of the drain before.
    """
    grid.clear()
    prefix = plan.servers.prefix()
    settings = plan.servers.settings(grid.dsn, prefix)
    plan.run(apply_topics(settings))
    return prefix, settings


def _by(
    plan: Plan, grid: Grid, service: str, topic: Topic, records: Sequence[Outgoing], way: _Way
) -> tuple[Drained, Spell]:
    """Let a service drain one way. Its processes own their share of the partitions before the first record is there."""
    prefix, settings = _topics(plan, grid)
    partitions = range(topic.partitions)
    preloaded = Counter(partition_of(one.key, partitions, partitions) for one in records)
    with ExitStack() as started:
        processes = [
            started.enter_context(plan.servers.running(service, grid.dsn, prefix, **way.core))
            for _ in range(way.processes)
        ]
        plan.run(_shared(grid.dsn, service, topic, way.processes))
        with ExitStack() as still:
            for process in processes:
                still.enter_context(process.still())
            plan.run(preload(settings, records))
        with watched() as spell:
            drain = plan.run(drained(grid.dsn, service, topic, preloaded, processes, plan.postgres_pid))
    return drain, spell


async def _shared(dsn: str, schema: str, topic: Topic, processes: int) -> None:
    """Return once so many owners have claimed the topic's partitions between them.

    Raises:
        RuntimeError: some of them have none.
    """
    connection = await asyncpg.connect(dsn)
    deadline = time.perf_counter() + _PATIENCE_SECONDS
    try:
        while time.perf_counter() < deadline:
            owners = await connection.fetchval(_OWNERS.format(schema=schema), topic.name)
            if owners == processes:
                return
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await connection.close()
    raise RuntimeError(f"{processes} processes of {schema} do not share {topic.name}")


def _floor(plan: Plan, grid: Grid, topic: Topic, prefix: str, total: int) -> Drained:
    partitions = BY_NAME[topic.name].partitions
    about = {
        "FLOOR_TOPIC": f"{prefix}{topic.name}",
        "FLOOR_PARTITIONS": str(partitions),
        "FLOOR_TOTAL": str(total),
    }
    used = processor_seconds(plan.postgres_pid)
    with plan.servers.running(
        "floor-drain", grid.dsn, prefix, "-m", "tests.bench.floor_drain", ready=None, **about
    ) as process:
        process.child.wait(_PATIENCE_SECONDS)
        if process.child.returncode:
            raise RuntimeError(f"the floor failed:\n{process.tail()}")
    said = json.loads(process.tail().strip().splitlines()[-1])
    if said["read"] < total:
        raise RuntimeError(f"the floor read {said['read']} of {total} records")
    postgres_s = processor_seconds(plan.postgres_pid) - used
    return Drained(said["records"], said["seconds"], said["seconds"], said["processor_s"], postgres_s)


def _tell(plan: Plan, service: str, total: int, floor: _Way, ways: Sequence[_Way], reach: Reach | None) -> None:
    floors = [one.rate for one in floor.drains]

    def of_floor(rates: list[float]) -> list[float]:
        return [100 * rate / fastest for rate, fastest in zip(rates, floors, strict=True)]

    figures = [Figure("floor", "records/s", floors, None, "position, inbox, one outbox row", floor.spells)]
    for way in ways:
        decided = [one.rate for one in way.drains]
        figures.append(Figure(f"{way.name} / floor", "%", of_floor(decided), reach, "every record decided", way.spells))
        figures.append(Figure(way.name, "records/s", decided))
    published = of_floor([one.records / one.published_s for one in ways[0].drains])
    figures.append(Figure("published / floor", "%", published, None, "one process, until the outbox is empty too"))
    for way in (floor, *ways):
        figures.append(Figure(f"processor, {way.name}", "µs/record", [one.micros(one.service_s) for one in way.drains]))
        figures.append(Figure("its Postgres", "µs/record", [one.micros(one.postgres_s) for one in way.drains]))
    plan.results.add(f"drain: {service} works off {total:,} preloaded records", *figures)
