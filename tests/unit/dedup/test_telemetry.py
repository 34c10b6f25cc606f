"""What meters and breakers change, as timelines; and planned outages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.ids import NAMESPACE
from services.contracts.messages import TelemetryReceived
from services.contracts.values import CustomerClass, IncidentState, OrderStatus, Priority, ProgressStage, Reading
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.telemetry import Telemetry
from services.grid.network_file import read_devices
from services.grid.tree import Tree
from tests.unit.dedup.timeline import NETWORKS, Timeline, minute, snapshot

if TYPE_CHECKING:
    from services.dedup.domain.rules import Rules

PLAN = uuid5(NAMESPACE, "planned outage of the tests")


def suggested(storm: Timeline) -> list[str]:
    return [event.rule.value for event in storm.events if isinstance(event, a.RestorationSuggested)]


def test_a_last_gasp_counts_like_a_report_that_nobody_made(storm: Timeline) -> None:
    storm.at(0).reading("last_gasp", "A0TR00023", "A1")

    (order,) = storm.live_orders().values()
    assert (order.device.id, order.priority, order.addresses) == ("A0TR00023", Priority.NORMAL, ())
    said = storm.at(1).report("A0TR00023")
    assert storm.order_of(said).priority is Priority.HIGH, "somebody said it"


def test_last_gasps_of_two_transformers_show_the_fuse_above(storm: Timeline) -> None:
    storm.at(0).reading("last_gasp", "A0TR00023", "A1")
    storm.at(0.1).reading("last_gasp", "A0TR00024", "A2")

    assert storm.live_orders().keys() == {"A0FU00016"}


@pytest.mark.parametrize("calls", [1, 9])
def test_a_device_that_telemetry_shows_closed_is_never_predicted_from_calls(storm: Timeline, calls: int) -> None:
    storm.at(0).reading("breaker_closed", "A0FU00016")
    for _ in range(calls):
        storm.at(1).report("A0TR00023")
        storm.at(2).report("A0TR00024")

    assert "A0FU00016" not in {order.device.id for order in storm.orders}


def test_what_is_dark_to_the_last_meter_is_open_though_telemetry_shows_it_closed(storm: Timeline) -> None:
    """Its telemetry is stuck, or the word is late: neither the line above is out, nor each transformer by itself."""
    assert storm.state.tree is not None
    storm.at(-30).reading("breaker_closed", "A0SW00012")
    for n, transformer in enumerate(storm.state.tree.transformers_under("A0SW00012")):
        storm.at(n / 60).reading("last_gasp", transformer, f"A{n}")
    storm.at(120)

    assert storm.live_orders().keys() == {"A0SW00012"}


def test_an_open_breaker_explains_what_is_predicted_and_not_what_a_crew_has_seen(storm: Timeline) -> None:
    seen = storm.at(0).report("A0TR00023")
    storm.crew(storm.order_of(seen).order_id, ProgressStage.ARRIVED)
    predicted = storm.at(30).report("A0TR00026")
    storm.at(31).reading("breaker_open", "A0SW00015")

    assert storm.live_orders().keys() == {"A0TR00023", "A0SW00015"}
    assert storm.incident_of(seen).device.id == "A0TR00023"
    assert storm.incident_of(predicted).device.id == "A0SW00015"


def test_silence_moves_no_order_down_to_a_device_that_telemetry_shows_closed(storm: Timeline) -> None:
    storm.at(-30).reading("breaker_closed", "A0FU00016")
    for at, device in ((0, "A0TR00023"), (0, "A0TR00024"), (5, "A0TR00104")):
        storm.at(at).report(device)
    assert storm.live_orders().keys() == {"A0SW00012"}
    storm.at(200)

    assert "A0FU00016" not in {order.device.id for order in storm.orders}, "where it would stand without telemetry"


def test_an_open_breaker_confirms_the_outage_predicted_there(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    storm.at(1).report("A0TR00024")
    assert storm.incident_of(first).state is IncidentState.PREDICTED
    storm.at(2).reading("breaker_open", "A0FU00016")

    assert storm.incident_of(first).state is IncidentState.CONFIRMED
    assert len(storm.live_orders()) == 1


def test_an_open_breaker_explains_what_is_predicted_under_it(storm: Timeline) -> None:
    older = storm.at(0).report("A0TR00023")
    younger = storm.at(150).report("A0TR00030")
    assert storm.incident_of(older) is not storm.incident_of(younger)
    storm.at(151).reading("breaker_open", "A0SW00015", made=-1)  # its word was late

    assert storm.incident_of(older) is storm.incident_of(younger)
    assert storm.live_orders().keys() == {"A0SW00015"}
    assert storm.incident_of(older).state is IncidentState.CONFIRMED
    cancelled = [order for order in storm.orders if order.status is OrderStatus.CANCELLED]
    assert [order.superseded_by for order in cancelled] == [storm.order_of(older).order_id]


def test_an_open_breaker_that_nobody_reported_is_an_outage(storm: Timeline) -> None:
    storm.at(0).reading("breaker_open", "A0FU00016")

    (incident,) = storm.state.incidents.values()
    assert (incident.device.id, incident.state) == ("A0FU00016", IncidentState.CONFIRMED)
    assert incident.customers_served > 0


def test_a_reading_at_a_line_counts_for_the_device_above_it_whatever_was_said_of_the_line(rules: Rules) -> None:
    rows = {row.id: row for row in read_devices(NETWORKS / "ieee123" / "network.csv")}
    rows["LINE"] = rows["A0TR00023"]._replace(id="LINE", type="line")
    rows["A0TR00023"] = rows["A0TR00023"]._replace(parent="LINE")
    story = Timeline("A0SU00000", Tree(rows.values(), {"A0TR00023": 10, "A0TR00024": 10}), rules)
    story.at(0).reading("ping_ok", "LINE", "A1")
    story.at(60).reading("last_gasp", "LINE", "A1")

    assert story.live_orders().keys() == {"A0FU00016"}, "as a service that was started meanwhile would say"


def test_power_at_all_meters_that_went_dark_suggests_that_it_is_over(storm: Timeline) -> None:
    storm.at(0).reading("last_gasp", "A0TR00023", "A1")
    storm.at(0).reading("last_gasp", "A0TR00023", "A2")
    storm.at(30).reading("power_up", "A0TR00023", "A1")
    assert suggested(storm) == []
    storm.at(31).reading("power_up", "A0TR00023", "A2")
    storm.at(32).reading("power_up", "A0TR00023", "A2")

    assert suggested(storm) == ["meters_on"], "once"
    assert len(storm.live_orders()) == 1, "only a crew or a person closes it"
    assert storm.changed[-1].restoration_suggested_at == minute(31)


@pytest.mark.parametrize(("lost", "said"), [(2, ["meters_on"]), (3, [])])
def test_of_many_meters_a_few_words_that_power_is_back_may_be_lost(storm: Timeline, lost: int, said: list[str]) -> None:
    for n in range(20):
        storm.at(0).reading("last_gasp", "A0TR00023", f"A{n}")
    for n in range(20 - lost):
        storm.at(30).reading("power_up", "A0TR00023", f"A{n}")

    assert suggested(storm) == said


def test_silence_says_nothing_of_an_outage_whose_meters_have_power_again(storm: Timeline) -> None:
    """Who has power does not call: the branches of a line that reclosed need no crew each."""
    meters = {"A1": "A0TR00023", "A2": "A0TR00104"}
    for account, transformer in meters.items():
        storm.at(0).reading("last_gasp", transformer, account)
    for account, transformer in meters.items():
        storm.at(0.5).reading("power_up", transformer, account)
    storm.at(200)

    assert storm.live_orders().keys() == {"A0SW00012"}


def test_a_tie_that_opens_again_is_no_outage(storm: Timeline) -> None:
    storm.at(0).reading("breaker_closed", "A0TIE00020")
    storm.at(60).reading("breaker_open", "A0TIE00020")

    assert not storm.orders, "nobody is fed through it"


def test_a_breaker_that_closed_suggests_that_it_is_over(storm: Timeline) -> None:
    storm.at(0).reading("breaker_open", "A0FU00016")
    storm.at(9).reading("breaker_closed", "A0FU00016")

    assert suggested(storm) == ["breaker_closed"]


def test_a_breaker_that_opens_again_takes_back_that_it_is_over(storm: Timeline) -> None:
    """As a recloser does that tries and gives up: else it would say so for good."""
    storm.at(0).reading("breaker_open", "A0FU00016")
    storm.at(0.1).reading("breaker_closed", "A0FU00016")
    storm.at(0.2).reading("breaker_open", "A0FU00016")

    assert storm.changed[-1].restoration_suggested_at is None
    storm.at(9).reading("breaker_closed", "A0FU00016")
    assert storm.changed[-1].restoration_suggested_at == minute(9)
    assert storm.at(10).reading("breaker_open", "A0FU00016", made=1) == []


@pytest.mark.parametrize("said", ["last_gasp", "ping_silent"])
def test_a_meter_that_loses_its_supply_again_takes_back_that_it_is_over(storm: Timeline, said: str) -> None:
    storm.at(0).reading("last_gasp", "A0TR00023", "A1")
    storm.at(5).reading("power_up", "A0TR00023", "A1")
    assert storm.changed[-1].restoration_suggested_at == minute(5)
    storm.at(6).reading(said, "A0TR00023", "A1")

    assert storm.changed[-1].restoration_suggested_at is None


def test_late_and_repeated_readings_change_nothing(storm: Timeline) -> None:
    storm.at(0).reading("last_gasp", "A0TR00023", "A1", made=0)
    storm.at(30).reading("power_up", "A0TR00023", "A1", made=30)
    before = snapshot(storm.state)
    assert storm.at(31).reading("last_gasp", "A0TR00023", "A1", made=0) == []
    assert storm.at(31).reading("power_up", "A0TR00023", "A1", made=30) == []
    assert snapshot(storm.state) == before


readings = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(Reading), st.sampled_from(["A1", "A2", None])), max_size=12
)


@given(readings, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter_to_what_is_known(said: list[tuple], rng: object) -> None:
    messages = [
        TelemetryReceived(
            area="S",
            source="t",
            source_event_id=str(n),
            reading=reading,
            device="D",
            account_id=None if reading in {Reading.BREAKER_OPEN, Reading.BREAKER_CLOSED} else account,
            at=minute(at),
            received_at=minute(9),
        )
        for n, (at, reading, account) in enumerate(said)
    ]
    shuffled = list(messages)
    rng.shuffle(shuffled)
    known = []
    for order in (messages, shuffled):
        telemetry = Telemetry()
        for message in order:
            if telemetry.newer(message):
                telemetry.note(message, ("D", "above"))
        dark = sum(one.reading is Reading.LAST_GASP for one in telemetry.known.values())
        assert telemetry.dark_under("above") == telemetry.dark_under("D") == dark
        known.append({key: (one.at, one.reading) for key, one in telemetry.known.items()})
    assert known[0] == known[1]


# --- planned outages ---


def plan(storm: Timeline, device: str = "A0FU00016", start: float = 0, end: float = 60, **told: object) -> None:
    told = {"planned_id": PLAN, **told}
    storm.dispatcher("plan", device=device, starts_at=minute(start), ends_at=minute(end), **told)


def test_a_report_under_a_planned_outage_is_answered_and_no_crew_sent(storm: Timeline) -> None:
    plan(storm)
    storm.at(10).report("A0TR00023")

    assert storm.answers() == [("answered", "planned_outage")]
    assert storm.settled[0].expected_at == minute(60)
    assert not storm.orders
    storm.at(11).report("A0TR00026")
    assert storm.live_orders().keys() == {"A0TR00026"}, "it lies under another fuse"


def test_danger_under_a_planned_outage_is_dispatched(storm: Timeline) -> None:
    plan(storm)
    storm.at(10).report("A0TR00023", hazards=("fire",))

    assert [order.priority for order in storm.orders] == [Priority.EMERGENCY]


def test_before_its_time_and_after_it_a_report_is_an_outage(storm: Timeline) -> None:
    plan(storm, device="A0SU00000", start=10, end=60)
    early = storm.at(9).report("A0TR00104")
    late = storm.at(61).report("A0TR00023")

    assert {early, late} <= storm.state.members.keys(), "the work overran, or something broke"
    assert storm.answers() == []


@pytest.mark.parametrize("change", ["cancelled", "shortened"])
def test_a_planned_outage_that_was_cancelled_or_shortened_answers_no_more(storm: Timeline, change: str) -> None:
    plan(storm)
    if change == "cancelled":
        storm.dispatcher("cancel_plan", planned_id=PLAN)
    else:
        plan(storm, end=5)
    storm.at(10).report("A0TR00023")

    assert len(storm.live_orders()) == 1


def test_a_plan_that_cannot_be_is_refused_with_its_field(storm: Timeline) -> None:
    plan(storm, device="nothing")
    plan(storm, start=60, end=60)
    storm.dispatcher("cancel_plan", planned_id=PLAN)
    plan(storm)
    storm.dispatcher("cancel_plan", planned_id=PLAN)
    plan(storm)

    assert [field for field, _ in storm.refusals()] == ["device", "ends_at", "planned_id", "planned_id"]


def test_a_meter_that_goes_dark_as_planned_is_no_outage(storm: Timeline) -> None:
    plan(storm)
    storm.at(1).reading("last_gasp", "A0TR00023", "A1")
    storm.at(1).reading("breaker_open", "A0FU00016")

    assert not storm.orders


def test_an_account_in_arrears_is_answered(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023", suspended=True)
    assert storm.answers() == [("answered", "arrears")]


@pytest.mark.parametrize(("why", "said"), [("planned_outage", {}), ("arrears", {"suspended": True})])
def test_who_depends_on_power_gets_a_person_where_others_get_an_answer(storm: Timeline, why: str, said: dict) -> None:
    if why == "planned_outage":
        plan(storm)
    storm.at(10).report("A0TR00023", **said)
    storm.at(11).report("A0TR00023", customer_class=CustomerClass.IMPORTANT, **said)
    storm.at(12).report("A0TR00023", customer_class=CustomerClass.LIFE_SUPPORT, **said)

    assert storm.answers() == [("answered", why), ("answered", why), ("needs_person", why)]
    assert not storm.orders


def test_a_plan_holds_from_its_start_until_its_end_exclusive(storm: Timeline) -> None:
    plan(storm, start=10, end=60)
    storm.at(10).report("A0TR00023")
    storm.at(60).report("A0TR00023", made=59.9)
    late = storm.at(60.1).report("A0TR00023", made=60)

    assert storm.answers() == [("answered", "planned_outage")] * 2
    assert late in storm.state.members


def test_of_two_plans_the_one_that_lasts_longest_answers(storm: Timeline) -> None:
    plan(storm, end=30)
    plan(storm, device="A0SU00000", end=120, planned_id=uuid5(NAMESPACE, "another plan"))
    storm.at(10).report("A0TR00023")

    assert storm.settled[0].expected_at == minute(120)


def test_a_plan_ends_no_outage_that_was_there_before_it(storm: Timeline) -> None:
    before = storm.at(0).report("A0TR00023")
    plan(storm, start=5, end=60)
    storm.at(10).report("A0TR00023")

    assert storm.incident_of(before).state is IncidentState.PREDICTED
    assert storm.live_orders().keys() == {"A0TR00023"}


def test_a_clock_hours_off_does_not_reach_a_plan_that_is_over(storm: Timeline) -> None:
    plan(storm, start=-600, end=-300)
    late = storm.at(0).report("A0TR00023", made=-400)

    assert late in storm.state.members, "what says it was made hours before it arrived counts from its arrival"


def test_a_meter_that_answers_a_ping_speaks_against_its_customers_call_and_closes_nothing(storm: Timeline) -> None:
    """A single call and a meter that is on: somebody phones before a crew drives."""
    call = storm.at(0).report("A0TR00023", account="A1")
    storm.at(1).reading("ping_ok", "A0TR00023", "A1")

    assert suggested(storm) == ["meters_on"]
    assert storm.changed[-1].restoration_suggested_at == minute(1)
    assert storm.incident_of(call).state is IncidentState.PREDICTED
    assert len(storm.live_orders()) == 1


def test_a_meter_that_answers_says_nothing_of_another_caller(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023", account="A1")
    storm.at(0.1).report("A0TR00023", account="A2")
    storm.at(1).reading("ping_ok", "A0TR00023", "A1")
    assert suggested(storm) == []
    storm.at(2).reading("ping_silent", "A0TR00023", "A2")
    assert suggested(storm) == []
    storm.at(3).reading("ping_ok", "A0TR00023", "A2")
    assert suggested(storm) == ["meters_on"]


def test_a_meter_that_does_not_answer_a_ping_is_no_outage_of_its_own(storm: Timeline) -> None:
    storm.at(0).reading("ping_silent", "A0TR00023", "A1")
    assert not storm.state.incidents
    assert not storm.orders


def test_a_ping_from_before_the_outage_says_nothing_of_it(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023", account="A1")
    storm.at(1).reading("ping_ok", "A0TR00023", "A1", made=-5)
    assert suggested(storm) == []


def test_a_last_gasp_and_the_call_of_the_same_house_are_one_caller(storm: Timeline) -> None:
    gasp = storm.at(0)
    gasp.reading("last_gasp", "A0TR00023", "A1")
    call = storm.at(1).report("A0TR00023", account="A1")

    assert storm.incident_of(call).standing.callers == 1
    assert storm.live_orders().keys() == {"A0TR00023"}


def test_a_breaker_that_closed_only_after_the_calls_may_have_been_open_then(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023")
    storm.at(1).reading("breaker_closed", "A0FU00016", made=0.9)
    late = storm.at(2).report("A0TR00024", made=0.2)
    assert storm.incident_of(late).device.id == "A0FU00016"


def test_a_breaker_that_opens_after_telemetry_had_it_closed_is_predicted_again(storm: Timeline) -> None:
    storm.at(0).reading("breaker_closed", "A0FU00016")
    first = storm.at(1).report("A0TR00023")
    assert storm.incident_of(first).device.id == "A0TR00023"
    storm.at(2).reading("breaker_open", "A0FU00016")
    second = storm.at(3).report("A0TR00024")
    assert storm.incident_of(second).device.id == "A0FU00016"
    assert storm.incident_of(second).state is IncidentState.CONFIRMED


def test_a_reading_of_a_device_nobody_knows_changes_nothing(storm: Timeline) -> None:
    assert storm.at(0).reading("last_gasp", "NOWHERE", "A1") == []
    assert storm.at(0).reading("breaker_open", "NOWHERE") == []


def test_of_a_reading_nobody_is_told_as_there_is_no_ticket(storm: Timeline) -> None:
    """Whoever keeps the tickets would not know what it is about: not of power that was back, nor of a plan."""
    storm.at(0).report("A0TR00023", account="A1")
    storm.at(5).power_back("A0TR00023")
    storm.at(6).reading("last_gasp", "A0TR00023", "A2", made=1)
    assert isinstance(storm.events[-1], e.ReportAnswered)

    called = storm.at(100).report("A0TR00104", account="A3")
    storm.at(100.5).reading("last_gasp", "A0TR00104", "A4")
    plan = uuid5(NAMESPACE, "a plan")
    times = {"starts_at": minute(90), "ends_at": minute(200)}
    storm.at(101).dispatcher("plan", planned_id=plan, device="A0TR00104", **times)
    incident = storm.incident_of(called).incident_id
    accepted = storm.at(102).dispatcher("accept_plan", incident_id=incident, planned_id=plan)
    storm.dispatcher("plan", planned_id=plan, device="A0TR00104", **{**times, "ends_at": minute(210)})
    storm.at(103).dispatcher("undo", undoes=accepted)

    assert len(storm.state.incidents[incident].reports) == 2
    assert {one.report_id for one in storm.settled} == {called}
