"""Storm mode of an area: so many more reports arrive than usual that other rules may hold.

Decided here: when it begins and when it is over, by the rate at which reports arrive against the area's usual rate,
with hysteresis: it begins at a high multiple and ends at a low one, so that it does not flap. Both rates are counts
that fade by half in a fixed time: a few numbers an area, the same whatever the traffic. When it will be over if nobody
reports any more is known from them, so a quiet area leaves without a timer. Never here: what the rules then are
(deploy/dedup.yaml, ``storm``), a clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NamedTuple

_HOUR: Final = 3600.0
_LN2: Final = math.log(2.0)


@dataclass(frozen=True, slots=True)
class StormRules:
    """When an area is in a storm, and what then holds. Times are seconds.

    Attributes:
        recent: A report counts half for the rate of now after this time.
        usual: A report outside of storms counts half for the usual rate after this time.
        usual_per_hour: The usual rate is never taken for less than this.
        enter: It begins at this multiple of the usual rate ...
        least: ... with at least so many recent reports.
        leave: It is over below this multiple.
        holds: How long an order waits then, by class; a class that is not named waits as usual.
        lift_margin: The margin of a common cause then; None is the usual one.
        etr: How long after the earliest report power may be back, by class; a class that is not named has none.
    """

    recent: float
    usual: float
    usual_per_hour: float
    enter: float
    least: float
    leave: float
    holds: Mapping[str, timedelta]
    lift_margin: float | None = None
    etr: Mapping[str, timedelta] = field(default_factory=dict)


class Pace(NamedTuple):
    """How fast an area's reports arrive.

    Attributes:
        last: Arrival of the latest, seconds since the epoch; None before the first.
        recent: Reports lately, each fading.
        usual: Reports outside of storms, each fading slowly.
        since: When the storm it is in began; None outside of one.
    """

    last: float | None = None
    recent: float = 0.0
    usual: float = 0.0
    since: float | None = None

    def arrived(self, at: float, rules: StormRules) -> Pace:
        """Return the pace with one more report. One that arrived long before the latest was placed late: no news."""
        last = at if self.last is None else self.last
        if at < last - rules.recent:
            return self
        passed = max(0.0, at - last)
        usual = self.usual * 0.5 ** (passed / rules.usual) + (1.0 if self.since is None else 0.0)
        return Pace(max(at, last), self.recent * 0.5 ** (passed / rules.recent) + 1.0, usual, self.since)

    def per_hour(self, rules: StormRules) -> float:
        """Return the rate of reports at the latest, an hour."""
        return self.recent * _LN2 / rules.recent * _HOUR

    def usual_per_hour(self, rules: StormRules) -> float:
        """Return the usual rate, an hour."""
        return max(rules.usual_per_hour, self.usual * _LN2 / rules.usual * _HOUR)

    def begins(self, rules: StormRules) -> bool:
        """Tell whether a storm begins with the latest report."""
        fast = self.per_hour(rules) >= rules.enter * self.usual_per_hour(rules)
        return self.since is None and fast and self.recent >= rules.least

    def calm_at(self, rules: StormRules) -> float | None:
        """Return when the storm is over if nobody reports any more; None outside of one."""
        if self.since is None or self.last is None:
            return None
        times = self.per_hour(rules) / (rules.leave * self.usual_per_hour(rules))
        return self.last + rules.recent * max(0.0, math.log2(times))

    def stormy(self, at: float, rules: StormRules) -> bool:
        """Tell whether a storm that has begun goes on at a time."""
        calm_at = self.calm_at(rules)
        return calm_at is not None and at < calm_at
