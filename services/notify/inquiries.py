"""Queries about what notify stores: a customer's last report, a reference, an incident's notices.

Never here: what is answered (``domain.asked``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.contracts.ids import report_id
from services.notify.domain.asked import Asked, Settled, of_another
from services.notify.domain.notice import Reporter, Turn, link_id
from services.notify.store import standing_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from asyncpg import Record

    from services.contracts.messages import RecipientHeard
    from services.runtime.postgres import Connection, Pool

_ASKED: Final = """
SELECT r.report_id, r.ticket_id, r.ticket_ref, r.language, r.turn, r.outcome, r.reason, r.settled_at, r.expected_at,
       s.joined_revision, s.joined_at,
       i.incident_id, i.revision, i.state, i.etr, i.etr_since, i.restored_at, i.state_since, i.known_since,
       i.changed_at, i.area, i.device, i.progress, i.storm
FROM report r
LEFT JOIN LATERAL (
    SELECT * FROM subscription
    WHERE subscription.report_id = r.report_id AND joined_revision > left_revision
    ORDER BY joined_at DESC LIMIT 1
) AS s ON true
LEFT JOIN incident i ON i.incident_id = s.incident_id
"""
_LAST_REPORT: Final = f"""
{_ASKED} JOIN recipient p USING (recipient_id)
WHERE p.link_id = $1
ORDER BY greatest(s.joined_at, r.settled_at) DESC NULLS LAST, r.report_id LIMIT 1
"""
_STATUS: Final = f"{_ASKED} WHERE r.ticket_ref = $1 ORDER BY r.report_id"
_REPORTS: Final = f"{_ASKED} WHERE r.report_id = ANY($1::uuid[]) ORDER BY r.report_id"
# What stands for a ticket, for that, and so on: each step once, so that a circle that should not be there ends.
_STANDS_FOR: Final = """
WITH RECURSIVE way AS (
    SELECT into_id, language, 1 AS steps FROM joined WHERE ticket_ref = $1
    UNION
    SELECT j.into_id, coalesce(way.language, j.language), way.steps + 1
    FROM way JOIN joined j ON j.ticket_id = way.into_id WHERE way.steps < $2
)
SELECT into_id, language, steps FROM way ORDER BY steps
"""
_MOST_STEPS: Final = 50
_COUNTS: Final = """
SELECT stage, channel, state, count(*) AS n, max(revision) AS last_revision, min(made_at) AS first_made_at,
       max(sent_at) AS last_sent_at
FROM notice WHERE incident_id = $1
GROUP BY stage, channel, state ORDER BY min(seq)
"""
_KNOWS_INCIDENT: Final = "SELECT EXISTS (SELECT FROM incident WHERE incident_id = $1)"


@dataclass(frozen=True, slots=True)
class NoticeCount:
    """Notices of an incident that share stage, channel and state."""

    stage: str
    channel: str
    state: str
    n: int
    last_revision: int
    first_made_at: datetime
    last_sent_at: datetime | None


async def report_of(tx: Connection, asking: RecipientHeard) -> tuple[Reporter, Asked] | None:
    """Return what is known of the report that a recipient asks about: their last, or that of a reference they name."""
    if asking.ticket_ref is None:
        row = await tx.fetchrow(_LAST_REPORT, link_id(asking.recipient))
        found = None if row is None else (row, _asked(row))
    else:
        found = next(iter(await _named(tx, asking.ticket_ref)), None)
    if found is None:
        return None
    row, asked = found
    ref = asking.ticket_ref or row["ticket_ref"]
    turn = Turn(row["turn"])
    return Reporter(row["report_id"], row["ticket_id"], ref, asked.language, asking.recipient, turn), asked


async def find_reports(pool: Pool, ticket_ref: str) -> list[Asked]:
    """Return what is known of the reports with this reference: nearly always one, or none."""
    return [asked for _, asked in await _named(pool, ticket_ref)]


async def _named(source: Pool | Connection, ticket_ref: str) -> list[tuple[Record, Asked]]:
    """Return the reports that a reference names, each with what is known of it.

    A ticket without a report of its own is told of the nearest that stands for it, in its own language where that is
    known: of another customer nothing is shown but the state of the outage.
    """
    if rows := await source.fetch(_STATUS, ticket_ref):
        return [(row, _asked(row)) for row in rows]
    steps = await source.fetch(_STANDS_FOR, ticket_ref, _MOST_STEPS)
    way = [(report_id(row["into_id"]), row["language"]) for row in steps]
    known = {row["report_id"]: row for row in await source.fetch(_REPORTS, [one for one, _ in way])} if way else {}
    near = next(((known[report], language) for report, language in way if report in known), None)
    return [] if near is None else [(near[0], of_another(_asked(near[0]), near[1]))]


async def count_notices(pool: Pool, incident: UUID) -> list[NoticeCount] | None:
    """Count an incident's notices; None for an incident never heard of."""
    async with pool.acquire() as connection:
        if not await connection.fetchval(_KNOWS_INCIDENT, incident):
            return None
        return [NoticeCount(**row) for row in await connection.fetch(_COUNTS, incident)]


def _settled(row: Record) -> Settled:
    return Settled(row["outcome"], row["reason"], row["settled_at"], row["expected_at"])


def _asked(row: Record) -> Asked:
    return Asked(
        language=row["language"],
        settled=_settled(row) if row["settled_at"] else None,
        joined_revision=row["joined_revision"] or 0,
        joined_at=row["joined_at"],
        standing=standing_of(row) if row["incident_id"] else None,
    )
