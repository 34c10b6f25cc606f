"""How a ticket is shown, and the endpoints that show one.

Never here: a change.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from services.contracts.ids import parse_ticket_ref
from services.contracts.messages import Due, RouteReason
from services.contracts.values import Channel, CustomerClass, Language, Name, Place, Priority, TicketState, Word
from services.router import store
from services.router.acting import NoSuchTicketError
from services.router.api.answers import problem
from services.router.domain.classify import LanguageRule, PriorityRule
from services.router.domain.desk import turn_of, work_of
from services.router.domain.log import Event
from services.router.domain.telling import routed
from services.router.domain.ticket import ReportState, Ticket
from services.router.tree.keys import Scope
from services.runtime.etags import TAGGED, etag
from services.runtime.keys import let_in
from services.runtime.postgres import connected
from services.runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.router.acting import Desk
    from services.router.domain.desk import DeskRules
    from services.runtime.keys import KeyRing
    from services.runtime.postgres import Pool

_MOST_LINES: Final = 1000


class TicketView(BaseModel):
    """A ticket as it stands."""

    ticket_id: UUID
    ticket_ref: Name
    version: int
    queue: Word
    state: TicketState
    priority: Priority
    priority_rule: PriorityRule
    business_type: Word
    fault: Word | None
    hazards: tuple[Word, ...]
    language: Language
    language_rule: LanguageRule
    channel: Channel
    customer_class: CustomerClass
    place: Place
    text: str | None
    phone: Name | None
    address: str | None
    tags: tuple[Word, ...]
    contacts: int = Field(description="Contacts in this ticket so far")
    final: bool = Field(description="False while more of it is expected: the call goes on")
    report: ReportState = Field(description="Where its outage report is, if it made one")
    reported_at: datetime | None
    needs_person: Word | None = Field(description="Why dedup or the customer's further words ask for a person")
    reason: RouteReason
    opened_at: datetime
    routed_at: datetime
    agent: Name | None = Field(default=None, description="Who has it, or, of a closed ticket, who completed it")
    until: datetime | None = Field(default=None, description="When the offer lapses, or the time to write up is over")
    held_for: Name | None = Field(default=None, description="Agent it is kept for, for a short while, before others")
    outcome: Word | None = None
    urges: int = 0
    repeats: int = Field(default=0, description="Times the customer told of the matter again")
    repeat_of: UUID | None = Field(default=None, description="Earlier ticket of the same customer and matter")
    due: tuple[Due, ...] = Field(default=(), description="Its clock, a stage an entry")
    paused: bool = Field(default=False, description="Its clock stands still")
    merged_into: UUID | None = Field(default=None, description="The ticket that stands for this one")
    carries: tuple[UUID, ...] = Field(default=(), description="Tickets that this one stands for")
    erased_at: datetime | None = Field(default=None, description="When who told of it, where and what was erased")


class TicketsView(BaseModel):
    """Tickets, each as it stands."""

    tickets: list[TicketView]


class LogView(BaseModel):
    """What was done with a ticket, in order."""

    log: list[Event]


def ticket_doors(desk: Desk, keys: Callable[[], KeyRing[Scope]]) -> APIRouter:
    """Make the doors that show a ticket."""
    router = APIRouter(tags=["tickets"], dependencies=[Depends(let_in(keys, Scope.READ))])

    @router.get("/tickets/{key}", summary="A ticket by its id or its reference", responses=TAGGED)
    async def get_ticket(key: str, response: Response) -> TicketsView:
        """Answer a list: two of ten million tickets share a reference with a chance of some 4 %, and have no `ETag`."""
        found = await tickets_of(desk.looking, key)
        if len(found) == 1:
            response.headers["ETag"] = etag(found[0].version)
        return TicketsView(tickets=[view(ticket, desk.rules()) for ticket in found])

    @router.get("/tickets/{key}/log", summary="The log of a ticket")
    async def get_ticket_log(
        key: str,
        skip: Annotated[int, Query(ge=0, le=1_000_000, description="Lines read before")] = 0,
        limit: Annotated[int, Query(ge=1, le=_MOST_LINES)] = _MOST_LINES,
    ) -> LogView:
        ticket = await one_ticket(desk.looking, key)
        async with connected(desk.looking) as connection:
            return LogView(log=await store.log_of(connection, ticket.ticket_id, skip, limit))

    return router


async def tickets_of(pool: Pool, key: str) -> list[Ticket]:
    """Return the tickets an id or a reference names, as they stand; a joined one is the one it joined."""
    ticket_id, ticket_ref = key_of(key)
    async with connected(pool) as connection:
        if ticket_id is not None:
            found = await store.by_id(connection, ticket_id)
        else:
            found = await store.by_ref(connection, ticket_ref)
    if not found:
        raise problem(NoSuchTicketError())
    return found


async def ticket_of(pool: Pool, key: str) -> Ticket:
    """Return the newest of the tickets an id or a reference names."""
    return (await tickets_of(pool, key))[0]


async def one_ticket(pool: Pool, key: str, field: str | None = None) -> Ticket:
    """Return the one ticket an id or a reference names, to do something with it.

    Raises:
        Problem: it names none, or several; ``field`` of the body is named if the key stood there.
    """
    try:
        return _only(await tickets_of(pool, key))
    except Problem as error:
        if field is not None:
            error.errors = [{"field": field, "reason": error.detail}]
        raise


def _only(found: list[Ticket]) -> Ticket:
    if len(found) > 1:
        ids = ", ".join(str(ticket.ticket_id) for ticket in found)
        raise Problem(409, f"{len(found)} tickets have this reference; say which by its id: {ids}")
    return found[0]


def key_of(key: str) -> tuple[UUID, str] | tuple[None, str]:
    """Read a ticket id or a reference as people say it."""
    try:
        return UUID(key), ""
    except ValueError:
        pass
    try:
        return None, parse_ticket_ref(key)
    except ValueError as error:
        raise Problem(400, f"neither a ticket id (UUID) nor a reference: {error}") from None


def view(ticket: Ticket, rules: DeskRules) -> TicketView:
    """Show a ticket."""
    told, facts, work = routed(ticket), ticket.facts, work_of(ticket)
    return TicketView(
        ticket_id=ticket.ticket_id,
        ticket_ref=ticket.ticket_ref,
        version=ticket.version,
        queue=ticket.queue,
        state=ticket.standing,
        priority=ticket.priority,
        priority_rule=ticket.priority_rule,
        business_type=ticket.classification.business_type,
        fault=ticket.classification.fault,
        hazards=ticket.classification.hazards,
        language=ticket.classification.language,
        language_rule=ticket.classification.language_rule,
        channel=told.channel,
        customer_class=told.customer_class,
        place=ticket.place,
        text=told.text,
        phone=told.phone,
        address=facts.address.value if facts.address else None,
        tags=ticket.taken.tags,
        contacts=told.contacts,
        final=facts.final,
        report=ticket.report,
        reported_at=ticket.reported_at,
        needs_person=ticket.need,
        reason=told.reason,
        opened_at=facts.opened_at,
        routed_at=ticket.routed_at,
        agent=work.agent,
        until=work.until,
        held_for=work.held_for,
        outcome=work.outcome,
        urges=ticket.urges + work.urges,
        repeats=ticket.repeats,
        repeat_of=ticket.repeat_of,
        due=turn_of(ticket, rules).due,
        paused=work.elapsed.paused,
        merged_into=ticket.merged_into or work.merged_into,
        carries=tuple(each.ticket for each in work.carries),
        erased_at=ticket.erased_at,
    )
