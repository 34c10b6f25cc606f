"""The database, for commands that read it by themselves."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import asyncpg

from services.cli.errors import CommandError, Exit
from services.runtime.pool import CONNECT_SECONDS
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from services.runtime.settings import ServiceSettings


@asynccontextmanager
async def connect(settings: ServiceSettings) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Connect, and close at the end.

    Raises:
        UnavailableError: Postgres cannot be reached, or goes away meanwhile.
        CommandError: it lets nobody in by this name and password, or has no such database; or this role may not do
            that, or the schema is not there.
    """
    with translated(), _refusals():
        try:
            connection = await asyncpg.connect(settings.postgres_dsn.get_secret_value(), timeout=CONNECT_SECONDS)
        except ValueError:  # without its text, which may hold a part of the password
            what = "GRIDLINE_POSTGRES_DSN is no address of a database"
            advice = "Write postgresql://user:password@host:5432/database; of the password, / : @ # as %2F %3A %40 %23."
            raise CommandError(what, advice) from None
        try:
            yield connection
        finally:
            await connection.close()


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what Postgres does not let this user do, or does not have, into what to do about it.

    Raises:
        CommandError: as above.
    """
    try:
        yield
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise CommandError(f"postgres: {error}", "Correct GRIDLINE_POSTGRES_DSN.", Exit.UNREACHABLE) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise CommandError(f"postgres: {error}", "Name a role that may in GRIDLINE_POSTGRES_DSN.") from None
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
        raise CommandError(f"the schema is not there: {error}", "Run `gridline db migrate`.") from None
