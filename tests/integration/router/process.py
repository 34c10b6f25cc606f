"""The router as a process, and the topics around it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.native.ports import free_port
from services.contracts.envelope import decode, encode, open_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.contracts.messages import Message
    from services.contracts.topics import Topic

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
            "GRIDLINE_RELOAD_SECONDS": "0.1",
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
