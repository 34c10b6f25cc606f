"""Whether a sentence sounds like danger though no word of the lists is in it.

Decided here: by which pieces stand in a sentence, each with a weight that was learnt from labelled utterances
(``tests/hearing/learn.py``). A list finds what was foreseen; strangers tell dangers in words that nobody foresaw.
Never here: the weights, what danger it is, that a crew is sent: a person looks first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ahocorasick_rs import AhoCorasick

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_SENTENCE: Final = re.compile(r"[.!?;\u3002\n]+")
WORD: Final = re.compile(
    "[a-z\u00df-\u024f\u0400-\u052f\u0620-\u06ff\u0750-\u077f']+|[\u0f40-\u0fbc]+|[\u1820-\u18aa]+"
)
"""Letters make words, Tibetan ones syllables; in the other scripts one sign or two mean something."""
_STEM: Final = 4
_TOLD: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class Suspicion:
    """What sounds like danger.

    Attributes:
        weights: Pieces of normalised text and how much each speaks for danger, in hundredths: whole numbers, so that
            their sum is the same in any order.
        start: The weight of a sentence of which no piece is known.
        bar: What the weight of a sentence must be above.
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
        """Return the pieces that weigh most in the sentence that sounds most like danger; None if none does.

        Each sentence is weighed by itself, so that what else is said before or later takes nothing back.

        Args:
            text: As ``normalise`` returns it; messages may be told apart by a line end.
        """
        most, heaviest = self.bar, None
        for sentence in _SENTENCE.split(text) if self.weights else ():
            known = self.known_in(sentence)
            weight = self.start + sum(map(self.weights.__getitem__, known))
            if weight > most:
                most, heaviest = weight, known
        return None if heaviest is None else tuple(self._told(heaviest))

    def known_in(self, sentence: str) -> set[str]:
        """Return the pieces with a weight that stand in a normalised sentence."""
        known = {self._signs[n] for n, _, _ in self._pass.find_matches_as_indexes(sentence, overlapping=True)}
        words = set(WORD.findall(sentence))
        return known.union(self.weights.keys() & words, self.weights.keys() & stems(words)) if words else known

    def _told(self, known: set[str]) -> Iterator[str]:
        """Yield the heaviest pieces, none of which is a part of another."""
        told: list[str] = []
        for piece in sorted(known, key=lambda each: (-self.weights[each], each)):
            bare = piece.rstrip("*")
            if len(told) < _TOLD and self.weights[piece] > 0 and not any(bare in each or each in bare for each in told):
                told.append(bare)
                yield piece


def stems(words: Iterable[str]) -> set[str]:
    """Return how long words begin (``smok*``)."""
    return {f"{word[:_STEM]}*" for word in words if len(word) > _STEM}
