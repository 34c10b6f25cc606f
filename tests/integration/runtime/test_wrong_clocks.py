"""Hosts whose clocks are hours or weeks wrong: what they send is taken, bears the broker's time, and is kept as long.

A broker refuses records that are stamped more than an hour ahead of its own clock (message.timestamp.after.max.ms), and
deletes what is stamped earlier than retention reaches. So topics take the broker's time (contracts/topics).
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.contracts.topics import DISPATCH_ORDER, OUTAGE_INPUT
from services.runtime import retention
from services.runtime.cluster import apply_topics, wanted
from tests.integration.runtime.world import World, a_record, a_report

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

REPORTS = [a_report(number) for number in range(40)]
HOURS = 3600.0


async def as_senders_say(world: World, *topics: str) -> None:
    """Take the broker's time away: the control."""
    admin = AIOKafkaAdminClient(bootstrap_servers=world.bootstrap)
    await admin.start()
    configs = {one.name: one.config | {"message.timestamp.type": "CreateTime"} for one in wanted()}
    try:
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, world.prefix + name, configs[name]) for name in topics]
        )
    finally:
        await admin.close()


@pytest.fixture
async def skewed(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> World:
    module = "tests.integration.faults.skewed"
    own = {"skewed": "tests.integration.runtime.ledger_service"}
    made = World("ledger", kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path, own, module)
    await apply_topics(made.settings(), partitions=3)
    yield made
    made.end()


@pytest.mark.parametrize("hours", ["8", "-2000"])
async def test_what_a_host_with_a_wrong_clock_sends_is_taken_and_bears_the_right_time(skewed: World, hours: str):
    began = time.time()
    skewed.start(skew_hours=hours)
    await skewed.produce(a_record(report) for report in REPORTS)
    await skewed.settled(len(REPORTS))
    assert await skewed.findings(REPORTS) == []
    for topic in (OUTAGE_INPUT, DISPATCH_ORDER):
        stamps = [record.timestamp / 1000 for record in await skewed.records(topic)]
        assert len(stamps) >= len(REPORTS)
        assert began - HOURS < min(stamps) <= max(stamps) < time.time() + HOURS


@pytest.mark.parametrize("hours", [8, -2000, 0])
async def test_a_host_tells_how_far_its_clock_is_off(skewed: World, hours: int):
    skewed.start(skew_hours=str(hours))
    await skewed.produce([a_record(REPORTS[0])])
    await skewed.settled(1)
    told = re.search(r"^gridline_clock_ahead_seconds (\S+)$", await skewed.metrics(), re.MULTILINE)
    assert told is not None
    assert float(told.group(1)) == pytest.approx(hours * HOURS, abs=5.0)


async def test_what_a_host_with_a_wrong_clock_has_seen_is_remembered_as_long(skewed: World):
    """What is past its time is the database's to say: else what comes again within minutes would count twice."""
    skewed.start(skew_hours="-2000")
    await skewed.produce(a_record(report) for report in REPORTS)
    await skewed.settled(len(REPORTS))
    connection = await asyncpg.connect(skewed.dsn, server_settings={"search_path": "ledger"})
    await retention.prune(connection)
    await connection.close()
    await skewed.produce(a_record(report) for report in REPORTS)
    await skewed.settled(2 * len(REPORTS))
    assert await skewed.findings(REPORTS) == []


async def test_control_by_the_senders_clock_a_host_hours_ahead_publishes_nothing(skewed: World):
    await as_senders_say(skewed, DISPATCH_ORDER.name)
    skewed.start(skew_hours="8")
    await skewed.produce(a_record(report) for report in REPORTS)
    await skewed.logged("InvalidTimestampError")
    assert await skewed.records(DISPATCH_ORDER) == []
    # A cluster that was set up by an earlier version is put right while it runs, and what waited goes out.
    await apply_topics(skewed.settings(), partitions=3)
    await skewed.settled(len(REPORTS))
    assert await skewed.findings(REPORTS) == []
