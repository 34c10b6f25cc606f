"""What a message means for an area: ``decide(state, message, now) -> events``. Changes nothing.

Decided here: which incident a report belongs to, when an order goes out, what a crew's word changes. When a
prediction moves up is ``lift``; what an order says is ``orders``. ``now`` is used for the stamps of what is sent
and as the bound of a crew's clock; which incident a report belongs to depends on the messages alone.
Never here: I/O, a clock, a guess. What cannot be placed goes to a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.ids import incident_id, order_id, timer_id
from services.contracts.messages import FieldProgressed, OutageCommanded, OutageReported, TelemetryReceived
from services.contracts.values import (
    CommandAction,
    CustomerClass,
    DeviceRef,
    OrderStatus,
    ProgressStage,
)
from services.dedup.domain import events as e
from services.dedup.domain.clock import DUE, overdue, with_due_times
from services.dedup.domain.commands import obey
from services.dedup.domain.lift import Lifted, evidence_time, look_up_the_tree
from services.dedup.domain.orders import Subject, last_version, more_urgent, version_of
from services.dedup.domain.placing import place
from services.dedup.domain.readings import read
from services.dedup.domain.report import Report
from services.dedup.domain.rules import CELL, PLACE
from services.dedup.domain.state import Standing
from services.dedup.domain.undo import undo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import OutageInput, TimerFired
    from services.dedup.domain.events import Event, Kind, Rule
    from services.dedup.domain.state import AreaState, Incident, Restored

HOLD: Final = "hold"
"""Kind of the timer that ends the wait of an order."""

_ON_THE_SPOT: Final = frozenset({ProgressStage.ARRIVED, ProgressStage.DIAGNOSED, ProgressStage.REPAIRING})


def decide(state: AreaState, message: OutageInput, now: datetime) -> list[Event]:
    """Return what happens because of ``message``, in order; nothing for what is known already.

    Args:
        state: The area the message belongs to.
        message: A report, a crew's progress, a person's command, a reading, or a moment that was waited for.
        now: The instant of this decision, the same for the whole batch.
    """
    draft = _Draft(state, now)
    if isinstance(message, OutageReported):
        draft.report(Report.of(message))
    elif isinstance(message, FieldProgressed):
        draft.progress(message)
    elif isinstance(message, OutageCommanded):
        draft.command(message)
    elif isinstance(message, TelemetryReceived):
        draft.events += read(state, message, draft.reported, draft.explained)
    else:
        draft.timer(message)
    return with_due_times(state, draft.events)


class _Cover(NamedTuple):
    """What is known of the power at a device: an open incident, or a restoration that answers the report."""

    incident: Incident | None = None
    answer: Restored | None = None
    rule: Rule = e.Rule.FIRST_REPORT


class _Draft:
    """The events of one message, as they come together."""

    def __init__(self, state: AreaState, now: datetime) -> None:
        self.events: list[Event] = []
        self._state = state
        self._now = now
        self._seq = state.next_seq

    # --- reports ---

    def report(self, report: Report) -> None:
        """Find the one place a report belongs to. Danger comes first, then what needs no crew."""
        state = self._state
        if report.report_id in state.members:
            return
        if report.hazards:
            self._hazard(report)
        elif report.suspended:
            self.events.append(e.ReportAnswered(report, e.Rule.ARREARS))
        elif (leaf := state.leaf(report.device)) is None:
            self.events.append(e.ReportNeedsPerson(report, e.Rule.DEVICE_UNKNOWN))
        elif (planned := state.planned.covering(state.upstream(leaf), report.reported_at)) is not None:
            self.events.append(e.ReportAnswered(report, e.Rule.PLANNED, planned=planned))
        elif (own := self._own_premises(report, leaf)) is not None:
            self._join(report, own, e.Rule.SAME_PREMISE)
        elif report.single_premise:
            self._single(report, leaf)
        else:
            self._outage(report, leaf)

    def _hazard(self, report: Report) -> None:
        """Danger gets its own incident and order at once, whatever else is known there."""
        leaf = self._state.leaf(report.device)
        if leaf is not None:
            device, served = self._device(leaf, report)
            cover = self._cover(report, leaf).incident
        elif report.address or report.lat is not None:
            device = DeviceRef(id=self._state.area, type=PLACE, feeder=report.feeder, lat=report.lat, lon=report.lon)
            served, cover = 0, None
        else:
            self.events.append(e.ReportNeedsPerson(report, e.Rule.DEVICE_UNKNOWN))
            return
        related = None if cover is None else cover.incident_id
        self._open(report, e.Kind.HAZARD, device, served, e.Rule.HAZARD, related_to=related)

    def _own_premises(self, report: Report, leaf: str) -> Incident | None:
        """Return the open incident of this one customer and no other, if the report speaks of that again."""
        state = self._state
        if report.account_id is None:
            return None
        known = state.by_premises.get(report.account_id)
        if known is not None:
            return state.incidents[known]
        if report.single_premise and leaf in state.by_device:
            at_device = state.incidents[state.by_device[leaf]]
            if at_device.only_of(report.account_id):
                return at_device
        return None

    def _single(self, report: Report, leaf: str) -> None:
        """One customer's own problem stays one, also under a larger outage."""
        if self._was_own_restored(report):
            return
        device, served = self._device(leaf, report)
        self._open(report, e.Kind.SINGLE, device, min(served, 1), e.Rule.SINGLE_PREMISE, premises=report.account_id)

    def _was_own_restored(self, report: Report) -> bool:
        """Answer a report made before this customer's own problem was mended."""
        restored = self._state.restored_premises.get(report.account_id or "")
        if restored is None or not self._was_before(report, restored):
            return False
        self.events.append(e.ReportAnswered(report, e.Rule.ALREADY_RESTORED, restored.incident_id))
        return True

    def _outage(self, report: Report, leaf: str) -> None:
        """Join what covers the device, lift what the new evidence explains together, or open an incident."""
        cover = self._cover(report, leaf)
        if cover.answer is not None:
            self.events.append(e.ReportAnswered(report, cover.rule, cover.answer.incident_id))
            return
        if cover.incident is None and self._was_own_restored(report):
            return
        evidence_at = evidence_time(self._state, cover.incident, leaf, report)
        lifted = look_up_the_tree(self._state, cover.incident, leaf, report, evidence_at)
        if lifted is not None:
            self._lift(report, lifted, evidence_at)
        elif cover.incident is not None:
            self._join(report, cover.incident, cover.rule, evidence_at)
        else:
            device, served = self._device(leaf, report)
            self._open(report, e.Kind.OUTAGE, device, served, cover.rule, evidence_at=evidence_at)

    def _cover(self, report: Report, leaf: str) -> _Cover:
        """Walk up from a device to the first open incident, minding restorations on the way.

        A restoration at or below that incident's device either answers the report, if it was made before; or,
        if it came after the incident stood there, has taken the device out of it.
        """
        state = self._state
        by_device, restored = state.by_device, state.restored
        last = restored.get(leaf)
        key = by_device.get(leaf)
        if key is None:
            for step in state.path(leaf):
                if restored and (found := restored.get(step.device)) is not None and (last is None or found > last):
                    last = found
                key = by_device.get(step.device)
                if key is not None:
                    break
        if last is not None and self._was_before(report, last):
            return _Cover(answer=last, rule=e.Rule.ALREADY_RESTORED)
        if key is None:
            return _Cover()
        incident = state.incidents[key]
        if incident.device.id == leaf:
            return _Cover(incident, rule=e.Rule.SAME_DEVICE)
        if last is not None and last.seq > incident.since_seq and self._remembered(report, last):
            return _Cover(rule=e.Rule.OUT_AGAIN)
        return _Cover(incident, rule=e.Rule.UNDER_OPEN_INCIDENT)

    def _was_before(self, report: Report, restored: Restored) -> bool:
        before = report.reported_at + self._state.rules.restored_tolerance <= restored.restored_at
        return before and self._remembered(report, restored)

    def _remembered(self, report: Report, restored: Restored) -> bool:
        latest = self._state.seen_from(report.reported_at)
        return restored.restored_at >= latest - self._state.rules.restored_memory

    # --- incidents ---

    def _device(self, leaf: str, report: Report) -> tuple[DeviceRef, int]:
        """Return a device for a crew to drive to, and the customers under it."""
        tree = self._state.tree
        if tree is None:
            return DeviceRef(id=leaf, type=CELL, lat=report.lat, lon=report.lon), 0
        if leaf not in tree:
            known = self._state.incidents[self._state.by_device[leaf]]
            return known.device, known.customers_served
        found = tree.device(leaf)
        ref = DeviceRef(id=leaf, type=found.type.value, feeder=found.feeder, lat=found.lat, lon=found.lon)
        return ref, found.customer_count

    def _number(self) -> int:
        self._seq += 1
        return self._seq - 1

    def _open(
        self,
        report: Report,
        kind: Kind,
        device: DeviceRef,
        served: int,
        rule: Rule,
        *,
        evidence_at: datetime | None = None,
        premises: str | None = None,
        related_to: UUID | None = None,
    ) -> None:
        area = self._state.area
        incident = incident_id(area, report.report_id)
        order = order_id(area, report.report_id)
        opened = e.IncidentOpened(
            incident, order, kind, device, served, self._number(), rule, premises=premises, related_to=related_to
        )
        self.events.append(opened)
        evidence = {"device": device.id, "device_class": device.type}
        self.events.append(e.ReportJoined(report, incident, self._number(), rule, evidence_at, evidence))
        standing = Standing()
        standing.add(report)
        subject = Subject(incident, order, area, kind, device, served, standing)
        hold = self._state.rules.hold(device.type)
        if hold and not subject.never_waits:
            due_at = report.received_at + hold
            self.events.append(e.TimerSet(timer_id(area, HOLD, incident, due_at), HOLD, incident, due_at))
        else:
            self.events.append(e.OrderIssued(version_of(subject, 1, rule, self._now)))

    def _join(self, report: Report, incident: Incident, rule: Rule, evidence_at: datetime | None = None) -> None:
        evidence: Mapping[str, str | int | float] = {
            "device": incident.device.id,
            "device_class": incident.device.type,
            "reports": incident.standing.reports + 1,
        }
        new_special = report.special and not incident.standing.knows(report)
        self.events.append(e.ReportJoined(report, incident.incident_id, self._number(), rule, evidence_at, evidence))
        if not new_special and (incident.standing.said or report.unconfirmed):
            return  # nothing an order says has become more urgent
        standing = incident.standing.copy()
        standing.add(report)
        self._tell_field(incident, self._subject(incident, standing), report if new_special else None)

    def _tell_field(self, incident: Incident, subject: Subject, special: Report | None) -> None:
        """Bring the order in line with a report that makes it more urgent."""
        reason = e.Rule.PRIORITY_RAISED
        if special is not None:
            life_support = special.customer_class is CustomerClass.LIFE_SUPPORT
            reason = e.Rule.LIFE_SUPPORT if life_support else e.Rule.IMPORTANT
        if incident.order is None:
            if subject.never_waits:
                self._issue_held(incident, subject, reason)
        elif special is not None or more_urgent(subject.priority, incident.order.priority):
            self.events.append(e.OrderUpdated(version_of(subject, incident.order.version + 1, reason, self._now)))

    def _issue_held(self, incident: Incident, subject: Subject, rule: Rule) -> None:
        """Let an order that was held go out."""
        if incident.hold is not None:
            self.events.append(e.TimerCleared(incident.hold.timer_id, incident.incident_id))
        self.events.append(e.OrderIssued(version_of(subject, 1, rule, self._now)))

    def _subject(self, incident: Incident, standing: Standing) -> Subject:
        return Subject(
            incident.incident_id,
            incident.order_id,
            self._state.area,
            incident.kind,
            incident.device,
            incident.customers_served,
            standing,
        )

    def _lift(self, report: Report, lifted: Lifted, evidence_at: datetime | None) -> None:
        """Move the oldest incident up to the common device and let it absorb the others."""
        rule = e.Rule.COMMON_UPSTREAM
        survivor, *others = lifted.incidents
        device, served = self._device(lifted.device, report)
        self.events.append(e.PredictionMoved(survivor.incident_id, device, served, rule, lifted.evidence))
        standing = survivor.standing.copy()
        for other in others:
            standing.merge(other.standing)
            self._absorb(other, survivor, lifted)
        self.events.append(
            e.ReportJoined(report, survivor.incident_id, self._number(), rule, evidence_at, lifted.evidence)
        )
        standing.add(report)
        subject = Subject(
            survivor.incident_id, survivor.order_id, self._state.area, survivor.kind, device, served, standing
        )
        if survivor.order is not None:
            version = version_of(subject, survivor.order.version + 1, rule, self._now)
            self.events.append(e.OrderUpdated(version))
        elif (
            subject.never_waits
            or not self._state.rules.hold(device.type)
            or any(other.order is not None for other in others)
        ):
            self._issue_held(survivor, subject, rule)

    def _absorb(self, incident: Incident, successor: Incident, lifted: Lifted) -> None:
        rule = e.Rule.ABSORBED
        for report in incident.reports:
            seq = self._number()
            self._number()  # a move is two ledger rows
            self.events.append(
                e.ReportMoved(report, incident.incident_id, successor.incident_id, seq, rule, lifted.evidence)
            )
        if incident.order is not None:
            cancelled = last_version(
                incident.order, OrderStatus.CANCELLED, rule, self._now, superseded_by=successor.order_id
            )
            self.events.append(e.OrderCancelled(cancelled))
        if incident.hold is not None:
            self.events.append(e.TimerCleared(incident.hold.timer_id, incident.incident_id))
        self.events.append(e.IncidentAbsorbed(incident.incident_id, successor.incident_id, rule))

    # --- the field, and time ---

    def progress(self, message: FieldProgressed) -> None:
        """Note what a crew says; power back closes the incident."""
        said = message.progress
        arrived = message.received_at or self._now
        if said.at > arrived:
            said = said.model_copy(update={"at": arrived})  # a crew's clock may be ahead
        incident = self._state.incidents.get(message.incident_id)
        if incident is None or incident.order_id != said.order_id:
            self.events.append(e.ProgressIgnored(message.incident_id, said, e.Rule.NOT_OPEN))
        elif said.stage is ProgressStage.RESTORED:
            if incident.order is not None:
                closed = last_version(incident.order, OrderStatus.CLOSED, e.Rule.CREW_RESTORED, self._now)
                self.events.append(e.OrderClosed(closed))
            if incident.hold is not None:
                self.events.append(e.TimerCleared(incident.hold.timer_id, incident.incident_id))
            restored_at = max(said.at, incident.opened_at)
            self.events.append(e.IncidentRestored(incident.incident_id, restored_at, said))
        elif incident.stage_at is not None and said.at < incident.stage_at:
            self.events.append(e.ProgressIgnored(incident.incident_id, said, e.Rule.STALE))
        else:
            confirmed = said.stage in _ON_THE_SPOT
            self.events.append(e.ProgressNoted(incident.incident_id, said, confirmed))
            if said.etr is not None and said.etr != incident.etr:
                self.events.append(e.EtrSet(incident.incident_id, said.etr))

    def command(self, message: OutageCommanded) -> None:
        """Do what a person says, or say why not."""
        if message.action is CommandAction.UNDO:
            self.events += undo(self._state, message, self._now)
        elif message.action is CommandAction.PLACE:
            self.events += place(self._state, message, self._now, self.reported)
        else:
            self.events += obey(self._state, message, self._now)

    def reported(self, report: Report) -> list[Event]:
        """Return what a report comes to that did not come as one."""
        apart = _Draft(self._state, self._now)
        apart.report(report)
        return apart.events

    def explained(self, report: Report, device: str) -> list[Event]:
        """Return what it comes to that a device is known to be open: it explains what is predicted under it."""
        state = self._state
        under = [state.incidents[key] for key in state.below.get(device, ())]
        explained = sorted((one for one in under if not one.frozen), key=lambda one: one.opened_seq)
        if device in state.by_device or not explained:
            return self.reported(report)
        apart = _Draft(state, self._now)
        kind = "" if state.tree is None else state.tree.type_of(device).value
        apart._lift(report, Lifted(device, explained, {"device": device, "device_class": kind}), None)
        return apart.events

    def timer(self, message: TimerFired) -> None:
        """Issue the order whose hold is over; a moment nobody waits for any more means nothing."""
        incident = self._state.incidents.get(message.subject)
        if incident is not None and message.kind in DUE.values():
            self.events += overdue(self._state, incident, message.kind, message.fired_at)
            return
        if incident is None or incident.hold is None or incident.hold.timer_id != message.timer_id:
            return
        subject = self._subject(incident, incident.standing)
        self._issue_held(incident, subject, e.Rule.HOLD_OVER)
