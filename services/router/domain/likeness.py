"""What a text sounds like where no word of the lists says what it means.

Decided here: by which pieces stand in it, each with a weight that was learnt from labelled utterances
(``tests/hearing/learn.py``). A list finds what was foreseen; strangers speak in words that nobody foresaw.
Never here: the weights, what follows: a danger that a text only sounds like is for a person to look at.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from ahocorasick_rs import AhoCorasick

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SENTENCE: Final = re.compile(r"[.!?;\u3002\n]+")
WORD: Final = re.compile(
    "[a-z\u00df-\u024f\u0400-\u052f\u0620-\u06ff\u0750-\u077f']+|[\u0f40-\u0fbc]+|[\u1820-\u18aa]+"
)
"""Letters make words, Tibetan ones syllables; in the other scripts one sign or two mean something."""
_STEM: Final = 4
_TOLD: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """What one meaning sounds like.

    Attributes:
        weights: Pieces of normalised text and how much each speaks for the meaning, in hundredths: whole numbers, so
            that their sum is the same in any order.
        start: The weight of a text of which no piece is known.
        bar: What the weight of a text must be above.
    """

    weights: Mapping[str, int] = field(default_factory=dict)
    start: int = 0
    bar: int = 0
    _signs: tuple[str, ...] = field(init=False)
    _pass: AhoCorasick = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the one pass over a text for what is no word."""
        object.__setattr__(self, "_signs", tuple(piece for piece in self.weights if WORD.match(piece) is None))
        object.__setattr__(self, "_pass", AhoCorasick(self._signs))

    def heard_in(self, text: str) -> tuple[str, ...] | None:
        """Return the pieces that weigh most in the sentence that sounds most like it; None if none does.

        Each sentence is weighed by itself, so that what else is said before or later takes nothing back.

        Args:
            text: As ``normalise`` returns it; messages may be told apart by a line end.
        """
        if not self.weights:
            return None
        weight, known = max(map(self.weigh, _SENTENCE.split(text)), key=lambda weighed: weighed[0])
        return self.told_of(known) if weight > self.bar else None

    def weigh(self, text: str) -> tuple[int, set[str]]:
        """Return the weight of a normalised text, and the pieces with a weight that stand in it."""
        known = self.known_in(text)
        return self.start + sum(map(self.weights.__getitem__, known)), known

    def known_in(self, text: str) -> set[str]:
        """Return the pieces with a weight that stand in a normalised text."""
        known = {self._signs[n] for n, _, _ in self._pass.find_matches_as_indexes(text, overlapping=True)}
        words = set(WORD.findall(text))
        return known.union(self.weights.keys() & words, self.weights.keys() & stems(words)) if words else known

    def told_of(self, known: Iterable[str]) -> tuple[str, ...]:
        """Return the pieces that weigh most, at most three, none of which is a part of another."""
        told: list[str] = []
        for piece in sorted(known, key=lambda each: (-self.weights[each], each)):
            bare = piece.rstrip("*")
            apart = not any(bare in each or each in bare for each in (one.rstrip("*") for one in told))
            if len(told) < _TOLD and self.weights[piece] > 0 and apart:
                told.append(piece)
        return tuple(told)


class Heard(NamedTuple):
    """What a text sounds like.

    Attributes:
        meaning: Which of those it may have.
        pieces: Of it, those that weigh most for that.
        certainty: How likely it is that, from 0 to 1, by the weights.
        sure: Whether it outweighs all others together by the meaning's bar: with a bar of 50, 1.6 times.
    """

    meaning: str
    pieces: tuple[str, ...]
    certainty: float
    sure: bool


def likest(meanings: Mapping[str, Likeness], text: str) -> Heard | None:
    """Return what a whole text sounds like most; None if nothing in it speaks for that.

    Their weights were learnt together, so that by their exponentials they share what the text may mean.

    Args:
        meanings: What each sounds like.
        text: As ``Likeness.heard_in`` takes it.
    """
    weighed = {meaning: likeness.weigh(text) for meaning, likeness in meanings.items()}
    shares = {meaning: math.exp(weight / 100) for meaning, (weight, _) in weighed.items()}
    meaning = max(shares, key=shares.__getitem__, default="")  # of equals the first
    pieces = meanings[meaning].told_of(weighed[meaning][1]) if shares else ()
    if not pieces:
        return None
    share, whole = shares[meaning], math.fsum(shares.values())
    sure = share > math.exp(meanings[meaning].bar / 100) * (whole - share)
    return Heard(meaning, pieces, share / whole, sure=sure)


def stems(words: Iterable[str]) -> set[str]:
    """Return how long words begin (``smok*``)."""
    return {f"{word[:_STEM]}*" for word in words if len(word) > _STEM}
