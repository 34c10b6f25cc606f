"""Timers of areas: those that decisions set, and the deadlines of service levels.

A timer becomes a ``TimerFired`` in the area's own topic, so that a replay of the topic sees it too. A timer set by a
decision is deleted in the transaction that fires it, and fires once. A deadline stays, and several processes may
notice it; their messages are equal. Never here: what happens then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.envelope import fingerprint
from services.contracts.ids import timer_id
from services.contracts.messages import TimerFired
from services.contracts.topics import OUTAGE_INPUT
from services.dedup import metrics
from services.dedup.domain.clock import DUE
from services.dedup.store import reliability
from services.dedup.store.views import take_due_timers
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.handling import Publication
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Pool

_PAGE: Final = 500
_REMEMBERED: Final = 20_000
_log: Final = structlog.get_logger()


async def fire_due(pool: Pool, outbox: Outbox, now: datetime) -> int:
    """Fire the timers that are due, up to a page of them; return how many.

    Raises:
        UnavailableError: Postgres cannot answer; nothing was fired, or it is unknown whether it was.
    """
    with translated():
        async with pool.acquire() as connection, connection.transaction():
            due = await take_due_timers(connection, now, _PAGE)
            fired = [_fired(one.area, one.timer_id, one.kind, one.subject, one.due_at, now) for one in due]
            await outbox.publish(connection, [Publication(OUTAGE_INPUT, message) for message in fired], now)
    for message in fired:
        metrics.TIMERS.labels(message.kind).inc()
    if fired:
        outbox.wake()
    return len(fired)


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
            fired = []
            for row in await reliability.overdue(connection, now, _PAGE):
                area, kind, subject, due_at = row["area"], DUE[row["what"]], row["incident_id"], row["due_at"]
                key = timer_id(area, kind, subject, due_at)
                if key not in sent:
                    sent.add(key)
                    fired.append(_fired(area, key, kind, subject, due_at, now))
            # Several processes look, each in its own moment, and one that was restarted looks again: it is one word.
            publications = [
                Publication(OUTAGE_INPUT, message, None, fingerprint(message, without=("fired_at",)))
                for message in fired
            ]
            await outbox.publish(connection, publications, now)
    if fired:
        outbox.wake()
    return len(fired)


def _fired(area: str, key: UUID, kind: str, subject: UUID, due_at: datetime, now: datetime) -> TimerFired:
    return TimerFired(area=area, timer_id=key, kind=kind, subject=subject, due_at=due_at, fired_at=now)


async def watch_timers(pool: Pool, outbox: Outbox, every_s: float) -> None:
    """Fire what is due, again and again, for the life of the service."""
    sent: set[UUID] = set()
    while True:
        try:
            while await fire_due(pool, outbox, clock.now()) == _PAGE:
                continue
            await fire_overdue(pool, outbox, clock.now(), sent)
        except UnavailableError as error:
            _log.warning("waiting_for", what="postgres", reason=str(error)[:200])
            sent.clear()  # what was to be sent may not have been
        if len(sent) > _REMEMBERED:
            sent.clear()
        await asyncio.sleep(every_s)
