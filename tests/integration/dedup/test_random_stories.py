"""Some random stories of every run over dedup's tables, and that a fault in loading them is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.dedup.store import load
from tests.stories.dedup import over, story
from tests.stories.telling import broken

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stories.telling import Live

pytestmark = pytest.mark.integration


@pytest.fixture
def live(database_dsn: str, tmp_path: Path) -> Iterator[Live]:
    with over(database_dsn, tmp_path) as live:
        yield live


def test_what_is_kept_and_told_in_random_stories_is_what_the_core_alone_comes_to(live: Live) -> None:
    assert not {seed: how for seed in range(12) if (how := broken(live, story(seed)))}


def test_control_what_is_not_loaded_again_is_found(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_WAITING", load._WAITING.replace("needs_person", "answered"))
    found = next(how for one in map(story, range(12)) if (how := broken(live, one)) is not None)
    assert found[-1] == "what is stored (waiting)"
