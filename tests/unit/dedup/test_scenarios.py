"""Outages as a dispatcher would tell them, on the IEEE 123-node feeder under the rules of rules.yaml.

Part of it: switch SW00015 feeds fuse FU00016 (transformers TR00023 to 25), fuse FU00017 (TR00026, 27) and fuse
FU00018 (TR00028, 30 to 33).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.contracts.values import (
    CustomerClass,
    IncidentState,
    OrderStatus,
    Priority,
    ProgressStage,
)
from services.dedup.domain.acts import RelocationProposed
from services.dedup.domain.events import IncidentRestored, PartRestored, ReportMoved, Rule
from services.grid.device import DeviceRow
from services.grid.tree import Tree
from tests.unit.dedup.timeline import Timeline, minute, rules_of_tests

if TYPE_CHECKING:
    from typing import Any
    from uuid import UUID


def test_one_report_is_one_order_at_once(storm: Timeline) -> None:
    report = storm.at(0).report("A0TR00023", address="1区黄河中路154号")

    (order,) = storm.orders
    assert (order.version, order.status, order.priority) == (1, OrderStatus.ISSUED, Priority.HIGH)
    assert (order.device.id, order.device.type, order.device.feeder) == ("A0TR00023", "transformer", "A0BR00001")
    assert order.customers_served == 2
    assert order.addresses == ("1区黄河中路154号",)
    assert storm.incident_of(report).state is IncidentState.PREDICTED


def test_neighbours_on_one_transformer_share_the_order(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    for later in (1, 3, 40, 200, 900):
        report = storm.at(later).report("A0TR00023")
        assert storm.order_of(report).order_id == storm.order_of(first).order_id

    assert len(storm.orders) == 1, "more reports of the same make no new version"
    assert storm.changed[-1].reports == 6


def test_reports_under_one_fuse_move_the_order_up_to_the_fuse(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(4).report("A0TR00024")

    order = storm.order_of(first)
    assert storm.history(order.order_id) == [(1, "issued", "A0TR00023"), (2, "updated", "A0FU00016")]
    assert order.customers_served == sum(
        storm.state.tree.customers_under(t) for t in ("A0TR00023", "A0TR00024", "A0TR00025")
    )
    assert storm.live_orders().keys() == {"A0FU00016"}


def test_a_report_under_a_device_that_is_predicted_open_joins_it(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(4).report("A0TR00024")
    third = storm.at(300).report("A0TR00025")

    assert storm.incident_of(third) is storm.incident_of(first)
    assert len(storm.orders) == 2


def test_laterals_that_fail_together_become_one_outage_of_the_switch_above(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    second = storm.at(2).report("A0TR00027")

    survivor = storm.order_of(first)
    assert storm.incident_of(second) is storm.incident_of(first)
    assert storm.live_orders().keys() == {"A0SW00015"}
    assert storm.history(survivor.order_id)[-1] == (3, "updated", "A0SW00015")


def two_outages_and_then_their_common_cause(storm: Timeline) -> tuple[UUID, UUID, UUID]:
    """Two transformers far enough apart in time to be two outages, until a third shows what they share."""
    older = storm.at(0).report("A0TR00026")
    younger = storm.at(10).report("A0TR00104")
    assert storm.order_of(older).order_id != storm.order_of(younger).order_id
    last = storm.at(11).report("A0TR00023")
    return older, younger, last


def test_an_absorbed_incident_hands_over_its_reports_and_cancels_its_order(storm: Timeline) -> None:
    older, younger, last = two_outages_and_then_their_common_cause(storm)

    assert storm.incident_of(older) is storm.incident_of(younger) is storm.incident_of(last)
    survivor = storm.order_of(older)
    assert storm.live_orders() == {survivor.device.id: survivor}
    (cancelled,) = [order for order in storm.orders if order.status is OrderStatus.CANCELLED]
    assert cancelled.superseded_by == survivor.order_id, "the oldest incident keeps its order"
    told = {change.incident_id: change for change in storm.changed}
    gone = told[cancelled.incident_id]
    assert (gone.state, gone.merged_into, gone.reports) == (IncidentState.CANCELLED, survivor.incident_id, 0)
    assert gone.left == (younger,)
    assert younger in {member.report_id for member in told[survivor.incident_id].joined}


def test_two_laterals_far_apart_in_time_stay_two_outages(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023")
    storm.at(0).report("A0TR00024")
    storm.at(30).report("A0TR00104")

    assert storm.live_orders().keys() == {"A0FU00016", "A0TR00104"}


def test_laterals_that_fail_hours_apart_stay_two_outages(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    storm.at(300).report("A0TR00026")
    storm.at(301).report("A0TR00027")

    assert storm.live_orders().keys() == {"A0FU00016", "A0FU00017"}


def test_an_older_outage_stays_one_of_its_own_when_the_device_above_fails(storm: Timeline) -> None:
    older = storm.at(0).report("A0TR00028")
    storm.at(1).report("A0TR00030")
    storm.at(300).report("A0TR00023")
    storm.at(301).report("A0TR00024")
    storm.at(302).report("A0TR00026")

    assert storm.live_orders().keys() == {"A0FU00018", "A0SW00015"}
    assert storm.incident_of(older).standing.reports == 2
    again = storm.at(305).report("A0TR00031")
    assert storm.incident_of(again) is storm.incident_of(older), "what lies under it still belongs to it"


def test_where_one_place_after_another_fails_two_more_calls_are_two_more(storm: Timeline) -> None:
    """All lie under one switch of 36 transformers; with nothing else dark there, the last two would be taken for it."""
    failing = ("A0TR00026", "A0TR00083", "A0TR00024", "A0TR00079", "A0TR00091", "A0TR00101")
    for n, transformer in enumerate(failing):
        storm.at(35 * n).report(transformer)
    one = storm.at(225).report("A0TR00023")
    other = storm.at(226).report("A0TR00104")

    assert storm.incident_of(one) is not storm.incident_of(other)
    assert "A0TR00104" in storm.live_orders()
    assert "A0SW00012" not in storm.live_orders()


def test_two_that_call_at_once_are_taken_for_one_until_the_others_silence_says_two(storm: Timeline) -> None:
    """The switch above both feeds 143 customers: some fourteen would have called within the hour."""
    first = storm.at(0).report("A0TR00023")
    other = storm.at(1).report("A0TR00104")
    assert storm.live_orders().keys() == {"A0SW00012"}
    assert len({order.order_id for order in storm.orders}) == 1
    storm.at(200)

    assert storm.live_orders().keys() == {"A0TR00023", "A0TR00104"}
    assert storm.incident_of(first) is not storm.incident_of(other)
    assert storm.history(storm.orders[0].order_id)[-1][1:] in {("updated", "A0TR00023"), ("updated", "A0TR00104")}
    apart = storm.incident_of(other)
    assert apart.related_to == storm.incident_of(first).incident_id
    moved = next(event for event in storm.events if isinstance(event, ReportMoved))
    assert moved.rule is Rule.APART
    assert float(moved.evidence["apart"]) > float(moved.evidence["together"])


def test_what_silence_does_not_contradict_stays_one(storm: Timeline) -> None:
    for n, device in enumerate(storm.state.tree.transformers_under("A0BR00001")[::3]):
        storm.at(n / 4).report(device)
    storm.at(600)

    assert storm.live_orders().keys() == {"A0BR00001"}
    assert len({order.order_id for order in storm.orders}) == 1


def test_an_order_moves_down_when_nobody_else_calls(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(0).report("A0TR00024")
    storm.at(5).report("A0TR00104")
    order = storm.order_of(first).order_id
    assert storm.history(order)[-1][1:] == ("updated", "A0SW00012")
    storm.at(200)

    assert storm.history(order)[-1][1:] == ("updated", "A0FU00016")
    assert storm.live_orders().keys() == {"A0FU00016", "A0TR00104"}


def test_late_callers_of_a_long_outage_join_it_and_move_nothing(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00028")
    storm.at(1).report("A0TR00030")
    for later, device in ((180, "A0TR00031"), (185, "A0TR00032"), (190, "A0TR00033")):
        late = storm.at(later).report(device)
        assert storm.incident_of(late) is storm.incident_of(first)
    storm.at(300).report("A0TR00026")

    assert storm.live_orders().keys() == {"A0FU00018", "A0TR00026"}


def test_a_whole_feeder_is_one_urgent_order(storm: Timeline) -> None:
    tree = storm.state.tree
    devices = tree.transformers_under("A0BR00001")[::6]
    for n, device in enumerate(devices):
        storm.at(n / 4).report(device)

    (device,) = storm.live_orders()
    assert device == "A0BR00001"
    assert storm.live_orders()[device].priority is Priority.URGENT
    assert len(storm.state.incidents) == 1


def test_one_customers_own_problem_stays_one(storm: Timeline) -> None:
    alone = storm.at(0).report("A0TR00023", account="A1", only_mine=True)
    storm.at(1).report("A0TR00024", account="A2")
    storm.at(2).report("A0TR00025", account="A3")

    assert storm.incident_of(alone).standing.reports == 1
    assert storm.live_orders().keys() == {"A0TR00023", "A0FU00016"}
    assert storm.order_of(alone).customers_served == 1


def test_one_customers_own_problem_stays_one_under_an_open_outage(storm: Timeline) -> None:
    outage = storm.at(0).report("A0TR00023", account="A1")
    storm.at(1).report("A0TR00024", account="A2")
    alone = storm.at(5).report("A0TR00023", account="A3", only_mine=True)

    assert storm.incident_of(alone) is not storm.incident_of(outage)
    assert storm.order_of(alone).order_id != storm.order_of(outage).order_id


@pytest.mark.parametrize("again", [True, False])
def test_a_customer_who_repeats_their_own_problem_gets_no_second_order(storm: Timeline, again: bool) -> None:
    first = storm.at(0).report("A0TR00023", account="A1", only_mine=True)
    second = storm.at(30).report("A0TR00023", account="A1", only_mine=again)

    assert storm.incident_of(second) is storm.incident_of(first)
    assert len(storm.orders) == 1


def test_a_customer_who_says_later_that_only_they_are_out_gets_no_second_order(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", account="A1")
    second = storm.at(9).report("A0TR00023", account="A1", only_mine=True)

    assert storm.incident_of(second) is storm.incident_of(first)


def test_danger_has_an_order_of_its_own_at_once_and_is_never_absorbed(storm: Timeline) -> None:
    outage = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    danger = storm.at(2).report("A0TR00023", hazards=("fallen_wire",))
    storm.at(3).report("A0TR00026")
    storm.at(4).report("A0TR00030")

    incident = storm.incident_of(danger)
    assert storm.order_of(danger).priority is Priority.EMERGENCY
    assert storm.order_of(danger).hazards == ("fallen_wire",)
    assert incident.related_to == storm.incident_of(outage).incident_id
    assert storm.incident_of(outage).device.id == "A0SW00015"
    assert incident.standing.reports == 1


def test_every_report_of_danger_has_its_own_order(storm: Timeline) -> None:
    one = storm.at(0).report("A0TR00023", account="A1", hazards=("fire",))
    other = storm.at(1).report("A0TR00023", account="A1", hazards=("fire",))

    assert storm.order_of(one).order_id != storm.order_of(other).order_id


def test_danger_seen_where_no_device_is_known_sends_a_crew_to_the_place(storm: Timeline) -> None:
    danger = storm.at(0).report(None, hazards=("smoke",), lat=31.19, lon=118.35, address="黄河中路路口")

    order = storm.order_of(danger)
    assert (order.device.type, order.device.lat, order.device.lon) == ("place", 31.19, 118.35)
    assert order.addresses == ("黄河中路路口",)


def test_a_life_support_customer_raises_the_order_at_once(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", account="A1")
    storm.at(5).report("A0TR00023", account="A2", customer_class=CustomerClass.LIFE_SUPPORT)

    order = storm.order_of(first)
    assert (order.version, order.priority, order.life_support) == (2, Priority.URGENT, 1)
    assert order.reason == "life_support_customer"


def test_a_second_life_support_customer_makes_a_version_and_a_repeated_call_none(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", account="A1", customer_class=CustomerClass.LIFE_SUPPORT)
    storm.at(1).report("A0TR00023", account="A1", customer_class=CustomerClass.LIFE_SUPPORT)
    assert storm.order_of(first).version == 1
    storm.at(2).report("A0TR00023", account="A2", customer_class=CustomerClass.LIFE_SUPPORT)

    assert (storm.order_of(first).version, storm.order_of(first).life_support) == (2, 2)


def test_an_abandoned_call_is_less_urgent_until_somebody_says_it(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", unconfirmed=True)
    assert storm.order_of(first).priority is Priority.NORMAL
    storm.at(2).report("A0TR00023")

    assert (storm.order_of(first).version, storm.order_of(first).priority) == (2, Priority.HIGH)


def test_a_customer_in_arrears_is_answered_and_no_crew_goes(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023", suspended=True)

    assert storm.answers() == [("answered", "arrears")]
    assert not storm.orders


def test_a_customer_in_arrears_whose_neighbours_are_dark_is_told_of_that(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", account="A1")
    storm.at(4).report("A0TR00024", account="A2")
    sent = len(storm.orders)
    cut_off = storm.at(6).report("A0TR00025", account="A3", suspended=True)

    assert storm.incident_of(cut_off) is storm.incident_of(first)
    assert len(storm.orders) == sent


def test_danger_at_a_customer_in_arrears_is_danger(storm: Timeline) -> None:
    danger = storm.at(0).report("A0TR00023", suspended=True, hazards=("fire",))

    assert storm.order_of(danger).priority is Priority.EMERGENCY


@pytest.mark.parametrize("device", [None, "A0TR99999", "cell:89318d9a543ffff"])
def test_a_report_that_cannot_be_placed_goes_to_a_person(storm: Timeline, device: str | None) -> None:
    storm.at(0).report(device)

    assert storm.answers() == [("needs_person", "device_unknown")]
    assert not storm.orders


def test_where_no_model_covers_the_ground_reports_of_one_cell_are_one_outage(unmodelled: Timeline) -> None:
    one = unmodelled.at(0).report("cell:89318d9a543ffff", lat=31.0, lon=118.0)
    two = unmodelled.at(5).report("cell:89318d9a543ffff")
    other = unmodelled.at(6).report("cell:89318d9a547ffff")

    assert unmodelled.incident_of(one) is unmodelled.incident_of(two)
    assert unmodelled.incident_of(one) is not unmodelled.incident_of(other)
    order = unmodelled.order_of(one)
    assert (order.device.type, order.device.lat, order.customers_served) == ("cell", 31.0, 0)


# --- the crew ---


def test_power_back_closes_order_and_incident(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    order = storm.order_of(first)
    storm.at(60).crew(order.order_id, ProgressStage.RESTORED)

    assert storm.history(order.order_id)[-1] == (3, "closed", "A0FU00016")
    last = storm.changed[-1]
    assert (last.state, last.restored_at, last.reports) == (IncidentState.RESTORED, storm.orders[-1].issued_at, 2)
    assert not storm.state.incidents


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


def test_power_back_on_an_order_that_was_superseded_closes_nothing(storm: Timeline) -> None:
    _, younger, _ = two_outages_and_then_their_common_cause(storm)
    superseded = next(order.order_id for order in storm.orders if order.status is OrderStatus.CANCELLED)
    before = len(storm.orders)
    storm.at(12).crew(superseded, ProgressStage.RESTORED)

    assert len(storm.orders) == before
    assert storm.incident_of(younger).device.id in storm.live_orders()


# --- power back, whoever says so ---


def test_power_back_at_a_device_ends_what_was_reported_under_it_as_one_outage(storm: Timeline) -> None:
    """Too far apart in time to be taken for one before; that the fuse was out says they were."""
    first = storm.at(0).report("A0TR00028")
    second = storm.at(500).report("A0TR00032")
    assert storm.incident_of(first) is not storm.incident_of(second)
    storm.at(510).power_back("A0FU00018")

    assert not storm.state.incidents
    last = {change.incident_id: change for change in storm.changed}
    assert {change.state for change in last.values()} == {IncidentState.RESTORED, IncidentState.CANCELLED}
    assert not storm.live_orders()


def test_power_back_inside_a_larger_outage_takes_what_lay_there_with_it(storm: Timeline) -> None:
    """Two called at once and were taken for one; then one of them has power again."""
    first = storm.at(0).report("A0TR00023")
    other = storm.at(1).report("A0TR00104")
    assert storm.live_orders().keys() == {"A0SW00012"}
    storm.at(20).power_back("A0TR00104")

    assert other not in storm.state.members
    assert storm.live_orders().keys() == {"A0TR00023"}, "the larger one was none: its order goes down"
    assert storm.incident_of(first).standing.reports == 1
    inside = next(change for change in storm.changed if change.state is IncidentState.RESTORED)
    assert inside.reason == "restored_inside"
    assert len({order.order_id for order in storm.orders}) == 1, "power is back: no crew is sent"


def test_power_back_branch_by_branch_is_one_outage_in_steps(storm: Timeline) -> None:
    """Fifty-odd customers of the switch have called: that one lateral is back makes it no outage of its own."""
    tree = storm.state.tree
    reports = [storm.at(n / 6).report(device) for n, device in enumerate(tree.transformers_under("A0SW00012"))]
    assert storm.live_orders().keys() == {"A0SW00012"}
    storm.at(90).power_back("A0FU00016")

    assert storm.live_orders().keys() == {"A0SW00012"}
    assert all(report in storm.state.members for report in reports), "they are told when all of it is over"
    step = next(event for event in storm.events if isinstance(event, PartRestored))
    assert (step.device, step.restored_at) == ("A0FU00016", minute(90))
    late = storm.at(95).report("A0TR00023", made=80)
    assert storm.answers() == [("answered", "already_restored")]
    again = storm.at(99).report("A0TR00023")
    assert late not in storm.state.members
    assert storm.incident_of(again) is not storm.incident_of(reports[0])


def test_an_outage_that_is_told_over_customer_by_customer_is_one(storm: Timeline) -> None:
    """Some tell of each home that has power again, also of those that never called, in place of the device."""
    places = storm.state.tree.transformers_under("A0SW00012")
    reports = [storm.at(n / 6).report(place, account=f"A{n}") for n, place in enumerate(places)]
    assert storm.live_orders().keys() == {"A0SW00012"}
    before = len(storm.events)
    for n, place in enumerate(places):
        storm.at(90).power_back(place, f"quiet {n}")
        storm.at(90).power_back(place, f"A{n}")

    assert not storm.state.incidents
    assert not storm.live_orders()
    moved = [event.report_id for event in storm.events[before:] if isinstance(event, ReportMoved)]
    assert moved in ([], [reports[0]]), "the first home may have had an outage of its own, those with it did not"


def a_part_of_what_a_crew_is_at(storm: Timeline) -> str:
    places = storm.state.tree.transformers_under("A0SW00012")
    for n, place in enumerate(places):
        storm.at(n / 6).report(place)
    [order] = storm.live_orders().values()
    storm.at(5).crew(order.order_id, ProgressStage.ARRIVED)
    return places[0]


def test_a_step_that_is_told_twice_is_one_step(storm: Timeline) -> None:
    """Two systems may tell of one switching, or one of them again after a later one."""
    part = a_part_of_what_a_crew_is_at(storm)
    before = len(storm.events)
    for minute_told in (30, 30, 40, 30):
        storm.at(45).power_back(part, made=minute_told)

    steps = [event for event in storm.events[before:] if isinstance(event, PartRestored)]
    assert [(step.device, step.restored_at) for step in steps] == [(part, minute(30)), (part, minute(40))]
    assert storm.live_orders().keys() == {"A0SW00012"}


def test_a_step_told_again_after_another_outage_there_ended_changes_nothing(storm: Timeline) -> None:
    part = a_part_of_what_a_crew_is_at(storm)
    storm.at(30).power_back(part)
    again = storm.at(200).report(part)
    storm.at(230).power_back(part)
    assert storm.live_orders().keys() == {"A0SW00012"}
    assert again not in storm.state.members

    storm.at(240).power_back(part, made=30)
    assert storm.live_orders().keys() == {"A0SW00012"}
    steps = [event.restored_at for event in storm.events if isinstance(event, PartRestored)]
    assert steps == [minute(30), minute(30)], "noted again: what was stored must take it"


def test_power_back_of_one_customer_ends_what_was_theirs_alone(storm: Timeline) -> None:
    alone = storm.at(0).report("A0TR00023", account="A1", only_mine=True)
    shared = storm.at(0).report("A0TR00028", account="A2")
    storm.at(1).report("A0TR00028", account="A3")
    storm.at(30).power_back("A0TR00023", "A1")
    storm.at(30).power_back("A0TR00028", "A2")

    assert alone not in storm.state.members
    assert shared not in storm.state.members, "what this customer had was by itself"
    assert len(storm.state.incidents) == 1, "the neighbour is still out"


def test_who_calls_again_without_an_account_is_with_their_own_problem(storm: Timeline) -> None:
    mine = storm.at(0).report("A0TR00028", account="A1", only_mine=True, address="1区黄河中路154号2栋301室")
    unnamed = storm.at(20).report("A0TR00028", address="黄河中路154号")
    other_room = storm.at(21).report("A0TR00028", address="黄河中路154号2栋402室")
    other_customer = storm.at(22).report("A0TR00030", account="A2", only_mine=True)

    assert storm.incident_of(unnamed) is storm.incident_of(mine)
    assert storm.incident_of(other_room) is not storm.incident_of(mine)
    assert storm.incident_of(other_customer) is not storm.incident_of(mine)


def test_a_call_long_after_is_not_taken_for_the_same_home_again(storm: Timeline) -> None:
    mine = storm.at(0).report("A0TR00028", only_mine=True)
    later = storm.at(60 * 9).report("A0TR00028")

    assert storm.incident_of(later) is not storm.incident_of(mine)


def test_power_back_at_an_account_ends_what_was_reported_there_without_one(storm: Timeline) -> None:
    unnamed = storm.at(0).report("A0TR00023", only_mine=True)
    storm.at(30).power_back("A0TR00023", "A1")
    assert unnamed not in storm.state.members

    once_named = storm.at(500).report("A0TR00028", account="A2")
    again = storm.at(505).report("A0TR00028")
    assert storm.incident_of(again) is storm.incident_of(once_named)
    storm.at(530).power_back("A0TR00028", "A2")
    assert not storm.state.incidents

    storm.at(1000).report("A0TR00104", account="A3")
    neighbour = storm.at(1001).report("A0TR00104", account="A4")
    storm.at(1030).power_back("A0TR00104", "A3")
    assert storm.incident_of(neighbour).standing.customers == {"A4"}, "two who said who they are: one is still out"


def an_estate() -> Tree:
    """One feeder with three fuses, of one transformer with sixty homes each."""
    rows = [DeviceRow("S", None, "substation", False, 31.0, 118.0), DeviceRow("B", "S", "breaker", False, 31.0, 118.0)]
    rows += [DeviceRow(f"F{n}", "B", "fuse", False, 31.0, 118.0) for n in (1, 2, 3)]
    rows += [DeviceRow(f"T{n}", f"F{n}", "transformer", False, 31.0, 118.0) for n in (1, 2, 3)]
    return Tree(rows, {"T1": 60, "T2": 60, "T3": 60})


def test_an_old_lone_call_does_not_take_the_calls_of_its_street_going_dark() -> None:
    """Sixty homes hang on the transformer: had it been out for hours, more than one would have called."""
    estate = Timeline("S", an_estate(), rules_of_tests())
    alone = estate.at(0).report("T1", account="A1")
    for n in range(6):
        street = estate.at(400 + n / 4).report(f"T{2 + n % 2}", account=f"S{n}")
    assert estate.live_orders().keys() == {"T1", "B"}
    neighbour = estate.at(403).report("T1", account="A2")
    again = estate.at(404).report("T1", account="A1")

    assert estate.incident_of(neighbour) is estate.incident_of(street)
    assert estate.incident_of(again) is estate.incident_of(alone), "who told of the first tells of it again"


def test_an_outage_ends_with_the_last_of_its_steps_though_its_device_is_never_named(storm: Timeline) -> None:
    tree = storm.state.tree
    reports = [storm.at(n / 6).report(device) for n, device in enumerate(tree.transformers_under("A0SW00015"))]
    assert storm.live_orders().keys() == {"A0SW00015"}
    for n, fuse in enumerate(("A0FU00016", "A0FU00017", "A0FU00018")):
        assert storm.state.incidents
        storm.at(90 + 20 * n).power_back(fuse)

    assert not storm.state.incidents
    assert not any(report in storm.state.members for report in reports)
    assert len({order.order_id for order in storm.orders}) == 1


def test_power_that_came_back_at_two_places_apart_ended_two_outages(storm: Timeline) -> None:
    """Two calls at once looked like the switch; its device was never restored, each of the two was by itself."""
    first = storm.at(0).report("A0TR00023", account="A1")
    other = storm.at(1).report("A0TR00104", account="A2")
    assert storm.live_orders().keys() == {"A0SW00012"}
    storm.at(1.5).power_back("A0TR00023")
    storm.at(1.8).power_back("A0TR00104")

    assert not storm.state.incidents
    assert not storm.live_orders()
    ended = {event.incident_id for event in storm.events if isinstance(event, IncidentRestored)}
    moved = [event for event in storm.events if isinstance(event, ReportMoved)]
    assert len(ended) == 2
    assert {event.report_id for event in moved} < {first, other}


def test_who_is_still_out_after_power_was_back_is_in_a_nested_outage_that_began_with_the_first(
    storm: Timeline,
) -> None:
    first = storm.at(0).report("A0TR00023", account="A1")
    storm.at(1).report("A0TR00024", account="A2")
    closed = storm.order_of(first)
    storm.at(60).crew(closed.order_id, ProgressStage.RESTORED)
    still = storm.at(75).report("A0TR00024", account="A2")

    nested = storm.incident_of(still)
    assert nested.order_id != closed.order_id
    assert (nested.continues, nested.out_since) == (closed.incident_id, minute(0))
    assert storm.order_of(still).reason == "still_out"


def test_who_reports_long_after_power_was_back_has_a_new_outage(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", account="A1")
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    again = storm.at(300).report("A0TR00023", account="A1")

    assert (storm.incident_of(again).continues, storm.order_of(again).reason) == (None, "first_report")


def test_two_homes_of_sixty_that_call_hours_apart_have_a_fault_each() -> None:
    """Were the transformer out, more than one would have called in ten hours."""
    estate = Timeline("S", an_estate(), rules_of_tests())
    first = estate.at(0).report("T1", account="A1")
    second = estate.at(600).report("T1", account="A2", confidence=1.0)
    again = estate.at(620).report("T1", account="A2")

    assert estate.order_of(second).order_id != estate.order_of(first).order_id
    assert (estate.incident_of(second).kind, estate.order_of(second).reason) == ("single", "beside")
    assert estate.incident_of(again) is estate.incident_of(second)
    estate.at(700).power_back("T1", account="A2")
    assert estate.live_orders().keys() == {"T1"}, "the other home still waits"
    assert estate.state.members.keys() == {first}


def test_one_piece_of_evidence_does_not_make_a_second_home() -> None:
    """An account alone may be mistyped: a crew is not sent twice to one transformer for a slip of the finger."""
    estate = Timeline("S", an_estate(), rules_of_tests())
    first = estate.at(0).report("T1", account="A1")
    second = estate.at(600).report("T1", account="A2", confidence=0.97)

    assert estate.incident_of(second) is estate.incident_of(first)


def test_homes_of_one_transformer_that_call_within_minutes_are_one_outage_of_it() -> None:
    estate = Timeline("S", an_estate(), rules_of_tests())
    reports = [estate.at(2 * n).report("T1", account=f"A{n}", confidence=1.0) for n in range(5)]

    assert len({estate.order_of(report).order_id for report in reports}) == 1


def test_who_calls_again_without_a_name_is_no_second_home() -> None:
    estate = Timeline("S", an_estate(), rules_of_tests())
    first = estate.at(0).report("T1", account="A1")
    again = estate.at(8).report("T1", confidence=1.0)

    assert estate.incident_of(again) is estate.incident_of(first)


def test_power_that_is_back_makes_no_part_of_an_outage_of_what_was_told_hours_before_it(storm: Timeline) -> None:
    alone = storm.at(0).report("A0TR00023", account="A1")
    for n, device in enumerate(("A0TR00026", "A0TR00028", "A0TR00030", "A0TR00027", "A0TR00033")):
        street = storm.at(600 + n / 2).report(device, account=f"S{n}")
    old, new = storm.order_of(alone).order_id, storm.order_of(street).order_id
    storm.at(700).power_back("A0SW00015")

    assert old != new
    assert [storm.history(one)[-1][1] for one in (old, new)] == ["closed", "closed"]
    assert not any(isinstance(event, ReportMoved) and event.report_id == alone for event in storm.events)


@pytest.mark.parametrize("minutes", [90, 180, 600])
def test_a_second_wave_is_another_outage_though_nobody_said_power_was_back(storm: Timeline, minutes: int) -> None:
    tree = storm.state.tree
    devices = tree.transformers_under("A0SW00012")
    for n, device in enumerate(devices):
        first = storm.at(n / 4).report(device)
    assert storm.live_orders().keys() == {"A0SW00012"}
    old = storm.order_of(first).order_id
    for n, device in enumerate(devices):
        second = storm.at(minutes + n / 4).report(device)

    assert storm.live_orders().keys() == {"A0SW00012"}
    assert storm.order_of(second).order_id != old
    assert storm.history(old)[-1][1] == "closed"
    assert any(order.reason == "second_wave" for order in storm.orders)


def test_a_few_late_callers_are_no_second_wave(storm: Timeline) -> None:
    devices = storm.state.tree.transformers_under("A0SW00012")
    for n, device in enumerate(devices):
        first = storm.at(n / 4).report(device)
    for n, device in enumerate(devices[:4]):
        late = storm.at(300 + 7 * n).report(device)
        assert storm.incident_of(late) is storm.incident_of(first)


def test_a_second_wave_in_one_branch_is_an_outage_of_that_branch(storm: Timeline) -> None:
    """The switch was closed again and nobody said so; then a fuse under it opens."""
    devices = storm.state.tree.transformers_under("A0SW00012")
    for n, device in enumerate(devices):
        first = storm.at(n / 4).report(device, account=f"A{n}")
    old = storm.order_of(first).order_id
    for n, device in enumerate(("A0TR00028", "A0TR00030", "A0TR00031", "A0TR00032", "A0TR00033", "A0TR00028")):
        second = storm.at(240 + n).report(device, account=f"B{n}")

    assert storm.live_orders().keys() == {"A0FU00018"}
    assert storm.order_of(second).reason == "second_wave"
    assert storm.history(old)[-1][1] == "closed"


def test_a_slow_clock_makes_no_second_wave_of_those_who_call_at_once(storm: Timeline) -> None:
    """Who calls first has a clock that is forty minutes slow; the outage is a minute old all the same."""
    devices = storm.state.tree.transformers_under("A0SW00012")
    slow = storm.at(0).report(devices[0], made=-40, account="slow")
    for n, device in enumerate(devices * 2):
        storm.at(1 + n / 4).report(device, account=f"A{n}")

    assert not any(order.reason == "second_wave" for order in storm.orders)
    assert storm.history(storm.order_of(slow).order_id)[-1][1] != "closed"


# --- where it is not known ---


def test_a_report_that_may_be_at_several_places_follows_the_open_outage_that_explains_it(storm: Timeline) -> None:
    outage = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    unsure = storm.at(3).report(None, maybe=[("A0TR00104", 0.5), ("A0TR00025", 0.4)])

    assert storm.incident_of(unsure) is storm.incident_of(outage)
    assert storm.live_orders().keys() == {"A0FU00016"}


def test_a_lone_report_that_may_be_at_several_places_waits_for_a_call_back(storm: Timeline) -> None:
    storm.at(0).report("A0TR00048")
    storm.at(3).report(None, maybe=[("A0TR00104", 0.5), ("A0TR00025", 0.4)])

    assert storm.answers() == [("needs_person", "device_unknown")]
    assert storm.live_orders().keys() == {"A0TR00048"}


# --- what is learned ---


def test_a_closed_outage_teaches_what_share_of_people_report(storm: Timeline) -> None:
    """Half of an area's customers report: what would be silence elsewhere is soon none here."""
    believed = storm.state.likelihood.share
    for n, device in enumerate(storm.state.tree.transformers_under("A0BR00001")):
        for call in range(2):
            report = storm.at(n / 20).report(device, account=f"{device}/{call}")
    storm.at(300).crew(storm.order_of(report).order_id, ProgressStage.RESTORED)

    assert storm.state.learned.called == 170
    assert believed < storm.state.likelihood.share < 170 / 351


def test_a_report_with_a_clock_hours_off_is_taken_when_it_came(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    dark = storm.at(300).report("A0TR00024", made=20)

    assert storm.order_of(dark).first_reported_at == minute(300), "not answered as restored long ago"


# --- the hold ---


def test_with_a_hold_the_order_waits_and_then_goes_out(held: Timeline) -> None:
    first = held.at(0).report("A0TR00023")
    assert not held.orders
    held.at(4.9)
    assert not held.orders
    held.at(5)

    assert held.order_of(first).reason == "hold_over"


def test_evidence_that_comes_during_the_hold_saves_an_order(held: Timeline) -> None:
    held.at(0).report("A0TR00023")
    held.at(2).report("A0TR00026")
    held.at(3).report("A0TR00028")
    held.at(60)

    assert [(o.version, o.device.id) for o in held.orders] == [(1, "A0SW00015")]


def test_a_device_class_without_a_hold_goes_out_as_soon_as_it_is_predicted(held: Timeline) -> None:
    held.at(0).report("A0TR00023")
    held.at(2).report("A0TR00026")
    held.at(3).report("A0TR00028")

    assert held.live_orders().keys() == {"A0SW00015"}


@pytest.mark.parametrize(
    "said", [{"hazards": ("fire",)}, {"customer_class": CustomerClass.LIFE_SUPPORT, "account": "A1"}]
)
def test_danger_and_life_support_are_never_held(held: Timeline, said: dict[str, object]) -> None:
    report = held.at(0).report("A0TR00023", **said)

    assert held.order_of(report).version == 1


def test_a_life_support_customer_who_joins_lets_a_held_order_out(held: Timeline) -> None:
    held.at(0).report("A0TR00023")
    report = held.at(1).report("A0TR00023", account="A1", customer_class=CustomerClass.IMPORTANT)
    assert held.order_of(report).priority is Priority.URGENT
    held.at(30)

    assert len(held.orders) == 1
