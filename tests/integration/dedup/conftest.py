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
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def room(database_dsn: str, tmp_path: Path) -> AsyncIterator[Room]:
    """Dedup over the IEEE 123-node feeder, under a copy of the tests' rules that a test may change."""
    await migrate(database_dsn, "dedup", SCHEMA)
    await migrate(database_dsn, "grid", GRID_SCHEMA, kernel=False)
    folder = NETWORKS / "ieee123"
    connection = await asyncpg.connect(database_dsn)
    try:
        await import_network(connection, folder / "network.csv", folder / "customers.csv")
    finally:
        await connection.close()
    rules = tmp_path / "dedup.yaml"
    rules.write_bytes(RULES.read_bytes())
    pool = await open_pool(database_dsn, schema="dedup", size=4)
    try:
        yield Room(pool, Ground(rules), rules)
    finally:
        await pool.close()


@pytest.fixture
async def dedup(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> AsyncIterator[Service]:
    """Dedup as a process, over the same feeder; not started."""
    own = {"batch_records": "40", "thresholds_file": str(RULES)}
    made = Service("dedup", kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path, own)
    await apply_topics(made.settings(), partitions=3)
    await migrate(database_dsn, "grid", GRID_SCHEMA, kernel=False)
    connection = await asyncpg.connect(database_dsn)
    folder = NETWORKS / "ieee123"
    await import_network(connection, folder / "network.csv", folder / "customers.csv")
    await connection.close()
    yield made
    made.end()
