"""Real senders against the running service: the WeChat platform in safe mode, text-message gateways, CloudEvents."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from services.contracts.envelope import decode, open_record
from services.contracts.messages import ContactReceived, RecipientHeard
from services.contracts.topics import CONTACT_RECEIVED, RECIPIENT_HEARD
from services.intake.security import DEVELOPMENT_KEYS
from services.intake.settings import IntakeSettings
from tests.wechat_platform import Platform, decrypted

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.native.kafka import KafkaBroker
    from tests.service_process import Service

pytestmark = pytest.mark.integration

KEY, NEXT_KEY = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
NOON = 1_790_000_100  # well inside a half hour
SOURCES = f"""
  gh_safe:
    token: safetoken
    mode: safe
    appid: wx0123456789abcdef
    encoding_aes_keys: [{NEXT_KEY}, {KEY}]
    menu: {{REPORT_OUTAGE: fault_report}}
"""


def safe(**changes: Any) -> Platform:
    return Platform(
        **{"account": "gh_safe", "token": "safetoken", "aes_key": KEY, "appid": "wx0123456789abcdef", **changes}
    )


@pytest.fixture
async def talking(stopped_intake: Service, tmp_path: Path) -> Service:
    """An intake with an account in safe mode beside the shipped ones."""
    shipped = IntakeSettings.model_fields["sources_file"].default.read_text(encoding="utf-8")
    file = tmp_path / "sources.yaml"
    file.write_text(shipped.replace("\nwechat:\n", f"\nwechat:\n{SOURCES}", 1), encoding="utf-8")
    stopped_intake.start(sources_file=os.fspath(file))
    await stopped_intake.wait_ready()
    return stopped_intake


async def restarted(intake: Service, tmp_path: Path) -> None:
    assert await intake.terminate() == 0, intake.log
    intake.start(sources_file=os.fspath(tmp_path / "sources.yaml"))
    await intake.wait_ready()


async def contacts(intake: Service) -> dict[str, ContactReceived]:
    """The contacts on the topic, each once, by the source's id of the event."""
    found: dict[str, ContactReceived] = {}
    prints: dict[str, set[bytes]] = {}
    for record in await intake.records(CONTACT_RECEIVED):
        contact = decode(open_record(record.value, record.headers), CONTACT_RECEIVED.types)
        assert isinstance(contact, ContactReceived)
        before = found.setdefault(contact.source_event_id, contact)
        assert (before.contact_id, before.ticket_id) == (contact.contact_id, contact.ticket_id)
        prints.setdefault(contact.source_event_id, set()).add(dict(record.headers)["ce_fingerprint"])
    assert all(len(one) == 1 for one in prints.values())
    return found


async def heard(intake: Service) -> list[RecipientHeard]:
    found = []
    for record in await intake.records(RECIPIENT_HEARD):
        message = decode(open_record(record.value, record.headers), RECIPIENT_HEARD.types)
        assert isinstance(message, RecipientHeard)
        found.append(message)
    return found


@pytest.mark.parametrize("form", ["xml", "json"])
async def test_a_citizen_is_guided_to_one_ticket_over_a_restart_in_the_middle(
    talking: Service, tmp_path: Path, form: str
) -> None:
    platform = safe(form=form)
    text = platform.message("o1", "text", NOON, Content="停电了")
    place = platform.message("o1", "location", NOON + 40, Location_X=32.06, Location_Y=118.79, Scale=16, Label="柳荫路")
    async with httpx.AsyncClient(base_url=talking.url) as client:
        first = await platform.push(client, text)
        assert first is not None
        asked = platform.shown(first)
        again = await platform.push(client, text)  # a retry, encrypted anew
        assert again is not None
        assert platform.shown(again) == asked
        await restarted(talking, tmp_path)
        second = await platform.push(client, place)
        assert second is not None
        third = await platform.push(client, platform.message("o1", "text", NOON + 60, Content="0123456789"))
        assert third is not None
        late = await platform.push(client, text)
        assert late is not None
    found = await contacts(talking)
    assert len(found) == 3
    tickets = {contact.ticket_id for contact in found.values()}
    (ref,) = {contact.ticket_ref for contact in found.values()}
    assert len(tickets) == 1
    assert asked is not None
    assert "户号" in asked
    said = [asked, platform.shown(second), platform.shown(third), platform.shown(late)]
    assert all(one is not None and ref in one for one in said)
    assert {contact.account_id for contact in found.values()} == {None, "0123456789"}


async def test_the_new_key_the_old_key_and_no_other_are_answered_each_in_kind(talking: Service) -> None:
    async with httpx.AsyncClient(base_url=talking.url) as client:
        for key in (KEY, NEXT_KEY):
            platform = safe(aes_key=key)
            answer = await platform.push(client, platform.message("o2", "text", NOON, Content="停电了"))
            assert answer is not None
            assert platform.shown(answer)
        for stranger in (safe(aes_key="C" * 43), safe(token="other"), safe(appid="wx1"), safe(aes_key=None)):
            query, body = stranger.request(stranger.message("o3", "text", NOON, Content="停电了"))
            refused = await client.post("/v1/wechat/gh_safe", params=query, content=body)
            assert (refused.status_code, refused.json()["detail"]) == (401, "The credential is missing or not known.")
    assert {contact.reply_to.address for contact in (await contacts(talking)).values() if contact.reply_to} == {"o2"}
    assert KEY not in talking.log
    assert "safetoken" not in talking.log


@pytest.mark.usefixtures("hasty")
async def test_the_platform_tries_again_after_silence_and_the_message_is_counted_once(
    talking: Service, kafka_broker: KafkaBroker
) -> None:
    """The broker is silent, the platform gives up waiting and tries again; then all is well."""
    platform = safe(seconds=1.0)  # as impatient as the platform, in less time
    message = platform.message("o4", "text", NOON, Content="停电了")
    async with httpx.AsyncClient(base_url=talking.url) as client:
        kafka_broker.pause()
        try:
            assert await platform.push(client, message) is None
        finally:
            kafka_broker.resume()
        kafka_broker.wait_ready()
        answer = None
        for _ in range(30):
            answer = answer or await platform.push(client, message)
    assert answer is not None
    (contact,) = (await contacts(talking)).values()
    shown = platform.shown(answer)
    assert shown is not None
    assert contact.ticket_ref in shown


async def test_what_channels_tell_of_recipients_goes_to_notify_and_opens_no_ticket(talking: Service) -> None:
    platform = safe()
    stop = {"event_id": "s1", "phone": "13800000000", "text": "退订"}
    async with httpx.AsyncClient(base_url=talking.url) as client:
        for event in ("subscribe", "unsubscribe", "LOCATION"):
            answer = await platform.push(client, platform.message("o5", "event", NOON, Event=event))
            assert answer is not None
            assert (platform.shown(answer) is not None) is (event == "subscribe")
        finished = {"Event": "TEMPLATESENDJOBFINISH", "MsgID": 200163836, "Status": "failed:user block"}
        assert await platform.push(client, platform.message("o5", "event", NOON, **finished)) is not None
        answer = await client.post(f"/v1/sms/generic/{DEVELOPMENT_KEYS['sms-dev']}", json=stop)
        assert answer.status_code == 202
        assert "退订" in answer.json()["results"][0]["reply"]
    found = {(one.recipient.channel.value, one.heard) for one in await heard(talking)}
    assert found == {("wechat", "linked"), ("wechat", "unlinked"), ("wechat", "undelivered"), ("sms", "unlinked")}
    assert await contacts(talking) == {}


async def test_a_gateways_array_and_a_batch_of_events_keep_what_is_good_in_them(talking: Service) -> None:
    good = [{"event_id": f"m{n}", "phone": f"1380000000{n}", "text": "停电了"} for n in range(3)]
    event = {"specversion": "1.0", "source": "https://chat.example", "type": "gridline.contact.submitted.v1"}
    batch: list[Any] = [
        {**event, "id": "1", "data": {"text": "停电了", "thread": "t"}},
        {**event, "id": "2", "data": {"text": "停电了", "position": {"lat": 99, "lon": 0}}},
        {**event, "id": "3", "data": {"account_id": "0123456789", "thread": "t"}},
    ]
    async with httpx.AsyncClient(base_url=talking.url) as client:
        for _ in range(2):  # the gateway did not hear our answer
            pushed = await client.post(
                "/v1/sms/generic", json=[*good, {"phone": "x"}], headers={"X-API-Key": DEVELOPMENT_KEYS["sms-dev"]}
            )
            assert pushed.status_code == 202
            assert [("contact_id" in one) for one in pushed.json()["results"]] == [True, True, True, False]
        answer = await client.post(
            "/v1/events",
            content=json.dumps(batch),
            headers={
                "X-API-Key": DEVELOPMENT_KEYS["api-dev"],
                "Content-Type": "application/cloudevents-batch+json",
            },
        )
    assert answer.status_code == 207
    assert [one["index"] for one in answer.json()["accepted"]] == [0, 2]
    ((index, field),) = [(one["index"], one["errors"][0]["field"]) for one in answer.json()["refused"]]
    assert (index, field) == (1, "data.position.lat")
    found = (await contacts(talking)).values()
    assert sorted(contact.channel.value for contact in found) == ["api", "api", "sms", "sms", "sms"]
    assert len({contact.ticket_id for contact in found if contact.channel.value == "api"}) == 1


def test_the_platform_of_these_tests_reads_the_platforms_own_vector() -> None:
    """The control of the client: it is not only we who understand it."""
    vector = "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
    assert decrypted(vector, "A" * 43) == (b'{"demo_resp":"good luck"}', "wxba5fad812f8e6fb9")
