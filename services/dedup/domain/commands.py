"""What a dispatcher's command comes to: merge, split, move, confirm, relate, plan. Undoing is ``undo``.

Decided here: whether a command can be carried out, and the events that do it. Every reason against it is named with
its field. A command is whole or not at all. Danger is never merged away: a hazard's incident takes nobody and gives
nobody. What a person arranged is pinned: inference leaves it where it is until the command is undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.ids import split_incident_id, split_order_id
from services.contracts.values import CommandAction, DeviceRef, IncidentState, OrderStatus
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.orders import Subject, last_version, version_of
from services.dedup.domain.planned import Planned
from services.dedup.domain.rules import CELL
from services.dedup.domain.state import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import OutageCommanded
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState, Incident

_SHOWN: Final = 5


class RefusedError(Exception):
    """The command cannot be carried out."""

    def __init__(self, *wrong: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in wrong))
        self.wrong = tuple(a.Wrong(*one) for one in wrong)


def obey(state: AreaState, command: OutageCommanded, now: datetime) -> list[e.Event]:
    """Return the events of a command about incidents or planned outages; nothing for one that was carried out."""
    if command.command_id in state.commands:
        return []
    doing = _DO[command.action]
    acting = Acting(state, command, now)
    try:
        done = doing(acting)
    except RefusedError as error:
        return [a.CommandRefused(command, error.wrong)]
    acting.events.append(a.CommandDone(command, done))
    return acting.events


class Acting:
    """The events of one command, as they come together."""

    def __init__(self, state: AreaState, command: OutageCommanded, now: datetime) -> None:
        self.events: list[e.Event] = []
        self.state = state
        self.command = command
        self.now = now
        self._seq = state.next_seq
        self._after: dict[UUID, dict[UUID, Report]] = {}

    def number(self) -> int:
        """Return the number of the next ledger row."""
        self._seq += 1
        return self._seq - 1

    @property
    def why(self) -> e.Evidence:
        """What the ledger says of the person and their reason."""
        said = self.command
        return {"by": said.author, "said": said.reason, "command": str(said.command_id)}

    def done(self, action: CommandAction | None = None) -> dict[str, object]:
        """Return what every ``Done`` says."""
        said = self.command
        return {
            "command_id": said.command_id,
            "action": action or said.action,
            "author": said.author,
            "at": said.accepted_at,
            "seq": self.number(),
        }

    # --- what a command names ---

    def incident(self, key: UUID | None, field: str) -> Incident:
        """Return an open incident of this area.

        Raises:
            RefusedError: it is missing, closed, merged, unknown or of another area.
        """
        if key is None:
            raise RefusedError((field, "is needed for this action"))
        found = self.state.incidents.get(key)
        if found is not None:
            return found
        aside = self.state.set_aside.get(key)
        if aside is not None:
            raise RefusedError((field, f"incident {key} was merged into {aside.merged_into}: name that one"))
        raise RefusedError((field, f"incident {key} is not open in area {self.state.area}"))

    def outage(self, key: UUID | None, field: str) -> Incident:
        """Return an open outage that can take reports in.

        Raises:
            RefusedError: see ``incident``; or it is no outage.
        """
        found = self.incident(key, field)
        if found.kind is not e.Kind.OUTAGE:
            why = (
                "danger keeps an incident and an order of its own"
                if found.kind is e.Kind.HAZARD
                else "it is one customer's own"
            )
            raise RefusedError((field, f"incident {key} takes no other reports in: {why}; relate the two instead"))
        return found

    def device(self, name: str, field: str = "device") -> tuple[DeviceRef, int]:
        """Return a device of this area that an incident can be at, and the customers under it.

        Raises:
            RefusedError: there is none of that name, or it can never have opened.
        """
        tree = self.state.tree
        if tree is None or name not in tree:
            raise RefusedError((field, f"area {self.state.area} has no device {name!r}"))
        if self.state.leaf(name) != name:
            raise RefusedError((field, f"device {name!r} is a {tree.type_of(name).value}, which cannot open"))
        return self.reference(name, None)

    def reference(self, name: str, report: Report | None) -> tuple[DeviceRef, int]:
        """Return what an order says of a device that is known, and the customers under it."""
        tree = self.state.tree
        if tree is None or name not in tree:
            lat, lon = (report.lat, report.lon) if report is not None else (None, None)
            return DeviceRef(id=name, type=CELL, lat=lat, lon=lon), 0
        found = tree.device(name)
        ref = DeviceRef(id=name, type=found.type.value, feeder=found.feeder, lat=found.lat, lon=found.lon)
        return ref, found.customer_count

    def members(self, reports: Sequence[UUID]) -> list[tuple[UUID, Incident]]:
        """Return reports of open incidents with where they are.

        Raises:
            RefusedError: none is named, one is named twice, is in no open incident, or is of danger.
        """
        if not reports:
            raise RefusedError(("reports", "at least one report is needed for this action"))
        if len(set(reports)) != len(reports):
            raise RefusedError(("reports", "a report is named twice"))
        found, wrong = [], []
        for key in reports:
            home = self.state.members.get(key)
            if home is None:
                waits = "waits for a place: place it" if key in self.state.waiting else "is in no open incident here"
                wrong.append(("reports", f"report {key} {waits}"))
            elif self.state.incidents[home].kind is e.Kind.HAZARD:
                wrong.append(("reports", f"report {key} is of danger: it keeps its own incident and order"))
            else:
                found.append((key, self.state.incidents[home]))
        if wrong:
            raise RefusedError(*wrong[:_SHOWN])
        return found

    def free(self, device: str, *, but: Iterable[UUID] = (), field: str = "device") -> None:
        """Refuse a device at which another incident stands.

        Raises:
            RefusedError: one does.
        """
        there = self.state.by_device.get(device)
        if there is not None and there not in set(but):
            raise RefusedError((field, f"incident {there} stands at {device!r} already"))

    # --- regrouping ---

    def pin(self, incident: UUID) -> None:
        """Let inference leave an incident alone."""
        known = self.state.incidents.get(incident)
        if known is None or not known.pinned:
            self.events.append(a.IncidentPinned(incident))

    def inside(self, key: UUID) -> dict[UUID, Report]:
        """Return the reports of an incident as they are after the moves so far."""
        if key not in self._after:
            known = self.state.incidents.get(key)
            self._after[key] = {} if known is None else dict(known.reports)
        return self._after[key]

    def move(self, report: UUID, source: UUID, target: UUID, rule: e.Rule) -> None:
        """Move one report: two ledger rows."""
        self.inside(target)[report] = self.inside(source).pop(report)
        seq = self.number()
        self.number()
        self.events.append(e.ReportMoved(report, source, target, seq, rule, self.why, author=self.command.author))

    def settle(self, target: Incident | Subject, sources: Iterable[Incident], rule: e.Rule) -> tuple[a.Closed, ...]:
        """Count anew what was regrouped, bring the orders in line, and set aside what is empty.

        The target's order goes out first, so that a cancelled one names an order that exists.
        """
        sources = list(sources)
        empty = [one for one in sources if not self.inside(one.incident_id)]
        self.events.append(a.IncidentRecounted(target.incident_id))
        if isinstance(target, Subject):
            self.events.append(e.OrderIssued(version_of(target, 1, rule, self.now)))
        else:
            self.tell_field(target, rule, must_go=any(one.order is not None for one in empty))
        for one in sources:
            if one not in empty:
                self.events.append(a.IncidentRecounted(one.incident_id))
                self.tell_field(one, rule)
        return tuple(self.set_aside(one, target.incident_id, target.order_id, rule) for one in empty)

    def set_aside(
        self, one: Incident, successor: UUID | None, order: UUID | None, rule: e.Rule, *, returns: bool = True
    ) -> a.Closed:
        """Close an incident that a command emptied, and cancel its order with the one that took over."""
        if one.order is not None:
            cancelled = last_version(one.order, OrderStatus.CANCELLED, rule, self.now, superseded_by=order)
            self.events.append(e.OrderCancelled(cancelled))
        for timer in (one.hold, one.relook):
            if timer is not None:
                self.events.append(e.TimerCleared(timer.timer_id, one.incident_id))
        self.events.append(a.IncidentSetAside(one.incident_id, successor, rule, returns))
        devices = (one.device.id, *one.also) if one.kind is e.Kind.OUTAGE else ()
        own = () if one.premises is None else (one.premises,)
        return a.Closed(one.incident_id, one.state, devices, (*own, *one.also_premises))

    def tell_field(
        self,
        incident: Incident,
        rule: e.Rule,
        *,
        device: tuple[DeviceRef, int] | None = None,
        must_go: bool = False,
        again: bool = False,
    ) -> None:
        """Make the next version of an order; a held one goes out where it must.

        Args:
            incident: Whose order.
            rule: Why.
            device: Device and customers under it, where they change.
            must_go: Whether a held order must wait no longer.
            again: Whether the order was cancelled and is issued again.
        """
        ref, served = device or (incident.device, incident.customers_served)
        subject = self.subject(incident.incident_id, incident.order_id, incident.kind, ref, served)
        if incident.order is not None:
            version = version_of(subject, incident.order.version + 1, rule, self.now)
            if again:
                version = version.model_copy(update={"status": OrderStatus.ISSUED})
            self.events.append(e.OrderUpdated(version))
        elif must_go or again or subject.never_waits:
            if incident.hold is not None:
                self.events.append(e.TimerCleared(incident.hold.timer_id, incident.incident_id))
            self.events.append(e.OrderIssued(version_of(subject, 1, rule, self.now)))

    def subject(self, incident: UUID, order: UUID, kind: e.Kind, device: DeviceRef, served: int) -> Subject:
        """Return what an order is about once the reports are where they will be."""
        standing = Standing()
        for report in self.inside(incident).values():
            standing.add(report)
        return Subject(incident, order, self.state.area, kind, device, served, standing)


def _merge(acting: Acting) -> a.Done:
    command = acting.command
    source = acting.incident(command.incident_id, "incident_id")
    target = acting.outage(command.target_id, "target_id")
    if source is target:
        raise RefusedError(("target_id", "is the incident itself"))
    if source.kind is e.Kind.HAZARD:
        raise RefusedError(
            ("incident_id", "danger is never merged away: it keeps its own order; relate the two instead")
        )
    return _regroup(acting, [(key, source) for key in source.reports], target, e.Rule.MERGED)


def _move(acting: Acting) -> a.Done:
    command = acting.command
    found = acting.members(command.reports)
    target = acting.outage(command.target_id, "target_id")
    there = [
        ("reports", f"report {key} is in incident {command.target_id} already") for key, at in found if at is target
    ]
    if there:
        raise RefusedError(*there[:_SHOWN])
    return _regroup(acting, found, target, e.Rule.MOVED)


def _regroup(acting: Acting, moves: Sequence[tuple[UUID, Incident]], target: Incident, rule: e.Rule) -> a.Done:
    sources = {source.incident_id: source for _, source in moves}
    for key in (*sources, target.incident_id):
        acting.pin(key)
    for report, source in moves:
        acting.move(report, source.incident_id, target.incident_id, rule)
    closed = acting.settle(target, sources.values(), rule)
    return a.Done(
        **acting.done(),  # type: ignore[arg-type] # the fields every Done has
        incidents=(target.incident_id, *sources),
        moves=tuple((report, source.incident_id) for report, source in moves),
        target=target.incident_id,
        closed=closed,
    )


def _split(acting: Acting) -> a.Done:
    command = acting.command
    found = acting.members(command.reports)
    source = acting.incident(command.incident_id, "incident_id")
    away = [("reports", f"report {key} is in incident {at.incident_id}") for key, at in found if at is not source]
    if away:
        raise RefusedError(*away[:_SHOWN])
    if len(found) == len(source.reports):
        raise RefusedError(("reports", "these are all reports of the incident: confirm it at the other device instead"))
    reports = [source.reports[key] for key, _ in found]
    kind, device, served, premises = _new_place(acting, reports)
    area = acting.state.area
    # The command's id is of whoever gave it: a report may have the same. The place in the ledger is used once.
    seq = acting.number()
    new, order = split_incident_id(area, command.command_id, seq), split_order_id(area, command.command_id, seq)
    acting.events.append(
        e.IncidentOpened(
            *(new, order, kind, device, served, seq, e.Rule.SPLIT),
            premises=premises,
            related_to=source.incident_id,
        )
    )
    acting.pin(source.incident_id)
    acting.pin(new)
    for key, _ in found:
        acting.move(key, source.incident_id, new, e.Rule.SPLIT)
    acting.settle(acting.subject(new, order, kind, device, served), [source], e.Rule.SPLIT)
    return a.Done(
        **acting.done(),  # type: ignore[arg-type] # the fields every Done has
        incidents=(new, source.incident_id),
        moves=tuple((key, source.incident_id) for key, _ in found),
        target=new,
        opened=True,
    )


def _new_place(acting: Acting, reports: Sequence[Report]) -> tuple[e.Kind, DeviceRef, int, str | None]:
    """Return what and where a split-off incident is: the device named, or the lowest above the reports.

    Where an incident stands there already, the reports of one customer become that customer's own.
    """
    state, named = acting.state, acting.command.device
    if named is not None:
        device, served = acting.device(named)
    else:
        leaves = {state.leaf(report.device) for report in reports}
        name = _lowest_above(state, leaves)
        if name is None:
            raise RefusedError(("device", "the reports are not of one place that is known: name a device"))
        device, served = acting.reference(name, reports[0])
    account = reports[0].account_id
    taken = device.id in state.by_device
    if taken and account is not None and {report.account_id for report in reports} == {account}:
        if account in state.by_premises:
            raise RefusedError(
                ("reports", f"incident {state.by_premises[account]} is of the same customer: move them there")
            )
        return e.Kind.SINGLE, device, min(served, 1), account
    acting.free(device.id)
    return e.Kind.OUTAGE, device, served, None


def _lowest_above(state: AreaState, leaves: set[str | None]) -> str | None:
    known = sorted(leaf for leaf in leaves if leaf is not None)
    if len(known) != len(leaves) or not known:
        return None
    if len(known) == 1:
        return known[0]
    if state.tree is None or any(leaf not in state.tree for leaf in known):
        return None
    common = state.tree.common_ancestor(known)
    return None if common is None else state.tree.protective_at_or_above(common)


def _confirm(acting: Acting) -> a.Done:
    command = acting.command
    incident = acting.incident(command.incident_id, "incident_id")
    before = incident.device
    if command.device is not None and command.device != before.id:
        if incident.kind is not e.Kind.OUTAGE:
            raise RefusedError(("device", f"an incident of kind {incident.kind.value} stays where it was reported"))
        device = acting.device(command.device)
        acting.free(command.device, but=[incident.incident_id])
        why = {"device_before": before.id, **acting.why}
        acting.events.append(e.PredictionMoved(incident.incident_id, *device, acting.number(), e.Rule.CONFIRMED, why))
    else:
        device = before, incident.customers_served
    if incident.state is not IncidentState.CONFIRMED:
        acting.events.append(a.IncidentStateSet(incident.incident_id, IncidentState.CONFIRMED, e.Rule.CONFIRMED))
    if incident.order is None or device[0] != before:
        acting.tell_field(incident, e.Rule.CONFIRMED, device=device, must_go=True)
    return a.Done(
        **acting.done(),  # type: ignore[arg-type] # the fields every Done has
        incidents=(incident.incident_id,),
        target=incident.incident_id,
        device=before,
        state=incident.state,
        served=incident.customers_served,
    )


def _relate(acting: Acting) -> a.Done:
    command = acting.command
    incident = acting.incident(command.incident_id, "incident_id")
    if command.target_id is None:
        raise RefusedError(("target_id", "is needed for this action"))
    if command.target_id == command.incident_id:
        raise RefusedError(("target_id", "is the incident itself"))
    acting.events.append(a.IncidentRelated(incident.incident_id, command.target_id, e.Rule.RELATED))
    return a.Done(
        **acting.done(),  # type: ignore[arg-type] # the fields every Done has
        incidents=(incident.incident_id,),
        target=command.target_id,
        related_to=incident.related_to,
    )


def _plan(acting: Acting) -> a.Done:
    command, known = acting.command, acting.state.planned.known
    if command.planned_id is None or command.starts_at is None or command.ends_at is None or command.device is None:
        raise RefusedError(("body", "planned_id, device, starts_at and ends_at are needed for this action"))
    if command.ends_at <= command.starts_at:
        raise RefusedError(("ends_at", "is not after starts_at"))
    before = known.get(command.planned_id)
    if before is not None and before.cancelled:
        raise RefusedError(("planned_id", f"planned outage {command.planned_id} was cancelled: make a new one"))
    device, _ = acting.device(command.device)
    planned = Planned(
        planned_id=command.planned_id,
        device=device.id,
        starts_at=command.starts_at,
        ends_at=command.ends_at,
        author=command.author,
        reason=command.reason,
        revision=1 if before is None else before.revision + 1,
    )
    acting.events.append(a.PlannedSet(planned))
    return a.Done(**acting.done())  # type: ignore[arg-type] # the fields every Done has


def _cancel_plan(acting: Acting) -> a.Done:
    command = acting.command
    before = None if command.planned_id is None else acting.state.planned.known.get(command.planned_id)
    if before is None:
        raise RefusedError(("planned_id", f"area {acting.state.area} has no planned outage {command.planned_id}"))
    if before.cancelled:
        raise RefusedError(("planned_id", f"planned outage {command.planned_id} is cancelled already"))
    planned = Planned(
        planned_id=before.planned_id,
        device=before.device,
        starts_at=before.starts_at,
        ends_at=before.ends_at,
        author=command.author,
        reason=command.reason,
        revision=before.revision + 1,
        cancelled=True,
    )
    acting.events.append(a.PlannedSet(planned))
    return a.Done(**acting.done())  # type: ignore[arg-type] # the fields every Done has


_DO: Final[Mapping[CommandAction, Callable[[Acting], a.Done]]] = {
    CommandAction.MERGE: _merge,
    CommandAction.SPLIT: _split,
    CommandAction.MOVE: _move,
    CommandAction.CONFIRM: _confirm,
    CommandAction.RELATE: _relate,
    CommandAction.PLAN: _plan,
    CommandAction.CANCEL_PLAN: _cancel_plan,
}
