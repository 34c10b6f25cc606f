"""Tickets: contacts in any order and any number of times, the one report, and what comes back from dedup."""

from __future__ import annotations

import itertools
from dataclasses import asdict, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.contracts import ids
from services.contracts.values import (
    Attachment,
    Basis,
    Channel,
    Crs,
    CustomerClass,
    Position,
    Priority,
    TicketState,
)
from services.router.domain.classify import TypeRule
from services.router.domain.conservation import CLOSED, OUTAGE, QUEUED, counted_as
from services.router.domain.deciding import FOLLOW_UP, carrying, lent, placed, route_again, settle
from services.router.domain.desk import case_of, turn_of
from services.router.domain.facts import bounded, speaks
from services.router.domain.log import Did, Event
from services.router.domain.telling import outage_reported, routed
from services.router.domain.ticket import Need, ReportState, Ticket
from services.router.domain.versions import above, merged, moved_on, wakes_at, worked
from tests.unit.router.making import (
    AT_HOME,
    BOUNDS,
    BY_PHONE,
    MINUTE,
    NOON,
    NOWHERE,
    SHIPPED,
    SHIPPED_DESK,
    after,
    claimed,
    contact,
    folded,
    home_of,
)

if TYPE_CHECKING:
    from services.contracts.messages import ContactReceived

texts = st.none() | st.sampled_from(["停电了", "着火了", "只有我家", "the power is out", "我要投诉", "x" * 1500, " "])


def thread_contacts() -> st.SearchStrategy[list[ContactReceived]]:
    told = st.fixed_dictionaries(
        {
            "minutes": st.integers(-3, 3),
            "channel": st.sampled_from(list(Channel)),
            "text": texts,
            "business_type": st.none() | st.sampled_from(["fault_report", "complaint", "no_such_type"]),
            "language": st.none() | st.sampled_from(["en", "bo-CN"]),
            "account_id": st.none() | st.sampled_from(["A1", "A2"]),
            "phone": st.none() | st.sampled_from(["13800000000", "13900000000"]),
            "address": st.none() | st.sampled_from(["1 Road", "2 Road", ""]),
            "position": st.none() | st.just(Position(lat=30.0, lon=110.0, crs=Crs.GCJ02)),
            "hazard": st.booleans(),
            "final": st.booleans(),
            "unconfirmed": st.booleans(),
            "facts": st.sampled_from([{}, {"single_premise": True}, {"transcript_final": False}]),
        }
    )
    return st.lists(told, min_size=1, max_size=7).map(
        lambda each: [contact(f"e{n}", thread="call", **one) for n, one in enumerate(each)]
    )


@given(thread_contacts(), st.data())
@settings(deadline=None)
def test_the_same_contacts_in_any_order_and_any_number_of_times_give_the_same_facts(
    contacts: list[ContactReceived], data: st.DataObject
) -> None:
    again = data.draw(st.permutations(contacts + data.draw(st.lists(st.sampled_from(contacts), max_size=5))))
    assert folded(*again) == folded(*contacts)


@given(thread_contacts(), st.data())
@settings(deadline=None)
def test_the_same_contacts_in_any_order_give_the_same_ticket_but_for_when_the_report_went(
    contacts: list[ContactReceived], data: st.DataObject
) -> None:
    def comparable(ticket: Ticket) -> dict[str, Any]:
        varying = {"reported_at", "routed_at", "needs_person", "state", "taken", "report", "planned_at", "step"}
        return {name: value for name, value in asdict(ticket).items() if name not in varying}

    shuffled = data.draw(st.permutations(contacts))
    one, other = after(*contacts, located=NOWHERE), after(*shuffled, located=NOWHERE)
    assert comparable(one) == comparable(other)
    assert one.contacts == other.contacts
    if one.step == other.step:  # of its targets: one that waits for five minutes between two of its contacts goes on
        assert one.queue == other.queue


@given(thread_contacts(), st.data())
@settings(deadline=None)
def test_a_contact_that_comes_again_changes_nothing(contacts: list[ContactReceived], data: st.DataObject) -> None:
    ticket = after(*contacts)
    assert after(data.draw(st.sampled_from(contacts)), before=ticket) is ticket


@given(thread_contacts())
@settings(deadline=None)
def test_a_stored_ticket_reads_back_as_it_was(contacts: list[ContactReceived]) -> None:
    ticket = after(*contacts)
    codec = TypeAdapter(Ticket)
    assert codec.validate_json(codec.dump_json(ticket, exclude_none=True)) == ticket


@given(thread_contacts())
@settings(deadline=None)
def test_every_ticket_has_one_queue_a_message_and_a_version_a_contact(contacts: list[ContactReceived]) -> None:
    ticket = after(*contacts)
    message = routed(ticket)
    assert message.queue in SHIPPED.tree.queues
    assert message.version == message.contacts == len(contacts)
    assert ticket.facts.opened_at == min(each.occurred_at for each in contacts)


def test_the_later_word_wins_whichever_came_first() -> None:
    early = contact("a", thread="c", minutes=0, account_id="A1", language="en", business_type="enquiry")
    late = contact("b", thread="c", minutes=2, account_id="A2", business_type="fault_report")
    for order in itertools.permutations([early, late]):
        facts = folded(*order)
        assert facts.account_id is not None
        assert facts.account_id.value == "A2"
        assert facts.language is not None
        assert facts.language.value == "en"
        assert facts.business_type is not None
        assert facts.business_type.value == "fault_report"
        assert facts.opened_at == NOON


def test_a_choice_that_nobody_here_knows_takes_nothing_from_one_that_is_known() -> None:
    known = contact("a", thread="c", business_type="complaint")
    unknown = contact("b", thread="c", minutes=1, business_type="no_such_type")
    assert after(known, unknown).classification.business_type == "complaint"


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"text": "还没来电"}, True),
        ({"hazard": True}, True),
        ({"attachments": (Attachment(kind="image", ref="p"),)}, True),
        ({"attachments": (Attachment(kind="recording", ref="r"),)}, False),
        ({"business_type": "fault_report", "account_id": "A1"}, False),
    ],
)
def test_words_a_danger_and_a_picture_are_heard_and_the_end_of_a_call_is_not(told: dict[str, Any], says: bool) -> None:
    assert speaks(contact(**told)) is says


def test_texts_stand_in_the_order_they_were_said() -> None:
    first, second = contact("a", thread="c", text="停电了"), contact("b", thread="c", minutes=1, text="快来")
    assert folded(second, first).text == "停电了\n快来"


def test_a_flood_of_text_is_cut_but_danger_in_what_is_cut_is_kept() -> None:
    facts = folded(
        *(contact(f"e{n}", thread="c", minutes=n, text="长" * 1500) for n in range(6)),
        contact("last", thread="c", minutes=9, text="着火了"),
    )
    assert facts.text is not None
    assert len(facts.text) == 4000
    assert facts.hazards == ("fire",)


def test_what_speech_recognition_may_still_correct_gives_way_to_what_it_settled_on() -> None:
    interim = contact("a", thread="c", minutes=0, text="听电", facts={"transcript_final": False})
    final = contact("b", thread="c", minutes=1, text="停电了", facts={"transcript_final": True})
    assert folded(interim).text == "听电"
    assert folded(final, interim).text == folded(interim, final).text == "停电了"


@pytest.mark.parametrize(
    ("occurred", "expected"),
    [
        (timedelta(hours=-1), timedelta(hours=-1)),
        (timedelta(hours=5), timedelta(0)),
        (timedelta(days=-9), timedelta(0)),
        (-BOUNDS.event_lag, -BOUNDS.event_lag),
        (timedelta(hours=-25), timedelta(0)),  # an empty battery, or a day's mistake: not a day before everybody else
    ],
)
def test_a_phones_clock_is_bounded_by_our_own(occurred: timedelta, expected: timedelta) -> None:
    assert bounded(NOON + occurred, NOON, BOUNDS.event_lag) == NOON + expected


@pytest.mark.parametrize(
    ("late", "believed"),
    [
        (timedelta(hours=8, seconds=3), False),
        (timedelta(hours=7, minutes=59), False),
        (timedelta(hours=7, minutes=50), True),
        (timedelta(hours=3), True),
        (timedelta(hours=-8), False),
    ],
)
def test_a_clock_of_another_zone_puts_nobody_eight_hours_ahead(late: timedelta, believed: bool) -> None:
    said = contact("1", text="查电费", occurred_at=NOON - late, received_at=NOON)
    ticket = after(said)
    standing = turn_of(ticket, SHIPPED_DESK)
    assert standing.rank_at == (NOON - late if believed else NOON)
    assert ticket.facts.opened_at == standing.rank_at
    [respond, _] = standing.due
    assert respond.due_at == standing.rank_at + timedelta(minutes=5)


def test_what_a_source_that_was_cut_off_had_kept_is_as_old_as_it_says_and_dedup_hears_so() -> None:
    """Also if that is by chance the eight hours by which clocks are off. It may become ready by what comes later."""
    cut_off = contact(
        "1", thread="t", text="停电了", occurred_at=NOON - timedelta(hours=8), received_at=NOON, kept_back=True
    )
    ticket = after(cut_off)
    assert ticket.facts.opened_at == ticket.facts.outage_at == NOON - timedelta(hours=8)
    where = contact("2", thread="t", address="1 Road", occurred_at=NOON, received_at=NOON + timedelta(minutes=1))
    for order in ([cut_off, where], [where, cut_off]):
        told = outage_reported(after(*order), where.contact_id, where.received_at)
        assert (told.reported_at, told.kept_back) == (NOON - timedelta(hours=8), True)
    assert outage_reported(after(contact(text="停电了", address="1 Road")), where.contact_id, NOON).kept_back is None


def test_a_placed_outage_makes_its_report_and_leaves_the_queue() -> None:
    said = contact(text="停电了，只有我家", address="1 Road", occurred_at=NOON - timedelta(minutes=3), received_at=NOON)
    ticket = after(said)
    assert (ticket.report, ticket.state, ticket.queue) == (ReportState.SENT, TicketState.WITH_DEDUP, "repair")
    report = outage_reported(ticket, said.contact_id, said.received_at)
    assert report.report_id == ids.report_id(ticket.ticket_id)
    assert report.contact_id == said.contact_id
    assert (report.area, report.place) == ("S1", ticket.place)
    assert report.reported_at == NOON - timedelta(minutes=3)
    assert report.received_at == NOON
    assert report.single_premise
    assert report.address == "1 Road"
    assert report.recipient == said.reply_to


def test_an_outage_without_a_place_waits_for_people() -> None:
    ticket = after(contact(text="停电了"), located=NOWHERE)
    assert (ticket.report, ticket.state) == (ReportState.NONE, TicketState.QUEUED)
    with pytest.raises(ValueError, match="placed"):
        outage_reported(ticket, contact().contact_id, NOON)


@pytest.mark.parametrize(
    "told", [{"text": "电压低"}, {"text": "停电了", "business_type": "complaint"}, {"text": "查电费"}]
)
def test_what_is_no_outage_makes_no_report(told: dict[str, Any]) -> None:
    ticket = after(contact(**told))
    assert (ticket.report, ticket.state) == (ReportState.NONE, TicketState.QUEUED)


@pytest.mark.parametrize(
    ("basis", "final", "sent"),
    [
        (Basis.PHONE, False, False),
        (Basis.PHONE, True, True),
        (Basis.ACCOUNT, False, True),
        (Basis.POSITION, False, True),
        (Basis.CELL, False, True),
    ],
)
def test_a_call_that_goes_on_is_reported_once_more_than_the_callers_number_places_it(
    basis: Basis, final: bool, sent: bool
) -> None:
    place = AT_HOME.place.model_copy(update={"basis": basis})
    ticket = after(contact(business_type="fault_report", final=final), located=type(AT_HOME)(place))
    assert (ticket.report is ReportState.SENT) is sent


def test_the_events_of_a_call_in_any_order_make_one_report() -> None:
    events = [
        contact("started", thread="c", minutes=0, final=False, phone="13800000000", channel=Channel.PHONE),
        contact("dtmf", thread="c", minutes=1, final=False, business_type="fault_report", channel=Channel.PHONE),
        contact("ended", thread="c", minutes=2, final=True, channel=Channel.PHONE),
    ]
    for order in itertools.permutations(events):
        ticket: Ticket | None = None
        reports = 0
        for each in order:
            was = ticket
            ticket = after(each, before=ticket, located=BY_PHONE)
            reports += ticket.report is ReportState.SENT and (was is None or was.report is ReportState.NONE)
        assert ticket is not None
        assert (reports, ticket.version, ticket.state) == (1, 3, TicketState.WITH_DEDUP)
        assert ticket.reported_at == NOON + timedelta(minutes=1)  # when the caller chose "fault"


@pytest.mark.parametrize(
    ("told", "customer_class"),
    [
        ({"text": "电线掉在地上，停电了"}, CustomerClass.NORMAL),
        ({"business_type": "fault_report", "hazard": True}, CustomerClass.NORMAL),
        ({"text": "停电了"}, CustomerClass.LIFE_SUPPORT),
        ({"text": "停电了"}, CustomerClass.IMPORTANT),
        ({"text": "停电了"}, CustomerClass.VIP),
    ],
)
def test_danger_and_key_customers_wait_for_a_person_beside_their_report(
    told: dict[str, Any], customer_class: CustomerClass
) -> None:
    ticket = after(contact(**told), located=home_of(customer_class))
    assert (ticket.report, ticket.state) == (ReportState.SENT, TicketState.QUEUED)
    assert counted_as(ticket) == OUTAGE
    answered = settle(ticket, answered=True, reason="already_restored", rules=SHIPPED, now=NOON)
    assert (answered.report, answered.state) == (ReportState.ANSWERED, TicketState.QUEUED)


def test_danger_named_after_the_report_went_brings_a_person_at_once() -> None:
    ticket = after(contact("a", thread="c", text="停电了"), contact("b", thread="c", text="冒烟了"))
    assert (ticket.queue, ticket.state, ticket.priority) == ("emergency", TicketState.QUEUED, Priority.EMERGENCY)


def test_a_ticket_that_turns_into_a_complaint_is_read_by_people_although_its_report_is_out() -> None:
    ticket = after(contact("a", thread="c", text="停电了"), contact("b", thread="c", minutes=1, text="我要投诉"))
    assert (ticket.queue, ticket.state, ticket.report) == ("complaint", TicketState.QUEUED, ReportState.SENT)


def test_an_answered_report_needs_nobody() -> None:
    ticket = settle(after(contact(text="停电了")), answered=True, reason="arrears", rules=SHIPPED, now=NOON)
    assert (ticket.report, ticket.state, ticket.version) == (ReportState.ANSWERED, TicketState.ANSWERED, 2)
    assert counted_as(ticket) == OUTAGE
    assert settle(ticket, answered=True, reason="arrears", rules=SHIPPED, now=NOON) is ticket, (
        "told twice, counted once"
    )


def test_a_report_given_back_waits_for_a_person_and_stays_there() -> None:
    sent = after(contact(text="停电了"))
    given = settle(sent, answered=False, reason="device_unknown", rules=SHIPPED, now=NOON)
    assert (given.report, given.state, counted_as(given)) == (ReportState.RETURNED, TicketState.QUEUED, QUEUED)
    assert settle(given, answered=False, reason="device_unknown", rules=SHIPPED, now=NOON) is given
    assert settle(given, answered=True, reason="arrears", rules=SHIPPED, now=NOON) is given


def test_where_a_person_says_an_outage_is_holds_and_it_is_reported_as_of_when_the_customer_told_of_it() -> None:
    asked = after(contact("a", thread="c", text="停电了"), located=NOWHERE)
    said = Event(did=Did.PLACED, at=NOON + 9 * MINUTE, by="t", place=AT_HOME.place)
    found = route_again(worked(asked, [said], said.at), SHIPPED, said.at)
    assert (found.report, found.state, found.place) == (ReportState.SENT, TicketState.WITH_DEDUP, AT_HOME.place)
    assert (found.reported_at, found.change, found.version) == (NOON, "placed", asked.version + 1)
    later = after(contact("b", thread="c", minutes=10, address="9 Street"), before=found, located=NOWHERE)
    assert later.place == AT_HOME.place


@pytest.mark.parametrize(
    ("corrected", "business_type", "language"),
    [
        ({}, "consultation", "zh-Hans-CN"),
        ({"business_type": "complaint"}, "complaint", "zh-Hans-CN"),
        ({"language": "bo-CN"}, "consultation", "bo-CN"),
    ],
)
def test_what_a_person_corrects_counts_before_what_the_customer_chose(
    corrected: dict[str, str], business_type: str, language: str
) -> None:
    asked = after(contact(business_type="consultation", language="zh-Hans-CN"))
    back = Event.model_validate({"did": Did.RETURNED, "at": NOON, "by": "t", "agent": "ann", **corrected})
    again = route_again(worked(asked, [back], NOON), SHIPPED, NOON, corrected=True)
    assert (again.classification.business_type, again.classification.language) == (business_type, language)
    assert again.report is ReportState.NONE


@pytest.mark.parametrize("corrected", [True, False])
def test_an_outage_that_a_person_recognises_is_reported_and_one_that_is_only_routed_anew_is_not(
    corrected: bool,
) -> None:
    asked = after(contact(business_type="enquiry", text="家里没声音了"))
    back = Event(did=Did.RETURNED, at=NOON + MINUTE, by="t", agent="ann", business_type="fault_report")
    again = route_again(worked(asked, [back], back.at), SHIPPED, back.at, corrected=corrected)
    assert again.classification.is_outage
    assert (again.report, again.reported_at) == ((ReportState.SENT, NOON) if corrected else (ReportState.NONE, None))


def test_an_answer_that_proves_wrong_brings_a_person() -> None:
    answered = settle(after(contact(text="停电了")), answered=True, reason="arrears", rules=SHIPPED, now=NOON)
    given = settle(answered, answered=False, reason="still_off", rules=SHIPPED, now=NOON)
    assert (given.report, given.state) == (ReportState.RETURNED, TicketState.QUEUED)


def test_an_answer_that_a_dispatcher_took_back_leaves_the_ticket_to_its_incident() -> None:
    told = {"answered": False, "rules": SHIPPED, "bounds": BOUNDS, "now": NOON}
    sent = after(contact(text="停电了"))
    answered = settle(sent, answered=True, reason="planned_outage", rules=SHIPPED, now=NOON)
    assert answered.state is TicketState.ANSWERED
    back = placed(answered, **told)
    assert (back.report, back.state, back.queue) == (ReportState.SENT, TicketState.WITH_DEDUP, sent.queue)
    assert back.version == answered.version + 1
    assert placed(back, **told) is back, "told once, counted once"


def test_a_report_given_back_and_placed_by_a_person_is_asked_about_no_more() -> None:
    back = {"answered": False, "reason": "device_unknown", "rules": SHIPPED, "now": NOON}
    told = {"rules": SHIPPED, "bounds": BOUNDS, "now": NOON}
    sent = after(contact(text="停电了"))
    given = settle(sent, **back)
    found = placed(given, answered=False, **told)
    assert (found.report, found.state, found.needs_person) == (ReportState.SENT, TicketState.WITH_DEDUP, None)
    assert (found.version, found.queue) == (given.version + 1, sent.queue)
    assert placed(found, answered=False, **told) is found, "told once, counted once"
    taken_back = settle(found, **{**back, "reason": "placement_undone"})
    assert (taken_back.queue, taken_back.report) == (given.queue, ReportState.RETURNED)
    answered = placed(taken_back, answered=True, **told)
    assert (answered.report, answered.state) == (ReportState.ANSWERED, TicketState.ANSWERED)


def test_a_report_that_a_person_let_a_plan_answer_is_answered_until_that_is_taken_back() -> None:
    told = {"rules": SHIPPED, "bounds": BOUNDS, "now": NOON}
    sent = after(contact(text="停电了"))
    answered = placed(sent, answered=True, **told)
    assert (answered.report, answered.state) == (ReportState.ANSWERED, TicketState.ANSWERED)
    assert placed(answered, answered=True, **told) is answered, "told once, counted once"
    back = placed(answered, answered=False, **told)
    assert (back.report, back.state, back.queue) == (ReportState.SENT, TicketState.WITH_DEDUP, sent.queue)


def test_a_place_that_a_dispatcher_took_back_can_be_said_anew() -> None:
    back = {"answered": False, "reason": "device_unknown", "rules": SHIPPED, "now": NOON}
    given = settle(after(contact(text="停电了")), **back)
    said = Event(did=Did.PLACED, at=NOON, by="ann", queue=given.queue, place=given.place)
    told = worked(given, [said], NOON)
    assert case_of(told, SHIPPED_DESK).reported, "dedup is asked already"
    found = placed(told, answered=False, rules=SHIPPED, bounds=BOUNDS, now=NOON)
    assert case_of(found, SHIPPED_DESK).reported
    again = settle(found, **{**back, "reason": "placement_undone"})
    assert not case_of(again, SHIPPED_DESK).reported


def test_a_placed_report_stays_with_whoever_asks_and_its_customers_later_words_are_heard() -> None:
    back = {"answered": False, "reason": "device_unknown", "rules": SHIPPED, "now": NOON}
    told = {"answered": False, "rules": SHIPPED, "bounds": BOUNDS, "now": NOON}
    given = settle(after(contact(text="停电了")), **back)
    ann = Event(did=Did.CLAIMED, at=NOON, by="ann", agent="ann", queue=given.queue)
    in_hand = placed(worked(given, [ann], NOON), **told)
    assert (in_hand.standing, in_hand.report, in_hand.needs_person) == (TicketState.ASSIGNED, ReportState.SENT, None)
    late = BOUNDS.follow_up.total_seconds() / 60
    first, again = contact("a", thread="c", text="停电了"), contact("b", thread="c", minutes=late, text="还是没电")
    heard = placed(after(again, before=settle(after(first), **back)), **told)
    assert (heard.report, heard.state, heard.needs_person) == (ReportState.SENT, TicketState.QUEUED, "follow_up")


def test_a_ticket_without_a_report_has_nothing_to_settle() -> None:
    ticket = after(contact(text="查电费"))
    assert settle(ticket, answered=True, reason="arrears", rules=SHIPPED, now=NOON) is ticket


@pytest.mark.parametrize(
    ("minutes", "told", "follows"),
    [
        (5, {"text": "快点"}, False),
        (31, {"text": "还没来电"}, True),
        (31, {}, False),
        (31, {"attachments": (Attachment(kind="recording", ref="r"),)}, False),
        (31, {"attachments": (Attachment(kind="image", ref="r"),)}, True),
    ],
)
def test_further_words_long_after_the_report_bring_a_person(
    minutes: float, told: dict[str, Any], follows: bool
) -> None:
    ticket = after(contact("a", thread="c", text="停电了"), contact("b", thread="c", minutes=minutes, **told))
    assert ticket.needs_person == (FOLLOW_UP if follows else None)
    assert ticket.state is (TicketState.QUEUED if follows else TicketState.WITH_DEDUP)


def test_the_message_says_why() -> None:
    ticket = after(contact(text="电线冒火花，停电了", phone="13800000000"))
    message = routed(ticket)
    assert message.reason.route == "root/danger"
    assert message.reason.rule == TypeRule.KEYWORD
    assert message.reason.tree_hash == SHIPPED.hash
    assert message.reason.matched == ("hazards present", "word:停电", "language:script", "priority:hazard")
    assert (message.phone, message.text) == ("13800000000", "电线冒火花，停电了")


def test_the_message_says_who_has_it_how_often_it_was_urged_and_what_stands_for_it() -> None:
    """The customer hurried twice by contacts, and once an agent did for them; then a supervisor merged it."""
    ticket = claimed(replace(after(contact(text="查电费")), urges=2))
    told = routed(ticket)
    assert (told.state, told.agent, told.urges, told.merged_into) == (TicketState.ASSIGNED, "ann", 2, None)
    urged = worked(ticket, [Event(did=Did.URGED, at=NOON, by="t", reason="customer", first=True)], NOON)
    assert routed(urged).urges == 3
    other = contact("other").ticket_id
    by_people = worked(urged, [Event(did=Did.MERGED, at=NOON, by="t", ticket=other)], NOON)
    told = routed(by_people)
    assert (told.state, told.agent, told.merged_into) == (TicketState.MERGED, None, other)
    assert routed(merged(urged, other, NOON)).merged_into == other, "by the router, which found it to be the same"
    assert routed(after(contact(text="查电费"))).urges is None


def test_a_ticket_nobody_takes_moves_on_by_its_plan_and_what_is_said_again_restarts_nothing() -> None:
    said = contact("a", thread="c", text="Our power is out", language="en")
    ticket = after(said, located=NOWHERE, rules=SHIPPED)
    plan = ticket.taken.plan
    assert (ticket.queue, ticket.step, wakes_at(ticket)) == ("locate", 0, NOON + timedelta(seconds=plan[1].after_s))
    assert moved_on(ticket, NOON + timedelta(seconds=plan[1].after_s - 1)) is ticket
    moved = moved_on(ticket, NOON + timedelta(seconds=plan[1].after_s))
    assert (moved.step, moved.skills, moved.version, moved.change) == (1, (), 2, "moved_on")
    later = after(contact("b", thread="c", minutes=1, text="hello"), before=ticket, located=NOWHERE)
    assert (later.planned_at, later.step) == (NOON, 0)
    much_later = after(contact("c", thread="c", minutes=20, text="hello"), before=ticket, located=NOWHERE)
    assert (much_later.planned_at, much_later.step) == (NOON, 1)
    other = after(contact("d", thread="c", minutes=20, text="there is a fire"), before=ticket, located=NOWHERE)
    assert (other.queue, other.planned_at, other.step) == ("emergency", NOON + timedelta(minutes=20), 0)


def test_what_waits_for_nobody_or_has_no_plan_does_not_move_on() -> None:
    """Dedup has it; or it was stored by a release without plans."""
    sent = after(contact(text="Our power is out", language="en"))
    assert (sent.state, len(sent.taken.plan) > 1) == (TicketState.WITH_DEDUP, True)
    old = replace(after(contact(text="Where is my bill", language="en")), planned_at=None)
    for ticket in (sent, old):
        assert (moved_on(ticket, NOON + 60 * MINUTE), wakes_at(ticket)) == (ticket, None)


def test_a_changed_ticket_goes_on_above_all_versions_that_were_told() -> None:
    ticket = replace(after(contact(text="查电费")), version=5)
    assert [above(floor, ticket).version for floor in (0, 4, 5, 9)] == [5, 5, 6, 10]


def test_a_ticket_waits_where_its_step_says_unless_a_person_moved_it() -> None:
    ticket = after(contact(text="Our power is out", language="en", business_type="fault_report"))
    plan = ticket.taken.plan
    assert len({step.queue for step in plan}) > 1
    for n, step in enumerate(plan):
        assert (replace(ticket, step=n).queue, replace(ticket, step=n).skills) == (step.queue, step.skills)
    moved = worked(ticket, [Event(did=Did.REQUEUED, at=NOON, by="t", to_queue="complaint")], NOON)
    assert {replace(moved, step=n).queue for n, _ in enumerate(plan)} == {"complaint"}
    old = replace(ticket, taken=replace(ticket.taken, plan=()))
    assert (old.queue, old.skills) == (ticket.taken.queue, ()), "of a release without plans"


@pytest.mark.parametrize(
    ("text", "priority"), [("查电费", Priority.URGENT), ("着火了", Priority.EMERGENCY)], ids=["question", "danger"]
)
def test_a_supervisor_says_how_urgent_a_ticket_is_but_not_of_a_danger(text: str, priority: Priority) -> None:
    said = Event(did=Did.REPRIORITISED, at=NOON, by="t", priority=Priority.URGENT)
    ticket = after(contact(text=text))
    urgent = worked(ticket, [said], NOON)
    assert (urgent.priority, routed(urgent).priority) == (priority, priority)
    head_start = SHIPPED_DESK.head_start[priority] - SHIPPED_DESK.head_start[ticket.priority]
    assert turn_of(ticket, SHIPPED_DESK).rank_at - turn_of(urgent, SHIPPED_DESK).rank_at == head_start


def test_a_ticket_needs_a_person_for_itself_or_for_one_that_it_stands_for() -> None:
    sent = after(contact(text="停电了"))
    needs = Need(contact("other").ticket_id, "device_unknown")
    live = carrying(sent, [needs], SHIPPED, NOON)
    assert (live.need, live.state, live.version) == ("device_unknown", TicketState.QUEUED, sent.version)
    assert carrying(live, [needs], SHIPPED, NOON) is live
    assert carrying(live, [], SHIPPED, NOON).state is TicketState.WITH_DEDUP
    own = settle(live, answered=False, reason="several_places", rules=SHIPPED, now=NOON)
    assert own.need == "several_places"
    assert (lent(own), lent(live)) == ((Need(own.ticket_id, "several_places"), needs), (needs,))


@pytest.mark.parametrize(
    ("text", "ended", "settled", "counted"),
    [
        ("查电费", None, None, QUEUED),
        ("查电费", {"did": Did.COMPLETED, "agent": "ann", "outcome": "solved"}, None, CLOSED),
        ("查电费", {"did": Did.MERGED, "ticket": contact("other").ticket_id}, None, CLOSED),
        ("停电了", None, None, OUTAGE),
        ("停电了", None, "arrears", OUTAGE),
        ("着火了", {"did": Did.COMPLETED, "agent": "ann", "outcome": "solved"}, None, OUTAGE),
        ("着火了", None, "", QUEUED),
        ("着火了", {"did": Did.COMPLETED, "agent": "ann", "outcome": "solved"}, "", CLOSED),
    ],
)
def test_a_ticket_is_counted_once_under_its_report_with_people_or_as_done(
    text: str, ended: dict[str, object] | None, settled: str | None, counted: str
) -> None:
    ticket = after(contact(text=text))
    if settled is not None:
        ticket = settle(ticket, answered=bool(settled), reason=settled or "unknown", rules=SHIPPED, now=NOON)
    if ended is not None:
        ticket = worked(ticket, [Event.model_validate({"at": NOON, "by": "t", **ended})], NOON)
    assert counted_as(ticket) == counted


def test_a_ticket_holds_its_own_tellings_of_a_matter_and_none_once_it_is_another() -> None:
    first = replace(after(contact("1", text="查电费")), repeats=2)
    second = replace(first, told_before=3, repeats=4)
    assert (list(first.tellings), list(second.tellings)) == ([1, 2, 3], [4, 5])
    gone = merged(first, contact("other").ticket_id, NOON)
    assert (list(gone.tellings), gone.counted) == ([], 0)


def test_a_ticket_that_turns_out_to_be_another_says_no_longer_what_was_done_with_it() -> None:
    """One that lay in a backlog has a warning in its first version: the next one would have told it again."""
    young = replace(after(contact("a", text="查电费")), change="escalated")
    gone = merged(young, ids.contact_id("test", "another"), NOON)
    assert (gone.version, gone.change, routed(gone).change) == (young.version + 1, None, None)
