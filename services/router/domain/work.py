"""What people do with a ticket: a state machine over the log of what was done.

Decided here: which act is allowed when and by whom, refused by name otherwise (``decide``), and what a ticket's work is
after it (``evolve``). Folding the log gives the work again. Never here: which ticket an agent gets, I/O, the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pydantic import Field

from services.contracts.values import Language, Name, Priority, TicketState, Timestamp, Value, Word
from services.router.domain.log import Did, Event, NotAllowedError, Why
from services.router.domain.sla import Elapsed, Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

MOST_PASSED: Final = 50
MOST_CARRIED: Final = 200


class Phase(StrEnum):
    """How far the work on a ticket is. What waits may wait for dedup rather than for a person."""

    WAITING = "waiting"
    OFFERED = "offered"
    ASSIGNED = "assigned"
    WRAP_UP = "wrap_up"
    CLOSED = "closed"
    MERGED = "merged"


class Carried(Value):
    """A ticket that this one stands for, and when its customer first spoke."""

    ticket: UUID
    opened_at: Timestamp


class Work(Value):
    """The work on a ticket: the fold of its log.

    Attributes:
        since: When the phase began; the ticket's opening if absent.
        waiting_since: When the customer began to wait for a person, offers that came to nothing included; the ticket's
            opening if absent.
        agent: Who has it, or completed it.
        until: When the offer lapses.
        held_for: Who may have it before others, until ``held_until``.
        passed: Who declined it, or let it lapse; not offered again until ``passed_until``.
        queue: Where a person moved it, whatever the route tree says.
        priority: What a supervisor set.
        corrected_type: What a person says the business type is.
        corrected_language: What a person says the language is.
        known_agent: Who had it last.
        rounds: Times it was taken by an agent.
        moves: Transfers and returns.
        reopened: Times it was opened again.
        carries: Tickets merged into it.
        elapsed: Its clock.
    """

    phase: Phase = Phase.WAITING
    since: Timestamp | None = None
    waiting_since: Timestamp | None = None
    agent: Name | None = None
    until: Timestamp | None = None
    held_for: Name | None = None
    held_until: Timestamp | None = None
    passed: tuple[Name, ...] = ()
    passed_until: Timestamp | None = None
    queue: Word | None = None
    priority: Priority | None = None
    corrected_type: Word | None = None
    corrected_language: Language | None = None
    known_agent: Name | None = None
    rounds: int = Field(default=0, ge=0)
    moves: int = Field(default=0, ge=0)
    reopened: int = Field(default=0, ge=0)
    urges: int = Field(default=0, ge=0)
    urged_at: Timestamp | None = None
    outcome: Word | None = None
    merged_into: UUID | None = None
    carries: tuple[Carried, ...] = ()
    elapsed: Elapsed = Elapsed()

    @property
    def in_hand(self) -> bool:
        """Whether it takes a place of its agent's capacity."""
        return self.phase in _IN_HAND

    @property
    def open(self) -> bool:
        """Whether it is still to be worked on."""
        return self.phase not in {Phase.CLOSED, Phase.MERGED}

    @property
    def untouched(self) -> bool:
        """Whether no person had to do with it: at most it is kept for one."""
        return self.model_copy(update={"held_for": None, "held_until": None}) == UNTOUCHED

    def stands(self, decided: TicketState) -> TicketState:
        """Return the state of a ticket of which the router ``decided`` that."""
        return decided if self.phase is Phase.WAITING else TicketState(self.phase.value)


UNTOUCHED: Final = Work()
_IN_HAND: Final = frozenset({Phase.OFFERED, Phase.ASSIGNED, Phase.WRAP_UP})
_WITH_AGENT: Final = frozenset({Phase.ASSIGNED, Phase.WRAP_UP})
_OPEN: Final = frozenset({Phase.WAITING, *_IN_HAND})
_ALL: Final = frozenset(Phase)
ALLOWED: Final[Mapping[Did, frozenset[Phase]]] = {
    Did.OFFERED: frozenset({Phase.WAITING}),
    Did.CLAIMED: frozenset({Phase.WAITING}),
    Did.ACCEPTED: frozenset({Phase.OFFERED}),
    Did.DECLINED: frozenset({Phase.OFFERED}),
    Did.LAPSED: frozenset({Phase.OFFERED}),
    Did.KEPT: frozenset({Phase.WAITING}),
    Did.HOLD_ENDED: frozenset({Phase.WAITING}),
    Did.PASS_ENDED: _OPEN,
    Did.WRAPPED_UP: frozenset({Phase.ASSIGNED}),
    Did.COMPLETED: _WITH_AGENT,
    Did.WITHDRAWN: frozenset({Phase.WAITING, Phase.OFFERED}),
    Did.NOTED: _ALL,
    Did.CONTACTED: _WITH_AGENT,
    Did.TRANSFERRED: _WITH_AGENT,
    Did.RETURNED: _WITH_AGENT,
    Did.PAUSED: _OPEN,
    Did.RESUMED: _OPEN,
    Did.URGED: _OPEN,
    Did.REPRIORITISED: _OPEN,
    Did.REQUEUED: _OPEN,
    Did.MERGED: frozenset({*_OPEN, Phase.CLOSED}),
    Did.UNMERGED: frozenset({Phase.MERGED}),
    Did.CARRIED: frozenset({*_OPEN, Phase.CLOSED}),
    Did.RELEASED: _ALL,
    Did.LOST: _IN_HAND,
    Did.RECALLED: _OPEN,
    Did.REOPENED: frozenset({Phase.CLOSED}),
    Did.ABANDONED: _OPEN,
    Did.ESCALATED: _OPEN,
}
"""In which phases each act is possible: a table, so that what is missing from it is refused."""

_OWN: Final = frozenset(
    {
        Did.ACCEPTED,
        Did.DECLINED,
        Did.WRAPPED_UP,
        Did.COMPLETED,
        Did.CONTACTED,
        Did.TRANSFERRED,
        Did.RETURNED,
    }
)
"""Acts of the agent who has the ticket; ``agent`` must be them."""
_REFUSED: Final[Mapping[Phase, Why]] = {
    Phase.CLOSED: Why.CLOSED,
    Phase.MERGED: Why.MERGED,
    Phase.WAITING: Why.NOT_IN_HAND,
}
_BACK: Final = frozenset(
    {
        Did.DECLINED,
        Did.LAPSED,
        Did.TRANSFERRED,
        Did.RETURNED,
        Did.REQUEUED,
        Did.LOST,
        Did.RECALLED,
        Did.REOPENED,
        Did.UNMERGED,
    }
)
"""What puts a ticket back among those that wait."""


@dataclass(frozen=True, slots=True)
class Case:
    """What an act is judged by beside the work itself.

    Attributes:
        opened_at: Of the ticket.
        queue: Where it is.
        waits: It waits for a person, not for dedup.
        danger: A danger was named.
        contacts: How often the customer spoke.
        last_due: When the last stage of its clock is due, if it runs.
        urge: Between two urges that count.
    """

    opened_at: datetime
    queue: str
    waits: bool
    danger: bool = False
    contacts: int = 1
    last_due: datetime | None = None
    urge: timedelta = timedelta(minutes=30)


def decide(work: Work, act: Event, case: Case) -> Event | None:
    """Return the line of the log for an act, or None if what it asks is so already.

    Args:
        work: As it is.
        act: What is asked, with its time and who asks; what follows from the state is filled in.
        case: The ticket.

    Raises:
        NotAllowedError: the act does not fit; ``why`` says by which rule.
    """
    if _done_already(work, act):
        return None
    if work.phase not in ALLOWED[act.did]:
        _refuse(work, act)
    if act.did in _OWN and act.agent != work.agent:
        raise NotAllowedError(Why.NOT_YOURS, "another agent has this ticket")
    if act.did in {Did.OFFERED, Did.CLAIMED}:
        _may_have(work, act, case)
    _check(work, act, case)
    return act.model_copy(update=_filled(work, act, case))


def _done_already(work: Work, act: Event) -> bool:
    """Tell whether the same was done: an agent's desktop may ask twice when an answer was lost."""
    if act.did is Did.ACCEPTED:
        return work.phase is Phase.ASSIGNED and work.agent == act.agent
    if act.did is Did.WRAPPED_UP:
        return work.phase is Phase.WRAP_UP and work.agent == act.agent
    if act.did is Did.COMPLETED:
        return work.phase is Phase.CLOSED and (work.agent, work.outcome) == (act.agent, act.outcome)
    if act.did is Did.MERGED:
        return work.phase is Phase.MERGED and work.merged_into == act.ticket
    if act.did is Did.CARRIED:
        return any(each.ticket == act.ticket for each in work.carries)
    return False


def _refuse(work: Work, act: Event) -> None:
    if act.did in {Did.ACCEPTED, Did.DECLINED, Did.LAPSED} and work.phase in _WITH_AGENT:
        raise NotAllowedError(Why.NOT_OFFERED, "it is not on offer")
    if act.did in {Did.OFFERED, Did.CLAIMED, Did.WITHDRAWN} and work.phase in _IN_HAND:
        raise NotAllowedError(Why.NOT_WAITING, f"an agent has it: it is {work.phase}")
    if act.did is Did.UNMERGED:
        raise NotAllowedError(Why.NOT_MERGED, "it is merged into no ticket")
    why = _REFUSED.get(work.phase, Why.NOT_IN_HAND)
    raise NotAllowedError(why, f"a ticket that is {work.phase} cannot be {act.did}")


def _may_have(work: Work, act: Event, case: Case) -> None:
    if not case.waits:
        raise NotAllowedError(Why.NOT_WAITING, "it waits for no person")
    kept = work.held_for not in {None, act.agent}
    if kept and work.held_until is not None and act.at < work.held_until:
        raise NotAllowedError(Why.KEPT_FOR_ANOTHER, "it is kept for another agent for a moment")


def _check(work: Work, act: Event, case: Case) -> None:
    """Refuse what the phase allows and something else does not."""
    if act.did is Did.ACCEPTED and work.until is not None and act.at >= work.until:
        raise NotAllowedError(Why.OFFER_LAPSED, "the time to accept it is over")
    if act.did is Did.WITHDRAWN and not case.waits and work.phase is Phase.WAITING:
        raise NotAllowedError(Why.NOT_WAITING, "it waits for no person")
    if act.did is Did.REPRIORITISED and case.danger and act.priority is not Priority.EMERGENCY:
        raise NotAllowedError(Why.DANGER, "a danger was named: it stays an emergency")
    if act.did is Did.PAUSED and work.elapsed.paused:
        raise NotAllowedError(Why.ALREADY_PAUSED, "its clock stands still already")
    if act.did is Did.RESUMED and not work.elapsed.paused:
        raise NotAllowedError(Why.NOT_PAUSED, "its clock runs")
    if act.did is Did.CARRIED and len(work.carries) >= MOST_CARRIED:
        raise NotAllowedError(Why.TOO_MANY_MERGED, f"{MOST_CARRIED} tickets are merged into it already")


def _filled(work: Work, act: Event, case: Case) -> dict[str, object]:
    found: dict[str, object] = {"queue": case.queue}
    if act.did is Did.LAPSED or (act.did in {Did.LOST, Did.RECALLED, Did.REQUEUED, Did.MERGED} and work.in_hand):
        found["agent"] = work.agent
    if act.did in {Did.CLAIMED, Did.ACCEPTED, Did.WITHDRAWN}:
        found["seconds"] = max(0.0, (act.at - (work.waiting_since or case.opened_at)).total_seconds())
    elif work.phase in _WITH_AGENT and act.did in _LEAVES:
        found["seconds"] = max(0.0, (act.at - (work.since or case.opened_at)).total_seconds())
        found["ended"] = work.phase.value
    if act.did in {Did.ACCEPTED, Did.DECLINED, Did.LAPSED}:
        found["rang"] = max(0.0, (act.at - (work.since or case.opened_at)).total_seconds())
    if act.did is Did.COMPLETED:
        found["first"] = work.rounds == 1 and not work.moves and not work.reopened and case.contacts == 1
        found["in_time"] = case.last_due is None or act.at <= case.last_due
    if act.did is Did.URGED:
        found["first"] = work.urged_at is None or act.at - work.urged_at >= case.urge
    return found


_LEAVES: Final = frozenset({Did.WRAPPED_UP, Did.COMPLETED, Did.MERGED, *_BACK})
"""What ends a spell with an agent, or its first part."""


def evolve(work: Work, event: Event) -> Work:
    """Return the work after an event."""
    change: dict[str, object] = {}
    elapsed = _elapsed(work, event)
    if elapsed is not work.elapsed:
        change["elapsed"] = elapsed
    if event.did in _BACK:
        change |= _back(work, event)
    if (changes := _CHANGES.get(event.did)) is not None:
        change |= changes(work, event)
    return work.model_copy(update=change)


_NO_HOLD: Final[Mapping[str, object]] = {"until": None, "held_for": None, "held_until": None}


def _taken(work: Work, event: Event) -> dict[str, object]:
    return {
        **_NO_HOLD,
        "phase": Phase.ASSIGNED,
        "since": event.at,
        "agent": event.agent,
        "known_agent": event.agent,
        "rounds": work.rounds + 1,
        "passed": (),
        "passed_until": None,
    }


def _closed(_work: Work, event: Event) -> dict[str, object]:
    return {
        **_NO_HOLD,
        "phase": Phase.CLOSED,
        "since": event.at,
        "outcome": event.outcome,
        "agent": event.agent,
    }


def _offered(_work: Work, event: Event) -> dict[str, object]:
    return {
        **_NO_HOLD,
        "phase": Phase.OFFERED,
        "since": event.at,
        "agent": event.agent,
        "until": event.until,
    }


def _merged(_work: Work, event: Event) -> dict[str, object]:
    return {
        **_NO_HOLD,
        "phase": Phase.MERGED,
        "since": event.at,
        "agent": None,
        "merged_into": event.ticket,
    }


def _carrying(work: Work, event: Event) -> dict[str, object]:
    if event.ticket is None or event.opened_at is None:
        return {}
    return {"carries": (*work.carries, Carried(ticket=event.ticket, opened_at=event.opened_at))}


def _released(work: Work, event: Event) -> dict[str, object]:
    return {"carries": tuple(each for each in work.carries if each.ticket != event.ticket)}


def _urged(work: Work, event: Event) -> dict[str, object]:
    return {"urges": work.urges + 1, "urged_at": event.at} if event.first else {}


_CHANGES: Final[Mapping[Did, Callable[[Work, Event], dict[str, object]]]] = {
    Did.OFFERED: _offered,
    Did.CLAIMED: _taken,
    Did.ACCEPTED: _taken,
    Did.WRAPPED_UP: lambda _, event: {"phase": Phase.WRAP_UP, "since": event.at},
    Did.COMPLETED: _closed,
    Did.WITHDRAWN: _closed,
    Did.KEPT: lambda _, event: {"held_for": event.to_agent, "held_until": event.until},
    Did.HOLD_ENDED: lambda _work, _event: {"held_for": None, "held_until": None},
    Did.PASS_ENDED: lambda _work, _event: {"passed": (), "passed_until": None},
    Did.URGED: _urged,
    Did.REPRIORITISED: lambda _, event: {"priority": event.priority},
    Did.MERGED: _merged,
    Did.CARRIED: _carrying,
    Did.RELEASED: _released,
}


def _back(work: Work, event: Event) -> dict[str, object]:
    """Return what changes where a ticket waits again."""
    change: dict[str, object] = {"phase": Phase.WAITING, "since": event.at, "agent": None, "until": None}
    change |= {"held_for": event.to_agent, "held_until": event.until if event.to_agent else None}
    change |= {"outcome": None, "merged_into": None}
    if event.did in {Did.DECLINED, Did.LAPSED}:
        passed = tuple(dict.fromkeys((*work.passed, *((work.agent,) if work.agent else ()))))
        change |= {"passed": passed[-MOST_PASSED:], "passed_until": event.until, "held_for": None, "held_until": None}
    elif event.did is Did.UNMERGED:
        change["waiting_since"] = None  # the customer has their old place back
    elif work.phase not in {Phase.WAITING, Phase.OFFERED}:
        change["waiting_since"] = event.at  # a person had it; until then the customer waited all the time
    if event.did in {Did.TRANSFERRED, Did.RETURNED, Did.REQUEUED}:
        change |= {"passed": (), "passed_until": None, "queue": event.to_queue or work.queue}
    if event.did in {Did.RETURNED, Did.RECALLED}:
        change["queue"] = event.to_queue  # none: the tree decides again
    if event.did in {Did.TRANSFERRED, Did.RETURNED}:
        change["moves"] = work.moves + 1
    if event.business_type is not None:
        change["corrected_type"] = event.business_type
    if event.language is not None:
        change["corrected_language"] = event.language
    if event.did is Did.REOPENED:
        change["reopened"] = work.reopened + 1
    return change


def _elapsed(work: Work, event: Event) -> Elapsed:
    was = work.elapsed
    if event.did is Did.REOPENED:
        return Elapsed(start=event.at)
    pauses, told, met = was.pauses, was.told, was.met
    if event.did is Did.PAUSED:
        pauses = (*pauses, Pause(start=event.at))
    ends = event.did in {Did.RESUMED, Did.COMPLETED, Did.WITHDRAWN}
    if ends and was.paused:
        pauses = (*pauses[:-1], Pause(start=pauses[-1].start, end=event.at))
    if event.did is Did.ESCALATED and event.stage is not None:
        told = {**told, event.stage: max(event.level or 0, told.get(event.stage, 0))}
    if event.did.value not in met and event.did in _METS:
        met = {**met, event.did.value: event.at}
    same = pauses is was.pauses and told is was.told and met is was.met
    return was if same else was.model_copy(update={"pauses": pauses, "told": told, "met": met})


_METS: Final = frozenset(
    {Did.CLAIMED, Did.ACCEPTED, Did.CONTACTED, Did.TRANSFERRED, Did.COMPLETED, Did.WITHDRAWN, Did.RETURNED}
)
MEETING: Final = frozenset(did.value for did in _METS)
"""Events that a stage of a clock may be met by."""


def fold(events: Iterable[Event], work: Work = UNTOUCHED) -> Work:
    """Return the work that a log adds up to."""
    for event in events:
        work = evolve(work, event)
    return work


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


def lapsed(work: Work, timings: Timings, now: datetime, by: str) -> Iterable[Event]:
    """Yield what the passing of time alone brings."""
    if work.phase is Phase.OFFERED and work.until is not None and work.until <= now:
        yield Event(did=Did.LAPSED, at=now, by=by, agent=work.agent, until=now + timings.passed)
    if work.held_for is not None and work.held_until is not None and work.held_until <= now:
        yield Event(did=Did.HOLD_ENDED, at=now, by=by)
    if work.passed and work.passed_until is not None and work.passed_until <= now and work.open:
        yield Event(did=Did.PASS_ENDED, at=now, by=by)


def wakes(work: Work) -> datetime | None:
    """Return the next moment at which time alone changes the work."""
    moments = (
        work.until if work.phase is Phase.OFFERED else None,
        work.held_until if work.held_for is not None and work.phase is Phase.WAITING else None,
        work.passed_until if work.passed and work.open else None,
    )
    return min((moment for moment in moments if moment is not None), default=None)
