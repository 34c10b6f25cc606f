"""Some random stories of every run of what customers are two processes tell, and that a fault between them is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.notify import pending
from tests.stories.notify_at_two import over, story
from tests.stories.telling import broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.telling import Live

pytestmark = pytest.mark.integration


@pytest.fixture
def live(database_dsn: str) -> Iterator[Live]:
    with over(database_dsn) as live:
        yield live


def test_everybody_has_the_last_word_once_from_whichever_of_two_processes(live: Live) -> None:
    assert not {seed: how for seed in range(3) if (how := broken(live, story(seed)))}


def test_control_two_that_send_the_same_are_found(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_CLAIM", pending._CLAIM.replace("FOR UPDATE OF n SKIP LOCKED", ""))
    found = (how[-1] for one in map(story, range(20)) if (how := broken(live, one)) is not None)
    assert "one letter is sent by two at once" in found
