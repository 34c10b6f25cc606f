"""Random stories of the outage engine: ``python -m tests.stories [SEED] --of engine``.

The machines of tests/unit/dedup/test_*_laws.py try every act beside every other. This tells stories about a few places,
with steps of restoring them, late words, dispatchers and plans, hours apart: where several outages end with one
message. It stands on the same laws.
"""

from __future__ import annotations

import inspect
import random
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Final

from services.contracts.values import ProgressStage, Reading
from tests.stories.telling import step_of
from tests.unit.dedup.test_command_laws import ACTIONS, Desk

if TYPE_CHECKING:
    from tests.stories.telling import Story

_TRANSFORMERS = [
    *(f"A0TR000{n}" for n in (23, 24, 25, 26, 27, 28, 30, 31, 32, 33)),
    *("A0TR00104", "A0TR00092"),
]
_ABOVE = ["A0FU00016", "A0FU00017", "A0FU00018", "A0SW00015", "A0SW00012", "A0BR00001"]
_WEIGHTS = {
    "somebody_reports": 5.0,
    "power_is_back": 3.0,
    "a_crew_speaks": 1.5,
    "a_dispatcher_acts": 1.5,
    "a_meter_speaks": 0.7,
    "the_network_changes": 0.4,
    "planned_work_is_entered_or_changed": 0.6,
    "planned_work_is_cancelled": 0.2,
    "a_dispatcher_accepts_what_is_proposed": 0.4,
    "work_entered_late_answers_all_but_who_depends_on_power": 0.4,
    "what_an_acceptance_left_is_over": 0.4,
    "a_dispatcher_takes_something_back": 0.6,
}
_GAPS = (0.1, 0.5, 1, 3, 10, 21, 45, 90, 200)
_LONGEST = 1_300.0
"""Minutes: a day after they end, plans are forgotten, and what the laws say of them with them."""
_LAWS = [name for name, member in inspect.getmembers(Desk) if hasattr(member, "hypothesis_stateful_invariant")]


def story(seed: int) -> Story:
    """Tell a story."""
    dice = random.Random(seed)
    places = dice.sample(_TRANSFORMERS, dice.choice([2, 3, 4, 8]))
    devices = [*places, *dice.sample(_ABOVE, 2)]
    acts = {act: weight * dice.choice([0, 1, 1, 2]) for act, weight in _WEIGHTS.items()} | {"somebody_reports": 5.0}
    steps: Story = []
    minutes = 0.0
    for _ in range(dice.randint(6, 45)):
        gap = dice.choice(_GAPS) if dice.random() < 0.5 else 0.0
        minutes += gap + 1
        if minutes > _LONGEST:
            break
        act = dice.choices(list(acts), list(acts.values()))[0]
        drawn = {
            "device": dice.choice(devices),
            "account": dice.choice([None, None, "A1", "A2", "A3"]),
            "made": dice.choice([0, 0, 0, 3, 25, 40]),
            "age": dice.choice([0, 0, 5, 25, 90]),
            "flavour": dice.choice(["", "", "", "", "hazard", "only_mine", "life_support", "kept_back"]),
            "stage": dice.choice([ProgressStage.ARRIVED, ProgressStage.RESTORED, *ProgressStage]),
            "reading": dice.choice(list(Reading)),
            "action": dice.choice(ACTIONS),
            "now_in": dice.choice([None, "elsewhere"]),
            "begins": dice.choice([-60, -10, -2]),
            "lasts": dice.choice([11, 60, 300]),
            **{name: dice.randrange(1_000) for name in ("number", "first", "second")},
        }
        steps.append(step_of(Desk, gap, act, drawn))
    return steps


def live(steps: Story) -> None:
    """Live a story and ask whether the laws hold.

    Raises:
        Exception: they do not, or the engine stopped.
    """
    desk = Desk()
    for step in steps:
        desk.minute += step.minutes
        getattr(desk, step.act)(**step.told)
    for law in _LAWS:
        getattr(desk, law)()
    desk.teardown()


stage: Final = partial(nullcontext, live)
"""What it needs to be told stories: nothing."""
