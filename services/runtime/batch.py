"""One batch, one transaction: fence, inbox, decide, outbox, count.

Order matters and is fixed here. The compare-and-set comes first, so that a stale owner fails before it does
anything; the inbox comes before the handler, so that a handler never sees an event twice; dead letters travel
through the outbox, so that they and the position move together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.envelope import Incoming, Outgoing, Refusal, RefusedError, decode, open_record
from services.contracts.frozen import frozen
from services.contracts.topics import BY_NAME
from services.runtime import metrics, positions
from services.runtime.failpoints import failpoint
from services.runtime.handling import Decided, Received
from services.runtime.positions import Move, TopicPartition
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from aiokafka import ConsumerRecord

    from services.contracts.messages import Message
    from services.runtime.handling import Handler
    from services.runtime.outbox import Outbox
    from services.runtime.positions import Claim
    from services.runtime.postgres import Connection, Pool

_INBOX: Final = """
INSERT INTO inbox (id, fingerprint, topic, partition, kafka_offset, seen_at)
SELECT id, fingerprint, topic, partition, kafka_offset, $6
FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::int[], $5::bigint[])
     AS v (id, fingerprint, topic, partition, kafka_offset)
ON CONFLICT (id) DO NOTHING
RETURNING id
"""
_SEEN: Final = "SELECT id, fingerprint FROM inbox WHERE id = ANY($1::uuid[])"
_UNSEE: Final = "DELETE FROM inbox WHERE id = ANY($1::uuid[])"
_TYPES: Final = {topic.name: topic.types for topic in BY_NAME.values()}
_log = structlog.get_logger()


@frozen()
class Read:
    """A record as it came: its position, its bytes, and either its decoded message or why there is none."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    incoming: Incoming | None
    message: Message | None
    refusal: RefusedError | None

    @property
    def at(self) -> TopicPartition:
        """The partition it came from."""
        return (self.topic, self.partition)


def read(record: ConsumerRecord[bytes | None, bytes | None], topic: str) -> Read:
    """Open and decode a record; a failure is kept as its refusal."""
    incoming: Incoming | None = None
    message: Message | None = None
    refusal: RefusedError | None = None
    headers = tuple((name, raw or b"") for name, raw in record.headers)  # Kafka allows a header without a value
    try:
        incoming = open_record(record.value, headers)
        message = decode(incoming, _TYPES[topic])
    except RefusedError as error:
        refusal = error
    return Read(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=headers,
        incoming=incoming,
        message=message,
        refusal=refusal,
    )


def dead_letter(one: Read, refusal: RefusedError, *, consumer: str, now: datetime) -> Outgoing:
    """Return the record's dead letter: key, value and headers untouched, the cause in ``dlq.*`` headers.

    A value that is absent stays empty bytes with ``dlq.null-value``, since the outbox holds no nulls.
    """
    cause = {
        "dlq.reason": refusal.reason,
        "dlq.detail": refusal.detail[:500],
        "dlq.topic": one.topic,
        "dlq.partition": str(one.partition),
        "dlq.offset": str(one.offset),
        "dlq.timestamp": str(one.timestamp_ms),
        "dlq.consumer": consumer,
        "dlq.at": now.isoformat(),
    }
    if one.value is None:
        cause["dlq.null-value"] = "1"
    kept = tuple((name, raw) for name, raw in one.headers if not name.startswith("dlq."))
    return Outgoing(
        topic=BY_NAME[one.topic].dead_letters,
        key=one.key or b"",
        value=one.value or b"",
        headers=(*kept, *((name, text.encode()) for name, text in cause.items())),
    )


@dataclass(slots=True)
class Outcome:
    """What a committed batch came to, for metrics and the limit on dead letters."""

    counts: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    decided: Decided = field(default_factory=Decided)

    def named(self, name: str) -> int:
        """Sum of one kernel count over partitions."""
        return sum(n for (_, _, counted), n in self.counts.items() if counted == name)


@dataclass(frozen=True, slots=True)
class Transactor:
    """Runs batches for one service."""

    pool: Pool
    handler: Handler
    outbox: Outbox
    service: str

    async def run(self, batch: Sequence[Read], claims: Mapping[TopicPartition, Claim], now: datetime) -> Outcome:
        """Process ``batch`` in one transaction.

        A record that cannot be processed is found by halving: the batch is rolled back and each half runs in a
        transaction of its own, until the record stands alone and becomes a dead letter.

        Raises:
            FencedError: another owner has a partition; nothing was kept.
            UnavailableError: Postgres cannot answer; whether the batch was kept is unknown.
        """
        try:
            return await self._transact(batch, claims, now, None)
        except RefusedError as error:
            self.handler.forget({one.at for one in batch})
            if len(batch) == 1:
                return await self._transact(batch, claims, now, error)
            _log.warning("batch_halved", records=len(batch), reason=error.reason)
        middle = len(batch) // 2
        first = await self.run(batch[:middle], claims, now)
        moved = {**claims, **_after(batch[:middle], claims)}
        second = await self.run(batch[middle:], moved, now)
        second.counts.update(first.counts)
        second.reasons.update(first.reasons)
        return second

    async def _transact(
        self, batch: Sequence[Read], claims: Mapping[TopicPartition, Claim], now: datetime, refusal: RefusedError | None
    ) -> Outcome:
        outcome = Outcome()
        failpoint("batch.begun")
        with translated():
            async with self.pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                try:
                    await self._steps(connection, batch, claims, now, refusal, outcome)
                except BaseException:
                    if not connection.is_closed():
                        await transaction.rollback()
                    raise
                await transaction.commit()
        failpoint("batch.committed")
        if outcome.decided.after_commit is not None:
            outcome.decided.after_commit()
        return outcome

    async def _steps(
        self,
        tx: Connection,
        batch: Sequence[Read],
        claims: Mapping[TopicPartition, Claim],
        now: datetime,
        refusal: RefusedError | None,
        outcome: Outcome,
    ) -> None:
        await positions.advance(tx, _moves(batch, claims))
        failpoint("batch.fenced")
        refused: list[tuple[Read, RefusedError]] = [(one, one.refusal) for one in batch if one.refusal is not None]
        readable = [one for one in batch if one.refusal is None]
        if refusal is not None and readable:
            refused.append((readable.pop(), refusal))
        fresh = await self._unseen(tx, readable, refused, now, outcome) if readable else []
        failpoint("batch.inbox")
        by_position = {(one.topic, one.partition, one.offset): one for one in fresh}
        if fresh:
            received = [
                Received(one.topic, one.partition, one.offset, one.message, one.incoming.traceparent)
                for one in fresh
                if one.message is not None and one.incoming is not None
            ]
            outcome.decided = await self.handler.handle(tx, received, now)
            for bad in outcome.decided.refused:
                position = (bad.record.topic, bad.record.partition, bad.record.offset)
                refused.append((by_position.pop(position), RefusedError(bad.reason, bad.detail)))
            if outcome.decided.refused:
                # A dead letter is not accepted: once its cause is mended it may come again under the same id.
                await tx.execute(_UNSEE, [bad.record.message.message_id for bad in outcome.decided.refused])
        failpoint("batch.handled")
        records = self.outbox.settle(outcome.decided.publish)
        records += [dead_letter(one, error, consumer=self.service, now=now) for one, error in refused]
        await self.outbox.write(tx, records, now)
        failpoint("batch.outbox")
        outcome.counts.update((*one.at, "accepted") for one in by_position.values())
        outcome.counts.update(
            (*one.at, "conflict" if error.reason is Refusal.CONFLICT else "dead_lettered") for one, error in refused
        )
        outcome.reasons.update((one.topic, error.reason.value) for one, error in refused)
        counts = Counter(outcome.counts)
        # A room's counts hang on a partition this process owns, so that two processes never wait for one row.
        counts.update({(*batch[0].at, name): n for name, n in outcome.decided.tally.items()})
        await positions.count(tx, counts)

    async def _unseen(
        self,
        tx: Connection,
        batch: Sequence[Read],
        refused: list[tuple[Read, RefusedError]],
        now: datetime,
        outcome: Outcome,
    ) -> list[Read]:
        """Put the batch's ids in the inbox; return the records never seen before, and sort out the others."""
        first: dict[object, Read] = {}
        again = [one for one in batch if one.incoming and first.setdefault(one.incoming.id, one) is not one]
        opened = [(one, one.incoming) for one in first.values() if one.incoming is not None]
        rows = await tx.fetch(
            _INBOX,
            [incoming.id for _, incoming in opened],
            [incoming.fingerprint for _, incoming in opened],
            [one.topic for one, _ in opened],
            [one.partition for one, _ in opened],
            [one.offset for one, _ in opened],
            now,
        )
        inserted = {row["id"] for row in rows}
        known = {incoming.id: incoming.fingerprint for _, incoming in opened if incoming.id in inserted}
        seen = [incoming.id for _, incoming in opened if incoming.id not in inserted]
        if seen:
            known.update({row["id"]: row["fingerprint"] for row in await tx.fetch(_SEEN, seen)})
        for one in (*(one for one, incoming in opened if incoming.id not in inserted), *again):
            if one.incoming is None:
                continue
            if known[one.incoming.id] == one.incoming.fingerprint:
                outcome.counts[(*one.at, "duplicate")] += 1
            else:
                error = RefusedError(Refusal.CONFLICT, "this id was accepted before with another body; the first holds")
                refused.append((one, error))
        return [one for one, incoming in opened if incoming.id in inserted]


def _moves(batch: Sequence[Read], claims: Mapping[TopicPartition, Claim]) -> dict[TopicPartition, Move]:
    last = {one.at: one.offset for one in batch}
    return {at: Move(claims[at].epoch, claims[at].next_offset, offset + 1) for at, offset in last.items()}


def _after(batch: Sequence[Read], claims: Mapping[TopicPartition, Claim]) -> dict[TopicPartition, Claim]:
    """Return the claims as they stand once ``batch`` has committed."""
    return {at: positions.Claim(move.epoch, move.target) for at, move in _moves(batch, claims).items()}


def observe(outcome: Outcome) -> None:
    """Put a committed batch into the metrics."""
    for (topic, _, name), n in outcome.counts.items():
        metrics.RECORDS.labels(topic, name).inc(n)
    for (topic, reason), n in outcome.reasons.items():
        metrics.DEAD_LETTERS.labels(topic, reason).inc(n)
