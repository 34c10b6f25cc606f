"""Draws that several modules need. All chance comes from one seeded generator that is handed on."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

_T = TypeVar("_T")


def pick(rng: Random, weights: Mapping[_T, float]) -> _T:
    """Return one key, as often as its weight says."""
    return rng.choices(list(weights), list(weights.values()))[0]


def log_uniform(rng: Random, low: float, high: float) -> float:
    """Return a number between two, small ones as likely as large ones."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def minutes(rng: Random, low: float, high: float) -> timedelta:
    """Return a time between two numbers of minutes."""
    return timedelta(minutes=rng.uniform(low, high))
