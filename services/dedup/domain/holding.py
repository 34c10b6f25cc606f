"""How long an order waits, as it goes out.

Decided here: that what only meters and breakers spoke of waits by a rule of its own, what only breakers did by another,
and no longer than what people report, or meters tell, once one of them has. Never here: who never waits (``orders``),
what is over meanwhile (``readings.all_back``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.ids import timer_id
from services.dedup.domain import events as e

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.dedup.domain.incident import Incident, Standing
    from services.dedup.domain.report import Report
    from services.dedup.domain.state import AreaState

HOLD: Final = "hold"
"""Kind of the timer that ends the wait of an order."""


def held(state: AreaState, incident: UUID, due_at: datetime) -> e.TimerSet:
    """Return what lets an order wait."""
    return e.TimerSet(timer_id(state.area, HOLD, incident, due_at), HOLD, incident, due_at)


def waits(state: AreaState, device_class: str, report: Report, standing: Standing) -> bool:
    """Tell whether an order that has not gone out waits on as a report comes. ``standing``: with it."""
    return bool(state.wait(device_class, report.received_at.timestamp(), standing))


def is_first_of_its_kind(report: Report, standing: Standing) -> bool:
    """Tell whether a report is the first that a person made, or the first of a customer's meter before any did."""
    if standing.people:
        return False
    return report.has_ticket or (report.account_id is not None and not standing.customers)


def shortened(state: AreaState, incident: Incident, report: Report, standing: Standing) -> list[e.Event]:
    """Return what lets an order wait no longer for a report than it would have waited on that alone.

    ``standing``: with the report.
    """
    due_at = report.received_at + state.wait(incident.device.type, report.received_at.timestamp(), standing)
    if incident.hold is None or incident.hold.due_at <= due_at:
        return []
    key = incident.incident_id
    return [e.TimerCleared(incident.hold.timer_id, key), held(state, key, due_at)]
