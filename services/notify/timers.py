"""Estimates that have passed: who was told one hears that it has, and that nobody has said yet that power is back.

Some of an incident's customers are looked at in a transaction of its own, under the locks that a batch of its changes
takes, so that each hears of it once, whichever process looks and whatever else is told them meanwhile. Never here: what
is told (``domain.comparison``).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from services.notify import customers
from services.notify.domain.comparison import Occasion
from services.notify.domain.notice import Quiet, Stage
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
_PASSED: Final = """
SELECT incident_id FROM incident
WHERE state IN ('predicted', 'confirmed') AND etr <= $1 AND etr_passed IS DISTINCT FROM etr
ORDER BY etr
"""
_KNOWN: Final = "UPDATE incident SET etr_passed = etr WHERE incident_id = $1 AND etr = $2"
_log: Final = structlog.get_logger()


async def tell_passed(pool: Pool, wording: Wording, now: datetime) -> int:
    """Make the notices of estimates that have passed; return how many.

    Raises:
        UnavailableError: Postgres cannot answer; the others are told when it does.
    """
    after = wording.calm.passed
    if after is None:
        return 0
    with translated():
        incidents = [row["incident_id"] for row in await pool.fetch(_PASSED, now - after)]
        return sum([await _tell(pool, wording, one, now) for one in incidents])


async def _tell(pool: Pool, wording: Wording, incident: UUID, now: datetime) -> int:
    """Tell the customers of one incident, piece by piece; only then is it known that its estimate has passed."""
    told, after, passed, etr = 0, FIRST, True, None
    while True:
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
            passed = passed and not looked.decision.quiet[Quiet.ETR_NOT_PASSED]
            if piece.is_last and passed:  # else it is looked at again
                await connection.execute(_KNOWN, incident, etr)
        observe_made(looked.made, looked.saved)
        told += len(looked.saved.new)
        if piece.is_last:
            return told
        after = piece.after


def _is_of_the_passing(notice: Notice) -> bool:
    return notice.stage is Stage.ETR_PASSED


async def watch_estimates(pool: Pool, templates: Callable[[], Wording], wake: Callable[[], None]) -> None:
    """Look for estimates that have passed, for the life of the service; ``wake`` who sends once there are notices."""
    while True:
        with later_if_away():
            if made := await tell_passed(pool, templates(), clock.now()):
                _log.info("estimates_passed", notices=made)
                wake()
        await asyncio.sleep(_EVERY_S)
