"""How well one outage of one device explains what meters and breakers said, beside the calls of people.

Decided here: the density of last gasps, and of the meters that gave none. Never here: which devices are compared
(``relook``), or how people call (``likelihood``).

A person calls minutes after the power went, if at all; a meter gasps within the minute or never. So gasps of one moment
are of one outage, they tell when it began, and those of another time are of another one. Of m meters known under a
device k gasped: an outage there loses a share of the gasps, the same under all of its branches, and nobody knows which
(a mesh goes dark with its meters). Integrated out, any share as likely as another, that is

    integral of q^k (1 - q)^(m - k) dq = B(k + 1, m - k + 1)

and so for the transformers that have meters at all, as nobody tells which those are. Where whole branches are silent
and others all but complete, several outages explain that better than one; where every branch lost its part, one does.
All times are seconds since the epoch; all results are natural logarithms.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from services.dedup.domain.likelihood import CERTAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.dedup.domain.incident import Incident
    from services.dedup.domain.likelihood import Likelihood
    from services.grid.device import DeviceType

WAIT: Final = 37.0
"""Seconds from the moment the power goes to the gasp: meters sit out what recloses at once (30 to 45 s by vendors)."""
NEAR: Final = 60.0
"""Seconds between a gasp and the middle one of its outage: how long meters wait differs, and so do their clocks."""
DENSITY: Final = -math.log(2.0 * NEAR)
"""Of a gasp that is near the others of its outage, as a logarithm."""


class Metered(NamedTuple):
    """What is known of the meters under a device; of each only since it first said anything."""

    meters: int
    transformers: int
    """Where a meter is known."""
    others: int
    """Transformers of which no meter is known."""


def with_gasps(
    weigh: Likelihood,
    kind: DeviceType,
    customers: int,
    calls: Sequence[float],
    gasps: Sequence[float],
    metered: Metered,
    now: float,
) -> float:
    """Return the log likelihood of one outage of one device.

    Args:
        weigh: The densities of people's calls.
        kind: Class of the device.
        customers: Customers under it.
        calls: Times of people's first calls, ascending; may be empty.
        gasps: Times at which meters and breakers first said that they are without supply, ascending, at least one.
        metered: The meters under the device.
        now: Until when all others have kept silent.
    """
    middle = gasps[len(gasps) // 2]
    near = sum([abs(at - middle) <= NEAR for at in gasps])
    begun = middle - WAIT
    said = (near - 1) * DENSITY + (len(gasps) - near) * weigh.stray
    said += _any_share(near, metered.meters - near) + _any_share(metered.transformers, metered.others)
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
