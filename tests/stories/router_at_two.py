"""Random stories of two routers over one Postgres: ``python -m tests.stories [SEED] --of router_at_two``."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.stories import router
from tests.stories.router_in_postgres import in_postgres
from tests.stories.routing.two import AtBoth, InTwoProcesses, lived_by_two
from tests.stories.routing.world import AGENTS, ANYBODY, OWN
from tests.stories.servers import on_its_own
from tests.stories.telling import step_of

if TYPE_CHECKING:
    from tests.stories.telling import Story

_WEIGHTS: Final = {
    "the_other_router_goes_on": 6.0,
    "two_agents_ask_at_once": 3.0,
    "two_act_on_one_ticket_at_once": 3.0,
}


def story(seed: int) -> Story:
    """Tell a story of some dozens of steps, between which the other router goes on, or both do something."""
    dice = random.Random(seed)
    steps: Story = []
    for step in router.story(seed, (40, 80, 120)):
        steps.append(step)
        if dice.random() < 0.5:
            act = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
            drawn: dict[str, Any] = {
                "agent": dice.choice(AGENTS),
                "own": dice.randrange(len(OWN)),
                "act": dice.randrange(len(ANYBODY)),
                "number": dice.randrange(1_000),
            }
            steps.append(step_of(AtBoth, 0, act, drawn))
    return steps


over = partial(in_postgres, room=InTwoProcesses, lives=lived_by_two)
stage: Final = on_its_own(lambda dsn, _: over(dsn))
