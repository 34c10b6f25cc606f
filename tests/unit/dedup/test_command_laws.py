"""Laws of what dispatchers do, whatever they do in whatever order, in the middle of a storm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from services.contracts.ids import derive
from services.contracts.values import CommandAction, CustomerClass, OrderStatus, ProgressStage, Reading
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from services.dedup.domain.planning import proposed_plan
from tests.unit.dedup.laws import RULES, TREE, Laws, numbers
from tests.unit.dedup.test_commands import places
from tests.unit.dedup.timeline import minute, snapshot

if TYPE_CHECKING:
    from uuid import UUID

DEVICES = ["A0TR00023", "A0TR00024", "A0TR00026", "A0TR00104", "A0FU00016", "A0SW00015", None]
ACTIONS = ["merge", "split", "move", "confirm", "relate", "accept_plan", "decline_plan", "place"]
PLANS = [derive("a plan of the laws", n) for n in range(2)]
_A_DAY = 700
"""Minutes, and 700 at most beyond."""


class Desk(Laws):
    """Reports, crews, meters, and several dispatchers who change their minds."""

    def __init__(self) -> None:
        super().__init__()
        self.named: set[UUID] = set()

    @precondition(lambda self: self.minute < _A_DAY)  # plans are forgotten a day after they end
    @rule(minutes=st.sampled_from([3, 21, 90, 700]))
    def time_passes(self, minutes: float) -> None:
        self.later(minutes)

    @rule(
        device=st.sampled_from(DEVICES),
        account=st.sampled_from([None, "A1", "A2", "A3"]),
        made=st.sampled_from([0, 0, 0, 25]),
        flavour=st.sampled_from(["", "", "", "hazard", "only_mine", "life_support"]),
    )
    def somebody_reports(self, device: str | None, account: str | None, made: float, flavour: str) -> None:
        self.later()
        said: dict[str, Any] = {"account": account, "made": self.minute - made, "only_mine": flavour == "only_mine"}
        if flavour == "hazard":
            said["hazards"] = ("fire",)
        if flavour == "life_support":
            said["customer_class"] = CustomerClass.LIFE_SUPPORT
        self.sent.append(self.story.report(device, f"report {len(self.sent)}", **said))

    @rule(number=numbers, stage=st.sampled_from([ProgressStage.ARRIVED, ProgressStage.RESTORED]))
    def a_crew_speaks(self, number: int, stage: ProgressStage) -> None:
        if self.story.orders:
            self.later()
            self.story.crew(self.story.orders[number % len(self.story.orders)].order_id, stage)

    @rule(
        reading=st.sampled_from(Reading),
        device=st.sampled_from(["A0TR00023", "A0TR00104", "A0FU00016"]),
        age=st.sampled_from([0, 5]),
    )
    def a_meter_speaks(self, reading: Reading, device: str, age: float) -> None:
        self.later()
        self.story.reading(reading, device, made=self.minute - age, event_id=f"reading {self.minute}")

    @rule(
        device=st.sampled_from([*DEVICES[:-1], "A0BR00001"]),
        account=st.sampled_from([None, None, "A1", "A2", "A3"]),
        age=st.sampled_from([0, 0, 5, 90]),
    )
    def power_is_back(self, device: str, account: str | None, age: float) -> None:
        self.later()
        self.story.power_back(device, account, made=self.minute - age)

    def told(self, action: str, first: int, second: int, device: str | None) -> dict[str, Any]:
        """A command about whatever is there."""
        incidents, reports = list(self.story.state.incidents), list(self.story.state.members)
        waiting = list(self.story.state.waiting)
        told: dict[str, Any] = {"action": action}
        if action in {"merge", "relate", "split", "confirm"} and incidents:
            told["incident_id"] = incidents[first % len(incidents)]
        if action in {"merge", "relate", "move"} and incidents:
            told["target_id"] = incidents[second % len(incidents)]
        if action == "split" and incidents:
            inside = list(self.story.state.incidents[told["incident_id"]].reports)
            told["reports"] = tuple(inside[: 1 + second % max(1, len(inside))])
        if action == "move" and reports:
            told["reports"] = tuple({reports[first % len(reports)], reports[second % len(reports)]})
        if action == "place" and waiting:
            told["reports"] = (waiting[first % len(waiting)],)
        if action in {"accept_plan", "decline_plan"} and incidents:
            told |= {"incident_id": incidents[first % len(incidents)], "planned_id": PLANS[second % len(PLANS)]}
        if action in {"split", "confirm", "place"}:
            told["device"] = device
        return told

    @rule(action=st.sampled_from(ACTIONS), first=numbers, second=numbers, device=st.sampled_from(DEVICES))
    def a_dispatcher_acts(self, action: str, first: int, second: int, device: str | None) -> None:
        self.later()
        told = self.told(action, first, second, device)
        if first % 5 == 0 and action == "split" and self.sent and self.sent[second % len(self.sent)] not in self.named:
            told["command_id"] = self.sent[second % len(self.sent)]  # ids are of whoever gives them
            self.named.add(told["command_id"])
        self.story.dispatcher(**told)

    @rule(
        number=numbers,
        device=st.sampled_from(["A0TR00023", "A0FU00016", "A0SW00015", "A0BR00001"]),
        begins=st.sampled_from([-10, -10, -2]),
        lasts=st.sampled_from([11, 60, 60]),
    )
    def planned_work_is_entered_or_changed(self, number: int, device: str, begins: float, lasts: float) -> None:
        self.later()
        at = self.minute + begins
        times = {"starts_at": minute(at), "ends_at": minute(at + lasts)}
        self.story.dispatcher("plan", planned_id=PLANS[number % len(PLANS)], device=device, **times)

    @rule(number=numbers)
    def planned_work_is_cancelled(self, number: int) -> None:
        self.later()
        self.story.dispatcher("cancel_plan", planned_id=PLANS[number % len(PLANS)])

    @rule(first=numbers)
    def a_dispatcher_accepts_what_is_proposed(self, first: int) -> None:
        known = [(one, proposed_plan(self.story.state, one)) for one in self.story.state.incidents.values()]
        proposed = [(one.incident_id, plan.planned_id) for one, plan in known if plan is not None]
        if proposed:
            self.later()
            incident, planned = proposed[first % len(proposed)]
            self.story.dispatcher("accept_plan", incident_id=incident, planned_id=planned)

    @rule(device=st.sampled_from(DEVICES[:4]), account=st.sampled_from(["A1", "A2"]), number=numbers)
    def work_entered_late_answers_all_but_who_depends_on_power(self, device: str, account: str, number: int) -> None:
        self.later()
        depends = {"account": account, "customer_class": CustomerClass.LIFE_SUPPORT}
        for said in ({}, depends):
            self.sent.append(self.story.report(device, f"report {len(self.sent)}", **said))
        home = self.story.state.members.get(self.sent[-2])
        if home is not None:
            key, times = PLANS[number % len(PLANS)], (minute(self.minute - 2), minute(self.minute + 60))
            self.story.dispatcher("plan", planned_id=key, device=device, starts_at=times[0], ends_at=times[1])
            self.story.dispatcher("accept_plan", incident_id=home, planned_id=key)

    @rule(number=numbers)
    def what_an_acceptance_left_is_over(self, number: int) -> None:
        state = self.story.state
        targets = [one.target for one in state.commands.values() if one.action is CommandAction.ACCEPT_PLAN]
        left = [state.incidents[key] for key in targets if key in state.incidents]
        if left:
            self.later()
            self.story.crew(left[number % len(left)].order_id, ProgressStage.RESTORED)

    @rule(number=numbers)
    def a_dispatcher_takes_something_back(self, number: int) -> None:
        known = list(self.story.state.commands)
        if known:
            self.later()
            self.story.dispatcher("undo", undoes=known[number % len(known)])

    @rule(action=st.sampled_from(ACTIONS[:7]), first=numbers, second=numbers, device=st.sampled_from(DEVICES))
    def what_is_taken_back_at_once_never_was(self, action: str, first: int, second: int, device: str | None) -> None:
        self.later()
        before = places(self.story)
        key = self.story.dispatcher(**self.told(action, first, second, device))
        if key in self.story.state.commands:
            self.story.dispatcher("undo", undoes=key)
            assert key not in self.story.state.commands
        after = places(self.story)
        held = {one for one, known in before["incidents"].items() if known[-1] is None}
        assert after.keys() == before.keys()
        assert not held
        assert after == before

    @invariant()
    def every_report_is_in_exactly_one_place(self) -> None:
        state = self.story.state
        inside = [report for incident in state.incidents.values() for report in incident.reports]
        assert len(inside) == len(set(inside))
        assert {report: key for key, one in state.incidents.items() for report in one.reports} == state.members
        assert not state.waiting.keys() & state.members.keys()
        settled = {ev.report.report_id for ev in self.story.events if isinstance(ev, e.ReportAnswered)}
        closed = {
            ev.report.report_id for ev in self.story.events if isinstance(ev, e.ReportJoined)
        } - state.members.keys()
        assert set(self.sent) <= set(inside) | state.waiting.keys() | settled | closed

    @invariant()
    def an_open_incident_has_one_live_order_and_no_other_has(self) -> None:
        last = {order.order_id: order for order in self.story.orders}
        live = [o for o in last.values() if o.status in {OrderStatus.ISSUED, OrderStatus.UPDATED}]
        assert sorted(order.incident_id for order in live) == sorted(self.story.state.incidents)
        for order in live:
            known = self.story.state.incidents[order.incident_id]
            assert order.device == known.device

    @invariant()
    def versions_ascend_and_a_cancelled_order_comes_back_only_as_issued(self) -> None:
        last: dict[UUID, Any] = {}
        for order in self.story.orders:
            before = last.get(order.order_id)
            assert order.version == (1 if before is None else before.version + 1)
            if before is not None and before.status is OrderStatus.CANCELLED:
                assert order.status is OrderStatus.ISSUED
            assert before is None or before.status is not OrderStatus.CLOSED
            last[order.order_id] = order

    @invariant()
    def every_open_outage_is_found_at_its_device_and_every_place_leads_to_an_open_one(self) -> None:
        state = self.story.state
        for key, incident in state.incidents.items():
            if incident.kind is e.Kind.OUTAGE:
                assert state.by_device[incident.device.id] == key
        assert set(state.by_device.values()) | set(state.by_premises.values()) <= state.incidents.keys()

    @invariant()
    def what_an_incident_says_is_what_its_reports_add_up_to(self) -> None:
        for incident in self.story.state.incidents.values():
            assert incident.standing.reports == len(incident.reports) > 0
            assert incident.opened_at == min(report.made_at for report in incident.reports.values())

    @invariant()
    def danger_keeps_its_own(self) -> None:
        for incident in self.story.state.incidents.values():
            assert incident.kind is e.Kind.HAZARD or not incident.standing.hazards
            assert incident.kind is not e.Kind.HAZARD or len(incident.reports) == 1

    @invariant()
    def what_a_plan_answers_is_of_an_acceptance_that_stands(self) -> None:
        """And is neither danger nor of who depends on power; it comes back with the plan's withdrawal."""
        state = self.story.state
        standing = [one for one in state.commands.values() if one.action is CommandAction.ACCEPT_PLAN]
        assert sorted(state.covered) == sorted(report for done in standing for report, _ in done.moves)
        for done in standing:
            planned = state.planned.known[done.planned_id]
            over = planned.ends_at <= self.story.moment
            of_another_day = not any(
                planned.starts_at <= state.covered[report].made_at < planned.ends_at for report, _ in done.moves
            )
            assert not planned.cancelled or over or of_another_day
        for report in state.covered.values():
            assert not report.hazards
            assert report.customer_class is not CustomerClass.LIFE_SUPPORT

    @invariant()
    def what_a_plan_answers_is_not_lost(self) -> None:
        """Whatever becomes of the rest of its incident: it can come back until it does, or power is back for it."""
        answered: dict[UUID, bool] = {}
        for event in self.story.events:
            if isinstance(event, pa.ReportCovered | pa.ReportUncovered | pa.AnswerOver):
                answered[event.report.report_id] = isinstance(event, pa.ReportCovered)
        assert {report for report, still in answered.items() if still} == self.story.state.covered.keys()

    @invariant()
    def who_has_power_again_under_a_plan_hears_it_once_and_does_not_come_back(self) -> None:
        """However the plan answered them, and whatever becomes of it."""
        over = [event.report for event in self.story.events if isinstance(event, pa.AnswerOver)]
        told = [one.report_id for one in self.story.settled if one.reason == "already_restored" and one.planned_id]
        assert told == [one.report_id for one in over if one.has_ticket]
        assert len(set(told)) == len(told)
        assert not {one.report_id for one in over} & (self.story.state.members.keys() | self.story.state.covered.keys())

    @invariant()
    def who_is_answered_by_a_plan_was_told_when_it_ends(self) -> None:
        """As long as it is of their place and time: one that is long over may be put to another day."""
        state = self.story.state
        last = {one.report_id: one for one in self.story.settled}
        for done in (one for one in state.commands.values() if one.action is CommandAction.ACCEPT_PLAN):
            planned = state.planned.known[done.planned_id]
            for report in (state.covered[key] for key, _ in done.moves):
                if not report.has_ticket:
                    assert report.report_id not in last, "of a meter's word nobody is told"
                elif planned.covers(report.made_at) and planned.device in state.upstream(report.device):
                    assert (last[report.report_id].outcome, last[report.report_id].planned_id) == (
                        "answered",
                        done.planned_id,
                    )
                    assert last[report.report_id].expected_at == planned.ends_at
        for key, answered in state.answered.items():
            planned = state.planned.known[key]
            for report in answered.values():
                told = report.has_ticket and planned.covers(report.made_at)  # of a meter's word nobody is told
                if told and planned.device in state.upstream(report.device):
                    assert (last[report.report_id].outcome, last[report.report_id].planned_id) == ("answered", key)
                    assert last[report.report_id].expected_at == planned.ends_at

    @invariant()
    def who_a_plan_answered_as_they_called_is_answered_by_it_or_in_an_incident(self) -> None:
        """Or power is back for them; danger and who depends on power it never answers."""
        state = self.story.state
        answered = {report: key for key, reports in state.answered.items() for report in reports}
        by_plan: dict[UUID, UUID | None] = {}
        for event in self.story.events:
            if (isinstance(event, e.ReportAnswered) and event.planned is not None) or (
                isinstance(event, pa.CoverMoved) and event.instead_of is not None
            ):
                by_plan[event.report.report_id] = event.planned.planned_id
            elif isinstance(event, pa.ReportUncovered | pa.AnswerOver):
                by_plan.pop(event.report.report_id, None)
        assert answered == by_plan
        assert not answered.keys() & (state.members.keys() | state.covered.keys() | state.waiting.keys())
        for reports in state.answered.values():
            assert not any(one.hazards for one in reports.values())
            assert not any(one.customer_class is CustomerClass.LIFE_SUPPORT for one in reports.values())

    @rule(device=st.sampled_from(["A0TR00023", "A0FU00016"]), number=numbers, way=st.sampled_from(["cancel", "later"]))
    def a_plan_that_people_called_under_is_withdrawn(self, device: str, number: int, way: str) -> None:
        """Each of them is in an incident again, or another plan answers them."""
        self.later()
        key, at = PLANS[number % len(PLANS)], self.minute
        times = {"starts_at": minute(at - 1), "ends_at": minute(at + 60)}
        self.story.dispatcher("plan", planned_id=key, device=device, **times)
        self.sent += [self.story.report("A0TR00023", f"report {len(self.sent) + n}") for n in range(2)]
        self.later()
        if way == "cancel":
            self.story.dispatcher("cancel_plan", planned_id=key)
        else:
            moved = {"starts_at": minute(self.minute + 50), "ends_at": minute(self.minute + 60)}
            self.story.dispatcher("plan", planned_id=key, device=device, **moved)
        assert not self.story.state.answered.get(key, {}).keys() & set(self.sent[-2:])

    @rule(number=numbers, ends=st.sampled_from([-1, 5, 90]))
    def the_end_of_planned_work_moves(self, number: int, ends: float) -> None:
        known = self.story.state.planned.known.get(PLANS[number % len(PLANS)])
        at = minute(self.minute + ends)
        if known is not None and not known.cancelled and at > known.starts_at:
            self.later()
            self.story.dispatcher(
                "plan", planned_id=known.planned_id, device=known.device, starts_at=known.starts_at, ends_at=at
            )

    @invariant()
    def what_an_incident_says_of_a_plan_is_what_is_so(self) -> None:
        """Whoever only reads the last snapshot of each incident sees what is proposed for it."""
        last = {change.incident_id: change for change in self.story.changed}
        for key, incident in self.story.state.incidents.items():
            planned = proposed_plan(self.story.state, incident)
            told = last[key].proposed_plan
            assert (told and told.planned_id) == (planned and planned.planned_id)

    @invariant()
    def built_anew_it_is_what_it_was_and_the_story_goes_on_with_that(self) -> None:
        """The replay at the end never is built anew, and comes to the same."""
        known, again = self.story.state, self.story.under(TREE).state
        assert again is not known
        assert snapshot(again) == snapshot(known)


class MeteredDesk(Desk):
    """The same laws where what only machines spoke of is closed by their word."""

    area_rules = replace(RULES, closed_after=timedelta(minutes=5), early=timedelta(minutes=15))


TestDesk = Desk.TestCase
TestDesk.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMeteredDesk = MeteredDesk.TestCase
TestMeteredDesk.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
