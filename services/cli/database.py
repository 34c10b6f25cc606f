"""The database, for commands that read it by themselves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from services.cli.errors import CommandError, Exit
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.runtime.settings import ServiceSettings


@asynccontextmanager
async def connect(settings: ServiceSettings) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Connect, and close at the end.

    Raises:
        UnavailableError: Postgres cannot be reached, or goes away meanwhile.
        CommandError: it lets nobody in by this name and password, or has no such database.
    """
    with translated():
        try:
            connection = await asyncpg.connect(settings.postgres_dsn.get_secret_value())
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
            raise CommandError(f"postgres: {error}", "Correct GRIDLINE_POSTGRES_DSN.", Exit.UNREACHABLE) from None
        try:
            yield connection
        finally:
            await connection.close()
