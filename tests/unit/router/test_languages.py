"""A smoke test a language: real sentences, the language they are in, and what they say. No figure of accuracy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.values import CustomerClass, TicketState
from services.router.domain.classify import LanguageRule, classify
from services.router.domain.deciding import settle
from services.router.domain.ticket import ReportState
from services.router.domain.words import _SAME, Lexicon, WordList, normalise
from tests.unit.router.making import CLASSIFY, NOON, NOWHERE, SHIPPED, after, contact, home_of

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


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("kk-Arab-CN", "توك ءۇزىلدى"),  # the common hamza: not every keyboard has the high one
        ("kk-Arab-CN", "توك ٴسوندى"),
        ("kk-Arab-CN", "ۇيدە توك جوق"),
        ("kk-Arab-CN", "توك جوق، قاراڭعى"),
        ("ug-Arab-CN", "ئۆيدە توك يوق"),
        ("ug-Arab-CN", "توك ئۈزۈلدى"),
        ("mn-Cyrl", "Манайд цахилгаан байхгүй байна"),
        ("mn-Cyrl", "гэрэл унтарсан"),
        ("bo-CN", "གློག་བརྒྱུད་ཆད་སོང་།"),
        ("zh-Hans-CN", "家里电断了"),
    ],
)
def test_an_outage_is_understood_in_few_words(language: str, text: str) -> None:
    about = after(contact(text=text), located=NOWHERE).classification
    assert (about.language, about.is_outage, about.hazards) == (language, True, ())
    assert about.language_rule in {LanguageRule.SCRIPT, LanguageRule.DETECTED}


@pytest.mark.parametrize(("language", "_outage", "danger"), _SENTENCES)
def test_danger_is_heard_in_every_language(language: str, _outage: str, danger: str) -> None:
    ticket = after(contact(text=danger), located=NOWHERE)
    assert ticket.classification.hazards
    assert (ticket.queue, ticket.state) == ("emergency", TicketState.QUEUED)
    assert ticket.classification.language == language


_AS_PEOPLE_SAY = {
    "electric_shock": [
        "小孩子被电打了",
        "让电给打了",
        "手摸到水龙头有电，发麻",
        "吊车碰到高压线",
        "有人爬电线杆",
        "有人觸電",
        "someone got a tingling from the tap",
        "གློག་གིས་བརྒྱབ་སོང་།",
        "ادەمدى توك ۇردى",
        "ᠬᠦᠮᠦᠨ ᠲᠣᠭ ᠲᠤ ᠴᠣᠬᠢᠭᠳᠠᠪᠠ",
        "Хүн тогонд цохиулчихлаа",
        "사람이 감전됐어요",
        "Vunz deng dienh lo",
    ],
    "fire": [
        "电表那边有烧塑料的味道",
        "插座烧了",
        "变压器🔥了",
        "電線著火",
        "There is a burnt smell",
        "མེ་སྐྱོན་བྱུང་སོང་།",
        "ئۆيگە ئوت تۇتاشتى",
        "ۇيگە ورت كەتتى",
        "ᠭᠡᠷ ᠲᠦ ᠲᠦᠢᠮᠡᠷ ᠭᠠᠷᠪᠠ",
        "타는 냄새가 나요",
        "집에 불 났어요",
        "ꃅꉈ",
        "ꐔꅑ",
        "Ranz dou miz feiz",
    ],
    "smoke": [
        "电表箱起烟了",
        "電錶冒煙",
        "དུ་བ་ཐོན་གྱི་འདུག",
        "ترانسفورماتوردىن ئىس چىقىۋاتىدۇ",
        "ᠤᠲᠠᠭ᠎ᠠ ᠭᠠᠷᠴᠤ ᠪᠠᠢᠨ᠎ᠠ",
        "Утаа гараад байна",
        "Miz hoenz",
        "ꃅꇴ",
    ],
    "fallen_wire": [
        "电线被树砸断了",
        "电线耷拉下来",
        "电线杆被车撞断了",
        "有根电缆断在马路上",
        "電線桿倒了",
        "電纜斷了",
        "a tree fell on the power lines",
        "གློག་སྐུད་ས་ལ་ལྷུང་སོང་།",
        "توك سىمى ئۈزۈلۈپ چۈشتى",
        "ٴسىم ۇزىلىپ جەرگە ٴتۇستى",
        "ᠤᠲᠠᠰᠤ ᠲᠠᠰᠤᠷᠠᠪᠠ",
        "Цахилгааны утас тасраад унав",
        "전깃줄이 끊어졌어요",
        "Sienqdienh duenh lo",
    ],
    "sparking": ["电箱滋滋响", "电线杆上冒火星", "искрит провод", "ꂴꍀ"],
    "explosion": ["变压器炸了", "the transformer blew", "변압기가 터졌어요"],
    "flooding": ["地下室配电室被水淹了", "電錶泡在水裡", "there is water in the meter box"],
    "life_support": ["家里有病人靠机器维持", "my mother is on oxygen", "산소발생기를 써요", "呼吸機沒電了"],
    "trapped": ["电梯里困了人", "電梯困人", "people are stuck in the elevator"],
    "injury": ["有人碰到电线晕倒了", "he is unconscious", "ꊿ ꅐꌶ"],
}


@pytest.mark.parametrize(
    ("danger", "text"), [(danger, text) for danger, said in _AS_PEOPLE_SAY.items() for text in said]
)
def test_danger_is_heard_as_people_say_it_in_every_script(danger: str, text: str) -> None:
    assert danger in SHIPPED.keywords.read(text).hazards


@pytest.mark.parametrize(
    "text",
    [
        "有人处电了",
        "有人楚电",
        "表箱冒yan",
        "变压器毛烟",
        "杆上招火了",
        "you ren bei dian le",
        "有人触点了",
        "家里着活了",
        "变压器冒言了",
        "电线落弟",
        "youren chudian le",
        "zhaohuo le kuai lai",
        "dianxian diao le",
    ],
)
def test_danger_is_heard_through_speech_recognition_and_pinyin(text: str) -> None:
    assert after(contact(text=text), located=NOWHERE).queue == "emergency"


@pytest.mark.parametrize(
    "text",
    [
        "燃气灶打不着火",
        "网线断了",
        "手机掉在地上摔坏了",
        "放电影的时候停电了",
        "接触电表",
        "泡水果",
        "火锅店停电了",
        "烟台停电了",
        "烟雾报警器没电了",
        "灭火器在哪里买",
        "老人上下楼困难电梯停了",
        "供电线路中断",
        "电线断电了",
        "热死了快来电",
        "电表出点问题",
        "my phone is dying",
        "I was shocked by the bill",
        "没看到着火，就是没电",
        "没有起火冒烟",
        "没闻到焦味",
        "不是漏电，是跳闸",
        "there isn't any smoke",
        "ꎭꃅꉈ",  # to pity: with the letters of flames in it
        "no smoke, no fire",
    ],
)
def test_what_only_looks_like_a_danger_is_none(text: str) -> None:
    assert SHIPPED.keywords.read(text).hazards == ()


@pytest.mark.parametrize(
    "text",
    ["是不是漏电", "有无漏电不清楚", "没有电了着火了", "不是漏电，但是着火了", "no fire truck came, it is burning"],
)
def test_a_denial_denies_nothing_beyond_itself(text: str) -> None:
    assert SHIPPED.keywords.read(text).hazards


def test_the_lists_are_found_in_traditional_characters_too() -> None:
    """Each character of them that only simplified Chinese has is folded from a traditional one."""
    simplified = {*_SAME.values(), *"噼嘭咗燶黢冧煳嚟啲"}  # and what is written in one way only
    missing = {char for char in CLASSIFY.read_text(encoding="utf-8") if "\u4e00" <= char <= "\u9fff" and _only_gb(char)}
    assert missing - simplified == set(), "fold it in `words.py`, or name it here if it is written in one way only"


def _only_gb(char: str) -> bool:
    try:
        char.encode("big5")
    except UnicodeEncodeError:
        return True
    return False


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ii-CN", "ꊿꂷꃅꄿꐨꐥ，ꌅꅍꀂꏽꐯꒈꃅꐥꌐ。"),
        ("ii-CN", "ꊿꂷꈀꐥꌠꀑꇬ，ꄿꐨꌋꆀꇭꀧꇖꌋꋬꂻꌠꌅꅍꐥ。"),
        ("ii-CN", "ꊿꂷꈀꐥꌠꇩꏤꊿꐛꌠꄿꐨꐥ。"),
        ("za-Latn-CN", "Boux boux ma daengz lajmbwn couh miz cwyouz, cinhyenz caeuq genzli bouxboux bingzdaengj."),
        ("za-Latn-CN", "Boux boux miz sengmingh, cwyouz caeuq yinzsinh nganhcienz."),
        ("za-Latn-CN", "Boux lawz hix mbouj deng gaep, deng gyaeng roxnaeuz gyaepdiuz."),
        ("za-Latn-CN", "Boux boux miz gozciz."),
    ],
)
def test_yi_and_zhuang_without_a_known_word_are_read_by_people_of_the_language(language: str, text: str) -> None:
    """Of articles 1, 3, 9 and 15 of the Universal Declaration of Human Rights, as the Unicode project has it."""
    for told in (contact(text=text), contact(text=text, business_type="fault_report")):
        ticket = after(told, located=home_of(CustomerClass.NORMAL))
        about = ticket.classification
        assert (about.language, about.hazards) == (language, ())
        assert about.language_rule in {LanguageRule.SCRIPT, LanguageRule.DETECTED}
        assert about.language_confidence >= 0.5
        assert ticket.state is TicketState.QUEUED
        assert f"language:{language}" in ticket.skills


@pytest.mark.parametrize("text", ["Nhà tôi mất điện rồi, bao giờ có lại?", "Ma maison est dans le noir", "xq zzt"])
def test_a_language_nobody_speaks_is_unsure_and_with_people(text: str) -> None:
    ticket = after(contact(text=text))
    assert ticket.classification.language_rule is LanguageRule.UNSURE
    assert ticket.classification.language_confidence < 0.5
    assert ticket.state is TicketState.QUEUED


@pytest.mark.parametrize("text", ["asdf qwer", "asdf", "zxcvb nmkl", "hjkl hjkl sdfg", "aaaa bbbb cccc"])
def test_letters_that_are_no_words_are_in_no_language_and_people_of_the_default_queue_read_them(text: str) -> None:
    """The detector is 95 % sure that each is English."""
    for told in (contact(text=text), contact(text=text, business_type="fault_report")):
        ticket = after(told, located=NOWHERE)
        about = ticket.classification
        assert (about.language, about.language_rule) == ("zh-Hans-CN", LanguageRule.UNSURE)
        assert about.language_confidence < 0.5
        assert (ticket.state, ticket.taken.tags) == (TicketState.QUEUED, ("language_unsure",))
    assert after(contact(text=text), located=NOWHERE).queue == SHIPPED.tree.root.queue


@pytest.mark.parametrize(
    "text",
    ["no power", "lights out at 5 Main St", "hi", "ok", "help me", "status", "complaint", "fires", "payment status"],
)
def test_few_words_of_english_are_english(text: str) -> None:
    about = after(contact(text=text), located=NOWHERE).classification
    assert (about.language, about.language_rule) == ("en", LanguageRule.DETECTED)


@pytest.mark.parametrize(
    ("text", "language", "rule"),
    [
        ("John Smith", "en", LanguageRule.DETECTED),
        ("Li Wei", "en", LanguageRule.UNSURE),
        ("A0900101", "zh-Hans-CN", LanguageRule.DEFAULT),
        ("abc-123", "zh-Hans-CN", LanguageRule.DEFAULT),
        ("0900101", "zh-Hans-CN", LanguageRule.DEFAULT),
    ],
)
def test_a_number_is_in_no_language_and_a_name_in_one_of_its_letters(
    text: str, language: str, rule: LanguageRule
) -> None:
    about = after(contact(text=text), located=NOWHERE).classification
    assert (about.language, about.language_rule) == (language, rule)


@pytest.mark.parametrize(
    ("text", "language", "reads"),
    [
        ("Nhà tôi mất điện, dây điện rơi xuống đường", None, "people"),  # a language nobody here speaks
        ("ངས་ཤེས་མི་འདུག་རོགས་རམ་གནང་རོགས།", None, "people"),  # one that they do, and no word of it is listed
        ("ياردەم بېرىڭلار", "ug-Arab-CN", "people"),
        ("ང་ཚོའི་ཁྱིམ་ལ་གློག་ཆད་སོང་།", None, "machine"),
        ("黄河中路18号三单元", None, "machine"),
        (None, "bo-CN", "machine"),
    ],
)
def test_an_outage_told_in_words_that_nothing_here_reads_is_reported_and_read_by_people(
    text: str | None, language: str | None, reads: str
) -> None:
    ticket = after(contact(text=text, language=language, business_type="fault_report"))
    state = TicketState.QUEUED if reads == "people" else TicketState.WITH_DEDUP
    assert (ticket.report, ticket.state) == (ReportState.SENT, state)
    answered = settle(ticket, answered=True, reason="planned", rules=SHIPPED, now=NOON)
    assert answered.state is (TicketState.QUEUED if reads == "people" else TicketState.ANSWERED)


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
        ("停电了，电线没有掉下来", False),
        ("电线没断，就是没电", False),
        ("这样接不会着火", False),
        ("这样接不会着火吧", True),
        ("不是没着火，是火很大", True),
        ("谁说没冒烟", True),
        ("电线没断，但是垂在路上", True),
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
