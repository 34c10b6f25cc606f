"""Some random stories of every run on a real Postgres: its statements hold what stories in memory take for granted.

Of one router, of two that share it, and of desktops that hold streams at the two. The KPIs are what was told comes to.
"""

from __future__ import annotations

import pytest

from services.router import figures, store
from services.router.bell import Bell
from tests.stories import router, router_at_two, router_desktops_at_two
from tests.stories.router_in_postgres import in_postgres, story
from tests.stories.telling import breaking

pytestmark = pytest.mark.integration


def test_the_laws_hold_in_random_stories_over_days_in_postgres(database_dsn: str) -> None:
    with in_postgres(database_dsn) as live:
        assert not dict(breaking(live, story, range(2)))


def test_the_laws_hold_in_random_stories_of_two_routers(database_dsn: str) -> None:
    with router_at_two.over(database_dsn) as live:
        assert not dict(breaking(live, router_at_two.story, (5, 6)))


def test_control_two_routers_that_do_not_wait_for_each_other_are_found(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_LOAD", store._LOAD.replace("FOR UPDATE", ""))
    with router_at_two.over(database_dsn) as live:
        assert any(breaking(live, router_at_two.story, range(3, 12)))


def test_desktops_at_two_routers_show_what_is_on_offer(database_dsn: str) -> None:
    with router_desktops_at_two.over(database_dsn) as live:
        assert not dict(breaking(live, router_desktops_at_two.story, (4, 5)))


def test_control_what_the_other_router_did_and_desktops_do_not_hear_is_found(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bell, "_compare", lambda *_: None)
    with router_desktops_at_two.over(database_dsn) as live:
        assert any(breaking(live, router_desktops_at_two.story, range(4, 16)))


@pytest.mark.parametrize(
    ("counts", "instead", "found"),
    [
        ("body->>'ended' = 'assigned'", "did = 'completed'", "figures (handle_s)"),
        ("WHERE body ? 'rang'", "WHERE did = 'accepted'", "figures (rung)"),
        ("$3::text IS NULL OR queue = $3", "$3::text IS NULL OR queue <> $3", "queues ("),
    ],
)
def test_control_figures_that_are_counted_otherwise_are_found(
    counts: str, instead: str, found: str, database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert counts in figures._COUNTS
    monkeypatch.setattr(figures, "_COUNTS", figures._COUNTS.replace(counts, instead))
    with in_postgres(database_dsn) as live:
        assert any(how[-1].startswith(found) for _, how in breaking(live, router.story, range(20)))
