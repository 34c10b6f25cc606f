"""Finding operators' words in what people write, and telling which script they write in.

Decided here: when a word counts as found, in Chinese and in languages that put spaces between words. Never here: what
a word means; that is the operators' data.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ahocorasick_rs import AhoCorasick

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    _Met = tuple["_Alike", int]  # words that have a core, and where it stands

_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Also what only shapes or stretches letters: Arabic tatweel and high hamza, joiners, Mongolian variation selectors.
# Many keyboards have the common hamza alone, so Kazakh is written with that before its words.
_INVISIBLE: Final = re.compile(
    "[\u0640\u0674\u180b-\u180f\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]|(?<![\u0600-\u06ff])\u0621(?=[\u0600-\u06ff])"
)
_SPACED_HAN: Final = re.compile(f"(?<=[{_HAN}]) (?=[{_HAN}])")
_LETTER: Final = "a-z0-9\u00df-\u024f\u1e00-\u1eff\u0400-\u052f"
_LATIN: Final = re.compile(f"[{_LETTER}]")
_BEGINS: Final = f"(?<![{_LETTER}])"
_ENDS: Final = f"(?![{_LETTER}])"
_MARKS: Final = " ,.!?;:~…、。"
_GAP: Final = r"(?: \S+){0,3}? "
# What may stand for `*` inside a word of a script without spaces: part of a sentence, so no mark that ends one.
_BETWEEN: Final = r"[^,.!?;:\u060c\u061b\u061f\u06d4\u0f0d-\u0f12\u1802\u1803\u3001\u3002]{0,8}?"
# Traditional characters and the simplified ones they are taken for, pairwise; and signs that people write for a word.
# Every simplified character of the shipped lists is here, so that a list is written once.
_TRADITIONAL: Final = (
    "業业絲丝兩两舉举儀仪們们會会傷伤償偿關关減减擊击別别辦办務务動动單单廳厅壓压發发變变號号嗎吗員员響响聲声寶宝寬宽"
    "盡尽師师帶带開开態态戶户揚扬搶抢護护報报換换斷断無无時时暫暂來来樣样樁桩檢检沒没濃浓滿满燈灯點点爍烁煙烟燒烧現现"
    "電电監监著着竊窃類类緊紧線线絡络續续維维纜缆編编縫缝營营補补裝装見见計计議议訴诉話话詢询請请謝谢賬账帳账費费賄贿"
    "賠赔讚赞轉转過过還还這这進进遙遥鄰邻錢钱銷销鍋锅錦锦閃闪問问間间閘闸階阶險险額额價价對对給给讓让氣气處处機机擔担"
    "圍围樓楼牆墙樹树纏缠塊块車车頭头門门鐵铁銅铜傾倾彎弯爛烂熱热燙烫爐炉災灾製制體体膽胆腦脑臟脏醫医養养嬰婴兒儿孫孙"
    "爺爷媽妈腳脚暈晕傳传溼湿濕湿灑洒漲涨溝沟滲渗噴喷臺台颱台風风櫃柜錶表裡里裏里邊边遠远幾几個个麼么誰谁嗚呜聞闻臉脸"
    "親亲鉤钩鋸锯掛挂墜坠懸悬飄飘鳥鸟蟲虫貓猫壞坏齊齐陽阳陰阴雞鸡鴨鸭魚鱼絕绝緣缘觸触喬乔劃划創创驚惊嚇吓從从應应該该"
    "難难聯联繫系獨独錯错誤误說说聽听覺觉煉炼繼继鳴鸣鈴铃爾尔罵骂擾扰違违舊旧壽寿亂乱卻却後后雖虽衝冲壺壶視视頻频"
    "桿杆嚴严勢势囪囱殼壳夠够數数濺溅鹽盐纖纤繳缴膠胶診诊輸输龍龙"
    "導导將将損损煩烦蓋盖鎖锁釣钓窩窝隱隐紅红欄栏設设銹锈箏筝惡恶諉诿連连驗验總总經经"
    "丟丢為为烏乌僅仅淨净區区嚨咙墊垫錄录顯显術术條条標标棟栋橫横滅灭燭烛盤盘碼码積积紋纹繞绕繩绳記记證证讀读輛辆鍵键霧雾頂顶須须"
    "書书侶侣儕侪鑿凿剛刚華华廂厢縣县吶呐糰团團团實实層层廣广彈弹強强攬揽雜杂槍枪渾浑盜盗禮礼禍祸竄窜籤签簽签籃篮脫脱藥药獲获藍蓝慮虑覽览評评識识詐诈調调貨货質质貼贴"
    "躥蹿輪轮鐘钟鍾钟鑽钻鋁铝鋪铺鎮镇長长閉闭隊队飯饭飲饮凱凯"
    "統统專专產产凍冻勁劲賣卖園园歸归擋挡柵栅毀毁滾滚筆笔練练繃绷講讲轟轰鏟铲順顺預预題题馬马騙骗"
    "綁绑輔辅畫画嘸呒曬晒係系環环綠绿鋼钢訓训絆绊臥卧衛卫傘伞島岛廁厕廚厨許许淚泪結结訂订討讨閱阅"
)
_SAME: Final = str.maketrans({"\U0001f525": "火", **dict(zip(_TRADITIONAL[::2], _TRADITIONAL[1::2], strict=True))})
_FOLDED: Final = frozenset(map(chr, _SAME))


def normalise(text: str) -> str:
    """Return ``text`` in the one form words are looked for in.

    Full-width and compatibility forms become plain (NFKC), case is folded, traditional characters become simplified,
    runs of white space become one space, and none is left between two Chinese characters.
    """
    plain = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold().replace("\u2019", "'")
    if not _FOLDED.isdisjoint(plain):
        plain = plain.translate(_SAME)
    plain = " ".join(plain.split())
    return _SPACED_HAN.sub("", plain) if " " in plain else plain


class WordList:
    """Words and phrases, any of which may be found in a text.

    A word in Latin letters must stand alone; ``spark*`` finds any ending, and ``power * out`` lets up to three words
    come between. A word in any other script is found anywhere: Chinese puts no spaces between words; in it ``电线*断``
    lets up to eight characters of the same sentence come between. ``^停了$`` is found where nothing else is said;
    ``told_alone`` tells it of one of several messages.
    """

    def __init__(self, words: Iterable[str], ignore: Iterable[str] = ()) -> None:
        """Prepare the list.

        Args:
            words: What to find.
            ignore: Phrases taken out of the text first, so that the words inside them are not found.

        Raises:
            ValueError: a word has no letter or digit to look for, or begins with a wildcard.
        """
        self._spelled = {
            normalise(word): word for word in reversed(list(words))
        }  # the first spelling of equals is shown
        passed_over = list(map(normalise, ignore))
        for form in (*self._spelled, *passed_over):
            check_word(form)
        whole = [form for form in self._spelled if is_whole(form)]
        plain = sorted(self._spelled.keys() - set(whole), key=_longest_first)
        self._alone = {form[1:-1]: form for form in whole}
        self._every = _Search(plain)
        self._ignored = _Search(passed_over)
        self.cores: tuple[tuple[str, _Alike], ...] = (
            *((core, _Alike(core, forms)) for (core, _), forms in _by_core(plain).items()),
            *((form[1:-1], _Whole(form[1:-1], [form])) for form in whole),
            *((core, _Passed(core, forms)) for (core, _), forms in _by_core(passed_over).items()),
        )
        """Plain strings, at least one of which stands in any text in which a word is found, with the words that have
        it, or a phrase to ignore."""

    def find(self, text: str, met: Sequence[_Met] | None = None) -> str | None:
        """Return the first word of the list that a normalised text has; None if it has none.

        The word is returned as it stands in the list: what a wildcard stood for is the customer's own.

        Args:
            text: Where to look.
            met: What a ``Lexicon`` has met of this list in the text; looked for here if it is not given.
        """
        found, ignored = self._first(text, self._meet(text) if met is None else met)
        if found is not None and ignored and (left := self._ignored.blanked(text)) != text:
            found, _ = self._first(left, self._meet(left))
        return None if found is None else self._spelled[found]

    def told_alone(self, message: str) -> str | None:
        """Return the word that is all that a normalised message says (``^停了$``); None if it is none of the list."""
        form = self._alone.get(message.strip(_MARKS)) if self._alone else None
        return None if form is None else self._spelled[form]

    def _meet(self, text: str) -> Sequence[_Met]:
        return self._own.candidates(text).get(self, ())

    @cached_property
    def _own(self) -> Lexicon:
        return Lexicon([self])

    def _first(self, text: str, met: Sequence[_Met]) -> tuple[str | None, bool]:
        """Return the word that begins first in a text, and whether there may be a phrase to ignore.

        Of words that begin at one place it is the longest; one in Latin letters comes before any other.
        """
        first: tuple[bool, int, int, str] | None = None
        ignored = False
        for alike, start in met:
            if isinstance(alike, _Passed):
                ignored = ignored or alike.first(text, start) is not None
            elif (one := alike.first(text, start)) is not None and (first is None or one < first):
                first = one
        return None if first is None else first[-1], ignored

    def blanked(self, text: str) -> str:
        """Return a normalised text without the words of the list."""
        return self._every.blanked(text)

    def without_ignored(self, text: str) -> str:
        """Return a normalised text without the phrases that the list passes over."""
        return self._ignored.blanked(text)


class Misheard:
    """What speech recognition makes of words that stand in many lists ("变压气"), and the words that were said.

    They are of a script without spaces and have no wildcard.
    """

    __slots__ = ("_meant", "_search", "words")

    def __init__(self, meant: Mapping[str, Iterable[str]], ignore: Iterable[str] = ()) -> None:
        """Prepare the words.

        Args:
            meant: A word, and what is written for it.
            ignore: Phrases with such a word inside that are right as they stand.
        """
        self._meant = {normalise(word): normalise(said) for said, written in meant.items() for word in written}
        self.words = WordList(self._meant)
        every = sorted({*self._meant, *map(normalise, ignore)}, key=_longest_first)
        self._search = re.compile(_either(every))

    def put_right(self, text: str) -> str:
        """Return a normalised text with the words that were said."""
        return self._search.sub(lambda found: self._meant.get(found.group(), found.group()), text)


class Lexicon:
    """One pass over a text that tells which of many lists can have a word in it: for nearly all it is none."""

    __slots__ = ("_lists", "_pass")

    def __init__(self, lists: Iterable[WordList]) -> None:
        """Prepare the pass."""
        by_core: dict[str, list[tuple[WordList, _Alike]]] = {}
        for words in lists:
            for core, alike in words.cores:
                by_core.setdefault(core, []).append((words, alike))
        self._pass = AhoCorasick(list(by_core))
        self._lists = tuple(map(tuple, by_core.values()))

    def candidates(self, text: str) -> dict[WordList, list[_Met]]:
        """Return the lists worth looking into for a normalised text, with what was met of each."""
        found: dict[WordList, list[_Met]] = {}
        letters: set[str] | None = None
        seen = set()
        for core, start, _ in self._pass.find_matches_as_indexes(text, overlapping=True):
            if core in seen:
                continue
            seen.add(core)
            for words, alike in self._lists[core]:
                if alike.needs is not None:
                    letters = letters or set(text)
                    if alike.needs.isdisjoint(letters):
                        continue
                if words in found:
                    found[words].append((alike, start))
                else:
                    found[words] = [(alike, start)]
        return found


def check_word(word: str) -> None:
    """Check that a word can be looked for.

    Raises:
        ValueError: it has no letter or digit, or begins with a wildcard.
    """
    plain = normalise(word)
    _pattern(plain[1:-1] if is_whole(plain) else plain)


def is_whole(word: str) -> bool:
    """Tell whether a word is meant to be all that is said."""
    return word.startswith("^") and word.endswith("$")


class _Alike:
    """The words that have one core: they can only be in a text that has it.

    Attributes:
        needs: Letters, one of which any text has in which a word is found; None where that is not known.
    """

    __slots__ = ("_alone", "_core", "_forms", "_latin", "_pattern", "needs")

    def __init__(self, core: str, forms: list[str]) -> None:
        self._core = core
        self._forms = forms  # the longest first
        self._latin = _LATIN.match(forms[0]) is not None
        self._alone = (-len(core), core) if not self._latin and forms == [core] else None
        self._pattern: re.Pattern[str] | None = None
        wild = not self._latin and all("*" in form for form in forms)
        self.needs = frozenset(form.replace(core, "", 1).strip("*")[0] for form in forms) if wild else None

    def first(self, text: str, start: int) -> tuple[bool, int, int, str] | None:
        """Return the first of these words in a text, as ``WordList`` orders them; their core is first at ``start``."""
        if self._alone is not None:
            return True, start, *self._alone
        if self._pattern is None:  # most words are never met
            either = self._either()
            self._pattern = re.compile(f"{_BEGINS}{either}{_ENDS}" if self._latin else either)
        found = self._pattern.search(text)
        if found is None or found.lastindex is None:
            return None
        form = self._forms[found.lastindex - 1]
        return not self._latin, found.start(), -len(form), form

    def _either(self) -> str:
        """Return the pattern of any of the words, a group for each, behind their common beginning."""
        patterns = [_pattern(form) for form in self._forms]
        head = re.escape(self._core)
        if not all(pattern.startswith(head) for pattern in patterns):
            head = ""
        return f"{head}(?:{'|'.join(f'({pattern.removeprefix(head)})' for pattern in patterns)})"


class _Whole(_Alike):
    """A word that is all of a text."""

    __slots__ = ()

    def first(self, text: str, start: int) -> tuple[bool, int, int, str] | None:
        """Return the word if the text is nothing else."""
        return (True, start, -len(text), self._forms[0]) if self._forms[0][1:-1] == text.strip(_MARKS) else None


class _Passed(_Alike):
    """Phrases to ignore that have one core."""

    __slots__ = ()


class _Search:
    """One pass over a text for many words, those in Latin letters apart from the others."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = sorted(set(words), key=_longest_first)

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        """What finds the words in Latin letters, and what the others; compiled when they are first looked for."""
        latin = [word for word in self._words if _LATIN.match(word)]
        other = [word for word in self._words if not _LATIN.match(word)]
        # The boundaries stand outside the alternatives, so that most places of a text are passed over at once.
        patterns = [f"{_BEGINS}(?:{_either(latin)}){_ENDS}"] if latin else []
        return [re.compile(pattern) for pattern in (*patterns, *([_either(other)] if other else []))]

    def blanked(self, text: str) -> str:
        """Return a text without the words."""
        for pattern in self._patterns:
            text = pattern.sub(" \ufffc ", text)  # no letter, so that the rests do not grow together
        return text


def _by_core(forms: Iterable[str]) -> dict[tuple[str, bool], list[str]]:
    """Return words by their cores, those in Latin letters apart, the longest first."""
    by_core: dict[tuple[str, bool], list[str]] = {}
    for form in sorted(set(forms), key=_longest_first):
        by_core.setdefault((_core(form), _LATIN.match(form) is not None), []).append(form)
    return by_core


def _longest_first(word: str) -> tuple[int, str]:
    return -len(word), word


def _core(plain: str) -> str:
    """Return a part of a word that stands in a text as it is: the longest, or in Chinese the last if it is no letter.

    What happens to a thing is said more rarely than the thing: 热水器*带电 need not be looked for in every 热水器.
    """
    parts = plain.replace("*", " ").split() if "*" in plain else [plain]
    return parts[-1] if len(parts[-1]) > 1 and not parts[-1].isascii() else max(parts, key=len)


def _either(words: Iterable[str]) -> str:
    """Return the pattern of any of ``words``, the first of those that fit.

    By their first letters: only one of these can stand at a place, so at nearly all places nothing more is tried.
    """
    by_letter: dict[str, list[str]] = {}
    for word in words:
        pattern = _pattern(word)
        letter = re.escape(word[0])
        by_letter.setdefault(letter, []).append(pattern.removeprefix(letter))
    return "|".join(f"{letter}(?:{'|'.join(rests)})" for letter, rests in by_letter.items())


def _pattern(plain: str) -> str:
    if not any(char.isalnum() for char in plain):
        raise ValueError(f"{plain!r} has no letter to look for")
    if plain.startswith("*"):
        raise ValueError(f"{plain!r} begins with a wildcard: it stands between words or at the end of one")
    pattern = ""
    gap = ""
    for part in plain.split(" "):
        if part == "*":
            gap = _GAP
            continue
        ending = f"[{_LETTER}]*" if part.endswith("*") else ""
        inner = _BETWEEN.join(map(re.escape, part.removesuffix("*").split("*")))
        pattern += (gap or " " if pattern else "") + inner + ending
        gap = ""
    return pattern


class Script(StrEnum):
    """Writing systems told apart by their Unicode blocks. The rare ones come first and win a tie."""

    TIBETAN = "tibetan"
    MONGOLIAN = "mongolian"
    YI = "yi"
    HANGUL = "hangul"
    ARABIC = "arabic"
    CYRILLIC = "cyrillic"
    HAN = "han"
    LATIN = "latin"


_UNITS: Final = {
    # One unit is about one syllable or word, so that "Transformer爆炸了" is Chinese although Latin letters lead.
    Script.TIBETAN: re.compile("[\u0f40-\u0fbc]+"),
    Script.MONGOLIAN: re.compile("[\u1820-\u18aa]+"),
    Script.YI: re.compile("[\ua000-\ua4cf]"),
    Script.HANGUL: re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"),
    Script.ARABIC: re.compile("[\u0620-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc]+"),
    Script.CYRILLIC: re.compile("[\u0400-\u052f]+"),
    Script.HAN: re.compile(f"[{_HAN}]"),
    Script.LATIN: re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+"),
}


def script_of(text: str) -> Script | None:
    """Return the script most of ``text`` is written in; None if it has no letter of a known one."""
    if text.isascii():
        return Script.LATIN if _UNITS[Script.LATIN].search(text) else None
    if 2 * len(_UNITS[Script.HAN].findall(text)) > len(text):  # so no other script can have as many
        return Script.HAN
    counts = {script: len(unit.findall(text)) for script, unit in _UNITS.items()}
    script = max(counts, key=lambda each: counts[each])  # the first of equals, in the order of ``Script``
    return script if counts[script] else None
