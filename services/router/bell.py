"""Waking agents who wait for a ticket.

Decided here: whom to wake: as many as tickets wait in a lane, those waiting longest first, so that five hundred
waiting agents cost the database one poll at intervals, not five hundred. Tickets this process routed wake at once;
those of other processes at the next poll, which covers emergencies only where polling every lane is expensive. An
agent at capacity, or with an open offer, is woken when that changes. Never here: who gets which ticket; being woken is
no promise.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.values import TicketState
from services.router import metrics, roster, store
from services.router.domain.desk import work_of
from services.router.lanes import Lanes, kind_of
from services.runtime import clock
from services.runtime.postgres import later_if_away

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from services.router.domain.desk import Agent, Turn
    from services.router.domain.ticket import Ticket
    from services.router.lanes import Kind
    from services.runtime.postgres import Connection, Pool

_REST_SECONDS: Final = 1.0
"""How long one who found nothing is left alone: what waits may be what they declined."""
_IDLE_SECONDS: Final = 0.5
"""Between two looks while nobody waits: only to know the lanes."""
_HANDS_SECONDS: Final = 1.0
"""Between two looks at what the busy ones have: only what other processes did is not known at once."""
_REST_TIMES: Final = 20
"""Times as long as a look at every lane took, there is none: with thousands of lanes it is dear."""
_MOST_REST_SECONDS: Final = 1.0
"""And never longer than this: a look may have taken long because the machine stood still, and agents wait."""
_SPREAD: Final = 0.2
_log = structlog.get_logger()


def spread(seconds: float, agent_id: str) -> float:
    """Return a little less, for each agent as much less: who came together does not come back together for ever.

    A shift that begins, or finds this process again after it was started anew, is hundreds who wait equally long.
    """
    return seconds * (1 - _SPREAD * zlib.crc32(agent_id.encode()) / 2**32)


@dataclass(slots=True, eq=False)
class Waiter:
    """An agent who waits: for a ticket, or, who is busy, for a change of what they have (``has``, once it was seen)."""

    agent: Agent
    rest_until: float
    busy: bool = False
    has: str | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    kind: Kind = field(init=False)

    def __post_init__(self) -> None:
        self.kind = kind_of(self.agent)


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

    def heard(self, stood: Iterable[tuple[Ticket, Turn]]) -> None:
        """Take in tickets as they stand now, committed by this process; wake those for whom one of them waits."""
        first: dict[str, datetime] = {}
        waiting: Counter[str] = Counter()
        kept_for: set[str] = set()
        for ticket, turn in stood:
            if ticket.standing is not TicketState.QUEUED:
                continue
            if (agent := work_of(ticket).held_for) is not None:
                kept_for.add(agent)
                continue
            waiting[turn.lane] += 1
            first[turn.lane] = min(turn.rank_at, first.get(turn.lane, turn.rank_at))
        self.lanes.heard(first, clock.monotonic())
        self.ring({lane: waiting[lane] for lane in sorted(first, key=first.__getitem__)}, kept_for, new=True)

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

    def ring(self, waiting: Mapping[str, int], kept_for: set[str], *, new: bool = False) -> None:
        """Wake those for whom something waits.

        Args:
            waiting: How much in each lane; the lane that comes first is the first.
            kept_for: Agents something is kept for.
            new: It has just come, so nobody found or declined it before: those who rest are woken as well.
        """
        left = dict(waiting)
        theirs: dict[Kind, list[str]] = {}  # what is left only becomes less
        now = clock.monotonic()
        for waiter in list(self._waiters) if waiting or kept_for else ():
            if waiter.busy or waiter.woken.is_set() or (waiter.rest_until > now and not new):
                continue
            if (mine := theirs.get(waiter.kind)) is None:
                served = self.lanes.served(waiter.agent)
                mine = theirs[waiter.kind] = [lane for lane in reversed(list(waiting)) if lane in served]
            while mine and left[mine[-1]] < 1:
                mine.pop()
            if mine:
                left[mine[-1]] -= 1
            if mine or waiter.agent.agent_id in kept_for:
                waiter.woken.set()

    def _wanted(self, first: Mapping[str, datetime]) -> list[str]:
        """Return those of these lanes that somebody who waits serves: of each kind no more than wait."""
        kinds = {waiter.kind: waiter.agent for waiter in self._waiters if not waiter.busy}
        most, found = len(self._waiters), set[str]()
        for agent in kinds.values():
            found.update(islice((lane for lane in self.lanes.theirs(agent) if lane in first), most))
        return sorted(found, key=first.__getitem__)

    def changed(self, agents: set[str], offered: Collection[str] = ()) -> None:
        """Wake those of these agents who are busy: what they have has changed; and all who wait for one with an offer.

        An agent may wait twice: at two desktops, or by a connection that is dead and the one that followed it. Both get
        the same offer, and nobody knows which of them is alive.
        """
        self._changes.update(agents)
        for waiter in self._waiters:
            if waiter.agent.agent_id in (agents if waiter.busy else offered):
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
        due = looked = 0.0
        while True:
            began = clock.monotonic()
            every_lane = began >= due
            busy = {waiter.agent.agent_id for waiter in self._waiters if waiter.busy}
            if began - looked < _HANDS_SECONDS:
                busy.clear()
            with later_if_away():
                async with store.connected(pool) as connection:
                    await self._look(connection, every_lane=every_lane)
                    if every_lane:
                        least = every_s if self._waiters else max(every_s, _IDLE_SECONDS)
                        ended = clock.monotonic()
                        due = ended + max(least, min(_MOST_REST_SECONDS, _REST_TIMES * (ended - began)))
                    if busy:
                        looked = clock.monotonic()
                        self._compare(await roster.hands(connection, busy))
            await asyncio.sleep(every_s)

    async def _look(self, connection: Connection, *, every_lane: bool) -> None:
        """Look at every lane, or at those with an emergency, and wake those for whom something waits."""
        began = clock.monotonic()
        first = await (roster.lanes(connection) if every_lane else roster.emergencies(connection))
        if every_lane:
            self.lanes.saw(first, began, clock.monotonic())
        else:
            self.lanes.heard(first, clock.monotonic())
        wanted = self._wanted(first)
        waiting = await roster.how_many(connection, wanted) if wanted else {}
        kept_for = await roster.held(connection) if every_lane and self._waiters else set[str]()
        self.ring(waiting, kept_for)
