"""What people do with tickets, through the doors and on a real Postgres."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.router import bell, next_ticket, roster, store
from services.router.acting import FullError
from services.router.attendance import note_presence
from services.router.domain.desk import work_of
from services.router.domain.effects import fold
from services.router.domain.log import Did, Event
from services.router.domain.serving import Agent
from services.router.domain.ticket import Ticket
from services.router.roster import Presence
from services.router.taking import take
from services.router.timers import wake
from services.router.tree.keys import DEVELOPMENT_KEYS
from services.runtime import positions
from tests.integration.router.seat import Seat, at_work, let_pass, published, question
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk


pytestmark = pytest.mark.integration


async def test_an_agent_works_a_ticket_from_the_queue_to_its_end(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said = question("1")
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("consultation")
    taken = await ann.claim()
    assert taken.status_code == 200
    ticket = taken.json()
    assert (ticket["state"], ticket["agent"], ticket["version"]) == ("assigned", "ann", 2)
    assert {due["stage"]: due["met_at"] is not None for due in ticket["due"]} == {"respond": True, "answer": False}
    assert (await ann.claim()).json()["errors"] == [{"field": "agent_id", "reason": "not_available"}], "capacity is 1"
    noted = await ann.do("notes", said.ticket_id, note="bill explained")
    assert noted.headers["ETag"] == '"3"'
    assert (await ann.do("wrap-up", said.ticket_id)).json()["state"] == "wrap_up"
    late = await ann.do("complete", said.ticket_id, outcome="solved", headers={"If-Match": '"3"'})
    assert (late.status_code, late.headers["ETag"]) == (412, '"4"')
    done = await ann.do("complete", said.ticket_id, outcome="solved", headers={"If-Match": '"4"'})
    assert (done.status_code, done.json()["state"], done.json()["outcome"]) == (200, "closed", "solved")
    again = await ann.do("complete", said.ticket_id, outcome="solved")
    assert (again.status_code, again.json()["version"]) == (200, 5), "asked twice, done once"
    refused = await ann.do("transfer", said.ticket_id, to_queue="repair")
    assert (refused.status_code, refused.json()["errors"]) == (409, [{"field": "state", "reason": "closed"}])
    assert (await ann.claim()).status_code == 204

    told = await published(people)
    assert [(each.version, each.state, each.change) for each in told] == [
        (2, "assigned", "claimed"),
        (3, "assigned", "noted"),
        (4, "wrap_up", "wrapped_up"),
        (5, "closed", "completed"),
    ]
    async with people.pool.acquire() as connection:
        log = await store.log_of(connection, said.ticket_id)
        [ticket_now] = await store.by_id(connection, said.ticket_id)
        assert fold(log) == ticket_now.work
        desk.tally += await positions.totals(connection)
    assert [event.did for event in log] == [Did.CLAIMED, Did.NOTED, Did.WRAPPED_UP, Did.COMPLETED]
    assert log[0].seconds is not None
    assert 59 < log[0].seconds < 120
    assert log[-1].first is True
    assert +desk.tally == {"contact_closed": 1}, "it has left the count of what waits"


async def test_no_key_a_wrong_key_and_a_key_without_the_scope_open_nothing(doors: httpx.AsyncClient) -> None:
    for key, status in ((None, 401), ("guess", 401), (DEVELOPMENT_KEYS["wallboard-dev"], 403)):
        headers = {"X-API-Key": key} if key else {}
        answer = await doors.post("/v1/agents/ann/claims", headers=headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
    desktop = {"X-API-Key": DEVELOPMENT_KEYS["desktop-dev"]}
    body = {"into": str(contact("1").ticket_id), "reason": "same"}
    assert (
        await doors.post(f"/v1/tickets/{contact('2').ticket_id}/merge", json=body, headers=desktop)
    ).status_code == 403


async def test_an_offer_is_kept_given_again_and_lapses_to_the_next_agent(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    await desk.take(question("1"))
    ann = await Seat(doors, "ann").begin("consultation")
    bob = await Seat(doors, "bob").begin("*", languages=("*",))
    first = (await ann.offer()).json()
    assert (first["state"], first["agent"]) == ("offered", "ann")
    assert (await ann.offer()).json() == first, "the same offer, in the same version"
    assert (await bob.offer()).status_code == 204
    assert (await bob.do("accept", first["ticket_id"])).json()["errors"][0]["reason"] == "not_yours"
    await let_pass(people, "until")
    assert (await ann.do("accept", first["ticket_id"])).json()["errors"][0]["reason"] == "offer_lapsed"
    assert await wake(people) == 1
    assert (await ann.offer()).status_code == 204, "who let it lapse is not asked again at once"
    second = (await bob.offer()).json()
    assert (await bob.do("accept", second["ticket_id"])).json()["state"] == "assigned"
    assert [each.change for each in await published(people)] == ["offered", "lapsed", "offered", "accepted"]


async def test_who_waits_is_woken_by_what_comes_in_the_order_of_the_queue(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    seats = [await Seat(doors, f"a{n}").begin("consultation") for n in range(3)]
    elsewhere = await Seat(doors, "other").begin("complaint")
    watch = asyncio.create_task(people.bell.watch(people.pool, 0.05))
    waiting = [asyncio.create_task(seat.offer(wait=20)) for seat in seats]
    apart = asyncio.create_task(elsewhere.offer(wait=1))
    await asyncio.sleep(0.3)
    old, new = question("old", ago=500), question("new", ago=5)
    await desk.take(new, old)
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    while len(done) < 2:
        more, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        assert more
        done |= more
    assert {task.result().json()["ticket_id"] for task in done} == {str(old.ticket_id), str(new.ticket_id)}
    assert len(pending) == 1, "one of three still waits"
    assert (await apart).status_code == 204
    for task in (*pending, watch):
        task.cancel()


async def test_an_emergency_another_process_routed_is_offered_though_every_lane_is_not_looked_at_again(
    doors: httpx.AsyncClient, desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler here tells no bell, like another process's; for an hour nothing but emergencies is looked at."""
    monkeypatch.setattr(bell, "_IDLE_SECONDS", 3600.0)
    ann = await Seat(doors, "ann").begin("*")
    watch = asyncio.create_task(people.bell.watch(people.pool, 0.05))
    async with asyncio.timeout(60):
        while people.bell.lanes.began < 0:
            await asyncio.sleep(0.02)
    waits = asyncio.create_task(ann.offer(wait=30))
    async with asyncio.timeout(60):
        while not people.bell._waiters:
            await asyncio.sleep(0.02)
    danger = question("danger", ago=1, text="着火了")
    await desk.take(question("older", ago=900), danger)
    offered = (await waits).json()
    watch.cancel()
    assert (offered["ticket_id"], offered["priority"]) == (str(danger.ticket_id), "emergency")


async def test_the_looks_read_an_index_entry_a_lane(desk: Desk) -> None:
    await desk.take(*(question(f"{n}", text="着火了" if n % 2 else "查电费") for n in range(200)))
    await desk.connection.execute("VACUUM ANALYZE ticket")
    await desk.connection.execute("SET enable_seqscan = off")
    looks = ((next_ticket.LANES, "ticket_lane", 2), (next_ticket.EMERGENCIES, "ticket_emergency", 1))
    for query, index, lanes in looks:
        text = "\n".join(row[0] for row in await desk.connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS OFF) {query}"))
        assert f"using {index} on" in text
        assert "Seq Scan" not in text
        assert len(await desk.connection.fetch(query)) == lanes
        [entries] = re.findall(rf"using {index} on ticket t_1 .*rows=([0-9.]+) loops={lanes}", text)
        assert float(entries) <= 1


async def test_skills_languages_and_places(doors: httpx.AsyncClient, desk: Desk) -> None:
    tibetan = question("bo", ago=900, language="bo-CN")
    await desk.take(tibetan, question("1"), question("urgent", ago=5, text="着火了"))
    ann = await Seat(doors, "ann").begin("*", capacity=3)
    dol = await Seat(doors, "dol").begin("minority_language", languages=("bo",))
    assert [(await ann.claim()).json().get("queue") for _ in range(2)] == ["emergency", "consultation"]
    assert (await ann.claim()).status_code == 204, "she does not speak Tibetan"
    assert (await dol.claim()).json()["ticket_id"] == str(tibetan.ticket_id)


async def test_a_danger_is_taken_from_whoever_has_it_to_those_for_danger(doors: httpx.AsyncClient, desk: Desk) -> None:
    ann, said = await at_work(doors, desk, thread="t")
    await desk.take(question("2", thread="t", ago=0, text="着火了"))
    ticket = await desk.ticket(said)
    assert (ticket.queue, ticket.standing, desk.routed[-1].change) == ("emergency", "queued", "recalled")
    lower = await ann.ask(f"tickets/{said.ticket_id}/reprioritise", priority="normal", reason="calm")
    assert lower.json()["errors"][0]["reason"] == "danger"


async def test_an_offer_reaches_every_desktop_and_every_connection_that_waits_for_its_agent(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    """A connection that is dead, and nobody knows it, may have been answered first."""
    ann = await Seat(doors, "ann").begin("consultation", capacity=2)
    watch = asyncio.create_task(people.bell.watch(people.pool, 0.05))
    waiting = [asyncio.create_task(ann.offer(wait=30)) for _ in range(3)]
    async with asyncio.timeout(60):
        while len(people.bell._waiters) < 3:
            await asyncio.sleep(0.01)
    said = question("1")
    await desk.take(said)
    answers = [answer.json() for answer in await asyncio.gather(*waiting)]
    assert [(each["ticket_id"], each["version"]) for each in answers] == [(str(said.ticket_id), 2)] * 3
    watch.cancel()


async def test_a_target_nobody_on_duty_serves_is_skipped(doors: httpx.AsyncClient, people: People, desk: Desk) -> None:
    assert await roster.on_duty(desk.connection) is None  # no agent is known here: nothing is skipped
    await Seat(doors, "a").begin("repair", "emergency")
    away = await Seat(doors, "b").begin("repair.en", languages=("en",))
    assert await roster.on_duty(desk.connection) == {"repair", "emergency", "repair.en"}
    await away.presence("away")
    measuring = asyncio.create_task(people.backlog.watch(people.book, 3600))
    for _ in range(100):
        if people.book.rules.duty.staffed is not None:
            break
        await asyncio.sleep(0.05)
    measuring.cancel()
    assert people.book.rules.duty.staffed == {"repair", "emergency"}
    answer = await doors.post("/v1/routes/explain", json={"business_type": "fault_report", "language": "en"})
    assert [each["queue"] for each in answer.json()["plan"]] == ["repair"]
    assert "nobody on duty serves repair.en" in [each["why"] for each in answer.json()["tried"]]


async def test_a_claim_is_three_statements_in_one_transaction_and_its_end_three(desk: Desk, people: People) -> None:
    await desk.take(*(question(f"{n}") for n in range(3)))
    asked: list[str] = []

    class OneConnection:
        """The pool, as far as acts need one: the connection whose statements are counted."""

        @asynccontextmanager
        async def acquire(self) -> AsyncIterator[Any]:
            async with pool.acquire() as connection:
                with connection.query_logger(lambda query: asked.append(query.query)):
                    yield connection

    pool = people.pool
    async with pool.acquire() as connection:
        agent = Agent(agent_id="ann", queues=("*",), languages=("*",))
        await roster.put(connection, agent, datetime.now(UTC))
    await note_presence(people, "ann", Presence.AVAILABLE)
    people.pool = cast("Any", OneConnection())
    for n in range(3):  # the first knows no lanes and looks for them; a connection's first use of a type looks it up
        asked.clear()
        ticket = await take(people, "ann", Did.CLAIMED, "test/ann")
        assert ticket is not None
        claimed, asked[:] = list(asked), []
        done = Event(did=Did.COMPLETED, at=datetime.now(UTC), by="test", agent="ann", outcome="solved")
        await people.act(ticket.ticket_id, done, None)
        if n:
            assert [text.split()[0] for text in claimed] == ["BEGIN;", "UPDATE", "WITH", "WITH", "COMMIT;"]
            assert [text.split()[0] for text in asked] == ["BEGIN;", "SELECT", "WITH", "INSERT", "COMMIT;"]


@pytest.mark.parametrize("asked", [True, False])
async def test_who_asks_many_times_at_once_gets_what_they_can_have_and_no_ticket_goes_to_two(
    desk: Desk, people: People, *, asked: bool
) -> None:
    """The agent is locked before it is looked what they have; a ticket that somebody is taking is passed over."""
    await desk.take(*(question(f"{n}") for n in range(40)))
    async with people.pool.acquire() as connection:
        for n in range(20):
            agent = Agent(agent_id=f"a{n}", queues=("*",), languages=("*",), capacity=2)
            await roster.put(connection, agent, datetime.now(UTC))
    for n in range(20):
        await note_presence(people, f"a{n}", Presence.AVAILABLE)
    asks = [f"a{n}" for n in range(20) for _ in range(3)]
    got = await asyncio.gather(*(take(people, n, Did.CLAIMED, n, asked=asked) for n in asks), return_exceptions=True)
    taken = [one for one in got if isinstance(one, Ticket)]
    assert [one for one in got if not isinstance(one, Ticket | FullError)] == []
    assert len({one.ticket_id for one in taken}) == len(taken) == 40
    assert set(Counter(work_of(one).agent for one in taken).values()) == {2}
    async with people.pool.acquire() as connection:
        assert await next_ticket.lanes(connection) == {}
