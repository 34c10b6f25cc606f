"""Power that is back in a part: of what somebody knows to be out above it, home by home, or over several outages."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.contracts.values import CustomerClass, ProgressStage
from services.dedup.domain.events import IncidentRestored, PartRestored
from tests.unit.dedup.timeline import Timeline, minute

if TYPE_CHECKING:
    from uuid import UUID

    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree


def steps(storm: Timeline) -> list[tuple[str, float]]:
    """Where power came back in part, and in which minute."""
    told = (event for event in storm.events if isinstance(event, PartRestored))
    return [(event.device, (event.restored_at - minute(0)) / timedelta(minutes=1)) for event in told]


def confirmed_above(storm: Timeline, report: UUID) -> UUID:
    """A dispatcher knows that the switch above is open, though only one home has called; returns its order."""
    order = storm.order_of(report).order_id
    storm.dispatcher("confirm", incident_id=storm.incident_of(report).incident_id, device="A0SW00012")
    return order


@pytest.mark.parametrize(
    ("place", "account"), [("A0TR00023", None), ("A0FU00016", None), ("A0TR00023", "A1")], ids=["there", "above", "one"]
)
def test_what_is_known_to_be_out_is_not_over_where_all_who_called_have_power(
    storm: Timeline, place: str, account: str | None
) -> None:
    """Its crew was called back from a switch with fifty dark homes under it."""
    order = confirmed_above(storm, storm.at(0).report("A0TR00023", account="A1"))
    storm.at(10).power_back(place, account)

    assert storm.live_orders().keys() == {"A0SW00012"}
    assert steps(storm) == [(place, 10)]
    storm.at(60).power_back("A0SW00012")
    assert storm.history(order)[-1][1] == "closed"


def test_nor_is_its_crew_called_back_for_an_older_outage_below_that_ends(storm: Timeline) -> None:
    old = storm.at(0).report("A0TR00024")
    older = storm.order_of(old).order_id
    confirmed_above(storm, storm.at(300).report("A0TR00023"))
    storm.at(310).power_back("A0FU00016")

    assert storm.live_orders().keys() == {"A0SW00012"}
    assert storm.history(older)[-1][1:] == ("closed", "A0FU00016")
    assert steps(storm) == [("A0FU00016", 310)]
    storm.at(340).report("A0TR00023", made=305)
    assert storm.answers() == [("answered", "already_restored")]


def test_a_crew_on_the_spot_says_itself_when_the_last_place_was_not_all(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00104")
    order = storm.order_of(first).order_id
    storm.at(5).crew(order, ProgressStage.ARRIVED)
    storm.at(20).power_back("A0TR00104")
    storm.at(40).power_back("A0TR00023")
    assert storm.live_orders().keys() == {"A0SW00012"}

    storm.at(50).crew(order, ProgressStage.RESTORED)
    assert not storm.state.incidents
    assert storm.changed[-1].restored_at == minute(50)


def left_with_one_branch(storm: Timeline, at: float) -> UUID:
    """A person took what did not belong to an outage out of it; nobody knows that the switch is open. Its order."""
    stays, goes = storm.at(at).report("A0TR00023"), storm.at(at + 1).report("A0TR00104")
    order = storm.order_of(stays).order_id
    assert storm.live_orders()["A0SW00012"].order_id == order
    storm.at(at + 2).dispatcher("split", incident_id=storm.incident_of(stays).incident_id, reports=(goes,))
    storm.power_back("A0TR00104")
    return order


def test_what_nobody_knows_to_be_out_above_is_over_where_all_who_called_have_power(storm: Timeline) -> None:
    order = left_with_one_branch(storm, 0)
    storm.at(30).power_back("A0FU00016")
    assert not storm.state.incidents
    assert storm.history(order)[-1][1:] == ("closed", "A0FU00016")


def test_with_an_older_one_below_that_is_one_outage_of_one_order(storm: Timeline) -> None:
    older = storm.order_of(storm.at(0).report("A0TR00024")).order_id
    order = left_with_one_branch(storm, 300)
    storm.at(330).power_back("A0FU00016")
    assert not storm.state.incidents
    assert storm.history(older)[-1][1:] == ("closed", "A0FU00016")
    assert storm.history(order)[-1][1] == "cancelled"
    assert [one.superseded_by for one in storm.orders if one.order_id == order][-1] == older


def all_under_a_switch(storm: Timeline) -> tuple[tuple[str, ...], UUID]:
    """At every transformer somebody has called; returns these, and the order."""
    places = storm.state.tree.transformers_under("A0SW00012")
    for n, place in enumerate(places):
        report = storm.at(n / 6).report(place, account=f"A{n}")
    assert storm.live_orders().keys() == {"A0SW00012"}
    return places, storm.order_of(report).order_id


@pytest.mark.parametrize("crew", [False, True])
def test_homes_that_never_called_tell_of_a_switching_too(storm: Timeline, crew: bool) -> None:
    """Meters speak, not callers. Where a crew is at work it says itself what it has switched."""
    places, order = all_under_a_switch(storm)
    if crew:
        storm.at(10).crew(order, ProgressStage.ARRIVED)
    storm.at(90).power_back(places[0])
    for place in places[1:]:
        storm.at(90.5).power_back(place, f"quiet at {place}")

    assert bool(storm.live_orders()) is crew
    assert len(steps(storm)) == (1 if crew else len(places) - 1), "with the last place it is over"


def test_the_steps_that_a_crew_takes_are_not_its_last_word(storm: Timeline) -> None:
    places, order = all_under_a_switch(storm)
    storm.at(10).crew(order, ProgressStage.ARRIVED)
    for n, place in enumerate(places):
        storm.at(90 + n).power_back(place)
    assert steps(storm) == [(place, 90 + n) for n, place in enumerate(places)]
    assert storm.live_orders().keys() == {"A0SW00012"}


def test_a_crews_outage_is_marked_once_everybody_who_reported_has_power_again_step_by_step(storm: Timeline) -> None:
    """The crew was there and said nothing more; nobody but they, or a person, ends it."""
    for n, place in enumerate(("A0TR00023", "A0TR00026", "A0TR00028", "A0TR00030", "A0TR00027", "A0TR00024")):
        first = storm.at(n / 4).report(place)
    outage = storm.incident_of(first)
    storm.at(5).crew(storm.order_of(first).order_id, ProgressStage.ARRIVED)
    storm.at(30).power_back("A0FU00016")
    assert outage.suggested_at is None, "some are under another fuse"
    for n, place in enumerate(("A0TR00026", "A0TR00027", "A0TR00028", "A0TR00030")):
        storm.at(40 + n).power_back(place)

    assert outage.suggested_at == minute(43)
    assert storm.changed[-1].restoration_suggested_at == minute(43)
    assert storm.live_orders().keys() == {outage.device.id}, "marked, not ended"


def test_a_step_within_two_minutes_is_noted_with_its_time(storm: Timeline) -> None:
    for n, place in enumerate(storm.state.tree.transformers_under("A0SW00015")):
        storm.at(n / 6).report(place)
    storm.at(5).report("A0TR00104")
    storm.at(300).power_back("A0FU00016")
    storm.at(301).power_back("A0TR00104")
    assert steps(storm) == [("A0FU00016", 300), ("A0TR00104", 301)]


def test_the_end_of_an_outage_is_no_step_of_it(storm: Timeline) -> None:
    for n, place in enumerate(storm.state.tree.transformers_under("A0SW00015")):
        storm.at(n / 6).report(place)
    for n, fuse in enumerate(("A0FU00016", "A0FU00017", "A0FU00018")):
        storm.at(90 + 20 * n).power_back(fuse)
    assert steps(storm) == [("A0FU00016", 90), ("A0FU00017", 110)]
    assert [event.restored_at for event in storm.events if isinstance(event, IncidentRestored)] == [minute(130)]


def test_the_last_step_of_an_outage_leaves_one_that_began_at_its_first_meanwhile(storm: Timeline) -> None:
    storm.at(1).report("A0TR00028")
    storm.at(3).report("A0TR00026")
    storm.at(4).power_back("A0TR00028")
    again = storm.at(30).report("A0TR00028")
    order = storm.order_of(again).order_id
    storm.at(34).power_back("A0TR00026")

    assert storm.live_orders().keys() == {"A0TR00028"}
    assert storm.order_of(again).order_id == order
    assert storm.state.by_device["A0TR00028"] == storm.incident_of(again).incident_id


def two_homes_nobody_named(storm: Timeline, second_made: float) -> tuple[UUID, UUID]:
    first = storm.at(40).report("A0TR00023", only_mine=True, address="人民路12号")
    second = storm.at(50).report("A0TR00023", only_mine=True, address="人民路14号", made=second_made)
    assert storm.incident_of(first) is not storm.incident_of(second)
    return first, second


def test_of_two_homes_that_nobody_named_one_has_power_again(storm: Timeline) -> None:
    _, second = two_homes_nobody_named(storm, 50)
    storm.at(60).power_back("A0TR00023", "A1")
    assert storm.state.members.keys() == {second}, "the one that called first"
    storm.at(70).power_back("A0TR00023", "A2")
    assert not storm.state.members


def test_of_two_homes_that_nobody_named_it_was_the_one_that_was_out_by_then(storm: Timeline) -> None:
    """The other's call came first; its line broke only after power was back here."""
    first, _ = two_homes_nobody_named(storm, 10)
    storm.at(60).power_back("A0TR00023", "A1", made=30)
    assert storm.state.members.keys() == {first}


def test_an_order_that_waited_does_not_go_out_once_power_is_back_where_another_has_one(
    ieee123: Tree, rules: Rules
) -> None:
    """Two homes under one fuse, hours apart; a crew is on its way to the second, nobody yet to the first."""
    storm = Timeline("A0SU00000", ieee123, replace(rules, holds={"transformer": timedelta(hours=10)}))
    waits = storm.at(0).report("A0TR00028")
    urgent = storm.at(500).report("A0TR00032", account="L", customer_class=CustomerClass.LIFE_SUPPORT)
    order = storm.order_of(urgent).order_id
    storm.at(510).power_back("A0FU00018")

    assert {one.order_id for one in storm.orders} == {order}
    assert storm.history(order)[-1] == (3, "closed", "A0FU00018")
    assert storm.orders[-1].reports == 2, "what it was for in the end"
    assert waits not in storm.state.members
    assert not storm.waiting()


def test_where_power_came_back_a_day_ago_is_forgotten_as_soon_as_it_is_later(storm: Timeline) -> None:
    """Not with the next outage that ends: who starts now does not load it, and would decide otherwise."""
    storm.at(0).report("A0TR00023", account="A1", only_mine=True)
    storm.at(5).power_back("A0TR00023", "A1")
    storm.at(6).report("A0TR00026")
    storm.at(10).power_back("A0FU00017")
    storm.at(24 * 60 + 10).report("A0TR00104")
    assert storm.state.restored.keys() == {"A0FU00017"}
    assert not storm.state.restored_premises
    storm.at(24 * 60 + 11).report("A0TR00104")
    assert not storm.state.restored
