"""What an event does to what is known: ``evolve(state, event) -> state``.

For speed it changes the state in place and returns it. The shell therefore takes a state out of its cache before
the first event and puts it back only after the commit; whatever fails in between drops it, and it is loaded again.
Never here: a decision. An event is what happened, and always fits the state it was decided on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.values import IncidentState
from services.dedup.domain import events as e
from services.dedup.domain.state import AreaState, Hold, Incident, Restored

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any


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
    )
    state.next_seq = event.seq + 1
    install(state, incident)


def install(state: AreaState, incident: Incident) -> None:
    """Put an open incident where it is found: used for opening and for loading."""
    state.incidents[incident.incident_id] = incident
    if incident.kind is e.Kind.OUTAGE:
        _stand_at(state, incident)
    elif incident.kind is e.Kind.SINGLE and incident.premises is not None:
        state.by_premises[incident.premises] = incident.incident_id


def _stand_at(state: AreaState, incident: Incident) -> None:
    state.by_device[incident.device.id] = incident.incident_id
    for step in state.path(incident.device.id):
        state.below.setdefault(step.device, {})[incident.incident_id] = None


def _leave_device(state: AreaState, incident: Incident) -> None:
    if state.by_device.get(incident.device.id) == incident.incident_id:
        del state.by_device[incident.device.id]
    for step in state.path(incident.device.id):
        state.below.get(step.device, {}).pop(incident.incident_id, None)


def _note_time(state: AreaState, reported_at: datetime) -> None:
    if state.latest is None or reported_at > state.latest:
        state.latest = reported_at
        state.evidence.advance(reported_at)


def _joined(state: AreaState, event: e.ReportJoined) -> None:
    report = event.report
    _note_time(state, report.reported_at)
    state.next_seq = event.seq + 1
    incident = state.incidents[event.incident_id]
    incident.add(report)
    state.members[report.report_id] = incident.incident_id
    leaf = state.leaf(report.device)
    if event.evidence_at is not None and leaf is not None:
        count(state, incident, leaf, event.evidence_at)


def count(state: AreaState, incident: Incident, leaf: str, at: datetime) -> None:
    """Let a transformer count as evidence of an incident: used for joining and for loading."""
    incident.leaves[leaf] = at
    state.counted[leaf] = incident.incident_id
    state.evidence.add(leaf, at, state.path(leaf))


def _discount(state: AreaState, incident: Incident) -> None:
    for leaf in incident.leaves:
        if state.counted.get(leaf) == incident.incident_id:
            del state.counted[leaf]
            state.evidence.remove(leaf)


def _moved(state: AreaState, event: e.ReportMoved) -> None:
    report = state.incidents[event.source].reports.pop(event.report_id)
    state.incidents[event.target].reports[event.report_id] = report
    state.members[event.report_id] = event.target
    state.next_seq = event.seq + 2


def _prediction_moved(state: AreaState, event: e.PredictionMoved) -> None:
    incident = state.incidents[event.incident_id]
    _leave_device(state, incident)
    incident.device = event.device
    incident.customers_served = event.customers_served
    incident.since_seq = state.next_seq
    _stand_at(state, incident)


def _absorbed(state: AreaState, event: e.IncidentAbsorbed) -> None:
    incident = state.incidents.pop(event.incident_id)
    successor = state.incidents[event.successor]
    _leave_device(state, incident)
    successor.take_over(incident)
    for leaf in incident.leaves:
        state.counted[leaf] = event.successor
    incident.state = IncidentState.CANCELLED
    incident.merged_into = event.successor
    incident.hold = None


def _ordered(state: AreaState, event: e.OrderEvent) -> None:
    incident = state.incidents[event.order.incident_id]
    incident.order = event.order


def _noted(state: AreaState, event: e.ProgressNoted) -> None:
    incident = state.incidents[event.incident_id]
    incident.stage = event.progress.stage
    incident.stage_at = event.progress.at
    incident.cause = event.progress.cause or incident.cause
    if event.confirmed and not incident.frozen:
        incident.state = IncidentState.CONFIRMED
        _discount(state, incident)


def _ignored(_state: AreaState, _event: e.ProgressIgnored) -> None:
    """Kept for the record only."""


def _etr_set(state: AreaState, event: e.EtrSet) -> None:
    state.incidents[event.incident_id].etr = event.etr


def _restored(state: AreaState, event: e.IncidentRestored) -> None:
    incident = state.incidents.pop(event.incident_id)
    if incident.kind is e.Kind.OUTAGE:
        _leave_device(state, incident)
    elif incident.premises is not None and state.by_premises.get(incident.premises) == incident.incident_id:
        del state.by_premises[incident.premises]
    if not incident.frozen:
        _discount(state, incident)
    for report in incident.reports:
        del state.members[report]
    incident.state = IncidentState.RESTORED
    incident.restored_at = event.restored_at
    incident.restored_seq = state.next_seq
    incident.stage = event.progress.stage
    incident.stage_at = event.progress.at
    incident.cause = event.progress.cause or incident.cause
    incident.hold = None
    restored = Restored(event.restored_at, state.next_seq, incident.incident_id)
    remember(state, incident.kind, incident.device.id, incident.premises, restored)
    _forget_old(state)


def remember(state: AreaState, kind: e.Kind, device: str, premises: str | None, restored: Restored) -> None:
    """Let a restoration answer late reports: used for restoring and for loading."""
    if kind is e.Kind.OUTAGE:
        _keep_later(state.restored, device, restored)
    elif kind is e.Kind.SINGLE and premises is not None:
        _keep_later(state.restored_premises, premises, restored)


def _keep_later(known: dict[str, Restored], key: str, restored: Restored) -> None:
    if key not in known or known[key] < restored:
        known[key] = restored


def _forget_old(state: AreaState) -> None:
    if state.latest is None:
        return
    since = state.latest - state.rules.restored_memory
    for known in (state.restored, state.restored_premises):
        for key in [key for key, one in known.items() if one.restored_at < since]:
            del known[key]


def _answered(state: AreaState, event: e.ReportAnswered) -> None:
    _note_time(state, event.report.reported_at)


def _needs_person(state: AreaState, event: e.ReportNeedsPerson) -> None:
    _note_time(state, event.report.reported_at)


def _timer_set(state: AreaState, event: e.TimerSet) -> None:
    state.incidents[event.incident_id].hold = Hold(event.timer_id, event.due_at)


def _timer_cleared(state: AreaState, event: e.TimerCleared) -> None:
    state.incidents[event.incident_id].hold = None


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
    e.ReportAnswered: _answered,
    e.ReportNeedsPerson: _needs_person,
    e.TimerSet: _timer_set,
    e.TimerCleared: _timer_cleared,
}
