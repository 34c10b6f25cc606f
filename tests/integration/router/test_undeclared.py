"""Which queues are declared, as two routers with two trees hear of one another: step by step, in one process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from services.router import metrics
from services.router.acting import Desk as People
from services.router.bell import Bell
from services.router.tree.book import RuleBook, load_desk
from services.router.undeclared import LEFT, look, tell_unknown
from services.runtime.outbox import Outbox
from tests.integration.router.desk import Desk
from tests.integration.router.seat import Seat, published, question
from tests.integration.router.trees import write
from tests.unit.router.making import DESK, SHIPPED_DESK

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.integration

SOON = timedelta(seconds=0.5)


@pytest.fixture
def later(people: People, tmp_path: Path) -> People:
    """The people of a second router, with the tree that follows."""
    folder = write(tmp_path / "later", new=True)
    book = RuleBook(folder / "routes.yaml", folder / "classify.yaml")
    return People(people.pool, Outbox("gridline/router", shards=1), book, lambda: SHIPPED_DESK, Bell())


async def is_silent(people: People) -> None:
    """Let no tree have said so for long: the database was away, or the processes frozen."""
    await people.pool.execute("UPDATE tree_in_force SET until = now() - interval '1 second'")


async def test_after_a_silence_both_trees_listen_first_and_neither_takes_tickets_from_the_other(
    people: People, later: People, desk: Desk
) -> None:
    await desk.take(*(question(f"{n}") for n in range(130)))
    told = len(await published(people))
    assert await look(people, SOON) == await look(later, SOON) == 0
    await asyncio.sleep(SOON.total_seconds())
    for router in (later, people, later, people):
        await is_silent(people)
        assert await look(router, SOON) == 0, "it has not listened yet"
    assert await look(later, SOON) == 0
    assert await look(people, SOON) == 0
    await asyncio.sleep(SOON.total_seconds() / 2)
    assert await look(people, SOON) == await look(later, SOON) == 0
    await asyncio.sleep(SOON.total_seconds() / 2 + 0.1)
    assert await look(later, SOON) == 0, "it has listened, and the other has said that it has the queue"
    assert len(await published(people)) == told


async def test_what_waits_is_decided_again_page_by_page_once_only_the_new_tree_is_in_force(
    people: People, later: People, desk: Desk
) -> None:
    await desk.take(*(question(f"{n}") for n in range(130)))
    told = len(await published(people))
    assert await look(later) == 0
    await asyncio.sleep(SOON.total_seconds() + 0.1)
    assert [await look(later, SOON) for _ in range(2)] == [130, 0]
    again = (await published(people))[told:]
    assert {(one.change, one.queue, one.version, one.reason.tree_hash) for one in again} == {
        ("rerouted", "questions", 2, later.book.rules.hash)
    }
    assert len({one.ticket_id for one in again}) == len(again) == 130


async def test_what_is_left_is_read_in_its_order_whatever_waits(people: People) -> None:
    """Sorting all of fifty thousand took two seconds a page."""
    async with people.transaction() as tx:
        await tx.execute("SET LOCAL enable_seqscan = off")
        await tx.execute("SET LOCAL enable_bitmapscan = off")
        plan = "\n".join(row[0] for row in await tx.fetch(f"EXPLAIN {LEFT}", "consultation", 25))
    assert "Index Scan using ticket_queue" in plan
    assert "Sort" not in plan


async def test_a_clock_that_is_for_no_ticket_is_told(people: People) -> None:
    rules = load_desk("desk.yaml", DESK.read_text(encoding="utf-8").replace("type: complaint}", "type: complaints}"))
    people.rules = lambda: rules
    with capture_logs() as logs:
        told = tell_unknown(people, [])
    assert [each["fault"] for each in logs if each["event"] == "desk_names_a_kind_of_no_ticket"] == told
    assert "'complaints' is no business_type" in told[0]
    assert metrics.DESK_UNKNOWN._value.get() == 1


async def test_a_queue_of_the_desks_file_is_told_once_no_tree_in_force_has_it(people: People, later: People) -> None:
    limit = "    complaint: {limit"
    named = DESK.read_text(encoding="utf-8").replace(limit, f"    consultation: {{limit: 5m, then: complete}}\n{limit}")
    rules = load_desk("desk.yaml", named.replace(limit, f"    questions: {{limit: 5m, then: complete}}\n{limit}"))
    people.rules = later.rules = lambda: rules

    async def told_by(router: People, told: list[str]) -> list[str]:
        with capture_logs() as logs:
            await look(router)
            unknown = tell_unknown(router, told)
        said = [each["fault"] for each in logs if each["event"] == "desk_names_a_queue_of_no_tree"]
        assert said == (unknown if unknown != told else []), "at a change, and not at every look"
        assert metrics.DESK_UNKNOWN._value.get() == len(unknown)
        return unknown

    [told] = await told_by(people, [])
    assert "'questions' is no queue of any tree" in told
    assert await told_by(people, [told]) == [told]
    assert await told_by(later, []) == [], "each has one of the two"
    assert await told_by(people, [told]) == []
    await is_silent(people)
    [left] = await told_by(later, [])
    assert "'consultation' is no queue of any tree" in left, "the old tree has gone"


async def test_a_seat_may_be_on_the_queues_of_both_trees_while_both_are_in_force(
    people: People, later: People, doors: httpx.AsyncClient
) -> None:
    lead = Seat(doors, "ann")

    async def sits(*queues: str) -> int:
        return (await lead.ask("agents/ann", method="PUT", queues=list(queues))).status_code

    await look(people)
    assert await sits("consultation", "questions") == 422
    await look(later)
    await look(people)
    assert await sits("consultation", "questions") == 200
    assert (await lead.ask("queues/questions", method="GET")).status_code == 200
    assert (await lead.ask("queues/quetsions", method="GET")).status_code == 404
    await is_silent(people)
    await look(people)
    assert await sits("consultation", "questions") == 422
    assert await sits("consultation") == 200


async def test_who_serves_every_queue_staffs_those_that_only_the_other_tree_has(
    people: People, later: People, desk: Desk, doors: httpx.AsyncClient
) -> None:
    await Desk(desk.connection, later.book).take(question("1"))
    ann = await Seat(doors, "ann").begin("*")
    watching = asyncio.create_task(people.backlog.watch(people.book, 0.05))
    async with asyncio.timeout(20):
        while people.book.rules.duty.staffed is None:
            await asyncio.sleep(0.05)
    watching.cancel()
    shown = {queue["name"]: queue for queue in (await ann.ask("queues", method="GET")).json()["queues"]}
    questions = shown["questions"]
    assert (questions["declared"], questions["waiting"], questions["staffed"]) == (False, 1, True)
