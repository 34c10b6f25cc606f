"""The one consume loop. It alone commits; handlers load, decide, save and return messages.

Each round claims what is new (``claiming``), takes what was fetched (``fetching``) and runs it: one batch, or two of
different partitions side by side, so that one is decided while the database works on the other. Positions live in
Postgres (``positions``).
"""

from __future__ import annotations

import asyncio
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import structlog
from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from services.runtime import batch as batches
from services.runtime import clock, metrics, positions
from services.runtime.claiming import Claiming
from services.runtime.errors import FencedError, UnavailableError
from services.runtime.fetching import Fetching
from services.runtime.halting import DeadLetterLimit, Watchdog
from services.runtime.log_client import LogClient
from services.runtime.positions import Claim, Move
from services.runtime.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aiokafka import TopicPartition

    from services.runtime.batch import Outcome, Read, Transactor
    from services.runtime.log_client import Reachable
    from services.runtime.settings import ServiceSettings

_BACKOFF_FIRST: Final = 0.4
_BACKOFF_LAST: Final = 10.0
_log = structlog.get_logger()


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Reads a handler's topics and runs its batches until stopped."""

    def __init__(
        self,
        settings: ServiceSettings,
        transactor: Transactor,
        *,
        group: str,
        owner: str,
        reachable: Reachable,
        side_by_side: bool = False,
    ) -> None:
        """Make a consumer that is in no group yet.

        Args:
            settings: Where Kafka is, and how much is read at once.
            transactor: Runs the batches.
            group: Consumer group.
            owner: By what name partitions are claimed.
            reachable: Whether each of some brokers answers another client of this process now.
            side_by_side: Whether two batches of different partitions may run at once.
        """
        self._settings = settings
        self._transactor = transactor
        self._client = LogClient(settings, group=group, reachable=reachable)
        self._claiming = Claiming(
            self._client, transactor.pool, transactor.handler, prefix=settings.topic_prefix, owner=owner
        )
        self._fetching = Fetching(self._client, self._claiming, most=settings.batch_records, side_by_side=side_by_side)
        self._in_flight = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._limit = DeadLetterLimit()
        self._watchdog = Watchdog(settings.watchdog_seconds)
        self._wait = _BACKOFF_FIRST
        self._waits_for = ""
        self._jitter = 0.5 + zlib.crc32(owner.encode()) / 2**33  # 0.5 to 1, different for every process

    # --- rebalance callbacks (their exceptions are swallowed by aiokafka, so nothing here may matter and fail) ---

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Stop using partitions, and let the batch under way end before they go."""
        for at in revoked:
            self._claiming.ready.pop(at, None)
        async with self._in_flight:
            self._claiming.release(revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Nothing: the loop claims what it is assigned, where a failure can be retried."""
        self._claiming.stop_resting()
        _log.info("partitions_assigned", partitions=len(assigned))

    # --- the loop ---

    @property
    def idle_reason(self) -> str | None:
        """None while every assigned partition that a broker leads is claimed and being read, else why not."""
        assigned = self._client.assignment()
        if not assigned:
            return "no partition is assigned to this process"
        waiting = len(self._claiming.waiting())
        return f"{waiting} of {len(assigned)} partitions are not claimed yet{self._waits_for}" if waiting else None

    @property
    def is_behind(self) -> bool:
        """Whether more waits than a batch takes."""
        return self._fetching.is_behind

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
            await self._fetching.stop()
            await self._client.leave(self._positions())

    async def _join(self) -> bool:
        """Connect and subscribe, waiting for Kafka as long as it takes; False if stopped first."""
        while not self._stopping.is_set():
            self._watchdog.beat()
            try:
                await self._client.join(self._claiming.names, self)
            except (KafkaError, OSError, TimeoutError) as error:
                await self._back_off("kafka", error)
            else:
                return True
        return False

    def _positions(self) -> dict[TopicPartition, int]:
        return {at: ready.claim.next_offset for at, ready in self._claiming.ready.items()}

    async def _once(self) -> None:
        """Claim what is new, poll, run what came."""
        try:
            await self._claiming.claim_assigned()
            batches = await self._fetching.next()
            if not self._stopping.is_set():
                async with self._in_flight:
                    await self._process_all(batches)
                    await self._pass_ends()
            self._client.tell(self._positions())
            self._wait, self._waits_for = _BACKOFF_FIRST, ""
        except FencedError as error:
            metrics.FENCED.inc()
            _log.warning("fenced", partitions=[list(at) for at in error.partitions])
            self._claiming.release_fenced(error.partitions)
        except UnavailableError as error:
            self._claiming.release_all()
            await self._back_off("postgres", error)
        except (NoOffsetForPartitionError, OffsetOutOfRangeError):
            # Not sought yet, or the log moved under us: claiming again seeks, and checks the log's bounds.
            self._claiming.release_all()
        except (KafkaError, OSError) as error:
            self._claiming.release_all()
            await self._back_off("kafka", error)

    async def _back_off(self, what: str, error: Exception) -> None:
        """Wait before trying the same again, longer each time, never in step with other processes."""
        self._watchdog.beat()  # to wait is not to be stuck
        metrics.UNAVAILABLE.labels(what).inc()
        self._waits_for = f": {what} answers with {type(error.__cause__ or error).__name__}"
        delay = self._wait * self._jitter
        self._wait = min(_BACKOFF_LAST, self._wait * 2)
        _log.warning("waiting_for", what=what, reason=str(error)[:200], seconds=round(delay, 2))
        try:
            async with asyncio.timeout(delay):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _process_all(self, batches: Sequence[list[Read]]) -> None:
        """Run batches side by side; what became of one that failed is told once all have ended.

        Raises:
            Exception: as ``Transactor.run`` and the limit do; of several, that somebody else has a partition.
        """
        self._watchdog.beat()
        ended = await asyncio.gather(*map(self._process, batches), return_exceptions=True)
        failed = [one for one in ended if one is not None]
        fenced = [at for one in failed if isinstance(one, FencedError) for at in one.partitions]
        if fenced:
            raise FencedError(fenced)
        for one in failed:
            raise one

    async def _process(self, batch: list[Read]) -> None:
        """Run one batch over the partitions still ready."""
        ready = {one.plain: one for one in self._claiming.ready.values()}
        batch = [one for one in batch if one.at in ready]
        if not batch:
            return
        claims = {at: one.claim for at, one in ready.items()}
        started = clock.monotonic()
        longest = self._settings.watchdog_seconds / 2
        try:
            async with asyncio.timeout(longest):
                outcome = await self._transactor.run(batch, claims, clock.now())
        except (UnavailableError, TimeoutError) as error:
            # A database that is too slow for it would never take it: what takes longer than a statement may is in vain,
            # and so is what takes the watchdog's time, of several statements.
            self._fetching.most = max(1, len(batch) // 2)
            if isinstance(error, UnavailableError):
                raise
            raise UnavailableError(f"postgres: {len(batch)} records took longer than {longest:g} s") from error
        most = self._fetching.most
        self._fetching.most = min(self._settings.batch_records, most + max(1, most // 4))
        self._transactor.outbox.wake()
        for at, offset in {one.at: one.offset for one in batch}.items():  # the last of each partition
            ready[at].claim = Claim(claims[at].epoch, offset + 1)
        self._observe(batch, outcome, clock.monotonic() - started)
        good = outcome.named("accepted", "duplicate", of=batches.OURS)
        self._limit.note(good=good, bad=outcome.named("dead_lettered", of=batches.OURS))

    async def _pass_ends(self) -> None:
        """Move on past the ends of transactions with which logs end.

        They are deleted in time like records. A position that had stayed before one would look as if records had been
        deleted before they were read, and stop the service that claims it.

        Raises:
            FencedError: another owner has a partition.
            UnavailableError: Postgres cannot answer.
        """
        if ends := await self._fetching.ends():
            moves = {
                one.plain: Move(one.claim.epoch, one.claim.next_offset, end, positions.NO_RECORD) for one, end in ends
            }
            async with connected(self._transactor.pool) as connection:
                await positions.move(connection, moves)
            for one, end in ends:
                one.claim, one.read_to = Claim(one.claim.epoch, end), end

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

    async def measure_lag(self) -> None:
        """Set the lag gauge; raise as ``Claiming.measure_lag`` does."""
        await self._claiming.measure_lag()
