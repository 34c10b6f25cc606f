"""The figures of a storm, counted once more by another way: pair by pair, report by report, order by order."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import combinations
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.grid.device import DeviceRow
from services.grid.tree import Tree
from services.quality.judge import Order, Outcome, judge
from services.quality.storms import TrueFault, Truth
from services.simulator.words import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
PARENTS = {"S": None, "B": "S", "W1": "B", "W2": "B", "T1": "W1", "T2": "W1", "T3": "W2", "T4": "B"}
TYPES = {"S": "substation", "B": "breaker", "W": "switch", "T": "transformer"}
TREE = Tree(
    [DeviceRow(one, up, TYPES[one[0]], normally_open=False, lat=31, lon=118) for one, up in PARENTS.items()],
    dict.fromkeys(("T1", "T2", "T3", "T4"), 5),
)


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


@st.composite
def storms(draw: Any) -> dict[str, Any]:
    """Some faults, what was reported of them and of none, and what somebody made of that."""
    faults = {f"F{n}": draw(st.sampled_from(sorted(PARENTS))) for n in range(draw(st.integers(1, 4)))}
    incidents = {f"I{n}": f"O{n}" if draw(st.booleans()) or n == 0 else None for n in range(draw(st.integers(1, 5)))}
    orders = {
        one: Order(at(first), [(at(first + later), draw(st.sampled_from([*sorted(PARENTS), "cell:8a"])))])
        for one in filter(None, incidents.values())
        for first, later in [(draw(st.integers(0, 40)), draw(st.integers(0, 3)))]
    }
    truth, arrivals, clusters, ever = {}, {}, {}, {}
    for n in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from([Kind.OUTAGE, Kind.OUTAGE, Kind.OUTAGE, Kind.HAZARD, Kind.ARREARS]))
        fault = "" if kind is Kind.ARREARS else draw(st.sampled_from(sorted(faults)))
        event = f"E{n}"
        truth[event] = Truth(fault, kind, event, "", at(0))
        arrivals[event] = at(draw(st.integers(0, 40)))
        been = draw(st.lists(st.sampled_from(sorted(incidents)), max_size=3, unique=True))
        if been:
            clusters[event] = been[-1]
        ever[event] = tuple(order for incident in been if (order := incidents[incident]) is not None)
    return {"truth": truth, "faults": faults, "arrivals": arrivals, "outcome": Outcome(clusters, ever, orders)}


def steps(one: str, other: str) -> int:
    def up(device: str | None) -> list[str]:
        return [] if device is None else [device, *up(PARENTS[device])]

    mine, theirs = up(one), up(other)
    return min(mine.index(meet) + theirs.index(meet) for meet in mine if meet in theirs)


def harmonic(one: float, other: float) -> float:
    return 0.0 if one == other == 0 else 2 / (1 / one + 1 / other) if one and other else 0.0


def cubed(judged: list[str], same: Any, alike: Any) -> tuple[float, float, float]:
    """Return B-cubed precision, recall and F1, report by report."""
    if not judged:
        return 1.0, 1.0, 1.0
    precisions, recalls = [], []
    for one in judged:
        mine, true = {e for e in judged if same(one, e)}, {e for e in judged if alike(one, e)}
        precisions.append(len(mine & true) / len(mine))
        recalls.append(len(mine & true) / len(true))
    precision, recall = fmean(precisions), fmean(recalls)
    return precision, recall, harmonic(precision, recall)


def counted(truth: Mapping[str, Truth], faults: Mapping[str, str], arrivals: Any, outcome: Outcome) -> dict[str, float]:
    """Return the figures by their definitions in docs/merging.md, with nothing of the code that is judged here."""
    judged = [event for event, one in truth.items() if one.kind is Kind.OUTAGE]
    dangers = [event for event, one in truth.items() if one.kind is Kind.HAZARD]
    placed = [event for event in judged if event in outcome.clusters]

    def same(one: str, other: str) -> bool:
        return one == other or (one in outcome.clusters and outcome.clusters[one] == outcome.clusters.get(other))

    def alike(one: str, other: str) -> bool:
        return truth[one].fault == truth[other].fault

    pairs = list(combinations(judged, 2))
    ours, true = {pair for pair in pairs if same(*pair)}, {pair for pair in pairs if alike(*pair)}
    pair_precision = len(ours & true) / len(ours) if ours else 1.0
    pair_recall = len(ours & true) / len(true) if true else 1.0
    precision, recall, f1 = cubed(judged, same, alike)

    of_order = {order: [event for event in truth if order in outcome.ever[event]] for order in outcome.orders}
    plain = {order: events for order, events in of_order.items() if not events or set(events) - set(dangers)}
    known = {truth[event].fault for event in judged}
    own: dict[str, list[str]] = {fault: [] for fault in known}
    for order, events in plain.items():
        votes = {who: sum(truth[event].fault == who for event in events) for who in {truth[e].fault for e in events}}
        most = sorted(who for who, count in votes.items() if count == max(votes.values()))
        winner = next((who for who in most if who), "")
        if winner in own:
            own[winner].append(order)
    served = [fault for fault in known if own[fault]]
    hidden = known - set(served)
    lost = {truth[event].fault for events in plain.values() for event in events if event in judged} & hidden
    first = {fault: min(arrivals[event] for event in judged if truth[event].fault == fault) for fault in known}

    def waited(fault: str, then: datetime) -> float:
        return max(0.0, (then - first[fault]).total_seconds())

    hops, right_at = [], []
    for fault in served:
        earliest = min(own[fault], key=lambda order: (outcome.orders[order].issued_at, order))
        stands = outcome.orders[earliest].places[-1][1]
        if stands in PARENTS:
            hops.append(steps(stands, faults[fault]))
        named = [
            then for order in own[fault] for then, device in outcome.orders[order].places if device == faults[fault]
        ]
        right_at += [waited(fault, min(named))] if named else []
    to_order = sorted(waited(fault, min(outcome.orders[order].issued_at for order in own[fault])) for fault in served)
    attended = [
        event
        for event in dangers
        if any(
            order not in plain and outcome.orders[order].issued_at - arrivals[event] <= timedelta(seconds=2)
            for order in outcome.ever[event]
        )
    ]
    some = len(known) or math.inf
    return {
        "reports": len(judged),
        "faults": len(known),
        "b3_precision": precision,
        "b3_recall": recall,
        "b3_f1": f1,
        "b3_f1_placed": cubed(placed, same, alike)[2],
        "pair_precision": pair_precision,
        "pair_recall": pair_recall,
        "pair_f1": harmonic(pair_precision, pair_recall),
        "unplaced": (len(judged) - len(placed)) / (len(judged) or 1),
        "orders_per_fault": len(plain) / some,
        "spare_per_fault": (len(plain) - len(served)) / some,
        "duplicate_rate": (len(plain) - len(served)) / (len(plain) or 1),
        "hidden": len(hidden) / some,
        "hidden_in_another": len(lost) / some,
        "device_hops": fmean(hops) if hops else math.nan,
        "device_right": hops.count(0) / (len(served) or 1),
        "to_order_p50": median(to_order) if to_order else math.nan,
        "to_order_p90": to_order[math.ceil(0.9 * len(to_order)) - 1] if to_order else math.nan,
        "to_device_p50": median(right_at) if right_at else math.nan,
        "named_device": len(right_at) / some,
        "churn": fmean(max(0, len(outcome.ever[event]) - 1) for event in placed) if placed else math.nan,
        "hazards": len(dangers),
        "hazards_own": len(attended) / (len(dangers) or 1),
        "hazards_absorbed": len([event for event in dangers if event in outcome.clusters and event not in attended]),
    }


@given(storms())
@settings(max_examples=400)
def test_every_figure_is_what_counting_it_by_hand_gives(storm: dict[str, Any]) -> None:
    faults = {
        name: TrueFault(device, service=False, shows_at=at(0), ended_at=None)
        for name, device in storm["faults"].items()
    }
    found = judge(storm["outcome"], storm["truth"], faults, storm["arrivals"], TREE).as_json()
    wanted = counted(**storm)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name] == (None if math.isnan(value) else pytest.approx(value)), name
