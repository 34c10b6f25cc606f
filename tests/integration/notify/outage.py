"""An outage that very many reported, as it is in notify's tables: whoever reported was told that it was received."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.runtime.postgres import Connection

# One in fifty is an important customer.
_FILL = (
    """
INSERT INTO incident (incident_id, revision, state, etr_since, state_since, changed_at, area)
VALUES ($1, 100, 'predicted', 0, 0, $2, 'A1')
""",
    """
INSERT INTO recipient (recipient_id, channel, address, link_id)
SELECT md5('p' || n)::uuid, 'sms', '+86139' || n, md5('l' || n)::uuid FROM generate_series(1, $1::int) AS n
""",
    """
INSERT INTO report (report_id, ticket_id, ticket_ref, language, recipient_id, turn)
SELECT md5('r' || n)::uuid, md5('t' || n)::uuid, 'T' || n, 'zh-CN', md5('p' || n)::uuid, 2 - (n % 50 = 0)::int
FROM generate_series(1, $1::int) AS n
""",
    """
INSERT INTO subscription SELECT $2::uuid, md5('r' || n)::uuid, 1 + n / 300, 0, $3 FROM generate_series(1, $1::int) AS n
""",
    """
INSERT INTO notice (notice_id, recipient_id, channel, incident_id, report_id, ticket_ref, language, stage, revision,
                    template, caused_at, rules, made_at, state, sent_at, attempts)
SELECT md5('n' || n)::uuid, md5('p' || n)::uuid, 'sms', $2::uuid, md5('r' || n)::uuid, 'T' || n, 'zh-CN', 'received',
       1 + n / 300, 'received', $3, 'x', $3, 'sent', $3, 1
FROM generate_series(1, $1::int) AS n
""",
)


async def fill(connection: Connection, outage: UUID, count: int, at: datetime) -> None:
    """Put one of so many reports into empty tables, as Postgres knows them well."""
    for query, args in zip(_FILL, ((outage, at), (count,), (count,), *[(count, outage, at)] * 2), strict=True):
        await connection.execute(query, *args)
    await connection.execute("ANALYZE incident, recipient, report, subscription, notice")
