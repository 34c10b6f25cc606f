"""How people get the name of their street wrong: by sound, by accent, by a slip of the finger, in letters.

Decided here: what becomes of a name, and how often which (the shares are ours: nobody publishes any). Never here:
whether anybody gets it wrong (``Shape.misspelt``), what a resolver makes of it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from services.grid.syllables import SYLLABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_STREET: Final = re.compile(r"(?P<name>[\u4e00-\u9fff]{2,4}?)(?P<kind>路|花园|新村|家园|小区)(?=[\d附 ]|$)")
_BEFORE: Final = re.compile(r"^(?:我家在|我住|地址是|就在)?(?:\d+区)? ?")
_COMMON: Final = [bytes((high, low)).decode("gb2312") for high in range(0xB0, 0xD7) for low in range(0xA1, 0xFF)]
"""The commonest 3,666 characters: what a keyboard offers first."""
_ACCENTS: Final = (
    ("zh", "z"),
    ("ch", "c"),
    ("sh", "s"),
    ("n", "l"),
    ("fa", "hua"),
    ("fe", "hui"),
    ("ing", "in"),
    ("eng", "en"),
)


def _by_sound() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for char in _COMMON:
        for syllable in SYLLABLES[char]:
            found[syllable].append(char)
    return dict(found)


_CHARACTERS: Final = _by_sound()


def misspelt(address: str, rng: Random) -> str:
    """Return an address, as ``spoken`` gives it, with the name of its street wrong; as it is where it names none."""
    begin = _BEFORE.match(address)
    found = _STREET.match(address, begin.end() if begin is not None else 0)
    if found is None:
        return address
    spoil = rng.choices([slip for slip, _ in SLIPS.values()], [share for _, share in SLIPS.values()])[0]
    return f"{address[: found.start()]}{spoil(found['name'], rng)}{found['kind']}{address[found.end() :]}"


def in_letters(name: str, *, apart: bool) -> str:
    """Return a name in the letters of pinyin."""
    return (" " if apart else "").join(SYLLABLES[char][0] for char in name)


def _other(char: str, syllables: tuple[str, ...], rng: Random) -> str:
    return rng.choice([one for syllable in syllables for one in _CHARACTERS.get(syllable, ()) if one != char] or [char])


def _sound(name: str, rng: Random) -> str:
    n = rng.randrange(len(name))
    return name[:n] + _other(name[n], SYLLABLES[name[n]], rng) + name[n + 1 :]


def _sounds(name: str, rng: Random) -> str:
    return "".join(_other(char, SYLLABLES[char], rng) for char in name)


def _accented(syllable: str) -> list[str]:
    found = []
    for one, other in _ACCENTS:
        for before, after in ((one, other), (other, one)):
            if "n" in one[1:] and syllable.endswith(before):
                found.append(syllable.removesuffix(before) + after)
            elif "n" not in one[1:] and syllable.startswith(before):
                found.append(after + syllable.removeprefix(before))
    return [one for one in found if one in _CHARACTERS and one != syllable]


def _accent(name: str, rng: Random) -> str:
    heard = [tuple(other for syllable in SYLLABLES[char] for other in _accented(syllable)) for char in name]
    at = [n for n, syllables in enumerate(heard) if syllables]
    if not at:
        return name
    n = rng.choice(at)
    return name[:n] + _other(name[n], heard[n], rng) + name[n + 1 :]


def _missing(name: str, rng: Random) -> str:
    n = rng.randrange(len(name))
    return name[:n] + name[n + 1 :] if len(name) > 2 else name  # noqa: PLR2004  what is left must be a name


def _twice(name: str, rng: Random) -> str:
    n = rng.randrange(len(name))
    return name[: n + 1] + name[n:]


def _swapped(name: str, rng: Random) -> str:
    n = rng.randrange(len(name) - 1)
    return name[:n] + name[n + 1] + name[n] + name[n + 2 :]


def _another(name: str, rng: Random) -> str:
    n = rng.randrange(len(name))
    return name[:n] + rng.choice(_COMMON) + name[n + 1 :]


def _letters(name: str, rng: Random) -> str:
    return in_letters(name, apart=rng.random() < 0.5)  # noqa: PLR2004


SLIPS: Final[dict[str, tuple[Callable[[str, Random], str], float]]] = {
    "one character, same sound": (_sound, 0.4),
    "all characters, same sound": (_sounds, 0.1),
    "one character, an accent's sound": (_accent, 0.2),
    "a character missing": (_missing, 0.08),
    "a character twice": (_twice, 0.04),
    "two swapped": (_swapped, 0.05),
    "any other character": (_another, 0.08),
    "in letters": (_letters, 0.05),
}
"""What becomes of a name, and its share."""
