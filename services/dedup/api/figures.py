"""Figures by area, computed on request: IEEE 1366 indices by day, and how far the engine's merging stood."""

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
from services.dedup.store.corrections import Corrections, corrections
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
_LONGEST_CORRECTED = timedelta(days=31)
V = TypeVar("V", bound=BaseModel)


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


class CorrectionsView(BaseModel):
    """How some incidents stand after people looked at them, and how the engine had put them."""

    incidents: int = Field(description="Those that stand; one that was merged is of the one it was merged into")
    outages: int = Field(description="Of these, outages of several homes")
    ordered: int = Field(description="Of the incidents, those to which a crew was sent")
    reports: int = Field(description="Reports in them")
    moved: int = Field(description="Reports that people put into another incident than the engine had")
    merged: int = Field(description="Incidents that people merged into another: each had been one too many")
    split: int = Field(description="Incidents that people made of reports of another: each had been hidden in it")
    precision: float | None = Field(
        description="B-cubed precision of the engine's incidents, were those that stand the truth; absent if none"
    )
    recall: float | None = Field(description="B-cubed recall of the same")
    f1: float | None = Field(description="Their harmonic mean")
    confirmed: int = Field(description="Outages whose device a person confirmed")
    first_right: int = Field(description="Of these: the first version of the order named that device")
    last_right: int = Field(description="The version in force when they confirmed it did")
    last_above: int = Field(description="It named a device above that one")
    last_below: int = Field(description="It named one below it")


class AreaCorrections(CorrectionsView):
    """Those of one area."""

    area: str


class CorrectionsOf(BaseModel):
    """What people corrected of the incidents that opened in a time."""

    start: datetime
    end: datetime
    total: CorrectionsView
    areas: list[AreaCorrections]


def figure_doors(pool: Pool, ground: Ground | None, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the door."""
    router = APIRouter(prefix="/figures", tags=["figures"])
    may_read = Depends(let_in(keys, Scope.READ))

    @router.get("/reliability", dependencies=[may_read], summary="SAIDI, SAIFI, CAIDI, MAIFI")
    async def get_reliability(
        start: Annotated[QueryInstant | None, Query(description="24 hours before the end, if absent")] = None,
        end: Annotated[
            QueryInstant | None,
            Query(description="Now, if absent. Days are counted in its offset, or in that of the start"),
        ] = None,
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
        zone = (end or start or until).tzinfo or UTC
        by_area: dict[str, Figures] = {}
        days: dict[str, Figures] = {}
        async with connected(pool) as connection:
            served = Figures(await reliability.customers_served(connection, area))
            began = reliability.interruptions(connection, since, until, area, momentary)
            async with aclosing(began) as areas:
                async for found in areas:
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

    @router.get(
        "/corrections",
        dependencies=[may_read],
        summary="How far the engine's merging stood",
        description="Of the incidents that opened in a time: what people merged, split and moved, and where the orders"
        " of outages had sent crews whose device a person confirmed. People correct what they notice, so at least that"
        " much was wrong.",
    )
    async def get_corrections(
        start: Annotated[QueryInstant | None, Query(description="24 hours before the end, if absent")] = None,
        end: Annotated[QueryInstant | None, Query(description="Now, if absent")] = None,
        area: Annotated[Name | None, Query()] = None,
    ) -> CorrectionsOf:
        since, until = period(start, end, _LONGEST_CORRECTED, ("start", "end"))
        async with connected(pool) as connection:
            found = await corrections(connection, since, until, area)
        total = Corrections()
        for one in found.values():
            total.add(one)
        return CorrectionsOf(
            start=since,
            end=until,
            total=_shown(CorrectionsView, total),
            areas=[_shown(AreaCorrections, one, area=name) for name, one in sorted(found.items())],
        )

    return router


def _shown(kind: type[V], found: Figures | Corrections, **of: str) -> V:
    return kind(**of, **{name: getattr(found, name) for name in kind.model_fields if name not in of})
