"""A smoke test a language: real sentences, the language they are in, and what they say. No figure of accuracy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.values import TicketState
from services.router.domain.classify import LanguageRule, classify
from services.router.domain.words import Lexicon, WordList, normalise
from tests.unit.router.making import NOWHERE, SHIPPED, after, contact

_SENTENCES = [
    ("zh-Hans-CN", "我们家停电了，什么时候来电？", "电线着火了，快来人"),
    ("zh-Hant", "我們家停電了，什麼時候來電？", "電線著火了，快來人"),
    ("en", "Our power is out, when will it be back?", "A wire is on the ground and it is sparking"),
    ("bo-CN", "ང་ཚོའི་ཁྱིམ་ལ་གློག་ཆད་སོང་།", "མེ་ཤོར་སོང་།"),
    ("ug-Arab-CN", "ئۆيۈمىزدە توك ئۈزۈلۈپ قالدى، قاچان كېلىدۇ؟", "سىم ئۈزۈلۈپ چۈشتى، ئوت كەتتى"),
    ("kk-Arab-CN", "ٴبىزدىڭ ٷيدە جارىق ٴسوندى، قاشان كەلەدى؟", "سىم ٴۇزىلىپ قالدى، ورت شىقتى، تەز كومەك بەرىڭىزدەر"),
    ("mn-Mong-CN", "ᠮᠠᠨ ᠤ ᠭᠡᠷ ᠲᠦ ᠴᠠᠬᠢᠯᠭᠠᠨ ᠲᠠᠰᠤᠷᠠᠪᠠ", "ᠭᠠᠯ ᠭᠠᠷᠪᠠ"),
    ("mn-Cyrl", "Манай гэрт цахилгаан тасарсан, хэзээ ирэх вэ?", "Манай байшинд гал гарлаа, хурдан ирээрэй"),
    ("ko-CN", "우리 집에 정전이 되었어요. 언제 들어와요?", "전선이 떨어졌어요, 불이 났어요"),
    ("ii-CN", "ꉢꇁꀐꄉ ꄜꀋꐥ", "ꃆꄔ ꀕ"),
    ("za-Latn-CN", "Ranz dou mbouj miz dienh lo, seizlawz ndaej miz?", "Ranz dou feizcoemh lo, vaiq daeuj bang dou"),
]


@pytest.mark.parametrize(("language", "outage", "_danger"), _SENTENCES)
def test_an_outage_is_understood_in_every_language(language: str, outage: str, _danger: str) -> None:
    ticket = after(contact(text=outage), located=NOWHERE)
    about = ticket.classification
    assert (about.language, about.is_outage, about.hazards) == (language, True, ())
    assert about.language_rule in {LanguageRule.SCRIPT, LanguageRule.DETECTED}
    assert about.language_confidence >= 0.5


@pytest.mark.parametrize(("language", "_outage", "danger"), _SENTENCES)
def test_danger_is_heard_in_every_language(language: str, _outage: str, danger: str) -> None:
    ticket = after(contact(text=danger), located=NOWHERE)
    assert ticket.classification.hazards
    assert (ticket.queue, ticket.state) == ("emergency", TicketState.QUEUED)
    assert ticket.classification.language == language


@pytest.mark.parametrize("text", ["Nhà tôi mất điện rồi, bao giờ có lại?", "Ma maison est dans le noir", "xq zzt"])
def test_a_language_nobody_speaks_is_unsure_and_with_people(text: str) -> None:
    ticket = after(contact(text=text))
    assert ticket.classification.language_rule is LanguageRule.UNSURE
    assert ticket.classification.language_confidence < 0.5
    assert ticket.state is TicketState.QUEUED


@pytest.mark.parametrize(
    ("text", "danger"),
    [
        ("停电了，没有着火，也没冒烟", False),
        ("停電了，沒有著火", False),
        ("The power is out, there is no fire", False),
        ("差点没着火", True),
        ("有没有着火我看不清", True),
        ("变压器没有着火，电线着火了", True),
        ("没有着火，但是有人触电", True),
        ("昨天这里触电死了人", True),
        ("no smoke alarm works and there is smoke", True),
        ("电线掉了，没人触电", True),
    ],
)
def test_danger_denied_is_none_and_danger_doubted_or_past_is_danger(text: str, danger: bool) -> None:
    assert bool(SHIPPED.keywords.read(text).hazards) is danger


@pytest.mark.parametrize(
    ("text", "choice", "least", "most"),
    [
        ("停电了", "fault_report", 1.0, 1.0),
        ("停电了", None, 0.9, 0.9),
        ("停电了，我要投诉", None, 0.5, 0.7),
        ("你好", None, 0.0, 0.0),
    ],
)
def test_a_decision_says_how_sure_it_is(text: str, choice: str | None, least: float, most: float) -> None:
    about = classify(
        SHIPPED.keywords,
        choice=choice,
        language=None,
        customer_language=None,
        text=text,
        hazards=(),
        single_premise=False,
    )
    assert least <= about.confidence <= most


@given(st.text(max_size=60) | st.sampled_from([text for _, *texts in _SENTENCES for text in texts]))
@settings(deadline=None)
def test_the_one_pass_misses_no_word_of_any_list(text: str) -> None:
    plain = normalise(text)
    words = SHIPPED.keywords
    lists = [each for _, each in (*words.rules, *words.faults, *words.hazards)]
    likely = words.lexicon.candidates(plain)
    assert all(each in likely for each in lists if each.find(plain) is not None)


@given(st.lists(st.text("ab停 ", min_size=1, max_size=4), min_size=1, max_size=4), st.text("ab停电 *", max_size=12))
@settings(deadline=None)
def test_a_list_finds_nothing_where_none_of_its_cores_stands(words: list[str], text: str) -> None:
    usable = [word for word in words if any(char.isalnum() for char in word)]
    if usable:
        one = WordList([*usable, "a * b"])
        if one.find(normalise(text)) is not None:
            assert one in Lexicon([one]).candidates(normalise(text))
