"""Tickets in Postgres: one query to load a batch's, one to save them, and what the queues' readers ask.

Never here: a decision. A ticket is stored whole; the columns beside it are only for finding and ordering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.router.domain.classify import URGENCY
from services.router.domain.ticket import Ticket

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import ContactReceived
    from services.contracts.values import Priority
    from services.runtime.postgres import Connection

# In order of id, so that two processes that need the same tickets never wait for each other in a ring. All that is
# decided on is in the locked row: another table would be read as it was before a lock was waited for.
_LOAD: Final = """
SELECT body::text AS body FROM ticket
WHERE ticket_id = ANY($1::uuid[])
ORDER BY ticket_id
FOR UPDATE
"""
_SAVE: Final = """
WITH saved AS (
    INSERT INTO ticket (
        ticket_id, ticket_ref, version, queue, state, priority, business_type, channel, language, area, report,
        opened_at, routed_at, body
    )
    SELECT ticket_id, ticket_ref, version, queue, state, priority, business_type, channel, language, area, report,
           opened_at, routed_at, body::jsonb
    FROM unnest(
        $1::uuid[], $2::text[], $3::int[], $4::text[], $5::text[], $6::smallint[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::text[]
    ) AS v (
        ticket_id, ticket_ref, version, queue, state, priority, business_type, channel, language, area, report,
        opened_at, routed_at, body
    )
    ON CONFLICT (ticket_id) DO UPDATE SET
        version = excluded.version,
        queue = excluded.queue,
        state = excluded.state,
        priority = excluded.priority,
        business_type = excluded.business_type,
        channel = excluded.channel,
        language = excluded.language,
        area = excluded.area,
        report = excluded.report,
        opened_at = excluded.opened_at,
        routed_at = excluded.routed_at,
        body = excluded.body
)
INSERT INTO ticket_contact (contact_id, ticket_id, channel, event, occurred_at, received_at)
SELECT * FROM unnest($15::uuid[], $16::uuid[], $17::text[], $18::text[], $19::timestamptz[], $20::timestamptz[])
"""
_BY_ID: Final = """
SELECT body::text AS body FROM ticket WHERE ticket_id = $1
"""
_BY_REF: Final = """
SELECT body::text AS body FROM ticket WHERE ticket_ref = $1 ORDER BY opened_at DESC LIMIT 20
"""
_WAITING: Final = """
SELECT body::text AS body FROM ticket
WHERE queue = $1 AND state = 'queued'
ORDER BY priority, opened_at, ticket_id
LIMIT $2
"""
_DEPTHS: Final = """
SELECT queue, priority, count(*) AS waiting, min(opened_at) AS oldest_at
FROM ticket
WHERE state = 'queued' AND ($1::text IS NULL OR queue = $1)
GROUP BY queue, priority
ORDER BY queue, priority
"""


async def load(tx: Connection, ticket_ids: Collection[UUID]) -> dict[UUID, Ticket]:
    """Return the tickets that exist, locked until the transaction ends."""
    tickets = [_ticket(row["body"]) for row in await tx.fetch(_LOAD, list(ticket_ids))]
    return {ticket.ticket_id: ticket for ticket in tickets}


async def save(tx: Connection, tickets: Sequence[Ticket], contacts: Sequence[tuple[ContactReceived, datetime]]) -> None:
    """Store tickets as they stand, and the contacts that are new to them with their bounded event times."""
    ordered = sorted(tickets, key=lambda ticket: ticket.ticket_id)
    await tx.execute(
        _SAVE,
        [ticket.ticket_id for ticket in ordered],
        [ticket.ticket_ref for ticket in ordered],
        [ticket.version for ticket in ordered],
        [ticket.queue for ticket in ordered],
        [ticket.state.value for ticket in ordered],
        [URGENCY.index(ticket.priority) for ticket in ordered],
        [ticket.classification.business_type for ticket in ordered],
        [ticket.facts.channel.value.value for ticket in ordered],
        [ticket.classification.language for ticket in ordered],
        [ticket.place.area for ticket in ordered],
        [ticket.report.value for ticket in ordered],
        [ticket.facts.opened_at for ticket in ordered],
        [ticket.routed_at for ticket in ordered],
        [ticket.model_dump_json(exclude_none=True) for ticket in ordered],
        [contact.contact_id for contact, _ in contacts],
        [contact.ticket_id for contact, _ in contacts],
        [contact.channel.value for contact, _ in contacts],
        [contact.event for contact, _ in contacts],
        [at for _, at in contacts],  # not as sent: a clock may say the year 1, which the database cannot hold
        [contact.received_at for contact, _ in contacts],
    )


async def by_id(connection: Connection, ticket_id: UUID) -> list[Ticket]:
    """Return the ticket with this id, if there is one."""
    return [_ticket(row["body"]) for row in await connection.fetch(_BY_ID, ticket_id)]


async def by_ref(connection: Connection, ticket_ref: str) -> list[Ticket]:
    """Return the tickets with this reference, newest first: nearly always one."""
    return [_ticket(row["body"]) for row in await connection.fetch(_BY_REF, ticket_ref)]


async def waiting(connection: Connection, queue: str, limit: int) -> list[Ticket]:
    """Return the first tickets of a queue in the order they are to be worked."""
    return [_ticket(row["body"]) for row in await connection.fetch(_WAITING, queue, limit)]


@dataclass(frozen=True, slots=True)
class Depth:
    """How many tickets of one priority wait in a queue, and since when the oldest does."""

    queue: str
    priority: Priority
    waiting: int
    oldest_at: datetime


async def depths(connection: Connection, queue: str | None = None) -> list[Depth]:
    """Return what waits, by queue and priority; empty queues have no row."""
    return [
        Depth(row["queue"], URGENCY[row["priority"]], row["waiting"], row["oldest_at"])
        for row in await connection.fetch(_DEPTHS, queue)
    ]


def _ticket(body: str) -> Ticket:
    # A field that a newer release added is passed over, so that a release can be taken back.
    return Ticket.model_validate_json(body, extra="ignore")
