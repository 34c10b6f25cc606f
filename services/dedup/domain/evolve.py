"""What an event does to what is known: ``evolve(state, event) -> state``.

For speed it changes the state in place and returns it. The shell therefore takes a state out of its cache before
the first event and puts it back only after the commit; whatever fails in between drops it, and it is loaded again.
Never here: a decision. An event is what happened, and always fits the state it was decided on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import IncidentState
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from services.dedup.domain.incident import Hold, Incident, Relook
from services.dedup.domain.indexing import install, leave, leave_device, leave_off, remember, stand_at, stand_for
from services.dedup.domain.state import AreaState, Restored

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any
    from uuid import UUID

    from services.dedup.domain.report import Report


def evolve(state: AreaState, event: e.Event) -> AreaState:
    """Apply one event in place and return the state."""
    _APPLY[type(event)](state, event)
    return state


def _opened(state: AreaState, event: e.IncidentOpened) -> None:
    incident = Incident(
        incident_id=event.incident_id,
        order_id=event.order_id,
        kind=event.kind,
        device=event.device,
        customers_served=event.customers_served,
        opened_seq=event.seq,
        since_seq=event.seq,
        premises=event.premises,
        related_to=event.related_to,
        continues=event.continues,
        out_since=event.out_since,
    )
    state.next_seq = event.seq + 1
    install(state, incident)


def _note_time(state: AreaState, report: Report) -> None:
    if state.latest is None or report.made_at > state.latest:
        state.latest = report.made_at
        state.lag = (report.received_at - report.made_at).total_seconds()
    if state.rules.storm is not None:
        state.pace = state.pace.arrived(report.received_at.timestamp(), state.rules.storm)


def _joined(state: AreaState, event: e.ReportJoined) -> None:
    report = event.report
    _note_time(state, report)
    state.next_seq = event.seq + 1
    incident = state.incidents[event.incident_id]
    incident.add(report)
    state.members[report.report_id] = incident.incident_id


def _moved(state: AreaState, event: e.ReportMoved) -> None:
    state.incidents[event.target].add(state.incidents[event.source].remove(event.report_id))
    state.members[event.report_id] = event.target
    state.next_seq = event.seq + 2


def _prediction_moved(state: AreaState, event: e.PredictionMoved) -> None:
    incident = state.incidents[event.incident_id]
    leave_device(state, incident)
    incident.move(event.device, event.customers_served)
    incident.since_seq = event.seq
    state.next_seq = event.seq + 1
    stand_at(state, incident)


def _absorbed(state: AreaState, event: e.IncidentAbsorbed) -> None:
    incident = state.incidents.pop(event.incident_id)
    leave(state, incident)
    forget_commands(state, incident.incident_id)
    incident.state = IncidentState.CANCELLED
    incident.merged_into = event.successor
    incident.hold = incident.relook = None


def _ordered(state: AreaState, event: e.OrderEvent) -> None:
    incident = state.incidents[event.order.incident_id]
    incident.order = event.order


def _noted(state: AreaState, event: e.ProgressNoted) -> None:
    incident = state.incidents[event.incident_id]
    incident.stage = event.progress.stage
    incident.stage_at = event.progress.at
    incident.cause = event.progress.cause or incident.cause
    if event.confirmed:
        incident.state = IncidentState.CONFIRMED
        incident.arrived_at = incident.arrived_at or event.progress.at


def _ignored(_state: AreaState, _event: e.ProgressIgnored) -> None:
    """Kept for the record only."""


def _etr_set(state: AreaState, event: e.EtrSet) -> None:
    state.incidents[event.incident_id].etr = event.etr


def _restored(state: AreaState, event: e.IncidentRestored) -> None:
    incident = state.incidents.pop(event.incident_id)
    leave(state, incident)
    for report in incident.reports:
        del state.members[report]
    incident.state = IncidentState.RESTORED
    incident.restored_at = event.restored_at
    incident.restored_seq = state.next_seq
    if event.progress is not None:
        incident.stage = event.progress.stage
        incident.stage_at = event.progress.at
        incident.cause = event.progress.cause or incident.cause
    incident.hold = incident.relook = None
    since = incident.began_at
    restored = Restored(event.restored_at, state.next_seq, incident.incident_id, since)
    remember(state, incident.kind, incident.device.id, incident.premises, restored, incident.also)
    forget_commands(state, incident.incident_id)
    _forget_old(state)


def _part_restored(state: AreaState, event: e.PartRestored) -> None:
    restored = Restored(event.restored_at, event.seq, event.incident_id, event.since)
    remember(state, e.Kind.OUTAGE, event.device, None, restored)


def _learned(state: AreaState, event: e.OutageLearned) -> None:
    state.learn(event.learned)


def forget_commands(state: AreaState, gone: UUID) -> None:
    """Drop what persons did to an incident that is gone for good: it cannot be undone any more."""
    if not state.commands and not state.set_aside:
        return
    for key, done in list(state.commands.items()):
        if gone in done.incidents and not done.outlives_its_incident:
            _forget_command(state, key)
    kept = {closed.incident_id for done in state.commands.values() for closed in done.closed}
    for key in state.set_aside.keys() - kept:
        del state.set_aside[key]


def _forget_command(state: AreaState, key: UUID) -> None:
    """Drop one command; what it had covered is answered for good, unless it is back in an incident."""
    done = state.commands.pop(key, None)
    if done is not None and state.covered:
        for report, _ in done.moves:
            state.covered.pop(report, None)


def _forget_old(state: AreaState) -> None:
    if state.latest is None:
        return
    since = state.latest - state.rules.restored_memory
    if state.oldest_restored is not None and state.oldest_restored < since:  # else they need not be looked through
        for known in (state.restored, state.restored_premises):
            for key in [key for key, one in known.items() if one.restored_at < since]:
                del known[key]
        kept = (*state.restored.values(), *state.restored_premises.values())
        state.oldest_restored = min((one.restored_at for one in kept), default=None)
    state.planned.forget(since)
    for gone in state.answered.keys() - state.planned.known.keys():
        del state.answered[gone]


def _answered(state: AreaState, event: e.ReportAnswered) -> None:
    _note_time(state, event.report)
    if event.planned is not None:
        state.answered.setdefault(event.planned.planned_id, {})[event.report.report_id] = event.report


def _needs_person(state: AreaState, event: e.ReportNeedsPerson) -> None:
    _note_time(state, event.report)
    state.waiting[event.report.report_id] = event.report


def _timer_set(state: AreaState, event: e.TimerSet) -> None:
    incident = state.incidents[event.incident_id]
    if event.since is None:
        incident.hold = Hold(event.timer_id, event.due_at)
    else:
        incident.relook = Relook(event.timer_id, event.due_at, event.since, event.step)


def _timer_cleared(state: AreaState, event: e.TimerCleared) -> None:
    incident = state.incidents[event.incident_id]
    if incident.hold is not None and incident.hold.timer_id == event.timer_id:
        incident.hold = None
    elif incident.relook is not None and incident.relook.timer_id == event.timer_id:
        incident.relook = None


# --- what people, meters and breakers do ---


def _command_done(state: AreaState, event: a.CommandDone) -> None:
    state.next_seq = event.done.seq + 1
    if event.undoes is not None:
        _forget_command(state, event.undoes)
    if event.done.incidents:
        state.commands[event.done.command_id] = event.done


def _for_the_record(_state: AreaState, _event: object) -> None:
    """Kept for the record only."""


def _pinned(state: AreaState, event: a.IncidentPinned) -> None:
    state.incidents[event.incident_id].pinned = True


def _unpinned(state: AreaState, event: a.IncidentUnpinned) -> None:
    state.incidents[event.incident_id].pinned = False


def _set_aside(state: AreaState, event: a.IncidentSetAside) -> None:
    incident = state.incidents.pop(event.incident_id)
    leave(state, incident)
    if event.successor is None or not event.returns:
        forget_commands(state, incident.incident_id)
    else:
        successor = state.incidents[event.successor]
        if incident.kind is e.Kind.OUTAGE:
            successor.also = (*successor.also, incident.device.id, *incident.also)
        elif incident.premises is not None:
            successor.also_premises = (*successor.also_premises, incident.premises)
        successor.also_premises = (*successor.also_premises, *incident.also_premises)
        stand_for(state, successor)
        state.set_aside[incident.incident_id] = incident
    incident.state = IncidentState.CANCELLED
    incident.merged_into = event.successor
    incident.hold = incident.relook = None


def _reopened(state: AreaState, event: a.IncidentReopened) -> None:
    incident = state.set_aside.pop(event.incident_id)
    if incident.merged_into is not None and (successor := state.incidents.get(incident.merged_into)) is not None:
        leave_off(state, successor, event.closed)
    incident.state = event.closed.state
    incident.merged_into = None
    incident.pinned = True
    install(state, incident)


def _recounted(state: AreaState, event: a.IncidentRecounted) -> None:
    state.incidents[event.incident_id].recount()


def _state_set(state: AreaState, event: a.IncidentStateSet) -> None:
    state.incidents[event.incident_id].state = event.state


def _related(state: AreaState, event: a.IncidentRelated) -> None:
    state.incidents[event.incident_id].related_to = event.related_to


def _placed(state: AreaState, event: a.ReportPlaced) -> None:
    state.waiting.pop(event.report_id, None)


def _unplaced(state: AreaState, event: a.ReportUnplaced) -> None:
    report = event.report
    state.waiting[report.report_id] = report
    if event.incident_id is None or event.seq is None:
        return
    state.next_seq = event.seq + 1
    incident = state.incidents[event.incident_id]
    incident.remove(report.report_id)
    del state.members[report.report_id]


def _planned_set(state: AreaState, event: pa.PlannedSet) -> None:
    state.planned.set(event.planned)


def _plan_settled(state: AreaState, event: pa.PlanSettled) -> None:
    incident = state.incidents[event.incident_id]
    rest = tuple(one for one in incident.settled_plans if one != event.planned_id)
    incident.settled_plans = (*rest, event.planned_id) if event.settled else rest


def _report_covered(state: AreaState, event: pa.ReportCovered) -> None:
    key = event.report.report_id
    state.next_seq = event.seq + 1
    state.covered[key] = state.incidents[event.incident_id].remove(key)
    del state.members[key]


def _cover_moved(state: AreaState, event: pa.CoverMoved) -> None:
    if event.instead_of is not None:
        del state.answered[event.instead_of][event.report.report_id]
        state.answered.setdefault(event.planned.planned_id, {})[event.report.report_id] = event.report


def _answer_over(state: AreaState, event: pa.AnswerOver) -> None:
    key = event.report.report_id
    if state.covered.pop(key, None) is None and event.planned_id is not None:
        del state.answered[event.planned_id][key]


def _acceptance_narrowed(state: AreaState, event: pa.AcceptanceNarrowed) -> None:
    state.commands[event.done.command_id] = event.done


def _report_uncovered(state: AreaState, event: pa.ReportUncovered) -> None:
    report = event.report
    if state.covered.pop(report.report_id, None) is None and event.planned_id is not None:
        del state.answered[event.planned_id][report.report_id]
    state.next_seq = event.seq + 1
    state.incidents[event.incident_id].add(report)
    state.members[report.report_id] = event.incident_id


def _incident_covered(state: AreaState, event: pa.IncidentCovered) -> None:
    incident = state.set_aside[event.incident_id] = state.incidents.pop(event.incident_id)
    leave(state, incident)
    incident.state, incident.covered_by = IncidentState.CANCELLED, event.planned_id
    incident.hold = incident.relook = None


def _incident_uncovered(state: AreaState, event: pa.IncidentUncovered) -> None:
    incident = state.set_aside.pop(event.incident_id)
    incident.covered_by = None
    if event.into is not None:
        incident.merged_into = event.into
        forget_commands(state, incident.incident_id)
        return
    incident.state = event.closed.state
    incident.also = tuple(one for one in incident.also if one not in state.by_device)
    incident.also_premises = tuple(one for one in incident.also_premises if one not in state.by_premises)
    install(state, incident)


def _acceptance_over(state: AreaState, event: pa.AcceptanceOver) -> None:
    _forget_command(state, event.command_id)
    if event.gone is not None:
        state.set_aside.pop(event.gone, None)
        forget_commands(state, event.gone)


def _telemetry_noted(state: AreaState, event: a.TelemetryNoted) -> None:
    said = event.telemetry
    state.telemetry.note(said, state.upstream(said.device))


def _suggested(state: AreaState, event: a.RestorationSuggested) -> None:
    state.incidents[event.incident_id].suggested_at = event.at


def _proposed(state: AreaState, event: a.RelocationProposed) -> None:
    state.incidents[event.incident_id].proposed_device = event.device


def _network_changed(state: AreaState, event: a.IncidentMoved) -> None:
    incident = state.incidents[event.incident_id]
    incident.network_change, incident.network = event.change, event.network
    if incident.kind is e.Kind.OUTAGE and event.now_in not in {None, state.area, *incident.told}:
        incident.told = (*incident.told, str(event.now_in))
    incident.also = (*incident.also, *(one for one in event.places if one not in incident.also))
    stand_for(state, incident)


def _noted_elsewhere(state: AreaState, event: a.ElsewhereNoted) -> None:
    state.elsewhere[event.outage.device] = event.outage


def _over_elsewhere(state: AreaState, event: a.ElsewhereOver) -> None:
    for device in [key for key, one in state.elsewhere.items() if one.incident_id == event.incident_id]:
        del state.elsewhere[device]


def _breached(state: AreaState, event: a.DeadlineBreached) -> None:
    incident = state.incidents[event.incident_id]
    incident.breached = (*incident.breached, event.what)


def _storm_began(state: AreaState, event: a.StormBegan) -> None:
    state.pace = state.pace._replace(since=event.at.timestamp())


def _storm_ended(state: AreaState, _event: a.StormEnded) -> None:
    state.pace = state.pace._replace(since=None)


_APPLY: dict[type[e.Event], Callable[[AreaState, Any], None]] = {
    e.IncidentOpened: _opened,
    e.ReportJoined: _joined,
    e.ReportMoved: _moved,
    e.PredictionMoved: _prediction_moved,
    e.IncidentAbsorbed: _absorbed,
    e.OrderIssued: _ordered,
    e.OrderUpdated: _ordered,
    e.OrderCancelled: _ordered,
    e.OrderClosed: _ordered,
    e.ProgressNoted: _noted,
    e.ProgressIgnored: _ignored,
    e.EtrSet: _etr_set,
    e.IncidentRestored: _restored,
    e.PartRestored: _part_restored,
    e.OutageLearned: _learned,
    e.ReportAnswered: _answered,
    e.ReportNeedsPerson: _needs_person,
    e.TimerSet: _timer_set,
    e.TimerCleared: _timer_cleared,
    a.CommandDone: _command_done,
    a.CommandRefused: _for_the_record,
    a.IncidentPinned: _pinned,
    a.IncidentUnpinned: _unpinned,
    a.IncidentSetAside: _set_aside,
    a.IncidentReopened: _reopened,
    a.IncidentRecounted: _recounted,
    a.IncidentStateSet: _state_set,
    a.IncidentRelated: _related,
    a.ReportPlaced: _placed,
    a.ReportUnplaced: _unplaced,
    pa.PlannedSet: _planned_set,
    pa.PlanProposed: _for_the_record,
    pa.PlanSettled: _plan_settled,
    pa.ReportCovered: _report_covered,
    pa.CoverMoved: _cover_moved,
    pa.AnswerOver: _answer_over,
    pa.AcceptanceNarrowed: _acceptance_narrowed,
    pa.ReportUncovered: _report_uncovered,
    pa.IncidentCovered: _incident_covered,
    pa.IncidentUncovered: _incident_uncovered,
    pa.AcceptanceOver: _acceptance_over,
    a.TelemetryNoted: _telemetry_noted,
    a.RestorationSuggested: _suggested,
    a.RelocationProposed: _proposed,
    a.DeadlineBreached: _breached,
    a.StormBegan: _storm_began,
    a.StormEnded: _storm_ended,
    a.IncidentMoved: _network_changed,
    a.ElsewhereNoted: _noted_elsewhere,
    a.ElsewhereOver: _over_elsewhere,
}
