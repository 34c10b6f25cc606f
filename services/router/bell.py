"""Waking agents who wait for a ticket.

Decided here: whom to wake: as many as tickets wait in a lane, those who wait longest first. So five hundred who wait
cost the database a look every now and then, not five hundred. Never here: who gets which ticket; to be woken is no
promise.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from services.router import metrics, roster
from services.router.domain.desk import serves
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.router.domain.desk import Agent
    from services.runtime.postgres import Pool

_REST_SECONDS: Final = 1.0
"""How long one who found nothing is left alone: what waits may be what they declined."""
_IDLE_SECONDS: Final = 0.5
"""Between two looks while nobody waits: only to know the lanes."""
_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Waiter:
    """An agent who waits."""

    agent: Agent
    rest_until: float
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Bell:
    """Those who wait at this process, longest first."""

    def __init__(self) -> None:
        self._waiters: dict[Waiter, None] = {}
        self.lanes: tuple[str, ...] = ()
        """Lanes in which something waited at the last look, and those that were heard of since."""

    def heard(self, lanes: set[str]) -> None:
        """Remember lanes in which something has come to wait."""
        if new := lanes.difference(self.lanes):
            self.lanes = (*self.lanes, *sorted(new))

    async def wait(self, agent: Agent, seconds: float, *, found_nothing: bool) -> bool:
        """Return whether the agent was woken within ``seconds``."""
        waiter = Waiter(agent, clock.monotonic() + (_REST_SECONDS if found_nothing else 0.0))
        self._waiters[waiter] = None
        metrics.POLLING.set(len(self._waiters))
        try:
            async with asyncio.timeout(seconds):
                await waiter.woken.wait()
        except TimeoutError:
            return False
        else:
            return True
        finally:
            self._waiters.pop(waiter, None)
            metrics.POLLING.set(len(self._waiters))

    def ring(self, waiting: Mapping[str, int], kept_for: set[str]) -> None:
        """Wake those for whom something waits."""
        left = dict(waiting)
        now = clock.monotonic()
        for waiter in list(self._waiters):
            if waiter.woken.is_set() or waiter.rest_until > now:
                continue
            lane = next((lane for lane, n in left.items() if n > 0 and serves(waiter.agent, lane)), None)
            if lane is not None:
                left[lane] -= 1
            if lane is not None or waiter.agent.agent_id in kept_for:
                waiter.woken.set()

    async def watch(self, pool: Pool, every_s: float) -> None:
        """Look what waits, again and again, for the life of the service."""
        while True:
            try:
                with translated():
                    async with pool.acquire() as connection:
                        waiting = await roster.lanes(connection)
                        kept_for = await roster.held(connection) if self._waiters else set()
                self.lanes = tuple(waiting)
                self.ring(waiting, kept_for)
            except UnavailableError as error:
                _log.warning("waiting_for", what="postgres", reason=str(error)[:200])
            await asyncio.sleep(every_s if self._waiters else max(every_s, _IDLE_SECONDS))
