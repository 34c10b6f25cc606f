"""What instruments add to a storm: whom they tell of that nobody called about, what they send a crew to for nothing.

Decided here: the definitions of these figures; all others count the reports of people (``judge``). Pure.
Never here: I/O.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from services.quality.judge import owners
from services.quality.score import percentile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.quality.judge import Outcome
    from services.quality.storms import StormFiles


@dataclass(frozen=True, slots=True)
class Told:
    """Figures of a storm with instruments; shares 0 to 1, times in seconds, NaN where there was nothing to measure.

    Attributes:
        from_fault_p50: From the moment a fault shows to its first own order, median; of faults that people reported.
        from_fault_p90: The same, 90th percentile.
        for_no_outage: Orders most of whose reports and readings are of no fault.
        on_words_alone: Of those, orders that no person's report was ever in: false gasps, trips that reclosed.
        untold: Faults that nobody reported and a reading told of.
        untold_hidden: Share of them without an order of their own.
        untold_to_order_p50: From the moment they show to their first own order, median.
    """

    from_fault_p50: float
    from_fault_p90: float
    for_no_outage: int
    on_words_alone: int
    untold: int
    untold_hidden: float
    untold_to_order_p50: float

    def as_json(self) -> dict[str, float | None]:
        """Return name and value of each; JSON has no NaN, so None where there was nothing to measure."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value if math.isfinite(value) else None for name, value in values}


def told(outcome: Outcome, storm: StormFiles) -> Told:
    """Hold an outcome against what people and instruments told of.

    Args:
        outcome: What was done, by people's reports and readings.
        storm: The storm with its truth; ``storm.told`` is what its readings tell of.
    """
    plain, found = owners(outcome, storm.truth, storm.told)
    own: dict[str, list[str]] = defaultdict(list)
    for order, fault in found.owner.items():
        own[str(fault)].append(order)
    reported = {one.fault for one in storm.truth.values() if one.fault}
    untold = {fault for fault in storm.told.values() if fault} - reported
    took = {
        fault: max(
            0.0, (min(outcome.orders[one].issued_at for one in orders) - storm.faults[fault].shows_at).total_seconds()
        )
        for fault, orders in own.items()
    }
    of_people = [seconds for fault, seconds in took.items() if fault in reported]
    nothing = [events for order, events in plain.items() if _is_of_none(order, events, found.owner, storm.told)]
    return Told(
        from_fault_p50=percentile(of_people, 0.5),
        from_fault_p90=percentile(of_people, 0.9),
        for_no_outage=len(plain.keys() - found.owner.keys()),
        on_words_alone=len(nothing),
        untold=len(untold),
        untold_hidden=len(untold - own.keys()) / len(untold) if untold else 0.0,
        untold_to_order_p50=percentile([took[fault] for fault in untold if fault in took], 0.5),
    )


def _is_of_none(order: str, events: set[str], owner: Mapping[str, object], told_of: Mapping[str, str]) -> bool:
    return order not in owner and bool(events) and events <= told_of.keys()
