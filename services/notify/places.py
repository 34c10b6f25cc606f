"""What is known about the power at a place: account or number to device, device to what is planned or out above it.

Decided here: what answers for a place. A planned outage in force does, as it would answer the report; else an incident
(open before closed, nearest device first), and a closed one for how long. What is out at one customer's alone answers
for that account only, and a danger for nobody: whoever hears that their outage is known hangs up. Never here: whose
account or number it is; that never leaves the network model.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import asyncpg

from services.contracts.values import IncidentState
from services.grid.lookup import resolve_places
from services.runtime.rows import columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.grid.evidence import PlaceEvidence
    from services.runtime.postgres import Pool

_OVER_FOR: Final = timedelta(hours=2)
_DEEPEST: Final = 200  # devices from a customer up to the substation; also ends a cycle that should not be there

# The way up is as operated: parents. In a place without a network model the device is a cell and has no parent.
_AT: Final = """
WITH RECURSIVE up AS (
    SELECT n, area, device, account_id, 0 AS above
    FROM unnest($1::int[], $2::text[], $3::text[], $4::text[]) AS asked (n, area, device, account_id)
    UNION ALL
    SELECT up.n, up.area, d.parent, up.account_id, up.above + 1
    FROM up CROSS JOIN LATERAL (
        SELECT parent FROM grid.device
        WHERE version = (SELECT version FROM grid.network_version WHERE is_current) AND id = up.device
        LIMIT 1
    ) AS d
    WHERE d.parent IS NOT NULL AND up.above < $5
)
SELECT DISTINCT ON (n) n, state, progress, etr, restored_at, changed_at, planned
FROM (
    SELECT up.n, up.above, i.state, i.progress, i.etr, i.restored_at, i.changed_at, false AS planned
    FROM up JOIN incident i ON i.area = up.area AND i.device = up.device
    WHERE (i.kind IS NULL OR (i.kind = 'single' AND i.account_id = up.account_id))
      AND (i.state IN ('predicted', 'confirmed') OR (i.state = 'restored' AND i.restored_at > $6))
    UNION ALL
    SELECT up.n, 0, 'confirmed', NULL, p.ends_at, NULL, p.changed_at, true
    FROM up JOIN planned_outage p ON p.area = up.area AND p.device = up.device
    WHERE NOT p.cancelled AND p.starts_at <= $7 AND p.ends_at > $7
) AS known
ORDER BY n, planned DESC, CASE WHEN planned THEN etr END DESC, state = 'restored', above, changed_at DESC
"""


@dataclass(frozen=True, slots=True)
class AtPlace:
    """What is known of a place. It says nothing of any customer.

    Attributes:
        placed: Whether the network model knows the place.
        state: Of the incident there, or of planned work: confirmed; None where nothing is known.
        progress: Last thing the crew said.
        planned: Whether it is planned work, which ends at ``etr``.
    """

    placed: bool
    state: IncidentState | None = None
    progress: str | None = None
    etr: datetime | None = None
    restored_at: datetime | None = None
    changed_at: datetime | None = None
    planned: bool = False


async def find(pool: Pool, asked: Sequence[PlaceEvidence], now: datetime) -> list[AtPlace]:
    """Return what is known of each place, in order, by two queries."""
    async with pool.acquire() as connection:
        try:
            places = await resolve_places(connection, asked)
        except asyncpg.UndefinedTableError:  # no network model was ever imported here
            return [AtPlace(placed=False)] * len(asked)
        known = [
            (n, one.area, one.transformer_id or one.area, one.account_id) for n, one in enumerate(places) if one.area
        ]
        rows = await connection.fetch(_AT, *columns(known), _DEEPEST, now - _OVER_FOR, now) if known else []
    found = {
        row["n"]: AtPlace(
            placed=True,
            state=IncidentState(row["state"]),
            progress=row["progress"],
            etr=row["etr"] if row["etr"] is not None and row["etr"] > now else None,
            restored_at=row["restored_at"],
            changed_at=row["changed_at"],
            planned=row["planned"],
        )
        for row in rows
    }
    return [found.get(n) or AtPlace(placed=one.area is not None) for n, one in enumerate(places)]
