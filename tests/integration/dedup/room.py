"""Dedup's handler on a real Postgres, under the real kernel's transactions, without Kafka."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
from aiokafka import ConsumerRecord

from services.contracts import envelope
from services.contracts.topics import BY_NAME, DISPATCH_PROGRESS, OUTAGE_INPUT
from services.dedup.api import make_router
from services.dedup.handler import DedupHandler
from services.dedup.keys import read_keys
from services.dedup.settings import KEYS
from services.dedup.store.load import load_areas
from services.grid.store import load_trees
from services.runtime.batch import Read, Transactor
from services.runtime.http import make_app
from services.runtime.outbox import Outbox, unpack_headers
from services.runtime.positions import Claim, claim
from services.runtime.watched import watched_file
from tests.as_documented import as_documented
from tests.unit.dedup.timeline import minute, snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from services.contracts.messages import Message
    from services.dedup.domain.state import AreaState
    from services.dedup.ground import Ground
    from services.runtime.batch import Outcome
    from services.runtime.postgres import Pool


@dataclass
class Room:
    """Feeds messages as the consume loop would, and reads back what was decided."""

    pool: Pool
    ground: Ground
    rules_file: Path
    handler: DedupHandler = field(init=False)
    outbox: Outbox = field(init=False)
    claims: dict[tuple[str, int], Claim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.handler = DedupHandler(self.ground, cached_areas=100)
        self.outbox = Outbox("gridline/dedup", shards=1)
        self.transactor = Transactor(self.pool, self.handler, self.outbox, "dedup")

    async def feed(self, messages: Sequence[Message], now: datetime, *, topic: str = OUTAGE_INPUT.name) -> Outcome:
        """One batch of one partition, in one transaction."""
        at = (topic, 0)
        if at not in self.claims:
            async with self.pool.acquire() as connection:
                self.claims[at] = await claim(connection, at, first=0, owner="test", now=now)
        offsets = count(self.claims[at].next_offset)
        batch = [self._read(message, topic, next(offsets)) for message in messages]
        outcome = await self.transactor.run(batch, self.claims, now)
        self.claims[at] = Claim(self.claims[at].epoch, self.claims[at].next_offset + len(batch))
        return outcome

    async def post_progress(self, messages: Sequence[Message], now: datetime) -> Outcome:
        """A batch of what field-repair systems put on their topic."""
        return await self.feed(messages, now, topic=DISPATCH_PROGRESS.name)

    @staticmethod
    def _read(message: Message, topic: str, offset: int) -> Read:
        record = envelope.encode(message, topic=topic, source="gridline/test")
        incoming = envelope.open_record(record.value, record.headers)
        decoded = envelope.decode(incoming, BY_NAME[topic].types)
        came = ConsumerRecord(topic, 0, offset, 0, 0, record.key, record.value, None, 0, 0, record.headers)
        return Read((topic, 0), offset, came, incoming, decoded, None)

    async def loaded(self, *areas: str) -> dict[str, AreaState]:
        """What the database alone says of areas."""
        async with self.pool.acquire() as connection:
            trees = await load_trees(connection, areas)
            return await load_areas(connection, areas, trees, self.ground.rules)

    def cached(self, area: str) -> AreaState:
        """What the handler has in memory of an area."""
        return self.handler._cache[0, area]

    async def published(self, topic: str) -> list[Message]:
        """What was put in the outbox for a topic, in order."""
        rows = await self.pool.fetch("SELECT value, headers FROM outbox WHERE topic = $1 ORDER BY id", topic)
        found = []
        for row in rows:
            headers = unpack_headers(row["headers"])
            found.append(envelope.decode(envelope.open_record(row["value"], headers), BY_NAME[topic].types))
        return found


@asynccontextmanager
async def doors(room: Room, headers: dict[str, str], base: str = "http://dedup") -> AsyncIterator[httpx.AsyncClient]:
    """A client of dedup's doors over the room's database."""

    async def ready() -> list[str]:
        return []

    app = make_app("dedup", ready=ready)
    app.include_router(make_router(room.pool, room.outbox, watched_file(KEYS, read_keys), room.ground))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    hooks = {"response": [as_documented("dedup")]}
    async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers, event_hooks=hooks) as client:
        yield client


def plain(state: AreaState) -> dict[str, Any]:
    """A state without what the clock and the batches put in: stamps of orders and numbers of revisions."""
    for incident in state.incidents.values():
        incident.revision = 0
        if incident.order is not None:
            incident.order = incident.order.model_copy(update={"issued_at": minute(0)})
    return snapshot(state)
