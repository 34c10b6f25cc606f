"""Waking areas when a due time has passed, and keeping the reliability gauges.

A due time that has passed becomes a ``TimerFired`` in the area's own topic; the same one again is the same message,
so it counts once. Never here: whether what was due was done, and what is told then.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.envelope import fingerprint
from services.contracts.ids import timer_id
from services.contracts.messages import TimerFired
from services.contracts.topics import OUTAGE_INPUT
from services.dedup import metrics
from services.dedup.domain.clock import DUE, MOMENTARY
from services.dedup.domain.figures import figures
from services.dedup.store import reliability
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.handling import Publication
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.dedup.domain.clock import ServiceLevels
    from services.dedup.ground import Ground
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool

_PAGE: Final = 500
_REMEMBERED: Final = 20_000
_log: Final = structlog.get_logger()


async def fire_overdue(pool: Pool, outbox: Outbox, now: datetime, sent: set[UUID]) -> int:
    """Wake the areas of due times that have passed, up to a page of them; return how many.

    Args:
        pool: The database.
        outbox: Where messages go out.
        now: By our clock.
        sent: What was woken already; they are not sent again while they wait to be decided.
    """
    with translated():
        async with pool.acquire() as connection, connection.transaction():
            rows = await reliability.overdue(connection, now, _PAGE)
            fired = []
            for row in rows:
                kind = DUE[row["what"]]
                key = timer_id(row["area"], kind, row["incident_id"], row["due_at"])
                if key in sent:
                    continue
                sent.add(key)
                fired.append(
                    TimerFired(
                        area=row["area"],
                        timer_id=key,
                        kind=kind,
                        subject=row["incident_id"],
                        due_at=row["due_at"],
                        fired_at=now,
                    )
                )
            # Several processes look, each in its own moment, and one that was restarted looks again: it is one word.
            publications = [
                Publication(OUTAGE_INPUT, message, None, fingerprint(message, without=("fired_at",)))
                for message in fired
            ]
            await outbox.publish(connection, publications, now)
    if fired:
        outbox.wake()
    return len(fired)


async def measure_reliability(pool: Pool, now: datetime, levels: ServiceLevels | None) -> None:
    """Set the gauges of the last 24 hours, by the levels' threshold of what is momentary."""
    with translated():
        async with pool.acquire() as connection:
            found = await reliability.interruptions(connection, now - timedelta(days=1), now, None)
            customers = await reliability.customers_served(connection, None)
    momentary = MOMENTARY if levels is None else levels.momentary
    total = figures(found, customers, momentary=momentary, until=now)
    metrics.SAIDI.set(total.saidi_minutes)
    metrics.SAIFI.set(total.saifi)
    metrics.CAIDI.set(total.caidi_minutes)
    metrics.MAIFI.set(total.maifi)


async def watch_due(pool: Pool, outbox: Outbox, ground: Ground, every_s: float) -> None:
    """Look for due times that have passed, again and again, for the life of the service."""
    sent: set[UUID] = set()
    rounds = 0
    while True:
        try:
            await fire_overdue(pool, outbox, clock.now(), sent)
            if rounds % 30 == 0:
                await measure_reliability(pool, clock.now(), ground.rules.levels)
        except UnavailableError as error:
            _log.warning("waiting_for", what="postgres", reason=str(error)[:200])
            sent.clear()  # what was to be sent may not have been
        if len(sent) > _REMEMBERED:
            sent.clear()
        rounds += 1
        await asyncio.sleep(every_s)
