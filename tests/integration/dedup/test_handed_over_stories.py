"""Some random stories of every run in which dedup processes hand over, and that each thing they are about is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.dedup import timers
from services.dedup.handler import DedupHandler
from services.runtime import batch
from tests.stories.dedup_handed_over import over, story
from tests.stories.telling import breaking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stories.telling import Live

pytestmark = pytest.mark.integration


@pytest.fixture
def live(database_dsn: str, tmp_path: Path) -> Iterator[Live]:
    with over(database_dsn, tmp_path) as live:
        yield live


def test_processes_that_hand_over_come_to_what_one_alone_does(live: Live) -> None:
    assert not dict(breaking(live, story, range(200, 206)))


def test_control_what_is_kept_in_memory_of_an_area_that_went_to_another_is_found(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DedupHandler, "forget", lambda *_: None)
    _, found = next(breaking(live, story, (101, 104, 112)))
    assert found[-1].startswith(("what is in memory (", "what is stored (", "what is published"))


def test_control_two_owners_at_once_are_found(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    fence = "AND p.epoch = v.epoch AND p.next_offset = v.expected"
    monkeypatch.setattr(batch, "_ENTER", batch._ENTER.replace(fence, ""))
    assert any(breaking(live, story, (210, 228)))


def test_control_two_processes_that_notice_the_same_in_other_words_are_found(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers, "fingerprint", lambda message, without: None)
    _, found = next(breaking(live, story, (112, 116)))
    assert found[-1] == "one id with two bodies"
