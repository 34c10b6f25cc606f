"""The doors, in process, with a Kafka that is not there: a bad request is answered without it, a good one is 503."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client import REGISTRY

from services.contracts.envelope import decode, open_record
from services.contracts.topics import CONTACT_RECEIVED
from services.intake.api import routes
from services.intake.channels.wechat_cipher import signature
from services.intake.security import DEVELOPMENT_KEYS, DEVELOPMENT_WECHAT, load_sources
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases
from services.runtime.errors import UnavailableError
from services.runtime.http import make_app
from services.runtime.producer import Producer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from services.contracts.envelope import Outgoing

SOURCES = load_sources(IntakeSettings.model_fields["sources_file"].default)
PHRASES = load_phrases(IntakeSettings.model_fields["phrases_file"].default)
DOORS = {
    "/v1/phone/events": DEVELOPMENT_KEYS["ivr-dev"],
    "/v1/web/reports": DEVELOPMENT_KEYS["web-dev"],
    "/v1/app/reports": DEVELOPMENT_KEYS["app-dev"],
}
GOOD = {
    "/v1/phone/events": {"external_call_id": "c1", "event": "started", "occurred_at": "2026-11-22T08:30:00+08:00"},
    "/v1/web/reports": {"event_id": "e1", "text": "停电了"},
    "/v1/app/reports": {"event_id": "e1", "text": "停电了"},
}
doors = pytest.mark.parametrize("door", DOORS)
((ACCOUNT, TOKEN),) = DEVELOPMENT_WECHAT.items()
TEXT = (
    f"<xml><ToUserName>{ACCOUNT}</ToUserName><FromUserName>o1</FromUserName><CreateTime>1763770200</CreateTime>"
    "<MsgType>text</MsgType><Content>停电了</Content><MsgId>1</MsgId></xml>"
).encode()


@pytest.fixture
async def app() -> AsyncIterator[FastAPI]:
    settings = IntakeSettings(
        kafka_bootstrap="127.0.0.1:1", produce_deadline_s=0.2, max_body_bytes=4096, body_deadline_s=0.3, retry_after_s=7
    )
    producer = Producer(settings)
    made = make_app("intake", ready=lambda: asyncio.sleep(0, []))
    made.include_router(routes(settings, lambda: SOURCES, producer, lambda: PHRASES))
    yield made
    await producer.stop()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as opened:
        yield opened


async def post(client: httpx.AsyncClient, door: str, content: Any = None, **headers: str) -> httpx.Response:
    given = {"X-API-Key": DOORS[door], "Content-Type": "application/json", **headers}
    return await client.post(
        door, content=json.dumps(GOOD[door]).encode() if content is None else content, headers=given
    )


def signed(**changes: str) -> dict[str, str]:
    parts = {"timestamp": "1763770201", "nonce": "42"}
    return {**parts, "signature": signature(TOKEN, *parts.values()), **changes}


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    return found


@doors
async def test_a_good_event_without_kafka_is_503_that_says_to_retry(client: httpx.AsyncClient, door: str) -> None:
    answer = await post(client, door)
    assert "same id" in problem(answer, 503)["detail"]
    assert answer.headers["retry-after"] == "7"


@doors
@pytest.mark.parametrize("key", ["", "wrong", "gridline-dev-ivr-key " * 3])
async def test_strangers_are_all_refused_alike(client: httpx.AsyncClient, door: str, key: str) -> None:
    wrong = await post(client, door, **{"X-API-Key": key})
    missing = await client.post(door, content=b"{}", headers={"Content-Type": "application/json"})
    assert problem(wrong, 401) == problem(missing, 401)
    assert wrong.headers["www-authenticate"] == "ApiKey"


@doors
@pytest.mark.parametrize(
    ("content", "status", "title"),
    [
        (b"", 400, "Malformed"),
        (b"{", 400, "Malformed"),
        (b"null", 400, "Malformed"),
        (b'{"a":' * 600 + b"}" * 600, 400, "Too deep"),
        ('{"text":"停电了"}'.encode("gb18030"), 400, "Not utf8"),
        (b'{"a":[' + b"1," * 2000 + b"1]}", 400, "Too many parts"),
        (b"{}" + b" " * 5000, 413, "Oversize"),
    ],
)
async def test_a_body_that_cannot_be_read_is_4xx(
    client: httpx.AsyncClient, door: str, content: bytes, status: int, title: str
) -> None:
    assert problem(await post(client, door, content), status)["title"] == title


@doors
async def test_a_body_that_grows_beyond_the_limit_is_not_read_further(client: httpx.AsyncClient, door: str) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024
            yield b" " * 1024

    answer = await post(client, door, endless())
    problem(answer, 413)
    assert answer.headers["connection"] == "close"
    assert sent <= 8 * 1024


@doors
async def test_a_body_that_stalls_is_408(client: httpx.AsyncClient, door: str) -> None:
    async def stalling() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)
        yield b"}"

    problem(await post(client, door, stalling()), 408)


@doors
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=gbk"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br"},
    ],
)
async def test_another_kind_or_encoding_is_415(client: httpx.AsyncClient, door: str, headers: dict[str, str]) -> None:
    problem(await post(client, door, gzip.compress(b"{}"), **headers), 415)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", 'APPLICATION/JSON;charset="UTF-8"'])
async def test_the_usual_ways_to_say_json_are_understood(client: httpx.AsyncClient, kind: str) -> None:
    problem(await post(client, "/v1/web/reports", **{"Content-Type": kind}), 503)


async def test_every_wrong_field_is_in_the_answer(client: httpx.AsyncClient) -> None:
    content = json.dumps({"event_id": "e", "text": 7, "position": {"lat": 99, "lon": 1}}).encode()
    found = problem(await post(client, "/v1/web/reports", content), 422)
    assert {error["field"] for error in found["errors"]} == {"text", "position.lat"}
    assert all(error["reason"] for error in found["errors"])


@pytest.mark.parametrize("door", ["/v1/web/reports", "/v1/app/reports"])
async def test_a_report_without_an_id_is_400_and_says_which_to_send(client: httpx.AsyncClient, door: str) -> None:
    found = problem(await post(client, door, b'{"text":"x"}'), 400)
    assert found["errors"][0]["field"] == "event_id"
    assert "Idempotency-Key" in found["detail"]
    problem(await post(client, door, b'{"text":"x"}', **{"Idempotency-Key": "e2"}), 503)


async def test_beyond_the_bound_of_waiting_contacts_503_comes_at_once() -> None:
    settings = IntakeSettings(kafka_bootstrap="127.0.0.1:1", produce_deadline_s=1.0, max_unresolved_sends=2)
    producer = Producer(settings)
    app = make_app("intake", ready=lambda: asyncio.sleep(0, []))
    app.include_router(routes(settings, lambda: SOURCES, producer, lambda: PHRASES))
    titles: list[str] = []

    async def told(sender: httpx.AsyncClient, number: int = 0) -> None:
        body = json.dumps({"event_id": str(number), "text": "停电了"}).encode()
        titles.append(problem(await post(sender, "/v1/web/reports", body), 503)["title"])

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as sender:
        await asyncio.gather(*(told(sender, number) for number in range(6)))
        assert titles == [*(4 * ["Busy"]), *(2 * ["Outcome unknown"])], "in the order they were told"
        await told(sender)
        assert titles[-1] == "Outcome unknown"  # the bound is free again
    await producer.stop()


class Keeping(Producer):
    """Keeps contacts here, where the real one sends them."""

    def __init__(self, settings: IntakeSettings) -> None:
        super().__init__(settings)
        self.contacts: list[Any] = []
        self.away = False
        self.takes_s = 0.0

    async def send(self, outgoing: Outgoing, *, deadline_s: float | None = None) -> None:
        await asyncio.sleep(self.takes_s)
        if self.away:
            raise UnavailableError("no broker")
        self.contacts.append(decode(open_record(outgoing.value, outgoing.headers), CONTACT_RECEIVED.types))


@asynccontextmanager
async def keeping() -> AsyncIterator[tuple[httpx.AsyncClient, Keeping]]:
    settings = IntakeSettings()
    producer = Keeping(settings)
    app = make_app("intake", ready=lambda: asyncio.sleep(0, []))
    app.include_router(routes(settings, lambda: SOURCES, producer, lambda: PHRASES))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://intake") as sender:
        yield sender, producer


@pytest.mark.parametrize("door", ["/v1/web/reports", "/v1/app/reports"])
async def test_an_id_in_the_body_that_is_in_use_for_another_report_is_told_like_one_in_the_header(door: str) -> None:
    """What consumers do with it is to count the first; the sender of the other was told that it is accepted."""
    async with keeping() as (sender, producer):
        told = [
            await post(sender, door, json.dumps({"event_id": "7", "text": text}).encode())
            for text in ("停电了", "停电了", "着火了")
        ]
    assert [one.status_code for one in told] == [202, 202, 422]
    assert [one.text for one in producer.contacts] == ["停电了", "停电了"]


async def test_a_report_that_is_sent_twice_at_once_under_the_id_in_its_body_is_accepted_twice() -> None:
    """As a gateway does that lost patience: consumers count it once. Another body has to wait and see."""
    same, other = (json.dumps({"event_id": "7", "text": text}).encode() for text in ("停电了", "着火了"))
    async with keeping() as (sender, producer):
        producer.takes_s = 0.2
        told = await asyncio.gather(*(post(sender, "/v1/web/reports", body) for body in (same, same, other)))
    assert [one.status_code for one in told] == [202, 202, 409]


async def test_reports_of_anybody_that_name_one_number_are_kept_and_told_of_some_only() -> None:
    async with keeping() as (sender, producer):

        async def report(number: int) -> int:
            body = {"event_id": f"e{number}", "text": "停电了", "phone": "13800000000"}
            return (await sender.post("/v1/form/reports", json=body)).status_code

        producer.away = True
        assert [await report(1) for _ in range(20)] == [503] * 20
        producer.away = False
        assert [await report(number) for number in range(20)] == [202] * 20

    assert [one.reply_to is not None for one in producer.contacts] == [True] * 12 + [False] * 8
    assert {one.phone for one in producer.contacts} == {"13800000000"}


async def test_wechat_checks_the_address_and_is_echoed(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/wechat/{ACCOUNT}", params=signed(echostr="4375120948345356249"))
    assert (answer.status_code, answer.text) == (200, "4375120948345356249")
    assert answer.headers["content-type"].startswith("text/plain")
    for query in (signed(nonce="43"), {"echostr": "x"}):
        problem(await client.get(f"/v1/wechat/{ACCOUNT}", params=query), 401)


@pytest.mark.parametrize(
    ("account", "changes", "content", "status"),
    [
        (ACCOUNT, {}, TEXT, 503),
        (ACCOUNT, {"nonce": "43"}, TEXT, 401),
        ("gh_other", {}, TEXT, 401),
        (ACCOUNT, {"encrypt_type": "aes"}, TEXT, 400),
        (ACCOUNT, {}, b"<xml>", 400),
        (ACCOUNT, {}, b'<!DOCTYPE x [<!ENTITY a "b">]><xml>&a;</xml>', 400),
        (ACCOUNT, {}, TEXT.decode().encode("gbk"), 400),
        (ACCOUNT, {}, TEXT.replace(ACCOUNT.encode(), b"gh_other"), 422),
        (ACCOUNT, {}, b"<xml>" + b" " * 5000, 413),
    ],
)
async def test_wechat_is_success_only_after_kafka_and_4xx_for_bad_input(
    client: httpx.AsyncClient, account: str, changes: dict[str, str], content: bytes, status: int
) -> None:
    headers = {"Content-Type": "text/xml"}
    problem(
        await client.post(f"/v1/wechat/{account}", params=signed(**changes), content=content, headers=headers), status
    )


@pytest.mark.parametrize("kind", [b"LOCATION", b"VIEW", b"SCAN"])
async def test_wechat_events_that_open_no_ticket_are_success_without_kafka(
    client: httpx.AsyncClient, kind: bytes
) -> None:
    content = TEXT.replace(b"<MsgType>text", b"<Event>" + kind + b"</Event><MsgType>event")
    answer = await client.post(f"/v1/wechat/{ACCOUNT}", params=signed(), content=content)
    assert (answer.status_code, answer.text) == (200, "success")


@pytest.mark.parametrize("kind", [b"unsubscribe", b"subscribe", b"TEMPLATESENDJOBFINISH"])
async def test_what_wechat_tells_of_a_recipient_is_success_only_after_kafka(
    client: httpx.AsyncClient, kind: bytes
) -> None:
    content = TEXT.replace(b"<MsgType>text", b"<Event>" + kind + b"</Event><MsgType>event")
    problem(await client.post(f"/v1/wechat/{ACCOUNT}", params=signed(), content=content), 503)


async def test_refusals_are_counted_by_channel_and_reason(client: httpx.AsyncClient) -> None:
    def counted() -> float:
        labels = {"channel": "app", "reason": "malformed"}
        return REGISTRY.get_sample_value("gridline_intake_refusals_total", labels) or 0

    before = counted()
    await post(client, "/v1/app/reports", b"{")
    assert counted() == before + 1


async def test_the_openapi_document_describes_bodies_and_answers(app: FastAPI) -> None:
    document = app.openapi()
    for door in DOORS:
        operation = document["paths"][door]["post"]
        name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert set(GOOD[door]) <= set(document["components"]["schemas"][name]["properties"])
        assert {"202", "400", "401", "413", "415", "422", "503"} <= set(operation["responses"])
        answer = operation["responses"]["202"]["content"]["application/json"]["schema"]
        kind = "AnnouncedAnswer" if door.startswith("/v1/phone") else "AcceptedAnswer"
        assert answer == {"$ref": f"#/components/schemas/{kind}"}
        assert operation["security"] == [{"key": []}, {"signature": []}]
    assert "$defs" not in json.dumps(document)
    wechat = document["paths"]["/v1/wechat/{account}"]
    assert {"signature", "timestamp", "nonce", "account"} <= {one["name"] for one in wechat["post"]["parameters"]}
    assert "text/xml" in wechat["post"]["requestBody"]["content"]
