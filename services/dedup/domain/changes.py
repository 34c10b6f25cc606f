"""What a batch of messages changed: for the store, and as messages for the other rooms and companies.

Decided here: that several changes of one incident in one batch become one revision, and how long a record may get.
Every version of an order is told, however short its life was. Never here: what happens (``decide``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from services.contracts.messages import IncidentChanged, OutageMoved, PlanChanged, ProposedPlan, ReportSettled
from services.contracts.publication import Publication
from services.contracts.values import DeviceRef, IncidentState
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from services.dedup.domain.clock import due_of
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.evolve import evolve
from services.dedup.domain.incident import Incident
from services.dedup.domain.planning import proposed_plan
from services.dedup.domain.report import Report
from services.dedup.domain.rules import CELL, PLACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from services.contracts.messages import Member
    from services.dedup.domain.state import AreaState

_JOINED: Final = 300
"""Members in one record: at the longest names and addresses 2.6 kB each, together under 900 kB."""
_LEFT: Final = 1_000
"""Reports that left in one record: who tells their customers looks at all of them in one transaction."""
_NOTED: Final = {
    e.PartRestored: Rule.POWER_BACK,
    e.ProgressNoted: Rule.CREW_PROGRESS,
}
"""Why an incident changed, for events that carry no rule."""
_SETTLED: Final[Mapping[type[e.Event], Literal["answered", "needs_person", "in_incident"]]] = {
    e.ReportAnswered: "answered",
    e.ReportNeedsPerson: "needs_person",
    a.ReportUnplaced: "needs_person",
    pa.ReportCovered: "answered",
    pa.CoverMoved: "answered",
    pa.AnswerOver: "answered",
    pa.ReportUncovered: "in_incident",
    e.ReportJoined: "in_incident",
}
_LETS_GO: Final = (
    e.IncidentAbsorbed,
    e.IncidentRestored,
    a.IncidentSetAside,
    pa.IncidentCovered,
    a.ReportUnplaced,
    pa.ReportCovered,
)
"""What an incident may be closed by."""
_SAID: Final = (
    a.IncidentStateSet,
    a.IncidentRelated,
    a.RestorationSuggested,
    a.RelocationProposed,
    a.DeadlineBreached,
    pa.PlanProposed,
    pa.PlanSettled,
)
"""What changes no more of an incident than what is said of it."""
_ByPlan = e.ReportAnswered | pa.ReportCovered | pa.CoverMoved
_Settling = _ByPlan | pa.AnswerOver | e.ReportNeedsPerson | e.ReportJoined | a.ReportUnplaced | pa.ReportUncovered


@dataclass(slots=True)
class Touched:
    """One incident a batch changed, as it stands after the batch."""

    area: str
    incident: Incident
    reason: str = ""
    traceparent: str | None = None
    joined: dict[UUID, Report] = field(default_factory=dict)
    left: dict[UUID, None] = field(default_factory=dict)

    def joins(self, report: Report) -> None:
        """Keep that a report joined. One that left in this batch was here before it: for others nothing happened."""
        if report.report_id in self.left:
            del self.left[report.report_id]
        else:
            self.joined[report.report_id] = report

    def leaves(self, report: UUID) -> None:
        """Keep that a report left, if it had been told to be here."""
        if self.joined.pop(report, None) is None:
            self.left[report] = None


class Changes:
    """Collects what the messages of a batch did.

    Attributes:
        areas: Every area that was changed.
        events: Every event with its area, in order.
        touched: Every incident that changed, in the order they first did.
        quiet: Incidents whose waiting, or the devices they stand for, changed: to be kept, and nothing to tell.
    """

    def __init__(self, now: datetime) -> None:
        self.areas: dict[str, AreaState] = {}
        self.events: list[tuple[str, e.Event]] = []
        self.touched: dict[UUID, Touched] = {}
        self.quiet: dict[UUID, Touched] = {}
        self._orders: list[Publication] = []
        self._settled: list[Publication] = []
        self._plans: list[Publication] = []
        self._placing: dict[UUID, UUID] = {}
        self._elsewhere: list[Publication] = []
        self._now = now

    def apply(self, state: AreaState, events: Sequence[e.Event], traceparent: str | None = None) -> None:
        """Fold events into ``state``, in place, and keep what they changed."""
        self.areas[state.area] = state
        for event in events:
            self.events.append((state.area, event))
            self._before(state, event)
            evolve(state, event)
            self._after(state, event, traceparent)

    def _before(self, state: AreaState, event: e.Event) -> None:
        """Keep hold of an incident that the event may close, and of one that no longer stands for another's device."""
        if isinstance(event, e.ReportJoined):
            return  # nearly all are, and that is seen at once
        if isinstance(event, (e.IncidentOpened, e.PredictionMoved)):
            there = state.incidents.get(state.by_device.get(event.device.id, event.incident_id))
            if there is not None and event.device.id in there.also:
                self.quiet.setdefault(there.incident_id, Touched(state.area, there))
        elif isinstance(event, _LETS_GO):
            self._touch(state, event.incident_id)
        elif isinstance(event, pa.IncidentUncovered):
            self.touched.setdefault(event.incident_id, Touched(state.area, state.set_aside[event.incident_id]))

    def _touch(self, state: AreaState, incident_id: UUID) -> Touched:
        touched = self.touched.get(incident_id)
        if touched is None:
            touched = self.touched[incident_id] = Touched(state.area, state.incidents[incident_id])
        return touched

    def _after(self, state: AreaState, event: e.Event, traceparent: str | None) -> None:
        if isinstance(event, e.ReportJoined):
            self._report_joined(state, event, traceparent)
        elif isinstance(event, e.OrderEvent):
            touched = self._touch(state, event.order.incident_id)
            touched.reason = touched.reason or event.order.reason
            self._orders.append(Publication(event.order, traceparent))
        elif isinstance(event, e.ReportMoved):
            self._report_moved(state, event)
        elif isinstance(event, (e.ReportAnswered, e.ReportNeedsPerson)):
            self._settle(state.area, event, traceparent)
        elif isinstance(event, (e.IncidentOpened, e.PredictionMoved)):
            self._because(self._touch(state, event.incident_id), event.rule, traceparent)
        elif isinstance(event, (e.PartRestored, e.ProgressNoted, e.EtrSet)):
            if event.incident_id in state.incidents:  # a step may be of one that is open in another area
                rule = event.rule if isinstance(event, e.EtrSet) else _NOTED[type(event)]
                self._because(self._touch(state, event.incident_id), rule, traceparent)
        elif isinstance(event, (e.IncidentRestored, e.IncidentAbsorbed)):
            self._because(self.touched[event.incident_id], event.rule, traceparent)
            self._tell_over(state, self.touched[event.incident_id].incident, traceparent)
        elif isinstance(event, (e.TimerSet, e.TimerCleared)):
            self.quiet.setdefault(event.incident_id, Touched(state.area, state.incidents[event.incident_id]))
        else:
            self._after_act(state, event, traceparent)

    def _report_joined(self, state: AreaState, event: e.ReportJoined, traceparent: str | None) -> None:
        touched = self._touch(state, event.incident_id)
        touched.joins(event.report)
        self._because(touched, event.rule, traceparent)
        if event.report.report_id in self._placing:  # it had been given back for want of a place
            self._settle(state.area, event, traceparent)

    def _after_act(self, state: AreaState, event: e.Event, traceparent: str | None) -> None:
        """Keep what a person or telemetry changed."""
        if isinstance(event, a.ReportPlaced):
            self._placing[event.report_id] = event.command_id
        elif isinstance(event, (a.IncidentSetAside, pa.IncidentCovered)):
            self._because(self.touched[event.incident_id], event.rule, traceparent)
            self._tell_over(state, self.touched[event.incident_id].incident, traceparent)
        elif isinstance(event, (a.IncidentMoved, a.IncidentReopened, pa.IncidentUncovered)):
            touched = self.touched.get(event.incident_id) or self._touch(state, event.incident_id)
            self._because(touched, event.rule, traceparent)
            if not (isinstance(event, pa.IncidentUncovered) and event.into is not None):
                self._tell_open(state, touched.incident, event, traceparent)
        elif isinstance(event, (a.ReportUnplaced, pa.ReportCovered, pa.ReportUncovered)):
            self._settled_by_person(state, event, traceparent)
        elif isinstance(event, (pa.AnswerOver, pa.CoverMoved)):
            self._settle(state.area, event, traceparent)
        elif isinstance(event, pa.PlannedSet):
            self._plans.append(Publication(_plan(state.area, event), traceparent))
        elif isinstance(event, _SAID):
            self._because(self._touch(state, event.incident_id), event.rule, traceparent)
        elif isinstance(event, (a.IncidentPinned, a.IncidentUnpinned, a.IncidentRecounted)):
            touched = self._touch(state, event.incident_id)
            touched.reason = touched.reason or "rearranged"

    def _settled_by_person(
        self, state: AreaState, event: a.ReportUnplaced | pa.ReportCovered | pa.ReportUncovered, traceparent: str | None
    ) -> None:
        """Keep which report a person took out of an incident, or brought back into one."""
        key = event.report.report_id
        self._placing[key] = event.command_id
        self._settle(state.area, event, traceparent)
        touched = self.touched.get(event.incident_id) or self._touch(state, event.incident_id)
        if isinstance(event, pa.ReportUncovered):
            touched.joins(event.report)
        else:
            touched.leaves(key)
        self._because(touched, event.rule, traceparent)

    def _tell_open(
        self,
        state: AreaState,
        incident: Incident,
        event: a.IncidentMoved | a.IncidentReopened | pa.IncidentUncovered,
        traceparent: str | None,
    ) -> None:
        """Let the area that the device is in now know of the outage; again, once what ended it was taken back."""
        if incident.kind is not e.Kind.OUTAGE or incident.network_change is None:
            return  # one customer's own, or danger, explains nobody else's report
        seq: int | None = state.next_seq
        areas, at = incident.told, self._now
        if isinstance(event, a.IncidentMoved):
            areas, at, seq = () if event.now_in is None else (event.now_in,), event.at, None
        self._tell(state, incident, areas, at, seq, traceparent)

    def _tell_over(self, state: AreaState, incident: Incident, traceparent: str | None) -> None:
        """Let the areas that know of an outage know that it has ended."""
        self._tell(state, incident, incident.told, self._now, state.next_seq, traceparent, over=True)

    def _tell(
        self,
        state: AreaState,
        incident: Incident,
        areas: Iterable[str],
        at: datetime,
        seq: int | None,
        traceparent: str | None,
        *,
        over: bool = False,
    ) -> None:
        for area in areas:
            told = OutageMoved(
                area=area,
                incident_id=incident.incident_id,
                home=state.area,
                device=incident.device.id,
                network=incident.network or "unknown",
                noticed_at=at,
                now_in=None if over else area,
                since=None if over else incident.began_at,
                over=over,
                ended_at=incident.restored_at if over else None,
                seq=seq,
            )
            self._elsewhere.append(Publication(told, traceparent))

    @staticmethod
    def _because(touched: Touched, rule: Rule, traceparent: str | None) -> None:
        touched.reason = rule.value
        touched.traceparent = traceparent

    def _report_moved(self, state: AreaState, event: e.ReportMoved) -> None:
        source = self._touch(state, event.source)
        source.leaves(event.report_id)
        target = self._touch(state, event.target)
        target.joins(target.incident.reports[event.report_id])
        source.reason = target.reason = event.rule.value

    def _settle(self, area: str, event: _Settling, traceparent: str | None) -> None:
        """Keep what is to be told of a report to those who have its ticket: of a meter's word there is none."""
        if event.report.has_ticket:
            self._settled.append(Publication(self._settlement(area, event), traceparent))

    def _settlement(self, area: str, event: _Settling) -> ReportSettled:
        report = event.report
        incident = event.incident_id if isinstance(event, (e.ReportJoined, pa.ReportUncovered)) else None
        planned = event.planned if isinstance(event, _ByPlan) else None
        rule = Rule.PLANNED if isinstance(event, (pa.ReportCovered, pa.CoverMoved)) else event.rule
        before = event.planned_id if isinstance(event, (pa.ReportUncovered, pa.AnswerOver)) else None
        command = event.command_id if isinstance(event, pa.CoverMoved) else self._placing.pop(report.report_id, None)
        return ReportSettled(
            report_id=report.report_id,
            ticket_id=report.ticket_id,
            ticket_ref=report.ticket_ref,
            area=area,
            outcome=_SETTLED[type(event)],
            reason=rule.value,
            settled_at=self._now,
            language=report.language,
            recipient=None if isinstance(event, e.ReportJoined) else report.recipient,
            expected_at=None if planned is None else planned.ends_at,
            incident_id=incident,
            command_id=command,
            planned_id=before if planned is None else planned.planned_id,
            expected_before=event.before if isinstance(event, pa.CoverMoved) else None,
        )

    def changed(self) -> list[Touched]:
        """Return every incident that is to be kept anew."""
        return list({**self.quiet, **self.touched}.values())

    def messages(self) -> Iterator[Publication]:
        """Yield what is to be published, orders first. Counts up the incidents' revisions: call it once."""
        yield from self._orders
        for touched in self.touched.values():
            yield from self._revisions(touched)
        yield from self._settled
        yield from self._plans
        yield from self._elsewhere

    def _revisions(self, touched: Touched) -> Iterator[Publication]:
        joined = [report.member() for report in touched.joined.values()]
        left = list(touched.left)
        floor = self.areas[touched.area].floor
        while True:
            touched.incident.revision = max(touched.incident.revision, floor) + 1
            yield Publication(self._snapshot(touched, joined[:_JOINED], left[:_LEFT]), touched.traceparent)
            joined, left = joined[_JOINED:], left[_LEFT:]
            if not joined and not left:
                return

    def _snapshot(self, touched: Touched, joined: Sequence[Member], left: Sequence[UUID]) -> IncidentChanged:
        incident, state = touched.incident, self.areas[touched.area]
        due = due_of(state, incident)
        return IncidentChanged(
            incident_id=incident.incident_id,
            revision=incident.revision,
            state=incident.state,
            area=touched.area,
            device=incident.device if incident.is_open else _on_record(incident.device),
            order_id=incident.order_id if incident.order is not None else None,
            reports=0 if incident.state is IncidentState.CANCELLED else len(incident.reports),
            customers_served=incident.customers_served,
            hazards=incident.standing.hazards,
            stage=incident.stage,
            etr=incident.etr,
            cause=incident.cause,
            opened_at=incident.opened_at,
            changed_at=self._now,
            restored_at=incident.restored_at,
            merged_into=incident.merged_into,
            joined=tuple(joined),
            left=tuple(left),
            reason=touched.reason,
            related_to=incident.related_to,
            arrive_by=None if due is None else due.arrive_by,
            restore_by=None if due is None else due.restore_by,
            breached=incident.breached or None,
            restoration_suggested_at=incident.suggested_at,
            proposed_device=incident.proposed_device,
            proposed_plan=None if not state.planned.known else _proposal(state, incident),
            covered_by=incident.covered_by,
            network_change=incident.network_change,
            storm=state.stormy(self._now.timestamp()) or None,
            kind=None if incident.kind is e.Kind.OUTAGE else incident.kind.value,
            # The last record of an incident is kept for ever: whose home it was is not in it, nor where (_on_record).
            account_id=incident.premises if incident.kind is e.Kind.SINGLE and incident.is_open else None,
        )


def _on_record(device: DeviceRef) -> DeviceRef:
    """Return a device without its position where that is the customer's: where no network is known."""
    return device.model_copy(update={"lat": None, "lon": None}) if device.type in {CELL, PLACE} else device


def _plan(area: str, event: pa.PlannedSet) -> PlanChanged:
    planned = event.planned
    return PlanChanged(
        planned_id=planned.planned_id,
        area=area,
        device=planned.device,
        starts_at=planned.starts_at,
        ends_at=planned.ends_at,
        cancelled=planned.cancelled,
        command_id=event.command_id,
        changed_at=event.at,
    )


def _proposal(state: AreaState, incident: Incident) -> ProposedPlan | None:
    planned = proposed_plan(state, incident)
    if planned is None:
        return None
    return ProposedPlan(
        planned_id=planned.planned_id, device=planned.device, starts_at=planned.starts_at, ends_at=planned.ends_at
    )
