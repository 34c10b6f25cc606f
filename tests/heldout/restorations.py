"""What crews tell of restored power: late, early, by transformer, or never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tests.heldout.chance import minutes

if TYPE_CHECKING:
    from datetime import datetime
    from random import Random

    from tests.heldout.customers import Customers
    from tests.heldout.faults import Faults
    from tests.heldout.network import Network

NEVER_TOLD: Final = (0.03, 0.15)
"""Share of the repairs and steps; each storm has its own between these."""
NOT_ON_TIME: Final = (0.05, 0.2)
"""Share of the repairs, likewise."""
STEP_MINUTES, ON_TIME_MINUTES = (0.0, 6.0), (0.0, 8.0)
"""After the power came back."""
LATE_MINUTES, EARLY_MINUTES = (20.0, 180.0), (-12.0, -2.0)
"""Half of those not on time each."""
BY_TRANSFORMER, BY_TRANSFORMER_BELOW = 0.1, 200
"""Of faults with fewer customers than that: the list of transformers is told, not the device."""


class Restoration(NamedTuple):
    """A line of restorations.csv."""

    at: datetime
    what: str


def draw_restorations(network: Network, customers: Customers, faults: Faults, rng: Random) -> list[Restoration]:
    """Return what crews tell, by time."""
    never, not_on_time = rng.uniform(*NEVER_TOLD), rng.uniform(*NOT_ON_TIME)
    told: list[Restoration] = []
    for fault in faults.all:
        told += [
            Restoration(at + minutes(rng, *STEP_MINUTES), part) for at, part in fault.steps if rng.random() >= never
        ]
        if rng.random() < never:
            continue
        after = ON_TIME_MINUTES
        if rng.random() < not_on_time:
            after = rng.choice((LATE_MINUTES, EARLY_MINUTES))
        at = fault.end + minutes(rng, *after)
        if fault.service:
            told.append(Restoration(at, fault.customers[0]))
        elif len(fault.customers) < BY_TRANSFORMER_BELOW and rng.random() < BY_TRANSFORMER:
            told += [Restoration(at, one) for one in network.below(fault.device) if one in customers.at]
        else:
            told.append(Restoration(at, fault.device))
    return sorted(told)
