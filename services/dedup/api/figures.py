"""IEEE 1366 indices by area and day, computed on request."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.contracts.values import Name  # noqa: TC001 - FastAPI reads the types of a door's parameters
from services.dedup.domain.figures import Figures, by_day
from services.dedup.domain.service_levels import MOMENTARY
from services.dedup.keys import Scope
from services.dedup.store import reliability
from services.runtime import clock
from services.runtime.keys import let_in
from services.runtime.periods import QueryInstant, period
from services.runtime.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.dedup.ground import Ground
    from services.runtime.keys import KeyRing
    from services.runtime.postgres import Pool

_LONGEST = timedelta(days=366)


class FiguresView(BaseModel):
    """The indices of some customers over some time."""

    customers_served: int
    interruptions: int = Field(description="Sustained ones")
    customers_interrupted: int
    customer_minutes: float
    saidi_minutes: float
    saifi: float
    caidi_minutes: float
    maifi: float = Field(description="Momentary events a customer (MAIFI_E)")


V = TypeVar("V", bound=FiguresView)


class AreaFigures(FiguresView):
    """The indices of one area."""

    area: str


class DayFigures(FiguresView):
    """The indices of the interruptions that began on one day."""

    day: str


class Reliability(BaseModel):
    """IEEE 1366 figures of a time."""

    start: datetime
    end: datetime
    momentary_minutes: float
    total: FiguresView
    areas: list[AreaFigures]
    days: list[DayFigures]


def figure_doors(pool: Pool, ground: Ground | None, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the door."""
    router = APIRouter(prefix="/figures", tags=["figures"])
    may_read = Depends(let_in(keys, Scope.READ))

    @router.get("/reliability", dependencies=[may_read], summary="SAIDI, SAIFI, CAIDI, MAIFI")
    async def get_reliability(
        start: Annotated[QueryInstant | None, Query(description="24 hours before the end, if absent")] = None,
        end: Annotated[QueryInstant | None, Query(description="Now, if absent; days are counted in its offset")] = None,
        area: Annotated[Name | None, Query()] = None,
        momentary_minutes: Annotated[
            float | None,
            Query(
                ge=0,
                le=60,
                description="An interruption not longer than this is momentary; as in service_levels.yaml, if absent",
            ),
        ] = None,
    ) -> Reliability:
        now = clock.now()
        since, until = period(start, end, _LONGEST, ("start", "end"))
        levels = None if ground is None else ground.rules.levels
        momentary = MOMENTARY if levels is None else levels.momentary
        if momentary_minutes is not None:
            momentary = timedelta(minutes=momentary_minutes)
        by_area: dict[str, Figures] = {}
        days: dict[str, Figures] = {}
        async with connected(pool) as connection:
            served = Figures(await reliability.customers_served(connection, area))
            began = reliability.interruptions(connection, since, until, area, momentary)
            async with aclosing(began) as areas:
                async for found in areas:
                    zone = until.tzinfo or UTC
                    of_days = by_day(found, zone, momentary=momentary, until=now, between=(since, until))
                    if of_days:
                        by_area[found[0].area] = sum(of_days.values(), Figures(0))
                    for day, one in of_days.items():
                        days[day] = days.get(day, served) + one
                    await asyncio.sleep(0)  # orders wait for nobody's figures
            customers = await reliability.customers_by_area(connection, list(by_area))
        return Reliability(
            start=since,
            end=until,
            momentary_minutes=momentary.total_seconds() / 60,
            total=_shown(FiguresView, sum(by_area.values(), served)),
            areas=[
                _shown(AreaFigures, replace(one, customers_served=customers[name]), area=name)
                for name, one in sorted(by_area.items())
                if name in customers
            ],
            days=[_shown(DayFigures, one, day=day) for day, one in sorted(days.items())],
        )

    return router


def _shown(kind: type[V], found: Figures, **of: str) -> V:
    return kind(**of, **{name: getattr(found, name) for name in FiguresView.model_fields})
