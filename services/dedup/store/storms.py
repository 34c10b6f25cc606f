"""Areas' report rates and storms, in Postgres."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from services.dedup.domain.storm import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from services.dedup.domain.state import AreaState
    from services.runtime.postgres import Connection

_COUNT: Final = "SELECT count(*) FROM area WHERE calm_at > $1"
_STORMS_OF: Final = """
SELECT s.*, CASE WHEN s.ended_at IS NULL THEN a.calm_at END AS calm_at
FROM storm AS s JOIN area AS a USING (area){where}
ORDER BY s.began_at DESC, s.area LIMIT $1
"""
_STORMS: Final = _STORMS_OF.format(where="")
_STORMS_IN: Final = _STORMS_OF.format(where=" WHERE s.area = $2")


def pace_row(pace: Pace) -> tuple[float, float, float, float]:
    """Return the numbers of a pace as they are kept: NaN where there is none."""
    last, recent, usual, since = pace
    return (math.nan if last is None else last, recent, usual, math.nan if since is None else since)


def pace_of(row: Sequence[float]) -> Pace:
    """Return the pace that was kept; that of an area nobody reported from where none was."""
    if not row:
        return Pace()
    last, recent, usual, since = row
    return Pace(None if math.isnan(last) else last, recent, usual, None if math.isnan(since) else since)


def calm_at(state: AreaState) -> datetime | None:
    """Return until when the storm an area is in lasts, if nobody reports any more."""
    storm = state.rules.storm
    seconds = None if storm is None else state.pace.calm_at(storm)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


async def count_stormy(connection: Connection, now: datetime) -> int:
    """Return how many areas are in a storm."""
    return int(await connection.fetchval(_COUNT, now))


async def storms_of(connection: Connection, area: str | None, limit: int) -> list[asyncpg.Record]:
    """Return storms, the latest first."""
    if area is None:
        return await connection.fetch(_STORMS, limit)
    return await connection.fetch(_STORMS_IN, limit, area)
