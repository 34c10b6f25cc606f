"""Incidents for lists, and those that wait for a word about a planned outage.

A page costs what it shows, however many incidents there are: each state has its place in an index, plans are looked up
of what is shown, and those that a plan may explain are found from the plans in force. No statement has what was not
asked for, as ``$n IS NULL OR`` may be planned without any index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.contracts.values import IncidentState
from services.dedup.store.views import BEGINNING, SHOWN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from services.runtime.postgres import Connection

# What ``views.SHOWN`` finds a plan for. OFFSET 0: of each plan what opened in its time is found by its index; joined
# otherwise, all that is open in an area is held against all its plans.
_PROPOSED: Final = """
SELECT i.incident_id FROM planned_outage AS p CROSS JOIN LATERAL (
    SELECT incident_id, kind, upstream, settled_plans FROM incident
    WHERE area = p.area AND state IN ('predicted', 'confirmed') AND opened_at >= p.starts_at AND opened_at < p.ends_at
    OFFSET 0
) AS i
WHERE $1 < p.ends_at AND NOT p.cancelled
  AND i.kind <> 'hazard' AND p.device_id = ANY(i.upstream) AND p.planned_id <> ALL(i.settled_plans)
UNION
SELECT i.incident_id FROM incident AS i JOIN planned_outage AS p ON p.planned_id = ANY(i.part_plans)
WHERE $1 < p.ends_at AND NOT p.cancelled AND p.area = i.area AND p.planned_id <> ALL(i.settled_plans)
  AND i.part_plans <> '{}' AND i.kind <> 'hazard' AND i.state IN ('predicted', 'confirmed')
"""
_COUNT_PROPOSED: Final = f"SELECT count(*) FROM ({_PROPOSED}) AS proposed"  # noqa: S608 - ours
_AT: Final = f"""
WITH chosen AS MATERIALIZED (
    SELECT incident_id FROM incident
    WHERE area = $2 AND state IN ('predicted', 'confirmed') AND device_id = ANY($3::text[])
    UNION ALL
    SELECT incident_id FROM incident
    WHERE area = $2 AND state = 'restored' AND restored_at > $4 AND device_id = ANY($3::text[])
)
{SHOWN} WHERE i.incident_id IN (TABLE chosen)
ORDER BY array_position($3, i.device_id), i.opened_at DESC, i.incident_id LIMIT 50
"""  # noqa: S608 - ours
_BEFORE: Final = "(opened_at, incident_id) < (coalesce($3::timestamptz, 'infinity'), $4::uuid)"
_ORDERED: Final = "ORDER BY opened_at DESC, incident_id DESC"
_STATES: Final = [state.value for state in IncidentState]


def _page(where: str, *, proposed: bool | None) -> str:
    """Return the statement of a page, given now, states, the place after which it begins, its rows, what is asked."""
    if proposed:
        chosen = f"""
            SELECT incident_id FROM ({_PROPOSED}) AS proposed JOIN incident AS one USING (incident_id)
            WHERE state = ANY($2::text[]) AND {where} AND {_BEFORE} {_ORDERED} LIMIT $5
        """  # noqa: S608 - ours
    else:
        but = "true" if proposed is None else f"incident_id <> ALL(ARRAY({_PROPOSED}))"
        chosen = f"""
            SELECT incident_id FROM unnest($2::text[]) AS asked (state) CROSS JOIN LATERAL (
                SELECT incident_id, opened_at FROM incident AS one
                WHERE one.state = asked.state AND {where} AND {but} AND {_BEFORE} {_ORDERED} LIMIT $5
            ) AS found {_ORDERED} LIMIT $5
        """  # noqa: S608 - ours
    return f"WITH chosen AS MATERIALIZED ({chosen}) {SHOWN} WHERE i.incident_id IN (TABLE chosen) {_ORDERED}"


async def page_of_incidents(
    connection: Connection,
    states: Sequence[str] | None,
    area: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
    *,
    proposed: bool | None,
    now: datetime,
) -> list[asyncpg.Record]:
    """Return incidents, youngest first, after the one at ``after``; each with the plan that may explain it by ``now``.

    ``proposed``: only those with such a plan, or only those without.
    """
    asked = now, sorted(set(states or _STATES)), *(after or BEGINNING), limit
    if area is None:
        return await connection.fetch(_page("true", proposed=proposed), *asked)
    return await connection.fetch(_page("one.area = $6", proposed=proposed), *asked, area)


async def incidents_at(
    connection: Connection, area: str, devices: Sequence[str], restored_after: datetime, now: datetime
) -> list[asyncpg.Record]:
    """Return incidents at any of an area's devices, those at the first ones first: open, or restored after a moment."""
    return await connection.fetch(_AT, now, area, devices, restored_after)


async def count_proposed(connection: Connection, now: datetime) -> int:
    """Return how many open incidents a planned outage may explain, and nobody has said whether it does."""
    return int(await connection.fetchval(_COUNT_PROPOSED, now))
