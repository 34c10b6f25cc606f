"""What the router tells of tickets, so that every reference given at the door has an answer.

Decided here: which word of a ticket holds, in whatever order they come. A row is kept of a ticket that another stands
for, and of one that people have or had; of what is in an incident, or was answered, dedup tells. Never here: what a
customer said or who they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.ids import ticket_ref
from services.contracts.values import TicketState
from services.runtime.rows import columns

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import TicketRouted
    from services.runtime.postgres import Connection

# What contacts joined (version 0) is never taken apart. All rows in the order of their ids: of one ticket tell its own
# word and that of what stands for it, perhaps on two partitions at once.
_SAVE: Final = """
INSERT INTO ticket (ticket_id, ticket_ref, into_id, language, version, closed_at)
SELECT v.ticket_id, v.ticket_ref, v.into_id, v.language, v.version, v.closed_at
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int[], $6::timestamptz[], $7::boolean[])
     AS v (ticket_id, ticket_ref, into_id, language, version, closed_at, is_kept)
WHERE v.is_kept OR EXISTS (SELECT FROM ticket t WHERE t.ticket_id = v.ticket_id)
ORDER BY v.ticket_id
ON CONFLICT (ticket_id) DO UPDATE
SET into_id = excluded.into_id, language = coalesce(excluded.language, ticket.language), version = excluded.version,
    closed_at = CASE WHEN excluded.closed_at IS NOT NULL THEN coalesce(ticket.closed_at, excluded.closed_at) END
WHERE CASE
    WHEN excluded.version = 0 THEN ticket.into_id IS NULL
    ELSE excluded.version > ticket.version AND (ticket.version > 0 OR excluded.into_id IS NOT NULL)
END
"""
_OF_DEDUP: Final = frozenset({TicketState.WITH_DEDUP, TicketState.ANSWERED})


async def save_tickets(tx: Connection, routed: Iterable[TicketRouted]) -> None:
    """Remember which tickets people have or had, and which another stands for."""
    latest: dict[UUID, TicketRouted] = {}
    for one in routed:
        if (before := latest.get(one.ticket_id)) is None or one.version > before.version:
            latest[one.ticket_id] = one
    rows: dict[UUID, tuple[UUID | None, str | None, int, datetime | None, bool]] = {}
    for one in latest.values():
        rows |= dict.fromkeys(one.joined or (), (one.ticket_id, None, 0, None, True))
    for one in latest.values():  # second: a ticket's own word has its language
        if one.merged_into is not None or one.ticket_id not in rows:
            closed_at = one.routed_at if one.state is TicketState.CLOSED else None
            is_kept = one.state not in _OF_DEDUP
            rows[one.ticket_id] = (one.merged_into, one.language, one.version, closed_at, is_kept)
    if rows:
        await tx.execute(_SAVE, list(rows), [ticket_ref(ticket) for ticket in rows], *columns(rows.values()))
