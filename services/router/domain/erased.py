"""What remains of a ticket whose customer's data is erased, and which tickets are not to be touched yet.

Decided here: both, for one stored ticket. What remains is listed: a field that is added later goes, unless it is put on
the list. References, counts and KPIs stay as they were. Never here: I/O, whether dedup or notify still need it.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.contracts.values import Place, TicketState
from services.router.domain.facts import Facts

if TYPE_CHECKING:
    from datetime import datetime

    from services.router.domain.ticket import Ticket
    from services.router.domain.work import Work

_WITH_PEOPLE: Final = frozenset({TicketState.QUEUED, TicketState.OFFERED, TicketState.ASSIGNED, TicketState.WRAP_UP})


class Live(StrEnum):
    """Why a ticket keeps its contents for now."""

    OPEN = "open"
    STANDS_FOR_IT = "part_of_an_open_ticket"
    RECENT = "changed_too_lately"


def why_live(ticket: Ticket, stands_for_it: Ticket | None, before: datetime) -> Live | None:
    """Return why a ticket must not be erased; None where it may be.

    Args:
        ticket: As it stands.
        stands_for_it: The last of those it is merged into, if it is.
        before: What was decided on it at this moment or later is too young.
    """
    if ticket.standing in _WITH_PEOPLE:
        return Live.OPEN
    if stands_for_it is not None and stands_for_it.standing in _WITH_PEOPLE:
        return Live.STANDS_FOR_IT
    return Live.RECENT if ticket.routed_at >= before else None


def erased(ticket: Ticket, at: datetime) -> Ticket:
    """Return a ticket without anything that tells who its customer is, where they are or what they said.

    It is the same version: nothing was decided on it. Erasing it again changes nothing.
    """
    if ticket.erased_at is not None:
        return ticket
    facts, about = ticket.facts, ticket.classification
    return replace(
        ticket,
        facts=Facts(
            opened_at=facts.opened_at,
            arrived_at=facts.arrived_at,
            outage_at=facts.outage_at,
            channel=facts.channel,
            business_type=facts.business_type,
            language=facts.language,
            unconfirmed=facts.unconfirmed,
            answered=facts.answered,
            hazards=facts.hazards,
            single_premise=facts.single_premise,
            final=facts.final,
            kept_back=facts.kept_back,
        ),
        place=_in_the_network(ticket.place),
        classification=replace(about, words=(), suspected=None),
        work=None if ticket.work is None else _worked(ticket.work),
        erased_at=at,
    )


def _in_the_network(place: Place) -> Place:
    """Return which equipment a place hangs on, without the customer or the spot."""
    return Place(
        area=place.area,
        feeder=place.feeder,
        transformer_id=place.transformer_id,
        confidence=place.confidence,
        basis=place.basis,
        customer_class=place.customer_class,
        customer_status=place.customer_status,
        voltage_kv=place.voltage_kv,
    )


def _worked(work: Work) -> Work:
    return work if work.place is None else work.model_copy(update={"place": _in_the_network(work.place)})
