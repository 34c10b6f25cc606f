"""The events of one message as they come together: opening, joining, merging, splitting, and what the field is told.

Decided here: which incident survives, whose order goes on, which timers run. Never here: whether to (``decide``,
``candidates``, ``relook``, ``restore``).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from services.contracts.ids import incident_id, order_id, split_incident_id, split_order_id, timer_id
from services.contracts.values import CustomerClass, DeviceRef, OrderStatus
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.holding import held, is_first_of_its_kind, shortened, waits
from services.dedup.domain.incident import Standing
from services.dedup.domain.orders import Subject, last_version, more_urgent, version_of
from services.dedup.domain.planning import settled_together
from services.dedup.domain.relook import RELOOK, Piece
from services.dedup.domain.rules import CELL
from services.dedup.domain.waves import called_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import FieldProgress, OrderVersion
    from services.dedup.domain.candidates import Lifted
    from services.dedup.domain.events import Event, Evidence, Kind
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState, Restored


class Draft:
    """What one message does to one area. The state is read and never changed."""

    def __init__(self, state: AreaState, now: datetime) -> None:
        """Start with nothing happening; ``now`` stamps what is sent."""
        self.events: list[Event] = []
        self.state = state
        self.now = now
        self.ending: set[UUID] = set()
        """Incidents that are over by the end of this message: nobody goes there."""
        self._begun: dict[str, UUID] = {}
        """Incidents that it opens for reports that were in another, by device."""
        self._seq = state.next_seq

    # --- opening and joining ---

    def device(self, leaf: str, report: Report) -> tuple[DeviceRef, int]:
        """Return a device for a crew to drive to, and the customers under it."""
        tree = self.state.tree
        if tree is None:
            return DeviceRef(id=leaf, type=CELL, lat=report.lat, lon=report.lon), 0
        if leaf not in tree:
            known = self.state.incidents[self.state.by_device[leaf]]
            return known.device, known.customers_served
        return self.state.ref(leaf, tree), self.state.customers_under(leaf)

    def number(self) -> int:
        """Return the next number of the area's ledger."""
        self._seq += 1
        return self._seq - 1

    def open(
        self,
        report: Report,
        kind: Kind,
        device: DeviceRef,
        served: int,
        rule: Rule,
        *,
        premises: str | None = None,
        related_to: UUID | None = None,
        continues: Restored | None = None,
    ) -> None:
        """Open an incident for a report, and issue its order or let it wait; none where another area has issued one."""
        area = self.state.area
        incident = incident_id(area, report.report_id)
        order = order_id(area, report.report_id)
        self.events.append(
            e.IncidentOpened(
                incident,
                order,
                kind,
                device,
                served,
                self.number(),
                rule,
                premises=premises,
                related_to=related_to,
                continues=None if continues is None else continues.incident_id,
                out_since=None if continues is None else continues.since,
            )
        )
        seen = {"device": device.id, "device_class": device.type}
        self.events.append(e.ReportJoined(report, incident, self.number(), rule, seen))
        subject = Subject(incident, order, area, kind, device, served, Standing.of((report,)))
        hold = self.state.wait(device.type, report.received_at.timestamp(), subject.standing)
        if subject.never_waits or not (hold or rule is Rule.OPEN_ELSEWHERE):
            self.events.append(e.OrderIssued(version_of(subject, 1, rule, self.now)))
        elif rule is not Rule.OPEN_ELSEWHERE:
            self.events.append(held(self.state, incident, report.received_at + hold))

    def join(self, report: Report, incident: Incident, rule: Rule) -> None:
        """Put a report into an open incident, and tell the field if it makes that more urgent."""
        seen: Mapping[str, str | int | float] = {
            "device": incident.device.id,
            "device_class": incident.device.type,
            "reports": incident.standing.reports + 1,
        }
        new_special = report.special and not incident.standing.knows(report)
        first = incident.order is None and is_first_of_its_kind(report, incident.standing)
        self.events.append(e.ReportJoined(report, incident.incident_id, self.number(), rule, seen))
        if not new_special and not first and (incident.standing.said or report.unconfirmed):
            return  # nothing an order says has become more urgent
        subject = self.subject(incident, incident.standing.with_one(report))
        self._tell_field(incident, subject, report if new_special else None)
        if first and incident.hold is not None and not subject.never_waits:
            if waits(self.state, incident.device.type, report, subject.standing):
                self.events += shortened(self.state, incident, report, subject.standing)
            else:
                self.issue_held(incident, subject, Rule.SOMEBODY if report.has_ticket else Rule.METERS_OFF)

    def _tell_field(self, incident: Incident, subject: Subject, special: Report | None) -> None:
        """Bring the order in line with a report that makes it more urgent."""
        reason = Rule.PRIORITY_RAISED
        if special is not None:
            life_support = special.customer_class is CustomerClass.LIFE_SUPPORT
            reason = Rule.LIFE_SUPPORT if life_support else Rule.IMPORTANT
        if incident.order is None:
            if subject.never_waits:
                self.issue_held(incident, subject, reason)
        elif special is not None or more_urgent(subject.priority, incident.order.priority):
            self.events.append(e.OrderUpdated(version_of(subject, incident.order.version + 1, reason, self.now)))

    def issue_held(self, incident: Incident, subject: Subject, rule: Rule) -> None:
        """Let an order that was held go out."""
        if incident.hold is not None:
            self.events.append(e.TimerCleared(incident.hold.timer_id, incident.incident_id))
        self.events.append(e.OrderIssued(version_of(subject, 1, rule, self.now)))

    def subject(self, incident: Incident, standing: Standing, at: tuple[DeviceRef, int] | None = None) -> Subject:
        """Return what an order of an incident is about; ``at`` is the device it moves to and the customers there."""
        device, served = at or (incident.device, incident.customers_served)
        area, kind = self.state.area, incident.kind
        return Subject(incident.incident_id, incident.order_id, area, kind, device, served, standing)

    # --- together ---

    def lift(self, report: Report, lifted: Lifted) -> None:
        """Move the oldest incident up to the common device and let it absorb the others."""
        survivor, *others = lifted.incidents
        at = self.device(lifted.device, report)
        why = Rule.COMMON_UPSTREAM, lifted.evidence
        self.events.append(e.PredictionMoved(survivor.incident_id, *at, self.number(), *why))
        self._together(survivor, others, lifted.evidence, at, report)
        self._look_anew(survivor, report.received_at)

    def gather(self, survivor: Incident, others: Sequence[Incident], evidence: Evidence) -> None:
        """Let an incident absorb others below its device."""
        self._together(survivor, others, evidence, (survivor.device, survivor.customers_served))

    def _together(
        self, survivor: Incident, others: Sequence[Incident], why: Evidence, at: tuple[DeviceRef, int], *new: Report
    ) -> None:
        rule, standing = Rule.COMMON_UPSTREAM, survivor.standing.copy()
        for one in (*(one for other in others for one in other.reports.values()), *new):
            standing.add(one)
        if any(one.settled_plans for one in (survivor, *others)):  # hardly ever
            for planned, settled in settled_together(self.state, survivor, others):
                self.events.append(pa.PlanSettled(survivor.incident_id, planned, rule, settled=settled))
        for other in others:
            self.absorb(other, survivor, Rule.ABSORBED, why)
        for one in new:
            self.events.append(e.ReportJoined(one, survivor.incident_id, self.number(), rule, why))
        subject = self.subject(survivor, standing, at)
        if survivor.order is not None:
            self.events.append(e.OrderUpdated(version_of(subject, survivor.order.version + 1, rule, self.now)))
        elif (
            subject.never_waits
            or any(not waits(self.state, at[0].type, one, standing) for one in new)
            or any(other.order is not None for other in others)
        ):
            self.issue_held(survivor, subject, rule)

    def absorb(self, incident: Incident, successor: Incident, rule: Rule, evidence: Evidence) -> None:
        """Move all reports of an incident to another, and end its order with the other's id."""
        for report in incident.reports:
            self._move(report, incident.incident_id, successor.incident_id, rule, evidence)
        self.end_empty(incident, successor, rule)

    def _move(self, report: UUID, source: UUID, target: UUID, rule: Rule, evidence: Evidence) -> None:
        seq = self.number()
        self.number()  # a move is two ledger rows
        self.events.append(e.ReportMoved(report, source, target, seq, rule, evidence))

    def _clear_timers(self, incident: Incident) -> None:
        for timer in (incident.hold, incident.relook):
            if timer is not None:
                self.events.append(e.TimerCleared(timer.timer_id, incident.incident_id))

    def standing_at(self, device: str) -> UUID | None:
        """Return the incident at a device that reports may go to as this message ends; None where there is none."""
        there = self._begun.get(device) or self.state.by_device.get(device)
        return None if there in self.ending else there

    # --- apart ---

    def split(self, incident: Incident, kept: Piece, others: Sequence[Piece], rule: Rule, evidence: Evidence) -> None:
        """Leave one piece of an incident with it, and give each of the others a place of its own.

        ``kept`` may stand where nothing else stands; a piece whose device has an incident already goes there.
        """
        for piece in others:
            standing_there = self.standing_at(piece.device)
            if standing_there is None or standing_there == incident.incident_id:
                self._open_apart(incident, piece, rule, evidence)
            else:
                self.take_out(piece.reports, incident, standing_there, rule, evidence)
        self.stand_at(incident, kept.device, kept.reports, rule, evidence)

    def _open_apart(self, incident: Incident, piece: Piece, rule: Rule, evidence: Evidence) -> None:
        target, order = self.open_for(incident, piece, rule)
        self._begun[piece.device] = target
        self.events += [pa.PlanSettled(target, planned, rule) for planned in incident.settled_plans]
        self.take_out(piece.reports, incident, target, rule, evidence)
        device, served = self.device(piece.device, piece.reports[0])
        subject = Subject(target, order, self.state.area, e.Kind.OUTAGE, device, served, Standing.of(piece.reports))
        hold = None if incident.order is not None or subject.standing.people else incident.hold
        issued = e.OrderIssued(version_of(subject, 1, rule, self.now))
        self.events.append(issued if hold is None else held(self.state, target, hold.due_at))

    def begin_anew(self, report: Report, first: Incident, wave: Piece) -> None:
        """Close an outage that must have been over before a second wave of calls, and open that wave's."""
        began, why = min(one.made_at for one in wave.reports), Rule.SECOND_WAVE
        before = [one for one in wave.reports if one is not report]
        wave = Piece(wave.device, (*before, report), wave.score)
        target, order = self.open_for(first, wave, why)
        evidence = _called(wave)
        self.take_out(before, first, target, why, evidence)
        self.events.append(e.ReportJoined(report, target, self.number(), why, evidence))
        self._end(first, began, why, None)
        self._go_out(target, order, wave, why)

    def _go_out(self, target: UUID, order: UUID, wave: Piece, why: Rule) -> None:
        """Let an incident stand where another stood until now, and its order go out."""
        device, served = self.device(wave.device, wave.reports[-1])
        self.events.append(e.PredictionMoved(target, device, served, self.number(), why, _called(wave)))
        subject = Subject(target, order, self.state.area, e.Kind.OUTAGE, device, served, Standing.of(wave.reports))
        self.events.append(e.OrderIssued(version_of(subject, 1, why, self.now)))
        self.look_again(target, wave.reports[-1].received_at, 0)

    def open_for(
        self, source: Incident, piece: Piece, rule: Rule, premises: str | None = None, *, continues: bool = False
    ) -> tuple[UUID, UUID]:
        """Open an incident without an order for reports that are somewhere already; return its and its order's id.

        With ``premises`` it is of that one customer and stands at no device; it may be what goes on of the source.
        The report that opens it may have opened one before, so its place in the ledger tells the two apart.
        """
        area, opening = self.state.area, piece.reports[0].report_id
        seq = self.number()
        incident, order = split_incident_id(area, opening, seq), split_order_id(area, opening, seq)
        device, served = self.device(piece.device, piece.reports[0])
        kind = e.Kind.OUTAGE
        if premises is not None:
            kind, served = e.Kind.SINGLE, min(served, 1)
        what = incident, order, kind, device, served, seq, rule
        before = (source.incident_id, source.began_at) if continues else (None, None)
        opened = e.IncidentOpened(
            *what, premises=premises, related_to=source.incident_id, continues=before[0], out_since=before[1]
        )
        self.events.append(opened)
        return incident, order

    def take_out(
        self, reports: Iterable[Report], source: Incident, target: UUID, rule: Rule, evidence: Evidence
    ) -> None:
        """Move some reports of an incident to another."""
        for report in reports:
            self._move(report.report_id, source.incident_id, target, rule, evidence)

    def stand_at(
        self, incident: Incident, device_id: str, reports: Sequence[Report], rule: Rule, evidence: Evidence
    ) -> None:
        """Let an incident stand at a device with the reports it is left with."""
        device, served = self.device(device_id, reports[0])
        if device.id == incident.device.id:
            device = incident.device
        self.events.append(e.PredictionMoved(incident.incident_id, device, served, self.number(), rule, evidence))
        if (last := self.last_order(incident)) is not None:
            subject = self.subject(incident, Standing.of(reports), (device, served))
            self.events.append(e.OrderUpdated(version_of(subject, last.version + 1, rule, self.now)))

    def _look_anew(self, incident: Incident, since: datetime) -> None:
        """Begin to look again from the start: it was lifted once more."""
        known, looks = incident.relook, self.state.rules.inference.relook
        if known is not None:
            if looks and known.due_at == since + timedelta(seconds=looks[0]):
                return
            self.events.append(e.TimerCleared(known.timer_id, incident.incident_id))
        self.look_again(incident.incident_id, since, 0)

    def look_again(self, incident: UUID, since: datetime, step: int) -> None:
        """Wake the area when it is time to look at a lifted incident once more, if it still is."""
        relook = self.state.rules.inference.relook
        if step < len(relook):
            due_at = since + timedelta(seconds=relook[step])
            timer = timer_id(self.state.area, RELOOK, incident, due_at)
            self.events.append(e.TimerSet(timer, RELOOK, incident, due_at, since, step))

    # --- closing ---

    def close(
        self,
        incident: Incident,
        restored_at: datetime,
        rule: Rule,
        *,
        progress: FieldProgress | None = None,
        reports: Sequence[Report] | None = None,
    ) -> None:
        """End an incident and its order: power is back. Who called well after that is out again, or still.

        Had the word come at once, they would have had an incident of their own.

        Args:
            incident: What ends.
            restored_at: Since when power is back.
            rule: Why.
            progress: The crew's word, if it was one.
            reports: What the incident has by the end of this message, if that is not what it had.
        """
        self.ending.add(incident.incident_id)
        pieces = called_after(self.state, incident, restored_at, reports or tuple(incident.reports.values()))
        begun: list[tuple[UUID, UUID, Piece, Rule]] = []
        for one in pieces:
            there = self.standing_at(one.device)
            soon = min(report.made_at for report in one.reports) <= restored_at + self.state.rules.still_out
            why = Rule.STILL_OUT if soon else Rule.SECOND_WAVE
            if there is None:
                there, order = self.open_for(incident, one, why, continues=soon)
                self._begun[one.device] = there
                begun.append((there, order, one, why))
            self.take_out(one.reports, incident, there, why, _called(one))
        self._end(incident, restored_at, rule, progress)
        for target, order, one, why in begun:
            self._go_out(target, order, one, why)

    def _end(self, incident: Incident, restored_at: datetime, rule: Rule, progress: FieldProgress | None) -> None:
        if (last := self.last_order(incident)) is not None:
            self.events.append(e.OrderClosed(last_version(last, OrderStatus.CLOSED, rule, self.now)))
        self._clear_timers(incident)
        self.events.append(
            e.IncidentRestored(incident.incident_id, max(restored_at, incident.opened_at), progress, rule)
        )

    def part_restored(self, incident: UUID, device: str, at: datetime, since: datetime) -> None:
        """Note a step of restoring an incident that began at ``since``; once, however often it is told."""
        known = self.state.restored.get(device)
        if known is None or known.incident_id != incident or known.restored_at < at:
            self.events.append(e.PartRestored(incident, device, at, self._seq, since))

    def learn(self, device: str, standing: Standing, ended: datetime) -> None:
        """Let a closed outage teach who reports, and when."""
        learned = self.state.learned.with_outage(
            self.state.likelihood,
            self.state.customers_under(device),
            standing.calls,
            standing.callers,
            ended.timestamp(),
        )
        if learned != self.state.learned:
            self.events.append(e.OutageLearned(learned))

    def last_order(self, incident: Incident) -> OrderVersion | None:
        """Return the last version of an incident's order, with what has happened to it so far."""
        for event in reversed(self.events):
            if isinstance(event, (e.OrderIssued, e.OrderUpdated)) and event.order.incident_id == incident.incident_id:
                return event.order
        return incident.order

    def end_empty(self, incident: Incident, successor: Incident, rule: Rule) -> None:
        """End an incident whose reports have all gone to another, and its order with the other's id."""
        if (last := self.last_order(incident)) is not None:
            cancelled = last_version(last, OrderStatus.CANCELLED, rule, self.now, superseded_by=successor.order_id)
            self.events.append(e.OrderCancelled(cancelled))
        self._clear_timers(incident)
        self.events.append(e.IncidentAbsorbed(incident.incident_id, successor.incident_id, rule))


def _called(piece: Piece) -> Evidence:
    """Return what is said of calls that came after power was back."""
    since = min(one.made_at for one in piece.reports)
    return {"device": piece.device, "calls": len(piece.reports), "since": str(since)}
