"""A database brought back from a backup has forgotten versions that desktops hold: what is decided goes on above."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.router.seat import Seat, published, question

if TYPE_CHECKING:
    import httpx

    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk

pytestmark = pytest.mark.integration

_BACK_UP = "CREATE TEMP TABLE backup AS SELECT * FROM ticket"
_BRING_BACK = "DELETE FROM ticket; INSERT INTO ticket SELECT * FROM backup"


@pytest.mark.parametrize("floor", [0, 7])
async def test_versions_of_tickets_go_on_above_what_was_told_by_machine_and_by_hand(
    desk: Desk, people: People, doors: httpx.AsyncClient, floor: int
) -> None:
    """The control: without a floor the backup's next version is one that was told before, with other words."""
    kept, late = question("kept", thread="k"), question("late", thread="l")
    further = question("further", thread="k", ago=1, text="还没解决")
    await desk.take(kept)
    await desk.connection.execute(_BACK_UP)
    await desk.take(further)
    told = {one.ticket_id: one.version for one in desk.routed}
    assert told == {kept.ticket_id: 2}
    await desk.connection.execute(_BRING_BACK)
    if floor:
        await desk.connection.execute("INSERT INTO version_floor (floor) VALUES ($1), (2)", floor)
    before = len(desk.routed)
    await desk.take(further, late)
    if floor:
        first = {one.ticket_id: one.version for one in desk.routed[before:]}
        assert first == {kept.ticket_id: 2, late.ticket_id: 1}, "asked once: it is raised while nobody decides"
        await desk.connection.execute(_BRING_BACK)
        desk.handler.forget(())
        before = len(desk.routed)
        await desk.take(further, late)
    again = {one.ticket_id: one.version for one in desk.routed[before:]}
    assert again == ({kept.ticket_id: 8, late.ticket_id: 8} if floor else {kept.ticket_id: 2, late.ticket_id: 1})
    await desk.take(question("more", thread="k", ago=0, text="再问一次"))
    assert desk.routed[-1].version == again[kept.ticket_id] + 1
    ann = await Seat(doors, "ann").begin("consultation")
    claimed = (await ann.claim()).json()
    assert claimed["version"] == again[kept.ticket_id] + 2, "what people do goes on from there"
    assert (await ann.do("complete", kept.ticket_id, outcome="solved")).json()["version"] == claimed["version"] + 1
    assert [one.version for one in await published(people)][-1] == claimed["version"] + 1


async def test_what_people_do_first_after_a_way_back_is_above_it_too(
    desk: Desk, people: People, doors: httpx.AsyncClient
) -> None:
    one = question("one")
    await desk.take(one)
    await desk.connection.execute("INSERT INTO version_floor (floor) VALUES (5)")
    ann = await Seat(doors, "ann").begin("consultation")
    assert (await ann.claim()).json()["version"] == 6
    assert (await ann.do("complete", one.ticket_id, outcome="solved")).json()["version"] == 7
    assert [each.version for each in await published(people)] == [6, 7]


_TABLES = ("ticket", "ticket_log", "ticket_alias", "ticket_reporter")


async def test_a_copy_of_a_ticket_that_a_contact_no_longer_opens_is_told_by_its_id(
    people: People, desk: Desk, doors: httpx.AsyncClient
) -> None:
    """The topic says nothing of it any more: only who asks for it hears which ticket it is now."""
    first, then = (question(f"{n}", ago=60 - n, phone="13700000000") for n in range(2))
    await desk.take(first)
    for table in _TABLES:
        await people.pool.execute(f"CREATE TABLE backup_{table} AS TABLE {table}")
    ann = await Seat(doors, "ann").begin("*")
    await ann.claim()
    await ann.do("complete", first.ticket_id, outcome="solved")
    await desk.take(then)

    async def answer(key: object) -> tuple[int, list[str]]:
        got = await ann.ask(f"tickets/{key}", method="GET")
        return got.status_code, [each["ticket_id"] for each in got.json().get("tickets", ())]

    copies = {one.ticket_id for one in desk.routed}
    assert copies == {first.ticket_id, then.ticket_id}
    assert await answer(then.ticket_id) == (200, [str(then.ticket_id)])
    for table in _TABLES:  # the way back
        await people.pool.execute(f"TRUNCATE {table}")
        await people.pool.execute(f"INSERT INTO {table} TABLE backup_{table}")
    assert await answer(then.ticket_id) == (404, []), "until its contact is read again"
    desk.published.clear()
    await desk.take(then)
    assert {one.ticket_id for one in desk.routed} == {first.ticket_id}
    assert await answer(then.ticket_id) == await answer(then.ticket_ref) == (200, [str(first.ticket_id)])
