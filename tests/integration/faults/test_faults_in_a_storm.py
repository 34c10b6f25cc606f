"""A storm on the four services, two processes of each on hosts whose clocks are sixteen hours apart, while their owners
freeze in the middle of a batch, the database dies, and everything is restarted in turn.

What every promise is checked by is the one checker of the product (tests/e2e plants damage to see that it finds it);
that each fault really struck where it hurts is checked here.
"""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from services.cli import evidence as evidences
from services.simulator.payloads import at_steady_rate
from services.simulator.sender import send
from tests.integration.faults.system import CONSUMERS, WAVE_SECONDS, System, in_waves, whole_system

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from deploy.native.postgres import PostgresServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

AHEAD, BEHIND = "8", "-8"
IN_A_BATCH = "batch.handled:stop"
"""Decided and saved, not committed: what it holds is locked, and what it has in memory is of no commit."""
HELD_OFF = re.compile(r'^(?=.*"instance":"held")(?=.*"(fenced|waiting_for)")', re.MULTILINE)
"""It came too late with its batch: others have the partition, or the database had ended its transaction."""


@pytest.fixture
async def system(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> AsyncIterator[System]:
    async with whole_system(kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path) as made:
        yield made


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

    verdict = await system.verdict(earlier)
    assert verdict.findings == ()
    assert verdict.counts.exact
    assert verdict.counts.in_incidents > 50
    assert len(system.answers.accepted) > 200
    assert not system.answers.refused
    waited = [service.name for service in system.services.values() if '"waiting_for"' in service.log]
    assert waited, "somebody was at work when the database died"
