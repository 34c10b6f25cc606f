"""A whole floor of desktops at one router process, then at two: at rest, at work, in a storm, and as a router dies.

By default the 4,700 seats of a national hotline (``--agents``), with the queues, languages and provinces that such a
centre has; three of four hold a stream, the others poll. What is compared is processor time, transactions and bytes of
the write-ahead log, which tell on a machine that others use too; waits only of one run. A ticket takes a minute here
instead of five, so that a run is short: at sixty a second most seats are busy, as they would be at sixteen.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import urllib.request
from contextlib import ExitStack
from datetime import timedelta
from statistics import quantiles
from typing import TYPE_CHECKING, Final, Self

import asyncpg

from services.router.tree.keys import DEVELOPMENT_KEYS
from services.runtime import clock
from services.runtime.cluster import apply_topics
from services.runtime.open_files import allow_as_many_as_may_be
from services.runtime.producer import Producer
from tests.bench.desktops import Floor, name_of, profile_of
from tests.bench.machine import processor_seconds, resident_mb
from tests.bench.report import Figure
from tests.bench.workload import contact_records
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from services.runtime.settings import ServiceSettings
    from tests.bench.plan import Plan
    from tests.bench.servers import Process

SEATS: Final = 4_700
RATES: Final = (18, 28, 60)
"""Contacts a second: an ordinary hour of the mission, a storm of 100,000 contacts an hour, and the worst minutes."""
_SAID: Final = ("查电费", "查电费", "查电费", "我要办理过户", "我要投诉", "你们的服务很好", "怎么报装", "bill too high")
_STREAMS: Final = 0.75
_PATIENCE_S: Final = 300.0
_MAKE: Final = "INSERT INTO router.agent VALUES ($1, 'offline', now(), now(), $2::jsonb)"
_FILES: Final = re.compile(r"^process_open_fds (\S+)", re.MULTILINE)


def measure(plan: Plan) -> None:
    """Measure one router process, then two."""
    allow_as_many_as_may_be()
    agents = plan.agents or plan.scaled(SEATS, quick=300)
    for routers in (1, 2):
        plan.run(_floor(plan, routers, agents))


async def _floor(plan: Plan, routers: int, agents: int) -> None:
    group = f"seats: {agents:,} at {routers} router process{'es' if routers > 1 else ''}"
    dsn, prefix = plan.servers.database(), plan.servers.prefix()
    settings = plan.servers.settings(dsn, prefix)
    await apply_topics(settings, partitions=6)
    with ExitStack() as running:
        some = [running.enter_context(plan.servers.running("router", dsn, prefix)) for _ in range(routers)]
        run = _Run(plan, group, dsn, some)
        await run.begin(settings)
        try:
            await run.rest(agents)
            for rate in RATES:
                await run.work(rate)
            await run.screens()
            await run.die(running, prefix, agents)
        finally:
            await run.end()


class _Run:
    """One floor."""

    def __init__(self, plan: Plan, group: str, dsn: str, routers: list[Process]) -> None:
        self.plan, self.group, self.routers = plan, group, routers
        self.floor = Floor([each.port for each in routers])
        self._dsn = dsn
        self._numbers = 0
        self._dice = random.Random(4700)

    async def begin(self, settings: ServiceSettings) -> None:
        """Connect."""
        self._producer = Producer(settings)
        await self._producer.start()
        self._connection = await asyncpg.connect(self._dsn)

    async def end(self) -> None:
        """Let go."""
        await self.floor.leave()
        await self._producer.stop()
        await self._connection.close()

    async def rest(self, agents: int) -> None:
        """Let all come and wait; measure what that costs, and what they cost while nothing comes."""
        self.plan.tell(f"{self.group}: they come")
        self._tell("memory of a router before they come", "MB", self._memory())
        made = [(name_of(n), json.dumps(profile_of(n))) for n in range(agents)]
        await self._connection.executemany(_MAKE, made)
        seconds = self.plan.scaled(120.0, quick=5.0)
        with _Spent(self, f"a shift that comes within {seconds:g} s") as spent:
            await self.floor.sit(agents, over_s=seconds, streams=_STREAMS)
            late = await self._until_waiting(int(0.99 * agents))
            await spent.over()
        self._tell("until all of them waited, after the last came", "s", late)
        await asyncio.sleep(self.plan.scaled(15.0, quick=2.0))
        seconds = self.plan.scaled(60.0, quick=10.0)
        with _Spent(self, "at rest") as spent:
            await asyncio.sleep(seconds)
            await spent.over()
        self._tell("at rest: memory of a router", "MB", self._memory())
        files = [self._files(each) for each in self.routers]
        self._tell("at rest: open files of a router", "", max(files))

    async def work(self, rate: int) -> None:
        """Let contacts come at a rate; measure what each costs and how long it waits."""
        self.plan.tell(f"{self.group}: {rate} contacts/s")
        floor, seconds = self.floor, self.plan.scaled(40.0, quick=8.0)
        floor.handle_s, floor.after_s = self.plan.scaled((45.0, 15.0), quick=(3.0, 1.0))
        for waits in floor.waits.values():
            waits.clear()
        with _Spent(self, f"{rate} contacts/s") as spent:
            began = time.perf_counter()
            for n in range(int(rate * seconds)):
                self._numbers += 1
                said, at = self._dice.choice(_SAID), clock.now() - timedelta(seconds=1)
                one = contact(f"s{self._numbers}", text=said, occurred_at=at, received_at=at)
                floor.sent[str(one.ticket_id)] = time.perf_counter()
                await self._producer.send_batch(contact_records([one]), deadline_s=60)
                await asyncio.sleep(max(0.0, began + (n + 1) / rate - time.perf_counter()))
            floor.check()
            await spent.over()
        await self._until_offered()
        for how, waits in floor.waits.items():
            if len(waits) > 1:
                cuts = quantiles(waits, n=100)
                self._tell(f"{rate} contacts/s: to an offer by {how}, p50", "ms", cuts[49], f"{len(waits)} tickets")
                self._tell(f"{rate} contacts/s: to an offer by {how}, p99", "ms", cuts[98])

    async def screens(self) -> None:
        """Ask what supervisors' screens and Prometheus ask; tell the router's processor time of each."""
        port, pid = self.routers[0].port, self.routers[0].pid
        for path in ("v1/agents", "v1/queues", "v1/kpis", "metrics"):
            before, postgres, times = processor_seconds(pid), processor_seconds(self.plan.postgres_pid), 10
            began = time.perf_counter()
            for _ in range(times):
                size = await asyncio.to_thread(_get, port, path)
            took = (time.perf_counter() - began) / times
            spent = (processor_seconds(pid) - before) / times
            there = (processor_seconds(self.plan.postgres_pid) - postgres) / times
            note = (
                f"{size:,} bytes, Postgres {1000 * there:.0f} ms, took {1000 * took:.0f} ms; the floor's own included"
            )
            self._tell(f"GET /{path}: router's processor time", "ms", 1000 * spent, note)

    async def die(self, running: ExitStack, prefix: str, agents: int) -> None:
        """Kill a router with all that hang on it, and start another in its place."""
        self.plan.tell(f"{self.group}: a router is killed")
        first, waiting = self.routers[0], int(0.97 * len(self.floor.waiting))
        first.child.kill()
        first.child.wait()
        self.routers[0] = running.enter_context(self.plan.servers.running("router", self._dsn, prefix))
        self.floor.ports[0] = self.routers[0].port
        began = time.perf_counter()
        with _Spent(self, "a router killed and another started") as spent:
            await asyncio.sleep(1)
            await self._until_waiting(waiting)
            took = time.perf_counter() - began
            await spent.over()
        self._tell("until as many waited again", "s", took, f"{waiting} of {agents}")
        lost = await self._connection.fetchval(
            "SELECT count(*) FROM router.ticket_log WHERE did = 'lost' AND body->>'reason' = 'agent_gone'"
        )
        self._tell("tickets taken from agents who were there", "", float(lost))

    async def _until_offered(self) -> None:
        ends = time.perf_counter() + 60
        while len(self.floor.offered) < len(self.floor.sent):
            self.floor.check()
            if time.perf_counter() > ends:
                missing = len(self.floor.sent) - len(self.floor.offered)
                self._tell("tickets not offered within a minute", "", float(missing))
                return
            await asyncio.sleep(0.2)

    async def _until_waiting(self, agents: int) -> float:
        try:
            return await self.floor.until_waiting(agents, _PATIENCE_S)
        except TimeoutError:
            waiting, statuses = len(self.floor.waiting), dict(self.floor.statuses)
            raise RuntimeError(f"{waiting} wait, not {agents}: {statuses}") from None

    def _memory(self) -> float:
        return max(resident_mb(each.pid) for each in self.routers)

    def _files(self, router: Process) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{router.port}/metrics", timeout=60) as page:
            found = _FILES.search(page.read().decode())
        return float(found[1]) if found else float("nan")

    def _tell(self, name: str, unit: str, value: float, note: str = "") -> None:
        self.plan.tell(f"{name}: {value:.1f} {unit} {note}")
        self.plan.results.add(self.group, Figure(name, unit, [value], None, note))

    async def database(self) -> tuple[float, float]:
        """Return how many transactions were committed, and how many bytes of log written."""
        sql = (
            "SELECT xact_commit::float8 AS n, (pg_current_wal_insert_lsn() - '0/0')::float8 AS b"
            " FROM pg_stat_database WHERE datname = current_database()"
        )
        row = await self._connection.fetchrow(sql)
        return (row["n"], row["b"]) if row is not None else (0.0, 0.0)


class _Spent:
    """What a part of a run costs."""

    def __init__(self, run: _Run, name: str) -> None:
        self._run, self._name = run, name

    def __enter__(self) -> Self:
        self._run.floor.statuses.clear()
        self._began = time.perf_counter()
        self._before = self._used()
        self._database: tuple[float, float] | None = None
        self._asked = asyncio.ensure_future(self._run.database())
        return self

    def __exit__(self, *_: object) -> None:
        self._asked.cancel()

    async def over(self) -> None:
        """Tell it."""
        transactions, wal = await self._asked
        seconds = time.perf_counter() - self._began
        routers, postgres, ours = (now - was for now, was in zip(self._used(), self._before, strict=True))
        after = await self._run.database()
        tell = self._run._tell
        asked = ", ".join(f"{what} {status}: {n}" for (what, status), n in sorted(self._run.floor.statuses.items()))
        tell(f"{self._name}: routers", "CPU s/min", 60 * routers / seconds, asked)
        tell(f"{self._name}: Postgres", "CPU s/min", 60 * postgres / seconds)
        tell(f"{self._name}: desktops, all of them", "CPU s/min", 60 * ours / seconds)
        tell(f"{self._name}: transactions", "/s", (after[0] - transactions) / seconds)
        tell(f"{self._name}: write-ahead log", "kB/s", (after[1] - wal) / seconds / 1000)

    def _used(self) -> tuple[float, float, float]:
        routers = sum(processor_seconds(each.pid) for each in self._run.routers)
        return routers, processor_seconds(self._run.plan.postgres_pid), time.process_time()


def _get(port: int, path: str) -> int:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/{path}", headers={"X-API-Key": DEVELOPMENT_KEYS["supervisor-dev"]}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - http
        return len(answer.read())
