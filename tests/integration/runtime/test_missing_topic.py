"""A topic that is missing holds back what is for it, and nothing else."""

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
    from tests.integration.runtime.world import World

pytestmark = pytest.mark.integration

_WAIT = "SELECT count(*) FROM outbox_waiting"


async def test_orders_go_out_though_the_topic_of_dead_letters_is_missing_and_those_once_it_is_there(world: World):
    missing = topics.OUTAGE_INPUT.dead_letters
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([world.prefix + missing])
        async with asyncio.timeout(60):
            while world.prefix + missing in await admin.list_topics():
                await asyncio.sleep(0.1)
    finally:
        await admin.close()
    good = [a_report(n) for n in range(60)]
    bad = [with_headers(a_record(a_report(n)), ce_id=None) for n in range(100, 120)]
    process = world.start()
    await world.produce([*map(a_record, good[:30]), *bad[:10]])
    await world.until("orders are published", 10, _WAIT)
    await world.produce([*bad[10:], *map(a_record, good[30:])])
    await world.until("orders are published", 20, _WAIT)
    assert f"'{missing}'" in world.log or f'"{missing}"' in world.log, "the log names it"
    await apply_topics(world.settings(), partitions=3)
    await world.settled(len(good) + len(bad))
    assert process.poll() is None
    assert await world.findings(good) == []
    letters = [record.value for record in await world.records(missing)]
    assert sorted(letters) == sorted(record.value for record in bad)


async def test_orders_go_out_though_a_broker_refuses_what_is_for_the_topic_of_dead_letters(world: World):
    refusing = topics.OUTAGE_INPUT.dead_letters
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, world.prefix + refusing, {"max.message.bytes": "200"})]
    )
    await admin.close()
    good = [a_report(n) for n in range(60)]
    bad = [with_headers(a_record(a_report(n)), ce_id=None) for n in range(100, 120)]
    process = world.start()
    await world.produce([*map(a_record, good[:30]), *bad[:10]])
    await world.until("orders are published", 10, _WAIT)
    await world.produce([*bad[10:], *map(a_record, good[30:])])
    await world.until("orders are published", 20, _WAIT)
    assert f"'{refusing}'" in world.log or f'"{refusing}"' in world.log, "the log names it"
    await apply_topics(world.settings(), partitions=3)
    await world.settled(len(good) + len(bad))
    assert process.poll() is None
    assert await world.findings(good) == []
    letters = [record.value for record in await world.records(refusing)]
    assert sorted(letters) == sorted(record.value for record in bad)
