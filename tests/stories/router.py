"""Random stories of the router, over hours and days: contacts, agents, supervisors, dedup's answers, clocks, erasures.

Told to its real parts: the handler, the desktops' doors, timers and watchers. What they left behind is judged after
each step (``routing.laws``). The rows are in memory, or in a real Postgres (``routing.rooms``).
"""

from __future__ import annotations

import asyncio
import random
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.stories.routing.memory import InMemory
from tests.stories.routing.teller import Teller, lived
from tests.stories.routing.world import (
    AGENTS,
    ANYBODY,
    CHANNELS,
    OWN,
    TELLS,
    TEXTS,
    customers,
    in_force,
)
from tests.stories.telling import Step, step_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.stories.telling import Live, Story


_WEIGHTS: Final = {
    "somebody_speaks": 9.0,
    "the_same_comes_again": 0.5,
    "a_report_is_settled": 2.0,
    "a_report_that_nobody_sent_is_settled": 0.2,
    "an_agent_is_made_or_changed": 0.7,
    "an_agent_is": 1.0,
    "an_agent_is_removed": 0.15,
    "a_desktop_falls_silent": 0.4,
    "a_desktop_hangs_up": 0.4,
    "an_agent_asks": 5.0,
    "an_agent_names_a_ticket": 1.5,
    "an_agent_does": 8.0,
    "somebody_does": 2.5,
    "somebody_does_while_the_caller_speaks_on": 0.8,
    "a_ticket_is_merged": 1.2,
    "a_merge_is_undone": 0.7,
    "the_tree_changes": 0.4,
    "the_desk_changes": 0.4,
    "who_is_there_is_counted": 0.3,
    "hours_pass": 0.6,
    "two_weeks_pass": 0.25,
    "customers_are_forgotten": 0.4,
    "the_process_starts_anew": 0.4,
    "the_clock_jumps": 0.2,
    "the_timers_stand_still": 0.3,
}
_ALWAYS: Final = ("somebody_speaks", "an_agent_asks", "an_agent_does")
_BEGINS: Final = (0, 0, 85, 91, 183, 303)
"""Days after the first of July: before the moon festival, the National Day, the New Year, the next Labour Day."""
_GAPS: Final = (0.1, 0.3, 0.6, 1, 3, 10, 31, 70, 200)


def story(seed: int, lengths: tuple[int, ...] = (8, 20, 40, 80)) -> Story:
    """Tell a story."""
    dice = random.Random(seed)
    acts = {act: weight * dice.choice([0, 1, 1, 2]) for act, weight in _WEIGHTS.items()}
    acts |= {act: _WEIGHTS[act] * dice.choice([0.5, 1, 2]) for act in _ALWAYS}
    for act in dice.sample(list(acts), dice.choice([0, 3, 5])):
        acts[act] = max(acts[act], _WEIGHTS[act]) + 4  # what the story is about
    texts = dice.sample(range(len(TEXTS)), dice.choice([3, 6, len(TEXTS)]))
    people = dice.sample(range(4), dice.choice([1, 2, 4]))
    channels = dice.sample(range(len(CHANNELS)), dice.choice([1, 2, len(CHANNELS)]))
    threads = dice.choice([[None], [None, None, 0, 0, 1], [0, 0, 1], [None, 0]])
    goes_on, more, silent = dice.choice([0.1, 0.3, 0.6]), dice.choice([0.1, 0.3, 0.6]), dice.choice([0, 0.3])
    steps: list[Step] = []
    for _ in range(dice.choice(lengths)):
        act = dice.choices(list(acts), list(acts.values()))[0]
        drawn: dict[str, Any] = {
            "who": dice.choice(people),
            "channel": dice.choice(channels),
            "thread": dice.choice(threads),
            "text": 0 if dice.random() < silent else dice.choice(texts),
            "tells": dice.sample(TELLS, dice.choice([0, 0, 1, 2])),
            "of": dice.choice([None, None, None, *people]),
            "chosen": dice.choice([None, None, None, "fault_report", "complaint", "consultation", "nonsense"]),
            "final": dice.random() > goes_on,
            "hazard": dice.random() < 0.07,
            "unconfirmed": dice.random() < 0.1,
            "answered": dice.random() < 0.1,
            "age": dice.choice([0, 0, 0, 0, 2, 25, 90, 480, 2_000, -10, 30_000_000]),
            "late": dice.choice([0, 0, 0, 0, 0, 1, 40, 600, 30_000, -5]),
            "more": dice.random() < more,
            "outcome": dice.choice(["answered", "needs_person", "in_incident"]),
            "reason": dice.choice(["arrears", "planned_outage", "device_unknown", "placement_undone"]),
            "by_command": dice.random() < 0.4,
            "agent": dice.choice(AGENTS),
            "queues": dice.choice([["*"], ["*"], ["repair", "locate", "emergency"], ["consultation"]]),
            "capacity": dice.choice([1, 1, 2, 5, 0]),
            "presence": dice.choice(["available", "available", "available", "away", "offline"]),
            "claims": dice.random() < 0.4,
            "own": dice.randrange(len(OWN)),
            "act": dice.randrange(len(ANYBODY)),
            "theirs": dice.random() < 0.85,
            "across": dice.random() < 0.8,
            "which": dice.randrange(4),
            "hours": dice.choice([0.02, 0.1, 1, 5, 20]),
            "all_of_them": dice.random() < 0.5,
            "minutes": dice.choice([-200, -1, 5, 300]),
            **{name: dice.randrange(1_000) for name in ("number", "other")},
        }
        gap = dice.choice(_GAPS) if dice.random() < 0.5 else 0.0
        steps.append(step_of(Teller, gap, act, drawn))
    if days := dice.choice(_BEGINS):  # as an office closes
        steps.insert(0, Step(days * 1_440 + 285, "the_clock_jumps", {"minutes": 0}))
    return steps


def in_memory(lived: Callable[[InMemory, Story], Coroutine[Any, Any, None]]) -> Live:
    """Return what lives a story with the rows in memory; it raises where a law does not hold, or the router stopped."""

    def live(steps: Story) -> None:
        rules, desk = in_force()
        asyncio.run(lived(InMemory(rules[0], desk[0], customers()), steps))

    return live


live: Final = in_memory(lived)
stage: Final = partial(nullcontext, live)
"""What it needs to be told stories: nothing."""
