"""The intake as it runs, on a real Kafka: accepted is kept, counted once, and bad input never reaches the topic."""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from services.contracts.envelope import decode, open_record
from services.contracts.messages import ContactReceived
from services.contracts.topics import CONTACT_RECEIVED
from services.contracts.values import Channel
from services.intake.channels.wechat_cipher import signature
from services.intake.security import DEVELOPMENT_KEYS, DEVELOPMENT_WECHAT

if TYPE_CHECKING:
    from pathlib import Path

    from aiokafka.structs import ConsumerRecord

    from deploy.native.kafka import KafkaBroker
    from tests.service_process import Service

pytestmark = pytest.mark.integration

KEYS = {"phone/events": "ivr-dev", "web/reports": "web-dev", "app/reports": "app-dev"}
((ACCOUNT, TOKEN),) = DEVELOPMENT_WECHAT.items()


def contact_of(record: ConsumerRecord[bytes, bytes]) -> ContactReceived:
    found = decode(open_record(record.value, record.headers), CONTACT_RECEIVED.types)
    assert isinstance(found, ContactReceived)
    return found


async def post(client: httpx.AsyncClient, door: str, payload: Any, **headers: str) -> httpx.Response:
    given = {"X-API-Key": DEVELOPMENT_KEYS[KEYS[door]], "Content-Type": "application/json", **headers}
    content = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
    return await client.post(f"/v1/{door}", content=content, headers=given)


async def post_wechat(client: httpx.AsyncClient, inner: str, msg_id: int, content: bytes | None = None) -> Any:
    moment, nonce = "1763770201", str(msg_id)
    body = (
        f"<xml><ToUserName>{ACCOUNT}</ToUserName><FromUserName>o1</FromUserName><CreateTime>1763770200</CreateTime>"
        f"{inner}<MsgId>{msg_id}</MsgId></xml>"
    ).encode()
    return await client.post(
        f"/v1/wechat/{ACCOUNT}",
        params={"timestamp": moment, "nonce": nonce, "signature": signature(TOKEN, moment, nonce)},
        content=body if content is None else content,
        headers={"Content-Type": "text/xml"},
    )


def call(number: int, **fields: Any) -> dict[str, Any]:
    base = {"external_call_id": f"call-{number}", "event": "ended", "occurred_at": "2026-11-22T08:30:00+08:00"}
    return {**base, "menu_path": ["1"], "account_no": f"{number:010d}", **fields}


def report(number: int, **fields: Any) -> dict[str, Any]:
    return {"event_id": f"e-{number}", "business_type": "fault_report", "account_id": f"{number:010d}", **fields}


async def test_an_accepted_contact_of_each_channel_is_on_the_topic(intake: Service, client: httpx.AsyncClient) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answers = [
        await post(client, "phone/events", call(1), traceparent=f"00-{trace}-00f067aa0ba902b7-01"),
        await post(client, "web/reports", report(1, position={"lat": 32.0, "lon": 118.7, "accuracy_m": 10})),
        await post(client, "app/reports", report(1, hazard=True), **{"Idempotency-Key": "e-1"}),
    ]
    said = await post_wechat(client, "<MsgType>text</MsgType><Content>停电了</Content>", 1)
    assert said.status_code == 200
    assert "工单号" in said.text
    records = await intake.records(CONTACT_RECEIVED)
    by_channel = {contact_of(record).channel.value: record for record in records}
    assert sorted(by_channel) == ["app", "phone", "web", "wechat"]
    assert len(records) == 4
    for answer, channel in zip(answers, ("phone", "web", "app"), strict=True):
        assert answer.status_code == 202
        contact = contact_of(by_channel[channel])
        assert answer.json() == {"contact_id": str(contact.contact_id), "ticket_ref": contact.ticket_ref}
        assert by_channel[channel].key == str(contact.ticket_id).encode()
    headers = {name: value.decode() for name, value in by_channel["phone"].headers}
    assert headers["ce_type"] == "gridline.contact.received.v1"
    assert headers["ce_source"] == "gridline/intake"
    assert headers["traceparent"].startswith(f"00-{trace}-")
    page = (await client.get("/metrics")).text
    assert 'gridline_intake_contacts_accepted_total{channel="wechat",source="gh_gridline_dev"} 1.0' in page
    assert 'gridline_intake_accept_seconds_count{channel="phone"} 1.0' in page
    assert "gridline_intake_unresolved_sends 0.0" in page


async def test_the_same_event_again_has_the_same_id_and_fingerprint(intake: Service, client: httpx.AsyncClient) -> None:
    sendings = [
        ("phone/events", call(1)),
        ("web/reports", report(1)),
        ("app/reports", report(1, reported_at="2026-11-22T08:30:00+08:00")),
    ]
    for door, payload in sendings:
        backwards = dict(reversed(payload.items()))
        first, again = await post(client, door, payload), await post(client, door, backwards)
        assert first.status_code == again.status_code == 202
        assert first.json() == again.json()
    for _ in range(2):
        await post_wechat(client, "<MsgType>text</MsgType><Content>停电了</Content>", 7)
    fingerprints: dict[str, list[bytes]] = {}
    for record in await intake.records(CONTACT_RECEIVED):
        fingerprints.setdefault(str(contact_of(record).contact_id), []).append(dict(record.headers)["ce_fingerprint"])
    assert len(fingerprints) == 4
    assert all(len(twice) == 2 and len(set(twice)) == 1 for twice in fingerprints.values())


async def test_another_body_under_the_same_id_has_another_fingerprint(
    intake: Service, client: httpx.AsyncClient
) -> None:
    for account in ("0000000001", "0000000002"):
        told = call(1, event_id="e-1", account_no=account)
        assert (await post(client, "phone/events", told)).status_code == 202
    assert (await post(client, "web/reports", report(1, text="没电"))).status_code == 202
    assert (await post(client, "web/reports", report(1, text="有电"))).status_code == 422, (
        "where a person may correct it"
    )
    one, other = [one for one in await intake.records(CONTACT_RECEIVED) if contact_of(one).channel is Channel.PHONE]
    assert contact_of(one).contact_id == contact_of(other).contact_id
    assert dict(one.headers)["ce_fingerprint"] != dict(other.headers)["ce_fingerprint"]


async def test_what_a_source_kept_while_it_was_cut_off_is_marked_on_the_topic(
    intake: Service, client: httpx.AsyncClient
) -> None:
    """One after another and in a batch; a source whose clock is wrong is as it was."""
    now = datetime.now(UTC)

    def ago(minutes: float) -> str:
        return (now - timedelta(minutes=minutes)).isoformat()

    lags = (115, 90, 70, 45, 20, 1)
    for number, lag in enumerate(lags):
        assert (await post(client, "app/reports", report(number, reported_at=ago(lag)))).status_code == 202
        wrong = report(number, reported_at=ago(60 - number / 10))
        assert (await post(client, "web/reports", wrong)).status_code == 202
    assert (await post(client, "app/reports", report(2, reported_at=ago(70)))).status_code == 202, "sent again"
    event = {"specversion": "1.0", "source": "https://chat.example", "type": "gridline.contact.submitted.v1"}
    batch = [
        {**event, "id": f"{lag}", "data": {"text": "停电了", "channel": "phone", "reported_at": ago(lag)}}
        for lag in lags
    ]
    answer = await client.post(
        "/v1/events",
        content=json.dumps(batch).encode(),
        headers={"X-API-Key": DEVELOPMENT_KEYS["api-dev"], "Content-Type": "application/cloudevents-batch+json"},
    )
    assert answer.status_code == 202

    found: dict[str, dict[float, set[bool | None]]] = {}
    for record in await intake.records(CONTACT_RECEIVED):
        contact = contact_of(record)
        lag = round((now - contact.occurred_at).total_seconds() / 60)
        found.setdefault(contact.source, {}).setdefault(lag, set()).add(contact.kept_back)
    assert found["app-dev"] == {115: {None}, 90: {None}, 70: {True}, 45: {True}, 20: {True}, 1: {None}}
    assert found["api-dev"] == {115: {True}, 90: {True}, 70: {True}, 45: {True}, 20: {True}, 1: {None}}
    assert found["web-dev"] == {60: {None}, 59: {None}} or found["web-dev"] == {60: {None}}
    page = (await client.get("/metrics")).text
    assert 'gridline_intake_contacts_kept_back_total{channel="app",source="app-dev"} 4.0' in page
    assert 'gridline_intake_contacts_kept_back_total{channel="phone",source="api-dev"} 5.0' in page


async def test_the_events_of_a_call_stay_together_and_in_order(intake: Service, client: httpx.AsyncClient) -> None:
    events = ["started", "dtmf", "ended"]
    for event in events:
        for number in range(5):
            await post(client, "phone/events", call(number, event=event))
    by_ticket: dict[Any, list[Any]] = {}
    for record in await intake.records(CONTACT_RECEIVED):
        contact = contact_of(record)
        by_ticket.setdefault(contact.ticket_id, []).append((record.partition, contact.event))
    assert len(by_ticket) == 5
    for found in by_ticket.values():
        assert len({partition for partition, _ in found}) == 1
        assert [event for _, event in found] == events


async def test_every_202_of_a_burst_is_on_the_topic_once(intake: Service, client: httpx.AsyncClient) -> None:
    async def worker(numbers: range) -> list[httpx.Response]:
        return [await post(client, "app/reports", report(number)) for number in numbers]

    parts = await asyncio.gather(*(worker(range(start, 320, 16)) for start in range(16)))
    answers = [answer for part in parts for answer in part]
    assert {answer.status_code for answer in answers} == {202}
    on_topic = sorted(str(contact_of(record).contact_id) for record in await intake.records(CONTACT_RECEIVED))
    assert on_topic == sorted(answer.json()["contact_id"] for answer in answers)


BAD: list[tuple[bytes, dict[str, str], int]] = [
    (b"\x00\xff\xfe random", {}, 400),
    (b'{"event_id":"e","text":' + b"[" * 30_000, {}, 400),
    (b'{"event_id":"e","text":"' + b"x" * 70_000 + b'"}', {}, 413),
    ('{"event_id":"e","text":"停电"}'.encode("gb18030"), {}, 400),
    ('{"event_id":"e","text":"停电"}'.encode("utf-16"), {}, 400),
    (b'{"event_id":"e","text":"x"}', {"Content-Type": "application/json; charset=gb18030"}, 415),
    (b'{"event_id":"e","text":"x"}', {"Content-Encoding": "gzip"}, 415),
    (b'{"event_id":"e","text":"\\u0000"}', {}, 422),
    (b'{"event_id":"e","text":"x","position":{"lat":91,"lon":0}}', {}, 422),
    (b'{"text":"x"}', {}, 400),
    (b'{"event_id":"e","text":"x"}', {"X-API-Key": "wrong"}, 401),
]


async def test_bad_input_is_4xx_and_nothing_is_on_the_topic(intake: Service, client: httpx.AsyncClient) -> None:
    for payload, headers, status in BAD:
        for door in ("web/reports", "app/reports"):
            answer = await post(client, door, payload, **headers)
            assert answer.status_code == status, (payload[:60], headers, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]><xml>&a;</xml>'
    assert (await post_wechat(client, "", 1, bomb)).status_code == 400
    assert await intake.records(CONTACT_RECEIVED) == []
    assert "Traceback" not in intake.log


async def test_an_endless_body_is_cut_off(intake: Service) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", intake.port)
    key = DEVELOPMENT_KEYS["web-dev"]
    head = f"POST /v1/web/reports HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    sent = 0
    cut = False
    while not cut and sent < 100_000_000:
        writer.write(chunk)
        sent += len(chunk)
        try:
            await asyncio.wait_for(writer.drain(), 10)
            await asyncio.sleep(0)
        except ConnectionError:
            cut = True
    writer.transport.abort()
    assert cut
    assert sent < 20_000_000  # the limit is 64 KiB; the rest is what the kernel's buffers took
    assert "Traceback" not in intake.log


async def test_a_sender_that_goes_away_mid_body_leaves_no_trace(intake: Service, client: httpx.AsyncClient) -> None:
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", intake.port)
        key = DEVELOPMENT_KEYS["web-dev"]
        head = f"POST /v1/web/reports HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
        writer.write(f'{head}Content-Length: 500\r\n\r\n{{"event_id":'.encode())
        await writer.drain()
        writer.transport.abort()
    assert (await post(client, "web/reports", report(1))).status_code == 202
    assert len(await intake.records(CONTACT_RECEIVED)) == 1
    assert "Traceback" not in intake.log


@pytest.mark.usefixtures("hasty")
async def test_while_the_broker_is_silent_503_comes_in_time_and_the_same_event_is_accepted_after(
    kafka_broker: KafkaBroker, intake: Service, client: httpx.AsyncClient
) -> None:
    before = await post(client, "web/reports", report(0))
    assert before.status_code == 202
    kafka_broker.pause()
    try:
        started = time.monotonic()
        waiting = await asyncio.gather(
            *(post(client, "web/reports", report(number)) for number in range(1, 40)),
            post_wechat(client, "<MsgType>text</MsgType><Content>停电了</Content>", 5),
        )
        took = time.monotonic() - started
        assert {answer.status_code for answer in waiting} == {503}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in waiting)
        assert "same id" in waiting[0].json()["detail"]
        assert 1.5 <= took < 8, "the deadline, not the ten seconds of the client's own patience"
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
    finally:
        kafka_broker.resume()
    kafka_broker.wait_ready()
    accepted = {}
    for number in range(1, 40):
        answer = await _until_accepted(client, report(number))
        accepted[answer.json()["contact_id"]] = number
    assert len(accepted) == 39
    fingerprints: dict[str, set[bytes]] = {}
    for record in await intake.records(CONTACT_RECEIVED):
        found = fingerprints.setdefault(str(contact_of(record).contact_id), set())
        found.add(dict(record.headers)["ce_fingerprint"])
    assert accepted.keys() <= fingerprints.keys()
    assert all(len(found) == 1 for found in fingerprints.values())
    assert 1 <= intake.log.count("contacts_not_accepted") < 10  # the change is logged, not each of the 40 refusals
    assert "contacts_accepted_again" in intake.log


async def _until_accepted(client: httpx.AsyncClient, payload: dict[str, Any]) -> httpx.Response:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        answer = await post(client, "web/reports", payload)
        if answer.status_code == 202:
            return answer
        assert answer.status_code == 503
        await asyncio.sleep(0.2)
    raise AssertionError("not accepted within 30 s of the broker's return")


async def test_a_drain_loses_no_accepted_contact(intake: Service, client: httpx.AsyncClient) -> None:
    accepted: list[str] = []
    refused: list[int] = []

    async def keep_sending(worker: int) -> None:
        for number in range(10_000):
            try:
                answer = await post(client, "app/reports", report(worker * 10_000 + number))
            except httpx.TransportError:
                return
            if answer.status_code == 202:
                accepted.append(answer.json()["contact_id"])
            elif answer.status_code == 503 and len(accepted) < 50:
                await asyncio.sleep(0.1)  # the broker was silent for the test before: it may have no leader yet
            else:
                refused.append(answer.status_code)
                return

    sending = [asyncio.create_task(keep_sending(worker)) for worker in range(16)]
    while len(accepted) < 50:
        await asyncio.sleep(0.005)
    code = await intake.terminate()
    await asyncio.gather(*sending)
    assert code == 0, intake.log
    on_topic = {str(contact_of(record).contact_id) for record in await intake.records(CONTACT_RECEIVED)}
    assert set(accepted) <= on_topic
    assert set(refused) <= {503}


async def test_no_personal_data_and_no_secret_is_in_the_log(intake: Service, client: httpx.AsyncClient) -> None:
    personal = {"phone": "13800138000", "address": "中山路1号", "text": "我家停电了", "account_id": "0123456789"}
    await post(client, "web/reports", {"event_id": "e1", **personal})
    await post(client, "web/reports", {"event_id": "e2", **personal, "position": {"lat": 99, "lon": 1}})
    await post(client, "web/reports", {"event_id": "e3", **personal}, **{"X-API-Key": "a-wrong-key-of-ours"})
    log = intake.log
    assert '"contact_refused"' in log
    assert "position.lat" in log
    page = (await client.get("/metrics")).text
    for secret in [*personal.values(), *DEVELOPMENT_KEYS.values(), TOKEN, "a-wrong-key-of-ours"]:
        assert secret not in log
        assert secret not in page
    assert "development_credentials_accepted" in log


async def test_a_wrong_sources_file_stops_the_start_and_names_every_line(
    stopped_intake: Service, tmp_path: Path
) -> None:
    file = tmp_path / "sources.yaml"
    file.write_text("web:\n  site:\n    api_key: x\nphone:\n  ivr:\n    api_keys_sha256: [abc]\n")
    process = stopped_intake.start(sources_file=os.fspath(file))
    assert await stopped_intake.ended(process) == 78
    assert ":3: web.site.api_key: Extra inputs are not permitted" in stopped_intake.log
    assert ":6: phone.ivr.api_keys_sha256.0: " in stopped_intake.log
    assert "Traceback" not in stopped_intake.log
