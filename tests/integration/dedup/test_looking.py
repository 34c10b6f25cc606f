"""Whoever looks at figures takes a part of the database's connections, and never the last: orders wait for nobody."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.dedup.keys import DEVELOPMENT_KEYS
from tests.integration.dedup.room import doors
from tests.unit.dedup.timeline import a_report, minute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.dedup.room import Room

pytestmark = pytest.mark.integration

AREA = "A0SU00000"
READ = {"X-API-Key": DEVELOPMENT_KEYS["desk-dev"]}


@asynccontextmanager
async def slow(dsn: str, table: str) -> AsyncIterator[None]:
    """Let nobody read a table, as if there were a year of it."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def test_orders_wait_for_nobody_who_looks_at_figures(room: Room, room_dsn: str) -> None:
    await room.feed([a_report(AREA, "A0TR00023", "first", 0)], minute(0))
    asked = f"/v1/figures/reliability?start={minute(-60):%Y-%m-%dT%H:%M:%SZ}&end={minute(60):%Y-%m-%dT%H:%M:%SZ}"
    async with doors(room, READ) as client:
        async with slow(room_dsn, "dedup.restored_part"):
            screens = [asyncio.create_task(client.get(asked)) for _ in range(20)]
            await asyncio.sleep(0.5)
            assert not any(one.done() for one in screens), "the control"
            async with asyncio.timeout(30):
                await room.feed([a_report(AREA, "A0TR00104", "second", 1)], minute(1))
        assert {answer.status_code for answer in await asyncio.gather(*screens)} == {200}
    assert await room.pool.fetchval("SELECT count(*) FROM report") == 2
