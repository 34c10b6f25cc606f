"""What a word costs of an outage that thousands reported: in proportion to them at most, or its area stands still."""

from __future__ import annotations

import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from services.contracts.values import CustomerClass, ProgressStage
from services.dedup.domain.acting import MOST_MOVED
from services.dedup.domain.events import PartRestored
from services.dedup.domain.incident import Standing
from tests.unit.dedup.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree


def reported_by(count: int, tree: Tree, rules: Rules) -> tuple[Timeline, list[str]]:
    """Return a feeder that so many reported within half an hour, and its transformers."""
    [area] = tree.areas()
    told = Timeline(area, tree, rules)
    places = list(tree.transformers_under(area))
    for n in range(count):
        told.at(30 * n / count).report(places[7 * n % len(places)], account=f"A{n}")
    assert max(len(one.reports) for one in told.state.incidents.values()) > 0.95 * count
    return told.at(31), places


def steps_of(work: Callable[[], object]) -> int:
    """Return how many calls of functions some work takes, those written in C too."""
    counted = Counter[str]()

    def count(_frame: object, event: str, _argument: object) -> None:
        counted[event] += 1

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted["call"] + counted["c_call"]


@pytest.mark.parametrize("crew", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_power_back_at_a_part_costs_in_proportion_to_who_reported(
    ckt5: Tree, rules: Rules, crew: bool, own: bool
) -> None:
    """It took 70 ms of a thousand and three seconds of ten thousand: of a hundred thousand it was never committed."""
    spent = []
    for count in (1500, 6000):
        told, places = reported_by(count, ckt5, rules)
        if crew:
            largest = max(told.state.incidents.values(), key=lambda one: len(one.reports))
            told.crew(largest.order_id, ProgressStage.ARRIVED)
        spent.append(steps_of(partial(told.power_back, places[0], "A0" if own else None)))
        assert [event.device for event in told.events if isinstance(event, PartRestored)] == [places[0]]
    assert spent[1] < 7 * spent[0]


def test_an_order_that_gets_more_urgent_does_not_count_who_called(ckt5: Tree, rules: Rules) -> None:
    told, places = reported_by(1500, ckt5, rules)
    largest = max(told.state.incidents.values(), key=lambda one: len(one.reports))
    told.report(places[1], account="ill", customer_class=CustomerClass.LIFE_SUPPORT)
    last = largest.reports[next(reversed(largest.reports))]
    before = Standing.of(one for one in largest.reports.values() if one is not last)
    one_more = before.with_one(last)
    assert len(one_more.customers) == 1
    assert (one_more.reports, one_more.life_support, one_more.addresses, one_more.first_reported_at) == (
        largest.standing.reports,
        {"ill"},
        largest.standing.addresses,
        largest.standing.first_reported_at,
    )
    assert told.orders[-1].life_support == 1


def two_of(counts: tuple[int, int], tree: Tree, rules: Rules) -> tuple[Timeline, UUID, UUID]:
    """Return two outages that so many reported, at places that have nothing to do with each other."""
    [area] = tree.areas()
    told = Timeline(area, tree, rules)
    found = []
    for place, (device, count) in enumerate(zip(("A0TR00023", "A0TR00104"), counts, strict=True)):
        told.at(60 * place)
        reports = [told.report(device, account=f"A{place} {n}") for n in range(count)]
        found.append(told.incident_of(reports[0]).incident_id)
        told.dispatcher("confirm", incident_id=found[-1])  # else the many would explain the few
        assert len(told.state.incidents[found[-1]].reports) == count
    first, second = found
    return told, first, second


def test_a_merge_moves_no_more_than_a_transaction_bears_and_says_which_way_it_goes(ieee123: Tree, rules: Rules) -> None:
    told, large, small = two_of((MOST_MOVED + 1, 2), ieee123, rules)
    told.dispatcher("merge", incident_id=large, target_id=small)
    [(field, reason)] = told.refusals()
    assert field == "incident_id"
    assert reason.endswith(f"merge incident {small} into it instead, and confirm it at the device that is right")

    merge = told.dispatcher("merge", incident_id=small, target_id=large)
    assert told.state.incidents.keys() == {large}
    told.dispatcher("undo", undoes=merge)
    assert {key: len(one.reports) for key, one in told.state.incidents.items()} == {large: MOST_MOVED + 1, small: 2}
    assert len(told.live_orders()) == 2
    assert len(told.refusals()) == 1


def test_a_merge_of_as_many_as_can_move_is_carried_out_and_of_two_that_cannot_none_is(
    ieee123: Tree, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.dedup.domain.acting.MOST_MOVED", 3)
    told, first, second = two_of((4, 4), ieee123, rules)
    told.dispatcher("merge", incident_id=first, target_id=second)
    assert told.refusals()[-1][1].endswith("relate the two instead")

    told, first, second = two_of((3, 4), ieee123, rules)
    told.dispatcher("merge", incident_id=first, target_id=second)
    assert told.state.incidents.keys() == {second}


def test_what_a_split_opened_and_grew_beyond_that_is_not_taken_back_in_one_step(
    ieee123: Tree, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.dedup.domain.acting.MOST_MOVED", 3)
    told, first, _ = two_of((3, 1), ieee123, rules)
    some = list(told.state.incidents[first].reports)[:2]
    split = told.dispatcher("split", incident_id=first, reports=tuple(some), device="A0TR00025")
    opened = told.state.members[some[0]]
    for n in range(2):
        told.report("A0TR00025", account=f"later {n}")
    assert len(told.state.incidents[opened].reports) == 4
    told.dispatcher("undo", undoes=split)
    [(field, reason)] = told.refusals()
    assert (field, f"merge incident {first} into it instead" in reason) == ("undoes", True)
    told.dispatcher("merge", incident_id=first, target_id=opened)
    assert len(told.state.incidents[opened].reports) == 5, "which comes to the same"
