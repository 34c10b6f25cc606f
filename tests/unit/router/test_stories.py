"""Some random stories of every run, with the rows in memory; those that broke something once; what would is found."""

from __future__ import annotations

from typing import Any

import pytest

from services.grid import datum
from services.router import acting
from tests.stories.router import live, story
from tests.stories.routing.world import ANYBODY, TEXTS
from tests.stories.telling import Step, broken, shortest

_OUTAGE = TEXTS.index("停电了")
_QUESTION = TEXTS.index("查电费")


def says(text: int, *, who: int = 0, thread: int | None = None, **told: Any) -> Step:
    usual: dict[str, Any] = dict.fromkeys(("hazard", "unconfirmed", "answered", "more"), False)
    usual |= {"tells": [], "of": None, "chosen": None, "final": True, "age": 0, "late": 0}
    return Step(0.1, "somebody_speaks", {**usual, "who": who, "channel": 0, "thread": thread, "text": text, **told})


def test_the_laws_hold_in_random_stories_over_days() -> None:
    assert not {seed: how for seed in range(40) if (how := broken(live, story(seed)))}


@pytest.mark.parametrize("act", range(len(ANYBODY)), ids=lambda n: ANYBODY[n][0])
def test_a_ticket_that_becomes_part_of_another_while_somebody_acts_on_it_is_not_done_to(act: int) -> None:
    """Decided on anew it had its contacts twice, and sent a second report of them."""
    before = [says(_OUTAGE), says(0, thread=0, final=False), says(_OUTAGE, thread=0, more=True)]
    live([*before, Step(0.0, "somebody_does", {"act": act, "number": 1})])


def test_a_contact_that_comes_again_after_its_ticket_was_merged_is_in_one_place() -> None:
    merged = Step(0.0, "a_ticket_is_merged", {"number": 0, "other": 1, "across": True})
    again = [Step(0.0, "the_same_comes_again", {"number": n}) for n in (0, 1)]
    live([says(_QUESTION, thread=0), says(_QUESTION, who=3, thread=0), merged, *again])


@pytest.mark.parametrize(
    ("module", "mended", "without", "act"),
    [
        (datum, "_on_earth", lambda lat, lon: (lat, lon), "somebody_speaks"),
        (acting, "_still_there", lambda _ticket: None, "somebody_does_while_the_caller_speaks_on"),
    ],
)
def test_what_was_mended_is_found_by_the_stories_of_every_run_and_told_with_the_fewest_steps(
    module: object, mended: str, without: object, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, mended, without)
    steps, how = next((each, how) for each in map(story, range(40)) if (how := broken(live, each)) is not None)
    assert {step.act for step in shortest(live, steps, how)} == {act}
