"""How soon a crew is due, and power is due back: minutes and hours by zone.

Decided here: the due times. Zones, minutes and hours are data (deploy/service_levels.yaml). Source of the shipped
ones: the public service commitment of State Grid (45, 90, 120 minutes to the spot; 3 or 4 hours of repair from then).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

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
