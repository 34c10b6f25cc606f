from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.dedup.__main__ import SCHEMA
from services.dedup.ground import Ground
from services.grid.store import SCHEMA as GRID_SCHEMA
from services.grid.store import import_network
from services.runtime.cluster import apply_topics
from services.runtime.migration import migrate
from services.runtime.pool import open_pool
from tests.integration.dedup.room import Room
from tests.service_process import Service
from tests.unit.dedup.timeline import NETWORKS, RULES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


async def feeder(dsn: str) -> None:
    """Import the IEEE 123-node feeder."""
    await migrate(dsn, "grid", GRID_SCHEMA, kernel=False)
    folder = NETWORKS / "ieee123"
    connection = await asyncpg.connect(dsn)
    try:
        await import_network(connection, folder / "network.csv", folder / "customers.csv")
    finally:
        await connection.close()


async def feeder_and_room(dsn: str) -> None:
    """Make dedup's tables beside it."""
    await migrate(dsn, "dedup", SCHEMA)
    await feeder(dsn)


@pytest.fixture
def room_dsn(make_database: Callable[..., str], make_template: Callable[..., str]) -> str:
    """A database with dedup's tables and the feeder."""
    return make_database(make_template(feeder_and_room))


@pytest.fixture
async def room(room_dsn: str, tmp_path: Path) -> AsyncIterator[Room]:
    """Dedup over the IEEE 123-node feeder, under a copy of the tests' rules that a test may change."""
    rules = tmp_path / "dedup.yaml"
    rules.write_bytes(RULES.read_bytes())
    pool = await open_pool(room_dsn, schema="dedup", size=4)
    try:
        yield Room(pool, Ground(rules), rules)
    finally:
        await pool.close()


@pytest.fixture
async def dedup(
    kafka_bootstrap: str,
    make_database: Callable[..., str],
    make_template: Callable[..., str],
    unique_name: str,
    tmp_path: Path,
) -> AsyncIterator[Service]:
    """Dedup as a process, over the same feeder; not started. It makes its tables itself."""
    database_dsn = make_database(make_template(feeder))
    own = {"batch_records": "40", "thresholds_file": str(RULES)}
    made = Service("dedup", kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path, own)
    await apply_topics(made.settings(), partitions=3)
    yield made
    made.end()
