"""A figure over several seeds: its mean and how sure that is. Pure.

Decided here: the interval is Student's (1908), 95 %. With the few seeds there are a bootstrap of the mean, as it was
here before, is too narrow: of ten seeds it holds the true mean nine times in ten, of three not even eight.
"""

from __future__ import annotations

import math
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.quality.matrix import Run

_STUDENT: Final = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Quantile 0.975 of Student's t with 1, 2, ... degrees of freedom; the last stands for more, 4 % too wide at most."""


class Spread(NamedTuple):
    """Mean and 95 % interval; all NaN where there is no value, the interval where there is only one."""

    mean: float
    low: float
    high: float

    def shown(self, digits: int, most: float = math.inf, *, times: int = 1) -> str:
        """Return the mean and, in brackets, the interval where there is one, ending no higher than can be."""
        if math.isnan(self.mean):
            return "–"
        mean, low, high = (f"{times * one:,.{digits}f}" for one in (self.mean, self.low, min(self.high, most)))
        return mean if math.isnan(self.low) else f"{mean} ({low}–{high})"

    def percent(self) -> str:
        """Return the same of a share."""
        return "–" if math.isnan(self.mean) else f"{self.shown(1, 1.0, times=100)} %"


def spread(values: Iterable[float | None]) -> Spread:
    """Return the mean of the values that are there, and its interval."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return Spread(math.nan, math.nan, math.nan)
    mean, free = fmean(known), len(known) - 1
    if not free:
        return Spread(mean, math.nan, math.nan)
    reach = _STUDENT[min(free, len(_STUDENT)) - 1] * stdev(known) / math.sqrt(len(known))
    return Spread(mean, max(mean - reach, min(0.0, *known)), mean + reach)  # no lower than what there can be


def mean_of(runs: Iterable[Run], preset: str, method: str, figure: str) -> float:
    """Return the mean of one figure over the seeds of a preset; NaN where there is none."""
    return spread(one.figures[figure] for one in runs if one.preset == preset and one.method == method).mean


def holds_of(runs: Iterable[Run]) -> list[int]:
    """Return the holds that the engine was run with, in seconds, ascending."""
    return sorted({int(one.method.removeprefix("hold ")) for one in runs if one.method.startswith("hold ")})
