"""Tickets that people merge: their customers are heard at the live one, danger stays its own, and it is undone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from services.contracts.values import Priority
from services.router.domain.desk import clock_start, work_of
from services.runtime import positions
from tests.integration.router.seat import Seat, given_back, question

if TYPE_CHECKING:
    import httpx

    from services.contracts.messages import ContactReceived, ReportSettled
    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk


pytestmark = pytest.mark.integration


async def test_a_merged_ticket_is_stood_for_and_what_its_customer_says_lands_on_the_live_one(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    child, live, third = [question(n, ago=ago, thread=n) for n, ago in (("c", 900), ("l", 300), ("t", 100))]
    await desk.take(child, live, third)
    lead = await Seat(doors, "lead").begin("consultation", capacity=9)
    merged = await lead.ask(f"tickets/{child.ticket_id}/merge", into=live.ticket_ref, reason="same_matter")
    assert (merged.json()["state"], merged.json()["merged_into"]) == ("merged", str(live.ticket_id))
    await desk.take(question("c2", thread="c", ago=1, text="还没解决", phone="13900000009"))
    [after] = (await lead.ask(f"tickets/{live.ticket_id}", method="GET")).json()["tickets"]
    assert "还没解决" in after["text"]
    assert after["phone"] is None, "who spoke stays with their own ticket"
    assert (after["contacts"], after["carries"]) == (2, [str(child.ticket_id)])
    ring = await lead.ask(f"tickets/{live.ticket_id}/merge", into=str(child.ticket_id), reason="same_matter")
    assert ring.json()["errors"][0]["reason"] == "into_itself"
    chain = await lead.ask(f"tickets/{live.ticket_id}/merge", into=str(third.ticket_id), reason="same_matter")
    assert chain.status_code == 200
    await desk.take(question("c3", thread="c", ago=0, text="再问一次"))
    assert (await desk.ticket(third)).facts.text == "查电费\n再问一次", "through both"
    undone = (await lead.ask(f"tickets/{child.ticket_id}/unmerge", reason="other_matter")).json()
    assert (undone["state"], undone["merged_into"]) == ("queued", None)
    assert (await lead.claim()).json()["ticket_id"] == str(child.ticket_id), "its old place: it came first"
    async with people.pool.acquire() as connection:
        desk.tally += await positions.totals(connection)
    assert +desk.tally == {"contact_queued": 3, "contact_closed": 2}
    log = (await lead.ask(f"tickets/{child.ticket_id}/log", method="GET")).json()["log"]
    acts = [line for line in log if line["did"] != "escalated"]  # it was late as it came
    assert [(line["did"], line["by"], line["reason"]) for line in acts[:2]] == [
        ("merged", "supervisor-dev", "same_matter"),
        ("unmerged", "supervisor-dev", "other_matter"),
    ]


async def test_what_a_customer_of_a_merged_ticket_said_counts_once_though_that_one_was_merged_on(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    """It came again, and was in the second ticket and in the third."""
    child, live, third = [question(n, ago=ago, thread=n) for n, ago in (("c", 900), ("l", 300), ("t", 100))]
    await desk.take(child, live, third)
    lead = Seat(doors, "lead")
    await lead.ask(f"tickets/{child.ticket_id}/merge", into=live.ticket_ref, reason="same_matter")
    await desk.take(said := question("c2", thread="c", ago=1, text="还没解决"))
    await lead.ask(f"tickets/{live.ticket_id}/merge", into=third.ticket_ref, reason="same_matter")
    assert (await desk.ticket(live)).contacts == {live.contact_id, said.contact_id}
    assert not (await desk.take(said)).publish, "it came before, and changes nothing"
    assert (await desk.ticket(third)).contacts == {third.contact_id}


async def test_a_clock_begins_with_the_first_of_all_whom_a_ticket_stands_for_through_however_many_merges(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    first, mid, live = (question(n, ago=ago) for n, ago in (("f", 900), ("m", 300), ("l", 100)))
    await desk.take(first, mid, live)
    lead = Seat(doors, "lead")

    async def began(ticket: ContactReceived) -> ContactReceived:
        [shown] = (await lead.ask(f"tickets/{ticket.ticket_id}", method="GET")).json()["tickets"]
        due = datetime.fromisoformat(shown["due"][0]["due_at"]) - timedelta(minutes=5)
        return next(each for each in (first, mid, live) if each.received_at == due)

    async def join(ticket: ContactReceived, into: ContactReceived) -> None:
        asked = {"into": str(into.ticket_id), "reason": "same_matter"}
        assert (await lead.ask(f"tickets/{ticket.ticket_id}/merge", **asked)).status_code == 200

    async def part(ticket: ContactReceived) -> None:
        assert (await lead.ask(f"tickets/{ticket.ticket_id}/unmerge", reason="other_matter")).status_code == 200

    await join(first, mid)
    await join(mid, live)
    assert await began(live) is first
    assert (await desk.ticket(live)).version == 2, "one act, one version"
    await part(mid)
    assert [await began(each) for each in (mid, live)] == [first, live]
    assert [len(work_of(await desk.ticket(each)).carries) for each in (mid, live)] == [1, 0]
    await join(mid, live)
    await part(first)
    assert [await began(each) for each in (first, live)] == [first, mid]


async def test_a_ticket_that_was_opened_again_brings_the_clock_that_began_then(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    old, again, live = question("o", ago=9900), question("a", ago=9000), question("l", ago=100)
    await desk.take(old, again, live)
    lead = Seat(doors, "lead")
    into = {"into": str(again.ticket_id), "reason": "same_matter"}
    assert (await lead.ask(f"tickets/{old.ticket_id}/merge", **into)).status_code == 200
    ann = await Seat(doors, "ann").begin("consultation")
    await ann.claim(ticket=again.ticket_ref)
    await ann.do("complete", again.ticket_id, outcome="solved")
    assert (await ann.do("reopen", again.ticket_id, reason="not_solved")).status_code == 200
    asked = {"into": str(live.ticket_id), "reason": "same_matter"}
    assert (await lead.ask(f"tickets/{again.ticket_id}/merge", **asked)).status_code == 200
    ticket = await desk.ticket(live)
    assert clock_start(ticket) == live.received_at, "the first customer who waits now"
    assert {each.ticket for each in work_of(ticket).carries} == {again.ticket_id, old.ticket_id}, "all it stands for"


async def test_a_customer_of_a_merged_ticket_who_comes_again_is_heard_at_the_live_one_until_it_is_undone(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    """By the number they had, from another channel's thread: a hurry, a word more; but a danger is their own."""
    live, child = question("1", phone="13700000001"), question("2", phone="13700000002")
    await desk.take(live, child)
    lead = Seat(doors, "lead")
    assert (await lead.ask(f"tickets/{child.ticket_id}/merge", into=live.ticket_ref, reason="same")).status_code == 200
    again = question("3", ago=1, phone="13700000002", text="查电费，还没有人答复")
    words = question("4", ago=1, phone="13700000002", text="另外什么时候生效", address="5 Road")
    fire = question("5", ago=1, phone="13700000002", text="着火了")
    await desk.take(again)
    await desk.take(words, fire)
    heard = await desk.ticket(live)
    assert (len(heard.contacts), heard.repeats) == (3, 1)
    assert "什么时候生效" in (heard.facts.text or "")
    assert (heard.facts.phone and heard.facts.phone.value, heard.facts.address) == ("13700000001", None), "no names"
    assert (await desk.ticket(again)).ticket_id == live.ticket_id, "its reference answers the live one"
    danger = await desk.ticket(fire)
    assert (danger.ticket_id, danger.queue) == (fire.ticket_id, "emergency")
    assert len((await desk.ticket(child)).contacts) == 1
    await lead.ask(f"tickets/{child.ticket_id}/unmerge", reason="other_matter")
    await desk.take(question("6", ago=0, phone="13700000002", text="查电费，有结果吗"))
    assert (len((await desk.ticket(child)).contacts), len((await desk.ticket(live)).contacts)) == (2, 3)
    assert +desk.tally == {"contact_queued": 6, "contact_repeats": 2}


async def test_a_ticket_that_was_done_before_it_was_merged_is_done_again_after_the_merge_is_undone(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    done, live = question("d", ago=900), question("l", ago=300)
    await desk.take(done, live)
    ann = await Seat(doors, "ann").begin("consultation")
    assert (await ann.claim()).json()["ticket_id"] == str(done.ticket_id)
    before = (await ann.do("complete", done.ticket_id, outcome="solved")).json()
    lead = Seat(doors, "lead")
    merged = await lead.ask(f"tickets/{done.ticket_id}/merge", into=str(live.ticket_id), reason="same_matter")
    assert merged.json()["state"] == "merged"
    undone = (await lead.ask(f"tickets/{done.ticket_id}/unmerge", reason="other_matter")).json()
    assert [undone[name] for name in ("state", "outcome", "agent")] == ["closed", "solved", before["agent"]]
    assert (await ann.claim()).json()["ticket_id"] == str(live.ticket_id), "and nobody gets it again"
    async with people.pool.acquire() as connection:
        desk.tally += await positions.totals(connection)
    assert +desk.tally == {"contact_queued": 1, "contact_closed": 1}


async def test_tickets_of_two_customers_are_merged_only_if_that_is_said(doors: httpx.AsyncClient, desk: Desk) -> None:
    one, other = question("1", account_id="A1"), question("2", account_id="A2")
    await desk.take(one, other)
    lead = Seat(doors, "lead")
    asked = {"into": str(other.ticket_id), "reason": "same_matter"}
    refused = await lead.ask(f"tickets/{one.ticket_id}/merge", **asked)
    assert refused.json()["errors"][0]["reason"] == "other_customer"
    assert (await lead.ask(f"tickets/{one.ticket_id}/merge", across_customers=True, **asked)).status_code == 200


async def test_a_danger_is_not_merged_away(doors: httpx.AsyncClient, desk: Desk) -> None:
    fire, plain, sparks = question("1", text="着火了"), question("2"), question("3", text="电线冒火花")
    await desk.take(fire, plain, sparks)
    lead = Seat(doors, "lead")

    async def merge(ticket: ContactReceived, into: ContactReceived) -> httpx.Response:
        return await lead.ask(f"tickets/{ticket.ticket_id}/merge", into=str(into.ticket_id), reason="same_matter")

    refused = await merge(fire, plain)
    assert (refused.status_code, refused.json()["errors"]) == (409, [{"field": "state", "reason": "danger"}])
    assert (await desk.ticket(fire)).standing == "queued"
    assert (await merge(plain, fire)).status_code == 200, "the other way round"
    assert (await merge(fire, sparks)).status_code == 200, "it has its people"
    assert (await desk.ticket(sparks)).priority is Priority.EMERGENCY


async def test_a_customer_who_depends_on_the_power_is_not_merged_away(doors: httpx.AsyncClient, desk: Desk) -> None:
    """A neighbour's ticket is with dedup, or has all the time in the world."""
    theirs = question("1", text="停电了", account_id="A2")
    neighbour, again = question("2", text="停电了", account_id="A1"), question("3", account_id="A2")
    fire = question("4", text="着火了", account_id="A1")
    await desk.take(theirs, neighbour, again, fire)
    lead = await Seat(doors, "lead").begin("*")

    async def merge(ticket: ContactReceived, into: ContactReceived) -> httpx.Response:
        asked = {"into": str(into.ticket_id), "reason": "same_matter"}
        return await lead.ask(f"tickets/{ticket.ticket_id}/merge", across_customers=True, **asked)

    refused = await merge(theirs, neighbour)
    assert (refused.status_code, refused.json()["errors"]) == (409, [{"field": "state", "reason": "key_customer"}])
    assert (await desk.ticket(theirs)).standing == "queued"
    assert (await merge(neighbour, theirs)).status_code == 200, "the other way round"
    assert (await merge(theirs, again)).status_code == 200, "it is theirs as well"
    assert (await merge(again, fire)).status_code == 200, "it has its people, sooner"
    assert (await lead.claim(ticket=fire.ticket_ref)).status_code == 200
    assert (await lead.ask(f"tickets/{again.ticket_id}/unmerge", reason="other_matter")).status_code == 200
    assert (await lead.do("complete", fire.ticket_id, outcome="solved")).status_code == 200
    assert (await merge(again, fire)).json()["errors"][0]["reason"] == "key_customer", "nobody has that one any more"


@pytest.mark.parametrize(("text", "reports"), [("停电了", 2), ("查电费", 0)])
async def test_danger_told_by_the_customer_of_a_merged_ticket_is_reported_at_their_own_place(
    doors: httpx.AsyncClient, desk: Desk, text: str, reports: int
) -> None:
    one, other = (question(n, thread=n, text=text, account_id=n) for n in ("A1", "A4"))
    await desk.take(one, other)
    lead = Seat(doors, "lead")
    asked = {"into": str(other.ticket_id), "reason": "same_matter", "across_customers": True}
    assert (await lead.ask(f"tickets/{one.ticket_id}/merge", **asked)).status_code == 200
    fire = question("fire", thread="A1", ago=0, text="着火了")
    await desk.take(fire, question("fire again", thread="A1", ago=0, text="着火了"))
    await desk.take(fire)
    assert [(each.hazards, each.place.account_id) for each in desk.reports[reports:]] == [(("fire",), "A1")]
    assert (await desk.ticket(other)).facts.hazards == ()


async def test_what_dedup_asks_is_asked_though_the_ticket_that_is_to_stand_for_it_is_done(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    """Before the merge or after it: its report waits for a place, and nobody else asks the customer."""
    done, unplaced, other = question("done"), *(question(n, text="停电了", account_id=n) for n in ("A1", "A4"))
    await desk.take(done, unplaced, other)
    await desk.take(given_back(unplaced))
    ann = await Seat(doors, "ann").begin("*")
    await ann.claim(ticket=str(done.ticket_id))
    assert (await ann.do("complete", done.ticket_id, outcome="solved")).status_code == 200
    lead = Seat(doors, "lead")

    async def stands() -> tuple[str, str | None, str | None]:
        ticket = await desk.ticket(done)
        return ticket.standing, ticket.need, ticket.work and ticket.work.outcome

    asked = {"into": str(done.ticket_id), "reason": "same_matter"}
    assert (await lead.ask(f"tickets/{other.ticket_id}/merge", **asked)).status_code == 200
    assert await stands() == ("closed", None, "solved"), "its report is in an incident: nothing is left to do"
    assert (await lead.ask(f"tickets/{unplaced.ticket_id}/merge", across_customers=True, **asked)).status_code == 200
    assert await stands() == ("queued", "device_unknown", None)
    log = (await lead.ask(f"tickets/{done.ticket_id}/log", method="GET")).json()["log"]
    assert [line["did"] for line in log][-2:] == ["carried", "reopened"]


async def test_what_dedup_asks_of_a_merged_ticket_is_asked_of_the_live_one_until_it_is_answered_or_they_part(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    """Through two merges; placed by a dispatcher, the live one is as it was; taken apart, each asks for its own."""
    child, mid, live = (question(n, text="停电了", account_id=n) for n in ("A1", "A3", "A4"))
    await desk.take(child, mid, live)
    lead = Seat(doors, "lead")

    async def join(ticket: ContactReceived, into: ContactReceived) -> None:
        asked = {"into": str(into.ticket_id), "reason": "same_matter", "across_customers": True}
        assert (await lead.ask(f"tickets/{ticket.ticket_id}/merge", **asked)).status_code == 200

    async def stand(ticket: ContactReceived) -> tuple[str, str | None]:
        [now] = (await lead.ask(f"tickets/{ticket.ticket_id}", method="GET")).json()["tickets"]
        return now["state"], now["needs_person"]

    def placed(ticket: ContactReceived) -> ReportSettled:
        found = given_back(ticket)
        return found.model_copy(update={"outcome": "in_incident", "reason": "same_device", "command_id": uuid4()})

    await desk.take(given_back(child))
    await join(child, mid)
    assert await stand(mid) == ("queued", "device_unknown"), "also what was asked before they were merged"
    await join(mid, live)
    assert await stand(live) == ("queued", "device_unknown")
    version = (await desk.ticket(live)).version
    await desk.take(placed(child))
    assert await stand(live) == ("with_dedup", None), "nobody has to ask any more"
    after = await desk.ticket(live)
    assert (after.version, after.change) == (version + 1, None), "no act of before: that was told"

    again = given_back(child).model_copy(update={"reason": "placement_undone"})
    await desk.take(again, given_back(mid))
    assert await stand(live) == ("queued", "placement_undone")
    await desk.take(placed(child))
    assert await stand(live) == ("queued", "device_unknown"), "the other's is still to be asked"
    await desk.take(again)
    assert (await lead.ask(f"tickets/{mid.ticket_id}/unmerge", reason="other_matter")).status_code == 200
    assert await stand(live) == ("with_dedup", None)
    assert [need.ticket for need in (await desk.ticket(mid)).carried_needs or ()] == [child.ticket_id]
    assert (await lead.ask(f"tickets/{child.ticket_id}/unmerge", reason="other_matter")).status_code == 200
    assert (await desk.ticket(mid)).carried_needs is None
    assert await stand(child) == ("queued", "placement_undone")
    await desk.take(placed(mid), placed(child))
    assert [await stand(each) for each in (child, mid, live)] == [("with_dedup", None)] * 3
