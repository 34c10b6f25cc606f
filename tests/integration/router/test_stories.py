"""Some random stories of every run on a real Postgres: its statements hold what stories in memory take for granted.

Of one router, and of two that share it.
"""

from __future__ import annotations

import pytest

from services.router import store
from tests.stories import router_at_two
from tests.stories.router_in_postgres import in_postgres, story
from tests.stories.telling import broken

pytestmark = pytest.mark.integration


def test_the_laws_hold_in_random_stories_over_days_in_postgres(database_dsn: str) -> None:
    with in_postgres(database_dsn) as live:
        assert not {seed: how for seed in range(2) if (how := broken(live, story(seed)))}


def test_the_laws_hold_in_random_stories_of_two_routers(database_dsn: str) -> None:
    with router_at_two.over(database_dsn) as live:
        assert not {seed: how for seed in (5, 6) if (how := broken(live, router_at_two.story(seed)))}


def test_control_two_routers_that_do_not_wait_for_each_other_are_found(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_LOAD", store._LOAD.replace("FOR UPDATE", ""))
    with router_at_two.over(database_dsn) as live:
        assert any(broken(live, router_at_two.story(seed)) for seed in range(3, 12))
