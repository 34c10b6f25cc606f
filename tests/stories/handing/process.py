"""One dedup process of several: the real loop and handler, its own rules, network and memory, and how it fails."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

import asyncpg

from services.dedup.handler import DedupHandler
from services.runtime import batch as batches
from services.runtime import consumer as consumers
from services.runtime.batch import Transactor
from services.runtime.consumer import Consumer
from services.runtime.errors import UnavailableError
from services.runtime.outbox import Outbox
from services.runtime.settings import ServiceSettings
from tests.stories.handing.group import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from aiokafka import TopicPartition

    from services.contracts.messages import Message
    from services.dedup.domain.rules import Rules
    from services.dedup.domain.state import AreaState
    from services.dedup.ground import Ground
    from services.grid.tree import Tree
    from services.runtime.handling import Decided, Received, Transaction
    from services.runtime.postgres import Pool
    from tests.stories.handing.group import Logs

STEPS: Final = ("batch.begun", "batch.entered", "batch.handled", "batch.outbox", "batch.committed")
"""Where the database may be lost in a batch. After the last the batch is kept, and who sent it does not know."""
_FAILS_AT: Final[ContextVar[str]] = ContextVar("fails_at", default="")


def loses_the_database(name: str) -> None:
    """Stand in a failpoint's place: lose the database where this turn is to."""
    if _FAILS_AT.get() == name:
        raise UnavailableError("test: the database is gone")


@dataclass
class Batch:
    """What a process decided, whether or not it was kept."""

    transaction: int
    messages: list[Message]
    now: datetime
    on: dict[str, tuple[Tree | None, Rules]]


@dataclass
class Stop:
    """A place in a batch, with all locks, at which a process stands still."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    sessions: list[int] = field(default_factory=list)


class Watched(DedupHandler):
    """A handler that notes what it decides, and on what network and by what rules."""

    def __init__(self, ground: Ground, *, cached_areas: int) -> None:
        super().__init__(ground, cached_areas=cached_areas)
        self.batches: list[Batch] = []
        self.stop: Stop | None = None
        self._on: dict[int, dict[str, tuple[Tree | None, Rules]]] = {}

    async def handle(self, tx: Transaction, batch: Sequence[Received], now: datetime) -> Decided:
        if self.stop is not None:
            self.stop.sessions.append(tx.get_server_pid())
            self.stop.reached.set()
            await self.stop.over.wait()
        number = int(await tx.fetchval("SELECT pg_current_xact_id()::text"))
        decided = await super().handle(tx, batch, now)
        self.batches.append(Batch(number, [one.message for one in batch], now, self._on.pop(id(tx), {})))
        return decided

    async def _take(self, tx: Transaction, inputs: Sequence[Received]) -> tuple[dict[tuple[int, str], AreaState], int]:
        states, generation = await super()._take(tx, inputs)
        self._on[id(tx)] = {area: (state.tree, state.rules) for (_, area), state in states.items()}
        return states, generation

    @property
    def in_memory(self) -> dict[tuple[int, str], AreaState]:
        return dict(self._cache)


class Process:
    """A process of a group. What it has in memory goes with it."""

    def __init__(self, name: str, pool: Pool, logs: Logs, *, cached: int, records: int) -> None:
        self.name, self.pool, self.logs, self._cached = name, pool, logs, cached
        self._settings = ServiceSettings(batch_records=records)
        self.lives = False

    async def starts(self, ground: Ground) -> None:
        """Begin with nothing in memory; ``ground`` is its own."""
        self.ground = ground
        await ground.look_at_network(self.pool)
        self.handler = Watched(ground, cached_areas=self._cached)
        self.outbox = Outbox("gridline/dedup", shards=1)
        self.member = Member(self.logs)
        self.sent: tuple[set[UUID], set[UUID]] = set(), set()
        """What it has told of the network, and of deadlines."""
        with patch.object(consumers, "LogClient", lambda *_, **__: self.member):
            self.consumer = Consumer(
                self._settings,
                Transactor(self.pool, self.handler, self.outbox, "dedup"),
                group="dedup",
                owner=self.name,
                reachable=cast("Any", None),
                side_by_side=True,
            )
        self.lives, self.is_frozen = True, False
        self.given: frozenset[TopicPartition] = frozenset()
        """What the group gave it, which it does not know while it is frozen."""

    async def dies(self) -> None:
        self.lives = False
        await self.consumer._fetching.stop()

    async def hears(self) -> None:
        """Hear what the group gave it last."""
        await self.member.is_told(self.consumer, self.given)

    async def goes_on(self, fails_at: str = "") -> None:
        """Go through the loop once; it may lose the database in a batch."""
        _FAILS_AT.set(fails_at)
        await self.consumer._once()

    @property
    def claims(self) -> dict[tuple[str, int], int]:
        """Under which epoch it believes to own partitions."""
        return {one.plain: one.claim.epoch for one in self.consumer._claiming.ready.values()}


async def end_sessions(dsn: str, sessions: Sequence[int]) -> None:
    """End sessions, as the database does with one that says nothing in a transaction."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("SELECT pg_terminate_backend(n, 1000) FROM unnest($1::int[]) AS n", list(sessions))
    await connection.close()


def without_waiting() -> list[Any]:
    """Return what makes processes fail where a turn says so, and try again at once."""
    fails: Callable[..., None] = loses_the_database
    return [
        patch.object(batches, "failpoint", fails),
        patch.object(consumers, "_BACKOFF_FIRST", 0.0),
        patch.object(consumers, "_BACKOFF_LAST", 0.0),
    ]
