"""Tickets whose clock has warned, and the warnings given, for supervisors.

Never here: when a warning is due. The cost depends on the size of the answer, not on how many tickets wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.router import store

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.router.domain.ticket import Ticket
    from services.runtime.postgres import Connection

# A look-up a level in the index of what is warned, the highest first.
_WARNED: Final = """
SELECT found.body FROM unnest(ARRAY[4, 3, 2, 1]) AS wanted (level) CROSS JOIN LATERAL (
    SELECT t.body::text AS body, t.opened_at FROM ticket AS t
    WHERE t.level > 0 AND t.level = wanted.level {queue} ORDER BY t.opened_at, t.ticket_id LIMIT $2
) AS found
WHERE wanted.level >= $1 ORDER BY wanted.level DESC, found.opened_at LIMIT $2
"""
WARNED: Final = _WARNED.format(queue="")
WARNED_IN: Final = _WARNED.format(queue="AND t.queue = $3")
_ESCALATIONS: Final = """
SELECT l.ticket_id, t.ticket_ref, l.at, l.queue, l.agent, l.body->>'stage' AS stage, (l.body->>'level')::int AS level
FROM ticket_log AS l JOIN ticket AS t ON t.ticket_id = l.ticket_id
WHERE l.did = 'escalated' AND l.at >= $1 AND l.at < $2 AND (l.body->>'level')::int >= $3
  AND ($4::text IS NULL OR l.queue = $4)
ORDER BY l.at DESC, l.ticket_id, l.n LIMIT $5
"""


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


async def warned(connection: Connection, level: int, queue: str | None, limit: int) -> list[Ticket]:
    """Return open tickets with a stage warned at ``level`` or above and not met, the worst and oldest first."""
    if queue is None:
        rows = await connection.fetch(WARNED, level, limit)
    else:
        rows = await connection.fetch(WARNED_IN, level, limit, queue)
    return [store.read(row["body"]) for row in rows]


async def escalations(
    connection: Connection, since: datetime, until: datetime, level: int, queue: str | None, limit: int
) -> list[Escalation]:
    """Return the warnings given in ``[since, until)``, the latest first."""
    return [Escalation(**dict(row)) for row in await connection.fetch(_ESCALATIONS, since, until, level, queue, limit)]
