"""What time alone does to the work on a ticket: offers, holds and declines expire.

Decided here: when. Never here: the time itself, warnings of the clock (``sla``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from services.router.domain.log import GRIDLINE, Did, Event
from services.router.domain.work import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from services.router.domain.work import Work


WRAP_UP_OVER: Final = "wrap_up_over"
"""Why a ticket left its agent, and its outcome where that ended it: the time to write it up was over."""


@dataclass(frozen=True, slots=True)
class WrapUp:
    """How long an agent may write up after a contact; then their place is free for the next customer.

    Attributes:
        completes: The ticket is ended then; else it waits again, as one does in any case that has a danger, or words
            that came while it was written up.
    """

    limit: timedelta
    completes: bool


@dataclass(frozen=True, slots=True)
class Timings:
    """How long things are kept open for people.

    Attributes:
        offer: For an agent to accept.
        hold: For the agent a ticket is kept for.
        passed: Before one who declined is offered it again.
        presence: Without a sign of an agent before they count as gone.
        known: After a customer spoke with an agent, their new ticket is kept for that agent first; 0 never.
        urge: Between two urges that count.
    """

    offer: timedelta = timedelta(seconds=20)
    hold: timedelta = timedelta(seconds=30)
    passed: timedelta = timedelta(seconds=120)
    presence: timedelta = timedelta(seconds=45)
    urge: timedelta = timedelta(minutes=30)
    known: timedelta = timedelta(0)


def lapsed(work: Work, timings: Timings, now: datetime) -> Iterable[Event]:
    """Yield what the passing of time alone brings."""
    if work.phase is Phase.OFFERED and work.until is not None and work.until <= now:
        yield Event(did=Did.LAPSED, at=now, by=GRIDLINE, agent=work.agent, until=now + timings.passed)
    if work.held_until is not None and work.held_until <= now:
        yield Event(did=Did.HOLD_ENDED, at=now, by=GRIDLINE)
    if work.passed_until is not None and work.passed_until <= now and work.open:
        yield Event(did=Did.PASS_ENDED, at=now, by=GRIDLINE)


def written_up(work: Work, wrap_up: WrapUp | None, now: datetime, *, by_people: bool) -> Iterable[Event]:
    """Yield that the time to write up is over, once it is: the ticket ends, or waits for somebody to end it.

    ``by_people``: whatever the rules say, only a person ends it.

    One that began while no limit was in force has the limit from now on.
    """
    if work.phase is not Phase.WRAP_UP:
        return
    if work.until is None and wrap_up is not None:
        yield Event(did=Did.LIMITED, at=now, by=GRIDLINE, agent=work.agent, until=now + wrap_up.limit)
    if work.until is None or work.until > now:
        return
    over = Event(did=Did.REQUEUED, at=now, by=GRIDLINE, reason=WRAP_UP_OVER)
    ended = {"did": Did.COMPLETED, "agent": work.agent, "outcome": WRAP_UP_OVER}
    yield over.model_copy(update=ended) if wrap_up is not None and wrap_up.completes and not by_people else over


def wakes(work: Work, wrap_up: WrapUp | None) -> datetime | None:
    """Return the next moment at which time alone changes the work.

    That is at once for a write-up that began without a limit and has come to a queue with one.
    """
    moments = (
        work.until,
        work.since if work.phase is Phase.WRAP_UP and work.until is None and wrap_up is not None else None,
        work.held_until,
        work.passed_until if work.open else None,
    )
    return min((moment for moment in moments if moment is not None), default=None)
