"""Tables of an older release brought up to date: the outbox, in which the row itself said whether it was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.runtime.migration import migrate

if TYPE_CHECKING:
    from tests.integration.runtime.world import World

_OLDER = """
ALTER TABLE outbox ADD COLUMN shard smallint NOT NULL DEFAULT 0, ADD COLUMN published_at timestamptz;
ALTER TABLE outbox ALTER COLUMN shard DROP DEFAULT;
DROP TABLE outbox_waiting;
CREATE INDEX outbox_created_at ON outbox USING brin (created_at);
CREATE INDEX outbox_unpublished ON outbox (shard, id) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;
"""
_WRITE = """
INSERT INTO outbox (shard, topic, key, value, headers, created_at, published_at)
SELECT n % 2, 't', '', '', '[]', now(), CASE WHEN n < 4 THEN now() END FROM generate_series(1, 6) AS n
"""


@pytest.mark.integration
async def test_what_an_older_release_left_unpublished_waits_and_that_release_writes_no_more(world: World):
    ledger = Path(__file__).with_name("ledger.sql")
    await migrate(world.dsn, "ledger", ledger)
    connection = await asyncpg.connect(world.dsn, server_settings={"search_path": "ledger"})
    try:
        await connection.execute(_OLDER)
        await connection.execute(_WRITE)
        for _ in range(2):  # the second time it is done already
            await migrate(world.dsn, "ledger", ledger)
            rows = await connection.fetch("SELECT shard, id FROM outbox_waiting ORDER BY id")
            assert [tuple(row) for row in rows] == [(0, 4), (1, 5), (0, 6)]
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 6
        with pytest.raises(asyncpg.UndefinedColumnError):
            await connection.execute(_WRITE)
    finally:
        await connection.close()


@pytest.mark.integration
async def test_bringing_large_tables_up_to_date_may_take_longer_than_any_other_statement(
    database_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("services.runtime.pool._STATEMENT_SECONDS", 0.2)
    slow = tmp_path / "schema.sql"
    slow.write_text("CREATE TABLE one AS SELECT 1 AS n FROM pg_sleep(1)")
    await migrate(database_dsn, "slow", slow, kernel=False)
    connection = await asyncpg.connect(database_dsn)
    try:
        assert await connection.fetchval("SELECT count(*) FROM slow.one") == 1
    finally:
        await connection.close()
