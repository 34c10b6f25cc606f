"""A storm on the four services, two processes of each on hosts whose clocks are sixteen hours apart, while their owners
freeze in the middle of a batch, the database dies, and everything is restarted in turn.

What every promise is checked by is the one checker of the product (tests/e2e plants damage to see that it finds it);
that each fault really struck where it hurts is checked here.
"""

from __future__ import annotations

import asyncio
import re
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

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
from services.simulator.sender import Answers, send
from services.simulator.shape import Shape
from tests.service_process import ROOT, Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from deploy.native.postgres import PostgresServer
    from services.simulator.payloads import Request
    from tests.service_process import Process

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

CONSUMERS = ("router", "dedup", "notify")
AHEAD, BEHIND = "8", "-8"
WAVE_SECONDS = 4.0
QUIET_SECONDS = 180.0
IN_A_BATCH = "batch.handled:stop"
"""Decided and saved, not committed: what it holds is locked, and what it has in memory is of no commit."""
HELD_OFF = re.compile(r'^(?=.*"instance":"held")(?=.*"(fenced|waiting_for)")', re.MULTILINE)
"""It came too late with its batch: others have the partition, or the database had ended its transaction."""


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


@pytest.fixture
async def system(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> AsyncIterator[System]:
    about = (kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path)
    module = "tests.integration.faults.skewed"
    own = {"batch_records": "40"}
    services = {name: Service(name, *about, own, module) for name in CONSUMERS}
    intake = Service("intake", *about, {"source_per_s": "1e9", "source_burst": "1e9"})
    await apply_topics(intake.settings(), partitions=4)
    files = open_network(*(ROOT / "deploy/networks/ieee123" / f"{what}.csv" for what in ("network", "customers")))
    bases, tiling = [Base(files.devices, list(files.read_customers()))], Tiling(areas=6, tiles_per_area=1)
    network = Network(tile_devices(bases, tiling), tile_customers(bases, tiling))
    write_devices(tmp_path / "network.csv", network.devices)
    write_customers(tmp_path / "customers.csv", network.customers)
    connection = await asyncpg.connect(database_dsn)
    await migrate(connection)
    await import_network(connection, tmp_path / "network.csv", tmp_path / "customers.csv")
    await connection.close()
    yield System(intake, services, network)
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


async def test_owners_freeze_the_database_dies_and_all_restart_in_turn_and_nothing_is_lost_or_said_twice(
    system: System, postgres_server: PostgresServer
) -> None:
    waves = in_waves(system.network, 3)
    system.intake.start()
    await system.intake.wait_ready()

    async def wave(number: int) -> None:
        await send(at_steady_rate(waves[number], WAVE_SECONDS), system.intake.url, system.answers)

    # Owners stand still in the middle of a batch for longer than their session and than a transaction may.
    held = {name: system.start(name, AHEAD, IN_A_BATCH) for name in CONSUMERS}
    sending = asyncio.create_task(wave(0))
    for name, process in held.items():  # what one decides comes to the next when its heir has taken over
        await system.services[name].froze(process)
        system.start(name, BEHIND)
    await sending
    await system.quiet()
    earlier = await evidences.read_positions(system.intake.settings())
    for process in held.values():
        process.send_signal(signal.SIGCONT)  # it goes on with the batch it held, and would commit it
    for service in system.services.values():
        await service.logged(HELD_OFF)

    # The database dies while all of them are at work.
    sending = asyncio.create_task(wave(1))
    await asyncio.sleep(WAVE_SECONDS / 2)
    postgres_server.kill()
    postgres_server.start()
    await sending

    # Everything is restarted in turn, and partitions change hands, while reports come in.
    sending = asyncio.create_task(wave(2))
    for name, service in system.services.items():
        for process in [one for one in service.processes if one.poll() is None]:
            system.start(name, BEHIND if process is held[name] else AHEAD)
            await service.wait_ready()
            assert await service.terminate(process) == 0, service.log[-3000:]
    await sending
    await system.quiet()

    evidence = await evidences.gather(system.intake.settings())
    evidence.accepted, evidence.unknown = frozenset(system.answers.accepted), frozenset(system.answers.unknown)
    evidence.earlier = earlier
    verdict = check(evidence)
    assert verdict.findings == ()
    assert verdict.counts.exact
    assert verdict.counts.in_incidents > 50
    assert len(system.answers.accepted) > 200
    assert not system.answers.refused
    waited = [service.name for service in system.services.values() if '"waiting_for"' in service.log]
    assert waited, "somebody was at work when the database died"
