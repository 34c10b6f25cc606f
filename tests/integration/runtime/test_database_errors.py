"""What a dying server says on a quiet connection must be read as "unavailable", never as our bug."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.runtime.errors import UnavailableError
from services.runtime.pool import open_pool
from services.runtime.postgres import translated

pytestmark = pytest.mark.integration

_DYING = b"SFATAL\0VFATAL\0C57P02\0Mterminating connection because of crash of another server process\0\0"
FAREWELL = b"E" + (len(_DYING) + 4).to_bytes(4, "big") + _DYING
"""The ErrorResponse that every session gets when one of them crashes, before the connection closes."""


class Between:
    """Passes bytes between a client and the real server, and can speak for the server."""

    def __init__(self, dsn: str) -> None:
        self._address = urlsplit(dsn)
        self._to_clients: list[asyncio.StreamWriter] = []
        self._to_server: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.dsn = self._address._replace(netloc=f"{self._address.netloc.rsplit(':', 1)[0]}:{port}").geturl()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in (*self._to_clients, *self._to_server):
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection(self._address.hostname, self._address.port)
        self._to_clients.append(writer)
        self._to_server.append(here)
        for source, target in ((reader, here), (there, writer)):
            task = asyncio.create_task(self._copy(source, target))
            self._tasks.add(task)

    @staticmethod
    async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    def farewell(self) -> None:
        """Say what a crashing server says, and do not close yet."""
        for writer in self._to_clients:
            writer.write(FAREWELL)


async def ask_after_the_farewell(pool: asyncpg.Pool, between: Between, *, copying: bool) -> None:
    with translated():
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("CREATE TEMPORARY TABLE copied (n int)")
            await connection.copy_records_to_table("copied", records=[(1,)])  # its columns are known from now on
            between.farewell()
            await asyncio.sleep(0.2)
            if copying:
                await connection.copy_records_to_table("copied", records=[(1,)])
            await connection.fetchval("SELECT 2")


@pytest.mark.parametrize("copying", [False, True])
async def test_a_statement_after_the_servers_last_word_is_unavailable_and_the_pool_recovers(
    database_dsn: str, *, copying: bool
):
    """A copy that asyncpg never began stays its operation: the rollback is told that another one is in progress."""
    async with Between(database_dsn) as between:
        pool = await open_pool(between.dsn, schema="public", size=1)
        try:
            with pytest.raises(UnavailableError):
                await ask_after_the_farewell(pool, between, copying=copying)
            assert await pool.fetchval("SELECT 3") == 3
        finally:
            pool.terminate()


async def test_control_asyncpg_itself_calls_it_an_internal_error(database_dsn: str):
    async with Between(database_dsn) as between:
        connection = await asyncpg.connect(between.dsn)
        try:
            between.farewell()
            await asyncio.sleep(0.2)
            with pytest.raises(asyncpg.InternalClientError):
                await connection.fetchval("SELECT 2")
        finally:
            connection.terminate()


async def use_what_died_in_the_quiet(pool: asyncpg.Pool, use: str) -> None:
    """End the session of an acquired connection while nobody speaks on it, and use it once the pool has it back."""
    with translated():
        async with pool.acquire() as connection:
            backend = await connection.fetchval("SELECT pg_backend_pid()")
            await pool.fetchval("SELECT pg_terminate_backend($1)", backend)
            async with asyncio.timeout(20):
                while pool.get_idle_size() < pool.get_size():
                    await asyncio.sleep(0.01)
            await connection.fetchval("SELECT 1") if use == "fetchval" else connection.terminate()


@pytest.mark.parametrize("use", ["fetchval", "terminate"])
async def test_a_connection_that_died_in_the_quiet_is_unavailable_also_to_be_thrown_away(database_dsn: str, use: str):
    pool = await open_pool(database_dsn, schema="public", size=2, ready=2)
    try:
        with pytest.raises(UnavailableError, match="released back"):
            await use_what_died_in_the_quiet(pool, use)
        assert await pool.fetchval("SELECT 3") == 3
    finally:
        pool.terminate()


async def test_control_a_mistake_of_ours_stays_one(database_dsn: str):
    pool = await open_pool(database_dsn, schema="public", size=1)
    try:
        with pytest.raises(asyncpg.InterfaceError), translated():
            await pool.fetchval("SELECT $1::int")
    finally:
        pool.terminate()


async def test_a_database_that_lets_nobody_in_for_a_while_is_waited_for(database_dsn: str) -> None:
    """As while it is copied, or moved to another server by hand: the service ended again and again, as for a bug."""
    name = urlsplit(database_dsn).path.removeprefix("/")
    admin = await asyncpg.connect(database_dsn, database="postgres")
    try:
        await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        with pytest.raises(UnavailableError, match="not currently accepting connections"):
            await open_pool(database_dsn, schema="public", size=1)
    finally:
        await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await admin.close()
