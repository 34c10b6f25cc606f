"""Planned outages, so that who asks of a place hears of work before anybody has reported.

Decided here: that the last word of a plan holds, as they come in the order they were said. Never here: which of them
answers (``places``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.runtime.rows import columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.contracts.messages import PlanChanged
    from services.runtime.postgres import Connection

_SAVE: Final = """
INSERT INTO planned_outage (planned_id, area, device, starts_at, ends_at, cancelled, changed_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::boolean[],
                     $7::timestamptz[]) AS v (planned_id)
ORDER BY v.planned_id
ON CONFLICT (planned_id) DO UPDATE SET
    area = excluded.area, device = excluded.device, starts_at = excluded.starts_at, ends_at = excluded.ends_at,
    cancelled = excluded.cancelled, changed_at = excluded.changed_at
"""


async def save_plans(tx: Connection, changed: Iterable[PlanChanged]) -> None:
    """Remember planned outages as they now are."""
    latest = {one.planned_id: one for one in changed}
    if latest:
        rows = [
            (one.planned_id, one.area, one.device, one.starts_at, one.ends_at, one.cancelled, one.changed_at)
            for one in latest.values()
        ]
        await tx.execute(_SAVE, *columns(rows))
