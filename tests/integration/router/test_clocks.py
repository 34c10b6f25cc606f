"""Clocks that change while tickets wait: their warnings come by the new ones, once, also with two sets in force."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from services.contracts.topics import CONTACT_RECEIVED
from services.router.acting import Desk as People
from services.router.bell import Bell
from services.router.clocks import _START, IN_HAND, WAITING, look, watch_clocks
from services.router.timers import wake
from services.router.tree.book import load_desk
from services.runtime.outbox import Outbox
from tests.integration.router.seat import Seat, published, question
from tests.service_process import SECONDS
from tests.unit.router.making import DESK, SHIPPED_DESK

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

    from services.contracts.messages import ContactReceived
    from services.router.domain.desk import DeskRules
    from tests.integration.router.desk import Desk
    from tests.integration.router.process import Router

pytestmark = pytest.mark.integration

NONE: frozenset[str] = frozenset()
TEXT = DESK.read_text(encoding="utf-8")
OTHERS = """\
respond: {within: 5m, met_by: [claimed, accepted]}
      answer: {within: 5d, calendar: office, met_by: [completed]}"""


@pytest.fixture
def tight() -> DeskRules:
    """The shipped rules, but a question is to be taken within a minute and answered within two hours."""
    assert TEXT.count(OTHERS) == 1
    return load_desk(str(DESK), TEXT.replace(OTHERS, OTHERS.replace("5m", "1m").replace("5d, calendar: office", "2h")))


@pytest.fixture
def later(people: People, tight: DeskRules) -> People:
    """The people of a second router, with those rules."""
    return People(people.pool, Outbox("gridline/router", shards=1), people.book, lambda: tight, Bell())


async def wakes(people: People) -> dict[UUID, object]:
    return {row[0]: row[1] for row in await people.pool.fetch("SELECT ticket_id, wake_at FROM ticket")}


async def ended(people: People, rules: DeskRules) -> None:
    """Let the last process with these rules have ended."""
    sql = "UPDATE desk_in_force SET until = now() WHERE desk_hash = $1"
    assert await people.pool.execute(sql, rules.hash) == "UPDATE 1"


async def escalated(people: People, said: ContactReceived) -> int:
    return len([one for one in await published(people) if (one.ticket_id, one.change) == (said.ticket_id, "escalated")])


async def test_a_tightened_clock_warns_of_what_waits_and_of_what_is_in_hand_once(
    people: People, desk: Desk, doors: httpx.AsyncClient, tight: DeskRules
) -> None:
    held, waits = question("1", ago=7200), question("2", ago=70)
    await desk.take(held)
    ann = await Seat(doors, "ann").begin("consultation")
    await ann.claim()
    await desk.take(waits)
    while await wake(people):
        continue
    before = await escalated(people, held)
    seen = await look(people, NONE)
    assert await wake(people) == 0, "by the shipped clocks it is early"
    people.rules = lambda: tight
    seen = await look(people, seen)
    assert await wake(people) == 2
    assert (await escalated(people, held), await escalated(people, waits)) == (before + 1, 1)
    for rules in (SHIPPED_DESK, tight):  # and back, and forth
        people.rules = lambda rules=rules: rules
        seen = await look(people, NONE)
        await wake(people)
    assert (await escalated(people, held), await escalated(people, waits)) == (before + 1, 1)


async def test_each_of_two_routers_with_two_sets_of_clocks_stores_once_and_the_one_that_is_left_has_the_last_word(
    people: People, later: People, desk: Desk
) -> None:
    await desk.take(*(question(f"{n}", ago=5) for n in range(60)))
    shipped = await wakes(people)
    old = await look(people, NONE)
    new = await look(later, NONE)
    assert new == {SHIPPED_DESK.hash, later.rules().hash}
    tight = await wakes(people)
    assert all(tight[each] < shipped[each] for each in shipped)
    for _ in range(3):
        old, new = await look(people, old), await look(later, new)
        assert await wakes(people) == tight, "nobody undoes it"
    more = question("more", ago=5)
    await desk.take(more)  # by the old process, by its clocks
    stale = (await wakes(people))[more.ticket_id]
    new = await look(later, new)
    assert (await wakes(people))[more.ticket_id] == stale
    await ended(people, SHIPPED_DESK)
    assert await look(later, new) == {later.rules().hash}
    assert (await wakes(people))[more.ticket_id] < stale
    assert {each: at for each, at in (await wakes(people)).items() if each in tight} == tight


async def test_what_waits_is_stored_anew_though_the_rules_change_again_meanwhile(
    people: People, desk: Desk, tight: DeskRules
) -> None:
    await desk.take(*(question(f"{n}", ago=5) for n in range(60)))
    seen, shipped = await look(people, NONE), await wakes(people)
    given = iter((tight, tight, SHIPPED_DESK))
    people.rules = lambda: next(given, SHIPPED_DESK)
    assert await look(people, seen) == seen, "it gave up"
    moved = await wakes(people)
    assert 0 < sum(moved[each] != shipped[each] for each in moved) < len(moved)
    seen = await look(people, seen)
    await ended(people, tight)
    await look(people, seen)
    assert await wakes(people) == shipped


async def test_what_is_stored_by_the_rules_in_force_is_not_gone_through_at_each_start(
    people: People, later: People, desk: Desk
) -> None:
    said = question("1", ago=5)
    await desk.take(said)
    await look(people, NONE)
    right = await wakes(people)
    await people.pool.execute("UPDATE ticket SET wake_at = wake_at + interval '1 h'")
    await look(people, NONE)
    assert await wakes(people) != right, "started anew, it did not look"
    await look(later, NONE)
    await ended(people, later.rules())
    await look(people, NONE)
    assert await wakes(people) == right, "others had stored since"


async def test_what_nobody_ever_went_through_is_gone_through_at_the_first_start(people: People, desk: Desk) -> None:
    """An earlier release stored it and never said by which rules; or nothing but these was ever in force."""
    await desk.take(question("1", ago=5))
    right = await wakes(people)
    await people.pool.execute("UPDATE ticket SET wake_at = wake_at + interval '1 h'")
    await look(people, NONE)
    assert await wakes(people) == right


async def test_a_router_that_runs_takes_in_a_reload(people: People, desk: Desk, tight: DeskRules) -> None:
    said = question("1", ago=5)
    await desk.take(said)
    shipped = (await wakes(people))[said.ticket_id]
    watching = asyncio.create_task(watch_clocks(people, 0.02))
    try:
        await asyncio.sleep(0.3)
        assert await wakes(people) == {said.ticket_id: shipped}
        people.rules = lambda: tight
        async with asyncio.timeout(10):
            while await wakes(people) == {said.ticket_id: shipped}:
                await asyncio.sleep(0.02)
    finally:
        watching.cancel()


async def test_a_process_takes_in_the_file_and_warns_by_it(running: Router) -> None:
    file = running.folder / "desk.yaml"
    file.write_text(TEXT, encoding="utf-8")
    running.start(desk_file=str(file))
    await running.wait_ready()
    said = question("1", ago=70)
    await running.say(CONTACT_RECEIVED, said)
    await running.counted(lambda seen: seen["accepted"] == 1)
    warned = "SELECT count(*) FROM ticket_log WHERE did = 'escalated'"
    assert (await running.sql(warned))[0][0] == 0
    file.write_text(TEXT.replace(OTHERS, OTHERS.replace("5m", "1m")), encoding="utf-8")
    async with asyncio.timeout(SECONDS):
        while not (await running.sql(warned))[0][0]:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(("page", "index"), [(WAITING, "ticket_queue"), (IN_HAND, "ticket_in_hand")])
async def test_a_page_is_read_by_index_whatever_there_is(people: People, page: str, index: str) -> None:
    async with people.transaction() as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        await tx.execute("SET LOCAL enable_bitmapscan = off")
        plan = "\n".join(row[0] for row in await tx.fetch(f"EXPLAIN {page}", *_START, 25))
    assert f"Index Scan using {index}" in plan
    assert ("Sort" in plan) is (page is IN_HAND), "agents have a few each"
