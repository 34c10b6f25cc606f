"""The names of devices as people say them, and as the network file has them: one form for both.

Decided here: which spellings are the same name, what people leave out of it, and which of the names in a text is meant.
Never here: I/O, or whether a report is at the device.

Lines, poles and transformers are named by habit and not by a standard: "10kV东风线幸福里公变" is 幸福里公变, 幸福里台区
or 幸福里变压器 to those who live there, and "937宋北线15#杆台变" is 宋北线十五号电杆.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from services.grid.numerals import arabic
from services.grid.spelling import DASHES, ROMAN_DIGITS
from services.grid.traditional import simplified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST_TEXT: Final = 300
_LONGEST_NAME: Final = 20
_SHORTEST_NAME: Final = 3
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{3,60}")
_SPACED_ID: Final = re.compile(r"(?<![A-Za-z0-9])([A-Z]{1,6})[ -](\d{3,12})(?![\d-])")
_SPELT_ID: Final = (
    r"(?<![A-Za-z0-9])[A-Za-z]{1,6}(?:[SIGNS]{0,2}[A-Za-z]{0,6}[SIGNS]{0,2}[0-9][0-9oO]*+){1,4}[A-Za-z]?(?![A-Za-z0-9])"
)
_LOOSE_ID: Final = re.compile(_SPELT_ID.replace("SIGNS", " _./-"))
_LETTER: Final = re.compile("[A-Za-z]")
_DENSE_ID: Final = re.compile(_SPELT_ID.replace("SIGNS", "_./-"))
"""For what is all in English: there "no 12" and "at 10" are words."""
_CAPITALS_GAP: Final = re.compile(r"(?<=[A-Z]) (?=[0-9])")
_FEWEST_DIGITS: Final = 2  # B1 is a floor, 4G a network
_ZERO: Final = re.compile(r"(?<=[0-9])O+|(?<![A-Z0-9])O+(?=[0-9])")
_LEADING_ZEROS: Final = re.compile(r"(?<![0-9])0+(?=[0-9])")
_NAMED: Final = re.compile(r"变压器|台变|公变|专变|箱变|配变|变|配电室|环网柜|开关|刀闸|熔断器|杆|线|站")
_MAY_BE_NAMED: Final = re.compile("[变配柜关闸器杆线站台]")
"""Without any of these characters, no name of a device is in a text, in whatever spelling."""
_NUMBERED: Final = re.compile(r"#(\d+)|(\d+)#")
_COUNTED: Final = re.compile(r"([零一二三四五六七八九十百两]+)(?=[号组#线杆回区社队]|台变)")
_ROMAN: Final = re.compile(r"(?<![a-z])(i{1,3}|iv)(?=[线回段])")
_REWRITES: Final = tuple(
    (re.compile(pattern), into)
    for pattern, into in (
        (r"\d+(?:\.\d+)?(?:kv|千伏)", ""),
        (r"线路", "线"),
        (r"线(?:上|的|第)+(?=\d)", "线"),
        (r"(?<![\d.])0+(?=\d+号)", ""),
        (r"(?<=\d)号?(?:电线|水泥|电|线)?杆", "号杆"),
        (r"(公|专)用(?:配电)?变压器", r"\1变"),
        (r"台区|变台", "台变"),
        (r"配电房", "配电室"),
    )
)
_KIND: Final = re.compile(r"(?:(?:箱式|柱上|杆上|配电)?变压器|[台公专箱配杆]?变)$")
_OTHERS: Final = {"公变": "专变", "专变": "公变"}
"""Whose a transformer is, as it is called: who says the one does not mean the other."""
_LINE_NUMBER: Final = re.compile(r"^\d{3,}(?=[\u4e00-\u9fff]{2})")
_ON_A_POLE: Final = re.compile(r"(?<=\d号杆).+$")
_ON_A_LINE: Final = re.compile(r"^.+线(?=[\u4e00-\u9fff].+变$)")
_OF_A_STATION: Final = re.compile(r"^.+(?:变电站|变电所|开闭所)(?=[^站所]{2,}线$)")


class Hit(NamedTuple):
    """A device that a word of a text names.

    Attributes:
        word: As it was looked up.
        device: Its id.
        name: Its whole name, as ``name_key`` gives it; empty if it has none.
        is_short: It was found by what people make of the name.
    """

    word: str
    device: str
    name: str
    is_short: bool


def words_in(text: str | None) -> tuple[str, ...]:
    """Return what may be the id or the name of a device: 937宋北线, 卫星8组1号台变, T-0412."""
    return _words_in(text[:_LONGEST_TEXT]) if text else ()


@lru_cache(maxsize=4096)  # people say much the same: 停电了
def _words_in(text: str) -> tuple[str, ...]:
    return tuple(_find(text))


def _find(text: str) -> Iterator[str]:
    plain = unicodedata.normalize("NFKC", text)
    for found in _ID.finditer(plain):
        word = found[0].rstrip("./-_")
        if any(char.isdigit() for char in word) and not word.isdigit():
            yield from (word, name_key(word), word.upper())
    for found in _SPACED_ID.finditer(plain):
        yield f"{found[1]}{found[2]}"
    if _MAY_BE_NAMED.search(simplified(plain)) is None:
        return
    named = name_key(plain)
    for found in _NAMED.finditer(named):
        for begin in range(max(0, found.end() - _LONGEST_NAME), found.end() - _SHORTEST_NAME + 1):
            if (word := named[begin : found.end()]).isprintable():  # the database would refuse the batch
                yield word
                if (short := _KIND.sub("变", word)) != word and len(short) >= _SHORTEST_NAME:
                    yield short


def id_keys_in(text: str | None) -> tuple[str, ...]:
    """Return the keys (see ``id_key``) of what may be the id of a device, however it is written: l 12, Ｌ－１２."""
    return _id_keys_in(text[:_LONGEST_TEXT]) if text else ()


@lru_cache(maxsize=4096)
def _id_keys_in(text: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKC", text)
    if _LETTER.search(plain) is None:  # no id is spelt without
        return ()
    plain = plain.translate(DASHES)
    spelt = _DENSE_ID.finditer(_CAPITALS_GAP.sub("", plain)) if plain.isascii() else _LOOSE_ID.finditer(plain)
    found = (one[0] for one in spelt if sum(map(str.isdigit, one[0])) >= _FEWEST_DIGITS)
    return tuple(dict.fromkeys(map(id_key, found)))


def id_key(device: str) -> str:
    """Return the form that all spellings of an id share: L-012, L12, l 12 and L-O12 are L12.

    Signs, case and zeros in front say nothing, and who reads a plate takes O for 0. Two ids that share one are told
    apart by who writes one of them as the network has it.
    """
    plain = _ZERO.sub(
        lambda found: "0" * len(found[0]), unicodedata.normalize("NFKC", device).upper().translate(DASHES)
    )
    return "".join(filter(str.isalnum, _LEADING_ZEROS.sub("", plain)))


def name_key(name: str) -> str:
    """Return the form in which the name of a device is stored and looked up."""
    plain = "".join(unicodedata.normalize("NFKC", name).casefold().split())
    plain = _NUMBERED.sub(lambda found: f"{found[1] or found[2]}号", plain)
    if plain.isascii():
        return plain
    plain = simplified(plain)
    plain = _ROMAN.sub(lambda found: ROMAN_DIGITS[found[1]], plain)
    plain = _COUNTED.sub(lambda found: arabic(found[1]), plain)
    for pattern, into in _REWRITES:
        plain = pattern.sub(into, plain)
    return plain


def short_name(key: str) -> str | None:
    """Return what people make of the name of a device (as ``name_key`` gives it); None where that is the name itself.

    They leave out the number of a line (937宋北线) and its station, the kind of a transformer (1号台变: 1号变) and its
    line, and what it is that stands at a pole (15号杆台变: 15号杆).
    """
    short = _LINE_NUMBER.sub("", key)
    if _ON_A_POLE.search(short) is not None:
        short = _ON_A_POLE.sub("", short)
    else:
        short = _ON_A_LINE.sub("", _KIND.sub("变", short))
        short = _OF_A_STATION.sub("", short).replace("变电站", "站")
    return short if short != key and len(short) >= _SHORTEST_NAME else None


def meant(hits: Iterable[Hit], said: Iterable[str]) -> set[str]:
    """Return the devices that a text means of those its words name.

    A whole name goes before a shortened one that is written alike, and the longest words before what they contain:
    宋北线15号杆 is a pole, and no longer the line.
    """
    words = frozenset(said)
    found = [hit for hit in hits if not _is_of_other_kind(hit, words)]
    whole = {hit.word for hit in found if not hit.is_short}
    named = {hit.word for hit in found}
    return {
        hit.device
        for hit in found
        if not (hit.is_short and hit.word in whole)
        and not any(hit.word in other and hit.word != other for other in named)
    }


def loosely_meant(hits: Iterable[Hit], said: Iterable[Hit]) -> set[str]:
    """Return the devices whose id has a key (see ``id_key``) that is in the text, and nothing there is written so.

    Args:
        hits: By their keys; what several share names each of them.
        said: Those of which an id or a name stands in the text.
    """
    exact = {id_key(hit.word) for hit in said}
    return {hit.device for hit in hits if hit.word not in exact}


def _is_of_other_kind(hit: Hit, words: frozenset[str]) -> bool:
    other = _OTHERS.get(hit.name[-2:])
    return hit.is_short and other is not None and hit.word.removesuffix("变") + other in words
