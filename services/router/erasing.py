"""Erasing what the router keeps of customers: tickets a few at a time, found by an index.

Decided here: in what order. A ticket's row is locked for as long as it is written, and one that another transaction has
is left for the next run: nobody waits for this. Never here: what remains of a ticket (``domain.erased``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from services.contracts.ids import parse_ticket_ref
from services.router import store
from services.router.domain.erased import Live, erased, why_live
from services.router.domain.repeats import account_of, number_of, reporters

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from services.router.domain.ticket import Ticket
    from services.runtime.postgres import Connection

_OPENED: Final = """
SELECT opened_at, ticket_id FROM ticket
WHERE opened_at < $1 AND (opened_at, ticket_id) > ($2, $3::uuid)
ORDER BY opened_at, ticket_id LIMIT $4
"""
_HOW_MANY: Final = "SELECT count(*) FROM ticket WHERE opened_at < $1 AND opened_at >= $2"
_OF_NUMBER: Final = """
SELECT ticket_id FROM ticket WHERE phone = $1 UNION SELECT ticket_id FROM ticket WHERE call_back = $1
"""
_OF_ACCOUNT: Final = "SELECT ticket_id FROM ticket WHERE account = $1"
# A joined ticket and the one it joined are one case; two cases may have one reference.
_OF_REF: Final = """
SELECT ticket_id, coalesce(into_id, ticket_id) AS whose FROM ticket LEFT JOIN ticket_alias AS a USING (ticket_id)
WHERE ticket.ticket_ref = $1
UNION SELECT into_id, into_id FROM ticket_alias WHERE ticket_ref = $1
"""
_OF_ID: Final = """
SELECT ticket_id FROM ticket WHERE ticket_id = $1 UNION SELECT into_id FROM ticket_alias WHERE ticket_id = $1
"""
_WHICH: Final = "SELECT ticket_id, opened_at, channel FROM ticket WHERE ticket_id = ANY($1::uuid[]) ORDER BY opened_at"
_READ: Final = "SELECT body::text AS body FROM ticket WHERE ticket_id = ANY($1::uuid[])"
_NOT_ERASED: Final = f"{_READ} AND body ->> 'erased_at' IS NULL ORDER BY opened_at, ticket_id"
_LOCK: Final = """
SELECT body::text AS body FROM ticket WHERE ticket_id = ANY($1::uuid[]) ORDER BY ticket_id FOR UPDATE SKIP LOCKED
"""
_ERASE: Final = """
UPDATE ticket AS t SET body = v.body::json, account = NULL, phone = NULL, call_back = NULL
FROM unnest($1::uuid[], $2::text[]) AS v (ticket_id, body) WHERE t.ticket_id = v.ticket_id
"""
_ERASE_LOG: Final = """
UPDATE ticket_log SET body = body - 'note' - 'place'
WHERE ticket_id = ANY($1::uuid[]) AND body ?| ARRAY['note', 'place']
"""
# What is open under one of the handles is told by it again: such a row stays until it has been forgotten by its age.
_FORGET_REPORTERS: Final = """
DELETE FROM ticket_reporter WHERE reporter IN (
    SELECT reporter FROM ticket_reporter WHERE reporter = ANY($1::uuid[]) ORDER BY reporter FOR UPDATE
) AND tickets <@ $2::uuid[]
"""
_FORGET_AGENTS: Final = "DELETE FROM customer_agent WHERE customer = ANY($1::uuid[])"
_BEGIN: Final = """
INSERT INTO erasure (author, asked, before, began_at, counts, kept) VALUES ($1, $2, $3, now(), '{}', '{}')
RETURNING erasure_id
"""
_NOTE: Final = """
UPDATE erasure SET counts = $2, kept = $3, kept_from = $4, ended_at = CASE WHEN $5 THEN now() END WHERE erasure_id = $1
"""
_KEPT_FROM: Final = "SELECT max(kept_from) FROM erasure WHERE asked = 'age'"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A ticket that may be erased, unless its report or a notice is still needed.

    Attributes:
        ticket: As it stands.
        live: Why the router keeps it; None where it need not.
    """

    ticket: Ticket
    live: Live | None


async def opened_before(
    connection: Connection, before: datetime, after: tuple[datetime, UUID], limit: int
) -> list[tuple[datetime, UUID]]:
    """Return when tickets were opened and their ids: before a moment, oldest first, those after a place."""
    return [(row["opened_at"], row["ticket_id"]) for row in await connection.fetch(_OPENED, before, *after, limit)]


async def how_many(connection: Connection, since: datetime, before: datetime) -> int:
    """Count the tickets opened in a time."""
    return int(await connection.fetchval(_HOW_MANY, before, since))


async def of_person(
    connection: Connection, *, phone: str | None = None, account: str | None = None, ref: str | None = None
) -> list[UUID]:
    """Return the tickets of a telephone number, an account or a reference, each by its index.

    Args:
        connection: Of this service's schema.
        phone: A number.
        account: An account.
        ref: A reference, or a ticket's id.

    Raises:
        ValueError: what was given is no number, account or reference that a customer can have, or a reference that
            several tickets have.
    """
    if ref is not None:
        if (ticket_id := _id(ref)) is not None:
            rows = await connection.fetch(_OF_ID, ticket_id)
        else:
            rows = await connection.fetch(_OF_REF, parse_ticket_ref(ref))
            if len(several := {row["whose"] for row in rows}) > 1:
                raise ValueError(await _which(connection, several))
    elif phone is not None:
        if (number := number_of(phone)) is None:
            raise ValueError("it is no telephone number that a customer can have")
        rows = await connection.fetch(_OF_NUMBER, number.key)
    else:
        if not (handle := account_of(account or "")).value:
            raise ValueError("an account has letters or digits")
        rows = await connection.fetch(_OF_ACCOUNT, handle.key)
    return [row["ticket_id"] for row in rows]


def _id(ref: str) -> UUID | None:
    try:
        return UUID(ref)
    except ValueError:
        return None


async def _which(connection: Connection, tickets: Collection[UUID]) -> str:
    """Say which tickets have one reference, so that their customers can be told apart."""
    found = await connection.fetch(_WHICH, list(tickets))
    listed = (
        f"{row['ticket_id']} (opened at {row['opened_at']:%Y-%m-%d %H:%M} UTC, {row['channel']})" for row in found
    )
    return f"{len(found)} tickets have this reference; say which by its id: {', '.join(listed)}"


async def candidates(connection: Connection, ticket_ids: Sequence[UUID], before: datetime) -> list[Candidate]:
    """Return those of the tickets that are not erased yet, oldest first, each with why it is to be left."""
    tickets = [store.read(row["body"]) for row in await connection.fetch(_NOT_ERASED, ticket_ids)]
    known = {ticket.ticket_id: ticket for ticket in tickets}
    while missing := {into for each in known.values() if (into := _into(each)) is not None} - known.keys():
        found = [store.read(row["body"]) for row in await connection.fetch(_READ, list(missing))]
        known |= {ticket.ticket_id: ticket for ticket in found}
        if missing - known.keys():
            break
    return [Candidate(ticket, why_live(ticket, _last(ticket, known), before)) for ticket in tickets]


def _into(ticket: Ticket) -> UUID | None:
    return ticket.merged_into or (None if ticket.work is None else ticket.work.merged_into)


def _last(ticket: Ticket, known: Mapping[UUID, Ticket]) -> Ticket | None:
    """Return the last of those a ticket is merged into; None where it is in none."""
    last, at, steps = None, ticket, len(known)
    while steps and (into := _into(at)) is not None and into in known:
        last = at = known[into]
        steps -= 1
    return last


async def erase(connection: Connection, ticket_ids: Collection[UUID], before: datetime, at: datetime) -> set[UUID]:
    """Erase tickets, in a transaction; return those that are. One that somebody has just now is passed over.

    What tells their customers again goes first, as nothing leads to it afterwards; and by itself, as a batch takes it
    before its tickets: neither may wait for the other in a ring.
    """
    named = [store.read(row["body"]) for row in await connection.fetch(_READ, list(ticket_ids))]
    if keys := sorted({handle.key for ticket in named for handle in reporters(ticket.facts)}):
        every = [one for ticket in named for one in (ticket.ticket_id, *ticket.also)]
        await connection.execute(_FORGET_REPORTERS, keys, every)
        await connection.execute(_FORGET_AGENTS, keys)
    done: list[Ticket] = []
    async with connection.transaction():
        for row in await connection.fetch(_LOCK, list(ticket_ids)):
            ticket = store.read(row["body"])
            if ticket.erased_at is None and why_live(ticket, None, before) is None:
                done.append(ticket)
        bodies = [store.written(erased(ticket, at)) for ticket in done]
        gone = [ticket.ticket_id for ticket in done]
        await connection.execute(_ERASE, gone, bodies)
        await connection.execute(_ERASE_LOG, gone)
    return set(gone)


async def began(connection: Connection, author: str, asked: str, before: datetime) -> int:
    """Write down that an erasure begins; return its number."""
    return int(await connection.fetchval(_BEGIN, author, asked, before))


async def note(
    connection: Connection,
    erasure: int,
    counts: Mapping[str, int],
    kept: Mapping[str, int],
    kept_from: datetime | None,
    *,
    over: bool,
) -> None:
    """Write down how far an erasure has come."""
    await connection.execute(_NOTE, erasure, json.dumps(counts), json.dumps(kept), kept_from, over)


async def kept_from(connection: Connection) -> datetime | None:
    """Return from where on there is something to erase by age; None where nothing was erased so yet."""
    found: datetime | None = await connection.fetchval(_KEPT_FROM)
    return found
