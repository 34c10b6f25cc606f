"""What a person declined for an incident that is absorbed or comes apart, as timelines: nobody is asked twice.

On the IEEE 123-node feeder: fuse FU00017 feeds transformers TR00026 and 27. TR00104 lies elsewhere, under the same
switch SW00012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.dedup.domain.planning import proposed_plan
from tests.unit.dedup.test_planning import ANOTHER, PLAN, enter

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.dedup.timeline import Timeline

SWITCH = "A0SW00012"


def proposed_for(storm: Timeline, report: UUID) -> UUID | None:
    """The planned outage that whoever reads the last snapshot of a report's incident sees."""
    incident = storm.incident_of(report)
    told = next(one for one in reversed(storm.changed) if one.incident_id == incident.incident_id).proposed_plan
    planned = proposed_plan(storm.state, incident)
    assert (told and told.planned_id) == (planned and planned.planned_id)
    return told and told.planned_id


def two_outages(storm: Timeline, older: str, younger: str) -> tuple[UUID, UUID]:
    """Two incidents hours apart, and a plan of the fuse that began before both and is entered afterwards."""
    reports = storm.at(0).report(older), storm.at(300).report(younger)
    assert storm.incident_of(reports[0]) is not storm.incident_of(reports[1])
    enter(storm.at(310), begins=-10, ends=600)
    return reports


def decline(storm: Timeline, *reports: UUID) -> None:
    for report in reports:
        storm.dispatcher("decline_plan", incident_id=storm.state.members[report], planned_id=PLAN)
        assert proposed_for(storm, report) is None


def absorb(storm: Timeline, *reports: UUID) -> None:
    storm.at(320).reading("breaker_open", SWITCH, made=-1)  # it was open all the while
    assert len({storm.state.members[report] for report in reports}) == 1
    assert storm.incident_of(reports[0]).device.id == SWITCH
    assert storm.changed[-1].reason in {"breaker_open", "absorbed"}


def test_what_was_declined_for_all_that_the_plan_answers_is_not_proposed_again(storm: Timeline) -> None:
    away, inside = two_outages(storm, "A0TR00104", "A0TR00026")
    decline(storm, inside)
    absorb(storm, away, inside)

    assert proposed_for(storm, away) is None
    enter(storm.at(330), begins=-10, ends=500, key=ANOTHER)
    assert proposed_for(storm, away) == ANOTHER, "another plan is another question"


def test_declined_for_each_of_both_it_is_not_proposed_for_the_two_together(storm: Timeline) -> None:
    older, younger = two_outages(storm, "A0TR00026", "A0TR00027")
    decline(storm, older, younger)
    absorb(storm, older, younger)

    assert proposed_for(storm, older) is None


@pytest.mark.parametrize("asked", [0, 1])
def test_with_a_report_that_nobody_was_asked_about_it_is_proposed_whichever_is_absorbed(
    storm: Timeline, asked: int
) -> None:
    reports = two_outages(storm, "A0TR00026", "A0TR00027")
    decline(storm, reports[asked])
    assert proposed_for(storm, reports[1 - asked]) == PLAN
    absorb(storm, *reports)

    assert proposed_for(storm, reports[0]) == PLAN
    decline(storm, reports[0])


def test_what_was_declined_for_one_that_comes_apart_is_declined_for_its_pieces(storm: Timeline) -> None:
    here, there = storm.at(0).report("A0TR00023"), storm.at(0.2).report("A0TR00104")
    assert storm.incident_of(here) is storm.incident_of(there)
    enter(storm.at(1), SWITCH, begins=-10, ends=600)
    assert proposed_for(storm, here) == PLAN
    decline(storm, here)
    storm.at(300)

    assert storm.incident_of(here) is not storm.incident_of(there)
    assert (proposed_for(storm, here), proposed_for(storm, there)) == (None, None)
