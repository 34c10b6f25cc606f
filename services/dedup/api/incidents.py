"""Incidents: lists, and one with its reports, order and crew.

Decided here: how they are shown. Never here: a change of an incident; a name, phone or account of a customer.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from services.contracts.values import Etr, IncidentState, Name, ProgressStage
from services.dedup.api.pages import After, cut, read_cursor
from services.dedup.domain.acts import NetworkChange
from services.dedup.keys import Scope
from services.dedup.store import views
from services.dedup.store.columns import etr_of
from services.dedup.store.incident_pages import page_of_incidents
from services.runtime import clock
from services.runtime.etags import ETAG, etag
from services.runtime.keys import let_in
from services.runtime.postgres import connected
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from services.runtime.keys import KeyRing
    from services.runtime.postgres import Pool

_MOST: Final = 500
_SHOWN_AT: Final = {
    "Content-Location": {"description": "Of the incident shown, if it is another", "schema": {"type": "string"}}
}
_MEMBERS: Final = 1000


class DeviceView(BaseModel):
    """The device an incident is predicted at."""

    id: str
    type: str = Field(description="Device class; `cell` or `place` where no network model knows a device")
    feeder: str | None
    lat: float | None = Field(description="Degrees north, WGS-84")
    lon: float | None = Field(description="Degrees east, WGS-84")


class ProposedPlan(BaseModel):
    """A planned outage at or above an open incident's device, in whose time its earliest report was made.

    Or below it, where it answers some of the reports: the incident was lifted above the work. The others stay.
    """

    planned_id: UUID
    device_id: str
    starts_at: datetime
    ends_at: datetime


class IncidentView(BaseModel):
    """An incident as it stands."""

    incident_id: UUID
    order_id: UUID | None = Field(description="Absent until the order is issued")
    area: str
    kind: str = Field(description="outage, single or hazard")
    state: IncidentState
    device: DeviceView
    customers_served: int
    reports: int
    hazards: list[str]
    opened_at: datetime = Field(description="Time of the earliest report")
    stage: ProgressStage | None
    etr: Etr | None
    cause: str | None
    restored_at: datetime | None
    merged_into: UUID | None
    related_to: UUID | None
    pinned: bool = Field(description="A person arranged it: inference leaves it where it is")
    arrive_by: datetime | None = Field(description="When a crew is due on the spot (service level)")
    arrived_at: datetime | None
    restore_by: datetime | None = Field(description="When power is due back (service level)")
    breached: list[str] = Field(description="Due times missed: arrival, restoration")
    suggested_at: datetime | None = Field(
        description="Since when power seems to be back, or to have been: by telemetry, or by a second wave of calls"
    )
    proposed_device: str | None = Field(
        description="Where the evidence points, of a confirmed incident: nothing moves it but `confirm` with a device"
    )
    proposed_plan: ProposedPlan | None = Field(
        description="Entered after the incident opened: it may be this planned work (`accept-plan`, `decline-plan`)"
    )
    covered_by: UUID | None = Field(
        description="Planned outage that answers its reports, of one closed by `accept-plan`"
    )
    network_change: NetworkChange | None = Field(
        description="Since the network changed: device_gone (confirm the right device), device_moved (to another area)"
    )
    told: list[str] = Field(description="Other areas its device was in since: reports there wait for its end")
    revision: int
    changed_at: datetime


class IncidentPage(BaseModel):
    """Incidents, youngest first."""

    incidents: list[IncidentView]
    next: str | None = Field(description="Give it as `after` for the next page; null on the last")


class MemberView(BaseModel):
    """A report of an incident, as far as a dispatcher needs."""

    report_id: UUID
    ticket_ref: str
    channel: str
    device_id: str | None
    customer_class: str
    reported_at: datetime
    address: str | None


class MemberPage(BaseModel):
    """Reports of an incident, in the order they joined."""

    incident_id: UUID = Field(description="That has them: another than was asked for, if that was merged")
    reports: list[MemberView]
    next: int | None = Field(description="Give it as `after` for the next page; null on the last")


class VersionView(BaseModel):
    """One version of the order."""

    version: int
    status: str
    priority: str
    device_id: str
    superseded_by: UUID | None
    reason: str
    issued_at: datetime


class ProgressView(BaseModel):
    """What a crew said, and what became of it."""

    stage: ProgressStage
    at: datetime
    crew: str | None
    cause: str | None
    note: str | None
    outcome: str
    noted_at: datetime


class IncidentDetail(IncidentView):
    """An incident with its reports, order and crew."""

    redirected_from: UUID | None = Field(default=None, description="The incident asked for, where it was merged")
    members: list[MemberView] = Field(
        description=f"The first reports in the order they joined, up to {_MEMBERS}; `/reports` has all, page by page"
    )
    order: list[VersionView]
    progress: list[ProgressView]


def incident_doors(pool: Pool, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the doors."""
    router = APIRouter()
    may_read = Depends(let_in(keys, Scope.READ))

    @router.get(
        "/incidents",
        dependencies=[may_read],
        tags=["incidents"],
        summary="Incidents, newest first",
    )
    async def list_incidents(
        state: Annotated[list[IncidentState] | None, Query(description="Only these states")] = None,
        area: Annotated[Name | None, Query(description="Only this substation or cell")] = None,
        proposed_plan: Annotated[
            bool | None, Query(description="Only those with a planned outage to accept or decline, or only the others")
        ] = None,
        after: After = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
    ) -> IncidentPage:
        since = read_cursor(after)
        async with connected(pool) as connection:
            states = [one.value for one in state] if state else None
            rows = await page_of_incidents(
                connection, states, area, since, limit + 1, proposed=proposed_plan, now=clock.now()
            )
        page, following = cut(rows, limit, "opened_at", "incident_id")
        return IncidentPage(incidents=[incident_view(row) for row in page], next=following)

    @router.get(
        "/incidents/{incident_id}",
        dependencies=[may_read],
        tags=["incidents"],
        summary="One incident with its reports, order and crew",
        responses={200: {"headers": {**ETAG, **_SHOWN_AT}}},
    )
    async def get_incident(
        incident_id: UUID,
        response: Response,
        follow: Annotated[bool, Query(description="Show the incident it was merged into, if it was")] = True,  # noqa: FBT002 - a query parameter
        members: Annotated[int, Query(ge=0, le=_MEMBERS, description="How many of its reports to show")] = _MEMBERS,
    ) -> IncidentDetail:
        async with connected(pool) as connection:
            shown = await views.successor_of(connection, incident_id) if follow else incident_id
            row = None if shown is None else await views.incident_of(connection, shown, clock.now())
            if row is None or shown is None:
                raise Problem(404, f"no incident {incident_id}")
            reports = await views.members_of(connection, shown, members)
            order = await views.order_versions_of(connection, shown)
            progress = await views.progress_of(connection, shown)
        response.headers["ETag"] = etag(row["revision"])
        if shown != incident_id:
            response.headers["Content-Location"] = f"/v1/incidents/{shown}"
        return IncidentDetail(
            **incident_view(row).model_dump(),
            redirected_from=incident_id if shown != incident_id else None,
            members=[MemberView(**dict(one)) for one in reports],
            order=[VersionView(**dict(one)) for one in order],
            progress=[ProgressView(**dict(one)) for one in progress],
        )

    @router.get(
        "/incidents/{incident_id}/reports",
        dependencies=[may_read],
        tags=["incidents"],
        summary="The reports of an incident, in the order they joined",
    )
    async def list_incident_reports(
        incident_id: UUID,
        after: Annotated[int, Query(ge=0, lt=1 << 63, description="`next` of the page before")] = 0,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
    ) -> MemberPage:
        async with connected(pool) as connection:
            shown = await views.successor_of(connection, incident_id)
            if shown is None:
                raise Problem(404, f"no incident {incident_id}")
            rows = await views.members_of(connection, shown, limit + 1, after)
        following = rows[limit - 1]["seq"] if len(rows) > limit else None
        return MemberPage(incident_id=shown, reports=[MemberView(**dict(one)) for one in rows[:limit]], next=following)

    return router


def incident_view(row: asyncpg.Record) -> IncidentView:
    """Return how an incident is shown, of a row of ``views.SHOWN``."""
    return IncidentView(
        **{name: row[name] for name in _SAME},
        order_id=row["order_id"] if row["ordered"] else None,
        device=DeviceView(
            id=row["device_id"], type=row["device_type"], feeder=row["feeder"], lat=row["lat"], lon=row["lon"]
        ),
        etr=etr_of(row["etr"]),
        proposed_plan=None if row["planned_id"] is None else _plan(row),
    )


def _plan(row: asyncpg.Record) -> ProposedPlan:
    return ProposedPlan(
        planned_id=row["planned_id"],
        device_id=row["planned_device"],
        starts_at=row["planned_from"],
        ends_at=row["planned_until"],
    )


_SAME: Final = tuple(IncidentView.model_fields.keys() - {"order_id", "device", "etr", "proposed_plan"})
"""Fields that are columns of the same name."""
