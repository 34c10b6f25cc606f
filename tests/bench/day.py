"""A day of 500 agents with a storm on two routers, one of them killed, the database too: how long it takes.

The integration test of the router runs the same in small; what it checks is checked here as well, and a day that is not
right is no figure.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from shutil import copy
from typing import TYPE_CHECKING

from services.runtime.cluster import apply_topics
from tests.bench.report import Figure
from tests.integration.router.figures_told import wrong_figures
from tests.integration.router.process import a_router
from tests.integration.router.shift import Size, a_day
from tests.integration.router.story import faults
from tests.unit.router.making import CLASSIFY, ROUTES

if TYPE_CHECKING:
    from tests.bench.plan import Plan
    from tests.integration.router.shift import Day

GROUP = "day: 500 agents, a storm, two routers, one of them and the database killed"


def measure(plan: Plan) -> None:
    """Let a day pass and check it."""
    size = plan.scaled(
        Size(agents=500, calm=500, storm=5_000, patience=1_200), quick=Size(agents=500, calm=60, storm=280)
    )
    with tempfile.TemporaryDirectory() as folder:
        day = plan.run(_day(plan, Path(folder), size))
    said = {one.ticket_id for one in day.said}
    wrong = [*faults(day.stories, said), *wrong_figures(day.stories, day.there, day.shown).values()]
    if wrong:
        raise RuntimeError(f"{len(wrong)} faults: {wrong[:5]}")
    versions = sum(map(len, day.stories.values()))
    plan.results.add(
        GROUP,
        Figure(f"{size.agents} agents, {len(said):,} tickets, {versions:,} changes", "s", [day.seconds]),
        Figure("requests of the agents a second", "/s", [sum(day.statuses.values()) / day.seconds]),
        Figure("tickets that had two agents, were lost, or were counted otherwise than told", "", [float(len(wrong))]),
    )


async def _day(plan: Plan, folder: Path, size: Size) -> Day:
    for file in (ROUTES, CLASSIFY):
        copy(file, folder)
    dsn, prefix = plan.servers.database(), plan.servers.prefix()
    await apply_topics(plan.servers.settings(dsn, prefix), partitions=3)
    first = a_router(plan.servers.broker.bootstrap, dsn, prefix, folder)
    try:
        return await a_day(first, plan.servers.postgres, size, lambda what: plan.tell(f"day: {what}"))
    finally:
        first.end()
