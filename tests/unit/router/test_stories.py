"""Some random stories of every run, with the rows in memory; those that broke something once; what would is found."""

from __future__ import annotations

from typing import Any

import pytest

from services.grid import datum
from services.router.domain import desk
from tests.stories.router import live, story
from tests.stories.routing.world import ANYBODY, OWN, TEXTS
from tests.stories.telling import Step, breaking, shortest

_OUTAGE = TEXTS.index("停电了")
_QUESTION = TEXTS.index("查电费")
_ACCEPT, _COMPLETE = (next(n for n, (act, _) in enumerate(OWN) if act == name) for name in ("accept", "complete"))


def says(text: int, *, who: int = 0, thread: int | None = None, **told: Any) -> Step:
    usual: dict[str, Any] = dict.fromkeys(("hazard", "unconfirmed", "answered", "more"), False)
    usual |= {"tells": [], "of": None, "chosen": None, "final": True, "age": 0, "late": 0}
    return Step(0.1, "somebody_speaks", {**usual, "who": who, "channel": 0, "thread": thread, "text": text, **told})


def test_the_laws_hold_in_random_stories_over_days() -> None:
    assert not dict(breaking(live, story, range(40)))


@pytest.mark.parametrize("act", range(len(ANYBODY)), ids=lambda n: ANYBODY[n][0])
def test_a_ticket_that_becomes_part_of_another_while_somebody_acts_on_it_is_not_done_to(act: int) -> None:
    """Decided on anew it had its contacts twice, and sent a second report of them."""
    before = [says(_OUTAGE), says(0, thread=0, final=False), says(_OUTAGE, thread=0, more=True)]
    live([*before, Step(0.0, "somebody_does", {"act": act, "number": 1})])


def test_a_contact_that_comes_again_after_its_ticket_was_merged_is_in_one_place() -> None:
    merged = Step(0.0, "a_ticket_is_merged", {"number": 0, "other": 1, "across": True})
    again = [Step(0.0, "the_same_comes_again", {"number": n}) for n in (0, 1)]
    live([says(_QUESTION, thread=0), says(_QUESTION, who=3, thread=0), merged, *again])


def test_a_report_that_is_given_back_asks_for_its_own_ticket_if_the_one_it_was_merged_into_is_erased() -> None:
    """That one was decided on anew, with nothing in it, and an agent was given it."""
    settled = {"number": 0, "outcome": "needs_person", "reason": "no_place", "by_command": False}
    ann = {"agent": "ann", "number": 0}
    live(
        [
            says(_OUTAGE, tells=["account"]),
            says(_QUESTION, who=3, thread=1),
            Step(0.0, "a_ticket_is_merged", {"number": 1, "other": 0, "across": True}),
            Step(0.0, "an_agent_names_a_ticket", ann),
            *(Step(0.1, "an_agent_does", {**ann, "own": act, "theirs": True}) for act in (_ACCEPT, _COMPLETE)),
            Step(0.0, "two_weeks_pass", {}),
            Step(0.0, "customers_are_forgotten", {"number": 0, "all_of_them": False}),
            Step(0.0, "a_report_is_settled", settled),
        ]
    )


def test_control_a_clock_that_goes_on_while_it_is_to_stand_still_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = desk.reached

    def goes_on(stage: Any, elapsed: Any, *about: Any) -> Any:
        return reached(stage, elapsed.model_copy(update={"pauses": ()}), *about)

    monkeypatch.setattr(desk, "reached", goes_on)
    told = (how[-1] for _, how in breaking(live, story, range(40)))
    assert any(one == "due otherwise than by the calendar" for one in told)


def test_what_was_mended_is_found_by_the_stories_of_every_run_and_told_with_the_fewest_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(datum, "_on_earth", lambda lat, lon: (lat, lon))
    seed, how = next(breaking(live, story, range(40)))
    steps = story(seed)
    assert {step.act for step in shortest(live, steps, how)} == {"somebody_speaks"}
