"""The figures a storm is drawn from, each with its source.

Decided here: sizes, durations, reporting behaviour, errors of evidence, and the mix of business. Never here: a draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from services.contracts.values import Channel

Curve = tuple[tuple[float, float], ...]

CUSTOMERS_OUT: Final[Curve] = ((0.0, 1), (0.59, 1), (0.75, 13), (0.90, 104), (0.99, 1998), (1.0, 4000))
"""Share of outages with at most so many customers: 230,236 outages of two utilities, planned ones removed. The last
point is ours."""

HOURS_OUT: Final[Curve] = ((0.0, 0.3), (0.05, 1.0), (0.5, 3.2), (0.95, 25.0), (1.0, 72.0))
"""Share of outages that last at most so many hours, from the same records. The first and last point are ours."""


def quantile(curve: Curve, share: float) -> float:
    """Return the value at ``share`` (0 to 1), on straight lines over the logarithm between the curve's points."""
    for (left, low), (right, high) in pairwise(curve):
        if share <= right:
            along = (share - left) / (right - left)
            return math.exp(math.log(low) + along * (math.log(high) - math.log(low)))
    return curve[-1][1]


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of storm.

    Shares are 0 to 1, times are seconds of storm time.

    Attributes:
        faults: True outages, nested ones not counted.
        seconds: From the first fault to the last report.
        peak: Alpha and beta of the starts' beta distribution over ``seconds``: the storm rises fast, dies out slowly.
        restores: Whether faults end, and people who have power again keep still.
        darkest: Share of an area's customers that large faults may take in the whole storm, one after another.
        nested: Faults of ten customers and more under which something else is broken too, found when power is back.
        steps: Faults of twenty customers and more whose power comes back branch by branch.
        restoration_missing: Restorations that no crew ever tells of.
        restoration_late: Restorations that a crew tells of only later, half of them within twenty minutes.
        reporting: Lowest and highest share of a fault's customers who report it. Schneider Electric 2012: 8 to 12 %.
        delay_median: Half of those who report do so within this time.
        delay_spread: Sigma of the log-normal delay: a heavy tail, some call hours later.
        channels: How people report.
        repeats: Reports whose customer reports the same fault again, by any channel.
        resends: Events that their sender sends twice, byte for byte: a webhook retried.
        hazards: Faults of lines and devices at which somebody sees danger.
        street_hazards: Dangers without an outage, for each fault.
        other: Cases of other business, for each outage report.
        arrears: Calls "my power is out" of customers cut off for arrears, for each fault.
        says_only_mine: Customers with a fault of their own who say that the neighbours have power.
        wrong_account: Given accounts that are another customer's.
        unknown_account: Given accounts that nobody has.
        no_place: Reports that carry nothing to place them by.
        address_only: Reports that carry an address as people say it and nothing else.
        misspelt: Addresses whose street is misspelt or misheard: none in the presets, whose figures are published.
        names_device: Reports whose words name the transformer: its plate hangs on the pole.
        clock_off: App, web and WeChat reports by a clock that is minutes to a day off.
        offline: App reports that wait minutes to half an hour for the network to come back.
        english: People who write or speak English.
    """

    faults: int = 150
    seconds: float = 2 * 3600.0
    peak: tuple[float, float] = (2.0, 4.0)
    restores: bool = False
    darkest: float = 0.5
    nested: float = 0.0
    steps: float = 0.0
    restoration_missing: float = 0.0
    restoration_late: float = 0.0
    reporting: tuple[float, float] = (0.08, 0.12)
    delay_median: float = 300.0
    delay_spread: float = 1.3
    channels: tuple[tuple[Channel, float], ...] = (
        (Channel.PHONE, 0.45),
        (Channel.APP, 0.25),
        (Channel.WECHAT, 0.20),
        (Channel.WEB, 0.10),
    )
    repeats: float = 0.10
    resends: float = 0.03
    hazards: float = 0.15
    street_hazards: float = 0.05
    other: float = 0.35
    arrears: float = 0.08
    says_only_mine: float = 0.7
    wrong_account: float = 0.02
    unknown_account: float = 0.02
    no_place: float = 0.03
    address_only: float = 0.05
    misspelt: float = 0.0
    names_device: float = 0.01
    clock_off: float = 0.02
    offline: float = 0.02
    english: float = 0.08
