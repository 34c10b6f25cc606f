"""``python -m tests.hearing.learn``: writes ``deploy/likeness.txt``, what each meaning sounds like, from halves A.

``--without AUTHOR`` writes nothing, but learns from the others alone and shows what that finds of the one left out:
what to expect of strangers. ``--classify`` names the lists to find it beside, as they were before that author's
utterances mended them.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.router.domain.likeness import WORD, Likeness, stems
from services.router.domain.reading import by_message
from services.router.tree.keywords import read_keywords
from services.router.tree.likeness import FILE, written
from tests.hearing.labelled import DANGER, EITHER, FILES, KINDS, NO_BUSINESS, NOTHING, OPEN, OUTAGE, read_said
from tests.hearing.measure import measure, share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.hearing.labelled import Said

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
ABOUT: Final = """\
What contacts sound like where no word of classify.yaml says what they are. What sounds like danger waits at the
emergency desk, urgent, and a person looks at once; no crew is sent by it. What sounds most like a business type or a
kind of fault goes to the people of that; what sounds like an outage is reported for merging as one that nobody
confirmed. `none` is what wants nothing of the hotline. This file stands beside classify.yaml and is read with it, at
start and again whenever it changes. Made by `python -m tests.hearing.learn` from halves A of tests/hearing
(docs/routing.md).

A text weighs `start` and the weight of each piece that stands in it, once: a word, how words begin (smok*), one or two
characters. For danger each sentence is weighed by itself: above `bar` it sounds so. Of the other meanings the heaviest
is it, if it outweighs all others together (the logarithm of the sum of their exponentials) by its `bar`. A higher bar
marks fewer contacts, without pieces none is marked."""
PLACED: Final = tuple(read_said(Path(__file__).with_name("placed.txt").read_text(encoding="utf-8")))
"""Ordinary calls that name equipment, mostly to say where they are: few of an author's do, and they are no danger."""
MEANINGS: Final = (
    DANGER,
    *KINDS,
    "consultation",
    "enquiry",
    "complaint",
    "service_request",
    "praise",
    "suggestion",
    "opinion",
    "whistleblow",
    NO_BUSINESS,
)
_RARE: Final = 3
"""Pieces in fewer utterances tell nothing."""
_HELD: Final = 1.0
_HELD_DANGER: Final = 3.0
"""How strongly weights are held towards 0 (ridge)."""
_BAR: Final = -999
_BARS: Final = {DANGER: 0, OUTAGE: 80}
"""Hundredths above even odds. An order follows what sounds like an outage. Of all else the likeliest is it, however
unlikely: the queue where nobody knows is right less often than any guess."""
_LIGHT: Final = 5
"""Hundredths below which a piece is left out."""
_ROUNDS: Final = 30


def meaning_of(one: Said) -> str | None:
    """Return what an utterance sounds like to a person; None where the label leaves it open."""
    if one.what in {OPEN, EITHER}:
        return None
    return one.what if one.what != NOTHING else one.types[0]


def learn(said: Iterable[Said]) -> dict[str, Likeness]:
    """Return what tells danger from all else in labelled utterances, and the other meanings from one another.

    Each is a logistic regression, of danger by itself, of the others together (softmax), fitted weight by weight: a
    Newton step with the greatest curvature that the weight can have, so no step goes too far. Nothing is drawn by lot:
    equal utterances give equal weights.
    """
    judged = [(one, meaning) for one in said if (meaning := meaning_of(one)) is not None]
    where: dict[str, list[int]] = {}
    for n, (one, _) in enumerate(judged):
        for piece in pieces(by_message(one.text)):
            where.setdefault(piece, []).append(n)
    common = {piece: at for piece, at in sorted(where.items()) if len(at) >= _RARE}
    told = [meaning for _, meaning in judged]
    alone = _fitted(common, told, (DANGER,), others=1.0, held=_HELD_DANGER)
    together = _fitted(common, told, MEANINGS, others=0.0, held=_HELD)
    return {**together, **alone}


def _fitted(
    where: Mapping[str, Sequence[int]], told: Sequence[str], meanings: Iterable[str], *, others: float, held: float
) -> dict[str, Likeness]:
    """Return what tells meanings apart: from one another, and from all ``others`` if that is 1."""
    fits = {meaning: _Fit([one == meaning for one in told], dict.fromkeys(where, 0.0)) for meaning in meanings}
    wholes = [len(fits) + others] * len(told)
    everywhere = range(len(told))
    for _ in range(_ROUNDS):
        for fit in fits.values():
            fit.start += fit.step(everywhere, wholes, 0.0, 0.0)
            for piece, at in where.items():
                fit.weights[piece] += fit.step(at, wholes, fit.weights[piece], held)
    return {meaning: fit.likeness(_BARS.get(meaning, _BAR)) for meaning, fit in fits.items()}


@dataclass
class _Fit:
    """One meaning while it is fitted: which utterances have it, its weights, and its share in each utterance."""

    is_so: Sequence[bool]
    weights: dict[str, float]
    start: float = 0.0
    shares: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.shares = [1.0] * len(self.is_so)

    def step(self, at: Sequence[int], wholes: list[float], weight: float, held: float) -> float:
        """Move one weight, and the shares of the utterances it counts in; return by how much."""
        slope = sum(self.shares[n] / wholes[n] - self.is_so[n] for n in at) + held * weight
        moved = -slope / (len(at) / 4 + held)
        factor = math.exp(moved)
        for n in at:
            share = self.shares[n]
            self.shares[n] = share * factor
            wholes[n] += share * factor - share
        return moved

    def likeness(self, bar: int) -> Likeness:
        """Return what it came to, without what weighs next to nothing."""
        rounded = {piece: round(100 * weight) for piece, weight in self.weights.items()}
        heavy = {piece: weight for piece, weight in rounded.items() if abs(weight) >= _LIGHT}
        return Likeness(heavy, round(100 * self.start), bar)


def pieces(text: str) -> set[str]:
    """Return what may have a weight in a normalised text: words and their stems, else one letter or two."""
    words = set(WORD.findall(text))
    runs = re.split(r"[\W\d_]+", WORD.sub(" ", text))
    return words | stems(words) | {run[at : at + n] for run in runs for n in (1, 2) for at in range(len(run) - n + 1)}


def main() -> int:
    """Learn, and write or show."""
    parser = argparse.ArgumentParser(prog="python -m tests.hearing.learn", description=__doc__)
    parser.add_argument("--without", choices=FILES, help="learn from the other authors, and show what it finds")
    parser.add_argument(
        "--halves", choices=("A", "AB"), default="A", help="of which halves, with --without (default: A)"
    )
    parser.add_argument("--classify", type=Path, default=DEPLOY / "classify.yaml", help="the lists it is beside")
    arguments = parser.parse_args()
    said = {author: read_said(file.read_text(encoding="utf-8")) for author, file in FILES.items()}
    stranger = said.pop(arguments.without, None)
    meanings = learn([*PLACED, *(one for each in said.values() for one in each if one.half in arguments.halves)])
    if stranger is None:
        (DEPLOY / FILE).write_text(written(meanings, ABOUT), encoding="utf-8")
        return 0
    keywords = read_keywords(arguments.classify.name, arguments.classify.read_text(encoding="utf-8"), meanings)
    of_all = measure(keywords, stranger)
    of_outages = measure(keywords, (one for one in stranger if one.what == OUTAGE))
    for name, part in (
        ("dangers named", of_all.danger.recall),
        ("dangers named or suspected", of_all.noticed.recall),
        ("others suspected", of_all.suspected),
        ("outages suspected", of_outages.suspected),
    ):
        print(f"{name}: {part:.1%}")  # noqa: T201
    for beside, lists in (("lists alone", replace(keywords, likeness={})), ("and likeness", keywords)):
        found = measure(lists, stranger)
        outage = f"outages {found.outage.recall:.1%}, precision {found.outage.precision:.1%}"
        print(f"{beside}: {outage}; business type {share(found.types):.1%}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
