"""What would change where a report is: what is said is what happens then. On the IEEE 123-node feeder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.ids import derive
from services.contracts.values import CustomerClass, ProgressStage
from services.dedup.domain.events import ReportJoined
from services.dedup.domain.explain import would_change
from services.dedup.domain.what_if import calls_that_lift, copy_of, silence_that_moves
from services.dedup.domain.words import sentence
from tests.unit.dedup.timeline import minute, snapshot

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.dedup.timeline import Timeline


def said(storm: Timeline, report: UUID, at: float) -> str:
    return " ".join(would_change(storm.state, report, "", minute(at)))


def test_the_calls_that_are_said_to_lift_it_do_and_one_fewer_does_not(storm: Timeline) -> None:
    report = storm.at(0).report("A0TR00023")
    storm.at(40)
    before = snapshot(storm.state)
    found = calls_that_lift(storm.state, report, minute(40))
    assert found is not None
    assert f"{len(found.at)} more report" in said(storm, report, 40)
    assert f"would lift it to fuse {found.device}" in said(storm, report, 40)
    assert snapshot(storm.state) == before, "trying it out changes nothing"
    for n, device in enumerate(found.at, start=1):
        assert storm.incident_of(report).device.id == "A0TR00023"
        storm.at(40 + n / 4).report(device)

    assert storm.incident_of(report).device.id == found.device


def test_what_is_tried_on_is_the_area_as_it_is(storm: Timeline) -> None:
    storm.at(5).report("A0TR00023", made=3)
    storm.at(6).report("A0TR00104")
    storm.at(9).report("A0TR00024", made=7)
    assert storm.state.lag > 0
    assert snapshot(copy_of(storm.state)) == snapshot(storm.state)


def test_trying_it_out_under_planned_work_changes_nothing(storm: Timeline) -> None:
    """Those who would be answered by it did not call."""
    storm.at(0).dispatcher(
        "plan", planned_id=derive("planned", "work"), device="A0TR00024", starts_at=minute(0), ends_at=minute(90)
    )
    storm.at(1).report("A0TR00024")
    report = storm.at(2).report("A0TR00023")
    before = {key: set(known) for key, known in storm.state.answered.items()}
    said(storm, report, 3)

    assert {key: set(known) for key, known in storm.state.answered.items()} == before


def test_the_longer_it_is_quiet_the_more_calls_it_takes(storm: Timeline) -> None:
    report = storm.at(0).report("A0TR00023")
    needed = []
    for at in (1, 400):
        found = calls_that_lift(storm.state, report, minute(at))
        needed.append(99 if found is None else len(found.at))
    assert needed[0] == 1
    assert needed[1] > 1


def test_the_silence_that_is_said_to_take_it_apart_does_at_that_time(storm: Timeline) -> None:
    storm.at(0).report("A0TR00023")
    other = storm.at(1).report("A0TR00104")
    whole = storm.incident_of(other)
    found = silence_that_moves(storm.state, other)
    assert found is not None
    assert f"nobody else calls until {found.until.isoformat(timespec='minutes')}" in said(storm, other, 2)
    until = (found.until - minute(0)).total_seconds() / 60
    storm.at(until - 0.1)
    assert storm.incident_of(other) is whole
    storm.at(until)

    assert storm.incident_of(other).device.id == found.device
    assert (storm.incident_of(other) is not whole) == found.apart


def test_where_enough_have_called_silence_is_said_to_change_nothing(storm: Timeline) -> None:
    assert storm.state.tree is not None
    for n, device in enumerate(storm.state.tree.transformers_under("A0BR00001")[::3]):
        report = storm.at(n / 4).report(device)

    assert silence_that_moves(storm.state, report) is None
    assert "Silence alone changes nothing" in said(storm, report, 10)
    assert "callers are enough for A0BR00001" in said(storm, report, 10)


def test_only_a_person_moves_what_a_crew_confirmed(storm: Timeline) -> None:
    report = storm.at(0).report("A0TR00023")
    storm.at(1).crew(storm.order_of(report).order_id, ProgressStage.ARRIVED)

    assert "Only a person moves it now, as it was confirmed." in said(storm, report, 2)
    assert "more report" not in said(storm, report, 2)


def test_a_report_under_a_confirmed_incident_is_not_said_to_be_under_a_prediction(storm: Timeline) -> None:
    here = storm.at(0).report("A0TR00023")
    storm.at(1).dispatcher("confirm", incident_id=storm.incident_of(here).incident_id, device="A0FU00016")
    storm.at(2).report("A0TR00024")
    joined = storm.events[-1]
    assert isinstance(joined, ReportJoined)
    words = sentence(joined.rule, joined.evidence)
    assert words.startswith("The report lies under fuse A0FU00016, where an incident was open; it has 2 reports")


def test_who_depends_on_power_is_said_to_wait_for_a_person_under_a_plan(storm: Timeline) -> None:
    times = {"starts_at": minute(0), "ends_at": minute(60)}
    storm.at(0).dispatcher("plan", planned_id=derive("a plan"), device="A0FU00016", **times)
    report = storm.at(1).report("A0TR00023", customer_class=CustomerClass.LIFE_SUPPORT)
    assert storm.answers() == [("needs_person", "planned_outage")]
    assert "depends on power, so a person must see to them" in sentence("planned_outage", {}, waits=True)
    assert "so it was answered" in sentence("planned_outage", {})
    advice = " ".join(would_change(storm.state, report, "planned_outage", minute(2)))
    assert "A person sees to it" in advice
    assert "/place" not in advice, "its place is known"


def test_where_so_many_reported_that_it_is_not_tried_the_report_alone_is_enough(storm: Timeline) -> None:
    report = storm.at(0).report("A0TR00023")
    alone = " ".join(would_change(storm.state, report, "", minute(1), tries=False))
    assert "which, is not tried where so many have reported" in alone
    assert "would lift it" in said(storm, report, 1)
    assert alone.endswith(said(storm, report, 1).split(". ")[-1])
