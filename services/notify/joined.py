"""Which tickets another one stands for, so that every reference given at the door tells of its outage.

Decided here: which word of a ticket holds, in whatever order they come. Never here: what a customer said or who they
are; a row is kept only of a ticket that joined another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.ids import ticket_ref

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from services.contracts.messages import TicketRouted
    from services.runtime.postgres import Connection

_SAVE: Final = """
INSERT INTO joined (ticket_id, ticket_ref, into_id, language, version)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int[]) AS v (ticket_id)
ORDER BY v.ticket_id
ON CONFLICT (ticket_id) DO UPDATE
SET into_id = excluded.into_id, language = excluded.language, version = excluded.version
WHERE excluded.version > joined.version
"""
# What contacts joined is never taken apart. A merge and its undoing come in order: neither moves the ticket's queue.
_PART: Final = """
WITH parted AS (
    SELECT j.ticket_id FROM unnest($1::uuid[], $2::int[]) AS v (ticket_id, version) JOIN joined j USING (ticket_id)
    WHERE j.version > 0 AND v.version > j.version
    ORDER BY j.ticket_id FOR UPDATE OF j
)
DELETE FROM joined j USING parted WHERE j.ticket_id = parted.ticket_id
"""


async def save_joined(tx: Connection, routed: Iterable[TicketRouted]) -> None:
    """Remember which tickets another stands for, and forget it of those that stand for themselves again."""
    latest: dict[UUID, TicketRouted] = {}
    for one in routed:
        if (before := latest.get(one.ticket_id)) is None or one.version > before.version:
            latest[one.ticket_id] = one
    rows: dict[UUID, tuple[UUID, str | None, int]] = {}
    parted: dict[UUID, int] = {}
    for one in latest.values():
        rows |= dict.fromkeys(one.joined or (), (one.ticket_id, None, 0))
    for one in latest.values():  # second: a ticket's own word has its language
        if one.merged_into is not None:
            rows[one.ticket_id] = (one.merged_into, one.language, one.version)
        else:
            parted[one.ticket_id] = one.version
    if parted:
        await tx.execute(_PART, list(parted), list(parted.values()))
    if rows:
        into, languages, versions = (list(column) for column in zip(*rows.values(), strict=True))
        await tx.execute(_SAVE, list(rows), [ticket_ref(ticket) for ticket in rows], into, languages, versions)
