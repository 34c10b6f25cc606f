"""The SLA clock of a ticket: what must have happened by when, and which warnings are due.

Decided here: due times and warning levels, from a start, the pauses and what has been met, that is, from the log
alone; so a transfer, a merge or another route changes only which clock applies, never the time elapsed. Never here:
who is told, the time of day.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from pydantic import Field

from services.contracts.values import Timestamp, Value, Word
from services.router.domain.working_time import ALWAYS, WorkingTime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime, timedelta

LEVELS: Final = 4
"""Of warning (四级预警): the first two before the target is missed, by default."""
DEFAULT_LEVELS: Final = (0.75, 0.9, 1.0, 1.5)


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a ticket must have come, and by when.

    Attributes:
        target: Working time from the start.
        met_by: Events of the log that meet it; the first of them counts.
        levels: Parts of the target at which each level of warning is due, ascending.
        calendar: Which time counts.
    """

    name: str
    target: timedelta
    met_by: frozenset[str]
    levels: tuple[float, ...] = DEFAULT_LEVELS
    calendar: WorkingTime = ALWAYS


@dataclass(frozen=True, slots=True)
class Clock:
    """The stages of one kind of ticket, and which tickets it is for: all of ``match`` must hold."""

    name: str
    stages: tuple[Stage, ...]
    match: Mapping[str, frozenset[str]]

    def fits(self, attributes: Mapping[str, str | None]) -> bool:
        """Tell whether a ticket with these attributes has this clock."""
        return all(attributes[name] in values for name, values in self.match.items())


class Pause(Value):
    """A while the clock stood still, for a reason that is the customer's."""

    start: Timestamp
    end: Timestamp | None = None


class Elapsed(Value):
    """What the log says of a ticket's clock.

    Attributes:
        start: When it began, of a ticket that was opened again or recalled for a danger; its opening if absent.
        pauses: In order; only the last may be open.
        met: When each event that could meet a stage first happened.
        told: The highest level of warning given, by stage.
        told_at: When each level was given last, by stage; absent of an older release.
    """

    start: Timestamp | None = None
    pauses: tuple[Pause, ...] = ()
    met: dict[Word, Timestamp] = Field(default_factory=dict)
    told: dict[Word, int] = Field(default_factory=dict)
    told_at: dict[Word, dict[int, Timestamp]] = Field(default_factory=dict)

    @property
    def paused(self) -> bool:
        """Whether it stands still now."""
        return bool(self.pauses) and self.pauses[-1].end is None


def reached(stage: Stage, elapsed: Elapsed, start: datetime, part: float = 1.0) -> datetime | None:
    """Return when ``part`` of the stage's target is used up; None if the clock stands still before that."""
    left, begins = stage.target * part, start
    for pause in elapsed.pauses:
        ran = stage.calendar.between(begins, pause.start)
        if ran >= left:
            break
        left -= ran
        if pause.end is None:
            return None
        begins = max(pause.end, begins)
    return stage.calendar.add(begins, left)


def met_at(stage: Stage, elapsed: Elapsed) -> datetime | None:
    """Return when the stage was met, if it was."""
    return min((at for event, at in elapsed.met.items() if event in stage.met_by), default=None)


def told(stage: Stage, elapsed: Elapsed, start: datetime) -> int:
    """Return the highest level of warning given of a stage; 0 if none was.

    Another clock may have told it, or one that began with a ticket since taken out: what was not due then by this clock
    is still to be told by it.
    """
    level, given = elapsed.told.get(stage.name, 0), elapsed.told_at.get(stage.name)
    while level and given is not None:
        due = reached(stage, elapsed, start, stage.levels[level - 1])
        if due is not None and any(each >= level and due <= at for each, at in given.items()):
            break
        level -= 1
    return level


def levels(stage: Stage, elapsed: Elapsed, start: datetime) -> Iterator[tuple[int, datetime]]:
    """Yield the levels not told yet and when each is due, ascending; none once the stage is met."""
    if met_at(stage, elapsed) is not None:
        return
    for level in range(told(stage, elapsed, start) + 1, len(stage.levels) + 1):
        at = reached(stage, elapsed, start, stage.levels[level - 1])
        if at is None:
            return
        yield level, at


def due_levels(clock: Clock, elapsed: Elapsed, start: datetime, now: datetime) -> Iterator[tuple[Stage, int]]:
    """Yield, for each stage, the highest level that is due and not told: lower ones are passed over, never late."""
    for stage in clock.stages:
        due = [level for level, _ in takewhile(lambda one: one[1] <= now, levels(stage, elapsed, start))]
        if due:
            yield stage, due[-1]


def next_level(clock: Clock, elapsed: Elapsed, start: datetime) -> datetime | None:
    """Return the next moment a warning is due, if there is one."""
    firsts = (next(levels(stage, elapsed, start), None) for stage in clock.stages)
    return min((first[1] for first in firsts if first is not None), default=None)
