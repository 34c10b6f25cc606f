"""A running system from outside: how much it has done, what is still in progress, and when it is at rest.

Decided here: what "at rest" means: every service has read its topics to the end, no outbox holds a row, no notice is
being sent, and a second look finds the same. Never here: changing anything.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.cli.database import connect
from services.cli.errors import CommandError, Exit
from services.cli.evidence import CONSUMERS
from services.cli.topics import Reader, reader
from services.contracts.topics import TOPICS
from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import asyncpg

    from services.runtime.settings import ServiceSettings

    Connection = asyncpg.Connection[asyncpg.Record]

_POLL_SECONDS: Final = 0.3
_DONE: Final = """
SELECT (SELECT coalesce(sum(n), 0)::bigint FROM router.tally
        WHERE topic = 'contact.received.v1' AND name = 'accepted') AS contacts,
       (SELECT count(*) FROM router.ticket) AS tickets,
       (SELECT count(*) FROM dedup.incident) AS incidents,
       (SELECT count(*) FROM dedup.incident WHERE state NOT IN ('restored', 'cancelled')) AS open_incidents,
       (SELECT count(*) FROM notify.notice) AS notices,
       (SELECT count(*) FROM notify.notice WHERE state IN ('pending', 'sending')) AS notices_waiting
"""
_POSITIONS: Final = """
SELECT 'router' AS room, topic, partition, next_offset FROM router.consumer_partition UNION ALL
SELECT 'dedup', topic, partition, next_offset FROM dedup.consumer_partition UNION ALL
SELECT 'notify', topic, partition, next_offset FROM notify.consumer_partition
"""
_UNPUBLISHED: Final = """
SELECT (SELECT count(*) FROM router.outbox_waiting)
     + (SELECT count(*) FROM dedup.outbox_waiting)
     + (SELECT count(*) FROM notify.outbox_waiting)
"""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the system.

    Attributes:
        lag: Records that a service has yet to read, by topic.
        orders: Records on the order topic: versions, repeated ones counted again.
        ends: Where every topic ends: two equal looks mean that nothing was published in between.
    """

    contacts: int
    tickets: int
    incidents: int
    open_incidents: int
    notices: int
    notices_waiting: int
    orders: int
    unpublished: int
    lag: dict[str, int]
    ends: dict[tuple[str, int], int]

    @property
    def behind(self) -> int:
        """Records that are yet to be read, in all."""
        return sum(self.lag.values())

    @property
    def still(self) -> bool:
        """Whether nothing is under way in this look."""
        return not (self.behind or self.unpublished or self.notices_waiting)


class Watch:
    """Looks at a system again and again over the same connections."""

    def __init__(self, connection: Connection, kafka: Reader) -> None:
        self._connection = connection
        self._kafka = kafka

    async def look(self) -> Look:
        """Look once. The ends are read first: what is published later is not missed, but seen as not yet read."""
        bounds = await self._kafka.bounds([topic.name for topic in TOPICS])
        stands = {
            (row["room"], row["topic"], row["partition"]): row["next_offset"]
            for row in await self._connection.fetch(_POSITIONS)
        }
        done = await self._connection.fetchrow(_DONE)
        if done is None:
            raise AssertionError("a query of counts has one row")
        lag: dict[str, int] = {}
        for topic in TOPICS:
            for room in set(topic.consumers) & set(CONSUMERS):
                for (name, partition), (first, end) in bounds.items():
                    if name == topic.name:
                        waiting = end - stands.get((room, name, partition), first)
                        lag[name] = lag.get(name, 0) + max(0, waiting)
        return Look(
            **dict(done),
            orders=sum(end - first for (name, _), (first, end) in bounds.items() if name == "dispatch.order.v1"),
            unpublished=await self._connection.fetchval(_UNPUBLISHED),
            lag=lag,
            ends={at: end for at, (_, end) in bounds.items()},
        )

    async def until_quiet(self, seconds: float, on_look: Callable[[Look], None] = lambda _: None) -> Look:
        """Look until the system is at rest, and return the last look.

        Raises:
            CommandError: it is not after ``seconds``; the text says what is left.
        """
        deadline = clock.monotonic() + seconds
        before: Look | None = None
        while True:
            now = await self.look()
            on_look(now)
            if now.still and before is not None and before.still and now.ends == before.ends:
                return now
            if clock.monotonic() > deadline:
                raise CommandError(f"the system is not at rest after {seconds:g} s: {_left(now)}", _ADVICE, Exit.NO)
            before = now
            await asyncio.sleep(_POLL_SECONDS)


_ADVICE: Final = "Look at `gridline stack status` and `gridline stack logs`."


def _left(look: Look) -> str:
    behind = [f"{n} records of {topic} to read" for topic, n in look.lag.items() if n]
    waiting = [f"{look.unpublished} rows in outboxes"] if look.unpublished else []
    notices = [f"{look.notices_waiting} notices to send"] if look.notices_waiting else []
    return ", ".join(behind + waiting + notices) or "new records keep coming"


@asynccontextmanager
async def watching(settings: ServiceSettings) -> AsyncIterator[Watch]:
    """Connect to both.

    Raises:
        UnavailableError: Kafka or Postgres cannot be reached.
    """
    async with connect(settings) as connection, reader(settings) as kafka:
        yield Watch(connection, kafka)
