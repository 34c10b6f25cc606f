"""What a supervisor sees and does: warnings of clocks, urges, tickets moved, matters told again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from services.contracts.values import Channel, Recipient
from services.router import overdue
from services.router.timers import wake
from services.router.tree.keys import DEVELOPMENT_KEYS
from tests.integration.router.seat import Seat, published, question

if TYPE_CHECKING:
    import httpx

    from services.contracts.messages import ContactReceived
    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk


pytestmark = pytest.mark.integration


async def test_warnings_of_a_clock_are_given_once_by_two_processes_and_a_pause_stops_them(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    late, new = question("1", ago=4000, text="我要投诉"), question("2", ago=0, text="我要投诉")
    desk.now = late.received_at  # it was routed when it came, so that it is time that warns of it
    await desk.take(late)
    desk.now = new.received_at
    await desk.take(new)
    assert (await desk.ticket(late)).queue == "complaint"
    lead = Seat(doors, "lead")
    while sum(await asyncio.gather(*(wake(people) for _ in range(4)))):
        pass
    [shown] = (await lead.ask(f"tickets/{late.ticket_id}", method="GET")).json()["tickets"]
    assert {due["stage"]: due["level"] for due in shown["due"]}["dispatch"] == 4
    assert sorted(str(each.change) for each in await published(people)) == ["escalated", "moved_on"]
    await a_supervisor_sees(lead, late)
    await lead.do("pause", new.ticket_id, reason="asked_for_papers")
    [still] = (await lead.ask(f"tickets/{new.ticket_id}", method="GET")).json()["tickets"]
    assert still["paused"]
    assert {due["due_at"] for due in still["due"]} == {None}
    assert (await lead.do("resume", new.ticket_id, reason="papers_came")).json()["paused"] is False


async def a_supervisor_sees(lead: Seat, late: ContactReceived) -> None:
    """The one ticket that was warned, until it is where it must be, and the warning for ever."""

    async def warned(**asked: Any) -> list[tuple[str, str, int]]:
        answer = await lead.doors.get(
            "/v1/warned", params=asked, headers={"X-API-Key": DEVELOPMENT_KEYS["wallboard-dev"]}
        )
        return [(each["ticket"]["ticket_id"], each["stage"], each["level"]) for each in answer.json()["warned"]]

    assert await warned() == await warned(level=4, queue="complaint") == [(str(late.ticket_id), "dispatch", 4)]
    assert await warned(queue="consultation") == []
    told = (await lead.ask("escalations?level=2", method="GET")).json()["escalations"]
    assert [(each["ticket_ref"], each["stage"], each["level"]) for each in told] == [(late.ticket_ref, "dispatch", 4)]
    assert (await lead.ask("escalations?queue=general", method="GET")).json()["escalations"] == []
    wrong = await lead.ask("escalations?since=2020-01-01T00:00:00Z", method="GET")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "since")
    assert (await lead.ask("warned?level=5", method="GET")).json()["errors"][0]["field"] == "level"
    assert (await lead.doors.get("/v1/warned")).status_code == 401
    await lead.begin("complaint")
    assert (await lead.claim(ticket=late.ticket_ref)).status_code == 200
    await lead.do("transfer", late.ticket_id, to_queue="complaint")
    assert await warned() == [], "dispatched, if late"


async def test_what_is_warned_is_read_by_its_index(desk: Desk) -> None:
    await desk.take(*(question(f"{n}") for n in range(200)))
    await desk.connection.execute("UPDATE ticket SET level = 1 + abs(hashtext(ticket_id::text)) % 4")
    await desk.connection.execute("ANALYZE ticket")
    await desk.connection.execute("SET enable_seqscan = off")
    for query, queue in ((overdue.WARNED, None), (overdue.WARNED_IN, "consultation")):
        asked = query.replace("$1", "2").replace("$2", "10").replace("$6", "'consultation'")
        asked = asked.replace("$3", "3").replace("$4", "now()").replace("$5", "gen_random_uuid()")
        text = "\n".join(row[0] for row in await desk.connection.fetch(f"EXPLAIN {asked}"))
        assert "ticket_warned" in text
        assert "Seq Scan" not in text
        assert text.count("opened_at >=") == 1, "from where the page before ended"
        found, _ = await overdue.warned(desk.connection, 2, queue, 10)
        assert len(found) == 10


@pytest.mark.parametrize("queue", [None, "consultation"])
async def test_what_is_warned_and_the_warnings_are_read_page_by_page(
    doors: httpx.AsyncClient, desk: Desk, queue: str | None
) -> None:
    """After a storm they are thousands, many of one moment; each is on one page, whatever is warned of meanwhile."""
    await desk.take(*(question(f"{n}", ago=3600 + n // 5, thread=f"{n}") for n in range(23)))
    lead, asked = Seat(doors, "lead"), "" if queue is None else f"&queue={queue}"

    async def pages(what: str) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        after = ""
        while True:
            page = (await lead.ask(f"{what}?limit=4{asked}{after}", method="GET")).json()
            found += [(each.get("ticket", each)["ticket_id"], each["level"]) for each in page[what]]
            if page["further"] is None:
                return found
            after = f"&after={page['further']}"
            if len(found) == 8:
                await desk.take(question("late", ago=3000, thread="late"))

    await desk.connection.execute("UPDATE ticket SET level = 1 + abs(hashtext(ticket_id::text)) % 4")
    for what in ("warned", "escalations"):
        whole = (await lead.ask(f"{what}?limit=500{asked}", method="GET")).json()
        assert whole["further"] is None
        every = [(each.get("ticket", each)["ticket_id"], each["level"]) for each in whole[what]]
        paged = await pages(what)
        assert len(every) == 23 + (what == "escalations")
        assert [each for each in paged if each in every] == every
        assert len(paged) == len(set(paged))
        for wrong in (f"1.{uuid4()}", f"{uuid4()}.1.0"):
            refused = await lead.ask(f"{what}?after={wrong}", method="GET")
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "after")


async def test_an_urge_counts_once_in_a_while_and_a_supervisor_moves_tickets(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    said, other = question("1", ago=100), question("2", ago=500)
    await desk.take(said, other)
    lead = await Seat(doors, "lead").begin("*", capacity=2)
    for _ in range(2):
        urged = await lead.do("urge", said.ticket_id, reason="customer")
    assert [urged.json()[name] for name in ("urges", "priority", "tags")] == [1, "high", ["urged"]], "as by a contact"
    await desk.take(question("3", ago=0, text="怎么收费", reply_to=Recipient(channel=Channel.WEB, address="session-1")))
    assert (await desk.ticket(said)).taken.tags == ("urged",)
    explained = await lead.ask(f"tickets/{said.ticket_id}/explain", method="GET")
    assert explained.json()["tags"] == ["urged"]
    await lead.ask(f"tickets/{said.ticket_id}/reprioritise", priority="urgent", reason="supervisor")
    assert (await lead.claim()).json()["ticket_id"] == str(said.ticket_id), "before one that is older"
    back = await lead.ask(f"tickets/{said.ticket_id}/requeue", to_queue="general", reason="other_team")
    assert (back.json()["state"], back.json()["queue"]) == ("queued", "general")
    gone = await lead.do("withdraw", other.ticket_id, reason="hung_up")
    assert gone.json()["state"] == "closed"


async def test_what_waits_for_no_person_is_neither_queued_nor_paused(doors: httpx.AsyncClient, desk: Desk) -> None:
    """It was answered 200, and nobody ever had it."""
    said = question("1", text="停电了", account_id="A1")
    await desk.take(said)
    lead = await Seat(doors, "lead").begin("*")
    for act, told in (("requeue", {"to_queue": "general"}), ("pause", {})):
        refused = await lead.ask(f"tickets/{said.ticket_id}/{act}", reason="look_at_it", **told)
        assert (refused.status_code, refused.json()["errors"][0]["reason"]) == (409, "not_waiting")
    assert (await lead.do("reopen", said.ticket_id, reason="look_at_it")).json()["state"] == "queued"
    moved = await lead.ask(f"tickets/{said.ticket_id}/requeue", reason="look_at_it", to_queue="general")
    assert (moved.status_code, moved.json()["queue"]) == (200, "general")


async def test_a_customer_can_be_called_back_once_the_ticket_is_completed(doors: httpx.AsyncClient, desk: Desk) -> None:
    """回访, often by another agent: it counts for the figure, and starts nothing anew."""
    said, later = question("1"), question("2")
    await desk.take(said, later)
    ann, bob = await Seat(doors, "ann").begin("consultation"), await Seat(doors, "bob").begin("consultation")
    for ticket in (said, later):
        assert (await ann.claim(ticket=ticket.ticket_ref)).status_code == 200
        assert (await bob.do("contact", ticket.ticket_id, outcome="reached")).json()["errors"][0][
            "reason"
        ] == "not_yours"
        assert (await ann.do("complete", ticket.ticket_id, outcome="solved")).status_code == 200
    called = await bob.do("contact", said.ticket_id, outcome="reached")
    assert (called.status_code, called.json()["state"], called.json()["outcome"]) == (200, "closed", "solved")
    found = {kpi["name"]: kpi for kpi in (await ann.ask("kpis", method="GET")).json()["kpis"]}
    assert (found["call_back"]["counted"], found["call_back"]["of"]) == (1, 2)
    assert found["timely_handling"]["of"] == 2


async def test_what_a_customer_told_again_is_a_figure(doors: httpx.AsyncClient, desk: Desk) -> None:
    """One tells of the same again while the ticket is open, one does not."""
    await desk.take(
        question("1", thread="t1"), question("2", thread="t2", reply_to=Recipient(channel=Channel.WEB, address="x"))
    )
    await desk.take(question("3", thread="t3", ago=30, reply_to=Recipient(channel=Channel.WEB, address="session-t1")))
    ann = await Seat(doors, "ann").begin("consultation")
    for _ in range(2):
        ticket = (await ann.claim()).json()["ticket_id"]
        assert (await ann.do("complete", ticket, outcome="solved")).status_code == 200
    found = {kpi["name"]: kpi for kpi in (await ann.ask("kpis", method="GET")).json()["kpis"]}
    assert (found["repeat_contacts"]["counted"], found["repeat_contacts"]["of"]) == (1, 2)
