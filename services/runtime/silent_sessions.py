"""Ends the sessions of processes that fell silent in the middle of a statement.

Postgres ends a session that is silent between two statements (``idle_in_transaction_session_timeout``). One that waits
in the middle of a statement for its client to go on, or to take the answer, is active as far as Postgres is concerned,
and keeps its locks for ever: a process frozen there would hold up its successor for as long as it is frozen. No timeout
of Postgres covers it (``statement_timeout`` neither a COPY nor an answer nobody takes), but another session may end it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from services.runtime import clock, metrics
from services.runtime.errors import UnavailableError
from services.runtime.pool import FROZEN_SECONDS, OWN_SESSIONS
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from services.runtime.postgres import Connection

_LOOK_SECONDS: Final = 5.0
_SILENT: Final = f"""
SELECT pid, query_start, application_name FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND application_name LIKE '{OWN_SESSIONS}%'
      AND state = 'active' AND wait_event_type = 'Client'
"""  # noqa: S608 - a constant
_END: Final = f"SELECT pg_terminate_backend(pid) FROM ({_SILENT}) AS s WHERE pid = $1 AND query_start = $2"  # noqa: S608
_log = structlog.get_logger()


class SilentSessions:
    """Remembers which sessions were silent in which statement, and since when."""

    def __init__(self) -> None:
        self._since: dict[tuple[int, datetime], float] = {}

    async def look(self, connection: Connection) -> None:
        """End those that were silent in the same statement at every look for long enough."""
        now = clock.monotonic()
        before, self._since = self._since, {}
        for row in await connection.fetch(_SILENT):
            statement = row["pid"], row["query_start"]
            since = self._since[statement] = before.get(statement, now)
            if now - since >= FROZEN_SECONDS and await connection.fetchval(_END, *statement):
                metrics.SILENT_SESSIONS_ENDED.inc()
                _log.warning("silent_session_ended", of=row["application_name"], seconds=round(now - since))


async def end_silent_sessions(dsn: str) -> None:
    """Look every few seconds, for ever, on a connection of its own: all others may be waiting for the locks."""
    sessions = SilentSessions()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            with translated():
                connection = await asyncpg.connect(dsn, command_timeout=_LOOK_SECONDS)
                try:
                    while True:
                        await sessions.look(connection)
                        await asyncio.sleep(_LOOK_SECONDS)
                finally:
                    connection.terminate()
        except UnavailableError:
            metrics.UNAVAILABLE.labels("silent_sessions").inc()


@asynccontextmanager
async def ending_silent_sessions(dsn: str) -> AsyncIterator[None]:
    """Look for as long as something is under way that may have to wait for locks."""
    looking = asyncio.create_task(end_silent_sessions(dsn), name="silent sessions")
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
