"""The pool of connections that a service has, and what each of its sessions is told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from services.runtime.errors import UnavailableError
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asyncpg.pool import PoolAcquireContext

    from services.runtime.postgres import Connection, Pool

_STATEMENT_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 10.0
"""How long a server may take to let somebody in."""
_QUEUE_SECONDS: Final = 10.0
"""How long somebody waits for a connection where all are in use: of a frozen server each is for half a minute."""
_CANCEL_SECONDS: Final = 5.0
"""How long a server may take to say that a statement is given up: from a frozen one no word ever comes."""
FROZEN_SECONDS: Final = 10.0
"""How long a process may be silent inside a transaction before it loses it."""
OWN_SESSIONS: Final = "gridline-"
"""How the names of services' sessions begin, as Postgres shows them."""
_ARRAYS: Final = ("bool", "bytea", "float4", "float8", "int2", "int4", "int8", "text", "timestamptz", "uuid")
_TYPES: Final = f"SELECT {', '.join(f'${n}::{name}[]' for n, name in enumerate(_ARRAYS, 1))}"


def session_settings(schema: str) -> dict[str, str]:
    """Return what Postgres is told of each of a service's sessions.

    Commits wait for the disk (``synchronous_commit=on``) whatever the server's default: a position that could be
    forgotten would be read twice.
    """
    return {
        "search_path": schema,
        "application_name": f"{OWN_SESSIONS}{schema}",
        "synchronous_commit": "on",
        # A batch's query looks expensive for its rows and is done in milliseconds; a server that has LLVM would compile
        # it first, each time, for longer than it runs.
        "jit": "off",
        # An owner frozen inside a transaction holds its rows; after this its successor gets them (frozen in the middle
        # of a statement: silent_sessions).
        "idle_in_transaction_session_timeout": str(int(FROZEN_SECONDS * 1000)),
        # A firewall that forgets connections nobody speaks on hears of these.
        "tcp_keepalives_idle": "60",
    }


class _Session(asyncpg.Connection):
    """A connection that ends if its server does not answer when a statement is given up.

    By itself asyncpg waits as long again as for the statement: a service would seem stuck that only waits.
    """

    def _cancel_current_command(self, *waiters: asyncio.Future[None]) -> None:
        super()._cancel_current_command(*waiters)  # type: ignore[misc] # the stubs do not have it
        asyncio.get_running_loop().call_later(_CANCEL_SECONDS, self._end_if_unanswered)

    def _end_if_unanswered(self) -> None:
        if not self.is_closed() and self._protocol._is_cancelling():  # type: ignore[attr-defined] # noqa: SLF001
            self.terminate()


class _Pool(asyncpg.Pool):
    """A pool in which nobody waits without bound: by itself asyncpg queues everybody behind everybody else."""

    def acquire(self, *, timeout: float | None = None) -> PoolAcquireContext[asyncpg.Record]:
        if timeout is None and self._queue.empty():  # type: ignore[attr-defined] # else there is nothing to wait for
            timeout = _QUEUE_SECONDS
        return super().acquire(timeout=timeout)


class Half:
    """Places for half of a pool's connections: however many come for one, the others stay for the loop."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._places: asyncio.Semaphore | None = None

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and have it.

        Raises:
            UnavailableError: it takes too long.
        """
        if self._places is None:
            self._places = asyncio.Semaphore(max(1, self._pool.get_max_size() // 2))
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise UnavailableError("too many ask at once") from None
        try:
            yield
        finally:
            self._places.release()


class _Part:
    """What a pool is asked for; at most half of its connections are in use so at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._half = Half(pool)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        async with self._half.place(), self._pool.acquire() as connection:
            yield connection

    async def fetch(self, query: str, *given: object) -> list[asyncpg.Record]:
        async with self.acquire() as connection:
            return await connection.fetch(query, *given)


def for_looking(pool: Pool) -> Pool:
    """Return a pool for requests that only look: the others of its connections stay for the loop and for who acts.

    Figures of a year take seconds. A few screens that ask for them had every connection, and orders waited.
    """
    return cast("Pool", _Part(pool))


async def open_pool(dsn: str, *, schema: str, size: int, ready: int = 1) -> Pool:
    """Open a pool whose connections work in ``schema``; one that was opened stays open.

    None is to a replica. After a failover the address may lead to one for a while, and what stays open stays there.

    Args:
        dsn: PostgreSQL address.
        schema: Name of the schema.
        size: Most connections.
        ready: Connections opened at once: a peak finds them open.

    Raises:
        UnavailableError: the server cannot be reached.
    """
    with translated():
        return await _Pool(
            dsn,
            min_size=ready,
            max_size=size,
            max_queries=50_000,
            max_inactive_connection_lifetime=0,
            command_timeout=_STATEMENT_SECONDS,
            timeout=CONNECT_SECONDS,
            target_session_attrs=SessionAttribute.read_write,
            loop=None,
            connection_class=_Session,
            record_class=asyncpg.Record,
            init=_know_types,
            reset=_nothing_to_reset,
            server_settings=session_settings(schema),
        )


async def _nothing_to_reset(_connection: Connection) -> None:
    """Spare every transaction a round trip: by default asyncpg resets what a session may have set, at each release.

    Nobody here sets anything for a session, except the relay, which ends its connection when it gives it back.
    """


async def _know_types(connection: Connection) -> None:
    """Look up what batches are sent as, before somebody waits for it: asyncpg does at a type's first use, for 10 ms."""
    await connection.execute(_TYPES, *([] for _ in _ARRAYS))
