"""Some random stories of every run on a real Postgres: its statements hold what stories in memory take for granted."""

from __future__ import annotations

import pytest

from tests.stories.router_in_postgres import in_postgres, story
from tests.stories.telling import broken

pytestmark = pytest.mark.integration


def test_the_laws_hold_in_random_stories_over_days_in_postgres(database_dsn: str) -> None:
    with in_postgres(database_dsn) as live:
        assert not {seed: how for seed in range(2) if (how := broken(live, story(seed)))}
