"""Whether Kafka answers is asked without asking for its topics: probes come every few seconds, to every process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.conn import AIOKafkaConnection

from services.runtime.cluster import apply_topics
from services.runtime.producer import Producer
from services.runtime.settings import ServiceSettings

if TYPE_CHECKING:
    from deploy.native.kafka import KafkaBroker

pytestmark = pytest.mark.integration


async def test_a_probe_asks_of_no_topic_and_sees_a_broker_that_hangs(
    kafka_broker: KafkaBroker, kafka_bootstrap: str, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ServiceSettings(kafka_bootstrap=kafka_bootstrap, topic_prefix=f"{unique_name}.")
    await apply_topics(settings, partitions=1)
    producer = Producer(settings)
    await producer.start()
    answers: list[Any] = []
    send = AIOKafkaConnection.send

    async def noted(self: AIOKafkaConnection, request: Any, *how: Any, **further: Any) -> Any:
        answers.append(await send(self, request, *how, **further))
        return answers[-1]

    try:
        monkeypatch.setattr(AIOKafkaConnection, "send", noted)
        assert await producer.reachable()
        assert [(len(one.brokers), one.topics) for one in answers] == [(1, [])]
        kafka_broker.pause()
        async with asyncio.timeout(20):  # the signal may take a moment
            while await producer.reachable():
                await asyncio.sleep(0.05)
        kafka_broker.resume()
        kafka_broker.wait_ready()
        assert await producer.reachable()
    finally:
        await producer.stop()
