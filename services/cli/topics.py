"""What a Kafka cluster has: topics, their offsets, and their records.

Decided here: reading leaves no trace: no consumer group, no committed offset. Never here: creating a topic
(``services.runtime.cluster``) or publishing.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.runtime.errors import UnavailableError, in_words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from services.runtime.settings import ServiceSettings

NO_TOPICS: Final = (
    "Set GRIDLINE_KAFKA_BOOTSTRAP and GRIDLINE_TOPIC_PREFIX as services have them: `gridline topics list`."
)
"""What to do where topics of ours are not there: empty is something else."""

_TIMEOUT_MS: Final = 20_000
_POLL_MS: Final = 500
_QUIET_POLLS: Final = 20  # polls without anything before Kafka is taken to be away: its client waits without a word


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies in a topic; the topic's name is without the prefix."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    def header(self, name: str) -> str | None:
        """Return the last header of that name as text."""
        found = [raw for known, raw in self.headers if known == name]
        return found[-1].decode("utf-8", "replace") if found else None

    @property
    def event_id(self) -> UUID | None:
        """The event's id from its header; None where there is none, or none that is a UUID."""
        try:
            return UUID(self.header("ce_id") or "")
        except ValueError:
            return None


async def list_topics(settings: ServiceSettings) -> dict[str, tuple[int, int]]:
    """Return the cluster's topics, by full name, with their partitions and copies.

    Raises:
        UnavailableError: the cluster cannot be reached.
    """
    async with _admin(settings) as admin:
        return {
            topic["topic"]: (
                len(topic["partitions"]),
                min((len(partition["replicas"]) for partition in topic["partitions"]), default=0),
            )
            for topic in await admin.describe_topics()
        }


async def committed_offsets(settings: ServiceSettings, group: str) -> dict[tuple[str, int], int]:
    """Return what a consumer group has committed to Kafka, by topic (without prefix) and partition.

    Raises:
        UnavailableError: the cluster cannot be reached.
    """
    async with _admin(settings) as admin:
        found = await admin.list_consumer_group_offsets(group)
    prefix = settings.topic_prefix
    return {(at.topic.removeprefix(prefix), at.partition): value.offset for at, value in found.items()}


class Reader:
    """Reads topics from the outside, without a group."""

    def __init__(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, prefix: str) -> None:
        self._consumer = consumer
        self._admin = admin
        self._prefix = prefix

    async def bounds(self, topics: Iterable[str]) -> dict[tuple[str, int], tuple[int, int]]:
        """Return the first offset and the one after the last, of every partition of those topics that exist."""
        names = {self._prefix + topic for topic in topics}
        at = [
            TopicPartition(topic["topic"], part["partition"])
            for topic in await self._admin.describe_topics()
            if topic["topic"] in names
            for part in topic["partitions"]
        ]
        if not at:
            return {}
        first, end = await self._consumer.beginning_offsets(at), await self._consumer.end_offsets(at)
        return {(one.topic.removeprefix(self._prefix), one.partition): (first[one], end[one]) for one in at}

    async def records(self, bounds: Mapping[tuple[str, int], tuple[int, int]]) -> AsyncIterator[Record]:
        """Yield the records within ``bounds``; those of one partition in order.

        Raises:
            UnavailableError: Kafka went away before they were read to the end.
        """
        spans = {
            TopicPartition(self._prefix + topic, partition): span
            for (topic, partition), span in bounds.items()
            if span[0] < span[1]
        }
        if not spans:
            return
        self._consumer.assign(list(spans))
        for at, (first, _) in spans.items():
            self._consumer.seek(at, first)
        wanted = {at: end for at, (_, end) in spans.items()}
        quiet = 0
        while wanted:
            found = await self._consumer.getmany(*wanted, timeout_ms=_POLL_MS)
            quiet = 0 if found else quiet + 1
            if quiet >= _QUIET_POLLS:
                left = ", ".join(sorted({at.topic for at in wanted}))
                raise UnavailableError(f"kafka answers no more, and was not read to the end: {left}")
            for at, records in found.items():
                end = wanted[at]
                for record in records:
                    if record.offset < end:
                        yield Record(
                            topic=at.topic.removeprefix(self._prefix),
                            partition=at.partition,
                            offset=record.offset,
                            timestamp_ms=record.timestamp,
                            key=record.key,
                            value=record.value,
                            headers=tuple((name, bytes(raw)) for name, raw in record.headers),
                        )
            for at in list(wanted):  # compaction leaves holes, also at the end: the position goes on past them
                if await self._consumer.position(at) >= wanted[at]:
                    del wanted[at]


@asynccontextmanager
async def reader(settings: ServiceSettings) -> AsyncIterator[Reader]:
    """Connect a reader.

    Raises:
        UnavailableError: the cluster cannot be reached.
    """
    async with _admin(settings) as admin:
        consumer = AIOKafkaConsumer(
            **settings.kafka_client(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=_TIMEOUT_MS,
            fetch_max_wait_ms=100,
        )
        try:
            await consumer.start()
            yield Reader(consumer, admin, settings.topic_prefix)
        finally:
            await consumer.stop()


@asynccontextmanager
async def _admin(settings: ServiceSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(request_timeout_ms=_TIMEOUT_MS, **settings.kafka_client())
    try:
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()
    except (KafkaError, TimeoutError, OSError) as error:
        raise UnavailableError(f"kafka at {settings.kafka_bootstrap}: {in_words(error)}") from error
