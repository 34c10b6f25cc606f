"""A day of many agents at the doors of two routers in mid-rollout, each with its own tree: calm, a storm, calm again,
with a kill -9, a database that restarts and an agent who dies.

Decided here: what happens in it, and what is read of it afterwards. ``story`` says whether it is right.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import httpx

from services.contracts.topics import CONTACT_RECEIVED, TICKET_ROUTED
from services.router.tree.book import load_rules
from services.router.tree.keys import DEVELOPMENT_KEYS
from tests.integration.router.process import a_router
from tests.integration.router.story import told
from tests.unit.router.making import DESK, contact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from deploy.native.postgres import PostgresServer
    from services.contracts.messages import ContactReceived
    from tests.integration.router.figures_told import Times
    from tests.integration.router.process import Router
    from tests.integration.router.story import Stories

KEY = {"X-API-Key": DEVELOPMENT_KEYS["supervisor-dev"]}
SHORT = {
    "offer: 20s": "offer: 4s",
    "hold: 30s": "hold: 1s",
    "declined: 2m": "declined: 2s",
    "presence: 45s": "presence: {presence}s",
}
_CLIENTS = 8
"""An HTTP client looks at all of its connections for each request."""


@dataclass(frozen=True)
class Size:
    """How large a day is.

    Attributes:
        wait: Seconds an agent waits for a ticket before they ask again.
        presence: Without a sign for so long, an agent is gone.
        patience: Seconds within which each part must be over.
    """

    agents: int
    calm: int
    storm: int
    wait: int = 8
    presence: int = 20
    patience: int = 240


@dataclass
class Day:
    """What came of it."""

    said: list[ContactReceived]
    done: set[str]
    dead: str | None
    statuses: Counter[int]
    tally: Counter[str]
    stories: Stories
    trees: set[str]
    shown: dict[str, Any]
    there: dict[str, Times]
    backlog: int
    seconds: float


@dataclass
class Shift:
    """Agents at the doors of two routers."""

    ports: list[int]
    clients: list[httpx.AsyncClient]
    size: Size
    done: set[str] = field(default_factory=set)
    odd: set[tuple[str, str]] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    dead: str | None = None

    async def ask(self, port: int, method: str, path: str, **body: Any) -> httpx.Response:
        """Ask one router, and the other where the first is away."""
        for attempt in range(2000):
            url = f"http://127.0.0.1:{self.ports[(port + attempt) % 2]}/v1/{path}"
            try:
                answer = await self.clients[port % _CLIENTS].request(method, url, json=body or None)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            self.statuses[answer.status_code] += 1
            if answer.status_code not in {502, 503}:
                return answer
            await asyncio.sleep(0.1)
        raise AssertionError(f"no router answers {path}")

    async def begin(self, numbers: Iterable[int]) -> None:
        """Make agents and let them come; some have two tickets at once."""
        for n in numbers:
            profile = {"queues": ["*"], "languages": ["*"], "capacity": 1 + n % 2}
            assert (await self.ask(n, "PUT", f"agents/a{n:03}", **profile)).status_code == 200
            await self.ask(n, "PUT", f"agents/a{n:03}/presence", presence="available")

    async def agent(self, number: int) -> None:
        """Work until the end of the day; one dies with the first ticket in hand."""
        name = f"a{number:03}"
        while True:
            answer = await self.ask(number, "POST", f"agents/{name}/offers?wait={self.size.wait}")
            if answer.status_code == 409:
                await self.ask(number, "PUT", f"agents/{name}/presence", presence="available")
            if answer.status_code != 200:
                continue
            if await self.act(number, name, answer.json()["ticket_id"]):
                return

    async def act(self, port: int, name: str, key: str) -> bool:
        """Take a ticket to its end, but for some that are declined, passed on or given back once."""
        kind = UUID(key).int % 10

        async def do(act: str, **body: Any) -> bool:
            answer = await self.ask(port, "POST", f"tickets/{key}/{act}", agent_id=name, **body)
            return answer.status_code == 200

        def once(what: str) -> bool:
            new = (key, what) not in self.odd
            self.odd.add((key, what))
            return new

        if kind == 0 and once("declined"):
            await do("decline", reason="busy")
            return False
        if not await do("accept"):
            return False
        if self.dead is None:
            self.dead = name
            return True
        if kind == 1 and once("transferred"):
            await do("transfer", to_queue="general", reason="busy")
            return False
        if kind == 2 and once("returned"):
            await do("return", reason="wrong_queue")
            return False
        if kind == 3 and once("urged"):
            await do("urge", reason="customer")
        if kind > 5:
            await do("contact", outcome="reached")
        if (kind < 7 or await do("wrap-up")) and await do("complete", outcome="solved"):
            self.done.add(key)
        return False


async def a_day(first: Router, postgres: PostgresServer, size: Size, tell: Callable[[str], object] = len) -> Day:
    """Let a day pass on two routers, ``first`` and another with another tree, and read what came of it.

    Raises:
        TimeoutError: a part of it was not over within the patience.
    """
    text = DESK.read_text(encoding="utf-8")
    for old, new in SHORT.items():
        assert old in text
        text = text.replace(old, new.format(presence=size.presence))
    (first.folder / "desk.yaml").write_text(text, encoding="utf-8")
    other = a_router(first.bootstrap, first.dsn, first.prefix, with_another_tree(first.folder))
    extra = {"desk_file": str(first.folder / "desk.yaml")}
    routers = (first, other)
    for router in routers:
        router.start(**extra)
    now = datetime.now(UTC)
    total = size.calm + size.storm + size.calm
    said = [
        contact(f"q{n}", text=("查电费", "我要投诉", "着火了")[n % 3], occurred_at=at, received_at=at)
        for n in range(total)
        for at in (now - timedelta(seconds=n % 40),)
    ]
    began = time.monotonic()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=size.agents)
    try:
        async with AsyncExitStack() as stack:
            made = [httpx.AsyncClient(headers=KEY, timeout=60, limits=limits) for _ in range(_CLIENTS)]
            clients = [await stack.enter_async_context(client) for client in made]
            shift = Shift([router.port for router in routers], clients, size)
            tell(f"{size.agents} agents come")
            await asyncio.gather(*(shift.begin(range(n, size.agents, 8)) for n in range(8)))
            agents = [asyncio.create_task(shift.agent(n)) for n in range(size.agents)]

            async def until_done(tickets: int) -> None:
                await until(lambda: len(shift.done) >= tickets, agents, size.patience)

            tell("calm")
            await first.say(CONTACT_RECEIVED, *said[: size.calm])
            await until_done(size.calm // 3)
            tell("storm")
            await first.say(CONTACT_RECEIVED, *said[size.calm : -size.calm])
            await until_done(size.calm)
            tell("a router is killed")
            first.kill()
            await until_done(size.calm + size.storm // 4)
            tell("the database is killed")
            postgres.kill()  # not in a thread: the server would end with it
            postgres.start()
            first.start(**extra)
            await until_done(size.calm + size.storm // 2)
            tell("calm again, and some of it said before")
            await first.say(CONTACT_RECEIVED, *said[: size.calm], *said[-size.calm :], *said[size.calm : -1 : 7])
            await until_done(total)
            for task in agents:
                task.cancel()
            await asyncio.gather(*agents, return_exceptions=True)
            tally = await other.counted(lambda seen: seen["contact_closed"] == total)
            there, answer = await asked_while_nobody_comes_or_goes(shift, first.dsn)
    finally:
        other.end()
    return Day(
        said=said,
        done=shift.done,
        dead=shift.dead,
        statuses=shift.statuses,
        tally=tally,
        stories=told(await first.published(TICKET_ROUTED)),
        trees={load_rules(each.folder / "routes.yaml", each.folder / "classify.yaml").hash for each in routers},
        shown={kpi["name"]: kpi for kpi in answer.json()["kpis"]},
        there=there,
        backlog=sum(queue["waiting"] for queue in answer.json()["backlog"]),
        seconds=time.monotonic() - began,
    )


def with_another_tree(folder: Path) -> Path:
    """Return a folder whose tree sends complaints elsewhere: what one router put there the other must live with."""
    later = folder / "later"
    later.mkdir()
    shutil.copy(folder / "classify.yaml", later)
    text = (folder / "routes.yaml").read_text(encoding="utf-8")
    was = "match: {business_type: complaint}\n      queue: complaint"
    instead = was.replace("queue: complaint", "queue: general")
    assert was in text
    (later / "routes.yaml").write_text(text.replace(was, instead), encoding="utf-8")
    return later


async def asked_while_nobody_comes_or_goes(shift: Shift, dsn: str) -> tuple[dict[str, Times], httpx.Response]:
    """Return when agents were available, and the figures the router tells of the same time."""
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "router"})
    spells = (
        "SELECT agent_id, presence, start_at, end_at FROM agent_presence"
        " UNION ALL SELECT agent_id, presence, since, seen_at FROM agent ORDER BY 1, 3"
    )
    try:
        async with asyncio.timeout(shift.size.patience):
            while True:
                before = await connection.fetch(spells)
                answer = await shift.ask(1, "GET", "kpis")
                if await connection.fetch(spells) == before:
                    break
    finally:
        await connection.close()
    there: dict[str, Times] = defaultdict(list)
    for row in before:
        if row["presence"] == "available" and row["start_at"] < row["end_at"]:
            there[row["agent_id"]].append((row["start_at"], row["end_at"]))
    return there, answer


async def until(holds: Callable[[], bool], tasks: list[asyncio.Task[None]], seconds: float) -> None:
    """Wait, and fail at once if an agent's task failed."""
    async with asyncio.timeout(seconds):
        while not holds():
            for task in tasks:
                if task.done() and task.exception() is not None:
                    await task
            await asyncio.sleep(0.1)
