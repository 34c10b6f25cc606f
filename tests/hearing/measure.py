"""What words and likeness make of the labelled utterances, against their labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.router.domain.classify import classify
from tests.hearing.labelled import DANGER, EITHER, KINDS, NO_BUSINESS, OPEN, OUTAGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.router.domain.classify import Classification
    from services.router.domain.reading import Keywords
    from tests.hearing.labelled import Said

_SENDS_SOMEBODY = frozenset({"fault_report", "complaint", "whistleblow"})


@dataclass
class Found:
    """How often something was found where it is, missed, and found where it is not."""

    right: int = 0
    missed: int = 0
    false: int = 0

    def count(self, is_so: bool, found: bool) -> bool:
        """Count one, and return whether it was read right."""
        self.right += is_so and found
        self.missed += is_so and not found
        self.false += found and not is_so
        return is_so is found

    @property
    def recall(self) -> float:
        """Share of what is there that is found; 1 where nothing is."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def precision(self) -> float:
        """Share of what is found that is there; 1 where nothing is found."""
        return self.right / (self.right + self.false) if self.right + self.false else 1.0


@dataclass
class Figures:
    """What was read right of some utterances.

    Attributes:
        said: How many are judged.
        danger: Danger of any kind.
        noticed: The same, named or only suspected.
        outage: Outages, of what is no danger.
        alone: That only the speaker's home is concerned.
        types: Business type right or not, of what is no danger.
        kinds: Kind of fault right or not, of faults that are no danger.
        astray: What is no business of a hotline's: taken for a fault, a complaint or a denunciation, or not.
        taken: The first right business type and the one it was taken for, where that is wrong.
        misread: Utterances of half A and what of them was misread.
    """

    said: int = 0
    danger: Found = field(default_factory=Found)
    noticed: Found = field(default_factory=Found)
    outage: Found = field(default_factory=Found)
    alone: Found = field(default_factory=Found)
    types: Counter[bool] = field(default_factory=Counter)
    kinds: Counter[bool] = field(default_factory=Counter)
    astray: Counter[bool] = field(default_factory=Counter)
    taken: Counter[tuple[str, str]] = field(default_factory=Counter)
    misread: list[tuple[str, str]] = field(default_factory=list)

    @property
    def suspected(self) -> float:
        """Share of what is no danger that is suspected of one, though no word names it."""
        return (self.noticed.false - self.danger.false) / (self.said - self.danger.right - self.danger.missed)

    def judge(self, one: Said, found: Classification) -> None:
        """Count one utterance."""
        if one.what == OPEN:
            return
        self.said += 1
        wrong = [] if self.danger.count(one.what == DANGER, bool(found.hazards)) else ["danger"]
        self.noticed.count(one.what == DANGER, found.may_be_danger)
        wrong += [] if self.alone.count(one.alone, found.single_premise) else ["alone"]
        if one.what != DANGER:
            wrong += self._judge_business(one, found)
        if wrong and one.half == "A":
            self.misread.append((one.text, ", ".join(wrong)))

    def _judge_business(self, one: Said, found: Classification) -> list[str]:
        wrong = []
        if one.what != EITHER and not self.outage.count(one.what == OUTAGE, found.is_outage):
            wrong.append("outage")
        if one.what in KINDS:
            self.kinds[found.fault == one.what] += 1
        if one.types == (NO_BUSINESS,):
            self.astray[found.business_type in _SENDS_SOMEBODY] += 1
            return wrong
        right = found.business_type in one.types
        self.types[right] += 1
        if not right:
            self.taken[one.types[0], found.business_type] += 1
            wrong.append("type")
        return wrong


def share(counted: Counter[bool]) -> float:
    """Return the share that was right."""
    return counted[True] / counted.total()


def measure(keywords: Keywords, said: Iterable[Said]) -> Figures:
    """Read utterances as the router reads contacts that chose nothing on the channel, and judge what it makes."""
    figures = Figures()
    for one in said:
        found = classify(
            keywords,
            choice=None,
            language=None,
            customer_language=None,
            text=one.text,
            hazards=keywords.read(one.text).hazards,
            single_premise=False,
        )
        figures.judge(one, found)
    return figures
