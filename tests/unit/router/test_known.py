"""A ticket kept for the agent its customer knows: for a moment, and in nobody's way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from services.contracts.values import TicketState
from services.router.domain.desk import keeping, overdue, turn_of, work_of
from services.router.domain.log import Did, Event
from services.router.domain.serving import Agent
from services.router.domain.versions import with_events
from tests.unit.router.making import NOON, SHIPPED_DESK, after, contact

ANN = Agent(agent_id="ann", queues=("consultation",), languages=("*",))
BOB = Agent(agent_id="bob", queues=("*",), languages=("*",))


def test_the_first_who_can_have_it_has_it_kept_for_them_until_the_hold_is_over() -> None:
    asked = after(contact("1", text="我要投诉"))
    [event] = keeping(asked, (ANN, BOB), SHIPPED_DESK, NOON)
    assert (event.did, event.to_agent, event.until) == (Did.KEPT, "bob", NOON + SHIPPED_DESK.timings.hold)
    kept = with_events(asked, [event])
    assert (work_of(kept).held_for, kept.version, kept.standing) == ("bob", asked.version, TicketState.QUEUED)
    wake = turn_of(kept, SHIPPED_DESK).wake_at
    assert wake is not None
    assert wake <= NOON + SHIPPED_DESK.timings.hold
    assert keeping(asked, (ANN,), SHIPPED_DESK, NOON) == []
    assert keeping(asked, (), SHIPPED_DESK, NOON) == []


def test_danger_and_what_waits_for_no_person_is_kept_for_nobody() -> None:
    assert keeping(after(contact("1", text="着火了")), (BOB,), SHIPPED_DESK, NOON) == []
    gone = replace(after(contact("1", text="查电费")), state=TicketState.WITH_DEDUP)
    assert keeping(gone, (BOB,), SHIPPED_DESK, NOON) == []


def test_a_call_kept_for_somebody_may_still_turn_out_to_be_about_an_open_matter() -> None:
    call = after(contact("1", text="查电费"))
    kept = with_events(call, keeping(call, (BOB,), SHIPPED_DESK, NOON))
    assert call.is_young
    assert kept.is_young, "no person had it"
    assert SHIPPED_DESK.timings.known == timedelta(days=3)


def test_a_call_of_a_backlog_whose_clock_has_warned_may_still_turn_out_to_be_about_an_open_matter() -> None:
    call = after(contact("1", text="我要投诉"))
    late = NOON + timedelta(hours=1)
    event = overdue(call, SHIPPED_DESK, late)
    assert event is not None
    assert event.did is Did.ESCALATED
    assert with_events(call, [event]).is_young, "no person had it"
    assert not with_events(call, [event, Event(did=Did.PAUSED, at=late, by="lead")]).is_young
