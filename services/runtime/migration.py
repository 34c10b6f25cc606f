"""Makes the schema of a service, and brings an older one up to date.

Decided here: when there is something to do. DDL locks its tables even where it then finds nothing to change, and all
who come after wait behind it: a process that started while a backup read the tables stopped its whole service until the
backup was over. So a schema remembers which DDL it was given and what it looked like then. Who starts and finds both as
they should be locks no table; a real change waits for its tables a few seconds at a time.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from services.runtime.failpoints import failpoint
from services.runtime.pool import CONNECT_SECONDS, session_settings
from services.runtime.postgres import translated
from services.runtime.settings import SettingsError
from services.runtime.silent_sessions import ending_silent_sessions

if TYPE_CHECKING:
    from services.runtime.postgres import Connection

_KERNEL: Final = Path(__file__).parent / "kernel.sql"
_LOCK: Final = 0x95598  # one migration at a time per database
_SECONDS: Final = 600.0
"""An index over ten million rows takes a minute: cut off like any other statement, it would begin anew for ever."""
_TABLE_SECONDS: Final = 3.0
"""How long a change waits for a table, and others behind it: longer than a batch takes."""
_ATTEMPTS: Final = 15
_REST_SECONDS: Final = 1.0

_MEMORY: Final = """
CREATE TABLE IF NOT EXISTS migration (ddl bytea PRIMARY KEY, looks text NOT NULL, done_at timestamptz NOT NULL)
"""
# Tables, their columns with types, and indexes; not the partitions that an import makes. The catalogue alone is read.
_LOOKS: Final = """
SELECT coalesce(md5(string_agg(concat_ws(' ', c.relname, a.attname, a.atttypid), ',' ORDER BY c.relname, a.attnum)), '')
FROM pg_class AS c
    LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p', 'i', 'I') AND NOT c.relispartition
"""
_NOTE: Final = """
INSERT INTO migration (ddl, looks, done_at) VALUES ($1, $2, now())
ON CONFLICT (ddl) DO UPDATE SET looks = excluded.looks, done_at = excluded.done_at
"""
_log = structlog.get_logger()


async def migrate(dsn: str, schema: str, *sql_files: Path, kernel: bool = True) -> None:
    """Create the schema with the kernel's tables and a room's own. Running it again changes nothing.

    What changes a table waits about a minute for those who use it; of those, frozen processes lose their sessions.

    Args:
        dsn: PostgreSQL address.
        schema: Name of the schema, which is the name of the service.
        sql_files: The room's idempotent DDL, run in order with ``search_path`` set to the schema.
        kernel: Whether the room consumes and so needs the kernel's tables.

    Raises:
        UnavailableError: the server cannot be reached, or a table that is to be changed stays in use.
        SettingsError: the database is in another encoding than UTF-8.
    """
    files = ((_KERNEL,) if kernel else ()) + sql_files
    ddl = [file.read_text(encoding="utf-8") for file in files]
    with translated():
        connection = await asyncpg.connect(
            dsn, timeout=CONNECT_SECONDS, command_timeout=_SECONDS, server_settings=session_settings(schema)
        )
        try:
            if (encoding := connection.get_settings().server_encoding) != "UTF8":  # initdb's choice where LANG is C
                raise SettingsError(
                    f"settings that do not fit:\n  GRIDLINE_POSTGRES_DSN: the database is in {encoding}, which cannot "
                    "hold what customers write: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
                )
            if not await _is_done(connection, schema, ddl):
                async with ending_silent_sessions(dsn):
                    await _change(connection, schema, ddl)
        finally:
            await connection.close()


async def _change(connection: Connection, schema: str, ddl: list[str]) -> None:
    """Run the DDL in one transaction, as often as it takes to get all the tables."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                if await _is_done(connection, schema, ddl):
                    return
                await connection.execute("SELECT set_config('lock_timeout', $1, true)", f"{_TABLE_SECONDS:g}s")
                await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
                for text in ddl:
                    await connection.execute(text)
                failpoint("migration.changed")
                await connection.execute(_MEMORY)
                await connection.execute(_NOTE, _digest(ddl), await connection.fetchval(_LOOKS, f'"{schema}"'))
                return
        except asyncpg.LockNotAvailableError:
            if attempt == _ATTEMPTS:
                raise
            _log.warning("migration_waits", schema=schema, attempt=attempt)
        await asyncio.sleep(_REST_SECONDS)


async def _is_done(connection: Connection, schema: str, ddl: list[str]) -> bool:
    """Tell whether the schema was given this DDL, and looks as it did then: older tables may have been brought back."""
    if await connection.fetchval("SELECT to_regclass($1)", f'"{schema}".migration') is None:
        return False
    looked = await connection.fetchval("SELECT looks FROM migration WHERE ddl = $1", _digest(ddl))
    return looked is not None and looked == await connection.fetchval(_LOOKS, f'"{schema}"')


def _digest(ddl: list[str]) -> bytes:
    return hashlib.sha256("\n".join(ddl).encode()).digest()
