"""A figure over several seeds: its mean and how sure that is. Pure.

Decided here: the interval is a 95 % bootstrap of the mean over seeds (percentile method, Efron 1979), with dice of its
own, so that equal figures give equal intervals.
"""

from __future__ import annotations

import math
from random import Random
from statistics import fmean
from typing import TYPE_CHECKING, Final, NamedTuple

from services.quality.score import percentile

if TYPE_CHECKING:
    from collections.abc import Iterable

_DRAWS: Final = 2000


class Spread(NamedTuple):
    """Mean and 95 % interval; all NaN where there is no value."""

    mean: float
    low: float
    high: float


def spread(values: Iterable[float | None]) -> Spread:
    """Return the mean of the values that are there, and its interval."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return Spread(math.nan, math.nan, math.nan)
    rng = Random(f"gridline/bootstrap/{len(known)}")  # noqa: S311 - must be repeatable, not unguessable
    means = [fmean(rng.choices(known, k=len(known))) for _ in range(_DRAWS)]
    return Spread(fmean(known), percentile(means, 0.025), percentile(means, 0.975))
