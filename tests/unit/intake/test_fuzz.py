"""Whatever comes: a contact every consumer can read, or a refusal; never another exception."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.contracts.envelope import decode, encode, open_record
from services.contracts.topics import CONTACT_RECEIVED
from services.intake.channels import app, asterisk, cloudevents, connect, huawei, phone, sms, web, wechat
from services.intake.channels.contact import Accepted, contact_fingerprint
from services.intake.channels.conversation import Talk
from services.intake.channels.payload import read_list, read_object
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import SmsProvider, SmsSource
from services.intake.security import load_sources
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = load_sources(IntakeSettings.model_fields["sources_file"].default)
IVR, SITE = SOURCES.phone["ivr-dev"], SOURCES.web["web-dev"]
CHAT, ACCOUNT = SOURCES.api["api-dev"], SOURCES.wechat["gh_gridline_dev"]
PHRASES = load_phrases(IntakeSettings.model_fields["phrases_file"].default)
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


def gateway(provider: str) -> SmsSource:
    return SmsSource.model_validate({"name": "gw", "provider": provider, "api_keys_sha256": ["0" * 64]})


def first(outcomes: Sequence[Any]) -> Any:
    """What became of the first of many."""
    found = outcomes[0] if outcomes else PayloadRefusedError(Reason.MALFORMED, "there is none")
    if isinstance(found, PayloadRefusedError):
        raise found
    return found


CHANNELS: dict[str, Any] = {
    "phone": lambda body, now: phone.accept(IVR, body, None, now),
    "connect": lambda body, now: connect.accept(IVR, body, None, now),
    "asterisk": lambda body, now: asterisk.accept(IVR, body, None, now),
    "huawei": lambda body, now: huawei.accept(IVR, body, None, now),
    "web": lambda body, now: web.accept(SITE, body, None, now),
    "app": lambda body, now: app.accept(SITE, body, None, now),
    "event": lambda body, now: cloudevents.accept(CHAT, read_object(body), now),
    "batch": lambda body, now: cloudevents.accept(CHAT, first(read_list(body)), now),
    **{
        source.provider.value: lambda body, now, source=source: first(
            sms.accept(source, body, None, now, Talk.fresh(lambda: PHRASES))
        )
        for source in map(gateway, SmsProvider)
    },
    "wechat": lambda body, now: wechat.accept(ACCOUNT, wechat.in_clear(body), now, Talk.fresh(lambda: PHRASES)),
}
channels = pytest.mark.parametrize("channel", CHANNELS)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
    | st.sampled_from(
        [
            "",
            "\x00",
            "13800\x1f138000",
            "2026-11-22T08:30:00",
            "2026-11-22T08:30:00+23:59",
            "1",
            "fault_report",
            "x" * 300,
        ]
    )
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)

names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30)
TAGS = (
    *("ToUserName", "FromUserName", "CreateTime", "MsgType", "MsgId", "Content", "Event", "EventKey", "MediaId"),
    *("Recognition", "Location_X", "Location_Y", "Label", "Url", "Title", "Description"),
)
calls = st.from_regex(r"\A[!-~]{1,30}\Z")
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
earliest, latest = datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("2199-12-31")
instants = st.datetimes(earliest, latest, timezones=offsets).map(datetime.isoformat)
positions = st.fixed_dictionaries(
    {"lat": st.floats(-90, 90), "lon": st.floats(-180, 180)},
    optional={"accuracy_m": st.floats(0, 1000), "crs": st.sampled_from(["wgs84", "gcj02", "bd09"])},
)
reports = st.fixed_dictionaries(
    {"event_id": names, "business_type": st.sampled_from(["fault_report", "enquiry"])},
    optional={
        "text": names,
        "account_id": names,
        "phone": names,
        "address": names,
        "position": positions,
        "language": st.sampled_from(["zh-Hans-CN", "bo_CN", "en"]),
        "hazard": st.booleans(),
        "single_premise": st.booleans(),
        "reported_at": instants,
        "unknown": values,
    },
)
events = st.fixed_dictionaries(
    {
        "external_call_id": calls,
        "event": st.sampled_from(["started", "dtmf", "transcript", "recording", "queue_exit", "ended"]),
        "occurred_at": instants,
        "menu_path": st.lists(st.sampled_from(["1", "2", "9"]), min_size=1, max_size=3),
        "transcript": st.fixed_dictionaries({"text": names}, optional={"confidence": st.floats(0, 1)}),
        "recording": st.just({"url": "https://r.example/1.wav"}),
        "queue": st.fixed_dictionaries({"answered": st.booleans()}, optional={"wait_s": st.floats(0, 900)}),
    },
    optional={"event_id": names, "linked_call_id": calls, "ani": names, "account_no": names, "agent_id": names},
)
payloads: dict[str, st.SearchStrategy[dict[str, Any]]] = {"phone": events, "web": reports, "app": reports}
whole: dict[str, dict[str, Any]] = {
    "phone": {
        "external_call_id": "c",
        "event": "dtmf",
        "occurred_at": "2026-11-22T08:30:00Z",
        "menu_path": ["1"],
        "ani": "1",
        "dnis": "2",
        "language": "en",
        "digits": "1",
        "transcript": {"text": "t", "lang": "en", "confidence": 1, "final": True},
        "recording": {"url": "https://x.example", "sha256": None, "duration": 1},
        "queue": {"name": "q", "entered": "2026-11-22T08:30:00Z", "answered": True, "wait_s": 1},
        "agent_id": "a",
        "account_no": "1",
        "linked_call_id": "l",
        "event_id": "e",
        "source": "ivr-dev",
    },
    "web": {
        "event_id": "e",
        "business_type": "fault_report",
        "text": "t",
        "account_id": "1",
        "phone": "1",
        "address": "a",
        "position": {"lat": 1, "lon": 2, "accuracy_m": 3, "crs": "wgs84"},
        "language": "en",
        "hazard": False,
        "single_premise": False,
        "reported_at": "2026-11-22T08:30:00Z",
    },
}
leg = {"id": "1.1", "caller": {"number": "1"}, "dialplan": {"context": "main", "exten": "2"}, "language": "zh"}
whole["asterisk"] = {
    "type": "ChannelUserevent",
    "eventname": "gridline",
    "timestamp": "2026-11-22T08:30:00.000+0800",
    "digit": "1",
    "channel": leg,
    "userevent": {
        "event": "dtmf",
        "menu_path": "1.2",
        "account_no": "1",
        "text": "t",
        "answered": "1",
        "linkedid": "l",
    },
}
whole["connect"] = {
    "Details": {
        "ContactData": {
            "Channel": "VOICE",
            "ContactId": "c",
            "CustomerEndpoint": {"Address": "1"},
            "Attributes": {"menu_path": "1"},
            "Queue": {"Name": "q"},
        },
        "Parameters": {"event": "queue_exit", "event_id": "e", "text": "t"},
    },
    "detail-type": "x",
    "detail": {"eventType": "DISCONNECTED", "channel": "VOICE", "contactId": "c", "agentInfo": {"agentArn": "a/b"}},
    "time": "2026-11-22T08:30:00Z",
    "id": "i",
}
whole["huawei"] = {
    "SYS": {"callId": "1", "language": "zh_CN"},
    "SYS.createTime": "20261122083000",
    "event": "queue_exit",
    "event_id": "e",
    "occurred_at": "2026-11-22T08:30:00Z",
    "menu_path": "1.2",
    "digits": "1",
    "account_no": "1",
    "text": "t",
    "answered": True,
    "agent_id": "a",
}
whole["event"] = {
    "specversion": "1.0",
    "id": "i",
    "source": "s",
    "type": "gridline.contact.submitted.v1",
    "time": "2026-11-22T08:30:00Z",
    "datacontenttype": "application/json",
    "data": {**whole["web"], "channel": "api", "thread": "t", "reply_to": {"channel": "sms", "address": "1"}},
}
whole["batch"] = whole["event"]
whole["aliyun"] = {
    "phone_number": "13800000000",
    "content": "停电",
    "send_time": "2026-11-22 08:30:00",
    "dest_code": "1",
    "sequence_id": 1,
    "sign_name": "s",
}
whole["volcengine"] = {"mobile": "13800000000", "content": "停电了", "recv_time": 1784028662000, "ext": "1"}
whole["baidu"] = {
    "mobile": "13800000000",
    "content": "退订",
    "receiveTime": "2026-11-22T08:30:00Z",
    "extCode": "1",
}
whole["generic"] = {
    "event_id": "e",
    "phone": "13800000000",
    "text": "0123456789",
    "received_at": "2026-11-22T08:30:00Z",
    "to": "95598",
}
whole["app"] = {**whole["web"], "installation_id": "i", "app_version": "1"}


def outcome(channel: str, body: bytes, now: datetime = NOW) -> Any:
    """The contact after a passage through Kafka's envelope, or the refusal."""
    try:
        accepted = CHANNELS[channel](body, now)
    except PayloadRefusedError as refusal:
        return refusal
    if isinstance(accepted, Accepted):
        contact = accepted.contact
        record = encode(contact, topic="t", source="s", content=contact_fingerprint(contact))
        read = decode(open_record(record.value, record.headers), CONTACT_RECEIVED.types)
        assert read == contact
        assert encode(read, topic="t", source="s", content=contact_fingerprint(read)) == record
        return contact
    return accepted


@channels
@settings(max_examples=300)
@given(body=st.binary(max_size=400))
@example(body=b'{"a":' * 5000)
@example(body=b"\xff\xfe{\x00}\x00")
@example(body=b"<xml>" * 300)
def test_random_bytes_are_refused_and_nothing_else_happens(channel: str, body: bytes) -> None:
    assert isinstance(outcome(channel, body), PayloadRefusedError)


@pytest.mark.parametrize("channel", whole)
@settings(max_examples=150)
@given(data=st.data())
def test_a_whole_payload_with_any_field_replaced_is_read_or_refused(channel: str, data: st.DataObject) -> None:
    payload = json.loads(json.dumps(whole[channel]))
    for _ in range(data.draw(st.integers(1, 3))):
        holder = payload
        name = data.draw(st.sampled_from(sorted(payload)))
        if isinstance(payload[name], dict) and data.draw(st.booleans()):
            holder, name = payload[name], data.draw(st.sampled_from(sorted(payload[name]) or ["x"]))
        holder[name] = data.draw(values)
    outcome(channel, json.dumps(payload).encode())


@channels
@settings(max_examples=200)
@given(data=st.data())
def test_a_body_with_bytes_cut_or_flipped_is_read_or_refused(channel: str, data: st.DataObject) -> None:
    if channel == "wechat":
        body = bytearray(
            b"<xml><ToUserName>gh_gridline_dev</ToUserName><FromUserName>o</FromUserName><CreateTime>1763770200"
            b"</CreateTime><MsgType>location</MsgType><Location_X>23.1</Location_X><Location_Y>113.3</Location_Y>"
            b"<Label><![CDATA[x]]></Label><MsgId>1</MsgId></xml>"
        )
    else:
        body = bytearray(json.dumps(whole[channel]).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    outcome(channel, bytes(body[: data.draw(st.integers(1, len(body)))]))


@settings(max_examples=200)
@given(
    fields=st.dictionaries(
        st.sampled_from(TAGS),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=300)
        | st.sampled_from(["gh_gridline_dev", "text", "event", "location", "voice", "link", "1763770200", "CLICK"]),
    ),
    kind=st.sampled_from(["text", "image", "voice", "video", "location", "link", "event", "x"]),
)
def test_any_message_of_the_platform_is_read_or_refused(fields: dict[str, str], kind: str) -> None:
    told = {
        "ToUserName": "gh_gridline_dev",
        "FromUserName": "o",
        "CreateTime": "1763770200",
        "MsgType": kind,
        **fields,
    }
    inner = "".join(f"<{name}><![CDATA[{value.replace(']]>', '')}]]></{name}>" for name, value in told.items())
    outcome("wechat", f"<xml>{inner}</xml>".encode())


@pytest.mark.parametrize("channel", payloads)
@settings(max_examples=200)
@given(data=st.data(), delay=st.integers(0, 10_000_000), indent=st.none() | st.integers(0, 3), escaped=st.booleans())
def test_one_event_in_two_arrivals_is_one_contact(
    channel: str, data: st.DataObject, delay: int, indent: int | None, escaped: bool
) -> None:
    payload = data.draw(payloads[channel])
    order = data.draw(st.permutations(list(payload)))
    first = outcome(channel, json.dumps(payload, ensure_ascii=False).encode())
    other = json.dumps({name: payload[name] for name in order}, indent=indent, ensure_ascii=escaped).encode()
    again = outcome(channel, other, NOW + timedelta(milliseconds=delay))
    if isinstance(first, PayloadRefusedError):
        assert isinstance(again, PayloadRefusedError)
        assert (first.reason, first.fields) == (again.reason, again.fields)
    else:
        assert first.contact_id == again.contact_id
        assert first.ticket_id == again.ticket_id
        assert first.raw_sha256 == again.raw_sha256
        assert contact_fingerprint(first) == contact_fingerprint(again)
