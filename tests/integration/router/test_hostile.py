"""What a careless desktop, or a hostile one, says at the doors: a problem that names the field, and nothing lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from services.router.tree.keys import DEVELOPMENT_KEYS
from tests.integration.dedup.test_looking import slow
from tests.integration.router.seat import Seat, question

if TYPE_CHECKING:
    import httpx

    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk

pytestmark = pytest.mark.integration

KEY = {"X-API-Key": DEVELOPMENT_KEYS["supervisor-dev"], "Content-Type": "application/json"}
_NOTHING = "00000000-0000-0000-0000-000000000000"


CASES: Final = (
    ("POST", "tickets/{t}/notes", b"not json", 400, "body", "is no JSON from character 0"),
    ("POST", "tickets/{t}/notes", b'{"note": "a"', 400, "body", "is no JSON"),
    ("POST", "tickets/{t}/notes", b"[1]", 422, "body", "object"),
    ("POST", "tickets/{t}/notes", b'{"note": 5}', 422, "note", "string"),
    ("POST", "tickets/{t}/notes", b'{"note": "a", "nope": 1}', 422, "nope", "not permitted"),
    ("POST", "tickets/{t}/notes", b'{"note": "%s"}' % (b"x" * 1_000_000), 422, "note", "4000 characters"),
    ("POST", "tickets/{t}/notes", b'{"note": "a\\u0000b"}', 422, "note", "must not contain the NUL character"),
    ("POST", "tickets/{t}/notes", b'{"note": "\\ud800"}', 422, "note", "unicode"),
    ("POST", "tickets/{t}/return", b'{"agent_id": "ann"}', 422, "reason", "required"),
    ("POST", "tickets/{t}/return", b'{"agent_id": "ann", "reason": "bored"}', 422, "reason", "wrong_queue"),
    ("POST", "tickets/{t}/transfer", b'{"agent_id": "ann", "to_agent": "ghost"}', 422, "to_agent", "no agent"),
    ("POST", "tickets/{t}/transfer", b'{"agent_id": "ann", "to_agent": "off"}', 409, "to_agent", "not_available"),
    ("POST", "tickets/{t}/transfer", b'{"agent_id": "ann", "to_agent": "ann"}', 422, "to_agent", "whose ticket"),
    ("POST", "tickets/{t}/transfer", b'{"agent_id": "ann", "to_queue": "nowhere"}', 422, "to_queue", "none of"),
    ("POST", "tickets/{t}/merge", b'{"into": "{t}", "reason": "same"}', 409, "state", "into_itself"),
    ("POST", "tickets/{t}/unmerge", b'{"reason": "other"}', 409, "state", "not_merged"),
    ("POST", "tickets/{t}/complete", b'{"agent_id": "ghost", "outcome": "solved"}', 409, "state", "not_yours"),
    ("POST", "tickets/{t}/reopen", b'{"agent_id": "ann"}', 422, "reason", "required"),
    ("POST", "tickets/{t}/reopen", b'{"agent_id": "ghost", "reason": "not_solved"}', 422, "agent_id", "no agent"),
    ("POST", "tickets/search", b'{"phone": "95598"}', 422, "phone", "no telephone number"),
    ("POST", "tickets/search", b'{"account": "--"}', 422, "account", "neither letters nor digits"),
    ("POST", "tickets/search", b'{"name": "Wang"}', 422, "name", "not permitted"),
    ("POST", "tickets/search", b'{"states": ["done"]}', 422, "states.0", "queued"),
    ("POST", "tickets/search", b'{"since": "2026-07-18T00:00:00"}', 422, "since", "timezone"),
    (
        "POST",
        "tickets/search",
        b'{"since": "2026-07-18T00:00:00Z", "until": "2026-07-18T00:00:00Z"}',
        422,
        "since",
        "befo",
    ),
    ("POST", "tickets/search", b'{"after": "%s"}' % _NOTHING.encode(), 422, "after", "no ticket"),
    ("POST", "tickets/search", b'{"limit": 0}', 422, "limit", "greater"),
    ("PUT", "agents/new", b'{"queues": ["*"], "capacity": 1000}', 422, "capacity", "50"),
    ("PUT", "agents/new", b'{"queues": ["*"], "capacity": true}', 422, "capacity", "integer"),
    ("PUT", "agents/new", b'{"queues": ["nowhere"]}', 422, "queues", "no queue of the tree"),
    ("PUT", "agents/new", b'{"queues": ["*"], "languages": ["klingon!"]}', 422, "languages.0", "pattern"),
    ("POST", "agents/a%00b/claims", b"", 422, "agent_id", "control characters"),
    ("POST", "agents/a%00b/heartbeat", b"", 422, "agent_id", "control characters"),
    ("GET", "agents/a%00b/offers", b"", 422, "agent_id", "control characters"),
    ("GET", "queues/a%00b", b"", 422, "name", "control characters"),
    ("GET", "kpis?queue=nowhere", b"", 422, "queue", "none of"),
    ("GET", "warned?queue=nowhere", b"", 422, "queue", "none of"),
    ("GET", "escalations?queue=nowhere", b"", 422, "queue", "none of"),
    ("GET", "kpis?until=0001-01-01T00:00:00Z", b"", 422, "until", "has a year outside"),
    ("GET", "kpis?until=9999-12-31T23:59:59Z", b"", 422, "until", "has a year outside"),
    ("GET", "kpis?since=0001-01-01T00:00:00%2b08:00", b"", 422, "since", "has a year outside"),
    ("GET", "kpis?since=20260718", b"", 422, "since", "ISO 8601 text"),
    ("GET", "escalations?until=0.5", b"", 422, "until", "ISO 8601 text"),
    ("POST", "tickets/search", b'{"since": 1784332800000}', 422, "since", "ISO 8601 text"),
    ("POST", "tickets/search", b'{"since": "0001-01-01T00:00:00+08:00"}', 422, "since", "has a year outside"),
    ("POST", "tickets/search", b'{"until": "9999-12-31T23:59:59-08:00"}', 422, "until", "has a year outside"),
    ("POST", "tickets/{t}/notes", b'{"note": "\xff\xfe"}', 400, "body", "is not UTF-8 from byte 10 on"),
    ("POST", "tickets/{t}/notes", b"[" * 100_000, 400, "body", "cannot be read as JSON"),
    ("GET", "kpis?since=2026-07-18T00:00:00", b"", 422, "since", "timezone"),
)
"""Method, path, body; status, field and a part of the reason that it is refused with."""


async def test_what_does_not_fit_is_refused_by_field_and_reason_and_changes_nothing(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    said = question("1")
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("consultation")
    await (await Seat(doors, "off").begin("consultation")).presence("offline")
    before = (await ann.claim()).json()
    key = str(said.ticket_id)
    for method, path, body, status, field, reason in CASES:
        what = f"{method} {path} {body[:60]!r}"
        asked = body.replace(b"{t}", key.encode())
        answer = await doors.request(method, "/v1/" + path.replace("{t}", key), content=asked, headers=KEY)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), what
        told = {each["field"]: each["reason"] for each in answer.json()["errors"]}
        assert reason.lower() in told[field].lower(), what
        [after] = (await ann.ask(f"tickets/{key}", method="GET")).json()["tickets"]
        assert after == before, what


async def test_text_is_kept_as_it_was_written_whatever_it_would_do_to_a_page(
    doors: httpx.AsyncClient, desk: Desk
) -> None:
    said = question("1")
    await desk.take(said)
    ann = await Seat(doors, "ann").begin("consultation")
    note = "<script>alert(1)</script>\n'; DROP TABLE ticket; -- \u202e\x07"
    answer = await ann.do("notes", said.ticket_id, note=note)
    assert answer.status_code == 200
    log = await ann.ask(f"tickets/{said.ticket_id}/log", method="GET")
    assert log.headers["content-type"] == "application/json"
    assert log.json()["log"][0]["note"] == note
    for n in range(3):
        await ann.do("notes", said.ticket_id, note=f"{n}")
    few = await ann.ask(f"tickets/{said.ticket_id}/log?skip=1&limit=2", method="GET")
    assert [line["note"] for line in few.json()["log"]] == ["0", "1"], "a log of any length is read in parts"


async def test_two_tabs_of_one_desktop_and_a_version_of_before(doors: httpx.AsyncClient, desk: Desk) -> None:
    said, other = question("1"), question("2")
    await desk.take(said, other)
    ann = await Seat(doors, "ann").begin("consultation", capacity=2)
    offered = (await ann.offer()).json()
    both = await asyncio.gather(*(ann.do("accept", offered["ticket_id"]) for _ in range(2)))
    assert [(each.status_code, each.json()["version"]) for each in both] == [(200, offered["version"] + 1)] * 2
    second = (await ann.offer()).json()
    declined = [await ann.do("decline", second["ticket_id"], reason="busy") for _ in range(2)]
    assert [(each.status_code, each.json()["version"]) for each in declined] == [(200, second["version"] + 1)] * 2
    for stale in ('"1"', '"' + "9" * 5000 + '"', "seven"):
        refused = await ann.do("notes", said.ticket_id, note="late", headers={"If-Match": stale})
        assert refused.status_code in {400, 412}
    assert (await ann.ask("agents/ann", method="GET")).json()["tickets"][0]["version"] == offered["version"] + 1


async def test_an_id_as_long_as_ids_may_be_works_tickets_like_any_other(doors: httpx.AsyncClient, desk: Desk) -> None:
    said = question("1")
    await desk.take(said)
    ann = await Seat(doors, "CN=ann,".ljust(200, "x")).begin("consultation")
    assert (await ann.offer()).status_code == 200
    for act, told in (("decline", {}), ("urge", {"reason": "customer"}), ("notes", {"note": "asked"})):
        assert (await ann.do(act, said.ticket_id, **told)).status_code == 200, act
    assert (await ann.claim(ticket=said.ticket_ref)).status_code == 200
    lines = (await ann.ask(f"tickets/{said.ticket_id}/log", method="GET")).json()["log"]
    assert {line["agent"] for line in lines} == {ann.agent}
    assert {line["by"][:20] for line in lines} == {"supervisor-dev/CN=an", "desktop-dev/CN=ann,x"}


async def test_merges_that_cannot_be_are_refused_and_the_live_is_found(doors: httpx.AsyncClient, desk: Desk) -> None:
    one, two, three = [question(n, thread=n) for n in ("1", "2", "3")]
    await desk.take(one, two, three)
    lead = Seat(doors, "lead")

    async def merge(ticket: Any, into: Any) -> tuple[int, str]:
        answer = await lead.ask(f"tickets/{ticket.ticket_id}/merge", into=str(into), reason="same_matter")
        told = answer.json()
        return answer.status_code, str(told["errors"][0]["reason"] if "errors" in told else told.get("merged_into"))

    assert await merge(one, two.ticket_id) == (200, str(two.ticket_id))
    assert await merge(one, two.ticket_id) == (200, str(two.ticket_id)), "asked twice"
    assert await merge(one, three.ticket_id) == (409, "merged"), "it is merged elsewhere"
    assert await merge(two, one.ticket_id) == (409, "into_itself"), "no rings"
    assert await merge(three, one.ticket_id) == (200, str(two.ticket_id)), "the one that stands for it"
    for wrong, status in ((_NOTHING, 404), ("7K3M-9QPX-2HE", 400)):  # the ticket of the path is a good one
        named = [
            (await lead.ask(f"tickets/{two.ticket_id}/merge", into=wrong, reason="same"), "into"),
            (await (await Seat(doors, "ann").begin("*")).claim(ticket=wrong), "ticket"),
        ]
        for refused, field in named:
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (status, field)
    first, again = [await lead.ask(f"tickets/{one.ticket_id}/unmerge", reason="other") for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 409)
    [live] = (await lead.ask(f"tickets/{two.ticket_id}", method="GET")).json()["tickets"]
    assert live["carries"] == [str(three.ticket_id)]


async def test_skills_that_no_target_asks_for_are_said(doors: httpx.AsyncClient) -> None:
    seat = Seat(doors, "ann")
    made = await seat.ask("agents/ann", method="PUT", queues=["*"], skills=["hihg_voltage", "language:bo"])
    assert (made.status_code, made.json()["unasked"]) == (200, ["hihg_voltage"])


async def test_a_period_may_be_asked_for_with_an_offset_as_it_is_written(doors: httpx.AsyncClient) -> None:
    answer = await doors.get("/v1/kpis?since=2026-11-25T00:00:00+08:00&until=2026-11-26T00:00:00+08:00", headers=KEY)
    assert (answer.status_code, answer.json()["since"]) == (200, "2026-11-25T00:00:00+08:00")


async def test_agents_wait_for_nobody_who_looks_at_kpis(
    doors: httpx.AsyncClient, desk: Desk, people: People, router_dsn: str
) -> None:
    await desk.take(question("1"))
    ann = await Seat(doors, "ann").begin("consultation")
    screens = people.pool.get_max_size() + 4
    async with slow(router_dsn, "router.agent_presence"):
        asked = [asyncio.create_task(ann.ask("kpis", method="GET")) for _ in range(screens)]
        await asyncio.sleep(0.5)
        assert not any(one.done() for one in asked), "the control"
        async with asyncio.timeout(30):
            assert (await ann.claim()).status_code == 200
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {200}
