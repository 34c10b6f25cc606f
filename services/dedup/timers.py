"""Timers of areas: those that decisions set, and the deadlines of service levels.

A timer becomes a ``TimerFired`` in the area's own topic, so that a replay of the topic sees it too. A timer set by a
decision is deleted in the transaction that fires it, and fires once. A deadline stays, and several processes may
notice it; their messages are equal. Where the service levels have moved a deadline since it was stored, the area is
woken at once: the new one may have passed long before the old one does. Never here: what happens then.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from services.contracts.envelope import fingerprint
from services.contracts.ids import timer_id
from services.contracts.messages import TimerFired
from services.contracts.publication import Publication
from services.dedup import metrics
from services.dedup.domain.clock import ARRIVAL, DUE, RESTORATION
from services.dedup.store import reliability
from services.dedup.store.views import take_due_timers
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.postgres import connected, later_if_away

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from services.dedup.domain.service_levels import ServiceLevels
    from services.dedup.ground import Ground
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Connection, Pool

_PAGE: Final = 500
_REMEMBERED: Final = 20_000
_AGAIN: Final = timedelta(minutes=10)
"""Deadlines are compared with the service levels once they are others, and so often: an area may come from a process
that had others."""
_REST_S: Final = 0.25
"""Between two pages that woke somebody: reports come through the same topic, and their orders wait for nothing."""
_START: Final = ("", UUID(int=0))
"""Before the first: no area has an empty name."""
_log: Final = structlog.get_logger()


async def fire_due(pool: Pool, outbox: Outbox, now: datetime) -> int:
    """Fire the timers that are due, up to a page of them; return how many.

    Raises:
        UnavailableError: Postgres cannot answer; nothing was fired, or it is unknown whether it was.
    """
    async with connected(pool) as connection, connection.transaction():
        due = await take_due_timers(connection, now, _PAGE)
        fired = [_fired(one.area, one.timer_id, one.kind, one.subject, one.due_at, now) for one in due]
        await outbox.publish(connection, [Publication(message) for message in fired], now)
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
    async with connected(pool) as connection, connection.transaction():
        fired = []
        for row in await reliability.overdue(connection, now, _PAGE):
            area, kind, subject, due_at = row["area"], DUE[row["what"]], row["incident_id"], row["due_at"]
            key = timer_id(area, kind, subject, due_at)
            if key not in sent:
                sent.add(key)
                fired.append(_fired(area, key, kind, subject, due_at, now))
        await _publish(connection, outbox, fired, now)
    if fired:
        outbox.wake()
    return len(fired)


async def wake_moved(pool: Pool, outbox: Outbox, now: datetime, levels: ServiceLevels) -> int:
    """Wake the areas of open incidents that were stored with other due times than follow now; return how many.

    Args:
        pool: The database.
        outbox: Where messages go out.
        now: By our clock. Processes that notice the same within some minutes send equal messages.
        levels: The service levels in force.
    """
    woken, after = 0, _START
    lately = datetime.fromtimestamp(now.timestamp() // _AGAIN.total_seconds() * _AGAIN.total_seconds(), UTC)
    while True:
        async with connected(pool) as connection, connection.transaction():
            rows = await reliability.due_times(connection, after, _PAGE)
            fired = []
            for row in rows:
                if (moved := _moved(row, levels)) is not None:
                    kind, due_at = moved
                    area, subject = row["area"], row["incident_id"]
                    key = timer_id(area, f"{kind} by {levels.hash} since {lately.isoformat()}", subject, due_at)
                    fired.append(_fired(area, key, kind, subject, due_at, now))
            await _publish(connection, outbox, fired, now)
        if fired:
            outbox.wake()
            woken += len(fired)
        if len(rows) < _PAGE:
            return woken
        if fired:
            await asyncio.sleep(_REST_S)
        after = rows[-1]["area"], rows[-1]["incident_id"]


def _moved(row: asyncpg.Record, levels: ServiceLevels) -> tuple[str, datetime] | None:
    """Return the timer of a due time that the service levels have moved, and what is stored in its place."""
    due = levels.due(row["area"], row["feeder"], row["opened_at"], urgent=row["urgent"], arrived_at=row["arrived_at"])
    for what, stored, now in (
        (ARRIVAL, row["arrive_by"], due.arrive_by),
        (RESTORATION, row["restore_by"], due.restore_by),
    ):
        if stored != now and what not in row["breached"]:
            return DUE[what], stored or row["opened_at"]  # either has both stored anew
    return None


async def _publish(tx: Connection, outbox: Outbox, noticed: Iterable[TimerFired], now: datetime) -> None:
    """Publish what several processes notice, each in its own moment, and one that was restarted again: as one word."""
    publications = [Publication(message, None, fingerprint(message, without=("fired_at",))) for message in noticed]
    await outbox.publish(tx, publications, now)


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


async def watch_levels(pool: Pool, outbox: Outbox, ground: Ground, every_s: float) -> None:
    """Compare the stored due times with the service levels in force, for the life of the service."""
    compared: tuple[str, datetime] | None = None
    while True:
        levels, now = ground.rules.levels, clock.now()
        if levels is not None and (compared is None or compared[0] != levels.hash or now - compared[1] >= _AGAIN):
            with later_if_away():
                if woken := await wake_moved(pool, outbox, now, levels):
                    _log.info("due_times_moved", incidents=woken, levels_hash=levels.hash)
                compared = levels.hash, now
        await asyncio.sleep(every_s)
