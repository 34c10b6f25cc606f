"""Contacts about a matter that is open: which ticket they join, and when they must not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.values import Attachment, Basis, Channel, Crs, Place, Position, Priority, Recipient, TicketState
from services.router.domain.batch import Book, UnforeseenError, read
from services.router.domain.danger import apart, says_where
from services.router.domain.deciding import FOLLOW_UP, is_ready
from services.router.domain.likeness import Likeness
from services.router.domain.log import Did, Event
from services.router.domain.repeats import account_of, found_by, number_of
from services.router.domain.telling import outage_reported
from services.router.domain.ticket import Located, ReportState, Ticket
from services.router.domain.versions import worked
from tests.unit.router.making import AT_HOME, BOUNDS, NOON, SHIPPED, claimed, contact, folded

if TYPE_CHECKING:
    from services.contracts.messages import ContactReceived
    from services.router.domain.places import Clues
    from services.router.domain.ticket import Rules

WECHAT = {"channel": Channel.WECHAT, "reply_to": Recipient(channel=Channel.WECHAT, address="o-1", account="gh_1")}
HOME = Position(lat=30.01, lon=110.01, crs=Crs.GCJ02)
NOWHERE = Located(Place())


def located(said: Clues) -> Located:
    """A world in which every account but A9, every position and no telephone number is known."""
    if said.account_id == "A9" or not (said.account_id or said.position):
        return NOWHERE
    basis = Basis.ACCOUNT if said.account_id else Basis.POSITION
    return Located(AT_HOME.place.model_copy(update={"basis": basis, "lat": 30.01, "lon": 110.01}))


class World:
    """Decides contacts as a batch each, or all as one."""

    def __init__(self, rules: Rules = SHIPPED) -> None:
        self.rules = rules
        self.book = Book(rules, BOUNDS, NOON + timedelta(days=2))
        self.reports = 0

    def take(self, *contacts: ContactReceived) -> Ticket:
        for each in contacts:
            said = read(each, self.rules, BOUNDS)
            for handle in said.handles:
                self.book.open.setdefault(handle, ())
            self.book.now = each.received_at
            places = {one: located(one) for one in self.book.foresee([said])}
            self.book.places = places
            try:
                was, ticket = self.book.take(said)
            except UnforeseenError as unforeseen:
                places[unforeseen.clues] = located(unforeseen.clues)
                was, ticket = self.book.take(said)
            self.reports += ticket.report is not ReportState.NONE and (was is None or was.report is ReportState.NONE)
        return ticket

    @property
    def live(self) -> list[Ticket]:
        return [each for each in self.book.tickets.values() if each.merged_into is None]


def after(*contacts: ContactReceived, rules: Rules = SHIPPED) -> World:
    world = World(rules)
    world.take(*contacts)
    return world


def test_a_position_sent_after_the_outage_joins_it_and_places_its_report() -> None:
    world = after(contact("a", text="停电了", **WECHAT))
    assert world.live[0].report is ReportState.NONE
    ticket = world.take(contact("b", minutes=2, position=HOME, address="1 Road", **WECHAT))
    assert [each.ticket_id for each in world.live] == [contact("a").ticket_id]
    assert (ticket.report, ticket.repeats, world.reports) == (ReportState.SENT, 0, 1)
    assert ticket.reported_at == NOON


def test_an_account_sent_after_the_outage_joins_it() -> None:
    world = after(contact("a", text="停电了", **WECHAT), contact("b", minutes=1, text="户号 1234567890", **WECHAT))
    [ticket] = world.live
    assert (ticket.facts.account_id is not None, ticket.report) == (True, ReportState.SENT)


def test_a_place_that_was_not_found_may_be_corrected() -> None:
    world = after(
        contact("a", text="停电了", account_id="A9", **WECHAT), contact("b", minutes=1, account_id="A1", **WECHAT)
    )
    [ticket] = world.live
    assert ticket.report is ReportState.SENT


def test_the_same_claim_again_is_counted_and_makes_no_second_report() -> None:
    world = after(*(contact(f"e{n}", minutes=n, text="停电了", account_id="A1", **WECHAT) for n in range(4)))
    [ticket] = world.live
    assert (ticket.repeats, len(ticket.contacts), world.reports, ticket.counted) == (3, 4, 1, 4)


@pytest.mark.parametrize("text", ["又停电了", "又停电了，快点派人来"])
def test_a_claim_long_after_the_report_is_a_report_again_with_the_earlier_one_named(text: str) -> None:
    world = after(
        contact("a", text="停电了", account_id="A1", **WECHAT),
        contact("b", minutes=31, text=text, account_id="A1", **WECHAT),
    )
    assert world.reports == 2
    second = world.book.tickets[contact("b").ticket_id]
    assert (second.repeat_of, second.repeats) == (contact("a").ticket_id, 1)


@pytest.mark.parametrize("report_gone", [True, False])
def test_a_new_danger_gets_a_report_of_its_own_unless_the_first_will_carry_it(report_gone: bool) -> None:
    home = {"account_id": "A1"} if report_gone else {}
    world = after(contact("a", text="停电了", **home, **WECHAT))
    ticket = world.take(contact("b", minutes=1, text="电线着火了", **WECHAT))
    assert ticket.priority is Priority.EMERGENCY
    assert len(world.live) == (2 if report_gone else 1)
    if report_gone:
        assert (ticket.ticket_id, ticket.queue) == (contact("b").ticket_id, "emergency")
        assert (ticket.report, ticket.place.account_id, world.reports) == (ReportState.SENT, "A1", 2)
        world.take(contact("c", minutes=2, text="还在着火", **WECHAT))
        assert (len(world.live), world.reports) == (2, 2)
    else:
        world.take(contact("c", minutes=2, position=HOME, **WECHAT))
        [only] = world.live
        assert (only.report, only.classification.hazards) == (ReportState.SENT, ("fire",))


def test_a_danger_in_a_call_that_had_joined_gets_a_ticket_of_its_own() -> None:
    call = {"channel": Channel.PHONE, "phone": "13800000000", "account_id": "A1", "reply_to": None}
    world = after(
        contact("web", text="停电了", phone="13800000000", account_id="A1"),
        contact("dtmf", thread="call", minutes=1, business_type="fault_report", final=False, **call),
        contact("said", thread="call", minutes=2, text="冒烟了", **call),
        contact("ended", thread="call", minutes=3, text="好", **call),
    )
    danger = world.book.tickets[contact("said").contact_id]
    assert (danger.classification.hazards, danger.report) == (("smoke",), ReportState.SENT)
    first = world.book.tickets[contact("web").ticket_id]
    assert len(first.contacts) == 3
    assert sum(each.counted for each in world.book.tickets.values()) == 4


@pytest.mark.parametrize(
    "told", [{"channel": Channel.PHONE, "phone": "13800000000", "account_id": "A1", "reply_to": None}, WECHAT]
)
def test_a_danger_named_in_a_thread_whose_report_is_out_gets_an_order_of_its_own(told: dict[str, Any]) -> None:
    world = after(
        contact("out", thread="t", text="停电了", final=False, **{"account_id": "A1", **told}),
        contact("said", thread="t", minutes=1, text="着火了", final=False, **told),
        contact("again", thread="t", minutes=2, text="着火了，快点", **told),
        contact("over", thread="t", minutes=3, text="好", **told),
    )
    first, danger = world.live
    assert (first.ticket_id, len(first.contacts), first.facts.hazards) == (contact("out", thread="t").ticket_id, 2, ())
    assert (danger.ticket_id, len(danger.contacts), danger.classification.hazards) == (
        contact("said").contact_id,
        2,
        ("fire",),
    )
    report = outage_reported(danger, contact("said").contact_id, NOON + timedelta(minutes=1))
    assert (report.hazards, report.place.account_id, report.reported_at) == (
        ("fire",),
        "A1",
        NOON + timedelta(minutes=1),
    )
    assert report.report_id != outage_reported(first, contact("out").contact_id, NOON).report_id
    assert (danger.queue, danger.state, world.reports) == ("emergency", TicketState.QUEUED, 2)


@pytest.mark.parametrize(
    ("minutes", "told", "placed"),
    [
        (1, WECHAT, True),
        (30, WECHAT, True),
        (31, WECHAT, False),  # they may be elsewhere by now
        (1, {"address": "9 Street", **WECHAT}, False),
        (1, {"channel": Channel.WECHAT, "reply_to": Recipient(channel=Channel.WECHAT, address="o-2")}, False),
    ],
    ids=["at once", "within the half hour", "later", "elsewhere", "somebody else"],
)
def test_a_danger_is_where_its_reporter_told_lately_that_they_are(
    minutes: float, told: dict[str, Any], placed: bool
) -> None:
    """Of an outage, though they asked since for something that has no place."""
    world = after(
        contact("a", text="停电了", account_id="A1", **WECHAT),
        contact("b", minutes=0.5, text="查电费", **WECHAT),
    )
    danger = world.take(contact("c", minutes=minutes, text="着火了", **told))
    assert danger.queue == "emergency"
    assert (danger.place.account_id, danger.report) == (
        ("A1", ReportState.SENT) if placed else (None, ReportState.NONE)
    )


def test_a_question_is_not_given_the_place_of_an_outage_told_of_before() -> None:
    world = after(contact("a", text="停电了", account_id="A1", **WECHAT))
    question = world.take(contact("b", minutes=1, text="查电费", **WECHAT))
    assert (question.place.account_id, question.facts.account_id) == (None, None)


@pytest.mark.parametrize(
    ("known", "said", "kept"),
    [
        ({"text": "中山路12号停电了"}, {"text": "着火了"}, True),
        ({"text": "停电了"}, {"text": "着火了"}, False),
        ({"text": "中山路12号停电了"}, {"text": "黄河路3号着火了"}, False),
        ({"text": "中山路12号停电了", "account_id": "A1"}, {"text": "着火了"}, False),
        ({"text": "中山路12号停电了"}, {"text": "着火了", "position": HOME}, False),
    ],
)
def test_earlier_words_stay_with_a_danger_only_if_nothing_else_says_where_it_is(
    known: dict[str, Any], said: dict[str, Any], kept: bool
) -> None:
    facts = apart(folded(contact("a", **known)), folded(contact("b", minutes=1, **said)))
    assert facts.text == (f"{known['text']}\n{said['text']}" if kept else said["text"])
    assert (facts.hazards, facts.opened_at) == (("fire",), NOON + timedelta(minutes=1))


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"account_id": "A1"}, True),
        ({"position": HOME}, True),
        ({"address": "1 Road"}, True),
        ({"text": "中山路12号着火了"}, True),
        ({"text": "着火了", "phone": "13800000000"}, False),
    ],
)
def test_an_account_a_position_an_address_or_words_say_where_somebody_is(told: dict[str, Any], says: bool) -> None:
    assert says_where(folded(contact(**told))) is says


@pytest.mark.parametrize("text", ["停电了", "查电费"])
def test_a_danger_named_in_a_thread_without_a_report_makes_a_danger_of_its_ticket(text: str) -> None:
    """Whoever has it is called back: it is one matter, and no second ticket."""
    world = after(
        contact("first", thread="t", text=text, **WECHAT),
        contact("said", thread="t", minutes=1, text="着火了", **WECHAT),
    )
    ticket = world.take(contact("here", thread="t", minutes=2, position=HOME, **WECHAT))
    assert world.live == [ticket]
    assert (ticket.ticket_id, ticket.queue) == (contact("x", thread="t").ticket_id, "emergency")


def test_a_call_that_turns_out_to_be_about_the_open_matter_becomes_part_of_it() -> None:
    call = {"channel": Channel.PHONE, "phone": "13800000000", "reply_to": None}
    world = after(
        contact("form", text="停电了", phone="+86 138 0000 0000"),
        contact("started", thread="call", minutes=5, final=False, **call),
        contact("ended", thread="call", minutes=6, text="家里停电了", **call),
        contact("late", thread="call", minutes=7, text="好的", **call),
    )
    [ticket] = world.live
    assert (ticket.repeats, len(ticket.contacts), ticket.also) == (1, 4, {contact("x", thread="call").ticket_id})
    closed = world.book.tickets[contact("x", thread="call").ticket_id]
    assert (closed.state, closed.merged_into, closed.counted) == (TicketState.MERGED, ticket.ticket_id, 0)


def test_what_a_call_had_taken_in_goes_with_it_to_the_matter_it_turns_out_to_be_about() -> None:
    me = {"phone": "13800000000", "reply_to": None}
    world = after(
        contact("first", business_type="complaint", text="我要投诉", **me),
        contact("rings", thread="call", minutes=1, text="停电了", final=False, channel=Channel.PHONE, **me),
        contact("form", minutes=2, text="停电了", **me),
        contact("ends", thread="call", minutes=3, business_type="complaint", channel=Channel.PHONE, **me),
    )
    [ticket] = world.live
    assert (ticket.ticket_id, len(ticket.contacts)) == (contact("first").ticket_id, 4)
    assert ticket.also == {contact("x", thread="call").ticket_id, contact("form").ticket_id}
    assert {world.book.ids[each] for each in ticket.also} == {world.book.aliases[each] for each in ticket.also}
    assert world.book.aliases[contact("form").ticket_id] == ticket.ticket_id


@pytest.mark.parametrize(
    ("minutes", "urges"), [((1, 2), 0), ((31, 32), 1), ((31, 62), 2), ((31, 60, 61), 2), ((40, 50, 69), 1)]
)
def test_every_urge_is_noted_and_one_an_interval_counts(minutes: tuple[int, ...], urges: int) -> None:
    urged = [contact(f"u{n}", minutes=n, text="怎么还没来人，快点", **WECHAT) for n in minutes]
    world = after(contact("a", text="电压低", **WECHAT), *urged)
    [ticket] = world.live
    assert (ticket.repeats, ticket.urges) == (len(minutes), urges)


@pytest.mark.parametrize(("text", "urges"), [("电压还是低", 0), ("电压还是低，快点派人来", 1)])
def test_who_tells_of_it_again_urges_only_by_asking_to_hurry(text: str, urges: int) -> None:
    world = after(contact("a", text="电压低", **WECHAT), contact("b", minutes=40, text=text, **WECHAT))
    [ticket] = world.live
    assert (ticket.repeats, ticket.urges) == (1, urges)


def test_who_asks_to_hurry_urges_though_no_word_says_more_and_it_sounds_like_a_complaint() -> None:
    rules = replace(SHIPPED, keywords=replace(SHIPPED.keywords, likeness={"complaint": Likeness({"催": 100})}))
    heard = rules.keywords.sounds_like("催一下")
    assert heard is not None
    assert (heard.meaning, heard.pieces) == ("complaint", ("催",))
    world = after(contact("a", text="停电了", **WECHAT), contact("b", minutes=40, text="催一下", **WECHAT), rules=rules)
    [ticket] = world.live
    assert (ticket.repeats, ticket.urges) == (1, 1)


def test_a_matter_is_remembered_however_long_they_talk_about_others() -> None:
    talk = [
        contact(f"{thread}{n}", thread=thread, minutes=n, text=text, **WECHAT)
        for n in range(1, 7)
        for thread, text in (("bill", "查电费"), ("anger", "我要投诉"))
    ]
    world = after(contact("a", text="电压低", **WECHAT), *talk, contact("b", minutes=8, text="电压还是低", **WECHAT))
    assert world.book.tickets[contact("a").ticket_id].repeats == 1


def test_a_hurry_is_about_the_fault_though_they_asked_for_something_else_since() -> None:
    world = after(
        contact("fault", text="电压低", **WECHAT),
        contact("question", minutes=1, text="查电费", **WECHAT),
        contact("hurry", minutes=2, text="怎么还没来人，快点", **WECHAT),
    )
    fault, question = (world.book.tickets[contact(name).ticket_id] for name in ("fault", "question"))
    assert (fault.repeats, question.repeats) == (1, 0)


def test_where_they_are_is_told_of_the_outage_that_has_no_place_though_another_fault_came_since() -> None:
    world = after(
        contact("outage", text="停电了", **WECHAT),
        contact("voltage", minutes=1, text="电压低", **WECHAT),
        contact("here", minutes=2, position=HOME, **WECHAT),
    )
    assert world.book.tickets[contact("outage").ticket_id].report is ReportState.SENT


PICTURE = (Attachment(kind="image", ref="p"),)


@pytest.mark.parametrize(
    ("told", "needs_person"),
    [
        ({"position": HOME}, None),
        ({"text": "？？"}, None),
        ({"attachments": PICTURE}, FOLLOW_UP),
        ({"attachments": PICTURE, "position": HOME}, None),
    ],
    ids=["position", "marks", "picture", "picture of a place"],
)
def test_what_says_where_they_are_brings_nobody_and_a_picture_alone_a_person(
    told: dict[str, Any], needs_person: str | None
) -> None:
    world = after(contact("a", text="停电了", account_id="A1", **WECHAT), contact("b", minutes=1, **told, **WECHAT))
    [ticket] = world.live
    assert ticket.needs_person == needs_person


CALL = {"channel": Channel.PHONE, "phone": "13800000000", "reply_to": None}


@pytest.mark.parametrize(
    ("minutes", "told", "joins"),
    [(30, WECHAT, True), (31, WECHAT, False), (1, CALL, False)],
    ids=["soon", "late", "call"],
)
def test_what_names_no_matter_belongs_to_what_was_written_within_the_half_hour(
    minutes: float, told: dict[str, Any], joins: bool
) -> None:
    first = contact("a", text="停电了", phone="13800000000", **WECHAT)
    world = after(first, contact("b", minutes=minutes, position=HOME, **told))
    assert len(world.live) == (1 if joins else 2)


@pytest.mark.parametrize(
    ("lat", "lon", "joins"),
    [
        *((north, 0.0, True) for north in (0.0, 0.017, -0.017)),
        *((north, 0.0, False) for north in (0.019, -0.019)),
        *((0.0, east, True) for east in (0.02, -0.02)),
        *((0.0, east, False) for east in (0.022, -0.022)),
        (0.015, 0.015, False),
    ],
)
def test_within_two_kilometres_it_is_the_same_place(lat: float, lon: float, joins: bool) -> None:
    """0.018 degrees to the north or the south; at this latitude 0.0208 to the east or the west."""
    near = HOME.model_copy(update={"lat": HOME.lat + lat, "lon": HOME.lon + lon})
    world = after(
        contact("a", text="停电了", position=HOME, **WECHAT),
        contact("b", minutes=1, text="停电了", position=near, **WECHAT),
    )
    assert len(world.live) == (1 if joins else 2)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"account_id": "A1"}, ("A1", None, None)),
        ({}, ("A7", None, None)),  # of where it was placed
        ({"phone": "13800000000"}, ("A7", "13800000000", None)),
        ({"phone": "13800000000", "reply_to": ("sms", "+86 138 0000 0000")}, ("A7", "13800000000", None)),
        ({"phone": "13800000000", "reply_to": ("sms", "13900000000")}, ("A7", "13800000000", "13900000000")),
        ({"reply_to": ("sms", "13900000000")}, ("A7", "13900000000", None)),
        ({"phone": "13800000000", "reply_to": ("wechat", "13900000000")}, ("A7", "13800000000", None)),
    ],
)
def test_a_ticket_is_found_by_its_account_its_number_and_one_to_call_back_on(
    told: dict[str, Any], found: tuple[str | None, str | None, str | None]
) -> None:
    to = told.pop("reply_to", None)
    facts = folded(contact(**told, reply_to=None if to is None else Recipient(channel=to[0], address=to[1])))
    account, phone, call_back = found
    keys = (account_of(account or "").key, *(number and number_of(number) for number in (phone, call_back)))
    assert found_by(facts, Place(account_id="A7")) == (keys[0], *(each and each.key for each in keys[1:]))


def test_an_urge_that_is_not_counted_still_carries_its_danger() -> None:
    world = after(contact("a", text="电压低", **WECHAT), contact("b", minutes=1, text="快点，电表冒烟了", **WECHAT))
    assert len(world.live) == 2, "an outage of its own, for which somebody goes"
    assert max(world.live, key=lambda each: each.last_at).queue == "emergency"


def test_words_nobody_understood_bring_a_person_to_a_ticket_that_had_none() -> None:
    world = after(
        contact("a", text="停电了", account_id="A1", **WECHAT), contact("b", minutes=1, text="嗯嗯", **WECHAT)
    )
    [ticket] = world.live
    assert (ticket.state, ticket.needs_person) == (TicketState.QUEUED, FOLLOW_UP)


@pytest.mark.parametrize(
    "told",
    [
        {"text": "我要投诉", **WECHAT},
        {"text": "查电费", **WECHAT},
        {"text": "电压低", **WECHAT},  # a fault as well, and another one
        {"text": "停电了", "account_id": "A2", **WECHAT},
        {"text": "停电了", "position": Position(lat=31.0, lon=111.0), **WECHAT},
        {"text": "停电了", "address": "9 Street", **WECHAT},
        {"text": "停电了", "channel": Channel.WECHAT, "reply_to": Recipient(channel=Channel.WECHAT, address="o-2")},
        {"text": "停电了", "account_id": "A1"},  # somebody else of the house, told by their own session
    ],
)
def test_another_matter_another_place_or_another_person_is_another_ticket(told: dict[str, Any]) -> None:
    world = after(contact("a", text="停电了", account_id="A1", address="1 Road", **WECHAT))
    world.take(contact("b", minutes=1, **told))
    assert len(world.live) == 2


def test_a_machine_that_repeats_itself_does_not_make_one_ticket_grow_for_ever() -> None:
    world = after(*(contact(f"e{n}", minutes=n / 60, text="电压低", **WECHAT) for n in range(205)))
    first, second = world.live
    assert (len(first.contacts), len(second.contacts), second.repeat_of) == (200, 5, first.ticket_id)
    assert second.repeats == 204


def test_two_complaints_of_one_day_are_two() -> None:
    complaints = [contact(f"c{n}", minutes=n, text="我要投诉", **WECHAT) for n in (0, 5, 300)]
    assert len(after(*complaints).live) == 2


def test_who_tells_again_of_what_is_done_has_a_ticket_of_its_own_that_names_it() -> None:
    world = after(contact("a", text="电压低", **WECHAT))
    done = Event(did=Did.COMPLETED, at=NOON, by="t", agent="ann", outcome="solved")
    world.book.put(worked(claimed(world.live[0]), [done], NOON))
    again = world.take(contact("b", minutes=5, text="电压还是低", **WECHAT))
    assert (again.ticket_id, again.repeat_of) == (contact("b").ticket_id, contact("a").ticket_id)


@pytest.mark.parametrize(("hours", "again"), [(23, True), (25, False)])
def test_who_tells_of_the_same_within_a_day_tells_of_it_again(hours: int, again: bool) -> None:
    first, second = contact("a", text="我要投诉", **WECHAT), contact("b", minutes=60 * hours, text="我要投诉", **WECHAT)
    world = after(first, second)
    assert world.book.tickets[second.ticket_id].repeat_of == (first.ticket_id if again else None)


def events() -> st.SearchStrategy[list[ContactReceived]]:
    told = st.fixed_dictionaries(
        {
            "minutes": st.integers(0, 90),
            "text": st.sampled_from(
                [None, "停电了", "着火了", "我要投诉", "快点", "嗯", "电压低", "冒烟", "户号 12345678"]
            ),
            "account_id": st.sampled_from([None, "A1", "A9"]),
            "phone": st.sampled_from([None, "13800000000", "13900000000"]),
            "position": st.sampled_from([None, HOME]),
            "final": st.booleans(),
            "channel": st.sampled_from([Channel.PHONE, Channel.WECHAT]),
            "reply_to": st.sampled_from([None, WECHAT["reply_to"]]),
        }
    )
    threads = st.sampled_from([None, "one", "two"])
    return st.lists(st.tuples(threads, told), min_size=1, max_size=8).map(
        lambda each: [contact(f"e{n}", thread=thread, **one) for n, (thread, one) in enumerate(each)]
    )


@given(events(), st.data())
@settings(deadline=None, max_examples=60)
def test_every_contact_is_in_one_ticket_and_no_danger_is_hidden(
    contacts: list[ContactReceived], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(contacts), max_size=3))
    world = after(*contacts, *again)
    live = world.live
    assert sorted(each for ticket in live for each in ticket.contacts) == sorted(each.contact_id for each in contacts)
    assert sum(ticket.counted for ticket in world.book.tickets.values()) == len(contacts)
    assert world.reports == sum(ticket.report is not ReportState.NONE for ticket in world.book.tickets.values())
    for ticket in live:
        if ticket.facts.hazards:
            assert (ticket.queue, ticket.state) == ("emergency", TicketState.QUEUED)
            assert ticket.report is ReportState.SENT or not is_ready(ticket.classification, ticket.facts, ticket.place)
    for each in contacts:
        named = read(each, SHIPPED, BOUNDS).facts.hazards
        [mine] = [ticket for ticket in live if each.contact_id in ticket.contacts]
        assert set(named) <= set(mine.facts.hazards)
    assert all(world.book.ids[each] in {ticket.ticket_id for ticket in live} for each in world.book.ids)


@pytest.mark.parametrize("said", ["undefined", "00000000", "无"])
def test_two_who_have_no_account_are_not_one_customer(said: str) -> None:
    world = after(
        contact("a", text="停电了", account_id=said, phone="13800000001", channel=Channel.APP, reply_to=None),
        contact(
            "b", minutes=1, text="停电了", account_id=said, phone="13800000002", channel=Channel.APP, reply_to=None
        ),
    )
    assert len(world.live) == 2
