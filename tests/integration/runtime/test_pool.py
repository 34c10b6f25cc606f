"""A service's connections are ready before anybody waits for one."""

from __future__ import annotations

import pytest

from services.runtime.postgres import open_pool

pytestmark = pytest.mark.integration


async def test_connections_are_open_before_a_peak_and_know_what_batches_are_sent_as(database_dsn: str) -> None:
    pool = await open_pool(database_dsn, schema="public", size=4, ready=3)
    asked: list[str] = []
    try:
        assert (pool.get_size(), pool.get_idle_size()) == (3, 3)
        async with pool.acquire() as connection:
            with connection.query_logger(lambda query: asked.append(query.query)):
                await connection.fetch(
                    "SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::bytea[], $4::smallint[])", [], [], [], []
                )
    finally:
        await pool.close()
    assert len(asked) == 1, "no look-up of a type at its first use, which somebody would wait for"
