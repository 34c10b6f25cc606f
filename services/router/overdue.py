"""Tickets whose clock has warned, and the warnings given, for supervisors.

Never here: when a warning is due. The cost depends on the size of the answer, not on how many tickets wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from services.router import store
from services.router.domain.sla import LEVELS

if TYPE_CHECKING:
    from datetime import datetime

    from services.router.domain.ticket import Ticket
    from services.runtime.postgres import Connection

# A look-up a level in the index of what is warned, the highest first; of a level that a page ended in, from there on.
_WARNED: Final = """
SELECT wanted.level, found.ticket_id, found.body FROM unnest(ARRAY[4, 3, 2, 1]) AS wanted (level) CROSS JOIN LATERAL (
    SELECT t.ticket_id, t.body::text AS body, t.opened_at FROM ticket AS t
    WHERE t.level > 0 AND t.level = wanted.level {queue}
      AND (t.opened_at, t.ticket_id)
        > (coalesce(CASE WHEN wanted.level = $3 THEN $4::timestamptz END, '-infinity'), $5::uuid)
    ORDER BY t.opened_at, t.ticket_id LIMIT $2
) AS found
WHERE wanted.level BETWEEN $1 AND $3 ORDER BY wanted.level DESC, found.opened_at, found.ticket_id LIMIT $2
"""
WARNED: Final = _WARNED.format(queue="")
WARNED_IN: Final = _WARNED.format(queue="AND t.queue = $6")
_OPENED: Final = "SELECT opened_at FROM ticket WHERE ticket_id = $1"
ESCALATIONS: Final = """
SELECT l.ticket_id, t.ticket_ref, l.at, l.queue, l.agent, l.body->>'stage' AS stage, (l.body->>'level')::int AS level,
    concat_ws('.', l.ticket_id, l.version, l.n) AS place
FROM ticket_log AS l JOIN ticket AS t ON t.ticket_id = l.ticket_id
WHERE l.did = 'escalated' AND l.at >= $1 AND l.at < $2 AND (l.body->>'level')::int >= $3
  AND ($4::text IS NULL OR l.queue = $4)
  AND (l.at, l.ticket_id, l.version, l.n) < (coalesce($6::timestamptz, 'infinity'), $7::uuid, $8::int, $9::int)
ORDER BY l.at DESC, l.ticket_id DESC, l.version DESC, l.n DESC LIMIT $5
"""
_TOLD: Final = "SELECT at FROM ticket_log WHERE ticket_id = $1 AND version = $2 AND n = $3"
_ID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
WARNED_PLACE: Final = rf"^[1-4]\.{_ID}$"
"""Where a page of warned tickets ended: the level that the last was warned at, and its id."""
ESCALATIONS_PLACE: Final = rf"^{_ID}\.\d{{1,9}}\.\d{{1,4}}$"
"""Where a page of warnings ended: the line of the log of the last."""
_ZERO: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Escalation:
    """A warning that was given: of which stage, at which level, and where the ticket was then."""

    ticket_id: UUID
    ticket_ref: str
    at: datetime
    queue: str | None
    agent: str | None
    stage: str
    level: int


async def warned(
    connection: Connection, level: int, queue: str | None, limit: int, after: str | None = None
) -> tuple[list[Ticket], str | None]:
    """Return open tickets with a stage warned at ``level`` or above and not met, the worst and oldest first.

    And where to go on after, None at the end. Whoever is warned at a higher level meanwhile stands further ahead.

    Raises:
        NoSuchPlaceError: there is no ticket to go on after.
    """
    top, begin, last = LEVELS, None, _ZERO
    if after is not None:
        said, _, ticket_id = after.partition(".")
        top, last = int(said), UUID(ticket_id)
        begin = await connection.fetchval(_OPENED, last)
        if begin is None:
            raise store.NoSuchPlaceError
    asked = (level, limit, top, begin, last)
    rows = await (connection.fetch(WARNED, *asked) if queue is None else connection.fetch(WARNED_IN, *asked, queue))
    further = f"{rows[-1]['level']}.{rows[-1]['ticket_id']}" if len(rows) == limit else None
    return [store.read(row["body"]) for row in rows], further


async def escalations(
    connection: Connection,
    since: datetime,
    until: datetime,
    level: int,
    queue: str | None,
    limit: int,
    after: str | None,
) -> tuple[list[Escalation], str | None]:
    """Return the warnings given in ``[since, until)``, the latest first, and where to go on after; None at the end.

    Raises:
        NoSuchPlaceError: there is no warning to go on after.
    """
    at, line = None, (_ZERO, 0, 0)
    if after is not None:
        ticket_id, version, n = after.split(".")
        line = UUID(ticket_id), int(version), int(n)
        at = await connection.fetchval(_TOLD, *line)
        if at is None:
            raise store.NoSuchPlaceError
    rows = await connection.fetch(ESCALATIONS, since, until, level, queue, limit, at, *line)
    found = [Escalation(**{name: value for name, value in row.items() if name != "place"}) for row in rows]
    return found, rows[-1]["place"] if len(rows) == limit else None
