"""Dedup processes over one database, judged after each batch by their ``Twin``."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from aiokafka import ConsumerRecord

from services.contracts import envelope
from services.contracts.messages import FieldProgress, FieldProgressed
from services.contracts.topics import BY_NAME, DISPATCH_PROGRESS, OUTAGE_INPUT
from services.dedup.handler import DedupHandler, imbalance
from services.dedup.store.load import load_areas
from services.dedup.store.reliability import interruptions
from services.dedup.timers import fire_due, fire_overdue
from services.grid.store import import_network, load_trees
from services.runtime.batch import Read, Transactor
from services.runtime.handling import Received
from services.runtime.outbox import Outbox, unpack_headers
from services.runtime.positions import Claim, claim, totals
from tests.integration.dedup.test_live_swap import written
from tests.integration.dedup.twin import Twin
from tests.unit.dedup.test_network_changes import AWAY, HOME
from tests.unit.dedup.timeline import minute, snapshot

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

    from services.contracts.messages import Message, OutageInput
    from services.dedup.domain.incident import Incident
    from services.dedup.ground import Ground
    from services.runtime.postgres import Pool

AREAS: Final = (HOME, AWAY, "cell:85318d9bfffffff")
"""One partition each."""
CREWS: Final = (DISPATCH_PROGRESS.name, 0)
PARTITIONS: Final = (*((OUTAGE_INPUT.name, part) for part in range(len(AREAS))), CREWS)
_TABLES: Final = """TRUNCATE area, storm, incident, report, membership, order_version, progress, restored_part, timer,
    command, planned_outage, plan_answer, telemetry, outage_elsewhere, inbox, outbox, outbox_waiting, tally,
    consumer_partition"""


@dataclass
class Process:
    """One dedup process."""

    name: str
    pool: Pool
    ground: Ground
    cached: int
    owns: dict[tuple[str, int], Claim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.outbox = Outbox("gridline/dedup", shards=1)
        self.starts()

    def starts(self) -> None:
        """With nothing in memory."""
        self.handler = DedupHandler(self.ground, cached_areas=self.cached)
        self.transactor = Transactor(self.pool, self.handler, self.outbox, "dedup")

    async def claims(self, at: tuple[str, int]) -> None:
        async with self.pool.acquire() as connection:
            self.owns[at] = await claim(connection, at, first=0, owner=self.name, now=minute(0))


class Processes:
    """Two dedup processes over one database, and what goes on in two substations."""

    def __init__(self, pool: Pool, ground: Ground, dsn: str, client: httpx.AsyncClient) -> None:
        self.pool, self.ground, self.dsn, self.client = pool, ground, dsn, client
        self.minute = 0.0
        self.waiting: list[OutageInput | FieldProgress] = []
        self.said: list[OutageInput | FieldProgress] = []
        self.reports: list[UUID] = []
        self.read_to = 0

    async def it_begins(self, cached: int) -> None:
        await self.pool.execute(_TABLES)
        await self.ground.look_at_network(self.pool)
        self.processes = [Process(name, self.pool, self.ground, cached) for name in ("one", "other")]
        for at in PARTITIONS:
            await self.processes[0].claims(at)
        async with self.pool.acquire() as connection:
            self.twin = Twin(self.ground.rules, await load_trees(connection))

    @property
    def now(self) -> Any:
        return minute(self.minute)

    def n(self) -> str:
        return f"{len(self.said) + len(self.waiting)}"

    async def what_came_is_decided(self, dies: bool) -> None:
        """Each process takes what has come to its partitions, after what is due."""
        await fire_due(self.pool, self.processes[0].outbox, self.now)
        fired = await self._published()
        assert {one.message_id for one in fired} == self.twin.due(self.now), "what is waited for"
        await fire_overdue(self.pool, self.processes[0].outbox, self.now, set())
        batch = [*fired, *await self._published(), *self.twin.sent_on, *self.waiting]
        self.twin.sent_on, self.waiting = [], []
        self.said += batch
        for process in self.processes:
            theirs = [one for one in batch if self._at(one) in process.owns]
            if theirs:
                await self._batch(process, theirs, dies=dies)

    @staticmethod
    def _at(message: OutageInput | FieldProgress) -> tuple[str, int]:
        return CREWS if isinstance(message, FieldProgress) else (OUTAGE_INPUT.name, AREAS.index(message.area))

    def _read(self, message: OutageInput | FieldProgress, here: Claim, ahead: int = 0) -> Read:
        at, offset, content = self._at(message), here.next_offset + ahead, None
        if isinstance(message, FieldProgressed):
            content = envelope.fingerprint(message, without=("received_at",))
        record = envelope.encode(message, topic=at[0], source="gridline/test", content=content)
        incoming = envelope.open_record(record.value, record.headers)
        decoded = envelope.decode(incoming, BY_NAME[at[0]].types)
        came = ConsumerRecord(*at, offset, 0, 0, record.key, record.value, None, 0, 0, record.headers)
        return Read(at, offset, came, incoming, decoded, None)

    async def _batch(self, process: Process, batch: list[OutageInput | FieldProgress], *, dies: bool) -> None:
        if dies:
            once = {one.message_id: one for one in reversed(batch)}.values()
            received = [Received(*self._at(one), n, one, None) for n, one in enumerate(reversed(once))]
            fresh = [one for one in received if one.message.message_id not in self.twin.seen]
            async with self.pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                await process.handler.handle(connection, fresh, self.now)
                await transaction.rollback()
        ahead = dict.fromkeys(process.owns, 0)
        records = []
        for one in batch:
            records.append(self._read(one, process.owns[self._at(one)], ahead[self._at(one)]))
            ahead[self._at(one)] += 1
        await process.transactor.run(records, process.owns, self.now)
        for at, n in ahead.items():
            process.owns[at] = replace(process.owns[at], next_offset=process.owns[at].next_offset + n, last=None)
        told = self.twin.rekeyed(batch, self.now)
        told += self.twin.take([one for one in batch if not isinstance(one, FieldProgress)], self.now)
        published = await self._published()
        for found, wanted in zip_longest(published, told):
            assert found == wanted, f"what is published: {found!r}, not {wanted!r}"
        areas = list(self.twin.states)
        async with self.pool.acquire() as connection:
            stored = await load_areas(connection, areas, self.twin.trees, self.ground.rules)
        for area in areas:
            alike(snapshot(stored[area]), snapshot(self.twin.states[area]), "what is stored")
        for (_, area), state in process.handler._cache.items():
            alike(snapshot(state), snapshot(self.twin.states[area]), "what is in memory")

    async def _published(self) -> list[Any]:
        """What was put in the outbox since."""
        rows = await self.pool.fetch(
            "SELECT id, topic, value, headers FROM outbox WHERE id > $1 ORDER BY id", self.read_to
        )
        found: list[Message] = []
        for row in rows:
            self.read_to = row["id"]
            if row["topic"] not in BY_NAME:
                continue  # a dead letter
            incoming = envelope.open_record(row["value"], unpack_headers(row["headers"]))
            found.append(envelope.decode(incoming, BY_NAME[row["topic"]].types))
        return found

    async def ends(self) -> None:
        """Everything that came is in one place, counted, and answers for itself."""
        await self.what_came_is_decided(dies=False)
        async with self.pool.acquire() as connection:
            counts = await totals(connection)
        assert imbalance(counts) == 0
        rows = await self.pool.fetch("SELECT outcome, count(*) AS n FROM report GROUP BY outcome")
        assert {row["outcome"]: row["n"] for row in rows} == {
            name: n for name in ("in_incident", "answered", "needs_person") if (n := counts[f"report_{name}"])
        }
        wanted: Counter[tuple[Any, ...]] = Counter()
        for one in self.twin.known.values():
            live = self.twin.known[self._now_in(one)]
            merged = one.device.id in live.also if one.kind == "outage" else one.premises in live.also_premises
            if one.kind != "hazard" and live.state != "cancelled" and (one is live or merged):
                wanted[one.device.id, one.customers_served, one.began_at, live.restored_at] += 1
        assert await self._figures() == wanted
        for row in await self.pool.fetch("SELECT report_id FROM report ORDER BY report_id LIMIT 6"):
            answer = await self.client.get(f"/v1/reports/{row['report_id']}/explain")
            assert answer.status_code == 200, answer.text
        for key, incident in sorted(self.twin.known.items())[:6]:
            answer = await self.client.get(f"/v1/incidents/{key}")
            assert answer.status_code == 200, answer.text
            assert answer.json()["incident_id"] == str(self._now_in(incident))

    def _now_in(self, incident: Incident) -> UUID:
        while incident.merged_into is not None:
            incident = self.twin.known[incident.merged_into]
        return incident.incident_id

    async def _figures(self) -> Counter[tuple[Any, ...]]:
        async with self.pool.acquire() as connection:
            found = interruptions(connection, minute(-100_000), minute(1_000_000), None, timedelta(minutes=5))
            every = [one async for area in found for one in area]
        return Counter((one.device, one.customers, one.started_at, one.ended_at) for one in every)


def alike(found: dict[str, Any], wanted: dict[str, Any], what: str) -> None:
    """Compare two snapshots.

    Raises:
        AssertionError: it says by what they differ.
    """
    other = [name for name in wanted if found[name] != wanted[name]]
    assert not other, f"{what} ({', '.join(other)}): {[(name, found[name], wanted[name]) for name in other]}"


async def import_rows(dsn: str, rows: Any) -> None:
    """Import a network of the two substations."""
    folder = Path(tempfile.mkdtemp())
    connection = await asyncpg.connect(dsn)
    try:
        await import_network(connection, *written(folder, rows))
    finally:
        await connection.close()
        shutil.rmtree(folder)
