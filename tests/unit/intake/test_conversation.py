"""One conversation is one ticket: whatever the order, the repeats, and what a process remembers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.ids import contact_id
from services.intake.channels.conversation import HINT, SPAN, Conversations, Piece, Talk
from services.intake.channels.phrases import Command, Prompt
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases
from services.runtime.settings import SettingsError

SHIPPED = IntakeSettings.model_fields["phrases_file"].default
PHRASES = load_phrases(SHIPPED)
AT = datetime(2026, 11, 22, 1, 2, tzinfo=UTC)
OUTAGE = Piece("m1", AT, business="fault_report", says=True)
PLACE = Piece("m2", AT + timedelta(seconds=40), point=(32.06, 118.79))
ACCOUNT = Piece("m3", AT + timedelta(seconds=50), account="0123456789")


def test_an_outage_is_asked_for_its_place_and_ends_with_one_ticket() -> None:
    talk = Conversations()
    first, second = talk.turn("gh_1", "o1", OUTAGE), talk.turn("gh_1", "o1", PLACE)
    assert (first.prompt, second.prompt) == (Prompt.ASK_PLACE, Prompt.REPORT_KEPT)
    assert first.ticket == second.ticket
    third = talk.turn("gh_1", "o1", ACCOUNT)
    assert (third.ticket, third.prompt) == (first.ticket, Prompt.ADDED)


def test_the_place_may_come_first() -> None:
    talk = Conversations()
    first, second = talk.turn("gh_1", "o1", PLACE), talk.turn("gh_1", "o1", replace(OUTAGE, at=PLACE.at))
    assert (first.prompt, second.prompt) == (Prompt.ASK_MATTER, Prompt.REPORT_KEPT)
    assert first.ticket == second.ticket


def test_another_person_and_another_account_have_tickets_of_their_own() -> None:
    talk = Conversations()
    tickets = {talk.turn(source, who, OUTAGE).ticket for source in ("gh_1", "gh_2") for who in ("o1", "o2")}
    assert len(tickets) == 4


@pytest.mark.parametrize("break_at", [1, 2])
def test_a_restart_in_the_middle_finds_the_same_ticket(break_at: int) -> None:
    pieces, tickets, talk = [OUTAGE, PLACE, ACCOUNT], [], Conversations()
    for n, piece in enumerate(pieces):
        if n == break_at:
            talk = Conversations()
        tickets.append(talk.turn("gh_1", "o1", piece).ticket)
    assert len(set(tickets)) == 1


def test_what_is_remembered_carries_a_conversation_over_the_end_of_its_span() -> None:
    late = datetime.fromtimestamp(AT.timestamp() // SPAN.total_seconds() * SPAN.total_seconds() + 1790, UTC)
    talk = Conversations()
    first = talk.turn("gh_1", "o1", replace(OUTAGE, at=late))
    second = talk.turn("gh_1", "o1", replace(PLACE, at=late + timedelta(seconds=40)))
    assert first.ticket == second.ticket
    assert Conversations().turn("gh_1", "o1", replace(PLACE, at=late + timedelta(seconds=40))).ticket != first.ticket


def test_a_conversation_lasts_as_long_as_something_is_said_every_half_hour() -> None:
    talk = Conversations()
    at = [AT + n * timedelta(minutes=25) for n in range(5)]
    said = [replace(ACCOUNT, event_id=f"m{n}", at=moment) for n, moment in enumerate(at)]
    assert len({talk.turn("gh_1", "o1", one).ticket for one in (replace(OUTAGE, event_id="m"), *said)}) == 1


def test_after_silence_it_is_another_conversation() -> None:
    talk = Conversations()
    first = talk.turn("gh_1", "o1", OUTAGE)
    later = replace(OUTAGE, event_id="m9", at=AT + SPAN + timedelta(seconds=1))
    assert talk.turn("gh_1", "o1", later).ticket != first.ticket


@pytest.mark.parametrize(
    ("second", "prompt"),
    [
        (Piece("m9", AT, business="fault_report", says=True, account="9999999999"), Prompt.REPORT_KEPT),
        (Piece("m9", AT, account="9999999999"), Prompt.ASK_MATTER),
        (Piece("m9", AT, business="complaint"), Prompt.KEPT),
    ],
)
def test_another_home_or_another_matter_is_another_ticket(second: Piece, prompt: Prompt) -> None:
    talk = Conversations()
    first = talk.turn("gh_1", "o1", replace(OUTAGE, account="0123456789"))
    turn = talk.turn("gh_1", "o1", second)
    assert (turn.ticket != first.ticket, turn.prompt) == (True, prompt)
    assert talk.turn("gh_1", "o1", replace(OUTAGE, account="0123456789")) == first  # a retry, all the same


def test_a_place_far_from_the_first_is_another_ticket_only_once_the_first_is_complete() -> None:
    far = Piece("m9", AT, point=(32.10, 118.79))
    talk = Conversations()
    first = talk.turn("gh_1", "o1", replace(OUTAGE, point=(32.06, 118.79)))
    assert talk.turn("gh_1", "o1", replace(far, event_id="near", point=(32.0605, 118.79))).ticket == first.ticket
    assert talk.turn("gh_1", "o1", far).ticket != first.ticket
    other = Conversations()
    opened = other.turn("gh_1", "o1", Piece("m8", AT, point=(32.06, 118.79)))
    assert other.turn("gh_1", "o1", far).ticket == opened.ticket


def test_a_second_matter_right_after_an_outage_never_takes_its_ticket() -> None:
    talk = Conversations()
    first = talk.turn("gh_1", "o1", OUTAGE)
    complaint = talk.turn("gh_1", "o1", Piece("m2", AT, business="complaint"))
    again = talk.turn("gh_1", "o1", Piece("m3", AT, business="fault_report"))
    assert len({first.ticket, complaint.ticket, again.ticket}) == 3
    assert again.ticket == contact_id("gh_1", "m3")


def test_a_bounded_number_is_remembered_the_longest_silent_forgotten_first() -> None:
    talk = Conversations(most=3)
    for n in range(5):
        talk.turn("gh_1", f"o{n}", OUTAGE)
        talk.hint("gh_1", f"o{n}", (1.0, 2.0), AT)
    assert len(talk) == 3
    assert talk.hinted("gh_1", "o1", AT) is None
    assert talk.hinted("gh_1", "o4", AT) == (1.0, 2.0)
    assert talk.hinted("gh_1", "o4", AT + HINT + timedelta(seconds=1)) is None


def test_a_flood_of_one_persons_messages_is_remembered_in_part() -> None:
    talk = Conversations()
    tickets = {talk.turn("gh_1", "o1", replace(OUTAGE, event_id=f"m{n}")).ticket for n in range(1000)}
    assert len(tickets) == 1
    assert len(talk._open["gh_1", "o1"].turns) <= 16


pieces = st.lists(
    st.builds(
        Piece,
        event_id=st.just("?"),
        at=st.integers(0, 3000).map(lambda seconds: AT + timedelta(seconds=seconds)),
        business=st.sampled_from([None, "fault_report", "complaint"]),
        says=st.booleans(),
        account=st.sampled_from([None, None, "0123456789", "9999999999"]),
        point=st.sampled_from([None, None, (32.06, 118.79), (33.06, 118.79)]),
    ),
    min_size=1,
    max_size=8,
).map(lambda found: [replace(piece, event_id=f"m{n}") for n, piece in enumerate(found)])


@settings(max_examples=300, deadline=None)
@given(data=st.data(), sent=pieces)
def test_a_message_delivered_again_at_any_point_gets_the_same_ticket_and_answer(
    data: st.DataObject, sent: list[Piece]
) -> None:
    talk = Conversations()
    turns = {}
    for n, piece in enumerate(sent):
        turns[piece.event_id] = talk.turn("gh_1", "o1", piece)
        again = data.draw(st.sampled_from(sent[: n + 1]))
        assert talk.turn("gh_1", "o1", again) == turns[again.event_id]


one_home = st.lists(st.sampled_from([OUTAGE, PLACE, ACCOUNT]), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(deliveries=one_home, restart=st.integers(0, 6))
def test_one_matter_is_one_ticket_in_any_order_with_any_repeats_and_a_restart_anywhere(
    deliveries: list[Piece], restart: int
) -> None:
    talk, tickets = Conversations(), set()
    for n, piece in enumerate(deliveries):
        talk = Conversations() if n == restart else talk
        tickets.add(talk.turn("gh_1", "o1", piece).ticket)
    assert len(tickets) == 1


@pytest.mark.parametrize(
    ("text", "outage", "account", "command"),
    [
        ("停电了", True, None, None),
        ("我家沒電了", True, None, None),
        ("POWER OUTAGE!!", True, None, None),
        ("ＯＵＴ", False, None, Command.OUT),
        ("I am out of town", False, None, None),
        ("退订", False, None, Command.STOP),
        ("TD", False, None, Command.STOP),
        ("请勿退订", False, None, None),
        ("Start.", False, None, Command.START),
        ("查询", False, None, Command.STATUS),
        ("停电", True, None, Command.OUT),
        ("0123456789", False, "0123456789", None),
        ("012 345 6789", False, "0123456789", None),
        ("０１２３４５６７８９", False, "0123456789", None),
        ("停电了，户号0123456789，楼下也停", True, "0123456789", None),
        ("我的电话13800138000", False, None, None),
        ("订单号012345678901234567890123456789", False, None, None),
        ("", False, None, None),
    ],
)
def test_what_a_message_says(text: str, outage: bool, account: str | None, command: Command | None) -> None:
    assert PHRASES.says_outage(text) is outage
    assert PHRASES.account(text) == account
    assert PHRASES.command(text) is command


@pytest.mark.parametrize(
    ("text", "otherwise", "language"),
    [
        ("停电了", "zh-Hans-CN", "zh-Hans-CN"),
        ("停电了", "zh-Hant", "zh-Hant"),
        ("電停了", "zh-Hans-CN", "zh-Hant"),
        ("no power", "zh-Hans-CN", "en"),
        ("WiFi停电了", "zh-Hans-CN", "zh-Hans-CN"),
        *((text, "zh-Hans-CN", "zh-Hans-CN") for text in ("TD", "cx", "OK", "T", "A0900001")),
        ("STOP", "zh-Hans-CN", "en"),
        ("12345", "zh-Hans-CN", "zh-Hans-CN"),
        ("", "en", "en"),
        ("停电了", "en", "zh-Hans-CN"),
        ("གློག་ཆད་སོང་།", "zh-Hans-CN", "zh-Hans-CN"),
    ],
)
def test_the_script_of_a_message_chooses_the_language(text: str, otherwise: str, language: str) -> None:
    assert (PHRASES.language_in(text, otherwise) or otherwise) == language


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=300))
def test_any_text_is_understood_somehow(text: str) -> None:
    assert PHRASES.language_in(text, "en") in {None, *PHRASES.languages}
    PHRASES.says_outage(text)
    PHRASES.command(text)
    account = PHRASES.account(text)
    assert account is None or 1 <= len(account) <= 20


def test_every_text_can_be_said_in_every_language() -> None:
    assert {"zh-Hans-CN", "zh-Hant", "en"} <= PHRASES.languages.keys()
    for language in PHRASES.languages:
        for prompt in Prompt:
            said = PHRASES.say(prompt, language, "7K3M-9QPX-2HD")
            assert "{" not in said
            assert len(said.encode()) < 2048


def test_a_language_of_its_short_form_is_said_to_whoever_speaks_a_longer_one() -> None:
    more = PHRASES.model_copy(update={"languages": {**PHRASES.languages, "lo": PHRASES.languages["en"]}})
    for tag in ("lo", "lo-LA", "LO-la"):
        assert more.say(Prompt.STOPPED, tag) == PHRASES.say(Prompt.STOPPED, "en")
    assert more.say(Prompt.STOPPED, "vi-VN") == PHRASES.say(Prompt.STOPPED, "zh-Hans-CN")


def test_a_file_of_before_asks_in_text_messages_as_it_did(tmp_path) -> None:
    file = tmp_path / "phrases.yaml"
    lines = SHIPPED.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(one for one in lines if "ask_place_in_words:" not in one), encoding="utf-8")
    older = load_phrases(file)
    for language in PHRASES.languages:
        asked = older.say(Prompt.ASK_PLACE, language, "7K3M-9QPX-2HD")
        assert older.say(Prompt.ASK_PLACE_IN_WORDS, language, "7K3M-9QPX-2HD") == asked
        assert PHRASES.say(Prompt.ASK_PLACE_IN_WORDS, language, "7K3M-9QPX-2HD") != asked


def test_a_wrong_file_is_refused_with_every_line(tmp_path) -> None:
    good = SHIPPED.read_text(encoding="utf-8")
    file = tmp_path / "phrases.yaml"
    for wrong, reason in {
        good.replace('added: "Added', 'addad: "Added'): "languages.en",
        good.replace("Added to {ref}", "Added to {reff}"): "placeholder",
        good.replace("[0-9]{10}|", "[0-9]{10}|("): "account_number",
        good.replace("[0-9]{10}|", "(?i)[0-9]{10}|"): "account_number",
        good.replace("[0-9]{10}|", "[0-9]{10000000000}|"): "account_number",
        good.replace("default_language: zh-Hans-CN", "default_language: fr"): "has no fr",
        good.replace("version: 1", "version: 2"): "version",
    }.items():
        assert wrong != good
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(SettingsError, match=reason):
            load_phrases(file)


def test_words_that_are_exchanged_hold_from_the_next_message_on() -> None:
    held = [PHRASES]
    talk = Talk.fresh(lambda: held[0])
    assert talk.turn("gh_1", "o1", OUTAGE).prompt is Prompt.ASK_PLACE
    held[0] = PHRASES.model_copy(update={"fault_type": "power_failure"})
    assert talk.phrases.fault_type == "power_failure"
    assert talk.turn("gh_1", "o1", PLACE).prompt is not Prompt.REPORT_KEPT, "a fault is called otherwise now"
