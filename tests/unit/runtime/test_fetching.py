"""What a batch is made of where logs have holes, as transactions of other companies' producers end there; and where one
topic has piled up.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from services.contracts.topics import DISPATCH_PROGRESS, OUTAGE_INPUT
from services.runtime.claiming import Claiming, Ready
from services.runtime.fetching import Fetching
from services.runtime.positions import Claim

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.runtime.batch import Record
    from services.runtime.handling import Handler
    from services.runtime.log_client import LogClient
    from services.runtime.postgres import Pool

OURS, THEIRS = TopicPartition(OUTAGE_INPUT.name, 0), TopicPartition(DISPATCH_PROGRESS.name, 0)


class Kafka:
    """A client of logs that hold records at some offsets."""

    def __init__(self, logs: dict[TopicPartition, list[int]]) -> None:
        self._logs = logs
        self._places = dict.fromkeys(logs, 0)

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._logs)

    def led(self, partitions: Collection[TopicPartition]) -> list[TopicPartition]:
        return list(partitions)

    def seek(self, at: TopicPartition, offset: int) -> None:
        self._places[at] = offset

    def leave_out(self, at: TopicPartition, to: int) -> None:
        """Lose what lies before an offset, as a client may."""
        self._places[at] = to

    async def fetch(
        self, partitions: Collection[TopicPartition], *, timeout_ms: int, most: int
    ) -> dict[TopicPartition, list[Record]]:
        found: dict[TopicPartition, list[Record]] = {}
        for at in partitions or self._logs:
            offsets = [one for one in self._logs[at] if one >= self._places[at]][:most]
            if offsets:
                self._places[at] = offsets[-1] + 1
                most -= len(offsets)
                found[at] = [ConsumerRecord(at.topic, 0, one, 1_000, 1, None, b"", None, 0, 0, ()) for one in offsets]
        return found


class Reader:
    """Reads logs from their beginnings."""

    def __init__(self, logs: dict[TopicPartition, list[int]]) -> None:
        self.kafka, self.forgotten = Kafka(logs), set[tuple[str, int]]()
        handler = SimpleNamespace(topics=(OUTAGE_INPUT, DISPATCH_PROGRESS), forget=self.forgotten.update)
        client = cast("LogClient", self.kafka)
        self.claiming = Claiming(client, cast("Pool", None), cast("Handler", handler), prefix="", owner="o")
        for at in logs:
            self.claiming.ready[at] = Ready(at, (at.topic, at.partition), Claim(1, 0), 0)
        self._fetching = Fetching(client, self.claiming, most=100, side_by_side=False)

    async def next(self) -> dict[str, list[int]]:
        """Return the offsets of the next batch, by topic."""
        [batch] = await self._fetching.next()
        return {name: [one.offset for one in batch if one.at[0] == name] for name in {one.at[0] for one in batch}}


async def test_where_a_partners_transaction_ended_that_log_is_looked_at_again_and_all_others_are_read_on():
    reader = Reader({OURS: [0, 1, 2], THEIRS: [1, 2]})
    assert await reader.next() == {OURS.topic: [0, 1, 2]}
    assert await reader.next() == {THEIRS.topic: [1, 2]}
    assert (reader.claiming.waiting(), reader.forgotten) == (set(), set()), "nothing was claimed again or forgotten"


@pytest.mark.parametrize("at", [OURS, THEIRS])
async def test_what_the_client_left_out_is_read(at: TopicPartition):
    reader = Reader({at: [0, 1, 2, 3]})
    reader.kafka.leave_out(at, 2)
    assert await reader.next() == {}
    assert await reader.next() == {at.topic: [0, 1, 2, 3]}


async def test_no_topic_waits_for_the_end_of_what_another_has_piled_up():
    """A service that begins to read a topic of millions of records tells of what happens now all the same."""
    logs = {OURS: list(range(1000)), THEIRS: list[int]()}
    reader = Reader(logs)
    assert await reader.next() == {OURS.topic: list(range(100))}
    logs[THEIRS] += [0, 1]
    assert await reader.next() == {OURS.topic: list(range(100, 198)), THEIRS.topic: [0, 1]}
    logs[THEIRS] += range(2, 1000)
    both = await reader.next()
    assert {name: len(offsets) for name, offsets in both.items()} == {OURS.topic: 50, THEIRS.topic: 50}


async def test_what_is_left_of_a_pile_fills_the_batch():
    reader = Reader({OURS: list(range(230)), THEIRS: [0]})
    sizes = [sum(map(len, (await reader.next()).values())) for _ in range(3)]
    assert sizes == [100, 100, 31]
