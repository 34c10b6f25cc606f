"""An intake and the services behind it, on a small network, and a storm for them in parts.

Decided here: how the tests of faults set the whole flow up, and how they judge it: by the product's own checker.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import asyncpg

from services.cli import evidence as evidences
from services.cli.commands.storm import development_senders
from services.cli.invariants import check
from services.cli.watch import watching
from services.grid.network_file import open_network, write_customers, write_devices
from services.grid.store import import_network, migrate
from services.grid.tile import Base, Tiling, tile_customers, tile_devices
from services.runtime import clock
from services.runtime.cluster import apply_topics
from services.simulator.faults import Network
from services.simulator.generate import draw_storm
from services.simulator.payloads import at_steady_rate, begun_before, events_of, render
from services.simulator.sender import Answers
from services.simulator.shape import Shape
from tests.service_process import ROOT, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from services.cli.invariants import Verdict
    from services.simulator.payloads import Request
    from tests.service_process import Process

CONSUMERS = ("router", "dedup", "notify")
WAVE_SECONDS = 4.0
QUIET_SECONDS = 180.0


@dataclass
class System:
    """An intake, and the services behind it."""

    intake: Service
    services: dict[str, Service]
    network: Network
    answers: Answers = field(default_factory=Answers)

    def start(self, name: str, hours: str, failpoint: str = "") -> Process:
        """Start a process of a service on a host whose clock is wrong by so many hours."""
        instance = "held" if failpoint else ""
        skewed = {"skewed": f"services.{name}", "skew_hours": hours}
        return self.services[name].start(**skewed, failpoint=failpoint, instance=instance)

    async def quiet(self) -> None:
        """Wait until nothing is on its way."""
        async with watching(self.intake.settings()) as watch:
            await watch.until_quiet(QUIET_SECONDS)

    async def verdict(
        self, earlier: Mapping[str, Mapping[tuple[str, int], evidences.Position]] | None = None
    ) -> Verdict:
        """Judge what came of what was sent; ``earlier`` as the evidence has it."""
        evidence = await evidences.gather(self.intake.settings())
        evidence.accepted, evidence.unknown = frozenset(self.answers.accepted), frozenset(self.answers.unknown)
        if earlier is not None:
            evidence.earlier = earlier
        return check(evidence)


@asynccontextmanager
async def whole_system(
    bootstrap: str, dsn: str, prefix: str, folder: Path, *, copies: int = 1
) -> AsyncIterator[System]:
    """Make topics, tables and a network; whatever was started ends with the block."""
    about = (bootstrap, dsn, prefix, folder)
    module = "tests.integration.faults.skewed"
    own = {"batch_records": "40"}
    services = {name: Service(name, *about, own, module) for name in CONSUMERS}
    intake = Service("intake", *about, {"source_per_s": "1e9", "source_burst": "1e9"})
    await apply_topics(intake.settings(), partitions=4, replication=copies)
    files = open_network(*(ROOT / "deploy/networks/ieee123" / f"{what}.csv" for what in ("network", "customers")))
    bases, tiling = [Base(files.devices, list(files.read_customers()))], Tiling(areas=6, tiles_per_area=1)
    network = Network(tile_devices(bases, tiling), tile_customers(bases, tiling))
    write_devices(folder / "network.csv", network.devices)
    write_customers(folder / "customers.csv", network.customers)
    connection = await asyncpg.connect(dsn)
    await migrate(connection)
    await import_network(connection, folder / "network.csv", folder / "customers.csv")
    await connection.close()
    try:
        yield System(intake, services, network)
    finally:
        for service in (intake, *services.values()):
            service.end()


def in_waves(network: Network, waves: int) -> list[list[Request]]:
    """Return a storm in so many parts, one after the other."""
    storm = draw_storm(network, Shape(faults=40), seed=17)
    events = events_of(storm)
    requests = at_steady_rate(
        render(storm, events, begun_before(clock.now(), events), development_senders()), waves * WAVE_SECONDS
    )
    size = -(-len(requests) // waves)
    return [requests[n : n + size] for n in range(0, len(requests), size)]
