"""Commands and planned outages, for the API. One query per question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.dedup.store.acts import subject
from services.dedup.store.views import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from services.contracts.messages import OutageCommanded
    from services.runtime.postgres import Connection

_GIVE: Final = """
INSERT INTO command (command_id, area, action, subject, body, author, accepted_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING true
"""
_SHOWN: Final = """
SELECT command_id, area, action, subject, body, author, accepted_at, outcome, wrong, decided_at,
       undoable OR undoable_plan AS undoable, undone_by
FROM command
"""
_COMMAND: Final = f"{_SHOWN} WHERE command_id = $1"
_BEFORE: Final = """
(accepted_at, command_id) < (coalesce($1::timestamptz, 'infinity'), $2::uuid)
ORDER BY accepted_at DESC, command_id DESC LIMIT $3
"""
_COMMANDS: Final = f"{_SHOWN} WHERE {_BEFORE}"
# A thing has few: found by what they are about, never by looking through all from the last on.
_ABOUT: Final = f"""
WITH about AS MATERIALIZED (
    SELECT command_id FROM command WHERE subject = $4
    UNION SELECT command_id FROM command WHERE incidents @> ARRAY[$4::uuid]
)
{_SHOWN} WHERE command_id IN (TABLE about) AND {_BEFORE}
"""  # noqa: S608 - ours
_PLANNED: Final = """
SELECT * FROM planned_outage
WHERE ($1::text IS NULL OR area = $1) AND ends_at > $2
  AND ($3::timestamptz IS NULL OR (starts_at, planned_id) > ($3, $4::uuid))
ORDER BY starts_at, planned_id LIMIT $5
"""
_PLANNED_AT: Final = """
SELECT * FROM planned_outage
WHERE area = $1 AND device_id = ANY($2::text[]) AND ends_at > $3 AND NOT cancelled
ORDER BY starts_at, planned_id LIMIT 50
"""
_ONE_PLANNED: Final = "SELECT * FROM planned_outage WHERE planned_id = $1"


async def give(tx: Connection, command: OutageCommanded) -> bool:
    """Keep an accepted command; False where its id is taken or one about the same thing is undecided."""
    row = (
        *(command.command_id, command.area, command.action.value, subject(command)),
        *(command.model_dump_json(exclude_none=True), command.author, command.accepted_at),
    )
    return bool(await tx.fetchval(_GIVE, *row))


async def command_of(connection: Connection, command_id: UUID) -> asyncpg.Record | None:
    """Return one command and what came of it."""
    return await connection.fetchrow(_COMMAND, command_id)


async def commands_about(
    connection: Connection, about: UUID | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Return the commands about one thing, or all, youngest first, after the one at ``after``."""
    asked = *(after or BEGINNING), limit
    return await (connection.fetch(_COMMANDS, *asked) if about is None else connection.fetch(_ABOUT, *asked, about))


async def planned_outages(
    connection: Connection, area: str | None, ending_after: datetime, after: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Return planned outages that end after a moment, by their start, after the one at ``after``."""
    starts_at, planned_id = after or (None, None)
    return await connection.fetch(_PLANNED, area, ending_after, starts_at, planned_id, limit)


async def planned_at(
    connection: Connection, area: str, devices: Sequence[str], ending_after: datetime
) -> list[asyncpg.Record]:
    """Return planned outages at any of an area's devices that end after a moment, by their start."""
    return await connection.fetch(_PLANNED_AT, area, devices, ending_after)


async def planned_outage(connection: Connection, planned_id: UUID) -> asyncpg.Record | None:
    """Return one planned outage."""
    return await connection.fetchrow(_ONE_PLANNED, planned_id)
