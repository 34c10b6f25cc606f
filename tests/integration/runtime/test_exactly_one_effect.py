"""Break the kernel on the real servers; every report must have exactly one effect and the topic tell one story.

Each protection has its negative control: the same breakage with the protection taken out, which must show.
"""

from __future__ import annotations

import asyncio
import random
import signal
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.integration.runtime.world import a_record, a_report

if TYPE_CHECKING:
    from deploy.native.kafka import KafkaBroker
    from deploy.native.postgres import PostgresServer
    from services.contracts.messages import OutageReported
    from tests.integration.runtime.world import World

pytestmark = pytest.mark.integration
STEPS = ["batch.begun", "batch.entered", "batch.handled", "batch.outbox", "batch.committed"]


async def kill_at(world: World, failpoint: str, *, without: str = "") -> list[OutageReported]:
    """Let an owner die at a step of its third batch, and another go on; both with a protection taken out or none."""
    reports = [a_report(n) for n in range(200)]
    await world.produce([a_record(one) for one in reports])
    assert await world.ended(world.start(failpoint=f"{failpoint}:exit:3", without=without)) == 137
    world.start(without=without)
    await world.settled(len(reports))
    return reports


@pytest.mark.parametrize("step", [*STEPS, "relay.published"])
async def test_an_owner_killed_at_any_step_of_a_batch_loses_nothing_and_counts_nothing_twice(world: World, step: str):
    if step == "relay.published":
        reports = [a_report(n) for n in range(200)]
        await world.produce([a_record(one) for one in reports])
        assert await world.ended(world.start(failpoint="relay.published:exit:1")) == 137
        world.start()
        await world.settled(len(reports))
    else:
        reports = await kill_at(world, step)
    assert await world.findings(reports) == []


async def test_what_waits_for_more_relays_than_there_are_now_is_published(world: World):
    reports = [a_report(n) for n in range(200)]
    await world.produce([a_record(one) for one in reports])
    assert await world.ended(world.start(failpoint="relay.published:exit:1", outbox_shards="4")) == 137
    [shards] = await world.sql("SELECT count(DISTINCT shard) AS n FROM outbox_waiting")
    assert shards["n"] > 1, "or there is nothing to take in"
    world.start(outbox_shards="1")
    await world.settled(len(reports))
    assert await world.findings(reports) == []


async def test_control_a_position_moved_outside_the_transaction_loses_records(world: World):
    reports = await kill_at(world, "batch.handled", without="atomic position")
    assert any(finding.startswith("I1") for finding in await world.findings(reports))


async def test_control_a_relay_that_marks_before_it_publishes_loses_orders(world: World):
    reports = [a_report(n) for n in range(200)]
    await world.produce([a_record(one) for one in reports])
    assert await world.ended(world.start(failpoint="relay.published:exit:1", without="mark after publish")) == 137
    world.start()
    await world.settled(len(reports))
    assert any(finding.startswith("I4") for finding in await world.findings(reports))


async def pause_at(world: World, failpoint: str, *, without: str = "") -> list[OutageReported]:
    """Freeze an owner at a step past its session, let another take over and finish, then wake it."""
    reports = [a_report(n) for n in range(300)]
    frozen = world.start(failpoint=f"{failpoint}:stop:2", without=without)
    await world.produce([a_record(one) for one in reports])
    await world.froze(frozen)
    world.start(without=without)
    await world.settled(len(reports))
    more = [a_report(n) for n in range(300, 400)]
    await world.produce([a_record(one) for one in more])
    await world.settled(len(reports) + len(more))
    frozen.send_signal(signal.SIGCONT)  # it goes on with the batch it held
    await asyncio.sleep(3)
    last = [a_report(n) for n in range(400, 450)]
    await world.produce([a_record(one) for one in last])
    await world.settled(450)
    return [*reports, *more, *last]


@pytest.mark.parametrize("step", ["batch.begun", "batch.handled"])
async def test_an_owner_paused_past_its_session_spoils_nothing_when_it_wakes(world: World, step: str):
    reports = await pause_at(world, step)
    assert await world.findings(reports) == []


async def test_the_compare_and_set_alone_holds_off_a_paused_owner(world: World):
    reports = await pause_at(world, "batch.begun", without="inbox")
    assert await world.findings(reports) == []


async def test_control_without_it_the_paused_owner_counts_its_batch_again(world: World):
    reports = await pause_at(world, "batch.begun", without="inbox,fence")
    assert any(finding.startswith("I10") for finding in await world.findings(reports))


async def batches_beside_a_slow_one(world: World, *, without: str = "") -> int:
    """Let one report come, and two of its partition while it is decided; return in how many batches they were."""
    reports = [a_report(n, area="area-0", address="slower" if n == 1 else "somewhere") for n in range(4)]
    world.start(without=without)
    await world.produce([a_record(reports[0])])
    await world.settled(1)
    for one in reports[1:]:
        await world.produce([a_record(one)])
        await asyncio.sleep(0.7)
    await world.settled(len(reports))
    assert await world.findings(reports) == []
    (row,) = await world.sql("SELECT count(DISTINCT seen_at) AS n FROM inbox")  # a batch has one moment
    return int(row["n"])


async def test_all_that_came_during_a_batch_is_in_the_next(world: World):
    assert await batches_beside_a_slow_one(world, without="haste") == 3


async def test_control_what_came_after_the_clients_fetch_is_in_the_one_after(world: World):
    assert await batches_beside_a_slow_one(world, without="what came meanwhile") == 4


async def away_once(world: World, *, without: str = "") -> list[str]:
    """Let the database fail one batch of a partition, read ahead of meanwhile; return what is wrong, also the order."""
    reports = [a_report(n, area="area-0", address="away once" if n == 50 else "somewhere") for n in range(200)]
    await world.produce([a_record(one) for one in reports])
    world.start(without=without)
    await world.settled(len(reports))
    found = await world.findings(reports)
    numbered = [row["report_id"] for row in await world.sql("SELECT report_id FROM effect ORDER BY n")]
    return found if numbered == [one.report_id for one in reports] else [*found, "out of order"]


async def test_what_was_read_ahead_of_a_batch_that_failed_is_read_again_after_it(world: World):
    assert await away_once(world) == []


async def test_control_what_was_read_ahead_goes_before_the_batch_that_failed(world: World):
    assert "out of order" in await away_once(world, without="claim of what was read")


_CLAIM_WAITS = """
SELECT count(*) > 0 FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO consumer_partition%' AND datname = current_database()
"""


async def test_an_owner_that_went_on_while_another_claims_is_no_loss_of_records(world: World):
    """Who claims looks where the log ends; the one before may meanwhile decide what came after that look."""
    reports = [a_report(n, area="area-0") for n in range(30)]
    first = world.start()
    await world.produce([a_record(one) for one in reports[:10]])
    await world.settled(10)
    await world.terminate(first)
    connection = await asyncpg.connect(world.dsn, server_settings={"search_path": world.name})
    try:
        async with connection.transaction():
            await connection.execute("SELECT * FROM consumer_partition FOR UPDATE")
            second = world.start()
            await world.until("it claims", True, _CLAIM_WAITS)
            await world.produce([a_record(one) for one in reports[10:20]])
            await connection.execute("UPDATE consumer_partition SET next_offset = 20 WHERE next_offset = 10")
    finally:
        await connection.close()
    await world.produce([a_record(one) for one in reports[20:]])
    await world.settled(30)
    assert second.poll() is None
    assert '"halted"' not in world.log


async def test_a_position_that_is_moved_under_its_owner_fences_it_and_what_is_read_again_counts_once(world: World):
    reports = [a_report(n, area="area-0") for n in range(20)]
    world.start()
    await world.produce([a_record(one) for one in reports[:10]])
    await world.settled(10)
    await world.sql("UPDATE consumer_partition SET next_offset = 4 WHERE next_offset = 10")
    await world.produce([a_record(one) for one in reports[10:]])
    await world.settled(20)
    assert await world.findings(reports) == []
    counts = {row["name"]: row["n"] for row in await world.sql("SELECT name, sum(n) AS n FROM tally GROUP BY name")}
    assert counts == {"accepted": 20, "duplicate": 6, "effects": 20}


async def test_batches_of_different_partitions_run_side_by_side_and_tell_one_story(world: World):
    reports = [a_report(n) for n in range(800)]
    await world.produce([a_record(one) for one in reports])
    world.start()
    await world.settled(len(reports))
    assert await world.findings(reports) == []
    beside = await world.sql("SELECT coalesce(sum(n), 0) AS n FROM tally WHERE name = 'ended_beside_another'")
    assert beside[0]["n"] > 0


async def deliver_badly(world: World, *, without: str = "") -> list[OutageReported]:
    """Every input at least twice and out of order, in several productions."""
    reports = [a_report(n) for n in range(200)]
    records = [a_record(one) for one in reports] * 2
    shuffle = random.Random(7).shuffle
    shuffle(records)
    world.start(without=without)
    await world.produce(records[:250])
    await world.produce(records[250:])
    await world.settled(len(records))
    return reports


async def test_every_input_twice_and_out_of_order_counts_once(world: World):
    reports = await deliver_badly(world)
    assert await world.findings(reports) == []
    counts = {row["name"]: row["n"] for row in await world.sql("SELECT name, sum(n) AS n FROM tally GROUP BY name")}
    counts.pop("ended_beside_another", None)
    assert counts == {"accepted": 200, "duplicate": 200, "effects": 200}


async def test_control_without_the_inbox_a_repeat_counts_again(world: World):
    reports = await deliver_badly(world, without="inbox")
    assert any(finding.startswith("I10") for finding in await world.findings(reports))


async def test_a_broker_restart_under_load_loses_nothing(world: World, kafka_broker: KafkaBroker):
    reports = [a_report(n) for n in range(400)]
    world.start()
    await world.produce([a_record(one) for one in reports[:200]])
    kafka_broker.kill()
    await asyncio.sleep(1)
    kafka_broker.start()
    await world.produce([a_record(one) for one in reports[200:]])
    await world.settled(len(reports))
    assert await world.findings(reports) == []


async def test_a_database_crash_under_load_loses_nothing(world: World, postgres_server: PostgresServer):
    reports = [a_report(n) for n in range(400)]
    world.start()
    await world.produce([a_record(one) for one in reports[:200]])
    await asyncio.sleep(0.5)
    postgres_server.kill()
    await world.produce([a_record(one) for one in reports[200:]])
    await asyncio.sleep(1)
    postgres_server.start()
    await world.settled(len(reports))
    assert await world.findings(reports) == []


async def test_owners_that_come_and_go_share_the_partitions_and_spoil_nothing(world: World):
    reports = [a_report(n) for n in range(600)]
    first = world.start()
    for start in range(0, 600, 100):
        await world.produce([a_record(one) for one in reports[start : start + 100]])
        await asyncio.sleep(0.3)
        if start == 100:
            second = world.start()
        if start == 300:
            world.kill(first)
        if start == 400:
            second.terminate()
            world.start()
    await world.settled(len(reports))
    assert await world.findings(reports) == []
