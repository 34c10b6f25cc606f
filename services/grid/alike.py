"""Which streets of the network a street may mean that it does not have: those that sound alike or are a slip away.

So may the short name of an estate (``short_names``). Decided here: what sounds alike (the same syllables, whatever the
tones and the characters; then those that an accent runs together), what a slip of the finger is in a name, and which of
the streets that are found by their keys is meant. Never here: I/O, where the street is, or how far to believe it
(``candidates``).

A street is stored under the keys of its name and looked up under those of what was said: both are texts, so a table
with an index is all it takes. A telephone's keyboard offers 辛福路 for 幸福路, a recogniser writes 蓝山路 for 南山路,
some type xingfu lu, and a finger leaves out a character or swaps two.
"""

from __future__ import annotations

import re
from collections import defaultdict
from enum import IntEnum
from functools import lru_cache
from itertools import islice, product
from typing import TYPE_CHECKING, Final, NamedTuple

from services.grid.estates import ESTATES, ESTATES_OR_NOT
from services.grid.numerals import SECTION
from services.grid.short_names import is_of_another_kind, key_of, may_stand_for, said_keys_of
from services.grid.syllables import SYLLABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_STREETS: Final = 32
"""Streets of one key that are looked at; of more of them none is meant."""
_MOST_READINGS: Final = 4
_LONGEST: Final = 9  # characters of a name, as ``streets.street_names`` has it
_SHORTEST_STEM: Final = 2
_SHORTEST_PLACE: Final = 2
_SHORTEST_TYPED: Final = 4  # letters
_ROAD: Final = rf"(?:大道|大街|胡同|路|街|道|巷)(?:{SECTION})?"
_KIND: Final = re.compile(rf"(?:{_ROAD}|{ESTATES}|{ESTATES_OR_NOT})$")
_IS_ROAD: Final = re.compile(rf"{_ROAD}$")
_NAME: Final = re.compile(r"[\u4e00-\u9fff]+(?<!组)")
_LETTERS: Final = re.compile(r"[a-z ]+$")
_ENGLISH_KINDS: Final = {"road": ("路",), "street": ("街", "大街"), "avenue": ("大道", "大街"), "lane": ("巷",)}
_ENGLISH_WORDS: Final = {"north": "bei", "south": "nan", "east": "dong", "west": "xi", "middle": "zhong"}
_ACCENTS: Final = tuple(
    (re.compile(pattern), into)
    for pattern, into in (
        (r"^([zcs])h", r"\1"),
        (r"^l(?!v)", "n"),
        (r"^hu(?=.)", "f"),
        (r"^hu$", "fu"),
        (r"([ie]n)g$", r"\1"),
    )
)
_DIGITS: Final = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_TELLING: Final = frozenset("零一二三四五六七八九十东南西北中前后上下左右内外里新老大小")
"""What streets are told apart by: 建国一路 is no slip of 建国二路."""


class How(IntEnum):
    """How a street is like what was said, the likeliest first."""

    SHORT = 0
    """An estate by what people call it: 丽景 or 丽景小区 for 丽景花园."""
    END = 1
    """A road by its end, of which the file says more: 桂林街 for 九龙旺角桂林街."""
    SOUND = 2
    ACCENT = 3
    """An accent's, or an estate's whose kind is no more than heard: 枫林家园 for 枫林嘉园."""
    OTHER_KIND = 4
    """An estate by its short name, though another kind was said: 天鹅院 for 天鹅小区, if there is no 天鹅苑."""
    SLIP = 5
    """A character missing or twice, or two swapped."""
    CHARACTER = 6
    """Another character: this may as well be the name of another street."""


BY_SHORT_NAME: Final = frozenset((How.SHORT, How.OTHER_KIND))
SAID_SHORT: Final = BY_SHORT_NAME | {How.END}


class Alike(NamedTuple):
    """The streets that may be meant, the likeliest first, and how each is like what was said."""

    streets: tuple[str, ...]
    hows: tuple[How, ...]

    def how(self, street: str) -> How:
        """Return how a street is like what was said."""
        return self.hows[self.streets.index(street)]


def stored_keys(street: str) -> tuple[str, ...]:
    """Return the keys of a street of the network; none for a name that is not Chinese."""
    stem, kind = _apart(street)
    if len(stem) < _SHORTEST_STEM:
        return (*key_of(street), *_whole(street))
    by_ear = (*_sounds(stem, kind), *_accents(stem, kind), *_whole(street))
    return tuple(dict.fromkeys([*key_of(street), *by_ear, *_slips(stem, kind), *map(_end, _ends(stem, kind))]))


def said_keys(said: Iterable[str]) -> tuple[str, ...]:
    """Return the keys under which to look for what streets that nobody has may mean."""
    return tuple(dict.fromkeys(key for street in said for *_, keys in _looks(street) for key in keys))


def alike(said: Iterable[str], found: Iterable[tuple[str, str]]) -> Alike | None:
    """Return the streets that may be meant; None where there is none.

    Of each way to be alike the longest name that fits, before its endings; where that are too many, none of them.

    Args:
        said: The streets that were said.
        found: Keys of ``said_keys`` and the streets that have them.
    """
    by_key: dict[str, set[str]] = defaultdict(set)
    for key, street in found:
        by_key[key].add(street)
    if not by_key:
        return None
    looks = [look for street in said for look in _looks(street)]
    meant: dict[str, How] = {}
    settled: set[How] = set()
    for how, name, keys in sorted(looks, key=lambda look: (look[0], -len(look[1]))):
        if how in settled or not any(key in by_key for key in keys):
            continue
        streets = {street for key in keys for street in by_key.get(key, ()) if _may_be(how, name, street)}
        if streets:
            settled.add(how)
        if len(streets) <= MOST_STREETS and all(len(by_key.get(key, ())) <= MOST_STREETS for key in keys):
            for street in sorted(streets):
                meant.setdefault(street, how)
    return Alike(tuple(meant), tuple(meant.values())) if meant else None


@lru_cache(maxsize=4096)
def may_mean(said: str, street: str) -> bool:
    """Tell whether a street may be the one that was said, heard or typed wrong; of another character it is not told."""
    keys = frozenset(stored_keys(street))
    return any(
        how is not How.CHARACTER and not keys.isdisjoint(looked) and _may_be(how, name, street)
        for how, name, looked in _looks(said)
    )


def is_road(street: str) -> bool:
    """Tell a road from an estate by its name."""
    return _IS_ROAD.search(street) is not None


def _looks(said: str) -> Iterator[tuple[How, str, list[str]]]:
    """Yield how to look for a street, what of it (its endings: words may stand before the name), and the keys."""
    if said.isascii():
        yield from _english(said)
        return
    stem, kind = _apart(said)
    if _LETTERS.match(stem):
        yield from _typed(stem.split(), kind)
        return
    if short := said_keys_of(said):
        yield How.SHORT, said, list(short)
        yield How.OTHER_KIND, said, list(short)
    if not kind:
        for begin in range(max(0, len(said) - _LONGEST), len(said) - _SHORTEST_STEM):
            yield How.ACCENT, said[begin:], _whole(said[begin:])
        return
    for begin in range(max(0, len(said) - _LONGEST), len(said) - len(kind) - _SHORTEST_STEM + 1):
        rest = said[begin : len(said) - len(kind)]
        yield How.SOUND, rest + kind, _sounds(rest, kind)
        yield How.ACCENT, rest + kind, [*_accents(rest, kind), *_whole(rest + kind)]
        if is_road(kind):
            yield How.END, rest + kind, [_end(rest + kind)]
        if len(rest) > _SHORTEST_STEM:
            yield How.SLIP, rest + kind, _slips(rest, kind)
            yield How.CHARACTER, rest + kind, _slips(rest, kind)
        elif not begin:  # what is shorter than a name may lack a character, if it is all there is
            yield How.SLIP, rest + kind, [_slip(rest, kind), _slip(rest[::-1], kind)]


def _english(said: str) -> Iterator[tuple[How, str, list[str]]]:
    """Look for what is written in English with the name in letters: xingfu north road."""
    *words, last = said.split() or [""]
    for kind in _ENGLISH_KINDS.get(last, ()):
        yield from _typed([_ENGLISH_WORDS.get(word, word) for word in words], kind)


def _typed(words: Sequence[str], kind: str) -> Iterator[tuple[How, str, list[str]]]:
    for begin in range(len(words)):
        name = "".join(words[begin:])
        if len(name) >= _SHORTEST_TYPED:
            whole = [] if is_road(kind) else [_by_all(name + one) for one in map("".join, _readings(kind))]
            yield How.SOUND, name + kind, [_sound(name, kind), *whole]


def _apart(street: str) -> tuple[str, str]:
    found = _KIND.search(street)
    return ("", "") if found is None else (street[: found.start()], found[0])


def _readings(stem: str) -> Iterator[tuple[str, ...]]:
    plain = [_DIGITS.get(char, char) for char in stem]
    return islice(product(*(SYLLABLES.get(char, (char,)) for char in plain)), _MOST_READINGS)


def _sounds(stem: str, kind: str) -> list[str]:
    return [_sound("".join(one), kind) for one in _readings(stem)]


def _whole(estate: str) -> list[str]:
    """Return the keys of an estate by all of its sound: 枫林家园 is as 枫林嘉园, 名邸 as 明邸, 苑 as 院."""
    if len(estate) <= _SHORTEST_STEM or is_road(estate) or not _NAME.fullmatch(estate):
        return []
    return [_by_all("".join(one)) for one in _readings(estate)]


def _ends(stem: str, kind: str) -> list[str]:
    """Return what may be all of the name of a road before which the file has a place of two characters or more."""
    if not is_road(kind):
        return []
    return [stem[n:] + kind for n in range(_SHORTEST_PLACE, len(stem) - _SHORTEST_STEM + 1)]


def _end(road: str) -> str:
    return f"end {road}"


def _accents(stem: str, kind: str) -> list[str]:
    return [f"accent {''.join(map(_accent, one))}{kind}" for one in _readings(stem)]


def _accent(syllable: str) -> str:
    for pattern, into in _ACCENTS:
        syllable = pattern.sub(into, syllable)
    return syllable


def _sound(letters: str, kind: str) -> str:
    return f"sound {letters}{kind}"


def _by_all(letters: str) -> str:
    return f"whole {letters}"


def _slip(stem: str, kind: str) -> str:
    return f"slip {stem}{kind}"


def _slips(stem: str, kind: str) -> list[str]:
    """Return the keys that a name shares with those a slip away: itself, and itself without each of its characters."""
    without = [stem[:n] + stem[n + 1 :] for n in range(len(stem))] if len(stem) > _SHORTEST_STEM else []
    return [_slip(one, kind) for one in (stem, *without)]


def _may_be(how: How, said: str, street: str) -> bool:
    """Tell whether a street may be meant by what was said, having a key in common with it."""
    if how in BY_SHORT_NAME:
        return may_stand_for(said, street) and is_of_another_kind(said, street) is (how is How.OTHER_KIND)
    if how is How.END:
        return said in _ends(*_apart(street))
    if how is How.CHARACTER:
        return len(said) == len(street) and _differences(said, street) == 1 and not _told_apart(said, street)
    if how is How.SLIP:
        return _is_a_slip(_apart(said)[0], _apart(street)[0])
    return len(said) != len(street) or not _told_apart(said, street)


def _told_apart(one: str, other: str) -> bool:
    pairs = ((_DIGITS.get(a, a), _DIGITS.get(b, b)) for a, b in zip(one, other, strict=True))
    return any(a != b and a in _TELLING and b in _TELLING for a, b in pairs)


def _differences(one: str, other: str) -> int:
    return sum(map(str.__ne__, one, other))


def _is_a_slip(said: str, name: str) -> bool:
    """Tell whether a name was said with a character missing or too many, or with two swapped.

    Of a name of two characters one alone says too little: there they can only be swapped, or one of them doubled.
    """
    if len(said) == len(name):
        swaps = (said[:n] + said[n + 1] + said[n] + said[n + 2 :] for n in range(len(said) - 1))
        return said != name and name in swaps
    longer, shorter = (said, name) if len(said) > len(name) else (name, said)
    return any(
        longer[:n] + longer[n + 1 :] == shorter
        and (
            (n > 0 and char == longer[n - 1])
            or (len(name) > _SHORTEST_STEM and (longer == name or char not in _TELLING))
        )
        for n, char in enumerate(longer)
    )
