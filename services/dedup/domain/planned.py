"""Planned outages: a report under one, made while it lasts, is answered and no crew sent. Danger still is.

Decided here: which planned outage answers a report. A window that has passed answers nothing more: a report made
after it is an outage like any other (the work overran, or something else broke).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Container, Iterable


@dataclass(frozen=True, slots=True)
class Planned:
    """One planned outage: power is off under ``device`` from ``starts_at`` until ``ends_at``, exclusive."""

    planned_id: UUID
    device: str
    starts_at: datetime
    ends_at: datetime
    author: str
    reason: str
    revision: int
    cancelled: bool = False

    def covers(self, at: datetime) -> bool:
        """Tell whether power is meant to be off at this moment."""
        return not self.cancelled and self.starts_at <= at < self.ends_at


class PlannedOutages:
    """The planned outages of one area that are not long over."""

    __slots__ = ("_by_device", "_first_end", "known")

    def __init__(self) -> None:
        self.known: dict[UUID, Planned] = {}
        self._by_device: dict[str, list[UUID]] = {}
        self._first_end: datetime | None = None

    def set(self, planned: Planned) -> None:
        """Take in a planned outage as it now is."""
        before = self.known.get(planned.planned_id)
        if before is not None:
            self._by_device[before.device].remove(before.planned_id)
        self.known[planned.planned_id] = planned
        self._by_device.setdefault(planned.device, []).append(planned.planned_id)
        if self._first_end is None or planned.ends_at < self._first_end:
            self._first_end = planned.ends_at

    def forget(self, ended_before: datetime) -> list[UUID]:
        """Drop what ended before a moment: no report can be about it any more. Return what was dropped."""
        if self._first_end is None or self._first_end >= ended_before:
            return []  # nearly always: every report asks, and there may be hundreds
        over = [one for one in self.known.values() if one.ends_at < ended_before]
        for one in over:
            del self.known[one.planned_id]
            self._by_device[one.device].remove(one.planned_id)
        self._first_end = min((one.ends_at for one in self.known.values()), default=None)
        return [one.planned_id for one in over]

    def covering(self, devices: Iterable[str], at: datetime, but: Container[UUID] = ()) -> Planned | None:
        """Return a planned outage of one of these devices at this moment; the one that lasts longest.

        Those in ``but`` are left out.
        """
        if not self.known:
            return None
        found = [
            one
            for device in devices
            for key in self._by_device.get(device, ())
            if (one := self.known[key]).covers(at) and key not in but
        ]
        return max(found, key=lambda one: (one.ends_at, str(one.planned_id)), default=None)

    def copy(self) -> PlannedOutages:
        """Return an independent copy."""
        again = PlannedOutages()
        for one in self.known.values():
            again.set(one)
        return again
