"""What an event about a planned outage does to what is known: a part of ``evolve``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.values import IncidentState
from services.dedup.domain import plan_acts as pa
from services.dedup.domain.evolve_acts import for_the_record
from services.dedup.domain.forgetting import forget_command, forget_commands, forget_old
from services.dedup.domain.indexing import install, leave

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any
    from uuid import UUID

    from services.dedup.domain.state import AreaState


def _planned_set(state: AreaState, event: pa.PlannedSet) -> None:
    state.planned.set(event.planned)
    forget_old(state)


def _no_answer(state: AreaState, planned: UUID | None, report: UUID) -> None:
    """Let a planned outage, which may have been forgotten by then, answer a report no longer."""
    if planned is not None:
        state.answered.get(planned, {}).pop(report, None)


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
        _no_answer(state, event.instead_of, event.report.report_id)
        state.answered.setdefault(event.planned.planned_id, {})[event.report.report_id] = event.report


def _answer_over(state: AreaState, event: pa.AnswerOver) -> None:
    key = event.report.report_id
    if state.covered.pop(key, None) is None:
        _no_answer(state, event.planned_id, key)


def _acceptance_narrowed(state: AreaState, event: pa.AcceptanceNarrowed) -> None:
    state.commands[event.done.command_id] = event.done


def _report_uncovered(state: AreaState, event: pa.ReportUncovered) -> None:
    report = event.report
    if state.covered.pop(report.report_id, None) is None:
        _no_answer(state, event.planned_id, report.report_id)
    state.next_seq = event.seq + 1
    state.incidents[event.incident_id].add(report)
    state.members[report.report_id] = event.incident_id


def _incident_covered(state: AreaState, event: pa.IncidentCovered) -> None:
    incident = state.set_aside[event.incident_id] = state.incidents.pop(event.incident_id)
    leave(state, incident)
    incident.state, incident.covered_by = IncidentState.CANCELLED, event.planned_id


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
    forget_command(state, event.command_id)
    if event.gone is not None:
        state.set_aside.pop(event.gone, None)
        forget_commands(state, event.gone)


APPLY: Final[dict[type[object], Callable[[AreaState, Any], None]]] = {
    pa.PlannedSet: _planned_set,
    pa.PlanProposed: for_the_record,
    pa.PlanSettled: _plan_settled,
    pa.ReportCovered: _report_covered,
    pa.CoverMoved: _cover_moved,
    pa.AnswerOver: _answer_over,
    pa.AcceptanceNarrowed: _acceptance_narrowed,
    pa.ReportUncovered: _report_uncovered,
    pa.IncidentCovered: _incident_covered,
    pa.IncidentUncovered: _incident_uncovered,
    pa.AcceptanceOver: _acceptance_over,
}
