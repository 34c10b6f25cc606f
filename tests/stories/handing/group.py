"""A consumer group in memory: its logs, and what each member believes to have. A frozen one is not told."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from aiokafka.structs import ConsumerRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aiokafka import ConsumerRebalanceListener, TopicPartition

    from services.runtime.batch import Record


class Logs:
    """What is on the topics."""

    def __init__(self) -> None:
        self.of: defaultdict[TopicPartition, list[Record]] = defaultdict(list)

    def put(self, at: TopicPartition, key: bytes, value: bytes, headers: object) -> None:
        self.of[at].append(
            ConsumerRecord(at.topic, at.partition, len(self.of[at]), 0, 0, key, value, None, 0, 0, headers)
        )

    def put_again(self, at: TopicPartition, number: int) -> None:
        """Put a record once more, as a relay does that died before it noted that it was put."""
        if log := self.of[at]:
            one = log[number % len(log)]
            self.put(at, one.key, one.value, one.headers)


class Member:
    """What a process asks of Kafka, in the place of ``LogClient``."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._places: dict[TopicPartition, int] = {}

    async def is_told(self, listener: ConsumerRebalanceListener, partitions: Collection[TopicPartition]) -> None:
        """Hear of a rebalance: all is taken away, then something given, as the range assignor does."""
        await listener.on_partitions_revoked(self._assigned)
        self._assigned, self._places = frozenset(partitions), {}
        await listener.on_partitions_assigned(self._assigned)

    def assignment(self) -> frozenset[TopicPartition]:
        return self._assigned

    def led(self, partitions: Collection[TopicPartition]) -> list[TopicPartition]:
        return list(partitions)

    def seek(self, at: TopicPartition, offset: int) -> None:
        self._places[at] = offset

    async def position(self, at: TopicPartition) -> int:
        return self._places[at]

    async def fetch(
        self, partitions: Collection[TopicPartition], *, timeout_ms: int, most: int
    ) -> dict[TopicPartition, list[Record]]:
        del timeout_ms
        found: dict[TopicPartition, list[Record]] = {}
        for at in sorted(self._places.keys() & (partitions or self._assigned)):
            place = self._places[at]
            if records := self._logs.of[at][place : place + most]:
                found[at] = records
                most -= len(records)
                self._places[at] = place + len(records)
        return found

    async def begins(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: len(self._logs.of[at]) for at in partitions}

    def tell(self, positions: Mapping[TopicPartition, int]) -> None:
        """Nothing: that is for lag tools."""
