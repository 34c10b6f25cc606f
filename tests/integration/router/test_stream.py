"""Offers as server-sent events, over a real connection: the reservations of the long poll, pushed."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from services.router import bell, next_ticket
from services.router.api import make_router
from services.router.attendance import give_back, sweep
from services.router.tree.keys import DEVELOPMENT_KEYS, read_keys
from services.runtime.http import make_app
from tests.integration.router.conftest import KEYS
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from services.contracts.messages import ContactReceived
    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk

pytestmark = pytest.mark.integration

SECONDS = 60


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """The handler at the hour of the doors; the bell hears of what it routes."""
    desk.now = datetime.now(UTC)
    return desk


@pytest.fixture
async def client(people: People) -> AsyncIterator[httpx.AsyncClient]:
    """The router's doors behind a real server, with its bell."""

    async def ready() -> list[str]:
        return []

    app = make_app("router", ready=ready)
    ring = read_keys(str(KEYS), KEYS.read_text(encoding="utf-8"))
    app.include_router(make_router(people, lambda: ring))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=5))
    tasks = [asyncio.create_task(server.serve()), asyncio.create_task(people.bell.watch(people.pool, 0.05))]
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"X-API-Key": DEVELOPMENT_KEYS["supervisor-dev"]}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1", headers=headers, timeout=SECONDS) as opened:
        yield opened
    people.bell.close()
    server.should_exit = True
    await tasks[0]
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Watched:
    """A function of the roster, and what it was asked."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.asked: list[tuple[Any, ...]] = []

    async def __call__(self, *asked: Any) -> Any:
        self.asked.append(asked)
        return await self._function(*asked)


class Stream:
    """What a desktop reads."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.retry: int | None = None
        self._lines = response.aiter_lines()

    async def event(self) -> tuple[str, str, dict[str, Any]] | None:
        """Return the next event's name, id and data; None when the stream ends."""
        told: dict[str, str] = {}
        async with asyncio.timeout(SECONDS):
            async for line in self._lines:
                name, _, value = line.partition(":")
                if name:
                    told[name] = value.removeprefix(" ")
                self.retry = int(told.pop("retry")) if "retry" in told else self.retry
                if not line and "data" in told:
                    return told["event"], told["id"], json.loads(told["data"])
        return None


@asynccontextmanager
async def streaming(client: httpx.AsyncClient, agent: str, **headers: str) -> AsyncIterator[Stream]:
    async with client.stream("GET", f"/agents/{agent}/offers", headers=headers) as response:
        yield Stream(response)


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():
            await asyncio.sleep(0.02)


async def begin(client: httpx.AsyncClient, agent: str, capacity: int = 1, queues: Sequence[str] = ("*",)) -> None:
    profile = {"queues": list(queues), "languages": ["*"], "capacity": capacity}
    (await client.put(f"/agents/{agent}", json=profile)).raise_for_status()
    await presence(client, agent, "available")


async def presence(client: httpx.AsyncClient, agent: str, word: str) -> None:
    (await client.put(f"/agents/{agent}/presence", json={"presence": word})).raise_for_status()


async def act(client: httpx.AsyncClient, ticket: str, name: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/tickets/{ticket}/{name}", json=body)
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


def question(name: str, ago: float = 60) -> ContactReceived:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return contact(name, text="查电费", occurred_at=at, received_at=at)


async def test_offers_come_one_after_another_as_the_agent_works_them(client: httpx.AsyncClient, desk: Desk) -> None:
    await begin(client, "ann")
    first, second = question("1", ago=90), question("2", ago=30)
    async with streaming(client, "ann") as stream:
        about = stream.response.headers
        assert about["content-type"].startswith("text/event-stream")
        assert (about["cache-control"], about["x-accel-buffering"]) == ("no-cache", "no")
        await desk.take(first, second)
        told = await stream.event()
        assert told is not None
        name, key, offer = told
        assert (name, key) == ("offer", f"{first.ticket_id}.{offer['version']}")
        assert (offer["state"], offer["agent"]) == ("offered", "ann")
        assert stream.retry == 2000
        await act(client, offer["ticket_id"], "accept", agent_id="ann")
        ended = await stream.event()
        assert ended is not None
        assert ended[:2] == ("offer_ended", ""), "an empty id: nothing is on offer any more"
        assert (ended[2]["ticket_id"], ended[2]["state"], ended[2]["yours"]) == (offer["ticket_id"], "assigned", True)
        await act(client, offer["ticket_id"], "complete", agent_id="ann", outcome="solved")
        told = await stream.event()
        assert told is not None
        assert (told[0], told[2]["ticket_id"]) == ("offer", str(second.ticket_id)), "its capacity is free again"


async def test_an_offer_whose_ticket_changes_meanwhile_is_sent_anew_and_has_not_ended(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    """A warning of its clock, a note of a colleague: it still rings, and a desktop that took it away would lose it."""
    await begin(client, "ann")
    async with streaming(client, "ann") as stream:
        await desk.take(question("1"))
        first = await stream.event()
        assert first is not None
        noted = await act(client, first[2]["ticket_id"], "notes", note="they rang again")
        told = await stream.event()
        assert told is not None
        assert (told[0], told[1]) == ("offer", f"{noted['ticket_id']}.{noted['version']}")
        assert told[2]["until"] == first[2]["until"]
    again = {"Last-Event-ID": told[1]}
    await act(client, first[2]["ticket_id"], "notes", note="and again")
    async with streaming(client, "ann", **again) as stream:
        told = await stream.event()
        assert told is not None
        assert (told[0], told[2]["version"]) == ("offer", noted["version"] + 1), "while it was broken, too"


async def test_what_another_process_does_is_noticed(client: httpx.AsyncClient, desk: Desk, people: People) -> None:
    await begin(client, "ann")
    await desk.take(question("1"))
    async with streaming(client, "ann") as stream:
        told = await stream.event()
        assert told is not None
        await people.pool.execute(
            "UPDATE ticket SET state = 'assigned', agent = 'bob', version = version + 1,"
            " body = body::jsonb || jsonb_build_object('work', (body::jsonb -> 'work') || $1)",
            '{"phase": "assigned", "agent": "bob"}',
        )
        ended = await stream.event()
        assert ended is not None
        assert (ended[0], ended[2]["yours"]) == ("offer_ended", False)


async def test_streams_that_wait_ask_the_database_together(
    client: httpx.AsyncClient, desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of 4,700 looked every ten seconds, in a transaction of its own: more than one process can do."""
    monkeypatch.setattr(bell, "_HANDS_SECONDS", 0.1)
    monkeypatch.setattr(bell, "_STREAM_SECONDS", 0.3)
    monkeypatch.setattr(next_ticket, "hands", watched := Watched(next_ticket.hands))
    monkeypatch.setattr(next_ticket, "hand", looks := Watched(next_ticket.hand))
    names = [f"a{n}" for n in range(12)]
    async with AsyncExitStack() as open_streams:
        for name in names:
            await begin(client, name, queues=["general"])
        streams = {name: await open_streams.enter_async_context(streaming(client, name)) for name in names}
        await until(lambda: len(people.bell._waiters) == len(names))
        opened, together, began = len(looks.asked), len(watched.asked), monotonic()

        def asked() -> list[int]:
            return [len(agents) for _, agents in watched.asked[together:]]

        await until(lambda: sum(asked()) >= 4 * len(names))  # all of them are asked for
        assert len(looks.asked) == opened, "nobody looked for a ticket"
        assert 3 <= len(asked()) <= (monotonic() - began) / 0.1 + 2, "by time, however many wait"
        # What another process does is noticed all the same: the end of a shift, another seat.
        await people.pool.execute("UPDATE agent SET presence = 'offline' WHERE agent_id = 'a3'")
        assert await streams["a3"].event() is None
        served = "UPDATE agent SET body = body || '{\"queues\": [\"consultation\"]}' WHERE agent_id = 'a4'"
        await people.pool.execute(served)
        await until(lambda: any(one.agent.queues == ("consultation",) for one in people.bell._waiters))
        await desk.take(said := question("1"))
        told = await streams["a4"].event()
        assert told is not None
        assert told[2]["ticket_id"] == str(said.ticket_id)
        await people.pool.execute("DELETE FROM agent WHERE agent_id = 'a5'")
        assert await streams["a5"].event() is None


async def test_a_seat_on_another_queue_holds_for_a_stream_that_is_open(client: httpx.AsyncClient, desk: Desk) -> None:
    """A danger there is offered at once, not at some look or other until the desktop opens its stream anew."""
    await begin(client, "ann", queues=["general"])
    async with streaming(client, "ann") as stream:
        await asyncio.sleep(0.3)
        await begin(client, "ann", queues=["consultation"])
        await asyncio.sleep(0.3)
        await desk.take(said := question("1"))
        async with asyncio.timeout(4):
            told = await stream.event()
        assert told is not None
        assert told[2]["ticket_id"] == str(said.ticket_id)


async def test_a_desktop_that_comes_back_is_told_only_what_it_does_not_know(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    await begin(client, "ann")
    await desk.take(question("1"))
    async with streaming(client, "ann") as stream:
        told = await stream.event()
    assert told is not None
    _, key, offer = told
    async with streaming(client, "ann") as stream:
        again = await stream.event()
        assert again is not None
        assert again[:2] == ("offer", key), "one that knows nothing is given its open offer"
    async with streaming(client, "ann", **{"Last-Event-ID": key}) as stream:
        await act(client, offer["ticket_id"], "decline", agent_id="ann", reason="busy")
        ended = await stream.event()
        assert ended is not None
        assert (ended[0], ended[2]["state"]) == ("offer_ended", "queued"), "and not the offer once more"
    async with streaming(client, "ann", **{"Last-Event-ID": key}) as stream:
        ended = await stream.event()
        assert ended is not None
        assert ended[0] == "offer_ended", "it ended while the desktop was away"
    async with streaming(client, "ann", **{"Last-Event-ID": "nonsense"}) as stream:
        await desk.take(new := question("2"))
        told = await stream.event()
        assert told is not None
        assert told[2]["ticket_id"] == str(new.ticket_id)


async def test_an_offer_goes_back_when_the_desktop_hangs_up_unless_it_is_heard_of_again(
    client: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    await begin(client, "ann")
    await begin(client, "bob")
    await desk.take(said := question("1"))
    async with streaming(client, "ann") as stream:
        assert await stream.event() is not None
    await until(lambda: "ann" in people.hung_up)
    assert await give_back(people) == 0, "it may come back"
    (await client.post("/agents/ann/heartbeat")).raise_for_status()
    assert await give_back(people, timedelta(0)) == 1
    assert (await desk.ticket(said)).standing == "offered", "she was heard of since"
    async with streaming(client, "ann") as stream:
        assert await stream.event() is not None
    await until(lambda: "ann" in people.hung_up)
    assert await give_back(people, timedelta(0)) == 1
    answer = await client.post("/agents/bob/claims")
    assert (answer.status_code, answer.json()["ticket_id"]) == (200, str(said.ticket_id))
    assert desk.now < datetime.now(UTC)
    log = (await client.get(f"/tickets/{said.ticket_id}/log")).json()["log"]
    assert [line["did"] for line in log] == ["offered", "lost", "claimed"]
    assert log[2]["seconds"] >= 60, "the customer waited all the time"


async def test_an_open_stream_is_no_sign_of_life_and_ends_with_the_agents_shift(
    client: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    await begin(client, "ann")
    async with streaming(client, "ann") as stream:
        await people.pool.execute("UPDATE agent SET seen_at = now() - interval '1 h'")
        await desk.take(question("1"))
        assert await stream.event() is not None
        async with asyncio.timeout(SECONDS):  # an offer was made to her, and she was not heard of
            while not await sweep(people):
                await asyncio.sleep(0.02)
        assert await stream.event() is None
    refused = await client.get("/agents/ann/offers")
    assert (refused.status_code, refused.json()["errors"][0]["reason"]) == (409, "not_available")
    assert (await client.get("/agents/nobody/offers")).status_code == 404
    wallboard = {"X-API-Key": DEVELOPMENT_KEYS["wallboard-dev"]}
    assert (await client.get("/agents/ann/offers", headers=wallboard)).status_code == 403


async def test_a_break_pauses_a_stream_and_the_end_of_the_process_ends_all(
    client: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    await begin(client, "ann")
    await begin(client, "bob")
    await presence(client, "bob", "away")
    await presence(client, "ann", "away")
    async with streaming(client, "ann") as stream:
        await desk.take(question("1"))
        await presence(client, "ann", "available")
        assert await stream.event() is not None
        poll = asyncio.create_task(client.post("/agents/bob/offers?wait=30"))
        await presence(client, "bob", "available")
        await until(lambda: any(not waiter.busy for waiter in people.bell._waiters) or poll.done())
        people.bell.close()
        assert await stream.event() is None
        assert (await poll).status_code in {204, 409}
