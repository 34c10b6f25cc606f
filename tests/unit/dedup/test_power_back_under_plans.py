"""Power that is back for whom a planned outage answered by a dispatcher's word, as timelines.

It is for them as for those who called when the plan was known (``test_known_plans``). On the IEEE 123-node feeder: fuse
FU00017 feeds transformers TR00026 and 27. The plan is of FU00017, minutes 0 to 120, entered after they had called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.contracts.values import CustomerClass, IncidentState
from tests.unit.dedup.test_commands import places
from tests.unit.dedup.test_planning import FUSE, PLAN, accept, enter
from tests.unit.dedup.timeline import minute as clock_at

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.dedup.timeline import Timeline


def an_accepted_outage(storm: Timeline) -> tuple[UUID, UUID, UUID, UUID]:
    """Two customers of different transformers, whose incident a dispatcher said is the work; and that command."""
    first = storm.at(5).report("A0TR00026", "first", account="A1")
    second = storm.at(6).report("A0TR00027", "second", account="A2")
    storm.dispatcher("merge", incident_id=storm.state.members[second], target_id=storm.state.members[first])
    incident = storm.state.members[first]
    assert storm.state.members == dict.fromkeys((first, second), incident)
    enter(storm.at(15))
    return first, second, incident, accept(storm.at(20), incident)


@pytest.mark.parametrize("where", ["A0TR00026", FUSE, "A0SW00015", "the first home"])
def test_they_hear_it_and_are_no_outage_if_the_plan_is_withdrawn_then(storm: Timeline, where: str) -> None:
    first, second, incident, _ = an_accepted_outage(storm)
    storm.at(90)
    known = len(storm.settled)
    for _ in range(2):
        if where == "the first home":
            storm.power_back("A0TR00026", "A1")
        else:
            storm.power_back(where)

    back = {"A0TR00026": {first}, "the first home": {first}}.get(where, {first, second})
    told = storm.settled[known:]
    assert {(one.report_id, one.outcome, one.reason, one.planned_id) for one in told} == {
        (one, "answered", "already_restored", PLAN) for one in back
    }
    assert len(told) == len(back), "told a second time"
    assert storm.state.covered.keys() == {first, second} - back
    storm.at(100).dispatcher("cancel_plan", planned_id=PLAN)
    assert storm.state.members == dict.fromkeys({first, second} - back, incident)
    assert len(storm.settled) == len(told) + known + len({first, second} - back)


def test_who_is_left_comes_back_to_the_incident_with_the_time_of_their_own_call(storm: Timeline) -> None:
    _, second, incident, command = an_accepted_outage(storm)
    order = storm.orders[-1].order_id
    storm.at(90).power_back("A0TR00026")
    storm.at(95).dispatcher("undo", undoes=command)

    back = storm.incident_of(second)
    assert (back.incident_id, back.state, back.opened_at) == (incident, IncidentState.PREDICTED, clock_at(6))
    assert (storm.order_of(second).order_id, storm.order_of(second).reports) == (order, 1)
    assert not storm.state.covered


def test_once_power_is_back_for_all_the_acceptance_is_not_taken_back(storm: Timeline) -> None:
    first, second, _, command = an_accepted_outage(storm)
    storm.at(90).power_back(FUSE)
    storm.at(91).dispatcher("undo", undoes=command)

    assert "cannot be undone" in storm.refusals()[-1][1]
    storm.at(92).dispatcher("cancel_plan", planned_id=PLAN)
    assert not storm.state.members.keys() & {first, second}
    assert not storm.live_orders()
    assert not storm.state.set_aside
    assert command not in storm.state.commands


def test_who_called_after_power_was_back_is_still_answered_by_the_plan(storm: Timeline) -> None:
    first, second, incident, _ = an_accepted_outage(storm)
    storm.at(30).power_back(FUSE, made=5.5)

    assert storm.settled[-1].report_id == first
    assert storm.state.covered.keys() == {second}
    storm.at(40).dispatcher("cancel_plan", planned_id=PLAN)
    assert storm.state.members == {second: incident}


def test_so_is_who_called_after_it_when_the_plan_was_known(storm: Timeline) -> None:
    enter(storm.at(1))
    first, second = (storm.at(at).report("A0TR00026", f"at {at}", account=f"A{at}") for at in (5, 6))
    known = len(storm.settled)
    storm.at(30).power_back(FUSE, made=5.5)

    assert [(one.report_id, one.reason) for one in storm.settled[known:]] == [(first, "already_restored")]
    storm.at(40).dispatcher("cancel_plan", planned_id=PLAN)
    assert storm.state.members.keys() == {second}


def test_what_an_acceptance_left_open_is_restored_as_ever(storm: Timeline) -> None:
    depends = {"account": "A3", "customer_class": CustomerClass.LIFE_SUPPORT}
    first = storm.at(5).report("A0TR00026", "first")
    stays = storm.at(6).report("A0TR00026", "depends", **depends)
    incident = storm.state.members[first]
    enter(storm.at(15))
    command = accept(storm.at(20), incident)
    assert storm.state.members == {stays: incident}
    before = places(storm)
    storm.at(30).power_back("A0TR00027")
    assert places(storm) == before, "another transformer"
    assert storm.state.covered.keys() == {first}
    storm.at(40).power_back("A0TR00026")

    assert not storm.state.incidents
    assert not storm.state.covered
    assert (storm.settled[-1].report_id, storm.settled[-1].reason) == (first, "already_restored")
    storm.at(50).dispatcher("cancel_plan", planned_id=PLAN)
    assert not storm.state.incidents
    assert command not in storm.state.commands
