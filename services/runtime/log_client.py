"""The consume loop's client of Kafka: how it is set up, what may be asked of it, and when it counts as broken.

Kafka's committed offsets are written for lag monitoring only. Never here: what is done with records.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError

from services.runtime import clock, header_names
from services.runtime.errors import StuckError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from aiokafka import ConsumerRebalanceListener, TopicPartition

    from services.runtime.recognising import Record
    from services.runtime.settings import ServiceSettings

    Reachable = Callable[[Collection[int]], Awaitable[bool]]

T = TypeVar("T")

_FETCH_WAIT_MS: Final = 20
"""aiokafka asks a broker for nothing more while a fetch to it is under way, so a partition that was just drained
waits for the long poll of the others: this bounds that wait."""
_METADATA_MS: Final = 5_000
"""How soon a topic or partition that was not there when we joined is noticed. By default it takes five minutes, in
which a group that joined a moment too early reads nothing."""
_ANSWER_SECONDS: Final = 20.0
_UNANSWERED: Final = 3
"""So many times in a row the client may hear nothing from a Kafka that answers another client of this process."""
_NOBODY: Final = -1
_UNKNOWN: Final = -2
_COMMIT_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 10.0
_log = structlog.get_logger()


class LogClient:
    """A member of a consumer group that is sought by hand and commits nothing that matters."""

    def __init__(self, settings: ServiceSettings, *, group: str, reachable: Reachable) -> None:
        """Make a client that is in no group yet; ``reachable`` tells whether brokers answer another of this process.

        Raises:
            SettingsError: the file of certificates cannot be used.
        """
        header_names.accept_any()
        self._reachable = reachable
        self._unanswered = 0
        self._told: dict[TopicPartition, int] = {}
        self._told_at = 0.0
        self._telling: asyncio.Task[None] | None = None
        self._consumer = AIOKafkaConsumer(
            group_id=settings.topic_prefix + group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",  # others may write in transactions: what they took back was never said
            session_timeout_ms=settings.session_timeout_ms,
            heartbeat_interval_ms=max(1000, settings.session_timeout_ms // 10),
            rebalance_timeout_ms=2 * settings.session_timeout_ms,
            max_poll_interval_ms=300_000,
            metadata_max_age_ms=_METADATA_MS,
            max_poll_records=settings.batch_records,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            fetch_max_bytes=16 * 1024 * 1024,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            partition_assignment_strategy=(RangePartitionAssignor,),
            **settings.kafka_client(),
        )

    async def join(self, topics: Collection[str], listener: ConsumerRebalanceListener) -> None:
        """Connect and subscribe.

        Raises:
            KafkaError | OSError | TimeoutError: Kafka cannot be reached now.
        """
        async with asyncio.timeout(_ANSWER_SECONDS):
            await self._consumer.start()
        self._consumer.subscribe(topics=list(topics), listener=listener)

    async def leave(self, positions: Mapping[TopicPartition, int]) -> None:
        """Tell Kafka's lag tools where we leave off, and leave the group, within a bound."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                if self._telling is not None:
                    await self._telling
                await self._commit(self._untold(positions))
                await self._consumer.stop()
        except (KafkaError, TimeoutError, OSError) as error:
            _log.warning("consumer_did_not_close", error=type(error).__name__)

    def assignment(self) -> frozenset[TopicPartition]:
        """Return what the group has given us."""
        return self._consumer.assignment()  # type: ignore[no-any-return] # aiokafka has no types

    def seek(self, at: TopicPartition, offset: int) -> None:
        """Go on there, in a partition that is assigned."""
        self._consumer.seek(at, offset)

    async def position(self, at: TopicPartition) -> int:
        """Return where the client goes on in a partition that is assigned and sought."""
        return await self._consumer.position(at)  # type: ignore[no-any-return] # likewise

    async def fetch(
        self, partitions: Collection[TopicPartition], *, timeout_ms: int, most: int
    ) -> dict[TopicPartition, list[Record]]:
        """Return up to ``most`` records of some partitions, or of all that are assigned; wait only for the first.

        Raises:
            NoOffsetForPartitionError: an assigned partition is not sought yet.
            OffsetOutOfRangeError: the log does not have the place that was sought.
            KafkaError: it cannot be read now.
            StuckError: the client is in its group no more and never will be again.
        """
        try:
            return await self._consumer.getmany(  # type: ignore[no-any-return] # likewise
                *partitions, timeout_ms=timeout_ms, max_records=most
            )
        except KafkaError as error:
            # Ended by what aiokafka does not expect (a cluster that names no broker while it starts), it is not begun
            # again: each fetch raises the same for ever.
            if self._consumer._coordinator._coordination_task.done():  # noqa: SLF001 - nothing else tells
                raise StuckError(f"the Kafka client has left its group for good: {error}") from error
            raise

    def led(self, partitions: Collection[TopicPartition]) -> list[TopicPartition]:
        """Return partitions less those that no broker leads now.

        Asked about one of them, the client waits for its leader, and so does what else is asked in the same breath.
        """
        return [at for at in partitions if self._leader(at) != _NOBODY]

    def _leader(self, at: TopicPartition) -> int:
        leader = self._consumer._client.cluster.leader_for_partition(at)  # noqa: SLF001 - nothing else tells
        return _UNKNOWN if leader is None else int(leader)

    async def begins(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the first offset that each log still has.

        Raises:
            KafkaError | TimeoutError: Kafka does not say now.
            StuckError: the client hears nothing more of a Kafka that is there.
        """
        return await self._answered(self._consumer.beginning_offsets, partitions)

    async def ends(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset after the last of each log; raise as ``begins`` does."""
        return await self._answered(self._consumer.end_offsets, partitions)

    async def _answered(
        self, ask: Callable[[list[TopicPartition]], Awaitable[T]], about: Collection[TopicPartition]
    ) -> T:
        """Return what the leaders of partitions answer the client.

        Seen once, after Kafka was killed and came back: requests of all kinds waited for ever, in a process that seemed
        alive. Nothing that is left of such a client must go on beside a new one, so the process ends.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await ask(list(about))
        except TimeoutError:
            leaders = {self._leader(at) for at in about}
            self._unanswered = self._unanswered + 1 if await self._reachable(leaders) else 0
            if self._unanswered >= _UNANSWERED:
                raise StuckError(f"Kafka answers, but not this consumer: {self._unanswered} times in a row") from None
            raise
        self._unanswered = 0
        return answer

    def tell(self, positions: Mapping[TopicPartition, int]) -> None:
        """Commit positions for Kafka's lag tools, about once a second. That it fails does not matter.

        Args:
            positions: Where we are in the partitions that are ours; never ahead of the database.
        """
        now = clock.monotonic()
        if now - self._told_at < _COMMIT_SECONDS or (self._telling is not None and not self._telling.done()):
            return
        self._told_at = now
        if new := self._untold(positions):
            self._telling = asyncio.get_running_loop().create_task(self._commit(new), name="commit")

    def _untold(self, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        return {at: offset for at, offset in positions.items() if self._told.get(at) != offset}

    async def _commit(self, offsets: dict[TopicPartition, int]) -> None:
        if not offsets:
            return
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._consumer.commit(offsets)
        except (KafkaError, TimeoutError, OSError) as error:
            _log.debug("kafka_commit_skipped", error=type(error).__name__)
        else:
            self._told |= offsets
