"""Agents who fall silent, are told of as gone, leave for good or never end a write-up: nobody waits for them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

import pytest

from services.router import figures, roster, store
from services.router.attendance import note_beat, sweep
from services.router.domain.effects import fold
from services.router.domain.log import Did, Event
from services.router.domain.work import Phase
from services.router.glances import next_offer
from services.router.timers import limit_write_ups, wake, watch_time
from services.runtime.errors import UnavailableError
from tests.integration.router.seat import Seat, at_work, let_pass, published, question
from tests.unit.router.making import SHIPPED_DESK

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from services.router.acting import Desk as People
    from services.router.domain.ticket import Ticket
    from services.runtime.postgres import Connection
    from tests.integration.router.desk import Desk


pytestmark = pytest.mark.integration


async def test_who_was_seen_while_the_database_was_ahead_is_missed_once_its_clock_is_right_again(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    """Not only when it is that late again: until then their customers waited for nobody."""
    await at_work(doors, desk)
    await people.pool.execute("UPDATE agent SET seen_at = now() + interval '8 h', since = now() + interval '8 h'")
    assert await sweep(people) == 0, "nobody knows whether they are there"
    [row] = await people.pool.fetch("SELECT now() - seen_at AS silent, since <= now() AS began FROM agent")
    assert timedelta() <= row["silent"] < timedelta(minutes=1)
    assert row["began"]
    await people.pool.execute("UPDATE agent SET seen_at = seen_at - interval '50 s'")
    assert await sweep(people) == 1


async def test_who_works_is_not_taken_for_gone_although_no_heartbeat_comes(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    ann, said = await at_work(doors, desk)

    async def silent_for_an_hour() -> None:
        await people.pool.execute("UPDATE agent SET seen_at = now() - interval '1 h'")

    for act, told in (("notes", {"note": "asked"}), ("contact", {"outcome": "reached"}), ("wrap-up", {})):
        await silent_for_an_hour()
        assert (await ann.do(act, said.ticket_id, **told)).status_code == 200
        assert await sweep(people) == 0, act
    for act, told, why in (
        ("accept", {}, "not_offered"),
        ("place", {"address": "where they think it is"}, "no place is found by this"),
        ("transfer", {"to_queue": "complaints"}, "complaints is none of"),
        ("transfer", {"to_agent": "bob"}, "bob: no agent has this id"),
        ("reopen", {"reason": "not_solved"}, "not_closed"),
    ):
        await silent_for_an_hour()
        refused = await ann.do(act, said.ticket_id, **told)
        assert refused.json()["errors"][0]["reason"].startswith(why)
        assert await sweep(people) == 0, f"a refusal too is told to somebody who is there: {act}"
    await ann.presence("offline")
    await ann.do("notes", said.ticket_id, note="late")
    await sweep(people)
    rows = await people.pool.fetch("SELECT presence FROM agent")
    assert [row["presence"] for row in rows] == ["offline"], "who went stays gone"


async def test_a_dead_agents_tickets_go_back(doors: httpx.AsyncClient, desk: Desk, people: People) -> None:
    said = question("1")
    await desk.take(said)
    ann, bob = [await Seat(doors, name).begin("consultation") for name in ("ann", "bob")]
    await ann.claim()
    assert await sweep(people) == 0, "she was just heard of"
    await people.pool.execute("UPDATE agent SET seen_at = now() - interval '1 h' WHERE agent_id = 'ann'")
    assert await sweep(people) == 1
    assert await sweep(people) == 0
    assert (await bob.claim()).json()["ticket_id"] == str(said.ticket_id)
    late = await ann.do("complete", said.ticket_id, outcome="solved")
    assert late.json()["errors"][0]["reason"] == "not_yours"
    spells = await people.pool.fetch("SELECT agent_id, presence FROM agent_presence ORDER BY end_at")
    assert ("ann", "available") in {tuple(row) for row in spells}


async def test_a_presence_is_one_statement_and_who_says_it_many_times_at_once_has_spells_without_gaps(
    doors: httpx.AsyncClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction of five was the bound of how many desktops a process lets in when a shift begins."""
    ann = await Seat(doors, "ann").begin("consultation")

    def transaction() -> NoReturn:
        raise AssertionError("a transaction was begun")

    monkeypatch.setattr(people, "transaction", transaction)
    first = (await ann.presence("away")).json()
    again = (await ann.presence("away")).json()
    assert (first["presence"], again["presence"]) == ("away", "away")
    assert again["since"] == first["since"], "saying it again changes nothing"
    assert again["seen_at"] > first["seen_at"]
    said = ("available", "away", "available", "away", "away", "available") * 4
    answers = await asyncio.gather(*(ann.presence(word) for word in said))
    assert [answer.json()["presence"] for answer in answers] == list(said)
    spells = await people.pool.fetch("SELECT presence, start_at, end_at FROM agent_presence ORDER BY ctid")
    for spell, following in pairwise(spells):
        assert spell["presence"] != following["presence"]
        assert spell["end_at"] == following["start_at"]
    now = await people.pool.fetchrow("SELECT presence, since FROM agent")
    assert now is not None
    assert (now["presence"] != spells[-1]["presence"], now["since"]) == (True, spells[-1]["end_at"])


async def test_nobody_is_gone_who_could_not_be_heard(
    doors: httpx.AsyncClient, desk: Desk, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All routers were down, or the database was: every agent was silent for that long, and talks to a customer."""
    ann, _ = await at_work(doors, desk)
    timings = replace(SHIPPED_DESK.timings, presence=timedelta(seconds=6))
    people.rules = lambda: replace(SHIPPED_DESK, timings=timings)

    async def presence() -> str:
        return str(await people.pool.fetchval("SELECT presence FROM agent"))

    async def silent_since(seconds: float) -> None:
        await people.pool.execute("UPDATE agent SET seen_at = now() - $1::interval", timedelta(seconds=seconds))

    await silent_since(600)
    time = asyncio.create_task(watch_time(people, 0.05))
    await asyncio.sleep(3.5)
    assert await presence() == "available", "a router that was just started has not listened to her yet"
    await ann.ask("agents/ann/heartbeat")
    await asyncio.sleep(3.5)
    assert await presence() == "available", "she was heard"

    waking = store.waking

    async def away(*_: object) -> list[Ticket]:
        raise UnavailableError("postgres")

    monkeypatch.setattr(store, "waking", away)
    await asyncio.sleep(3.5)
    await silent_since(600)
    monkeypatch.setattr(store, "waking", waking)
    await asyncio.sleep(1)
    assert await presence() == "available", "nobody could be heard while the database was away"
    async with asyncio.timeout(30):
        while await presence() != "offline":
            await asyncio.sleep(0.05)
    assert not time.done()
    time.cancel()


async def test_a_heartbeat_that_cannot_be_written_down_is_a_sign_all_the_same(
    doors: httpx.AsyncClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await Seat(doors, "ann").begin("*")
    await sweep(people)
    await people.pool.execute("UPDATE agent SET seen_at = now() - interval '1 h'")

    async def away(*_: object) -> None:
        raise UnavailableError("postgres")

    with monkeypatch.context() as moment:
        moment.setattr(roster, "alive", away)
        with pytest.raises(UnavailableError):
            await note_beat(people, "ann")
    assert await sweep(people) == 0
    await ann.presence("offline")
    await sweep(people)
    assert await people.pool.fetchval("SELECT presence FROM agent") == "offline", "who went stays gone"


async def test_heartbeats_that_come_together_are_written_together(
    doors: httpx.AsyncClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three hundred a second of 4,700 desktops, each a transaction that waits for the disk, would be all it does."""
    seats = [await Seat(doors, f"a-{n}").begin("*") for n in range(20)]
    await people.pool.execute("UPDATE agent SET seen_at = now() - interval '1 h'")
    await seats[0].presence("offline")
    alive, noted = roster.alive, list[int]()

    async def counted(tx: Connection, signs: Mapping[str, datetime]) -> frozenset[str]:
        noted.append(len(signs))
        return await alive(tx, signs)

    monkeypatch.setattr(roster, "alive", counted)
    asked = [seat.ask(f"agents/{seat.agent}/heartbeat") for seat in (*seats, Seat(doors, "nobody"))]
    answers = await asyncio.gather(*asked)
    assert [one.status_code for one in answers] == [204] * 20 + [404]
    assert sum(noted) == 21
    assert len(noted) <= 3, "not one each"
    silent = "SELECT count(*) FROM agent WHERE seen_at < now() - interval '1 min'"
    assert await people.pool.fetchval(silent) == 0
    assert await people.pool.fetchval("SELECT presence FROM agent WHERE agent_id = 'a-0'") == "offline"


async def test_agents_who_all_come_at_once_leave_connections_to_contacts_and_timers(
    doors: httpx.AsyncClient, people: People
) -> None:
    """A router was started anew, and a shift's desktops come back: some of them wait for a row that is locked."""
    seats = [await Seat(doors, f"a-{n}").begin("*") for n in range(12)]
    async with people.pool.acquire() as slow, slow.transaction():
        await slow.execute("SELECT FROM agent FOR UPDATE")
        come = [asyncio.create_task(seat.ask(f"agents/{seat.agent}/heartbeat")) for seat in seats]
        look = [asyncio.create_task(seat.offer()) for seat in seats]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(30):
            assert await people.pool.fetchval("SELECT 1") == 1
        assert not any(one.done() for one in (*come, *look))
    assert {one.status_code for one in await asyncio.gather(*come, *look)} == {204}


async def test_who_looks_just_in_case_waits_behind_others_of_that_kind_alone(people: People) -> None:
    """A thousand idle streams look every ten seconds; one who is called at once is not to wait behind them."""
    looking = asyncio.Event()

    async def look() -> None:
        async with people.turn(in_case=True):
            await looking.wait()

    idle = [asyncio.create_task(look()) for _ in range(100)]
    await asyncio.sleep(0)
    async with asyncio.timeout(30), people.turn():
        pass
    looking.set()
    await asyncio.gather(*idle)


async def test_who_waits_for_their_turn_as_the_process_ends_is_let_go_without_an_offer(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    """With a thousand streams it would take longer than the process has."""
    await desk.take(question("1"))
    await Seat(doors, "ann").begin("*")
    async with people.turn(in_case=True):
        look = asyncio.create_task(next_offer(people, "ann", "ann", rung=False, asked=False, in_case=True))
        await asyncio.sleep(0)
        people.bell.close()
    assert await look == (None, None)
    assert await people.pool.fetchval("SELECT state FROM ticket") == "queued"


async def test_an_agent_who_never_ends_a_write_up_is_given_the_next_ticket_after_its_limit(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said, more = question("1", ago=100), question("2", ago=50)
    await desk.take(said, more)
    ann = await Seat(doors, "ann").begin("consultation")
    await ann.claim()
    writing = (await ann.do("wrap-up", said.ticket_id)).json()
    limit = datetime.fromisoformat(writing["until"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < limit <= timedelta(minutes=10)
    assert (await ann.claim()).json()["errors"][0]["reason"] == "not_available", "capacity is 1"
    await let_pass(people, "until", "state = 'wrap_up'")
    assert await wake(people) == 1
    assert (await ann.claim()).json()["ticket_id"] == str(more.ticket_id)
    await ann.do("wrap-up", more.ticket_id)
    await ann.do("complete", more.ticket_id, outcome="solved")
    [ended] = (await ann.ask(f"tickets/{said.ticket_id}", method="GET")).json()["tickets"]
    assert (ended["state"], ended["outcome"], ended["agent"], ended["until"]) == ("closed", "wrap_up_over", "ann", None)
    kpis = (await ann.ask("kpis", method="GET")).json()["kpis"]
    [kept] = [kpi for kpi in kpis if kpi["name"] == "wrap_up_limit"]
    assert (kept["counted"], kept["of"]) == (1, 2)


async def test_a_write_up_that_began_before_there_was_a_limit_is_ended_too(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said, more = question("1", ago=100), question("2", ago=50)
    await desk.take(said, more)
    limited, people.rules = people.rules, lambda: replace(SHIPPED_DESK, wrap_up={}, usual_wrap_up=None)
    ann = await Seat(doors, "ann").begin("consultation")
    await ann.claim()
    assert (await ann.do("wrap-up", said.ticket_id)).json()["until"] is None
    assert await limit_write_ups(people) == 0, "still none"
    people.rules = limited
    assert await limit_write_ups(people) == 1
    assert await limit_write_ups(people) == 0
    [told] = (await ann.ask(f"tickets/{said.ticket_id}", method="GET")).json()["tickets"]
    assert told["until"] is not None
    assert (await published(people))[-1].until is not None, "her desktop is told"
    await let_pass(people, "until", "state = 'wrap_up'")
    assert await wake(people) == 1
    assert (await ann.claim()).json()["ticket_id"] == str(more.ticket_id)
    async with people.pool.acquire() as connection:
        [now] = await store.by_id(connection, said.ticket_id)
        assert fold(await store.log_of(connection, said.ticket_id)) == now.work


async def test_a_write_up_decided_by_the_old_rules_as_new_ones_come_into_force_has_their_limit_soon(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said = question("1")
    await desk.take(said)
    limited, people.rules = people.rules, lambda: replace(SHIPPED_DESK, wrap_up={}, usual_wrap_up=None, hash="old")
    ann = await Seat(doors, "ann").begin("consultation")
    await ann.claim()
    watching = asyncio.create_task(watch_time(people, 0.02, 0.5))
    try:
        async with people.transaction() as tx:
            now = datetime.now(UTC)
            before = await people.load(tx, said.ticket_id, None)
            change = people.change(before, Event(did=Did.WRAPPED_UP, at=now, by="t", agent="ann"))
            people.committed(await people.keep(tx, [change], now))
            people.rules = limited
            await asyncio.sleep(0.3)  # the look at the reload is over, and has seen a ticket in hand
        async with asyncio.timeout(10):
            while (written := await desk.ticket(said)).work is None or written.work.until is None:
                await asyncio.sleep(0.05)
    finally:
        watching.cancel()
    assert written.work.phase is Phase.WRAP_UP
    assert [one.change for one in await published(people)][-2:] == ["wrapped_up", "limited"]


async def test_an_agent_who_left_for_good_leaves_their_tickets_to_others_and_their_history_behind(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    ann = await Seat(doors, "ann").begin("*", capacity=3)
    bob = await Seat(doors, "bob").begin("*", capacity=9)
    said = {name: question(name, ago=60 - n) for n, name in enumerate(("done", "in hand", "offered"))}
    await desk.take(*said.values())
    await ann.claim()
    await ann.do("complete", said["done"].ticket_id, outcome="solved")
    await ann.claim()
    await ann.offer()
    waits = asyncio.create_task(ann.offer(wait=20))  # full: nothing comes until she is gone
    for key, status in (("desktop-dev", 403), ("supervisor-dev", 204), ("supervisor-dev", 404)):
        answer = await ann.ask("agents/ann", method="DELETE", key=key)
        assert answer.status_code == status, answer.text
    assert (await waits).status_code in {200, 404}, "the open offer, or that there is no such agent any more"
    assert (await ann.ask("agents/ann", method="GET")).status_code == 404
    for refused in (ann.offer, ann.claim, lambda: ann.presence("available"), lambda: ann.ask("agents/ann/heartbeat")):
        answer = await refused()
        assert (answer.status_code, answer.json()["detail"].partition(":")[0]) == (404, "no agent has this id")
    late = await ann.do("complete", said["in hand"].ticket_id, outcome="solved")
    assert late.json()["errors"] == [{"field": "state", "reason": "not_in_hand"}]
    told = await ann.do("transfer", said["done"].ticket_id, to_agent="ann")
    assert (told.status_code, told.json()["errors"][0]["field"]) == (422, "to_agent")

    assert [(await bob.claim()).json()["ticket_id"] for _ in range(2)] == [
        str(said[name].ticket_id) for name in ("in hand", "offered")
    ], "in their old places"
    log = (await bob.ask(f"tickets/{said['in hand'].ticket_id}/log", method="GET")).json()["log"]
    lost = [each for each in log if each["did"] == "lost"]
    assert [(each["agent"], each["reason"], each["by"]) for each in lost] == [
        ("ann", "agent_removed", "supervisor-dev")
    ]
    log = (await bob.ask(f"tickets/{said['done'].ticket_id}/log", method="GET")).json()["log"]
    assert [each["agent"] for each in log] == ["ann", "ann"], "who did it stays"
    spells = await people.pool.fetch("SELECT presence FROM agent_presence WHERE agent_id = 'ann' ORDER BY start_at")
    assert [row["presence"] for row in spells] == ["offline", "available"]

    await desk.take(question("again", reply_to=None, phone="13800000001"))
    ann = await ann.begin("consultation")
    assert (await ann.claim()).status_code == 200, "the id may be made anew, and begins with nothing"


async def test_nothing_is_kept_for_an_agent_who_left(doors: httpx.AsyncClient, desk: Desk) -> None:
    ann = await Seat(doors, "ann").begin("*")
    first = question("1", phone="13800000001", reply_to=None)
    await desk.take(first)
    await ann.claim()
    await ann.do("complete", first.ticket_id, outcome="solved")
    assert (await ann.ask("agents/ann", method="DELETE")).status_code == 204
    bob = await Seat(doors, "bob").begin("*")
    second = question("2", ago=0, phone="13800000001", reply_to=None, text="我要投诉")
    await desk.take(second)
    assert (await bob.claim()).json()["ticket_id"] == str(second.ticket_id)


async def test_an_agent_with_several_tickets_at_once_is_not_busier_than_busy(people: People) -> None:
    """Ann has three tickets for ten minutes and writes up for five, of twenty; Ben works on into his break."""
    start = datetime(2026, 7, 1, 4, tzinfo=UTC)

    def at(minutes: float) -> datetime:
        return start + timedelta(minutes=minutes)

    spells = [("ann", 10, 10, "assigned")] * 3 + [("ann", 15, 5, "wrap_up"), ("ben", 40, 10, "assigned")]
    spells += [("ann", -5, 5, "assigned"), ("cat", 65, 20, "assigned")]  # before, and ended after
    log = [
        (UUID(int=n), at(end), agent, 60.0 * long, f'{{"ended": "{phase}"}}')
        for n, (agent, end, long, phase) in enumerate(spells)
    ]
    there = [("ann", "available", at(0), at(20)), ("ben", "available", at(20), at(35)), ("ben", "away", at(35), at(90))]
    async with people.pool.acquire() as connection:
        await connection.executemany(
            "INSERT INTO ticket_log (ticket_id, version, n, did, at, agent, seconds, body)"
            " VALUES ($1, 1, 0, 'transferred', $2, $3, $4, $5::jsonb)",
            log,
        )
        await connection.executemany("INSERT INTO agent_presence VALUES ($1, $2, $3, $4)", there)
        counts = await figures.count(connection, at(0), at(60), None, 20, 9)
        of_a_queue = await figures.count(connection, at(0), at(60), "repair", 20, 9)
    busy = {"ann": 15, "ben": 10, "cat": 15}
    idle = {"ann": 5, "ben": 10}
    assert counts.busy_s == pytest.approx(60 * sum(busy.values()), abs=0.01)
    assert counts.idle_s == pytest.approx(60 * sum(idle.values()), abs=0.01)
    added_up = {"ann": 35, "ben": 10}  # without Cat's, which ended after
    assert counts.handle_s + counts.after_s == pytest.approx(60 * sum(added_up.values()), abs=0.01)
    assert (of_a_queue.busy_s, of_a_queue.idle_s) == (0, 0), "an agent's time is of no queue"
