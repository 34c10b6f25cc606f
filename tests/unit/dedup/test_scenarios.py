"""Outages as a dispatcher would tell them, on the IEEE 123-node feeder under the rules of rules.yaml.

Part of it: switch SW00015 feeds fuse FU00016 (transformers TR00023 to 25), fuse FU00017 (TR00026, 27) and fuse
FU00018 (TR00028, 30 to 33).
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from services.contracts.values import (
    CustomerClass,
    IncidentState,
    OrderStatus,
    Priority,
    ProgressStage,
)
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.events import ReportMoved
from tests.unit.dedup.timeline import (
    Timeline,
    a_long_feeder,
    a_substation,
    an_estate,
    minute,
    rules_of_tests,
    two_outages_and_then_their_common_cause,
)


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
    assert (storm.changed[-1].reports, storm.changed[-1].reason) == (6, "same_device")


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
    assert storm.changed[-1].reason == "under_open_incident"
    assert len(storm.orders) == 2


def test_laterals_that_fail_together_become_one_outage_of_the_switch_above(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    second = storm.at(2).report("A0TR00027")

    survivor = storm.order_of(first)
    assert storm.incident_of(second) is storm.incident_of(first)
    assert storm.live_orders().keys() == {"A0SW00015"}
    assert storm.history(survivor.order_id)[-1] == (3, "updated", "A0SW00015")


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


def test_what_is_lifted_once_more_is_looked_at_from_the_start(storm: Timeline) -> None:
    """Of a larger device more would call: their silence counts from when it was believed."""
    first = storm.at(0).report("A0TR00023")
    storm.at(2).report("A0TR00024")
    storm.at(4.5).report("A0TR00026")
    assert storm.live_orders().keys() == {"A0SW00015"}

    look = storm.incident_of(first).relook
    assert look is not None
    assert (look.since, look.due_at, look.step) == (minute(4.5), minute(5.5), 0)


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


def test_who_says_later_that_only_they_are_out_has_an_incident_beside_that_of_their_neighbours(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023", account="A1")
    neighbour = storm.at(1).report("A0TR00023", account="A2")
    own = storm.at(9).report("A0TR00023", account="A1", only_mine=True)

    assert storm.incident_of(own).premises == "A1"
    assert storm.incident_of(own) is not storm.incident_of(neighbour)


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


def test_danger_that_nothing_places_goes_to_a_person_at_once(storm: Timeline) -> None:
    storm.at(0).report(None, hazards=("fallen_wire",))

    assert storm.answers() == [("needs_person", "device_unknown")]
    assert not storm.orders, "a crew would not know where to go"


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


def test_an_abandoned_call_takes_nothing_back_of_what_others_said(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00023", unconfirmed=True)
    last = storm.at(2).report("A0TR00024", unconfirmed=True)

    assert (storm.order_of(last).device.id, storm.order_of(last).priority) == ("A0FU00016", Priority.HIGH)


def test_an_order_names_each_address_once(storm: Timeline) -> None:
    for n, address in enumerate(("Lane 7, 12", "Lane 7, 14", "Lane 7, 12")):
        last = storm.at(n).report(f"A0TR0002{n + 3}", address=address)

    assert storm.order_of(last).addresses == ("Lane 7, 12", "Lane 7, 14")


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


@pytest.mark.parametrize("said_by", ["crew", "control room"])
def test_a_closed_outage_teaches_what_share_of_people_report(storm: Timeline, said_by: str) -> None:
    """Half of an area's customers report: what would be silence elsewhere is soon none here."""
    believed = storm.state.likelihood.share
    for n, device in enumerate(storm.state.tree.transformers_under("A0BR00001")):
        for call in range(2):
            report = storm.at(n / 20).report(device, account=f"{device}/{call}")
    storm.at(300)
    if said_by == "crew":
        storm.crew(storm.order_of(report).order_id, ProgressStage.RESTORED)
    else:
        storm.power_back("A0BR00001")

    assert storm.state.learned.called == 170
    assert believed < storm.state.likelihood.share < 170 / 351


def test_a_report_with_a_clock_hours_off_is_taken_when_it_came(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    dark = storm.at(300).report("A0TR00024", made=20)

    assert storm.order_of(dark).first_reported_at == minute(300), "not answered as restored long ago"


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


@pytest.mark.parametrize("frozen", [False, True])
def test_what_was_lifted_takes_in_its_own_first_calls_once_the_next_have_shown_them(frozen: bool) -> None:
    """At night people are slow to call: a lift that begins after the first of them explains that moment best.

    Where fewer may report than usual the first are part of it at once, so here as many report every outage.
    """
    rules = rules_of_tests()
    usual = replace(rules, inference=replace(rules.inference, few_margin=math.inf))
    feeder = Timeline("S", a_long_feeder(), usual)
    first = [feeder.at(n * 0.4).report(f"T{50 + n}", account=f"E{n}") for n in range(3)]
    if frozen:
        feeder.at(2).crew(feeder.order_of(first[0]).order_id, ProgressStage.ARRIVED)
    for n in range(10):
        last = feeder.at(3 + n / 2).report(f"T{n}", account=f"S{n}")
    assert feeder.live_orders().keys() == {"T50", "T51", "T52", "B"}
    for n in range(10, 40):
        feeder.at(3 + n / 2).report(f"T{n}", account=f"S{n}")
    feeder.at(60)

    assert feeder.live_orders().keys() == ({"T50", "B"} if frozen else {"B"}), "a crew is where it said it is"
    assert [feeder.incident_of(one) is feeder.incident_of(last) for one in first] == [not frozen, True, True]


def test_what_was_lifted_does_not_take_in_what_was_there_long_before_or_had_power_since() -> None:
    feeder = Timeline("S", a_long_feeder(), rules_of_tests())
    before = feeder.at(0).report("T50", account="E0")
    for n in range(40):
        last = feeder.at(30 + n / 2).report(f"T{n}", account=f"S{n}")
    feeder.at(120)

    assert feeder.live_orders().keys() == {"T50", "B"}
    assert feeder.incident_of(before) is not feeder.incident_of(last)


@pytest.mark.parametrize("slow_clock", [False, True])
def test_a_substation_that_was_lifted_takes_in_the_feeder_whose_customers_were_quickest(slow_clock: bool) -> None:
    """Else their silence has it taken apart, and nothing asks again: all who call join one of its feeders."""
    town = Timeline("S", a_substation(), rules_of_tests())
    for n in range(4):
        quickest = town.at(n / 10).report(f"A{9 * n}", account=f"A{n}")
    for n in range(8):
        for place, feeder in enumerate("CDEB"):
            town.at(0.42 + (4 * n + place) / 50).report(f"{feeder}{n + 1}", account=f"{feeder}{n + 1}")
    if slow_clock:
        town.at(1.1).report("C30", account="C30", made=-0.05)  # so that the substation's began first
    assert town.live_orders().keys() == {"A", "S"}
    town.at(4)
    last = town.report("B40", account="B40")

    assert town.live_orders().keys() == {"S"}
    assert town.incident_of(quickest) is town.incident_of(last)
