"""What the next batch is made of: records of ready partitions, decoded, each under the claim it was read under.

Records of other partitions are ignored, because aiokafka delivers records before an assignment callback has finished.

While more records wait than fit a batch, the next batch is read and decoded ahead, and dropped if its claim no longer
holds; and each topic has its share of it, so that none waits for the end of what has piled up in another. If a
handler's partitions are independent, two batches of different partitions are read, to run side by side.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.topics import BY_NAME
from services.runtime import batch as batches

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aiokafka import TopicPartition

    from services.runtime.batch import Read
    from services.runtime.claiming import Claiming, Ready
    from services.runtime.log_client import LogClient
    from services.runtime.recognising import Record

    Fetched = list[tuple[Ready, list[Read]]]

_POLL_MS: Final = 500
_TOP_UP_MS: Final = 5
"""So long a batch waits at most for what came while the one before was under way."""
_DECODED_AT_ONCE: Final = 32
_log = structlog.get_logger()


class Fetching:
    """Reads batches, one ahead where there is enough."""

    def __init__(self, client: LogClient, claiming: Claiming, *, most: int, side_by_side: bool) -> None:
        """Read nothing yet.

        Args:
            client: What to fetch by.
            claiming: What is ready.
            most: Records in a batch.
            side_by_side: Whether two batches of different partitions may be read for one round.
        """
        self.most = most
        self._client = client
        self._claiming = claiming
        self._side_by_side = side_by_side
        self._holes: dict[TopicPartition, tuple[int, int]] = {}
        self._ahead: asyncio.Task[list[Fetched]] | None = None
        self._shared = False

    @property
    def is_behind(self) -> bool:
        """Whether more waits than a batch takes."""
        return self._ahead is not None

    async def stop(self) -> None:
        """Give up what is read ahead."""
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)

    async def next(self) -> list[list[Read]]:
        """Return what was read ahead, or what comes now: a batch, or two of different partitions.

        Raises:
            HaltError: it is not the log that was read before.
            KafkaError: as ``LogClient.fetch``.
        """
        ahead, self._ahead = self._ahead, None
        fetched = await (ahead or self._read())
        self._shared = any(map(self._is_full, fetched))
        if self._shared:
            # More waits than a batch takes, so the next is read while the database works on this one. Otherwise not:
            # who reads early gets the first that comes, and many small batches cost more than one.
            self._ahead = asyncio.get_running_loop().create_task(self._read(), name="read-ahead")
        # A partition that was claimed again since is read again, from where that claim stands.
        holds = self._claiming.holds
        return [[one for ready, records in each if holds(ready) for one in records] for each in fetched]

    async def _read(self) -> list[Fetched]:
        """Return a batch; where it is full, also what waits in the other partitions, if they may be side by side."""
        first = await self._poll(_POLL_MS)
        if not self._side_by_side or not self._is_full(first):
            return [first]
        others = self._claiming.ready.keys() - {ready.at for ready, _ in first}
        return [first, await self._poll(0, others)] if others else [first]

    def _is_full(self, fetched: Fetched) -> bool:
        return sum(len(records) for _, records in fetched) >= self.most

    async def _poll(self, timeout_ms: int, partitions: Collection[TopicPartition] = ()) -> Fetched:
        """Fetch what there is for ready partitions, or some of them, decoded, each with the claim it was read under."""
        fetched = await self._fetched(timeout_ms, partitions)
        expected = [one for at, records in fetched.items() if (one := self._expected(at, records)) is not None]
        found: Fetched = []
        for ready, records in expected:
            decoded: list[Read] = []
            for place in range(0, len(records), _DECODED_AT_ONCE):
                some = records[place : place + _DECODED_AT_ONCE]
                decoded += [batches.read(record, ready.plain) for record in some]
                if len(some) == _DECODED_AT_ONCE:
                    await asyncio.sleep(0)  # a batch under way goes on as soon as the database has answered
            found.append((ready, decoded))
        return found

    async def _fetched(
        self, timeout_ms: int, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, list[Record]]:
        """Return what was fetched, up to a batch; what lies here already, with what has come since.

        The client asks a broker again once all that it brought is taken: as a batch begins. What comes during the batch
        would wait for the next one to begin, and for that one to end; a fetch for it is a millisecond or two.
        """
        found: dict[TopicPartition, list[Record]] = {}

        async def take(some: Collection[TopicPartition], *, wait_ms: int, most: int) -> int:
            for at, records in (await self._client.fetch(some, timeout_ms=wait_ms, most=most)).items():
                found[at] = [*found.get(at, ()), *records]
            return sum(map(len, found.values()))

        most, have = self.most, 0
        topics = self._topics(partitions)
        for one in topics:
            have = await take(one, wait_ms=0, most=max(1, most // len(topics)))
        if have < most:
            have = await take(partitions, wait_ms=0, most=most - have)
        if timeout_ms and have < most:
            await take(partitions, wait_ms=_TOP_UP_MS if have else timeout_ms, most=most - have)
        return found

    def _topics(self, partitions: Collection[TopicPartition]) -> list[list[TopicPartition]]:
        """Return ready partitions, or some of them, by topic; nothing where topics need no shares.

        The client gives all that it has of one partition before it gives anything of the next.
        """
        if not self._shared:
            return []
        by_topic: defaultdict[str, list[TopicPartition]] = defaultdict(list)
        for at in partitions or self._claiming.ready:
            by_topic[at.topic].append(at)
        return list(by_topic.values()) if len(by_topic) > 1 else []

    def _expected(self, at: TopicPartition, records: Sequence[Record]) -> tuple[Ready, list[Record]] | None:
        """Return a ready partition's records from where reading stands, and move that; None if there are none.

        A log has a hole where a transaction of another company's producer ends. Seen for the first time it may be
        records that the client left out: only what is seen again once the partition is sought anew is the log's own.
        Nothing else waits for that, and nothing is claimed again: a partner may end transactions all day.

        Raises:
            HaltError: it is not the log that was read before.
        """
        ready = self._claiming.ready.get(at)
        if ready is None:
            return None
        self._claiming.recognising.see(at, records)
        name, stands = ready.plain[0], ready.read_to
        wanted = [record for record in records if record.offset >= stands]
        if not wanted:
            return None
        hole = stands, wanted[0].offset
        if stands < wanted[0].offset and not BY_NAME[name].compacted and self._holes.get(at) != hole:
            self._holes[at] = hole
            _log.debug("hole_in_log", topic=name, partition=at.partition, stands=stands, next=wanted[0].offset)
            self._client.seek(at, stands)
            return None
        ready.read_to = wanted[-1].offset + 1
        return ready, wanted

    async def ends(self) -> list[tuple[Ready, int]]:
        """Return the partitions that end in a hole, where all before it is done, and where it ends.

        As any hole it must be seen twice.
        """
        found: list[tuple[Ready, int]] = []
        for at, ready in self._claiming.ready.items() if self._ahead is None else ():
            if ready.read_to == ready.claim.next_offset and at in self._client.assignment():
                hole = ready.read_to, await self._client.position(at)
                if ready.read_to < hole[1] and self._holes.get(at) == hole:
                    found.append((ready, hole[1]))
                elif ready.read_to < hole[1]:
                    self._holes[at] = hole
                    self._client.seek(at, ready.read_to)
        return found
