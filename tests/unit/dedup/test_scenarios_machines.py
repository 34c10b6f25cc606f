"""What only meters and breakers spoke of, as timelines that a dispatcher can read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid5

import pytest

from services.contracts.ids import NAMESPACE
from services.contracts.values import CustomerClass, IncidentState, ProgressStage
from services.dedup.domain import events as e
from services.dedup.domain.explain import would_change
from services.dedup.domain.figures import Interruption, figures
from tests.unit.dedup.timeline import Timeline, minute, rules_of_tests

if TYPE_CHECKING:
    from uuid import UUID

    from services.grid.tree import Tree


PLAN = uuid5(NAMESPACE, "planned outage of the tests of machines")


def ended(story: Timeline) -> list[tuple[str, float, str]]:
    """Device, minute and rule of what was restored."""
    devices = {change.incident_id: change.device.id for change in story.changed}
    return [
        (devices[one.incident_id], (one.restored_at - minute(0)) / timedelta(minutes=1), one.rule.value)
        for one in story.events
        if isinstance(one, e.IncidentRestored)
    ]


def opened(story: Timeline) -> list[tuple[str, UUID | None]]:
    """By which rule incidents were opened, and what goes on in them."""
    return [(one.rule.value, one.continues) for one in story.events if isinstance(one, e.IncidentOpened)]


def momentary(story: Timeline) -> tuple[int, int]:
    """Customers of momentary and of sustained interruptions, as the figures count what was restored."""
    last = {change.incident_id: change for change in story.changed}
    state = story.state
    found = [
        Interruption(state.area, one.device.id, state.upstream(one.device.id), one.customers_served, *times)
        for one in last.values()
        if (times := (one.opened_at, one.restored_at))[1] is not None
    ]
    counted = figures(found, 1000, momentary=timedelta(minutes=5), until=minute(1000))
    return counted.momentary_customers, counted.customers_interrupted


# --- closed by rule ---


def test_what_only_meters_spoke_of_is_closed_once_they_have_had_power_for_five_minutes(metered: Timeline) -> None:
    metered.at(0).reading("last_gasp", "A0TR00023", "A1")
    metered.at(0.1).reading("last_gasp", "A0TR00023", "A2")
    metered.at(1).reading("power_up", "A0TR00023", "A1", made=0.5)
    metered.at(1.1).reading("power_up", "A0TR00023", "A2", made=0.6)
    metered.at(6)
    assert ended(metered) == []
    (order,) = metered.live_orders().values()
    metered.at(6.2)

    assert ended(metered) == [("A0TR00023", 0.6, "meters_on")]
    assert metered.history(order.order_id) == [(1, "issued", "A0TR00023"), (2, "closed", "A0TR00023")]
    assert metered.orders[-1].reason == "meters_on"
    assert not metered.state.incidents
    served = metered.state.customers_under("A0TR00023")
    assert momentary(metered) == (served, 0)


def test_where_a_person_reported_meters_close_nothing(metered: Timeline) -> None:
    metered.at(0).reading("last_gasp", "A0TR00023", "A1")
    metered.at(1).reading("power_up", "A0TR00023", "A1")
    metered.at(3).report("A0TR00023", account="A2")
    metered.at(60)

    assert ended(metered) == []
    assert len(metered.live_orders()) == 1
    assert metered.waiting() == set()


@pytest.mark.parametrize("by", ["crew", "dispatcher"])
def test_where_a_crew_is_or_a_person_arranged_it_meters_close_nothing(metered: Timeline, by: str) -> None:
    metered.at(0).reading("last_gasp", "A0TR00023", "A1")
    (incident,) = metered.state.incidents.values()
    metered.at(1).reading("power_up", "A0TR00023", "A1")
    metered.at(2)
    if by == "crew":
        metered.crew(incident.order_id, ProgressStage.ARRIVED)
    else:
        metered.dispatcher("confirm", incident_id=incident.incident_id)
    metered.at(60)

    assert ended(metered) == []


def test_power_that_goes_again_is_the_same_outage_and_the_same_order(metered: Timeline) -> None:
    """A recloser that tries twice and stays open."""
    metered.at(0).reading("last_gasp", "A0TR00023", "A1")
    metered.at(1).reading("power_up", "A0TR00023", "A1")
    metered.at(2).reading("last_gasp", "A0TR00023", "A1")
    metered.at(60)

    assert ended(metered) == []
    (order,) = metered.live_orders().values()
    assert order.version == 1


def test_without_the_setting_only_a_crew_or_a_person_closes_it(storm: Timeline) -> None:
    storm.at(0).reading("last_gasp", "A0TR00023", "A1")
    storm.at(1).reading("power_up", "A0TR00023", "A1")
    storm.at(600)

    assert ended(storm) == []


def test_a_breaker_that_opened_and_closed_is_over_once_its_meters_say_so_too(metered: Timeline) -> None:
    metered.at(0).reading("breaker_open", "A0SW00015")
    metered.at(0.1).reading("last_gasp", "A0TR00026", "A1")
    metered.at(1).reading("breaker_closed", "A0SW00015", made=0.9)
    metered.at(10)
    assert ended(metered) == [], "a meter below it is dark"
    metered.at(11).reading("power_up", "A0TR00026", "A1", made=0.95)
    metered.at(17)

    assert ended(metered) == [("A0SW00015", 0.95, "breaker_closed")]


def test_a_breaker_that_trips_and_recloses_takes_nothing_of_what_is_out_below_it(metered: Timeline) -> None:
    """What was out before stays its own, with its order; who reports after it closed is out for another reason."""
    metered.at(0).report("A0TR00023", account="A1")
    (before,) = metered.live_orders().values()
    metered.at(30).reading("breaker_open", "A0SW00015")
    metered.at(30.1).reading("breaker_closed", "A0SW00015", made=30.05)
    assert {order.device.id for order in metered.live_orders().values()} == {"A0TR00023", "A0SW00015"}
    metered.at(32).report("A0TR00030", account="A2")
    metered.at(60)

    assert ended(metered) == [("A0SW00015", 30.05, "breaker_closed")]
    assert {order.device.id for order in metered.live_orders().values()} == {"A0TR00023", "A0TR00030"}
    assert metered.history(before.order_id) == [(1, "issued", "A0TR00023")]


def test_a_breaker_that_opened_explains_who_reported_since_and_who_does_until_it_closes(metered: Timeline) -> None:
    metered.at(0).report("A0TR00023", account="A1", made=-0.5)
    metered.at(1).reading("breaker_open", "A0SW00015", made=-1)
    metered.at(5).report("A0TR00030", account="A2")
    metered.at(6).reading("breaker_closed", "A0SW00015", made=5.5)
    metered.at(7).report("A0TR00032", account="A3", made=5.2)

    (incident,) = metered.state.incidents.values()
    assert (incident.device.id, len(incident.reports)) == ("A0SW00015", 4)
    metered.at(8).report("A0TR00032", account="A4")
    assert {one.device.id for one in metered.state.incidents.values()} == {"A0SW00015", "A0TR00032"}


def test_of_many_meters_a_few_words_that_power_is_back_may_be_lost(metered: Timeline) -> None:
    assert metered.state.tree is not None
    homes = [(t, f"{t}-{n}") for t in metered.state.tree.transformers_under("A0FU00016") for n in range(6)]
    for transformer, account in homes:
        metered.at(0).reading("last_gasp", transformer, account)
    for transformer, account in homes[1:]:
        metered.at(1).reading("power_up", transformer, account)
    metered.at(7)

    assert not metered.state.incidents
    assert not metered.live_orders()


def test_what_began_elsewhere_meanwhile_keeps_it_open(metered: Timeline) -> None:
    """The fuse that both lie under is out, whatever the first meter said before the second went dark."""
    metered.at(0).reading("last_gasp", "A0TR00023", "A1")
    metered.at(0.5).reading("power_up", "A0TR00023", "A1")
    metered.at(1).reading("last_gasp", "A0TR00024", "A2")
    metered.at(30)

    assert "A0TR00023" not in metered.live_orders()
    assert len(metered.live_orders()) == 1


def test_a_crew_that_finds_nothing_where_one_meter_spoke_leaves_no_interruption(metered: Timeline) -> None:
    """docs/field-repair.md: with the time of the order's first report."""
    metered.at(0).reading("last_gasp", "A0TR00023", "A1")
    (order,) = metered.live_orders().values()
    metered.at(40).crew(order.order_id, ProgressStage.RESTORED, made=0, cause="no_fault_found")

    assert metered.history(order.order_id)[-1] == (2, "closed", "A0TR00023")
    assert metered.changed[-1].cause == "no_fault_found"
    assert momentary(metered) == (0, 0)


# --- held ---


def test_a_lone_gasp_that_is_taken_back_while_it_waits_sends_nobody_and_was_momentary(patient: Timeline) -> None:
    patient.at(0).reading("last_gasp", "A0TR00023", "A1")
    patient.at(1).reading("ping_ok", "A0TR00023", "A1")
    patient.at(3)

    assert patient.orders == []
    assert ended(patient) == [("A0TR00023", 1, "meters_on")]
    assert momentary(patient) == (patient.state.customers_under("A0TR00023"), 0)
    assert patient.changed[-1].state is IncidentState.RESTORED
    assert patient.changed[-1].reason == "meters_on"


def test_a_gasp_that_stays_the_last_word_sends_a_crew_once_its_wait_is_over(patient: Timeline) -> None:
    patient.at(0).reading("last_gasp", "A0TR00023", "A1")
    patient.at(2.9)
    assert patient.orders == []
    patient.at(3)

    assert [(o.device.id, o.reason) for o in patient.orders] == [("A0TR00023", "hold_over")]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "somebody_reported"),
        ({"unconfirmed": True}, "somebody_reported"),
        ({"account": "A9", "customer_class": CustomerClass.LIFE_SUPPORT}, "life_support_customer"),
    ],
)
def test_the_first_person_who_reports_it_ends_the_wait_at_once(
    patient: Timeline, said: dict[str, Any], reason: str
) -> None:
    patient.at(0).reading("last_gasp", "A0TR00023", "A1")
    patient.at(1).report("A0TR00023", **said)

    assert [(o.version, o.reason) for o in patient.orders] == [(1, reason)]
    patient.at(2).reading("power_up", "A0TR00023", "A1")
    patient.at(60)
    assert ended(patient) == [], "where a person reported, a person closes it"


def test_a_person_who_reports_from_beside_ends_the_wait_of_what_both_are(patient: Timeline) -> None:
    patient.at(0).reading("last_gasp", "A0TR00023", "A1")
    patient.at(0.5).report("A0TR00024")

    assert patient.live_orders().keys() == {"A0FU00016"}


def test_what_people_report_does_not_wait(patient: Timeline) -> None:
    patient.at(0).report("A0TR00023")

    assert len(patient.live_orders()) == 1


def test_a_hold_of_the_devices_class_is_what_is_left_of_the_wait_once_a_person_reports(metered: Timeline) -> None:
    holds = {"meters": timedelta(minutes=10), "transformer": timedelta(minutes=2)}
    story = Timeline(metered.state.area, metered.state.tree, replace(metered.state.rules, holds=holds))
    story.at(0).reading("last_gasp", "A0TR00023", "A1")
    story.at(1).report("A0TR00023")
    story.at(2.9)
    assert story.orders == []
    story.at(3)
    assert [o.reason for o in story.orders] == ["hold_over"]
    assert story.waiting() == set()


def test_a_recloser_that_tries_twice_within_the_wait_is_one_momentary_event(patient: Timeline) -> None:
    for at, word in ((0, "last_gasp"), (0.1, "power_up"), (0.5, "last_gasp"), (0.6, "power_up")):
        patient.at(at).reading(word, "A0TR00023", "A1")
        patient.reading(word, "A0TR00024", "A2")
    patient.at(30)

    assert patient.orders == []
    served = patient.state.customers_under("A0FU00016")
    assert ended(patient) == [("A0FU00016", 0.6, "meters_on")]
    assert momentary(patient) == (served, 0)


def test_what_silence_takes_apart_while_it_waits_waits_as_long(patient: Timeline) -> None:
    patient.at(0).reading("last_gasp", "A0TR00023", "A1")
    patient.at(0.1).reading("last_gasp", "A0TR00104", "A2")
    patient.at(2.9)
    assert patient.orders == []
    patient.at(3.1)
    assert patient.live_orders()


def test_explain_says_for_what_its_order_waits(patient: Timeline) -> None:
    patient.at(0).reading("last_gasp", "A0TR00023", "A1")
    (report,) = patient.state.members
    words = would_change(patient.state, report, "first_report", minute(1))
    assert any("12:03:00+00:00, as only meters and breakers spoke of it" in one for one in words)
    patient.at(1).report("A0TR00023")

    assert not any("Its order waits" in one for one in would_change(patient.state, report, "first_report", minute(1)))


@pytest.fixture
def reclosing(ieee123: Tree) -> Timeline:
    """The IEEE 123-node feeder, where the order of what only a breaker spoke of waits for a minute."""
    rules = replace(rules_of_tests(), closed_after=timedelta(minutes=5), holds={"breakers": timedelta(minutes=1)})
    return Timeline("A0SU00000", ieee123, rules)


def test_a_breaker_that_recloses_within_its_wait_has_no_order(reclosing: Timeline) -> None:
    reclosing.at(0).reading("breaker_open", "A0SW00015")
    reclosing.at(0.2).reading("breaker_closed", "A0SW00015", made=0.1)
    reclosing.at(2)

    assert reclosing.orders == []
    assert ended(reclosing) == [("A0SW00015", 0.1, "breaker_closed")]


@pytest.mark.parametrize("who", ["meter", "person"])
def test_the_first_meter_or_person_ends_the_wait_of_a_breaker(reclosing: Timeline, who: str) -> None:
    reclosing.at(0).reading("breaker_open", "A0SW00015")
    assert not reclosing.live_orders()
    reclosing.at(0.7)
    if who == "meter":
        reclosing.reading("last_gasp", "A0TR00026", "A1", made=0)
    else:
        reclosing.report("A0TR00026")

    (order,) = reclosing.live_orders().values()
    reason = {"meter": "meters_off", "person": "somebody_reported"}[who]
    assert (order.device.id, order.version, order.reason) == ("A0SW00015", 1, reason)


def test_a_breaker_that_stays_open_has_its_order_when_the_wait_is_over(reclosing: Timeline) -> None:
    reclosing.at(0).reading("breaker_open", "A0SW00015")
    reclosing.at(1.1)

    assert reclosing.live_orders().keys() == {"A0SW00015"}


def test_a_meter_waits_for_no_breaker(reclosing: Timeline) -> None:
    reclosing.at(0).reading("last_gasp", "A0TR00026", "A1")

    assert reclosing.live_orders().keys() == {"A0TR00026"}


# --- after power was back ---


def trip_and_restore(story: Timeline) -> None:
    """A feeder of which three meters gasp; a crew closes it; two say that they have power again, one nothing."""
    for n, transformer in enumerate(("A0TR00023", "A0TR00024", "A0TR00026")):
        story.at(0).reading("last_gasp", transformer, f"A{n}")
    (order,) = story.live_orders().values()
    story.at(30).crew(order.order_id, ProgressStage.RESTORED)
    story.at(31).reading("power_up", "A0TR00023", "A0")
    story.at(31).reading("power_up", "A0TR00026", "A2")
    assert not story.state.incidents


def test_a_meter_that_stays_silent_when_asked_after_power_was_back_is_still_out(metered: Timeline) -> None:
    trip_and_restore(metered)
    (restored,) = metered.state.restored.values()
    metered.at(40).reading("ping_silent", "A0TR00024", "A1")

    assert metered.live_orders().keys() == {"A0TR00024"}
    (incident,) = metered.state.incidents.values()
    assert (incident.continues, incident.began_at) == (restored.incident_id, minute(0))
    assert opened(metered)[-1] == ("still_out", restored.incident_id)
    metered.at(50).reading("ping_silent", "A0TR00024", "A1")
    assert len(metered.live_orders()) == 1, "asked again, it is the same outage"


def test_a_meter_that_answers_or_never_went_dark_is_not_out_for_being_silent(metered: Timeline) -> None:
    trip_and_restore(metered)
    metered.at(40).reading("ping_silent", "A0TR00023", "A0")
    metered.at(41).reading("ping_silent", "A0TR00028", "A7")
    metered.at(42).reading("ping_ok", "A0TR00024", "A1")
    metered.at(43).reading("ping_silent", "A0TR00024", "A1", made=41)

    assert not metered.state.incidents


def test_a_meter_that_says_nothing_is_not_out_as_others_say_that_they_have_power(metered: Timeline) -> None:
    """Of the words of meters many are lost: it is asked first."""
    trip_and_restore(metered)
    metered.at(120)

    assert not metered.state.incidents


def test_a_meter_that_goes_dark_again_soon_after_had_power_in_between(metered: Timeline) -> None:
    trip_and_restore(metered)
    metered.at(40).reading("last_gasp", "A0TR00023", "A0")

    assert metered.live_orders().keys() == {"A0TR00023"}
    assert opened(metered)[-1] == ("out_again", None)


def test_silence_while_an_outage_is_open_there_is_of_that(metered: Timeline) -> None:
    metered.at(0).reading("last_gasp", "A0TR00023", "A1")
    metered.at(5).reading("ping_silent", "A0TR00023", "A1")

    assert len(metered.state.incidents) == 1
    (incident,) = metered.state.incidents.values()
    assert incident.standing.reports == 1


def test_a_gasp_that_arrives_after_a_ping_was_not_answered_is_an_outage_all_the_same(metered: Timeline) -> None:
    metered.at(5).reading("ping_silent", "A0TR00023", "A1")
    metered.at(6).reading("last_gasp", "A0TR00023", "A1", made=0)

    assert metered.live_orders().keys() == {"A0TR00023"}


def test_where_meters_are_asked_twice_one_silence_is_not_enough(metered: Timeline) -> None:
    """Of meters that have power some do not answer; whether one was silent before power was back says nothing."""
    metered.state.rules = replace(metered.state.rules, asked_twice=True)
    metered.at(0).reading("last_gasp", "A0TR00024", "A1")
    metered.at(20).reading("ping_silent", "A0TR00024", "A1")
    (order,) = metered.live_orders().values()
    metered.at(30).crew(order.order_id, ProgressStage.RESTORED)
    metered.at(35).reading("ping_silent", "A0TR00024", "A1")
    assert not metered.live_orders()
    metered.at(45).reading("ping_silent", "A0TR00024", "A1")

    assert metered.live_orders().keys() == {"A0TR00024"}
    assert opened(metered)[-1][0] == "still_out"


def test_a_meter_that_answers_when_asked_again_is_not_out(metered: Timeline) -> None:
    metered.state.rules = replace(metered.state.rules, asked_twice=True)
    trip_and_restore(metered)
    metered.at(35).reading("ping_silent", "A0TR00024", "A1")
    metered.at(45).reading("ping_ok", "A0TR00024", "A1")
    metered.at(60).reading("ping_silent", "A0TR00024", "A1")

    assert not metered.state.incidents


def test_meters_that_are_all_silent_after_a_word_that_came_too_soon_are_one_outage(metered: Timeline) -> None:
    """A crew told that power was back, and it is not: they are asked at one moment, and one order goes out."""
    assert metered.state.tree is not None
    homes = metered.state.tree.transformers_under("A0SW00015")
    for n, transformer in enumerate(homes):
        metered.at(0).reading("last_gasp", transformer, f"A{n}")
    (order,) = metered.live_orders().values()
    metered.at(30).crew(order.order_id, ProgressStage.RESTORED)
    for n, transformer in enumerate(homes):
        metered.at(35 + n / 600).reading("ping_silent", transformer, f"A{n}")
    metered.at(40)

    assert len(metered.live_orders()) == 1
    assert metered.live_orders().keys() == {order.device.id}


# --- gasps of one moment, and of others ---


def everybodys_meters(story: Timeline, device: str, at: float, *, share: float, after: float = 0.8) -> None:
    """Of the homes under a device so many gasp as it opens, spread over so many minutes until they arrive."""
    network = story.state.tree
    assert network is not None
    homes = [
        (transformer, n)
        for transformer in network.transformers_under(device)
        for n in range(story.state.customers_under(transformer))
    ]
    told = [home for place, home in enumerate(homes) if (place * 37) % 100 < 100 * share]
    for place, (transformer, n) in enumerate(told):
        arrives = at + after * place / len(told)
        story.at(arrives).reading("last_gasp", transformer, f"{transformer}/{n}", made=at + place % 15 / 60)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_feeder_whose_meters_gasp_stays_one_outage_when_nobody_has_called_yet(ckt5: Tree, share: float) -> None:
    """Meters are no people: that hundreds spoke within the minute is not early for an outage of thousands."""
    story, device = Timeline("A0SU00000", ckt5, rules_of_tests()), "A0SW00003"
    everybodys_meters(story, device, 0.0, share=share)
    assert story.live_orders().keys() == {device}
    story.at(60)

    assert story.live_orders().keys() == {device}
    assert len(story.state.incidents) == 1


def test_meters_that_gasp_minutes_apart_are_of_faults_of_their_own(storm: Timeline) -> None:
    """People of one outage call minutes apart; its meters do not."""
    storm.at(0).report("A0TR00023")
    storm.at(4).report("A0TR00024")
    assert len(storm.state.incidents) == 1, "so it is with people"

    told = Timeline(storm.state.area, storm.state.tree, storm.state.rules)
    told.at(0).reading("last_gasp", "A0TR00023", "A1")
    told.at(4).reading("last_gasp", "A0TR00024", "A2")
    assert told.live_orders().keys() == {"A0TR00023", "A0TR00024"}


def test_a_breaker_that_opens_is_not_taken_for_what_is_above_it(storm: Timeline) -> None:
    """It says itself what is open."""
    storm.at(0).report("A0TR00104")
    storm.at(0.5).report("A0TR00107")
    storm.at(1).reading("breaker_open", "A0SW00015")

    assert "A0SW00015" in storm.live_orders()


def test_meters_that_are_still_dark_once_a_breaker_has_reclosed_are_out_below_it(metered: Timeline) -> None:
    """It tripped for a fault that a fuse has cleared; their power went with it, but they sat out what it took."""
    metered.at(0).reading("breaker_open", "A0BR00001")
    metered.at(0.2).reading("breaker_closed", "A0BR00001", made=0.1)
    for n, transformer in enumerate(("A0TR00023", "A0TR00024", "A0TR00026")):
        metered.at(0.8).reading("last_gasp", transformer, f"A{n}", made=0)

    (below,) = metered.live_orders().keys() - {"A0BR00001"}
    assert below in metered.state.upstream("A0TR00023")
    assert metered.state.incidents[metered.state.by_device["A0BR00001"]].standing.callers == 1


def test_a_breaker_that_recloses_and_opens_for_good_takes_what_began_meanwhile(storm: Timeline) -> None:
    storm.at(0).reading("breaker_open", "A0BR00001")
    storm.at(0.1).reading("breaker_closed", "A0BR00001")
    storm.at(1).reading("last_gasp", "A0TR00023", "A1", made=0.15)
    assert storm.live_orders().keys() == {"A0BR00001", "A0TR00023"}
    storm.at(1.1).reading("breaker_open", "A0BR00001", made=0.15)

    assert storm.live_orders().keys() == {"A0BR00001"}
    assert len(storm.state.incidents) == 1


def test_a_gasp_of_hours_ago_is_no_part_of_the_outage_that_is_over(metered: Timeline) -> None:
    """That meter has said nothing since: it may be dark still, when all others have power."""
    assert metered.state.tree is not None
    metered.at(0).reading("last_gasp", "A0TR00030", "A9")
    for n, transformer in enumerate(metered.state.tree.transformers_under("A0BR00001")[::2]):
        if transformer != "A0TR00030":
            metered.at(180).reading("last_gasp", transformer, f"A{n}")
    assert metered.live_orders().keys() == {"A0BR00001", "A0TR00030"}
    metered.at(240).power_back("A0BR00001")

    assert metered.live_orders().keys() == {"A0TR00030"}


# --- a home, its meter and its people ---


def test_who_says_that_only_their_home_is_dark_is_of_the_meter_that_gasped_there(storm: Timeline) -> None:
    storm.at(0).reading("last_gasp", "A0TR00023", "A1")
    storm.at(4).report("A0TR00023", only_mine=True)

    assert len(storm.state.incidents) == 1
    assert [one.version for one in storm.live_orders().values()] == [2]


@pytest.mark.parametrize("account", ["A2", None])
def test_who_is_another_home_or_calls_a_day_later_is_not(storm: Timeline, account: str | None) -> None:
    storm.at(0).reading("last_gasp", "A0TR00023", "A1")
    storm.at(4 if account else 24 * 60).report("A0TR00023", account=account, only_mine=True)

    assert len(storm.state.incidents) == 2


def test_the_gasp_of_the_home_that_called_is_of_its_own_problem_also_if_it_comes_late(storm: Timeline) -> None:
    storm.at(4).report("A0TR00023", only_mine=True)
    storm.at(5).reading("last_gasp", "A0TR00023", "A1", made=0)
    assert len(storm.state.incidents) == 1
    storm.at(6).reading("last_gasp", "A0TR00023", "A2", made=0)

    assert len(storm.state.incidents) == 2, "another meter there is more than that home"


# --- planned work ---


@pytest.mark.parametrize(("at", "outages"), [(-10, 0), (-14.9, 0), (-15.1, 1)])
def test_a_meter_that_goes_dark_minutes_before_planned_work_begins_is_of_it(
    metered: Timeline, at: float, outages: int
) -> None:
    metered.at(-60).dispatcher("plan", planned_id=PLAN, device="A0FU00016", starts_at=minute(0), ends_at=minute(60))
    metered.at(at).reading("last_gasp", "A0TR00023", "A1")

    assert len(metered.state.incidents) == outages


def test_a_person_who_reports_minutes_before_planned_work_has_an_outage(metered: Timeline) -> None:
    """Whether its crew began early, a dispatcher knows; somebody in the dark is not told to wait by a guess."""
    metered.at(-60).dispatcher("plan", planned_id=PLAN, device="A0FU00016", starts_at=minute(0), ends_at=minute(60))
    metered.at(-10).report("A0TR00023")

    assert metered.live_orders().keys() == {"A0TR00023"}
