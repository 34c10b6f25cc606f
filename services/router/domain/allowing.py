"""Which action is allowed on a ticket, when and by whom; refused by name otherwise.

Decided here: that, and the log line of an allowed action. Never here: what it changes (``effects``), which ticket an
agent gets, I/O, the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from services.contracts.values import Priority
from services.router.domain.log import Did, Event, NotAllowedError, Why
from services.router.domain.work import ALL, BACK, IN_HAND, OPEN, WITH_AGENT, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from services.router.domain.work import Work

MOST_CARRIED: Final = 200
ALLOWED: Final[Mapping[Did, frozenset[Phase]]] = {
    Did.OFFERED: frozenset({Phase.WAITING}),
    Did.CLAIMED: frozenset({Phase.WAITING}),
    Did.ACCEPTED: frozenset({Phase.OFFERED}),
    Did.DECLINED: frozenset({Phase.OFFERED}),
    Did.LAPSED: frozenset({Phase.OFFERED}),
    Did.KEPT: frozenset({Phase.WAITING}),
    Did.HOLD_ENDED: frozenset({Phase.WAITING}),
    Did.PASS_ENDED: OPEN,
    Did.WRAPPED_UP: frozenset({Phase.ASSIGNED}),
    Did.LIMITED: frozenset({Phase.WRAP_UP}),
    Did.COMPLETED: WITH_AGENT,
    Did.WITHDRAWN: frozenset({Phase.WAITING, Phase.OFFERED}),
    Did.NOTED: ALL,
    Did.CONTACTED: frozenset({*WITH_AGENT, Phase.CLOSED}),
    Did.TRANSFERRED: WITH_AGENT,
    Did.RETURNED: WITH_AGENT,
    Did.PAUSED: OPEN,
    Did.RESUMED: OPEN,
    Did.URGED: OPEN,
    Did.REPRIORITISED: OPEN,
    Did.REQUEUED: OPEN,
    Did.MERGED: frozenset({*OPEN, Phase.CLOSED}),
    Did.UNMERGED: frozenset({Phase.MERGED}),
    Did.CARRIED: frozenset({*OPEN, Phase.CLOSED}),
    Did.RELEASED: ALL,
    Did.LOST: IN_HAND,
    Did.PLACED: frozenset({*OPEN, Phase.MERGED}),
    Did.RECALLED: OPEN,
    Did.REROUTED: frozenset({Phase.WAITING}),
    Did.REOPENED: frozenset({Phase.WAITING, Phase.CLOSED}),
    Did.ABANDONED: OPEN,
    Did.ESCALATED: OPEN,
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


@dataclass(frozen=True, slots=True)
class Case:
    """What an act is judged by beside the work itself.

    Attributes:
        opened_at: Of the ticket.
        queue: Where it is.
        waits: It waits for a person, not for dedup.
        danger: A danger was named.
        told: How often the customer told of the matter, in the tickets that it repeats too: a call is once.
        business_type: What it is about.
        urged: Its customer or a supervisor urged it.
        last_due: When the last stage of its clock is due, if it runs.
        last_met: When that stage was met, if it was.
        urge: Between two urges that count.
        wrap_up: How long writing it up may take, if there is a limit.
        reported: Its outage report went out, and does not wait for a place (any more).
        waits_in: Area in which its report waits for a place.
    """

    opened_at: datetime
    queue: str
    waits: bool
    danger: bool = False
    told: int = 1
    business_type: str | None = None
    urged: bool = False
    last_due: datetime | None = None
    last_met: datetime | None = None
    urge: timedelta = timedelta(minutes=30)
    wrap_up: timedelta | None = None
    reported: bool = False
    waits_in: str | None = None


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
    called_back = act.did is Did.CONTACTED and work.phase is Phase.CLOSED  # 回访, by whoever does that
    if act.did in _OWN and act.agent != work.agent and not called_back:
        raise NotAllowedError(Why.NOT_YOURS, "another agent has this ticket")
    if act.did in {Did.OFFERED, Did.CLAIMED}:
        _may_have(work, act, case)
    _check(work, act, case)
    return act.model_copy(update=_filled(work, act, case))


def _done_already(work: Work, act: Event) -> bool:
    """Tell whether the same was done: an agent's desktop may ask twice when an answer was lost."""
    if act.did is Did.ACCEPTED:
        return work.phase is Phase.ASSIGNED and work.agent == act.agent
    if act.did is Did.DECLINED:
        return work.agent != act.agent and act.agent in work.passed  # another may have it on offer by now
    if act.did is Did.WRAPPED_UP:
        return work.phase is Phase.WRAP_UP and work.agent == act.agent
    if act.did is Did.COMPLETED:
        return work.phase is Phase.CLOSED and (work.agent, work.outcome) == (act.agent, act.outcome)
    if act.did is Did.MERGED:
        return work.phase is Phase.MERGED and work.merged_into == act.ticket
    if act.did is Did.PLACED:
        return act.place is not None and work.place == act.place
    if act.did is Did.CARRIED:
        return any(each.ticket == act.ticket for each in work.carries)
    return False


def _refuse(work: Work, act: Event) -> None:
    if act.did in {Did.ACCEPTED, Did.DECLINED, Did.LAPSED} and work.phase in WITH_AGENT:
        raise NotAllowedError(Why.NOT_OFFERED, "it is not on offer")
    if act.did in {Did.OFFERED, Did.CLAIMED, Did.WITHDRAWN} and work.phase in IN_HAND:
        raise NotAllowedError(Why.NOT_WAITING, f"an agent has it: it is {work.phase}")
    if act.did is Did.REOPENED and work.phase in IN_HAND:
        raise NotAllowedError(Why.NOT_CLOSED, f"it is {work.phase}")
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


_NOT_OF_DANGER: Final[Mapping[Did, str]] = {
    Did.WITHDRAWN: "somebody must take it and say what came of it",
    Did.PAUSED: "its clock does not stand still",
}


def _check(work: Work, act: Event, case: Case) -> None:
    """Refuse what the phase allows and something else does not."""
    if act.did is Did.ACCEPTED and work.until is not None and act.at >= work.until:
        raise NotAllowedError(Why.OFFER_LAPSED, "the time to accept it is over")
    if act.did in {Did.WITHDRAWN, Did.REQUEUED, Did.PAUSED}:
        _must_be_for_people(work, act, case)
    if act.did is Did.REOPENED and case.waits and work.phase is Phase.WAITING:
        raise NotAllowedError(Why.NOT_CLOSED, "it waits for a person already")
    if act.did is Did.REPRIORITISED and case.danger and act.priority is not Priority.EMERGENCY:
        raise NotAllowedError(Why.DANGER, "a danger was named: it stays an emergency")
    if case.danger and act.did in _NOT_OF_DANGER:
        raise NotAllowedError(Why.DANGER, f"a danger was named: {_NOT_OF_DANGER[act.did]}")
    if act.did is Did.PAUSED and work.elapsed.paused:
        raise NotAllowedError(Why.ALREADY_PAUSED, "its clock stands still already")
    if act.did is Did.RESUMED and not work.elapsed.paused:
        raise NotAllowedError(Why.NOT_PAUSED, "its clock runs")
    if act.did is Did.PLACED:
        _can_be_there(work, act, case)
    if act.did is Did.CARRIED and len(work.carries) >= MOST_CARRIED:
        raise NotAllowedError(Why.TOO_MANY_MERGED, f"{MOST_CARRIED} tickets are merged into it already")


def _must_be_for_people(work: Work, act: Event, case: Case) -> None:
    if not case.waits and work.phase is Phase.WAITING:
        raise NotAllowedError(Why.NOT_WAITING, "it waits for no person: reopen it if one is to have it")
    if act.did is Did.WITHDRAWN and work.carries:
        detail = f"{len(work.carries)} tickets are merged into it: their customers have not given up"
        raise NotAllowedError(Why.STANDS_FOR_OTHERS, detail)


def _can_be_there(work: Work, act: Event, case: Case) -> None:
    if work.phase is Phase.MERGED and case.waits_in is None:
        _refuse(work, act)  # of what another stands for, dedup may still ask where it is
    if case.reported:
        detail = "its outage report went out: where that is, dispatchers say (docs/dispatching.md)"
        raise NotAllowedError(Why.REPORTED, detail)
    if case.waits_in is not None and act.place is not None and act.place.area != case.waits_in:
        raise NotAllowedError(Why.OTHER_AREA, f"its report waits for a place in {case.waits_in}: this is elsewhere")


def _filled(work: Work, act: Event, case: Case) -> dict[str, object]:
    found: dict[str, object] = {"queue": case.queue}
    if act.did is Did.LAPSED or (act.did in {Did.LOST, Did.RECALLED, Did.REQUEUED, Did.MERGED} and work.in_hand):
        found["agent"] = work.agent
    if act.did in {Did.CLAIMED, Did.ACCEPTED, Did.WITHDRAWN}:
        found["seconds"] = max(0.0, (act.at - (work.waiting_since or case.opened_at)).total_seconds())
    elif work.phase in WITH_AGENT and act.did in _LEAVES:
        found["seconds"] = max(0.0, (act.at - (work.since or case.opened_at)).total_seconds())
        found["ended"] = work.phase.value
        if work.phase is Phase.WRAP_UP and work.until is not None and act.at >= work.until:
            found["over"] = True
    if act.did in {Did.ACCEPTED, Did.DECLINED, Did.LAPSED}:
        found["rang"] = max(0.0, (act.at - (work.since or case.opened_at)).total_seconds())
    if act.did is Did.WRAPPED_UP and case.wrap_up is not None:
        found["until"] = act.at + case.wrap_up
    if act.did is Did.COMPLETED:  # as it is now: opened again, it may become another business, or be urged
        found["business_type"], found["urged"] = case.business_type, case.urged
        found["first"] = work.rounds == 1 and not work.reopened and case.told == 1
        found["in_time"] = case.last_due is None or (case.last_met or act.at) <= case.last_due
    if act.did is Did.URGED:
        found["first"] = work.urged_at is None or act.at - work.urged_at >= case.urge
    return found


_LEAVES: Final = frozenset({Did.WRAPPED_UP, Did.COMPLETED, Did.MERGED, *BACK})
"""What ends a spell with an agent, or its first part."""
