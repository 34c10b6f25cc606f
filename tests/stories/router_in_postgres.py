"""Random stories of the router with its rows in a real Postgres: some hundred steps each, fewer but whole."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from services.grid.store import SCHEMA as GRID_SCHEMA
from services.grid.store import import_network
from services.router.__main__ import SCHEMA as ROUTER_SCHEMA
from services.runtime.migration import migrate
from services.runtime.pool import open_pool
from tests.stories import router
from tests.stories.routing.figures import Counted
from tests.stories.routing.rooms import InPostgres
from tests.stories.routing.teller import lived
from tests.stories.routing.world import in_force, write_network
from tests.stories.servers import on_its_own

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from services.runtime.postgres import Pool
    from tests.stories.telling import Live, Story


def story(seed: int) -> Story:
    """Tell a story of some hundred steps."""
    return router.story(seed, (120, 200, 300))


@asynccontextmanager
async def postgres(dsn: str) -> AsyncIterator[Pool]:
    """Make the tables and the network of the stories in a database; return a pool of connections."""
    await migrate(dsn, "grid", GRID_SCHEMA, kernel=False)
    await migrate(dsn, "router", ROUTER_SCHEMA)
    connection = await asyncpg.connect(dsn)
    try:
        with tempfile.TemporaryDirectory() as made:
            folder = write_network(Path(made))
            await import_network(connection, folder / "network.csv", folder / "customers.csv")
    finally:
        await connection.close()
    pool = await open_pool(dsn, schema="router", size=6)
    try:
        yield pool
    finally:
        await pool.close()


_counted = partial(lived, tells=Counted)


@contextmanager
def in_postgres(
    dsn: str, room: type[InPostgres] = InPostgres, lives: Callable[[Any, Story], Coroutine[Any, Any, None]] = _counted
) -> Iterator[Live]:
    """Return what lives a story with the rows in a database, which must be empty."""
    rules, desk = in_force()
    with asyncio.Runner() as runner:
        opened = postgres(dsn)
        pool = runner.run(opened.__aenter__())
        try:
            yield lambda steps: runner.run(lives(room(rules[0], desk[0], pool), steps))
        finally:
            runner.run(opened.__aexit__(None, None, None))


stage: Final = on_its_own(lambda dsn, _: in_postgres(dsn))
