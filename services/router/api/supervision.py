"""For supervisors: tickets whose clock has warned, and the warnings given.

Never here: a change; what a supervisor does is in ``acts``.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.contracts.values import Name, Word
from services.router import overdue
from services.router.api.answers import known_queue
from services.router.api.tickets import TicketView, view
from services.router.domain.desk import turn_of
from services.router.domain.sla import LEVELS
from services.router.store import NoSuchPlaceError
from services.router.tree.keys import Scope
from services.runtime.keys import let_in
from services.runtime.periods import QueryInstant, period
from services.runtime.postgres import connected
from services.runtime.problems import wrong_field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.contracts.messages import Due
    from services.router.acting import Desk
    from services.router.domain.desk import DeskRules
    from services.router.domain.ticket import Ticket
    from services.runtime.keys import KeyRing

_MOST: Final = 500
_LONGEST: Final = timedelta(days=31)
_Level = Annotated[int, Query(ge=1, le=LEVELS, description="At least; from 3 on the time is over, by default")]
_Limit = Annotated[int, Query(ge=1, le=_MOST)]
_FURTHER: Final = "Ask again with it as `after`; absent at the end"
_AFTER: Final = "`further` of the page before"
_Queue = Annotated[Word | None, Query(description="All queues if absent")]


class WarnedView(BaseModel):
    """A ticket whose clock has warned, with the stage that is worst off."""

    level: int
    stage: Word
    due_at: datetime | None = Field(description="Absent while its clock stands still")
    ticket: TicketView


class WarnedListView(BaseModel):
    """The worst and oldest first."""

    warned: list[WarnedView]
    further: str | None = Field(description=_FURTHER)


class EscalationView(BaseModel):
    """A warning that was given, and where the ticket was then."""

    ticket_id: UUID
    ticket_ref: Name
    at: datetime
    queue: Word | None
    agent: Name | None
    stage: Word
    level: int


class EscalationsView(BaseModel):
    """The latest first."""

    since: datetime
    until: datetime
    escalations: list[EscalationView]
    further: str | None = Field(description=_FURTHER)


def supervision_doors(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the doors."""
    router = APIRouter(tags=["figures"], dependencies=[Depends(let_in(keys, Scope.READ))])

    @router.get("/warned", summary="Open tickets with an unmet stage that has warned")
    async def list_warned_tickets(
        level: _Level = 1,
        queue: _Queue = None,
        limit: _Limit = 100,
        after: Annotated[str | None, Query(pattern=overdue.WARNED_PLACE, description=_AFTER)] = None,
    ) -> WarnedListView:
        with _its_place():
            async with connected(desk.looking) as connection:
                found, further = await overdue.warned(connection, level, queue, limit, after)
        if not found:
            known_queue(queue, desk.book.declared)
        rules = desk.rules()
        shown = [shown for ticket in found if (shown := _warned(ticket, rules)) is not None]
        return WarnedListView(warned=shown, further=further)

    @router.get("/escalations", summary="Warnings given in a period, once per ticket, stage and level")
    async def list_escalations(
        since: Annotated[QueryInstant | None, Query(description="24 hours ago if absent")] = None,
        until: Annotated[QueryInstant | None, Query(description="Now if absent")] = None,
        level: _Level = 1,
        queue: _Queue = None,
        limit: _Limit = 100,
        after: Annotated[str | None, Query(pattern=overdue.ESCALATIONS_PLACE, description=_AFTER)] = None,
    ) -> EscalationsView:
        since, until = period(since, until, _LONGEST)
        with _its_place():
            async with connected(desk.looking) as connection:
                found, further = await overdue.escalations(connection, since, until, level, queue, limit, after)
        if not found:
            known_queue(queue, desk.book.declared)
        shown = [EscalationView.model_validate(each, from_attributes=True) for each in found]
        return EscalationsView(since=since, until=until, escalations=shown, further=further)

    return router


@contextmanager
def _its_place() -> Iterator[None]:
    """Refuse a page that is to begin where nothing is."""
    try:
        yield
    except NoSuchPlaceError:
        raise wrong_field("after", "is no `further` of a page before") from None


def _warned(ticket: Ticket, rules: DeskRules) -> WarnedView | None:
    """Show a warned ticket; none where the clocks in force warn no more."""
    worst = max((due for due in turn_of(ticket, rules).due if due.met_at is None), key=_level, default=None)
    if worst is None or not worst.level:
        return None
    return WarnedView(level=worst.level, stage=worst.stage, due_at=worst.due_at, ticket=view(ticket, rules))


def _level(due: Due) -> int:
    return due.level or 0
