"""The outbox and its relay: what a transaction decided is published after it commits, at least once, in order.

A row's bytes are final when it is written, so every copy is equal. A small entry in ``outbox_waiting`` marks it as
unpublished. Per shard one relay, under an advisory lock, takes the waiting rows (never "above the last id"), publishes
them in id order, waits for all acknowledgements, then deletes the entries. A crash in between repeats records; nothing
is skipped. Entries are separate because they are a few bytes: no record is written twice.

What is for a partition that takes nothing (its topic is missing or forbidden, nobody leads it, too few have copies) is
put aside until it does: an order does not wait for a topic of dead letters, nor for an area whose brokers are away. Of
what is put aside for a partition the first is tried until it is taken; then all is taken in again, in order.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Final

import orjson
import structlog

from services.contracts.envelope import Outgoing, encode
from services.runtime import clock, metrics
from services.runtime.errors import PartitionsRefuseError, UnavailableError
from services.runtime.failpoints import failpoint
from services.runtime.postgres import connected
from services.runtime.producer import Producer, refuse_oversize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import asyncpg

    from services.contracts.envelope import Headers
    from services.contracts.publication import Publication
    from services.runtime.errors import Place
    from services.runtime.postgres import Connection, Pool
    from services.runtime.settings import ServiceSettings

_LOCK_SPACE: Final = 0x0B0C
_PAGE: Final = 1000
_IDLE_SECONDS: Final = 1.0
"""How long the relay sleeps when nothing wakes it: the bound for rows committed by another process."""
_LOCK_RETRY_SECONDS: Final = 1.0
_SILENCE_SECONDS: Final = 5.0
_ASIDE: Final = 100
"""Shards from this multiple of their number on have no relay: what is put aside is taken in again from there."""
_TRY_SECONDS: Final = 5.0
"""How often a partition that refused is tried again; of one that only is late it is waited for."""
_AS_LONG_AS_IT_TAKES: Final = 24 * 3600.0

_TAKE: Final = """
SELECT CASE WHEN pg_try_advisory_lock($1, $2) THEN set_config('idle_session_timeout', $3, false) END
"""
"""In one statement: frozen between two, a process would keep the lock with nothing to end its session."""


def inserting(first: int) -> str:
    """Return what writes records, after ``WITH`` or among what follows it: six columns from parameter ``first`` on.

    A room may make it part of its own statement, for one round trip less.
    """
    types = ("smallint", "text", "bytea", "bytea", "bytea")
    columns = ", ".join(f"${first + n}::{each}[]" for n, each in enumerate(types))
    # Ids are drawn in the order of the rows: they are sorted before.
    return f"""
numbered AS MATERIALIZED (
    SELECT nextval('outbox_id_seq') AS id, shard, topic, key, value, headers
    FROM (
        SELECT * FROM unnest({columns}) WITH ORDINALITY AS v (shard, topic, key, value, headers, n) ORDER BY n
    ) AS sorted
), written AS (
    INSERT INTO outbox (id, topic, key, value, headers, created_at)
    SELECT id, topic, key, value, headers, ${first + len(types)}::timestamptz FROM numbered
)
INSERT INTO outbox_waiting (shard, id) SELECT shard, id FROM numbered
"""  # noqa: S608 - names of types and numbers


_INSERT: Final = f"WITH {inserting(1)}"
# A statement does not see what it deletes as gone, so the next page leaves these rows out by id.
_DONE_AND_NEXT: Final = """
WITH done AS (DELETE FROM outbox_waiting WHERE shard = $1 AND id = ANY($3::bigint[]))
SELECT o.id, o.topic, o.key, o.value, o.headers, o.created_at
FROM (
    SELECT id FROM outbox_waiting WHERE shard = $1 AND id NOT IN (SELECT unnest($3::bigint[])) ORDER BY id LIMIT $2
) AS w CROSS JOIN LATERAL (SELECT * FROM outbox WHERE id = w.id LIMIT 1) AS o
ORDER BY o.id
"""
_PUT_ASIDE: Final = "UPDATE outbox_waiting SET shard = $1 WHERE shard = $2 AND id = ANY($3::bigint[])"
_TAKE_IN: Final = "UPDATE outbox_waiting SET shard = $1 WHERE shard >= $2 AND shard % $2 = $1"
_OLDEST: Final = """
SELECT n, (SELECT created_at FROM outbox WHERE id = first) AS oldest
FROM (SELECT count(*) AS n, min(id) AS first FROM outbox_waiting) AS waiting
"""


def pack_headers(headers: Headers) -> bytes:
    """Return headers as one value: JSON pairs, each byte of a header's value one character."""
    return orjson.dumps([(name, raw.decode("latin-1")) for name, raw in headers])


def unpack_headers(packed: bytes) -> Headers:
    """Return what ``pack_headers`` was given."""
    return tuple((name, text.encode("latin-1")) for name, text in orjson.loads(packed))


class Outbox:
    """Writes rows for the relay and wakes it."""

    def __init__(self, source: str, *, shards: int) -> None:
        """Make the outbox of the service ``source`` (the CloudEvents source, ``gridline/<service>``)."""
        self._source = source
        self._shards = shards
        # One a relay: what one of them has heard, another may not have.
        self._wakes = tuple(asyncio.Event() for _ in range(shards))

    def settle(self, publications: Iterable[Publication]) -> list[Outgoing]:
        """Turn publications into records.

        Raises:
            RefusedError: one of them is larger than a record may be.
        """
        settled = [
            encode(
                one.message,
                topic=one.topic.name,
                source=self._source,
                structured=one.topic.structured,
                traceparent=one.traceparent,
                content=one.content,
            )
            for one in publications
        ]
        for record in settled:
            refuse_oversize(record)
        return settled

    async def write(self, tx: Connection, records: Sequence[Outgoing], now: datetime) -> None:
        """Insert rows, in order, inside the caller's transaction. Call ``wake`` after it commits."""
        if records:
            await tx.execute(_INSERT, *self.columns(records, now))

    def columns(self, records: Sequence[Outgoing], now: datetime) -> tuple[object, ...]:
        """Return the arguments of ``inserting``."""
        return (
            [zlib.crc32(record.key) % self._shards for record in records],
            [record.topic for record in records],
            [record.key for record in records],
            [record.value for record in records],
            [pack_headers(record.headers) for record in records],
            now,
        )

    async def publish(self, tx: Connection, publications: Iterable[Publication], now: datetime) -> None:
        """Settle and write: for an API or a timer that acts outside the consume loop, in its own transaction."""
        await self.write(tx, self.settle(publications), now)

    def wake(self) -> None:
        """Tell the relays of this process that rows have been committed."""
        for one in self._wakes:
            one.set()

    async def wait(self, shard: int) -> None:
        """Return when woken, or after the idle time."""
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                await self._wakes[shard].wait()
        except TimeoutError:
            return

    def rest(self, shard: int) -> None:
        """Forget earlier wake-ups; called before looking, so that a later one is never missed."""
        self._wakes[shard].clear()


class Relay:
    """Publishes one shard of the outbox while it holds the shard's lock."""

    def __init__(
        self, pool: Pool, producer: Producer, outbox: Outbox, *, settings: ServiceSettings, shard: int
    ) -> None:
        self._silence_ms = int(1000 * (_SILENCE_SECONDS + settings.produce_deadline_s))
        self._pool = pool
        self._producer = producer
        self._outbox = outbox
        self._shard = shard
        self._shards = settings.outbox_shards
        self._put_aside_in = shard + _ASIDE * settings.outbox_shards
        self._most = _PAGE
        self._take_in_at = 0.0
        # Place to who tries the first row that is put aside for it, and returns its id once it is taken. By a producer
        # of its own: what waits in one slows all else that goes through it.
        self._aside: dict[Place, asyncio.Task[int]] = {}
        self._patient = Producer(settings)
        self._log = structlog.get_logger().bind(shard=shard)

    async def run(self) -> None:
        """Hold the lock and publish, for ever; start over when Kafka or Postgres was away."""
        try:
            while True:
                try:
                    async with connected(self._pool) as connection:
                        await self._hold(connection)
                except UnavailableError as error:
                    metrics.UNAVAILABLE.labels("relay").inc()
                    self._log.warning("relay_waits", reason=str(error))
                await asyncio.sleep(_LOCK_RETRY_SECONDS)
        finally:
            await self._patient.stop()

    async def _hold(self, connection: Connection) -> None:
        """Publish for as long as this session lives: losing the session is losing the lock.

        A process that is frozen while it holds the lock would keep every order back, so Postgres ends a session
        that says nothing for longer than any page takes, and another relay goes on.
        """
        schema = await connection.fetchval("SELECT current_schema()")
        key = zlib.crc32(f"{schema}/{self._shard}".encode()) - 2**31
        if await connection.fetchval(_TAKE, _LOCK_SPACE, key, str(self._silence_ms)) is None:
            return
        try:
            # A deletion that a crash forgets is a record published twice, which every reader must bear anyway: so it
            # need not wait for the disk, and the next page goes out sooner.
            await connection.execute("SET synchronous_commit = off")
            # What waits comes and goes too fast for statistics: rows are found by their ids, whatever these say.
            await connection.execute("SET enable_seqscan = off")
            self._take_in_at = 0.0
            page = await self._unpublished(connection)
            while True:
                self._outbox.rest(self._shard)
                if await self._is_taken_again(connection):
                    page = []  # what was put aside comes before it
                page = await self._publish(connection, page) if page else await self._unpublished(connection)
                if not page:
                    await self._outbox.wait(self._shard)
        finally:
            for trying in self._aside.values():
                trying.cancel()
            self._aside.clear()
            # This session is no longer like a fresh one: it goes with its lock.
            connection.terminate()

    async def _unpublished(self, connection: Connection) -> list[asyncpg.Record]:
        """Return the first page, also of shards that there were more of before: nobody else publishes those."""
        now = clock.monotonic()
        if now >= self._take_in_at:  # not at each look: an order waits for it
            self._take_in_at = float("inf") if self._aside else now + _IDLE_SECONDS
            await connection.execute(_TAKE_IN, self._shard, self._shards)
        return await connection.fetch(_DONE_AND_NEXT, self._shard, self._most, [])

    async def _is_taken_again(self, connection: Connection) -> bool:
        """Tell whether a place has taken the first of what is put aside for it: then all is taken in at the next look.

        What is for places that have not is put aside once more as it comes by.
        """
        taken = {place: trying.result() for place, trying in self._aside.items() if trying.done()}
        if not taken:
            return False
        await connection.execute(_DONE_AND_NEXT, self._put_aside_in, 0, list(taken.values()))
        for topic, partition in taken:
            del self._aside[topic, partition]
            self._log.info("partition_takes_again", topic=topic, partition=partition)
        self._take_in_at = 0.0
        return True

    def _trying(self, place: Place) -> asyncio.Task[int] | None:
        """Return who tries for a topic already, if all of it is put aside after a partition was: its row is earlier."""
        return next((trying for (topic, _), trying in self._aside.items() if (topic, None) == place), None)

    async def _taken(self, row: asyncpg.Record) -> int:
        """Send a row until it is acknowledged; return its id."""
        while True:
            try:
                await self._patient.send_batch([_outgoing(row)], deadline_s=_AS_LONG_AS_IT_TAKES)
            except UnavailableError:
                metrics.UNAVAILABLE.labels("relay").inc()
                await asyncio.sleep(_TRY_SECONDS)
            else:
                return int(row["id"])

    async def _send(self, page: Sequence[asyncpg.Record]) -> Mapping[Place, Sequence[int]]:
        """Send rows; return by place the indices of those that are to be put aside. All others are acknowledged.

        Raises:
            UnavailableError: not everything was acknowledged; the rows go on waiting and are sent again.
        """
        try:
            await self._producer.send_batch([_outgoing(row) for row in page], apart=self._aside.keys())
        except PartitionsRefuseError as error:
            for (topic, partition), reason in error.reasons.items():
                metrics.UNAVAILABLE.labels("relay").inc()
                say = self._log.warning if reason == TimeoutError.__name__ else self._log.error  # late: it may pass
                say("partition_refuses", topic=topic, partition=partition, reason=reason)
            if error.reasons:
                self._most = max(1, len(page) // 2)
            return error.left
        except UnavailableError:
            # A broker too slow for a page within the deadline would be sent it again and again, and never be done.
            self._most = max(1, len(page) // 2)
            raise
        return {}

    async def _publish(self, connection: Connection, page: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
        """Publish a page and note that it is; return the next.

        Raises:
            UnavailableError: as ``_send`` does.
        """
        if left := await self._send(page):
            for place, places in left.items():
                if place not in self._aside:
                    self._aside[place] = self._trying(place) or asyncio.create_task(self._taken(page[places[0]]))
            aside = {n for places in left.values() for n in places}
            await connection.execute(_PUT_ASIDE, self._put_aside_in, self._shard, [page[n]["id"] for n in aside])
            self._take_in_at = float("inf")
            page = [row for n, row in enumerate(page) if n not in aside]
        failpoint("relay.published")
        now = clock.now()
        self._most = min(_PAGE, self._most + max(1, self._most // 4))
        following = await connection.fetch(_DONE_AND_NEXT, self._shard, self._most, [row["id"] for row in page])
        for topic, n in Counter(row["topic"] for row in page).items():
            metrics.PUBLISHED.labels(topic).inc(n)
        metrics.PUBLISH_SECONDS.observe_all([max(0.0, (now - row["created_at"]).total_seconds()) for row in page])
        return following


def _outgoing(row: asyncpg.Record) -> Outgoing:
    return Outgoing(row["topic"], row["key"], row["value"], unpack_headers(row["headers"]))


async def measure(connection: Connection, now: datetime) -> int:
    """Set the outbox gauges; return the number of unpublished rows."""
    row = await connection.fetchrow(_OLDEST)
    count = int(row["n"]) if row else 0
    oldest = row["oldest"] if row else None
    metrics.OUTBOX_UNPUBLISHED.set(count)
    metrics.OUTBOX_AGE.set(max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
    return count
