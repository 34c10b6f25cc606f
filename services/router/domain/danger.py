"""A danger reported after the ticket's report was sent: it gets a ticket, a report and an order of its own.

Decided here: when a danger needs that, and what is known of it: the reporter's own words about it, at the place they
gave before. It applies in a call, in a chat thread and in a later message alike (DESIGN §4.5). Never here: withdrawing
a danger, or giving one customer's place to another.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from services.grid.evidence import place_words
from services.router.domain.facts import join
from services.router.domain.repeats import same_person
from services.router.domain.ticket import ReportState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from services.router.domain.facts import Bounds, Facts
    from services.router.domain.ticket import Ticket


def is_new(said: Facts, ticket: Ticket) -> bool:
    """Tell whether what is said names a danger that the ticket's report, which is out, does not carry."""
    gone = ticket.report is not ReportState.NONE
    return gone and not set(said.hazards) <= set(ticket.facts.hazards)


def told_where(said: Facts, at: datetime, tickets: Iterable[Ticket], bounds: Bounds) -> Ticket | None:
    """Return the ticket in which the reporter told lately where they are; None if they say it now, or never did.

    Args:
        said: What names the danger.
        at: When that was said.
        tickets: Tickets that share a handle with it.
        bounds: How long somebody counts as talking.
    """
    if not said.hazards or says_where(said):
        return None
    near = [
        ticket
        for ticket in tickets
        if ticket.place.area is not None and abs(at - ticket.last_at) <= bounds.talk and same_person(said, ticket)
    ]
    return max(near, key=lambda ticket: (ticket.last_at, ticket.ticket_id), default=None)


def says_where(said: Facts) -> bool:
    """Tell whether what is said names a place."""
    return _by_fact(said) or place_words(said.text) is not None


def apart(known: Facts, said: Facts) -> Facts:
    """Return a danger by itself: who and where as known before, what and when as said now."""
    both = join(known, said)
    by_words = not _by_fact(both) and place_words(said.text) is None and place_words(known.text) is not None
    return replace(
        both,
        opened_at=said.opened_at,
        arrived_at=said.arrived_at,
        outage_at=said.outage_at,
        channel=said.channel,
        texts=both.texts if by_words else said.texts,  # only their words say where
        interim=said.interim,
        hazards=said.hazards,
        unconfirmed=said.unconfirmed,
        single_premise=said.single_premise,
        kept_back=said.kept_back,
    )


def _by_fact(said: Facts) -> bool:
    return bool(said.account_id or said.position or said.address)
