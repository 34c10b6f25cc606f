"""Figures with their spread, as tables for people and JSON for machines.

Decided here: what is said of a figure: every sample, the reach it is held against, and how busy others kept the
machine meanwhile. Never here: a verdict that ends in an exit status; a slow neighbour must not fail a build.
"""

from __future__ import annotations

import json
import math
import os
import platform
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from rich.markup import escape
from rich.table import Table

from tests.bench.machine import known, yardstick

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from tests.bench.machine import Spell

_WHOLE = 1000
_PLAIN = 100


@dataclass(frozen=True)
class Reach:
    """What issue 3 asks of a figure."""

    sense: Literal["at least", "under"]
    value: float

    def holds(self, value: float) -> bool:
        """Whether a value fulfils it."""
        return value >= self.value if self.sense == "at least" else value < self.value


@dataclass
class Figure:
    """One measured quantity.

    Attributes:
        samples: One for each repetition.
        reach: What it is held against, if anything.
        note: How to read it.
        spells: What the machine did while each sample was taken.
    """

    name: str
    unit: str
    samples: list[float]
    reach: Reach | None = None
    note: str = ""
    spells: list[Spell] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Middle sample."""
        return median(self.samples)

    def as_json(self) -> dict[str, Any]:
        """Everything, with the reach beside the value."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": known(self.median),
            "min": known(min(self.samples)),
            "max": known(max(self.samples)),
            "samples": [known(sample) for sample in self.samples],
            "reach": f"{self.reach.sense} {shown(self.reach.value)} {self.unit}" if self.reach else None,
            "reached": self.reach.holds(self.median) if self.reach else None,
            "note": self.note,
            "machine": [spell.as_json() for spell in self.spells],
        }

    def row(self) -> tuple[str, ...]:
        """Name, median, spread, reach, other load, note."""
        spread = f"{shown(min(self.samples))} - {shown(max(self.samples))}" if len(self.samples) > 1 else ""
        reach = ""
        if self.reach is not None:
            colour, word = ("green", "reached") if self.reach.holds(self.median) else ("yellow", "short")
            reach = f"{self.reach.sense} {shown(self.reach.value)}: [{colour}]{word}[/{colour}]"
        others = ", ".join(f"{spell.others:.2f}" for spell in self.spells)
        return (escape(self.name), f"{shown(self.median)} {self.unit}", spread, reach, others, escape(self.note))


def shown(value: float) -> str:
    """Three digits that matter."""
    if math.isnan(value):
        return "unknown"
    if abs(value) >= _WHOLE:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= _PLAIN else f"{value:.3g}"


def percentile(samples: Sequence[float], share: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Results:
    """Everything a run measured, on a machine and a Python as fast as ``machine.yardstick`` tells."""

    yardstick_ms: float = field(default_factory=yardstick)
    figures: dict[str, list[Figure]] = field(default_factory=dict)

    def add(self, group: str, *figures: Figure) -> None:
        """Put figures under a heading."""
        self.figures.setdefault(group, []).extend(figures)

    def show(self, console: Console) -> None:
        """Print a table a heading."""
        for group, figures in self.figures.items():
            table = Table(title=group, title_justify="left", title_style="bold")
            for column in ("figure", "median", "min - max", "reach", "others", "note"):
                table.add_column(column, justify="right" if column in {"median", "min - max"} else "left")
            for figure in figures:
                table.add_row(*figure.row())
            console.print(table)
        console.print("others: processor cores that programs other than this run kept busy, during each sample.")
        console.print(
            f"Python {platform.python_version()}, {self.yardstick_ms:.1f} ms for a fixed piece of plain Python:"
            " how fast this machine is now and how well its Python was built (docs/compiled.md)."
        )

    def write(self, file: Path, **about: object) -> None:
        """Write the JSON."""
        body = {
            "machine": {
                "cores": os.cpu_count(),
                "system": platform.system(),
                "python": platform.python_version(),
                "yardstick_ms": round(self.yardstick_ms, 2),
            },
            **about,
            "figures": {group: [one.as_json() for one in figures] for group, figures in self.figures.items()},
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
