"""How far behind a process is: of the partitions that it reads, and of no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka import TopicPartition

from services.contracts.topics import OUTAGE_INPUT
from services.runtime import consumer as consumers
from services.runtime import metrics
from services.runtime.consumer import Consumer
from services.runtime.positions import Claim
from services.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.runtime.batch import Transactor

AT = TopicPartition(OUTAGE_INPUT.name, 0)


class Kafka:
    """A client that has some partitions, each of which ends at 15."""

    def __init__(self, *assigned: TopicPartition) -> None:
        self._assigned = frozenset(assigned)

    def assignment(self) -> frozenset[TopicPartition]:
        return self._assigned

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 15)


def lag() -> float:
    return cast("Any", metrics.LAG.labels(OUTAGE_INPUT.name))._value.get()


async def answered() -> bool:
    return True


@pytest.fixture
async def consumer(monkeypatch: pytest.MonkeyPatch) -> Consumer:
    """One that reads a partition and is five records behind."""
    monkeypatch.setattr(consumers, "AIOKafkaConsumer", lambda **_: Kafka(AT))
    transactor = cast("Transactor", SimpleNamespace(handler=SimpleNamespace(topics=(OUTAGE_INPUT,))))
    made = Consumer(ServiceSettings(), transactor, group="g", owner="o", reachable=answered)
    made._ready = {AT: Claim(1, 10)}
    await made.measure_lag()
    assert lag() == 5
    return made


async def test_a_process_that_has_lost_its_partitions_is_behind_in_none(consumer: Consumer):
    consumer._consumer, consumer._ready = Kafka(), {}
    await consumer.measure_lag()
    assert lag() == 0


async def test_control_one_that_is_about_to_claim_them_does_not_say_that_it_has_caught_up(consumer: Consumer):
    consumer._ready = {}
    await consumer.measure_lag()
    assert lag() == 5
