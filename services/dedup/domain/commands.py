"""What a dispatcher's command comes to: merge, split, move, confirm, relate. Plans: ``planning``; undoing: ``undo``.

Decided here: whether a command can be carried out, and the events that do it. Every reason against it is named with
its field. A command is whole or not at all. Danger is never merged away: a hazard's incident takes nobody and gives
nobody. What a person arranged is pinned: inference leaves it where it is until the command is undone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from services.contracts.ids import split_incident_id, split_order_id
from services.contracts.values import CommandAction, DeviceRef, IncidentState
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain import planning, withdrawing
from services.dedup.domain.acting import SHOWN, Acting, RefusedError, lowest_above
from services.dedup.domain.decided_by import Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import OutageCommanded
    from services.dedup.domain.done import Done
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState


def obey(state: AreaState, command: OutageCommanded, now: datetime) -> list[e.Event]:
    """Return the events of a command about incidents or planned outages; nothing for one that was carried out."""
    if command.command_id in state.commands:
        return []
    doing = _DO[command.action]
    acting = Acting(state, command, now)
    try:
        withdrawing.forget_expired(acting)
        done = doing(acting)
    except RefusedError as error:
        return [a.CommandRefused(command, error.wrong)]
    acting.events.append(a.CommandDone(command, done))
    return acting.events


def _merge(acting: Acting) -> Done:
    command = acting.command
    source = acting.incident(command.incident_id, "incident_id")
    if command.target_id == command.incident_id:
        raise RefusedError(("target_id", "is the incident itself"))
    target = acting.outage(command.target_id, "target_id")
    if source.kind is e.Kind.HAZARD:
        raise RefusedError(
            ("incident_id", "danger is never merged away: it keeps its own order; relate the two instead")
        )
    acting.movable("incident_id", source, target)
    return _regroup(acting, [(key, source) for key in source.reports], target, Rule.MERGED)


def _move(acting: Acting) -> Done:
    command = acting.command
    found = acting.members(command.reports)
    target = acting.outage(command.target_id, "target_id")
    there = [
        ("reports", f"report {key} is in incident {command.target_id} already") for key, at in found if at is target
    ]
    if there:
        raise RefusedError(*there[:SHOWN])
    _all_of(command.incident_id, found)
    return _regroup(acting, found, target, Rule.MOVED)


def _all_of(named: UUID | None, found: Sequence[tuple[UUID, Incident]]) -> None:
    """Refuse reports of another incident than the one named: it is that one's revision the person has seen.

    Raises:
        RefusedError: one is of another.
    """
    away = [
        ("reports", f"report {key} is in incident {at.incident_id}")
        for key, at in found
        if named not in {None, at.incident_id}
    ]
    if away:
        raise RefusedError(*away[:SHOWN])


def _regroup(acting: Acting, moves: Sequence[tuple[UUID, Incident]], target: Incident, rule: Rule) -> Done:
    sources = {source.incident_id: source for _, source in moves}
    for key in (*sources, target.incident_id):
        acting.pin(key)
    for report, source in moves:
        acting.move(report, source.incident_id, target.incident_id, rule)
    closed = acting.settle(target, sources.values(), rule)
    return replace(
        acting.done(),
        incidents=(target.incident_id, *sources),
        moves=tuple((report, source.incident_id) for report, source in moves),
        target=target.incident_id,
        closed=closed,
    )


def _split(acting: Acting) -> Done:
    command = acting.command
    found = acting.members(command.reports)
    source = acting.incident(command.incident_id, "incident_id")
    _all_of(source.incident_id, found)
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
            *(new, order, kind, device, served, seq, Rule.SPLIT),
            premises=premises,
            related_to=source.incident_id,
        )
    )
    acting.pin(source.incident_id)
    acting.pin(new)
    for key, _ in found:
        acting.move(key, source.incident_id, new, Rule.SPLIT)
    acting.settle(acting.subject(new, order, kind, device, served), [source], Rule.SPLIT)
    return replace(
        acting.done(),
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
        name = lowest_above(state, leaves)
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


def _confirm(acting: Acting) -> Done:
    command = acting.command
    incident = acting.incident(command.incident_id, "incident_id")
    before = incident.device
    if command.device is not None and command.device != before.id:
        if incident.kind is not e.Kind.OUTAGE:
            raise RefusedError(("device", f"an incident of kind {incident.kind.value} stays where it was reported"))
        device = acting.device(command.device)
        acting.free(command.device, but=[incident.incident_id])
        why = {"device_before": before.id, **acting.why}
        acting.events.append(e.PredictionMoved(incident.incident_id, *device, acting.number(), Rule.CONFIRMED, why))
    else:
        device = before, incident.customers_served
    if incident.state is not IncidentState.CONFIRMED:
        acting.events.append(a.IncidentStateSet(incident.incident_id, IncidentState.CONFIRMED, Rule.CONFIRMED))
    if incident.order is None or device[0] != before:
        acting.tell_field(incident, Rule.CONFIRMED, device=device, must_go=True)
    return replace(
        acting.done(),
        incidents=(incident.incident_id,),
        target=incident.incident_id,
        device=before,
        state=incident.state,
        served=incident.customers_served,
    )


def _relate(acting: Acting) -> Done:
    command = acting.command
    incident = acting.incident(command.incident_id, "incident_id")
    if command.target_id is None:
        raise RefusedError(("target_id", "is needed for this action"))
    if command.target_id == command.incident_id:
        raise RefusedError(("target_id", "is the incident itself"))
    acting.events.append(a.IncidentRelated(incident.incident_id, command.target_id, Rule.RELATED))
    return replace(
        acting.done(),
        incidents=(incident.incident_id,),
        target=command.target_id,
        related_to=incident.related_to,
    )


_DO: Final[Mapping[CommandAction, Callable[[Acting], Done]]] = {
    CommandAction.MERGE: _merge,
    CommandAction.SPLIT: _split,
    CommandAction.MOVE: _move,
    CommandAction.CONFIRM: _confirm,
    CommandAction.RELATE: _relate,
    CommandAction.PLAN: planning.plan,
    CommandAction.CANCEL_PLAN: planning.cancel_plan,
    CommandAction.ACCEPT_PLAN: planning.accept,
    CommandAction.DECLINE_PLAN: planning.decline,
}
