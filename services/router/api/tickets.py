"""How a ticket is shown, and the door that shows one.

Never here: a change.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.contracts.ids import parse_ticket_ref
from services.contracts.messages import RouteReason
from services.contracts.values import Channel, CustomerClass, Language, Name, Place, Priority, TicketState, Word
from services.router import store
from services.router.domain.classify import LanguageRule, PriorityRule
from services.router.domain.ticket import ReportState, Ticket, routed
from services.runtime.http import Problem
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from services.runtime.postgres import Pool


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


class TicketsView(BaseModel):
    """Tickets, each as it stands."""

    tickets: list[TicketView]


def ticket_doors(pool: Pool) -> APIRouter:
    """Make the door of one ticket."""
    router = APIRouter(tags=["tickets"])

    @router.get("/tickets/{key}", summary="A ticket by its id or its reference")
    async def get_ticket(key: str) -> TicketsView:
        """Answer a list: two of ten million tickets share a reference with a chance of some 4 %."""
        return TicketsView(tickets=[view(ticket) for ticket in await tickets_of(pool, key)])

    return router


async def tickets_of(pool: Pool, key: str) -> list[Ticket]:
    """Return the tickets an id or a reference names, as they stand; a merged one is the one that stands for it."""
    ticket_id, ticket_ref = key_of(key)
    with translated():
        async with pool.acquire() as connection:
            if ticket_id is not None:
                found = await store.by_id(connection, ticket_id)
            else:
                found = await store.by_ref(connection, ticket_ref)
    if not found:
        raise Problem(404, "no ticket has this id or reference")
    return found


async def ticket_of(pool: Pool, key: str) -> Ticket:
    """Return the newest of the tickets an id or a reference names."""
    return (await tickets_of(pool, key))[0]


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


def view(ticket: Ticket) -> TicketView:
    """Show a ticket."""
    told, facts = routed(ticket), ticket.facts
    return TicketView(
        ticket_id=ticket.ticket_id,
        ticket_ref=ticket.ticket_ref,
        version=ticket.version,
        queue=ticket.queue,
        state=ticket.state,
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
        needs_person=ticket.needs_person,
        reason=told.reason,
        opened_at=facts.opened_at,
        routed_at=ticket.routed_at,
    )
