"""Why a report is where it is, what else was considered, what would change it; and which reports wait for a person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.contracts.values import Name  # noqa: TC001 - FastAPI reads the types of a door's parameters
from services.dedup.api.pages import After, cut, read_cursor
from services.dedup.domain.explain import considered, would_change
from services.dedup.domain.report import made_at
from services.dedup.domain.words import sentence
from services.dedup.keys import Scope
from services.dedup.store import views
from services.dedup.store.load import load_areas
from services.grid.store import load_trees
from services.runtime import clock
from services.runtime.keys import let_in
from services.runtime.postgres import connected
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.dedup.ground import Ground
    from services.runtime.keys import KeyRing
    from services.runtime.postgres import Pool


_MOST: Final = 500
_MOST_TRIED: Final = 5000
"""Open reports of an area up to which it is tried on a copy of it what would change where one is. Of an outage of
100,000 that takes two seconds of a processor, in which this process decides no order."""


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
    kept_back: bool = Field(
        description="Its source was cut off and posted it late: reported_at is believed, however long before"
    )
    outcome: str = Field(description="in_incident, answered or needs_person")
    reason: str
    words: str
    incident_id: UUID | None
    ledger: list[LedgerRow]
    considered: list[str] = Field(description="What else was looked at, from the report upwards, as sentences")
    would_change: list[str] = Field(description="What would put it elsewhere, as sentences")


class WaitingReport(BaseModel):
    """A report that no incident and no answer was found for."""

    report_id: UUID
    ticket_ref: str
    area: str
    feeder: str | None
    channel: str
    customer_class: str
    reported_at: datetime
    address: str | None
    reason: str = Field(description="Why a person must decide")
    words: str = Field(description="The same as a sentence")


class WaitingReports(BaseModel):
    """Reports that wait for a person, oldest first."""

    reports: list[WaitingReport]
    next: str | None = Field(description="Give it as `after` for the next page; null on the last")


def report_doors(pool: Pool, ground: Ground | None, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the doors."""
    router = APIRouter(tags=["reports"])
    may_read = Depends(let_in(keys, Scope.READ))

    @router.get("/reports/waiting", dependencies=[may_read], summary="Reports that wait for a person to place them")
    async def list_waiting_reports(
        area: Annotated[Name | None, Query(description="Only this substation or cell")] = None,
        after: After = None,
        limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
    ) -> WaitingReports:
        since = read_cursor(after)
        async with connected(pool) as connection:
            rows = await views.waiting_reports(connection, area, since, limit + 1)
        page, following = cut(rows, limit, "reported_at", "report_id")
        reports = [WaitingReport(**dict(row), words=sentence(row["reason"], {}, waits=True)) for row in page]
        return WaitingReports(reports=reports, next=following)

    @router.get(
        "/reports/{report_id}/explain",
        dependencies=[may_read],
        summary="Why a report is where it is",
    )
    async def explain_report(report_id: UUID) -> Explanation:
        if ground is None:
            raise AssertionError("a description explains nothing")
        # Of one moment: several queries read the area, and it goes on meanwhile.
        async with connected(pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            row = await views.report_of(connection, report_id)
            if row is None:
                raise Problem(404, f"no report {report_id} has come to dedup")
            ledger = await views.ledger_of(connection, report_id)
            area = row["area"]
            trees = await load_trees(connection, [area])
            counts = await views.reported_in(connection, area)
            tries = sum(counts.values()) <= _MOST_TRIED
            loaded = await load_areas(connection, [area], trees, ground.rules, None if tries else report_id)
        state = loaded[area]
        rows = [LedgerRow(**one, words=sentence(one["rule"], one["evidence"])) for one in ledger]
        words = sentence(row["reason"], {}, waits=row["outcome"] == "needs_person")
        if rows and row["outcome"] == "in_incident":
            words = rows[-1].words
        lag, kept_back = ground.rules.trusted_lag, row["kept_back"]
        made = made_at(row["reported_at"], row["received_at"], lag, kept_back=kept_back)
        looked = considered(state, row["device_id"], made, row["incident_id"], counts)
        change = would_change(state, report_id, row["reason"], clock.now(), tries=tries)
        return Explanation(**dict(row), words=words, ledger=rows, considered=looked, would_change=change)

    return router
