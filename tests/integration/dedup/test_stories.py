"""The dispatchers' timelines once more, on real Kafka and Postgres: the service tells each story as the core told it.

Each story of ``tests/unit/dedup`` runs on the core with all its claims; then what went in goes onto the topic, through
the consume loop, the handler, the tables and the relay, and what is stored and what is on the dispatch topic must be
what the core came to. One story after another on one service; before each the tables are empty.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.contracts import envelope
from services.contracts.topics import DISPATCH_ORDER, OUTAGE_INPUT
from services.dedup.__main__ import SCHEMA
from services.dedup.ground import Ground
from services.dedup.handler import DedupHandler
from services.dedup.store.load import load_areas
from services.grid.store import SCHEMA as GRID_SCHEMA
from services.grid.store import import_network
from services.runtime.batch import Transactor
from services.runtime.cluster import apply_topics
from services.runtime.consumer import Consumer
from services.runtime.migration import migrate
from services.runtime.outbox import Outbox, Relay
from services.runtime.pool import open_pool
from services.runtime.producer import Producer
from services.runtime.settings import ServiceSettings
from tests.integration.dedup.room import plain
from tests.unit.dedup import (
    test_commands,
    test_declined_plans,
    test_known_plans,
    test_open_places,
    test_planning,
    test_power_back_under_plans,
    test_scenarios,
    test_scenarios_crews,
    test_scenarios_held,
    test_scenarios_kept_back,
    test_scenarios_machines,
    test_scenarios_restored,
    test_silence,
    test_telemetry,
)
from tests.unit.dedup.timeline import NETWORKS, RULES, Timeline, rules_of_tests, shipped_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from services.contracts.messages import OutageInput
    from services.dedup.domain.rules import Rules
    from services.runtime.postgres import Pool

pytestmark = pytest.mark.integration

MODULES = (
    *(test_scenarios, test_scenarios_crews, test_scenarios_restored, test_scenarios_held),
    *(test_scenarios_kept_back, test_scenarios_machines),
    *(test_commands, test_telemetry, test_silence, test_open_places, test_planning, test_known_plans),
    *(test_declined_plans, test_power_back_under_plans),
)
TOLD_AT_LEAST = 123
MACHINES: dict[str, Any] = {"closed_after": timedelta(minutes=5), "early": timedelta(minutes=15)}
PATIENT = {"meters": timedelta(minutes=3)}
HOLDS = {"transformer": timedelta(minutes=5), "fuse": timedelta(minutes=10)}
EMPTY = """TRUNCATE area, storm, incident, report, membership, order_version, progress, restored_part, timer, command,
    planned_outage, plan_answer, telemetry, outage_elsewhere, inbox"""
SETTLED = """SELECT (SELECT coalesce(sum(next_offset), 0) FROM consumer_partition WHERE topic = $1) >= $2
    AND NOT EXISTS (SELECT FROM outbox_waiting)"""
SECONDS = 60
BY_OUR_CLOCK = {
    "a_crews_clock_ahead_of_ours_is_bounded_by_arrival",
    "a_crews_clock_hours_behind_says_nothing_of_before_the_first_report",
}
"""What a crew says is bounded by when we hear it, and the service's clock is not the story's."""


def stories() -> Iterator[tuple[str, Timeline]]:
    """Every timeline of one area, run on the core, whose network stays as it is."""
    tree, rules = shipped_tree("ieee123"), rules_of_tests()
    made: dict[str, Callable[[], Timeline]] = {
        "storm": lambda: Timeline("A0SU00000", tree, rules),
        "held": lambda: Timeline("A0SU00000", tree, replace(rules, holds=HOLDS)),
        "metered": lambda: Timeline("A0SU00000", tree, replace(rules, **MACHINES)),
        "patient": lambda: Timeline("A0SU00000", tree, replace(rules, **MACHINES, holds=PATIENT)),
        "unmodelled": lambda: Timeline("cell:85318d9bfffffff", None, rules),
    }
    for module in MODULES:
        for name, function in vars(module).items():
            parameters = list(inspect.signature(function).parameters) if name.startswith("test_") else []
            if len(parameters) == 1 and parameters[0] in made and not hasattr(function, "pytestmark"):
                timeline = made[parameters[0]]()
                function(timeline)
                yield name.removeprefix("test_"), timeline


@dataclass
class Service:
    """Dedup's loop and relay in this process, on servers of their own kind."""

    settings: ServiceSettings
    pool: Pool
    ground: Ground
    handler: DedupHandler
    producer: Producer
    orders: AIOKafkaConsumer
    tasks: list[asyncio.Task[None]]
    put: int = 0

    async def tell(self, inputs: list[OutageInput]) -> list[dict[str, Any]]:
        """Put a story onto the topic; wait until it is decided and published; return its orders, as they were told."""
        await self.pool.execute(EMPTY)
        self.handler.forget({(OUTAGE_INPUT.name, 0)})
        for message in inputs:
            await self.producer.send(envelope.encode(message, topic=OUTAGE_INPUT.name, source="gridline/test"))
        self.put += len(inputs)
        async with asyncio.timeout(SECONDS):
            while not await self.pool.fetchval(SETTLED, OUTAGE_INPUT.name, self.put):
                for task in self.tasks:
                    if task.done():
                        task.result()  # what ended it says more than that nothing came
                await asyncio.sleep(0.01)
        return [json.loads(record.value)["data"] async for record in self._new_orders()]

    async def _new_orders(self) -> AsyncIterator[Any]:
        [part] = self.orders.assignment()
        [end] = (await self.orders.end_offsets([part])).values()
        async with asyncio.timeout(SECONDS):
            while await self.orders.position(part) < end:
                yield await self.orders.getone()


@asynccontextmanager
async def service(settings: ServiceSettings) -> AsyncIterator[Service]:
    dsn = settings.postgres_dsn.get_secret_value()
    await apply_topics(settings, partitions=1)
    await migrate(dsn, "dedup", SCHEMA)
    await migrate(dsn, "grid", GRID_SCHEMA, kernel=False)
    connection = await asyncpg.connect(dsn)
    await import_network(connection, NETWORKS / "ieee123" / "network.csv", NETWORKS / "ieee123" / "customers.csv")
    await connection.close()
    pool = await open_pool(dsn, schema="dedup", size=8)
    ground, outbox, producer = Ground(RULES), Outbox("gridline/dedup", shards=1), Producer(settings)
    await ground.look_at_network(pool)
    handler = DedupHandler(ground, cached_areas=10)
    transactor = Transactor(pool, handler, outbox, "dedup")
    consumer = Consumer(settings, transactor, group="stories", owner="stories", reachable=producer.reachable)
    orders = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, auto_offset_reset="earliest")
    await producer.start()
    await orders.start()
    orders.assign([TopicPartition(settings.topic_prefix + DISPATCH_ORDER.name, 0)])
    relay = Relay(pool, producer, outbox, settings=settings, shard=0)
    tasks = [asyncio.create_task(consumer.run()), asyncio.create_task(relay.run())]
    try:
        yield Service(settings, pool, ground, handler, producer, orders, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await orders.stop()
        await producer.stop()
        await pool.close()


def last_versions(orders: list[dict[str, Any]]) -> dict[str, tuple[int, str, str]]:
    return {one["order_id"]: (one["version"], one["status"], one["device"]["id"]) for one in orders}


async def told_otherwise(running: Service, name: str, timeline: Timeline, rules: Rules) -> list[str]:
    """What differs where the service decides by ``rules`` what the core decided by its own."""
    core, running.ground.rules = timeline.state, rules
    orders = await running.tell([message for message, _ in timeline.inputs])
    trees = {} if core.tree is None else {core.area: core.tree}
    async with running.pool.acquire() as connection:
        stored = (await load_areas(connection, [core.area], trees, core.rules))[core.area]
    found = []
    if plain(stored) != plain(core):
        found.append(f"{name}: stored otherwise")
    if last_versions(orders) != last_versions([order.model_dump(mode="json") for order in timeline.orders]):
        found.append(f"{name}: other orders on the topic")
    return found


async def test_the_service_tells_every_story_as_the_core_does(
    kafka_bootstrap: str, database_dsn: str, unique_name: str
) -> None:
    settings = ServiceSettings(
        kafka_bootstrap=kafka_bootstrap, postgres_dsn=database_dsn, topic_prefix=f"{unique_name}.", batch_records=3
    )
    known = {name: timeline for name, timeline in stories() if name not in BY_OUR_CLOCK}
    assert len(known) >= TOLD_AT_LEAST
    async with service(settings) as running:
        wrong = [
            difference
            for name, timeline in known.items()
            for difference in await told_otherwise(running, name, timeline, timeline.state.rules)
        ]
        assert not wrong, "\n".join(wrong)

        lifted = known["reports_under_one_fuse_move_the_order_up_to_the_fuse"]
        never = replace(lifted.state.rules, inference=replace(lifted.state.rules.inference, lift_margin=20.0))
        assert len(await told_otherwise(running, "control", lifted, never)) == 2, "the comparison sees nothing"
