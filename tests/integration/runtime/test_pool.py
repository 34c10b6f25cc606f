"""A service's connections are ready before anybody waits for one, and what they commit is on the disk."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from services.runtime.errors import UnavailableError
from services.runtime.pool import open_pool
from services.runtime.postgres import translated

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


async def shown_where_the_database_says(dsn: str, setting: str, other: str) -> str:
    """Return what a setting is for a service whose database is set otherwise."""
    connection = await asyncpg.connect(dsn)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" SET {setting} = {other}')
    await connection.close()
    pool = await open_pool(dsn, schema="public", size=1)
    try:
        return str(await pool.fetchval(f"SHOW {setting}"))
    finally:
        await pool.close()


async def test_a_commit_waits_for_the_disk_where_the_database_would_not(database_dsn: str) -> None:
    """What was answered 202, and a position, would be forgotten by a server that dies within moments of it."""
    assert await shown_where_the_database_says(database_dsn, "synchronous_commit", "off") == "on"


async def test_a_batch_is_not_compiled_before_it_is_run(database_dsn: str) -> None:
    assert await shown_where_the_database_says(database_dsn, "jit", "on") == "off"


async def test_nobody_waits_without_bound_for_others_to_give_a_connection_back(
    database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a frozen database a request would wait until all that came before it have given up, and orders with it."""
    monkeypatch.setattr("services.runtime.pool._QUEUE_SECONDS", 0.2)
    pool = await open_pool(database_dsn, schema="public", size=1)
    try:
        async with pool.acquire():
            for ask in (pool.acquire, lambda: pool.fetchval("SELECT 1")):
                async with asyncio.timeout(5):
                    with pytest.raises(UnavailableError, match="TimeoutError"), translated():
                        await ask()
        assert await pool.fetchval("SELECT 1 FROM pg_sleep(0.4)") == 1, "it is the waiting that is bounded"
    finally:
        await pool.close()
