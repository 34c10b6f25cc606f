"""Power that is back, whoever says so, and second waves, as a timeline that a dispatcher can read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from services.contracts.values import (
    CustomerClass,
    IncidentState,
    ProgressStage,
)
from services.dedup.domain import waves
from services.dedup.domain.acts import RestorationSuggested
from services.dedup.domain.events import IncidentRestored, PartRestored, ReportMoved
from tests.unit.dedup.timeline import Timeline, an_estate, minute, rules_of_tests

if TYPE_CHECKING:
    from uuid import UUID

    from services.contracts.messages import OrderVersion
    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree


def test_power_back_at_a_device_ends_what_was_reported_under_it_as_one_outage(storm: Timeline) -> None:
    """Too far apart in time to be taken for one before; that the fuse was out says they were."""
    first = storm.at(0).report("A0TR00028")
    second = storm.at(500).report("A0TR00032")
    assert storm.incident_of(first) is not storm.incident_of(second)
    storm.at(510).power_back("A0FU00018")

    assert not storm.state.incidents
    last = {change.incident_id: change for change in storm.changed}
    assert {change.state for change in last.values()} == {IncidentState.RESTORED, IncidentState.CANCELLED}
    assert [change.device.id for change in last.values() if change.restored_at] == ["A0FU00018"]
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


def test_power_back_takes_its_share_of_a_larger_outage_too_and_leaves_that_the_rest(storm: Timeline) -> None:
    """One home of the lateral was told of long before, one was taken for a part of the street."""
    old = storm.at(0).report("A0TR00024")
    inside = storm.at(300).report("A0TR00023")
    rest = storm.at(301).report("A0TR00104")
    assert storm.live_orders().keys() == {"A0TR00024", "A0SW00012"}
    storm.at(306).power_back("A0FU00016")

    assert storm.live_orders().keys() == {"A0TR00104"}
    assert storm.state.members.keys() == {rest}
    over = next(change for change in storm.changed if change.restored_at)
    assert (over.device.id, over.reports) == ("A0FU00016", 2)
    assert {old, inside}.isdisjoint(storm.state.members)


def test_power_back_inside_what_a_crew_confirmed_is_told_to_that_crew(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00104", customer_class=CustomerClass.LIFE_SUPPORT)
    order = storm.order_of(first)
    storm.at(5).crew(order.order_id, ProgressStage.ARRIVED)
    storm.at(20).power_back("A0TR00104")

    now = storm.order_of(first)
    assert (now.order_id, now.device.id, now.reports, now.life_support) == (order.order_id, "A0SW00012", 1, 0)


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


@pytest.mark.parametrize(("apart", "by_itself"), [(1, False), (10, True)])
def test_places_that_are_back_within_two_minutes_are_one_switching(
    storm: Timeline, apart: float, by_itself: bool
) -> None:
    """Faults apart do not end at once; ten minutes later it is another crew's work, and that one home was by itself."""
    for n, place in enumerate(storm.state.tree.transformers_under("A0SW00015")):
        storm.at(n / 6).report(place)
    beside = storm.at(5).report("A0TR00104")
    assert storm.live_orders().keys() == {"A0SW00012"}
    storm.at(300).power_back("A0FU00016")
    storm.at(300 + apart).power_back("A0TR00104")

    assert (beside not in storm.state.members) is by_itself
    assert storm.live_orders().keys() == ({"A0SW00015"} if by_itself else {"A0SW00012"})


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


def test_power_back_at_a_neighbour_ends_nothing_of_a_customer_who_said_who_they_are(storm: Timeline) -> None:
    named = storm.at(0).report("A0TR00023", account="A1", only_mine=True)
    storm.at(30).power_back("A0TR00023", "A2")
    assert named in storm.state.members


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


def test_steps_so_far_apart_that_nothing_was_out_above_them_ended_two_outages(storm: Timeline) -> None:
    """When the first was told it may have been a step: two calls close together. Half an hour on the others' silence
    says that it was none."""
    storm.at(1).report("A0TR00028")
    storm.at(3).report("A0TR00026")
    assert storm.live_orders().keys() == {"A0SW00015"}
    storm.at(4).power_back("A0TR00028")
    assert storm.live_orders().keys() == {"A0SW00015"}
    storm.at(34).power_back("A0TR00026")

    over = {change.device.id: change for change in storm.changed if change.restored_at is not None}
    assert {device: (one.restored_at, one.reports) for device, one in over.items()} == {
        "A0TR00028": (minute(4), 1),
        "A0TR00026": (minute(34), 1),
    }


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


def test_an_outage_above_what_was_restored_began_with_its_own_calls_for_those_who_had_power(storm: Timeline) -> None:
    """A transformer is repaired after an hour; one is still out there, and then the switch above opens."""
    first = storm.at(0).report("A0TR00024", account="A1")
    closed = storm.order_of(first)
    storm.at(60).crew(closed.order_id, ProgressStage.RESTORED)
    still = storm.at(75).report("A0TR00024", account="A2")
    nested = storm.incident_of(still)
    assert (nested.device.id, nested.out_since) == ("A0TR00024", minute(0))
    storm.at(75.5).report("A0TR00023", account="A3")
    storm.at(76).report("A0TR00026", account="A4")

    above = storm.incident_of(still)
    assert above.device.id not in ("A0TR00024", closed.device.id)
    assert above.began_at == minute(75), "nobody else was without power in that hour"


def test_an_outage_that_goes_on_below_what_was_restored_moves_there_and_goes_on(storm: Timeline) -> None:
    """The switch's outage is said to be over; who still calls shows that all of it goes on."""
    for n, device in enumerate(("A0TR00023", "A0TR00024", "A0TR00026", "A0TR00028")):
        first = storm.at(n / 10).report(device)
    closed = storm.order_of(first)
    storm.at(60).crew(closed.order_id, ProgressStage.RESTORED)
    for n, device in enumerate(("A0TR00023", "A0TR00024", "A0TR00026", "A0TR00028")):
        still = storm.at(75 + n / 10).report(device)
    below = storm.incident_of(still)
    assert below.device.id not in ("A0TR00023", "A0TR00024", "A0TR00026", "A0TR00028")
    assert (below.continues, below.out_since) == (closed.incident_id, minute(0))


@pytest.mark.parametrize("said_by", ["crew", "device"])
def test_who_called_well_after_power_was_back_goes_on_by_themselves_though_the_word_came_after_them(
    storm: Timeline, said_by: str
) -> None:
    """Power was back at 12:17, a neighbour called at 12:45, and the crew wrote it down at one."""
    first = storm.at(0).report("A0TR00023", account="A1")
    other = storm.at(1).report("A0TR00024", account="A2")
    order = storm.order_of(first)
    late = storm.at(45).report("A0TR00024", account="A3")
    assert storm.incident_of(late) is storm.incident_of(other)
    if said_by == "crew":
        storm.at(60).crew(order.order_id, ProgressStage.RESTORED, made=17)
    else:
        storm.at(60).power_back(order.device.id, made=17)

    assert storm.state.members.keys() == {late}, "the others have power again"
    nested = storm.incident_of(late)
    assert (nested.continues, nested.out_since, nested.device.id) == (order.incident_id, minute(0), "A0TR00024")
    assert storm.order_of(late).reason == "still_out"
    assert storm.history(order.order_id)[-1][1] == "closed"
    told = {change.incident_id: change for change in storm.changed}
    assert (told[order.incident_id].restored_at, told[order.incident_id].left) == (minute(17), (late,))
    assert [one.report_id for one in told[nested.incident_id].joined] == [late]
    storm.at(90).crew(storm.order_of(late).order_id, ProgressStage.RESTORED)
    assert not storm.state.incidents


@pytest.mark.parametrize(("called", "is_out"), [(37, False), (38, True)])
def test_a_time_that_was_written_down_later_may_be_twenty_minutes_early(
    storm: Timeline, called: int, is_out: bool
) -> None:
    """Each call that a crew's memory alone makes one of after it would send a crew out again."""
    first = storm.at(0).report("A0TR00023", account="A1")
    late = storm.at(called).report("A0TR00023", account="A2")
    storm.at(80).crew(storm.order_of(first).order_id, ProgressStage.RESTORED, made=17)
    assert storm.state.members.keys() == ({late} if is_out else set())
    assert len({order.order_id for order in storm.orders}) == 1 + is_out


def test_who_called_hours_after_power_was_back_by_a_late_word_has_another_outage(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", account="A1")
    order = storm.order_of(first)
    late = [storm.at(130 + n).report("A0TR00023", account=f"A{n + 2}") for n in range(2)]
    storm.at(140).crew(order.order_id, ProgressStage.RESTORED, made=17)
    assert storm.state.members.keys() == set(late)
    again = storm.incident_of(late[0])
    assert again is storm.incident_of(late[1])
    assert (again.continues, again.device.id, len(storm.live_orders())) == (None, "A0TR00023", 1)


def test_who_called_well_after_it_goes_on_also_where_the_word_makes_one_outage_of_several(storm: Timeline) -> None:
    """The fuse was out: two that were taken for two, and somebody who joined one of them."""
    storm.at(0).report("A0TR00028", account="A1")
    second = storm.at(200).report("A0TR00032", account="A2")
    late = storm.at(260).report("A0TR00032", account="A3")
    assert storm.incident_of(late) is storm.incident_of(second)
    assert len(storm.state.incidents) == 2
    storm.at(300).power_back("A0FU00018", made=211)
    assert storm.state.members.keys() == {late}
    assert storm.live_orders().keys() == {"A0TR00032"}


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


@pytest.mark.parametrize(("minutes", "another"), [(80, False), (120, True)])
def test_an_account_alone_is_enough_to_be_another_home(minutes: int, another: bool) -> None:
    """It alone would send a crew where nothing is open; within the hour, though, a house of them may be out."""
    estate = Timeline("S", an_estate(), rules_of_tests())
    first = estate.at(0).report("T1", account="A1")
    second = estate.at(minutes).report("T1", account="A2", confidence=0.97)

    assert (estate.order_of(second).order_id != estate.order_of(first).order_id) is another


def test_the_third_home_to_call_within_minutes_shows_that_more_than_one_is_dark() -> None:
    """The second was taken for another home hours after the first; a third one beside it is not a third order."""
    estate = Timeline("S", an_estate(), rules_of_tests())
    estate.at(0).report("T1", account="A1")
    second = estate.at(300).report("T1", account="A2")
    later = [estate.at(300 + 2 * n).report("T1", account=f"A{2 + n}") for n in (1, 2)]

    assert estate.order_of(second).reason == "beside"
    assert estate.incident_of(later[0]) is estate.incident_of(later[1])
    assert len({order.order_id for order in estate.orders}) == 2


@pytest.mark.parametrize("minutes", [430, 600])
def test_who_calls_after_a_lone_neighbour_is_of_the_outage_above_both(minutes: int) -> None:
    """Also long after it began: a late caller of three transformers is likelier than another home's own line."""
    estate = Timeline("S", an_estate(), rules_of_tests())
    alone = estate.at(0).report("T1", account="A1")
    for n in range(6):
        street = estate.at(400 + n / 4).report(f"T{2 + n % 2}", account=f"S{n}")
    neighbour = estate.at(minutes).report("T1", account="A2")

    assert estate.incident_of(neighbour) is estate.incident_of(street)
    assert estate.live_orders().keys() == {"T1", "B"}
    assert estate.incident_of(alone).device.id == "T1"


def test_where_power_is_back_nobody_is_of_the_outage_above_any_more() -> None:
    estate = Timeline("S", an_estate(), rules_of_tests())
    for n in range(6):
        street = estate.at(400 + n / 4).report(f"T{1 + n % 3}", account=f"S{n}")
    estate.at(420).power_back("F1")
    again = estate.at(425).report("T1", account="A1")
    other = estate.at(560).report("T1", account="A2")

    assert len({id(estate.incident_of(report)) for report in (street, again, other)}) == 3
    assert estate.order_of(other).reason == "beside"


def test_after_a_lone_neighbour_two_that_call_at_once_are_one_outage_above_them() -> None:
    estate = Timeline("S", an_estate(), rules_of_tests())
    estate.at(0).report("T1", account="A1")
    first = estate.at(400).report("T2", account="S1")
    second = estate.at(401).report("T1", account="A2")

    assert estate.incident_of(second) is estate.incident_of(first)
    assert estate.live_orders().keys() == {"T1", "B"}


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


@pytest.mark.parametrize(("earlier", "later"), [("A0SW00012", "A0TR00023"), ("A0TR00023", "A0SW00012")])
def test_the_latest_of_two_restorations_above_each_other_answers(storm: Timeline, earlier: str, later: str) -> None:
    storm.at(0).report("A0TR00023")
    storm.at(60).power_back(earlier)
    storm.at(300).report("A0TR00023")
    storm.at(360).power_back(later)
    storm.at(364).report("A0TR00023", made=350)

    assert storm.answers() == [("answered", "already_restored")]
    assert not storm.live_orders()


@pytest.fixture(params=["few", "many"])
def few_or_many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few reports each is read again, of many they are counted: it comes to the same."""
    if request.param == "many":
        monkeypatch.setattr(waves, "_MANY", 0)


@pytest.mark.usefixtures("few_or_many")
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


def confirmed(storm: Timeline) -> tuple[tuple[str, ...], UUID, OrderVersion]:
    """All under a switch call within minutes, and an hour later their crew is there; devices, a report, the order."""
    devices = storm.state.tree.transformers_under("A0SW00012")
    for n, device in enumerate(devices):
        first = storm.at(n / 4).report(device)
    old = storm.order_of(first)
    storm.at(60).crew(old.order_id, ProgressStage.ARRIVED)
    return devices, first, old


@pytest.mark.usefixtures("few_or_many")
def test_a_second_wave_under_what_a_crew_confirmed_is_suggested_and_not_done(storm: Timeline) -> None:
    """The crew mended it and never said so: whoever calls hours later would wait for a crew that has left."""
    devices, first, _ = confirmed(storm)
    for n, device in enumerate(devices[:3]):
        storm.at(300 + 7 * n).report(device)
        assert storm.changed[-1].restoration_suggested_at is None, "a few late callers are its tail"
    for n, device in enumerate(devices):
        second = storm.at(600 + n / 4).report(device)

    assert storm.incident_of(second) is storm.incident_of(first)
    assert storm.live_orders().keys() == {"A0SW00012"}
    assert [event.at for event in storm.events if isinstance(event, RestorationSuggested)] == [minute(600)]
    assert storm.changed[-1].restoration_suggested_at == minute(600)


@pytest.mark.parametrize("said_by", ["crew", "dispatcher"])
def test_once_the_forgotten_word_comes_the_second_wave_is_another_outage_with_a_crew_of_its_own(
    storm: Timeline, said_by: str
) -> None:
    devices, _, old = confirmed(storm)
    for n, device in enumerate(devices):
        second = storm.at(600 + n / 4).report(device)
    if said_by == "crew":
        storm.at(620).crew(old.order_id, ProgressStage.RESTORED, made=90)
    else:
        storm.at(620).power_back("A0SW00012", made=90)

    ended = next(event for event in storm.events if isinstance(event, IncidentRestored))
    assert (ended.incident_id, ended.restored_at) == (old.incident_id, minute(90))
    assert storm.history(old.order_id)[-1][1] == "closed"
    assert storm.live_orders().keys() == {"A0SW00012"}
    assert storm.order_of(second).order_id != old.order_id
    assert len(storm.incident_of(second).reports) == len(devices)
    storm.at(700).crew(storm.order_of(second).order_id, ProgressStage.RESTORED)
    assert not storm.state.incidents


DAYS = 24 * 60.0


def test_who_calls_days_after_a_crews_last_word_has_the_crew_asked_and_then_a_crew_of_their_own(
    storm: Timeline,
) -> None:
    """Of one caller no wave can be told; but nobody else was heard since, and they would wait for nobody."""
    devices, first, old = confirmed(storm)
    late = storm.at(3 * DAYS).report(devices[0], "days later")
    assert storm.incident_of(late) is storm.incident_of(first)
    assert storm.changed[-1].restoration_suggested_at == minute(3 * DAYS)
    storm.at(3 * DAYS + 20).crew(old.order_id, ProgressStage.RESTORED, made=90)

    assert storm.history(old.order_id)[-1][1] == "closed"
    assert storm.order_of(late).order_id != old.order_id
    assert storm.live_orders().keys() == {devices[0]}
    assert [one.report_id for one in storm.incident_of(late).reports.values()] == [late]


def test_two_who_call_from_two_places_days_after_a_crews_last_word_are_one_outage_above_both(storm: Timeline) -> None:
    devices, _, old = confirmed(storm)
    late = [storm.at(3 * DAYS + n).report(devices[-n], f"days later {n}") for n in range(2)]
    storm.at(3 * DAYS + 20).crew(old.order_id, ProgressStage.RESTORED, made=90)

    assert storm.live_orders().keys() == {"A0SW00012"}
    assert storm.incident_of(late[0]) is storm.incident_of(late[1])


def test_who_calls_minutes_after_the_meters_have_power_is_of_the_outage_that_the_crew_ends(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", account="A1")
    order = storm.order_of(first).order_id
    storm.at(10).crew(order, ProgressStage.ARRIVED)
    storm.at(31).reading("power_up", "A0TR00023", "A1")
    assert storm.changed[-1].restoration_suggested_at == minute(31)
    storm.at(32).report("A0TR00023", account="A2")
    storm.at(40).crew(order, ProgressStage.RESTORED, made=30)
    assert not storm.live_orders()


@pytest.mark.parametrize("heard", ["a caller", "the crew", "until then"])
def test_an_outage_of_days_that_is_heard_of_is_not_asked_about(storm: Timeline, heard: str) -> None:
    devices = storm.state.tree.transformers_under("A0SW00012")
    for n, device in enumerate(devices):
        first = storm.at(n / 4).report(device)
    order = storm.order_of(first).order_id
    storm.at(60).crew(order, ProgressStage.ARRIVED, 4 * DAYS if heard == "until then" else None)
    if heard == "a caller":
        storm.at(0.9 * DAYS).report(devices[1])
    elif heard == "the crew":
        storm.at(0.9 * DAYS).crew(order, ProgressStage.REPAIRING)
    storm.at(1.5 * DAYS).report(devices[0])
    assert storm.changed[-1].restoration_suggested_at is None


@pytest.mark.usefixtures("few_or_many")
def test_no_second_wave_suggests_that_a_breaker_is_closed_that_says_it_is_open(storm: Timeline) -> None:
    devices = storm.state.tree.transformers_under("A0SW00012")
    for n, device in enumerate(devices):
        storm.at(n / 4).report(device)
    storm.at(60).reading("breaker_open", "A0SW00012")
    for n, device in enumerate(devices):
        storm.at(600 + n / 4).report(device)

    assert storm.changed[-1].state is IncidentState.CONFIRMED
    assert storm.changed[-1].restoration_suggested_at is None


@pytest.mark.usefixtures("few_or_many")
def test_a_few_late_callers_are_no_second_wave(storm: Timeline) -> None:
    devices = storm.state.tree.transformers_under("A0SW00012")
    for n, device in enumerate(devices):
        first = storm.at(n / 4).report(device)
    for n, device in enumerate(devices[:4]):
        late = storm.at(300 + 7 * n).report(device)
        assert storm.incident_of(late) is storm.incident_of(first)


@pytest.mark.usefixtures("few_or_many")
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


@pytest.mark.usefixtures("few_or_many")
def test_a_slow_clock_makes_no_second_wave_of_those_who_call_at_once(storm: Timeline) -> None:
    """Who calls first has a clock that is forty minutes slow; the outage is a minute old all the same."""
    devices = storm.state.tree.transformers_under("A0SW00012")
    slow = storm.at(0).report(devices[0], made=-40, account="slow")
    for n, device in enumerate(devices * 2):
        storm.at(1 + n / 4).report(device, account=f"A{n}")

    assert not any(order.reason == "second_wave" for order in storm.orders)
    assert storm.history(storm.order_of(slow).order_id)[-1][1] != "closed"


@pytest.mark.parametrize(
    ("place", "account"),
    [("A0TR00023", None), ("A0FU00016", None), ("A0TR00023", "A1")],
    ids=["where it was reported", "above", "one customer"],
)
def test_a_clock_hours_behind_ends_what_is_open_when_its_word_arrives(
    storm: Timeline, place: str, account: str | None
) -> None:
    """Else it ended nothing, or an outage of an hour that had lasted no minute."""
    storm.at(0).report("A0TR00023", account="A1")
    storm.at(60).power_back(place, account, made=60 - 8 * 60)

    assert not storm.state.incidents
    assert storm.changed[-1].restored_at == minute(60)


def test_so_does_one_of_a_home_of_its_own(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023", account="A1", only_mine=True)
    storm.at(60).power_back("A0TR00023", "A1", made=60 - 8 * 60)
    assert storm.changed[-1].restored_at == minute(60)


@pytest.mark.parametrize(
    ("place", "account"), [("A0TR00023", None), ("A0FU00016", None), ("A0TR00023", "A1")], ids=["there", "above", "one"]
)
def test_power_that_is_back_by_a_clock_ahead_is_back_when_its_word_arrives(
    storm: Timeline, place: str, account: str | None
) -> None:
    """Else who called in the hours until then would be told that their power had come back."""
    storm.at(0).report("A0TR00023", account="A1")
    storm.at(60).power_back(place, account, made=60 + 8 * 60)
    assert storm.changed[-1].restored_at == minute(60)
    again = storm.at(200).report("A0TR00023", account="A1")
    assert storm.order_of(again).device.id == "A0TR00023"


def test_a_word_of_before_the_outage_that_is_over_had_begun_is_by_a_clock_behind(storm: Timeline) -> None:
    storm.at(50).report("A0TR00023")
    storm.at(100).power_back("A0TR00023")
    storm.at(300).report("A0TR00023")
    storm.at(310).power_back("A0TR00023", made=20)
    assert not storm.state.incidents
    assert storm.changed[-1].restored_at == minute(310)


def test_a_late_word_of_a_larger_outage_that_is_over_does_not_end_the_next_under_it(storm: Timeline) -> None:
    for n, device in enumerate(("A0TR00023", "A0TR00024", "A0TR00025")):
        storm.at(n / 4).report(device)
    storm.at(60).power_back("A0FU00016")
    again = storm.at(200).report("A0TR00023")
    storm.at(210).power_back("A0TR00023", made=62)
    assert storm.order_of(again).device.id == "A0TR00023"


def test_a_late_word_of_ones_own_outage_that_is_over_does_not_end_the_next(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023", account="A1", only_mine=True)
    storm.at(60).power_back("A0TR00023", "A1")
    again = storm.at(200).report("A0TR00023", account="A1", only_mine=True)
    storm.at(210).power_back("A0TR00023", "A1", made=62)
    assert storm.order_of(again)
    assert storm.incident_of(again).state is IncidentState.PREDICTED


def test_a_step_by_a_clock_behind_the_first_call_there_counts_from_its_arrival(storm: Timeline) -> None:
    devices = storm.state.tree.transformers_under("A0SW00012")
    for n, device in enumerate(devices[1:]):
        first = storm.at(n / 60).report(device)
    order = storm.order_of(first).order_id
    storm.at(5).crew(order, ProgressStage.ARRIVED)
    storm.at(20).report(devices[0])
    storm.at(30).power_back(devices[0], made=10)
    steps = [(one.device, one.restored_at) for one in storm.events if isinstance(one, PartRestored)]
    assert steps == [(devices[0], minute(30))]


def test_power_of_one_customer_by_a_clock_behind_ends_what_somebody_unnamed_called_about(storm: Timeline) -> None:
    storm.at(100).report("A0TR00023", only_mine=True)
    storm.at(110).power_back("A0TR00023", "A1", made=50)
    assert not storm.state.incidents
    assert storm.changed[-1].restored_at == minute(110)


@pytest.mark.parametrize("place", ["A0TR00023", "A0FU00016"])
def test_a_late_word_of_an_outage_that_is_over_does_not_end_the_next(storm: Timeline, place: str) -> None:
    storm.at(0).report("A0TR00023", account="A1")
    storm.at(60).power_back("A0TR00023")
    again = storm.at(200).report("A0TR00023", account="A1")
    storm.at(210).power_back(place, made=62)
    storm.at(211).power_back("A0TR00023", "A1", made=58)

    assert storm.order_of(again).device.id == "A0TR00023"


@pytest.mark.parametrize("only_mine", [True, False])
def test_who_called_before_their_own_line_was_mended_is_answered(storm: Timeline, only_mine: bool) -> None:
    storm.at(0).report("A0TR00023", account="A1", only_mine=True)
    storm.at(30).power_back("A0TR00023", "A1")
    late = storm.at(35).report("A0TR00023", account="A1", only_mine=only_mine, made=20)
    assert storm.answers() == [("answered", "already_restored")]
    neighbour = storm.at(36).report("A0TR00023", account="A2", only_mine=only_mine, made=20)
    again = storm.at(37).report("A0TR00023", account="A1", only_mine=True)

    assert late not in storm.state.members
    assert storm.state.members.keys() == {neighbour, again}, "what was mended was one home's"


def test_two_who_did_not_say_who_they_are_may_be_neighbours_of_the_one_who_did(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023", account="A1")
    others = {storm.at(n).report("A0TR00023") for n in (1, 2)}
    storm.at(30).power_back("A0TR00023", "A1")
    assert storm.state.members.keys() == others


def test_power_back_at_a_place_merged_into_an_outage_leaves_who_is_out_where_that_stands(storm: Timeline) -> None:
    """Also where one ended before: that restoration is not theirs."""
    storm.at(0).report("A0TR00023")
    storm.at(10).power_back("A0TR00023")
    here = storm.at(200).report("A0TR00023")
    there = storm.at(230).report("A0TR00104")
    one, other = storm.incident_of(here).incident_id, storm.incident_of(there).incident_id
    storm.dispatcher("merge", incident_id=other, target_id=one)
    storm.at(240).power_back("A0TR00104")
    assert storm.live_orders().keys() == {"A0TR00023"}

    storm.at(250).power_back("A0TR00023")
    assert not storm.live_orders()


def test_a_late_word_is_no_step_of_a_larger_outage_that_began_after_it(storm: Timeline) -> None:
    """The street's lateral had power again before the whole street went dark: who calls from there is of the street."""
    first = storm.at(0).report("A0TR00023")
    storm.crew(storm.order_of(first).order_id, ProgressStage.ARRIVED)
    for n, place in enumerate(("A0TR00026", "A0TR00028", "A0TR00030", "A0TR00027", "A0TR00024")):
        street = storm.at(19 + n / 4).report(place)
    assert storm.live_orders().keys() == {"A0TR00023", "A0SW00015"}
    storm.at(30).power_back("A0FU00016", made=10)

    later = storm.at(31).report("A0TR00025")
    assert storm.incident_of(later) is storm.incident_of(street)
    assert storm.live_orders().keys() == {"A0TR00023", "A0SW00015"}


def test_a_customers_word_of_before_they_called_counts_from_its_arrival_whoever_called_before(storm: Timeline) -> None:
    """Their clock is behind: of a neighbour's call nothing follows for when they were out."""
    neighbour = storm.at(0).report("A0TR00023", account="A2")
    storm.at(30).report("A0TR00023", account="A1")
    storm.at(40).power_back("A0TR00023", "A1", made=20)

    assert storm.state.members.keys() == {neighbour}
    assert [change.restored_at for change in storm.changed if change.restored_at] == [minute(40)]


def test_a_late_word_does_not_end_it_for_who_is_still_out(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", account="A1")
    storm.at(60).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    still = storm.at(63).report("A0TR00023", account="A2")
    storm.at(66).power_back("A0TR00023", made=61)
    assert still in storm.state.members

    storm.at(90).power_back("A0TR00023")
    assert still not in storm.state.members


def test_the_last_of_steps_at_places_apart_leaves_nobody_in_two_places(ieee123: Tree, rules: Rules) -> None:
    """Who called more than twenty minutes after the step that the incident keeps goes with their own step, once."""
    steps = Timeline("A0SU00000", ieee123, replace(rules, inference=replace(rules.inference, relook=())))
    steps.at(0).report("A0TR00023", account="A1")
    steps.at(1).report("A0TR00026", account="A2")
    steps.at(1.1).report("A0TR00023", account="A1")
    steps.at(1.5).power_back("A0TR00023")
    steps.at(61.5).report("A0TR00026")
    steps.at(71.5).power_back("A0TR00026")

    assert not steps.live_orders()
    assert not steps.state.members
