"""How far behind a process is, and what it owns: of the partitions that it reads, and of no others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka import TopicPartition

from services.contracts.topics import OUTAGE_INPUT
from services.runtime import metrics
from services.runtime.claiming import Claiming, Ready
from services.runtime.positions import Claim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.runtime.handling import Handler
    from services.runtime.log_client import LogClient
    from services.runtime.postgres import Pool

AT = TopicPartition(OUTAGE_INPUT.name, 0)


class Kafka:
    """A client that has some partitions, each of which ends at 15."""

    def __init__(self, *assigned: TopicPartition) -> None:
        self._assigned = frozenset(assigned)
        self.leaderless: frozenset[TopicPartition] = frozenset()

    def assignment(self) -> frozenset[TopicPartition]:
        return self._assigned

    def led(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        return [at for at in partitions if at not in self.leaderless]

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        if self.leaderless.intersection(partitions):
            raise TimeoutError  # the client waits for a leader, for all that is asked about
        return dict.fromkeys(partitions, 15)


def lag() -> float:
    return cast("Any", metrics.LAG.labels(OUTAGE_INPUT.name))._value.get()


@pytest.fixture
async def claiming() -> Claiming:
    """What a process has that is five records behind in one partition."""
    handler = SimpleNamespace(topics=(OUTAGE_INPUT,), forget=lambda _: None)
    made = Claiming(cast("LogClient", Kafka(AT)), cast("Pool", None), cast("Handler", handler), prefix="", owner="o")
    made.ready[AT] = Ready(AT, (AT.topic, AT.partition), Claim(1, 10), 10)
    await made.measure_lag()
    assert lag() == 5
    return made


async def test_a_process_that_has_lost_its_partitions_is_behind_in_none(claiming: Claiming):
    claiming._client = cast("LogClient", Kafka())
    claiming.release_all()
    await claiming.measure_lag()
    assert lag() == 0


async def test_control_one_that_is_about_to_claim_them_does_not_say_that_it_has_caught_up(claiming: Claiming):
    claiming.release_all()
    await claiming.measure_lag()
    assert lag() == 5


async def test_a_process_that_has_lost_its_partitions_owns_none_at_once(claiming: Claiming):
    """While the database is away nothing is claimed, and so nothing comes to say it later."""
    owned = cast("Any", metrics.OWNED.labels(OUTAGE_INPUT.name))
    assert [sample.value for sample in owned._child_samples()] == [1]
    claiming.release_all()
    assert [sample.value for sample in owned._child_samples()] == [0]


async def test_a_partition_that_nobody_leads_hides_nothing_of_the_others(claiming: Claiming):
    """That Kafka does not say where it ends failed the measuring of all; three times, and the process ended for it."""
    other = TopicPartition(AT.topic, 1)
    claiming.ready[other] = Ready(other, (other.topic, other.partition), Claim(1, 14), 14)
    kafka = Kafka(AT, other, TopicPartition(AT.topic, 2))
    kafka.leaderless = frozenset({AT, TopicPartition(AT.topic, 2)})
    claiming._client = cast("LogClient", kafka)
    await claiming.measure_lag()
    assert lag() == 1
    assert not claiming.waiting(), "nothing to do about one that nobody leads: who has it is ready"
