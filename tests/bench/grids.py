"""Imported networks of three sizes: the shipped feeders, tiled, four to a substation."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from services.cli.storm.faults import Network
from services.grid.network_file import open_network, write_customers, write_devices
from services.grid.store import import_network, migrate
from services.grid.tile import Base, Tiling, tile_customers, tile_devices
from tests.bench.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.servers import Servers

TILES_PER_AREA = 4
_NETWORKS = ROOT / "deploy" / "networks"
_OWN_SCHEMAS = ("router", "dedup", "notify", "floor")


@dataclass(frozen=True)
class Size:
    """How large a network is: ``areas`` substations of ``TILES_PER_AREA`` feeders each."""

    name: str
    areas: int

    @property
    def tiles(self) -> int:
        """Feeders."""
        return self.areas * TILES_PER_AREA

    def tiling(self) -> Tiling:
        """How it is made of the shipped networks."""
        return Tiling(self.areas, TILES_PER_AREA, suspended_every=150, important_every=300, life_support_every=500)


SMALL = Size("10 k", 3)
MEDIUM = Size("100 k", 29)
LARGE = Size("1 M", 290)


@dataclass(frozen=True)
class Grid:
    """A network in a database of its own."""

    size: Size
    dsn: str
    customers: int

    def clear(self) -> None:
        """Drop what services have written, so that they start from nothing; the network stays."""
        asyncio.run(self._clear())

    async def _clear(self) -> None:
        connection = await asyncpg.connect(self.dsn)
        try:
            for schema in _OWN_SCHEMAS:
                await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
            await connection.execute("CHECKPOINT")  # nobody pays for what another measurement wrote
        finally:
            await connection.close()


def bases() -> list[Base]:
    """Return the shipped networks."""
    found = []
    for name in ("ckt5", "ieee123"):
        files = open_network(_NETWORKS / name / "network.csv", _NETWORKS / name / "customers.csv")
        found.append(Base(files.devices, list(files.read_customers())))
    return found


def in_memory(size: Size) -> Network:
    """Return a network as the simulator needs it."""
    made = bases()
    return Network(tile_devices(made, size.tiling()), tile_customers(made, size.tiling()))


@dataclass
class Grids:
    """Imports each size once, when it is first asked for."""

    servers: Servers
    tell: Callable[[str], None]
    _imported: dict[Size, Grid] = field(default_factory=dict)

    def imported(self, size: Size) -> Grid:
        """Return the network of a size, with nothing of any service beside it."""
        if size not in self._imported:
            self.tell(f"import of {size.name} customers")
            self._imported[size] = asyncio.run(self._import(size))
        grid = self._imported[size]
        grid.clear()
        return grid

    async def _import(self, size: Size) -> Grid:
        made = bases()
        devices, customers = self.servers.folder / "network.csv", self.servers.folder / "customers.csv"
        write_devices(devices, tile_devices(made, size.tiling()))
        write_customers(customers, tile_customers(made, size.tiling()))
        dsn = self.servers.database()
        connection = await asyncpg.connect(dsn)
        try:
            await migrate(connection)
            done = await import_network(connection, devices, customers)
            await connection.execute("VACUUM")  # as autovacuum would within a minute, in the midst of a measurement
        finally:
            await connection.close()
            devices.unlink()
            customers.unlink()
        return Grid(size, dsn, done.version.customers)
