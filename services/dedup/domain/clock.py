"""One clock per incident, from its earliest report: when a crew is due, when power is due back, what was missed.

Decided here: the due times. Zones, minutes and hours are data (deploy/service_levels.yaml). Source of the shipped
ones: the public service commitment of State Grid (45, 90, 120 minutes to the spot; 3 or 4 hours of repair from then).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.contracts.messages import TimerFired
    from services.dedup.domain.incident import Incident
    from services.dedup.domain.state import AreaState

ARRIVAL: Final = "arrival"
RESTORATION: Final = "restoration"
DUE: Final = {ARRIVAL: "arrival_due", RESTORATION: "restoration_due"}
"""Kind of the timer that wakes an area when a due time has passed."""
MOMENTARY: Final = timedelta(minutes=5)
"""What is not longer is a momentary interruption, where nothing else is set. Source: IEEE Std 1366-2012, 3.20."""


class Zone(NamedTuple):
    """How soon a crew is due after the earliest report, and power after the crew (or when it was due)."""

    arrive: timedelta
    restore: timedelta


class Due(NamedTuple):
    """When a crew is due on the spot, and when power is due back."""

    arrive_by: datetime
    restore_by: datetime


@dataclass(frozen=True, slots=True)
class ServiceLevels:
    """Zones, and where each applies.

    Attributes:
        zones: By name.
        usual: Zone of what is named nowhere.
        areas: Area to zone.
        feeders: Feeder to zone; it comes before the area.
        urgent_arrive: How soon a crew is due at an important or life-support customer, at the latest.
        momentary: An interruption that is not longer is momentary, in IEEE 1366 figures.
    """

    hash: str
    zones: Mapping[str, Zone]
    usual: str
    areas: Mapping[str, str] = field(default_factory=dict)
    feeders: Mapping[str, str] = field(default_factory=dict)
    urgent_arrive: timedelta | None = None
    momentary: timedelta = MOMENTARY

    def zone(self, area: str, feeder: str | None) -> str:
        """Return the zone of a place."""
        return self.feeders.get(feeder or "", self.areas.get(area, self.usual))

    def due(
        self, area: str, feeder: str | None, first: datetime, *, urgent: bool, arrived_at: datetime | None = None
    ) -> Due:
        """Return the due times.

        Args:
            area: The incident's area.
            feeder: Its device's feeder.
            first: Time of its earliest report.
            urgent: Whether a life-support or important customer is among the reports, or danger.
            arrived_at: When a crew came to the spot: the repair counts from then, however early or late.
        """
        zone = self.zones[self.zone(area, feeder)]
        arrive = zone.arrive
        if urgent and self.urgent_arrive is not None:
            arrive = min(arrive, self.urgent_arrive)
        return Due(first + arrive, (arrived_at or first + arrive) + zone.restore)


def due_of(state: AreaState, incident: Incident) -> Due | None:
    """Return the due times of an incident; None where no service level is set."""
    levels = state.rules.levels
    if levels is None:
        return None
    standing = incident.standing
    urgent = bool(standing.hazards or standing.life_support or standing.important)
    return levels.due(
        state.area, incident.device.feeder, incident.opened_at, urgent=urgent, arrived_at=incident.arrived_at
    )


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
