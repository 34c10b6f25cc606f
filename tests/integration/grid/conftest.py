"""A database with the grid schema, and network files to import into it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

import deploy
from services.grid.network_file import open_network, write_customers, write_devices
from services.grid.store import migrate
from services.grid.tile import Base, Tiling, tile_customers, tile_devices

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_SHIPPED = Path(deploy.__file__).parent / "networks"


@pytest.fixture
async def grid(database_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_dsn)
    await migrate(connection)
    yield connection
    await connection.close()


@pytest.fixture
async def reader(database_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A second connection; what it waits for longer than five seconds fails."""
    connection = await asyncpg.connect(database_dsn, command_timeout=5)
    yield connection
    await connection.close()


@pytest.fixture
def shipped() -> Callable[[str], tuple[Path, Path]]:
    """network.csv and customers.csv of a shipped network."""
    return lambda name: (_SHIPPED / name / "network.csv", _SHIPPED / name / "customers.csv")


@pytest.fixture
def tiled(tmp_path: Path, shipped: Callable[[str], tuple[Path, Path]]) -> Callable[..., tuple[Path, Path]]:
    """network.csv and customers.csv of copies of ckt5."""

    def make(areas: int, **more: int) -> tuple[Path, Path]:
        files = open_network(*shipped("ckt5"))
        bases, tiling = [Base(files.devices, list(files.read_customers()))], Tiling(areas, **more)
        network, customers = tmp_path / f"network{areas}.csv", tmp_path / f"customers{areas}.csv"
        write_devices(network, tile_devices(bases, tiling))
        write_customers(customers, tile_customers(bases, tiling))
        return network, customers

    return make
