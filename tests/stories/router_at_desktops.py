"""Random stories of the router and desktops that hold streams: ``python -m tests.stories --of router_at_desktops``."""

from __future__ import annotations

import random
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.stories import router
from tests.stories.routing.desktops import AtDesktops, lived_at_desktops
from tests.stories.routing.world import AGENTS, OWN
from tests.stories.telling import Step, step_of

if TYPE_CHECKING:
    from tests.stories.telling import Story

_WEIGHTS: Final = {
    "a_desktop_opens_a_stream": 3.0,
    "a_desktop_waits_by_a_poll": 1.0,
    "a_stream_breaks": 1.5,
    "a_poll_is_given_up": 0.3,
    "a_desktop_comes_back": 2.0,
    "a_desktop_takes_what_it_shows": 4.0,
}


def story(seed: int, told: Story | None = None) -> Story:
    """Tell a story of some dozens of steps, between which desktops come, take, break and come back."""
    dice = random.Random(seed)
    steps: Story = []
    for step in router.story(seed) if told is None else told:
        anew = {"number": dice.randrange(2)} if step.act == "the_process_starts_anew" else {}
        steps.append(Step(step.minutes, step.act, {**step.told, **anew}))
        while dice.random() < 0.45:
            act = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            drawn: dict[str, Any] = {
                "agent": dice.choice(AGENTS),
                "own": dice.randrange(len(OWN)),
                "silently": dice.random() < 0.6,
                "number": dice.randrange(1_000),
            }
            gap = dice.choice([0.0, 0.0, 0.05, 0.2])
            steps.append(step_of(AtDesktops, gap, act, drawn))
    return steps


live: Final = router.in_memory(lived_at_desktops)
stage: Final = partial(nullcontext, live)
"""What it needs to be told stories: nothing."""
