"""A small network in a real Postgres, and the router's handler on it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from services.grid.store import SCHEMA as GRID_SCHEMA
from services.grid.store import import_network
from services.router.__main__ import SCHEMA as ROUTER_SCHEMA
from services.router.acting import Desk as People
from services.router.api import make_router
from services.router.bell import Bell
from services.router.tree.keys import read_keys
from services.runtime.cluster import apply_topics
from services.runtime.http import make_app
from services.runtime.migration import migrate
from services.runtime.outbox import Outbox
from services.runtime.pool import open_pool
from tests.as_documented import as_documented
from tests.integration.router.desk import Desk, shipped_book
from tests.integration.router.process import Router, a_router
from tests.stories.routing.world import NETWORK
from tests.unit.router.making import CLASSIFY, DEPLOY, ROUTES, SHIPPED_DESK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

KEYS = DEPLOY / "keys.yaml"
CUSTOMERS = """\
account_id,transformer_id,lat,lon,address,phone,name,status,priority,language
A1,T1,30.0101,110.0101,1 Road,13800000001,,active,normal,
A2,T2,30.0201,110.0201,2 Road,13800000002,,active,life_support,
A3,T1,30.0102,110.0102,3 Road,13800000003,,suspended,normal,
A4,T9,31.0101,111.0101,4 Road,13800000004,,active,normal,en
"""


async def filled(dsn: str) -> None:
    """Make the router's schema, and import a small network."""
    await migrate(dsn, "grid", GRID_SCHEMA, kernel=False)
    await migrate(dsn, "router", ROUTER_SCHEMA)
    connection = await asyncpg.connect(dsn)
    try:
        with TemporaryDirectory() as name:
            network, customers = Path(name, "network.csv"), Path(name, "customers.csv")
            network.write_text(NETWORK)
            customers.write_text(CUSTOMERS)
            await import_network(connection, network, customers)
    finally:
        await connection.close()


@pytest.fixture
def router_dsn(make_database: Callable[..., str], make_template: Callable[..., str]) -> str:
    """A database with the router's schema and a small network."""
    return make_database(make_template(filled))


@pytest.fixture
async def people(router_dsn: str, desk: Desk) -> AsyncIterator[People]:
    """What people do, on the real database, at the present hour as the handler then; nothing reads its outbox."""
    desk.now = datetime.now(UTC)
    pool = await open_pool(router_dsn, schema="router", size=6)
    outbox = Outbox("gridline/router", shards=1)
    yield People(pool, outbox, shipped_book(), lambda: SHIPPED_DESK, Bell())
    await pool.close()


@pytest.fixture
async def doors(people: People) -> AsyncIterator[httpx.AsyncClient]:
    """The router's doors, without a key."""

    async def ready() -> list[str]:
        return []

    app = make_app("router", ready=ready)
    ring = read_keys(str(KEYS), KEYS.read_text(encoding="utf-8"))
    app.include_router(make_router(people, lambda: ring))
    hooks = {"response": [as_documented("router")]}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://router", event_hooks=hooks) as opened:
        yield opened


@pytest.fixture
async def desk(router_dsn: str) -> AsyncIterator[Desk]:
    connection = await asyncpg.connect(router_dsn, server_settings={"search_path": "router"})
    yield Desk(connection, shipped_book())
    await connection.close()


@pytest.fixture
async def running(kafka_bootstrap: str, router_dsn: str, unique_name: str, tmp_path: Path) -> AsyncIterator[Router]:
    shutil.copy(ROUTES, tmp_path / "routes.yaml")
    shutil.copy(CLASSIFY, tmp_path / "classify.yaml")
    made = a_router(kafka_bootstrap, router_dsn, f"{unique_name}.", tmp_path)
    await apply_topics(made.settings(), partitions=3)
    yield made
    made.end()
