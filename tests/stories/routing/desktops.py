"""Desktops that hold streams and polls in the router's stories: what each shows, and the acts and laws of them.

A desktop is what a browser makes of the events: the offer it shows, the last event's id. Its line breaks, it comes
back, two are one agent's, the router dies. Never here: what else goes on (``teller``).
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch
from uuid import UUID

import httpx

from services.router import taking
from services.router.attendance import COME_BACK, give_back
from services.router.domain.desk import work_of
from services.router.domain.serving import serves
from services.router.domain.work import Phase
from services.router.roster import Presence
from services.router.tree.keys import DEVELOPMENT_KEYS
from services.runtime import clock
from tests.stories.routing.teller import Teller, an_app, quietly
from tests.stories.routing.two import AtBoth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping, Sequence

    from services.router.acting import Desk
    from services.router.domain.ticket import Ticket
    from services.router.roster import Row
    from tests.stories.routing.rooms import Room
    from tests.stories.routing.two import InTwoProcesses
    from tests.stories.telling import Step

_KEY: Final = DEVELOPMENT_KEYS["supervisor-dev"].encode()
_LOOK: Final = 7.25
"""Seconds by which the bell's look is known among all who sleep."""
_REST: Final = 1.1
"""Seconds after which whoever found nothing is woken again."""
_HANDS: Final = 10.0
"""Seconds between two looks at what became of agents who wait by a stream: they hear no later of what others did."""
_REAL_SECONDS: Final = 10.0
_rest = asyncio.sleep


@dataclass(eq=False)
class Desktop:
    """A desktop: what it shows, and its line while it has one.

    Attributes:
        shows: Ticket and version of the offer that it shows.
        last_id: Of the last event, to be sent when it comes back.
        router: At which of the routers its line is, or was.
        line: The request, while it is under way.
        refused: What it was answered that was no stream.
    """

    agent: str
    router: int
    poll: bool = False
    shows: tuple[str, int] | None = None
    last_id: str = ""
    line: asyncio.Task[None] | None = None
    status: int = 0
    body: bytes = b""
    hangs_up: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[tuple[str, bool]] = field(default_factory=list)
    """Tickets of which it heard that they are on offer no more, and whether the agent has them; until judged."""

    @property
    def is_open(self) -> bool:
        return self.line is not None and not self.line.done()

    def heard(self, chunk: bytes) -> None:
        """Take in a part of the answer: an event is sent whole."""
        if self.poll or self.status != 200:
            self.body += chunk
            return
        told: dict[str, str] = {}
        for line in chunk.decode().splitlines():
            name, _, value = line.partition(":")
            told[name] = value.removeprefix(" ")
        if "data" not in told:
            return
        said = json.loads(told["data"])
        self.last_id = told["id"]
        if told["event"] == "offer":
            assert self.shows is None or self.shows[0] == said["ticket_id"], "one offer at a time"
            assert self.shows != (said["ticket_id"], said["version"]), "an offer that the desktop has is not sent again"
            assert self.last_id == f"{said['ticket_id']}.{said['version']}"
            assert said["agent"] == self.agent
            self.shows = said["ticket_id"], said["version"]
        else:
            assert self.shows is not None, "what ended was never shown"
            assert self.shows[0] == said["ticket_id"], "what ended is what is shown"
            assert told["event"] == "offer_ended"
            assert not self.last_id
            self.ended.append((said["ticket_id"], said["yours"]))
            self.shows = None


async def request(app: Any, desktop: Desktop, method: str, query: bytes = b"") -> None:
    """Ask for offers as a server would, until the answer or the line ends."""
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await desktop.hangs_up.wait()
        return {"type": "http.disconnect"}

    async def send(said: MutableMapping[str, Any]) -> None:
        if said["type"] == "http.response.start":
            desktop.status = said["status"]
        elif not desktop.hangs_up.is_set():
            desktop.heard(said["body"])

    path = f"/v1/agents/{desktop.agent}/offers"
    headers = [(b"x-api-key", _KEY)]
    if desktop.last_id and not desktop.poll:
        headers.append((b"last-event-id", desktop.last_id.encode()))
    about: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http"}
    about |= {"method": method, "path": path, "raw_path": path.encode(), "query_string": query, "headers": headers}
    about |= {"root_path": "", "client": ("127.0.0.1", 1), "server": ("router", 80)}
    await app(about, receive, send)


class _Looked(BaseException):
    """The bell has looked, and would rest now."""


class Time:
    """The clock that never goes back, of the process and of its loop: as much as the stories' time goes forward."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.passed


class AtDesktops(Teller):
    """Does what a story tells, with desktops that hold streams."""

    at_once = True
    """Whether whatever is done is done at the router where the desktops are."""

    def __init__(self, apps: Sequence[Any], passing: Time, room: Room, *doors: httpx.AsyncClient) -> None:
        super().__init__(room, *doors)
        self.apps, self.passing, self.here = apps, passing, 0
        self._looks = self.judge.look
        self.judge.look = self._looks_in_quiet  # type: ignore[method-assign]
        self.desktops: list[Desktop] = []
        self._was = room.now
        self._dropped: dict[str, datetime] = {}
        self._jumped = False

    async def _looks_in_quiet(self, *, by_time: bool = False) -> None:
        """Judge once all that desktops ask for is done."""
        await self.quiet()
        await self._looks(by_time=by_time)

    # --- acts ---

    async def a_desktop_opens_a_stream(self, agent: str) -> None:
        await self._opens(Desktop(agent, self.here))

    async def a_desktop_waits_by_a_poll(self, agent: str) -> None:
        self.silent.discard(agent)
        await self._opens(Desktop(agent, self.here, poll=True), "POST", b"wait=20")

    async def _opens(self, desktop: Desktop, method: str = "GET", query: bytes = b"") -> None:
        if sum(one.is_open for one in self.desktops) > 5:
            return
        if desktop not in self.desktops:
            self.desktops.append(desktop)
        desktop.hangs_up, desktop.status, desktop.body, desktop.router = asyncio.Event(), 0, b"", self.here
        desktop.line = asyncio.create_task(request(self.apps[self.here], desktop, method, query))
        await self.quiet()
        if desktop.status == 200 and not desktop.poll:
            self.silent.discard(desktop.agent)
            self._dropped.pop(desktop.agent, None)

    def _of(self, number: int, *, is_open: bool) -> Desktop | None:
        those = [one for one in self.desktops if one.is_open is is_open and not one.poll]
        return those[number % len(those)] if those else None

    async def a_stream_breaks(self, number: int, silently: bool) -> None:
        """Its desktop goes on in silence, or the agent is heard of by something else."""
        if (desktop := self._of(number, is_open=True)) is None:
            return
        desktop.hangs_up.set()
        await self.quiet()
        assert not desktop.is_open, "who hung up is written to no more"
        if silently:
            self.silent.add(desktop.agent)
        if not any(one.is_open and one.agent == desktop.agent for one in self.desktops):
            self._dropped[desktop.agent] = self.room.now

    async def a_poll_is_given_up(self, number: int) -> None:
        those = [one for one in self.desktops if one.is_open and one.poll]
        if those:
            those[number % len(those)].hangs_up.set()
            await self.quiet()

    async def a_desktop_comes_back(self, number: int) -> None:
        if (desktop := self._of(number, is_open=False)) is not None:
            await self._opens(desktop)

    async def a_desktop_takes_what_it_shows(self, number: int, own: int) -> None:
        those = [one for one in self.desktops if one.is_open and one.shows is not None]
        if not those:
            return
        desktop = those[number % len(those)]
        assert desktop.shows is not None
        self.silent.discard(desktop.agent)
        act, said = ("decline", {"reason": "busy"}) if own % 4 == 0 else ("accept", {})
        ticket = await self.now(UUID(desktop.shows[0]))
        work = work_of(ticket)
        done = await self.ask(f"tickets/{desktop.shows[0]}/{act}", agent_id=desktop.agent, **said)
        if work.phase is Phase.OFFERED and work.until is not None and work.until > self.room.now:
            assert done is not None, "what a desktop shows can be accepted and declined"

    async def the_process_starts_anew(self, number: int = 0) -> None:
        """It dies with its lines open, or lets go of them first."""
        if number % 2:
            self.room.people.bell.close()
            await self.quiet()
            assert not any(one.is_open for one in self._here()), "a process that ends lets go of all"
        await _end([one.line for one in self._here()])
        self._dropped.clear()  # who died did not see that lines broke
        await super().the_process_starts_anew()
        await self._bell_looks()

    async def take(self) -> None:
        """Judge first what desktops show of what was done: they are told at once."""
        self._time_goes_on()
        await self.quiet()
        if self.at_once and any(one.is_open for one in self.desktops):
            await self._told_at_once()
        await super().take()
        await self.quiet()
        await self.judge.look()

    async def _told_at_once(self) -> None:
        rows = {one: row.ticket for one, row in (await self.room.rows()).items()}
        offers = self._offers(rows.values())
        for desktop in self.desktops:
            for key, yours in desktop.ended:
                work = work_of(rows[UUID(key)])
                has = work.agent == desktop.agent and work.phase in {Phase.ASSIGNED, Phase.WRAP_UP}
                assert yours == has, f"it has ended otherwise: {key} {yours}"
            desktop.ended.clear()
            if desktop.is_open and not desktop.poll and not self._jumped:
                offer = offers.get(desktop.agent)
                shown = None if desktop.shows is None else desktop.shows[0]
                wanted = None if offer is None else str(offer.ticket_id)
                assert shown == wanted, f"a desktop does not hear at once: it shows {shown}, not {wanted}"

    def _here(self) -> list[Desktop]:
        return [one for one in self.desktops if one.router == self.here]

    # --- time ---

    async def the_clock_jumps(self, minutes: float) -> None:
        self._jumped = True  # what was over may be open once more, and nobody hears of that
        await super().the_clock_jumps(minutes)

    async def time_passes(self) -> None:
        self._time_goes_on()
        await self.quiet()
        await self.judge.look()
        await super().time_passes()
        if self.standing_still:
            return
        await self.quiet()
        for _ in range(len(self.desktops) + 2):
            await self._bell_looks()
            self.passing.passed += _REST
            await self.quiet()
        self.passing.passed += _HANDS
        await self._bell_looks()
        await self.quiet()
        await self.judge.look()
        await self._judge_all()
        self._jumped = False

    def _time_goes_on(self) -> None:
        self.passing.passed += max(0.0, (self.room.now - self._was).total_seconds())
        self._was = self.room.now

    @property
    def routers(self) -> list[Desk]:
        """Those that run: the one that goes on first."""
        return [self.room.people]

    async def _bell_looks(self) -> None:
        for one in self.routers:
            with suppress(_Looked):
                await one.bell.watch(self.room.pool, _LOOK)

    async def quiet(self) -> None:
        """Wait until every line waits for something, or has ended."""
        ends = time.monotonic() + _REAL_SECONDS
        calm = 0
        while calm < 3:
            lines = [one for one in self.desktops if one.is_open]
            waiters = [waiter for one in self.routers for waiter in one.bell._waiters]
            still = len(waiters) == len(lines) and not any(one.woken.is_set() for one in waiters)
            calm = calm + 1 if still else 0
            assert time.monotonic() < ends, f"it never comes to rest: {lines} {waiters}"
            await _rest(0 if still or self.at_once else 0.001)
        for one in self.desktops:
            if one.line is not None and one.line.done() and not one.line.cancelled():
                one.line.result()

    # --- laws ---

    async def _judge_all(self) -> None:
        """Judge what desktops show, who waits beside idle ones, and what became of who is gone.

        Raises:
            AssertionError: a law does not hold.
        """
        agents, offers = await self.room.agents(), self._offers(self.tickets())
        for desktop in self.desktops:
            desktop.ended.clear()
            if desktop.poll or not desktop.is_open:
                continue
            presence = agents[desktop.agent].presence if desktop.agent in agents else Presence.OFFLINE
            assert presence is not Presence.OFFLINE, "a stream ends with the agent's shift"
            offer = offers.get(desktop.agent)
            wanted = None if offer is None else (str(offer.ticket_id), offer.version)
            assert desktop.shows == wanted, f"a desktop shows another offer than there is: {desktop.shows} {wanted}"
        for agent, at in self._dropped.items():
            if agent in agents and agents[agent].seen_at <= at and self.room.now - at >= COME_BACK:
                assert agent not in offers, f"an offer stays with {agent}, whose line broke and who is silent"
        for one in sorted({one.agent for one in self.desktops if one.is_open} & agents.keys() - offers.keys()):
            self._nothing_waits_beside(agents[one])

    def _nothing_waits_beside(self, row: Row) -> None:
        """An agent who could have another ticket, and waits for it, would have been offered what they may have."""
        agent, tickets = row.agent, [shown.ticket for shown in self.judge.rows.values()]
        has = sum(work_of(one).in_hand and work_of(one).agent == agent.agent_id for one in tickets)
        if row.presence is not Presence.AVAILABLE or has >= agent.capacity:
            return
        for one, shown in self.judge.rows.items():
            held, passed = shown.columns["held_for"], work_of(shown.ticket).passed
            anybodys = held is None and serves(agent, str(shown.columns["lane"])) and agent.agent_id not in passed
            theirs = shown.columns["state"] == "queued" and (anybodys or held == agent.agent_id)
            assert not theirs, f"{one} waits beside {agent.agent_id}, who waits for it"

    def _offers(self, tickets: Iterable[Ticket]) -> dict[str, Ticket]:
        found: dict[str, Ticket] = {}
        for ticket in tickets:
            work = work_of(ticket)
            if work.phase is Phase.OFFERED and work.agent is not None and (work.until or self.room.now) > self.room.now:
                assert work.agent not in found, "one offer at a time"
                found[work.agent] = ticket
        return found

    async def everybody_is_served(self) -> None:
        for one in self.desktops:
            one.hangs_up.set()
        await self.quiet()
        await super().everybody_is_served()

    async def lives(self, steps: Any) -> None:
        try:
            await super().lives(steps)
        finally:
            await _end([one.line for one in self.desktops])


async def _end(lines: Iterable[asyncio.Task[None] | None]) -> None:
    left = [line for line in lines if line is not None]
    for line in left:
        line.cancel()
    await asyncio.gather(*left, return_exceptions=True)


class AtDesktopsOfTwo(AtDesktops, AtBoth):
    """The same at two routers over one database: each desktop has its line to one of them."""

    at_once = False
    room: InTwoProcesses

    @property
    def routers(self) -> list[Desk]:
        return [self.room.people, self.room._other[0]]

    async def the_other_router_goes_on(self) -> None:
        await super().the_other_router_goes_on()
        self.here = 1 - self.here

    async def time_passes(self) -> None:
        if not self.standing_still:
            await give_back(self.routers[1])
        await super().time_passes()


def first_first(tells: AtDesktops) -> Any:
    """Return ``taking``, judged: nothing that the agent could have had stands before what they are given."""
    takes = taking._take

    async def take(desk: Desk, agent_id: str, did: Any, by: str, ticket_id: UUID | None, **how: bool) -> Any:
        before = await tells.room.rows()
        given = await takes(desk, agent_id, did, by, ticket_id, **how)
        if given is None or ticket_id is not None or before[given.ticket_id].columns["state"] != "queued":
            return given
        agent = (await tells.room.agents())[agent_id].agent
        waiting = [one for one in before.values() if one.columns["state"] == "queued" and not one.columns["held_for"]]
        theirs = [one for one in waiting if serves(agent, str(one.columns["lane"]))]
        ranks: list[Any] = [one.columns["rank_at"] for one in theirs if agent_id not in work_of(one.ticket).passed]
        rank: Any = before[given.ticket_id].columns["rank_at"]
        assert rank <= min(ranks, default=rank), f"something stands before {given.ticket_id}"
        return given

    return take


@asynccontextmanager
async def story_time() -> AsyncIterator[Time]:
    """Let the process's clock that never goes back go on with the story, and a bell rest at once when it has looked."""
    passing = Time()

    async def sleep(_rests: Callable[[float], Awaitable[None]], seconds: float) -> None:
        if seconds == _LOOK:
            raise _Looked
        await _rest(0)

    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        stack.enter_context(patch.object(clock, "monotonic", passing.monotonic))
        stack.enter_context(patch.object(loop, "time", passing.monotonic))
        stack.enter_context(patch.object(asyncio, "sleep", lambda seconds: sleep(_rest, seconds)))
        yield passing


async def lived_at_desktops(room: Room, steps: list[Step]) -> None:
    """Live a story at the desktops of one router."""
    app, [people] = an_app(2)
    room.people = people
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router")
    async with quietly(), room.open(), client as doors, story_time() as passing:
        tells = AtDesktops([app], passing, room, doors)
        with patch.object(taking, "_take", first_first(tells)):
            await tells.lives(steps)


async def lived_at_desktops_of_two(room: InTwoProcesses, steps: list[Step]) -> None:
    """Live a story at the desktops of two routers."""
    apps = [an_app(number) for number in range(2)]
    room.people = apps[0][1][0]
    clients = [httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") for app, _ in apps]
    async with quietly(), room.open(), clients[0] as here, clients[1] as there, story_time() as passing:
        await AtDesktopsOfTwo([apps[1][0], apps[0][0]], passing, room, here, there).lives(steps)
