"""Which partitions this process may read: claimed in the database, sought in Kafka, given up again.

A partition is *ready* once it is claimed and sought. There is one way to recover from anything: drop what is cached of
the partition, claim it again, and go on from the position in the database.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from services.contracts.topics import BY_NAME
from services.runtime import clock, metrics, positions
from services.runtime.errors import HaltError
from services.runtime.postgres import connected
from services.runtime.recognising import DECIDE, Recognising

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiokafka import TopicPartition

    from services.runtime.handling import Handler
    from services.runtime.log_client import LogClient
    from services.runtime.positions import Claim
    from services.runtime.postgres import Pool

_FENCED_PAUSE_SECONDS: Final = 5.0
"""After being fenced, how long to leave a partition to the other owner before claiming it again."""


@dataclass(slots=True, eq=False)
class Ready:
    """A partition that may be read, for as long as one claim holds.

    Attributes:
        at: The partition.
        plain: The same, by the topic's plain name.
        claim: Where its next batch begins.
        read_to: Where reading stands: ahead of the claim while batches are under way.
    """

    at: TopicPartition
    plain: tuple[str, int]
    claim: Claim
    read_to: int


class Claiming:
    """Claims what the group assigns, and knows what is ready."""

    def __init__(self, client: LogClient, pool: Pool, handler: Handler, *, prefix: str, owner: str) -> None:
        """Own nothing yet.

        Args:
            client: Seeks what is claimed.
            pool: Where positions are kept.
            handler: Forgets what it has cached of partitions that are given up.
            prefix: What topics' names begin with in Kafka.
            owner: By what name partitions are claimed.
        """
        self.names = {prefix + topic.name: topic.name for topic in handler.topics}
        self.ready: dict[TopicPartition, Ready] = {}
        self.recognising = Recognising()
        self._client = client
        self._pool = pool
        self._handler = handler
        self._owner = owner
        self._rest_until: dict[TopicPartition, float] = {}
        for name in self.names.values():
            metrics.OWNED.labels(name).set_function(partial(self._owned, name))

    def _owned(self, name: str) -> int:
        return sum(one.plain[0] == name for one in list(self.ready.values()))  # metrics are read in any thread

    def holds(self, one: Ready) -> bool:
        """Tell whether a partition may still be read under the claim that it had."""
        return self.ready.get(one.at) is one

    def waiting(self) -> set[TopicPartition]:
        """Return what is assigned and not ready, though a broker leads it: for others there is nothing to do."""
        return set(self._client.led(self._client.assignment() - self.ready.keys()))

    def plain(self, partitions: Iterable[TopicPartition]) -> set[tuple[str, int]]:
        """Return partitions by their topics' plain names."""
        return {(self.names[at.topic], at.partition) for at in partitions}

    def release(self, partitions: Iterable[TopicPartition], *, rest: float = 0.0) -> None:
        """Give up what we believe of these partitions; they are claimed again if they are still ours after a rest."""
        dropped = list(partitions)
        for at in dropped:
            self.ready.pop(at, None)
            if rest:
                self._rest_until[at] = clock.monotonic() + rest
        self._handler.forget(self.plain(dropped))

    def release_all(self) -> None:
        """Give up everything that is ready."""
        self.release(self.ready.keys())

    def release_fenced(self, plain: Iterable[tuple[str, int]]) -> None:
        """Give up everything, and leave what another owner has to it for a while."""
        others = set(plain)
        fenced = [at for at, one in self.ready.items() if one.plain in others]
        self.release(self.ready.keys() - set(fenced))
        self.release(fenced, rest=_FENCED_PAUSE_SECONDS)

    def stop_resting(self) -> None:
        """Claim at the next opportunity whatever is assigned: owners have changed."""
        self._rest_until.clear()

    async def claim_assigned(self) -> None:
        """Claim and seek every assigned partition that is not ready and that a broker leads.

        Raises:
            HaltError: the position in the database is outside the log.
            KafkaError | TimeoutError: Kafka does not say where the logs begin and end.
            StuckError: the client hears nothing more of a Kafka that is there.
            UnavailableError: Postgres cannot answer.
        """
        now = clock.monotonic()
        wanted = sorted(at for at in self.waiting() if self._rest_until.get(at, 0.0) <= now)
        if wanted:
            begins = await self._client.begins(wanted)
            claims = await self._claim(begins)
            # Not before the claims: until then others may go on, past an end that was read by then.
            ends = await self._client.ends(wanted)
            for at, claim in claims.items():
                self._check_log(at, claim, begins[at], ends[at])
                if at not in self._client.assignment():
                    continue  # taken away while we claimed; the epoch we raised costs the new owner one retry
                self._client.seek(at, self.recognising.begin(at, claim, begins[at]))
                self.ready[at] = Ready(at, (self.names[at.topic], at.partition), claim, claim.next_offset)
                metrics.CLAIMS.labels(self.names[at.topic]).inc()

    async def _claim(self, begins: Mapping[TopicPartition, int]) -> dict[TopicPartition, Claim]:
        """Claim partitions, given where each log begins."""
        async with connected(self._pool) as connection:
            claims = {}
            for at, begin in begins.items():
                plain = self.names[at.topic], at.partition
                claims[at] = await positions.claim(connection, plain, first=begin, owner=self._owner, now=clock.now())
            return claims

    def _check_log(self, at: TopicPartition, claim: Claim, begin: int, end: int) -> None:
        compacted = BY_NAME[self.names[at.topic]].compacted
        if claim.next_offset > end or (claim.next_offset < begin and not compacted):
            raise HaltError(
                f"{at.topic}[{at.partition}] holds offsets {begin} to {end}, but this service stands at "
                f"{claim.next_offset}: records were deleted before they were read, or the topic was made anew. {DECIDE}"
            )

    async def measure_lag(self) -> None:
        """Set the lag gauge from our own positions and the ends of those partitions that a broker leads.

        Raises:
            KafkaError | TimeoutError: Kafka does not say where the logs end.
            StuckError: the client hears nothing more of a Kafka that is there.
        """
        ready = {at: self.ready[at] for at in self._client.led(self.ready.keys())}
        if not ready and self._client.assignment():
            return  # they are not claimed yet, or nobody leads them: how far behind they are is not known
        ends = await self._client.ends(ready) if ready else {}
        for name in self.names.values():
            behind = sum(ends[at] - one.claim.next_offset for at, one in ready.items() if one.plain[0] == name)
            metrics.LAG.labels(name).set(max(0, behind))
