"""Which language a text is in: by its script where that is enough, else by a detector.

Decided here: Tibetan, Mongolian, Yi and Hangul letters stand for one language each. Arabic, Cyrillic and Latin letters
are shared, so CLD2 tells Uyghur from Kazakh (where no letter does), Mongolian from Kazakh and Russian, Zhuang from
English; what it does not tell, or tells as a language nobody here speaks, stays unsure. It names a language for any
letters whatever ("asdf qwer" is English): where they are like none and no word is known, the text is in none. Chinese
is Traditional where its characters are (Big5 has them, GB 2312 does not). Never here: a language nobody configured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import pycld2

from services.router.domain.words import Script, WordList, normalise, script_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRADITIONAL: Final = "zh-Hant"
_SURE: Final = 0.95
_LIKELY: Final = 0.7
_UNSURE: Final = 0.3
_MOSTLY: Final = 60  # per cent of a text
_LIKE_NONE: Final = 250
"""Below this score of CLD2 (its evidence for a language per kilobyte), letters are like no language. Sentences have 400
to 2,500; keys struck at random 40 to 240, and so have some single words, which are listed."""
_NUMBERED: Final = re.compile(r"\S*\d\S*")
_LONGEST: Final = 1000  # characters are enough to tell a language by
_KAZAKH: Final = re.compile(
    "(?<![\u0600-\u06ff])[\u0621\u0674](?=[\u0600-\u06ff])|[\u0639\u062d\u0675-\u0678]"
    "|(?<![\u0600-\u06ff])[\u0627\u06d5\u0648\u06c7\u0649](?=[\u0600-\u06ff])"
)
"""A hamza before a word, ع or ح, or a vowel that begins a word by itself: of the languages here, Kazakh alone has them.

Of few words the detector makes Uyghur.
"""
_NOT_KAZAKH: Final = re.compile(
    "[\u0626\u063a\u062e\u06d0\u06c8\u0629\u062b\u0630\u0635\u0636\u0637\u0638\u0623\u0625\u0624]"
)
"""Letters of Uyghur (ئ stands before every vowel that begins a word) and of Arabic that no Kazakh word has."""


@dataclass(frozen=True, slots=True)
class Tongues:
    """The languages of a script.

    Attributes:
        otherwise: The one it stands for where the text does not tell.
        told: Code of the detector, or ``zh-Hant``, to the language it means here.
        words: Words that tell ``otherwise`` where the detector is at a loss. Without any, its letters are always taken
            for words.
    """

    otherwise: str
    told: Mapping[str, str] = field(default_factory=dict)
    words: WordList | None = None


class Heard(NamedTuple):
    """The language of a text: its tag (None where it is in none), how sure that is (0 to 1), whether by a detector."""

    tag: str | None
    confidence: float
    detected: bool


def hear(text: str, scripts: Mapping[Script, Tongues], *, known: bool = False) -> Heard | None:
    """Return the language a text is in; None if it has no letters of a known script.

    Args:
        text: What was written.
        scripts: The languages a script stands for.
        known: Words of it were found in the operators' lists.
    """
    script = script_of(text)
    tongues = None if script is None else scripts.get(script)
    if tongues is None:
        return None
    if script is Script.HAN:
        traditional = tongues.told.get(_TRADITIONAL)
        return Heard(traditional if traditional and _is_traditional(text) else tongues.otherwise, _SURE, detected=False)
    if not tongues.told:
        return Heard(tongues.otherwise, _SURE, detected=False)
    if "kk" in tongues.told and _KAZAKH.search(text) and not _NOT_KAZAKH.search(text):
        return Heard(tongues.told["kk"], _SURE, detected=False)
    if tongues.words is not None and script_of(_NUMBERED.sub(" ", text)) is not script:
        return None  # a number with letters in it is in no language
    told = _detected(text, tongues, known=known)
    return Heard(tongues.otherwise, _UNSURE, detected=True) if told is None else told


def _detected(text: str, tongues: Tongues, *, known: bool) -> Heard | None:
    try:
        reliable, _, languages = pycld2.detect(text[:_LONGEST], bestEffort=True)
    except pycld2.error:  # it refuses some control characters; a language is no reason to lose a contact
        return None
    _, code, share, score = languages[0]
    at_a_loss = not reliable or score < _LIKE_NONE
    if tongues.words is not None and at_a_loss and not known:
        if tongues.words.find(normalise(text)) is not None:
            return Heard(tongues.otherwise, _LIKELY, detected=True)
        if reliable:
            return Heard(None, _UNSURE, detected=True)
    if code not in tongues.told or share < _MOSTLY:
        return None
    return Heard(tongues.told[code], _SURE if reliable else _LIKELY, detected=True)


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
