"""Reading for people, for the API and for timers. One query per question."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import asyncpg

    from services.runtime.postgres import Connection

_ORDERS: Final = "SELECT order_id, incident_id, area FROM incident WHERE order_id = ANY($1::uuid[]) AND ordered"
_OPEN: Final = """
SELECT kind, device_type, count(*) AS n FROM incident
WHERE state IN ('predicted', 'confirmed') GROUP BY kind, device_type
"""
_DUE: Final = """
DELETE FROM timer WHERE timer_id IN (
    SELECT timer_id FROM timer WHERE due_at <= $1 ORDER BY due_at, timer_id LIMIT $2 FOR UPDATE SKIP LOCKED
) RETURNING timer_id, area, kind, subject, due_at
"""
BEGINNING: Final = (None, UUID(int=0))
"""Place in a list after which its first page begins."""
# An incident over which a planned outage was entered only after it had opened, or below which, for some of its reports;
# danger is none of the plan's.
_COVERED: Final = """
    SELECT planned_id, device_id AS planned_device, starts_at AS planned_from, ends_at AS planned_until
    FROM planned_outage
    WHERE area = i.area AND NOT cancelled AND planned_id <> ALL(i.settled_plans) AND $1 < ends_at
      AND (planned_id = ANY(i.part_plans)
           OR device_id = ANY(i.upstream) AND starts_at <= i.opened_at AND i.opened_at < ends_at)
      AND i.kind <> 'hazard' AND i.state IN ('predicted', 'confirmed')
    ORDER BY planned_id = ANY(i.part_plans), ends_at DESC, planned_id DESC LIMIT 1
"""
SHOWN: Final = f"SELECT i.*, p.* FROM incident AS i LEFT JOIN LATERAL ({_COVERED}) AS p ON true"  # noqa: S608 - ours
_SUCCESSOR: Final = """
WITH RECURSIVE way (incident_id, merged_into, steps) AS (
    SELECT incident_id, merged_into, 0 FROM incident WHERE incident_id = $1
    UNION ALL
    SELECT i.incident_id, i.merged_into, way.steps + 1 FROM way JOIN incident AS i ON i.incident_id = way.merged_into
)
SELECT incident_id FROM way ORDER BY steps DESC LIMIT 1
"""
_INCIDENT: Final = f"{SHOWN} WHERE incident_id = $2"
_MEMBERS: Final = """
SELECT report_id, ticket_ref, channel, device_id, customer_class, reported_at, address, seq
FROM report WHERE incident_id = $1 AND outcome = 'in_incident' AND seq > $3 ORDER BY seq LIMIT $2
"""
_VERSIONS: Final = """
SELECT v.version, v.status, v.priority, v.device_id, v.superseded_by, v.reason, v.issued_at
FROM incident AS i JOIN order_version AS v USING (order_id) WHERE i.incident_id = $1 ORDER BY v.version
"""
_PROGRESS: Final = """
SELECT stage, at, crew, cause, note, outcome, noted_at FROM progress WHERE incident_id = $1 ORDER BY noted_at, at
"""
_BY_DEVICE: Final = """
SELECT device_id, count(*) AS n FROM report
WHERE incident_id = $1 AND outcome = 'in_incident' AND device_id IS NOT NULL GROUP BY device_id
"""
_STANDING: Final = """
SELECT device_id, incident_id FROM incident
WHERE area = $1 AND kind = 'outage' AND state IN ('predicted', 'confirmed')
"""
_REPORTED: Final = """
SELECT incident_id, reports FROM incident WHERE area = $1 AND state IN ('predicted', 'confirmed')
"""
_REPORT: Final = """
SELECT report_id, ticket_ref, area, device_id, reported_at, received_at, kept_back, outcome, reason, incident_id,
    erased_at
FROM report WHERE report_id = $1
"""
_WAITING_OF: Final = """
SELECT report_id, ticket_ref, area, feeder, channel, customer_class, reported_at, address, reason FROM report
WHERE outcome = 'needs_person' AND erased_at IS NULL{where}
  AND (reported_at, report_id) > (coalesce($1::timestamptz, '-infinity'), $2::uuid)
ORDER BY reported_at, report_id LIMIT $3
"""
_WAITING: Final = _WAITING_OF.format(where="")
_WAITING_IN: Final = _WAITING_OF.format(where=" AND area = $4")
_LEDGER: Final = """
SELECT at, action, incident_id, rule, evidence, rules_hash, author FROM membership WHERE report_id = $1 ORDER BY seq
"""


class OrderKey(NamedTuple):
    """Whose an order is."""

    incident_id: UUID
    area: str


class Timer(NamedTuple):
    """A moment somebody waits for."""

    timer_id: UUID
    area: str
    kind: str
    subject: UUID
    due_at: datetime


async def orders_by_id(connection: Connection, orders: Collection[UUID]) -> dict[UUID, OrderKey]:
    """Return the incident and area of each order that was issued."""
    rows = await connection.fetch(_ORDERS, list(set(orders)))
    return {row["order_id"]: OrderKey(row["incident_id"], row["area"]) for row in rows}


async def count_open(connection: Connection) -> list[tuple[str, str, int]]:
    """Return kind, device class and number of the open incidents."""
    return [(row["kind"], row["device_type"], row["n"]) for row in await connection.fetch(_OPEN)]


async def take_due_timers(tx: Connection, now: datetime, limit: int) -> list[Timer]:
    """Delete and return timers that are due, oldest first; those another process is taking are passed over."""
    rows = await tx.fetch(_DUE, now, limit)
    return sorted((Timer(**dict(row)) for row in rows), key=lambda timer: (timer.due_at, timer.timer_id))


async def successor_of(connection: Connection, incident_id: UUID) -> UUID | None:
    """Return where an incident's reports are now: itself, or the last it was merged into; None if unknown."""
    found: UUID | None = await connection.fetchval(_SUCCESSOR, incident_id)
    return found


async def incident_of(connection: Connection, incident_id: UUID, now: datetime) -> asyncpg.Record | None:
    """Return one incident, with the planned outage that may explain it by ``now``."""
    return await connection.fetchrow(_INCIDENT, now, incident_id)


async def members_of(connection: Connection, incident_id: UUID, limit: int, after: int = 0) -> list[asyncpg.Record]:
    """Return reports of an incident in the order they joined, after a ledger row; without name, phone or account."""
    return await connection.fetch(_MEMBERS, incident_id, limit, after)


async def order_versions_of(connection: Connection, incident_id: UUID) -> list[asyncpg.Record]:
    """Return the versions of an incident's order, first to last."""
    return await connection.fetch(_VERSIONS, incident_id)


async def progress_of(connection: Connection, incident_id: UUID) -> list[asyncpg.Record]:
    """Return what crews said of an incident."""
    return await connection.fetch(_PROGRESS, incident_id)


async def reports_by_device(connection: Connection, incident_id: UUID) -> dict[str, int]:
    """Return how many reports of an incident are at each device."""
    return {row["device_id"]: row["n"] for row in await connection.fetch(_BY_DEVICE, incident_id)}


async def standing_in(connection: Connection, area: str) -> dict[str, UUID]:
    """Return the open outages of an area by their device."""
    return {row["device_id"]: row["incident_id"] for row in await connection.fetch(_STANDING, area)}


async def reported_in(connection: Connection, area: str) -> dict[UUID, int]:
    """Return how many reports each open incident of an area has."""
    return {row["incident_id"]: row["reports"] for row in await connection.fetch(_REPORTED, area)}


async def report_of(connection: Connection, report_id: UUID) -> asyncpg.Record | None:
    """Return one report without the customer."""
    return await connection.fetchrow(_REPORT, report_id)


async def waiting_reports(
    connection: Connection, area: str | None, since: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Return reports that wait for a person, oldest first, those after ``since``; without name, phone or account."""
    asked = *(since or BEGINNING), limit
    return await (connection.fetch(_WAITING, *asked) if area is None else connection.fetch(_WAITING_IN, *asked, area))


async def ledger_of(connection: Connection, report_id: UUID) -> list[dict[str, Any]]:
    """Return a report's ledger rows in order, with their evidence decoded."""
    rows = await connection.fetch(_LEDGER, report_id)
    return [{**dict(row), "evidence": json.loads(row["evidence"])} for row in rows]
