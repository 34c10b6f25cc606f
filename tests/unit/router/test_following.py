"""What customers say while people work on their ticket, or after: who has it then, and what counts."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from services.contracts.values import Channel, TicketState
from services.router.domain.allowing import decide
from services.router.domain.deciding import route_again, settle
from services.router.domain.desk import asked_again, case_of, following, turn_of, work_of
from services.router.domain.log import Did, Event, NotAllowedError, Why
from services.router.domain.ticket import Located, ReportState
from services.router.domain.versions import with_events, worked
from services.router.domain.work import Phase
from tests.unit.router.making import (
    AT_HOME,
    MINUTE,
    NOON,
    NOWHERE,
    SHIPPED,
    SHIPPED_DESK,
    after,
    claimed,
    contact,
    done_by_time,
)

SOUNDS = "有个老乡从梯子上滚下来了，手里还抓着那根线"
"""No list names its danger."""


@pytest.mark.parametrize(
    ("did", "told"),
    [
        (Did.KEPT, {"to_agent": "ann", "until": NOON + MINUTE}),
        (Did.OFFERED, {"agent": "ann", "until": NOON + MINUTE}),
        (Did.REQUEUED, {"to_queue": "general"}),
    ],
)
@pytest.mark.parametrize("text", ["查电费", "着火了"])
def test_a_danger_that_becomes_known_is_kept_for_nobody_and_from_nobody(
    text: str, did: Did, told: dict[str, object]
) -> None:
    """Whom it was kept for, who declined a question, where it was moved: the next agent for danger has it."""
    before = worked(after(contact("1", thread="t", text=text)), [Event(did=did, at=NOON, by="t", **told)], NOON)
    if did is Did.OFFERED:
        declined = Event(did=Did.DECLINED, at=NOON, by="t", agent="ann", until=NOON + 2 * MINUTE)
        before = worked(before, [declined], NOON)
    said = contact("2", thread="t", text="有人触电了")
    ticket = after(said, before=replace(before, report=ReportState.NONE))
    waits = with_events(ticket, following(before, ticket, said, SHIPPED_DESK, NOON))
    assert (waits.queue, work_of(waits).held_for, work_of(waits).passed) == ("emergency", None, ())


@pytest.mark.parametrize("did", [Did.KEPT, Did.REQUEUED])
def test_what_begins_to_sound_like_danger_is_kept_from_nobody_who_could_look(did: Did) -> None:
    told = {"to_agent": "ann", "until": NOON + MINUTE} if did is Did.KEPT else {"to_queue": "general"}
    first = contact("1", thread="t", text="查电费")
    before = worked(after(first), [Event.model_validate({"did": did, "at": NOON, "by": "t", **told})], NOON)
    said = contact("2", thread="t", text=SOUNDS)
    ticket = after(said, before=before)
    waits = with_events(ticket, following(before, ticket, said, SHIPPED_DESK, NOON))
    assert (waits.queue, work_of(waits).held_for) == ("emergency", None)
    again = contact("3", thread="t", text=SOUNDS)
    assert following(waits, after(again, before=waits), again, SHIPPED_DESK, NOON) == []


def test_who_has_what_begins_to_sound_like_danger_keeps_it_and_once_ended_it_is_kept_for_nobody() -> None:
    asks = claimed(after(contact("1", thread="t", text="查电费")))
    said = contact("2", thread="t", text=SOUNDS)
    assert following(asks, after(said, before=asks), said, SHIPPED_DESK, NOON) == [], "who has it hears it"
    closed = worked(asks, [Event(did=Did.COMPLETED, at=NOON, by="t", agent="ann", outcome="solved")], NOON)
    for text, kept in ((SOUNDS, None), ("电费怎么查", "ann")):
        more = contact("3", thread="t", text=text)
        opened = following(closed, after(more, before=closed), more, SHIPPED_DESK, NOON, {"ann"})[0]
        assert (opened.did, opened.to_agent) == (Did.REOPENED, kept)


def test_a_danger_that_is_opened_again_is_kept_for_nobody_and_one_in_hand_stays_where_it_is() -> None:
    fire = claimed(after(contact("1", thread="t", text="着火了")))
    said = contact("2", thread="t", text="还在冒烟，有人触电了")
    assert following(fire, after(said, before=fire), said, SHIPPED_DESK, NOON) == [], "who has it hears it"
    closed = worked(fire, [Event(did=Did.COMPLETED, at=NOON, by="t", agent="ann", outcome="solved")], NOON)
    asked = contact("3", thread="t", text="你们来了吗")
    [opened] = following(closed, after(asked, before=closed), asked, SHIPPED_DESK, NOON, {"ann"})
    assert (opened.did, opened.to_agent) == (Did.REOPENED, None)


@pytest.mark.parametrize(("repeats", "first"), [(0, True), (1, False)])
def test_a_call_is_one_contact_however_many_events_it_has(repeats: int, first: bool) -> None:
    """Begun, a menu, words, ended: solved at once. One who had told of it before was not."""
    events: list[dict[str, Any]] = [{}, {"business_type": "enquiry"}, {"text": "查电费"}, {"final": True}]
    call = after(*(contact(str(n), thread="c", channel=Channel.PHONE, **told) for n, told in enumerate(events)))
    ticket = claimed(replace(call, repeats=repeats))
    asked = Event(did=Did.COMPLETED, at=NOON, by="t", agent="ann", outcome="solved")
    done = decide(work_of(ticket), asked, case_of(ticket, SHIPPED_DESK))
    assert done is not None
    assert done.first is first


def test_who_speaks_again_after_a_machine_took_care_of_them_waits_from_then_on() -> None:
    """Their first word was answered by an order: nobody was late with it."""
    before = after(contact("1", thread="t", text="停电了"))
    soon, late = contact("2", thread="t", minutes=5, text="快点"), contact("3", thread="t", minutes=40, text="还没来电")
    assert following(before, after(soon, before=before), soon, SHIPPED_DESK, soon.received_at) == []
    ticket = after(late, before=before)
    opened = following(before, ticket, late, SHIPPED_DESK, late.received_at)
    assert [event.did for event in opened] == [Did.REOPENED]
    ticket = with_events(ticket, opened)
    assert next(due.due_at for due in turn_of(ticket, SHIPPED_DESK).due) == late.received_at + 2 * MINUTE
    claim = Event(did=Did.CLAIMED, at=late.received_at + MINUTE, by="t", agent="ann")
    taken = decide(work_of(ticket), claim, case_of(ticket, SHIPPED_DESK))
    assert taken is not None
    assert taken.seconds == 60
    more = contact("4", thread="t", minutes=41, text="有人吗")
    assert following(ticket, after(more, before=ticket), more, SHIPPED_DESK, more.received_at) == [], "once"


@pytest.mark.parametrize("lost", [False, True])
def test_the_clock_of_a_danger_runs_from_when_it_becomes_known_and_what_was_done_before_meets_no_stage(
    lost: bool,
) -> None:
    called = Event(did=Did.CONTACTED, at=NOON, by="t", agent="ann", outcome="reached")
    before = worked(claimed(after(contact("1", thread="t", text="查电费"))), [called], NOON)
    if lost:
        before = worked(before, [Event(did=Did.LOST, at=NOON, by="t", agent="ann")], NOON)
    said = contact("2", thread="t", minutes=60, text="着火了")
    ticket = after(said, before=before)
    danger = with_events(ticket, following(before, ticket, said, SHIPPED_DESK, said.received_at))
    due = {each.stage: (each.due_at, each.met_at) for each in turn_of(danger, SHIPPED_DESK).due}
    assert due == {"respond": (NOON + 61 * MINUTE, None), "contact": (NOON + 65 * MINUTE, None)}
    assert Did.ESCALATED in done_by_time(danger, NOON + 61 * MINUTE)


def test_a_clock_that_stands_still_for_the_customer_runs_once_they_speak() -> None:
    paused = Event(did=Did.PAUSED, at=NOON + MINUTE, by="t", agent="ann", reason="asked_for_papers")
    before = worked(claimed(after(contact("1", thread="t", business_type="complaint"))), [paused], NOON)
    ended = contact("2", thread="t", minutes=2)
    assert following(before, after(ended, before=before), ended, SHIPPED_DESK, ended.received_at) == []
    said = contact("3", thread="t", minutes=11, text="材料已发")
    ticket = after(said, before=before)
    found = following(before, ticket, said, SHIPPED_DESK, said.received_at)
    assert [(event.did, event.by) for event in found] == [(Did.RESUMED, "gridline")]
    runs = with_events(ticket, found)
    assert (work_of(runs).phase, work_of(runs).agent) == (Phase.ASSIGNED, "ann")
    assert next(due.due_at for due in turn_of(runs, SHIPPED_DESK).due) == NOON + 30 * MINUTE
    assert following(runs, after(said, before=runs), said, SHIPPED_DESK, said.received_at) == [], "once"


def test_what_the_customer_says_while_it_is_written_up_is_not_ended_by_the_limit() -> None:
    ticket = after(contact("1", thread="t", text="查电费"))
    for did in (Did.CLAIMED, Did.WRAPPED_UP):
        event = decide(work_of(ticket), Event(did=did, at=NOON, by="t", agent="ann"), case_of(ticket, SHIPPED_DESK))
        assert event is not None
        ticket = worked(ticket, [event], NOON)
    over = NOON + 10 * MINUTE
    ended = after(contact("2", thread="t", minutes=1, text=None), before=ticket)
    assert Did.COMPLETED in done_by_time(ended, over), "a call that ends says nothing"
    heard = after(contact("3", thread="t", minutes=1, text="还有一件事"), before=ticket)
    done = done_by_time(heard, over)
    assert Did.COMPLETED not in done
    assert done[Did.REQUEUED].reason == "wrap_up_over"


def test_what_a_machine_took_care_of_while_its_clock_stood_still_is_opened_again_once_the_customer_speaks() -> None:
    """Its clock is a new one, so there is none to run again."""
    asked = after(contact("1", thread="t", text="停电了"), located=NOWHERE)
    paused = worked(asked, [Event(did=Did.PAUSED, at=NOON, by="t", reason="customer")], NOON)
    found = worked(paused, [Event(did=Did.PLACED, at=NOON, by="t", place=AT_HOME.place)], NOON)
    before = route_again(found, SHIPPED, NOON)
    assert before.standing is TicketState.WITH_DEDUP
    said = contact("2", thread="t", minutes=40, text="还没来电")
    opened = following(before, after(said, before=before), said, SHIPPED_DESK, said.received_at)
    assert [event.did for event in opened] == [Did.REOPENED]


@pytest.mark.parametrize(
    ("was", "taken_back", "again"),
    [("closed", False, True), ("with_dedup", True, True), ("with_dedup", False, False), ("queued", True, False)],
)
def test_people_have_to_do_with_it_again_as_of_now_only_if_they_or_a_machine_had_ended_it(
    was: str, taken_back: bool, again: bool
) -> None:
    """A report that was never settled waits since its customer spoke; a danger waits for a person anyway."""
    before = after(contact("1", text="停电了，着火了" if was == "queued" else "停电了"))
    if was == "closed":
        done = Event(did=Did.COMPLETED, at=NOON, by="t", agent="ann", outcome="solved")
        before = worked(claimed(before), [done], NOON)
    assert before.standing == was
    ticket = settle(before, answered=False, reason="device_unknown", rules=SHIPPED, now=NOON)
    found = asked_again(before, ticket, "device_unknown", NOON + MINUTE, taken_back=taken_back)
    assert [(event.did, event.at, event.reason) for event in found] == [
        (Did.REOPENED, NOON + MINUTE, "device_unknown")
    ] * again


@pytest.mark.parametrize(
    ("text", "settled", "place", "refused"),
    [
        ("查电费", None, AT_HOME, None),  # no report: a wrong place is corrected
        ("停电了", None, AT_HOME, Why.REPORTED),
        ("停电了", "several_places", None, None),
        ("停电了", "several_places", AT_HOME, Why.REPORTED),  # dedup has been told, and has not answered yet
        ("停电了", "placement_undone", AT_HOME, None),
    ],
)
def test_a_person_says_where_it_is_until_its_report_is_on_its_way(
    text: str, settled: str | None, place: Located | None, refused: Why | None
) -> None:
    ticket = after(contact("1", text=text), located=AT_HOME if settled else NOWHERE)
    if settled:
        ticket = settle(ticket, answered=False, reason=settled, rules=SHIPPED, now=NOON)
    if place is not None:
        said = Event(did=Did.PLACED, at=NOON, by="t", place=place.place)
        ticket = route_again(worked(ticket, [said], NOON), SHIPPED, NOON)
    other = Event(did=Did.PLACED, at=NOON, by="t", place=AT_HOME.place.model_copy(update={"transformer_id": "T2"}))
    with pytest.raises(NotAllowedError) if refused else nullcontext() as found:
        assert decide(work_of(ticket), other, case_of(ticket, SHIPPED_DESK)) is not None
    assert (found.value.why if found else None) is refused
