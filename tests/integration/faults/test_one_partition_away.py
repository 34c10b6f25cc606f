"""One partition of a cluster takes nothing, its brokers are away: what is for it waits, in order, and nothing else."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.contracts.topics import CONTACT_RECEIVED, DISPATCH_ORDER, OUTAGE_INPUT
from services.runtime.cluster import apply_topics
from services.runtime.partitioning import partition_of
from tests.integration.intake.test_intake import contact_of, post, report
from tests.integration.runtime.world import World, a_record, a_report
from tests.service_process import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from services.contracts.topics import Topic
    from tests.kafka_cluster import KafkaCluster

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

AWAY = 3
SICK = 2
"""The partition that lives on the broker that goes away."""
NOBODY_LEADS = {0: [1], 1: [2], SICK: [AWAY]}
TOO_FEW_COPIES = {0: [1, 2], 1: [2, 1], SICK: [2, AWAY]}
WAITING = "SELECT key FROM outbox WHERE id IN (SELECT id FROM outbox_waiting)"


async def spread(cluster: KafkaCluster, service: Service, topic: Topic, where: dict[int, Sequence[int]]) -> None:
    """Make the topics of a service, one of them with its copies where they are said to be, two of them needed."""
    await cluster.make(service.prefix + topic.name, where, topic.config)
    await apply_topics(service.settings(), partitions=3, replication=3)
    config = topic.config | {"min.insync.replicas": "2"}
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, service.prefix + topic.name, config)])
    finally:
        await admin.close()
    await cluster.whole(service.prefix)


@pytest.fixture
async def world(cluster: KafkaCluster, database_dsn: str, unique_name: str, tmp_path: Path) -> AsyncIterator[World]:
    module = "tests.integration.runtime.ledger_service"
    made = World("ledger", cluster.bootstrap, database_dsn, f"{unique_name}.", tmp_path, module=module)
    yield made
    made.end()


def partition(key: bytes) -> int:
    return partition_of(key, (0, 1, SICK), (0, 1, SICK))


async def waiting(world: World) -> list[int]:
    """Return the partition of each row that waits in the outbox."""
    return [partition(row["key"]) for row in await world.sql(WAITING)]


async def only_the_sick_wait(world: World, rows: int, seconds: float) -> bool:
    """Wait until so many reports have been decided and nothing waits but what is for the sick partition."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        [row] = await world.sql("SELECT count(*) AS n FROM effect")
        left = await waiting(world)
        if row["n"] == rows and left and set(left) == {SICK}:
            return True
        await asyncio.sleep(0.2)
    return False


@pytest.mark.parametrize("where", [NOBODY_LEADS, TOO_FEW_COPIES], ids=["nobody leads it", "too few copies"])
async def test_orders_of_other_areas_go_out_and_its_own_in_order_once_it_takes_them(
    cluster: KafkaCluster, world: World, where: dict[int, Sequence[int]]
) -> None:
    await spread(cluster, world, DISPATCH_ORDER, where)
    reports = [a_report(n) for n in range(140)]
    held = world.start()
    await world.produce(map(a_record, reports[:35]))
    await world.settled(35)
    cluster.kill(AWAY)
    await world.produce(map(a_record, reports[35:70]))
    assert await only_the_sick_wait(world, 70, 60), f"{await waiting(world)}\n{world.log[-3000:]}"
    # Now that it is known, nobody waits for it any more.
    await world.produce(map(a_record, reports[70:105]))
    assert await only_the_sick_wait(world, 105, 4), f"{await waiting(world)}\n{world.log[-3000:]}"
    # Whoever takes over finds it out anew, and loses or reorders nothing of what was put aside.
    world.kill(held)
    world.start()
    await world.produce(map(a_record, reports[105:]))
    assert await only_the_sick_wait(world, 140, 60), f"{await waiting(world)}\n{world.log[-3000:]}"
    cluster.start()
    await world.settled(len(reports))
    await cluster.whole(world.prefix)
    assert await world.findings(reports) == []
    assert '"partition_takes_again"' in world.log


async def test_control_without_putting_aside_all_orders_wait(cluster: KafkaCluster, world: World) -> None:
    await spread(cluster, world, DISPATCH_ORDER, TOO_FEW_COPIES)
    world.start(without="putting aside")
    await world.produce(map(a_record, [a_report(n) for n in range(35)]))
    await world.settled(35)
    cluster.kill(AWAY)
    await world.produce(map(a_record, [a_report(n) for n in range(35, 105)]))
    assert not await only_the_sick_wait(world, 105, 15)
    assert {0, 1} & set(await waiting(world))


@pytest.mark.parametrize("without", ["", "asking the led"])
async def test_other_partitions_are_read_while_nobody_leads_one_and_that_one_once_somebody_does(
    cluster: KafkaCluster, world: World, without: str
) -> None:
    await spread(cluster, world, OUTAGE_INPUT, NOBODY_LEADS)
    reports = [a_report(n) for n in range(140)]
    there = [one for one in reports if partition(a_record(one).key) == SICK]
    others = [one for one in reports if one not in there]
    assert len(there) > 15
    await world.produce(map(a_record, reports[:70]))
    cluster.kill(AWAY)
    # It starts, and claims, in the middle of it.
    world.start(without=without)
    seen = sum(one in others for one in reports[:70])
    if without:
        await asyncio.sleep(15)
        assert await world.sql("SELECT FROM effect") == [], "control: all wait for the leader of one"
        return
    await world.until("others are read", seen, "SELECT count(*) FROM effect")
    await world.wait_ready()
    await world.produce(map(a_record, (one for one in others if one not in reports[:70])))
    await world.until("others are read", len(others), "SELECT count(*) FROM effect")
    assert 'gridline_lag_records{topic="outage.input.v1"} 0.0' in await world.metrics()
    cluster.start()
    await world.produce(map(a_record, (one for one in there if one not in reports[:70])))
    await world.settled(len(reports))
    await cluster.whole(world.prefix)
    assert await world.findings(reports) == []
    assert world.process.poll() is None


async def test_contacts_of_other_partitions_are_accepted_at_once_and_what_is_for_the_sick_one_is_503(
    cluster: KafkaCluster, unique_name: str, tmp_path: Path
) -> None:
    intake = Service("intake", cluster.bootstrap, "", f"{unique_name}.", tmp_path)
    try:
        await spread(cluster, intake, CONTACT_RECEIVED, TOO_FEW_COPIES)
        intake.start()
        await intake.wait_ready()
        answers: dict[int, list[tuple[int, float]]] = {0: [], 1: [], SICK: []}
        accepted: set[str] = set()

        async def send_one(client: httpx.AsyncClient, number: int) -> None:
            begun = time.monotonic()
            answer = await post(client, "app/reports", report(number))
            key = answer.json().get("contact_id")
            if answer.status_code == 202:
                accepted.add(key)
            answers[SICK if key is None else partition(key.encode())].append(
                (answer.status_code, time.monotonic() - begun)
            )

        async with httpx.AsyncClient(base_url=intake.url, timeout=30) as client:
            for number in range(10):
                await send_one(client, number)
            cluster.kill(AWAY)
            await asyncio.sleep(8)  # who leads what is settled
            for each in answers.values():
                each.clear()
            async with asyncio.TaskGroup() as group:
                for number in range(100, 400):
                    group.create_task(send_one(client, number))
                    await asyncio.sleep(0.03)
        for healthy in (0, 1):
            assert {status for status, _ in answers[healthy]} == {202}
            assert len(answers[healthy]) > 50
            median = sorted(took for _, took in answers[healthy])[len(answers[healthy]) // 2]
            assert median < 1, "half of what the others wait"
        assert {status for status, _ in answers[SICK]} == {503}
        assert len(answers[SICK]) > 50
        assert intake.log.count("contacts_not_accepted") < 10
        cluster.start()
        await cluster.whole(intake.prefix)
        kept = [str(contact_of(one).contact_id) for one in await intake.records(CONTACT_RECEIVED)]
        assert accepted <= set(kept)
        assert len(kept) == len(set(kept))
    finally:
        intake.end()
