"""``suspicion.txt`` to what sounds like danger.

Decided here: what a file of weights may say, every fault with its line. Never here: the weights, which
``python -m tests.hearing.learn`` writes.
"""

from __future__ import annotations

import re
from typing import Final

from services.router.domain.suspicion import Suspicion
from services.runtime.yaml_reading import FORMAT, Fault, RulesError

FILE: Final = "suspicion.txt"
_WEIGHT: Final = re.compile(r"[+-]?\d{1,3}\.\d\d")
_NUMBERS: Final = ("start", "bar")


def read_suspicion(file: str, text: str) -> Suspicion:
    """Read the weights.

    Raises:
        RulesError: every fault, with its line.
    """
    faults: list[Fault] = []
    weights: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for line, said in enumerate(text.splitlines(), 1):
        first, *rest = said.split() or ["#"]
        if first.startswith("#"):
            continue
        if first == "version":
            faults += [] if rest == [FORMAT] else [Fault(line, f"version must be {FORMAT}")]
        elif first in _NUMBERS and len(rest) == 1 and _WEIGHT.fullmatch(rest[0]) is not None:
            numbers[first] = _hundredths(rest[0])
        elif _WEIGHT.fullmatch(first) is not None and rest:
            for piece in rest:
                if weights.setdefault(piece, _hundredths(first)) != _hundredths(first):
                    faults.append(Fault(line, f"{piece!r} has another weight above"))
        else:
            faults.append(
                Fault(line, "is neither 'start 0.00', 'bar 0.00' nor a weight with its pieces: '+0.31 ab cd'")
            )
    faults += [Fault(1, f"has no {name}") for name in _NUMBERS if name not in numbers]
    if faults:
        raise RulesError(file, faults)
    return Suspicion(weights, numbers["start"], numbers["bar"])


def written(suspicion: Suspicion, about: str) -> str:
    """Return what the file says: what speaks most for danger first.

    Args:
        suspicion: The weights.
        about: Where they are from, lines of a comment.
    """
    by_weight: dict[int, list[str]] = {}
    for piece in sorted(suspicion.weights):
        by_weight.setdefault(suspicion.weights[piece], []).append(piece)
    lines = [f"# {line}".rstrip() for line in about.splitlines()]
    lines += [f"version {FORMAT}", f"start {suspicion.start / 100:.2f}", f"bar {suspicion.bar / 100:.2f}"]
    lines += [f"{weight / 100:+.2f} {' '.join(by_weight[weight])}" for weight in sorted(by_weight, reverse=True)]
    return "\n".join(lines) + "\n"


def _hundredths(number: str) -> int:
    return round(float(number) * 100)
