"""What an action changes in the work on a ticket: the log folded, line by line.

Never here: whether it is allowed (``allowing``), I/O, the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.router.domain.log import Did
from services.router.domain.sla import Elapsed, Pause
from services.router.domain.work import BACK, UNTOUCHED, WITH_AGENT, Carried, Finished, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from services.router.domain.log import Event
    from services.router.domain.work import Work

MOST_PASSED: Final = 50


def evolve(work: Work, event: Event) -> Work:
    """Return the work after an event."""
    change: dict[str, object] = {}
    elapsed = _elapsed(work, event)
    if elapsed is not work.elapsed:
        change["elapsed"] = elapsed
    if event.did in BACK:
        change |= _back(work, event)
    if (changes := _CHANGES.get(event.did)) is not None:
        change |= changes(work, event)
    return work.model_copy(update=change)


_NO_HOLD: Final[Mapping[str, object]] = {"until": None, "held_for": None, "held_until": None}


def _now_in(phase: Phase, event: Event, **more: object) -> dict[str, object]:
    """Return what changes where a ticket waits no longer."""
    return {**_NO_HOLD, "phase": phase, "since": event.at, **more}


def _taken(work: Work, event: Event) -> dict[str, object]:
    had = {"known_agent": event.agent, "rounds": work.rounds + 1, "passed": (), "passed_until": None}
    return _now_in(Phase.ASSIGNED, event, agent=event.agent, **had)


def _closed(_work: Work, event: Event) -> dict[str, object]:
    return _now_in(Phase.CLOSED, event, agent=event.agent, outcome=event.outcome)


def _offered(_work: Work, event: Event) -> dict[str, object]:
    return _now_in(Phase.OFFERED, event, agent=event.agent, until=event.until)


def _merged(work: Work, event: Event) -> dict[str, object]:
    finished = Finished(agent=work.agent, at=work.since) if work.phase is Phase.CLOSED else None
    since = event.at if work.phase in WITH_AGENT else work.waiting_since  # for when it stands for itself again
    more = {"agent": None, "merged_into": event.ticket, "finished": finished, "waiting_since": since}
    return _now_in(Phase.MERGED, event, **more)


def _unmerged(work: Work, _event: Event) -> dict[str, object]:
    """Return what changes where a ticket stands for itself again: one that had ended has ended."""
    if (was := work.finished) is None:
        return {}
    ended = {"phase": Phase.CLOSED, "since": was.at, "agent": was.agent, "outcome": work.outcome}
    return {**ended, "waiting_since": work.waiting_since, "finished": None}


def _carrying(work: Work, event: Event) -> dict[str, object]:
    if event.ticket is None or event.opened_at is None:
        return {}
    return {"carries": (*work.carries, Carried(ticket=event.ticket, opened_at=event.opened_at, since=event.at))}


def _released(work: Work, event: Event) -> dict[str, object]:
    return {"carries": tuple(each for each in work.carries if each.ticket != event.ticket)}


def _urged(work: Work, event: Event) -> dict[str, object]:
    return {"urges": work.urges + 1, "urged_at": event.at} if event.first else {}


_CHANGES: Final[Mapping[Did, Callable[[Work, Event], dict[str, object]]]] = {
    Did.OFFERED: _offered,
    Did.CLAIMED: _taken,
    Did.ACCEPTED: _taken,
    Did.WRAPPED_UP: lambda _, event: {"phase": Phase.WRAP_UP, "since": event.at, "until": event.until},
    Did.LIMITED: lambda _, event: {"until": event.until},
    Did.COMPLETED: _closed,
    Did.WITHDRAWN: _closed,
    Did.KEPT: lambda _, event: {"held_for": event.to_agent, "held_until": event.until},
    Did.HOLD_ENDED: lambda _work, _event: {"held_for": None, "held_until": None},
    Did.PASS_ENDED: lambda _work, _event: {"passed": (), "passed_until": None},
    Did.URGED: _urged,
    Did.REPRIORITISED: lambda _, event: {"priority": event.priority},
    Did.MERGED: _merged,
    Did.UNMERGED: _unmerged,
    Did.CARRIED: _carrying,
    Did.RELEASED: _released,
    Did.PLACED: lambda _, event: {"place": event.place},
    Did.REROUTED: lambda _work, _event: {"queue": None},
}


def _back(work: Work, event: Event) -> dict[str, object]:
    """Return what changes where a ticket waits again."""
    change: dict[str, object] = {"phase": Phase.WAITING, "since": event.at, "agent": None, "until": None}
    change |= {"held_for": event.to_agent, "held_until": event.until}
    change |= {"outcome": None, "merged_into": None}
    if event.did in {Did.DECLINED, Did.LAPSED}:
        passed = tuple(dict.fromkeys((*work.passed, *((work.agent,) if work.agent else ()))))
        change |= {"passed": passed[-MOST_PASSED:], "passed_until": event.until, "held_for": None, "held_until": None}
    elif event.did is Did.REOPENED or work.phase in WITH_AGENT:
        change["waiting_since"] = event.at  # a person had it; until then the customer waited all the time
    if event.did in {Did.TRANSFERRED, Did.RETURNED, Did.REQUEUED, Did.RECALLED}:
        change |= {"passed": (), "passed_until": None, "queue": event.to_queue or work.queue}
    if event.did in {Did.RETURNED, Did.RECALLED}:
        change["queue"] = event.to_queue  # none: the tree decides again
    if event.business_type is not None:
        change["corrected_type"] = event.business_type
    if event.language is not None:
        change["corrected_language"] = event.language
    if event.did is Did.REOPENED:
        change["reopened"] = work.reopened + 1
    return change


def _elapsed(work: Work, event: Event) -> Elapsed:
    was = work.elapsed
    if event.did in {Did.REOPENED, Did.RECALLED}:  # what was done before was done about something else
        return Elapsed(start=event.at)
    pauses, told, told_at, met = was.pauses, was.told, was.told_at, was.met
    if event.did is Did.PAUSED:
        pauses = (*pauses, Pause(start=event.at))
    ends = event.did in {Did.RESUMED, Did.COMPLETED, Did.WITHDRAWN}
    if ends and was.paused:
        pauses = (*pauses[:-1], Pause(start=pauses[-1].start, end=event.at))
    if event.did is Did.ESCALATED and event.stage is not None:
        level = event.level or 0
        told = {**told, event.stage: max(level, told.get(event.stage, 0))}
        told_at = {**told_at, event.stage: {**told_at.get(event.stage, {}), level: event.at}}
    if event.did.value not in met and event.did in _METS and not event.is_attempt:
        met = {**met, event.did.value: event.at}
    same = pauses is was.pauses and told is was.told and met is was.met
    return was if same else was.model_copy(update={"pauses": pauses, "told": told, "told_at": told_at, "met": met})


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
