"""Tickets in Postgres: one query to load a batch's, one to save them, and what queues' readers and timers ask.

Never here: a decision. A ticket is stored whole; the columns beside it are only for finding and ordering.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from services.contracts.ids import ticket_ref
from services.router.domain.classify import URGENCY
from services.router.domain.desk import work_of
from services.router.domain.log import Event
from services.router.domain.repeats import found_by
from services.router.domain.ticket import Ticket
from services.router.domain.work import Phase
from services.runtime import outbox, positions
from services.runtime.errors import UnavailableError
from services.runtime.rows import Table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.values import Priority
    from services.router.domain.batch import Book
    from services.router.domain.desk import Turn
    from services.router.domain.repeats import Reporter
    from services.runtime.postgres import Connection

_TICKET: Final = TypeAdapter(Ticket)

# The rows of handles come first, in order of key, new ones as well as those that are there, then the tickets, in order
# of id: two processes that need the same wait for each other here, before anything is decided, and never in a ring.
_OPEN: Final = """
INSERT INTO ticket_reporter (reporter, tickets, touched_at)
SELECT reporter, '{}', $2 FROM unnest($1::uuid[]) AS asked (reporter)
ON CONFLICT (reporter) DO UPDATE SET touched_at = excluded.touched_at
RETURNING reporter, tickets
"""
# In order of id, so that two processes that need the same tickets never wait for each other in a ring. All that is
# decided on is in the locked row: another table would be read as it was before a lock was waited for.
_LOAD: Final = """
SELECT body::text AS body FROM ticket
WHERE ticket_id = ANY($1::uuid[])
   OR ticket_id = ANY(ARRAY(SELECT into_id FROM ticket_alias WHERE ticket_id = ANY($1::uuid[])))
ORDER BY ticket_id
FOR UPDATE
"""
_TICKET_TABLE: Final = Table.of(
    "ticket",
    "ticket_id uuid, ticket_ref text, version int, queue text, state text, priority smallint, business_type text,"
    " channel text, language text, area text, report text, opened_at timestamptz, routed_at timestamptz, lane text,"
    " rank_at timestamptz, agent text, held_for text, wake_at timestamptz, level smallint, first_telling smallint,"
    " last_telling smallint, urged boolean, account uuid, phone uuid, call_back uuid,"
    " waiting_since timestamptz, body json",
)
_MOST_TELLINGS: Final = 32_767
"""The most that its column holds: a machine may repeat a matter more often than that. The figures ask for three."""
_LOG_TABLE: Final = Table.of(
    "ticket_log",
    "ticket_id uuid, version int, n smallint, did text, at timestamptz, queue text, agent text, seconds real,"
    " body jsonb",
)
# Parameters of one statement: the ticket's columns, its log's, then the others.
_LOG_AT: Final = 1 + len(_TICKET_TABLE.columns)
_OTHERS_AT: Final = _LOG_AT + len(_LOG_TABLE.columns)
_KEEP: Final = _TICKET_TABLE.keeping(1, "ticket_id", never_change=("ticket_ref", "channel"))
_NOTE: Final = _LOG_TABLE.adding(_LOG_AT)
_SAVE: Final = f"""
WITH saved AS ({_KEEP}), noted AS ({_NOTE}), named AS (
    INSERT INTO ticket_alias (ticket_id, ticket_ref, into_id)
    SELECT * FROM unnest(${_OTHERS_AT}::uuid[], ${_OTHERS_AT + 1}::text[], ${_OTHERS_AT + 2}::uuid[])
    ON CONFLICT (ticket_id) DO UPDATE SET into_id = excluded.into_id
)
UPDATE ticket_reporter AS r SET tickets = string_to_array(v.tickets, ',')::uuid[]
FROM unnest(${_OTHERS_AT + 3}::uuid[], ${_OTHERS_AT + 4}::text[]) AS v (reporter, tickets)
WHERE r.reporter = v.reporter
"""  # noqa: S608 - constants
_ACTED: Final = f"""
WITH kept AS ({_KEEP}), noted AS ({_NOTE}), counted AS ({positions.counting(_OTHERS_AT)}),
{outbox.inserting(_OTHERS_AT + 4)}
"""  # all that an act leaves behind, in one round trip
_LOG: Final = """
SELECT body::text AS body FROM ticket_log WHERE ticket_id = $1 ORDER BY version, n OFFSET $2 LIMIT $3
"""
_FORGET: Final = "DELETE FROM ticket_reporter WHERE touched_at < $1"
_BY_ID: Final = """
SELECT body::text AS body FROM ticket
WHERE ticket_id = coalesce((SELECT into_id FROM ticket_alias WHERE ticket_id = $1), $1)
"""
_BY_REF: Final = """
SELECT body::text AS body FROM ticket
WHERE ticket_id IN (
    SELECT coalesce(a.into_id, t.ticket_id)
    FROM ticket AS t LEFT JOIN ticket_alias AS a USING (ticket_id) WHERE t.ticket_ref = $1
    UNION
    SELECT into_id FROM ticket_alias WHERE ticket_ref = $1
)
ORDER BY opened_at DESC LIMIT 20
"""
_WAITING: Final = """
SELECT body::text AS body FROM ticket
WHERE queue = $1 AND state = 'queued'
ORDER BY rank_at, ticket_id
LIMIT $2
"""
_WAITING_AFTER: Final = """
SELECT body::text AS body FROM ticket
WHERE queue = $1 AND state = 'queued'
  AND (rank_at, ticket_id) > (SELECT last.rank_at, last.ticket_id FROM ticket AS last WHERE last.ticket_id = $3)
ORDER BY rank_at, ticket_id
LIMIT $2
"""
_DEPTHS: Final = """
SELECT queue, priority, count(*) AS waiting, min(coalesce(waiting_since, opened_at)) AS oldest_at
FROM ticket
WHERE state = 'queued'
GROUP BY queue, priority
ORDER BY queue, priority
"""
_WAKING: Final = """
SELECT body::text AS body FROM ticket WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
# Not many: agents have a few in hand each.
_WRITING: Final = """
SELECT body::text AS body FROM ticket
WHERE agent IS NOT NULL AND state = 'wrap_up' AND ($1::text[] IS NULL OR queue = ANY($1))
  AND body #>> '{work,until}' IS NULL
ORDER BY ticket_id LIMIT $2 FOR UPDATE
"""


class NoSuchPlaceError(Exception):
    """What a page is to begin after does not exist."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a batch needs, as it stood.

    Attributes:
        tickets: Those of the threads, those that they are now, and those that reporters have open.
        open: A reporter's handle to the ids of their open tickets, the latest last.
    """

    tickets: list[Ticket]
    open: dict[Reporter, tuple[UUID, ...]]


async def load(tx: Connection, ticket_ids: Collection[UUID], handles: Collection[Reporter], now: datetime) -> Stored:
    """Return the tickets that exist, and what the reporters have open, locked until the transaction ends.

    Reporters with nothing open are locked as well: another process that hears of one waits, and then sees the ticket.

    Raises:
        UnavailableError: what was read is of two moments.
    """
    by_key = {handle.key: handle for handle in handles}
    rows = await tx.fetch(_OPEN, sorted(by_key), now) if by_key else []
    opened = {by_key[row["reporter"]]: tuple(row["tickets"]) for row in rows}
    wanted = {*ticket_ids, *(each for tickets in opened.values() for each in tickets)}
    tickets = [read(row["body"]) for row in await tx.fetch(_LOAD, list(wanted))]
    live = {each for ticket in tickets if ticket.merged_into is None for each in ticket.also}
    if any(ticket.merged_into is not None and ticket.ticket_id not in live for ticket in tickets):
        raise UnavailableError("a ticket was merged while its row was waited for: the batch is decided again")
    return Stored(tickets, opened)


async def locked(tx: Connection, ticket_ids: Collection[UUID]) -> dict[UUID, Ticket]:
    """Return the tickets that exist, locked until the transaction ends."""
    found = [read(row["body"]) for row in await tx.fetch(_LOAD, list(ticket_ids))]
    return {ticket.ticket_id: ticket for ticket in found}


async def keep(tx: Connection, tickets: Collection[tuple[Ticket, Turn]]) -> None:
    """Store tickets as they stand."""
    await tx.execute(_KEEP, *_columns(tickets))


async def acted(
    tx: Connection,
    tickets: Collection[tuple[Ticket, Turn]],
    lines: Sequence[tuple[Ticket, Sequence[Event]]],
    counts: Mapping[tuple[str, int, str], int],
    records: Sequence[object],
) -> None:
    """Store what people or the time did: tickets as they stand, the lines of the log, counts, records to publish.

    Args:
        tx: In which the tickets are locked: nothing else here waits for another transaction but the counts.
        tickets: As they stand now.
        lines: What was done with them.
        counts: Changes of the exact counts.
        records: As ``Outbox.columns`` returns them.
    """
    columns = _columns(tickets), _noted(lines), positions.count_columns(counts), records
    await tx.execute(_ACTED, *chain.from_iterable(columns))


async def save(
    tx: Connection,
    tickets: Collection[tuple[Ticket, Turn]],
    lines: Sequence[tuple[Ticket, Sequence[Event]]],
    book: Book,
    stored: Stored,
) -> None:
    """Store tickets as they stand, log lines, which tickets are another one now, and what reporters have open."""
    aliases = sorted(book.aliases.items())
    remembered = sorted(
        (handle.key, ",".join([each.hex for each in opened]))
        for handle, opened in book.open.items()
        if stored.open.get(handle, ()) != opened
    )
    await tx.execute(
        _SAVE,
        *_columns(tickets),
        *_noted(lines),
        [ticket_id for ticket_id, _ in aliases],
        [ticket_ref(ticket_id) for ticket_id, _ in aliases],
        [into for _, into in aliases],
        [key for key, _ in remembered],
        [opened for _, opened in remembered],
    )


def _columns(tickets: Collection[tuple[Ticket, Turn]]) -> Iterator[list[object]]:
    """Return the columns of tickets, in order of id."""
    return _TICKET_TABLE.arguments(sorted((_row(ticket, turn) for ticket, turn in tickets), key=itemgetter(0)))


def _row(ticket: Ticket, turn: Turn) -> tuple[object, ...]:
    work = work_of(ticket)
    return (
        ticket.ticket_id,
        ticket.ticket_ref,
        ticket.version,
        ticket.queue,
        ticket.standing.value,
        URGENCY.index(ticket.priority),
        ticket.classification.business_type,
        ticket.facts.channel.value.value,
        ticket.classification.language,
        ticket.place.area,
        ticket.report.value,
        ticket.facts.opened_at,
        ticket.routed_at,
        turn.lane,
        turn.rank_at,
        work.agent if work.in_hand else None,
        work.held_for if work.phase is Phase.WAITING else None,
        turn.wake_at,
        turn.level,
        min(ticket.tellings.start, _MOST_TELLINGS),
        min(ticket.tellings.stop - 1, _MOST_TELLINGS),
        ticket.urges + work.urges > 0,
        *found_by(ticket.facts, ticket.place),
        max((at for at in (work.waiting_since, work.elapsed.start) if at is not None), default=None),
        written(ticket),
    )


def _noted(lines: Sequence[tuple[Ticket, Sequence[Event]]]) -> Iterator[list[object]]:
    """Return the log's columns, a row an event."""
    rows = [
        (
            ticket.ticket_id,
            ticket.version,
            n,
            event.did.value,
            event.at,
            event.queue,
            event.agent,
            event.seconds,
            event.model_dump_json(exclude_none=True),
        )
        for ticket, events in lines
        for n, event in enumerate(events)
    ]
    return _LOG_TABLE.arguments(rows)


async def log_of(connection: Connection, ticket_id: UUID, skip: int = 0, limit: int | None = None) -> list[Event]:
    """Return what was done with a ticket, in order: so many lines after the first ones that are skipped."""
    rows = await connection.fetch(_LOG, ticket_id, skip, limit)
    return [Event.model_validate_json(row["body"], extra="ignore") for row in rows]


async def forget_reporters(connection: Connection, before: datetime) -> None:
    """Forget whose handles nobody has used since: what they had open is no longer the same matter."""
    await connection.execute(_FORGET, before)


async def by_id(connection: Connection, ticket_id: UUID) -> list[Ticket]:
    """Return the ticket with this id, if there is one."""
    return [read(row["body"]) for row in await connection.fetch(_BY_ID, ticket_id)]


async def by_ref(connection: Connection, ticket_ref: str) -> list[Ticket]:
    """Return the tickets with this reference, newest first: nearly always one."""
    return [read(row["body"]) for row in await connection.fetch(_BY_REF, ticket_ref)]


async def waiting(connection: Connection, queue: str, limit: int, after: UUID | None = None) -> list[Ticket]:
    """Return the first tickets of a queue in the order they are to be worked, or those after the place of one."""
    if after is None:
        rows = await connection.fetch(_WAITING, queue, limit)
    else:
        rows = await connection.fetch(_WAITING_AFTER, queue, limit, after)
    return [read(row["body"]) for row in rows]


@dataclass(frozen=True, slots=True)
class Depth:
    """How many tickets of one priority wait in a queue, and since when the oldest does."""

    queue: str
    priority: Priority
    waiting: int
    oldest_at: datetime


async def waking(tx: Connection, now: datetime, limit: int) -> list[Ticket]:
    """Return tickets that time has something to do with, locked; those another process has are passed over."""
    return [read(row["body"]) for row in await tx.fetch(_WAKING, now, limit)]


async def writing_for_ever(tx: Connection, queues: Collection[str] | None, limit: int) -> list[Ticket]:
    """Return tickets of these queues, or of any, that are written up without a limit, locked."""
    return [read(row["body"]) for row in await tx.fetch(_WRITING, queues, limit)]


async def depths(connection: Connection) -> list[Depth]:
    """Return what waits, by queue and priority; empty queues have no row."""
    return [
        Depth(row["queue"], URGENCY[row["priority"]], row["waiting"], row["oldest_at"])
        for row in await connection.fetch(_DEPTHS)
    ]


def written(ticket: Ticket) -> str:
    """Return a ticket as it is stored."""
    return _TICKET.dump_json(ticket, exclude_none=True).decode()


def read(body: str) -> Ticket:
    """Read a ticket as it was stored."""
    # A field that a newer release added is passed over, so that a release can be taken back.
    return _TICKET.validate_json(body, extra="ignore")
