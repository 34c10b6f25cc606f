"""What the thousands cost who wait: one statement where there is nothing for them, and none for who has a ticket."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.contracts.values import Channel
from services.router.api import shifts
from services.router.attendance import note_presence, note_signs
from services.router.domain.log import Did
from services.router.glances import glance, next_offer
from services.router.lanes import Lanes
from services.router.roster import Presence
from services.router.taking import take
from services.runtime import clock
from tests.integration.router.seat import Seat, at_work, question
from tests.unit.router.making import NOON, contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx

    from services.contracts.messages import ContactReceived
    from services.router.acting import Desk as People
    from services.router.glances import Glance
    from tests.integration.router.desk import Desk


pytestmark = pytest.mark.integration


@contextmanager
def statements(people: People) -> Iterator[list[str]]:
    """Collect the first word of whatever is asked of the pool."""
    asked: list[str] = []

    class Counted:
        """The pool, as far as doors need one."""

        @asynccontextmanager
        async def acquire(self) -> AsyncIterator[Any]:
            async with pool.acquire() as connection:
                with connection.query_logger(lambda query: asked.append(query.query.split()[0])):
                    yield connection

    pool, people.pool = people.pool, cast("Any", Counted())
    try:
        yield asked
    finally:
        people.pool = pool


def looked(people: People) -> None:
    """Let the bell have looked just now, and seen nothing."""
    now = clock.monotonic()
    people.bell.lanes.saw({}, now, now)


async def test_a_poll_that_finds_nothing_is_one_statement_and_no_commit(
    doors: httpx.AsyncClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was a transaction of five, a look at every lane among them, and one more: a hundred a second at rest."""
    monkeypatch.setattr(shifts, "RECENT_SECONDS", 0.05)
    ann = await Seat(doors, "ann").begin("consultation")
    looked(people)
    assert (await ann.offer(wait=0.1)).status_code == 204
    began = datetime.now(UTC)
    with statements(people) as asked:
        assert (await ann.offer(wait=0.1)).status_code == 204
    assert asked == ["SELECT"]
    await note_signs(people)
    assert await people.pool.fetchval("SELECT seen_at FROM agent") >= began, "it is a sign of them all the same"


async def test_who_waits_for_less_than_the_bell_takes_looks_themselves(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    """So does whoever waits at a process whose bell has not looked for long."""
    ann, bob = await Seat(doors, "ann").begin("consultation"), await Seat(doors, "bob").begin("consultation")
    looked(people)
    one, two = question("1"), question("2", ago=50)
    await desk.take(one, two)  # another process routed them
    assert (await ann.offer()).json()["ticket_id"] == str(one.ticket_id)
    people.bell.lanes = Lanes()
    assert (await bob.offer(wait=5)).json()["ticket_id"] == str(two.ticket_id)


async def test_an_act_through_the_doors_is_two_statements_in_a_transaction(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    ann, said = await at_work(doors, desk)
    with statements(people) as asked:
        assert (await ann.do("wrap-up", said.ticket_id)).status_code == 200
    assert asked == ["BEGIN;", "SELECT", "WITH", "COMMIT;"]
    assert (await ann.do("wrap-up", question("none").ticket_id)).status_code == 404


async def a_call_that_joins(desk: Desk) -> tuple[ContactReceived, ContactReceived, ContactReceived]:
    """Return what is open, a call that seemed to be another matter, and its end, which is not taken yet."""
    desk.now = NOON
    call = {"channel": Channel.PHONE, "phone": "13700000000", "reply_to": None}
    form = contact("form", text="停电了", phone="13700000000")
    started = contact("started", thread="call", minutes=1, final=False, **call)
    await desk.take(form)
    await desk.take(started)
    return form, started, contact("ended", thread="call", minutes=2, text="停电了", **call)


async def test_an_act_on_a_ticket_that_is_part_of_another_by_now_is_one_on_that(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    form, started, ended = await a_call_that_joins(desk)
    await desk.take(ended)
    noted = await Seat(doors, "ann").do("notes", started.ticket_id, note="heard")
    assert noted.json()["ticket_id"] == str(form.ticket_id)
    assert noted.headers["ETag"] == f'"{(await desk.ticket(form)).version}"'


async def test_an_act_whose_ticket_becomes_part_of_another_while_it_waits_for_it_is_refused(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    """Decided on anew, the ticket had its contacts twice."""
    _, started, ended = await a_call_that_joins(desk)
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(60), desk.connection.transaction():
        await desk.take(ended)
        noting = asyncio.create_task(Seat(doors, "ann").do("notes", started.ticket_id, note="heard"))
        while not await people.pool.fetchval(waits):
            await asyncio.sleep(0.02)
    answer = await noting
    assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (409, "merged")


async def test_a_stream_looks_once_after_each_act_of_its_agent(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    """It locked the agent and looked for a ticket each time, though they had all they could have."""
    said = question("1")
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("consultation")
    looked(people)
    await ann.claim()
    with statements(people) as asked:
        for act in ("accept", "wrap-up"):
            await ann.do(act, said.ticket_id)
            asked.clear()
            ticket, seen = await next_offer(people, "ann", "ann", rung=False, asked=False)
            assert ticket is None
            assert seen is not None
            assert seen.busy
            assert set(asked) == {"SELECT"}
    await ann.do("complete", said.ticket_id, outcome="solved")
    _, seen = await next_offer(people, "ann", "ann", rung=False, asked=False)
    assert seen is not None
    assert not seen.busy


async def test_who_waits_leaves_tickets_to_those_who_were_called_for_them(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    await Seat(doors, "ann").begin("consultation")
    said = question("1")

    async def seen() -> Glance:
        found = await glance(people, "ann")
        assert found is not None
        return found

    looked(people)
    assert not (await seen()).finds
    await desk.take(said)
    watch = asyncio.create_task(people.bell.watch(people.pool, 0.05))
    async with asyncio.timeout(60):
        while not people.bell.lanes.worth((await seen()).row.agent):
            await asyncio.sleep(0.02)
    watch.cancel()
    [lane] = people.bell.lanes.worth((await seen()).row.agent)
    assert (await seen()).finds
    people.bell._called["bob"] = lane, clock.monotonic()
    assert not (await seen()).finds, "bob is on his way"
    await desk.take(question("2"))
    assert (await seen()).finds, "one more than he can take"
    people.bell.looked("bob")
    await people.pool.execute("UPDATE ticket SET held_for = 'cid'")
    assert not (await seen()).finds
    await people.pool.execute("UPDATE ticket SET held_for = 'ann'")
    assert (await seen()).finds
    await note_presence(people, "ann", Presence.AWAY)
    assert not (await seen()).finds
    assert (await seen()).busy
    await note_presence(people, "ann", Presence.AVAILABLE)
    people.bell._called["ann"] = lane, clock.monotonic()
    assert await take(people, "ann", Did.OFFERED, "ann") is not None
    assert not people.bell.called(), "she has come"


async def test_who_hangs_up_as_they_are_called_is_not_waited_for(doors: httpx.AsyncClient, people: People) -> None:
    class HangsUp:
        """A request whose desktop is gone by the second look."""

        gone = False

        async def is_disconnected(self) -> bool:
            was, self.gone = self.gone, True
            return was

    await Seat(doors, "ann").begin("consultation")
    now = clock.monotonic()
    people.bell.lanes.saw({"consultation": datetime.now(UTC)}, now, now)
    polling = asyncio.create_task(shifts._awaited(people, "ann", "ann", 5.0, cast("Any", HangsUp())))
    async with asyncio.timeout(60):
        while not people.bell._waiters:
            await asyncio.sleep(0.02)
    people.bell.ring({"consultation": 1}, set())
    assert people.bell.called() == {"consultation": 1}
    assert await polling is None
    assert not people.bell.called()
