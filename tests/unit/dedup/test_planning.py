"""A planned outage that is entered late: a dispatcher says what it is to an incident that is open, as timelines.

On the IEEE 123-node feeder: switch SW00015 feeds fuse FU00016 (transformers TR00023 to 25), fuse FU00017 (TR00026, 27)
and fuse FU00018 (TR00028, 30 to 33). TR00104 lies elsewhere. The plan is of FU00017, minutes 0 to 120.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid5

import pytest

from services.contracts.ids import NAMESPACE
from services.contracts.values import CustomerClass, IncidentState, ProgressStage
from services.dedup.domain import events as e
from services.dedup.domain.explain import would_change
from services.dedup.domain.planning import proposed_plan
from tests.unit.dedup.test_commands import places
from tests.unit.dedup.timeline import minute as clock_at

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.dedup.timeline import Timeline

PLAN = uuid5(NAMESPACE, "planned outage entered late")
ANOTHER = uuid5(NAMESPACE, "another planned outage")
FUSE = "A0FU00017"


def enter(storm: Timeline, device: str = FUSE, begins: float = 0, ends: float = 120, key: UUID = PLAN) -> UUID:
    return storm.dispatcher("plan", planned_id=key, device=device, starts_at=clock_at(begins), ends_at=clock_at(ends))


def accept(storm: Timeline, incident: UUID, key: UUID = PLAN) -> UUID:
    return storm.dispatcher("accept_plan", incident_id=incident, planned_id=key, why="it is the switching of today")


def an_outage_and_its_plan(storm: Timeline) -> tuple[UUID, UUID, UUID]:
    """Two reports of one incident at the fuse, ordered at once, and the plan ten minutes later."""
    first = storm.at(5).report("A0TR00026", "first")
    second = storm.at(8).report("A0TR00026", "second")
    incident = storm.incident_of(first).incident_id
    assert storm.incident_of(second).incident_id == incident
    enter(storm.at(15))
    return first, second, incident


def test_planned_work_is_told_as_it_is_before_anybody_has_called(storm: Timeline) -> None:
    """By whom and why is not told: it is kept for ever."""
    commands = [enter(storm.at(-60)), enter(storm.at(-30), ends=180)]
    commands.append(storm.at(20).dispatcher("cancel_plan", planned_id=PLAN, why="called off"))
    storm.at(30).dispatcher("cancel_plan", planned_id=PLAN, why="again, which is refused")

    assert [(one.ends_at, one.cancelled, one.command_id, one.changed_at) for one in storm.plans] == [
        (clock_at(120), False, commands[0], clock_at(-60)),
        (clock_at(180), False, commands[1], clock_at(-30)),
        (clock_at(180), True, commands[2], clock_at(20)),
    ]
    assert {(one.planned_id, one.area, one.device, one.starts_at) for one in storm.plans} == {
        (PLAN, storm.state.area, FUSE, clock_at(0))
    }
    assert len({one.message_id for one in storm.plans}) == 3
    assert "called off" not in str(storm.plans)


def test_a_plan_that_is_entered_late_is_told_with_the_incident_it_may_explain(storm: Timeline) -> None:
    first, _, incident = an_outage_and_its_plan(storm)
    storm.report("A0TR00104", only_mine=True)

    told = storm.changed[-2]
    assert (told.incident_id, told.reason) == (incident, "planned_outage_entered")
    assert told.proposed_plan is not None
    assert (told.proposed_plan.planned_id, told.proposed_plan.ends_at) == (PLAN, clock_at(120))
    assert storm.changed[-1].proposed_plan is None, "another place is not proposed"
    assert len(storm.live_orders()) == 2, "nobody is called back by a machine"
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)
    assert (storm.changed[-1].incident_id, storm.changed[-1].proposed_plan) == (incident, None)
    assert storm.incident_of(first).order is not None


def test_work_that_began_early_is_accepted_once_its_start_is_put_right(storm: Timeline) -> None:
    early = storm.at(-6).report("A0TR00026", "early")
    incident = storm.incident_of(early).incident_id
    enter(storm.at(0), begins=0)
    accept(storm.at(1), incident)
    assert [field for field, _ in storm.refusals()] == ["planned_id"], "it was reported before the work began"
    enter(storm.at(2), begins=-10)
    accept(storm.at(3), incident)

    assert len(storm.refusals()) == 1
    assert not storm.state.incidents


def test_accepted_its_reports_are_answered_its_crew_called_back_and_it_is_closed(storm: Timeline) -> None:
    first, second, incident = an_outage_and_its_plan(storm)
    order = storm.order_of(first)
    command = accept(storm.at(20), incident)

    told = [(one.report_id, one.outcome, one.reason, one.expected_at, one.command_id) for one in storm.settled]
    assert told == [(one, "answered", "planned_outage", clock_at(120), command) for one in (first, second)]
    assert [(o.version, o.status, o.reason, o.superseded_by) for o in storm.orders][1:] == [
        (order.version + 1, "cancelled", "plan_accepted_by_person", None)
    ]
    assert not storm.state.incidents
    assert not storm.state.members
    last = storm.changed[-1]
    assert (last.state, last.covered_by, last.left, last.reports) == (
        IncidentState.CANCELLED,
        PLAN,
        (first, second),
        0,
    )
    assert storm.at(30).report("A0TR00026") not in storm.state.members, "who calls later is answered, too"
    assert not storm.live_orders()


def test_a_crew_that_was_called_back_changes_nothing_any_more(storm: Timeline) -> None:
    first, _, incident = an_outage_and_its_plan(storm)
    order = storm.order_of(first).order_id
    accept(storm.at(20), incident)
    storm.at(25).crew(order, ProgressStage.RESTORED)

    assert isinstance(storm.events[-1], e.ProgressIgnored)
    assert storm.state.covered.keys() == {first, *(one.report_id for one in storm.settled)}


def test_undone_it_is_what_it_was_with_the_first_times_and_its_order_once(storm: Timeline) -> None:
    first, second, incident = an_outage_and_its_plan(storm)
    before, order = places(storm), storm.order_of(first).order_id
    command = accept(storm.at(20), incident)
    storm.at(22).dispatcher("undo", undoes=command, by="dispatcher Wang")

    assert places(storm) == before
    assert storm.history(order) == [
        (1, "issued", "A0TR00026"),
        (2, "cancelled", "A0TR00026"),
        (3, "issued", "A0TR00026"),
    ]
    assert len(storm.live_orders()) == 1
    assert storm.changed[-1].joined[0].report_id == first
    assert storm.changed[-1].proposed_plan is not None, "it is proposed again"
    assert [(one.report_id, one.outcome) for one in storm.settled[-2:]] == [
        (first, "in_incident"),
        (second, "in_incident"),
    ]
    storm.dispatcher("undo", undoes=command)
    assert "cannot be undone" in storm.refusals()[-1][1]
    accept(storm.at(25), incident)
    assert storm.history(order)[-1] == (4, "cancelled", "A0TR00026")
    assert len({(one.report_id, one.message_id) for one in storm.settled}) == len(storm.settled) == 6


def test_a_held_order_never_goes_out_once_the_plan_is_accepted_and_goes_out_once_after_an_undo(held: Timeline) -> None:
    report = held.at(0).report("A0TR00026")
    incident = held.incident_of(report).incident_id
    enter(held.at(1))
    command = accept(held.at(2), incident)
    held.at(60)
    assert not held.orders
    held.dispatcher("undo", undoes=command)
    assert [(o.version, o.status) for o in held.orders] == [(1, "issued")]


@pytest.mark.parametrize("way", ["cancelled", "put off", "elsewhere"])
def test_a_plan_that_is_withdrawn_leaves_an_incident_with_a_crew(storm: Timeline, way: str) -> None:
    first, _, incident = an_outage_and_its_plan(storm)
    before, order = places(storm), storm.order_of(first).order_id
    command = accept(storm.at(20), incident)
    if way == "cancelled":
        storm.at(30).dispatcher("cancel_plan", planned_id=PLAN, why="the work is put off")
    else:
        enter(storm.at(30), *(("A0FU00016", 0) if way == "elsewhere" else (FUSE, 60)))

    assert places(storm) == before
    assert storm.history(order)[-1] == (3, "issued", "A0TR00026")
    assert storm.orders[-1].reason == "plan_withdrawn"
    assert storm.settled[-1].reason == "plan_withdrawn"
    storm.dispatcher("undo", undoes=command)
    assert "cannot be undone" in storm.refusals()[-1][1]
    assert len(storm.live_orders()) == 1


def test_work_that_ends_earlier_or_later_than_planned_still_explains_what_it_did(storm: Timeline) -> None:
    _, _, incident = an_outage_and_its_plan(storm)
    accept(storm.at(20), incident)
    enter(storm.at(30), ends=30)
    enter(storm.at(31), ends=200)

    assert not storm.state.incidents
    storm.at(201).dispatcher("cancel_plan", planned_id=PLAN)
    assert not storm.state.incidents, "it is over: cancelling it now means no outage"


def test_who_is_still_out_after_the_end_is_an_outage_like_any_other_and_nothing_is_accepted_any_more(
    storm: Timeline,
) -> None:
    _, _, incident = an_outage_and_its_plan(storm)
    command = accept(storm.at(20), incident)
    after = storm.at(121).report("A0TR00026", "after the end")

    assert storm.incident_of(after).incident_id != incident
    assert len(storm.live_orders()) == 1
    storm.dispatcher("undo", undoes=command)
    assert f"incident {storm.incident_of(after).incident_id} stands at" in storm.refusals()[-1][1]
    accept(storm, storm.incident_of(after).incident_id)
    assert "ended at" in storm.refusals()[-1][1]
    assert len(storm.live_orders()) == 1


def test_who_depends_on_power_keeps_the_incident_and_its_order(storm: Timeline) -> None:
    said = {"account": "A1", "customer_class": CustomerClass.LIFE_SUPPORT}
    first, second, incident = an_outage_and_its_plan(storm)
    storm.dispatcher("cancel_plan", planned_id=PLAN)
    depends = storm.at(16).report("A0TR00026", "depends", **said)
    enter(storm.at(17), key=ANOTHER)
    before = places(storm)
    command = accept(storm.at(20), incident, ANOTHER)

    assert storm.state.members == {depends: incident}
    assert storm.state.covered.keys() == {first, second}
    live = storm.live_orders()["A0TR00026"]
    assert (live.incident_id, live.reports, live.life_support, live.status) == (incident, 1, 1, "updated")
    assert proposed_plan(storm.state, storm.incident_of(depends)) is None, "the question is answered"
    storm.at(21).dispatcher("undo", undoes=command)
    assert places(storm) == before
    assert len(storm.live_orders()) == 1
    asked = storm.changed[-1].proposed_plan
    assert asked is not None
    assert asked.planned_id == ANOTHER, "it is a question again"


def test_danger_is_never_answered_by_a_plan(storm: Timeline) -> None:
    fire = storm.at(5).report("A0TR00026", hazards=("fire",))
    enter(storm.at(6))
    accept(storm, storm.incident_of(fire).incident_id)

    assert "danger is never answered" in storm.refusals()[-1][1]
    assert storm.changed[-1].proposed_plan is None
    assert storm.order_of(fire).status == "issued"


def test_what_is_not_under_the_plan_or_was_out_before_it_stays(storm: Timeline) -> None:
    away = storm.at(-300).report("A0TR00104", "away")
    early = storm.at(-10).report("A0TR00026", "early")
    inside = storm.at(5).report("A0TR00026", "inside")
    incident = storm.incident_of(early).incident_id
    storm.dispatcher("merge", incident_id=storm.incident_of(away).incident_id, target_id=incident)
    enter(storm.at(15))
    accept(storm.at(20), incident)

    assert storm.state.members.keys() == {early, away}
    assert storm.state.covered.keys() == {inside}
    assert len(storm.live_orders()) == 1


def test_a_report_elsewhere_while_the_plan_is_accepted_is_an_outage_of_its_own(storm: Timeline) -> None:
    _, _, incident = an_outage_and_its_plan(storm)
    accept(storm.at(20), incident)
    away = storm.at(25).report("A0TR00104")

    assert storm.order_of(away).status == "issued"
    assert storm.incident_of(away).incident_id != incident


def test_a_plan_that_is_withdrawn_after_another_stands_there_gives_it_the_reports(storm: Timeline) -> None:
    first, second, incident = an_outage_and_its_plan(storm)
    accept(storm.at(20), incident)
    other = storm.at(21).report("A0TR00026", "made before the plan began", made=-5)
    there = storm.incident_of(other).incident_id
    storm.at(30).dispatcher("cancel_plan", planned_id=PLAN)

    assert storm.state.members == dict.fromkeys((first, second, other), there)
    assert len(storm.live_orders()) == 1
    gone = next(one for one in reversed(storm.changed) if one.incident_id == incident)
    assert (gone.state, gone.merged_into, gone.covered_by) == (IncidentState.CANCELLED, there, None)


def test_two_that_closed_at_one_place_are_one_when_the_plan_is_withdrawn(storm: Timeline) -> None:
    first, second, incident = an_outage_and_its_plan(storm)
    accept(storm.at(20), incident)
    other = storm.at(21).report("A0TR00026", "made before it was put later", made=-5)
    enter(storm.at(22), begins=-10)
    accept(storm.at(23), storm.incident_of(other).incident_id)
    assert not storm.live_orders()
    storm.at(30).dispatcher("cancel_plan", planned_id=PLAN)

    assert storm.state.members == dict.fromkeys((first, second, other), incident)
    assert len(storm.live_orders()) == 1
    assert storm.incident_of(first).order.version == 3


def test_after_a_merge_what_was_covered_comes_back_to_the_survivor(storm: Timeline) -> None:
    said = {"account": "A1", "customer_class": CustomerClass.LIFE_SUPPORT}
    away = storm.at(-300).report("A0TR00104")
    first = storm.at(5).report("A0TR00026", "first")
    depends = storm.at(6).report("A0TR00026", "depends", **said)
    incident = storm.incident_of(first).incident_id
    enter(storm.at(10))
    command = accept(storm.at(20), incident)
    survivor = storm.incident_of(away).incident_id
    merge = storm.dispatcher("merge", incident_id=incident, target_id=survivor)
    storm.dispatcher("undo", undoes=command)
    assert f"merged into {survivor}" in storm.refusals()[-1][1]
    storm.at(30).dispatcher("cancel_plan", planned_id=PLAN)

    assert storm.state.members == dict.fromkeys((first, depends, away), survivor)
    assert len(storm.live_orders()) == 1
    storm.dispatcher("undo", undoes=merge)
    assert storm.state.members[depends] == incident
    assert len(storm.live_orders()) == 2


def test_declined_it_is_not_proposed_again_for_this_incident_until_that_is_undone(storm: Timeline) -> None:
    first, _, incident = an_outage_and_its_plan(storm)
    command = storm.at(20).dispatcher("decline_plan", incident_id=incident, planned_id=PLAN)
    assert storm.changed[-1].proposed_plan is None
    enter(storm.at(21), ends=150)
    assert proposed_plan(storm.state, storm.incident_of(first)) is None
    enter(storm.at(22), key=ANOTHER, ends=60)
    assert storm.changed[-1].proposed_plan.planned_id == ANOTHER, "another plan is another question"
    storm.dispatcher("decline_plan", incident_id=incident, planned_id=PLAN)
    assert "already" in storm.refusals()[-1][1]
    storm.at(25).dispatcher("undo", undoes=command)

    assert storm.changed[-1].proposed_plan.planned_id == PLAN
    assert len(storm.orders) == 1, "the crew heard nothing of it"
    storm.dispatcher("decline_plan", incident_id=incident, planned_id=PLAN)
    accept(storm, incident)
    assert not storm.state.incidents, "who declined may think again"


@pytest.mark.parametrize(
    ("told", "field", "why"),
    [
        ({}, "planned_id", "is needed"),
        ({"planned_id": ANOTHER}, "planned_id", "is not known"),
        ({"planned_id": PLAN, "incident_id": ANOTHER}, "incident_id", "is not open"),
        ({"planned_id": uuid5(NAMESPACE, "of a fuse elsewhere")}, "planned_id", "is not at or above"),
        ({"planned_id": uuid5(NAMESPACE, "begins later")}, "planned_id", "answers no report"),
    ],
)
def test_what_cannot_be_accepted_is_refused_with_its_field(
    storm: Timeline, told: dict[str, Any], field: str, why: str
) -> None:
    _, _, incident = an_outage_and_its_plan(storm)
    enter(storm, "A0FU00016", key=uuid5(NAMESPACE, "of a fuse elsewhere"))
    enter(storm, begins=14, key=uuid5(NAMESPACE, "begins later"))
    events = len(storm.events)
    storm.dispatcher("accept_plan", **{"incident_id": incident, **told})

    assert storm.refusals()[-1][0] == field
    assert why in storm.refusals()[-1][1]
    assert len(storm.events) == events + 1
    assert len(storm.live_orders()) == 1


def test_more_reports_than_a_transaction_bears_are_not_answered_at_once(
    storm: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100,000 to take it back took 22 seconds of processors, in which no order of the area went out."""
    _, _, incident = an_outage_and_its_plan(storm)
    monkeypatch.setattr("services.dedup.domain.planning.MOST_MOVED", 1)
    before = places(storm)
    accept(storm.at(16), incident)
    [(field, reason)] = storm.refusals()
    assert (field, "it would answer 2 reports of the incident, of which 1 can be" in reason) == ("planned_id", True)
    assert places(storm) == before

    monkeypatch.setattr("services.dedup.domain.planning.MOST_MOVED", 2)
    accept(storm.at(17), incident)
    assert incident not in storm.state.incidents


def test_a_plan_is_counted_by_revisions_and_cancelled_once(storm: Timeline) -> None:
    seen = []
    for change in (lambda: enter(storm.at(0)), lambda: enter(storm.at(1), ends=90)):
        change()
        seen.append(storm.state.planned.known[PLAN].revision)
    for _ in range(2):
        storm.at(2).dispatcher("cancel_plan", planned_id=PLAN)
    seen.append(storm.state.planned.known[PLAN].revision)

    assert seen == [1, 2, 3]
    assert storm.refusals() == [("planned_id", f"planned outage {PLAN} is cancelled already")]
    storm.dispatcher("plan", planned_id=ANOTHER, device=FUSE)
    assert storm.refusals()[-1] == ("body", "planned_id, device, starts_at and ends_at are needed for this action")


@pytest.mark.parametrize("meanwhile", ["nothing", "something was restored"])
def test_what_was_accepted_long_ago_is_kept_no_longer_and_not_taken_back(storm: Timeline, meanwhile: str) -> None:
    first, _, incident = an_outage_and_its_plan(storm)
    command = accept(storm.at(20), incident)
    later = 120 + storm.state.rules.restored_memory.total_seconds() / 60 + 1
    away = storm.at(later).report("A0TR00104")
    if meanwhile != "nothing":
        storm.report("A0TR00089", account="A9", only_mine=True)
        storm.power_back("A0TR00089", "A9")
        assert not storm.state.planned.known
    storm.dispatcher("undo", undoes=command)
    assert "over long ago" in storm.refusals()[-1][1]
    assert first in storm.state.covered
    storm.dispatcher("confirm", incident_id=storm.incident_of(away).incident_id)

    assert not storm.state.covered
    assert not storm.state.set_aside
    assert command not in storm.state.commands


def test_explain_says_what_would_bring_an_answered_report_back(storm: Timeline) -> None:
    first, _, incident = an_outage_and_its_plan(storm)
    advice = " ".join(would_change(storm.state, first, "first_report", clock_at(16)))
    assert f"/v1/incidents/{incident}/accept-plan" in advice
    command = accept(storm.at(20), incident)
    advice = " ".join(would_change(storm.state, first, "planned_outage", clock_at(21)))
    assert f"Undoing accept_plan {command}" in advice
    assert "cancelling the planned outage" in advice


def a_rest_that_is_over(storm: Timeline) -> tuple[UUID, UUID, UUID, UUID]:
    """The plan answers two reports; who depends on power stays, and is restored while the work goes on."""
    first = storm.at(5).report("A0TR00026", "first")
    second = storm.at(6).report("A0TR00027", "second")
    depends = storm.at(7).report("A0TR00026", "depends", account="A1", customer_class=CustomerClass.LIFE_SUPPORT)
    storm.dispatcher("merge", incident_id=storm.state.members[second], target_id=storm.state.members[first])
    incident = storm.incident_of(first).incident_id
    assert set(storm.state.members.values()) == {incident}
    enter(storm.at(15))
    command = accept(storm.at(20), incident)
    assert storm.state.members == {depends: incident}
    storm.at(40).crew(storm.order_of(depends).order_id, ProgressStage.RESTORED)
    assert not storm.state.incidents
    return first, second, incident, command


@pytest.mark.parametrize("way", ["withdrawn", "undone"])
def test_what_a_plan_answered_is_not_lost_with_the_rest_of_its_incident(storm: Timeline, way: str) -> None:
    """The crew is done and gone; then the work is put off, and the others were dark since the first call."""
    first, second, incident, command = a_rest_that_is_over(storm)
    storm.at(60)
    if way == "withdrawn":
        storm.dispatcher("cancel_plan", planned_id=PLAN, why="the work is put off")
    else:
        storm.dispatcher("undo", undoes=command)

    assert storm.state.members.keys() == {first, second}
    assert not storm.state.covered
    back = storm.incident_of(first)
    assert back.incident_id != incident, "that one is over, and its order closed"
    assert (back.device.id, back.opened_at) == (FUSE, clock_at(5)), "since the first call"
    assert storm.incident_of(second) is back
    assert [(one.version, one.status, one.first_reported_at) for one in storm.live_orders().values()] == [
        (1, "issued", clock_at(5))
    ]
    assert [one.outcome for one in storm.settled[-2:]] == ["in_incident"] * 2
    assert {one.incident_id for one in storm.settled[-2:]} == {back.incident_id}
    assert {one.report_id for one in storm.changed[-1].joined} == {first, second}
    storm.dispatcher("undo", undoes=command)
    assert "cannot be undone" in storm.refusals()[-1][1]


def test_it_comes_back_to_the_outage_that_is_open_over_its_place_by_then(storm: Timeline) -> None:
    first, second, _, _ = a_rest_that_is_over(storm)
    above = storm.at(45).report("A0TR00023", "elsewhere")
    storm.dispatcher("confirm", incident_id=storm.state.members[above], device="A0SW00015")
    storm.at(60).dispatcher("cancel_plan", planned_id=PLAN)

    assert storm.state.members == dict.fromkeys((first, second, above), storm.state.members[above])
    assert len(storm.live_orders()) == 1


def test_two_acceptances_of_what_is_over_come_back_as_one_outage(storm: Timeline) -> None:
    early = storm.at(5).report("A0TR00026", "early")
    late = storm.at(8).report("A0TR00026", "late")
    depends = storm.report("A0TR00026", "depends", account="A1", customer_class=CustomerClass.LIFE_SUPPORT)
    incident = storm.incident_of(early).incident_id
    enter(storm.at(15), begins=7)
    accept(storm.at(16), incident)
    assert storm.state.covered.keys() == {late}
    enter(storm.at(17))
    accept(storm.at(18), incident)
    assert storm.state.members == {depends: incident}
    storm.at(40).crew(storm.order_of(depends).order_id, ProgressStage.RESTORED)
    storm.at(60).dispatcher("cancel_plan", planned_id=PLAN)

    assert storm.state.members.keys() == {early, late}
    assert len(storm.live_orders()) == len(storm.state.incidents) == 1
    assert storm.incident_of(late).opened_at == clock_at(5)


def test_what_a_plan_answered_is_not_lost_when_a_second_one_answers_the_rest(storm: Timeline) -> None:
    early = storm.at(5).report("A0TR00026", "early")
    late = storm.at(8).report("A0TR00026", "late")
    incident = storm.incident_of(early).incident_id
    enter(storm.at(15), begins=7, key=ANOTHER)
    accept(storm.at(20), incident, ANOTHER)
    enter(storm)
    accept(storm.at(21), incident)
    assert not storm.state.incidents
    storm.at(30).dispatcher("cancel_plan", planned_id=ANOTHER)

    assert storm.state.members.keys() == {late}
    assert len(storm.live_orders()) == 1
    storm.at(31).dispatcher("cancel_plan", planned_id=PLAN)
    assert storm.state.members.keys() == {early, late}
    assert len(storm.live_orders()) == 1


def test_what_one_customer_alone_reported_comes_back_as_that_customers_own(storm: Timeline) -> None:
    said = {"account": "A1", "only_mine": True}
    early = storm.at(5).report("A0TR00026", "early", **said)
    depends = storm.at(6).report("A0TR00026", "depends", customer_class=CustomerClass.LIFE_SUPPORT, **said)
    incident = storm.incident_of(early).incident_id
    assert storm.state.members[depends] == incident
    enter(storm.at(15))
    accept(storm.at(20), incident)
    storm.at(40).crew(storm.order_of(depends).order_id, ProgressStage.RESTORED)
    storm.at(60).dispatcher("cancel_plan", planned_id=PLAN)

    back = storm.incident_of(early)
    assert (back.kind, back.premises, back.customers_served) == (e.Kind.SINGLE, "A1", 1)
    assert storm.order_of(early).status == "issued"


def test_who_was_told_until_when_hears_that_the_end_moves(storm: Timeline) -> None:
    first, second, incident = an_outage_and_its_plan(storm)
    accept(storm.at(20), incident)
    storm.at(30).report("A0TR00104", "another place")
    known = len(storm.settled)
    enter(storm.at(60), ends=180)
    command = storm.inputs[-1][0].command_id

    told = storm.settled[known:]
    assert [(one.report_id, one.outcome, one.reason, one.planned_id, one.command_id) for one in told] == [
        (one, "answered", "planned_outage", PLAN, command) for one in (first, second)
    ]
    assert {(one.expected_before, one.expected_at) for one in told} == {(clock_at(120), clock_at(180))}
    enter(storm.at(70), ends=90)
    assert {(one.expected_before, one.expected_at) for one in storm.settled[-2:]} == {(clock_at(180), clock_at(90))}
    assert len({one.message_id for one in storm.settled}) == len(storm.settled)
    assert len(storm.orders) == 3, "nobody drives for it"


def test_nothing_is_told_where_the_end_stays_or_the_plan_becomes_that_of_another_day(storm: Timeline) -> None:
    _, _, incident = an_outage_and_its_plan(storm)
    accept(storm.at(20), incident)
    known = len(storm.settled)
    enter(storm.at(30), begins=-10)
    assert len(storm.settled) == known, "it begins earlier, and ends when it did"
    enter(storm.at(130), ends=200)
    assert [one.expected_at for one in storm.settled[known:]] == [clock_at(200)] * 2, "it overran"
    enter(storm.at(201), begins=1440, ends=1600)
    assert len(storm.settled) == known + 2
    assert len(storm.state.covered) == 2


def test_who_comes_back_hears_that_and_nothing_of_an_end(storm: Timeline) -> None:
    first, second, incident = an_outage_and_its_plan(storm)
    accept(storm.at(20), incident)
    known = len(storm.settled)
    enter(storm.at(30), begins=60, ends=300)

    told = storm.settled[known:]
    assert [(one.report_id, one.outcome, one.reason, one.planned_id) for one in told] == [
        (one, "in_incident", "plan_withdrawn", PLAN) for one in (first, second)
    ]
    assert {(one.expected_at, one.expected_before) for one in told} == {(None, None)}


def lifted_above_its_plan(storm: Timeline) -> tuple[UUID, UUID, UUID, UUID]:
    """Two reports under the plan; then one from another branch lifts their incident to the switch above."""
    first, second, incident = an_outage_and_its_plan(storm)
    other = storm.at(16).report("A0TR00023", "from another branch")
    assert storm.incident_of(other).device.id == "A0SW00015"
    assert set(storm.state.members.values()) == {incident}
    return first, second, other, incident


def test_a_lift_above_the_plan_leaves_it_proposed_for_those_under_it(storm: Timeline) -> None:
    first, second, other, incident = lifted_above_its_plan(storm)
    told = storm.changed[-1].proposed_plan
    assert told is not None
    assert (told.planned_id, told.device) == (PLAN, FUSE)
    advice = " ".join(would_change(storm.state, first, "first_report", clock_at(17)))
    assert f"the part of it under {FUSE} is planned outage {PLAN}" in advice
    command = accept(storm.at(20), incident)

    assert storm.state.covered.keys() == {first, second}
    assert storm.state.members == {other: incident}
    assert storm.changed[-1].proposed_plan is None
    storm.at(40)
    assert storm.incident_of(other).device.id == "A0TR00023", "what had lifted it has another cause"
    assert [one.reports for one in storm.live_orders().values()] == [1]
    storm.dispatcher("undo", undoes=command)
    assert storm.state.members == dict.fromkeys((first, second, other), incident)
    assert len(storm.live_orders()) == 1


def test_a_plan_that_is_entered_below_an_outage_is_proposed_for_a_part_and_its_withdrawal_told(storm: Timeline) -> None:
    first = storm.at(5).report("A0TR00026")
    storm.at(6).report("A0TR00023")
    incident = storm.incident_of(first).incident_id
    enter(storm.at(15))
    last = storm.changed[-1]
    assert (last.incident_id, last.reason, last.proposed_plan.planned_id) == (incident, "planned_outage_entered", PLAN)
    enter(storm.at(16), key=ANOTHER, device="A0SW00015", ends=60)
    assert storm.changed[-1].proposed_plan.planned_id == ANOTHER, "what explains all of it comes first"
    storm.dispatcher("decline_plan", incident_id=incident, planned_id=ANOTHER)
    assert storm.changed[-1].proposed_plan.planned_id == PLAN
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)
    assert (storm.changed[-1].incident_id, storm.changed[-1].proposed_plan) == (incident, None)


def test_a_plan_of_a_part_that_is_declined_is_not_proposed_again(storm: Timeline) -> None:
    first, _, _, incident = lifted_above_its_plan(storm)
    command = storm.dispatcher("decline_plan", incident_id=incident, planned_id=PLAN)
    assert storm.changed[-1].proposed_plan is None
    storm.at(18).report("A0TR00030")
    assert proposed_plan(storm.state, storm.incident_of(first)) is None
    storm.dispatcher("undo", undoes=command)
    assert storm.changed[-1].proposed_plan.planned_id == PLAN


def test_a_plan_below_an_outage_that_answers_all_its_reports_closes_it(storm: Timeline) -> None:
    first, second, incident = an_outage_and_its_plan(storm)
    storm.at(16).dispatcher("confirm", incident_id=incident, device="A0SW00015")
    accept(storm.at(20), incident)
    assert not storm.state.incidents
    storm.at(30).dispatcher("cancel_plan", planned_id=PLAN)
    assert storm.state.members == dict.fromkeys((first, second), incident)
    assert storm.incident_of(first).device.id == "A0SW00015", "where it was confirmed"


def test_a_plan_below_an_outage_is_not_proposed_for_who_depends_on_power(storm: Timeline) -> None:
    depends = storm.at(5).report("A0TR00026", account="A1", customer_class=CustomerClass.LIFE_SUPPORT)
    storm.at(6).report("A0TR00023")
    assert storm.incident_of(depends).device.id == "A0SW00015"
    enter(storm.at(15))
    assert proposed_plan(storm.state, storm.incident_of(depends)) is None
    accept(storm, storm.state.members[depends])
    assert "answers no report" in storm.refusals()[-1][1]


def test_of_whom_something_else_is_proposed_is_told_in_one_order_in_memory_and_loaded(storm: Timeline) -> None:
    """One that was closed and opened again is the last in memory, and not where the area is loaded."""
    older = storm.at(0).report("A0TR00026")
    younger = storm.at(10).report("A0TR00104")
    incidents = [storm.state.members[older], storm.state.members[younger]]
    enter(storm.at(11), begins=-1)
    command = accept(storm.at(12), incidents[0])
    storm.dispatcher("undo", undoes=command)
    assert list(storm.state.incidents) == incidents[::-1]
    enter(storm.at(13), device="A0BR00001", begins=-10, ends=200, key=ANOTHER)

    assert [(one.incident_id, one.proposed_plan.planned_id) for one in storm.changed[-2:]] == [
        (key, ANOTHER) for key in incidents
    ]
