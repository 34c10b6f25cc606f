"""What a running system is judged by: its topics from end to end, its tables, and what clients and consumers noted.

Decided here: the shape of the evidence, and that it is read in one go while nothing moves. Never here: the judgement
(``invariants``).
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from services.cli.database import connect
from services.cli.topics import committed_offsets, reader
from services.contracts.topics import CONTACT_RECEIVED, TOPICS
from services.runtime import positions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    import asyncpg

    from services.cli.topics import Record
    from services.runtime.settings import ServiceSettings

    Connection = asyncpg.Connection[asyncpg.Record]

CONSUMERS: Final = ("router", "dedup", "notify")

At = tuple[str, int]
"""Topic (without prefix) and partition."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a service stands in a partition."""

    epoch: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Seen:
    """An inbox row: where the id was first met."""

    fingerprint: bytes
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Published:
    """An outbox row's record, as the database settled it."""

    topic: str
    key: bytes
    value: bytes


@dataclass(slots=True)
class Room:
    """The kernel's tables of one service.

    Attributes:
        committed: What its consumer group committed to Kafka, for lag monitoring only.
        tally: Exact counts: ``<topic>/<name>`` for the kernel's, the bare name for the room's own.
    """

    positions: dict[At, Position] = field(default_factory=dict)
    committed: dict[At, int] = field(default_factory=dict)
    inbox: dict[UUID, Seen] = field(default_factory=dict)
    outbox: list[Published] = field(default_factory=list)
    unpublished: int = 0
    tally: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A ticket as the router has it. ``report`` is none, sent, answered or returned."""

    queue: str
    state: str
    priority: str
    report: str
    contacts: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A report as dedup has it: its live incidents (right is at most one) and its outcome if it has none."""

    ticket_id: UUID
    incidents: tuple[UUID, ...]
    outcome: str | None


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident as dedup has it."""

    area: str
    device: str
    device_type: str
    kind: str
    state: str
    order_id: UUID
    reports: int
    customers_served: int


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice as notify has it."""

    recipient_id: UUID
    incident_id: UUID | None
    stage: str
    revision: int
    state: str


@dataclass(slots=True)
class Evidence:
    """Everything the invariants are checked on.

    Attributes:
        records: Every record of every topic, dead letters included, those of one partition in order.
        ends: Offset after the last record, by topic and partition.
        rooms: Kernel tables by service.
        contacts: A contact and the tickets it is in (right is one).
        joined: Ticket ids that are another ticket: their contacts told again of a matter that was open.
        ever: Every report that was ever in an incident, by incident.
        orders: Versions of orders committed in dedup's database: order and version to its incident.
        floor: Versions up to this may be of a time that the database, brought back from a backup, has forgotten.
        accepted: Contacts a client was told are kept; None where no client kept a record.
        unknown: Contacts a client got no clear answer for.
        actions: Order and version of each action of a reference consumer, oldest first; None without one.
        earlier: Positions by service as they stood before, for "never decreases".
    """

    records: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    ends: Mapping[At, int] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)
    tickets: dict[UUID, TicketRow] = field(default_factory=dict)
    contacts: dict[UUID, tuple[UUID, ...]] = field(default_factory=dict)
    joined: dict[UUID, UUID] = field(default_factory=dict)
    reports: dict[UUID, ReportRow] = field(default_factory=dict)
    incidents: dict[UUID, IncidentRow] = field(default_factory=dict)
    ever: dict[UUID, set[UUID]] = field(default_factory=dict)
    orders: dict[tuple[UUID, int], UUID] = field(default_factory=dict)
    floor: int = 0
    notices: list[NoticeRow] = field(default_factory=list)
    accepted: AbstractSet[UUID] | None = None
    unknown: AbstractSet[UUID] = frozenset()
    actions: Sequence[tuple[UUID, int]] | None = None
    earlier: Mapping[str, Mapping[At, Position]] | None = None

    def inbox(self, room: str) -> Mapping[UUID, Seen]:
        """Return what a service has met; nothing of a service that is not there."""
        found = self.rooms.get(room)
        return {} if found is None else found.inbox

    def dead_contacts(self) -> set[UUID]:
        """Return the contacts that became dead letters."""
        found = (record.event_id for record in self.records.get(CONTACT_RECEIVED.dead_letters, ()))
        return {contact for contact in found if contact is not None}


_ROOM: Final = {
    "positions": "SELECT topic, partition, epoch, next_offset FROM consumer_partition",
    "inbox": "SELECT id, fingerprint, topic, partition, kafka_offset FROM inbox",
    "outbox": "SELECT topic, key, value FROM outbox ORDER BY id",
    "unpublished": "SELECT count(*) FROM outbox_waiting",
}
_TICKETS: Final = """
SELECT t.ticket_id, t.queue, t.state, t.priority, t.report,
       -- Those of a ticket that became another one are in that one.
       CASE WHEN t.body ->> 'merged_into' IS NOT NULL THEN '{}'
       ELSE ARRAY(SELECT c::uuid FROM jsonb_array_elements_text((t.body -> 'contacts')::jsonb) AS c) END AS contacts
FROM ticket AS t
"""
_JOINED: Final = "SELECT ticket_id, into_id FROM ticket_alias"
_REPORTS: Final = "SELECT report_id, ticket_id, outcome FROM report"
_LEDGER: Final = "SELECT report_id, incident_id, action FROM membership ORDER BY area, seq"
_INCIDENTS: Final = """
SELECT incident_id, area, device_id AS device, device_type, kind, state, order_id, reports, customers_served
FROM incident
"""
_ORDERS: Final = "SELECT order_id, version, incident_id FROM order_version"
VERSION_FLOOR: Final = "SELECT coalesce(max(floor), 0) FROM {room}.version_floor"
_NOTICES: Final = "SELECT recipient_id, incident_id, stage, revision, state FROM notice"
_READINGS: Final = 3
_PRIORITIES: Final = ("emergency", "urgent", "high", "normal")
"""The router stores a ticket's priority by its place in this order."""


async def gather(settings: ServiceSettings) -> Evidence:
    """Read everything. The system should be at rest: parts of different moments do not fit each other.

    A clock of a ticket may still say something meanwhile: where the topics went on, all is read again, a few times.

    Raises:
        UnavailableError: Kafka or Postgres cannot be reached.
    """
    names = [name for topic in TOPICS for name in (topic.name, topic.dead_letters)]
    found = Evidence()
    async with reader(settings) as kafka, connect(settings) as connection:
        for _ in range(_READINGS):
            bounds = await kafka.bounds(names)
            records: dict[str, list[Record]] = defaultdict(list)
            async for record in kafka.records(bounds):
                records[record.topic].append(record)
            found = Evidence(records=records, ends={at: end for at, (_, end) in bounds.items()})
            found = await read_tables(connection, found)
            for name, room in found.rooms.items():
                room.committed = await committed_offsets(settings, f"gridline-{name}")
            if await kafka.bounds(names) == bounds:
                break
    return found


async def read_tables(connection: Connection, topics: Evidence) -> Evidence:
    """Return evidence with the topics, answers and actions of ``topics`` and the tables as ``connection`` sees them."""
    found = replace(
        topics, rooms={}, tickets={}, contacts={}, joined={}, reports={}, incidents={}, ever={}, orders={}, notices=[]
    )
    for name in CONSUMERS:
        await connection.execute(f'SET search_path = "{name}"')
        found.rooms[name] = await _room(connection)
        if name in topics.rooms:
            found.rooms[name].committed = topics.rooms[name].committed
        await _FILL[name](connection, found)
    return found


async def read_positions(settings: ServiceSettings) -> dict[str, dict[At, Position]]:
    """Read where every service stands now: kept by a test, it becomes ``Evidence.earlier``.

    Raises:
        UnavailableError: Postgres cannot be reached.
    """
    async with connect(settings) as connection:
        found = {}
        for name in CONSUMERS:
            await connection.execute(f'SET search_path = "{name}"')
            found[name] = await _positions(connection)
        return found


def read_actions(store: Path) -> list[tuple[UUID, int]]:
    """Read the action log of the reference consumer (examples/field_repair_consumer.py)."""
    with closing(sqlite3.connect(store)) as database:
        rows = database.execute("SELECT order_id, version FROM action ORDER BY n").fetchall()
    return [(UUID(order), version) for order, version in rows]


async def _positions(connection: Connection) -> dict[At, Position]:
    rows = await connection.fetch(_ROOM["positions"])
    return {(row["topic"], row["partition"]): Position(row["epoch"], row["next_offset"]) for row in rows}


async def _room(connection: Connection) -> Room:
    return Room(
        positions=await _positions(connection),
        inbox={row["id"]: Seen(*list(row)[1:]) for row in await connection.fetch(_ROOM["inbox"])},
        outbox=[Published(*row) for row in await connection.fetch(_ROOM["outbox"])],
        unpublished=await connection.fetchval(_ROOM["unpublished"]),
        tally=await positions.totals(connection),
    )


async def _fill_router(connection: Connection, found: Evidence) -> None:
    contacts: dict[UUID, list[UUID]] = defaultdict(list)
    for row in await connection.fetch(_TICKETS):
        priority, ids = _PRIORITIES[row["priority"]], frozenset(row["contacts"])
        found.tickets[row["ticket_id"]] = TicketRow(row["queue"], row["state"], priority, row["report"], ids)
        for contact in ids:
            contacts[contact].append(row["ticket_id"])
    found.contacts = {contact: tuple(tickets) for contact, tickets in contacts.items()}
    found.joined = {row["ticket_id"]: row["into_id"] for row in await connection.fetch(_JOINED)}


async def _fill_dedup(connection: Connection, found: Evidence) -> None:
    live: dict[UUID, list[UUID]] = defaultdict(list)
    ever: dict[UUID, set[UUID]] = defaultdict(set)
    for row in await connection.fetch(_LEDGER):
        if row["action"] == "joined":
            live[row["report_id"]].append(row["incident_id"])
            ever[row["incident_id"]].add(row["report_id"])
        elif row["incident_id"] in live[row["report_id"]]:
            live[row["report_id"]].remove(row["incident_id"])
    found.ever = ever
    for row in await connection.fetch(_REPORTS):
        outcome = None if row["outcome"] == "in_incident" else row["outcome"]
        found.reports[row["report_id"]] = ReportRow(row["ticket_id"], tuple(live[row["report_id"]]), outcome)
    for row in await connection.fetch(_INCIDENTS):
        found.incidents[row["incident_id"]] = IncidentRow(*list(row)[1:])
    for row in await connection.fetch(_ORDERS):
        found.orders[row["order_id"], row["version"]] = row["incident_id"]
    found.floor = await connection.fetchval(VERSION_FLOOR.format(room="dedup"))


async def _fill_notify(connection: Connection, found: Evidence) -> None:
    found.notices = [NoticeRow(*row) for row in await connection.fetch(_NOTICES)]


_FILL: Final = {"router": _fill_router, "dedup": _fill_dedup, "notify": _fill_notify}
