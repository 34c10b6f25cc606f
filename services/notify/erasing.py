"""Erasing what notify keeps of customers: where they were told, and that it was they.

Decided here: which reports still have something to say, and what goes with one. That somebody was told, of what, when
and with what outcome stays, for the counts. So does a STOP, under the digest of its number: who said it is not written
to again. Never here: whose report it is.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.contracts.values import Channel, Recipient
from services.notify.domain.notice import link_id
from services.runtime.postgres import rows_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from asyncpg import Record

    from services.runtime.postgres import Connection


class Live(StrEnum):
    """Why a report keeps its recipient for now."""

    TO_BE_TOLD = "a_notice_is_on_its_way"


ASKERS: Final = "recipients without a report"
"""What a dry run calls them: the others go with their tickets."""
_LIVE: Final = """
SELECT DISTINCT report_id FROM notice WHERE report_id = ANY($1::uuid[]) AND state IN ('pending', 'sending')
"""
# First, in the order of their ids as a batch takes them, so that the two never wait for each other in a ring.
_LOCK: Final = """
SELECT recipient_id, link_id FROM recipient
WHERE recipient_id IN (
    SELECT recipient_id FROM report WHERE report_id = ANY($1::uuid[])
    UNION SELECT recipient_id FROM notice WHERE report_id = ANY($1::uuid[])
)
ORDER BY recipient_id FOR UPDATE
"""
_LOCK_NUMBER: Final = "SELECT recipient_id, link_id FROM recipient WHERE link_id = $1 ORDER BY recipient_id FOR UPDATE"
_LOCK_ASKERS: Final = """
SELECT recipient_id, link_id FROM recipient AS p
WHERE recipient_id = ANY($1::uuid[]) AND NOT EXISTS (SELECT FROM report AS r WHERE r.recipient_id = p.recipient_id)
ORDER BY recipient_id FOR UPDATE
"""
# Its id is a digest of the address as well. What a gateway gave as a reason may name the number.
_WITHOUT_WHOM: Final = """
SET recipient_id = report_id, notice_id = gen_random_uuid(), superseded_by = NULL, delivery_id = NULL, early = NULL,
    doubted_at = NULL, reason = CASE WHEN reason ~ '^[a-z_]+$' THEN reason END
WHERE recipient_id <> report_id AND state NOT IN ('pending', 'sending')
"""
_NOTICES: Final = f"UPDATE notice AS n {_WITHOUT_WHOM} AND report_id = ANY($1::uuid[])"
_REPORTS: Final = "UPDATE report SET recipient_id = NULL WHERE report_id = ANY($1::uuid[]) AND recipient_id IS NOT NULL"
# Notices of no incident may answer somebody who asked about another's report; those of one have a report of theirs.
_ANSWERS: Final = f"""
UPDATE notice AS n {_WITHOUT_WHOM} AND incident_id IS NULL AND recipient_id = ANY($1::uuid[]) AND made_at < $2
  AND NOT EXISTS (SELECT FROM report AS r WHERE r.recipient_id = n.recipient_id)
"""
_RECIPIENTS: Final = """
DELETE FROM recipient AS p
WHERE recipient_id = ANY($1::uuid[])
  AND NOT EXISTS (SELECT FROM report AS r WHERE r.recipient_id = p.recipient_id)
  AND NOT EXISTS (SELECT FROM notice AS n WHERE n.incident_id IS NULL AND n.recipient_id = p.recipient_id)
"""
# The same as the three above will let go of, for a count that changes nothing.
_WOULD_GO: Final = """
SELECT count(*) FROM recipient AS p
WHERE (recipient_id = ANY($1::uuid[]) OR link_id = $2)
  AND NOT EXISTS (SELECT FROM report AS r WHERE r.recipient_id = p.recipient_id)
  AND NOT EXISTS (
    SELECT FROM notice AS n WHERE n.incident_id IS NULL AND n.recipient_id = p.recipient_id
      AND (n.made_at >= $3 OR n.state IN ('pending', 'sending'))
  )
"""
_LINKS: Final = """
DELETE FROM link AS l
WHERE link_id = ANY($1::uuid[]) AND linked AND NOT EXISTS (SELECT FROM recipient AS p WHERE p.link_id = l.link_id)
"""
_OF_NUMBER: Final = """
SELECT DISTINCT r.ticket_id FROM recipient AS p JOIN report AS r USING (recipient_id) WHERE p.link_id = $1
"""
_AFTER: Final = "SELECT recipient_id FROM recipient WHERE recipient_id > $1 ORDER BY recipient_id LIMIT $2"


async def live(connection: Connection, reports: Collection[UUID]) -> dict[UUID, Live]:
    """Return the reports of which something is still to be told."""
    rows = await connection.fetch(_LIVE, list(reports))
    return {row["report_id"]: Live.TO_BE_TOLD for row in rows}


async def of_number(connection: Connection, phone: str) -> list[UUID]:
    """Return the tickets of whose reports a number was told: the caller's number may be another by now."""
    return [row["ticket_id"] for row in await connection.fetch(_OF_NUMBER, _number(phone))]


async def erase(connection: Connection, reports: Iterable[UUID]) -> tuple[dict[str, int], dict[UUID, Live]]:
    """Erase who made reports and who was told of them, in a transaction.

    Returns:
        How many rows of each kind were changed or deleted; and the reports left as they are, ``live`` by now: their
        customer asked a moment ago.
    """
    some = sorted(reports)
    async with connection.transaction():
        who = await connection.fetch(_LOCK, some)
        left = await live(connection, some)
        some = [one for one in some if one not in left]
        counts = {
            "notices": rows_of(await connection.execute(_NOTICES, some)),
            "reports told of": rows_of(await connection.execute(_REPORTS, some)),
            **await _let_go(connection, who),
        }
    return counts, left


async def erase_number(connection: Connection, phone: str, now: datetime, *, dry_run: bool) -> dict[str, int]:
    """Erase a number that no report has any more, or never had: its holder asked for a status.

    Returns:
        How many rows of each kind were changed or deleted; of a dry run how many recipients have no report.
    """
    number = _number(phone)
    if dry_run:
        return {ASKERS: await connection.fetchval(_WOULD_GO, [], number, now)}
    async with connection.transaction():
        who = await connection.fetch(_LOCK_NUMBER, number)
        return await _answers_and_all(connection, who, now, number)


async def erase_askers(
    connection: Connection, after: UUID, before: datetime, limit: int, *, dry_run: bool
) -> tuple[dict[str, int], UUID | None]:
    """Erase who asked or followed, and has no report: what they were told before a moment, and then where.

    Args:
        connection: Of this service's schema.
        after: The recipient looked at last.
        before: What they were told then or later is left.
        limit: How many to look at.
        dry_run: Only count the recipients.

    Returns:
        How many rows of each kind were changed or deleted, and whom to go on after; None at the end.
    """
    some = [row["recipient_id"] for row in await connection.fetch(_AFTER, after, limit)]
    if dry_run:
        counts = {ASKERS: await connection.fetchval(_WOULD_GO, some, None, before)}
        return counts, some[-1] if some else None
    async with connection.transaction():
        counts = await _answers_and_all(connection, await connection.fetch(_LOCK_ASKERS, some), before)
    return counts, some[-1] if some else None


async def _answers_and_all(
    connection: Connection, who: Sequence[Record], before: datetime, *links: UUID
) -> dict[str, int]:
    """Erase what recipients were told who have no report, and let them go."""
    answers = await connection.execute(_ANSWERS, [row["recipient_id"] for row in who], before)
    return {"notices": rows_of(answers), **await _let_go(connection, who, *links)}


async def _let_go(connection: Connection, who: Sequence[Record], *links: UUID) -> dict[str, int]:
    """Delete the recipients whom nothing names any more, and the links that no recipient has; a STOP stays."""
    gone = await connection.execute(_RECIPIENTS, [row["recipient_id"] for row in who])
    theirs = {*links, *(row["link_id"] for row in who if row["link_id"] is not None)}
    return {"recipients": rows_of(gone), "links": rows_of(await connection.execute(_LINKS, list(theirs)))}


def _number(phone: str) -> UUID:
    return link_id(Recipient(channel=Channel.SMS, address=phone))
