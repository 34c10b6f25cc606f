"""Some random stories of every run of what customers are two processes tell, and that a fault between them is found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from services.notify import pending
from tests.stories.notify_at_two import over, story
from tests.stories.telling import Step, broken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.telling import Live

pytestmark = pytest.mark.integration


@pytest.fixture
def live(database_dsn: str) -> Iterator[Live]:
    with over(database_dsn) as live:
        yield live


def test_everybody_has_the_last_word_once_from_whichever_of_two_processes(live: Live) -> None:
    """In the last one a process had the settings of a night longer than the other."""
    assert not {seed: how for seed in (*range(3), 600_442) if (how := broken(live, story(seed)))}


def test_control_two_that_send_the_same_are_found(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no row were locked: of the first letters that are due, what one of them claims the other does, too."""
    both, honest = asyncio.Barrier(2), pending.claim
    claimed: list[Any] = []

    async def claim(*args: Any, **how: Any) -> list[Any]:
        if claimed:
            return await honest(*args, **how)
        if await both.wait() == 0:
            claimed.extend(await honest(*args, **how))
        await both.wait()
        return list(claimed)

    call = Step(0, "somebody_reports", {"device": "A0TR00023", "account": None, "made": 0, "flavour": ""})
    steps = [call, *[Step(0, "some_of_it_comes", {"number": n}) for n in range(6)]]
    assert broken(live, steps) is None
    monkeypatch.setattr(pending, "claim", claim)
    how = broken(live, steps)
    assert how is not None
    assert how[-1] == "one letter is sent by two at once"
