"""Interruptions and deadlines from the incidents. One query per question."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from services.dedup.domain.figures import Interruption, Step
from services.dedup.store.pseudonym import pseudonym_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from uuid import UUID

    import asyncpg

    from services.runtime.postgres import Connection

_OVERDUE: Final = """
SELECT incident_id, area, 'arrival' AS what, arrive_by AS due_at FROM incident
WHERE state IN ('predicted', 'confirmed') AND arrive_by <= $1 AND NOT 'arrival' = ANY(breached)
  AND (arrived_at IS NULL OR arrived_at > arrive_by)
UNION ALL
SELECT incident_id, area, 'restoration', restore_by FROM incident
WHERE state IN ('predicted', 'confirmed') AND arrive_by <= $1 AND restore_by <= $1
  AND NOT 'restoration' = ANY(breached)
ORDER BY due_at, incident_id LIMIT $2
"""
# The index of what is open gives the areas in order.
_DUE: Final = """
SELECT incident_id, area, feeder, opened_at, arrived_at, arrive_by, restore_by, breached, hazards <> '{}' OR EXISTS (
    SELECT FROM report AS r WHERE r.incident_id = i.incident_id AND r.outcome = 'in_incident'
      AND (r.hazards <> '{}' OR r.customer_class IN ('life_support', 'important'))
) AS urgent
FROM incident AS i
WHERE state IN ('predicted', 'confirmed') AND (area, incident_id) > ($1, $2) ORDER BY area, incident_id LIMIT $3
"""
# What was out when a time began is one interruption with what followed while it was; the rest is of that time or after.
_AREAS: Final = """
SELECT area FROM incident WHERE opened_at >= $1 AND opened_at < $2
UNION SELECT area FROM incident WHERE out_since >= $1 AND out_since < $2
ORDER BY area
"""
_COLUMNS: Final = f"""
SELECT incident_id, i.area, device_id, upstream, customers_served, restored_at,
       coalesce(out_since, opened_at) AS started_at,
       CASE WHEN kind = 'single' THEN coalesce({pseudonym_of("premises")}, incident_id::text) END AS premises,
       also <> '{{}}' OR also_premises <> '{{}}' AS has_others, NULL::uuid AS part_of
"""
_BEGUN: Final = f"""
{_COLUMNS} FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS asked (area, start, finish)
JOIN incident AS i ON i.area = asked.area
  AND coalesce(out_since, opened_at) >= asked.start AND coalesce(out_since, opened_at) < asked.finish
WHERE kind <> 'hazard' AND state <> 'cancelled'
"""
_OUT_THEN: Final = f"""
{_COLUMNS} FROM incident AS i
WHERE area = ANY($1::text[]) AND kind <> 'hazard' AND coalesce(out_since, opened_at) < $2
  AND (state IN ('predicted', 'confirmed') OR state = 'restored' AND restored_at >= $3)
"""
# What a person merged into these, each with the end of the one that stands for it; not what inference took for a part.
_MERGED: Final = f"""
WITH RECURSIVE merged AS (
    SELECT incident_id AS survivor_id, incident_id FROM incident WHERE incident_id = ANY($1::uuid[])
    UNION ALL
    SELECT survivor_id, m.incident_id FROM merged JOIN incident AS m ON m.merged_into = merged.incident_id
)
SELECT i.incident_id, i.area, i.device_id, i.upstream, i.customers_served, s.restored_at,
       coalesce(i.out_since, i.opened_at) AS started_at,
       CASE WHEN i.kind = 'single' THEN coalesce({pseudonym_of("i.premises")}, i.incident_id::text) END AS premises,
       s.incident_id AS part_of
FROM merged JOIN incident AS s ON s.incident_id = survivor_id JOIN incident AS i ON i.incident_id = merged.incident_id
WHERE i.kind = 'outage' AND i.device_id = ANY(s.also) OR i.kind = 'single' AND i.premises = ANY(s.also_premises)
"""  # noqa: S608 - ours
_AT_ONCE: Final = 20
"""Areas read at once."""
_BLINKS: Final = 12
"""What was momentary this many times its length before a time is of no event that goes on into it."""
_INSTANT: Final = timedelta(microseconds=1)
_STILL_OUT: Final = datetime(9999, 1, 1, tzinfo=UTC)
# Steps that an earlier release noted are counted by the network in force.
_STEPS: Final = """
SELECT * FROM (
    SELECT DISTINCT ON (p.incident_id, p.device_id) p.incident_id, p.device_id, p.restored_at,
           coalesce(p.upstream, d.chain) AS upstream, coalesce(p.customers, d.chain_customers[1]) AS customers
    FROM restored_part AS p
    LEFT JOIN grid.device AS d ON p.upstream IS NULL
      AND d.version = (SELECT version FROM grid.network_version WHERE is_current) AND d.id = p.device_id
    WHERE p.incident_id = ANY($1::uuid[]) AND (p.upstream IS NOT NULL OR d.id IS NOT NULL)
    ORDER BY p.incident_id, p.device_id, p.restored_at
) AS steps
ORDER BY restored_at, device_id
"""
_SERVED: Final = """
SELECT coalesce(sum(customers), 0)::bigint FROM grid.device
WHERE version = (SELECT version FROM grid.network_version WHERE is_current) AND ($1::text IS NULL OR area = $1)
"""
_SERVED_BY_AREA: Final = """
SELECT area, sum(customers)::bigint AS customers FROM grid.device
WHERE version = (SELECT version FROM grid.network_version WHERE is_current) AND area = ANY($1::text[]) GROUP BY area
"""
_ALL_SERVED: Final = "SELECT coalesce(max(customers), 0) FROM grid.network_version WHERE is_current"


async def overdue(connection: Connection, now: datetime, limit: int) -> list[asyncpg.Record]:
    """Return incident, area, what and due time of what has passed and was not told, longest overdue first."""
    return await connection.fetch(_OVERDUE, now, limit)


async def due_times(connection: Connection, after: tuple[str, UUID], limit: int) -> Sequence[asyncpg.Record]:
    """Return the open incidents with their stored due times and what those follow from, by area and id."""
    return await connection.fetch(_DUE, *after, limit)


async def interruptions(
    connection: Connection, start: datetime, end: datetime, area: str | None, momentary: timedelta
) -> AsyncGenerator[list[Interruption]]:
    """Yield the interruptions that began in a time, of one area or of each, an area at a time.

    Among them is whatever else had the same customers dark without a pause, before or after: what began in that time
    for whom is told only by all of it. A year of a nation is a million of them: neither memory nor the orders that wait
    for this process bear all at once.
    """
    areas = [area] if area is not None else [row["area"] for row in await connection.fetch(_AREAS, start, end)]
    for n in range(0, len(areas), _AT_ONCE):
        some = areas[n : n + _AT_ONCE]
        rows = await _touching(connection, some, start, end, momentary)
        rows += await connection.fetch(_MERGED, [row["incident_id"] for row in rows if row["has_others"]])
        steps = await _steps(connection, [row["incident_id"] for row in rows])
        found: dict[str, list[Interruption]] = {}
        for row in rows:
            mine = [step for key in (row["incident_id"], row["part_of"]) for step in steps.get(key, ())]
            found.setdefault(row["area"], []).append(_interruption(row, mine))
        for one in some:
            if one in found:
                yield found[one]


async def _touching(
    connection: Connection, areas: list[str], start: datetime, end: datetime, momentary: timedelta
) -> list[asyncpg.Record]:
    """Return the interruptions of areas that began in a time, what was out as it began, and what follows on them."""
    out_then = await connection.fetch(_OUT_THEN, areas, start, start - _BLINKS * momentary)
    found = {row["incident_id"]: row for row in out_then}
    read_to, reach = dict.fromkeys(areas, start), dict.fromkeys(areas, end + momentary)
    while further := [area for area in areas if reach[area] > read_to[area]]:
        asked = [read_to[area] for area in further], [reach[area] for area in further]
        read_to |= {area: reach[area] for area in further}
        for row in await connection.fetch(_BEGUN, further, *asked):
            found[row["incident_id"]] = row
            over = _STILL_OUT if row["restored_at"] is None else row["restored_at"] + _INSTANT
            reach[row["area"]] = max(reach[row["area"]], over)
    return list(found.values())


async def _steps(connection: Connection, incidents: list[UUID]) -> dict[UUID, list[Step]]:
    steps: dict[UUID, list[Step]] = {}
    for row in await connection.fetch(_STEPS, incidents):
        step = Step(row["device_id"], tuple(row["upstream"]), row["customers"], row["restored_at"])
        steps.setdefault(row["incident_id"], []).append(step)
    return steps


def _interruption(row: asyncpg.Record, steps: Sequence[Step]) -> Interruption:
    upstream = tuple(row["upstream"]) or (row["device_id"],)
    return Interruption(
        area=row["area"],
        device=row["device_id"],
        upstream=upstream,
        customers=row["customers_served"],
        started_at=row["started_at"],
        ended_at=row["restored_at"],
        steps=tuple(_as_it_was(step, upstream) for step in steps if step.ended_at > row["started_at"]),
        premises=row["premises"],
        outage=row["part_of"] or row["incident_id"],
    )


def _as_it_was(step: Step, upstream: tuple[str, ...]) -> Step:
    """Return a step under the device that was out: what was switched over since is under another now."""
    return step if upstream[0] in step.upstream else step._replace(upstream=(step.device, *upstream))


async def customers_served(connection: Connection, area: str | None) -> int:
    """Return the customers of an area of the network in force, or of all areas."""
    found = await (connection.fetchval(_ALL_SERVED) if area is None else connection.fetchval(_SERVED, area))
    return int(found)


async def customers_by_area(connection: Connection, areas: list[str]) -> dict[str, int]:
    """Return the customers of each area."""
    return {row["area"]: row["customers"] for row in await connection.fetch(_SERVED_BY_AREA, areas)}
