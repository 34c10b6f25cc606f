"""Commands of dispatchers taken back while others stand, as timelines: what goes back, stays, and stands in the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.contracts.values import CustomerClass
from services.dedup.domain.events import PredictionMoved
from tests.unit.dedup.test_commands import places, two_outages

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.dedup.timeline import Timeline


def three_outages(storm: Timeline) -> tuple[UUID, UUID, UUID]:
    """Three incidents that nobody has arranged, in places apart."""
    _, mine, _, other = two_outages(storm)
    third = storm.incident_of(storm.at(60).report("A0TR00020", "third")).incident_id
    assert not any(incident.pinned for incident in storm.state.incidents.values())
    return mine, other, third


def refused(storm: Timeline, command: UUID) -> str:
    """Try to take a command back, which must change nothing; return why not."""
    before = places(storm)
    storm.dispatcher("undo", undoes=command)
    assert places(storm) == before
    field, reason = storm.refusals()[-1]
    assert field == "undoes"
    return reason


def test_of_two_merges_into_one_either_is_taken_back_and_the_other_stands(storm: Timeline) -> None:
    mine, other, third = three_outages(storm)
    first = storm.at(61).dispatcher("merge", incident_id=other, target_id=mine)
    second = storm.at(62).dispatcher("merge", incident_id=third, target_id=mine)
    storm.at(63).dispatcher("undo", undoes=first)
    assert storm.state.incidents.keys() == {mine, other}
    assert storm.state.incidents[mine].pinned, "the other merge arranged it, too"
    assert not storm.state.incidents[other].pinned

    storm.at(64).dispatcher("undo", undoes=second)
    assert storm.state.incidents.keys() == {mine, other, third}
    assert not storm.state.incidents[third].pinned


def test_who_was_moved_on_is_not_taken_from_there(storm: Timeline) -> None:
    mine, other, third = three_outages(storm)
    there = next(iter(storm.state.incidents[other].reports))
    merge = storm.at(61).dispatcher("merge", incident_id=other, target_id=mine)
    storm.at(62).report("A0TR00023", "who came meanwhile")
    move = storm.at(63).dispatcher("move", reports=(there,), target_id=third)

    reason = refused(storm.at(64), merge)
    assert f"report {there} is in incident {third} since" in reason
    assert f"undo move {move}" in reason


def test_what_was_merged_away_itself_gives_nothing_back(storm: Timeline) -> None:
    mine, other, third = three_outages(storm)
    into = storm.at(61).dispatcher("merge", incident_id=other, target_id=mine)
    away = storm.at(62).dispatcher("merge", incident_id=mine, target_id=third)

    reason = refused(storm.at(63), into)
    assert f"incident {mine} was merged into {third} since" in reason
    assert f"undo merge {away}" in reason


def test_a_report_does_not_go_back_to_what_was_merged_away(storm: Timeline) -> None:
    mine, other, third = three_outages(storm)
    again = storm.at(61).report("A0TR00023", "a second of mine")
    move = storm.at(62).dispatcher("move", reports=(again,), target_id=other)
    merge = storm.at(63).dispatcher("merge", incident_id=mine, target_id=third)

    reason = refused(storm.at(64), move)
    assert f"incident {mine}, where report came from, is no longer open" in reason
    assert f"undo merge {merge}" in reason


def test_a_confirmation_is_not_taken_back_under_a_later_one(storm: Timeline) -> None:
    mine, _, _ = three_outages(storm)
    first = storm.at(61).dispatcher("confirm", incident_id=mine, device="A0FU00016")
    later = storm.at(62).dispatcher("confirm", incident_id=mine, device="A0SW00015")

    reason = refused(storm.at(63), first)
    assert f"incident {mine} was confirmed again since: undo confirm {later}" in reason
    storm.dispatcher("undo", undoes=later)
    assert storm.state.incidents[mine].device.id == "A0FU00016"


def test_taking_back_a_confirmation_of_where_it_stood_moves_nothing(storm: Timeline) -> None:
    mine, _, _ = three_outages(storm)
    before, orders, events = places(storm), len(storm.orders), len(storm.events)
    confirm = storm.at(61).dispatcher("confirm", incident_id=mine)
    storm.at(62).dispatcher("undo", undoes=confirm)

    assert places(storm) == before
    assert len(storm.orders) == orders, "the crew need not hear of it"
    assert not any(isinstance(event, PredictionMoved) for event in storm.events[events:])


def test_a_relation_is_not_taken_back_under_a_later_one(storm: Timeline) -> None:
    mine, other, third = three_outages(storm)
    first = storm.at(61).dispatcher("relate", incident_id=mine, target_id=other)
    later = storm.at(62).dispatcher("relate", incident_id=mine, target_id=third)

    assert f"is related to {third} since: undo relate {later}" in refused(storm.at(63), first)
    storm.dispatcher("undo", undoes=later)
    assert storm.state.incidents[mine].related_to == other


@pytest.mark.parametrize("joined", [True, False])
def test_a_report_whose_placing_founded_an_incident_stays_in_it_whoever_joined(storm: Timeline, joined: bool) -> None:
    lost = storm.at(0).report(None, "lost")
    place = storm.at(1).dispatcher("place", reports=(lost,), device="A0TR00023")
    if joined:
        storm.at(2).report("A0TR00023", "neighbour")

    assert "the report opened incident" in refused(storm.at(3), place)


def test_the_crew_hears_that_who_depends_on_power_is_not_there_after_all(storm: Timeline) -> None:
    known = storm.at(0).report("A0TR00023")
    lost = storm.at(1).report(None, "lost", customer_class=CustomerClass.LIFE_SUPPORT, account="A1")
    place = storm.at(2).dispatcher("place", reports=(lost,), device="A0TR00023")
    assert storm.order_of(known).life_support == 1
    storm.at(3).dispatcher("undo", undoes=place)

    assert (storm.order_of(known).life_support, storm.order_of(known).reports) == (0, 1)


def test_a_survivor_no_longer_stands_for_a_customer_who_has_their_own_again(storm: Timeline) -> None:
    mine = storm.incident_of(storm.at(0).report("A0TR00023")).incident_id
    alone = storm.at(1).report("A0TR00104", account="A1", only_mine=True)
    own = storm.incident_of(alone).incident_id
    merge = storm.at(5).dispatcher("merge", incident_id=own, target_id=mine)
    assert storm.state.incidents[mine].also_premises == ("A1",)
    storm.at(6).dispatcher("undo", undoes=merge)

    assert storm.state.incidents[mine].also_premises == ()
    again = storm.at(7).report("A0TR00104", account="A1", only_mine=True)
    assert storm.incident_of(again).incident_id == own
