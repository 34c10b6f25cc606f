"""Which language a text is in: by its script where that is enough, else by a detector.

Decided here: Tibetan, Mongolian, Yi and Hangul letters stand for one language each. Arabic, Cyrillic and Latin letters
are shared, so CLD2 tells Uyghur from Kazakh (where no hamza does), Mongolian from Kazakh and Russian, Zhuang from
English; what it does not tell, or tells as a language nobody here speaks, stays unsure. Chinese is Traditional where
its characters are (Big5 has them, GB 2312 does not). Never here: a language nobody configured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import pycld2

from services.router.domain.words import Script, script_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRADITIONAL: Final = "zh-Hant"
_SURE: Final = 0.95
_LIKELY: Final = 0.7
_UNSURE: Final = 0.3
_MOSTLY: Final = 60  # per cent of a text
_LONGEST: Final = 1000  # characters are enough to tell a language by
_KAZAKH: Final = re.compile("(?<![\u0600-\u06ff])[\u0621\u0674](?=[\u0600-\u06ff])")
"""A hamza before a word: of the languages here, Kazakh alone has it; of few words the detector makes Uyghur."""
_UYGHUR: Final = "\u0626"
"""Stands before every vowel that begins a word in Uyghur, and in no Kazakh word."""


@dataclass(frozen=True, slots=True)
class Tongues:
    """The languages of a script.

    Attributes:
        otherwise: The one it stands for where the text does not tell.
        told: Code of the detector, or ``zh-Hant``, to the language it means here.
    """

    otherwise: str
    told: Mapping[str, str] = field(default_factory=dict)


class Heard(NamedTuple):
    """The language of a text: its tag, how sure that is (0 to 1), and whether a detector had to tell."""

    tag: str
    confidence: float
    detected: bool


def hear(text: str, scripts: Mapping[Script, Tongues]) -> Heard | None:
    """Return the language a text is in; None if it has no letters of a known script."""
    script = script_of(text)
    tongues = None if script is None else scripts.get(script)
    if tongues is None:
        return None
    if script is Script.HAN:
        traditional = tongues.told.get(_TRADITIONAL)
        return Heard(traditional if traditional and _is_traditional(text) else tongues.otherwise, _SURE, detected=False)
    if not tongues.told:
        return Heard(tongues.otherwise, _SURE, detected=False)
    if "kk" in tongues.told and _KAZAKH.search(text) and _UYGHUR not in text:
        return Heard(tongues.told["kk"], _SURE, detected=False)
    told = _detected(text, tongues.told)
    return Heard(tongues.otherwise, _UNSURE, detected=True) if told is None else told


def _detected(text: str, told: Mapping[str, str]) -> Heard | None:
    try:
        reliable, _, languages = pycld2.detect(text[:_LONGEST], bestEffort=True)
    except pycld2.error:  # it refuses some control characters; a language is no reason to lose a contact
        return None
    _, code, share, _ = languages[0]
    if code not in told or share < _MOSTLY:
        return None
    return Heard(told[code], _SURE if reliable else _LIKELY, detected=True)


def _is_traditional(text: str) -> bool:
    """Tell whether more of the characters are of Big5 only than of GB 2312 only; most are of both."""
    return sum(map(_lean, set(text))) > 0


@cache
def _lean(char: str) -> int:
    """Return 1 for a character of Big5 only, -1 for one of GB 2312 only, else 0. There are some 100,000 Han ones."""
    return _in(char, "big5") - _in(char, "gb2312") if char > "\u2e7f" else 0


def _in(char: str, charset: str) -> bool:
    try:
        char.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
