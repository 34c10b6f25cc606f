"""The outbox of an older release, in which the row itself said whether it was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.runtime.postgres import migrate

if TYPE_CHECKING:
    from tests.integration.runtime.world import World

_OLDER = """
ALTER TABLE outbox ADD COLUMN shard smallint NOT NULL DEFAULT 0, ADD COLUMN published_at timestamptz;
ALTER TABLE outbox ALTER COLUMN shard DROP DEFAULT;
DROP TABLE outbox_waiting;
DROP INDEX outbox_created_at;
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
