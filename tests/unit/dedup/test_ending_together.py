"""What ends with one message: nobody goes where nothing stands any more, and nobody goes twice.

Each of these ended dedup, and again at every start: the message waits where it stopped.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from services.contracts.ids import derive
from services.contracts.values import CustomerClass, ProgressStage
from tests.unit.dedup.timeline import Timeline, minute

if TYPE_CHECKING:
    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree

AREA = "A0SU00000"


@pytest.fixture
def calm(ieee123: Tree, rules: Rules) -> Timeline:
    """Nothing is looked at twice."""
    return Timeline(AREA, ieee123, replace(rules, inference=replace(rules.inference, relook=())))


def test_who_called_after_power_was_back_does_not_go_to_an_outage_that_it_ends_as_well(calm: Timeline) -> None:
    calm.at(0).report("A0BR00001", account="A3", customer_class=CustomerClass.LIFE_SUPPORT)
    calm.at(711).report("A0FU00016", account="A2", made=686)
    calm.at(912).report("A0TR00023")
    calm.power_back("A0TR00023", made=822)  # what is left stands apart: at the feeder, and at the fuse
    assert calm.live_orders().keys() == {"A0BR00001", "A0FU00016"}
    late = calm.at(914).report("A0FU00016", account="A2")
    calm.power_back("A0BR00001", made=889)

    assert calm.state.members.keys() == {late}
    assert calm.live_orders().keys() == {"A0FU00016"}


def test_an_outage_that_stands_above_too_as_the_network_changed_ends_once(storm: Timeline) -> None:
    first = storm.at(10).report("A0TR00028", made=7)
    storm.at(21).report("A0SW00012", account="A1", made=-19)
    outage = storm.incident_of(first)
    assert outage.device.id == "A0SW00005"
    storm.network_told(outage.incident_id, "A0SW00005", AREA, None, network="2")
    storm.at(21.5).power_back("A0TR00030", "A1")
    storm.at(22).power_back("A0SW00015", made=17)

    assert not storm.state.members
    assert not storm.live_orders()


def test_an_outage_that_a_person_merged_another_into_ends_once_at_its_device(calm: Timeline) -> None:
    here = calm.at(0).report("A0TR00027", account="A3")
    calm.at(22).crew(calm.order_of(here).order_id, ProgressStage.ARRIVED)
    above = calm.report("A0BR00001")
    late = {calm.at(723).report("A0TR00030", made=683), calm.report("A0TR00030", made=720), calm.report("A0TR00027")}
    one, other = (calm.incident_of(report).incident_id for report in (above, here))
    calm.dispatcher("merge", incident_id=one, target_id=other)
    calm.at(735).power_back("A0TR00027", made=645)

    assert calm.state.members.keys() == late, "they called well after power was back there"
    assert len(calm.live_orders()) == 1


def test_what_a_plan_answers_stays_known_when_an_older_command_about_it_is_forgotten(calm: Timeline) -> None:
    unplaced = calm.at(0).report(None)
    calm.dispatcher("place", reports=(unplaced,), device="A0TR00026")
    calm.report("A0TR00026", account="A1", customer_class=CustomerClass.LIFE_SUPPORT)
    outage = calm.incident_of(unplaced)
    plan = {"planned_id": derive("a plan", 1), "device": "A0TR00026"}
    calm.dispatcher("plan", starts_at=minute(-10), ends_at=minute(300), **plan)
    calm.dispatcher("accept_plan", incident_id=outage.incident_id, planned_id=plan["planned_id"])
    calm.at(20).crew(outage.order_id, ProgressStage.RESTORED)
    assert calm.state.covered.keys() == {unplaced}
    calm.at(30).power_back("A0TR00026")

    assert not calm.state.covered
    assert calm.answers()[-1] == ("answered", "already_restored")
