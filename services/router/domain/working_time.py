"""Office hours: adding working seconds to an instant, and counting those between two.

Decided here: what part of a span counts. Pure: a calendar is data, its time zone an offset (China has one and no
daylight saving, so an instant has one local reading). Never here: which clock uses which calendar.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Hours = tuple[time, time]
Span = tuple[datetime, datetime]
_WEEKEND: Final = frozenset({5, 6})
_LONGEST_DAYS: Final = 3660
_MOST_DAYS: Final = 4096


@dataclass(frozen=True, slots=True)
class WorkingTime:
    """When an office works.

    Attributes:
        hours: Spans of a working day, in order; an end of 00:00 is the end of the day.
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
    _zone: timezone = field(init=False, repr=False, compare=False)
    _days: dict[date, tuple[Span, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the zone once."""
        object.__setattr__(self, "_zone", timezone(self.offset))

    @property
    def day(self) -> timedelta:
        """Working time of a working day."""
        if self.always:
            return timedelta(days=1)
        return sum((_end(end) - _at(start) for start, end in self.hours), timedelta())

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
        local = start.astimezone(self._zone)  # instants of one zone are compared several times as fast
        first = local.date()
        for n in range(_LONGEST_DAYS):
            for opened, closed in self._day(first + timedelta(days=n)):
                if closed > local:
                    yield (start if local > opened else opened), closed

    def _day(self, day: date) -> tuple[Span, ...]:
        """Return the working spans of a day; those asked for lately are remembered, since every clock asks for them."""
        spans = self._days.get(day)
        if spans is None:
            if len(self._days) >= _MOST_DAYS:
                self._days.clear()
            midnight = datetime.combine(day, time(0), self._zone)
            hours = self.hours if self._works(day) else ()
            spans = tuple((midnight + _at(begins), midnight + _end(ends)) for begins, ends in hours)
            self._days[day] = spans
        return spans

    def works_at(self, moment: datetime) -> bool:
        """Tell whether an instant is working time; the end of a span is not."""
        if self.always:
            return True
        local = moment.astimezone(self._zone)
        return any(begins <= local < ends for begins, ends in self._day(local.date()))

    def _works(self, day: date) -> bool:
        return day in self.workdays or (day.weekday() not in self.weekend and day not in self.holidays)


ALWAYS: Final = WorkingTime(always=True)
"""Day and night."""


def _end(moment: time) -> timedelta:
    return _at(moment) or timedelta(days=1)


def _at(moment: time) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
