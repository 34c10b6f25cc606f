"""The tables of this version serve the processes of the release before, which still write while theirs are replaced.

A rehearsal by hand, with a release of some days before beside this one, is what this comes of: a column that was
dropped ended every old process within the second, and until they were replaced their partitions waited.
"""

from __future__ import annotations

import asyncpg
import pytest

from services.cli.commands.db import migrate_all
from tests.contract.tables import describe, hurts, read_frozen

pytestmark = pytest.mark.integration


async def test_processes_of_the_release_before_find_all_they_need(database_dsn: str) -> None:
    await migrate_all(database_dsn)
    connection = await asyncpg.connect(database_dsn)
    try:
        now = await describe(connection)
        assert hurts(read_frozen(), now) == []
        await connection.execute("ALTER TABLE dedup.outbox DROP COLUMN headers")  # the control
        assert hurts(read_frozen(), await describe(connection)) == ["dedup.outbox: column headers is gone"]
    finally:
        await connection.close()
