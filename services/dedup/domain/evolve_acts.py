"""What an event of people, meters, breakers, the network or a clock does to what is known: a part of ``evolve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.values import IncidentState
from services.dedup.domain import acts as a
from services.dedup.domain.events import Kind
from services.dedup.domain.forgetting import forget_command, forget_commands
from services.dedup.domain.indexing import install, leave, leave_off, stand_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from services.dedup.domain.state import AreaState


def _command_done(state: AreaState, event: a.CommandDone) -> None:
    state.next_seq = event.done.seq + 1
    if event.undoes is not None:
        forget_command(state, event.undoes)
    if event.done.incidents:
        state.commands[event.done.command_id] = event.done


def for_the_record(_state: AreaState, _event: object) -> None:
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
        if incident.kind is Kind.OUTAGE:
            successor.also = (*successor.also, incident.device.id, *incident.also)
        elif incident.premises is not None:
            successor.also_premises = (*successor.also_premises, incident.premises)
        successor.also_premises = (*successor.also_premises, *incident.also_premises)
        stand_for(state, successor)
        state.set_aside[incident.incident_id] = incident
    incident.state = IncidentState.CANCELLED
    incident.merged_into = event.successor


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
    state.next_seq = event.seq + 1
    state.incidents[event.incident_id].remove(report.report_id)
    del state.members[report.report_id]


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
    if incident.kind is Kind.OUTAGE and event.now_in not in {None, state.area, *incident.told}:
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


APPLY: Final[dict[type[object], Callable[[AreaState, Any], None]]] = {
    a.CommandDone: _command_done,
    a.CommandRefused: for_the_record,
    a.IncidentPinned: _pinned,
    a.IncidentUnpinned: _unpinned,
    a.IncidentSetAside: _set_aside,
    a.IncidentReopened: _reopened,
    a.IncidentRecounted: _recounted,
    a.IncidentStateSet: _state_set,
    a.IncidentRelated: _related,
    a.ReportPlaced: _placed,
    a.ReportUnplaced: _unplaced,
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
