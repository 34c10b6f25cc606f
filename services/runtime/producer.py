"""The one way to Kafka: idempotent, ``acks=all``, every wait bounded, rebuilt after a fatal error.

aiokafka 0.14 never rolls back a sequence number, so one non-retriable error poisons a partition for the life of
the producer; and with idempotence it never gives up on a batch by itself. Hence: oversize is refused before the
producer sees it, a fatal error replaces the producer, and a deadline means "outcome unknown", never "failed".
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.metadata import MetadataRequest

from services.contracts.envelope import Refusal, RefusedError
from services.contracts.topics import MAX_RECORD_BYTES
from services.runtime import clock, metrics
from services.runtime.deadlines import within
from services.runtime.errors import UnavailableError, in_words
from services.runtime.partitioning import partition_of
from services.runtime.sorting import in_batches, place_of, refused_by, tell_left

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from aiokafka.producer.message_accumulator import BatchBuilder
    from aiokafka.structs import RecordMetadata

    from services.contracts.envelope import Outgoing
    from services.runtime.brokers_time import BrokersTime
    from services.runtime.errors import Place
    from services.runtime.settings import ServiceSettings

_STOP_SECONDS: Final = 5.0
_REQUEST_MS: Final = 10_000
"""How long a broker has for an answer; by itself aiokafka gives it 40 s, in which nothing is written to what a frozen
or cut-off broker led, though others lead it after 9 s."""
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


async def _all_ended(waits: Collection[asyncio.Future[Any]]) -> None:
    """Return when all are done. The deliveries go on whatever becomes of us.

    Waiting does not cancel what it waits for, so nothing needs shielding: that took longer than the sending.
    """
    try:
        if waits:
            await asyncio.wait(waits)
    finally:
        for wait in waits:
            wait.add_done_callback(_note)


def _acknowledged(wait: asyncio.Future[Any]) -> bool:
    return wait.done() and wait.exception() is None


def _note(wait: asyncio.Future[Any]) -> None:
    """Look at a failure nobody waits for any more, so that it is not reported as forgotten."""
    if not wait.cancelled():
        wait.exception()


class Producer:
    """An idempotent producer that is discarded and made anew when it fails for good."""

    def __init__(self, settings: ServiceSettings, *, linger_ms: int = 0) -> None:
        self._settings = settings
        self._linger_ms = linger_ms
        self.time: BrokersTime | None = None
        """Of a process that takes the time from Kafka: it has no database."""
        self._stamp = 0
        """The last that a broker set, in milliseconds since 1970."""
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

    async def reachable(self, brokers: Collection[int] = ()) -> bool:
        """Whether any broker answers now; where some are named, whether each of them does. It is asked of no topic."""
        producer = self._producer
        if producer is None:
            return False
        asked = brokers or [one.nodeId for one in producer.client.cluster.brokers()]
        answers = [asyncio.create_task(producer.client.send(one, MetadataRequest([]))) for one in asked]
        try:
            async with asyncio.timeout(_REACH_SECONDS):
                if brokers:
                    await asyncio.gather(*answers)
                    return True
                for answer in asyncio.as_completed(answers):
                    with suppress(KafkaError, OSError):
                        await answer
                        return True
        except (KafkaError, TimeoutError, OSError):
            pass
        finally:
            for answer in answers:
                answer.add_done_callback(_note)
                answer.cancel()
        return False

    async def _lacks(self, topic: str) -> bool:
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

    def place_of(self, one: Outgoing) -> Place:
        """Return where a record goes, as far as Kafka has told."""
        name = self._settings.topic_prefix + one.topic
        known = self._producer and self._producer.client.cluster.partitions_for_topic(name)
        return place_of(one, {one.topic: sorted(known)} if known else {}, ())

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
                before, asked = clock.of_host(), clock.monotonic()
                sent = await producer.send(
                    self._settings.topic_prefix + outgoing.topic,
                    value=outgoing.value,
                    key=outgoing.key,
                    headers=list(outgoing.headers),
                )
                # Our deadline ends this waiting, not the delivery: aiokafka goes on with it.
                self._compare_clocks(before, asked, await sent)
        except (TimeoutError, KafkaError) as error:
            raise self._unavailable(error, producer, seconds) from error

    async def send_batch(
        self, batch: Sequence[Outgoing], *, apart: Collection[Place] = (), deadline_s: float | None = None
    ) -> None:
        """Publish records in order and wait for all acknowledgements.

        Args:
            batch: The records.
            apart: Places that nothing is sent to.
            deadline_s: Longest wait; by default the settings'.

        Raises:
            PartitionsRefuseError: some places are apart or take nothing in time; all for others is acknowledged.
            UnavailableError: not all were acknowledged in time; any of them may be delivered.
        """
        seconds = deadline_s or self._settings.produce_deadline_s
        producer: AIOKafkaProducer | None = None
        built: list[tuple[Place, BatchBuilder]] = []
        waits: list[asyncio.Future[RecordMetadata]] = []
        try:
            with within(seconds):
                producer = self._producer or await self._current()
                partitions, reasons = await self._look_up(producer, {one.topic for one in batch})
                built = list(in_batches(producer, batch, partitions, apart))
                before, asked = clock.of_host(), clock.monotonic()
                for (topic, partition), records in built:
                    name = self._settings.topic_prefix + topic
                    waits.append(await producer.send_batch(records, name, partition=partition))
                await _all_ended(waits)
        except KafkaError as error:
            raise self._unavailable(error, producer, seconds) from error
        except TimeoutError as error:
            # Where nothing at all was acknowledged it may be Kafka: the same again is the best there is to do.
            if producer is None or not (any(map(_acknowledged, waits)) or (built and await self.reachable())):
                raise self._unavailable(error, producer, seconds) from error
        refused = refused_by(built, waits)
        if refused:
            # What it goes on trying would slow all else that it sends, and be in front of what is sent there next.
            self._discard(producer, ", ".join(sorted(set(refused.values()))))
        elif waits:
            self._compare_clocks(before, asked, waits[-1].result())
        if reasons or refused or apart:
            tell_left(batch, partitions, apart, reasons | refused)

    def _compare_clocks(self, before: datetime, asked: float, acknowledged: RecordMetadata) -> None:
        """Note how far this host's clock is off the broker's, which stamped the record between ``before`` and now.

        Where the stamp lies between them, the clocks may agree; where it does not, they are apart by at least the rest.
        Records that were taken together have one stamp, which says that once.
        """
        if acknowledged.timestamp_type != _BROKERS_TIME:
            return
        stamped = acknowledged.timestamp / 1000
        if acknowledged.timestamp != self._stamp:
            self._stamp = acknowledged.timestamp
            ahead, behind = before.timestamp() - stamped, stamped - clock.of_host().timestamp()
            metrics.CLOCK_AHEAD.set(ahead if ahead > 0 else -max(0.0, behind))
        if self.time is not None:
            self.time.heard(acknowledged.topic_partition, stamped, asked)

    async def _look_up(
        self, producer: AIOKafkaProducer, topics: Collection[str]
    ) -> tuple[dict[str, list[int]], dict[Place, str]]:
        """Return the partitions of each topic, and why others have none.

        Raises:
            TimeoutError: Kafka does not say.
        """
        prefix, cluster = self._settings.topic_prefix, producer.client.cluster
        known = {topic: cluster.partitions_for_topic(prefix + topic) for topic in topics}
        unknown = [topic for topic, found in known.items() if found is None]
        asked = await asyncio.gather(*(self._ask_for(producer, topic) for topic in unknown), return_exceptions=True)
        reasons: dict[Place, str] = {}
        for topic, found in zip(unknown, asked, strict=True):
            if isinstance(found, KafkaError):
                reasons[topic, None] = type(found).__name__
            elif isinstance(found, BaseException):
                raise found
            else:
                known[topic] = found
        return {topic: sorted(found) for topic, found in known.items() if found}, reasons

    async def _ask_for(self, producer: AIOKafkaProducer, topic: str) -> set[int]:
        """Return the partitions of a topic the client has not heard of: by itself it asks until our deadline."""
        try:
            async with asyncio.timeout(_TOPIC_SECONDS):
                return set(await producer.partitions_for(self._settings.topic_prefix + topic))
        except TimeoutError:
            if await self._lacks(topic):
                raise UnknownTopicOrPartitionError from None
            raise

    def _unavailable(
        self, error: TimeoutError | KafkaError, producer: AIOKafkaProducer | None, seconds: float
    ) -> UnavailableError:
        """Note a failure, give up a producer that it spoilt, and return what the caller is told."""
        metrics.UNAVAILABLE.labels("kafka").inc()
        if not isinstance(error, KafkaError):
            return UnavailableError(f"kafka: no acknowledgement within {seconds:g} s, outcome unknown")
        if producer is not None and not isinstance(error, KafkaConnectionError | KafkaTimeoutError):
            self._discard(producer, type(error).__name__)
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
                request_timeout_ms=_REQUEST_MS,
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

    def _discard(self, producer: AIOKafkaProducer | None, error: str) -> None:
        """Replace a producer whose sequence numbers can no longer be trusted; resends carry the same ids."""
        if producer is not None and self._producer is producer:
            self._producer = None
            metrics.PRODUCER_REBUILDS.inc()
            _log.warning("producer_discarded", error=error)
            self._retire(producer)

    def _retire(self, producer: AIOKafkaProducer) -> None:
        # No bound: given up in the middle, aiokafka goes on for ever with what it could not deliver; so it closes then.
        task = asyncio.get_running_loop().create_task(self._close(producer, within_s=None))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    @staticmethod
    async def _close(producer: AIOKafkaProducer, *, within_s: float | None = _STOP_SECONDS) -> None:
        try:
            async with asyncio.timeout(within_s):
                await producer.stop()
        except (KafkaError, TimeoutError, OSError) as error:
            _log.warning("producer_did_not_close", error=type(error).__name__)
