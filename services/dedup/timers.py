"""Waking areas at the moments their decisions asked for.

A timer that is due becomes a ``TimerFired`` in the area's own topic, in the transaction that deletes its row: so a
replay of the topic sees it too, and it fires once. Never here: what happens then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.messages import TimerFired
from services.contracts.topics import OUTAGE_INPUT
from services.dedup import metrics
from services.dedup.store.views import take_due_timers
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.handling import Publication
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from datetime import datetime

    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool

_PAGE: Final = 500
_log: Final = structlog.get_logger()


async def fire_due(pool: Pool, outbox: Outbox, now: datetime) -> int:
    """Fire the timers that are due, up to a page of them; return how many.

    Raises:
        UnavailableError: Postgres cannot answer; nothing was fired, or it is unknown whether it was.
    """
    with translated():
        async with pool.acquire() as connection, connection.transaction():
            due = await take_due_timers(connection, now, _PAGE)
            fired = [
                TimerFired(
                    area=timer.area,
                    timer_id=timer.timer_id,
                    kind=timer.kind,
                    subject=timer.subject,
                    due_at=timer.due_at,
                    fired_at=now,
                )
                for timer in due
            ]
            await outbox.publish(connection, [Publication(OUTAGE_INPUT, message) for message in fired], now)
    for message in fired:
        metrics.TIMERS.labels(message.kind).inc()
    if fired:
        outbox.wake()
    return len(fired)


async def watch_timers(pool: Pool, outbox: Outbox, every_s: float) -> None:
    """Fire what is due, again and again, for the life of the service."""
    while True:
        try:
            while await fire_due(pool, outbox, clock.now()) == _PAGE:
                continue
        except UnavailableError as error:
            _log.warning("waiting_for", what="postgres", reason=str(error)[:200])
        await asyncio.sleep(every_s)
