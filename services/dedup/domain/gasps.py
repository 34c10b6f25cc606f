"""How well one outage of one device explains what meters and breakers said, beside the calls of people.

Decided here: the density of last gasps, and of the transformers of which no meter gave one. Never here: which devices
are compared (``relook``), or how people call (``likelihood``).

A person calls minutes after the power went, if at all; a meter gasps within the minute or never. So gasps of one moment
are of one outage, they tell when it began, and those of another time are of another one. Of n transformers under a
device k have a meter that gasped: some share of them has meters whose gasps got through, under all branches the same,
and nobody knows which. Integrated out, any share as likely as another, that is

    integral of q^k (1 - q)^(n - k) dq = B(k + 1, n - k + 1)

Where whole branches are silent and others all but complete, several outages explain that better than one; where a part
of every branch is, one does. How many of a transformer's meters gasped tells nothing: nobody knows how many it has, and
a mesh goes dark with its meters. All times are seconds since the epoch; all results are natural logarithms.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from services.dedup.domain.likelihood import CERTAIN
from services.dedup.domain.report import SAT_OUT
from services.grid.device import DeviceType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.dedup.domain.incident import Incident
    from services.dedup.domain.likelihood import Likelihood

WAIT: Final = SAT_OUT.total_seconds()
"""Seconds from the beginning of an outage to the time of a gasp at most: some meters write down when they speak."""
NEAR: Final = 60.0
"""Seconds between a gasp and the middle one of its outage: how long meters wait differs, and so do their clocks."""
DENSITY: Final = -math.log(2.0 * NEAR)
"""Of a gasp that is near the others of its outage, as a logarithm."""


class Gasp(NamedTuple):
    """When a meter or breaker first said that it is without supply, and where."""

    at: float
    device: str | None


class Outage(NamedTuple):
    """One outage of one device as it is weighed: what it is of, and how much is under that."""

    device: str
    kind: DeviceType
    customers: int
    transformers: int


def with_gasps(weigh: Likelihood, outage: Outage, calls: Sequence[float], gasps: Sequence[Gasp], now: float) -> float:
    """Return the log likelihood of one outage of one device.

    Args:
        weigh: The densities of people's calls.
        outage: What it is of.
        calls: Times of people's first calls, ascending; may be empty.
        gasps: Who first said when that it has no supply, ascending, at least one.
        now: Until when all others have kept silent.
    """
    device, kind, customers, transformers = outage
    middle = gasps[len(gasps) // 2].at
    near = [gasp for gasp in gasps if abs(gasp.at - middle) <= NEAR]
    told = len({gasp.device for gasp in near if gasp.device != device or kind is DeviceType.TRANSFORMER})
    said = (len(near) - 1) * DENSITY + (len(gasps) - len(near)) * weigh.stray
    if told:  # else it is the device itself that said so
        said += _any_share(told, transformers - told)
    begun = middle - WAIT
    quiet = weigh.silence(customers - len(calls), now - begun, max(1, len(calls)))
    best = weigh.rates.get(kind, CERTAIN) + said + weigh.calls(calls, begun, quiet)
    if calls:  # what began long before any of them: they are nothing of it
        best = max(best, weigh.of_device(kind, customers, calls, len(calls), now) + len(gasps) * weigh.stray)
    return best


def is_about(onset: float, gasp: float, *, by_people: bool) -> bool:
    """Tell whether a meter that gasped may be of an outage with that onset; people call at any time after it."""
    return onset >= gasp - 2.0 * NEAR and (by_people or onset <= gasp + 2.0 * NEAR)


def of_one_time(outage: Incident, others: Iterable[Incident]) -> list[Incident]:
    """Return those of some incidents that are not of meters alone which gasped at another time than an outage's own."""
    gasps = sorted(one.made_at.timestamp() for one in outage.reports.values() if not one.has_ticket)
    if not gasps:
        return list(others)
    middle = gasps[len(gasps) // 2]
    return [one for one in others if one.standing.people or is_about(middle, one.standing.calls[0], by_people=False)]


def _any_share(some: int, others: int) -> float:
    """Return how likely it is that some did and others did not, whatever share of them does."""
    others = max(others, 0)
    return math.lgamma(some + 1) + math.lgamma(others + 1) - math.lgamma(some + others + 2)
