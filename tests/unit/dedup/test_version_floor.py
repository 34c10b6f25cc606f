"""A database brought back from a backup has forgotten versions that others hold: what is decided anew is above them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from services.contracts.values import ProgressStage
from tests.unit.dedup.timeline import Timeline, rules_of_tests, shipped_tree

if TYPE_CHECKING:
    from uuid import UUID

    from services.contracts.messages import OrderVersion

AREA = "A0SU00000"
TREE = shipped_tree("ieee123")


@pytest.fixture
def story() -> Timeline:
    """A fuse's outage that grows out of single ones, danger in it, an unrelated one, crews, and power that is back."""
    told = Timeline(AREA, TREE, rules_of_tests())
    for n, transformer in enumerate(TREE.transformers_under("A0FU00016")):
        told.at(n / 2).report(transformer, f"report {n}")
    danger = told.at(20).report("A0TR00023", "danger", hazards=("fire",))
    told.at(21).report("A0TR00023", "danger again", hazards=("sparks",))
    told.at(30).crew(told.order_of(danger).order_id, ProgressStage.ARRIVED)
    for incident in list(told.state.incidents.values()):
        told.at(60).crew(incident.order_id, ProgressStage.RESTORED)
    return told


def brought_back(story: Timeline, floor: int, after: int) -> tuple[Timeline, int, int]:
    """Decide everything again, in a database brought back after some inputs; and how much had been told by then."""
    again, orders, changed = Timeline(AREA, TREE, story.state.rules), 0, 0
    for n, (message, now) in enumerate(story.inputs):
        if n == after:
            again.state.floor, orders, changed = floor, len(again.orders), len(again.changed)
        again.take(message, now)
    return again, orders, changed


def without_versions(orders: list[OrderVersion]) -> list[OrderVersion]:
    return [one.model_copy(update={"version": 1}) for one in orders]


@pytest.mark.parametrize("floor", [1, 2, 3, 40])
def test_what_is_decided_after_a_way_back_is_above_all_that_was_told(story: Timeline, floor: int) -> None:
    assert max(one.version for one in story.orders) > 2, "a story without later versions shows nothing"
    lifted = 0
    for after in range(len(story.inputs)):
        again, orders, changed = brought_back(story, floor, after)
        assert without_versions(again.orders) == without_versions(story.orders), "nothing else is decided otherwise"
        versions: dict[UUID, list[int]] = defaultdict(list)
        for order in again.orders:
            versions[order.order_id].append(order.version)
        assert all(each == sorted(set(each)) for each in versions.values()), versions
        assert all(order.version > floor for order in again.orders[orders:])
        assert all(change.revision > floor for change in again.changed[changed:])
        lifted += again.orders != story.orders
    assert lifted, "the control: without it they would have had the same versions once more"


def test_without_a_way_back_versions_are_what_they_were(story: Timeline) -> None:
    again, _, _ = brought_back(story, 0, 0)
    assert again.orders == story.orders
    assert [change.revision for change in again.changed] == [change.revision for change in story.changed]
