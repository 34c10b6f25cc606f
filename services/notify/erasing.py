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
    from collections.abc import Collection, Iterable
    from uuid import UUID

    from services.runtime.postgres import Connection


class Live(StrEnum):
    """Why a report keeps its recipient for now."""

    TO_BE_TOLD = "a_notice_is_on_its_way"


_LIVE: Final = """
SELECT DISTINCT report_id FROM notice WHERE report_id = ANY($1::uuid[]) AND state IN ('pending', 'sending')
"""
# First, in the order of their ids as a batch takes them, so that the two never wait for each other in a ring.
_LOCK: Final = """
SELECT recipient_id, link_id FROM recipient
WHERE recipient_id IN (
    SELECT recipient_id FROM report WHERE report_id = ANY($1::uuid[])
    UNION SELECT recipient_id FROM notice WHERE report_id = ANY($1::uuid[])
    UNION SELECT recipient_id FROM recipient WHERE link_id = ANY($2::uuid[])
)
ORDER BY recipient_id FOR UPDATE
"""
# Its id is a digest of the address as well. What a gateway gave as a reason may name the number.
_NOTICES: Final = """
UPDATE notice
SET recipient_id = report_id, notice_id = gen_random_uuid(), superseded_by = NULL, delivery_id = NULL, early = NULL,
    doubted_at = NULL, reason = CASE WHEN reason ~ '^[a-z_]+$' THEN reason END
WHERE report_id = ANY($1::uuid[]) AND recipient_id <> report_id AND state NOT IN ('pending', 'sending')
"""
_REPORTS: Final = "UPDATE report SET recipient_id = NULL WHERE report_id = ANY($1::uuid[]) AND recipient_id IS NOT NULL"
# Notices of no incident may answer somebody who asked about another's report; those of one have a report of theirs.
_RECIPIENTS: Final = """
DELETE FROM recipient AS p
WHERE recipient_id = ANY($1::uuid[])
  AND NOT EXISTS (SELECT FROM report AS r WHERE r.recipient_id = p.recipient_id)
  AND NOT EXISTS (SELECT FROM notice AS n WHERE n.incident_id IS NULL AND n.recipient_id = p.recipient_id)
"""
_LINKS: Final = """
DELETE FROM link AS l
WHERE link_id = ANY($1::uuid[]) AND linked AND NOT EXISTS (SELECT FROM recipient AS p WHERE p.link_id = l.link_id)
"""


async def live(connection: Connection, reports: Collection[UUID]) -> dict[UUID, Live]:
    """Return the reports of which something is still to be told."""
    rows = await connection.fetch(_LIVE, list(reports))
    return {row["report_id"]: Live.TO_BE_TOLD for row in rows}


async def erase(connection: Connection, reports: Iterable[UUID], phone: str | None = None) -> dict[str, int]:
    """Erase who made reports and who was told of them, in a transaction.

    Args:
        connection: Of this service's schema.
        reports: None of them ``live``.
        phone: A number to forget though no report has it: somebody asked for a status, and reported nothing.

    Returns:
        How many rows of each kind were changed or deleted.
    """
    some = sorted(reports)
    number = () if phone is None else (link_id(Recipient(channel=Channel.SMS, address=phone)),)
    async with connection.transaction():
        locked = await connection.fetch(_LOCK, some, number)
        who = [row["recipient_id"] for row in locked]
        links = {*number, *(row["link_id"] for row in locked if row["link_id"] is not None)}
        return {
            "notices": rows_of(await connection.execute(_NOTICES, some)),
            "reports told of": rows_of(await connection.execute(_REPORTS, some)),
            "recipients": rows_of(await connection.execute(_RECIPIENTS, who)),
            "links": rows_of(await connection.execute(_LINKS, list(links))),
        }
