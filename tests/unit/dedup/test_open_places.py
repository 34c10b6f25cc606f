"""Reports whose evidence fits several places, as a dispatcher would tell them: who calls now, calls from what is open.

Transformers 104 and 25 hang on laterals of their own; 25, 24 and 27 under one fuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.dedup.domain.decided_by import Rule
from services.dedup.domain.events import ReportJoined

if TYPE_CHECKING:
    from tests.unit.dedup.timeline import Timeline

HERE, THERE, BESIDE = "A0TR00104", "A0TR00025", "A0TR00024"
UNSURE = [(HERE, 0.6), (THERE, 0.3)]


def test_of_two_places_the_one_in_an_outage_that_goes_on_is_meant(storm: Timeline) -> None:
    first = storm.at(0).report(THERE)
    storm.at(3).report(HERE, "unsure", account="nearest", maybe=UNSURE)
    assert [order.device.id for order in storm.live_orders().values()] == [THERE]
    incident = storm.incident_of(first)
    assert len(incident.reports) == 2
    followed = list(incident.reports.values())[-1]
    assert (followed.device, followed.account_id) == (THERE, None), "not the customer of the place it is not at"
    assert [one.rule for one in storm.events if isinstance(one, ReportJoined)][-1] is Rule.FOLLOWS


def test_nothing_is_open_so_the_likelier_place_is_meant(storm: Timeline) -> None:
    storm.at(3).report(HERE, maybe=UNSURE)
    assert set(storm.live_orders()) == {HERE}


def test_an_outage_of_yesterday_calls_nobody_so_the_likelier_place_is_meant(storm: Timeline) -> None:
    storm.at(0).report(THERE)
    storm.at(24 * 60).report(HERE, maybe=UNSURE)
    assert set(storm.live_orders()) == {HERE, THERE}


def test_a_place_the_evidence_hardly_allows_is_not_meant_whatever_goes_on_there(storm: Timeline) -> None:
    storm.at(0).report(THERE)
    storm.at(60).report(HERE, maybe=[(HERE, 0.9999), (THERE, 0.0001)])
    assert set(storm.live_orders()) == {HERE, THERE}


def test_the_place_whose_neighbours_call_too_is_meant(storm: Timeline) -> None:
    first = storm.at(0).report(THERE)
    storm.at(0.1).report(HERE, maybe=[(HERE, 0.6), (BESIDE, 0.3)])
    assert len(storm.live_orders()) == 1, "one outage of what feeds both neighbours"
    assert len(storm.incident_of(first).reports) == 2


@pytest.mark.parametrize("said", [{"only_mine": True}, {"hazards": ("fire",)}])
def test_who_speaks_of_their_own_house_or_of_danger_follows_nobody(storm: Timeline, said: dict[str, object]) -> None:
    storm.at(0).report(THERE)
    storm.at(3).report(HERE, account="mine", maybe=UNSURE, **said)
    assert set(storm.live_orders()) == {HERE, THERE}


def test_a_place_in_another_area_is_not_ours_to_choose(storm: Timeline) -> None:
    storm.at(0).report(THERE)
    storm.at(240).report(HERE, maybe=[(HERE, 0.5), ("B7TR00001", 0.5)])
    assert set(storm.live_orders()) == {HERE, THERE}
