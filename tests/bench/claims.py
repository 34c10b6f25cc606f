"""What an agent's next ticket costs when a thousand, a hundred thousand and a million tickets wait; and 500 agents.

A claim is the whole transaction through the router's own code: find, lock, decide, save, log, publish, commit to disk.
The tickets of one size wait in a few lanes, unevenly; claims come at a fixed rate and each is completed, so the backlog
stays as it is. What the first claim of a process costs, whose connections are open but have said nothing yet, is told
by itself. Then 500 agents wait at a router process, half by long poll and half by stream, with the million waiting in
lanes that are not theirs, while tickets come that are; and once more while the router has warnings to give for a
fifth of them.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from statistics import median, quantiles
from typing import TYPE_CHECKING

import asyncpg
import httpx
from pydantic import TypeAdapter

from services.contracts.values import Priority
from services.grid.store import SCHEMA as GRID_SCHEMA
from services.router import next_ticket, store
from services.router.__main__ import SCHEMA
from services.router.acting import Desk
from services.router.attendance import note_presence
from services.router.bell import Bell
from services.router.domain.log import Did, Event
from services.router.domain.ticket import Ticket
from services.router.roster import Presence
from services.router.taking import take
from services.router.tree.book import RuleBook
from services.router.tree.keys import DEVELOPMENT_KEYS
from services.runtime import clock
from services.runtime.cluster import apply_topics
from services.runtime.migration import migrate
from services.runtime.outbox import Outbox
from services.runtime.pool import open_pool
from services.runtime.producer import Producer
from tests.bench.machine import processor_seconds, watched
from tests.bench.report import Figure, Reach
from tests.bench.workload import contact_records
from tests.unit.router.making import CLASSIFY, NOON, ROUTES, SHIPPED_DESK, after, contact

if TYPE_CHECKING:
    from services.runtime.settings import ServiceSettings
    from tests.bench.machine import Spell
    from tests.bench.plan import Plan

GROUP = "claims: the next ticket for an agent, with more waiting"
AGENTS = 8
RATE = 40
"""Claims a second, each completed as well. 4,700 seats with a ticket every five minutes make 16."""
_QUEUES = ("consultation", "consultation", "consultation", "general", "opinion", "service_request")
"""Of the tickets that wait; not those that the agents of the second part serve."""
_ASKS_AGAIN_S = 15
"""Of an agent: how long a poll waits, and between two heartbeats beside a stream."""
_AREAS = 1_000
"""Of the measurement with many lanes: each queue is so many."""
# A waiting ticket's clock is looked at once it is due, here long after the end. Else nothing but a million warnings
# would be measured.
_FILL = """
INSERT INTO ticket (
    ticket_id, ticket_ref, version, queue, state, priority, business_type, channel, language, report, opened_at,
    routed_at, lane, rank_at, wake_at, body
)
SELECT id, 'bench', 1, q, 'queued', $1, 'consultation', 'web', $2, 'none', at, at,
       q || E'\\x1flanguage:' || $2 || CASE WHEN $8 > 1 THEN E'\\x1farea:S' || n / 7 % $8 ELSE '' END, at,
       at + interval '10 years',
       jsonb_set(jsonb_set($3::jsonb, '{ticket_id}', to_jsonb(id)), '{taken,queue}', to_jsonb(q))
FROM (
    SELECT n, md5(n::text)::uuid AS id, ($4::text[])[1 + n % cardinality($4::text[])] AS q,
           $5::timestamptz + n * interval '10 ms' AS at
    FROM generate_series($6::int, $7::int) AS n
) AS made
"""
# As if the router had gone through all of them by these rules, so that the time above stands.
_STORED = "INSERT INTO desk_in_force VALUES ($1, now(), now()) ON CONFLICT DO NOTHING"
_OVERDUE = """
UPDATE router.ticket SET wake_at = now() WHERE ticket_id IN (SELECT ticket_id FROM router.ticket LIMIT $1)
"""
_PUT_BACK = """
UPDATE ticket SET state = 'queued', agent = NULL, wake_at = rank_at + interval '10 years', body = body::jsonb - 'work'
WHERE state = 'closed'
"""
_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'router' AND tablename = 'ticket' AND indexname <> 'ticket_pkey'
"""


@dataclass
class _Size:
    waiting: int
    areas: int = 1
    first: list[float] = field(default_factory=list)
    router: list[float] = field(default_factory=list)
    postgres: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    looked: list[float] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)

    @property
    def name(self) -> str:
        """How much waits, and in how many lanes if they are many."""
        lanes = f" in {self.areas * len(set(_QUEUES)):,} lanes" if self.areas > 1 else ""
        return f"{self.waiting:,} waiting{lanes}"


def measure(plan: Plan) -> None:
    """Measure each backlog, smallest first, then many lanes, then the polling beside the largest backlog."""
    sizes = [_Size(n) for n in plan.scaled((1_000, 100_000, 1_000_000), quick=(1_000, 20_000))]
    many = _Size(plan.scaled(100_000, quick=20_000), _AREAS)
    dsn = plan.servers.database()
    plan.run(_sizes(plan, dsn, sizes))
    plan.run(_sizes(plan, plan.servers.database(), [many]))
    smallest = sizes[0]
    for size in (*sizes, many):
        ratio = [one / base for one, base in zip(size.p50, smallest.p50, strict=True)]
        plan.results.add(
            GROUP,
            Figure(f"{size.name}: claim p50", "ms", size.p50, None, f"{RATE} a second", size.spells),
            Figure(f"{size.name}: claim p99", "ms", size.p99, Reach("under", 10.0)),
            Figure(f"{size.name}: p50 against {smallest.name}", "x", ratio),
            Figure(f"{size.name}: processor time of a claim and its end, router", "ms", size.router),
            Figure(f"{size.name}: the same, Postgres", "ms", size.postgres),
            Figure(f"{size.name}: the first claim of a process", "ms", size.first),
            Figure(f"{size.name}: every queue's depth and a queue's head, for whoever asks, p50", "ms", size.asked),
            Figure(f"{size.name}: a look which lanes have something, p50", "ms", size.looked),
        )
    _polling(plan, dsn, sizes[-1])


async def _sizes(plan: Plan, dsn: str, sizes: list[_Size]) -> None:
    await migrate(dsn, "grid", GRID_SCHEMA, kernel=False)
    await migrate(dsn, "router", SCHEMA)
    made = 0
    for size in sizes:
        plan.tell(f"claims: filling up to {size.name}")
        await _fill(dsn, made, size)
        made = size.waiting
        for number in range(plan.rounds):
            plan.tell(f"claims: {size.name}, round {number + 1} of {plan.rounds}")
            claims = min(plan.scaled(1_000, quick=400), size.waiting // 2)  # so that what waits stays about as much
            await _round(dsn, size, claims, plan.postgres_pid)


async def _fill(dsn: str, first: int, size: _Size) -> None:
    """Add tickets without the indexes, which are then made as they were: a million one by one takes long."""
    ticket = after(contact("bench", text="查电费，上个月的账单怎么这么高？请尽快回复。", address="幸福路 12 号"))
    body = TypeAdapter(Ticket).dump_json(ticket, exclude_none=True).decode()
    pool = await open_pool(dsn, schema="router", size=1)
    try:
        indexes = await pool.fetch(_INDEXES)
        for index in indexes:
            await pool.execute(f"DROP INDEX {index['indexname']}")
        urgency = list(Priority).index(ticket.priority)
        for begin in range(first, size.waiting, 50_000):
            end = min(size.waiting, begin + 50_000) - 1
            made = (urgency, "zh-Hans-CN", body, list(_QUEUES), NOON, begin, end, size.areas)
            await pool.execute(_FILL, *made, timeout=300)
        for index in indexes:
            await pool.execute(index["indexdef"], timeout=300)
        await pool.execute(_STORED, SHIPPED_DESK.hash)
        await pool.execute("VACUUM ANALYZE ticket", timeout=600)
        await pool.execute("CHECKPOINT", timeout=600)  # else the first claims wait for the disk to take in the filling
    finally:
        await pool.close()


async def _round(dsn: str, size: _Size, claims: int, postgres: int) -> None:
    """Claim and complete with several agents at once; put every claimed ticket back where it was afterwards."""
    pool = await open_pool(dsn, schema="router", size=AGENTS + 2, ready=AGENTS + 2)
    outbox = Outbox("gridline/router", shards=1)
    desk = Desk(pool, outbox, RuleBook(ROUTES, CLASSIFY), lambda: SHIPPED_DESK, Bell())
    try:
        for n in range(AGENTS):
            await _agent(desk, f"bench-{n}")
        size.looked.append(await _looking(desk))
        began = time.perf_counter()
        await _one(desk, "bench-0")
        size.first.append(1000 * (time.perf_counter() - began))
        await asyncio.gather(*(_one(desk, f"bench-{n}") for n in range(AGENTS) for _ in range(2)))
        await _claims(desk, size, claims, postgres)
        size.asked.append(await _asking(desk))
        await pool.execute(_PUT_BACK, timeout=300)
    finally:
        await pool.close()


async def _one(desk: Desk, agent: str) -> None:
    """Claim a ticket and complete it."""
    ticket = await take(desk, agent, Did.CLAIMED, f"bench/{agent}")
    if ticket is None:
        raise AssertionError("nothing was left to claim")
    done = Event(did=Did.COMPLETED, at=clock.now(), by="bench", agent=agent, outcome="solved")
    await desk.act(ticket.ticket_id, done, None)


async def _claims(desk: Desk, size: _Size, claims: int, postgres: int) -> None:
    numbers, took = count(), list[float]()
    began = time.perf_counter()

    async def work(agent: str) -> None:
        while (n := next(numbers)) < claims:
            due = began + n / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            ticket = await take(desk, agent, Did.CLAIMED, f"bench/{agent}")
            took.append(1000 * (time.perf_counter() - due))  # its wait for a late one before it included
            if ticket is None:
                raise AssertionError("nothing was left to claim")
            done = Event(did=Did.COMPLETED, at=clock.now(), by="bench", agent=agent, outcome="solved")
            await desk.act(ticket.ticket_id, done, None)

    watch = asyncio.create_task(desk.bell.watch(desk.pool, 0.2))
    ours, theirs = time.process_time(), processor_seconds(postgres)
    with watched() as spell:
        await asyncio.gather(*(work(f"bench-{n}") for n in range(AGENTS)))
    size.router.append(1000 * (time.process_time() - ours) / claims)
    size.postgres.append(1000 * (processor_seconds(postgres) - theirs) / claims)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    cuts = quantiles(took, n=100)
    size.p50.append(cuts[49])
    size.p99.append(cuts[98])
    size.spells.append(spell)


async def _looking(desk: Desk, times: int = 20) -> float:
    """Return the milliseconds of a look which lanes have something; leave what it saw with the desk."""
    took: list[float] = []
    async with desk.pool.acquire() as connection:
        for _ in range(times):
            began = clock.monotonic()
            waiting = await next_ticket.lanes(connection)
            desk.bell.lanes.saw(waiting, began, clock.monotonic())
            took.append(1000 * (clock.monotonic() - began))
    return median(took)


async def _asking(desk: Desk, times: int = 100) -> float:
    """Return the milliseconds it takes to answer how much waits and what waits first, as the doors do."""
    await desk.backlog.look()  # the watcher's part
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        counted = await desk.backlog.seen()
        async with desk.pool.acquire() as connection:
            head = await store.waiting(connection, _QUEUES[0], 50)
        took.append(1000 * (time.perf_counter() - began))
        if not head or not counted.waiting:
            raise AssertionError("nothing waits")
    return median(took)


async def _agent(desk: Desk, agent_id: str) -> None:
    await desk.pool.execute(
        "INSERT INTO agent VALUES ($1, 'offline', now(), now(), $2::jsonb) ON CONFLICT DO NOTHING",
        agent_id,
        f'{{"agent_id": "{agent_id}", "queues": ["*"], "languages": ["*"], "skills": ["area:*"], "capacity": 4}}',
    )
    await note_presence(desk, agent_id, Presence.AVAILABLE)


# --- five hundred agents who wait ---


def _polling(plan: Plan, dsn: str, size: _Size) -> None:
    agents = plan.scaled(500, quick=100)
    tickets = plan.scaled(500, quick=100)
    overdue = plan.scaled(200_000, quick=10_000)
    prefix = plan.servers.prefix()
    settings = plan.servers.settings(dsn, prefix)
    asyncio.run(apply_topics(settings))
    note = f"{agents} agents, half by long poll, half by stream; {tickets} tickets in {tickets / RATE:.0f} s"
    for late in (0, overdue):
        beside = f"polling beside {size.name}" + (f", {late:,} of them overdue since before the start" if late else "")
        plan.run(_be_overdue(dsn, late))
        with plan.servers.running("router", dsn, prefix) as router:
            plan.tell(f"claims: {agents} agents, {beside}")
            shift = _Shift(plan, router.pid, router.port, f"late{late}-")
            plan.run(shift.run(settings, agents, tickets))
        plan.results.add(
            GROUP,
            Figure(f"{beside}: router before anything comes", "% of a core", [100 * shift.idle], None, note),
            Figure(f"{beside}: Postgres before anything comes", "% of a core", [100 * shift.idle_postgres]),
        )
        for how, waits in shift.waits.items():
            cuts = quantiles(waits, n=100)
            plan.results.add(
                GROUP,
                Figure(f"{beside}: contact to offer by {how}, p50", "ms", [cuts[49]], None, "from its Kafka record on"),
                Figure(f"{beside}: contact to offer by {how}, p99", "ms", [cuts[98]]),
            )


async def _be_overdue(dsn: str, tickets: int) -> None:
    """Let the clocks of so many tickets have run out, as after a long standstill of the router."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_OVERDUE, tickets, timeout=300)
        await connection.execute("CHECKPOINT", timeout=600)  # else the agents wait for the disk to take that in
    finally:
        await connection.close()


class _Shift:
    """Agents who wait at a router, take what they are offered and complete it."""

    def __init__(self, plan: Plan, pid: int, port: int, name: str) -> None:
        self.plan, self.pid, self._name = plan, pid, name
        self.idle = self.idle_postgres = float("nan")
        self.waits: dict[str, list[float]] = {"long poll": [], "stream": []}
        self._sent: dict[str, float] = {}
        self._offered: set[str] = set()
        self._port = port
        self._tls = ssl.create_default_context()
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def run(self, settings: ServiceSettings, agents: int, tickets: int) -> None:
        """Let the agents wait, then let tickets come at the rate of claims."""
        async with AsyncExitStack() as open_clients:
            producer = Producer(settings)
            for n in range(agents):
                self._clients[f"p{n}"] = await open_clients.enter_async_context(self._client())
                profile = {"queues": ["complaint"], "languages": ["*"]}
                (await self._clients[f"p{n}"].put(f"/agents/p{n}", json=profile)).raise_for_status()
                await self._present(f"p{n}")
            work = [self._polls(f"p{n}") if n % 2 else self._streams(f"p{n}") for n in range(agents)]
            working = []
            for each in work:  # one after another: no shift begins, asks again and shows that it lives in one moment
                working.append(asyncio.create_task(each))
                await asyncio.sleep(_ASKS_AGAIN_S / len(work))
            pids = (self.pid, self.plan.postgres_pid)
            used, began = [processor_seconds(pid) for pid in pids], time.perf_counter()
            await asyncio.sleep(10)
            spent = [processor_seconds(pid) - before for pid, before in zip(pids, used, strict=True)]
            self.idle, self.idle_postgres = (each / (time.perf_counter() - began) for each in spent)
            await producer.start()
            batch = 10
            for first in range(0, tickets, batch):
                due = time.perf_counter() + batch / RATE
                at = clock.now() - timedelta(seconds=1)
                said = [
                    contact(f"{self._name}{n}", text="我要投诉", occurred_at=at, received_at=at)
                    for n in range(first, first + batch)
                ]
                self._sent |= {str(each.ticket_id): time.perf_counter() for each in said}
                await producer.send_batch(contact_records(said), deadline_s=60)
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            deadline = time.perf_counter() + 60
            while len(self._offered) < tickets and time.perf_counter() < deadline:
                await asyncio.sleep(0.2)
            await producer.stop()
            for task in working:
                task.cancel()
            ended = await asyncio.gather(*working, return_exceptions=True)
        failed = [one for one in ended if isinstance(one, Exception)]
        if failed or len(self._offered) < tickets:
            raise RuntimeError(f"{len(self._offered)} of {tickets} tickets were offered; {failed[:3]}")

    def _client(self) -> httpx.AsyncClient:
        """An agent's own, as on their own machine: one pool of 500 connections searches all of them at each request."""
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}/v1",
            headers={"X-API-Key": DEVELOPMENT_KEYS["supervisor-dev"]},
            timeout=60,
            verify=self._tls,  # made once: nothing here speaks TLS, and each of its own would take longer than all else
        )

    async def _present(self, agent: str) -> None:
        (await self._clients[agent].put(f"/agents/{agent}/presence", json={"presence": "available"})).raise_for_status()

    async def _polls(self, agent: str) -> None:
        while True:
            answer = await self._clients[agent].post(f"/agents/{agent}/offers?wait={_ASKS_AGAIN_S}")
            if answer.status_code == 409:  # not heard of in time: the machine was busy
                await self._present(agent)
            elif answer.status_code == 200:
                await self._works(agent, answer.json()["ticket_id"], "long poll")

    async def _streams(self, agent: str) -> None:
        beats = asyncio.create_task(self._beats(agent))
        try:
            async with self._clients[agent].stream("GET", f"/agents/{agent}/offers") as stream:
                event = ""
                async for line in stream.aiter_lines():
                    if line.startswith("event: "):
                        event = line.removeprefix("event: ")
                    elif line.startswith("data: ") and event == "offer":
                        await self._works(agent, json.loads(line.removeprefix("data: "))["ticket_id"], "stream")
        finally:
            beats.cancel()

    async def _beats(self, agent: str) -> None:
        while True:
            await asyncio.sleep(_ASKS_AGAIN_S)
            (await self._clients[agent].post(f"/agents/{agent}/heartbeat")).raise_for_status()

    async def _works(self, agent: str, ticket: str, how: str) -> None:
        if ticket not in self._offered:
            self._offered.add(ticket)
            self.waits[how].append(1000 * (time.perf_counter() - self._sent[ticket]))
        for act, said in (("accept", {}), ("complete", {"outcome": "solved"})):
            await self._clients[agent].post(f"/tickets/{ticket}/{act}", json={"agent_id": agent, **said})
