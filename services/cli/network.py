"""A connection to the database with the network model, and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from services.cli import addresses
from services.cli.database import connect
from services.cli.errors import CommandError
from services.grid.csv_file import NetworkFileError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    T = TypeVar("T")


async def connected(work: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[T]]) -> T:
    """Run ``work`` on a connection to the database.

    Raises:
        UnavailableError: Postgres cannot be reached.
        CommandError: files were refused, or the schema is not there.
    """
    try:
        async with connect(addresses.find().settings) as connection:
            return await work(connection)
    except NetworkFileError as error:
        advice = "Correct these lines and run it again."
        if "is not UTF-8" in str(error):
            advice += " What Excel writes in Chinese is read with --encoding gb18030."
        raise CommandError(f"nothing was imported:\n{error}", advice) from None
    except asyncpg.DiskFullError as error:
        advice = "Make room where the database lies (ten million customers take 8 GB) and run it again."
        raise CommandError(f"nothing was imported: the database's disk is full: {error}", advice) from None
