"""Callers on a real intake and Kafka: each vendor's door, one call one ticket, and what the caller hears."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from services.contracts.topics import CONTACT_RECEIVED
from services.intake.channels import twilio
from services.intake.security import DEVELOPMENT_KEYS
from tests.integration.intake.test_intake import contact_of
from tests.unit.intake.notify_stand_in import NotifyStandIn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.service_process import Service

pytestmark = pytest.mark.integration

TOKEN = "the-token-of-twilio"
SID = f"AC{7:032x}"
PUBLIC = "https://hotline.example"
SOURCES = f"""
phone:
  ivr-dev:
    api_keys_sha256: [b074b8a9f100d3dd224ada517ef6c208da3ada1a8a9b965b8a90bf85f548bb17]
    default_offset: "+08:00"
    menu: {{"1": fault_report}}
twilio:
  twilio-north:
    account_sid: {SID}
    auth_tokens: [the-token-of-twilio]
    public_url: {PUBLIC}
    continue_url: https://ivr.example/menu
    menu: {{"1": fault_report}}
"""
KEY = {"X-API-Key": DEVELOPMENT_KEYS["ivr-dev"]}


@pytest.fixture
async def notify() -> AsyncIterator[NotifyStandIn]:
    async with NotifyStandIn() as made:
        yield made


@pytest.fixture
async def client(stopped_intake: Service, notify: NotifyStandIn, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    sources = tmp_path / "sources.yaml"
    sources.write_text(SOURCES, encoding="utf-8")
    # The test is of what is answered; how fast is measured, not asserted, so notify may be as slow as the machine.
    stopped_intake.start(sources_file=str(sources), notify_url=notify.url, notify_deadline_s="5")
    await stopped_intake.wait_ready()
    async with httpx.AsyncClient(base_url=stopped_intake.url, timeout=30) as opened:
        yield opened


async def call_twilio(client: httpx.AsyncClient, query: str = "", token: str = TOKEN, **fields: str) -> Any:
    form = {"AccountSid": SID, "CallSid": "CA1", "CallStatus": "in-progress", "From": "+8613800138000", **fields}
    path = f"/v1/phone/twilio{query}"
    signed = twilio.signature(token, PUBLIC + path, tuple(form.items()))
    headers = {"X-Twilio-Signature": signed, "Content-Type": "application/x-www-form-urlencoded"}
    return await client.post(path, content=urlencode(form), headers=headers)


async def test_a_caller_of_twilio_hears_what_is_known_and_the_call_is_one_ticket(
    stopped_intake: Service, client: httpx.AsyncClient, notify: NotifyStandIn
) -> None:
    started = await call_twilio(client)
    assert started.status_code == 200, started.text
    assert started.headers["content-type"].startswith("text/xml")
    said, redirect = fromstring(started.content)
    assert "抢修人员已到达现场" in (said.text or "")
    assert (said.tag, said.attrib["language"]) == ("Say", "zh-CN")
    assert (redirect.tag, redirect.text) == ("Redirect", "https://ivr.example/menu")
    assert notify.places == [[{"phone": "+8613800138000"}]]

    assert (await call_twilio(client, "?menu_path=1", Digits="2")).status_code == 200
    assert (await call_twilio(client, CallStatus="ringing", CallbackSource="call-progress-events")).status_code == 200
    assert (await call_twilio(client, CallStatus="completed")).status_code == 200
    forged = await call_twilio(client, token="another-token")
    assert (forged.status_code, forged.json()["title"]) == (401, "Credentials")
    contacts = [contact_of(record) for record in await stopped_intake.records(CONTACT_RECEIVED)]
    assert [contact.event for contact in contacts] == ["started", "dtmf", "ended"]
    assert len({contact.ticket_id for contact in contacts}) == 1
    assert contacts[1].business_type == "fault_report"
    assert "the-token-of-twilio" not in stopped_intake.log


async def test_every_vendors_door_keeps_a_call_and_answers_what_the_ivr_should_say(
    stopped_intake: Service, client: httpx.AsyncClient, notify: NotifyStandIn
) -> None:
    notify.place = {"outage": "not_known", "placed": True}
    connect = {
        "Details": {
            "ContactData": {"Channel": "VOICE", "ContactId": "c-1", "CustomerEndpoint": {"Address": "+8613800138000"}},
            "Parameters": {"language": "en"},
        },
        "Name": "ContactFlowEvent",
    }
    huawei = {"SYS.callId": "h-1", "SYS.callingNumber": "13800138000", "SYS.createTime": "20261122083000"}
    asterisk = "Event: Newchannel\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\nCallerIDNum: 13800138000\r\nLanguage: en\r\n"
    ours = {"external_call_id": "o-1", "event": "started", "occurred_at": "2026-11-22T08:30:00", "ani": "13800138000"}
    answers = [
        await client.post("/v1/phone/connect", json=connect, headers=KEY),
        await client.post("/v1/phone/huawei", json=huawei, headers=KEY),
        await client.post("/v1/phone/asterisk", content=asterisk, headers={**KEY, "Content-Type": "text/plain"}),
        await client.post("/v1/phone/events", json=ours, headers=KEY),
    ]
    for answer in answers:
        assert answer.status_code == 202, answer.text
        assert answer.json()["outage"] == "not_known"
        assert answer.json()["say"]
        assert answer.json()["ticket_ref"]
    assert "We know of no outage" in answers[0].json()["say"]
    leg = "Event: Newchannel\r\nUniqueid: 1.2\r\nLinkedid: 1.1\r\n"
    nothing = await client.post("/v1/phone/asterisk", content=leg, headers={**KEY, "Content-Type": "text/plain"})
    assert (nothing.status_code, nothing.content) == (204, b"")
    assert len(await stopped_intake.records(CONTACT_RECEIVED)) == 4


async def test_a_contact_is_kept_while_notify_still_thinks(
    stopped_intake: Service, client: httpx.AsyncClient, notify: NotifyStandIn
) -> None:
    notify.held.clear()
    waiting = asyncio.create_task(call_twilio(client))
    while not await stopped_intake.records(CONTACT_RECEIVED):
        await asyncio.sleep(0.05)
    assert not waiting.done() or waiting.result().status_code == 200
    notify.held.set()
    answer = await waiting
    assert answer.status_code == 200
    assert (await call_twilio(client, CallSid="CA2")).status_code == 200
