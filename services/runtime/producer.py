"""The one way to Kafka: idempotent, ``acks=all``, every wait bounded, rebuilt after a fatal error.

aiokafka 0.14 never rolls back a sequence number, so one non-retriable error poisons a partition for the life of
the producer; and with idempotence it never gives up on a batch by itself. Hence: oversize is refused before the
producer sees it, a fatal error replaces the producer, and a deadline means "outcome unknown", never "failed".
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, NodeNotReadyError

from services.contracts.envelope import Refusal, RefusedError
from services.contracts.topics import MAX_RECORD_BYTES
from services.runtime import clock, metrics
from services.runtime.deadlines import within
from services.runtime.errors import NoTopicError, UnavailableError, in_words
from services.runtime.partitioning import partition_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from datetime import datetime

    from aiokafka.producer.message_accumulator import BatchBuilder
    from aiokafka.structs import RecordMetadata

    from services.contracts.envelope import Outgoing
    from services.runtime.settings import ServiceSettings

_STOP_SECONDS: Final = 5.0
_START_SECONDS: Final = 20.0
_REACH_SECONDS: Final = 2.0
_TOPIC_SECONDS: Final = 1.0
_BROKERS_TIME: Final = 1
"""Kafka's number of a stamp that is the broker's: LogAppendTime."""
_log = structlog.get_logger()


def refuse_oversize(outgoing: Outgoing) -> None:
    """Refuse what the broker would refuse, before it can spoil the producer.

    Raises:
        RefusedError: the record is larger than ``MAX_RECORD_BYTES``.
    """
    size = len(outgoing.value) + len(outgoing.key)
    for name, raw in outgoing.headers:
        size += len(name) + len(raw)
    if size > MAX_RECORD_BYTES:
        raise RefusedError(Refusal.OVERSIZE, f"the record for {outgoing.topic} has {size} bytes")


def _compare_clocks(before: datetime, acknowledged: RecordMetadata) -> None:
    """Note how far this host's clock is off the broker's, which stamped the record between ``before`` and now.

    Where the stamp lies between them, the clocks may agree; where it does not, they are apart by at least the rest.
    """
    if acknowledged.timestamp_type == _BROKERS_TIME:
        stamped = acknowledged.timestamp / 1000
        ahead, behind = before.timestamp() - stamped, stamped - clock.present().timestamp()
        metrics.CLOCK_AHEAD.set(ahead if ahead > 0 else -max(0.0, behind))


async def _all_acknowledged(waits: Collection[asyncio.Future[Any]]) -> None:
    """Return when all are done; raise what the first to fail raised. The deliveries go on whatever becomes of us.

    Waiting does not cancel what it waits for, so nothing needs shielding: that took longer than the sending.
    """
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_EXCEPTION)
        for wait in done:
            wait.result()
    except BaseException:
        for wait in waits:
            wait.add_done_callback(_note)
        raise


def _note(wait: asyncio.Future[Any]) -> None:
    """Look at a failure nobody waits for any more, so that it is not reported as forgotten."""
    if not wait.cancelled():
        wait.exception()


class Producer:
    """An idempotent producer that is discarded and made anew when it fails for good."""

    def __init__(self, settings: ServiceSettings, *, linger_ms: int = 0) -> None:
        self._settings = settings
        self._linger_ms = linger_ms
        self._producer: AIOKafkaProducer | None = None
        self._building = asyncio.Lock()
        self._retired: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect.

        Raises:
            UnavailableError: no broker answers.
        """
        await self._current()

    async def stop(self) -> None:
        """Flush what is under way and close, within a bound."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._close(producer)
        if self._retired:
            await asyncio.wait(self._retired, timeout=_STOP_SECONDS)

    @property
    def connected(self) -> bool:
        """Whether a producer stands."""
        return self._producer is not None

    async def reachable(self) -> bool:
        """Whether a broker answers a metadata request now."""
        producer = self._producer
        if producer is None:
            return False
        try:
            async with asyncio.timeout(_REACH_SECONDS):
                await producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError, OSError):
            return False
        return True

    async def lacks(self, topic: str) -> bool:
        """Whether a broker says now that there is no such topic."""
        producer = self._producer
        if producer is None:
            return False
        try:
            async with asyncio.timeout(_REACH_SECONDS):
                known = await producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError, OSError):
            return False
        return known.partitions_for_topic(self._settings.topic_prefix + topic) is None

    async def send(self, outgoing: Outgoing, *, deadline_s: float | None = None) -> None:
        """Publish one record and wait until every in-sync replica has it.

        Raises:
            RefusedError: oversize; nothing was sent.
            UnavailableError: not acknowledged in time. It may still be delivered.
        """
        refuse_oversize(outgoing)
        seconds = deadline_s or self._settings.produce_deadline_s
        producer: AIOKafkaProducer | None = None
        try:
            with within(seconds):
                producer = self._producer or await self._current()
                before = clock.present()
                sent = await producer.send(
                    self._settings.topic_prefix + outgoing.topic,
                    value=outgoing.value,
                    key=outgoing.key,
                    headers=list(outgoing.headers),
                )
                # Our deadline ends this waiting, not the delivery: aiokafka goes on with it.
                _compare_clocks(before, await sent)
        except (TimeoutError, KafkaError) as error:
            raise self._unavailable(error, producer, seconds) from error

    async def send_batch(self, batch: Sequence[Outgoing], *, deadline_s: float | None = None) -> None:
        """Publish records in order and wait for all acknowledgements.

        Raises:
            NoTopicError: a topic of theirs is not there; nothing was sent.
            UnavailableError: not all were acknowledged in time; any of them may be delivered.
        """
        seconds = deadline_s or self._settings.produce_deadline_s
        producer: AIOKafkaProducer | None = None
        try:
            with within(seconds):
                producer = self._producer or await self._current()
                before = clock.present()
                waits = [
                    await producer.send_batch(built, topic, partition=partition)
                    async for topic, partition, built in self._built(producer, batch)
                ]
                await _all_acknowledged(waits)
                if waits:
                    _compare_clocks(before, waits[-1].result())
        except (TimeoutError, KafkaError) as error:
            raise self._unavailable(error, producer, seconds) from error

    async def _built(
        self, producer: AIOKafkaProducer, batch: Sequence[Outgoing]
    ) -> AsyncIterator[tuple[str, int, BatchBuilder]]:
        """Yield Kafka's own batches of these records: sent one by one, each took twice as long."""
        prefix = self._settings.topic_prefix
        partitions = {topic: await self._partitions(producer, topic) for topic in {one.topic for one in batch}}
        places: defaultdict[tuple[str, int], list[Outgoing]] = defaultdict(list)
        for one in batch:
            among = partitions[one.topic]
            places[one.topic, partition_of(one.key, among, among)].append(one)
        for (topic, partition), records in places.items():
            built = producer.create_batch()
            for one in records:
                headers = list(one.headers)
                if built.append(timestamp=None, key=one.key, value=one.value, headers=headers) is None:  # it is full
                    yield prefix + topic, partition, built
                    built = producer.create_batch()
                    built.append(timestamp=None, key=one.key, value=one.value, headers=headers)
            yield prefix + topic, partition, built

    async def _partitions(self, producer: AIOKafkaProducer, topic: str) -> list[int]:
        name = self._settings.topic_prefix + topic
        known = producer.client.cluster.partitions_for_topic(name)
        if known is None:  # by itself aiokafka asks for a topic until our deadline
            try:
                async with asyncio.timeout(_TOPIC_SECONDS):
                    known = await producer.partitions_for(name)
            except TimeoutError:
                if await self.lacks(topic):
                    raise NoTopicError(topic) from None
                raise
        return sorted(known)

    def _unavailable(
        self, error: TimeoutError | KafkaError, producer: AIOKafkaProducer | None, seconds: float
    ) -> UnavailableError:
        """Note a failure, give up a producer that it spoilt, and return what the caller is told."""
        metrics.UNAVAILABLE.labels("kafka").inc()
        if not isinstance(error, KafkaError):
            return UnavailableError(f"kafka: no acknowledgement within {seconds:g} s, outcome unknown")
        if producer is not None and not isinstance(error, KafkaConnectionError | KafkaTimeoutError):
            self._discard(producer, error)
        return UnavailableError(f"kafka: {type(error).__name__}")

    async def _current(self) -> AIOKafkaProducer:
        async with self._building:
            if self._producer is not None:
                return self._producer
            arguments: dict[str, Any] = self._settings.kafka_client()
            producer = AIOKafkaProducer(
                acks="all",
                enable_idempotence=True,
                linger_ms=self._linger_ms,
                max_batch_size=256 * 1024,
                max_request_size=MAX_RECORD_BYTES + 100_000,
                partitioner=partition_of,
                **arguments,
            )
            try:
                async with asyncio.timeout(_START_SECONDS):
                    await producer.start()
            except (KafkaError, NodeNotReadyError, OSError, TimeoutError) as error:
                await self._close(producer)
                raise UnavailableError(f"kafka: {in_words(error)}") from error
            except asyncio.CancelledError:
                self._retire(producer)
                raise
            self._producer = producer
            return producer

    def _discard(self, producer: AIOKafkaProducer, error: KafkaError) -> None:
        """Replace a producer whose sequence numbers can no longer be trusted; resends carry the same ids."""
        if self._producer is producer:
            self._producer = None
            metrics.PRODUCER_REBUILDS.inc()
            _log.warning("producer_discarded", error=type(error).__name__)
            self._retire(producer)

    def _retire(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.get_running_loop().create_task(self._close(producer))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    @staticmethod
    async def _close(producer: AIOKafkaProducer) -> None:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await producer.stop()
        except (KafkaError, TimeoutError, OSError) as error:
            _log.warning("producer_did_not_close", error=type(error).__name__)
