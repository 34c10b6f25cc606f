"""A report that nothing could place gets its device from a person, and is then decided like any other.

Decided here: whether the report waits and the device is one of its area. Never here: which incident it joins.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.acting import Acting, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from services.contracts.messages import OutageCommanded
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState


def place(
    state: AreaState, command: OutageCommanded, now: datetime, decided: Callable[[Report], list[e.Event]]
) -> list[e.Event]:
    """Return the events of placing a report.

    Args:
        state: The area the report waits in.
        command: Names one report and its device.
        now: The instant of this decision.
        decided: What a report comes to, once its device is known.
    """
    if command.command_id in state.commands:
        return []
    acting = Acting(state, command, now)
    try:
        waiting = _waiting(acting)
    except RefusedError as error:
        return [a.CommandRefused(command, error.wrong)]
    placed = waiting._replace(device=command.device)
    events: list[e.Event] = [a.ReportPlaced(waiting.report_id, command.command_id)]
    target = None
    for event in decided(placed):
        found = event
        if isinstance(event, e.ReportJoined) and event.report.report_id == waiting.report_id:
            target = event.incident_id
            found = replace(event, author=command.author, evidence={**event.evidence, **acting.why})
        events.append(found)
        for _ in range(_rows(found)):
            acting.number()
    done = replace(
        acting.done(),
        incidents=() if target is None else (target,),
        moves=((waiting.report_id, None),),
        target=target,
        waited_at=waiting.device,
    )
    return [*events, a.CommandDone(command, done)]


def _waiting(acting: Acting) -> Report:
    command, state = acting.command, acting.state
    if len(command.reports) != 1:
        raise RefusedError(("reports", "exactly one report is placed at a time"))
    (key,) = command.reports
    waiting = state.waiting.get(key)
    if waiting is None:
        home = state.members.get(key)
        where = f"is in incident {home}: move it" if home is not None else f"does not wait for a place in {state.area}"
        raise RefusedError(("reports", f"report {key} {where}"))
    if command.device is None:
        raise RefusedError(("device", "is needed for this action"))
    if state.leaf(command.device) is None:
        raise RefusedError(("device", f"area {state.area} has no device {command.device!r}"))
    return waiting


def _rows(event: e.Event) -> int:
    """Return how many ledger rows an event takes."""
    if isinstance(event, e.ReportMoved):
        return 2
    return 1 if isinstance(event, (e.IncidentOpened, e.ReportJoined, e.PredictionMoved)) else 0
