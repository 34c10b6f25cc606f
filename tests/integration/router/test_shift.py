"""A shift on two router processes in mid-rollout, each with its own tree, with a storm, a kill -9, a database that
restarts and an agent who dies.

Every ticket goes to one agent at a time and to its end; the figures the router tells are those that anybody can compute
from the topic.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from deploy.native.ports import free_port
from services.contracts.messages import TicketRouted
from services.contracts.topics import CONTACT_RECEIVED, TICKET_ROUTED
from services.router.tree.book import load_rules
from services.router.tree.keys import DEVELOPMENT_KEYS
from tests.integration.router.process import ROOT
from tests.unit.router.making import DESK, contact

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.native.postgres import PostgresServer
    from tests.integration.router.process import Running

pytestmark = pytest.mark.integration

KEY = {"X-API-Key": DEVELOPMENT_KEYS["supervisor-dev"]}
CALM, STORM, AGENTS = 60, 140, 12
SECONDS = 120
SHORT = {
    "offer: 20s": "offer: 2s",
    "hold: 30s": "hold: 1s",
    "declined: 2m": "declined: 2s",
    "presence: 45s": "presence: 5s",
}


@dataclass
class Shift:
    """Agents at the doors of two routers."""

    ports: list[int]
    done: set[str] = field(default_factory=set)
    odd: set[tuple[str, str]] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, client: httpx.AsyncClient, port: int, method: str, path: str, **body: Any) -> httpx.Response:
        """Ask one router, and the other where the first is away."""
        for attempt in range(400):
            url = f"http://127.0.0.1:{self.ports[(port + attempt) % 2]}/v1/{path}"
            try:
                answer = await client.request(method, url, json=body or None)
            except httpx.TransportError:
                await asyncio.sleep(0.1)
                continue
            self.statuses[answer.status_code] += 1
            if answer.status_code not in {502, 503}:
                return answer
            await asyncio.sleep(0.1)
        raise AssertionError(f"no router answers {path}")

    async def agent(self, number: int, *, dies: bool) -> None:
        """Work until the shift is over; one dies with the first ticket in hand."""
        name = f"a{number:02}"
        async with httpx.AsyncClient(headers=KEY, timeout=20) as client:
            while not self.over.is_set():
                answer = await self.ask(client, number, "POST", f"agents/{name}/offers?wait=1")
                if answer.status_code == 409:
                    await self.ask(client, number, "PUT", f"agents/{name}/presence", presence="available")
                if answer.status_code != 200:
                    continue
                ticket = answer.json()
                if await self.act(client, number, name, ticket) and dies:
                    return

    async def act(self, client: httpx.AsyncClient, port: int, name: str, ticket: dict[str, Any]) -> bool:
        """Take a ticket to its end, but for some that are declined, passed on or given back once."""
        key = ticket["ticket_id"]
        kind = UUID(key).int % 10

        async def do(act: str, **body: Any) -> bool:
            answer = await self.ask(client, port, "POST", f"tickets/{key}/{act}", agent_id=name, **body)
            return answer.status_code == 200

        def once(what: str) -> bool:
            new = (key, what) not in self.odd
            self.odd.add((key, what))
            return new

        if kind == 0 and once("declined"):
            return not await do("decline", reason="busy")
        if not await do("accept"):
            return False
        if name == "a00":
            return True
        if kind == 1 and once("transferred"):
            return not await do("transfer", to_queue="general", reason="busy")
        if kind == 2 and once("returned"):
            return not await do("return", reason="wrong_queue")
        if kind == 3 and once("urged"):
            await do("urge", reason="customer")
        if kind > 5:
            await do("contact", outcome="reached")
        await asyncio.sleep(0.01)
        if (kind < 7 or await do("wrap-up")) and await do("complete", outcome="solved"):
            self.done.add(key)
        return False


async def test_a_shift_with_a_storm_two_routers_and_deaths_loses_nothing_and_gives_nothing_twice(
    running: Running, postgres_server: PostgresServer
) -> None:
    text = DESK.read_text(encoding="utf-8")
    for old, new in SHORT.items():
        assert old in text
        text = text.replace(old, new)
    (running.folder / "desk.yaml").write_text(text, encoding="utf-8")
    other = replace(running, port=free_port(), folder=with_another_tree(running.folder))
    extra = {"GRIDLINE_DESK_FILE": str(running.folder / "desk.yaml"), "GRIDLINE_SESSION_TIMEOUT_MS": "6000"}
    running.start(**extra)
    other.start(**extra)
    shift = Shift([running.port, other.port])
    try:
        async with httpx.AsyncClient(headers=KEY, timeout=20) as client:
            for n in range(AGENTS):
                profile = {"queues": ["*"], "languages": ["*"], "capacity": 1 + n % 2}
                assert (await shift.ask(client, n, "PUT", f"agents/a{n:02}", **profile)).status_code == 200
            now = datetime.now(UTC)
            said = [
                contact(f"q{n}", text=("查电费", "我要投诉", "着火了")[n % 3], occurred_at=at, received_at=at)
                for n in range(CALM + STORM)
                for at in (now - timedelta(seconds=n % 40),)
            ]
            await running.produce(CONTACT_RECEIVED, said[:CALM])
            agents = [asyncio.create_task(shift.agent(n, dies=n == 0)) for n in range(AGENTS)]
            await until(lambda: len(shift.done) > CALM // 3, agents)
            await running.produce(CONTACT_RECEIVED, said[CALM:])
            await until(lambda: len(shift.done) > CALM, agents)
            assert running.process is not None
            running.process.kill()
            running.process.wait()
            await until(lambda: len(shift.done) > CALM + STORM // 4, agents)
            postgres_server.kill()  # not in a thread: the server would end with it
            postgres_server.start()
            running.start(**extra)
            await until(lambda: len(shift.done) == len(said), agents)
            shift.over.set()
            await asyncio.gather(*agents)
            tally = await other.until(lambda seen: seen["contact_closed"] == len(said))
            staffed, answer = await asked_while_nobody_comes_or_goes(shift, client, running.dsn)
    finally:
        if other.process is not None and other.process.poll() is None:
            other.process.kill()
            other.process.wait(10)

    assert shift.statuses[500] == 0
    assert shift.done == {str(one.ticket_id) for one in said}
    assert (tally["accepted"], tally["contact_queued"], tally["contact_outage"]) == (len(said), 0, 0)
    await each_ticket_had_one_agent_at_a_time(running.dsn, len(said))
    stories = told(await running.published(TICKET_ROUTED))
    trees = {load_rules(each / "routes.yaml", each / "classify.yaml").hash for each in (running.folder, other.folder)}
    assert len(trees) == 2
    assert {one.reason.tree_hash for story in stories.values() for one in story} <= trees
    assert {key: story[-1].state for key, story in stories.items()} == {one.ticket_id: "closed" for one in said}
    shown = {kpi["name"]: kpi for kpi in answer.json()["kpis"]}
    assert sum(queue["waiting"] for queue in answer.json()["backlog"]) == 0
    figures = computed(stories)
    busy = figures["handle_time"][0] + figures["after_contact_time"][0]
    for name, (counted, of) in {**figures, "occupancy": (busy, staffed)}.items():
        assert (shown[name]["counted"], shown[name]["of"]) == (
            pytest.approx(counted, abs=0.05),
            pytest.approx(of, abs=0.05),
        ), name
    assert shown["supervision"]["of"] > 0
    assert shown["occupancy"]["value"] > 0
    assert shown["transfers"]["counted"] > 0
    assert shown["returns"]["counted"] > 0


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


async def asked_while_nobody_comes_or_goes(
    shift: Shift, client: httpx.AsyncClient, dsn: str
) -> tuple[float, httpx.Response]:
    """Return the seconds that agents were available, added up here, and the figures the router tells of the same."""
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "router"})
    spells = (
        "SELECT agent_id, presence, start_at, end_at FROM agent_presence"
        " UNION ALL SELECT agent_id, presence, since, seen_at FROM agent ORDER BY 1, 3"
    )
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                before = await connection.fetch(spells)
                answer = await shift.ask(client, 1, "GET", "kpis")
                if await connection.fetch(spells) == before:
                    break
    finally:
        await connection.close()
    there = [row for row in before if row["presence"] == "available"]
    return sum(max(0.0, (row["end_at"] - row["start_at"]).total_seconds()) for row in there), answer


async def until(holds: Any, tasks: list[asyncio.Task[None]]) -> None:
    """Wait, and fail at once if an agent's task failed."""
    async with asyncio.timeout(SECONDS):
        while not holds():
            for task in tasks:
                if task.done() and task.exception() is not None:
                    await task
            await asyncio.sleep(0.05)


async def each_ticket_had_one_agent_at_a_time(dsn: str, tickets: int) -> None:
    """Read the log: nobody took what somebody had, and one agent completed each."""
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "router"})
    rows = await connection.fetch("SELECT ticket_id, did, agent FROM ticket_log ORDER BY ticket_id, version, n")
    twice = await connection.fetchval(
        "SELECT count(*) FROM (SELECT FROM ticket_log WHERE did = 'escalated'"
        " GROUP BY ticket_id, body->>'stage', body->>'level' HAVING count(*) > 1) AS twice"
    )
    await connection.close()
    assert twice == 0, "a warning was given twice"
    ends = {"declined", "lapsed", "transferred", "returned", "completed", "lost"}
    holder: dict[UUID, str | None] = {}
    completed: Counter[UUID] = Counter()
    for row in rows:
        has = holder.get(row["ticket_id"])
        if row["did"] in {"offered", "claimed"}:
            assert has is None, f"{row['agent']} took what {has} had"
            holder[row["ticket_id"]] = row["agent"]
        elif row["did"] in ends:
            assert has == row["agent"] is not None
            holder[row["ticket_id"]] = None
            completed[row["ticket_id"]] += row["did"] == "completed"
    assert set(completed.values()) == {1}
    assert len(completed) == tickets
    assert any(row["did"] == "lost" and row["agent"] == "a00" for row in rows), "the dead agent's ticket went back"


def told(messages: list[Any]) -> dict[UUID, list[TicketRouted]]:
    """Return each ticket's versions in order; a repeated one must be the same."""
    versions: dict[UUID, dict[int, TicketRouted]] = defaultdict(dict)
    for one in messages:
        assert isinstance(one, TicketRouted)
        assert versions[one.ticket_id].setdefault(one.version, one) == one
    return {key: [found[n] for n in sorted(found)] for key, found in versions.items()}


def computed(stories: dict[UUID, list[TicketRouted]]) -> dict[str, tuple[float, float]]:
    """Compute the figures from the topic alone."""
    n: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    for story in stories.values():
        changes = Counter(one.change for one in story)
        waiting = spell = rings = story[0].opened_at
        before = story[0].state
        for one in story:
            at = one.routed_at
            if one.change == "offered":
                rings = at
            if one.change in {"accepted", "declined", "lapsed"}:
                n["rung"] += 1
                n["rung_within"] += one.change == "accepted" and (at - rings).total_seconds() <= 9
            if one.change in {"accepted", "claimed"}:
                n["answered"] += 1
                n["within"] += (at - waiting).total_seconds() <= 20
                seconds["wait"] += (at - waiting).total_seconds()
                spell = at
            elif before in {"assigned", "wrap_up"} and one.state != before:
                seconds[before] += (at - spell).total_seconds()
                spell = at
            if one.change in {"transferred", "returned", "lost"} and before in {"assigned", "wrap_up"}:
                waiting = at
            if one.change == "completed":
                assert one.due is not None or before
                moved = changes["transferred"] + changes["returned"]
                taken = changes["accepted"] + changes["claimed"]
                n["completed"] += 1
                n["first"] += taken == 1 and not moved
                n["called"] += changes["contacted"] > 0
                n["correct"] += changes["returned"] == 0
                n["rated"] += one.business_type == "complaint"
                n["urged"] += changes["urged"] > 0
            before = one.state
        n["transferred"] += changes["transferred"]
        n["returned"] += changes["returned"]
    return {
        "service_level": (n["within"], n["answered"]),
        "ring_limit": (n["rung_within"], n["rung"]),
        "supervision": (n["urged"], n["urged"]),
        "answer_rate": (n["answered"], n["answered"]),
        "abandonment": (0, n["answered"]),
        "average_wait": (seconds["wait"], n["answered"]),
        "handle_time": (seconds["assigned"], n["completed"]),
        "after_contact_time": (seconds["wrap_up"], n["completed"]),
        "first_contact_resolution": (n["first"], n["completed"]),
        "transfers": (n["transferred"], n["answered"]),
        "returns": (n["returned"], n["answered"]),
        "timely_handling": (n["completed"], n["completed"]),
        "timely_complaints": (n["rated"], n["rated"]),
        "call_back": (n["called"], n["completed"]),
        "correctness": (n["correct"], n["completed"]),
    }


@pytest.mark.parametrize("how", [[], ["--stream"]])
async def test_the_example_desktop_works_tickets_to_their_end(running: Running, how: list[str]) -> None:
    running.start()
    at = datetime.now(UTC)
    said = [contact(f"e{n}", text="查电费", occurred_at=at, received_at=at) for n in range(3)]
    command = [sys.executable, "examples/agent_desktop.py", "--router", f"http://127.0.0.1:{running.port}"]
    command += ["--agent", "a-1017", "--make", "--queues", "consultation", "--tickets", "3", "--seconds", "0.05", *how]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    await running.produce(CONTACT_RECEIVED, said)
    async with asyncio.timeout(SECONDS):
        out, _ = await child.communicate()
    lines = out.decode().splitlines()
    assert child.returncode == 0
    assert lines[-1] == "a-1017: 3 completed"
    assert {one.ticket_ref for one in said} == {line.split()[1] for line in lines if line.endswith("(consultation)")}
    await running.until(lambda seen: seen["contact_closed"] == 3)
    if how:
        await a_stream_ends_in_order_with_its_process(running)


async def a_stream_ends_in_order_with_its_process(running: Running) -> None:
    """A process that drains lets go of its streams; cut off by uvicorn's patience, reading would fail."""
    url = f"http://127.0.0.1:{running.port}/v1/agents/a-1017"
    async with httpx.AsyncClient(headers=KEY, timeout=SECONDS) as client:
        (await client.put(f"{url}/presence", json={"presence": "available"})).raise_for_status()
        async with client.stream("GET", f"{url}/offers") as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith(":")
            assert running.process is not None
            running.process.terminate()
            assert "data" not in "".join([line async for line in lines])
    assert await asyncio.to_thread(running.process.wait, SECONDS) == 0
