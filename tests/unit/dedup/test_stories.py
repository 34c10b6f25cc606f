"""Some random stories of every run, and that what breaks one is told with the fewest steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from tests.stories.engine import live, story
from tests.stories.telling import breaking, broken, shortest
from tests.unit.dedup.test_command_laws import Desk

if TYPE_CHECKING:
    import pytest


def test_the_laws_hold_in_random_stories_over_hours() -> None:
    assert not dict(breaking(live, story, range(300)))


def test_what_breaks_a_story_is_told_with_the_fewest_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def stops(_desk: Desk, number: int, **_told: object) -> Never:
        raise KeyError(number)

    monkeypatch.setattr(Desk, "a_crew_speaks", stops)
    steps = next(one for one in map(story, range(100)) if "a_crew_speaks" in {step.act for step in one[3:]})
    how = broken(live, steps)
    assert how is not None
    assert how[:1] == ("KeyError",)
    assert [step.act for step in shortest(live, steps, how)] == ["a_crew_speaks"]
