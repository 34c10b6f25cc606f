"""What a report costs that joins an outage of very many, against one of a thousand: dedup's core, and notify.

Dedup's core decides and tells of one report after another. Notify's handler takes batches of three hundred, in this
process on a Postgres of its own that knows the outage well; what Postgres uses is counted. Each size is measured in
every round, in turn forwards and backwards, in processor time.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import deploy
from services.contracts.topics import INCIDENT_CHANGED
from services.dedup.domain.changes import Changes
from services.dedup.domain.decide import decide
from services.dedup.rules_file import load_rules
from services.dedup.settings import DedupSettings
from services.notify.__main__ import SCHEMA
from services.notify.handler import NotifyHandler
from services.notify.wording import read_wording
from services.runtime.handling import Received
from services.runtime.migration import migrate
from services.runtime.pool import open_pool
from services.runtime.settings import read_settings
from services.runtime.watched import watched_file
from tests.bench.machine import processor_seconds, watched
from tests.bench.report import Figure
from tests.integration.notify.outage import fill
from tests.unit.dedup.test_large_outage import reported_by
from tests.unit.dedup.timeline import a_report, shipped_tree
from tests.unit.notify.snapshots import NOW, Snapshots

if TYPE_CHECKING:
    from tests.bench.plan import Plan

GROUP = "joining: a report of an outage that very many reported"
_FEW: Final = 1_000
_MANY: Final = 100_000
_AT_ONCE: Final = 300
_BATCHES: Final = 10
_TEMPLATES: Final = Path(deploy.__file__).parent / "templates.yaml"


def measure(plan: Plan) -> None:
    """Measure both sizes in every round."""
    sizes = (_FEW, plan.scaled(_MANY, quick=_MANY // 10))
    costs: dict[str, dict[int, list[float]]] = {"dedup's core": {}, "notify": {}, "notify's Postgres": {}}
    with watched() as spell:
        for number in range(plan.rounds):
            for size in sizes[:: -1 if number % 2 else 1]:
                plan.tell(f"joining: an outage of {size:,}, round {number + 1} of {plan.rounds}")
                spent = (_decided(size), *plan.run(_told(plan, size)))
                for by_size, micros in zip(costs.values(), spent, strict=True):
                    by_size.setdefault(size, []).append(micros)
    for part, by_size in costs.items():
        ratios = [many / few for few, many in zip(*(by_size[size] for size in sizes), strict=True)]
        plan.results.add(
            GROUP,
            *(Figure(f"{part}: of {size:,}", "µs/report", by_size[size], spells=[spell]) for size in sizes),
            Figure(f"{part}: of {sizes[1]:,} against {sizes[0]:,}", "x", ratios),
        )


def _decided(size: int) -> float:
    """Return what a report costs dedup's core that joins an outage of this size, in microseconds."""
    told, places = reported_by(size, shipped_tree("ckt5"), load_rules(read_settings(DedupSettings).thresholds_file))
    state, now = told.state, told.moment
    count = _AT_ONCE * _BATCHES
    more = [a_report(state.area, places[n % len(places)], f"more {n}", 31, account=f"B{n}") for n in range(2 * count)]
    began = 0.0
    gc.collect()
    for n, report in enumerate(more):
        if n == count:  # the others made it warm
            began = time.process_time()
        changes = Changes(now)
        changes.apply(state, decide(state, report, now))
        list(changes.messages())
    spent = time.process_time() - began
    if max(len(one.reports) for one in state.incidents.values()) < size + 1.9 * count:
        raise AssertionError("they did not join it")
    return 1e6 * spent / count


async def _told(plan: Plan, size: int) -> tuple[float, float]:
    """Return what a report costs notify, and its Postgres, that joins an outage of this size, in microseconds."""
    dsn = plan.servers.database()
    await migrate(dsn, "notify", SCHEMA)
    make = Snapshots()
    handler = NotifyHandler(watched_file(_TEMPLATES, read_wording), lambda: None)
    pool = await open_pool(dsn, schema="notify", size=1)
    try:
        async with pool.acquire() as connection:
            await fill(connection, make.id(1), size, NOW)
            own = await connection.fetchval("SELECT pg_backend_pid()")
            before = (0.0, 0.0)
            for batch in range(2 * _BATCHES):
                members = [
                    make.member(_MANY * 10 + _AT_ONCE * batch + n, _MANY * 10 + _AT_ONCE * batch + n)
                    for n in range(_AT_ONCE)
                ]
                change = make.changed(1, 1_000 + batch, joined=members)
                if batch == _BATCHES:
                    before = (time.process_time(), processor_seconds(own))
                async with connection.transaction():
                    received = Received(INCIDENT_CHANGED.name, 0, batch, change, None)
                    decided = await handler.handle(connection, [received], NOW)
                if decided.tally["notices"] != _AT_ONCE:
                    raise AssertionError(f"{decided.tally} of {_AT_ONCE}")
            after = (time.process_time(), processor_seconds(own))
    finally:
        await pool.close()
    return tuple(1e6 * (end - begin) / (_AT_ONCE * _BATCHES) for begin, end in zip(before, after, strict=True))
