"""The rules in force, as values. Their file and its checks are ``services.dedup.rules_file``.

Never here: a default. What a class needs is data of the operator (deploy/dedup.yaml).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.dedup.domain.night import Night
from services.dedup.domain.service_levels import ServiceLevels
from services.dedup.domain.storm import StormRules
from services.grid.device import DeviceType

CELL: Final = "cell"
"""Class of the pseudo device ``cell:<H3 index>`` of an area without a network model."""

PLACE: Final = "place"
"""Class of the ground itself: a hazard that was seen somewhere, at no device we know."""

METERS: Final = "meters"
"""Class of what waits of an outage that only meters and breakers spoke of, at whatever device."""
BREAKERS: Final = "breakers"
"""The same of an outage that no customer's meter spoke of either: a breaker, or a transformer's own meter."""

NO_HOLD: Final = timedelta(0)


@dataclass(frozen=True, slots=True)
class Inference:
    """What the engine believes before it has seen an area (``likelihood`` says how it is used).

    Attributes:
        rates: By class of a device, the log of how often one of them opens, a second.
        home: The log of how often the own line of one home breaks, a second; None where that is not weighed.
        share: Share of the customers without power who report it, before anything was learned.
        share_weight: How many customers without power must have been seen for what they did to count as much.
        delay_median: Seconds within which half of those who report have done so, before anything was learned.
        delay_weight: How many reports must have been seen for their delays to count as much.
        delay_spread: Sigma of the log-normal delay.
        silence_weight: What the silence of one customer counts of what it would if all decided independently.
        stray: Log density, a second, of a call at any odd time: a clock that is off, a neighbour who heard of it.
        lift_margin: How much likelier a common cause must be, as a logarithm.
        fresh: Seconds since their first report in which outages are one if that is likelier at all: their orders went
            out a moment ago, and the first look (``relook``) takes apart what silence contradicts.
        few_margin: How much less likely than usual it is that fewer report, nobody knows how many, as a logarithm.
        split_margin: How much likelier causes apart must be, as a logarithm.
        restored_margin: The same where power is back at a device inside: what lay there had a cause of its own.
        enough: An incident with this share of the calls its device would make by now needs no second look.
        wave: How much likelier a second wave of calls must be than the tail of the first, as a logarithm.
        relook: Seconds after a lift at which it is looked at again, ascending.
    """

    rates: Mapping[DeviceType, float]
    share: float
    share_weight: float
    delay_median: float
    delay_weight: float
    delay_spread: float
    silence_weight: float
    stray: float
    lift_margin: float
    split_margin: float
    restored_margin: float
    enough: float
    wave: float
    relook: tuple[float, ...]
    home: float | None = None
    few_margin: float = math.inf
    fresh: float = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything the core can be told to do differently.

    Attributes:
        hash: Of the file the rules came from; it is with every decision.
        inference: Priors, densities and margins.
        holds: How long an order waits for more evidence, by device class; absent means not at all.
        trusted_lag: A report that says it was made longer than this before it arrived has a wrong clock.
        restored_tolerance: A report made less than this before a restoration is not taken for one of before.
        restored_memory: How long a restoration answers reports that were made before it and arrive after it.
        still_out: Who reports this soon after a restoration never had power back.
        levels: When crew and power are due; None where no service level is set.
        storm: When an area is in a storm, and what then holds; None where none ever is.
        night: When people sleep; None where that is not weighed.
        closed_after: How long all meters of an outage that only machines spoke of must have said that power is back
            for it to be closed; None where only a crew or a person closes it.
        early: How long before a planned outage begins a meter or breaker that goes dark under it is of it.
        asked_twice: Whether a meter that had gone dark is still out only once it has not answered twice after power was
            back.
    """

    hash: str
    inference: Inference
    holds: Mapping[str, timedelta]
    trusted_lag: timedelta
    restored_tolerance: timedelta
    restored_memory: timedelta
    still_out: timedelta
    levels: ServiceLevels | None = None
    storm: StormRules | None = None
    night: Night | None = None
    closed_after: timedelta | None = None
    early: timedelta = NO_HOLD
    asked_twice: bool = False

    def hold(self, device_class: str) -> timedelta:
        """Return how long the order of an incident at such a device waits."""
        return self.holds.get(device_class, NO_HOLD)

    def read_alike(self, other: Rules) -> bool:
        """Tell whether an area that is loaded by these rules knows the same as one that is loaded by others."""
        return (self.trusted_lag, self.restored_memory) == (other.trusted_lag, other.restored_memory)
