"""When a word counts as found, and which script a text is in."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.words import Lexicon, Misheard, Script, WordList, normalise, script_of
from tests.unit.router.making import SHIPPED


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("停电", "家里停电了", True),
        ("停电", "家里 停 电 了", True),
        ("停电", "没事", False),
        ("停电", "家裡停電了", True),
        ("电线*断", "电线被树砸断了", True),
        ("电线*断", "电线断了", True),
        ("电线*断", "电线好的。网断了", False),
        ("电线*断", "电线旁边的水管昨天晚上也断了", False),
        ("no power", "We have NO   power here", True),
        ("no power", "我家no power了", True),
        ("no power", "ＮＯ ＰＯＷＥＲ", True),
        ("fire", "You will be fired", False),
        ("fire", "campfire", False),
        ("fire", "FIRE!", True),
        ("hi", "tôi không hiểu", False),
        ("cháy", "Dây điện đang cháy!", True),
        ("spark*", "it is sparking", True),
        ("spark*", "a spark", True),
        ("spark*", "desparking", False),
        ("power * out", "the power is still out", True),
        ("power * out", "power out", True),
        ("power * out", "power has just now gone out", False),
        ("steal* power", "stealing power", True),
        ("wire* * on * ground", "wires lie on the wet ground", True),
        ("power's out", "The power\u2019s out", True),
        ("触电", "有人触\u200b电了", True),
        ("停電", "停電了", True),
    ],
)
def test_a_word_is_found_as_its_language_writes_it(word: str, text: str, found: bool) -> None:
    assert (WordList([word]).find(normalise(text)) == word) is found


@pytest.mark.parametrize(
    ("text", "found"), [("停了", True), ("停了？", True), ("停了。。。", True), ("雨停了", False), ("停了再说", False)]
)
def test_a_word_may_have_to_be_all_that_is_said(text: str, found: bool) -> None:
    assert (WordList(["^停了$", "没电"], ["没电话"]).find(normalise(text)) == "^停了$") is found


@pytest.mark.parametrize(("message", "told"), [("停了!", "^停了$"), ("没电", None), ("雨停了", None), ("", None)])
def test_what_one_message_says_and_nothing_else_is_told(message: str, told: str | None) -> None:
    assert WordList(["^停了$", "没电"]).told_alone(normalise(message)) == told
    assert WordList(["没电"]).told_alone(normalise(message)) is None


def test_of_several_words_the_first_is_told_and_of_those_the_longest() -> None:
    words = WordList(["断了", "电线*断", "电线*断了", "着火", "on fire", "pole * fire"])
    assert words.find("着火了，电线断了") == "着火"
    assert words.find("电线被刮断了，着火") == "电线*断了"
    assert words.find("着火了 the pole is on fire") == "pole * fire"  # what is in Latin letters comes first


@pytest.mark.parametrize("text", ["家里没电，热水器带电", "没电话", "没电了，没电话", "冰箱停了", "a spark, 没电"])
def test_one_pass_over_many_lists_finds_what_each_finds_by_itself(text: str) -> None:
    lists = [
        WordList(["没电", "^停了$"], ["没电话"]),
        WordList(["热水器*带电", "冰箱*麻"]),
        WordList(["spark*", "power * out"]),
    ]
    met = Lexicon(lists).candidates(text)
    for words in lists:
        assert words.find(text, met.get(words, ())) == words.find(text)


def test_a_list_is_not_looked_into_for_a_thing_without_what_happens_to_it() -> None:
    words = WordList(["热水器*带电", "冰箱*麻"])
    assert not Lexicon([words]).candidates("停电了，热水器和冰箱都不能用")
    assert Lexicon([words]).candidates("冰箱外面麻")


def test_what_is_misheard_is_put_right_unless_it_is_right_as_it_stands() -> None:
    misheard = Misheard({"变压器": ["变压气"], "电线": ["店线"]}, ignore=["饭店线"])
    assert misheard.put_right("变压气旁边的店线，饭店线路") == "变压器旁边的电线，饭店线路"
    assert misheard.words.find("没有变压气") == "变压气"


def test_what_a_wildcard_stood_for_is_not_given_back_since_it_is_the_customers_own() -> None:
    assert WordList(["power * out"]).find("power at zhang's out") == "power * out"


def test_an_ignored_phrase_hides_only_the_words_inside_it() -> None:
    words = WordList(["停电"], ignore=["计划停电"])
    assert words.find("计划停电吗") is None
    assert words.find("计划停电结束了还在停电") == "停电"


def test_taking_out_an_ignored_phrase_does_not_make_a_word_of_what_is_left() -> None:
    assert WordList(["停电"], ignore=["计划"]).find("停计划电") is None


@pytest.mark.parametrize("word", ["", " ", "*", " * ", "!"])
def test_a_word_without_a_letter_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="no letter"):
        WordList([word])


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("家里停电了", Script.HAN),
        ("The power is out", Script.LATIN),
        ("Transformer爆炸了", Script.HAN),
        ("power out at 中山 since 8 am", Script.LATIN),
        ("གློག་ཆད་སོང་།", Script.TIBETAN),
        ("གློག་ཆད་སོང་། 中山路", Script.TIBETAN),
        ("ᠴᠠᠬᠢᠯᠭᠠᠨ ᠲᠠᠰᠤᠷᠠᠪᠠ", Script.MONGOLIAN),
        ("정전이 되었어요", Script.HANGUL),
        ("توك ئۈزۈلۈپ قالدى", Script.ARABIC),
        ("ꄷꋓꀋꐥ", Script.YI),
        ("12345 !?", None),
        ("", None),
        ("\ue000\U0001f600", None),
    ],
)
def test_the_script_is_that_of_most_words(text: str, script: Script | None) -> None:
    assert script_of(text) is script


@given(st.text(max_size=300))
def test_normalising_again_changes_nothing_and_any_text_can_be_searched(text: str) -> None:
    plain = normalise(text)
    assert normalise(plain) == plain
    SHIPPED.keywords.read(plain)
    script_of(text)


@pytest.mark.parametrize(
    "text", ["power " * 660, "wire" + " a" * 1990, "停" * 4000, "no " * 1333, "lights wire power " * 220]
)
def test_the_longest_text_takes_no_time_to_speak_of(text: str) -> None:
    plain = normalise(text)
    started = time.process_time()
    SHIPPED.keywords.read(plain)
    assert time.process_time() - started < 0.5
