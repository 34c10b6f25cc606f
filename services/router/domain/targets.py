"""Which agents a ticket waits for, step by step: a route's targets as the plan of one ticket.

Decided here: which targets are skipped (closed by the calendar, nobody on duty, too many waiting), when skill demands
are relaxed, when the next target has its turn, and that the last step demands no skill and never ends: every ticket
reaches an agent in bounded time. Never here: the time itself, who is on duty (both are given).

The terms are those of contact-centre routing: ordered targets with timeouts that add up and ``skip_if`` (Twilio
TaskRouter), rings that drop skills (Genesys bullseye).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from services.router.domain.working_time import WorkingTime

ANYBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Ring:
    """After so many seconds on a target, these skills are no longer asked for."""

    after_s: int
    drop: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One queue that may have a ticket.

    Attributes:
        line: In the file, from 1.
        skills: Attributes of the ticket that an agent must serve, such as ``language`` or ``area``.
        requires: Skills an agent must have whatever the ticket is, such as ``high_voltage``.
        rings: When some of them are dropped, earliest first, each before ``lasts_s``.
        lasts_s: Seconds until the next target has its turn; None on a last target that never ends.
        open: Name and hours of the calendar outside of which the target is skipped.
        unless_staffed: Skipped while nobody on duty serves the queue.
        most_waiting: Skipped while more tickets wait in the queue.
    """

    line: int
    queue: str
    skills: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    rings: tuple[Ring, ...] = ()
    lasts_s: int | None = None
    open: tuple[str, WorkingTime] | None = None
    unless_staffed: bool = False
    most_waiting: int | None = None

    @property
    def is_conditional(self) -> bool:
        """Whether it hangs on the hour or on who is there."""
        return self.open is not None or self.unless_staffed or self.most_waiting is not None


class Duty(NamedTuple):
    """What is known of the queues at a moment. What is not known skips nothing.

    Attributes:
        staffed: Queues somebody on duty serves; None where that is not known.
        waiting: Tickets that wait, by queue.
    """

    staffed: frozenset[str] | None = None
    waiting: Mapping[str, int] | None = None


UNKNOWN: Final = Duty()


@dataclass(frozen=True, slots=True)
class Step:
    """From so many seconds after routing on, the ticket waits in a queue for an agent with all of these skills.

    A skill is ``attribute:value`` (``language:bo-CN``) or a plain word.
    """

    after_s: int
    queue: str
    skills: tuple[str, ...] = ()


class Passed(NamedTuple):
    """A target that was passed over, and why."""

    target: Target
    why: str


def passed_over(target: Target, now: datetime, duty: Duty) -> str | None:
    """Return why a target is skipped; None if it is not."""
    if target.open is not None and not target.open[1].works_at(now):
        return f"{target.queue} is closed by the calendar {target.open[0]}"
    if target.unless_staffed and duty.staffed is not None and target.queue not in duty.staffed:
        return f"nobody on duty serves {target.queue}"
    waiting = 0 if duty.waiting is None else duty.waiting.get(target.queue, 0)
    if target.most_waiting is not None and waiting > target.most_waiting:
        return f"{waiting} wait in {target.queue}, more than {target.most_waiting}"
    return None


def plan(
    targets: tuple[Target, ...],
    attributes: Mapping[str, tuple[str, ...]],
    fallback: str,
    now: datetime,
    duty: Duty = UNKNOWN,
    passed: list[Passed] | None = None,
) -> tuple[Step, ...]:
    """Return the steps of a ticket: the first is at once, each later one strictly later, the last asks for nothing.

    Args:
        targets: Of the route that took it, in order.
        attributes: The ticket's.
        fallback: Queue of the root: where it waits once no target is left.
        now: When it is routed.
        duty: What is known of the queues.
        passed: Filled with the targets that were skipped.
    """
    steps: list[Step] = []
    begins = 0
    for target in targets:
        why = passed_over(target, now, duty)
        if why is not None:
            if passed is not None:
                passed.append(Passed(target, why))
            continue
        for after_s, dropped in _rings(target):
            _add(steps, Step(begins + after_s, target.queue, _needed(target, attributes, dropped)))
        if target.lasts_s is None:
            return tuple(steps)
        begins += target.lasts_s
    _add(steps, Step(begins, fallback))
    return tuple(steps)


def step_at(steps: tuple[Step, ...], elapsed_s: float) -> int:
    """Return which step a ticket is in so many seconds after it was routed."""
    return max((n for n, step in enumerate(steps) if step.after_s <= elapsed_s), default=0)


def _rings(target: Target) -> list[tuple[int, frozenset[str]]]:
    found = [(0, ANYBODY)]
    for ring in target.rings:
        found.append((ring.after_s, found[-1][1] | ring.drop))
    return found


def _needed(target: Target, attributes: Mapping[str, tuple[str, ...]], dropped: frozenset[str]) -> tuple[str, ...]:
    asked = [f"{name}:{value}" for name in target.skills if name not in dropped for value in attributes[name]]
    return (*asked, *(word for word in target.requires if word not in dropped))


def _add(steps: list[Step], step: Step) -> None:
    """Add a step unless it changes nothing: a skill that was dropped may not have been asked for."""
    if not steps or (steps[-1].queue, steps[-1].skills) != (step.queue, step.skills):
        steps.append(step)
