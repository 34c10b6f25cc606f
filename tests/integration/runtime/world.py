"""A ledger service as real processes on real servers, and what must be true of it whatever was done to them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from deploy.native.ports import free_port
from services.contracts import envelope, ids, topics
from services.contracts.messages import OutageReported
from services.contracts.values import Basis, Channel, Place
from services.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = Path(__file__).with_name("ledger_service.py")
EPOCH = datetime(2026, 7, 1, 8, tzinfo=UTC)


def a_report(number: int, *, area: str | None = None, address: str = "somewhere") -> OutageReported:
    """The n-th report; its area spreads reports over partitions."""
    contact = ids.contact_id("test", str(number))
    where = area or f"area-{number % 7}"
    return OutageReported(
        area=where,
        report_id=ids.report_id(contact),
        ticket_id=contact,
        ticket_ref=ids.ticket_ref(contact),
        contact_id=contact,
        channel=Channel.WEB,
        place=Place(area=where, transformer_id="T1", basis=Basis.ACCOUNT, confidence=1.0),
        reported_at=EPOCH + timedelta(seconds=number),
        received_at=EPOCH + timedelta(seconds=number),
        address=address,
    )


def a_record(report: OutageReported) -> envelope.Outgoing:
    return envelope.encode(report, topic=topics.OUTAGE_INPUT.name, source="gridline/test")


@dataclass
class World:
    """One topic prefix and one database, and the processes a test runs on them."""

    bootstrap: str
    dsn: str
    prefix: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def settings(self) -> ServiceSettings:
        return ServiceSettings(kafka_bootstrap=self.bootstrap, postgres_dsn=self.dsn, topic_prefix=self.prefix)

    def start(self, *, failpoint: str = "", without: str = "", **extra: str) -> subprocess.Popen[bytes]:
        number = len(self.processes)
        port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "GRIDLINE_KAFKA_BOOTSTRAP": self.bootstrap,
            "GRIDLINE_POSTGRES_DSN": self.dsn,
            "GRIDLINE_TOPIC_PREFIX": self.prefix,
            "GRIDLINE_HTTP_PORT": str(port),
            "GRIDLINE_SESSION_TIMEOUT_MS": "6000",
            "GRIDLINE_BATCH_RECORDS": "40",
            "GRIDLINE_INSTANCE": f"ledger-{number}",
            "GRIDLINE_FAILPOINT": failpoint,
            "LEDGER_WITHOUT": without,
            **extra,
        }
        log = (self.folder / f"ledger-{number}.log").open("wb")
        process = subprocess.Popen([sys.executable, str(SERVICE)], env=environment, stdout=log, stderr=log)
        log.close()
        process.port = port  # type: ignore[attr-defined]
        self.processes.append(process)
        return process

    def log(self, number: int = -1) -> str:
        names = sorted(self.folder.glob("ledger-*.log"), key=lambda name: int(name.stem.split("-")[1]))
        return names[number].read_text(errors="replace")

    @contextmanager
    def stopped(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(10)

    async def produce(self, records: list[envelope.Outgoing]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", enable_idempotence=True)
        await producer.start()
        try:
            waits = [
                await producer.send(self.prefix + one.topic, one.value, key=one.key, headers=list(one.headers))
                for one in records
            ]
            await asyncio.gather(*waits)
        finally:
            await producer.stop()

    async def records(self, name: str) -> list[tuple[bytes, bytes, dict[str, bytes]]]:
        """Everything on a topic, partition by partition."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            parts = [TopicPartition(self.prefix + name, n) for n in await self.partitions(name)]
            consumer.assign(parts)
            ends = await consumer.end_offsets(parts)
            begins = await consumer.beginning_offsets(parts)
            found = []
            # No seek_to_beginning: aiokafka's own first look for a position may undo it.
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += [(one.key, one.value, dict(one.headers)) for one in batch]
            assert len(found) >= sum(ends[part] - begins[part] for part in parts), "the reader missed records"
            return found
        finally:
            await consumer.stop()

    async def partitions(self, name: str) -> list[int]:
        """The topic's partitions, from the cluster itself: a new consumer's metadata may lag."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            [described] = await admin.describe_topics([self.prefix + name])
            return sorted(part["partition"] for part in described["partitions"])
        finally:
            await admin.close()

    async def query(self, sql: str, *args: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn, server_settings={"search_path": "ledger"})
        try:
            return await connection.fetch(sql, *args)
        finally:
            await connection.close()

    async def settled(self, expected: int, *, seconds: float = 60) -> None:
        """Wait until ``expected`` records were consumed and the outbox is empty."""
        deadline = time.monotonic() + seconds
        state = "nothing yet"
        while time.monotonic() < deadline:
            try:
                rows = await self.query(
                    "SELECT (SELECT coalesce(sum(next_offset), 0) FROM consumer_partition) AS read,"
                    " (SELECT count(*) FROM outbox WHERE published_at IS NULL) AS waiting"
                )
                state = f"read {rows[0]['read']} of {expected}, {rows[0]['waiting']} unpublished"
                if rows[0]["read"] >= expected and rows[0]["waiting"] == 0:
                    return
            except (asyncpg.PostgresError, OSError) as error:
                state = repr(error)
            await asyncio.sleep(0.1)
        pytest.fail(f"not settled in {seconds} s: {state}\n{self.log()[-3000:]}")

    async def findings(self, reports: list[OutageReported]) -> list[str]:
        """What is wrong: empty when every report had exactly one effect and the order topic tells one story."""
        found: list[str] = []
        effects = await self.query("SELECT report_id, area, n FROM effect")
        by_report: dict[UUID, int] = defaultdict(int)
        for row in effects:
            by_report[row["report_id"]] += 1
        lost = {one.report_id for one in reports} - by_report.keys()
        twice = [report for report, n in by_report.items() if n > 1]
        if lost:
            found.append(f"I1: {len(lost)} reports had no effect")
        if twice:
            found.append(f"I10: {len(twice)} reports had more than one effect")
        by_area: dict[str, list[int]] = defaultdict(list)
        for row in effects:
            by_area[row["area"]].append(row["n"])
        for area, numbers in sorted(by_area.items()):
            if sorted(numbers) != list(range(1, len(numbers) + 1)):
                found.append(f"I3: the numbers of {area} have gaps or repeats: {sorted(numbers)[:20]}")
        bodies: dict[tuple[str, int], set[bytes]] = defaultdict(set)
        firsts: dict[str, list[int]] = defaultdict(list)
        for _, value, _headers in await self.records(topics.DISPATCH_ORDER.name):
            data = json.loads(value)["data"]
            at = (data["area"], data["version"])
            if at not in bodies:
                firsts[data["area"]].append(data["version"])
            bodies[at].add(value)
        if any(len(different) > 1 for different in bodies.values()):
            found.append("I5: one (order, version) has two bodies")
        if any(versions != sorted(versions) for versions in firsts.values()):
            found.append("I5: first appearances do not ascend")
        expected = {(area, number) for area, numbers in by_area.items() for number in numbers}
        if expected != bodies.keys():
            found.append(
                f"I4: {len(expected - bodies.keys())} versions never published, {len(bodies.keys() - expected)} unknown"
            )
        tally = {
            row["name"]: int(row["n"]) for row in await self.query("SELECT name, sum(n) AS n FROM tally GROUP BY name")
        }
        if tally.get("effects", 0) != tally.get("accepted", 0):
            found.append(f"conservation: {tally}")
        return found
