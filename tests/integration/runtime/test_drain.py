"""SIGTERM, health and settings: how a service comes and goes."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from services.runtime.cluster import apply_topics
from services.runtime.log_client import _UNANSWERED
from tests.integration.runtime.world import a_record, a_report

if TYPE_CHECKING:
    from deploy.native.kafka import KafkaBroker
    from tests.integration.runtime.world import World

pytestmark = pytest.mark.integration


async def answer(world: World, path: str, *, until: int = 200, seconds: float = 30) -> httpx.Response:
    """Ask until the answer has the wanted status."""
    deadline = time.monotonic() + seconds
    async with httpx.AsyncClient() as client:
        while True:
            try:
                response = await client.get(world.url + path, timeout=5)
                if response.status_code == until or time.monotonic() > deadline:
                    return response
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.1)


async def test_sigterm_finishes_the_batch_and_publishes_what_was_committed(world: World):
    reports = [a_report(n) for n in range(500)]
    process = world.start()
    await world.produce([a_record(one) for one in reports])
    await answer(world, "/readyz")
    assert await world.terminate(process) == 0
    assert '"drained"' in world.log
    waiting = await world.sql("SELECT count(*) AS n FROM outbox_waiting")
    assert waiting[0]["n"] == 0
    world.start()
    await world.settled(len(reports))
    assert await world.findings(reports) == []


async def test_a_service_is_alive_but_not_ready_while_kafka_is_away(world: World, kafka_broker: KafkaBroker):
    world.start()
    assert (await answer(world, "/readyz")).status_code == 200
    kafka_broker.pause()
    not_ready = await answer(world, "/readyz", until=503)
    assert not_ready.headers["content-type"] == "application/problem+json"
    assert "kafka" in not_ready.json()["detail"]
    assert (await answer(world, "/healthz")).json() == {"status": "alive"}
    kafka_broker.resume()
    assert (await answer(world, "/readyz")).status_code == 200


@pytest.mark.parametrize("missing", ["kafka's answers", "kafka's later answers"])
async def test_a_process_whose_client_hears_nothing_of_a_kafka_that_is_there_ends(world: World, missing: str):
    """Seen once, after Kafka was killed: alive and ready to all who asked, and reading nothing. A new one reads on."""
    assert await world.ended(world.start(without=missing)) == 1
    assert '"starts_over"' in world.log
    world.start()
    await world.produce([a_record(a_report(n)) for n in range(20)])
    await world.settled(20)


async def test_a_kafka_that_answers_nobody_is_waited_for(world: World, kafka_broker: KafkaBroker):
    process = world.start(without="kafka's patience")
    await world.produce([a_record(a_report(n)) for n in range(20)])
    await world.settled(20)
    kafka_broker.pause()
    asked, deadline = 0, time.monotonic() + 60
    while asked <= _UNANSWERED:
        assert time.monotonic() < deadline, f"it asked {asked} times and was not answered"
        await asyncio.sleep(0.2)
        asked = sum(
            int(float(n)) for n in re.findall(r'_unavailable_total\{what="measure"\} (.*)', await world.metrics())
        )
    kafka_broker.resume()
    await world.produce([a_record(a_report(n)) for n in range(20, 40)])
    await world.settled(40)
    assert process.poll() is None
    assert '"starts_over"' not in world.log


async def test_a_database_that_goes_away_while_a_service_starts_is_waited_for(world: World):
    process = world.start(ledger_away="1")
    await world.wait_ready()
    assert '"waiting_for"' in world.log
    assert await world.terminate(process) == 0


async def test_metrics_tell_the_counts_and_a_zero_imbalance(world: World):
    reports = [a_report(n) for n in range(50)]
    world.start()
    await world.produce([a_record(one) for one in [*reports, *reports[:10]]])
    await world.settled(60)
    wanted = {
        'gridline_records_total{outcome="accepted",topic="outage.input.v1"} 50.0',
        'gridline_records_total{outcome="duplicate",topic="outage.input.v1"} 10.0',
        'gridline_tally{name="effects"} 50.0',
        "gridline_conservation_imbalance 0.0",
        'gridline_lag_records{topic="outage.input.v1"} 0.0',
    }
    deadline = time.monotonic() + 20  # the gauges are refreshed every two seconds
    while missing := wanted - set((await answer(world, "/metrics")).text.splitlines()):
        assert time.monotonic() < deadline, f"never seen: {missing}"
        await asyncio.sleep(0.2)


async def test_every_wrong_setting_is_named_at_once(world: World):
    process = world.start(http_port="99999", log_level="loud")
    assert await world.ended(process) == 78
    assert "GRIDLINE_HTTP_PORT" in world.log
    assert "GRIDLINE_LOG_LEVEL" in world.log


@pytest.mark.parametrize("wrong", ["password", "database", "encoding", "rights"])
async def test_a_database_that_does_not_serve_it_is_told_as_a_setting_and_its_password_is_not(
    world: World, database_dsn: str, wrong: str
):
    """It was told as a bug, with a traceback; in SQL_ASCII, which initdb takes where LANG is C, nothing was told."""
    name, other = urlsplit(database_dsn).path[1:], f"{urlsplit(database_dsn).path[1:]}_{wrong}"
    if wrong == "encoding":
        await world.sql(f"CREATE DATABASE {other} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    elif wrong != "database":
        await world.sql(f"CREATE ROLE {other} LOGIN PASSWORD 'the-right-word'")
    parts = urlsplit(database_dsn)
    who = parts.netloc if wrong in {"database", "encoding"} else f"{other}:the-right-word@{parts.netloc.split('@')[-1]}"
    if wrong == "password":
        who = who.replace("right", "wrong")
    path = f"/{other}" if wrong in {"database", "encoding"} else f"/{name}"
    process = world.start(postgres_dsn=urlunsplit(parts._replace(netloc=who, path=path)))
    assert await world.ended(process) == 78
    assert "GRIDLINE_POSTGRES_DSN: " in world.log
    assert "Traceback" not in world.log
    assert "-word" not in world.log


async def test_logs_are_json_lines_with_the_service_and_no_personal_data(world: World):
    world.start()
    await world.produce([a_record(a_report(1))])
    await world.settled(1)
    lines = [json.loads(line) for line in world.log.splitlines()]
    assert lines
    assert all(line["service"] == "ledger" for line in lines)
    assert "somewhere" not in world.log


async def test_a_service_that_starts_before_its_topics_reads_them_once_they_are_there(world: World):
    world.prefix += "late."
    world.start()
    async with asyncio.timeout(30):
        while "no partition is assigned" not in (await answer(world, "/readyz", until=503)).json()["detail"]:
            await asyncio.sleep(0.1)  # it was starting
    await apply_topics(world.settings(), partitions=3)
    reports = [a_report(n) for n in range(20)]
    await world.produce([a_record(one) for one in reports])
    await world.settled(len(reports))
    assert await world.findings(reports) == []
