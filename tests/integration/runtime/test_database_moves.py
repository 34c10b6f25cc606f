"""The database freezes, or another server takes its place: a service waits for it, and can still be ended."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from tests.integration.runtime.world import a_record, a_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.native.postgres import PostgresServer
    from tests.integration.runtime.world import World

pytestmark = pytest.mark.integration

_OTHERS = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'gridline-ledger'"


@contextmanager
def frozen(server: PostgresServer) -> Iterator[None]:
    """Freeze the server with all its sessions, as a machine that is paused, or that no packet reaches any more."""
    postmaster = server.pid
    assert postmaster is not None
    os.kill(postmaster, signal.SIGSTOP)
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text(encoding="ascii").split()
    for child in children:
        os.kill(int(child), signal.SIGSTOP)
    try:
        yield
    finally:
        for child in (*children, str(postmaster)):
            os.kill(int(child), signal.SIGCONT)


async def test_a_service_that_came_upon_a_replica_goes_on_once_a_primary_is_where_it_was_told(world: World):
    """After a failover the address may lead to the new replica for a while: no connection to it may be kept."""
    reports = [a_report(n) for n in range(40)]
    process = world.start()
    await world.produce([a_record(one) for one in reports[:20]])
    await world.settled(20)
    name = world.dsn.rsplit("/", 1)[1].split("?")[0]
    connection = await asyncpg.connect(world.dsn, server_settings={"default_transaction_read_only": "off"})
    try:
        await connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await connection.execute(_OTHERS)
        await world.produce([a_record(one) for one in reports[20:]])
        await asyncio.sleep(8)  # it has connected anew, and been told that nothing can be written here
        assert '"waiting_for"' in world.log
        await connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    finally:
        await connection.close()
    await world.settled(len(reports))
    assert process.poll() is None
    assert await world.findings(reports) == []


async def test_readiness_says_at_once_that_a_database_is_frozen(world: World, postgres_server: PostgresServer):
    world.start()
    await world.wait_ready()
    with frozen(postgres_server):
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            for _ in range(3):
                answer = await client.get(f"{world.url}/readyz")
                assert answer.status_code == 503
                assert "postgres does not answer" in answer.json()["detail"]
    await world.wait_ready()


async def test_a_database_that_is_frozen_is_waited_for(world: World, postgres_server: PostgresServer):
    """Who waits for it is not stuck: the watchdog must not end a process that cannot do better."""
    reports = [a_report(n) for n in range(40)]
    process = world.start(without="patience with the database,patience with its silence", watchdog_seconds="8")
    await world.produce([a_record(one) for one in reports[:20]])
    await world.settled(20)
    with frozen(postgres_server):
        await world.produce([a_record(one) for one in reports[20:]])
        await asyncio.sleep(25)
    await world.settled(len(reports))
    assert process.poll() is None
    assert await world.findings(reports) == []


async def test_a_service_ends_in_time_while_its_database_is_frozen(world: World, postgres_server: PostgresServer):
    process = world.start(drain_seconds="2")
    await world.produce([a_record(a_report(n)) for n in range(20)])
    await world.settled(20)
    with frozen(postgres_server):
        await world.produce([a_record(a_report(n)) for n in range(20, 40)])
        await asyncio.sleep(2)
        begun = time.monotonic()
        await world.terminate(process)
        assert time.monotonic() - begun < 20


async def test_a_service_ends_at_once_while_it_waits_for_anothers_migration(world: World):
    connection = await asyncpg.connect(world.dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock(x'95598'::int)")
        process = world.start()
        await world.until(
            "it waits", True, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        )
        begun = time.monotonic()
        assert await world.terminate(process) == 0
        assert time.monotonic() - begun < 10
    finally:
        await connection.close()
