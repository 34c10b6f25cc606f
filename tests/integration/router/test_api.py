"""The router's doors on a real Postgres."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from services.contracts.values import Channel
from services.router import roster, store
from services.router.api.agents import AgentsView
from services.router.backlog import Backlog
from services.router.domain.targets import Duty
from services.router.tree.keys import DEVELOPMENT_KEYS
from tests.unit.router.making import ROUTES, SHIPPED, contact

if TYPE_CHECKING:
    import httpx

    from services.router.acting import Desk as People
    from tests.integration.router.desk import Desk

pytestmark = pytest.mark.integration


@pytest.fixture
def client(doors: httpx.AsyncClient) -> httpx.AsyncClient:
    doors.headers["X-API-Key"] = DEVELOPMENT_KEYS["wallboard-dev"]
    return doors


async def test_a_ticket_is_found_by_its_id_and_by_its_reference_as_people_say_it(
    client: httpx.AsyncClient, desk: Desk
) -> None:
    said = contact(text="停电了", account_id="A1", address="1 Road", phone="13800000001")
    await desk.take(said)
    by_id = (await client.get(f"/v1/tickets/{said.ticket_id}")).json()
    spoken = said.ticket_ref.lower().replace("-", " ")
    assert (await client.get(f"/v1/tickets/{spoken}")).json() == by_id
    [ticket] = by_id["tickets"]
    assert ticket["queue"] == "repair"
    assert ticket["state"] == "with_dedup"
    assert ticket["report"] == "sent"
    assert ticket["place"]["transformer_id"] == "T1"
    assert ticket["reason"]["tree_hash"] == SHIPPED.hash


@pytest.mark.parametrize(
    ("key", "status", "detail"),
    [
        (str(UUID(int=4)), 404, "no ticket"),
        ("7K3M-9QPX-2H", 400, "a ticket reference has 11 characters"),
        ("7K3M-9QPX-2HD", 400, "the check character does not fit"),
    ],
)
async def test_a_key_that_finds_nothing_says_why(client: httpx.AsyncClient, key: str, status: int, detail: str) -> None:
    answer = await client.get(f"/v1/tickets/{key}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert detail in answer.json()["detail"]


async def test_queues_show_what_waits_and_for_how_long(client: httpx.AsyncClient, desk: Desk) -> None:
    await desk.take(
        contact("1", text="着火了"),
        contact("2", text="查电费"),
        contact("3", minutes=-9, text="查账单"),
        contact("4", text="停电了", account_id="A1"),
    )
    await desk.connection.execute(
        "UPDATE ticket SET queue = 'gone' WHERE body->'facts'->'texts'->0->>'value' = '着火了'"
    )
    answer = (await client.get("/v1/queues")).json()
    queues = {queue["name"]: queue for queue in answer["queues"]}
    assert answer["tree_hash"] == SHIPPED.hash
    assert set(queues) == {*SHIPPED.tree.queues, "gone"}
    assert queues["consultation"]["waiting"] == 2
    assert queues["consultation"]["by_priority"] == {"normal": 2}
    assert queues["consultation"]["staffed"] is None, "nobody made an agent"
    assert queues["consultation"]["oldest_seconds"] > 9 * 60
    assert queues["repair"]["waiting"] == 0  # its report is with dedup
    assert queues["repair"]["oldest_seconds"] == 0
    assert queues["gone"]["declared"] is False
    assert queues["gone"]["by_priority"] == {"emergency": 1}


async def test_a_queue_says_whether_anybody_there_serves_it(client: httpx.AsyncClient, people: People) -> None:
    people.book.note_duty(Duty(staffed=frozenset({"consultation"})))
    queues = {each["name"]: each["staffed"] for each in (await client.get("/v1/queues")).json()["queues"]}
    assert queues["consultation"] is True
    assert queues["complaint"] is False
    assert (await client.get("/v1/queues/complaint")).json()["queue"]["staffed"] is False


async def test_with_much_waiting_the_queues_are_not_counted_for_whoever_asks(
    client: httpx.AsyncClient, people: People, desk: Desk
) -> None:
    people.backlog = Backlog(people.pool, most_counted=2)
    await desk.take(*(contact(f"{n}", text="查电费") for n in range(2)))

    async def ask() -> list[tuple[int, str]]:
        every = (await client.get("/v1/queues")).json()
        one = (await client.get("/v1/queues/consultation")).json()
        kpis = (await client.get("/v1/kpis", params={"queue": "consultation"})).json()
        queues = [each for each in every["queues"] if each["name"] == "consultation"] + [one["queue"], *kpis["backlog"]]
        times = [every["counted_at"], one["counted_at"], kpis["backlog_at"]]
        return [(queue["waiting"], at) for queue, at in zip(queues, times, strict=True)]

    little = await ask()
    assert [waiting for waiting, _ in little] == [2, 2, 2]
    assert len(set(little)) == 3, "little is counted for each who asks"
    await desk.take(*(contact(f"{n}", text="查电费") for n in range(2, 5)))
    much = await ask()
    await desk.take(contact("6", text="查电费"))
    assert set(await ask()) == set(much) == {(5, much[0][1])}, "one count, and its time is told"
    assert (await people.backlog.look()).waiting == 6
    assert {waiting for waiting, _ in await ask()} == {6}


async def test_those_who_ask_at_once_share_a_count_begun_after_they_asked(people: People, desk: Desk) -> None:
    backlog = people.backlog
    await desk.take(contact("1", text="查电费"))
    first = await backlog.seen()
    seen = await asyncio.gather(*(backlog.seen() for _ in range(20)))
    assert {each.waiting for each in (first, *seen)} == {1}
    assert len({id(each) for each in seen}) <= 2, "the first one's, and one begun after all others asked"
    assert first not in seen, "it was begun before they asked"


async def test_the_head_of_a_queue_is_the_most_urgent_then_the_oldest(client: httpx.AsyncClient, desk: Desk) -> None:
    said = [
        contact("1", minutes=3, text="停电了"),
        contact("2", minutes=1, text="停电了"),
        contact("3", minutes=2, text="停电了"),
    ]
    await desk.take(*said)
    await desk.connection.execute(
        "UPDATE ticket SET rank_at = rank_at - interval '2 h' WHERE ticket_id = $1", said[2].ticket_id
    )
    answer = (await client.get("/v1/queues/locate", params={"limit": 2})).json()
    assert answer["queue"]["waiting"] == 3
    assert [ticket["ticket_ref"] for ticket in answer["tickets"]] == [said[2].ticket_ref, said[1].ticket_ref]


async def test_a_queue_and_the_agents_are_read_page_by_page(client: httpx.AsyncClient, desk: Desk) -> None:
    await desk.take(*(contact(f"{n}", minutes=n % 3, text="查电费") for n in range(7)))
    seen: list[str] = []
    asked: dict[str, object] = {"limit": 3}
    while page := (await client.get("/v1/queues/consultation", params=asked)).json()["tickets"]:
        seen += [each["ticket_id"] for each in page]
        asked["after"] = seen[-1]
    unknown = await client.get("/v1/queues/consultation", params={"after": str(uuid4())})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "after"), "no end of the queue"
    whole = (await client.get("/v1/queues/consultation")).json()["tickets"]
    assert seen == [each["ticket_id"] for each in whole]
    assert len(seen) == 7

    lead = {"X-API-Key": DEVELOPMENT_KEYS["supervisor-dev"]}
    for name, queue in (("a", "repair"), ("b", "*"), ("c", "complaint"), ("d", "repair")):
        await client.put(f"/v1/agents/{name}", json={"queues": [queue]}, headers=lead)
    await client.put("/v1/agents/d/presence", json={"presence": "available"}, headers=lead)

    async def agents(**asked: object) -> list[str]:
        answer = await client.get("/v1/agents", params={name: str(value) for name, value in asked.items()})
        return [each["agent_id"] for each in answer.json()["agents"]]

    assert await agents() == ["a", "b", "c", "d"]
    assert await agents(limit=2) == ["a", "b"]
    assert await agents(limit=2, after="b") == ["c", "d"]
    assert await agents(queue="repair") == ["a", "b", "d"]
    assert await agents(queue="repair", presence="available") == ["d"]
    assert (await client.get("/v1/agents?queue=nowhere")).status_code == 200, "b serves every queue"


async def test_a_page_of_thousands_of_agents_is_read_and_shown_by_the_hundred(
    client: httpx.AsyncClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All 4,700 in one go held up every other request for half a second."""
    profile = '{"queues": ["repair"], "languages": ["zh"], "capacity": 1}'
    await desk.connection.execute(
        "INSERT INTO agent SELECT a, 'offline', now(), now(), $1::jsonb || jsonb_build_object('agent_id', a)"
        " FROM (SELECT 'a' || n AS a FROM generate_series(1000, 1249) AS n) AS those",
        profile,
    )
    page, asked = roster.page, list[int]()

    async def counted(connection: Any, after: str, presence: Any, queue: str | None, limit: int) -> Any:
        asked.append(limit)
        return await page(connection, after, presence, queue, limit)

    monkeypatch.setattr(roster, "page", counted)
    everybody = (await client.get("/v1/agents")).json()
    assert [one["agent_id"] for one in everybody["agents"]] == [f"a{n}" for n in range(1000, 1250)]
    assert AgentsView.model_validate(everybody).model_dump(mode="json") == everybody
    assert asked == [100, 100, 100]
    some = (await client.get("/v1/agents", params={"limit": 120, "after": "a1005"})).json()
    assert some["agents"] == everybody["agents"][6:126]
    assert asked[3:] == [100, 20]


async def test_reading_a_queue_uses_its_index(desk: Desk) -> None:
    await desk.take(*(contact(f"{n}", text="查电费") for n in range(300)))
    await desk.connection.execute("ANALYZE ticket")
    await desk.connection.execute("SET enable_seqscan = off")
    plan = await desk.connection.fetch(
        "EXPLAIN SELECT * FROM ticket WHERE queue = 'consultation' AND state = 'queued'"
        " ORDER BY rank_at, ticket_id LIMIT 10"
    )
    further = store._WAITING_AFTER.replace("$1", "'consultation'").replace("$2", "10")
    plans = [plan, await desk.connection.fetch(f"EXPLAIN {further.replace('$3', repr(str(uuid4())))}")]
    for text in ("\n".join(row[0] for row in each) for each in plans):
        assert "ticket_queue" in text
        assert "Sort" not in text


async def test_an_unknown_queue_is_told_with_those_there_are(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/queues/emergancy")
    assert answer.status_code == 404
    assert "emergency" in answer.json()["detail"]


@pytest.mark.parametrize("limit", [0, 501, "x"])
async def test_a_limit_has_bounds(client: httpx.AsyncClient, limit: object) -> None:
    answer = await client.get("/v1/queues/repair", params={"limit": str(limit)})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"


async def test_explain_tells_the_queue_and_every_route_tried(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/routes/explain", json={"business_type": "fault_report", "language": "en-GB"})
    told = answer.json()
    assert (told["queue"], told["route"], told["priority"]) == ("repair.en", "root/faults/english", "high")
    assert told["tried"][0]["why"] == "the root matches everything"
    assert told["tried"][-1]["held"] is True
    failed = next(each for each in told["tried"] if each["route"] == "root/danger")
    assert failed["why"] == "hazards present does not hold: hazards is nothing"
    assert ROUTES.read_text(encoding="utf-8").splitlines()[failed["line"] - 1].strip() == "- name: danger"


async def test_explain_agrees_with_what_the_handler_did(client: httpx.AsyncClient, desk: Desk) -> None:
    for n, told in enumerate(
        [
            {"text": "停电了"},
            {"text": "停电了", "account_id": "A2"},
            {"text": "着火了", "account_id": "A1"},
            {"business_type": "complaint", "language": "bo-CN"},
            {"business_type": "fault_report", "text": "电压低", "channel": Channel.SMS},
            {"text": "有个老乡从梯子上滚下来了，手里还抓着那根线"},
        ]
    ):
        said = contact(f"{n}", **told)
        await desk.take(said)
        ticket = await desk.ticket(said)
        about = ticket.classification
        asked = {
            "business_type": about.business_type,
            "classified_by": about.type_rule,
            "fault": about.fault,
            "hazards": about.hazards,
            "suspected": about.suspected is not None,
            "language": about.language,
            "customer_class": ticket.place.customer_class,
            "placed": ticket.place.area is not None,
        }
        answer = (await client.post("/v1/routes/explain", json=asked)).json()
        assert (answer["queue"], answer["route"]) == (ticket.queue, ticket.taken.path)
        assert answer["priority"] == ticket.priority


@pytest.mark.parametrize(
    "told", [{"business_type": "complaint"}, {"business_type": "fault_report", "fault": "voltage"}]
)
async def test_explain_takes_what_names_a_danger_for_an_outage_as_the_router_does(
    client: httpx.AsyncClient, told: dict[str, str]
) -> None:
    answer = (await client.post("/v1/routes/explain", json={**told, "hazards": ["fire"]})).json()
    assert (answer["attributes"]["fault"], answer["attributes"]["is_outage"]) == (["outage"], ["true"])


async def test_explain_shows_where_what_only_sounds_like_danger_goes(client: httpx.AsyncClient) -> None:
    asked = {"business_type": "consultation", "suspected": True}
    answer = (await client.post("/v1/routes/explain", json=asked)).json()
    assert (answer["queue"], answer["priority"]) == ("emergency", "urgent")
    assert answer["attributes"]["suspected"] == ["true"]
    named = (await client.post("/v1/routes/explain", json={**asked, "hazards": ["fire"]})).json()
    assert (named["route"], named["attributes"]["suspected"]) == ("root/danger", ["false"]), "it is one"


async def test_a_ticket_is_explained_to_whoever_may_read_it(
    doors: httpx.AsyncClient, desk: Desk, people: People
) -> None:
    said = contact("1", text="着火了", account_id="A1")
    await desk.take(said)
    ticket = await desk.ticket(said)
    path = f"/v1/tickets/{ticket.ticket_ref}/explain"
    assert (await doors.get(path)).status_code == 401, "it says what it is about, and where"
    told = (await doors.get(path, headers={"X-API-Key": DEVELOPMENT_KEYS["wallboard-dev"]})).json()
    assert (told["queue"], told["route"], told["priority"]) == (ticket.queue, ticket.taken.path, "emergency")
    assert told["tried"][-1]["held"] is True
    assert told["decided_by"] == told["tree_hash"] == people.book.rules.hash


@pytest.mark.parametrize(
    ("asked", "field", "reason"),
    [
        ({"business_type": "fault"}, "business_type", "is none of classify.yaml: fault_report"),
        ({"business_type": "fault_report", "hazards": ["flood"]}, "hazards", "flood: none of classify.yaml"),
        ({"business_type": "fault_report", "fault": "voltge"}, "fault", "is none of classify.yaml: outage"),
        ({"business_type": "complaint", "fault": "outage"}, "fault", "only a fault_report has one"),
        ({"business_type": "fault_report", "colour": "red"}, "colour", "Extra inputs"),
        ({}, "business_type", "Field required"),
    ],
)
async def test_explain_refuses_what_is_no_attribute(
    client: httpx.AsyncClient, asked: dict[str, object], field: str, reason: str
) -> None:
    answer = await client.post("/v1/routes/explain", json=asked)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert error["reason"].startswith(reason)
