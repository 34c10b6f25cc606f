"""A process frozen in the middle of statements, holding every lock: who follows it does not wait for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from services.runtime.outbox import _TAKE
from services.runtime.pool import open_pool
from tests.integration.runtime.world import a_record, a_report
from tests.service_process import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.runtime.world import World

pytestmark = pytest.mark.integration
SILENT = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'gridline-ledger' AND state = 'active'
      AND wait_event_type = 'Client' AND backend_xid IS NOT NULL
"""


@asynccontextmanager
async def frozen_in_three_statements(world: World) -> AsyncIterator[None]:
    """Let an owner work and end; then freeze a process that holds what an owner holds, three sessions alike."""
    await world.produce([a_record(a_report(n)) for n in range(100)])
    first = world.start()
    await world.settled(100)
    await world.terminate(first)
    command = [sys.executable, "-m", "tests.integration.runtime.frozen_process", world.dsn, world.name]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        await world.until("three sessions are silent in the middle of a statement", 3, SILENT)
        yield
    finally:
        process.kill()
        process.wait()


async def test_who_follows_a_process_frozen_in_the_middle_of_statements_starts_reads_and_publishes(world: World):
    reports = [a_report(n) for n in range(200)]
    async with frozen_in_three_statements(world):
        world.start(without="patience with frozen processes")
        await world.produce([a_record(one) for one in reports[100:]])
        await world.settled(200)
        assert await world.findings(reports) == []
        assert world.log.count('"silent_session_ended"') == 3
        assert "gridline_silent_sessions_ended_total 3.0" in await world.metrics()


async def test_control_without_the_ending_of_silent_sessions_it_waits(world: World):
    async with frozen_in_three_statements(world):
        world.start(without="patience with frozen processes,ending of silent sessions")
        await world.produce([a_record(a_report(n)) for n in range(100, 200)])
        await asyncio.sleep(12)
        [silent] = await world.sql(SILENT)
        [waits] = await world.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        assert (silent["count"], waits["count"] > 0) == (3, True)
        [read] = await world.sql("SELECT sum(next_offset)::int AS n FROM consumer_partition")
        assert read["n"] == 100


async def test_the_relays_lock_comes_with_an_end_to_silence_and_without_it_a_session_stays_as_it_was(database_dsn: str):
    """In one statement: frozen between two, a relay would keep its lock in an idle session that nobody ends."""
    pool = await open_pool(database_dsn, schema="public", size=2)
    try:
        async with pool.acquire() as first, pool.acquire() as second:
            assert await first.fetchval(_TAKE, 1, 2, "15000") == "15s"
            assert await second.fetchval(_TAKE, 1, 2, "15000") is None
            limits = [await each.fetchval("SHOW idle_session_timeout") for each in (first, second)]
            assert limits == ["15s", "0"]
    finally:
        await pool.close()
