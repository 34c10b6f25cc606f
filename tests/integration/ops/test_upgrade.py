"""The tables of this version serve the processes of the release before, which still write while they are replaced.

A rehearsal by hand, with a release of some days before beside this one, is what this comes of: a column that was
dropped ended every old process within the second, and until they were replaced their partitions waited.
"""

from __future__ import annotations

import asyncpg
import pytest

from services.cli.commands.db import migrate_all
from tests.contract.tables import describe, hurts, make_released

pytestmark = pytest.mark.integration


async def test_processes_of_the_release_before_find_all_they_need(database_dsn: str) -> None:
    await make_released(database_dsn)
    connection = await asyncpg.connect(database_dsn)
    try:
        released = await describe(connection)
        assert len(released) > 30
        await migrate_all(database_dsn)
        assert hurts(released, await describe(connection)) == []
        await connection.execute("ALTER TABLE dedup.outbox DROP COLUMN headers")  # the control
        assert hurts(released, await describe(connection)) == ["dedup.outbox: column headers is gone"]
    finally:
        await connection.close()
