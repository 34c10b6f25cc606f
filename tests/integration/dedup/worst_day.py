"""A day on which much is open, as it is in dedup's tables, with what was closed and done in the time before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from services.runtime.postgres import Connection

AREAS: Final = 20
OPEN: Final = 4000
CLOSED: Final = 8000
COMMANDS: Final = 8000
PLANS: Final = 6000
"""Of these the last thirty are not over, and ten in force."""
WAITING: Final = 3000
LARGE: Final = 8000
"""Reports of the largest outage."""
# One incident in ten is not an outage that any plan could explain; every area has as many of each.
_INCIDENTS: Final = """
INSERT INTO incident (incident_id, order_id, area, kind, state, device_id, device_type, customers_served, ordered,
                      reports, hazards, opened_seq, since_seq, opened_at, revision, changed_at, upstream)
SELECT md5($1 || n)::uuid, md5('order' || $1 || n)::uuid, 'A' || n % $2, 'outage', $3, 'D' || n, 'transformer', 3, true,
       1, '{}', $4 + n, $4 + n, $5::timestamptz - n * interval '1 minute', 1, $5, ARRAY['D' || n, 'F' || n % 100]
FROM generate_series(1, $6::int) AS n
"""
_REPORTS: Final = """
INSERT INTO report (report_id, area, ticket_id, ticket_ref, contact_id, channel, device_id, customer_class, suspended,
                    hazards, single_premise, unconfirmed, address, language, reported_at, received_at, outcome, reason,
                    incident_id, seq)
SELECT md5($1 || n)::uuid, 'A' || n % $2, md5('t' || $1 || n)::uuid, 'T' || n, md5('c' || $1 || n)::uuid, 'phone',
       'D' || n % 500, 'normal', false, '{}', false, false, '幸福路 12 号', 'zh', $3::timestamptz - n * interval '1 s',
       $3, $4, 'no_device', $5::uuid, n
FROM generate_series(1, $6::int) AS n
"""
_COMMANDS: Final = """
INSERT INTO command (command_id, area, action, subject, body, author, accepted_at, outcome, decided_at, seq, incidents)
SELECT md5('command' || n)::uuid, 'A' || n % $1, 'confirm', md5('closed' || n)::uuid, '{"reason": "seen"}', 'desk/Li',
       $2::timestamptz - n * interval '7 s', 'done', $2, n, ARRAY[md5('closed' || n)::uuid]
FROM generate_series(1, $3::int) AS n
"""
_PLANS: Final = """
INSERT INTO planned_outage
SELECT md5('plan' || n)::uuid, 'A' || n % $1, 'F' || n % 100, $2::timestamptz + (n - $3 + 20) * interval '30 minutes',
       $2::timestamptz + (n - $3 + 30) * interval '30 minutes', 'desk/Li', 'new transformer', 1, false, $2
FROM generate_series(1, $3::int) AS n
"""
LARGEST: Final = "SELECT md5('open1')::uuid"


async def fill(connection: Connection, now: datetime) -> None:
    """Put such a day into empty tables, as Postgres knows them well; now is its end."""
    await connection.execute(_INCIDENTS, "open", AREAS, "predicted", 0, now, OPEN)
    await connection.execute(_INCIDENTS, "closed", AREAS, "restored", OPEN, now, CLOSED)
    await connection.execute(_REPORTS, "waits", AREAS, now, "needs_person", None, WAITING)
    largest = await connection.fetchval(LARGEST)
    await connection.execute(_REPORTS, "large", 1, now, "in_incident", largest, LARGE)
    await connection.execute("UPDATE incident SET reports = $2, area = 'A0' WHERE incident_id = $1", largest, LARGE)
    await connection.execute(_COMMANDS, AREAS, now, COMMANDS)
    await connection.execute(_PLANS, AREAS, now, PLANS)
    await connection.execute("ANALYZE incident, report, command, planned_outage, plan_answer")
