"""When a stage of a clock is due, worked out a quarter of an hour at a time from what a calendar says of its days.

Shares nothing with the product's own counting. Never here: since when a clock runs, and when it stood still.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from services.router.domain.sla import Elapsed, Stage
    from services.router.domain.working_time import WorkingTime

_QUARTER: Final = 900.0
"""Seconds: offices open and close at such times."""


def due_slowly(stage: Stage, elapsed: Elapsed, start: datetime) -> datetime | None:
    """Return when the stage's target is used up; None if the clock stands still before that."""
    still = [(one.start.timestamp(), inf if one.end is None else one.end.timestamp()) for one in elapsed.pauses]
    at, left = start.timestamp(), stage.target.total_seconds()
    while True:
        step = min([(at // _QUARTER + 1) * _QUARTER, *(edge for pause in still for edge in pause if edge > at)]) - at
        until = max((end for begins, end in still if begins <= at < end), default=0.0)
        if until == inf:
            return None
        if not until and _works(stage.calendar, at):
            if left <= step:
                return datetime.fromtimestamp(at + left, UTC)
            left -= step
        at += step


def _works(calendar: WorkingTime, at: float) -> bool:
    if calendar.always:
        return True
    local = datetime.fromtimestamp(at, UTC) + timedelta(hours=8)
    day, clock = local.date(), f"{local:%H:%M:%S}"
    opens = day in calendar.workdays or (day.isoweekday() <= 5 and day not in calendar.holidays)
    return opens and any(f"{begins}" <= clock < f"{ends}" for begins, ends in calendar.hours)
