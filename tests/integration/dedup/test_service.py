"""Dedup as a process on real Kafka and Postgres: in, decided, out; killed and started again; drained."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

from deploy.native.ports import free_port
from services.contracts import envelope
from services.contracts.messages import OutageReported, TimerFired
from services.contracts.topics import DISPATCH_ORDER, DISPATCH_PROGRESS, INCIDENT_CHANGED, OUTAGE_INPUT
from services.dedup.domain import AreaState, decide, evolve
from services.dedup.keys import DEVELOPMENT_KEYS
from services.dedup.levels_file import load_levels
from services.dedup.settings import LEVELS
from services.dedup.store.load import load_areas
from services.grid.store import SCHEMA as GRID_SCHEMA
from services.grid.store import import_network, load_trees
from services.runtime.cluster import apply_topics
from services.runtime.postgres import migrate
from tests.integration.dedup.room import plain
from tests.integration.dedup.test_handler import AREA, CELLS, random_report
from tests.integration.runtime.world import World
from tests.unit.dedup.timeline import NETWORKS, RULES, minute, rules_of_tests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from services.contracts.messages import Message

pytestmark = pytest.mark.integration


class Dedup(World):
    """The service's processes on a world of their own."""

    def launch(self, *, failpoint: str = "", **extra: str) -> subprocess.Popen[bytes]:
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "GRIDLINE_KAFKA_BOOTSTRAP": self.bootstrap,
            "GRIDLINE_POSTGRES_DSN": self.dsn,
            "GRIDLINE_TOPIC_PREFIX": self.prefix,
            "GRIDLINE_HTTP_PORT": str(port),
            "GRIDLINE_SESSION_TIMEOUT_MS": "6000",
            "GRIDLINE_BATCH_RECORDS": "40",
            "GRIDLINE_THRESHOLDS_FILE": str(RULES),
            "GRIDLINE_FAILPOINT": failpoint,
            **extra,
        }
        with (self.folder / f"dedup-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.dedup"], env=environment, stdout=log, stderr=log
            )
        self.processes.append(process)
        self.door = f"http://127.0.0.1:{port}"
        return process

    def last_log(self) -> str:
        return (self.folder / f"dedup-{len(self.processes) - 1}.log").read_text()[-4000:]

    async def until(self, what: str, wanted: Any, sql: str) -> None:
        """Wait until a query of the database answers ``wanted``."""
        deadline, found = time.monotonic() + 90, None
        while time.monotonic() < deadline:
            try:
                connection = await asyncpg.connect(self.dsn, server_settings={"search_path": "dedup"})
                try:
                    found = await connection.fetchval(sql)
                finally:
                    await connection.close()
                if found == wanted:
                    return
            except asyncpg.UndefinedTableError:
                found = "no table yet"
            await asyncio.sleep(0.1)
        pytest.fail(f"{what}: {found}, wanted {wanted}\n{self.last_log()}")

    async def decoded(self, topic: Any) -> list[Message]:
        records = await self.records(topic.name)
        opened = [envelope.open_record(value, list(headers.items())) for _, value, headers in records]
        return [envelope.decode(one, topic.types) for one in opened]


@pytest.fixture
async def dedup(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> AsyncIterator[Dedup]:
    made = Dedup(kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path)
    await apply_topics(made.settings(), partitions=3)
    await migrate(database_dsn, "grid", GRID_SCHEMA, kernel=False)
    connection = await asyncpg.connect(database_dsn)
    folder = NETWORKS / "ieee123"
    await import_network(connection, folder / "network.csv", folder / "customers.csv")
    await connection.close()
    yield made
    made.end()


def record(message: Message, topic: Any) -> envelope.Outgoing:
    return envelope.encode(message, topic=topic.name, source="gridline/test")


FIELD = {"X-API-Key": DEVELOPMENT_KEYS["field-dev"]}
DESK = {"X-API-Key": DEVELOPMENT_KEYS["desk-dev"]}
UNPUBLISHED = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
WAITING = "SELECT count(*) FROM incident WHERE relook_timer IS NOT NULL AND state IN ('predicted', 'confirmed')"
REPORTS = "SELECT count(*) FROM report"


async def test_reports_become_orders_and_a_crews_word_closes_them(dedup: Dedup) -> None:
    process = dedup.launch()
    rng = random.Random(3)
    reports = [random_report(rng, f"r{n}", n / 10) for n in range(300)]
    await dedup.produce([record(report, OUTAGE_INPUT) for report in reports])
    await dedup.until("reports decided", 300, REPORTS)
    await dedup.until("everything published", 0, UNPUBLISHED)
    orders = [json.loads(value)["data"] for _, value, _ in await dedup.records(DISPATCH_ORDER.name)]
    live = {o["order_id"]: o for o in orders}
    order_id = next(key for key, order in live.items() if order["status"] in {"issued", "updated"})

    async with httpx.AsyncClient(base_url=dedup.door, headers=FIELD) as client:
        assert (await client.get("/readyz")).status_code == 200
        body = {"progress_id": "1", "stage": "arrived", "at": minute(40).isoformat()}
        assert (await client.post(f"/v1/orders/{order_id}/progress", json=body)).status_code == 202
        await dedup.until("crew on the spot", 1, "SELECT count(*) FROM incident WHERE state = 'confirmed'")
        await dedup.produce([record(await a_word(order_id), DISPATCH_PROGRESS)])
        await dedup.until("power back", 1, "SELECT count(*) FROM incident WHERE state = 'restored'")
        metrics = (await client.get("/metrics")).text
    assert "gridline_dedup_accept_to_order_seconds_count" in metrics
    assert 'gridline_dedup_reports_total{outcome="in_incident"' in metrics
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0, dedup.last_log()


async def a_word(order_id: str) -> Message:
    from services.contracts.messages import FieldProgress

    return FieldProgress.model_validate(
        {"progress_id": order_id, "order_id": order_id, "stage": "restored", "at": minute(50)}
    )


@pytest.mark.parametrize("failpoint", ["batch.handled:exit:4", "batch.committed:exit:4"])
async def test_folding_the_topic_gives_what_a_killed_and_restarted_service_has_stored(
    dedup: Dedup, failpoint: str
) -> None:
    rng = random.Random(failpoint)
    reports = [random_report(rng, f"r{n}", n / 10) for n in range(400)]
    await dedup.produce([record(report, OUTAGE_INPUT) for report in reports])
    await dedup.produce([record(report, OUTAGE_INPUT) for report in reports[:50]])
    killed = dedup.launch(failpoint=failpoint)
    await asyncio.to_thread(killed.wait, 90)
    assert killed.returncode == 137, dedup.last_log()
    dedup.launch()
    await dedup.until("reports decided", 400, REPORTS)
    await dedup.until("everything looked at again", 0, WAITING)
    await dedup.until("everything published", 0, UNPUBLISHED)

    connection = await asyncpg.connect(dedup.dsn, server_settings={"search_path": "dedup"})
    trees = await load_trees(connection, [AREA, CELLS])
    rules = replace(rules_of_tests(), levels=load_levels(LEVELS))  # as the service has them
    stored = await load_areas(connection, [AREA, CELLS], trees, rules)
    await connection.close()
    folded = {area: AreaState(area, trees.get(area), rules) for area in (AREA, CELLS)}
    seen: set[object] = set()
    for message in await dedup.decoded(OUTAGE_INPUT):
        assert isinstance(message, OutageReported | TimerFired)
        if message.message_id not in seen:
            seen.add(message.message_id)
            for event in decide(folded[message.area], message, minute(0)):
                evolve(folded[message.area], event)
    assert {area: plain(state) for area, state in folded.items()} == {
        area: plain(state) for area, state in stored.items()
    }
    versions = [json.loads(value)["data"] for _, value, _ in await dedup.records(DISPATCH_ORDER.name)]
    assert {order["incident_id"] for order in versions} >= {str(i) for s in stored.values() for i in s.incidents}
    assert await dedup.records(INCIDENT_CHANGED.name)
