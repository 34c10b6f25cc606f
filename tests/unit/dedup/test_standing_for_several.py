"""An incident that a person or another network made stand for several places, and power that is back at one of them.

Random walks over everything that can arrive found each of these: all but the last ended the service, again and again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from services.contracts.values import IncidentState
from services.dedup.domain import AreaState, decide
from services.dedup.domain.changes import Changes
from services.dedup.domain.explain import would_change
from services.dedup.domain.indexing import install_all
from services.grid.network_file import read_devices
from services.grid.tree import Tree
from tests.unit.dedup.timeline import NETWORKS, Timeline, a_report, rules_of_tests, shipped_tree

if TYPE_CHECKING:
    from uuid import UUID

    from services.dedup.domain.incident import Incident

AREA = "A0SU00000"
TREE = shipped_tree("ieee123")
ROWS = read_devices(NETWORKS / "ieee123" / "network.csv")


@pytest.fixture
def story() -> Timeline:
    return Timeline(AREA, TREE, rules_of_tests())


def is_found_as_after_a_restart(story: Timeline) -> bool:
    again = AreaState(AREA, TREE, story.state.rules)
    install_all(again, map(replace, story.state.incidents.values()))
    return (again.by_device, again.by_premises) == (story.state.by_device, story.state.by_premises)


def a_fuse_merged_into_the_breaker(story: Timeline) -> tuple[UUID, UUID, Incident]:
    """Return a report of each, and the incident that stands for both."""
    lower = story.at(0).report("A0TR00023")
    story.dispatcher("confirm", incident_id=story.state.members[lower], device="A0FU00016")
    upper = story.at(600).report("A0BR00001")
    survivor = story.incident_of(upper)
    story.dispatcher("merge", incident_id=story.state.members[lower], target_id=survivor.incident_id)
    return lower, upper, survivor


def test_power_back_under_two_places_of_one_incident_is_one_step(story: Timeline) -> None:
    """A fuse's outage was merged into the breaker's, so both stand above the transformer: a step was taken twice."""
    lower, upper, survivor = a_fuse_merged_into_the_breaker(story)
    assert (survivor.device.id, survivor.also) == ("A0BR00001", ("A0FU00016",))

    story.at(630).power_back("A0TR00023")

    assert (lower in survivor.reports, upper in survivor.reports) == (False, True)
    assert is_found_as_after_a_restart(story)


def test_power_back_at_a_home_that_a_person_put_into_an_outage_leaves_the_others_outage_open(story: Timeline) -> None:
    """The whole outage was closed for one home's power, and then looked for once more."""
    upper = [story.at(0).report(transformer) for transformer in TREE.transformers_under("A0BR00001")[:12:2]]
    mine = story.at(5).report("A0TR00077", account="A2", only_mine=True)
    outage = story.incident_of(upper[0])
    story.at(6).dispatcher("move", target_id=outage.incident_id, reports=(mine,))
    assert story.incident_of(mine) is outage

    story.at(30).power_back("A0TR00077", account="A2")

    assert outage.incident_id in story.state.incidents
    assert outage.state is not IncidentState.RESTORED
    assert set(upper) <= set(outage.reports)
    assert is_found_as_after_a_restart(story)


def test_power_back_of_one_account_takes_nobody_elses_place(story: Timeline) -> None:
    """Theirs was closed at the transformer where another outage stands, which was no longer found there then."""
    other = story.at(0).report("A0TR00058", account="A1")
    wide = story.at(600).report("A0SW00007", account="A9")
    assert story.incident_of(other) is not story.incident_of(wide)

    story.at(900).power_back("A0TR00058", account="A9")

    assert wide not in story.state.members
    assert is_found_as_after_a_restart(story)
    again = story.at(901).report("A0TR00058", account="A1")
    assert story.incident_of(again) is story.incident_of(other)


def test_what_waits_for_an_outage_elsewhere_is_not_left_waiting_by_another_one(story: Timeline) -> None:
    """Two areas had an outage at a device that is in this one now; the first was forgotten for the second."""
    first, second = (story.at(0).report("A0TR00023", name, only_mine=True, account=name) for name in ("A5", "A6"))
    story.at(1).network_told(first, "A0TR00074", "elsewhere", AREA)
    waits = story.at(2).report("A0TR00074")
    assert story.incident_of(waits).waits
    story.at(3).network_told(second, "A0TR00074", "elsewhere too", AREA)
    assert story.incident_of(waits).waits
    story.at(4).network_told(first, "A0TR00074", "elsewhere", None, over=True, ended_at=None)

    assert story.order_of(waits).version == 1


def test_what_waits_for_an_outage_elsewhere_does_not_take_the_place_of_one_here(story: Timeline) -> None:
    here = story.at(0).report("A0SU00000")
    for minutes in (100, 200, 300):
        story.at(minutes).report("A0TR00065", account=f"A{minutes}")
    elsewhere = story.at(301).report("A0TR00023", only_mine=True, account="A5")
    story.at(302).network_told(elsewhere, "A0SU00000", "elsewhere", AREA)
    story.at(310).power_back("A0BR00001", account="A200")
    late = story.at(320).report("A0TR00065", account="A3")

    assert story.order_of(late).device.id == "A0TR00065"
    assert story.incident_of(here).device.id == "A0SU00000"
    assert is_found_as_after_a_restart(story)


def test_power_back_where_an_outage_was_merged_into_a_larger_one_is_a_step_of_it(story: Timeline) -> None:
    """The whole outage was closed for the fuse that was merged into it."""
    _, _, outage = a_fuse_merged_into_the_breaker(story)

    story.at(630).power_back("A0FU00016")
    assert outage.state is not IncidentState.RESTORED
    assert outage.incident_id in story.state.incidents
    story.at(640).power_back("A0BR00001")
    assert outage.state is IncidentState.RESTORED


def test_what_waits_for_an_outage_elsewhere_ends_with_it_whatever_a_person_related_it_to(story: Timeline) -> None:
    other = story.at(0).report("A0TR00104")
    first = story.at(0).report("A0TR00023", only_mine=True, account="A5")
    story.at(1).network_told(first, "A0TR00074", "elsewhere", AREA)
    waits = story.at(2).report("A0TR00074")
    story.dispatcher("relate", incident_id=story.state.members[waits], target_id=story.state.members[other])
    story.at(4).network_told(first, "A0TR00074", "elsewhere", None, over=True)

    assert story.order_of(waits).version == 1


def test_a_report_at_a_device_that_is_no_more_is_with_the_outage_that_stands_for_it(story: Timeline) -> None:
    """It opened a second outage at the first one's device, after a step there."""
    upper = story.at(0).report("A0BR00001")
    outage = story.incident_of(upper)
    for n, transformer in enumerate(TREE.transformers_under("A0FU00016")):
        story.at(0.1 * n).report(transformer)
    story.at(20).power_back("A0TR00023")
    assert story.state.restored["A0TR00023"].incident_id == outage.incident_id, "a step"
    without = Tree([row for row in ROWS if row.id != "A0TR00023"], {})
    story.under(without).at(30).network_told(outage.incident_id, "A0BR00001", AREA, "elsewhere")

    again = story.at(40).report("A0TR00023", account="A2")

    assert story.incident_of(again) is outage


def test_what_an_incident_no_longer_stands_for_is_kept(story: Timeline) -> None:
    """It was forgotten in memory alone: after a restart the outage of before took the reports of the new one."""
    lower = story.at(0).report("A0TR00023")
    story.dispatcher("confirm", incident_id=story.state.members[lower], device="A0FU00016")
    outage = story.incident_of(story.at(600).report("A0BR00001"))
    story.dispatcher("merge", incident_id=story.state.members[lower], target_id=outage.incident_id)
    story.at(630).power_back("A0FU00016")

    state, changes = story.state, Changes(story.moment)
    again = a_report(AREA, "A0FU00016", "again", 900)
    changes.apply(state, decide(state, again, again.received_at))

    assert state.incidents[state.members[again.report_id]] is not outage
    assert outage.also == ()
    assert outage.incident_id in {one.incident.incident_id for one in changes.changed()}


def test_what_would_change_is_asked_of_a_copy(story: Timeline) -> None:
    single = story.at(0).report("A0TR00023", account="A1", only_mine=True)
    before = story.incident_of(single)
    outage = story.at(1).report("A0TR00104")
    would_change(story.state, outage, "first_report", story.moment)

    assert list(story.state.singles_at["A0TR00023"].values()) == [before]
    assert next(iter(story.state.singles_at["A0TR00023"].values())) is before
