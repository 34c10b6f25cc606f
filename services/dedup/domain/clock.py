"""One clock per incident, from its earliest report: when a crew is due, when power is due back, what was missed.

Decided here: when a due time was missed, and what says so. How soon a crew is due is ``service_levels``'.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.decided_by import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.contracts.messages import TimerFired
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.service_levels import Due
    from services.dedup.domain.state import AreaState

ARRIVAL: Final = "arrival"
RESTORATION: Final = "restoration"
DUE: Final = {ARRIVAL: "arrival_due", RESTORATION: "restoration_due"}
"""Kind of the timer that wakes an area when a due time has passed."""


def due_of(state: AreaState, incident: Incident) -> Due | None:
    """Return the due times of an incident; None where no service level is set."""
    levels = state.rules.levels
    if levels is None:
        return None
    urgent, feeder = incident.standing.urgent, incident.device.feeder
    return levels.due(state.area, feeder, incident.opened_at, urgent=urgent, arrived_at=incident.arrived_at)


def with_due_times(state: AreaState, events: list[e.Event]) -> list[e.Event]:
    """Return the events with due times in the versions of orders that ask for work."""
    levels = state.rules.levels
    if levels is None:
        return events
    told: list[e.Event] = []
    for event in events:
        if isinstance(event, (e.OrderIssued, e.OrderUpdated)):
            order = event.order
            known = state.incidents.get(order.incident_id)
            due = levels.due(
                order.area,
                order.device.feeder,
                order.first_reported_at,
                urgent=bool(order.hazards or order.life_support or order.important),
                arrived_at=None if known is None else known.arrived_at,
            )
            version = order.model_copy(update={"arrive_by": due.arrive_by, "restore_by": due.restore_by})
            told.append(replace(event, order=version))
        else:
            told.append(event)
    return told


def overdue(state: AreaState, incident: Incident, message: TimerFired) -> Sequence[e.Event]:
    """Return the breach of a due time, if it has passed without what was due, and was not told before.

    Where the service levels have moved it since it was stored, it is stored anew: nobody would wait for it otherwise.
    """
    what = ARRIVAL if message.kind == DUE[ARRIVAL] else RESTORATION
    if what in incident.breached:
        return ()
    due = due_of(state, incident)
    due_at = None if due is None else due.arrive_by if what == ARRIVAL else due.restore_by
    met = what == ARRIVAL and due_at is not None and incident.arrived_at is not None and incident.arrived_at <= due_at
    if due_at is None or met or message.fired_at < due_at:
        return () if message.due_at == due_at else (a.IncidentRecounted(incident.incident_id),)
    return (a.DeadlineBreached(incident.incident_id, what, due_at, Rule.OVERDUE),)
