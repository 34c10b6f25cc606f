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

    def assignment(self) -> frozenset[TopicPartition]:
        return self._assigned

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
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
