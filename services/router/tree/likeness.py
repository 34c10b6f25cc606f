"""``likeness.txt`` to what each meaning sounds like.

Decided here: what a file of weights may say, every fault with its line. Never here: the weights, which
``python -m tests.hearing.learn`` writes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from services.router.domain.likeness import Likeness
from services.runtime.yaml_reading import FORMAT, Fault, RulesError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "likeness.txt"
_WEIGHT: Final = re.compile(r"[+-]?\d{1,3}\.\d\d")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_LIKE: Final = "like"
_START: Final = "start"
_BAR: Final = "bar"
_NUMBERS: Final = (_START, _BAR)


@dataclass(slots=True)
class _Meaning:
    line: int
    weights: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Lines:
    """What the lines so far say."""

    faults: list[Fault] = field(default_factory=list)
    meanings: dict[str, _Meaning] = field(default_factory=dict)
    has_version: bool = False

    def take(self, line: int, first: str, rest: list[str]) -> None:
        """Take in one line: its first word and the others."""
        if first == "version":
            self.has_version = True
            self.faults += [] if rest == [FORMAT] else [Fault(line, f"version must be {FORMAT}")]
        elif first == _LIKE and len(rest) == 1 and _NAME.fullmatch(rest[0]) is not None:
            if rest[0] in self.meanings:
                reason = f"{rest[0]!r} stands twice, first on line {self.meanings.pop(rest[0]).line}"
                self.faults.append(Fault(line, reason))
            self.meanings[rest[0]] = _Meaning(line)
        elif not self.meanings:
            self.faults.append(Fault(line, "stands before the first meaning ('like danger')"))
        else:
            self._say(line, first, rest, next(reversed(self.meanings.values())))

    def _say(self, line: int, first: str, rest: list[str], meaning: _Meaning) -> None:
        if first in _NUMBERS and len(rest) == 1 and _WEIGHT.fullmatch(rest[0]) is not None:
            meaning.numbers[first] = _hundredths(rest[0])
        elif _WEIGHT.fullmatch(first) is not None and rest:
            for piece in rest:
                if meaning.weights.setdefault(piece, _hundredths(first)) != _hundredths(first):
                    self.faults.append(Fault(line, f"{piece!r} has another weight above"))
        else:
            reason = "is no 'like danger', 'start 0.00', 'bar 0.00' or weight with its pieces: '+0.31 ab cd'"
            self.faults.append(Fault(line, reason))


def read_likeness(file: str, text: str) -> dict[str, Likeness]:
    """Read the weights of each meaning.

    Raises:
        RulesError: every fault, with its line.
    """
    found = _Lines()
    for line, said in enumerate(text.splitlines(), 1):
        first, *rest = said.split() or ["#"]
        if not first.startswith("#"):
            found.take(line, first, rest)
    faults = found.faults + ([] if found.has_version else [Fault(1, "has no version")])
    for name, one in found.meanings.items():
        faults += [Fault(one.line, f"{name!r} has no {need}") for need in _NUMBERS if need not in one.numbers]
    if faults:
        raise RulesError(file, sorted(faults, key=lambda fault: fault.line))
    return {name: Likeness(one.weights, one.numbers[_START], one.numbers[_BAR]) for name, one in found.meanings.items()}


def written(meanings: Mapping[str, Likeness], about: str) -> str:
    """Return what the file says: of each meaning what speaks most for it first.

    Args:
        meanings: The weights of each.
        about: Where they are from, lines of a comment.
    """
    lines = [f"# {line}".rstrip() for line in about.splitlines()]
    lines.append(f"version {FORMAT}")
    for name, likeness in meanings.items():
        by_weight: dict[int, list[str]] = {}
        for piece in sorted(likeness.weights):
            by_weight.setdefault(likeness.weights[piece], []).append(piece)
        lines += ["", f"{_LIKE} {name}"]
        lines += [f"{_START} {likeness.start / 100:.2f}", f"{_BAR} {likeness.bar / 100:.2f}"]
        lines += [f"{weight / 100:+.2f} {' '.join(by_weight[weight])}" for weight in sorted(by_weight, reverse=True)]
    return "\n".join(lines) + "\n"


def _hundredths(number: str) -> int:
    return round(float(number) * 100)
