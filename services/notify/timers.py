"""Estimates that have passed: who was told one hears that it has, and that nobody has said yet that power is back.

Decided here: when an incident is looked at again of whose customers some were told a later time.

Some of an incident's customers are looked at in a transaction of its own, under the locks that a batch of its changes
takes, so that each hears of it once, whichever process looks and whatever else is told them meanwhile. Never here: what
is told (``domain.comparison``).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from services.notify import customers
from services.notify.domain.comparison import Occasion
from services.notify.domain.notice import Stage
from services.notify.fan_out import FIRST, look, observe_made, piece_of
from services.runtime import clock
from services.runtime.postgres import later_if_away, translated

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from services.notify.domain.notice import Notice
    from services.notify.wording import Wording
    from services.runtime.postgres import Pool

_EVERY_S: Final = 15.0
_AT_LEAST: Final = timedelta(seconds=1)
_AT_MOST: Final = timedelta(seconds=5)
"""Between two looks at an incident of which some were told a later time, for each piece that its customers make. Of
100,000 a look takes a minute of two processors: every 15 s there would be time for nothing else."""
_PASSED: Final = """
SELECT incident_id, etr FROM incident
WHERE state IN ('predicted', 'confirmed') AND etr <= $1 AND etr_passed IS DISTINCT FROM etr
ORDER BY etr
"""
_KNOWN: Final = "UPDATE incident SET etr_passed = etr WHERE incident_id = $1 AND etr = $2"
_log: Final = structlog.get_logger()


async def tell_passed(
    pool: Pool, wording: Wording, now: datetime, later: dict[tuple[UUID, datetime], datetime] | None = None
) -> int:
    """Make the notices of estimates that have passed; return how many.

    Args:
        pool: The service's pool.
        wording: The templates in force.
        now: The instant of it.
        later: When an incident and estimate are looked at again; kept up to date.

    Raises:
        UnavailableError: Postgres cannot answer; the others are told when it does.
    """
    after = wording.calm.passed
    if after is None:
        return 0
    later = {} if later is None else later
    told = 0
    with translated():
        passed = [(row["incident_id"], row["etr"]) for row in await pool.fetch(_PASSED, now - after)]
        for over in later.keys() - set(passed):
            del later[over]
        for one in passed:
            if later.get(one, now) <= now:
                made, later[one] = await _tell(pool, wording, one[0], now)
                told += made
    return told


async def _tell(pool: Pool, wording: Wording, incident: UUID, now: datetime) -> tuple[int, datetime]:
    """Tell the customers of one incident, piece by piece; only then is it known that its estimate has passed.

    Returns: how many notices were made, and when it is looked at again if that is not known yet.
    """
    told, after, etr, pieces = 0, FIRST, None, 0
    may_pass_at: datetime | None = None
    while True:
        pieces += 1
        async with pool.acquire() as connection, connection.transaction():
            piece = await piece_of(connection, incident, after)
            await customers.lock(connection, piece.who)
            standing = (await customers.load_standings(connection, {incident}))[incident]
            etr = etr or standing.etr
            looked = await look(
                *(connection, replace(standing, changed_at=now), piece.who, wording, now),
                occasion=Occasion.PASSED,
                only=_is_of_the_passing,
            )
            known = (may_pass_at, looked.decision.may_pass_at)
            may_pass_at = min((at for at in known if at is not None), default=None)
            if piece.is_last and may_pass_at is None:  # else it is looked at again
                await connection.execute(_KNOWN, incident, etr)
        observe_made(looked.made, looked.saved)
        told += len(looked.saved.new)
        if piece.is_last:
            return told, min(max(may_pass_at or now, now + pieces * _AT_LEAST), now + pieces * _AT_MOST)
        after = piece.after


def _is_of_the_passing(notice: Notice) -> bool:
    return notice.stage is Stage.ETR_PASSED


async def watch_estimates(pool: Pool, templates: Callable[[], Wording], wake: Callable[[], None]) -> None:
    """Look for estimates that have passed, for the life of the service; ``wake`` who sends once there are notices."""
    later: dict[tuple[UUID, datetime], datetime] = {}
    while True:
        with later_if_away():
            if made := await tell_passed(pool, templates(), clock.now(), later):
                _log.info("estimates_passed", notices=made)
                wake()
        await asyncio.sleep(_EVERY_S)
