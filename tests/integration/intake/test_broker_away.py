"""Under load the broker goes away for a while, or somebody is killed: who was told 202 is kept, everybody else is told
to come again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from services.contracts.topics import CONTACT_RECEIVED
from tests.integration.intake.test_intake import contact_of, post, report

if TYPE_CHECKING:
    from deploy.native.kafka import KafkaBroker
    from tests.service_process import Service

AWAY_S = 20.0
SENDERS = 150
MOST_UNRESOLVED = 60
PAUSE_S = 0.5
"""Between two requests of a sender that was told to wait: less than it was told, so that the load does not end."""
LARGEST_GROWTH_MB = 48.0


class Senders:
    """Senders that send one event after another, whatever becomes of it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._numbers = iter(range(10**9))
        self.accepted: list[str] = []
        self.refused: list[httpx.Response] = []
        self.cut_off = 0
        self.stopped = False

    async def send(self) -> None:
        while not self.stopped:
            try:
                answer = await post(self._client, "app/reports", report(next(self._numbers)))
            except httpx.TransportError:
                self.cut_off += 1
                await asyncio.sleep(PAUSE_S)
                continue
            if answer.status_code == 202:
                self.accepted.append(answer.json()["contact_id"])
                await asyncio.sleep(PAUSE_S / 10)
            else:
                self.refused.append(answer)
                await asyncio.sleep(PAUSE_S)

    async def until_accepted(self, more: int, seconds: float) -> None:
        wanted, end = len(self.accepted) + more, time.monotonic() + seconds
        while len(self.accepted) < wanted:
            assert time.monotonic() < end, f"{len(self.accepted)} of {wanted} accepted in {seconds} s"
            await asyncio.sleep(0.05)


def resident_mb(pid: int) -> float:
    """Memory of a process now."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def unresolved(client: httpx.AsyncClient) -> float:
    page = (await client.get("/metrics")).text
    return float(page.partition("\ngridline_intake_unresolved_sends ")[2].split("\n", 1)[0])


@pytest.mark.integration
@pytest.mark.usefixtures("hasty")
async def test_broker_away_under_load_every_202_is_on_the_topic_once_and_the_others_hear_503(
    kafka_broker: KafkaBroker, stopped_intake: Service
) -> None:
    process = stopped_intake.start(max_unresolved_sends=str(MOST_UNRESOLVED))
    await stopped_intake.wait_ready()
    limits = httpx.Limits(max_connections=SENDERS + 10, max_keepalive_connections=SENDERS + 10)
    async with httpx.AsyncClient(base_url=stopped_intake.url, timeout=60, limits=limits) as client:
        senders = Senders(client)
        sending = [asyncio.create_task(senders.send()) for _ in range(SENDERS)]
        await senders.until_accepted(500, 60)
        before_mb, most_mb = resident_mb(process.pid), 0.0
        refused_before = len(senders.refused)
        kafka_broker.pause()
        try:
            end = time.monotonic() + AWAY_S
            while time.monotonic() < end:
                assert await unresolved(client) <= MOST_UNRESOLVED
                most_mb = max(most_mb, resident_mb(process.pid))
                await asyncio.sleep(0.5)
        finally:
            kafka_broker.resume()
        titles = {answer.json()["title"] for answer in senders.refused[refused_before:]}
        await senders.until_accepted(500, 90)
        senders.stopped = True
        await asyncio.gather(*sending)
    assert senders.cut_off == 0
    assert titles == {"Busy", "Outcome unknown"}, "some wait until the deadline, the others are told at once"
    assert {answer.status_code for answer in senders.refused} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in senders.refused)
    assert max(most_mb, resident_mb(process.pid)) < before_mb + LARGEST_GROWTH_MB
    kept = Counter(str(contact_of(record).contact_id) for record in await stopped_intake.records(CONTACT_RECEIVED))
    assert len(set(senders.accepted)) == len(senders.accepted)
    assert kept.keys() >= set(senders.accepted)
    assert set(kept.values()) == {1}


@pytest.mark.integration
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("victim", ["intake", "broker"])
async def test_whoever_is_killed_under_load_every_202_is_on_the_topic_once(
    kafka_broker: KafkaBroker, stopped_intake: Service, victim: str
) -> None:
    stopped_intake.start()
    await stopped_intake.wait_ready()
    async with httpx.AsyncClient(base_url=stopped_intake.url, timeout=60) as client:
        senders = Senders(client)
        sending = [asyncio.create_task(senders.send()) for _ in range(16)]
        await senders.until_accepted(100, 60)
        if victim == "intake":
            stopped_intake.kill()
            stopped_intake.start()
        else:
            kafka_broker.kill()
            await asyncio.sleep(PAUSE_S)
            kafka_broker.start()  # not in a thread: the server would end with it
        await senders.until_accepted(100, 90)
        senders.stopped = True
        await asyncio.gather(*sending)
    assert senders.cut_off + len(senders.refused) > 0, "it was killed under load"
    kept = Counter(str(contact_of(record).contact_id) for record in await stopped_intake.records(CONTACT_RECEIVED))
    assert kept.keys() >= set(senders.accepted)
    assert set(kept.values()) == {1}
