"""Feeders roll up to their substation, and come apart again: a busbar that feeds two IEEE 123-node feeders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.contracts.values import OrderStatus, Priority, ProgressStage
from services.grid.network_file import read_customers, read_devices
from services.grid.tree import Tree
from tests.unit.dedup.timeline import NETWORKS, Timeline, rules_of_tests

if TYPE_CHECKING:
    from uuid import UUID

BUSBAR = "A0SU00000"
FEEDERS = ("A0BR00001", "B0BR00001")


def substation(feeders: str) -> Tree:
    """One substation, and a feeder of 351 customers for each letter."""
    folder = NETWORKS / "ieee123"
    known = read_devices(folder / "network.csv")
    rows = [row._replace(other_end=None) for row in known if row.parent is None]
    customers: dict[str, int] = {}
    for letter in feeders:
        for row in known:
            if row.parent is not None:
                parent = BUSBAR if row.parent == BUSBAR else row.parent.replace("A0", f"{letter}0")
                rows.append(row._replace(id=row.id.replace("A0", f"{letter}0"), parent=parent, other_end=None))
        for one in read_customers(folder / "customers.csv", known):
            name = one.transformer_id.replace("A0", f"{letter}0")
            customers[name] = customers.get(name, 0) + 1
    return Tree(rows, customers)


@pytest.fixture(scope="session")
def busbar() -> Tree:
    """One substation, two feeders of 351 customers each."""
    return substation("AB")


@pytest.fixture
def storm(busbar: Tree) -> Timeline:
    return Timeline(BUSBAR, busbar, rules_of_tests())


def calls_of(storm: Timeline, feeder: str, begin: float, every: int) -> list[UUID]:
    """Some of a feeder's customers call, four a minute."""
    assert storm.state.tree is not None
    devices = storm.state.tree.transformers_under(feeder)[::every]
    return [storm.at(begin + n / 4).report(device) for n, device in enumerate(devices)]


def both_go_dark(storm: Timeline) -> tuple[list[UUID], list[UUID]]:
    """The busbar trips: people of both feeders call in turn."""
    assert storm.state.tree is not None
    pairs = zip(*(storm.state.tree.transformers_under(feeder)[::3] for feeder in FEEDERS), strict=True)
    one, other = [], []
    for n, (here, there) in enumerate(pairs):
        one.append(storm.at(n / 4).report(here))
        other.append(storm.at(n / 4).report(there))
    return one, other


def test_two_feeders_that_go_dark_together_are_one_urgent_order_of_the_substation(storm: Timeline) -> None:
    one, other = both_go_dark(storm)

    assert storm.live_orders().keys() == {BUSBAR}
    assert storm.incident_of(one[0]) is storm.incident_of(other[0])
    order = storm.order_of(one[0])
    assert (order.priority, order.customers_served) == (Priority.URGENT, 702)
    assert len(storm.state.incidents) == 1
    cancelled = [one for one in storm.orders if one.status is OrderStatus.CANCELLED]
    assert all(one.superseded_by == order.order_id for one in cancelled)
    storm.at(600)
    assert storm.live_orders().keys() == {BUSBAR}, "enough have called: no second look takes it apart"


def test_two_feeders_hours_apart_stay_two(storm: Timeline) -> None:
    calls_of(storm, FEEDERS[0], 0, 4)
    calls_of(storm, FEEDERS[1], 240, 4)

    assert storm.live_orders().keys() == set(FEEDERS)


def test_a_person_takes_a_feeder_out_of_the_substation_and_back(storm: Timeline) -> None:
    one, other = both_go_dark(storm)
    whole = storm.incident_of(one[0])
    split = storm.at(20).dispatcher(
        "split", incident_id=whole.incident_id, reports=tuple(other), device=FEEDERS[1], why="two breakers tripped"
    )
    assert storm.live_orders().keys() == {BUSBAR, FEEDERS[1]}
    storm.at(21).dispatcher("confirm", incident_id=whole.incident_id, device=FEEDERS[0])
    assert storm.live_orders().keys() == set(FEEDERS)
    late = storm.at(22).report("B0TR00023")
    assert storm.incident_of(late) is storm.incident_of(other[0])
    confirmed = next(done for done in storm.state.commands.values() if done.action == "confirm")
    storm.at(23).dispatcher("undo", undoes=confirmed.command_id)
    storm.at(24).dispatcher("undo", undoes=split)

    assert storm.live_orders().keys() == {BUSBAR}
    assert storm.incident_of(other[0]) is storm.incident_of(one[0]) is storm.incident_of(late)
    assert set(whole.reports) == {*one, *other, late}


def test_silence_takes_the_substation_back_to_the_feeders_that_called(storm: Timeline) -> None:
    """Two laterals of two feeders call at once: taken for the busbar, until nobody else of 702 customers calls."""
    first = storm.at(0).report("A0TR00023")
    storm.at(0.5).report("B0TR00104")
    storm.at(1).report("A0TR00048")
    storm.at(1.5).report("B0TR00020")
    assert storm.live_orders().keys() == {BUSBAR}
    storm.at(400)

    assert BUSBAR not in storm.live_orders()
    assert {device[:2] for device in storm.live_orders()} == {"A0", "B0"}
    assert storm.incident_of(first).device.id != BUSBAR


def test_feeders_restored_one_by_one_are_steps_of_the_substation(storm: Timeline) -> None:
    one, other = both_go_dark(storm)
    order = storm.order_of(one[0])
    storm.at(60).power_back(FEEDERS[0])
    assert storm.live_orders().keys() == {BUSBAR}, "half of it is back: the order stands until all is"
    storm.at(64).report("A0TR00024", made=50)
    assert storm.answers() == [("answered", "already_restored")]
    storm.at(90).crew(order.order_id, ProgressStage.RESTORED)

    assert not storm.state.incidents
    assert other[0] not in storm.state.members


def its_meters_go_dark(storm: Timeline, feeder: str) -> None:
    """Two meters of each transformer, within seconds; its breaker's telemetry is stuck, or the word is late."""
    assert storm.state.tree is not None
    devices = storm.state.tree.transformers_under(feeder)
    storm.at(-30).reading("breaker_closed", feeder)
    for n in range(len(devices)):
        for meter in ("A", "B"):
            storm.at(n / 300).reading("last_gasp", devices[n * 37 % len(devices)], f"{meter}{n}")


def test_a_feeder_of_dark_meters_is_not_its_substation_though_its_breaker_is_said_to_be_closed(storm: Timeline) -> None:
    its_meters_go_dark(storm, FEEDERS[0])
    storm.at(60)

    assert storm.live_orders().keys() == {FEEDERS[0]}


def test_meters_of_one_feeder_are_not_the_calls_of_its_substation() -> None:
    """They are more than the people of all its feeders who would call; the silence of the others tells all the same.

    A meter of another feeder, whose battery is flat, made it look like the substation.
    """
    storm = Timeline(BUSBAR, substation("ABCD"), rules_of_tests())
    storm.at(-0.1).reading("last_gasp", "B0TR00104", "B")
    its_meters_go_dark(storm, FEEDERS[0])
    assert storm.live_orders().keys() == {BUSBAR}
    storm.at(60)

    assert storm.live_orders().keys() == {FEEDERS[0], "B0TR00104"}
