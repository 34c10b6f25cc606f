"""The only place that reads the time. Everything else takes ``now`` as an argument.

A host's clock may jump: at a start before it was set, after a machine was moved or slept, by hand. So a service counts
on by the clock that never goes back, from what the database (intake: Kafka) says, which all processes share: else one
jump forward would log every agent off, give every warning and refuse every signature, and one back would stop all that.

In a rehearsal the clocks of all processes follow one ``CatchUp``: it starts behind the present, runs faster, and ends
in the present. It is never ahead, so nothing that was rehearsed lies in the future.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Final


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


APART_S: Final = 5.0
"""By less than this two clocks are the same: who is asked takes a moment to answer, and brokers are several."""
_followed: CatchUp | None = None
_held: tuple[float, float, float] | None = None
"""The time, in seconds since 1970, at a moment of ``monotonic``, and for how long it counts; None: nobody ever told."""


def follow(course: CatchUp | None) -> None:
    """Let this process's time take a course; None: the present again."""
    global _followed  # noqa: PLW0603 - a process has one time
    _followed = course


def now() -> datetime:
    """Return the current instant, in UTC."""
    there = present()
    return there if _followed is None else datetime.fromtimestamp(_followed.shown(there.timestamp()), UTC)


def present() -> datetime:
    """Return the current instant also where a time is lived again: it is what brokers stamp records with."""
    if _held is not None and (passed := monotonic() - _held[1]) <= _held[2]:
        return datetime.fromtimestamp(_held[0] + passed, UTC)
    return of_host()


def of_host() -> datetime:
    """Return what this host's clock says, right or wrong."""
    return datetime.now(UTC)


def ahead() -> float:
    """Return by how many seconds the time this process goes by is ahead of what its host's clock says."""
    return (present() - of_host()).total_seconds()


def told(instant: datetime, asked: float, *, for_s: float = inf) -> float:
    """Take in what a clock that all processes share says, and count on from it where it says something else.

    Args:
        instant: What it said.
        asked: When it was asked, by ``monotonic``: it said so between then and now.
        for_s: For how many seconds that counts if nobody is asked again: of who is asked only now and then. A machine
            that slept does not know for how long.

    Returns:
        By how many seconds the time went forward (below 0: back); 0 where it was right.
    """
    global _held  # noqa: PLW0603 - a process has one time
    answered, here = monotonic(), present().timestamp()
    ahead = here - instant.timestamp()
    if -APART_S <= ahead <= answered - asked + APART_S:
        _held = here, answered, for_s
        return 0.0
    _held = instant.timestamp(), answered, for_s
    return -ahead


def leave() -> bool:
    """Go by the host's clock, until somebody tells again; return whether that is new."""
    global _held
    left, _held = _held, None
    return left is not None


def monotonic() -> float:
    """Return seconds on a clock that never goes back, for measuring durations."""
    return time.monotonic()
