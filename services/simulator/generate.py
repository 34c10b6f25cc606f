"""One storm from one seed.

Decided here: which draws depend on what, so that changing one figure of the shape does not reshuffle the rest. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from services.simulator.cases import draw_cases, misspell
from services.simulator.faults import draw_faults

if TYPE_CHECKING:
    from services.simulator.cases import Case
    from services.simulator.faults import Fault, Network
    from services.simulator.readings import Word
    from services.simulator.shape import Shape


@dataclass(frozen=True, slots=True)
class Storm:
    """A storm with its truth: every case names its fault.

    ``words`` are what instruments say of it, by arrival; None where there are none (``with_instruments``).
    """

    network: Network
    shape: Shape
    seed: int
    faults: tuple[Fault, ...]
    cases: tuple[Case, ...]
    words: tuple[Word, ...] | None = None


def draw_storm(network: Network, shape: Shape, seed: int) -> Storm:
    """Draw a storm; equal arguments give equal storms, on any machine.

    Raises:
        ValueError: the network has no customers.
    """
    faults = draw_faults(network, shape, dice(seed, "faults"))
    cases = draw_cases(network, faults, shape, dice(seed, "cases"))
    if shape.misspelt:
        cases = misspell(cases, shape.misspelt, dice(seed, "misspelt"))
    return Storm(network, shape, seed, faults, cases)


def dice(seed: int, purpose: str) -> Random:
    """Return a generator of its own for one purpose."""
    return Random(f"gridline/{seed}/{purpose}")  # noqa: S311 - a simulator must be repeatable, not unguessable
