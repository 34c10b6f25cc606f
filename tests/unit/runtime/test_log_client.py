"""When the consume loop's client of Kafka counts as broken: its silence is its own, not that of the brokers it asks."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from services.runtime import log_client
from services.runtime.errors import StuckError
from services.runtime.log_client import LogClient
from services.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Collection

AT = TopicPartition("t", 0)


async def a_silent_client(monkeypatch: pytest.MonkeyPatch, *, answering: set[int]) -> LogClient:
    """One that hears nothing from broker 2, which leads what it asks about; others hear from these."""

    async def silence(_partitions: list[TopicPartition]) -> Any:
        await asyncio.Event().wait()

    async def reachable(brokers: Collection[int]) -> bool:
        return answering.issuperset(brokers)

    monkeypatch.setattr(log_client, "_ANSWER_SECONDS", 0.01)
    cluster = SimpleNamespace(leader_for_partition=lambda _: 2)
    consumer = SimpleNamespace(end_offsets=silence, _client=SimpleNamespace(cluster=cluster))
    monkeypatch.setattr(log_client, "AIOKafkaConsumer", lambda **_: consumer)
    return LogClient(ServiceSettings(), group="g", reachable=reachable)


async def silences(client: LogClient) -> None:
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await client.ends([AT])


async def test_one_whose_broker_is_away_waits_for_it_though_others_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two of three brokers away each process ended after a minute, and its API with it, again and again."""
    client = await a_silent_client(monkeypatch, answering={1, 3})
    for _ in range(3):
        await silences(client)


async def test_one_whose_broker_answers_others_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    client = await a_silent_client(monkeypatch, answering={2})
    await silences(client)
    with pytest.raises(StuckError):
        await client.ends([AT])


@pytest.mark.parametrize(("ended", "raised"), [(True, StuckError), (False, KafkaError)])
async def test_one_whose_part_in_the_group_has_ended_is_broken(
    monkeypatch: pytest.MonkeyPatch, ended: bool, raised: type[Exception]
) -> None:
    """A process that began while its cluster named no broker yet waited for ever, also once it did."""

    async def getmany(*_partitions: TopicPartition, **_how: int) -> Any:
        raise KafkaError("Unexpected error during coordination AssertionError('Did we not perform bootstrap?')")

    client = await a_silent_client(monkeypatch, answering={2})
    coordinator = SimpleNamespace(_coordination_task=SimpleNamespace(done=lambda: ended))
    client._consumer = SimpleNamespace(getmany=getmany, _coordinator=coordinator)
    with pytest.raises(raised):
        await client.fetch([AT], timeout_ms=1, most=1)
