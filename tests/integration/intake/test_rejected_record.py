"""A record that the broker rejects is its sender's trouble alone: the producer is made anew and others are accepted.

aiokafka never takes a sequence number back, so after one rejected batch its partition would refuse all that follows,
for as long as the process lives.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.contracts.topics import CONTACT_RECEIVED
from tests.integration.intake.test_intake import contact_of, post, report

if TYPE_CHECKING:
    from tests.service_process import Service

LARGEST_BATCH = 8_000
"""Bytes that the broker takes at once: ten contacts, and not one with the longest text."""
TOO_LARGE = "停" * 4000
SENDERS = 4
SECONDS = 120


async def rebuilds(client: httpx.AsyncClient) -> float:
    page = (await client.get("/metrics")).text
    return float(page.partition("\ngridline_producer_rebuilds_total ")[2].split("\n", 1)[0])


async def start_with_a_broker_that_rejects(stopped_intake: Service) -> None:
    """Start it where the broker takes smaller batches than the producer believes."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stopped_intake.bootstrap)
    await admin.start()
    try:
        smaller = ConfigResource(
            ConfigResourceType.TOPIC,
            stopped_intake.prefix + CONTACT_RECEIVED.name,
            {"max.message.bytes": str(LARGEST_BATCH)},
        )
        await admin.alter_configs([smaller])
    finally:
        await admin.close()
    stopped_intake.start(customer_burst="1e9")  # one that tries again is no flood
    await stopped_intake.wait_ready()


@pytest.mark.integration
@pytest.mark.usefixtures("hasty")
async def test_an_intake_is_ready_again_by_itself_after_a_record_that_the_broker_rejects(
    stopped_intake: Service,
) -> None:
    """One that is not ready gets no requests from a balancer: it cannot wait for one to make its producer anew."""
    await start_with_a_broker_that_rejects(stopped_intake)
    async with httpx.AsyncClient(base_url=stopped_intake.url, timeout=60) as client:
        assert (await post(client, "app/reports", report(1, text=TOO_LARGE))).status_code == 503
        assert await rebuilds(client) == 1
    await stopped_intake.wait_ready()


@pytest.mark.integration
@pytest.mark.usefixtures("hasty")
async def test_a_record_that_the_broker_rejects_spoils_nothing_for_others(stopped_intake: Service) -> None:
    await start_with_a_broker_that_rejects(stopped_intake)
    async with httpx.AsyncClient(base_url=stopped_intake.url, timeout=60) as client:

        async def until_accepted(number: int) -> str:
            while (answer := await post(client, "app/reports", report(number))).status_code == 503:
                await asyncio.sleep(0.05)
            assert answer.status_code == 202, answer.text
            return str(answer.json()["contact_id"])

        async def good(numbers: range) -> list[str]:
            return [await until_accepted(number) for number in numbers]

        async def too_large() -> set[int]:
            return {
                (await post(client, "app/reports", report(1000 + number, text=TOO_LARGE))).status_code
                for number in range(15)
            }

        async with asyncio.timeout(SECONDS):
            statuses, *parts = await asyncio.gather(
                too_large(), *(good(range(start, 100, SENDERS)) for start in range(SENDERS))
            )
            accepted = [one for part in parts for one in part]
            assert statuses == {503}
            assert await rebuilds(client) >= 1, "or the broker took it after all"
            accepted += await good(range(100, 140))  # one after the other, over every partition
    kept = {str(contact_of(record).contact_id) for record in await stopped_intake.records(CONTACT_RECEIVED)}
    assert kept == set(accepted)
    assert len(set(accepted)) == 140
