"""What people do with tickets, through the doors and on a real Postgres."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest

from services.contracts.ids import report_id
from services.contracts.messages import ContactReceived, OutageCommanded, OutageReported, ReportSettled, TicketRouted
from services.contracts.topics import OUTAGE_INPUT, TICKET_ROUTED
from services.contracts.values import Channel, Priority, Recipient
from services.router import bell, figures, overdue, roster, store
from services.router.acting import FullError
from services.router.attendance import note_presence, sweep
from services.router.domain.desk import Agent, work_of
from services.router.domain.effects import fold
from services.router.domain.log import Did, Event
from services.router.domain.ticket import Ticket
from services.router.roster import Presence
from services.router.timers import wake
from services.router.tree.keys import DEVELOPMENT_KEYS
from services.runtime import positions
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk

pytestmark = pytest.mark.integration


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """The handler at the hour of the doors."""
    desk.now = datetime.now(UTC)
    return desk


class Seat:
    """One agent's desktop."""

    def __init__(self, doors: httpx.AsyncClient, agent: str) -> None:
        self.doors, self.agent = doors, agent

    async def ask(self, path: str, *, method: str = "POST", key: str = "supervisor-dev", **body: Any) -> httpx.Response:
        headers = {"X-API-Key": DEVELOPMENT_KEYS[key], **body.pop("headers", {})}
        return await self.doors.request(method, f"/v1/{path}", json=body, headers=headers)

    async def begin(self, *queues: str, capacity: int = 1, languages: tuple[str, ...] = ("zh",)) -> Seat:
        profile = {"queues": list(queues), "capacity": capacity, "languages": list(languages)}
        assert (await self.ask(f"agents/{self.agent}", method="PUT", **profile)).status_code == 200
        assert (await self.presence("available")).status_code == 200
        return self

    async def presence(self, presence: str) -> httpx.Response:
        return await self.ask(f"agents/{self.agent}/presence", method="PUT", presence=presence)

    async def claim(self, **body: Any) -> httpx.Response:
        return await self.ask(f"agents/{self.agent}/claims", key="desktop-dev", **body)

    async def offer(self, wait: float = 0) -> httpx.Response:
        return await self.ask(f"agents/{self.agent}/offers?wait={wait}", key="desktop-dev")

    async def do(self, act: str, ticket: Any, **body: Any) -> httpx.Response:
        return await self.ask(f"tickets/{ticket}/{act}", agent_id=self.agent, **body)


def question(event: str, *, ago: float = 60, **told: Any) -> ContactReceived:
    at = datetime.now(UTC) - timedelta(seconds=ago)
    return contact(event, **{"text": "查电费", "occurred_at": at, "received_at": at, **told})


async def let_pass(people: People, moment: str, which: str = "true") -> None:
    """Let a moment of the work on tickets (``until``, ``held_until``) be over since a second."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    work = f"jsonb_set(body::jsonb, '{{work,{moment}}}', to_jsonb($2::text))"
    sql = f"UPDATE ticket SET wake_at = $1, body = {work} WHERE {which}"  # noqa: S608 - names of this file
    await people.pool.execute(sql, past, past.isoformat())


async def published(people: People) -> list[TicketRouted]:
    rows = await people.pool.fetch("SELECT value FROM outbox WHERE topic = $1 ORDER BY id", TICKET_ROUTED.name)
    return [TicketRouted.model_validate_json(row["value"]) for row in rows]


async def reported(people: People) -> list[OutageReported]:
    rows = await people.pool.fetch("SELECT value FROM outbox WHERE topic = $1 ORDER BY id", OUTAGE_INPUT.name)
    return [OutageReported.model_validate_json(row["value"]) for row in rows]


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


def given_back(of: ContactReceived) -> ReportSettled:
    return ReportSettled(
        report_id=report_id(of.ticket_id),
        ticket_id=of.ticket_id,
        ticket_ref=of.ticket_ref,
        area="S1",
        outcome="needs_person",
        reason="device_unknown",
        language="zh-Hans-CN",
        settled_at=of.received_at,
    )


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


async def test_who_works_is_not_taken_for_gone_although_no_heartbeat_comes(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said = question("1")
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("consultation")
    await ann.claim()

    async def silent_for_an_hour() -> None:
        await people.pool.execute("UPDATE agent SET seen_at = now() - interval '1 h'")

    for act, told in (("notes", {"note": "asked"}), ("contact", {"outcome": "reached"}), ("wrap-up", {})):
        await silent_for_an_hour()
        assert (await ann.do(act, said.ticket_id, **told)).status_code == 200
        assert await sweep(people) == 0, act
    await silent_for_an_hour()
    assert (await ann.do("accept", said.ticket_id)).json()["errors"][0]["reason"] == "not_offered"
    assert await sweep(people) == 0, "a refusal too is told to somebody who is there"
    await ann.presence("offline")
    await ann.do("notes", said.ticket_id, note="late")
    await sweep(people)
    rows = await people.pool.fetch("SELECT presence FROM agent")
    assert [row["presence"] for row in rows] == ["offline"], "who went stays gone"


async def test_the_looks_read_an_index_entry_a_lane(desk: Desk) -> None:
    await desk.take(*(question(f"{n}", text="着火了" if n % 2 else "查电费") for n in range(200)))
    await desk.connection.execute("VACUUM ANALYZE ticket")
    await desk.connection.execute("SET enable_seqscan = off")
    for query, index, lanes in ((roster.LANES, "ticket_lane", 2), (roster.EMERGENCIES, "ticket_emergency", 1)):
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


async def test_a_transfer_is_kept_for_its_agent_for_a_while_and_a_return_is_routed_again(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said = question("1")
    await desk.take(said)
    ann, bob, cy = [await Seat(doors, name).begin("*") for name in ("ann", "bob", "cy")]
    await ann.claim()
    moved = (await ann.do("transfer", said.ticket_id, to_queue="complaint", to_agent="bob")).json()
    assert (moved["queue"], moved["held_for"], moved["state"]) == ("complaint", "bob", "queued")
    assert (await cy.claim()).status_code == 204
    assert (await cy.claim(ticket=said.ticket_ref)).json()["errors"][0]["reason"] == "kept_for_another"
    await people.pool.execute("UPDATE ticket SET wake_at = now()")
    assert await wake(people) == 1, "its clock is looked at, and the hold is not over"
    assert (await bob.claim()).json()["agent"] == "bob"
    back = (await bob.do("return", said.ticket_id, reason="wrong_type", business_type="service_request")).json()
    assert (back["queue"], back["business_type"]) == ("service_request", "service_request")
    assert (await cy.claim()).json()["queue"] == "service_request"
    lost = (await cy.do("return", said.ticket_id, reason="wrong_queue")).json()
    assert lost["queue"] == "general", "to those who take everything, not back where it was wrong"
    wrong = await cy.do("transfer", said.ticket_id, to_queue="nowhere")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "to_queue")


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


async def test_a_danger_is_taken_from_whoever_has_it_to_those_for_danger(doors: httpx.AsyncClient, desk: Desk) -> None:
    said = question("1", thread="t")
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("consultation")
    await ann.claim()
    await desk.take(question("2", thread="t", ago=0, text="着火了"))
    ticket = await desk.ticket(said)
    assert (ticket.queue, ticket.standing, desk.routed[-1].change) == ("emergency", "queued", "recalled")
    lower = await ann.ask(f"tickets/{said.ticket_id}/reprioritise", priority="normal", reason="calm")
    assert lower.json()["errors"][0]["reason"] == "danger"


async def test_further_words_open_a_closed_ticket_again_for_the_agent_who_knows_it(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    said = question("1", thread="t")
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("consultation")
    await ann.claim()
    await ann.do("complete", said.ticket_id, outcome="solved")
    await desk.take(question("hung-up", thread="t", ago=0, text=None))
    assert (await desk.ticket(said)).standing == "closed", "a call that ends says nothing"
    await desk.take(question("2", thread="t", ago=0, text="又不对了"))
    ticket = await desk.ticket(said)
    assert (ticket.standing, ticket.work and ticket.work.held_for) == ("queued", "ann")
    assert desk.routed[-1].change == "reopened"
    for n, presence in enumerate(("away", "offline", "gone")):
        await ann.claim()
        await ann.do("complete", said.ticket_id, outcome="solved")
        if presence == "gone":
            assert (await ann.ask("agents/ann", method="DELETE")).status_code == 204
        else:
            assert (await ann.presence(presence)).status_code == 200
        await desk.take(question(f"more-{n}", thread="t", ago=0, text="又不对了"))
        ticket = await desk.ticket(said)
        assert (ticket.standing, ticket.work and ticket.work.held_for) == ("queued", None), "she is not there"
        if presence != "gone":
            assert (await ann.presence("available")).status_code == 200


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


async def test_a_customers_new_ticket_is_kept_for_the_agent_they_spoke_with(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    ann, bob = [
        await Seat(doors, name).begin("consultation", "service_request", "emergency") for name in ("ann", "bob")
    ]
    one = {"phone": "13700000001", "reply_to": None}

    async def asks(name: str, **said: Any) -> dict[str, Any]:
        new = question(name, ago=1, **{**one, **said})
        await desk.take(new)
        [shown] = (await ann.ask(f"tickets/{new.ticket_id}", method="GET")).json()["tickets"]
        return dict(shown)

    first = await asks("1")
    assert first["held_for"] is None, "nobody knows them"
    await ann.claim()
    await ann.do("complete", first["ticket_id"], outcome="solved")
    again = await asks("2")
    assert (again["held_for"], again["version"]) == ("ann", 1)
    assert (await bob.claim()).status_code == 204
    assert (await ann.claim()).json()["ticket_id"] == again["ticket_id"]
    busy = await asks("3", business_type="service_request", text=None)
    assert busy["held_for"] is None, "she has as much as she can"
    assert (await bob.claim()).json()["ticket_id"] == busy["ticket_id"]
    await ann.do("complete", again["ticket_id"], outcome="solved")
    assert (await asks("4", text="着火了"))["held_for"] is None, "danger waits for nobody"
    assert (await asks("5", business_type="complaint", text=None))["held_for"] is None, "she does not serve that queue"
    assert (await asks("6", phone="13700000002"))["held_for"] is None, "somebody else"
    await people.pool.execute("UPDATE customer_agent SET at = at - interval '4 d'")
    assert (await asks("7"))["held_for"] is None, "too long ago"
    line = (await store.log_of(desk.connection, UUID(again["ticket_id"])))[0]
    assert (line.did, line.reason, line.to_agent) == ("kept", "known_agent", "ann")
    await roster.forget_known(desk.connection, datetime.now(UTC) - timedelta(days=3))
    assert await desk.connection.fetchval("SELECT count(*) FROM customer_agent") == 0


async def test_what_is_kept_for_an_agent_who_does_not_take_it_is_anybodys(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    ann, bob = [await Seat(doors, name).begin("consultation") for name in ("ann", "bob")]
    said, more = [question(n, ago=ago, phone="13700000001", reply_to=None) for n, ago in (("1", 9), ("2", 1))]
    await desk.take(said)
    await ann.claim()
    await ann.do("complete", said.ticket_id, outcome="solved")
    await desk.take(more)
    await let_pass(people, "held_until", "held_for = 'ann'")
    assert await wake(people) == 1
    assert (await bob.claim()).json()["ticket_id"] == str(more.ticket_id)


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
        asked = query.replace("$1", "2").replace("$2", "10").replace("$3", "'consultation'")
        text = "\n".join(row[0] for row in await desk.connection.fetch(f"EXPLAIN {asked}"))
        assert "ticket_warned" in text
        assert "Seq Scan" not in text
        assert len(await overdue.warned(desk.connection, 2, queue, 10)) == 10


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


async def test_an_urge_counts_once_in_a_while_and_a_supervisor_moves_tickets(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    said, other = question("1", ago=100), question("2", ago=500)
    await desk.take(said, other)
    lead = await Seat(doors, "lead").begin("*", capacity=2)
    for _ in range(2):
        urged = await lead.do("urge", said.ticket_id, reason="customer")
    assert urged.json()["urges"] == 1
    await lead.ask(f"tickets/{said.ticket_id}/reprioritise", priority="urgent", reason="supervisor")
    assert (await lead.claim()).json()["ticket_id"] == str(said.ticket_id), "before one that is older"
    back = await lead.ask(f"tickets/{said.ticket_id}/requeue", to_queue="general", reason="other_team")
    assert (back.json()["state"], back.json()["queue"]) == ("queued", "general")
    gone = await lead.do("withdraw", other.ticket_id, reason="hung_up")
    assert gone.json()["state"] == "closed"


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


async def test_danger_told_by_the_customer_of_a_merged_ticket_is_reported_at_their_own_place(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    one, other = (question(n, thread=n, text="停电了", account_id=n) for n in ("A1", "A4"))
    await desk.take(one, other)
    lead = Seat(doors, "lead")
    asked = {"into": str(other.ticket_id), "reason": "same_matter", "across_customers": True}
    assert (await lead.ask(f"tickets/{one.ticket_id}/merge", **asked)).status_code == 200
    fire = question("fire", thread="A1", ago=0, text="着火了")
    await desk.take(fire, question("fire again", thread="A1", ago=0, text="着火了"))
    await desk.take(fire)
    assert [(each.hazards, each.place.account_id) for each in desk.reports[2:]] == [(("fire",), "A1")]
    assert (await desk.ticket(other)).facts.hazards == ()


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
        ticket = await people.take("ann", Did.CLAIMED, "test/ann")
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
    got = await asyncio.gather(*(people.take(n, Did.CLAIMED, n, asked=asked) for n in asks), return_exceptions=True)
    taken = [one for one in got if isinstance(one, Ticket)]
    assert [one for one in got if not isinstance(one, Ticket | FullError)] == []
    assert len({one.ticket_id for one in taken}) == len(taken) == 40
    assert set(Counter(work_of(one).agent for one in taken).values()) == {2}
    async with people.pool.acquire() as connection:
        assert await roster.lanes(connection) == {}


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
