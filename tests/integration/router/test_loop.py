"""The router as a process on the real Kafka and Postgres."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.native.ports import free_port
from services.contracts import ids
from services.contracts.envelope import decode, encode, open_record
from services.contracts.messages import Message, OutageReported, ReportSettled, TicketRouted
from services.contracts.topics import CONTACT_RECEIVED, OUTAGE_INPUT, REPORT_SETTLED, TICKET_ROUTED, Topic
from services.contracts.values import Channel
from services.runtime.cluster import apply_topics
from services.runtime.settings import ServiceSettings
from tests.unit.router.making import CLASSIFY, NOON, ROUTES, contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
SECONDS = 60


@dataclass
class Running:
    """The router's process and the topics around it."""

    bootstrap: str
    dsn: str
    prefix: str
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self, **extra: str) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "GRIDLINE_KAFKA_BOOTSTRAP": self.bootstrap,
            "GRIDLINE_POSTGRES_DSN": self.dsn,
            "GRIDLINE_TOPIC_PREFIX": self.prefix,
            "GRIDLINE_HTTP_PORT": str(self.port),
            "GRIDLINE_ROUTES_FILE": str(self.folder / "routes.yaml"),
            "GRIDLINE_CLASSIFY_FILE": str(self.folder / "classify.yaml"),
            "GRIDLINE_RULES_POLL_SECONDS": "0.1",
            **extra,
        }
        with (self.folder / "router.log").open("ab") as log:
            command = [sys.executable, "-m", "services.router"]
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        return self.process

    @property
    def log(self) -> str:
        return (self.folder / "router.log").read_text(errors="replace")

    async def produce(self, topic: Topic, messages: Sequence[Message]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        await producer.start()
        try:
            for message in messages:
                out = encode(message, topic=self.prefix + topic.name, source="gridline/test")
                await producer.send(out.topic, out.value, key=out.key, headers=list(out.headers))
            await producer.flush()
        finally:
            await producer.stop()

    async def published(self, topic: Topic) -> list[Message]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            parts = [TopicPartition(self.prefix + topic.name, n) for n in range(3)]
            consumer.assign(parts)
            ends = await consumer.end_offsets(parts)
            found: list[Message] = []
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [decode(open_record(one.value, one.headers), topic.types) for one in records]
            return found
        finally:
            await consumer.stop()

    async def tally(self) -> Counter[str]:
        connection = await asyncpg.connect(self.dsn, server_settings={"search_path": "router"})
        try:
            rows = await connection.fetch("SELECT name, sum(n)::int AS n FROM tally GROUP BY name")
            waiting = await connection.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL")
            return Counter({row["name"]: row["n"] for row in rows} | {"unpublished": waiting})
        finally:
            await connection.close()

    async def until(self, holds: Callable[[Counter[str]], bool]) -> Counter[str]:
        deadline = time.monotonic() + SECONDS
        seen: object = "nothing yet"
        while time.monotonic() < deadline:
            try:
                tally = await self.tally()
            except asyncpg.PostgresError as error:
                seen = error
            else:
                if holds(tally) and tally["unpublished"] == 0:
                    return tally
                seen = tally
            assert self.process is not None
            assert self.process.poll() is None, self.log[-3000:]
            await asyncio.sleep(0.1)
        pytest.fail(f"not so in {SECONDS} s: {seen}\n{self.log[-3000:]}")


@pytest.fixture
async def running(kafka_bootstrap: str, router_dsn: str, unique_name: str, tmp_path: Path) -> AsyncIterator[Running]:
    shutil.copy(ROUTES, tmp_path / "routes.yaml")
    shutil.copy(CLASSIFY, tmp_path / "classify.yaml")
    made = Running(kafka_bootstrap, router_dsn, f"{unique_name}.", tmp_path)
    settings = ServiceSettings(kafka_bootstrap=kafka_bootstrap, postgres_dsn=router_dsn, topic_prefix=made.prefix)
    await apply_topics(settings, partitions=3)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait(10)


async def test_contacts_become_tickets_and_reports_and_every_one_is_counted(running: Running) -> None:
    calls = [
        contact(f"{n}-{event}", thread=f"call-{n}", minutes=minute, channel=Channel.PHONE, **told)
        for n in range(20)
        for minute, event, told in (
            (0, "started", {"phone": "13800000001", "final": False}),
            (1, "dtmf", {"business_type": "fault_report", "final": False}),
            (2, "ended", {}),
        )
    ]
    others = [contact(f"web-{n}", text=("查电费", "停电了", "着火了")[n % 3], account_id="A1") for n in range(60)]
    lost = [contact(f"lost-{n}", text="停电了") for n in range(10)]
    contacts = [*calls, *others, *lost]
    running.start()
    await running.produce(CONTACT_RECEIVED, [*contacts, *contacts[:30]])
    tally = await running.until(lambda seen: seen["accepted"] == len(contacts) and seen["duplicate"] == 30)
    assert tally["contact_queued"] + tally["contact_outage"] == tally["accepted"] == len(contacts)
    assert tally["contact_outage"] == len(calls) + 40
    assert tally["report_sent"] == 20 + 40
    reports = await running.published(OUTAGE_INPUT)
    assert Counter(one.message_id for one in reports).most_common(1)[0][1] == 1
    assert {one.area for one in reports if isinstance(one, OutageReported)} == {"S1"}
    assert len(reports) == 60

    back = [one for one in reports if isinstance(one, OutageReported)][:10]
    settled = [
        ReportSettled(
            report_id=one.report_id,
            ticket_id=one.ticket_id,
            ticket_ref=one.ticket_ref,
            area=one.area,
            outcome="needs_person",
            reason="device_unknown",
            settled_at=NOON,
            language=one.language,
        )
        for one in back
    ]
    unknown = ids.contact_id("test", "unknown")
    settled.append(settled[0].model_copy(update={"ticket_id": unknown, "report_id": ids.report_id(unknown)}))
    await running.produce(REPORT_SETTLED, settled)
    after = await running.until(lambda seen: seen["accepted"] == len(contacts) + 10)
    assert after["dead_lettered"] == 1
    assert after["contact_queued"] + after["contact_outage"] == len(contacts)
    assert after["report_sent"] == 60

    newest: dict[object, TicketRouted] = {}
    for one in await running.published(TICKET_ROUTED):
        assert isinstance(one, TicketRouted)
        if one.ticket_id not in newest or one.version > newest[one.ticket_id].version:
            newest[one.ticket_id] = one
    assert len(newest) == 20 + 60 + 10
    by_queue = Counter(one.queue for one in newest.values())
    hazards = sum(1 for one in newest.values() if one.hazards)
    assert by_queue["emergency"] == hazards == 20
    assert by_queue["consultation"] == 20
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as client:
        assert (await client.get("/readyz")).status_code == 200
        queues = {queue["name"]: queue["waiting"] for queue in (await client.get("/v1/queues")).json()["queues"]}
        assert queues["emergency"] == 20
        assert queues["locate"] == by_queue["locate"]
        metrics = (await client.get("/metrics")).text
        assert (
            'gridline_router_tickets_routed_total{business_type="enquiry",queue="consultation",rule="keyword"}'
            in metrics
        )
    assert running.process is not None
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == 0, running.log[-3000:]
    for personal in ("13800000001", "停电了", "session-"):
        assert personal not in running.log


async def test_a_good_tree_is_taken_in_while_running_and_a_bad_one_is_not(running: Running) -> None:
    running.start()
    tree = running.folder / "routes.yaml"
    text = tree.read_text(encoding="utf-8")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.port}") as client:

        async def queue_of_an_enquiry(wanted: str) -> None:
            seen: object = None
            for _ in range(300):
                try:
                    answer = await client.post("/v1/routes/explain", json={"business_type": "enquiry"})
                    seen = answer.json()["queue"]
                except httpx.TransportError as error:
                    seen = error
                if seen == wanted:
                    return
                await asyncio.sleep(0.1)
            pytest.fail(f"an enquiry goes to {seen!r}, not {wanted!r}\n{running.log[-3000:]}")

        await queue_of_an_enquiry("consultation")
        tree.write_text(text.replace("queue: consultation", "queue: general"), encoding="utf-8")
        await queue_of_an_enquiry("general")
        tree.write_text(text.replace("queue: consultation", "queue: consultatoin"), encoding="utf-8")
        for _ in range(100):
            if "rules_refused_old_ones_hold" in running.log:
                break
            await asyncio.sleep(0.1)
        assert "'consultatoin' is no declared queue; did you mean 'consultation'?" in running.log
        await queue_of_an_enquiry("general")
        assert "gridline_router_rules_stale 1.0" in (await client.get("/metrics")).text


async def test_a_router_does_not_start_on_a_bad_tree_and_names_the_line(running: Running) -> None:
    tree = running.folder / "routes.yaml"
    tree.write_text(tree.read_text(encoding="utf-8").replace("queue: emergency", "queue: emergancy"), encoding="utf-8")
    line = next(n for n, text in enumerate(tree.read_text(encoding="utf-8").splitlines(), 1) if "emergancy" in text)
    process = running.start()
    assert process.wait(30) == 78
    assert f"routes.yaml:{line}: 'emergancy' is no declared queue; did you mean 'emergency'?" in running.log
    assert "Traceback" not in running.log
