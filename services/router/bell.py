"""Waking agents who wait for a ticket.

Decided here: whom to wake: as many as tickets wait in a lane, those waiting longest first, so that five thousand
waiting agents cost the database one poll at intervals, not five thousand. Who polls keeps their place from one poll to
the next, and who found nothing keeps theirs. Tickets this process routed wake at once; those of other processes at the
next poll, which covers emergencies only where polling every lane is expensive. A poll wakes nobody for tickets whose
agents are on their way. An agent at capacity, or with an open offer, is woken when that changes. Who holds a stream is
woken when another process changed anything about them: one statement asks for all of these. What a ticket or an act
costs does not depend on how many wait. Never here: who gets which ticket; being woken is no promise.
"""

from __future__ import annotations

import asyncio
import zlib
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from itertools import count, islice
from typing import TYPE_CHECKING, Final

import structlog

from services.contracts.values import TicketState
from services.router import metrics, next_ticket
from services.router.domain.desk import work_of
from services.router.lanes import Lanes, kind_of
from services.runtime import clock
from services.runtime.postgres import connected, later_if_away

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from services.router.domain.desk import Turn
    from services.router.domain.serving import Agent
    from services.router.domain.ticket import Ticket
    from services.router.lanes import Kind
    from services.runtime.postgres import Connection, Pool

_REST_SECONDS: Final = 1.0
"""How long one who found nothing is left alone: what waits may be what they declined."""
_IDLE_SECONDS: Final = 0.5
"""Between two looks while nobody waits: only to know the lanes."""
_HANDS_SECONDS: Final = 1.0
"""Between two looks at what the busy ones have: only what other processes did is not known at once."""
_KEPT_SECONDS: Final = 5.0
"""How long the place of one who stopped waiting is kept: who polls asks again at once, who found nothing, too."""
_STREAM_SECONDS: Final = 10.0
"""The same for who holds a stream and waits for a ticket: their presence, their profile."""
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
    """An agent who waits: for a ticket, or, who is busy, for a change of what they have (``has``, once it was seen).

    Attributes:
        number: Who waits longer has a smaller one.
        has: What is known of them, as ``next_ticket.hands`` tells it.
        look_at: When it is to be looked whether that has changed; None: never.
        left_at: When they stopped waiting without a ticket; None while they wait.
    """

    agent: Agent
    rest_until: float
    number: int
    busy: bool = False
    has: str | None = None
    look_at: float | None = None
    left_at: float | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    kind: Kind = field(init=False)

    def __post_init__(self) -> None:
        self.kind = kind_of(self.agent)

    def can_be_woken(self, now: float, *, new: bool) -> bool:
        """Tell whether they wait for a ticket and, unless it is new, do not rest."""
        return not self.busy and self.left_at is None and not self.woken.is_set() and (new or self.rest_until <= now)


class Bell:
    """Those who wait at this process, longest first."""

    def __init__(self) -> None:
        self._waiters: dict[Waiter, None] = {}
        self._idle: dict[Kind, dict[Waiter, None]] = {}
        """Who waits for a ticket, by what they serve, longest first; among them the places that are kept."""
        self._kept: dict[str, Waiter] = {}
        """Places of agents who stopped waiting a moment ago, without a ticket."""
        self._of: defaultdict[str, list[Waiter]] = defaultdict(list)
        """All of them by agent."""
        self._numbers = count()
        self._changes: Counter[str] = Counter()
        self._called: dict[str, tuple[str, float]] = {}
        """Agents who were woken for a ticket and have not looked yet: of which lane, and when."""
        self.lanes = Lanes()
        self.closed = False
        """Whether the process is about to end: nobody waits any more."""

    def close(self) -> None:
        """Let go of all who wait, for good."""
        self.closed = True
        self._give_up(list(self._kept))
        for waiter in self._waiters:
            waiter.woken.set()

    def heard(self, stood: Iterable[tuple[Ticket, Turn]], had: Collection[str] = ()) -> None:
        """Take in tickets as they stand now, committed by this process; wake those for whom one of them waits.

        And those who ``had`` one on offer: what became known as a danger was taken from them, and is offered anew.
        """
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
        if had:
            self.changed(set(had))

    def changes_of(self, agent_id: str) -> int:
        """Return a number that is another one after what an agent has has changed."""
        return self._changes[agent_id]

    async def wait(
        self,
        agent: Agent,
        seconds: float | None,
        *,
        found_nothing: bool = False,
        busy: bool = False,
        since: int | None = None,
        has: str | None = None,
    ) -> bool:
        """Return whether the agent was woken within ``seconds``, and not because all are let go of.

        Args:
            agent: Who waits.
            seconds: How long; None: until they are woken.
            found_nothing: They were woken before and found nothing: others go first for a moment.
            busy: They wait not for a ticket but for a change of what they have.
            since: The number of changes before they looked: one that came meanwhile is not missed.
            has: What was known of them before they looked: they are woken as well when that changes.
        """
        if self.closed:
            return False
        if busy and since not in {None, self._changes[agent.agent_id]}:
            return True
        now = clock.monotonic()
        waiter = self._placed(agent, busy=busy)
        waiter.rest_until, waiter.has = now + (_REST_SECONDS if found_nothing else 0.0), has
        if busy or has is not None:
            waiter.look_at = now + (0.0 if busy else spread(_STREAM_SECONDS, agent.agent_id))
        self._begins(waiter)
        comes = stays = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await waiter.woken.wait()
                    comes = not self.closed
            stays = not self.closed
        finally:
            self._ends(waiter)
            if stays and not busy:
                self._keep(waiter)
            else:
                self._leaves(waiter)
            if not comes:
                self.looked(agent.agent_id)
        return comes

    def _placed(self, agent: Agent, *, busy: bool) -> Waiter:
        """Return an agent who begins to wait: where they stood, if they left a moment ago and without a ticket."""
        kept = self._kept.pop(agent.agent_id, None)
        if kept is not None and kept.agent == agent and not busy:
            kept.left_at, kept.look_at, kept.woken = None, None, asyncio.Event()
            return kept
        if kept is not None:
            self._leaves(kept)
        return Waiter(agent, 0.0, next(self._numbers), busy)

    def _keep(self, waiter: Waiter) -> None:
        self._give_up((waiter.agent.agent_id,))  # of another desktop of theirs
        waiter.left_at = clock.monotonic()
        self._kept[waiter.agent.agent_id] = waiter

    def _give_up(self, agents: Iterable[str]) -> None:
        """Keep the places of these agents no longer."""
        for agent_id in agents:
            if (kept := self._kept.pop(agent_id, None)) is not None:
                self._leaves(kept)

    def let_go(self) -> None:
        """Keep no longer the places of those who have not come back."""
        past = clock.monotonic() - _KEPT_SECONDS
        self._give_up([agent for agent, kept in self._kept.items() if kept.left_at is not None and kept.left_at < past])

    def _leaves(self, waiter: Waiter) -> None:
        if not waiter.busy:
            del self._idle[waiter.kind][waiter]
            if not self._idle[waiter.kind]:
                del self._idle[waiter.kind]

    def looked(self, agent_id: str) -> None:
        """Note that an agent who was woken has looked for their ticket, or will not any more."""
        self._called.pop(agent_id, None)

    def called(self) -> Counter[str]:
        """Return for how many tickets of each lane agents were woken just now who have not looked yet.

        Where all is slow, each look would wake others for the same tickets; what these find taken makes it slower.
        """
        past = clock.monotonic() - _REST_SECONDS
        self._called = {agent: call for agent, call in self._called.items() if call[1] > past}
        return Counter(lane for lane, _ in self._called.values())

    def _begins(self, waiter: Waiter) -> None:
        self._waiters[waiter] = None
        self._of[waiter.agent.agent_id].append(waiter)
        if not waiter.busy:
            self._idle.setdefault(waiter.kind, {})[waiter] = None
        metrics.POLLING.set(len(self._waiters))

    def _ends(self, waiter: Waiter) -> None:
        del self._waiters[waiter]
        theirs = self._of[waiter.agent.agent_id]
        theirs.remove(waiter)
        if not theirs:
            del self._of[waiter.agent.agent_id]
        metrics.POLLING.set(len(self._waiters))

    def ring(self, waiting: Mapping[str, int], kept_for: set[str], *, new: bool = False) -> None:
        """Wake those for whom something waits.

        Args:
            waiting: How much in each lane; the lane that comes first is the first.
            kept_for: Agents something is kept for.
            new: It has just come, so nobody found or declined it before: those who rest are woken as well.
        """
        now = clock.monotonic()
        for agent_id in kept_for:
            for waiter in self._of.get(agent_id, ()):
                if waiter.can_be_woken(now, new=new):
                    waiter.woken.set()
        if waiting:
            self._ring_lanes(waiting, now, new=new)

    def _ring_lanes(self, waiting: Mapping[str, int], now: float, *, new: bool) -> None:
        called = Counter[str]() if new else self.called()
        left = {lane: n - called[lane] for lane, n in waiting.items()}
        # The longest waiting of each kind for whom something is left, the longest waiting of all on top.
        next_ones: list[tuple[int, Waiter, Iterator[Waiter], list[str]]] = []
        for those in self._idle.values():
            one_after_another = iter(those)
            first = next(one_after_another)
            served = self.lanes.served(first.agent)
            if mine := [lane for lane in reversed(left) if lane in served]:
                next_ones.append((first.number, first, one_after_another, mine))
        heapify(next_ones)
        while next_ones:
            _, waiter, others, mine = next_ones[0]
            while mine and left[mine[-1]] < 1:  # what is left only becomes less
                mine.pop()
            if mine and waiter.can_be_woken(now, new=new):
                left[mine[-1]] -= 1
                waiter.woken.set()
                self._called[waiter.agent.agent_id] = mine[-1], now
            if mine and (following := next(others, None)) is not None:
                heapreplace(next_ones, (following.number, following, others, mine))
            else:
                heappop(next_ones)

    def _wanted(self, first: Mapping[str, datetime]) -> list[str]:
        """Return those of these lanes that somebody who waits serves: of each kind no more than wait."""
        most, found = len(self._waiters), set[str]()
        for those in self._idle.values():
            agent = next(iter(those)).agent
            found.update(islice((lane for lane in self.lanes.theirs(agent) if lane in first), most))
        return sorted(found, key=first.__getitem__)

    def changed(self, agents: set[str], offered: Collection[str] = ()) -> None:
        """Wake those of these agents who are busy: what they have has changed; and all who wait for one with an offer.

        An agent may wait twice: at two desktops, or by a connection that is dead and the one that followed it. Both get
        the same offer, and nobody knows which of them is alive.
        """
        self._changes.update(agents)
        self._give_up(agents)
        for agent_id in agents:
            for waiter in self._of.get(agent_id, ()):
                if waiter.busy:
                    waiter.woken.set()
        for agent_id in offered:
            for waiter in self._of.get(agent_id, ()):
                waiter.woken.set()

    def _to_look_at(self, now: float) -> set[str]:
        """Return the agents of whom it is to be looked whether anything about them has changed."""
        due = (waiter for waiter in self._waiters if waiter.look_at is not None and waiter.look_at <= now)
        return {waiter.agent.agent_id for waiter in due}

    def _compare(self, asked: Collection[str], hands: Mapping[str, str], now: float) -> None:
        """Wake those of whom something else is known than at the last look; who is not known has been removed."""
        for agent_id in asked:
            has = hands.get(agent_id, "")
            for waiter in self._of.get(agent_id, ()):
                if waiter.look_at is None:
                    continue
                if waiter.has not in {None, has}:
                    waiter.woken.set()
                waiter.has = has
                waiter.look_at = now + (_HANDS_SECONDS if waiter.busy else _STREAM_SECONDS)

    async def watch(self, pool: Pool, every_s: float) -> None:
        """Look what waits, again and again, for the life of the service."""
        due = looked = 0.0
        while True:
            began = clock.monotonic()
            self.let_go()
            every_lane = began >= due
            asked = self._to_look_at(began) if began - looked >= _HANDS_SECONDS else set[str]()
            with later_if_away():
                async with connected(pool) as connection:
                    await self._look(connection, every_lane=every_lane)
                    if every_lane:
                        least = every_s if self._waiters else max(every_s, _IDLE_SECONDS)
                        ended = clock.monotonic()
                        due = ended + max(least, min(_MOST_REST_SECONDS, _REST_TIMES * (ended - began)))
                    if asked:
                        looked = clock.monotonic()
                        self._compare(asked, await next_ticket.hands(connection, asked), looked)
            await asyncio.sleep(every_s)

    async def _look(self, connection: Connection, *, every_lane: bool) -> None:
        """Look at every lane, or at those with an emergency, and wake those for whom something waits."""
        began = clock.monotonic()
        first = await (next_ticket.lanes(connection) if every_lane else next_ticket.emergencies(connection))
        if every_lane:
            self.lanes.saw(first, began, clock.monotonic())
        else:
            self.lanes.heard(first, clock.monotonic())
        wanted = self._wanted(first)
        waiting = await next_ticket.how_many(connection, wanted) if wanted else {}
        kept_for = await next_ticket.held(connection) if every_lane and self._waiters else set[str]()
        self.ring(waiting, kept_for)
