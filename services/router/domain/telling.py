"""A ticket as published: ``ticket.routed`` for desktops, ``outage.reported`` for dedup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.ids import derive, report_id
from services.contracts.messages import Due, OutageCommanded, OutageReported, RouteReason, TicketRouted
from services.contracts.values import CommandAction
from services.router.domain.work import UNTOUCHED

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.router.domain.log import Event
    from services.router.domain.ticket import Ticket


def routed(ticket: Ticket, due: tuple[Due, ...] = ()) -> TicketRouted:
    """Return the message that says where the ticket stands; ``due`` is its clock."""
    facts, taken, about = ticket.facts, ticket.taken, ticket.classification
    work = ticket.work or UNTOUCHED
    return TicketRouted(
        ticket_id=ticket.ticket_id,
        ticket_ref=ticket.ticket_ref,
        version=ticket.version,
        queue=ticket.queue,
        state=ticket.standing,
        channel=facts.channel.value,
        business_type=about.business_type,
        priority=ticket.priority,
        hazards=about.hazards,
        language=about.language,
        customer_class=ticket.place.customer_class,
        place=ticket.place,
        text=facts.text,
        phone=facts.phone.value if facts.phone else None,
        contacts=len(ticket.contacts),
        reason=RouteReason(
            route=taken.path,
            rule=about.type_rule.value,
            matched=(
                *taken.matched,
                *(f"{'like' if about.is_inferred else 'word'}:{word}"[:200] for word in about.words),
                *(f"suspected:{piece}" for piece in about.suspected or ()),
                f"language:{about.language_rule}",
                f"priority:{ticket.priority_rule}",
                *(f"tag:{tag}" for tag in taken.tags),
            ),
            tree_hash=ticket.tree_hash,
            confidence=about.confidence,
            language_confidence=about.language_confidence,
        ),
        opened_at=facts.opened_at,
        routed_at=ticket.routed_at,
        change=ticket.change,
        agent=work.agent,
        until=work.until,
        held_for=work.held_for,
        outcome=work.outcome,
        merged_into=ticket.merged_into or work.merged_into,
        joined=tuple(sorted(ticket.also)) or None,
        urges=(ticket.urges + work.urges) or None,
        due=due or None,
        repeats=ticket.repeats or None,
        repeat_of=ticket.repeat_of,
    )


def outage_reported(ticket: Ticket, contact_id: UUID, received_at: datetime) -> OutageReported:
    """Return the report of a ticket that a contact made ready, or of which a person said where it is.

    Raises:
        ValueError: the ticket has no place, or its report was not decided to go out.
    """
    facts, place = ticket.facts, ticket.place
    if place.area is None or ticket.reported_at is None:
        raise ValueError("only a placed ticket whose report goes out has one")
    return OutageReported(
        area=place.area,
        report_id=report_id(ticket.ticket_id),
        ticket_id=ticket.ticket_id,
        ticket_ref=ticket.ticket_ref,
        contact_id=contact_id,
        channel=facts.channel.value,
        place=place,
        reported_at=ticket.reported_at,
        received_at=received_at,
        hazards=ticket.classification.hazards,
        single_premise=ticket.classification.single_premise,
        unconfirmed=facts.is_unconfirmed or ticket.classification.is_inferred,
        address=facts.address.value if facts.address else None,
        language=ticket.classification.language,
        recipient=facts.reply_to.value if facts.reply_to else None,
        kept_back=facts.kept_back or None,
    )


def report_placed(ticket: Ticket, placed: Event) -> OutageCommanded:
    """Return what tells dedup where a report is that waits there for a place.

    Raises:
        ValueError: the event says no device.
    """
    if placed.place is None or placed.place.area is None:
        raise ValueError("only a place can be told")
    return OutageCommanded(
        area=placed.place.area,
        command_id=derive("router.place", ticket.ticket_id, ticket.version),
        action=CommandAction.PLACE,
        author=placed.by,
        reason=placed.note or "asked the customer",
        accepted_at=placed.at,
        reports=(report_id(ticket.ticket_id),),
        device=placed.place.transformer_id,
    )
