"""The intake as a process of its own, on a free port, with a topic prefix of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.native.ports import free_port
from services.contracts.topics import CONTACT_RECEIVED

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

    from services.contracts.topics import Topic

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 1.5


@dataclass
class Intake:
    """A running intake and its topic."""

    bootstrap: str
    prefix: str
    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "intake.log").read_text(encoding="utf-8")

    @property
    def topic(self) -> str:
        return self.prefix + CONTACT_RECEIVED.name

    def launch(self, **settings: str) -> subprocess.Popen[bytes]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GRIDLINE_")},
            "GRIDLINE_KAFKA_BOOTSTRAP": self.bootstrap,
            "GRIDLINE_TOPIC_PREFIX": self.prefix,
            "GRIDLINE_HTTP_PORT": str(self.port),
            "GRIDLINE_PRODUCE_DEADLINE_S": str(DEADLINE_S),
            **{f"GRIDLINE_{name.upper()}": value for name, value in settings.items()},
        }
        with (self.folder / "intake.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.intake"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        return self.process

    def wait_ready(self, seconds: float = 60) -> None:
        assert self.process is not None
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log
            try:
                if httpx.get(f"{self.url}/readyz", timeout=3).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"not ready in {seconds} s:\n{self.log}")

    def terminate(self, seconds: float = 20) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    async def records(self, topic: Topic = CONTACT_RECEIVED) -> list[ConsumerRecord[bytes, bytes]]:
        """Everything on a topic now."""
        consumer: AIOKafkaConsumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [TopicPartition(self.prefix + topic.name, number) for number in range(topic.partitions)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            found: list[ConsumerRecord[bytes, bytes]] = []
            await consumer.seek_to_beginning(*partitions)
            while len(found) < sum(ends.values()):
                for batch in (await consumer.getmany(timeout_ms=2000)).values():
                    found += batch
            return found
        finally:
            await consumer.stop()
