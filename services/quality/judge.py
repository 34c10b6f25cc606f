"""The figures of one storm: what was assigned and ordered, held against the truth. Pure.

Decided here: which reports and orders each figure is over. The definitions of pairwise, B-cubed and dispatch figures
are ``services.quality.score``. Never here: I/O; a verdict.

- Reports: those of a true fault that saw no danger. One in no incident stands alone: it costs recall, as it should.
- Orders: all ever issued, but those that only reports of danger were ever in: danger has its own on purpose.
- A fault's own orders: those it is the majority of. Reports of no fault (arrears) have a say in that, and so have
  readings of meters and breakers, where there are any. An order of a fault that only readings told of is not spare.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, fields
from statistics import fmean, median
from typing import TYPE_CHECKING

from services.quality.score import Dispatch, Owned, b_cubed, dispatch_owners, pairwise, percentile
from services.simulator.words import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from services.grid.tree import Tree
    from services.quality.storms import TrueFault, Truth

_AT_ONCE: float = 2.0  # seconds from a report of danger to its order


@dataclass(slots=True)
class Order:
    """An order as it was given: when, and where it sent a crew from when on (by time; the last counts at the end)."""

    issued_at: datetime
    places: list[tuple[datetime, str]]


@dataclass(slots=True)
class Outcome:
    """What a way of merging did with a storm.

    Attributes:
        clusters: Event to the incident it ended in; events in none are not there.
        ever: Event to all orders it was ever under.
        orders: Every order ever issued.
    """

    clusters: dict[str, str]
    ever: dict[str, tuple[str, ...]]
    orders: dict[str, Order]


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one storm; shares 0 to 1, times in seconds, NaN where there was nothing to measure.

    Attributes:
        reports: Judged reports.
        faults: True faults among them.
        b3_precision: B-cubed precision over the judged reports.
        b3_recall: B-cubed recall.
        b3_f1: Their harmonic mean.
        b3_f1_placed: The same over the judged reports that are in an incident.
        pair_precision: Pairwise precision.
        pair_recall: Pairwise recall.
        pair_f1: Their harmonic mean.
        unplaced: Share of the judged reports that are in no incident: with people, or answered.
        orders_per_fault: Orders ever issued for each true fault.
        spare_per_fault: Orders beyond the first that a fault is the majority of, and those of no fault.
        duplicate_rate: Share of orders that are spare.
        hidden: Share of faults that are the majority of no order.
        hidden_in_another: Of those, faults with a report in another fault's order: merged away, so that nobody comes.
        device_hops: Mean steps in the tree between the last device of a fault's first lasting order and the true one.
        device_right: Share of faults with an own order where that is 0.
        to_order_p50: First report of a fault to its first own order, median.
        to_order_p90: The same, 90th percentile.
        to_device_p50: First report to the first moment an own order named the true device, median of those.
        named_device: Share of faults for which an own order ever named the true device.
        churn: Orders a report was under beyond its first, mean.
        hazards: Reports of danger.
        hazards_own: Share of them with an order of their own at once.
        hazards_absorbed: How many are in an incident and have no order of their own. Must be 0.
    """

    reports: int
    faults: int
    b3_precision: float
    b3_recall: float
    b3_f1: float
    b3_f1_placed: float
    pair_precision: float
    pair_recall: float
    pair_f1: float
    unplaced: float
    orders_per_fault: float
    spare_per_fault: float
    duplicate_rate: float
    hidden: float
    hidden_in_another: float
    device_hops: float
    device_right: float
    to_order_p50: float
    to_order_p90: float
    to_device_p50: float
    named_device: float
    churn: float
    hazards: int
    hazards_own: float
    hazards_absorbed: int

    def as_json(self) -> dict[str, float | None]:
        """Return name and value of each; JSON has no NaN, so None where there was nothing to measure."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value if math.isfinite(value) else None for name, value in values}


def judge(
    outcome: Outcome,
    truth: Mapping[str, Truth],
    faults: Mapping[str, TrueFault],
    arrivals: Mapping[str, datetime],
    tree: Tree,
    told: Mapping[str, str] | None = None,
) -> Figures:
    """Hold an outcome against the truth.

    Args:
        outcome: What was done.
        truth: By event.
        faults: By id.
        arrivals: When each event first arrived.
        tree: The network.
        told: What each reading of a meter or breaker tells of: a fault, or nothing (an empty text).
    """
    judged = {event: one.fault for event, one in truth.items() if one.fault and one.kind is not Kind.HAZARD}
    of_people = set(judged.values())
    placed = {event: fault for event, fault in judged.items() if event in outcome.clusters}
    dangers = {event for event, one in truth.items() if one.kind is Kind.HAZARD}
    plain, found = owners(outcome, truth, told or {})
    of_danger = outcome.orders.keys() - plain.keys()
    own: dict[str, list[str]] = defaultdict(list)
    for order, fault in found.owner.items():
        if fault in of_people:
            own[str(fault)].append(order)
    hidden = of_people - own.keys()
    in_another = {judged[event] for events in plain.values() for event in events if judged.get(event) in hidden}
    hops = {fault: _hops(outcome, orders, faults[fault].device, tree) for fault, orders in own.items()}
    known = [value for value in hops.values() if value is not None]
    first = _first_reports(judged, arrivals)
    to_order = [_seconds(first[f], min(outcome.orders[o].issued_at for o in orders)) for f, orders in own.items()]
    named = {fault: _named_at(outcome, orders, faults[fault].device) for fault, orders in own.items()}
    to_device = [_seconds(first[fault], at) for fault, at in named.items() if at is not None]
    total = len(of_people)
    cubed, pairs = b_cubed(outcome.clusters, judged), pairwise(outcome.clusters, judged)
    attended = {event for event in dangers if _own_at_once(outcome, event, of_danger, arrivals)}
    return Figures(
        reports=len(judged),
        faults=total,
        b3_precision=cubed.precision,
        b3_recall=cubed.recall,
        b3_f1=cubed.f1,
        b3_f1_placed=b_cubed(outcome.clusters, placed).f1,
        pair_precision=pairs.precision,
        pair_recall=pairs.recall,
        pair_f1=pairs.f1,
        unplaced=_share(len(judged) - len(placed), len(judged)),
        orders_per_fault=found.dispatch.orders_per_fault,
        spare_per_fault=found.dispatch.spare_per_fault,
        duplicate_rate=found.dispatch.duplicate_rate,
        hidden=found.dispatch.hidden_rate,
        hidden_in_another=_share(len(in_another), total),
        device_hops=_mean(known),
        device_right=_share(sum(value == 0 for value in known), len(own)),
        to_order_p50=_median(to_order),
        to_order_p90=percentile(to_order, 0.9),
        to_device_p50=_median(to_device),
        named_device=_share(len(to_device), total),
        churn=_mean([max(0, len(outcome.ever.get(event, ())) - 1) for event in placed]),
        hazards=len(dangers),
        hazards_own=_share(len(attended), len(dangers)),
        hazards_absorbed=sum(event in outcome.clusters and event not in attended for event in dangers),
    )


def owners(outcome: Outcome, truth: Mapping[str, Truth], told: Mapping[str, str]) -> tuple[dict[str, set[str]], Owned]:
    """Return the orders that are judged with their events, and whose each is; figures are over faults people reported.

    Args:
        outcome: What was done.
        truth: By event of a person.
        told: By event of a meter or breaker; an empty text is no fault.
    """
    orders = judged_orders(outcome, truth)
    of_people = {one.fault for one in truth.values() if one.fault and one.kind is not Kind.HAZARD}
    of: dict[str, str | None] = {event: one.fault or None for event, one in truth.items()}
    of |= {event: fault or None for event, fault in told.items()}
    known = of_people | {fault for fault in told.values() if fault}
    _, owner = dispatch_owners(orders, of, known)
    served = set(owner.values())
    dispatch = Dispatch(
        faults=len(of_people),
        orders=len(orders),
        spare=len(orders) - len(served),
        hidden=len(of_people - served),
    )
    return orders, Owned(dispatch, owner)


def judged_orders(outcome: Outcome, truth: Mapping[str, Truth]) -> dict[str, set[str]]:
    """Return the orders that are judged, with the events each was ever for: all but those of danger alone."""
    members = _members(outcome)
    dangers = {event for event, one in truth.items() if one.kind is Kind.HAZARD}
    return {
        order: events for order in outcome.orders if not (events := members.get(order, set())) or not events <= dangers
    }


def _members(outcome: Outcome) -> dict[str, set[str]]:
    members: dict[str, set[str]] = defaultdict(set)
    for event, orders in outcome.ever.items():
        for order in orders:
            members[order].add(event)
    return members


def _own_at_once(outcome: Outcome, event: str, of_danger: set[str], arrivals: Mapping[str, datetime]) -> bool:
    own = [outcome.orders[order] for order in outcome.ever.get(event, ()) if order in of_danger]
    return any(_seconds(arrivals[event], order.issued_at) <= _AT_ONCE for order in own)


def _first_reports(judged: Mapping[str, str], arrivals: Mapping[str, datetime]) -> dict[str, datetime]:
    first: dict[str, datetime] = {}
    for event, fault in judged.items():
        if fault not in first or arrivals[event] < first[fault]:
            first[fault] = arrivals[event]
    return first


def _hops(outcome: Outcome, orders: Iterable[str], device: str, tree: Tree) -> int | None:
    """Return the steps in the tree from where the first own order sends a crew at the end; None if off the tree."""
    first = min(orders, key=lambda order: (outcome.orders[order].issued_at, order))
    last = outcome.orders[first].places[-1][1]
    if last not in tree:
        return None
    meet = tree.common_ancestor((last, device))
    return None if meet is None else tree.depth(last) + tree.depth(device) - 2 * tree.depth(meet)


def _named_at(outcome: Outcome, orders: Iterable[str], device: str) -> datetime | None:
    return min((at for order in orders for at, place in outcome.orders[order].places if place == device), default=None)


def _seconds(since: datetime, until: datetime) -> float:
    """Return how long it took; nothing where an order was there before: a fault's first report joined it."""
    return max(0.0, (until - since).total_seconds())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else float("nan")


def _median(values: Sequence[float]) -> float:
    return median(values) if values else float("nan")
