"""The thresholds in force, as values. Their file and its checks are ``services.dedup.rules_file``.

Never here: a default. What a class needs is data of the operator (deploy/dedup.yaml).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.dedup.domain.clock import ServiceLevels
    from services.grid.tree import DeviceType

CELL: Final = "cell"
"""Class of the pseudo device ``cell:<H3 index>`` of an area without a network model."""

PLACE: Final = "place"
"""Class of the ground itself: a hazard that was seen somewhere, at no device we know."""

NO_HOLD: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Lift:
    """When a prediction moves up to a device of one class. All of it must hold.

    Attributes:
        transformers: Distinct transformers under the device with evidence, at least.
        share: Their share of all transformers under the device, at least, 0 to 1.
        branches: Distinct branches directly under the device that the evidence lies on, at least 2: evidence on
            one branch is explained by a device further down.
        window: Evidence older than this, seen from the latest report, does not count.
    """

    transformers: int
    share: float
    branches: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything the core can be told to do differently.

    Attributes:
        hash: Of the file the rules came from; it is with every decision.
        lifts: By class of the upstream device; a class that is not named is never predicted by lifting.
        holds: How long an order waits for more evidence, by device class; absent means not at all.
        separation: A report that joins an incident this long after its first report says nothing new about what
            is upstream of it.
        restored_tolerance: A report made less than this before a restoration is not taken for one of before.
        restored_memory: How long a restoration answers reports that were made before it and arrive after it.
        levels: When crew and power are due; None where no service level is set.
    """

    hash: str
    lifts: Mapping[DeviceType, Lift]
    holds: Mapping[str, timedelta]
    separation: timedelta
    restored_tolerance: timedelta
    restored_memory: timedelta
    levels: ServiceLevels | None = None

    def hold(self, device_class: str) -> timedelta:
        """Return how long the order of an incident at such a device waits."""
        return self.holds.get(device_class, NO_HOLD)
