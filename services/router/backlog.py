"""What waits in the queues, counted once for all who ask.

Decided here: when it is counted. Up to ``MOST_COUNTED`` waiting tickets, a request gets a count begun after it, shared
with all requests that came meanwhile; beyond that, the one the watcher makes at intervals, with its time. So a request
costs the same with a thousand and a million tickets. Never here: what the counts mean.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from services.router import metrics, roster, store
from services.router.domain.classify import URGENCY
from services.router.domain.serving import ANY
from services.router.domain.targets import Duty
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.metrics import set_all
from services.runtime.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.contracts.values import Priority
    from services.router.domain.ticket import Rules
    from services.router.store import Depth
    from services.router.tree.book import RuleBook
    from services.runtime.postgres import Pool

MOST_COUNTED: Final = 5_000
"""Waiting tickets that are counted because somebody asks: a millisecond or two of the database."""
_REST: Final = 50
"""Times as long as it took, the watcher does not count again."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Counted:
    """What waited at a moment.

    Attributes:
        depths: By queue and priority; empty queues have none.
        at: When it was counted.
        began: The same, on the clock that never jumps.
    """

    depths: tuple[Depth, ...]
    at: datetime
    began: float

    @property
    def waiting(self) -> int:
        """Tickets in all."""
        return sum(depth.waiting for depth in self.depths)


class Backlog:
    """What waits, as last counted by this process."""

    def __init__(self, pool: Pool, most_counted: int = MOST_COUNTED) -> None:
        self._pool = pool
        self._most_counted = most_counted
        self._last: Counted | None = None
        self._counting = asyncio.Lock()

    async def seen(self) -> Counted:
        """Return what waits: as of now while that is little, else as last counted."""
        asked = clock.monotonic()
        if self._last is not None and self._last.waiting > self._most_counted:
            return self._last
        async with self._counting:
            if self._last is not None and self._last.began >= asked:
                return self._last
            return await self._count()

    async def look(self) -> Counted:
        """Count, however much waits."""
        async with self._counting:
            return await self._count()

    async def watch(self, book: RuleBook, every_s: float) -> None:
        """Count again and again, for the life of the service; keep the gauges, and what the tree skips targets by.

        With a million tickets it is done more rarely, so that it takes a small part of the database's time.
        """
        while True:
            began = clock.monotonic()
            try:
                counted = await self.look()
                async with connected(self._pool) as connection:
                    staffed = await roster.on_duty(connection)
            except UnavailableError as error:
                _log.warning("queues_not_measured", reason=str(error)[:200])
            else:
                _measure(counted.depths, book.rules, counted.at)
                book.note_duty(_duty(counted.depths, staffed, book.rules))
            await asyncio.sleep(max(every_s, _REST * (clock.monotonic() - began)))

    async def _count(self) -> Counted:
        began, at = clock.monotonic(), clock.now()
        async with connected(self._pool) as connection:
            depths = await store.depths(connection)
        self._last = Counted(tuple(depths), at, began)
        return self._last


def oldest_s(depths: Sequence[Depth], now: datetime) -> float:
    """Return the age of the ticket that waits longest, in seconds; 0 if none does."""
    return max((max(0.0, (now - depth.oldest_at).total_seconds()) for depth in depths), default=0.0)


def _duty(depths: Sequence[Depth], staffed: frozenset[str] | None, rules: Rules) -> Duty:
    everything = staffed is not None and ANY in staffed
    waiting: Counter[str] = Counter()
    for depth in depths:
        waiting[depth.queue] += depth.waiting
    return Duty(frozenset({*rules.tree.queues, *waiting}) if everything else staffed, waiting)


def _measure(depths: Sequence[Depth], rules: Rules, now: datetime) -> None:
    counted: defaultdict[tuple[str, Priority], list[Depth]] = defaultdict(list)
    for depth in depths:
        counted[depth.queue, depth.priority].append(depth)
    queues = {*rules.tree.queues, *(queue for queue, _ in counted)}
    those = {(queue, priority.value): counted[queue, priority] for queue in queues for priority in URGENCY}
    set_all(metrics.WAITING, {which: sum(depth.waiting for depth in some) for which, some in those.items()})
    set_all(metrics.OLDEST, {which: oldest_s(some, now) for which, some in those.items()})
