"""What one contact costs with ten thousand, a hundred thousand and a million customers loaded; ten with ``--huge``.

The same storm each time: equal faults, people and words. In the larger networks every fault lies somewhere else, so
that look-ups are spread over all customers, while what has to be decided stays the same. Before it, one contact to
each area, so that loading an area for the first time is told apart, and a smaller storm of other faults, so that every
connection has planned what it asks and nobody pays for having been started.

What a batch costs hardly depends on its size, so a service that gets its contacts as they trickle in costs up to twice
as much a contact as one that has them all before it, and how they trickle depends on who else uses the machine. So both
services stand still while the storm is put on the topic, and dedup until the router has worked it off: all batches are
full. Counted are the two services and their own connections to Postgres; what Postgres does beside them is shown apart.
Rounds go through the sizes in turn forwards and backwards.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from services.contracts.topics import CONTACT_RECEIVED, OUTAGE_INPUT
from services.contracts.values import Channel
from services.runtime.cluster import apply_topics
from services.simulator.cases import Case, Said
from services.simulator.shape import Shape
from services.simulator.words import Kind
from tests.bench.drain import preload
from tests.bench.grids import LARGE, MEDIUM, SMALL
from tests.bench.machine import Spell, processor_seconds, resident_mb, watched
from tests.bench.report import Figure
from tests.bench.workload import START, Doors, Storms, contact_records, moved, requests_of, scattered

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from services.contracts.envelope import Outgoing
    from tests.bench.grids import Grid, Size
    from tests.bench.plan import Plan
    from tests.bench.servers import Process

GROUP = "scale: the same contacts with more customers loaded"
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 900.0  # a storm in three thousand areas, on a machine others use too
_PARTS = ("router", "dedup", "router's Postgres", "dedup's Postgres")
_BESIDE = "Postgres beside them"
_STILL_MS = "120000"  # a service that stands still stays in its group
_WARM = 1500
_CONNECTIONS = "SELECT pid, application_name FROM pg_stat_activity WHERE application_name LIKE 'gridline-%'"
_FIRST_ACCOUNTS = """
WITH current AS MATERIALIZED (SELECT version FROM grid.network_version WHERE is_current)
SELECT c.account_id
FROM (
    SELECT id FROM grid.device WHERE version = (SELECT version FROM current) AND type = 'substation' ORDER BY id
) AS area CROSS JOIN LATERAL (
    SELECT id FROM grid.device
    WHERE version = (SELECT version FROM current) AND area = area.id AND customers > 5 ORDER BY id LIMIT 1
) AS d CROSS JOIN LATERAL (
    SELECT account_id FROM grid.customer
    WHERE version = (SELECT version FROM current) AND transformer_id = d.id AND room <> '' AND status = 'active' LIMIT 1
) AS c
"""
_STATE = """
SELECT coalesce((SELECT sum(next_offset) FROM router.consumer_partition WHERE topic = $1), 0)::bigint AS routed,
       (SELECT count(*) FROM router.outbox WHERE topic = $2) AS reports,
       coalesce((SELECT sum(next_offset) FROM dedup.consumer_partition WHERE topic = $2), 0)::bigint AS decided,
       EXISTS (SELECT 1 FROM router.outbox_waiting) AS routed_waiting,
       EXISTS (SELECT 1 FROM dedup.outbox_waiting) AS decided_waiting
"""


@dataclass(frozen=True)
class _Cost:
    """One run. Processor seconds by part, for ``contacts`` contacts and ``reports`` reports."""

    contacts: int
    reports: int
    wall_s: float
    used: dict[str, float]
    spell: Spell
    first_touch_s: float
    areas: int
    memory_mb: dict[str, float]

    def micros(self, part: str) -> float:
        """Return microseconds a contact."""
        return 1e6 * self.used[part] / self.contacts

    @property
    def total(self) -> float:
        """Microseconds a contact, all parts."""
        return sum(self.micros(part) for part in _PARTS)


def measure(plan: Plan) -> None:
    """Measure each size in each round, smallest first."""
    sizes = plan.sized((SMALL, MEDIUM, LARGE), quick=(SMALL, MEDIUM))
    storms = Storms(SMALL, Shape(faults=200, reporting=(0.3, 0.4)))
    wanted = plan.scaled(6000, quick=2500)
    records: dict[Size, tuple[list[Outgoing], list[Outgoing], list[Outgoing]]] = {}
    costs: dict[Size, list[_Cost]] = {size: [] for size in sizes}
    for number in range(plan.rounds):
        for size in sizes[:: -1 if number % 2 else 1]:
            grid = plan.grids.imported(size)
            if size not in records:
                plan.tell(f"scale: making contacts for {size.name} customers")
                records[size] = asyncio.run(_records(storms, grid, wanted))
            plan.tell(f"scale: {size.name} customers, round {number + 1} of {plan.rounds}")
            costs[size].append(_run(plan, grid, *records[size]))
    _tell(plan, costs)


async def _records(storms: Storms, grid: Grid, wanted: int) -> tuple[list[Outgoing], list[Outgoing], list[Outgoing]]:
    """Return one contact to each area, the storm to grow warm by, and the storm."""
    doors = Doors()
    found = []
    for seed, most in ((2, _WARM), (1, wanted)):
        storm = await moved(storms.drawn(seed), grid.dsn, grid.size, scattered(storms.size, grid.size, seed))
        contacts = doors.contacts(requests_of(storm, START), START)[:most]
        if len(contacts) < most:
            raise AssertionError(f"the storm has only {len(contacts)} contacts")
        found.append(contact_records(contacts))
    warm, records = found
    connection = await asyncpg.connect(grid.dsn)
    try:
        accounts = [row["account_id"] for row in await connection.fetch(_FIRST_ACCOUNTS)]
    finally:
        await connection.close()
    cases = tuple(
        Case(n, 0.001 * n, Channel.WEB, Kind.OUTAGE, None, 0, Said(account=account, text="停电了", only_mine=True))
        for n, account in enumerate(accounts, 1)
    )
    first = requests_of(type(storm)(storms.network, storm.shape, 77, (), cases), START)
    return contact_records(doors.contacts(first, START)), warm, records


def _run(plan: Plan, grid: Grid, first: list[Outgoing], warm: list[Outgoing], storm: list[Outgoing]) -> _Cost:
    prefix = plan.servers.prefix()
    settings = plan.servers.settings(grid.dsn, prefix)
    asyncio.run(apply_topics(settings))

    def start(name: str) -> AbstractContextManager[Process]:
        return plan.servers.running(name, grid.dsn, prefix, GRIDLINE_SESSION_TIMEOUT_MS=_STILL_MS)

    with start("router") as router, start("dedup") as dedup:
        both = (router, dedup)
        before_first = processor_seconds(dedup.pid)
        plan.run(preload(settings, first))
        plan.run(_settled(grid.dsn, len(first), both))
        first_touch = processor_seconds(dedup.pid) - before_first
        plan.run(preload(settings, warm))
        contacts = len(first) + len(warm)
        already = plan.run(_settled(grid.dsn, contacts, both))
        contacts += len(storm)
        before = plan.run(_used(plan, grid.dsn, both))
        with watched() as spell, dedup.still():
            with router.still():
                plan.run(preload(settings, storm))
            began = time.perf_counter()
            plan.run(_settled(grid.dsn, contacts, both, ends="routed"))
            dedup.go_on()
            reports = plan.run(_settled(grid.dsn, contacts, both))
            wall = time.perf_counter() - began
            after = plan.run(_used(plan, grid.dsn, both))
            memory = {name: resident_mb(pid) for name, pid in (("router", router.pid), ("dedup", dedup.pid))}
    used = {part: after[part] - before[part] for part in before}
    return _Cost(len(storm), reports - already, wall, used, spell, first_touch, len(first), memory)


async def _used(plan: Plan, dsn: str, processes: tuple[Process, ...]) -> dict[str, float]:
    """Return the processor seconds of the services, of their connections and of the rest of Postgres so far."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(_CONNECTIONS)
    finally:
        await connection.close()
    found = {process.name: processor_seconds(process.pid) for process in processes}
    for process in processes:
        own = [row["pid"] for row in rows if row["application_name"] == f"gridline-{process.name}"]
        found[f"{process.name}'s Postgres"] = sum(processor_seconds(pid) for pid in own)
    everything = processor_seconds(plan.postgres_pid)
    found[_BESIDE] = everything - sum(found[part] for part in _PARTS[2:])
    return found


async def _settled(dsn: str, contacts: int, processes: tuple[Process, ...], *, ends: str = "decided") -> int:
    """Wait until both services have decided and published everything; return the reports there were so far.

    ``ends="routed"`` waits for the router alone.
    """
    connection = await asyncpg.connect(dsn)
    deadline = time.perf_counter() + _PATIENCE_SECONDS
    row: asyncpg.Record | None = None
    try:
        while time.perf_counter() < deadline:
            for process in processes:
                process.check()
            row = await connection.fetchrow(_STATE, CONTACT_RECEIVED.name, OUTAGE_INPUT.name)
            if row is None:
                continue
            decided = row["decided"] >= row["reports"] and not row["decided_waiting"]
            if row["routed"] >= contacts and not row["routed_waiting"] and (decided or ends == "routed"):
                return int(row["reports"])
            await asyncio.sleep(_POLL_SECONDS)
    finally:
        await connection.close()
    raise RuntimeError(f"not drained within {_PATIENCE_SECONDS:g} s: {row}")


def _tell(plan: Plan, costs: dict[Size, list[_Cost]]) -> None:
    smallest = next(iter(costs.values()))
    for size, runs in costs.items():
        ratios = [one.total / base.total for one, base in zip(runs, smallest, strict=True)]
        note = f"{runs[0].contacts:,} contacts, {runs[0].reports:,} of them made reports; {runs[0].areas} areas"
        plan.results.add(
            GROUP,
            Figure(f"{size.name}: cost against {SMALL.name}", "x", ratios, None, note, [one.spell for one in runs]),
            Figure(f"{size.name}: all of these", "µs/contact", [one.total for one in runs]),
            *(
                Figure(f"{size.name}: {part}", "µs/contact", [one.micros(part) for one in runs])
                for part in (*_PARTS, _BESIDE)
            ),
            *(
                Figure(f"{size.name}: memory of {part}", "MB", [one.memory_mb[part] for one in runs])
                for part in ("router", "dedup")
            ),
            Figure(f"{size.name}: worked off", "contacts/s", [one.contacts / one.wall_s for one in runs]),
            Figure(
                f"{size.name}: dedup, an area's first contact",
                "ms of processor",
                [1000 * one.first_touch_s / one.areas for one in runs],
            ),
        )
