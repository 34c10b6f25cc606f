"""Who sleeps while power is out, and reports in the morning.

Decided here: how many of an outage's callers have slept and called within a while. At night part of those who would
call are asleep; they do when they get up, within an hour or two. So the calls of a morning are the tail of an outage of
the night, and no second one. Never here: what the calls are taken for (``waves``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_EARLY: Final = 900.0
"""Seconds before the end of the night from which on people get up."""
_GET_UP: Final = 2400.0
"""Seconds within which most of them have, and have called."""
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Night:
    """When people sleep.

    Attributes:
        zone: Whose clock ``begins`` and ``ends`` are by.
        begins: When they go to bed; on the evening before, if that is later in the day than ``ends``.
        ends: When they get up.
        awake: Share of the callers who call at night nonetheless.
    """

    zone: tzinfo
    begins: time
    ends: time
    awake: float

    def last(self, at: float) -> tuple[float, float]:
        """Return the night that ended last, or ends soon, by a time: begin and end, all seconds since the epoch."""
        day = datetime.fromtimestamp(at + _EARLY, self.zone).date()
        ends = datetime.combine(day, self.ends, self.zone)
        if ends.timestamp() > at + _EARLY:
            ends = datetime.combine(day - _DAY, self.ends, self.zone)
        evening = ends.date() if self.begins < self.ends else ends.date() - _DAY
        return datetime.combine(evening, self.begins, self.zone).timestamp(), ends.timestamp()


def woken(
    night: Night, called_by: Callable[[float], float], customers: int, begun: float, since: float, until: float
) -> float:
    """Return how many of an outage's callers have slept and called in a span of time.

    Args:
        night: When people sleep.
        called_by: Returns the share of the customers who would have called so many seconds after the beginning.
        customers: Customers without power.
        begun: When the outage began, seconds since the epoch, as all times here.
        since: Beginning of the span.
        until: Its end.
    """
    evening, morning = night.last(until)
    asleep = max(begun, evening)
    if asleep >= morning:
        return 0.0
    would_have = customers * (called_by(morning - begun) - called_by(asleep - begun))
    return would_have * (1.0 - night.awake) * (_up_by(until - morning) - _up_by(since - morning))


def _up_by(elapsed: float) -> float:
    """Return the share of those asleep who have called so long after the end of the night."""
    return -math.expm1(-max(0.0, elapsed + _EARLY) / _GET_UP)
