"""The only place that reads the time. Everything else takes ``now`` as an argument.

In a rehearsal the clocks of all processes follow one ``CatchUp``: it starts behind the present, runs faster, and ends
in the present. It is never ahead, so nothing that was rehearsed lies in the future.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class CatchUp:
    """How the time that is shown follows the present. All instants in seconds since 1970.

    Attributes:
        behind: Seconds it is behind the present, until it begins to catch up.
        begins: The present instant when it does; None: not yet known.
        rate: Shown seconds that pass in one of the present, until it has caught up; above 1.
    """

    behind: float
    begins: float | None
    rate: float

    def shown(self, present: float) -> float:
        """Return what the clock shows at an instant of the present. It never goes back."""
        faster = 0.0 if self.begins is None else max(0.0, present - self.begins) * (self.rate - 1.0)
        return present - max(0.0, self.behind - faster)

    def present(self, shown: float) -> float:
        """Return the instant of the present at which the clock shows this: the inverse of ``shown``."""
        if self.begins is None or shown <= self.begins - self.behind:
            return shown + self.behind
        return max(shown, self.begins + (shown - self.begins + self.behind) / self.rate)


_followed: CatchUp | None = None


def follow(course: CatchUp | None) -> None:
    """Let this process's time take a course; None: the present again."""
    global _followed  # noqa: PLW0603 - a process has one time
    _followed = course


def now() -> datetime:
    """Return the current instant, in UTC."""
    return present() if _followed is None else datetime.fromtimestamp(_followed.shown(time.time()), UTC)


def present() -> datetime:
    """Return the current instant also where a time is lived again: it is what brokers stamp records with."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Return seconds on a clock that never goes back, for measuring durations."""
    return time.monotonic()
