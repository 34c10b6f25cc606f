"""Outages that nothing could place: an agent asks where they are, and they are reported once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from services.contracts.messages import OutageCommanded
from services.contracts.topics import OUTAGE_INPUT
from services.router import store
from services.router.domain.desk import turn_of
from services.router.domain.effects import fold
from services.runtime import positions
from tests.integration.router.seat import Seat, given_back, question, reported
from tests.unit.router.making import SHIPPED_DESK

if TYPE_CHECKING:
    import httpx

    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk


pytestmark = pytest.mark.integration


async def test_an_outage_that_nothing_placed_is_reported_once_a_person_says_where(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said, other = (
        question("1", thread="t", text="停电了", ago=1800),
        question("2", text="电压不稳，灯忽明忽暗", account_id="A4"),
    )
    await desk.take(said, other)
    ann = await Seat(doors, "ann").begin("locate")
    assert (await ann.claim()).json()["queue"] == "locate"
    for wrong, field in (
        ({}, "body"),
        ({"account_id": "A99"}, "account_id"),
        ({"address": "nowhere at all"}, "address"),
        ({"device": "T99"}, "device"),
    ):
        refused = await ann.do("place", said.ticket_id, **wrong)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert await reported(people) == []

    placed = await ann.do("place", said.ticket_id, account_id="A1", note="called back")
    assert placed.status_code == 200, placed.text
    ticket = placed.json()
    assert (ticket["state"], ticket["report"], ticket["queue"]) == ("assigned", "sent", "repair")
    assert (ticket["place"]["transformer_id"], ticket["place"]["basis"]) == ("T1", "manual")
    [report] = await reported(people)
    assert (report.area, report.place.transformer_id, report.contact_id) == ("S1", "T1", said.contact_id)
    assert (report.reported_at, report.received_at) == (said.occurred_at, said.received_at), "as of when it was told"

    again = await ann.do("place", said.ticket_id, account_id="A1")
    assert (again.status_code, again.json()["version"]) == (200, ticket["version"]), "an answer that was lost"
    moved = await ann.do("place", said.ticket_id, account_id="A2")
    assert (moved.status_code, moved.json()["errors"]) == (409, [{"field": "state", "reason": "reported"}])
    await desk.take(question("3", thread="t", text="还没来电", account_id="A4"))
    held = await ann.do("notes", said.ticket_id, note="is it still so?")
    assert held.json()["place"]["transformer_id"] == "T1", "what the customer says moves nothing"
    corrected = await ann.do("place", other.ticket_id, position={"lat": 30.02, "lon": 110.02})
    assert (corrected.json()["report"], corrected.json()["place"]["transformer_id"]) == ("none", "T2"), "no outage"
    assert len(await reported(people)) == 1
    await desk.take(question("4", ago=0, thread="t", text="着火了"))
    assert [(each.hazards, each.place.transformer_id) for each in desk.reports] == [(("fire",), "T1")], "a danger too"

    async with people.pool.acquire() as connection:
        log = await store.log_of(connection, said.ticket_id)
        [now] = await store.by_id(connection, said.ticket_id)
        assert fold(log) == now.work
        desk.tally += await positions.totals(connection)
    assert +desk.tally == {"contact_outage": 3, "contact_queued": 1, "report_sent": 2, "contact_repeats": 1}


async def test_a_report_that_dedup_gave_back_is_placed_there_by_the_agent_who_asked(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said = question("1", text="停电了", account_id="A1")
    await desk.take(said, given_back(said))
    ann = await Seat(doors, "ann").begin("locate")
    assert (await ann.claim()).json()["needs_person"] == "device_unknown"
    elsewhere = await ann.do("place", said.ticket_id, account_id="A4")
    assert (elsewhere.status_code, elsewhere.json()["errors"][0]["reason"]) == (409, "other_area")
    placed = (await ann.do("place", said.ticket_id, account_id="A2", note="called back")).json()
    assert (placed["state"], placed["report"], placed["place"]["transformer_id"]) == ("assigned", "returned", "T2")
    rows = await people.pool.fetch("SELECT value FROM outbox WHERE topic = $1", OUTAGE_INPUT.name)
    [told] = [OutageCommanded.model_validate_json(row["value"]) for row in rows]
    assert (told.action, told.area, told.device, told.reports) == ("place", "S1", "T2", (given_back(said).report_id,))
    assert (told.author, told.reason) == ("supervisor-dev/ann", "called back")
    again = await ann.do("place", said.ticket_id, account_id="A1")
    assert (again.status_code, again.json()["errors"][0]["reason"]) == (409, "reported"), "moved by a dispatcher only"
    assert (await ann.do("complete", said.ticket_id, outcome="placed")).json()["state"] == "closed"
    desk.tally += await positions.totals(people.pool)  # type: ignore[arg-type] # a pool can fetch as well
    assert +desk.tally == {"contact_closed": 1, "report_sent": 1}


async def test_a_report_given_back_once_its_ticket_was_completed_is_asked_about_again(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    """Dedup was away meanwhile: their agent had told the customer that somebody comes."""
    said = question("1", text="变压器着火了", account_id="A1", ago=7200)
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("*")
    assert (await ann.claim(ticket=said.ticket_ref)).status_code == 200
    assert (await ann.do("complete", said.ticket_id, outcome="passed_on")).status_code == 200
    before = await desk.ticket(said)
    await desk.take(given_back(said))
    again = await desk.ticket(said)
    assert (again.state, again.standing, again.needs_person) == ("queued", "queued", "device_unknown")
    assert again.version == before.version + 1
    assert turn_of(again, SHIPPED_DESK).level == 0, "it is asked now"
    async with people.pool.acquire() as connection:
        last = (await store.log_of(connection, said.ticket_id))[-1]
        desk.tally += await positions.totals(connection)
    assert (last.did, last.by, last.reason) == ("reopened", "gridline", "device_unknown")
    assert +desk.tally == {"contact_queued": 1, "report_sent": 1}


@pytest.mark.parametrize("merged", [False, True])
async def test_a_report_whose_place_was_taken_back_waits_for_a_person_as_of_then(
    doors: httpx.AsyncClient, desk: Desk, people: People, *, merged: bool
) -> None:
    live = said = question("1", text="停电了", account_id="A1", ago=7200)
    await desk.take(said)
    if merged:
        lead, live = Seat(doors, "lead"), question("3", text="停电了", account_id="A1", ago=7200 - 2400)
        await desk.take(live)
        assert (await desk.ticket(live)).ticket_id == live.ticket_id, "long after: of its own"
        asked = {"into": str(live.ticket_id), "reason": "same_matter"}
        assert (await lead.ask(f"tickets/{said.ticket_id}/merge", **asked)).status_code == 200
    taken_back = given_back(said).model_copy(update={"reason": "placement_undone", "command_id": uuid4()})
    desk.now = datetime.now(UTC)
    await desk.take(taken_back)
    ticket = await desk.ticket(live)
    assert (ticket.standing, ticket.need) == ("queued", "placement_undone")
    turn = turn_of(ticket, SHIPPED_DESK)
    assert turn.level == 0
    assert turn.wake_at is not None
    assert turn.wake_at > desk.now, "a machine had it: nobody is late"
    assert ticket.work is not None
    assert ticket.work.waiting_since == desk.now


async def test_the_agent_of_the_ticket_that_stands_for_it_says_where_a_merged_one_is(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    """Dedup asks for its report, and nobody else has it."""
    said, live = question("1", text="停电了", account_id="A1"), question("2")
    await desk.take(said, live, given_back(said))
    ann = await Seat(doors, "ann").begin("*")
    asked = {"into": str(live.ticket_id), "reason": "same_matter", "across_customers": True}
    assert (await ann.ask(f"tickets/{said.ticket_id}/merge", **asked)).status_code == 200
    assert (await ann.claim()).json()["needs_person"] == "device_unknown"
    placed = (await ann.do("place", said.ticket_id, account_id="A2", note="called back")).json()
    assert (placed["state"], placed["place"]["transformer_id"]) == ("merged", "T2")
    rows = await people.pool.fetch("SELECT value FROM outbox WHERE topic = $1", OUTAGE_INPUT.name)
    [told] = [OutageCommanded.model_validate_json(row["value"]) for row in rows]
    assert (told.device, told.reports) == ("T2", (given_back(said).report_id,))
    found = given_back(said).model_copy(update={"outcome": "in_incident", "command_id": told.command_id})
    await desk.take(found)
    [shown] = (await ann.ask(f"tickets/{live.ticket_id}", method="GET")).json()["tickets"]
    assert (shown["state"], shown["needs_person"]) == ("assigned", None)


async def test_an_outage_that_was_taken_for_another_matter_is_reported_once_an_agent_says_what_it_is(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said, unplaced = question("1", text="查电费", account_id="A1", ago=1800), question("2", text="查电费")
    await desk.take(said, unplaced)
    ann = await Seat(doors, "ann").begin("*", capacity=2)
    corrected = []
    for ticket in (said, unplaced):
        assert (await ann.claim(ticket=ticket.ticket_ref)).status_code == 200
        told = {"reason": "wrong_type", "business_type": "fault_report"}
        corrected.append((await ann.do("return", ticket.ticket_id, **told)).json())
    assert [(each["report"], each["state"], each["queue"]) for each in corrected] == [
        ("sent", "with_dedup", "repair"),
        ("none", "queued", "locate"),
    ]
    [report] = await reported(people)
    assert (report.ticket_id, report.place.transformer_id) == (said.ticket_id, "T1")
    assert report.reported_at == said.occurred_at, "as of when it was told"
    desk.tally += await positions.totals(people.pool)  # type: ignore[arg-type] # a pool can fetch as well
    assert +desk.tally == {"contact_outage": 1, "contact_queued": 1, "report_sent": 1}
