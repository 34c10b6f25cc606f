"""A caller who rang before: their ticket is found by what they have of it, and is open again or looked at."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from services.contracts.values import Channel, Recipient
from services.router import finding
from services.router.tree.keys import DEVELOPMENT_KEYS
from tests.integration.router.seat import Seat, published, question
from tests.unit.router.making import contact

if TYPE_CHECKING:
    import httpx

    from services.contracts.messages import ContactReceived
    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk

pytestmark = pytest.mark.integration


async def found(ann: Seat, **asked: Any) -> list[str]:
    answer = await ann.ask("tickets/search", key="desktop-dev", **asked)
    assert answer.status_code == 200, answer.text
    return [ticket["ticket_id"] for ticket in answer.json()["tickets"]]


def ids(*said: ContactReceived) -> list[str]:
    return [str(each.ticket_id) for each in said]


async def test_a_closed_ticket_is_found_by_number_account_area_and_time_however_they_are_written(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    ann = await Seat(doors, "ann").begin("*", capacity=9)
    reply = Recipient(channel=Channel.SMS, address="+86 138 0000 0001")
    old = question("old", ago=3000, channel=Channel.SMS, reply_to=reply)
    new = question("new", ago=20, phone="13800000001", account_id="A-1", text="我要投诉")
    other = question("other", ago=40, phone="0571-87654321", text="停电了", account_id="A4")
    for said in (old, other, new):
        await desk.take(said)
        if said is not other:
            assert (await ann.claim(ticket=str(said.ticket_id))).status_code == 200
            assert (await ann.do("complete", said.ticket_id, outcome="solved")).status_code == 200
    for number in ("13800000001", "+8613800000001", "138 0000-0001"):
        assert await found(ann, phone=number) == ids(new, old)
    assert await found(ann, account="户号 a1") == ids(new)
    assert await found(ann, phone="13800000001", account="A1") == ids(new), "both must hold"
    assert await found(ann, phone="13800000001", account="A4") == []
    assert await found(ann, phone="057187654321") == ids(other)
    assert await found(ann, area="S2") == await found(ann, states=["with_dedup"]) == ids(other)
    assert await found(ann, area="S2", states=["closed"]) == []
    assert await found(ann, states=["closed"]) == ids(new, old)
    border = (datetime.now(UTC) - timedelta(seconds=1500)).isoformat()
    assert await found(ann, phone="13800000001", since=border) == ids(new)
    assert await found(ann, phone="13800000001", until=border) == ids(old)


async def test_who_may_read_a_wallboard_may_not_look_people_up(doors: httpx.AsyncClient) -> None:
    asked = {"phone": "13800000001"}
    for key, status in ((None, 401), ("wallboard-dev", 403)):
        headers = {"X-API-Key": DEVELOPMENT_KEYS[key]} if key else {}
        assert (await doors.post("/v1/tickets/search", json=asked, headers=headers)).status_code == status


async def test_pages_follow_one_another_and_a_look_that_finds_nothing_says_where_to_go_on(
    doors: httpx.AsyncClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = Seat(doors, "ann")
    same = datetime.now(UTC) - timedelta(minutes=5)  # all at one instant: the id tells them apart
    at = {"phone": "13800000001", "occurred_at": same, "received_at": same, "reply_to": None}
    said = [contact(f"{n}", text="我要投诉", address=f"{n} Road", **at) for n in range(7)]
    await desk.take(*said)
    looked_at = finding.MOST_LOOKED_AT
    for statement in ("BY_TIME", "BY_PHONE"):
        monkeypatch.setattr(finding, statement, getattr(finding, statement).replace(f"LIMIT {looked_at}", "LIMIT 3"))
    monkeypatch.setattr(finding, "MOST_LOOKED_AT", 3)
    for asked in ({"phone": "13800000001"}, {}):
        seen: list[str] = []
        further, pages = None, 0
        while pages < 9:
            answer = await ann.ask("tickets/search", limit=2, **asked, **({"after": further} if further else {}))
            page = answer.json()
            seen += [ticket["ticket_id"] for ticket in page["tickets"]]
            further, pages = page["further"], pages + 1
            if further is None:
                break
        assert seen == sorted(ids(*said), reverse=True), "each once, none left out"
    nothing = (await ann.ask("tickets/search", phone="13800000001", states=["closed"])).json()
    assert nothing["tickets"] == []
    assert nothing["further"] == sorted(ids(*said), reverse=True)[2]


async def test_a_call_that_joined_is_found_as_the_ticket_it_is_now(doors: httpx.AsyncClient, desk: Desk) -> None:
    call = {"channel": Channel.PHONE, "phone": "13700000000", "reply_to": None}
    at = datetime.now(UTC) - timedelta(minutes=9)
    times = [{"occurred_at": at + timedelta(minutes=n), "received_at": at + timedelta(minutes=n)} for n in range(3)]
    form = contact("form", text="停电了", phone="13700000000", account_id="A1", **times[0])
    await desk.take(form)
    await desk.take(contact("started", thread="call", final=False, **times[1], **call))
    ann = Seat(doors, "ann")
    assert len(await found(ann, phone="13700000000")) == 2
    await desk.take(contact("ended", thread="call", text="停电了", **times[2], **call))
    assert await found(ann, phone="13700000000") == await found(ann) == ids(form)


async def test_what_became_known_later_finds_it_and_an_earlier_word_moves_it(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    at = datetime.now(UTC) - timedelta(minutes=9)
    late = at - timedelta(minutes=30)
    second = contact("2", thread="t", text="查电费", occurred_at=at, received_at=at)
    first = contact("1", thread="t", account_id="A1", phone="13800000009", occurred_at=late, received_at=at)
    ann = Seat(doors, "ann")
    await desk.take(second)
    assert await found(ann, account="A1") == []
    await desk.take(first)
    assert await found(ann, account="A1") == await found(ann, phone="13800000009") == ids(first)
    assert await found(ann, account="A1", since=at.isoformat()) == []


async def test_every_way_of_asking_has_its_index_and_reads_a_bounded_part_of_it(desk: Desk) -> None:
    await desk.take(contact("1", text="停电了", account_id="A1", phone="13800000001"))
    await desk.connection.execute(
        """
        INSERT INTO ticket SELECT (t2).* FROM (
            SELECT jsonb_populate_record(t, jsonb_build_object(
                'ticket_id', gen_random_uuid(), 'state', 'closed', 'opened_at', t.opened_at - n * interval '1 second',
                'area', 'S' || n % 100, 'account', md5((n % 100)::text), 'phone', md5((n % 100)::text)
            )) AS t2 FROM ticket AS t, generate_series(1, 20000) AS n
        ) AS made
        """
    )
    await desk.connection.execute("ANALYZE ticket")
    await desk.connection.execute("SET plan_cache_mode = force_generic_plan")
    key_of_one = UUID(hashlib.md5(b"1", usedforsecurity=False).hexdigest())
    for key, asked, index in (
        (key_of_one, finding.Asked(phone=key_of_one), "ticket_by_phone"),
        (key_of_one, finding.Asked(phone=key_of_one), "ticket_by_call_back"),
        (key_of_one, finding.Asked(account=key_of_one), "ticket_by_account"),
        ("S1", finding.Asked(area="S1"), "ticket_by_area"),
        (None, finding.Asked(), "ticket_by_time"),
    ):
        with desk.queries() as queries:
            page = await finding.find(desk.connection, asked, 20)
        assert len(page.tickets) == 20
        [look] = [query for query in queries if "beginning" in query]
        given = f"{'NULL' if key is None else repr(str(key))}, NULL, NULL, '{UUID(int=0)}', '{{closed}}', NULL, NULL"
        await desk.connection.execute(f"PREPARE look_{index} AS {look}")
        rows = await desk.connection.fetch(f"EXPLAIN EXECUTE look_{index} ({given})")
        plan = "\n".join(row[0] for row in rows)
        assert index in plan, plan
        assert "Seq Scan" not in plan, plan


async def test_a_closed_ticket_is_opened_again_for_the_agent_who_has_the_caller(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said = question("1", phone="13800000001")
    await desk.take(said)
    ann, bob = [await Seat(doors, name).begin("*") for name in ("ann", "bob")]
    waits = await ann.do("reopen", said.ticket_id, reason="not_solved")
    assert (waits.status_code, waits.json()["errors"][0]["reason"]) == (409, "not_closed")
    await ann.claim()
    held = await bob.do("reopen", said.ticket_id, reason="not_solved")
    assert (held.status_code, held.json()["errors"][0]["reason"]) == (409, "not_closed")
    await ann.do("complete", said.ticket_id, outcome="solved")

    [ticket_id] = await found(bob, phone="13800000001", states=["closed"])
    log = (await bob.ask(f"tickets/{ticket_id}/log", method="GET", key="desktop-dev")).json()["log"]
    assert [(each["did"], each.get("agent")) for each in log] == [("claimed", "ann"), ("completed", "ann")]
    noted = await bob.do("notes", ticket_id, note="rang again")
    assert (noted.status_code, noted.json()["state"]) == (200, "closed"), "a look and a word open nothing"
    again = (await bob.do("reopen", ticket_id, reason="not_solved")).json()
    assert (again["state"], again["held_for"], again["outcome"]) == ("queued", "bob", None)
    assert (await ann.claim()).status_code == 204, "kept for who has the caller"
    taken = (await bob.claim()).json()
    assert (taken["ticket_id"], taken["agent"]) == (ticket_id, "bob")
    log = (await bob.ask(f"tickets/{ticket_id}/log", method="GET")).json()["log"]
    assert log[-1]["did"] == "claimed"
    assert log[-1]["seconds"] < 60, "the wait began with the second call"
    assert [each.change for each in await published(people)][-2:] == ["reopened", "claimed"]


async def test_what_a_machine_took_care_of_gets_a_person(doors: httpx.AsyncClient, desk: Desk) -> None:
    said = question("1", text="停电了", account_id="A1", phone="13800000001")
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("*", capacity=3)
    before = await doors.get(f"/v1/tickets/{said.ticket_id}", headers={"X-API-Key": DEVELOPMENT_KEYS["desktop-dev"]})
    assert before.json()["tickets"][0]["state"] == "with_dedup"
    again = (await ann.do("reopen", said.ticket_id, reason="still_dark")).json()
    assert (again["state"], again["needs_person"], again["held_for"]) == ("queued", "follow_up", "ann")
    assert (await ann.claim()).json()["ticket_id"] == str(said.ticket_id)


async def test_a_danger_that_is_open_again_is_kept_for_nobody(doors: httpx.AsyncClient, desk: Desk) -> None:
    said = question("1", text="着火了")
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("*")
    await ann.claim()
    await ann.do("complete", said.ticket_id, outcome="solved")
    again = (await ann.do("reopen", said.ticket_id, reason="burns_again")).json()
    assert (again["state"], again["held_for"]) == ("queued", None)
    gone = await ann.ask(f"tickets/{uuid4()}/reopen", agent_id="ann", reason="x")
    assert gone.status_code == 404
