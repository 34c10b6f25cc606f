"""How well the times held that customers were told. One query.

Decided here: what counts as told, and as held. A customer counts once for each incident they were told of, in the
period in which its power came back. Never here: who they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from services.runtime.postgres import Connection

SOON: Final = timedelta(minutes=15)
"""Customers expect a time within this (Chartwell's surveys of utilities' customers)."""

# What was sent, and before power was back: a time that waited until then told nobody anything.
_HELD: Final = """
WITH over AS (
    SELECT incident_id, area, restored_at FROM incident
    WHERE state = 'restored' AND restored_at >= $1 AND restored_at < $2 AND ($3::text IS NULL OR area = $3)
), customer AS (
    SELECT area, restored_at, min(caused_at) AS heard_of_at,
           min(sent_at) FILTER (WHERE is_time) AS told_at,
           (array_agg(etr ORDER BY sent_at, seq) FILTER (WHERE is_time))[1] AS first_told,
           (array_agg(etr ORDER BY sent_at DESC, seq DESC) FILTER (WHERE is_time))[1] AS last_told,
           count(*) FILTER (WHERE is_time) AS times
    FROM (
        SELECT over.*, n.recipient_id, n.caused_at, n.sent_at, n.etr, n.seq,
               n.etr IS NOT NULL AND n.sent_at < over.restored_at AS is_time
        FROM over JOIN notice AS n USING (incident_id) WHERE n.state = 'sent'
    ) AS sent
    GROUP BY incident_id, recipient_id, area, restored_at
)
SELECT area, count(*) AS customers, count(first_told) AS told,
       count(*) FILTER (WHERE told_at - heard_of_at <= $4) AS told_soon,
       count(*) FILTER (WHERE restored_at <= first_told) AS first_held,
       count(*) FILTER (WHERE restored_at <= last_told) AS last_held,
       coalesce(sum(times - 1) FILTER (WHERE times > 0), 0)::bigint AS changes,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY restored_at - last_told) FILTER (WHERE restored_at > last_told)
           AS late_half,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY restored_at - last_told) FILTER (WHERE restored_at > last_told)
           AS late_most,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY last_told - restored_at) FILTER (WHERE restored_at <= last_told)
           AS early_half
FROM customer GROUP BY GROUPING SETS ((), (area)) HAVING area IS NOT NULL OR grouping(area) = 1
ORDER BY grouping(area) DESC, area
"""


@dataclass(frozen=True, slots=True)
class Held:
    """How the times held for some customers.

    Attributes:
        area: Of the incidents; None for all of them.
        customers: Who were told anything of an incident whose power came back in the period.
        told: Those who were told a time before power was back.
        told_soon: Those who were told one within ``SOON`` of the report by which they were first told anything.
        first_held: Those who had power by the first time they were told.
        last_held: Those who had it by the last one.
        changes: How often they were told another time.
        late_half: Of those who had not by the last one, how long after it half of them had; None where there are none.
        late_most: How long after it nine of ten had.
        early_half: Of those who had, how long before it half of them had.
    """

    area: str | None
    customers: int
    told: int
    told_soon: int
    first_held: int
    last_held: int
    changes: int
    late_half: timedelta | None = None
    late_most: timedelta | None = None
    early_half: timedelta | None = None


async def how_they_held(
    connection: Connection, since: datetime, until: datetime, area: str | None = None
) -> list[Held]:
    """Return how the times held: first for all incidents whose power came back in a period, then by area.

    Args:
        connection: The database.
        since: Power was back then or later ...
        until: ... and before this.
        area: Only incidents of this area.
    """
    return [Held(**row) for row in await connection.fetch(_HELD, since, until, area, SOON)]
