"""Waking agents who wait for a ticket.

Decided here: whom to wake: as many as tickets wait in a lane, those who wait longest first. So five hundred who wait
cost the database a look every now and then, not five hundred. Who has as much as they can, or an offer before them, is
woken when that changes instead. Never here: who gets which ticket; to be woken is no promise.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from services.router import metrics, roster
from services.router.lanes import Lanes, kind_of
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.postgres import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from services.router.domain.desk import Agent
    from services.router.lanes import Kind
    from services.runtime.postgres import Pool

_REST_SECONDS: Final = 1.0
"""How long one who found nothing is left alone: what waits may be what they declined."""
_IDLE_SECONDS: Final = 0.5
"""Between two looks while nobody waits: only to know the lanes."""
_HANDS_SECONDS: Final = 1.0
"""Between two looks at what the busy ones have: only what other processes did is not known at once."""
_REST_TIMES: Final = 5
"""Times as long as a look took, there is none: with thousands of lanes it is dear."""
_MOST_REST_SECONDS: Final = 1.0
"""And never longer than this: a look may have taken long because the machine stood still, and agents wait."""
_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Waiter:
    """An agent who waits: for a ticket, or, who is busy, for a change of what they have (``has``, once it was seen)."""

    agent: Agent
    rest_until: float
    busy: bool = False
    has: str | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Bell:
    """Those who wait at this process, longest first."""

    def __init__(self) -> None:
        self._waiters: dict[Waiter, None] = {}
        self._changes: Counter[str] = Counter()
        self.lanes = Lanes()
        self.closed = False
        """Whether the process is about to end: nobody waits any more."""

    def close(self) -> None:
        """Let go of all who wait, for good."""
        self.closed = True
        for waiter in self._waiters:
            waiter.woken.set()

    def heard(self, lanes: set[str]) -> None:
        """Remember lanes in which something has come to wait."""
        self.lanes.heard(lanes, clock.monotonic())

    def changes_of(self, agent_id: str) -> int:
        """Return a number that is another one after what an agent has has changed."""
        return self._changes[agent_id]

    async def wait(
        self,
        agent: Agent,
        seconds: float,
        *,
        found_nothing: bool = False,
        busy: bool = False,
        since: int | None = None,
    ) -> bool:
        """Return whether the agent was woken within ``seconds``, and not because all are let go of.

        Args:
            agent: Who waits.
            seconds: How long.
            found_nothing: They were woken before and found nothing: others go first for a moment.
            busy: They wait not for a ticket but for a change of what they have.
            since: The number of changes before they looked: one that came meanwhile is not missed.
        """
        if self.closed:
            return False
        if busy and since not in {None, self._changes[agent.agent_id]}:
            return True
        waiter = Waiter(agent, clock.monotonic() + (_REST_SECONDS if found_nothing else 0.0), busy)
        self._waiters[waiter] = None
        metrics.POLLING.set(len(self._waiters))
        try:
            async with asyncio.timeout(seconds):
                await waiter.woken.wait()
        except TimeoutError:
            return False
        else:
            return not self.closed
        finally:
            self._waiters.pop(waiter, None)
            metrics.POLLING.set(len(self._waiters))

    def ring(self, waiting: Mapping[str, int], kept_for: set[str]) -> None:
        """Wake those for whom something waits."""
        left = dict(waiting)
        nothing: set[Kind] = set()  # what is left only becomes less
        now = clock.monotonic()
        for waiter in list(self._waiters):
            if waiter.busy or waiter.woken.is_set() or waiter.rest_until > now:
                continue
            lane = None if (kind := kind_of(waiter.agent)) in nothing else self._first(waiter.agent, left)
            if lane is None:
                nothing.add(kind)
            elif left[lane] > 1:
                left[lane] -= 1
            else:
                del left[lane]
            if lane is not None or waiter.agent.agent_id in kept_for:
                waiter.woken.set()

    def _first(self, agent: Agent, lanes: Iterable[str]) -> str | None:
        known = self.lanes.known_to(agent)
        return next((lane for lane in lanes if self.lanes.serves(known, agent, lane)), None)

    def changed(self, agents: set[str]) -> None:
        """Wake those of these agents who are busy: what they have has changed."""
        self._changes.update(agents)
        for waiter in self._waiters:
            if waiter.busy and waiter.agent.agent_id in agents:
                waiter.woken.set()

    def _compare(self, hands: Mapping[str, str]) -> None:
        """Wake the busy ones who have something else than at the last look."""
        for waiter in self._waiters:
            if waiter.busy and (has := hands.get(waiter.agent.agent_id)) is not None:
                if waiter.has not in {None, has}:
                    waiter.woken.set()
                waiter.has = has

    async def watch(self, pool: Pool, every_s: float) -> None:
        """Look what waits, again and again, for the life of the service."""
        looked = 0.0
        while True:
            began = clock.monotonic()
            busy = {waiter.agent.agent_id for waiter in self._waiters if waiter.busy}
            if clock.monotonic() - looked < _HANDS_SECONDS:
                busy.clear()
            try:
                with translated():
                    async with pool.acquire() as connection:
                        waiting = await roster.lanes(connection)
                        kept_for = await roster.held(connection) if self._waiters else set()
                        hands = await roster.hands(connection, busy) if busy else {}
                        seen = clock.monotonic()
                self.lanes.saw(waiting, began, seen)
                self.ring({lane: each.n for lane, each in waiting.items()}, kept_for)
                if busy:
                    looked = clock.monotonic()
                    self._compare(hands)
            except UnavailableError as error:
                _log.warning("waiting_for", what="postgres", reason=str(error)[:200])
            least = every_s if self._waiters else max(every_s, _IDLE_SECONDS)
            await asyncio.sleep(max(least, min(_MOST_REST_SECONDS, _REST_TIMES * (clock.monotonic() - began))))
