"""Finding operators' words in what people write, and telling which script they write in.

Decided here: when a word counts as found, in Chinese and in languages that put spaces between words. Never here: what
a word means; that is the operators' data.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ahocorasick_rs import AhoCorasick

if TYPE_CHECKING:
    from collections.abc import Iterable

_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Also what only shapes or stretches letters: Arabic tatweel and high hamza, joiners, Mongolian variation selectors.
# Many keyboards have the common hamza alone, so Kazakh is written with that before its words.
_INVISIBLE: Final = re.compile(
    "[\u0640\u0674\u180b-\u180f\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]|(?<![\u0600-\u06ff])\u0621(?=[\u0600-\u06ff])"
)
_SPACE: Final = re.compile(r"\s+")
_SPACED_HAN: Final = re.compile(f"(?<=[{_HAN}]) (?=[{_HAN}])")
_LETTER: Final = "a-z0-9\u00df-\u024f\u0400-\u052f"
_LATIN: Final = re.compile(f"[{_LETTER}]")
_BEGINS: Final = f"(?<![{_LETTER}])"
_ENDS: Final = f"(?![{_LETTER}])"
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
    "嘸呒曬晒係系環环綠绿鋼钢訓训絆绊"
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
    return _SPACED_HAN.sub("", _SPACE.sub(" ", plain).strip())


class WordList:
    """Words and phrases, any of which may be found in a text.

    A word in Latin letters must stand alone; ``spark*`` finds any ending, and ``power * out`` lets up to three words
    come between. A word in any other script is found anywhere: Chinese puts no spaces between words; in it ``电线*断``
    lets up to eight characters of the same sentence come between.
    """

    __slots__ = ("_exact", "_ignored", "_wanted", "_wild", "cores")

    def __init__(self, words: Iterable[str], ignore: Iterable[str] = ()) -> None:
        """Prepare the list.

        Args:
            words: What to find.
            ignore: Phrases taken out of the text first, so that the words inside them are not found.

        Raises:
            ValueError: a word has no letter or digit to look for, or begins with a wildcard.
        """
        plain = {normalise(word): word for word in reversed(list(words))}  # the first spelling of equals is given back
        self._wanted = _Search(plain)
        self._ignored = _Search(map(normalise, ignore))
        self._exact = {form: word for form, word in plain.items() if "*" not in form}
        self.cores = frozenset(map(_core, plain))
        """Plain strings, at least one of which stands in any text in which a word is found."""
        self._wild = tuple((re.compile(_pattern(form)), word) for form, word in plain.items() if "*" in form)

    def find(self, text: str) -> str | None:
        """Return the first word of the list that a normalised text has; None if it has none.

        The word is returned as it stands in the list: what a wildcard stood for is the customer's own.
        """
        found = self._wanted.first(text)
        if found is not None and self._ignored.first(text) is not None:
            found = self._wanted.first(self._ignored.blanked(text))
        if found is None:
            return None
        return self._exact.get(found) or next(word for pattern, word in self._wild if pattern.fullmatch(found))

    def blanked(self, text: str) -> str:
        """Return a normalised text without the words of the list."""
        return self._wanted.blanked(text)


class Lexicon:
    """One pass over a text that tells which of many lists can have a word in it: for nearly all it is none."""

    __slots__ = ("_lists", "_pass")

    def __init__(self, lists: Iterable[WordList]) -> None:
        """Prepare the pass."""
        by_core: dict[str, list[WordList]] = {}
        for words in lists:
            for core in words.cores:
                by_core.setdefault(core, []).append(words)
        self._pass = AhoCorasick(list(by_core))
        self._lists = tuple(map(tuple, by_core.values()))

    def candidates(self, text: str) -> set[WordList]:
        """Return the lists worth looking into for a normalised text."""
        found = {core for core, _, _ in self._pass.find_matches_as_indexes(text, overlapping=True)}
        return {words for core in found for words in self._lists[core]}


def check_word(word: str) -> None:
    """Check that a word can be looked for.

    Raises:
        ValueError: it has no letter or digit, or begins with a wildcard.
    """
    _pattern(normalise(word))


class _Search:
    """One pass over a text for many words, those in Latin letters apart from the others."""

    __slots__ = ("_latin", "_other")

    def __init__(self, words: Iterable[str]) -> None:
        plain = sorted(set(words), key=lambda word: (-len(word), word))
        latin = [word for word in plain if _LATIN.match(word)]
        other = [word for word in plain if not _LATIN.match(word)]
        # The boundaries stand outside the alternatives, so that most places of a text are passed over at once.
        self._latin = re.compile(f"{_BEGINS}(?:{_either(latin)}){_ENDS}") if latin else None
        self._other = re.compile(_either(other)) if other else None

    def first(self, text: str) -> str | None:
        if self._latin is not None and (found := self._latin.search(text)) is not None:
            return found.group()
        if self._other is not None and not text.isascii() and (found := self._other.search(text)) is not None:
            return found.group()
        return None

    def blanked(self, text: str) -> str:
        for pattern in (self._latin, self._other):
            if pattern is not None:
                text = pattern.sub(" \ufffc ", text)  # no letter, so that the rests do not grow together
        return text


def _core(plain: str) -> str:
    """Return the longest part of a word that stands in a text as it is."""
    return max(plain.replace("*", " ").split(), key=len) if "*" in plain else plain


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
    Script.LATIN: re.compile("[A-Za-z\u00c0-\u024f]+"),
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
