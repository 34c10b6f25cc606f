"""What closed incidents teach: the share of customers who report an outage, and how soon.

Decided here: which closed incidents count, and how much against what was believed before. An outage that few reported,
as at night, says little of the next one, however large it was: it counts as the smallest that tells. So one night
changes nothing, and many teach that few ever report there. Deterministic: sums in the order of the area's own inputs,
saved with the area. Never here: how it is used (``likelihood``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from services.dedup.domain.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.dedup.domain.rules import Inference

_TELLING: Final = 50
"""Customers an outage needs to tell of the share: of small ones only those that somebody reported are known."""
_CROWD: Final = 8
"""Calls an incident needs to tell of the delay: with fewer its beginning is too uncertain."""


class Learned(NamedTuple):
    """Sums over an area's closed incidents.

    Attributes:
        dark: Customers without power, each weighed by how likely a caller would have called before power was back.
        called: Those among them who did.
        delays: Calls whose delay is known.
        log_delay: Sum of the logarithms of their delays in seconds.
    """

    dark: float = 0.0
    called: float = 0.0
    delays: float = 0.0
    log_delay: float = 0.0

    def likelihood(self, inference: Inference) -> Likelihood:
        """Return the densities that follow, with what was believed before as so many observations."""
        share = (inference.share * inference.share_weight + self.called) / (inference.share_weight + self.dark)
        before = math.log(inference.delay_median)
        location = (before * inference.delay_weight + self.log_delay) / (inference.delay_weight + self.delays)
        return Likelihood(inference, min(max(share, 0.001), 0.9), math.exp(location))

    def with_outage(
        self, likelihood: Likelihood, customers: int, calls: Sequence[float], callers: int, ended: float
    ) -> Learned:
        """Return the sums with one more closed incident.

        Args:
            likelihood: The densities in force.
            customers: Customers under its device.
            calls: Times of its earliest calls, ascending.
            callers: How many called in all.
            ended: When power was back.
        """
        share_tells, delay_tells = customers >= _TELLING, callers >= _CROWD and callers == len(calls)
        if not share_tells and not delay_tells:
            return self
        begun = likelihood.onset(customers, calls) - likelihood.lead(customers)
        few = likelihood.are_few(customers, callers, ended - begun)
        dark, called, delays, log_delay = self
        if share_tells:
            counts = _TELLING / customers if few else 1.0
            dark += counts * customers * likelihood.called_by(ended - begun) / likelihood.share
            called += counts * callers
        if delay_tells and not few:  # from all of them: the earliest alone would tell of haste
            delays += callers
            log_delay += sum(math.log(max(1.0, call - begun)) for call in calls)
        return Learned(dark, called, delays, log_delay)
