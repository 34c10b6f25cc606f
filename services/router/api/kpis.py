"""The KPIs of a period. Never here: how they are counted or what they mean."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.contracts.values import Word
from services.router import figures
from services.router.api.answers import known_queue
from services.router.api.queues import QueueView, queue_views
from services.router.domain.kpi import Counts, with_told
from services.router.domain.kpi import figures as figures_of
from services.router.tree.keys import Scope
from services.runtime import clock
from services.runtime.keys import let_in
from services.runtime.periods import QueryInstant, period
from services.runtime.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.router.acting import Desk
    from services.runtime.keys import KeyRing

_LONGEST: Final = timedelta(days=100)


class KpiView(BaseModel):
    """One figure, with what it is made of, what it means and where that is from."""

    name: Word
    value: float | None = Field(description="Absent where there was nothing to count")
    unit: str = Field(description="share, from 0 to 1, or seconds")
    counted: float
    of: float
    definition: str
    source: str


class ToldView(BaseModel):
    """How often customers told of their matters, by queue and business type, of tickets opened in the period."""

    queue: Word
    business_type: Word
    told: int = Field(description="Matters told of for the first time")
    twice: int = Field(description="Matters told of a second time")
    three_times: int = Field(description="Matters told of a third time")


class KpisView(BaseModel):
    """The figures of a period, and what waits now."""

    since: datetime
    until: datetime
    queue: Word | None
    kpis: list[KpiView]
    told: list[ToldView] = Field(description="What told_twice and told_three_times are made of")
    backlog: list[QueueView]
    backlog_at: datetime = Field(description="When it was counted")


def kpi_doors(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the door."""
    router = APIRouter(tags=["figures"], dependencies=[Depends(let_in(keys, Scope.READ))])

    @router.get("/kpis", summary="The KPIs of a period, each with its definition")
    async def get_kpis(
        since: Annotated[QueryInstant | None, Query(description="24 hours ago if absent")] = None,
        until: Annotated[QueryInstant | None, Query(description="Now if absent")] = None,
        queue: Annotated[Word | None, Query(description="All queues if absent")] = None,
    ) -> KpisView:
        now = clock.now()
        since, until = period(since, until, _LONGEST)
        rules = desk.rules()
        within_s, ring_s = rules.answer_within.total_seconds(), rules.ring.total_seconds()
        async with connected(desk.looking) as connection:
            counts = await figures.count(connection, since, until, queue, within_s, ring_s, rules.rated)
            told = await figures.told(connection, since, until, queue)
        if counts == Counts() and not told:
            known_queue(queue, desk.book.declared)
        counts = with_told(counts, told)
        found = figures_of(counts, within_s=within_s, share=rules.answer_share, ring_s=ring_s, rated=rules.rated)
        kpis = [KpiView(**figure._asdict()) for figure in found]
        by_type = [ToldView.model_validate(each, from_attributes=True) for each in told]
        counted = await desk.backlog.seen()
        waits = [each for each in queue_views(desk.book.rules, counted.depths, now) if queue in {None, each.name}]
        return KpisView(
            since=since, until=until, queue=queue, kpis=kpis, told=by_type, backlog=waits, backlog_at=counted.at
        )

    return router
