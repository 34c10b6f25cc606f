"""A hotline of half a year ago."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from services.runtime import clock
from services.runtime.clock import CatchUp
from tests.integration.ops.hotline import Hotline, filled, hotline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

AGO: Final = timedelta(days=180)


@pytest.fixture
def hotline_dsn(make_database: Callable[..., str], make_template: Callable[..., str]) -> str:
    """A database with the tables of all services and a network."""
    return make_database(make_template(filled))


@pytest.fixture
async def line(hotline_dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hotline]:
    monkeypatch.setenv("GRIDLINE_POSTGRES_DSN", hotline_dsn)
    clock.follow(CatchUp(behind=AGO.total_seconds(), begins=None, rate=2))
    try:
        async with hotline(hotline_dsn) as made:
            yield made
    finally:
        clock.follow(None)
