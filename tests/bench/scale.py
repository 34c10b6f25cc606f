"""What one contact costs with ten thousand, a hundred thousand and a million customers loaded; ten with ``--huge``.

The same storm each time: equal faults, people and words. In the larger networks every fault lies somewhere else, so
that look-ups are spread over all customers, while what has to be decided stays the same. Before it, one contact to
each area, so that loading an area for the first time is told apart.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from services.cli.storm.cases import Case, Said
from services.cli.storm.shape import Shape
from services.cli.storm.words import Kind
from services.contracts.topics import CONTACT_RECEIVED, OUTAGE_INPUT
from services.contracts.values import Channel
from services.runtime.cluster import apply_topics
from tests.bench.drain import preload
from tests.bench.grids import LARGE, MEDIUM, SMALL
from tests.bench.machine import Spell, processor_seconds, resident_mb, watched
from tests.bench.report import Figure
from tests.bench.workload import START, Doors, Storms, contact_records, moved, requests_of, scattered

if TYPE_CHECKING:
    from services.contracts.envelope import Outgoing
    from tests.bench.grids import Grid, Size
    from tests.bench.plan import Plan
    from tests.bench.servers import Process

GROUP = "scale: the same contacts with more customers loaded"
_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 900.0  # a storm in three thousand areas, on a machine others use too
_PARTS = ("router", "dedup", "Postgres")
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
       EXISTS (SELECT 1 FROM router.outbox WHERE published_at IS NULL)
           OR EXISTS (SELECT 1 FROM dedup.outbox WHERE published_at IS NULL) AS waiting
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
    records: dict[Size, tuple[list[Outgoing], list[Outgoing]]] = {}
    costs: dict[Size, list[_Cost]] = {size: [] for size in sizes}
    for number in range(plan.rounds):
        for size in sizes:
            grid = plan.grids.imported(size)
            if size not in records:
                plan.tell(f"scale: making contacts for {size.name} customers")
                records[size] = asyncio.run(_records(storms, grid, wanted))
            plan.tell(f"scale: {size.name} customers, round {number + 1} of {plan.rounds}")
            costs[size].append(_run(plan, grid, *records[size]))
    _tell(plan, costs)


async def _records(storms: Storms, grid: Grid, wanted: int) -> tuple[list[Outgoing], list[Outgoing]]:
    """Return one contact to each area, and the storm."""
    doors = Doors()
    storm = await moved(storms.drawn(1), grid.dsn, grid.size, scattered(storms.size, grid.size, 1))
    contacts = doors.contacts(requests_of(storm, START), START)[:wanted]
    if len(contacts) < wanted:
        raise AssertionError(f"the storm has only {len(contacts)} contacts")
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
    return contact_records(doors.contacts(first, START)), contact_records(contacts)


def _run(plan: Plan, grid: Grid, first: list[Outgoing], storm: list[Outgoing]) -> _Cost:
    prefix = plan.servers.prefix()
    settings = plan.servers.settings(grid.dsn, prefix)
    asyncio.run(apply_topics(settings))
    start = plan.servers.running
    with start("router", grid.dsn, prefix) as router, start("dedup", grid.dsn, prefix) as dedup:
        pids = {"router": router.pid, "dedup": dedup.pid, "Postgres": plan.postgres_pid}
        before_first = processor_seconds(dedup.pid)
        plan.run(preload(settings, first))
        already = plan.run(_settled(grid.dsn, len(first), (router, dedup)))
        first_touch = processor_seconds(dedup.pid) - before_first
        before = {name: processor_seconds(pid) for name, pid in pids.items()}
        with watched() as spell:
            began = time.perf_counter()
            plan.run(preload(settings, storm))
            reports = plan.run(_settled(grid.dsn, len(first) + len(storm), (router, dedup)))
            wall = time.perf_counter() - began
            used = {name: processor_seconds(pid) - before[name] for name, pid in pids.items()}
            memory = {name: resident_mb(pids[name]) for name in ("router", "dedup")}
    return _Cost(len(storm), reports - already, wall, used, spell, first_touch, len(first), memory)


async def _settled(dsn: str, contacts: int, processes: tuple[Process, ...]) -> int:
    """Wait until both services have decided and published everything; return the reports there were so far."""
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
            if row["routed"] >= contacts and row["decided"] >= row["reports"] and not row["waiting"]:
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
            Figure(f"{size.name}: all three", "µs/contact", [one.total for one in runs]),
            *(Figure(f"{size.name}: {part}", "µs/contact", [one.micros(part) for one in runs]) for part in _PARTS),
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
