"""Telling random stories: where one breaks something, and the fewest steps that still break it."""

from __future__ import annotations

import inspect
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


class Step(NamedTuple):
    """An act, and the minutes before it."""

    minutes: float
    act: str
    told: dict[str, Any]


def step_of(actor: type, minutes: float, act: str, drawn: Mapping[str, Any]) -> Step:
    """Return a step of an actor's, with what of ``drawn`` the act takes."""
    wanted = inspect.signature(getattr(actor, act)).parameters
    return Step(minutes, act, {name: value for name, value in drawn.items() if name in wanted})


Story = list[Step]
if TYPE_CHECKING:
    Live = Callable[[Story], None]  # raises where the story breaks something


def broken(live: Live, steps: Story) -> tuple[str, ...] | None:
    """Return where a story breaks something; None where it does not."""
    try:
        live(steps)
    except Exception as error:  # noqa: BLE001 - whatever it is
        where = traceback.extract_tb(error.__traceback__)[-1]
        said = str(error).partition(":")[0] if isinstance(error, AssertionError) else ""
        return type(error).__name__, where.filename, where.name, str(where.lineno), said[:80]
    return None


def breaking(live: Live, story: Callable[[int], Story], seeds: Iterable[int]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the seeds of the stories that break something, and where they do."""
    for seed in seeds:
        if (how := broken(live, story(seed))) is not None:
            yield seed, how


def shortest(live: Live, steps: Story, how: tuple[str, ...]) -> Story:
    """Return the story without the steps that it breaks without: many at once are tried first."""
    many = len(steps)
    while many := many // 2:
        for n in reversed(range(0, len(steps), many)):
            fewer = steps[:n] + steps[n + many :]
            if broken(live, fewer) == how:
                steps = fewer
    return steps


def tell(story: Callable[[int], Story], live: Live, seed: int, seconds: float) -> int:
    """Tell stories for a while, print what breaks; return how many ways of breaking were found."""
    until, told, found = time.monotonic() + seconds, 0, set[tuple[str, ...]]()
    while time.monotonic() < until:
        steps = story(seed + told)
        told += 1
        if (how := broken(live, steps)) is not None and how not in found:
            found.add(how)
            sys.stdout.write(f"seed {seed + told - 1}: {how}\n")
            sys.stdout.flush()
            for step in shortest(live, steps, how):
                sys.stdout.write(f"  after {step.minutes:g} min: {step.act} {step.told}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{told} stories, {len(found)} ways to break something\n")
    return len(found)
