"""The doors of dedup: incidents, why a report is where it is, and what crews say of their orders.

Decided here: how things are shown. A crew's word goes into the area's topic like everything that can change an
incident, so the answer is 202. Never here: a change of an incident; a name, phone or account of a customer.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict, Field

from services.contracts.envelope import parse_time
from services.contracts.ids import derive
from services.contracts.messages import FieldProgress
from services.contracts.values import Etr, IncidentState, Name, ProgressStage, Text, Timestamp
from services.dedup.domain.words import sentence
from services.dedup.progress import rekeyed
from services.dedup.store import views
from services.runtime import clock
from services.runtime.http import Problem
from services.runtime.postgres import translated

if TYPE_CHECKING:
    import asyncpg

    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool

_MOST: Final = 500
_MEMBERS: Final = 1000


class DeviceView(BaseModel):
    """The device an incident is predicted at."""

    id: str
    type: str = Field(description="Device class; `cell` or `place` where no network model knows a device")
    feeder: str | None
    lat: float | None = Field(description="Degrees north, WGS-84")
    lon: float | None = Field(description="Degrees east, WGS-84")


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
    revision: int
    changed_at: datetime


class IncidentPage(BaseModel):
    """Incidents, youngest first."""

    incidents: list[IncidentView]
    next: str | None = Field(description="Give it as `after` for the next page; absent on the last")


class MemberView(BaseModel):
    """A report of an incident, as far as a dispatcher needs."""

    report_id: UUID
    ticket_ref: str
    channel: str
    device_id: str | None
    customer_class: str
    reported_at: datetime
    address: str | None


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
    members: list[MemberView] = Field(description=f"The first {_MEMBERS} reports, in the order they joined")
    order: list[VersionView]
    progress: list[ProgressView]


class LedgerRow(BaseModel):
    """Why a report joined or left an incident."""

    at: datetime
    action: str
    incident_id: UUID
    rule: str
    words: str = Field(description="The rule and its evidence as a sentence")
    evidence: dict[str, Any]
    rules_hash: str
    author: str


class Explanation(BaseModel):
    """Why a report is where it is."""

    report_id: UUID
    ticket_ref: str
    area: str
    device_id: str | None
    reported_at: datetime
    received_at: datetime
    outcome: str = Field(description="in_incident, answered or needs_person")
    reason: str
    words: str
    incident_id: UUID | None
    ledger: list[LedgerRow]


class ProgressPosted(BaseModel):
    """What a field-repair system posts of an order."""

    model_config = ConfigDict(extra="forbid")

    progress_id: Name = Field(
        description="Your own id of this word, a UUID or any text: the same again changes nothing"
    )
    stage: ProgressStage
    at: Timestamp = Field(description="By the crew's clock, with its offset")
    etr: Etr | None = None
    crew: Name | None = None
    cause: Name | None = None
    note: Text | None = None


class ProgressAccepted(BaseModel):
    """The word is kept."""

    progress_id: UUID
    incident_id: UUID


def routes(pool: Pool, outbox: Outbox) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/v1")

    @router.get("/incidents", tags=["incidents"], summary="Incidents, youngest first")
    async def list_incidents(
        state: Annotated[list[IncidentState] | None, Query(description="Only these states")] = None,
        area: Annotated[Name | None, Query(description="Only this substation or cell")] = None,
        after: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
    ) -> IncidentPage:
        cursor = None if after is None else _read_cursor(after)
        with translated():
            async with pool.acquire() as connection:
                states = [one.value for one in state] if state else None
                rows = await views.page_of_incidents(connection, states, area, cursor, limit + 1)
        shown = [_incident(row) for row in rows[:limit]]
        return IncidentPage(incidents=shown, next=_cursor(shown[-1]) if len(rows) > limit else None)

    @router.get("/incidents/{incident_id}", tags=["incidents"], summary="One incident, with reports, order and crew")
    async def incident(
        incident_id: UUID,
        follow: Annotated[bool, Query(description="Show the incident it was merged into, if it was")] = True,  # noqa: FBT002 - a query parameter
    ) -> IncidentDetail:
        with translated():
            async with pool.acquire() as connection:
                shown = await views.successor_of(connection, incident_id) if follow else incident_id
                row = None if shown is None else await views.incident_of(connection, shown)
                if row is None or shown is None:
                    raise Problem(404, f"no incident {incident_id}")
                members = await views.members_of(connection, shown, _MEMBERS)
                order = await views.order_versions_of(connection, shown)
                progress = await views.progress_of(connection, shown)
        return IncidentDetail(
            **_incident(row).model_dump(),
            redirected_from=incident_id if shown != incident_id else None,
            members=[MemberView(**dict(one)) for one in members],
            order=[VersionView(**dict(one)) for one in order],
            progress=[ProgressView(**dict(one)) for one in progress],
        )

    @router.get("/reports/{report_id}/explain", tags=["reports"], summary="Why a report is where it is")
    async def explain(report_id: UUID) -> Explanation:
        with translated():
            async with pool.acquire() as connection:
                row = await views.report_of(connection, report_id)
                if row is None:
                    raise Problem(404, f"no report {report_id} has come to dedup")
                ledger = await views.ledger_of(connection, report_id)
        rows = [LedgerRow(**one, words=sentence(one["rule"], one["evidence"])) for one in ledger]
        words = rows[-1].words if rows else sentence(row["reason"], {})
        return Explanation(**dict(row), words=words, ledger=rows)

    @router.post(
        "/orders/{order_id}/progress", tags=["orders"], status_code=202, summary="What a crew says of its order"
    )
    async def progress(
        order_id: UUID, said: ProgressPosted, traceparent: Annotated[str | None, Header()] = None
    ) -> ProgressAccepted:
        now = clock.now()
        message = FieldProgress(
            **said.model_dump(exclude={"progress_id"}), progress_id=_progress_id(said.progress_id), order_id=order_id
        )
        with translated():
            async with pool.acquire() as connection, connection.transaction():
                order = (await views.orders_by_id(connection, [order_id])).get(order_id)
                if order is None:
                    raise Problem(404, f"no order {order_id} was ever issued here")
                await outbox.publish(connection, [rekeyed(order, message, now, traceparent)], now)
        outbox.wake()
        return ProgressAccepted(progress_id=message.progress_id, incident_id=order.incident_id)

    return router


def _progress_id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        return derive("progress", given)


def _incident(row: asyncpg.Record) -> IncidentView:
    return IncidentView(
        **{name: row[name] for name in _SAME},
        order_id=row["order_id"] if row["ordered"] else None,
        device=DeviceView(
            id=row["device_id"], type=row["device_type"], feeder=row["feeder"], lat=row["lat"], lon=row["lon"]
        ),
        etr=None if row["etr"] is None else Etr.model_validate_json(row["etr"]),
    )


_SAME: Final = tuple(IncidentView.model_fields.keys() - {"order_id", "device", "etr"})
"""Fields that are columns of the same name."""


def _cursor(last: IncidentView) -> str:
    return base64.urlsafe_b64encode(f"{last.opened_at.isoformat()} {last.incident_id}".encode()).decode()


def _read_cursor(given: str) -> tuple[datetime, UUID]:
    try:
        opened_at, incident_id = base64.urlsafe_b64decode(given.encode()).decode().split(" ")
        return parse_time(opened_at).astimezone(UTC), UUID(incident_id)
    except (ValueError, OverflowError, binascii.Error):
        errors = [{"field": "after", "reason": "is not a `next` this door gave"}]
        raise Problem(422, "some fields do not fit", errors=errors) from None
