"""A hotline of half a year ago."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from services.runtime import clock
from services.runtime.clock import CatchUp
from tests.integration.ops.hotline import Hotline, hotline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AGO: Final = timedelta(days=180)


@pytest.fixture
async def line(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hotline]:
    monkeypatch.setenv("GRIDLINE_POSTGRES_DSN", database_dsn)
    clock.follow(CatchUp(behind=AGO.total_seconds(), begins=None, rate=2))
    try:
        async with hotline(database_dsn) as made:
            yield made
    finally:
        clock.follow(None)
