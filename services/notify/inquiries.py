"""Queries about what notify stores: a customer's last report, a reference, an incident's notices.

Never here: what is answered (``domain.asked``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.contracts.ids import report_id
from services.notify.customers import INCIDENT, settled_of, standing_of
from services.notify.domain.asked import Asked, of_another, of_ticket
from services.notify.domain.notice import Reporter, Turn, link_id

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from asyncpg import Record

    from services.contracts.messages import RecipientHeard
    from services.runtime.postgres import Connection, Pool

_ASKED: Final = f"""
SELECT r.report_id, r.ticket_id, r.ticket_ref, r.language, r.turn, r.outcome, r.reason, r.settled_at, r.expected_at,
       s.joined_revision, s.joined_at, t.closed_at, {", ".join(f"i.{name}" for name in INCIDENT.columns)}
FROM report r
LEFT JOIN ticket t USING (ticket_id)
LEFT JOIN LATERAL (
    SELECT * FROM subscription
    WHERE subscription.report_id = r.report_id AND joined_revision > left_revision
    ORDER BY joined_at DESC LIMIT 1
) AS s ON true
LEFT JOIN incident i ON i.incident_id = s.incident_id
"""  # noqa: S608 - ours
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
    SELECT ticket_id, into_id, language, closed_at, true AS is_known, 1 AS steps FROM ticket WHERE ticket_ref = $1
    UNION
    SELECT way.into_id, t.into_id, coalesce(way.language, t.language), t.closed_at, t.ticket_id IS NOT NULL,
           way.steps + 1
    FROM way LEFT JOIN ticket t ON t.ticket_id = way.into_id WHERE way.into_id IS NOT NULL AND way.steps < $2
)
SELECT ticket_id, language, closed_at, is_known FROM way ORDER BY steps
"""
_MOST_STEPS: Final = 50
_COUNTS: Final = """
SELECT stage, channel, state, count(*) AS count, max(revision) AS last_revision, min(made_at) AS first_made_at,
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
    count: int
    last_revision: int
    first_made_at: datetime
    last_sent_at: datetime | None


async def report_of(tx: Connection, asking: RecipientHeard) -> tuple[Reporter, Asked] | None:
    """Return what is known of the report that a recipient asks about: their last, or that of a reference they name."""
    if asking.ticket_ref is None:
        row = await tx.fetchrow(_LAST_REPORT, link_id(asking.recipient))
        found = None if row is None else (_Named.of(row), _asked(row))
    else:
        found = next(iter(await _named(tx, asking.ticket_ref)), None)
    if found is None:
        return None
    named, asked = found
    ref = asking.ticket_ref or named.ticket_ref
    about = Reporter(named.report_id, named.ticket_id, ref, asked.language, asking.recipient, named.turn)
    return about, asked


async def find_reports(pool: Pool, ticket_ref: str) -> list[Asked]:
    """Return what is known of the reports with this reference: nearly always one, or none."""
    return [asked for _, asked in await _named(pool, ticket_ref)]


@dataclass(frozen=True, slots=True)
class _Named:
    """The report that a question is about, or that its ticket would have."""

    report_id: UUID
    ticket_id: UUID
    ticket_ref: str
    turn: Turn = Turn.OTHERS

    @classmethod
    def of(cls, row: Record) -> _Named:
        return cls(row["report_id"], row["ticket_id"], row["ticket_ref"], Turn(row["turn"]))


async def _named(source: Pool | Connection, ticket_ref: str) -> list[tuple[_Named, Asked]]:
    """Return the reports that a reference names, each with what is known of it.

    A ticket without a report of its own is told of the nearest that stands for it, in its own language where that is
    known: of another customer nothing is shown but the state of the outage. Where none does, people have it, or what
    stands for it.
    """
    if rows := await source.fetch(_STATUS, ticket_ref):
        return [(_Named.of(row), _asked(row)) for row in rows]
    way = await source.fetch(_STANDS_FOR, ticket_ref, _MOST_STEPS)
    if not way:
        return []
    reports = [report_id(row["ticket_id"]) for row in way]
    known = {row["report_id"]: row for row in await source.fetch(_REPORTS, reports)}
    for step, report in zip(way, reports, strict=True):
        if report in known:
            return [(_Named.of(known[report]), of_another(_asked(known[report]), step["language"]))]
    last = [row for row in way if row["is_known"]][-1]
    named = _Named(report_id(last["ticket_id"]), last["ticket_id"], ticket_ref)
    return [(named, of_ticket(last["language"], last["closed_at"]))]


async def count_notices(pool: Pool, incident: UUID) -> list[NoticeCount] | None:
    """Count an incident's notices; None for an incident never heard of."""
    async with pool.acquire() as connection:
        if not await connection.fetchval(_KNOWS_INCIDENT, incident):
            return None
        return [NoticeCount(**row) for row in await connection.fetch(_COUNTS, incident)]


def _asked(row: Record) -> Asked:
    return Asked(
        language=row["language"],
        settled=settled_of(row) if row["settled_at"] else None,
        joined_revision=row["joined_revision"] or 0,
        joined_at=row["joined_at"],
        standing=standing_of(row) if row["incident_id"] else None,
        closed_at=row["closed_at"],
    )
