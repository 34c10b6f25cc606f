"""One batch, one transaction: fence, inbox, decide, outbox, count.

Order matters and is fixed here. The compare-and-set comes first, so that a stale owner fails before it does
anything; the inbox, in the same statement, comes before the handler, so that a handler never sees an event twice; dead
letters travel through the outbox, so that they and the position move together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.envelope import Outgoing, Refusal, RefusedError, decode, open_record
from services.contracts.frozen import frozen
from services.contracts.topics import BY_NAME, MAX_LETTER_BYTES, OUTSIDE
from services.runtime import metrics, outbox, positions
from services.runtime.failpoints import failpoint
from services.runtime.handling import Decided, Received
from services.runtime.positions import Move, TopicPartition
from services.runtime.postgres import connected
from services.runtime.recognising import digest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.envelope import Headers, Incoming
    from services.contracts.messages import Message
    from services.runtime.handling import Handler
    from services.runtime.outbox import Outbox
    from services.runtime.positions import Claim
    from services.runtime.postgres import Connection, Pool
    from services.runtime.recognising import Record

# A batch's statements read each table by an index, whatever their arguments: planned anew for every small batch, as
# Postgres would, looking for places takes twice as long.
_BEGIN: Final = "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan"
# In one round trip: every position is moved, and if all could be, the ids are put in. Answers which partitions are ours
# and which ids were there before: hardly ever any. When, the database says, which also says when they are past it.
_ENTER: Final = f"""
WITH moved AS ({positions.advancing(1)}), fresh AS (
    INSERT INTO inbox (id, fingerprint, topic, partition, kafka_offset, seen_at)
    SELECT id, fingerprint, topic, partition, kafka_offset, now()
    FROM unnest($7::uuid[], $8::bytea[], $9::text[], $10::int[], $11::bigint[])
         AS v (id, fingerprint, topic, partition, kafka_offset)
    WHERE (SELECT count(*) FROM moved) = cardinality($1)
    ON CONFLICT (id) DO NOTHING
    RETURNING id
)
SELECT topic, partition, NULL AS seen FROM moved
UNION ALL
SELECT NULL, NULL, id FROM unnest($7::uuid[]) AS v (id) WHERE id NOT IN (SELECT id FROM fresh)
"""  # noqa: S608 - the positions' own statement
_SEEN: Final = "SELECT id, fingerprint FROM inbox WHERE id = ANY($1::uuid[])"
_UNSEE: Final = "DELETE FROM inbox WHERE id = ANY($1::uuid[])"
# All that a batch leaves behind beside the room's own rows, in one round trip.
_LEAVE: Final = f"WITH counted AS ({positions.counting(1)}), {outbox.inserting(5)}"
OURS: Final = frozenset(topic.name for topic in BY_NAME.values() if OUTSIDE not in topic.producers)
"""Topics that only services of ours write."""
_TYPES: Final = {topic.name: topic.types for topic in BY_NAME.values()}
_CUT_KEY_BYTES: Final = 1000
"""What is kept of a key where key and headers alone are larger than a dead letter may be."""
_log = structlog.get_logger()


@frozen()
class Read:
    """A record as it came, and either its decoded message or why there is none.

    Attributes:
        at: The partition it came from, by the topic's plain name.
        offset: Its place there.
        record: As Kafka gave it.
        incoming: Its envelope, if that could be opened.
        message: What it says.
        refusal: Why it cannot be used.
    """

    at: TopicPartition
    offset: int
    record: Record
    incoming: Incoming | None
    message: Message | None
    refusal: RefusedError | None

    @property
    def headers(self) -> Headers:
        """Its headers; Kafka allows one without a value."""
        return tuple((name, raw or b"") for name, raw in self.record.headers)


def read(record: Record, at: TopicPartition) -> Read:
    """Open and decode a record; a failure is kept as its refusal."""
    incoming: Incoming | None = None
    message: Message | None = None
    refusal: RefusedError | None = None
    headers = record.headers
    try:
        if None in [raw for _, raw in headers]:
            headers = [(name, raw or b"") for name, raw in headers]
        incoming = open_record(record.value, headers)
        message = decode(incoming, _TYPES[at[0]])
    except RefusedError as error:
        refusal = error
    return Read(at, record.offset, record, incoming, message, refusal)


def dead_letter(one: Read, refusal: RefusedError, *, consumer: str, now: datetime) -> Outgoing:
    """Return the record's dead letter: key, value and headers untouched, the cause in ``dlq.*`` headers.

    A value that is absent stays empty bytes with ``dlq.null-value``, since the outbox holds no nulls. One that was
    compressed may be larger than the dead-letter topic takes, and would hold up all that is published after it: as much
    of it as fits is kept, with its size in ``dlq.cut``. Its place says where the whole is.
    """
    topic, partition = one.at
    record = one.record
    cause = {
        "dlq.reason": refusal.reason,
        "dlq.detail": refusal.detail[:500],
        "dlq.topic": topic,
        "dlq.partition": str(partition),
        "dlq.offset": str(one.offset),
        "dlq.timestamp": str(record.timestamp),
        "dlq.consumer": consumer,
        "dlq.at": now.isoformat(),
    }
    if record.value is None:
        cause["dlq.null-value"] = "1"
    kept = tuple((name, raw) for name, raw in one.headers if not name.startswith("dlq."))
    key, value = record.key or b"", record.value or b""
    room = MAX_LETTER_BYTES - len(key) - sum(len(name.encode()) + len(raw) for name, raw in kept)
    if len(value) > room:
        cause["dlq.cut"] = str(len(value))
        if room < 0:
            kept, key, room = (), key[:_CUT_KEY_BYTES], MAX_LETTER_BYTES - _CUT_KEY_BYTES
        value = value[:room]
    return Outgoing(
        topic=BY_NAME[topic].dead_letters,
        key=key,
        value=value,
        headers=(*kept, *((name, text.encode()) for name, text in cause.items())),
    )


@dataclass(slots=True)
class Outcome:
    """What a committed batch came to, for metrics and the limit on dead letters."""

    counts: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    decided: Decided = field(default_factory=Decided)

    def named(self, *names: str, of: Collection[str] = BY_NAME.keys()) -> int:
        """Sum of some kernel counts over the partitions of all topics, or of some."""
        return sum(n for (topic, _, counted), n in self.counts.items() if counted in names and topic in of)


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
        async with connected(self.pool) as connection:
            try:
                await connection.execute(_BEGIN)
                await self._steps(connection, batch, claims, now, refusal, outcome)
            except BaseException:
                if not connection.is_closed():
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")
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
        refused: list[tuple[Read, RefusedError]] = [(one, one.refusal) for one in batch if one.refusal is not None]
        readable = [one for one in batch if one.refusal is None]
        if refusal is not None and readable:
            refused.append((readable.pop(), refusal))
        fresh = await self._enter(tx, _moves(batch, claims), readable, refused, outcome)
        failpoint("batch.entered")
        for at, n in Counter([one.at for one in fresh]).items():
            outcome.counts[(*at, "accepted")] = n
        if fresh:
            received = [
                Received(*one.at, one.offset, one.message, one.incoming.traceparent)
                for one in fresh
                if one.message is not None and one.incoming is not None
            ]
            outcome.decided = await self.handler.handle(tx, received, now)
            if outcome.decided.refused:
                await self._unaccept(tx, fresh, refused, outcome)
        failpoint("batch.handled")
        records = self.outbox.settle(outcome.decided.publish)
        records += [dead_letter(one, error, consumer=self.service, now=now) for one, error in refused]
        outcome.counts.update(
            (*one.at, "conflict" if error.reason is Refusal.CONFLICT else "dead_lettered") for one, error in refused
        )
        outcome.reasons.update((one.at[0], error.reason.value) for one, error in refused)
        counts = Counter(outcome.counts)
        # A room's counts hang on a partition this process owns, so that two processes never wait for one row.
        counts.update({(*batch[0].at, name): n for name, n in outcome.decided.tally.items()})
        await tx.execute(_LEAVE, *positions.count_columns(counts), *self.outbox.columns(records, now))
        failpoint("batch.outbox")

    @staticmethod
    async def _unaccept(
        tx: Connection, fresh: Sequence[Read], refused: list[tuple[Read, RefusedError]], outcome: Outcome
    ) -> None:
        """Take back what the handler refused: once a dead letter's cause is mended it may come again under its id."""
        by_position = {(*one.at, one.offset): one for one in fresh}
        for bad in outcome.decided.refused:
            one = by_position.pop((bad.record.topic, bad.record.partition, bad.record.offset))
            refused.append((one, RefusedError(bad.reason, bad.detail)))
            outcome.counts[(*one.at, "accepted")] -= 1
        await tx.execute(_UNSEE, [bad.record.message.message_id for bad in outcome.decided.refused])

    async def _enter(
        self,
        tx: Connection,
        moves: Mapping[TopicPartition, Move],
        batch: Sequence[Read],
        refused: list[tuple[Read, RefusedError]],
        outcome: Outcome,
    ) -> list[Read]:
        """Move the positions and put the batch's ids in the inbox; return the records never seen before.

        The others are sorted out.

        Raises:
            FencedError: naming the partitions that another owner has taken or moved.
        """
        first: dict[UUID, tuple[Read, Incoming]] = {}
        again = []
        for one in batch:
            incoming = one.incoming
            if incoming is not None and first.setdefault(incoming.id, (one, incoming))[0] is not one:
                again.append((one, incoming))
        rows = await tx.fetch(
            _ENTER,
            *positions.move_columns(moves),
            list(first),
            [incoming.fingerprint for _, incoming in first.values()],
            [one.at[0] for one, _ in first.values()],
            [one.at[1] for one, _ in first.values()],
            [one.offset for one, _ in first.values()],
        )
        positions.refuse_unmoved(moves, [(row["topic"], row["partition"]) for row in rows])
        if len(rows) == len(moves) and not again:
            return [one for one, _ in first.values()]
        seen = {row["seen"] for row in rows if row["seen"] is not None}
        known = {row["id"]: row["fingerprint"] for row in await tx.fetch(_SEEN, list(seen))} if seen else {}
        repeated = [first.pop(key) for key in [key for key in first if key in seen]]
        known.update({key: incoming.fingerprint for key, (_, incoming) in first.items()})
        for one, incoming in (*repeated, *again):
            if known[incoming.id] == incoming.fingerprint:
                outcome.counts[(*one.at, "duplicate")] += 1
            else:
                error = RefusedError(Refusal.CONFLICT, "this id was accepted before with another body; the first holds")
                refused.append((one, error))
        return [one for one, _ in first.values()]


def _moves(batch: Sequence[Read], claims: Mapping[TopicPartition, Claim]) -> dict[TopicPartition, Move]:
    return {
        at: Move(claims[at].epoch, claims[at].next_offset, last.offset + 1, digest(last.record))
        for at, last in {one.at: one for one in batch}.items()
    }


def _after(batch: Sequence[Read], claims: Mapping[TopicPartition, Claim]) -> dict[TopicPartition, Claim]:
    """Return the claims as they stand once ``batch`` has committed."""
    return {at: positions.Claim(move.epoch, move.target) for at, move in _moves(batch, claims).items()}


def observe(outcome: Outcome) -> None:
    """Put a committed batch into the metrics."""
    for (topic, _, name), n in outcome.counts.items():
        metrics.RECORDS.labels(topic, name).inc(n)
    for (topic, reason), n in outcome.reasons.items():
        metrics.DEAD_LETTERS.labels(topic, reason).inc(n)
