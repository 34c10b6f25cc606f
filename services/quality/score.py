"""How right a merging was: predicted clusters and orders against the truth. Pure.

Decided here: the definitions of the figures that the project publishes. Never here: I/O, or a threshold for
"good enough".

Sources: B-cubed, Bagga & Baldwin 1998; pairwise, as in ``er-evaluation``; the dispatch figures are our own, because
nobody in the field publishes any (research: over-merging hides a fault, under-merging sends a crew twice).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, slots=True)
class Score:
    """Precision and recall, each 0 to 1; both are 1 where there is nothing to be wrong about."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where both are 0."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def pairwise(predicted: Mapping[str, Hashable], truth: Mapping[str, Hashable]) -> Score:
    """Score the pairs of items that share a cluster. Big clusters dominate.

    Args:
        predicted: Item to the cluster it was put in; an item of ``truth`` that is missing stands alone.
        truth: Item to the cluster it belongs to. Items that only ``predicted`` has are left out.
    """
    clusters = _joint(predicted, truth)
    both = sum(map(_pairs, clusters.values()))
    ours = sum(map(_pairs, _margin(clusters, 0).values()))
    true = sum(map(_pairs, _margin(clusters, 1).values()))
    return Score(both / ours if ours else 1.0, both / true if true else 1.0)


def b_cubed(predicted: Mapping[str, Hashable], truth: Mapping[str, Hashable]) -> Score:
    """Score each item by the cluster it is in, and take the mean. Fair to faults of a single customer.

    Args:
        predicted: Item to the cluster it was put in; an item of ``truth`` that is missing stands alone.
        truth: Item to the cluster it belongs to. Items that only ``predicted`` has are left out.
    """
    if not truth:
        return Score(1.0, 1.0)
    clusters = _joint(predicted, truth)
    ours, true = _margin(clusters, 0), _margin(clusters, 1)
    precision = sum(size * size / ours[cluster] for (cluster, _), size in clusters.items())
    recall = sum(size * size / true[cluster] for (_, cluster), size in clusters.items())
    return Score(precision / len(truth), recall / len(truth))


Joint = Counter[tuple["Hashable", "Hashable"]]


def _joint(predicted: Mapping[str, Hashable], truth: Mapping[str, Hashable]) -> Joint:
    """Count the items of each (predicted, true) pair of clusters."""
    return Counter((predicted.get(item, ("alone", item)), cluster) for item, cluster in truth.items())


def _margin(clusters: Joint, side: int) -> Counter[Hashable]:
    margin: Counter[Hashable] = Counter()
    for pair, size in clusters.items():
        margin[pair[side]] += size
    return margin


def _pairs(size: int) -> int:
    return size * (size - 1) // 2


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What the orders were worth.

    Attributes:
        faults: True faults that at least one report told of.
        orders: Orders ever issued, cancelled and superseded ones too.
        spare: Orders that no fault needed: all beyond the first that a fault is the majority of, and those in which
            no fault is.
        hidden: Faults that are the majority of no order: homes stay dark with nobody coming.
    """

    faults: int
    orders: int
    spare: int
    hidden: int

    @property
    def orders_per_fault(self) -> float:
        """Orders issued for each true fault; 1 is right if nothing is hidden."""
        return self.orders / self.faults if self.faults else 0.0

    @property
    def spare_per_fault(self) -> float:
        """Orders too many for each true fault."""
        return self.spare / self.faults if self.faults else 0.0

    @property
    def duplicate_rate(self) -> float:
        """Share of the orders that were not needed."""
        return self.spare / self.orders if self.orders else 0.0

    @property
    def hidden_rate(self) -> float:
        """Share of the faults without an order of their own."""
        return self.hidden / self.faults if self.faults else 0.0


class Owned(NamedTuple):
    """The dispatch figures, and the fault that each order belongs to; orders of no fault are not in ``owner``."""

    dispatch: Dispatch
    owner: dict[str, Hashable]


def dispatch(orders: Mapping[str, Iterable[str]], truth: Mapping[str, Hashable | None]) -> Dispatch:
    """Hold the orders against the faults.

    Args:
        orders: Every order ever issued, with the reports it was for.
        truth: Report to its fault; None for a report of no fault (a false alarm).
    """
    return dispatch_owners(orders, truth, {fault for fault in truth.values() if fault is not None}).dispatch


def dispatch_owners(
    orders: Mapping[str, Iterable[str]], truth: Mapping[str, Hashable | None], faults: AbstractSet[Hashable]
) -> Owned:
    """Hold the orders against ``faults``, and say whose each order is: the majority of its reports.

    A tie goes to a fault before a false alarm, then by name, so that equal input gives equal output.
    """
    owner: dict[str, Hashable] = {}
    for order, reports in orders.items():
        of = Counter(truth.get(report) for report in reports)
        if not of:
            continue
        fault, _ = min(of.items(), key=lambda item: (-item[1], item[0] is None, str(item[0])))
        if fault is not None and fault in faults:
            owner[order] = fault
    served = len(set(owner.values()))
    total = sum(1 for _ in orders)
    return Owned(Dispatch(faults=len(faults), orders=total, spare=total - served, hidden=len(faults) - served), owner)


def percentile(values: Iterable[float], share: float) -> float:
    """Return the value below which ``share`` (0 to 1) of the values lie, by nearest rank; NaN where there are none."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]
