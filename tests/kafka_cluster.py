"""A Kafka cluster of three brokers on this machine, as small as one can be and lose a broker without losing a record.

Decided here: how it is set up, and how a test says where each partition lives. Each of the three is broker and
controller, so that any one may die; two of three dead is a cluster that can decide nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from deploy.native.kafka import CLUSTER_ID, KafkaBroker, new_cluster_id
from deploy.native.kafka_jars import default_cache
from deploy.native.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

BROKERS: Final = (1, 2, 3)
_SECONDS: Final = 90.0
_COPIES: Final = {
    "default.replication.factor": "3",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # Tests kill brokers and want their partitions led by others soon. In production it is 9 s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "300",
    "replica.lag.time.max.ms": "5000",
}


class KafkaCluster:
    """Three brokers, by number: ``start``, ``kill``, ``launch`` and ``stop`` one; ``whole`` waits for all copies."""

    def __init__(self, folder: Path, jars: Sequence[Path]) -> None:
        ports = {n: (free_port(), free_port()) for n in BROKERS}
        voters = ",".join(f"{n}@{LOOPBACK}:{controller}" for n, (_, controller) in ports.items())
        cluster_id = new_cluster_id()
        self.brokers = {
            n: KafkaBroker(
                folder / f"kafka-{n}",
                port=port,
                controller_port=controller,
                jars=jars,
                log=folder / "logs" / f"kafka-{n}.log",
                archive_folder=default_cache(),
                settings={**_COPIES, "node.id": str(n), "controller.quorum.voters": voters, CLUSTER_ID: cluster_id},
                jvm_flags=("-Xmx256m",),
            )
            for n, (port, controller) in ports.items()
        }
        self.bootstrap = ",".join(broker.bootstrap for broker in self.brokers.values())

    def start(self) -> None:
        """Start whichever do not run, wake whichever are frozen, and wait until each answers."""
        for broker in self.brokers.values():
            if broker.pid is None:
                broker.prepare()
                broker.launch()
            else:
                broker.resume()
        for broker in self.brokers.values():
            broker.wait_ready()

    def kill(self, *numbers: int) -> None:
        """Kill -9 some."""
        for n in numbers:
            self.brokers[n].kill()

    def end(self) -> None:
        """Kill all: nothing of them is needed any more."""
        self.kill(*BROKERS)

    async def make(self, topic: str, where: Mapping[int, Sequence[int]], config: Mapping[str, str]) -> None:
        """Make a topic whose partitions live on the brokers that are named for each, the first of them leading."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            places = {n: list(brokers) for n, brokers in where.items()}
            new = NewTopic(topic, -1, -1, replica_assignments=places, topic_configs=dict(config))
            answer = await admin.create_topics([new])
            assert answer.topic_errors[0][1] == 0, answer
        finally:
            await admin.close()

    async def partitions(self, topics: Sequence[str]) -> list[dict[str, Any]]:
        """Return ``partition``, ``leader``, ``replicas`` and ``isr`` of each partition, as the cluster says now."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            return [
                {"topic": topic["topic"], **part}
                for topic in await admin.describe_topics(list(topics))
                for part in topic["partitions"]
            ]
        finally:
            await admin.close()

    async def whole(self, prefix: str) -> None:
        """Wait until every broker has everything of the topics whose names begin so, Kafka's own included."""
        end, lacking = time.monotonic() + _SECONDS, "no answer"
        while time.monotonic() < end:
            try:
                admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
                await admin.start()
                try:
                    names = [one for one in await admin.list_topics() if one.startswith((prefix, "__"))]
                finally:
                    await admin.close()
                found = [
                    (one["topic"], one["partition"], one["leader"], one["isr"])
                    for one in await self.partitions(names)
                    if len(one["isr"]) < len(one["replicas"])
                ]
                if not found:
                    return
                lacking = str(found)
            except KafkaError as error:
                lacking = repr(error)
            await asyncio.sleep(0.3)
        raise AssertionError(f"not all copies are there in {_SECONDS:g} s: {lacking}")
