"""Make a Kafka cluster agree with the table of topics. Topics are never made by themselves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidPartitionsError, KafkaError, NodeNotReadyError, for_code

from services.contracts.topics import BROKERS_TIME, MAX_RECORD_BYTES, TOPICS
from services.runtime.errors import UnavailableError, in_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.runtime.settings import ServiceSettings

_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 0.1
_FEWEST_SPARE: Final = 2
_TOPIC_ALREADY_EXISTS: Final = 36
DEAD_LETTERS_MS: Final = 90 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it should be: name without prefix, partitions, configuration."""

    name: str
    partitions: int
    config: dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one topic."""

    name: str
    done: Literal["created", "partitions added", "partitions kept", "unchanged"]
    partitions: int


def wanted(*, partitions: int | None = None) -> list[Wanted]:
    """List every topic and the dead-letter topic of each that a service reads."""
    dead = {"cleanup.policy": "delete", "retention.ms": str(DEAD_LETTERS_MS), **BROKERS_TIME}
    dead["max.message.bytes"] = str(MAX_RECORD_BYTES + 200_000)
    found: list[Wanted] = []
    for topic in TOPICS:
        found.append(Wanted(topic.name, partitions or topic.partitions, topic.config))
        if topic.is_read_here:
            found.append(Wanted(topic.dead_letters, 1, dead))
    return found


async def apply_topics(
    settings: ServiceSettings, *, partitions: int | None = None, replication: int = 1
) -> list[Change]:
    """Create missing topics, add missing partitions, set the configuration. Nothing is ever deleted or shrunk.

    A topic that was ever written keeps its partitions: with more, what comes under a key would be in another one than
    what is under way, and two processes would write one area.

    Raises:
        UnavailableError: the cluster does not answer, or refuses.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            admin = await _led(settings)
            try:
                return [await _apply(admin, one, settings, replication) for one in wanted(partitions=partitions)]
            finally:
                await admin.close()
    except (KafkaError, TimeoutError, OSError) as error:
        raise UnavailableError(f"kafka: {in_words(error)}") from error


async def _led(settings: ServiceSettings) -> AIOKafkaAdminClient:
    """Wait until the cluster names a living controller, and return a client that knows it.

    A broker that has just started, or comes back from a pause, is not counted among the living for a moment; asked to
    make a topic then, aiokafka 0.14 takes the address of a controller that is None and ends with an AttributeError.
    Nor does a client that heard of none among the living know whom to ask again, so each look has a client of its own.
    """
    while True:
        admin = AIOKafkaAdminClient(request_timeout_ms=int(_SECONDS * 1000), **settings.kafka_client())
        led = False
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
            led = cluster["controller_id"] in {broker["node_id"] for broker in cluster["brokers"]}
        except NodeNotReadyError:
            pass  # it was started in such a moment
        finally:
            if not led:
                await admin.close()
        if led:
            return admin
        await asyncio.sleep(_RETRY_SECONDS)


async def _apply(admin: AIOKafkaAdminClient, one: Wanted, settings: ServiceSettings, replication: int) -> Change:
    name = settings.topic_prefix + one.name
    answer = await admin.create_topics(
        [NewTopic(name, one.partitions, replication, topic_configs=_config(one, replication))], validate_only=False
    )
    code = answer.topic_errors[0][1]
    if not code:
        return Change(one.name, "created", one.partitions)
    if code != _TOPIC_ALREADY_EXISTS:
        raise for_code(code)(f"topic {name}")
    [described] = await admin.describe_topics([name])
    have = len(described["partitions"])
    # By the copies it has, whatever new topics get: what is not said here is taken back.
    copies = min((len(part["replicas"]) for part in described["partitions"]), default=replication)
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, _config(one, copies))])
    if have < one.partitions:
        shown = [TopicPartition(name, part["partition"]) for part in described["partitions"]]
        if shown and await _was_written(settings, shown):
            return Change(one.name, "partitions kept", have)
        try:
            await admin.create_partitions({name: NewPartitions(one.partitions)})
        except InvalidPartitionsError:  # it has them: a topic made a moment ago was described before it was whole
            return Change(one.name, "unchanged", one.partitions)
        return Change(one.name, "partitions added", one.partitions)
    return Change(one.name, "unchanged", have)


async def _was_written(settings: ServiceSettings, partitions: Iterable[TopicPartition]) -> bool:
    """Tell whether there ever was a record."""
    consumer = AIOKafkaConsumer(**settings.kafka_client())
    try:
        await consumer.start()
        return any((await consumer.end_offsets(list(partitions))).values())
    finally:
        await consumer.stop()


def _config(one: Wanted, copies: int) -> dict[str, str]:
    """Return a topic's configuration. With copies to spare two must have a record: else "all" may be one of them."""
    return one.config | ({"min.insync.replicas": "2"} if copies > _FEWEST_SPARE else {})
