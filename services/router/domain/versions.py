"""A ticket's next version, where nothing is decided on it anew: people did something, time passed, it became another.

Never here: which queue and state it has (``deciding``), I/O, the time.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from services.contracts.values import TicketState
from services.router.domain.effects import fold
from services.router.domain.targets import step_at
from services.router.domain.work import UNTOUCHED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from services.router.domain.log import Event
    from services.router.domain.ticket import Ticket

MOVED_ON: Final = "moved_on"
"""What made a version: nobody took the ticket in time, so it waits for others."""


def with_events(before: Ticket, events: Sequence[Event]) -> Ticket:
    """Return a ticket, in the same version, after what was done with it: one thing at least."""
    return replace(before, work=fold(events, before.work or UNTOUCHED), change=events[-1].did.value)


def worked(before: Ticket, events: Sequence[Event], now: datetime) -> Ticket:
    """Return the next version of a ticket, after what people did: one thing at least."""
    return replace(with_events(before, events), version=before.version + 1, routed_at=now)


def above(floor: int, ticket: Ticket) -> Ticket:
    """Return a changed ticket in a version above ``floor``; those after it ascend from there."""
    return ticket if ticket.version > floor else replace(ticket, version=floor + 1)


def wakes_at(ticket: Ticket) -> datetime | None:
    """Return when the next step of a waiting ticket has its turn; None if there is none."""
    following = ticket.step + 1
    if ticket.planned_at is None or following >= len(ticket.taken.plan) or ticket.state is not TicketState.QUEUED:
        return None
    return ticket.planned_at + timedelta(seconds=ticket.taken.plan[following].after_s)


def moved_on(ticket: Ticket, now: datetime) -> Ticket:
    """Return a ticket in the step that has its turn by now; as it was if that is the same."""
    if ticket.planned_at is None or ticket.state is not TicketState.QUEUED:
        return ticket
    step = step_at(ticket.taken.plan, (now - ticket.planned_at).total_seconds())
    if step <= ticket.step:
        return ticket
    return replace(ticket, step=step, version=ticket.version + 1, change=MOVED_ON, routed_at=now)


def merged(young: Ticket, into: UUID, now: datetime) -> Ticket:
    """Return a ticket that turned out to be another one: its contacts are there."""
    version = young.version + 1
    return replace(young, version=version, state=TicketState.MERGED, merged_into=into, routed_at=now, change=None)
