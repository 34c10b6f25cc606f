"""What an event does to what is known: ``evolve(state, event) -> state``.

For speed it changes the state in place and returns it. The shell therefore takes a state out of its cache before
the first event and puts it back only after the commit; whatever fails in between drops it, and it is loaded again.
Never here: a decision. An event is what happened, and always fits the state it was decided on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.values import IncidentState
from services.dedup.domain import events as e
from services.dedup.domain import evolve_acts, evolve_plans
from services.dedup.domain.forgetting import forget_commands, forget_old
from services.dedup.domain.incident import Hold, Incident, Relook
from services.dedup.domain.indexing import install, leave, leave_device, remember, stand_at
from services.dedup.domain.state import AreaState, Restored

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

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
        forget_old(state)
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
    if incident.out_since is not None and not _goes_on_there(state, incident):
        incident.out_since = None


def _goes_on_there(state: AreaState, incident: Incident) -> bool:
    """Tell whether all under an incident's device were without power in the outage that goes on in it.

    Those still out after it may turn out to be some of a larger outage, which began for all others with their calls.
    """
    if state.tree is None:
        return True
    known = (state.restored.get(one) for one in state.upstream(incident.device.id))
    return any(one is not None and one.incident_id == incident.continues for one in known)


def _absorbed(state: AreaState, event: e.IncidentAbsorbed) -> None:
    incident = state.incidents.pop(event.incident_id)
    leave(state, incident)
    forget_commands(state, incident.incident_id)
    incident.state = IncidentState.CANCELLED
    incident.merged_into = event.successor


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
    since = incident.began_at
    restored = Restored(event.restored_at, state.next_seq, incident.incident_id, since)
    remember(state, incident.kind, incident.device.id, incident.premises, restored, incident.also)
    forget_commands(state, incident.incident_id)
    forget_old(state)


def _part_restored(state: AreaState, event: e.PartRestored) -> None:
    restored = Restored(event.restored_at, event.seq, event.incident_id, event.since)
    remember(state, e.Kind.OUTAGE, event.device, None, restored)
    forget_old(state)


def _learned(state: AreaState, event: e.OutageLearned) -> None:
    state.learn(event.learned)


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


_APPLY: Final[dict[type[object], Callable[[AreaState, Any], None]]] = {
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
    e.ProgressIgnored: evolve_acts.for_the_record,
    e.EtrSet: _etr_set,
    e.IncidentRestored: _restored,
    e.PartRestored: _part_restored,
    e.OutageLearned: _learned,
    e.ReportAnswered: _answered,
    e.ReportNeedsPerson: _needs_person,
    e.TimerSet: _timer_set,
    e.TimerCleared: _timer_cleared,
    **evolve_acts.APPLY,
    **evolve_plans.APPLY,
}
