"""Makes the schema of a service, and brings an older one up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import asyncpg

from services.runtime.postgres import translated
from services.runtime.silent_sessions import ending_silent_sessions

_KERNEL: Final = Path(__file__).parent / "kernel.sql"
_LOCK: Final = 0x95598  # one migration at a time per database
_SECONDS: Final = 600.0
"""An index over ten million rows takes a minute: cut off like any other statement, it would begin anew for ever."""


async def migrate(dsn: str, schema: str, *sql_files: Path, kernel: bool = True) -> None:
    """Create the schema with the kernel's tables and a room's own. Running it again changes nothing.

    It waits for transactions that use its tables; those of processes that were frozen in them are ended.

    Args:
        dsn: PostgreSQL address.
        schema: Name of the schema, which is the name of the service.
        sql_files: The room's idempotent DDL, run in order with ``search_path`` set to the schema.
        kernel: Whether the room consumes and so needs the kernel's tables.

    Raises:
        UnavailableError: the server cannot be reached.
    """
    files = ((_KERNEL,) if kernel else ()) + sql_files
    with translated():
        connection = await asyncpg.connect(dsn, command_timeout=_SECONDS)
        try:
            async with ending_silent_sessions(dsn), connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
                await connection.execute(f'SET LOCAL search_path = "{schema}"')
                for file in files:
                    await connection.execute(file.read_text(encoding="utf-8"))
        finally:
            await connection.close()
