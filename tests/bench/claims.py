"""What an agent's next ticket costs when a thousand, a hundred thousand and a million tickets wait; and 500 agents.

A claim is the whole transaction through the router's own code: find, lock, decide, save, log, publish, commit to disk.
The tickets of one size wait in six lanes, unevenly; claims come at a fixed rate and each is completed, so the backlog
stays as it is. Then 500 agents wait by long poll at a router process while tickets come.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from statistics import median, quantiles
from typing import TYPE_CHECKING

import httpx
from pydantic import TypeAdapter

from services.contracts.values import Priority
from services.grid.store import SCHEMA as GRID_SCHEMA
from services.router import store
from services.router.__main__ import SCHEMA
from services.router.acting import Desk
from services.router.attendance import note_presence
from services.router.bell import Bell
from services.router.domain.desk import lane_of
from services.router.domain.log import Did, Event
from services.router.domain.ticket import Ticket
from services.router.roster import Presence
from services.router.tree.book import RuleBook
from services.router.tree.keys import DEVELOPMENT_KEYS
from services.runtime import clock
from services.runtime.cluster import apply_topics
from services.runtime.outbox import Outbox
from services.runtime.postgres import migrate, open_pool
from tests.bench.drain import preload
from tests.bench.machine import processor_seconds, watched
from tests.bench.report import Figure, Reach
from tests.bench.workload import contact_records
from tests.unit.router.making import CLASSIFY, NOON, ROUTES, SHIPPED_DESK, after, contact

if TYPE_CHECKING:
    import asyncpg

    from tests.bench.machine import Spell
    from tests.bench.plan import Plan

GROUP = "claims: the next ticket for an agent, with more waiting"
AGENTS = 8
RATE = 40
"""Claims a second, each completed as well. 4,700 seats with a ticket every five minutes make 16."""
_QUEUES = ("consultation", "consultation", "consultation", "complaint", "opinion", "service_request")
_FILL = """
INSERT INTO ticket (
    ticket_id, ticket_ref, version, queue, state, priority, business_type, channel, language, report, opened_at,
    routed_at, lane, rank_at, body
)
SELECT id, 'bench', 1, q, 'queued', $1, 'consultation', 'web', $2, 'none', at, at, q || E'\\x1flanguage:' || $2, at,
       jsonb_set(jsonb_set($3::jsonb, '{ticket_id}', to_jsonb(id)), '{taken,queue}', to_jsonb(q))
FROM (
    SELECT md5(n::text)::uuid AS id, ($4::text[])[1 + n % cardinality($4::text[])] AS q,
           $5::timestamptz + n * interval '10 ms' AS at
    FROM generate_series($6::int, $7::int) AS n
) AS made
"""


@dataclass
class _Size:
    waiting: int
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)


def measure(plan: Plan) -> None:
    """Measure each backlog, smallest first, then the polling."""
    sizes = [_Size(n) for n in plan.scaled((1_000, 100_000, 1_000_000), quick=(1_000, 20_000))]
    dsn = plan.servers.database()
    plan.run(_sizes(plan, dsn, sizes))
    smallest = sizes[0]
    for size in sizes:
        name = f"{size.waiting:,} waiting"
        ratio = [one / base for one, base in zip(size.p50, smallest.p50, strict=True)]
        plan.results.add(
            GROUP,
            Figure(f"{name}: claim p50", "ms", size.p50, None, f"{RATE} a second", size.spells),
            Figure(f"{name}: claim p99", "ms", size.p99, Reach("under", 10.0)),
            Figure(f"{name}: p50 against {smallest.waiting:,}", "x", ratio),
            Figure(f"{name}: every queue's depth and a queue's head, for whoever asks, p50", "ms", size.asked),
        )
    _polling(plan)


async def _sizes(plan: Plan, dsn: str, sizes: list[_Size]) -> None:
    await migrate(dsn, "grid", GRID_SCHEMA, kernel=False)
    await migrate(dsn, "router", SCHEMA)
    pool = await open_pool(dsn, schema="router", size=AGENTS + 2)
    bell = Bell()
    desk = Desk(pool, Outbox("gridline/router", shards=1), RuleBook(ROUTES, CLASSIFY), lambda: SHIPPED_DESK, bell)
    try:
        made = 0
        for size in sizes:
            plan.tell(f"claims: filling up to {size.waiting:,} tickets")
            await _fill(pool, made, size.waiting)
            made = size.waiting
            await pool.execute("VACUUM ANALYZE ticket", timeout=600)
            bell.heard({_lane(queue) for queue in _QUEUES})
            for number in range(plan.rounds):
                plan.tell(f"claims: {size.waiting:,} waiting, round {number + 1} of {plan.rounds}")
                await _round(desk, size, plan.scaled(1_000, quick=400))
                size.asked.append(await _asking(desk))
    finally:
        await pool.close()


def _lane(queue: str) -> str:
    return lane_of(queue, ("language:zh-Hans-CN",))


async def _fill(pool: asyncpg.Pool, first: int, last: int) -> None:
    ticket = after(contact("bench", text="查电费，上个月的账单怎么这么高？请尽快回复。", address="幸福路 12 号"))
    body = TypeAdapter(Ticket).dump_json(ticket, exclude_none=True).decode()
    step = 50_000
    for begin in range(first, last, step):
        end = min(last, begin + step) - 1
        await pool.execute(
            _FILL,
            list(Priority).index(ticket.priority),
            "zh-Hans-CN",
            body,
            list(_QUEUES),
            NOON,
            begin,
            end,
            timeout=300,
        )


async def _round(desk: Desk, size: _Size, claims: int) -> None:
    """Claim and complete with several agents at once; put every claimed ticket back where it was afterwards."""
    for n in range(AGENTS):
        await _agent(desk, f"bench-{n}")
    numbers, took = count(), list[float]()

    began = time.perf_counter()

    async def work(agent: str) -> None:
        while (n := next(numbers)) < claims:
            due = began + n / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            ticket = await desk.take(agent, Did.CLAIMED, f"bench/{agent}")
            took.append(1000 * (time.perf_counter() - due))  # its wait for a late one before it included
            if ticket is None:
                raise AssertionError("nothing was left to claim")
            done = Event(did=Did.COMPLETED, at=clock.now(), by="bench", agent=agent, outcome="solved")
            await desk.act(ticket.ticket_id, done, None)

    with watched() as spell:
        await asyncio.gather(*(work(f"bench-{n}") for n in range(AGENTS)))
    cuts = quantiles(took, n=100)
    size.p50.append(cuts[49])
    size.p99.append(cuts[98])
    size.spells.append(spell)
    await desk.pool.execute(
        "UPDATE ticket SET state = 'queued', agent = NULL, wake_at = NULL, body = body - 'work' WHERE state = 'closed'",
        timeout=300,
    )


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
        f'{{"agent_id": "{agent_id}", "queues": ["*"], "languages": ["*"], "capacity": 2}}',
    )
    await note_presence(desk, agent_id, Presence.AVAILABLE)


# --- five hundred agents who wait ---


def _polling(plan: Plan) -> None:
    agents = plan.scaled(500, quick=100)
    tickets = plan.scaled(500, quick=100)
    dsn, prefix = plan.servers.database(), plan.servers.prefix()
    settings = plan.servers.settings(dsn, prefix)
    asyncio.run(apply_topics(settings))
    asyncio.run(migrate(dsn, "grid", GRID_SCHEMA, kernel=False))
    with plan.servers.running("router", dsn, prefix) as router:
        plan.tell(f"claims: {agents} agents wait")
        idle, waits = plan.run(_poll(plan, router.pid, router.port, settings, agents, tickets))
    cuts = quantiles(waits, n=100)
    note = (
        f"{agents} agents by long poll, {tickets} tickets in {tickets / 50:.0f} s; from its Kafka record to the desktop"
    )
    plan.results.add(
        GROUP,
        Figure("polling: router while nothing comes", "% of a core", [100 * idle]),
        Figure("polling: contact to offer, p50", "ms", [cuts[49]], None, note),
        Figure("polling: contact to offer, p99", "ms", [cuts[98]]),
    )


async def _poll(
    plan: Plan, pid: int, port: int, settings: object, agents: int, tickets: int
) -> tuple[float, list[float]]:
    offered: dict[str, float] = {}
    sent: dict[str, float] = {}
    headers = {"X-API-Key": DEVELOPMENT_KEYS["supervisor-dev"]}
    limits = httpx.Limits(max_connections=agents + 50)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, limits=limits, timeout=60
    ) as client:
        for n in range(agents):
            profile = {"queues": ["*"], "languages": ["*"], "capacity": 1 + tickets // agents}
            (await client.put(f"/v1/agents/p{n}", json=profile)).raise_for_status()
            (await client.put(f"/v1/agents/p{n}/presence", json={"presence": "available"})).raise_for_status()

        async def wait(agent: str) -> None:
            while len(offered) < tickets:
                answer = await client.post(f"/v1/agents/{agent}/offers?wait=15")
                answer.raise_for_status()
                if answer.status_code == 200:
                    offered.setdefault(answer.json()["ticket_id"], time.perf_counter())
                    await client.post(f"/v1/tickets/{answer.json()['ticket_id']}/accept", json={"agent_id": agent})

        waiting = [asyncio.create_task(wait(f"p{n}")) for n in range(agents)]
        await asyncio.sleep(3)
        used, began = processor_seconds(pid), time.perf_counter()
        await asyncio.sleep(5)
        idle = (processor_seconds(pid) - used) / (time.perf_counter() - began)
        for n in range(0, tickets, 10):
            at = clock.now() - timedelta(seconds=1)
            batch = [contact(f"p{m}", text="查电费", occurred_at=at, received_at=at) for m in range(n, n + 10)]
            for each in batch:
                sent[str(each.ticket_id)] = time.perf_counter()
            await preload(settings, contact_records(batch))
            await asyncio.sleep(0.2)
        deadline = time.perf_counter() + 60
        while len(offered) < tickets and time.perf_counter() < deadline:
            await asyncio.sleep(0.2)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    if len(offered) < tickets:
        raise RuntimeError(f"{len(offered)} of {tickets} tickets were offered")
    return idle, [1000 * (at - sent[ticket]) for ticket, at in offered.items()]
