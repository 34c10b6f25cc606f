"""A topic that takes nothing holds back what is for it, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.contracts import topics
from services.runtime.cluster import apply_topics
from tests.integration.runtime.test_bad_records import with_headers
from tests.integration.runtime.world import a_record, a_report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.integration.runtime.world import World

pytestmark = pytest.mark.integration

_WAIT = "SELECT count(*) FROM outbox_waiting"


async def _gone(admin: AIOKafkaAdminClient, topic: str) -> None:
    await admin.delete_topics([topic])
    async with asyncio.timeout(60):
        while topic in await admin.list_topics():
            await asyncio.sleep(0.1)


async def _too_narrow(admin: AIOKafkaAdminClient, topic: str) -> None:
    limit = {"max.message.bytes": "200"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, limit)])


@pytest.mark.parametrize("refusing", [_gone, _too_narrow])
async def test_orders_go_out_though_the_topic_of_dead_letters_takes_none_and_those_once_it_does(
    world: World, refusing: Callable[[AIOKafkaAdminClient, str], Awaitable[None]]
):
    letters = topics.OUTAGE_INPUT.dead_letters
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    try:
        await refusing(admin, world.prefix + letters)
    finally:
        await admin.close()
    good = [a_report(n) for n in range(60)]
    bad = [with_headers(a_record(a_report(n)), ce_id=None) for n in range(100, 120)]
    process = world.start()
    await world.produce([*map(a_record, good[:30]), *bad[:10]])
    await world.until("orders are published", 10, _WAIT)
    await world.produce([*bad[10:], *map(a_record, good[30:])])
    await world.until("orders are published", 20, _WAIT)
    assert f"'{letters}'" in world.log or f'"{letters}"' in world.log, "the log names it"
    await apply_topics(world.settings(), partitions=3)
    await world.settled(len(good) + len(bad))
    assert process.poll() is None
    assert await world.findings(good) == []
    told = [record.value for record in await world.records(letters)]
    assert sorted(told) == sorted(record.value for record in bad)
