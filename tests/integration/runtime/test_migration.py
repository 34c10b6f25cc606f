"""A start changes tables only where there is something to change, and nobody waits for it longer than moments."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.runtime import migration
from services.runtime.errors import UnavailableError
from services.runtime.migration import migrate
from tests.integration.runtime.world import a_record, a_report
from tests.service_process import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.runtime.world import World

pytestmark = pytest.mark.integration
ROOMS = ("grid", "router", "dedup", "notify")
LEDGER = Path(__file__).with_name("ledger.sql")
WAITS_TO_MIGRATE = """
SELECT count(*) > 0 FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND wait_event = 'advisory' AND datname = current_database()
"""


async def made(dsn: str, room: str) -> None:
    await migrate(dsn, room, ROOT / "services" / room / "schema.sql", kernel=room != "grid")


@asynccontextmanager
async def read_by_a_backup(dsn: str, schema: str) -> AsyncIterator[list[str]]:
    """Lock a schema's tables as pg_dump does from its beginning to its end; yield their names."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            named = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = $1 ORDER BY 1"
            tables = [row[0] for row in await connection.fetch(named, schema)]
            await connection.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS SHARE MODE")
            yield tables
    finally:
        await connection.close()


async def longest_wait(dsn: str, tables: list[str], until: asyncio.Task[None]) -> float:
    """How long a writer waits at most for any of the tables while something goes on, in seconds."""
    longest = 0.0
    connection = await asyncpg.connect(dsn)
    try:
        while not until.done():
            for table in tables:
                began = asyncio.get_running_loop().time()
                async with connection.transaction():
                    await connection.execute(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE")
                longest = max(longest, asyncio.get_running_loop().time() - began)
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
    return longest


@pytest.mark.parametrize("room", ROOMS)
async def test_a_process_may_start_while_a_backup_reads_the_tables(database_dsn: str, room: str):
    await made(database_dsn, room)
    async with read_by_a_backup(database_dsn, room):
        async with asyncio.timeout(migration._TABLE_SECONDS * migration._ATTEMPTS):  # who waits for it tries for longer
            await made(database_dsn, room)


@pytest.mark.parametrize("room", ["grid", "dedup", "notify"])
async def test_control_a_start_that_remembers_nothing_waits_for_the_backup(
    database_dsn: str, room: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(migration, "_ATTEMPTS", 1)
    await made(database_dsn, room)
    async with read_by_a_backup(database_dsn, room):
        connection = await asyncpg.connect(database_dsn)
        await connection.execute(f"DELETE FROM {room}.migration")  # noqa: S608 - one of three words
        await connection.close()
        with pytest.raises(UnavailableError, match="LockNotAvailableError"):
            await made(database_dsn, room)


@pytest.fixture
def widened(tmp_path: Path) -> Path:
    """The ledger's DDL in its next release."""
    file = tmp_path / "widened.sql"
    file.write_text(f"{LEDGER.read_text()}\nALTER TABLE running ADD COLUMN IF NOT EXISTS colour text;")
    return file


async def widen_during_a_backup(dsn: str, widened: Path) -> float:
    """Widen tables while a backup reads them, for five seconds; return how long others waited at most."""
    await migrate(dsn, "ledger", LEDGER)
    async with read_by_a_backup(dsn, "ledger") as tables:
        widening = asyncio.create_task(migrate(dsn, "ledger", widened))
        writing = asyncio.create_task(longest_wait(dsn, tables, widening))
        await asyncio.sleep(5)
        assert not widening.done()
    await widening
    return await writing


async def test_a_change_waits_for_the_backup_and_others_for_it_only_moments(
    database_dsn: str, widened: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(migration, "_TABLE_SECONDS", 0.2)
    assert await widen_during_a_backup(database_dsn, widened) < 4


async def test_control_others_wait_as_long_as_a_change_that_does_not_let_go(
    database_dsn: str, widened: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(migration, "_TABLE_SECONDS", 60)
    assert await widen_during_a_backup(database_dsn, widened) > 4


async def test_what_was_changed_by_hand_is_mended_by_the_next_start(database_dsn: str):
    connection = await asyncpg.connect(database_dsn)
    try:
        await migrate(database_dsn, "ledger", LEDGER)
        for damage in ("DROP INDEX ledger.inbox_by_age", "DROP TABLE ledger.tally", "DROP TABLE ledger.migration"):
            await connection.execute(damage)
            await migrate(database_dsn, "ledger", LEDGER)
            there = "SELECT to_regclass('ledger.' || $1) IS NOT NULL"
            assert await connection.fetchval(there, damage.rsplit(".", 1)[1])
        done = await connection.fetchval("SELECT done_at FROM ledger.migration")
        await migrate(database_dsn, "ledger", LEDGER)
        assert await connection.fetchval("SELECT done_at FROM ledger.migration") == done  # nothing was left to do
    finally:
        await connection.close()


async def test_a_process_frozen_in_its_migration_holds_nobody_up_and_goes_on_when_it_wakes(world: World):
    reports = [a_report(n) for n in range(50)]
    frozen = world.start(failpoint="migration.changed:stop", without="patience with frozen processes")
    await world.froze(frozen)
    world.start()
    await world.produce([a_record(one) for one in reports])
    await world.settled(len(reports))
    assert await world.findings(reports) == []
    joined = world.log.count('"partitions_assigned"')
    frozen.send_signal(signal.SIGCONT)
    await world.logged(r"(?s)" + r'.*"partitions_assigned"' * (joined + 1))
    assert [process.poll() for process in world.processes] == [None, None]


async def test_control_without_an_end_of_its_session_the_next_waits(world: World):
    without = "patience with frozen processes,end of a silent migration"
    await world.froze(world.start(failpoint="migration.changed:stop", without=without))
    world.start()
    await world.until("it waits to migrate", True, WAITS_TO_MIGRATE)
    await asyncio.sleep(7)
    await world.until("it waits to migrate", True, WAITS_TO_MIGRATE)
