"""``python -m tests.hearing.learn``: writes ``deploy/suspicion.txt``, what sounds like danger, from halves A.

``--without AUTHOR`` writes nothing, but learns from the others alone and shows what that finds of the one left out:
what to expect of strangers. ``--classify`` names the lists to find it beside, as they were before that author's
utterances mended them.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.router.domain.classify import by_message
from services.router.domain.suspicion import WORD, Suspicion, stems
from services.router.tree.keywords import read_keywords
from services.router.tree.suspicion import FILE, written
from tests.hearing.labelled import DANGER, FILES, OPEN, OUTAGE, read_said

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.router.domain.classify import Keywords
    from tests.hearing.labelled import Said

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
ABOUT: Final = """\
What sounds like danger where no word of classify.yaml names one: such a contact waits at the emergency desk, urgent,
and a person looks at once; no crew is sent by it. It stands beside classify.yaml and is read with it, at start and
again whenever it changes. Made by `python -m tests.hearing.learn` from halves A of tests/hearing (docs/routing.md).

A sentence weighs `start` and the weight of each piece that stands in it, once: a word, how words begin (smok*), one or
two characters. Above `bar` it sounds like danger; a higher bar marks fewer contacts, without pieces none is marked."""
PLACED: Final = tuple(read_said(Path(__file__).with_name("placed.txt").read_text(encoding="utf-8")))
"""Ordinary calls that name equipment, mostly to say where they are: few of an author's do, and they are no danger."""
_RARE: Final = 3
"""Pieces in fewer utterances tell nothing."""
_HELD: Final = 3.0
"""How strongly weights are held towards 0 (ridge)."""
_LIGHT: Final = 5
"""Hundredths below which a piece is left out."""
_ROUNDS: Final = 30


def learn(said: Iterable[Said]) -> Suspicion:
    """Return what tells danger in labelled utterances: a logistic regression, fitted weight by weight.

    Each step is a Newton step with the greatest curvature that a weight can have, so no step goes too far. Nothing is
    drawn by lot: equal utterances give equal weights.
    """
    judged = [one for one in said if one.what != OPEN]
    dangers = [one.what == DANGER for one in judged]
    where: dict[str, list[int]] = {}
    for n, one in enumerate(judged):
        for piece in pieces(by_message(one.text)):
            where.setdefault(piece, []).append(n)
    everywhere = list(range(len(judged)))
    common = {piece: at for piece, at in sorted(where.items()) if len(at) >= _RARE}
    weights = dict.fromkeys(common, 0.0)
    start, sums = 0.0, [0.0] * len(judged)
    for _ in range(_ROUNDS):
        start += _step(everywhere, sums, dangers, 0.0, 0.0)
        for piece, at in common.items():
            weights[piece] += _step(at, sums, dangers, weights[piece], _HELD)
    rounded = {piece: round(100 * weight) for piece, weight in weights.items()}
    return Suspicion({piece: weight for piece, weight in rounded.items() if abs(weight) >= _LIGHT}, round(100 * start))


def pieces(text: str) -> set[str]:
    """Return what may have a weight in a normalised text: words and their stems, else one letter or two."""
    words = set(WORD.findall(text))
    runs = re.split(r"[\W\d_]+", WORD.sub(" ", text))
    return words | stems(words) | {run[at : at + n] for run in runs for n in (1, 2) for at in range(len(run) - n + 1)}


def _step(at: Sequence[int], sums: list[float], dangers: Sequence[bool], weight: float, held: float) -> float:
    """Move one weight, and the sums of the utterances it counts in; return by how much."""
    slope = sum(1 / (1 + math.exp(-sums[n])) - dangers[n] for n in at) + held * weight
    moved = -slope / (len(at) / 4 + held)
    for n in at:
        sums[n] += moved
    return moved


def found_of(keywords: Keywords, said: Iterable[Said]) -> dict[str, float]:
    """Return the shares of dangers that are named, and named or suspected, and of others and outages suspected."""
    read = [(one, keywords.read(one.text)) for one in said if one.what != OPEN]
    dangers = [(bool(reading.hazards), reading.suspected is not None) for one, reading in read if one.what == DANGER]
    others = [reading.suspected is not None for one, reading in read if one.what != DANGER]
    outages = [reading.suspected is not None for one, reading in read if one.what == OUTAGE]
    return {
        "dangers named": sum(named for named, _ in dangers) / len(dangers),
        "dangers named or suspected": sum(map(any, dangers)) / len(dangers),
        "others suspected": sum(others) / len(others),
        "outages suspected": sum(outages) / len(outages),
    }


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
    suspicion = learn([*PLACED, *(one for each in said.values() for one in each if one.half in arguments.halves)])
    if stranger is None:
        (DEPLOY / FILE).write_text(written(suspicion, ABOUT), encoding="utf-8")
        return 0
    keywords = read_keywords(arguments.classify.name, arguments.classify.read_text(encoding="utf-8"), suspicion)
    for name, share in found_of(keywords, stranger).items():
        print(f"{name}: {share:.1%}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
