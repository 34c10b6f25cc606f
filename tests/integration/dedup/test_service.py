"""Dedup as a process on real Kafka and Postgres: in, decided, out; killed and started again; drained."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import httpx
import pytest

from services.contracts.envelope import encode
from services.contracts.messages import OutageReported, TimerFired
from services.contracts.topics import DISPATCH_ORDER, DISPATCH_PROGRESS, INCIDENT_CHANGED, OUTAGE_INPUT
from services.dedup.domain import AreaState, decide, evolve
from services.dedup.keys import DEVELOPMENT_KEYS
from services.dedup.levels_file import load_levels
from services.dedup.settings import LEVELS
from services.dedup.store.load import load_areas
from services.grid.store import load_trees
from tests.integration.dedup.room import plain
from tests.integration.dedup.test_handler import AREA, CELLS, random_report
from tests.unit.dedup.timeline import minute, rules_of_tests

if TYPE_CHECKING:
    from services.contracts.messages import Message
    from tests.service_process import Service

pytestmark = pytest.mark.integration


FIELD = {"X-API-Key": DEVELOPMENT_KEYS["field-dev"]}
DESK = {"X-API-Key": DEVELOPMENT_KEYS["desk-dev"]}
UNPUBLISHED = "SELECT count(*) FROM outbox_waiting"
WAITING = "SELECT count(*) FROM incident WHERE relook_timer IS NOT NULL AND state IN ('predicted', 'confirmed')"
DEAD_LETTERS = "SELECT coalesce(sum(n), 0)::int FROM tally WHERE name = 'dead_lettered'"
REPORTS = "SELECT count(*) FROM report"


async def test_reports_become_orders_and_a_crews_word_closes_them(dedup: Service) -> None:
    dedup.start()
    rng = random.Random(3)
    reports = [random_report(rng, f"r{n}", n / 10) for n in range(300)]
    await dedup.say(OUTAGE_INPUT, *reports)
    await dedup.until("reports decided", 300, REPORTS)
    await dedup.until("everything published", 0, UNPUBLISHED)
    orders = [json.loads(one.value)["data"] for one in await dedup.records(DISPATCH_ORDER)]
    live = {o["order_id"]: o for o in orders}
    order_id = next(key for key, order in live.items() if order["status"] in {"issued", "updated"})

    async with httpx.AsyncClient(base_url=dedup.url, headers=FIELD) as client:
        assert (await client.get("/readyz")).status_code == 200
        body = {"progress_id": "1", "stage": "arrived", "at": minute(40).isoformat()}
        assert (await client.post(f"/v1/orders/{order_id}/progress", json=body)).status_code == 202
        await dedup.until("crew on the spot", 1, "SELECT count(*) FROM incident WHERE state = 'confirmed'")
        await dedup.say(DISPATCH_PROGRESS, await a_word(order_id))
        await dedup.until("power back", 1, "SELECT count(*) FROM incident WHERE state = 'restored'")
    metrics = await dedup.metrics()
    assert "gridline_dedup_accept_to_order_seconds_count" in metrics
    assert 'gridline_dedup_reports_total{outcome="in_incident"' in metrics
    assert await dedup.terminate() == 0, dedup.log


async def test_nothing_but_rubbish_from_a_field_repair_system_stops_no_orders(dedup: Service) -> None:
    """That nearly everything is invalid stops a service whose own kind wrote it; this is somebody else's fault."""
    rubbish = encode(await a_word(str(UUID(int=1))), topic=DISPATCH_PROGRESS.name, source="crews")
    process = dedup.start()
    await dedup.produce(replace(rubbish, value=b"{}") for _ in range(600))
    await dedup.until("it is in the dead letters", 600, DEAD_LETTERS)
    report = random_report(random.Random(4), "r", 1)
    await dedup.say(OUTAGE_INPUT, report)
    await dedup.until("a report decided", 1, REPORTS)
    await dedup.until("everything published", 0, UNPUBLISHED)
    assert process.poll() is None
    assert len(await dedup.records(DISPATCH_ORDER)) >= 1


async def a_word(order_id: str) -> Message:
    from services.contracts.messages import FieldProgress

    return FieldProgress.model_validate(
        {"progress_id": order_id, "order_id": order_id, "stage": "restored", "at": minute(50)}
    )


@pytest.mark.parametrize("failpoint", ["batch.handled:exit:4", "batch.committed:exit:4"])
async def test_folding_the_topic_gives_what_a_killed_and_restarted_service_has_stored(
    dedup: Service, failpoint: str
) -> None:
    rng = random.Random(failpoint)
    reports = [random_report(rng, f"r{n}", n / 10) for n in range(400)]
    await dedup.say(OUTAGE_INPUT, *reports)
    await dedup.say(OUTAGE_INPUT, *reports[:50])
    killed = dedup.start(failpoint=failpoint)
    assert await dedup.ended(killed) == 137, dedup.log
    dedup.start()
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
    for message in await dedup.published(OUTAGE_INPUT):
        assert isinstance(message, OutageReported | TimerFired)
        if message.message_id not in seen:
            seen.add(message.message_id)
            for event in decide(folded[message.area], message, minute(0)):
                evolve(folded[message.area], event)
    assert {area: plain(state) for area, state in folded.items()} == {
        area: plain(state) for area, state in stored.items()
    }
    versions = [json.loads(one.value)["data"] for one in await dedup.records(DISPATCH_ORDER)]
    assert {order["incident_id"] for order in versions} >= {str(i) for s in stored.values() for i in s.incidents}
    assert await dedup.records(INCIDENT_CHANGED)
