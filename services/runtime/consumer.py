"""The one consume loop. It alone commits; handlers load, decide, save and return messages.

Positions live in Postgres (``positions``); Kafka's committed offsets are written for lag monitoring only. A partition
is *ready* once it is claimed and sought. Records of other partitions are ignored, because aiokafka delivers records
before an assignment callback has finished.

While more records wait than fit a batch, the next batch is read and decoded ahead, and dropped if its claim no longer
holds. If a handler's partitions are independent, two batches of different partitions run side by side: one is decided
while the database works on the other.

There is one way to recover from anything: drop the partition's cached state, claim it again, and go on from the
position in the database.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from services.contracts.topics import BY_NAME
from services.runtime import batch as batches
from services.runtime import clock, header_names, metrics, positions
from services.runtime.errors import FencedError, HaltError, StuckError, UnavailableError
from services.runtime.halting import DeadLetterLimit, Watchdog
from services.runtime.postgres import translated
from services.runtime.recognising import DECIDE, Recognising

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

    from services.runtime.batch import Outcome, Read, Transactor
    from services.runtime.positions import Claim
    from services.runtime.recognising import Record
    from services.runtime.settings import ServiceSettings

    Fetched = list[tuple[Claim, list[Read]]]

T = TypeVar("T")

_POLL_MS: Final = 500
_FETCH_WAIT_MS: Final = 20
"""aiokafka asks a broker for nothing more while a fetch to it is under way, so a partition that was just drained
waits for the long poll of the others: this bounds that wait."""
_TOP_UP_MS: Final = 5
"""So long a batch waits at most for what came while the one before was under way."""
_METADATA_MS: Final = 5_000
"""How soon a topic or partition that was not there when we joined is noticed. By default it takes five minutes, in
which a group that joined a moment too early reads nothing."""
_ANSWER_SECONDS: Final = 20.0
_UNANSWERED: Final = 3
"""So many times in a row the client may hear nothing from a Kafka that answers another client of this process."""
_FENCED_PAUSE_SECONDS: Final = 5.0
"""After being fenced, how long to leave a partition to the other owner before claiming it again."""
_BACKOFF_FIRST: Final = 0.2
_BACKOFF_LAST: Final = 10.0
_COMMIT_SECONDS: Final = 1.0
_DECODED_AT_ONCE: Final = 32
_STOP_SECONDS: Final = 10.0
_log = structlog.get_logger()


class _HoleError(Exception):
    """The client went from one offset to another that is not the next."""


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Reads a handler's topics and runs its batches until stopped."""

    def __init__(
        self,
        settings: ServiceSettings,
        transactor: Transactor,
        *,
        group: str,
        owner: str,
        reachable: Callable[[], Awaitable[bool]],
        side_by_side: bool = False,
    ) -> None:
        """Make a consumer that is in no group yet.

        Args:
            settings: Where Kafka is, and how much is read at once.
            transactor: Runs the batches.
            group: Consumer group.
            owner: By what name partitions are claimed.
            reachable: Whether Kafka answers another client of this process now.
            side_by_side: Whether two batches of different partitions may run at once.
        """
        header_names.accept_any()
        self._settings = settings
        self._reachable = reachable
        self._unanswered = 0
        self._side_by_side = side_by_side
        self._transactor = transactor
        self._owner = owner
        self._names = {settings.topic_prefix + topic.name: topic.name for topic in transactor.handler.topics}
        self._ready: dict[TopicPartition, Claim] = {}
        self._read_to: dict[TopicPartition, int] = {}
        self._recognising = Recognising()
        self._holes: dict[TopicPartition, tuple[int, int]] = {}
        self._ahead: asyncio.Task[list[Fetched]] | None = None
        self._rest_until: dict[TopicPartition, float] = {}
        self._in_flight = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._limit = DeadLetterLimit()
        self._most = settings.batch_records
        self._failures = 0
        self._waits_for = ""
        self._jitter = 0.5 + zlib.crc32(owner.encode()) / 2**33  # 0.5 to 1, different for every process
        self._committed_at = 0.0
        self._to_commit: dict[TopicPartition, int] = {}
        self._commits: set[asyncio.Task[None]] = set()
        self._watchdog = Watchdog(settings.watchdog_seconds)
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

    # --- rebalance callbacks (their exceptions are swallowed by aiokafka, so nothing here may matter and fail) ---

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Stop using partitions, and let the batch under way end before they go."""
        for at in revoked:
            self._ready.pop(at, None)
        async with self._in_flight:
            self._transactor.handler.forget(self._plain(revoked))

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Nothing: the loop claims what it is assigned, where a failure can be retried."""
        self._rest_until.clear()
        _log.info("partitions_assigned", partitions=len(assigned))

    # --- the loop ---

    @property
    def idle_reason(self) -> str | None:
        """None while every assigned partition is claimed and being read, else why not."""
        assigned = self._consumer.assignment()
        if not assigned:
            return "no partition is assigned to this process"
        waiting = len(assigned - self._ready.keys())
        return f"{waiting} of {len(assigned)} partitions are not claimed yet{self._waits_for}" if waiting else None

    @property
    def is_behind(self) -> bool:
        """Whether more waits than a batch takes."""
        return self._ahead is not None

    def stop(self) -> None:
        """Finish the batch under way and leave the loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until stopped.

        Raises:
            HaltError: the log and the database disagree, or nearly everything is invalid.
            StuckError: the client hears nothing more of a Kafka that is there.
        """
        self._watchdog.start()
        try:
            if not await self._join():
                return
            while not self._stopping.is_set():
                self._watchdog.beat()
                await self._once()
        finally:
            self._watchdog.stop()
            await self._leave()

    async def _join(self) -> bool:
        """Connect and subscribe, waiting for Kafka as long as it takes; False if stopped first."""
        while not self._stopping.is_set():
            self._watchdog.beat()
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._consumer.start()
            except (KafkaError, OSError, TimeoutError) as error:
                await self._back_off("kafka", error)
                continue
            self._consumer.subscribe(topics=list(self._names), listener=self)
            return True
        return False

    async def _leave(self) -> None:
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._commit(force=True)
                await self._consumer.stop()
        except (KafkaError, TimeoutError, OSError) as error:
            _log.warning("consumer_did_not_close", error=type(error).__name__)

    async def _once(self) -> None:
        """Claim what is new, poll, run what came."""
        try:
            await self._claim_assigned()
            batches = await self._next()
            if not self._stopping.is_set():
                async with self._in_flight:
                    await self._process_all(batches)
            await self._commit()
            self._failures, self._waits_for = 0, ""
        except FencedError as error:
            metrics.FENCED.inc()
            _log.warning("fenced", partitions=[list(at) for at in error.partitions])
            fenced = {self._kafka(at) for at in error.partitions}
            self._release(self._ready.keys() - fenced)
            self._release(fenced, rest=_FENCED_PAUSE_SECONDS)
        except UnavailableError as error:
            self._release(list(self._ready))
            await self._back_off("postgres", error)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError, _HoleError):
            # Not sought yet, or the log moved under us: claiming again seeks, and checks the log's bounds.
            self._release(list(self._ready))
        except (KafkaError, OSError) as error:
            self._release(list(self._ready))
            await self._back_off("kafka", error)

    async def _answered(self, asked: Awaitable[T]) -> T:
        """Return what Kafka answers the client.

        Seen once, after Kafka was killed and came back: requests of all kinds waited for ever, in a process that seemed
        alive. Nothing that is left of such a client must go on beside a new one, so the process ends.

        Raises:
            TimeoutError: it does not answer in time.
            StuckError: it has not for several times, and does answer others.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await asked
        except TimeoutError:
            self._unanswered = self._unanswered + 1 if await self._reachable() else 0
            if self._unanswered >= _UNANSWERED:
                raise StuckError(f"Kafka answers, but not this consumer: {self._unanswered} times in a row") from None
            raise
        self._unanswered = 0
        return answer

    async def _back_off(self, what: str, error: Exception) -> None:
        """Wait before trying the same again, longer each time, never in step with other processes."""
        self._watchdog.beat()  # to wait is not to be stuck
        metrics.UNAVAILABLE.labels(what).inc()
        self._failures += 1
        self._waits_for = f": {what} answers with {type(error.__cause__ or error).__name__}"
        longest = min(_BACKOFF_LAST, _BACKOFF_FIRST * 2**self._failures)
        delay = longest * self._jitter
        _log.warning("waiting_for", what=what, reason=str(error)[:200], seconds=round(delay, 2))
        try:
            async with asyncio.timeout(delay):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _release(self, partitions: Iterable[TopicPartition], *, rest: float = 0.0) -> None:
        """Give up what we believe of these partitions; the next round claims them again if they are still ours."""
        dropped = list(partitions)
        for at in dropped:
            self._ready.pop(at, None)
            if rest:
                self._rest_until[at] = clock.monotonic() + rest
        self._transactor.handler.forget(self._plain(dropped))

    async def _claim_assigned(self) -> None:
        """Claim and seek every assigned partition that is not ready.

        Raises:
            HaltError: the position in the database is outside the log.
            StuckError: the client hears nothing more of a Kafka that is there.
        """
        now = clock.monotonic()
        assigned = self._consumer.assignment()
        waiting = sorted(at for at in assigned - self._ready.keys() if self._rest_until.get(at, 0.0) <= now)
        if waiting:
            begins = await self._answered(self._consumer.beginning_offsets(waiting))
            claims = await self._claim(begins)
            # Not before the claims: until then others may go on, past an end that was read by then.
            ends = await self._answered(self._consumer.end_offsets(waiting))
            for at, claim in claims.items():
                self._check_log(at, claim, begins[at], ends[at])
                if at not in self._consumer.assignment():
                    continue  # taken away while we claimed; the epoch we raised costs the new owner one retry
                self._consumer.seek(at, self._recognising.begin(at, claim, begins[at]))
                self._ready[at] = claim
                self._read_to[at] = claim.next_offset
                metrics.CLAIMS.labels(self._names[at.topic]).inc()
        for name in self._names.values():
            metrics.OWNED.labels(name).set(sum(1 for at in self._ready if self._names[at.topic] == name))

    async def _claim(self, begins: Mapping[TopicPartition, int]) -> dict[TopicPartition, Claim]:
        """Claim partitions, given where each log begins."""
        with translated():
            async with self._transactor.pool.acquire() as connection:
                claims = {}
                for at, begin in begins.items():
                    plain = self._names[at.topic], at.partition
                    claims[at] = await positions.claim(
                        connection, plain, first=begin, owner=self._owner, now=clock.now()
                    )
                return claims

    def _check_log(self, at: TopicPartition, claim: Claim, begin: int, end: int) -> None:
        compacted = BY_NAME[self._names[at.topic]].compacted
        if claim.next_offset > end or (claim.next_offset < begin and not compacted):
            raise HaltError(
                f"{at.topic}[{at.partition}] holds offsets {begin} to {end}, but this service stands at "
                f"{claim.next_offset}: records were deleted before they were read, or the topic was made anew. {DECIDE}"
            )

    async def _next(self) -> list[list[Read]]:
        """Return what was read ahead, or what comes now: a batch, or two of different partitions."""
        ahead, self._ahead = self._ahead, None
        fetched = await (ahead or self._read())
        if any(map(self._is_full, fetched)):
            # More waits than a batch takes, so the next is read while the database works on this one. Otherwise not:
            # who reads early gets the first that comes, and many small batches cost more than one.
            self._ahead = asyncio.get_running_loop().create_task(self._read(), name="read-ahead")
        # A partition that was claimed again since is read again, from where that claim stands.
        return [
            [one for claim, records in each if self._held(records[0].at, claim) for one in records] for each in fetched
        ]

    async def _read(self) -> list[Fetched]:
        """Return a batch; where it is full, also what waits in the other partitions, if they may be side by side."""
        first = await self._poll(_POLL_MS)
        if not self._side_by_side or not self._is_full(first):
            return [first]
        others = self._ready.keys() - {self._kafka(records[0].at) for _, records in first}
        return [first, await self._poll(0, others)] if others else [first]

    def _is_full(self, fetched: Fetched) -> bool:
        return sum(len(records) for _, records in fetched) >= self._most

    def _held(self, plain: tuple[str, int], claim: Claim) -> bool:
        now = self._ready.get(self._kafka(plain))
        return now is not None and now.epoch == claim.epoch

    async def _poll(self, timeout_ms: int, partitions: Collection[TopicPartition] = ()) -> Fetched:
        """Fetch what there is for ready partitions, or some of them, decoded, each with the claim it was read under."""
        fetched = await self._fetched(timeout_ms, partitions)
        expected = [one for at, records in fetched.items() if (one := self._expected(at, records)) is not None]
        found: Fetched = []
        for claim, plain, records in expected:
            decoded: list[Read] = []
            for place in range(0, len(records), _DECODED_AT_ONCE):
                some = records[place : place + _DECODED_AT_ONCE]
                decoded += [batches.read(record, plain) for record in some]
                if len(some) == _DECODED_AT_ONCE:
                    await asyncio.sleep(0)  # a batch under way goes on as soon as the database has answered
            found.append((claim, decoded))
        return found

    async def _fetched(
        self, timeout_ms: int, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, list[Record]]:
        """Return what was fetched, up to a batch; what lies here already, with what has come since.

        The client asks a broker again once all that it brought is taken: as a batch begins. What comes during the batch
        would wait for the next one to begin, and for that one to end; a fetch for it is a millisecond or two.
        """
        most = self._most
        found: dict[TopicPartition, list[Record]] = await self._consumer.getmany(
            *partitions, timeout_ms=0, max_records=most
        )
        have = sum(map(len, found.values()))
        if timeout_ms and have < most:
            longest = _TOP_UP_MS if have else timeout_ms
            more = await self._consumer.getmany(*partitions, timeout_ms=longest, max_records=most - have)
            for at, records in more.items():
                found[at] = [*found.get(at, ()), *records]
        return found

    def _expected(
        self, at: TopicPartition, records: Sequence[Record]
    ) -> tuple[Claim, tuple[str, int], list[Record]] | None:
        """Return a ready partition's records from where reading stands, and move that; None if there are none.

        A log has a hole where a transaction of another company's producer ends. Seen for the first time it may be
        records that the client left out: only what is seen again once the partition is sought anew is the log's own.

        Raises:
            _HoleError: there is a hole that was not seen before.
            HaltError: it is not the log that was read before.
        """
        claim = self._ready.get(at)
        if claim is None:
            return None
        self._recognising.see(at, records)
        name = self._names[at.topic]
        stands = self._read_to[at]
        wanted = [record for record in records if record.offset >= stands]
        if not wanted:
            return None
        hole = stands, wanted[0].offset
        if stands < wanted[0].offset and not BY_NAME[name].compacted and self._holes.get(at) != hole:
            self._holes[at] = hole
            _log.info("hole_in_log", topic=name, partition=at.partition, stands=stands, next=wanted[0].offset)
            raise _HoleError
        self._read_to[at] = wanted[-1].offset + 1
        return claim, (name, at.partition), wanted

    async def _process_all(self, batches: Sequence[list[Read]]) -> None:
        """Run batches side by side; what became of one that failed is told once all have ended.

        Raises:
            Exception: as ``Transactor.run`` and the limit do; of several, that somebody else has a partition.
        """
        ended = await asyncio.gather(*map(self._process, batches), return_exceptions=True)
        failed = [one for one in ended if one is not None]
        fenced = [at for one in failed if isinstance(one, FencedError) for at in one.partitions]
        if fenced:
            raise FencedError(fenced)
        for one in failed:
            raise one

    async def _process(self, batch: list[Read]) -> None:
        """Run one batch over the partitions still ready."""
        claims = {at: self._ready[self._kafka(at)] for at in self._plain(self._ready)}
        batch = [one for one in batch if one.at in claims]
        if not batch:
            return
        started = clock.monotonic()
        try:
            outcome = await self._transactor.run(batch, claims, clock.now())
        except UnavailableError:
            # A database that is too slow for it would never take it: what takes longer than a statement may is in vain.
            self._most = max(1, len(batch) // 2)
            raise
        self._most = min(self._settings.batch_records, self._most + max(1, self._most // 4))
        self._transactor.outbox.wake()
        for plain, offset in {one.at: one.offset for one in batch}.items():  # the last of each partition
            at = self._kafka(plain)
            if at in self._ready:
                self._ready[at] = positions.Claim(claims[plain].epoch, offset + 1)
            self._to_commit[at] = offset + 1
        self._observe(batch, outcome, clock.monotonic() - started)
        good = outcome.named("accepted", "duplicate", of=batches.OURS)
        self._limit.note(good=good, bad=outcome.named("dead_lettered", of=batches.OURS))

    def _observe(self, batch: list[Read], outcome: Outcome, seconds: float) -> None:
        metrics.BATCH_SECONDS.observe(seconds)
        metrics.BATCH_RECORDS.observe(len(batch))
        batches.observe(outcome)
        now_ms = clock.present().timestamp() * 1000
        hops: defaultdict[str, list[float]] = defaultdict(list)
        for one in batch:
            hops[one.at[0]].append(max(0.0, (now_ms - one.record.timestamp) / 1000))
        for name, seconds_each in hops.items():
            metrics.HOP_SECONDS.labels(name).observe_all(seconds_each)

    async def _commit(self, *, force: bool = False) -> None:
        """Tell Kafka how far we are, for its lag tools. Never ahead of the database; a failure does not matter."""
        if not self._to_commit or (not force and clock.monotonic() - self._committed_at < _COMMIT_SECONDS):
            return
        self._committed_at = clock.monotonic()
        offsets = {at: offset for at, offset in self._to_commit.items() if at in self._ready}
        self._to_commit.clear()
        if not offsets:
            return
        task = asyncio.get_running_loop().create_task(self._commit_offsets(offsets))
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        if force:
            await task

    async def _commit_offsets(self, offsets: dict[TopicPartition, int]) -> None:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._consumer.commit(offsets)
        except (KafkaError, TimeoutError, OSError) as error:
            _log.debug("kafka_commit_skipped", error=type(error).__name__)

    async def measure_lag(self) -> None:
        """Set the lag gauge from the partitions' ends and our own positions.

        Raises:
            StuckError: the client hears nothing more of a Kafka that is there.
        """
        ready = dict(self._ready)
        if not ready and self._consumer.assignment():
            return  # they are not claimed yet: how far behind they are is not known
        ends = await self._answered(self._consumer.end_offsets(list(ready))) if ready else {}
        for name in self._names.values():
            behind = sum(ends[at] - claim.next_offset for at, claim in ready.items() if self._names[at.topic] == name)
            metrics.LAG.labels(name).set(max(0, behind))

    def _plain(self, partitions: Iterable[TopicPartition]) -> set[tuple[str, int]]:
        return {(self._names[at.topic], at.partition) for at in partitions}

    def _kafka(self, at: tuple[str, int]) -> TopicPartition:
        return TopicPartition(self._settings.topic_prefix + at[0], at[1])
