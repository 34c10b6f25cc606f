"""What the router tells of tickets, so that every reference given at the door has an answer.

Decided here: which word of a ticket holds, in whatever order they come. A row is kept of a ticket that another stands
for, and of one that people have or had; of what is in an incident, or was answered, dedup tells. Never here: what a
customer said or who they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.ids import ticket_ref
from services.contracts.values import TicketState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import TicketRouted
    from services.runtime.postgres import Connection

# What contacts joined (version 0) is never taken apart.
_SAVE: Final = """
INSERT INTO ticket (ticket_id, ticket_ref, into_id, language, version, closed_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int[], $6::timestamptz[]) AS v (ticket_id)
ORDER BY v.ticket_id
ON CONFLICT (ticket_id) DO UPDATE
SET into_id = excluded.into_id, language = coalesce(excluded.language, ticket.language), version = excluded.version,
    closed_at = CASE WHEN excluded.closed_at IS NOT NULL THEN coalesce(ticket.closed_at, excluded.closed_at) END
WHERE CASE
    WHEN excluded.version = 0 THEN ticket.into_id IS NULL
    ELSE excluded.version > ticket.version AND (ticket.version > 0 OR excluded.into_id IS NOT NULL)
END
"""
# Dedup has it: nothing is kept of it that was not before.
_LEAVE: Final = """
WITH left_people AS (
    SELECT t.ticket_id, v.version FROM unnest($1::uuid[], $2::int[]) AS v (ticket_id, version)
    JOIN ticket t USING (ticket_id)
    WHERE t.version > 0 AND v.version > t.version
    ORDER BY t.ticket_id FOR UPDATE OF t
)
UPDATE ticket t SET into_id = NULL, closed_at = NULL, version = l.version
FROM left_people l WHERE t.ticket_id = l.ticket_id
"""
_OF_DEDUP: Final = frozenset({TicketState.WITH_DEDUP, TicketState.ANSWERED})

_Row = tuple["UUID | None", "str | None", int, "datetime | None"]


async def save_tickets(tx: Connection, routed: Iterable[TicketRouted]) -> None:
    """Remember which tickets people have or had, and which another stands for."""
    latest: dict[UUID, TicketRouted] = {}
    for one in routed:
        if (before := latest.get(one.ticket_id)) is None or one.version > before.version:
            latest[one.ticket_id] = one
    joined: dict[UUID, _Row] = {}
    rows: dict[UUID, _Row] = {}
    left: dict[UUID, int] = {}
    for one in latest.values():
        joined |= dict.fromkeys(one.joined or (), (one.ticket_id, None, 0, None))
        if one.state in _OF_DEDUP:
            left[one.ticket_id] = one.version
        else:
            closed_at = one.routed_at if one.state is TicketState.CLOSED else None
            rows[one.ticket_id] = (one.merged_into, one.language, one.version, closed_at)
    await _save(tx, joined)
    await _save(tx, rows)
    if left:
        await tx.execute(_LEAVE, list(left), list(left.values()))


async def _save(tx: Connection, rows: dict[UUID, _Row]) -> None:
    if rows:
        columns = (list(column) for column in zip(*rows.values(), strict=True))
        await tx.execute(_SAVE, list(rows), [ticket_ref(ticket) for ticket in rows], *columns)
