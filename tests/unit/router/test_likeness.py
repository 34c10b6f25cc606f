"""What sounds like danger though no word of the lists names one: a person of the emergency desk looks at once."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from services.contracts.values import Priority, TicketState
from services.router.domain.classify import TypeRule
from services.router.domain.desk import keeping
from services.router.domain.erased import erased
from services.router.domain.likeness import Likeness, likest
from services.router.domain.log import Did
from services.router.domain.reading import by_message
from services.router.domain.serving import Agent
from services.router.domain.telling import outage_reported, routed
from services.router.domain.ticket import ReportState
from services.router.domain.words import WordList
from services.router.tree.book import RuleBook, load_rules
from services.router.tree.keywords import read_keywords
from services.router.tree.likeness import FILE, read_likeness, written
from services.runtime.yaml_reading import RulesError
from tests.hearing.labelled import FILES, read_said
from tests.hearing.learn import ABOUT, PLACED, learn, pieces
from tests.unit.router.making import CLASSIFY, DEPLOY, NOON, ROUTES, SHIPPED, SHIPPED_DESK, after, contact

if TYPE_CHECKING:
    from pathlib import Path

    from services.router.domain.ticket import Rules

DEAF = replace(SHIPPED, keywords=replace(SHIPPED.keywords, suspicion=Likeness(), likeness={}))
"""The shipped rules, which hear words of the lists alone."""
SOUNDS = "有个老乡从梯子上滚下来了，手里还抓着那根线"
OUT_TOO = f"停电了，{SOUNDS}"


def weighing(**weights: int) -> Likeness:
    return Likeness(weights, start=-100)


def test_a_sentence_sounds_like_danger_by_all_its_pieces_together() -> None:
    heard = Likeness({"线": 60, "挂线": 30, "人": 30, "电": -40}, start=-100)
    assert heard.heard_in("人挂线") == ("线", "人")
    assert heard.heard_in("线线线") is None, "a piece counts once"
    assert heard.heard_in("人挂线电") is None
    assert heard.heard_in("") is None


def test_what_else_is_said_takes_nothing_back_and_adds_nothing() -> None:
    heard = Likeness({"线": 60, "人": 60, "安": -200}, start=-100)
    assert heard.heard_in("安.人线!安") == heard.heard_in("安\n人线") == ("人", "线")
    assert heard.heard_in("人。线") is None
    assert heard.heard_in("安人线") is None


def test_words_are_weighed_whole_or_by_how_they_begin() -> None:
    heard = weighing(**{"smok*": 150, "pole": 150})
    assert heard.heard_in("smoky here") == ("smok*",)
    assert heard.heard_in("the pole") == ("pole",)
    assert heard.heard_in("poles and smog") is None


def test_a_higher_bar_suspects_less_and_no_pieces_suspect_nothing() -> None:
    heard = weighing(线=150)
    assert replace(heard, bar=49).heard_in("线") is not None
    assert replace(heard, bar=50).heard_in("线") is None
    assert Likeness(start=100).heard_in("线") is None


def test_pieces_are_found_in_one_pass_as_they_were_learnt() -> None:
    weights = SHIPPED.keywords.suspicion.weights
    for file in FILES.values():
        for one in read_said(file.read_text(encoding="utf-8")):
            for sentence in re.split("[.!?;。\n]+", by_message(one.text)):
                assert SHIPPED.keywords.suspicion.known_in(sentence) == weights.keys() & pieces(sentence)


def test_the_shipped_weights_are_those_that_halves_a_teach() -> None:
    said = [one for file in FILES.values() for one in read_said(file.read_text(encoding="utf-8"))]
    learnt = learn([*PLACED, *(one for one in said if one.half == "A")])
    assert (DEPLOY / FILE).read_text(encoding="utf-8") == written(learnt, ABOUT)


def told(text: str, rules: Rules, **more: str) -> tuple[str, Priority, TicketState]:
    ticket = after(contact(text=text, **more), rules=rules)
    return ticket.queue, ticket.priority, ticket.state


def test_who_sounds_in_danger_waits_at_the_emergency_desk_first() -> None:
    assert told(SOUNDS, SHIPPED) == ("emergency", Priority.URGENT, TicketState.QUEUED)
    assert told(SOUNDS, SHIPPED, business_type="consultation")[0] == "emergency"
    assert told(SOUNDS, DEAF) == ("general", Priority.NORMAL, TicketState.QUEUED)


def test_no_crew_is_sent_by_a_suspicion_and_an_outage_is_reported_as_ever() -> None:
    alone = after(contact(text=SOUNDS))
    assert (alone.report, alone.classification.is_outage) == (ReportState.NONE, False)
    both = contact(text=OUT_TOO)
    here, deaf = after(both), after(both, rules=DEAF)
    assert (here.report, here.state) == (ReportState.SENT, TicketState.QUEUED)
    assert (deaf.report, deaf.state) == (ReportState.SENT, TicketState.WITH_DEDUP)
    reports = [outage_reported(each, both.contact_id, both.received_at) for each in (here, deaf)]
    assert reports[0] == reports[1]
    assert reports[0].hazards == ()


def test_what_a_person_reads_says_which_pieces_weighed_most() -> None:
    message = routed(after(contact(text=SOUNDS)))
    assert message.hazards == ()
    suspected = [each for each in message.reason.matched if each.startswith("suspected:")]
    assert 1 <= len(suspected) <= 3
    assert all(each.removeprefix("suspected:") in SOUNDS for each in suspected)
    assert "tag:suspected_danger" in message.reason.matched


def test_a_danger_that_is_named_is_not_suspected_besides() -> None:
    ticket = after(contact("1", text=SOUNDS, thread="t"), contact("2", text="电线断了", thread="t", minutes=1))
    assert ticket.classification.suspected is None
    assert (ticket.queue, ticket.priority) == ("emergency", Priority.EMERGENCY)


def test_a_suspicion_stays_whatever_else_is_said() -> None:
    said = [contact("1", text=SOUNDS, thread="t"), contact("2", text="谢谢，电费怎么查", thread="t", minutes=1)]
    assert after(*said).queue == after(*reversed(said)).queue == "emergency"


@pytest.mark.parametrize("text", ["没有起火没有冒烟", "no smoke and no fire at the pole", "嗓子都冒烟了"])
def test_what_is_denied_or_known_to_be_harmless_is_not_suspected(text: str) -> None:
    assert SHIPPED.keywords.read(text).suspected is None
    assert SHIPPED.keywords.suspicion.heard_in(text) is not None, "it would be by its letters"


def test_what_may_be_a_danger_is_kept_for_no_agent() -> None:
    bob = Agent(agent_id="bob", queues=("*",), languages=("*",))
    assert keeping(after(contact(text=SOUNDS)), (bob,), SHIPPED_DESK, NOON) == []
    [kept] = keeping(after(contact(text=SOUNDS), rules=DEAF), (bob,), SHIPPED_DESK, NOON)
    assert (kept.did, kept.to_agent) == (Did.KEPT, "bob")


def test_nothing_of_what_was_said_is_left_in_an_erased_ticket() -> None:
    assert erased(after(contact(text=SOUNDS)), NOON).classification.suspected is None


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("version 1\nlike danger\nstart -1.00\nbar 0.00\n+0.30 线 人\n+0.20 线\n", [6]),
        ("version 2\nlike danger\nstart -1.00\nbar 0.00\n", [1]),
        ("version 1\nlike danger\nstart -1\nbar 0.00\n0.3\nab\n", [2, 3, 5, 6]),
        ("version 1\nstart -1.00\nlike Danger\nlike danger\nstart -1.00\nbar 0.00\nlike danger\n", [2, 3, 7, 7, 7]),
        ("", [1]),
    ],
)
def test_a_file_with_faults_is_refused_with_their_lines(text: str, faults: list[int]) -> None:
    with pytest.raises(RulesError) as refused:
        read_likeness("weights", text)
    assert [fault.line for fault in refused.value.faults] == faults


def test_what_is_written_is_read_again() -> None:
    heard = {"danger": Likeness({"线": 60, "smok*": -5}, start=-142, bar=10), "none": Likeness({"谢": 80}, start=-50)}
    again = read_likeness("weights", written(heard, "where from\n\nwho"))
    assert {name: (one.weights, one.start, one.bar) for name, one in again.items()} == {
        name: (one.weights, one.start, one.bar) for name, one in heard.items()
    }


def test_a_text_sounds_like_what_weighs_most_and_surely_if_it_outweighs_the_others_together() -> None:
    meanings = {"enquiry": Likeness({"查": 90, "费": 40}), "outage": Likeness({"查": 80, "黑": 150}, bar=100)}
    assert likest(meanings, "查费") == ("enquiry", ("查", "费"), pytest.approx(0.6225, abs=1e-4), True)
    assert likest(meanings, "黑") == ("outage", ("黑",), pytest.approx(0.8176, abs=1e-4), True)
    doubtful = {**meanings, "outage": replace(meanings["outage"], bar=150)}
    assert likest(doubtful, "黑") == ("outage", ("黑",), pytest.approx(0.8176, abs=1e-4), False)
    three = {**meanings, "praise": Likeness(start=60)}
    assert likest(three, "黑") == ("outage", ("黑",), pytest.approx(0.6136, abs=1e-4), False), "two weigh more than one"
    assert likest(meanings, "你好") is None, "nothing in it speaks for anything"
    assert likest(three, "你好") is None, "what is likely before a word is said is no reason"
    found = likest({"praise": meanings["enquiry"], **meanings}, "查")
    assert found is not None
    assert found[:2] == ("praise", ("查",)), "of equals the first"
    assert likest({}, "查") is None


WANTED = "师傅帮我看一下为什么这个月多了这么多钱"
WENT_DARK = "刚刚啪一下整栋楼都黑了电梯也不动"
MEANT = replace(
    SHIPPED,
    keywords=replace(
        SHIPPED.keywords,
        likeness={
            "enquiry": Likeness({"多钱": 100}, bar=-100),
            "outage": Likeness({"楼": 90, "动": 90, "闸": 90}, bar=50),
            "voltage": Likeness({"闪": 60}, bar=-100),
            "none": Likeness({"哈": 100}),
        },
        faults=tuple((kind, WordList(())) for kind, _ in SHIPPED.keywords.faults),
        rules=(),
    ),
)
"""Rules whose lists hear nothing, and a few weights."""


def test_who_uses_no_word_of_the_lists_comes_to_the_people_for_what_they_want() -> None:
    ticket = after(contact(text=WANTED), rules=MEANT)
    assert (ticket.queue, ticket.classification.business_type) == ("consultation", "enquiry")
    assert ticket.classification.type_rule is TypeRule.LIKENESS
    reason = routed(ticket).reason
    assert (reason.rule, reason.confidence) == ("likeness", 0.48), "e to three others' 1"
    assert "like:多钱" in reason.matched
    assert after(contact(text=WANTED, business_type="complaint"), rules=MEANT).queue == "complaint"
    assert after(contact(text="哈哈"), rules=MEANT).queue == "general", "it sounds like nothing of ours"
    assert after(contact(text="灯一闪一闪"), rules=MEANT).classification.fault == "voltage"


def test_what_sounds_like_an_outage_is_reported_unconfirmed_and_a_person_looks() -> None:
    dark = contact(text=WENT_DARK)
    ticket = after(dark, rules=MEANT)
    assert (ticket.report, ticket.state, ticket.queue) == (ReportState.SENT, TicketState.QUEUED, "repair")
    assert outage_reported(ticket, dark.contact_id, dark.received_at).unconfirmed
    said = contact(text="停电了")
    certain = after(said)
    assert certain.state is TicketState.WITH_DEDUP
    assert not outage_reported(certain, said.contact_id, said.received_at).unconfirmed


def test_what_is_broken_though_hardly_surely_an_outage_goes_to_people_and_is_not_reported() -> None:
    ticket = after(contact(text="拉闸了"), rules=MEANT)
    about = ticket.classification
    assert (about.business_type, about.type_rule, about.fault) == ("fault_report", TypeRule.LIKENESS, None)
    assert (ticket.queue, ticket.priority, ticket.report) == ("repair", Priority.NORMAL, ReportState.NONE)
    assert ticket.state is TicketState.QUEUED


def test_a_remark_about_an_open_ticket_stays_one_whatever_it_sounds_like() -> None:
    first, second = contact("1", text="我要投诉", thread="t"), contact("2", text=WANTED, thread="t", minutes=1)
    words = replace(MEANT, keywords=replace(MEANT.keywords, rules=SHIPPED.keywords.rules))
    assert after(second, rules=words).classification.type_rule is TypeRule.LIKENESS
    ticket = after(first, second, rules=words)
    assert (ticket.queue, len(ticket.contacts)) == ("complaint", 2)


def test_of_a_business_type_that_the_lists_do_not_have_nothing_is_heard() -> None:
    text = CLASSIFY.read_text(encoding="utf-8")
    heard = read_keywords("classify.yaml", text, {"enquiry": Likeness(), "parking": Likeness(), "danger": Likeness()})
    assert set(heard.likeness) == {"enquiry"}


def test_weights_beside_the_words_are_taken_in_with_them_and_are_in_the_hash(tmp_path: Path) -> None:
    for file in (ROUTES, CLASSIFY):
        shutil.copy(file, tmp_path)
    routes, classify = tmp_path / ROUTES.name, tmp_path / CLASSIFY.name
    assert load_rules(routes, classify).hash == SHIPPED.hash, "the shipped ones, where none are there"
    (tmp_path / FILE).write_text("version 1\nlike danger\nstart -1.00\nbar 0.00\n", encoding="utf-8")
    book = RuleBook(routes, classify)
    assert book.rules.hash != SHIPPED.hash
    assert book.rules.keywords.read(SOUNDS).suspected is None
    (tmp_path / FILE).write_text("version 1\nlike danger\nstart 1.00\nbar 0.00\n-0.30 电\n", encoding="utf-8")
    before = book.rules.hash
    for _ in range(3):
        book.look()
    assert book.rules.hash != before
    assert book.rules.keywords.read("你好").suspected == ()
