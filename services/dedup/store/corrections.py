"""How far the engine's merging stands after people looked at it: what they put elsewhere, and the devices they named.

Decided here: what counts as corrected. An incident is of the time in which it opened, a report where it is now. What
the engine did last with a report is the engine's, though people had moved it before. Never here: whether people were
right.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from services.runtime.postgres import Connection

# Where nobody merged, split or moved anything, the engine's incident is the one that stands.
_ARRANGED: Final = """
WITH standing AS (
    SELECT incident_id, area, kind, reports, ordered FROM incident
    WHERE opened_at >= $1 AND opened_at < $2 AND ($3::text IS NULL OR area = $3) AND state <> 'cancelled'
), touched AS (
    SELECT DISTINCT unnest(incidents) AS incident_id FROM command
    WHERE outcome = 'done' AND action IN ('merge', 'split', 'move') AND accepted_at >= $1
), put AS (
    SELECT s.area, s.incident_id AS stands, coalesce(m.incident_id, s.incident_id) AS engines
    FROM touched JOIN standing AS s USING (incident_id)
    JOIN report AS r ON r.incident_id = s.incident_id AND r.outcome = 'in_incident'
    LEFT JOIN LATERAL (
        SELECT incident_id FROM membership
        WHERE report_id = r.report_id AND action = 'joined' AND author = 'engine'
        ORDER BY seq DESC LIMIT 1
    ) AS m ON true
), shared AS (
    SELECT area, stands, engines, count(*) AS n, sum(count(*)) OVER (PARTITION BY stands) AS in_stands,
           sum(count(*)) OVER (PARTITION BY engines) AS in_engines
    FROM put GROUP BY area, stands, engines
), compared AS (
    SELECT area, sum(n) AS reports, sum(n) FILTER (WHERE stands <> engines) AS moved,
           sum(n * n / in_engines) AS alike_of_engines, sum(n * n / in_stands) AS alike_of_standing
    FROM shared GROUP BY area
), counted AS (
    SELECT area, count(*) AS incidents, count(*) FILTER (WHERE kind = 'outage') AS outages,
           count(*) FILTER (WHERE ordered) AS ordered, sum(reports) AS reports
    FROM standing GROUP BY area
)
SELECT area, incidents, outages, ordered, c.reports, coalesce(p.moved, 0)::bigint AS moved,
       (c.reports - coalesce(p.reports - p.alike_of_engines, 0))::float8 AS alike_of_engines,
       (c.reports - coalesce(p.reports - p.alike_of_standing, 0))::float8 AS alike_of_standing
FROM counted AS c LEFT JOIN compared AS p USING (area)
"""
_DID: Final = """
SELECT i.area, count(*) FILTER (WHERE action = 'merge') AS merged, count(*) FILTER (WHERE action = 'split') AS split
FROM command AS c JOIN incident AS i ON i.incident_id = c.subject
WHERE c.outcome = 'done' AND c.undone_by IS NULL AND c.action IN ('merge', 'split') AND c.accepted_at >= $1
  AND i.opened_at >= $1 AND i.opened_at < $2 AND ($3::text IS NULL OR i.area = $3)
GROUP BY i.area
"""
# An outage whose device a person confirmed, and where its order had sent the crew: first, and until then. An order that
# was sent only then was right.
_NAMED: Final = """
WITH confirmed AS (
    SELECT i.area, i.device_id, i.upstream, i.order_id, (
        SELECT coalesce(min(version), 2147483647) FROM order_version
        WHERE order_id = i.order_id AND reason = 'confirmed_by_person'
    ) AS told
    FROM incident AS i
    WHERE i.opened_at >= $1 AND i.opened_at < $2 AND ($3::text IS NULL OR i.area = $3)
      AND i.kind = 'outage' AND i.state <> 'cancelled' AND i.ordered AND EXISTS (
        SELECT FROM command
        WHERE subject = i.incident_id AND outcome = 'done' AND undone_by IS NULL AND action = 'confirm'
      )
), sent AS (
    SELECT c.*, first.device_id AS first, last.device_id AS last FROM confirmed AS c
    JOIN LATERAL (
        SELECT device_id FROM order_version WHERE order_id = c.order_id ORDER BY version LIMIT 1
    ) AS first ON true
    JOIN LATERAL (
        SELECT device_id FROM order_version WHERE order_id = c.order_id
        ORDER BY version < told DESC, version DESC LIMIT 1
    ) AS last ON true
)
SELECT s.area, count(*) AS confirmed,
       count(*) FILTER (WHERE first = device_id) AS first_right,
       count(*) FILTER (WHERE last = device_id) AS last_right,
       count(*) FILTER (WHERE last <> device_id AND last = ANY(upstream)) AS last_above,
       count(*) FILTER (WHERE last <> device_id AND device_id = ANY(d.chain)) AS last_below
FROM sent AS s LEFT JOIN grid.device AS d
  ON d.version = (SELECT version FROM grid.network_version WHERE is_current) AND d.id = last
GROUP BY s.area
"""


@dataclass(slots=True)
class Corrections:
    """How some incidents stand, and what people put right.

    Attributes:
        incidents: That stand: merged ones are of those they were merged into.
        outages: Of these, those of several homes.
        ordered: Of the incidents, those to which a crew was sent.
        reports: In them.
        moved: Reports that people put into another incident than the engine had.
        merged: Incidents that people merged into another: each one order too many.
        split: Incidents that people made of reports of another.
        alike_of_engines: Sum over the reports: the share of those the engine had put with each that are with it.
        alike_of_standing: The same of those that are with it: the share that the engine had put with it.
        confirmed: Outages whose device a person confirmed.
        first_right: Of these, whose first order named it.
        last_right: Whose order named it when they confirmed it.
        last_above: Whose order then named a device above it.
        last_below: Or below it.
    """

    incidents: int = 0
    outages: int = 0
    ordered: int = 0
    reports: int = 0
    moved: int = 0
    merged: int = 0
    split: int = 0
    alike_of_engines: float = 0.0
    alike_of_standing: float = 0.0
    confirmed: int = 0
    first_right: int = 0
    last_right: int = 0
    last_above: int = 0
    last_below: int = 0

    def add(self, other: Corrections) -> None:
        """Count those of others, too."""
        for each in fields(Corrections):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    @property
    def precision(self) -> float | None:
        """B-cubed precision of the engine's incidents, were those that stand the truth; None without reports."""
        return self.alike_of_engines / self.reports if self.reports else None

    @property
    def recall(self) -> float | None:
        """B-cubed recall of the same."""
        return self.alike_of_standing / self.reports if self.reports else None

    @property
    def f1(self) -> float | None:
        """Their harmonic mean."""
        if self.precision is None or self.recall is None:
            return None
        return 2 * self.precision * self.recall / (self.precision + self.recall)


async def corrections(
    connection: Connection, start: datetime, end: datetime, area: str | None
) -> dict[str, Corrections]:
    """Return how the incidents stand that opened in a time, by area. Three queries."""
    found: dict[str, Corrections] = {}
    for statement in (_ARRANGED, _DID, _NAMED):
        for row in await connection.fetch(statement, start, end, area):
            here = found.setdefault(row["area"], Corrections())
            for name, value in row.items():
                if name != "area":
                    setattr(here, name, value)
    return found
