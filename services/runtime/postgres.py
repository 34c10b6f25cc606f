"""Postgres as services speak with it: which of its errors mean what, and its clock.

Three kinds of error (DESIGN §6.3): data that Postgres cannot hold is invalid input, a server that cannot be reached or
that asks to retry is unavailable, anything else is a bug.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from services.contracts.envelope import Refusal, RefusedError
from services.runtime import clock
from services.runtime.errors import UnavailableError, in_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

_GONE: Final = ("clos", "released back to the pool")
_UNAVAILABLE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutdown, crash recovery, query cancelled
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.ReadOnlySQLTransactionError,  # a failover left us on a replica
    asyncpg.CannotConnectNowError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a lock that another holds; a database that lets nobody in for now
    ConnectionError,
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
)

_log = structlog.get_logger()


@contextmanager
def translated() -> Iterator[None]:
    """Turn database errors into the kinds a service knows.

    Raises:
        UnavailableError: the server cannot answer now.
        RefusedError: the data does not fit a column's type; it would fail again.
    """
    try:
        yield
    except asyncpg.DataError as error:
        # The text of the error quotes the value, which may be personal, so only its kind is kept.
        raise RefusedError(Refusal.UNPROCESSABLE, f"the database refused a value: {type(error).__name__}") from error
    except asyncpg.InterfaceError as error:
        # One class for "the connection is closed" and for our own mistakes; only the first may be tried again. One that
        # died while nobody spoke on it is back in the pool before whoever holds it hears of that. And where a statement
        # has failed as below, the rollback that follows may be told that the statement is still in progress.
        if not (any(word in str(error) for word in _GONE) or _came_of_a_death(error)):
            raise
        raise UnavailableError(f"postgres: {error}") from error
    except asyncpg.InternalClientError as error:
        # A server that dies says so on idle connections too, and closes them a moment later; a statement begun
        # between the two fails in asyncpg's own state machine instead of as a connection error.
        raise UnavailableError(f"postgres: {error}") from error
    except _UNAVAILABLE as error:
        raise UnavailableError(f"postgres: {in_words(error)}") from error


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[Connection]:
    """Take a connection of a pool; errors are ``translated``.

    Raises:
        UnavailableError: the server cannot answer now.
        RefusedError: the data does not fit a column's type.
    """
    with translated():
        async with pool.acquire() as connection:
            yield connection


@contextmanager
def later_if_away() -> Iterator[None]:
    """Put off until the next time what is done again and again for the life of a service, if Postgres is away now."""
    try:
        yield
    except UnavailableError as error:
        _log.warning("waiting_for", what="postgres", reason=str(error)[:200])


def _came_of_a_death(error: BaseException) -> bool:
    """Tell whether something failed only while a failure of the connection was being dealt with."""
    before = error.__context__
    return before is not None and (
        isinstance(before, (asyncpg.InternalClientError, *_UNAVAILABLE)) or _came_of_a_death(before)
    )


def rows_of(status: str) -> int:
    """Return how many rows a statement wrote, from what Postgres says of it: ``UPDATE 3``, ``COPY 500``."""
    return int(status.rpartition(" ")[2])


async def ask_the_time(there: Connection | Pool) -> float:
    """Go by the database's clock; return by how many seconds that moved the time."""
    asked = clock.monotonic()
    return clock.told(await there.fetchval("SELECT clock_timestamp()"), asked)


async def take_the_time(there: Connection | Pool) -> None:
    """Go by the database's clock, and say so: what is due is compared with what other processes wrote there."""
    if by := await ask_the_time(there):
        _log.warning("time_taken_from", what="postgres", seconds=round(by, 1))
