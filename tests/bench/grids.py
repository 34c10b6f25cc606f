"""Imported networks of several sizes: the shipped feeders, tiled, four to a substation."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from services.grid.network_file import open_network, write_customers, write_devices
from services.grid.store import current_version, migrate
from services.grid.tile import Base, Tiling, tile_customers, tile_devices
from services.simulator.faults import Network
from tests.bench.machine import processor_seconds, watched
from tests.bench.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from services.grid.store import NetworkVersion
    from tests.bench.machine import Spell
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
HUGE = Size("10 M", 2903)
"""Only where it is asked for (``--huge``): its files and its database take some 9 GB and half an hour."""


@dataclass(frozen=True)
class Imported:
    """What an import took.

    Attributes:
        seconds: In all, by stage.
        own_s: Processor seconds of the importing process.
        postgres_s: Those of Postgres.
        peak_mb: The most memory the importing process held, above what it began with: MB.
        gigabytes: What lies in the database then.
    """

    seconds: dict[str, float]
    own_s: float
    postgres_s: float
    peak_mb: float
    gigabytes: float
    spell: Spell


@dataclass(frozen=True)
class Grid:
    """A network in a database of its own."""

    size: Size
    dsn: str
    version: NetworkVersion
    imported: Imported

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
        devices, customers = self.servers.folder / "network.csv", self.servers.folder / "customers.csv"
        made = bases()
        write_devices(devices, tile_devices(made, size.tiling()))
        write_customers(customers, tile_customers(made, size.tiling()))
        dsn = self.servers.database()
        connection = await asyncpg.connect(dsn)
        try:
            await migrate(connection)
            # In a process of its own, as `gridline grid import` is: so its memory is its own.
            found = await asyncio.to_thread(self._measured, dsn, devices, customers)
            await connection.execute("VACUUM")  # as autovacuum would within a minute, in the midst of a measurement
            version = await current_version(connection)
        finally:
            await connection.close()
            devices.unlink()
            customers.unlink()
        if version is None:
            raise RuntimeError("nothing was imported")
        return Grid(size, dsn, version, found)

    def _measured(self, dsn: str, devices: Path, customers: Path) -> Imported:
        postgres = self.servers.postgres.pid
        if postgres is None:
            raise RuntimeError("Postgres has ended")
        before = processor_seconds(postgres)
        command = [sys.executable, "-m", "tests.bench.importing", dsn, str(devices), str(customers)]
        with watched() as spell:
            said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
        postgres_s = processor_seconds(postgres) - before
        return Imported(**json.loads(said), postgres_s=postgres_s, spell=spell)
