"""A service as processes of its own on the real Kafka and Postgres: started, waited for, killed, frozen, read.

Decided here: how a test runs a service and looks at what it wrote. Never here: what a room's tests expect of it.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from deploy.native.ports import free_port
from services.contracts.envelope import decode, encode, open_record
from services.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiokafka.structs import ConsumerRecord

    from services.contracts.envelope import Outgoing
    from services.contracts.messages import Message
    from services.contracts.topics import Topic

    Process = subprocess.Popen[bytes]

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 90.0
"""How long a machine that is busy with other things may take for anything that takes it a moment otherwise."""


@dataclass
class Service:
    """The processes of one service, on topics and in a database of a test's own.

    Attributes:
        name: Of the service: ``services.<name>`` is started unless ``module`` says another; also its schema's name.
        own: Settings of every process, as ``start`` takes them.
        port: Of the process that was started last. A process that follows an ended one has its port.
        processes: All that were started, in order.
    """

    name: str
    bootstrap: str
    dsn: str
    prefix: str
    folder: Path
    own: dict[str, str] = field(default_factory=dict)
    module: str = ""
    port: int = field(default_factory=free_port)
    processes: list[Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where the process that was started last answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What all of its processes have logged."""
        return (self.folder / f"{self.name}.log").read_text(encoding="utf-8", errors="replace")

    @property
    def process(self) -> Process:
        """The process that was started last."""
        return self.processes[-1]

    def settings(self) -> ServiceSettings:
        """Settings that reach the same servers."""
        database = {"postgres_dsn": self.dsn} if self.dsn else {}
        return ServiceSettings(kafka_bootstrap=self.bootstrap, topic_prefix=self.prefix, **database)

    def start(self, **settings: str) -> Process:
        """Start a process; ``reload_seconds="1"`` is its ``GRIDLINE_RELOAD_SECONDS``."""
        if any(process.poll() is None for process in self.processes):
            self.port = free_port()
        about = {
            "kafka_bootstrap": self.bootstrap,
            "postgres_dsn": self.dsn,
            "topic_prefix": self.prefix,
            "http_port": str(self.port),
            "session_timeout_ms": "6000",
            **self.own,
            **settings,
        }
        # Nothing else of ours: a proxy or a setting of whoever runs the tests would change what they see.
        environment = {f"GRIDLINE_{name.upper()}": value for name, value in about.items() if value}
        environment["PATH"] = os.environ["PATH"]
        command = [sys.executable, "-m", self.module or f"services.{self.name}"]
        with (self.folder / f"{self.name}.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    async def wait_ready(self) -> None:
        """Wait until the process that was started last is ready."""
        why = "no answer"
        end = time.monotonic() + SECONDS
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while time.monotonic() < end:
                assert self.process.poll() is None, self.log[-3000:]
                try:
                    answer = await client.get(f"{self.url}/readyz")
                    if answer.status_code == 200:
                        return
                    why = answer.text
                except httpx.TransportError as error:
                    why = repr(error)
                await asyncio.sleep(0.05)
        pytest.fail(f"{self.name} is not ready: {why}\n{self.log[-3000:]}")

    async def metrics(self) -> str:
        """What the process that was started last counts."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            return (await client.get(f"{self.url}/metrics")).text

    async def ended(self, process: Process | None = None) -> int:
        """Wait until a process, the last one where none is named, has ended; return its exit status."""
        try:
            return await asyncio.to_thread((process or self.process).wait, SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.name} still runs after {SECONDS:g} s\n{self.log[-3000:]}")

    async def terminate(self, process: Process | None = None) -> int:
        """Ask a process to end, and wait for it; return its exit status."""
        (process or self.process).send_signal(signal.SIGTERM)
        return await self.ended(process)

    def kill(self, process: Process | None = None) -> None:
        """Kill -9 a process, and wait for it; one that is frozen or has ended already too."""
        process = process or self.process
        if process.poll() is None:
            process.kill()
        process.wait(10)

    @contextmanager
    def frozen(self, process: Process | None = None) -> Iterator[None]:
        """Freeze a process (SIGSTOP) for the length of the block."""
        process = process or self.process
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    async def logged(self, words: re.Pattern[str] | str) -> None:
        """Wait until a process has logged something."""
        end = time.monotonic() + SECONDS
        while re.search(words, self.log) is None:
            assert time.monotonic() < end, f"{words} is not in the log of {self.name}\n{self.log[-3000:]}"
            await asyncio.sleep(0.1)

    async def froze(self, process: Process | None = None) -> None:
        """Wait until a process has frozen itself at the failpoint it was started with."""
        process = process or self.process
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            assert process.poll() is None, self.log[-3000:]
            state = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
            if state == "T":
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"{self.name} never reached its failpoint\n{self.log[-3000:]}")

    def end(self) -> None:
        """Kill whatever still runs."""
        for process in self.processes:
            self.kill(process)

    async def produce(self, records: Iterable[Outgoing]) -> None:
        """Put records on their topics, in order."""
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

    async def say(self, topic: Topic, *messages: Message) -> None:
        """Put messages on a topic, in order."""
        await self.produce(encode(one, topic=topic.name, source="gridline/test") for one in messages)

    async def records(self, topic: Topic | str) -> list[ConsumerRecord[bytes, bytes]]:
        """Everything on a topic now, partition by partition."""
        name = self.prefix + (topic if isinstance(topic, str) else topic.name)
        end = time.monotonic() + SECONDS
        while True:
            try:
                return await self._read(name)
            except KafkaError:  # for moments after a broker is back it knows of no broker
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.2)

    async def _read(self, name: str) -> list[ConsumerRecord[bytes, bytes]]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            parts = [TopicPartition(name, n) for n in await self._partitions(name)]
            consumer.assign(parts)
            ends = await consumer.end_offsets(parts)
            begins = await consumer.beginning_offsets(parts)
            found: list[ConsumerRecord[bytes, bytes]] = []
            # No seek_to_beginning: aiokafka's own first look for a position may undo it.
            while any([await consumer.position(part) < ends[part] for part in parts]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += batch
            assert len(found) >= sum(ends[part] - begins[part] for part in parts), "the reader missed records"
            return found
        finally:
            await consumer.stop()

    async def published(self, topic: Topic) -> list[Message]:
        """Every message on a topic now."""
        opened = [open_record(one.value, one.headers) for one in await self.records(topic)]
        return [decode(one, topic.types) for one in opened]

    async def _partitions(self, name: str) -> list[int]:
        """The topic's partitions, from the cluster itself: a new consumer's metadata may lag."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            [described] = await admin.describe_topics([name])
            if not described["partitions"]:
                raise UnknownTopicOrPartitionError(name)
            return sorted(part["partition"] for part in described["partitions"])
        finally:
            await admin.close()

    async def sql(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask the database, in the service's schema."""
        connection = await asyncpg.connect(self.dsn, server_settings={"search_path": self.name})
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def until(self, what: str, wanted: Any, statement: str, *arguments: object) -> None:
        """Wait until the first value that a query answers is ``wanted``."""
        end, found = time.monotonic() + SECONDS, None
        while time.monotonic() < end:
            try:
                rows = await self.sql(statement, *arguments)
                found = rows[0][0] if rows else None
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                found = repr(error)  # its tables are not there yet, or the server is away
            if found == wanted:
                return
            await asyncio.sleep(0.1)
        pytest.fail(f"{what}: {found}, wanted {wanted}, in {SECONDS:g} s\n{self.log[-3000:]}")
