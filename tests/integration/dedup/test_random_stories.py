"""Some random stories of every run over dedup's tables, and that faults in what they are about are found."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from services.dedup import handler
from services.dedup.domain import evolve
from services.dedup.store import load
from tests.stories.dedup import over, story
from tests.stories.telling import breaking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from services.contracts.publication import Publication
    from services.dedup.domain.state import AreaState
    from tests.stories.telling import Live

pytestmark = pytest.mark.integration


@pytest.fixture
def live(database_dsn: str, tmp_path: Path) -> Iterator[Live]:
    with over(database_dsn, tmp_path) as live:
        yield live


def test_what_is_kept_and_told_in_random_stories_is_what_the_core_alone_comes_to(live: Live) -> None:
    assert not dict(breaking(live, story, range(12)))


def test_control_what_is_not_loaded_again_is_found(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_WAITING", load._WAITING.replace("needs_person", "answered"))
    _, found = next(breaking(live, story, range(12)))
    assert found[-1] == "what is stored (waiting)"


def test_control_what_a_process_remembers_for_longer_than_is_loaded_is_found(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As planned work was, until the next outage ended."""
    monkeypatch.setattr(sys.modules[evolve.__module__], "forget_old", lambda _: None)
    _, found = next(breaking(live, story, range(3, 12)))
    assert found[-1].startswith("what is stored (")


def test_control_what_is_lost_between_the_crews_topic_and_the_area_is_found(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    sends = handler.rekeyed

    def forgets(order: Any, said: Any, *rest: Any) -> Publication:
        return sends(order, said.model_copy(update={"etr": None, "note": None}), *rest)

    monkeypatch.setattr(handler, "rekeyed", forgets)
    _, found = next(breaking(live, story, range(12)))
    assert found[-1] == "what is published"


def test_control_an_area_in_memory_that_stays_by_the_rules_of_before_is_found(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_over = handler.on_other_ground

    def stays(state: AreaState, tree: Any, rules: Any) -> AreaState:
        return state if tree is state.tree else goes_over(state, tree, rules)

    monkeypatch.setattr(handler, "on_other_ground", stays)
    _, found = next(breaking(live, story, range(1, 12)))
    assert found[-1] == "what is published"
