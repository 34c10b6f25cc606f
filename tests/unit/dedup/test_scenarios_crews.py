"""What crews say, as a timeline that a dispatcher can read: confirmed, estimated, restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.contracts.values import (
    CustomerClass,
    IncidentState,
    OrderStatus,
    ProgressStage,
)
from services.dedup.domain.acts import RelocationProposed
from tests.unit.dedup.timeline import Timeline, minute, two_outages_and_then_their_common_cause

if TYPE_CHECKING:
    from typing import Any


def test_power_back_closes_order_and_incident(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    order = storm.order_of(first)
    storm.at(60).crew(order.order_id, ProgressStage.RESTORED)

    assert storm.history(order.order_id)[-1] == (3, "closed", "A0FU00016")
    last = storm.changed[-1]
    assert (last.state, last.restored_at, last.reports) == (IncidentState.RESTORED, storm.orders[-1].issued_at, 2)
    assert not storm.state.incidents


@pytest.mark.parametrize(("last", "told"), [(None, "tree on the line"), ("burnt fuse", "burnt fuse")])
def test_the_cause_a_crew_found_is_told_to_the_end(storm: Timeline, last: str | None, told: str) -> None:
    order = storm.order_of(storm.at(0).report("A0TR00023"))
    storm.at(20).crew(order.order_id, ProgressStage.DIAGNOSED, cause="tree on the line")
    storm.at(25).crew(order.order_id, ProgressStage.REPAIRING)
    assert storm.changed[-1].cause == "tree on the line"
    storm.at(60).crew(order.order_id, ProgressStage.RESTORED, cause=last)
    assert (storm.changed[-1].state, storm.changed[-1].cause) == (IncidentState.RESTORED, told)


def test_after_power_is_back_a_new_report_is_a_new_outage(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    closed = storm.order_of(first).order_id
    storm.at(60).crew(closed, ProgressStage.RESTORED)
    again = storm.at(65).report("A0TR00023")

    assert storm.order_of(again).order_id != closed


def test_a_report_made_before_power_was_back_and_arriving_after_is_answered(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    orders = len(storm.orders)
    storm.at(64).report("A0TR00025", made=50)

    assert storm.answers() == [("answered", "already_restored")]
    assert len(storm.orders) == orders


def test_what_a_phone_that_was_offline_says_of_an_outage_that_is_over_opens_no_other(storm: Timeline) -> None:
    first = storm.at(20).report("A0TR00023")
    storm.at(21).report("A0TR00024")
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    orders = len(storm.orders)
    storm.at(96).report("A0TR00025", made=45)  # longer ago than a clock is trusted: but the power was out there then

    assert storm.answers() == [("answered", "already_restored")]
    assert len(storm.orders) == orders


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (120, {"made": 45}),  # no report is on its way for longer than an hour
        (64, {"made": 15}),  # nothing was out there then
        (105, {"made": 59}),  # power was just coming back
        (96, {"made": 45, "customer_class": CustomerClass.LIFE_SUPPORT}),  # a crew for nothing rather than none
    ],
)
def test_what_a_wrong_clock_may_say_as_well_is_an_outage_now(storm: Timeline, at: float, said: dict[str, Any]) -> None:
    first = storm.at(20).report("A0TR00023")
    storm.at(21).report("A0TR00024")
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    late = storm.at(at).report("A0TR00025", **said)

    assert storm.order_of(late).order_id != storm.orders[0].order_id
    assert storm.answers() == []


def test_an_old_report_belongs_to_the_outage_that_is_open_there_now_whatever_its_clock_says(storm: Timeline) -> None:
    first = storm.at(20).report("A0TR00023")
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    again = storm.at(90).report("A0TR00023")
    late = storm.at(96).report("A0TR00023", made=45)

    assert storm.incident_of(late) is storm.incident_of(again)


def test_a_report_made_before_and_arriving_days_after_is_not_taken_for_known(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    storm.at(60 + 25 * 60).report("A0TR00104")
    late = storm.at(70 + 26 * 60).report("A0TR00023", made=50)

    assert storm.order_of(late).device.id == "A0TR00023"


def test_a_device_restored_inside_a_larger_outage_is_not_covered_by_it_again(storm: Timeline) -> None:
    """The fuse's own outage was older and confirmed; then the switch above failed; the fuse came back alone."""
    fuse = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    order = storm.order_of(fuse).order_id
    storm.at(2).crew(order, ProgressStage.ARRIVED)
    above = storm.at(90).report("A0TR00026")
    storm.at(91).report("A0TR00027")
    storm.at(92).report("A0TR00030")
    assert storm.incident_of(above).device.id == "A0SW00015"
    storm.at(120).crew(order, ProgressStage.RESTORED)

    late = storm.at(125).report("A0TR00025", made=110)
    again = storm.at(130).report("A0TR00025")

    assert late not in storm.state.members
    assert storm.answers() == [("answered", "already_restored")]
    assert storm.incident_of(again) is not storm.incident_of(above)
    assert storm.incident_of(again).device.id == "A0TR00025"


def test_what_a_crew_has_confirmed_is_not_moved(storm: Timeline) -> None:
    fuse = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    confirmed = storm.order_of(fuse)
    storm.at(2).crew(confirmed.order_id, ProgressStage.ARRIVED)
    storm.at(3).report("A0TR00026")
    storm.at(4).report("A0TR00028")
    storm.at(5).report("A0TR00030")
    joins = storm.at(6).report("A0TR00025")

    assert storm.incident_of(fuse).state is IncidentState.CONFIRMED
    assert storm.order_of(fuse) == confirmed
    assert storm.incident_of(joins) is storm.incident_of(fuse), "reports still join it"
    assert "A0FU00016" in storm.live_orders()


def test_evidence_that_points_elsewhere_than_a_crew_confirmed_is_proposed_and_not_done(storm: Timeline) -> None:
    fuse = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    confirmed = storm.order_of(fuse)
    storm.at(2).crew(confirmed.order_id, ProgressStage.ARRIVED)
    assert storm.incident_of(fuse).proposed_device is None
    for n, device in enumerate(("A0TR00026", "A0TR00028", "A0TR00030", "A0TR00020", "A0TR00018")):
        storm.at(3 + n / 2).report(device)
    proposals = [event for event in storm.events if isinstance(event, RelocationProposed)]
    assert proposals
    assert storm.incident_of(fuse).proposed_device == proposals[-1].device
    assert storm.state.tree is not None
    assert storm.state.tree.is_under("A0FU00016", proposals[-1].device)
    assert storm.order_of(fuse) == confirmed, "a crew's word stays until a person moves it"
    assert any(one.proposed_device == proposals[-1].device for one in storm.changed)


def test_evidence_that_points_below_what_a_crew_confirmed_is_proposed_and_not_done(storm: Timeline) -> None:
    """Some called at once and a crew went to the switch above them; nobody else of its 143 customers calls."""
    first = storm.at(0).report("A0TR00023")
    storm.at(0).report("A0TR00024")
    storm.at(5).report("A0TR00104")
    confirmed = storm.order_of(first)
    assert confirmed.device.id == "A0SW00012"
    storm.at(6).crew(confirmed.order_id, ProgressStage.ARRIVED)
    assert storm.incident_of(first).proposed_device is None
    storm.at(400)

    assert storm.incident_of(first).proposed_device == "A0FU00016"
    assert storm.order_of(first) == confirmed, "a crew's word stays until a person moves it"
    (proposal,) = {event.device: event for event in storm.events if isinstance(event, RelocationProposed)}.values()
    assert proposal.evidence["pieces"] == "A0FU00016 (2); A0TR00104 (1)"
    storm.dispatcher("confirm", incident_id=storm.incident_of(first).incident_id, device="A0FU00016")
    assert storm.history(confirmed.order_id)[-1][1:] == ("updated", "A0FU00016")


def test_what_a_person_confirmed_by_name_is_weighed_again_as_more_call(storm: Timeline) -> None:
    """It was never lifted, so no look at it is due: who joins has it weighed."""
    first = storm.at(0).report("A0TR00023", account="A0")
    incident = storm.incident_of(first)
    storm.at(1).dispatcher("confirm", incident_id=incident.incident_id, device="A0SW00012")
    assert incident.relook is None
    for n, device in enumerate(("A0TR00024", "A0TR00025", "A0TR00024")):
        storm.at(30 + n).report(device, account=f"B{n}")

    assert storm.live_orders().keys() == {"A0SW00012"}, "only a person moves it"
    assert storm.changed[-1].proposed_device == "A0FU00016"


def test_a_proposal_is_taken_back_when_the_evidence_no_longer_points_there(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00104")
    storm.at(2).crew(storm.order_of(first).order_id, ProgressStage.ARRIVED)
    storm.at(64)
    assert storm.incident_of(first).proposed_device in {"A0TR00023", "A0TR00104"}
    tree = storm.state.tree
    assert tree is not None
    for n, device in enumerate(tree.transformers_under("A0SW00012")):
        storm.at(64 + n / 20).report(device)
    storm.at(400)

    assert storm.incident_of(first).proposed_device is None
    assert storm.changed[-1].proposed_device is None


def test_a_crews_estimate_is_told_once(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    order = storm.order_of(first).order_id
    storm.at(5).crew(order, ProgressStage.EN_ROUTE, etr=90)
    storm.at(6).crew(order, ProgressStage.EN_ROUTE, etr=90)
    storm.at(9).crew(order, ProgressStage.REPAIRING, etr=120)

    told = [c.etr.at.minute for c in storm.changed if c.etr and c.reason == "crew_estimate"]
    assert told == [30, 0]
    assert len(storm.orders) == 1, "progress is the crew's own word: it makes no order version"


def test_who_joins_a_known_outage_is_told_its_estimate_and_sends_nobody(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(5).crew(storm.order_of(first).order_id, ProgressStage.EN_ROUTE, etr=90)
    joins = storm.at(20).report("A0TR00023")

    told = storm.changed[-1]
    assert [member.report_id for member in told.joined] == [joins]
    assert told.etr is not None
    assert told.etr.at == minute(90)
    assert len(storm.orders) == 1


def test_a_crews_older_word_does_not_replace_a_newer_one(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    order = storm.order_of(first).order_id
    storm.at(20).crew(order, ProgressStage.REPAIRING, made=19)
    storm.at(21).crew(order, ProgressStage.EN_ROUTE, made=8)

    assert storm.incident_of(first).stage is ProgressStage.REPAIRING


def test_a_crews_clock_ahead_of_ours_is_bounded_by_arrival(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(30).crew(storm.order_of(first).order_id, ProgressStage.RESTORED, made=500)

    assert storm.changed[-1].restored_at == storm.changed[-1].changed_at


def test_a_crews_clock_hours_behind_says_nothing_of_before_the_first_report(storm: Timeline) -> None:
    """Else a crew would have been there before anybody called, and an outage of hours would have lasted no minute."""
    first = storm.at(0).report("A0TR00023")
    order = storm.order_of(first).order_id
    storm.at(50).crew(order, ProgressStage.ARRIVED, made=50 - 480)
    assert storm.incident_of(first).arrived_at == minute(50)
    storm.at(170).crew(order, ProgressStage.RESTORED, made=170 - 480)
    assert storm.changed[-1].restored_at == minute(170)


def test_power_back_on_an_order_that_was_superseded_closes_nothing(storm: Timeline) -> None:
    _, younger, _ = two_outages_and_then_their_common_cause(storm)
    superseded = next(order.order_id for order in storm.orders if order.status is OrderStatus.CANCELLED)
    before = len(storm.orders)
    storm.at(12).crew(superseded, ProgressStage.RESTORED)

    assert len(storm.orders) == before
    assert storm.incident_of(younger).device.id in storm.live_orders()
