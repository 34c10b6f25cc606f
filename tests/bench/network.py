"""What an import takes and what looking up a batch costs, with ten thousand to ten million customers loaded.

The batches name customers from all over the network, none of them twice, so that what one looked up does not warm what
the next one needs.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import asyncpg

from services.grid.evidence import PlaceEvidence
from services.grid.lookup import resolve_places
from tests.bench.grids import LARGE, SMALL, bases
from tests.bench.machine import processor_seconds, watched
from tests.bench.report import Figure

if TYPE_CHECKING:
    from tests.bench.grids import Grid
    from tests.bench.machine import Spell
    from tests.bench.plan import Plan

GROUP = "network: import and look-up with more customers loaded"
_BATCH = 500
_ROWS = """
SELECT account_id, phone, address, lat, lon FROM grid.customer
WHERE version = $1 AND account_id = ANY($2::text[]) AND phone IS NOT NULL ORDER BY account_id
"""
_KINDS: dict[str, Callable[[asyncpg.Record], PlaceEvidence]] = {
    "account": lambda row: PlaceEvidence(account_id=row["account_id"]),
    "phone": lambda row: PlaceEvidence(phone=row["phone"]),
    "address": lambda row: PlaceEvidence(address=row["address"]),
    "address without its district": lambda row: PlaceEvidence(address=row["address"].partition("区")[2]),
    "position": lambda row: PlaceEvidence(lat=row["lat"], lon=row["lon"], accuracy_m=20.0),
}


class _Cost:
    """Batches of one kind."""

    def __init__(self) -> None:
        self.batch_ms: list[float] = []
        self.own_us = self.postgres_us = 0.0
        self.queries: set[int] = set()
        self.placed = 0
        self.spell: Spell | None = None


def measure(plan: Plan) -> None:
    """Import each size once; look up batches of each kind in each, in every round."""
    sizes = plan.sized((SMALL, LARGE), quick=(SMALL,))
    batches = plan.scaled(20, quick=4)
    for size in sizes:
        grid = plan.grids.imported(size)
        _tell_import(plan, grid)
        costs: dict[str, list[_Cost]] = {kind: [] for kind in _KINDS}
        for number in range(plan.rounds):
            plan.tell(f"network: {size.name} customers, round {number + 1} of {plan.rounds}")
            for kind, cost in asyncio.run(_round(plan, grid, number, batches)).items():
                costs[kind].append(cost)
        _tell_look_up(plan, grid, costs, batches)


async def _round(plan: Plan, grid: Grid, seed: int, batches: int) -> dict[str, _Cost]:
    chance = random.Random(seed)
    made, tiles = bases(), grid.size.tiles
    digits = max(3, len(str(tiles)))
    found: dict[str, _Cost] = {}
    connection = await asyncpg.connect(grid.dsn)
    try:
        for kind, evidence in _KINDS.items():
            names = set()
            wanted = min(2 * batches * _BATCH, grid.version.customers // 2)
            while len(names) < wanted:
                tile = chance.randrange(tiles)
                row = chance.choice(made[tile % len(made)].customers)
                names.add(f"T{tile + 1:0{digits}d}-{row.account_id}")
            rows = await connection.fetch(_ROWS, grid.version.version, sorted(names))
            chance.shuffle(rows)
            reports = [evidence(row) for row in rows[: batches * _BATCH]]
            found[kind] = await _look_up(plan, connection, reports)
    finally:
        await connection.close()
    return found


async def _look_up(plan: Plan, connection: asyncpg.Connection[asyncpg.Record], reports: list[PlaceEvidence]) -> _Cost:
    cost, queries = _Cost(), 0

    def count(_query: object) -> None:
        nonlocal queries
        queries += 1

    await resolve_places(connection, reports[:1])  # the driver learns the array types once a connection
    own, postgres = time.process_time(), processor_seconds(plan.postgres_pid)
    with watched() as spell, connection.query_logger(count):
        for first in range(0, len(reports), _BATCH):
            began, queries = time.perf_counter(), 0
            places = await resolve_places(connection, reports[first : first + _BATCH])
            cost.batch_ms.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(0)  # the driver logs a turn later
            cost.queries.add(queries)
            cost.placed += sum(place.transformer_id is not None for place in places)
    cost.spell = spell
    cost.own_us = 1e6 * (time.process_time() - own) / len(reports)
    cost.postgres_us = 1e6 * (processor_seconds(plan.postgres_pid) - postgres) / len(reports)
    cost.placed = round(100 * cost.placed / len(reports))
    return cost


def _tell_import(plan: Plan, grid: Grid) -> None:
    took, version = grid.imported, grid.version
    seconds = sum(took.seconds.values())
    stages = ", ".join(f"{stage} {s:g} s" for stage, s in took.seconds.items())
    name, spells = f"{grid.size.name}: import", [took.spell]
    size = f"{version.customers:,} customers, {version.devices:,} devices, {version.areas:,} areas"
    plan.results.add(
        GROUP,
        Figure(name, "customers/s", [version.customers / seconds], None, f"{size}; {stages}", spells),
        Figure(f"{name}: processor, its own", "µs/customer", [1e6 * took.own_s / version.customers]),
        Figure(f"{name}: processor, Postgres", "µs/customer", [1e6 * took.postgres_s / version.customers]),
        Figure(f"{name}: memory at its peak", "MB", [took.peak_mb], None, "of the importing process, above idle"),
        Figure(f"{name}: memory a device", "bytes", [1e6 * took.peak_mb / version.devices]),
        Figure(f"{name}: database", "GB", [took.gigabytes]),
    )


def _tell_look_up(plan: Plan, grid: Grid, costs: dict[str, list[_Cost]], batches: int) -> None:
    for kind, runs in costs.items():
        name = f"{grid.size.name}: {kind}"
        queries = sorted({count for run in runs for count in run.queries})
        note = f"queries a batch: {', '.join(map(str, queries))}; {min(run.placed for run in runs)} % placed"
        spells = [run.spell for run in runs if run.spell is not None]
        medians = [sorted(run.batch_ms)[len(run.batch_ms) // 2] for run in runs]
        plan.results.add(
            GROUP,
            Figure(f"{name}: processor, ours and Postgres'", "µs/report", [r.own_us + r.postgres_us for r in runs]),
            Figure(f"{name}: of it Postgres", "µs/report", [r.postgres_us for r in runs]),
            Figure(f"{name}: a batch of {_BATCH}, median of {batches}", "ms", medians, None, note, spells),
        )
