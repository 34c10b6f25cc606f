"""Old rows go, and only old ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.contracts.topics import TOPICS
from services.runtime import retention
from services.runtime.migration import migrate

if TYPE_CHECKING:
    from tests.integration.runtime.world import World


@pytest.mark.integration
async def test_only_rows_past_their_time_are_deleted(world: World):
    await migrate(world.dsn, "ledger", Path(__file__).with_name("ledger.sql"))
    connection = await asyncpg.connect(world.dsn, server_settings={"search_path": "ledger"})
    ages = (0, retention.PUBLISHED_DAYS - 1, retention.PUBLISHED_DAYS + 1, retention.SEEN_DAYS + 1)
    await connection.execute(
        "INSERT INTO outbox (topic, key, value, headers, created_at)"
        " SELECT 't', '', '', '[]', now() - age * interval '1 day' FROM unnest($1::int[]) AS age",
        ages,
    )
    await connection.execute(
        "WITH forgotten AS (INSERT INTO outbox (topic, key, value, headers, created_at)"
        " VALUES ('t', '', '', '[]', now() - interval '90 days') RETURNING id)"
        " INSERT INTO outbox_waiting (shard, id) SELECT 0, id FROM forgotten"
    )
    await connection.execute(
        "INSERT INTO inbox SELECT gen_random_uuid(), '', 't', 0, 0, now() - age * interval '1 day'"
        " FROM unnest($1::int[]) AS age",
        ages,
    )
    await retention.prune(connection)
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 3  # two young, one never published
    assert await connection.fetchval("SELECT count(*) FROM inbox") == 3
    await connection.close()


@pytest.mark.integration
async def test_more_than_one_step_deletes_is_gone_within_a_minute(world: World):
    """Otherwise the tables of a service that writes more than a step in five minutes would grow for ever."""
    await migrate(world.dsn, "ledger", Path(__file__).with_name("ledger.sql"))
    await world.sql(
        "INSERT INTO outbox (topic, key, value, headers, created_at)"
        " SELECT 't', '', '', '[]', now() - interval '90 days' FROM generate_series(1, 25000)"
    )
    await world.sql(
        "INSERT INTO inbox SELECT gen_random_uuid(), '', 't', 0, 0, now() - interval '90 days'"
        " FROM generate_series(1, 25000)"
    )
    world.start()
    await world.until("the outbox is pruned", 0, "SELECT count(*) FROM outbox")
    await world.until("the inbox is pruned", 0, "SELECT count(*) FROM inbox")


@pytest.mark.integration
async def test_what_waits_for_weeks_keeps_nothing_younger_from_going(world: World, monkeypatch: pytest.MonkeyPatch):
    """Of a topic that is missing all rows wait; once they were more than a step, no other row was ever deleted."""
    monkeypatch.setattr(retention, "_ROWS", 10)
    await migrate(world.dsn, "ledger", Path(__file__).with_name("ledger.sql"))
    old = (
        "INSERT INTO outbox (topic, key, value, headers, created_at)"
        " SELECT $1, '', '', '[]', now() - interval '90 days' FROM generate_series(1, 15) RETURNING id"
    )
    await world.sql(
        f"WITH aside AS ({old}) INSERT INTO outbox_waiting (shard, id) SELECT 100, id FROM aside",  # noqa: S608 - ours
        "missing",
    )
    await world.sql(old, "t")
    connection = await asyncpg.connect(world.dsn, server_settings={"search_path": "ledger"})
    try:
        while await retention.prune(connection):
            pass
        assert await connection.fetch("SELECT topic, count(*) FROM outbox GROUP BY topic") == [("missing", 15)]
    finally:
        await connection.close()


_ROWS = 20_000
_FILL = """
WITH o AS (
    INSERT INTO outbox (topic, key, value, headers, created_at)
    SELECT 't', '', '', '[]', now() - $2::int * interval '1 day' FROM generate_series(1, $1::int)
)
INSERT INTO inbox SELECT gen_random_uuid(), '', 't', 0, 0, now() - $2::int * interval '1 day'
FROM generate_series(1, $1::int)
"""
_LOOKED_AT = """
SELECT sum(heap_blks_read + heap_blks_hit) FROM pg_statio_user_tables WHERE relname IN ('inbox', 'outbox')
"""


@pytest.mark.integration
async def test_tables_that_use_their_space_again_are_not_read_through_to_find_nothing(world: World):
    """A service looks every five minutes. At a million contacts a day that was ten gigabytes each time."""
    await migrate(world.dsn, "ledger", Path(__file__).with_name("ledger.sql"))
    connection = await asyncpg.connect(world.dsn, server_settings={"search_path": "ledger"})
    try:
        await connection.execute(_FILL, _ROWS, 90)
        while await retention.prune(connection):
            pass
        await connection.execute("VACUUM ANALYZE inbox, outbox")
        await connection.execute(_FILL, _ROWS, 1)
        await connection.execute("VACUUM ANALYZE inbox, outbox")
        await connection.fetchval("SELECT pg_stat_force_next_flush()")
        before = await connection.fetchval(_LOOKED_AT)
        assert not await retention.prune(connection)
        await connection.fetchval("SELECT pg_stat_force_next_flush()")
        pages = await connection.fetchval("SELECT (pg_relation_size('inbox') + pg_relation_size('outbox')) / 8192")
        assert await connection.fetchval(_LOOKED_AT) - before < pages / 2
        assert await connection.fetchval("SELECT count(*) FROM inbox") == _ROWS
    finally:
        await connection.close()


def test_an_id_is_remembered_longer_than_any_topic_keeps_its_record():
    assert max(topic.retention_ms for topic in TOPICS) < retention.SEEN_DAYS * 24 * 3600 * 1000
