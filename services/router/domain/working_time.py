"""Time as an office counts it: adding working seconds to an instant, and counting those between two.

Decided here: what part of a span counts. Pure: a calendar is data, its time zone an offset (China has one and no
summer time, so an instant has one local reading). Never here: which clock uses which calendar.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Hours = tuple[time, time]
_WEEKEND: Final = frozenset({5, 6})
_LONGEST_DAYS: Final = 3660


@dataclass(frozen=True, slots=True)
class WorkingTime:
    """When an office works.

    Attributes:
        hours: Spans of a working day, in order, not touching.
        offset: Local time, east of UTC.
        weekend: Days of the week off, Monday 0.
        holidays: Days off beside the weekend.
        workdays: Days of a weekend that are worked to make up for a holiday.
        always: Every second counts; the rest is not looked at.
    """

    hours: tuple[Hours, ...] = ((time(8, 30), time(12)), (time(13, 30), time(17)))
    offset: timedelta = timedelta(hours=8)
    weekend: frozenset[int] = _WEEKEND
    holidays: frozenset[date] = field(default_factory=frozenset)
    workdays: frozenset[date] = field(default_factory=frozenset)
    always: bool = False

    @property
    def day(self) -> timedelta:
        """Working time of a working day."""
        if self.always:
            return timedelta(days=1)
        return sum((_at(end) - _at(start) for start, end in self.hours), timedelta())

    def add(self, start: datetime, amount: timedelta) -> datetime:
        """Return the instant at which ``amount`` of working time has passed since ``start``.

        Raises:
            ValueError: the calendar has no such instant within ten years.
        """
        if self.always:
            return start + amount
        left = amount
        for begins, ends in self._spans(start):
            if ends - begins >= left:
                return begins + left
            left -= ends - begins
        raise ValueError("a calendar without working days")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return the working time from ``start`` to ``end``; none if it is before it."""
        if end <= start:
            return timedelta()
        if self.always:
            return end - start
        passed = timedelta()
        for begins, ends in self._spans(start):
            if begins >= end:
                break
            passed += min(ends, end) - begins
        return passed

    def _spans(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the working spans from ``start`` on, the first cut to begin there."""
        zone = timezone(self.offset)
        first = start.astimezone(zone).date()
        for n in range(_LONGEST_DAYS):
            today = first + timedelta(days=n)
            if not self._works(today):
                continue
            for begins, ends in self.hours:
                opened, closed = datetime.combine(today, begins, zone), datetime.combine(today, ends, zone)
                if closed > start:
                    yield max(opened, start), closed

    def works_at(self, moment: datetime) -> bool:
        """Tell whether an instant is working time; the end of a span is not."""
        if self.always:
            return True
        local = moment.astimezone(timezone(self.offset))
        return self._works(local.date()) and any(begins <= local.time() < ends for begins, ends in self.hours)

    def _works(self, day: date) -> bool:
        return day in self.workdays or (day.weekday() not in self.weekend and day not in self.holidays)


ALWAYS: Final = WorkingTime(always=True)
"""Day and night."""


def _at(moment: time) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
