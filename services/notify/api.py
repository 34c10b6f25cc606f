"""The HTTP API of notify: the status of a report, what was sent about an incident, how the times in it held.

Never here: an address, or anything of one customer shown to another.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from services.contracts.ids import parse_ticket_ref
from services.contracts.values import Crs, IncidentState, Language, Name
from services.grid.evidence import PlaceEvidence
from services.notify import estimates, inquiries, places
from services.notify.domain.asked import truth
from services.notify.domain.notice import Stage
from services.runtime import clock
from services.runtime.periods import QueryInstant, period
from services.runtime.pool import for_looking
from services.runtime.postgres import connected, translated
from services.runtime.problems import Problem, wrong_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.notify.domain.asked import Asked
    from services.notify.estimates import Held
    from services.notify.places import AtPlace
    from services.notify.wording import Wording
    from services.runtime.postgres import Pool

_LONGEST: Final = timedelta(days=100)


class ReportStatus(BaseModel):
    """What is true of a report now."""

    stage: Stage
    text: str = Field(description="For the customer, with times in the hotline's zone")
    language: str = Field(description="BCP 47 tag of the text")
    etr: datetime | None = Field(default=None, description="When power is expected back; absent once that has passed")
    restored_at: datetime | None = None
    updated_at: datetime | None = Field(default=None, description="When this last changed")


class Status(BaseModel):
    """Reports with a reference: nearly always one. Two in ten million tickets may share a reference."""

    ticket_ref: str
    reports: list[ReportStatus]


class PlaceQuestion(BaseModel):
    """A place, by any of these."""

    account_id: Name | None = None
    phone: Name | None = None
    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)
    crs: Crs = Crs.WGS84
    accuracy_m: float | None = Field(default=None, ge=0, le=1_000_000)


class PlaceQuestions(BaseModel):
    """Up to 100 places."""

    questions: list[PlaceQuestion] = Field(min_length=1, max_length=100)


class PlaceStatus(BaseModel):
    """What is known of the power at a place; nothing of whoever lives there."""

    outage: Literal["known", "restored", "not_known"]
    placed: bool = Field(description="Whether the network model knows the place")
    planned: bool = Field(
        default=False, description="It is planned work, known and in force now, which ends at `etr`; no crew is needed"
    )
    progress: str | None = Field(default=None, description="Last thing the crew said: accepted, en_route, arrived, …")
    etr: datetime | None = Field(default=None, description="When power is expected back; absent once that has passed")
    restored_at: datetime | None = None
    updated_at: datetime | None = None


class PlaceStatuses(BaseModel):
    """Answers in the order of the questions."""

    answers: list[PlaceStatus]


class NoticeCounts(BaseModel):
    """Notices of an incident that share stage, channel and state."""

    stage: str
    channel: str
    state: str = Field(description="pending, sending, sent, failed, unknown or superseded")
    count: int
    last_revision: int = Field(description="Highest revision of the incident among them")
    first_made_at: datetime
    last_sent_at: datetime | None


class IncidentNotices(BaseModel):
    """What was told of an incident, to how many."""

    incident_id: UUID
    notices: list[NoticeCounts]


class HeldView(BaseModel):
    """How the times held that customers were told. A customer counts once for each incident they were told of."""

    customers: int = Field(description="Who were told anything of an incident whose power came back in the period")
    told: int = Field(description="Those who were told a time while they were without power")
    told_soon: int = Field(description="Those who were told one within 15 minutes of the first that they reported")
    first_held: int = Field(description="Those who had power again by the first time they were told")
    last_held: int = Field(description="Those who had it by the last one")
    changes: int = Field(description="How often they were told another time")
    late_p50_minutes: float | None = Field(
        description="Of those who had no power by the last time: how long after it half of them had; absent if none"
    )
    late_p90_minutes: float | None = Field(description="How long after it nine of ten had")
    early_p50_minutes: float | None = Field(
        description="Of those who had: how long before it half of them had; absent if none"
    )


class AreaHeld(HeldView):
    """The same for the incidents of one area."""

    area: str


class EstimatesView(BaseModel):
    """How the times held of incidents whose power came back in a period."""

    since: datetime
    until: datetime
    total: HeldView
    areas: list[AreaHeld]


def make_router(pool: Pool, templates: Callable[[], Wording]) -> APIRouter:
    """Make the routes."""
    router, pool = APIRouter(prefix="/v1"), for_looking(pool)

    @router.get("/status", tags=["customers"], summary="Status of a customer's report")
    async def get_status(
        ticket_ref: Annotated[str, Query(max_length=40, description="As given to the customer: 7K3M-9QPX-2HR")],
        language: Annotated[
            Language | None, Query(description="Language of the text; that of the report if absent")
        ] = None,
    ) -> Status:
        try:
            ref = parse_ticket_ref(ticket_ref)
        except ValueError as error:
            raise wrong_field("ticket_ref", str(error)) from None
        with translated():
            found = await inquiries.find_reports(pool, ref)
        if not found:
            raise Problem(404, f"nothing has the reference {ref}, or it was given only moments ago")
        wording, now = templates(), clock.now()
        return Status(ticket_ref=ref, reports=[_status(one, ref, language, wording, now) for one in found])

    @router.post(
        "/status/places",
        tags=["operations"],
        summary="Whether an outage is known at these places",
        description="For the hotline's own systems, such as the intake that answers an IVR. A body and not a query: a"
        " telephone number must not stand in a proxy's log.",
    )
    async def get_status_at_places(asked: PlaceQuestions) -> PlaceStatuses:
        evidence = [PlaceEvidence(**one.model_dump()) for one in asked.questions]
        with translated():
            found = await places.find(pool, evidence, clock.now())
        return PlaceStatuses(answers=[_place_status(one) for one in found])

    @router.get("/notices", tags=["operations"], summary="Notices sent about an incident")
    async def count_notices(incident_id: UUID) -> IncidentNotices:
        with translated():
            counts = await inquiries.count_notices(pool, incident_id)
        if counts is None:
            raise Problem(404, f"notify has not heard of an incident {incident_id}")
        shown = [NoticeCounts.model_validate(one, from_attributes=True) for one in counts]
        return IncidentNotices(incident_id=incident_id, notices=shown)

    @router.get("/estimates", tags=["figures"], summary="How the times held that customers were told")
    async def get_estimates(
        since: Annotated[QueryInstant | None, Query(description="24 hours before the end, if absent")] = None,
        until: Annotated[QueryInstant | None, Query(description="Now, if absent")] = None,
        area: Annotated[Name | None, Query()] = None,
    ) -> EstimatesView:
        since, until = period(since, until, _LONGEST)
        async with connected(pool) as connection:
            total, *areas = await estimates.how_they_held(connection, since, until, area)
        return EstimatesView(
            since=since,
            until=until,
            total=HeldView(**_held(total)),
            areas=[AreaHeld(area=one.area, **_held(one)) for one in areas if one.area is not None],
        )

    return router


def _held(found: Held) -> dict[str, int | float | None]:
    """Return the figures of a view, times in minutes."""
    return {
        **{name: getattr(found, name) for name in HeldView.model_fields if hasattr(found, name)},
        "late_p50_minutes": _minutes(found.late_half),
        "late_p90_minutes": _minutes(found.late_most),
        "early_p50_minutes": _minutes(found.early_half),
    }


def _minutes(length: timedelta | None) -> float | None:
    return None if length is None else round(length.total_seconds() / 60, 1)


def _place_status(found: AtPlace) -> PlaceStatus:
    if found.state is None:
        return PlaceStatus(outage="not_known", placed=found.placed)
    over = found.state is IncidentState.RESTORED
    return PlaceStatus(
        outage="restored" if over else "known",
        placed=found.placed,
        planned=found.planned,
        progress=None if over else found.progress,
        etr=None if over else found.etr,
        restored_at=found.restored_at,
        updated_at=found.changed_at,
    )


def _status(asked: Asked, ref: str, language: str | None, wording: Wording, now: datetime) -> ReportStatus:
    found = truth(asked, now)
    tell, restored_at = found.tell, found.restored_at
    shown = wording.render(
        tell.template,
        language or asked.language,
        ref=ref,
        etr=tell.etr,
        restored_at=restored_at,
        closed_at=found.closed_at,
    )
    return ReportStatus(
        stage=tell.stage,
        text=shown.text,
        language=shown.language,
        etr=tell.etr,
        restored_at=restored_at,
        updated_at=found.updated_at,
    )
