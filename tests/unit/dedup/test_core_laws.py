"""Laws of the core, whatever comes in whatever order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from services.contracts.values import CustomerClass, IncidentState, OrderStatus, ProgressStage, Reading
from services.dedup.domain import decide
from services.dedup.domain import events as e
from services.dedup.domain.indexing import install_all
from tests.unit.dedup.laws import RULES, TREE, Laws, numbers
from tests.unit.dedup.timeline import snapshot

if TYPE_CHECKING:
    from uuid import UUID

HELD = replace(RULES, holds={"transformer": timedelta(minutes=4), "fuse": timedelta(minutes=2)})
METERED = replace(
    RULES,
    holds={"meters": timedelta(minutes=30), "transformer": timedelta(minutes=4)},
    closed_after=timedelta(minutes=5),
    early=timedelta(minutes=15),
)
DEVICES = [
    *(f"A0TR000{n}" for n in (23, 24, 25, 26, 27, 28, 30, 31, 32, 33, 92, 93, 20, 34)),
    *("A0FU00016", "A0TR99999", None),
]


class Core(Laws):
    """Reports, repeats, crews and time against one area."""

    reports = Bundle("reports")

    def __init__(self) -> None:
        super().__init__()
        self.hazards: set[UUID] = set()
        self.pinned: dict[UUID, str] = {}

    @rule(minutes=st.sampled_from([0.2, 1, 7, 45, 200, 24 * 60]))
    def time_passes(self, minutes: float) -> None:
        self.later(minutes)

    @rule(
        target=reports,
        device=st.sampled_from(DEVICES),
        account=st.sampled_from([None, "A1", "A2", "A3", "A4"]),
        age=st.sampled_from([0, 0, 0, 3, 40, 300]),
        flavour=st.sampled_from(
            ["", "", "", "", "hazard", "only_mine", "life_support", "arrears", "abandoned", "kept_back"]
        ),
    )
    def somebody_reports(self, device: str | None, account: str | None, age: float, flavour: str) -> UUID:
        said: dict[str, object] = {"account": account, "made": self.minute - age}
        if flavour == "hazard":
            said["hazards"] = ("fire",)
        elif flavour == "only_mine":
            said["only_mine"] = True
        elif flavour == "life_support":
            said["customer_class"] = CustomerClass.LIFE_SUPPORT
        elif flavour == "arrears":
            said["suspended"] = True
        elif flavour == "abandoned":
            said["unconfirmed"] = True
        elif flavour == "kept_back":
            said["kept_back"] = True
        report = self.story.report(device, f"report {len(self.sent)}", **said)
        self.sent.append(report)
        if flavour == "hazard" and report in self.story.state.members:
            self.hazards.add(report)
            assert self.story.order_of(report).order_id == self.story.orders[-1].order_id, "danger: an order at once"
        return report

    @rule(
        device=st.sampled_from(["A0FU00016", "A0FU00017", "A0FU00018", "A0SW00015", "A0FU00019"]),
        every=st.integers(1, 3),
    )
    def a_device_opens(self, device: str, every: int) -> None:
        for transformer in TREE.transformers_under(device)[::every]:
            self.later()
            self.sent.append(self.story.report(transformer, f"report {len(self.sent)}"))

    @rule(report=reports)
    def a_live_report_is_delivered_again(self, report: UUID) -> None:
        if report in self.story.state.members:
            message, now = next(one for one in self.story.inputs if one[0].message_id == report)
            before = snapshot(self.story.state)
            assert decide(self.story.state, message, now) == []
            assert snapshot(self.story.state) == before

    @rule(number=numbers, stage=st.sampled_from(ProgressStage), late=st.sampled_from([0, 0, 25, 100]))
    def a_crew_speaks(self, number: int, stage: ProgressStage, late: float) -> None:
        if self.story.orders:
            order = self.story.orders[number % len(self.story.orders)]
            self.story.crew(order.order_id, stage, etr=self.minute + 30, made=self.minute - late)

    @rule(
        device=st.sampled_from(["A0TR00023", "A0TR00026", "A0FU00016", "A0FU00017", "A0SW00015", "A0BR00001"]),
        account=st.sampled_from([None, None, "A1", "A2"]),
        late=st.sampled_from([0, 0, 25, 100]),
    )
    def power_is_back(self, device: str, account: str | None, late: float) -> None:
        self.story.power_back(device, account, made=self.minute - late)

    @invariant()
    def every_report_is_in_exactly_one_place(self) -> None:
        placed = Counter(
            event.report.report_id
            for event in self.story.events
            if isinstance(event, e.ReportJoined | e.ReportAnswered | e.ReportNeedsPerson)
        )
        assert placed == Counter(self.sent)
        live = [report for incident in self.story.state.incidents.values() for report in incident.reports]
        assert sorted(live) == sorted(self.story.state.members)
        for report, incident in self.story.state.members.items():
            assert report in self.story.state.incidents[incident].reports

    @invariant()
    def an_incident_has_one_order_whose_versions_ascend_by_one(self) -> None:
        versions: dict[UUID, list[int]] = {}
        owner: dict[UUID, UUID] = {}
        ended: set[UUID] = set()
        for order in self.story.orders:
            assert order.order_id not in ended, "nothing follows the last version"
            versions.setdefault(order.order_id, []).append(order.version)
            assert owner.setdefault(order.order_id, order.incident_id) == order.incident_id
            if order.status in {OrderStatus.CANCELLED, OrderStatus.CLOSED}:
                ended.add(order.order_id)
        assert all(seen == list(range(1, len(seen) + 1)) for seen in versions.values())
        assert len(set(owner.values())) == len(owner)
        live = {owner[order] for order in versions.keys() - ended}
        waiting = {key for key, incident in self.story.state.incidents.items() if incident.order is None}
        assert live == self.story.state.incidents.keys() - waiting
        assert all(self.story.state.incidents[key].hold is not None for key in waiting), "no order only if held"

    @invariant()
    def a_cancelled_order_names_one_that_was_issued(self) -> None:
        issued = {order.order_id for order in self.story.orders}
        for order in self.story.orders:
            assert (order.superseded_by in issued) if order.status is OrderStatus.CANCELLED else True

    @invariant()
    def what_time_it_is_in_the_area_is_that_of_the_latest_call(self) -> None:
        """Whatever order they come in, and whatever became of them."""
        made = [
            event.report.made_at
            for event in self.story.events
            if isinstance(event, e.ReportJoined | e.ReportAnswered | e.ReportNeedsPerson)
        ]
        assert self.story.state.latest == max(made, default=None)

    @invariant()
    def danger_is_never_absorbed(self) -> None:
        assert not self.hazards & {ev.report_id for ev in self.story.events if isinstance(ev, e.ReportMoved)}
        for incident in self.story.state.incidents.values():
            if self.hazards & incident.reports.keys():
                assert len(incident.reports) == 1

    @invariant()
    def what_a_crew_confirmed_stays_where_it_is(self) -> None:
        for key, incident in self.story.state.incidents.items():
            if incident.state is IncidentState.CONFIRMED:
                assert self.pinned.setdefault(key, incident.device.id) == incident.device.id
        absorbed = {ev.incident_id for ev in self.story.events if isinstance(ev, e.IncidentAbsorbed)}
        assert not self.pinned.keys() & absorbed

    @invariant()
    def the_indexes_are_those_of_building_them_anew(self) -> None:
        known = self.story.state
        again = self.build()
        again.latest, again.next_seq, again.members = known.latest, known.next_seq, known.members
        again.restored, again.restored_premises = known.restored, known.restored_premises
        again.waiting, again.commands, again.set_aside = known.waiting, known.commands, known.set_aside
        again.telemetry, again.planned = known.telemetry, known.planned
        again.pace, again.lag = known.pace, known.lag
        again.learn(known.learned)
        install_all(again, map(replace, known.incidents.values()))
        assert {device: list(found) for device, found in again.below.items() if found} == {
            device: list(found) for device, found in known.below.items() if found
        }, "newest last, also after a restart"
        assert snapshot(again) == snapshot(known)


class HeldCore(Core):
    """The same laws where orders wait."""

    area_rules = HELD


class MeteredCore(Core):
    """The same laws where meters speak too: what only they spoke of waits, and ends by their word."""

    area_rules = METERED

    @rule(
        reading=st.sampled_from(Reading),
        device=st.sampled_from(["A0TR00023", "A0TR00024", "A0TR00026", "A0FU00016", "A0SW00015"]),
        account=st.sampled_from([None, "A1", "A2", "A3", "A4"]),
        age=st.sampled_from([0, 0, 0, 3, 40]),
    )
    def a_meter_or_breaker_speaks(self, reading: Reading, device: str, account: str | None, age: float) -> None:
        events = self.story.reading(reading, device, account, made=self.minute - age)
        self.sent += [
            event.report.report_id
            for event in events
            if isinstance(event, e.ReportJoined | e.ReportAnswered | e.ReportNeedsPerson)
        ]


class ReclosingCore(MeteredCore):
    """The same laws where only a breaker's word waits, and a meter is asked twice."""

    area_rules = replace(METERED, holds={"breakers": timedelta(minutes=2)}, asked_twice=True)


TestCore = Core.TestCase
TestCore.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHeldCore = HeldCore.TestCase
TestHeldCore.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestMeteredCore = MeteredCore.TestCase
TestMeteredCore.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestReclosingCore = ReclosingCore.TestCase
TestReclosingCore.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
