"""Any two deliveries of one event, of every channel, are one contact: whatever came between, however late, restarted.

The sender's words are random within what each system sends; around the two deliveries other events come, the clock goes
on, and the process may have forgotten everything.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.channels import app, asterisk, cloudevents, connect, huawei, phone, sms, twilio, web, wechat
from services.intake.channels.contact import Accepted, contact_fingerprint
from services.intake.channels.conversation import Talk
from services.intake.channels.payload import read_object
from services.intake.channels.refusal import PayloadRefusedError
from services.intake.channels.source import SmsProvider, SmsSource, TwilioSource
from services.intake.security import load_sources
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

SOURCES = load_sources(IntakeSettings.model_fields["sources_file"].default)
PHRASES = load_phrases(IntakeSettings.model_fields["phrases_file"].default)
IVR, SITE, APP, CHAT = SOURCES.phone["ivr-dev"], SOURCES.web["web-dev"], SOURCES.app["app-dev"], SOURCES.api["api-dev"]
ACCOUNT = SOURCES.wechat["gh_gridline_dev"]
TWILIO = TwilioSource.model_validate(
    {"name": "tw", "account_sid": f"AC{7:032x}", "auth_tokens": ["t" * 32], "public_url": "https://hotline.example"}
)
START = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)

Fields = dict[str, Any]
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
numbers = st.sampled_from(["13800138000", "02584400000", "+14155550100"])
ids = st.from_regex(r"\A[a-z0-9]{1,8}\Z")
instants = st.integers(0, 7200).map(lambda seconds: (START - timedelta(seconds=seconds)).isoformat())
seconds = st.integers(0, 7200).map(lambda before: int(START.timestamp()) - before)


def fields(needed: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Fields]:
    return st.fixed_dictionaries(needed, optional=optional)


def gateway(provider: str) -> Callable[[Fields, datetime, Talk], Any]:
    source = SmsSource.model_validate({"name": "gw", "provider": provider, "api_keys_sha256": ["0" * 64]})

    def push(told: Fields, now: datetime, talk: Talk) -> Any:
        [found] = sms.accept(source, as_json([told]) if provider != "baidu" else as_json(told), None, now, talk)
        if isinstance(found, PayloadRefusedError):
            raise found
        return found

    return push


def as_json(told: Any) -> bytes:
    return json.dumps(told, ensure_ascii=False).encode()


def as_xml(told: Fields) -> bytes:
    inner = "".join(f"<{name}><![CDATA[{str(text).replace(']]>', '')}]]></{name}>" for name, text in told.items())
    return f"<xml>{inner}</xml>".encode()


report = {"text": words, "account_id": ids, "phone": numbers, "reported_at": instants, "hazard": st.booleans()}
call = {"ani": numbers, "account_no": ids, "agent_id": ids, "menu_path": st.lists(ids, max_size=3)}
kinds = st.sampled_from(["started", "ended"])

CHANNELS: dict[str, tuple[st.SearchStrategy[Fields], Callable[[Fields, datetime, Talk], Any]]] = {
    "phone": (
        fields({"external_call_id": ids, "event": kinds, "occurred_at": instants}, event_id=ids, **call),
        lambda told, now, _: phone.accept(IVR, as_json(told), None, now),
    ),
    "twilio": (
        fields({"CallSid": ids, "CallStatus": st.sampled_from(["ringing", "completed"])}, From=numbers, Digits=ids),
        lambda told, now, _: twilio.accept(
            TWILIO, twilio.read_form(urlencode({**told, "AccountSid": TWILIO.account_sid}).encode()), "", now
        ),
    ),
    "connect": (
        fields({"ContactId": ids}, CustomerEndpoint=numbers.map(lambda one: {"Address": one}), InitialContactId=ids),
        lambda told, now, _: connect.accept(
            IVR,
            as_json({"Name": "ContactFlowEvent", "Details": {"ContactData": {"Channel": "VOICE"} | told}}),
            None,
            now,
        ),
    ),
    "asterisk": (
        fields({"Uniqueid": ids}, Linkedid=ids, CallerIDNum=numbers),
        lambda told, now, _: asterisk.accept(IVR, as_json({"Event": "Newchannel"} | told), None, now),
    ),
    "huawei": (
        fields({"SYS.callId": ids}, **{"SYS.callingNumber": numbers, "event_id": ids, "account_no": ids}),
        lambda told, now, _: huawei.accept(IVR, as_json(told), None, now),
    ),
    "web": (fields({"event_id": ids, **report}), lambda told, now, _: web.accept(SITE, as_json(told), None, now)),
    "app": (
        fields({"event_id": ids, "text": words}, installation_id=ids, account_id=ids),
        lambda told, now, _: app.accept(APP, as_json(told), None, now),
    ),
    "events": (
        fields({"id": ids, "data": fields({"text": words}, thread=ids, phone=numbers)}, time=instants),
        lambda told, now, _: cloudevents.accept(
            CHAT,
            read_object(
                as_json({"specversion": "1.0", "source": "s", "type": "gridline.contact.submitted.v1", **told})
            ),
            now,
        ),
    ),
    "wechat": (
        fields(
            {"FromUserName": ids, "CreateTime": seconds, "MsgId": ids, "MsgType": st.just("text")},
            Content=words | st.sampled_from(["停电了", "0123456789"]),
        ),
        lambda told, now, talk: wechat.accept(
            ACCOUNT, wechat.in_clear(as_xml({"ToUserName": ACCOUNT.name} | told)), now, talk
        ),
    ),
    "wechat event": (
        fields(
            {
                "FromUserName": ids,
                "CreateTime": seconds,
                "MsgType": st.just("event"),
                "Event": st.sampled_from(["CLICK", "subscribe", "unsubscribe"]),
            },
            EventKey=st.sampled_from(["REPORT_OUTAGE", "ENQUIRY"]),
        ),
        lambda told, now, talk: wechat.accept(
            ACCOUNT, wechat.in_clear(as_xml({"ToUserName": ACCOUNT.name} | told)), now, talk
        ),
    ),
    SmsProvider.ALIYUN.value: (
        fields(
            {"phone_number": numbers, "content": words, "send_time": st.just("2026-11-22 08:30:00")}, sequence_id=ids
        ),
        gateway("aliyun"),
    ),
    SmsProvider.VOLCENGINE.value: (
        fields({"mobile": numbers, "content": words, "recv_time": seconds.map(lambda at: at * 1000)}),
        gateway("volcengine"),
    ),
    SmsProvider.BAIDU.value: (
        fields({"mobile": numbers, "content": words, "receiveTime": instants}),
        gateway("baidu"),
    ),
    SmsProvider.GENERIC.value: (
        fields({"event_id": ids, "phone": numbers, "text": words}, received_at=instants),
        gateway("generic"),
    ),
}


def counted(outcome: Any) -> tuple[UUID, bytes] | None:
    """What everybody behind Kafka counts it by; None where nothing is kept of it."""
    kept = outcome.contact if isinstance(outcome, Accepted) else outcome.heard
    return None if kept is None else (kept.message_id, contact_fingerprint(kept))


@pytest.mark.parametrize("channel", CHANNELS)
@settings(max_examples=60)
@given(data=st.data())
def test_any_two_deliveries_of_one_event_in_any_order_are_one_contact(channel: str, data: st.DataObject) -> None:
    strategy, deliver = CHANNELS[channel]
    events: list[Fields] = data.draw(st.lists(strategy, min_size=1, max_size=3))
    deliveries = data.draw(st.permutations([*range(len(events))] * 2))
    restart = data.draw(st.integers(0, len(deliveries)))
    talk, now = Talk.fresh(lambda: PHRASES), START
    found: dict[int, set[Any]] = {}
    for turn, number in enumerate(deliveries):
        if turn == restart:
            talk = Talk.fresh(lambda: PHRASES)
        now += timedelta(seconds=data.draw(st.integers(0, 4000)))
        try:
            outcome = counted(deliver(events[number], now, talk))
        except PayloadRefusedError as refusal:
            outcome = (refusal.reason, refusal.fields)  # type: ignore[assignment] # refused alike is as good
        found.setdefault(number, set()).add(outcome)
    assert all(len(outcomes) == 1 for outcomes in found.values()), found


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_here_keeps_what_it_is_sent(channel: str) -> None:
    """Or the law above would hold of refusals alone."""
    strategy, deliver = CHANNELS[channel]
    kept = []

    @settings(max_examples=20, database=None)
    @given(told=strategy)
    def some(told: Fields) -> None:
        try:
            kept.append(counted(deliver(told, START, Talk.fresh(lambda: PHRASES))))
        except PayloadRefusedError:
            kept.append(None)

    some()
    assert any(one is not None for one in kept)
