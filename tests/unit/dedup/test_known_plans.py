"""Who called under a planned outage that was known by then, when it is changed or withdrawn, as timelines.

On the IEEE 123-node feeder: fuse FU00017 feeds transformers TR00026 and 27. TR00104 lies elsewhere. The plan is of
FU00017, minutes 0 to 120, entered before anybody called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from services.contracts.values import CustomerClass, IncidentState, ProgressStage
from services.dedup.domain import events as e
from services.dedup.domain.explain import would_change
from services.dedup.domain.planned import Planned, PlannedOutages
from tests.unit.dedup.test_planning import ANOTHER, FUSE, PLAN, accept, enter
from tests.unit.dedup.timeline import minute as clock_at

if TYPE_CHECKING:
    from tests.unit.dedup.timeline import Timeline


def calls_under_a_plan(storm: Timeline) -> tuple[UUID, UUID]:
    """Two customers of different transformers call while the work goes on, and are told until when."""
    enter(storm.at(0))
    first = storm.at(5).report("A0TR00026", "first")
    second = storm.at(6).report("A0TR00027", "second")
    assert not storm.state.members
    assert [one.expected_at for one in storm.settled] == [clock_at(120)] * 2
    return first, second


def test_they_hear_that_the_end_moves(storm: Timeline) -> None:
    first, second = calls_under_a_plan(storm)
    enter(storm.at(60), ends=180)
    command = storm.inputs[-1][0].command_id

    told = storm.settled[2:]
    assert [(one.report_id, one.outcome, one.reason, one.planned_id, one.command_id) for one in told] == [
        (one, "answered", "planned_outage", PLAN, command) for one in (first, second)
    ]
    assert {(one.expected_before, one.expected_at) for one in told} == {(clock_at(120), clock_at(180))}
    enter(storm.at(61), begins=-5, ends=180)
    assert len(storm.settled) == 4, "its end is the same"
    assert not storm.orders


@pytest.mark.parametrize("way", ["cancelled", "put off", "over before they called", "elsewhere"])
def test_withdrawn_they_are_an_outage_with_a_crew(storm: Timeline, way: str) -> None:
    first, second = calls_under_a_plan(storm)
    storm.at(20)
    if way == "cancelled":
        storm.dispatcher("cancel_plan", planned_id=PLAN, why="the wrong feeder")
    else:
        device, begins, ends = {
            "put off": (FUSE, 60.0, 180.0),
            "over before they called": (FUSE, 0.0, 4.0),
            "elsewhere": ("A0TR00104", 0.0, 120.0),
        }[way]
        enter(storm, device, begins, ends)

    assert storm.state.members.keys() == {first, second}
    assert not any(storm.state.answered.values())
    assert storm.incident_of(first) is storm.incident_of(second)
    back = storm.incident_of(first)
    assert (back.device.id, back.opened_at, back.state) == (FUSE, clock_at(5), IncidentState.PREDICTED)
    assert [(one.version, one.status, one.reason) for one in storm.live_orders().values()] == [
        (1, "issued", "plan_withdrawn")
    ]
    assert [(one.report_id, one.outcome, one.reason, one.incident_id) for one in storm.settled[2:]] == [
        (one, "in_incident", "not_planned_after_all", back.incident_id) for one in (first, second)
    ]
    assert {one.report_id for one in storm.changed[-1].joined} == {first, second}
    storm.at(30).crew(storm.order_of(first).order_id, ProgressStage.RESTORED)
    assert not storm.state.incidents


def test_calls_that_one_outage_does_not_explain_are_apart(storm: Timeline) -> None:
    enter(storm.at(0), device="A0BR00001", ends=600)
    first = storm.at(5).report("A0TR00026", "first")
    far = storm.at(300).report("A0TR00104", "hours later, on another branch")
    storm.at(310).dispatcher("cancel_plan", planned_id=PLAN)

    assert (storm.incident_of(first).device.id, storm.incident_of(far).device.id) == ("A0TR00026", "A0TR00104")
    assert len(storm.live_orders()) == 2


def test_they_join_what_is_open_over_their_place(storm: Timeline) -> None:
    first, second = calls_under_a_plan(storm)
    depends = storm.at(7).report("A0TR00104", "open above")
    storm.dispatcher("confirm", incident_id=storm.state.members[depends], device="A0SW00015")
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)

    assert storm.state.members == dict.fromkeys((first, second, depends), storm.state.members[depends])
    assert len(storm.live_orders()) == 1


def test_together_with_what_a_person_let_the_plan_answer_they_are_its_incident_again(storm: Timeline) -> None:
    early = storm.at(5).report("A0TR00026", "before it was entered")
    incident = storm.incident_of(early).incident_id
    enter(storm.at(10))
    accept(storm.at(11), incident)
    late = storm.at(12).report("A0TR00026", "when it was known")
    assert not storm.state.incidents
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)

    assert storm.state.members == dict.fromkeys((early, late), incident)
    assert storm.incident_of(early).order.reports == 2
    assert len(storm.live_orders()) == 1


@pytest.mark.parametrize("where", ["A0TR00026", FUSE, "A0SW00015", "the first home"])
def test_they_hear_that_power_is_back_and_are_no_outage_if_it_is_withdrawn_then(storm: Timeline, where: str) -> None:
    enter(storm.at(0))
    first = storm.at(5).report("A0TR00026", "first", account="A1")
    second = storm.at(6).report("A0TR00027", "second", account="A2")
    if where == "the first home":
        storm.at(90).power_back("A0TR00026", "A1")
    else:
        storm.at(90).power_back(where)

    back = {"A0TR00026": [first], "the first home": [first]}.get(where, [first, second])
    assert [(one.report_id, one.outcome, one.reason, one.planned_id) for one in storm.settled[2:]] == [
        (one, "answered", "already_restored", PLAN) for one in back
    ]
    after = storm.at(91).report("A0TR00026", "dark again, in its time")
    storm.at(100).dispatcher("cancel_plan", planned_id=PLAN)
    assert storm.state.members.keys() == {first, second, after} - set(back)


def test_once_it_is_over_or_is_of_another_day_nothing_comes_back(storm: Timeline) -> None:
    calls_under_a_plan(storm)
    enter(storm.at(130), begins=1440, ends=1600)
    enter(storm.at(131), begins=1500, ends=1600)
    storm.at(132).dispatcher("cancel_plan", planned_id=PLAN)

    assert not storm.state.incidents
    assert len(storm.settled) == 2


def test_what_a_person_let_it_answer_stays_so_when_it_is_put_to_another_day_once_it_was_over(storm: Timeline) -> None:
    first = storm.at(5).report("A0TR00026", "first")
    enter(storm.at(10))
    accept(storm.at(11), storm.incident_of(first).incident_id)
    enter(storm.at(130), begins=1440, ends=1600)
    storm.at(132).dispatcher("cancel_plan", planned_id=PLAN)

    assert not storm.state.incidents
    assert first in storm.state.covered


def test_another_plan_that_explains_them_answers_them(storm: Timeline) -> None:
    """The same work was entered twice, and one is cancelled: nobody drives, and who was told hears the other's end."""
    first, second = calls_under_a_plan(storm)
    enter(storm.at(7), ends=100, key=ANOTHER)
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)

    assert not storm.state.incidents
    assert storm.state.answered[ANOTHER].keys() == {first, second}
    assert {(one.planned_id, one.expected_before, one.expected_at) for one in storm.settled[2:]} == {
        (ANOTHER, clock_at(120), clock_at(100))
    }
    storm.at(21).dispatcher("cancel_plan", planned_id=ANOTHER)
    assert storm.state.members.keys() == {first, second}


def test_what_one_customer_alone_reported_comes_back_as_that_customers_own(storm: Timeline) -> None:
    enter(storm.at(0))
    own = {"only_mine": True}
    mine = [storm.at(5 + n).report("A0TR00026", f"mine {n}", account="A1", **own) for n in range(2)]
    theirs = storm.at(8).report("A0TR00027", "theirs", account="A2", **own)
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)

    assert [storm.incident_of(one).premises for one in (*mine, theirs)] == ["A1", "A1", "A2"]
    assert {one.kind for one in storm.state.incidents.values()} == {e.Kind.SINGLE}
    assert len(storm.live_orders()) == 2


def test_one_customers_own_and_an_outage_at_the_same_transformer_come_back_as_two(storm: Timeline) -> None:
    enter(storm.at(0))
    own = storm.at(5).report("A0TR00026", account="A1", only_mine=True)
    outage = [storm.at(6 + n).report("A0TR00026", account=f"B{n}") for n in range(2)]
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)

    assert (storm.incident_of(own).premises, set(storm.incident_of(own).reports)) == ("A1", {own})
    assert set(storm.incident_of(outage[0]).reports) == set(outage)
    assert sorted(order.reports for order in storm.orders) == [1, 2]


def test_who_depends_on_power_has_a_person_already(storm: Timeline) -> None:
    enter(storm.at(0))
    depends = storm.at(5).report("A0TR00026", account="A1", customer_class=CustomerClass.LIFE_SUPPORT)
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)

    assert storm.state.waiting.keys() == {depends}
    assert not storm.orders


def test_explain_says_what_would_bring_them_back(storm: Timeline) -> None:
    first, _ = calls_under_a_plan(storm)
    advice = " ".join(would_change(storm.state, first, "planned_outage", clock_at(7)))
    assert "Cancelling the planned outage" in advice
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)
    assert "Cancelling" not in " ".join(would_change(storm.state, first, "plan_withdrawn", clock_at(21)))


def test_they_are_forgotten_with_the_plan(storm: Timeline) -> None:
    calls_under_a_plan(storm)
    memory = storm.state.rules.restored_memory.total_seconds() / 60
    late = storm.at(121 + memory).report("A0TR00104")
    storm.crew(storm.order_of(late).order_id, ProgressStage.RESTORED)

    assert not storm.state.answered


@pytest.mark.parametrize("account", ["A1", None])
def test_what_is_one_homes_own_stays_so_under_a_larger_outage(storm: Timeline, account: str | None) -> None:
    enter(storm.at(0))
    mine = storm.at(5).report("A0TR00026", "mine", account=account, only_mine=True)
    theirs = storm.at(6).report("A0TR00027", "theirs", account="A2")
    depends = storm.at(7).report("A0TR00104", "open above")
    storm.dispatcher("confirm", incident_id=storm.state.members[depends], device="A0SW00015")
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)

    own, above = storm.incident_of(mine), storm.incident_of(depends)
    assert (own.kind, own.premises, own.customers_served) == (e.Kind.SINGLE, account, 1)
    assert storm.incident_of(theirs) is above
    assert storm.order_of(mine).status == "issued"
    assert len(storm.live_orders()) == 2


def test_who_called_again_before_it_was_withdrawn_has_one_incident_of_their_own(storm: Timeline) -> None:
    own = {"account": "A1", "only_mine": True}
    before = storm.at(-10).report("A0TR00026", "before it began", **own)
    enter(storm.at(0))
    mine = storm.at(5).report("A0TR00026", "mine", **own)
    storm.at(20).dispatcher("cancel_plan", planned_id=PLAN)

    assert storm.incident_of(mine) is storm.incident_of(before)
    assert len(storm.live_orders()) == 1


# --- over long ago ---


def over_for_a_day(storm: Timeline) -> UUID:
    """Work that was changed once and answered somebody is over, and others report a day later."""
    enter(storm.at(-10))
    enter(storm.at(0), ends=60)
    storm.at(5).report("A0TR00026")
    return storm.at(60 + 24 * 60 + 1).report("A0TR00104", "a day later")


def test_what_was_over_for_a_day_is_forgotten_as_soon_as_it_is_later(storm: Timeline) -> None:
    """Not with the next outage that ends: who starts now does not load it, and would decide otherwise."""
    enter(storm.at(-10), ends=60)
    storm.at(5).report("A0TR00026")
    storm.at(60 + 24 * 60).report("A0TR00104", "a day later")
    assert (storm.state.planned.known.keys(), storm.state.answered.keys()) == ({PLAN}, {PLAN})
    storm.at(60 + 24 * 60 + 1).report("A0TR00104", "and a minute")
    assert not storm.state.planned.known
    assert not storm.state.answered


class Unread(dict):
    """Plans that nobody may go through."""

    def values(self):
        raise AssertionError("gone through")


def test_plans_are_gone_through_only_once_one_is_over() -> None:
    """Every report asks whether one is."""
    plans = PlannedOutages()
    for number in range(1, 4):
        ends = clock_at(60 * number)
        plans.set(Planned(UUID(int=number), f"D{number}", clock_at(0), ends, "anna", "works", revision=1))
    assert plans.forget(clock_at(61)) == [UUID(int=1)]
    plans.known = Unread(plans.known)
    assert plans.forget(clock_at(120)) == []
    with pytest.raises(AssertionError, match="gone through"):
        plans.forget(clock_at(121))


def test_what_is_put_to_a_day_long_ago_is_forgotten_at_once(storm: Timeline) -> None:
    first, _ = calls_under_a_plan(storm)
    enter(storm.at(10), begins=-3_000, ends=-2_900)
    assert not storm.state.planned.known
    assert not storm.state.answered
    assert storm.incident_of(first).device.id == FUSE, "it is an outage after all"


def test_its_revision_goes_on_if_it_is_put_to_another_day(storm: Timeline) -> None:
    """The area has forgotten it; the door, which reads the table, has not."""
    over_for_a_day(storm)
    times = {"starts_at": clock_at(3_000), "ends_at": clock_at(3_100)}
    storm.dispatcher("plan", planned_id=PLAN, device=FUSE, planned_revision=2, **times)
    assert storm.state.planned.known[PLAN].revision == 3


def test_whom_it_answered_hears_of_no_other_end_where_nobody_has_reported_since(storm: Timeline) -> None:
    """They may have been erased by then; whoever has the area in memory still knew their numbers."""
    calls_under_a_plan(storm)
    enter(storm.at(120 + 24 * 60), ends=3_000)
    assert len(storm.settled) == 4
    enter(storm.at(3_001 + 24 * 60), ends=9_000)
    assert len(storm.settled) == 4


def test_who_cancels_it_or_declines_it_hears_why_not(storm: Timeline) -> None:
    late = over_for_a_day(storm)
    storm.dispatcher("cancel_plan", planned_id=PLAN)
    storm.dispatcher("decline_plan", planned_id=PLAN, incident_id=storm.state.members[late])
    why = f"planned outage {PLAN} is not known in area {storm.state.area}, or was over long ago"
    assert storm.refusals() == [("planned_id", why)] * 2
