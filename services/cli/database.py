"""The database, for commands that read it by themselves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.runtime.settings import ServiceSettings


@asynccontextmanager
async def connect(settings: ServiceSettings) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Connect, and close at the end.

    Raises:
        UnavailableError: Postgres cannot be reached, or goes away meanwhile.
    """
    with translated():
        connection = await asyncpg.connect(settings.postgres_dsn.get_secret_value())
        try:
            yield connection
        finally:
            await connection.close()
