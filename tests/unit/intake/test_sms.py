"""Text messages and CloudEvents: each of many is judged by itself, and the same one again is the same."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.values import Channel
from services.intake.channels import cloudevents, sms
from services.intake.channels.contact import Accepted, NotAContact, contact_fingerprint
from services.intake.channels.conversation import Talk
from services.intake.channels.payload import MAX_ELEMENTS, read_list, read_object
from services.intake.channels.phrases import Prompt
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import EventSource, SmsProvider, SmsSource
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
PHRASES = load_phrases(IntakeSettings.model_fields["phrases_file"].default)
CHAT = EventSource(name="chat", api_keys_sha256=("0" * 64,))


def gateway(provider: str) -> SmsSource:
    return SmsSource.model_validate({"name": f"gw-{provider}", "provider": provider, "api_keys_sha256": ["0" * 64]})


def push(provider: str, messages: Any, talk: Talk | None = None, now: datetime = NOW) -> list[Any]:
    body = json.dumps(messages, ensure_ascii=False).encode()
    return list(sms.accept(gateway(provider), body, None, now, talk or Talk.fresh(lambda: PHRASES)))


def one(provider: str, phone: str, text: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """A message in a provider's form."""
    return {
        "aliyun": {
            "phone_number": phone,
            "content": text,
            "send_time": "2026-11-22 09:00:00",
            "dest_code": "1069",
            "sequence_id": number,
        },
        "volcengine": {"mobile": phone, "content": text, "recv_time": 1_795_309_200_000 + number, "ext": "1"},
        "baidu": {"mobile": phone, "content": text, "receiveTime": f"2026-11-22T01:00:0{number % 10}Z"},
        "generic": {"event_id": f"e{number}", "phone": phone, "text": text},
    }[provider] | more


providers = pytest.mark.parametrize("provider", [provider.value for provider in SmsProvider])


@providers
def test_an_array_is_taken_one_by_one_and_a_bad_one_takes_no_other_with_it(provider: str) -> None:
    good, bad = one(provider, "13800000000", "停电了"), one(provider, "not a number", "停电了", 2)
    first, second, third, fourth = push(provider, [good, bad, 17, one(provider, "13800000001", "停电了", 3)])
    assert first.contact.phone == "13800000000"
    assert second.reason is Reason.BAD_FIELD
    assert [field.field for field in second.fields] == [next(iter(set(bad) & {"phone_number", "mobile", "phone"}))]
    assert third.reason is Reason.MALFORMED
    assert fourth.contact.phone == "13800000001"
    assert first.contact.ticket_id != fourth.contact.ticket_id


@providers
def test_an_emoji_cut_in_two_with_its_long_message_costs_no_message(provider: str) -> None:
    messages = [one(provider, "13800000000", "停电了\ud83d"), one(provider, "13800000001", "没电", 2)]
    body = json.dumps(messages).encode()  # as \\ud83d
    first, again = (sms.accept(gateway(provider), body, None, NOW, Talk.fresh(lambda: PHRASES)) for _ in range(2))
    assert [found.contact.text for found in first] == ["停电了\ufffd", "没电"]
    assert [found.contact.contact_id for found in first] == [found.contact.contact_id for found in again]


@pytest.mark.parametrize(
    ("text", "read"),
    [("停电了\x00", "停电了"), ("\x00O\x00U\x00T", "OUT"), ("\x00", None), ("a\x1b\r\nb", "a\x1b\r\nb")],
)
@providers
def test_a_nul_that_a_gateway_puts_into_a_message_costs_no_message(provider: str, text: str, read: str | None) -> None:
    (found,) = push(provider, one(provider, "13800000000", text))
    assert isinstance(found, Accepted)
    assert found.contact.text == read
    (stop,) = push(provider, one(provider, "13800000000", "\x00T\x00D"))
    assert isinstance(stop, NotAContact)


@pytest.mark.parametrize("said", [1069, "1069", 1.5, True, ["1"], {"a": 1}, None, "九点"])
@pytest.mark.parametrize("provider", ["aliyun", "volcengine", "baidu"])
def test_whatever_stands_beside_the_words_costs_no_message(provider: str, said: object) -> None:
    beside = {"aliyun": ("send_time", "dest_code", "sequence_id", "sign_name"), "volcengine": ("recv_time", "ext")}
    for name in beside.get(provider, ("receiveTime", "extCode")):
        message = one(provider, "13800000000", "停电了", **{name: said})
        (found,), (again,) = push(provider, message), push(provider, message)
        assert found.contact.text == "停电了"
        assert found.contact.contact_id == again.contact.contact_id


@providers
def test_a_push_again_is_the_same_contact_also_alone_and_later(provider: str) -> None:
    talk = Talk.fresh(lambda: PHRASES)
    message = one(provider, "13800000000", "停电了")
    (first,) = push(provider, [message], talk)
    others = push(provider, [one(provider, "13800000001", "停电了", 2), message], talk, NOW + timedelta(minutes=10))
    (fresh,) = push(provider, message, None, NOW + timedelta(minutes=1))
    for again in (others[1], fresh):
        assert again.contact.contact_id == first.contact.contact_id
        assert contact_fingerprint(again.contact) == contact_fingerprint(first.contact)
        assert again.reply == first.reply
    assert push(provider, one(provider, "13800000000", "停电了", 9))[0].contact.contact_id != first.contact.contact_id


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize("provider", ["aliyun", "volcengine", "baidu"])
def test_the_same_words_without_a_time_or_number_are_a_new_contact_a_week_later(
    provider: str, nothing: str | None
) -> None:
    """A push is repeated within minutes; a second outage must not be taken for one."""
    names = {"aliyun": ("send_time", "sequence_id"), "volcengine": ("recv_time",), "baidu": ("receiveTime",)}[provider]
    message = one(provider, "13800000000", "停电了", **dict.fromkeys(names, nothing))
    (first,) = push(provider, message)
    (again,) = push(provider, message, now=NOW + timedelta(minutes=16))
    (week,) = push(provider, message, now=NOW + timedelta(days=7))

    assert first.contact.contact_id == again.contact.contact_id
    assert first.contact.contact_id != week.contact.contact_id


def test_a_number_of_the_message_names_it_whenever_it_is_pushed_again() -> None:
    message = one("aliyun", "13800000000", "停电了", send_time=None)
    (first,), (week,) = push("aliyun", message), push("aliyun", message, now=NOW + timedelta(days=7))
    assert first.contact.contact_id == week.contact.contact_id


@providers
def test_a_text_beyond_the_contract_is_clipped_and_says_so(provider: str) -> None:
    (long,), (usual,) = (push(provider, one(provider, "13800000000", "停" * length)) for length in (5000, 4000))
    assert (len(long.contact.text), long.contact.facts["text_clipped"]) == (4000, True)
    assert "text_clipped" not in usual.contact.facts


@providers
def test_an_account_alone_is_asked_what_the_matter_is(provider: str) -> None:
    (found,) = push(provider, one(provider, "13800000000", "0123456789"))
    assert "什么情况" in found.reply


@providers
def test_an_outage_and_the_account_after_it_are_one_ticket(provider: str) -> None:
    talk = Talk.fresh(lambda: PHRASES)
    (first,) = push(provider, one(provider, "13800000000", "停电了"), talk)
    (second,) = push(provider, one(provider, "13800000000", "0123456789", 2), talk)
    assert "户号" in first.reply
    assert "位置" not in first.reply, "a text message has no position"
    assert first.contact.ticket_ref in first.reply
    assert first.contact.ticket_id == second.contact.ticket_id
    assert second.contact.account_id == "0123456789"


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        *((word, "unlinked") for word in ("STOP", "stop", "退订", "退訂", "TD", " td ", "T", "ＳＴＯＰ")),
        *((word, "linked") for word in ("START", "订阅")),
        *((word, "asks_status") for word in ("STATUS", "查询", "查詢", "进度")),
    ],
)
@providers
def test_a_keyword_alone_is_told_of_the_recipient(provider: str, text: str, heard: str) -> None:
    (found,) = push(provider, one(provider, "13800000000", text))
    assert isinstance(found, NotAContact)
    assert found.heard is not None
    assert (found.heard.heard, found.heard.recipient.channel) == (heard, Channel.SMS)
    assert found.heard.recipient.address == "13800000000"
    assert found.reply


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("TD", "zh-Hans-CN"),
        ("CX", "zh-Hans-CN"),
        ("T", "zh-Hans-CN"),
        ("STATUS", "en"),
        ("退訂", "zh-Hant"),
        ("查詢", "zh-Hant"),
        ("進度", "zh-Hant"),
    ],
)
@providers
def test_a_keyword_of_two_letters_is_no_english(provider: str, text: str, language: str) -> None:
    (found,) = push(provider, one(provider, "13800000000", text))
    assert found.heard.language == language
    assert found.reply.isascii() is (language == "en"), "and is answered so"


@pytest.mark.parametrize(
    "text",
    [
        "查询 7K3M-9QPX-2HR",
        "status 7k3m9qpx2hr",
        "查詢工單號7K3M-9QPX-2HR。",
        "查询：７Ｋ３Ｍ－９ＱＰＸ－２ＨＲ",
        "cx 7k3m 9qpx 2hr",
    ],
)
def test_who_asks_for_a_reference_is_told_of_that_one(text: str) -> None:
    (found,) = push("generic", one("generic", "13800000000", text))
    assert isinstance(found, NotAContact)
    assert found.heard is not None
    assert (found.heard.heard, found.heard.ticket_ref) == ("asks_status", "7K3M-9QPX-2HR")


@pytest.mark.parametrize(
    "text",
    [
        "7K3M-9QPX-2HR",
        "查询 7K3M-9QPX-2HD",
        "查询 7K3M-9QPX-2HR 家里又停电了",
        "查询着火7K3M-9QPX-2HR",
        "查询电费 2026年11月29日",
    ],
)
def test_what_says_more_than_a_reference_is_for_a_person(text: str) -> None:
    (found,) = push("generic", one("generic", "13800000000", text))
    assert isinstance(found, Accepted)


@pytest.mark.parametrize("word", ["查询", "查詢", "STATUS"])
def test_who_asks_is_told_what_to_do_where_no_answer_comes(word: str) -> None:
    """Of who has no report by this number, or one that a person has yet to place, nothing is known to tell."""
    (found,) = push("generic", one("generic", "13800000000", word))
    assert "95598" in found.reply


@pytest.mark.parametrize(
    ("first", "second", "reply"), [("power out", "0123456789", "registered"), ("停电了", "A0900001", "受理")]
)
@providers
def test_an_account_alone_is_answered_in_the_language_of_the_words_before(
    provider: str, first: str, second: str, reply: str
) -> None:
    talk = Talk.fresh(lambda: PHRASES)
    push(provider, one(provider, "13800000000", first), talk)
    (found,) = push(provider, one(provider, "13800000000", second, 2), talk)
    assert reply in found.reply


@pytest.mark.parametrize("text", ["OUT", "停电", "报修", "out."])
@providers
def test_out_is_an_outage(provider: str, text: str) -> None:
    (found,) = push(provider, one(provider, "13800000000", text))
    assert isinstance(found, Accepted)
    assert found.contact.business_type == "fault_report"
    ref = found.contact.ticket_ref
    assert found.reply in {PHRASES.say(Prompt.ASK_PLACE_IN_WORDS, tag, ref) for tag in ("zh-Hans-CN", "en")}


@pytest.mark.parametrize("text", ["please do not stop", "请勿退订我的通知", "怎么查询电费", ""])
@providers
def test_words_around_a_keyword_make_it_a_contact(provider: str, text: str) -> None:
    (found,) = push(provider, one(provider, "13800000000", text))
    assert isinstance(found, Accepted)
    assert found.contact.business_type is None


@pytest.mark.parametrize(
    ("provider", "changes", "at"),
    [
        ("aliyun", {"send_time": "2026-11-22 09:00:00"}, datetime(2026, 11, 22, 1, 0, tzinfo=UTC)),
        ("aliyun", {"send_time": "2026-11-22T03:00:00+02:00"}, datetime(2026, 11, 22, 1, 0, tzinfo=UTC)),
        ("aliyun", {"send_time": "yesterday"}, None),
        ("aliyun", {"send_time": "9999-12-31 23:59:59"}, None),
        ("aliyun", {"send_time": "0001-01-01 00:00:00"}, None),
        ("aliyun", {"sequence_id": "777"}, datetime(2026, 11, 22, 1, 0, tzinfo=UTC)),
        ("volcengine", {"recv_time": "1795309200000"}, datetime(2026, 11, 22, 1, 0, tzinfo=UTC)),
        ("volcengine", {"recv_time": -5}, None),
        ("baidu", {"receiveTime": "2026-11-22T01:00:00"}, datetime(2026, 11, 22, 1, 0, tzinfo=UTC)),
        ("baidu", {"receiveTime": "2026-11-22T01:00:00+00:00:30"}, None),
        ("baidu", {"receiveTime": "2026-11-22T06:45:00+05:45"}, datetime(2026, 11, 22, 1, 0, tzinfo=UTC)),
        ("volcengine", {"recv_time": "99999999999999"}, None),
        ("baidu", {"receiveTime": 1_795_309_200_000}, datetime(2026, 11, 22, 1, 0, tzinfo=UTC)),
        ("generic", {"received_at": "2026-11-22T09:00:00+08:00"}, datetime(2026, 11, 22, 1, 0, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_the_provider_means_them(provider: str, changes: dict[str, Any], at: datetime | None) -> None:
    (found,) = push(provider, one(provider, "13800000000", "停电了", **changes), now=NOW + timedelta(hours=1))
    assert found.contact.occurred_at == (at or NOW + timedelta(hours=1))
    assert found.contact.facts.get("timed_by_us", False) is (at is None)


def test_a_receipt_says_of_a_message_of_ours_whether_it_arrived_and_is_no_contact() -> None:
    notice = "7ef96284-960d-5b79-942a-644830cbcd51"
    told = {
        "notice_id": notice.upper(),
        "phone": "13800000000",
        "delivered": False,
        "detail": "blocked:\n 签名未报备 " * 30,
    }
    failed, called, again, text = push(
        "generic",
        [
            told,
            {**told, "delivered": True, "channel": "phone"},
            {**told, "detail": None, "received_at": "2026-11-22T09:00:00+05:45"},
            one("generic", "13800000000", "停电了"),
        ],
    )
    assert (failed.heard.heard, failed.heard.delivery_id, failed.heard.recipient.address) == (
        "undelivered",
        notice,
        "13800000000",
    )
    assert failed.heard.detail.startswith("blocked: 签名未报备 blocked:")
    assert (called.heard.heard, called.heard.recipient.channel) == ("delivered", Channel.PHONE)
    assert (failed.heard.occurred_at, again.heard.occurred_at) == (NOW, datetime(2026, 11, 22, 3, 15, tzinfo=UTC))
    assert failed.heard.event_id == again.heard.event_id != called.heard.event_id
    assert isinstance(text, Accepted)
    for wrong in ({"notice_id": "7"}, {"delivered": "no"}, {"phone": ""}, {"received_at": "2026-11-22T09:00:00"}):
        (refused,) = push("generic", {**told, **wrong})
        assert [field.field for field in refused.fields] == list(wrong)
    (other,) = push("aliyun", {**told, **one("aliyun", "13800000000", "停电了")})
    assert isinstance(other, Accepted)


def test_our_own_form_needs_an_id_and_an_offset() -> None:
    found = push(
        "generic",
        [{"phone": "13800000000", "text": "x"}, one("generic", "138000", "x", received_at="2026-11-22T09:00")],
    )
    assert [refusal.reason for refusal in found] == [Reason.NO_EVENT_ID, Reason.BAD_FIELD]
    assert [field.field for refusal in found for field in refusal.fields] == ["event_id", "received_at"]
    body = json.dumps({"phone": "13800000000", "text": "x"}).encode()
    (named,) = sms.accept(gateway("generic"), body, "key-1", NOW, Talk.fresh(lambda: PHRASES))
    assert isinstance(named, Accepted)
    assert named.contact.source_event_id == "key-1"


@pytest.mark.parametrize(
    "body", [b"", b"17", b"[", b"[" * 20 + b"]" * 20, json.dumps([{}] * (MAX_ELEMENTS + 1)).encode()]
)
def test_a_push_that_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadRefusedError):
        sms.accept(gateway("aliyun"), body, None, NOW, Talk.fresh(lambda: PHRASES))


@settings(max_examples=100, deadline=None)
@given(
    text=st.text(max_size=60),
    provider=st.sampled_from([provider.value for provider in SmsProvider]),
    later=st.integers(0, 3600),
)
def test_two_deliveries_of_a_text_message_in_any_order_are_one(text: str, provider: str, later: int) -> None:
    message = one(provider, "13800000000", text)
    first, again = push(provider, message)[0], push(provider, [message], None, NOW + timedelta(seconds=later))[0]
    assert type(first) is type(again)
    if isinstance(first, Accepted):
        assert first.contact.contact_id == again.contact.contact_id
        assert first.contact.raw_sha256 == again.contact.raw_sha256
    elif isinstance(first, NotAContact):
        assert first.heard is not None
        assert first.heard.event_id == again.heard.event_id


DATA = {"text": "停电了", "account_id": "0123456789"}
EVENT = {"specversion": "1.0", "id": "1", "source": "https://chat.example", "type": "gridline.contact.submitted.v1"}
HEADERS = {f"ce-{name}": value for name, value in EVENT.items()}


def submitted(event: dict[str, Any], now: datetime = NOW) -> Accepted:
    return cloudevents.accept(CHAT, read_object(json.dumps(event).encode()), now)


def test_the_same_event_in_every_mode_is_the_same_contact() -> None:
    body = json.dumps(DATA).encode()
    structured = submitted({**EVENT, "data": DATA})
    encoded = submitted({**EVENT, "data_base64": base64.b64encode(body).decode()}, NOW + timedelta(hours=1))
    binary = cloudevents.accept(CHAT, cloudevents.read_binary(HEADERS, body), NOW)
    (read,) = read_list(json.dumps([{**EVENT, "data": DATA}]).encode())
    assert not isinstance(read, PayloadRefusedError)
    ids = {found.contact.contact_id for found in (structured, encoded, binary, cloudevents.accept(CHAT, read, NOW))}
    prints = {found.contact.raw_sha256 for found in (structured, encoded, binary)}
    assert len(ids) == len(prints) == 1
    for name, value in (("id", "2"), ("source", "https://other.example")):
        assert submitted({**EVENT, name: value, "data": DATA}).contact.contact_id not in ids


@pytest.mark.parametrize("kind", [None, "application/json", "application/json; charset=utf-8", "application/json ;a=b"])
def test_the_type_of_the_data_may_say_its_charset(kind: str | None) -> None:
    assert submitted({**EVENT, "datacontenttype": kind, "data": DATA}).contact.text == "停电了"


def test_headers_are_percent_decoded() -> None:
    headers = {**HEADERS, "ce-id": "%E5%81%9C%E7%94%B5"}
    found = cloudevents.accept(CHAT, cloudevents.read_binary(headers, json.dumps(DATA).encode()), NOW)
    assert found.contact.contact_id == submitted({**EVENT, "id": "停电", "data": DATA}).contact.contact_id


def test_events_of_a_thread_are_one_ticket_and_a_place_in_a_thread_is_enough() -> None:
    first = submitted({**EVENT, "data": {"text": "停电了", "thread": "t", "final": False}})
    place = {"position": {"lat": 32.0, "lon": 118.0}, "thread": "t"}
    second = submitted({**EVENT, "id": "2", "data": place})
    assert first.contact.ticket_id == second.contact.ticket_id
    assert (first.contact.final, second.contact.final) == (False, True)
    assert submitted({**EVENT, "id": "3", "data": DATA}).contact.ticket_id != first.contact.ticket_id


@pytest.mark.parametrize("place", [{"account_id": "A1"}, {"address": "人民路12号"}])
def test_so_is_an_account_or_an_address(place: dict[str, str]) -> None:
    made = submitted({**EVENT, "data": {**place, "thread": "t"}}).contact
    assert (made.account_id, made.address) == (place.get("account_id"), place.get("address"))


def test_an_event_without_a_time_is_of_when_it_came_and_says_so() -> None:
    said, unsaid = (
        submitted({**EVENT, **time, "data": DATA}).contact for time in ({"time": "2026-11-22T00:59:00Z"}, {})
    )
    assert (unsaid.occurred_at, unsaid.facts["timed_by_us"]) == (NOW, True)
    assert (said.occurred_at, "timed_by_us" in said.facts) == (NOW - timedelta(minutes=1), False)


def test_that_only_ones_own_home_is_out_is_kept() -> None:
    assert submitted({**EVENT, "data": {**DATA, "single_premise": True}}).contact.facts["single_premise"] is True
    assert "single_premise" not in submitted({**EVENT, "data": DATA}).contact.facts


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"source": None}, "source"),
        ({"type": "com.example.other"}, "type"),
        ({"time": "2026-11-22T09:00:00"}, "time"),
        ({"time": 17}, "time"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ({"datacontenttype": "application/jsonp"}, "datacontenttype"),
        *(({name: f"a{control}b"}, name) for name in ("id", "source") for control in "\x00\n\x1f\x85"),
        ({"data": None}, "data"),
        ({"data": [1]}, "data"),
        ({"data": {}}, "data.text"),
        *(({"data": {"text": text, "account_id": "1"}}, "data.text") for text in ("", " ", "\n\u3000")),
        ({"data": {"position": {"lat": 32.0, "lon": 118.0}}}, "data.text"),
        ({"data": {"text": "x", "reported_at": "2026-11-22T09:00:00"}}, "data.reported_at"),
        ({"data": {"text": "x", "channel": "fax"}}, "data.channel"),
        ({"data_base64": "e30="}, "data_base64"),
        ({"data": None, "data_base64": "§"}, "data_base64"),
        ({"data": None, "data_base64": 5}, "data_base64"),
    ],
)
def test_a_wrong_event_is_refused_and_the_field_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        submitted({**EVENT, "data": DATA, **changes})
    assert field in [one.field for one in caught.value.fields]


def test_unknown_fields_are_named_and_data_is_never_taken_for_the_id() -> None:
    found = submitted({**EVENT, "data": {**DATA, "event_id": "else", "mood": "angry"}, "extension": 1})
    assert found.ignored == ("mood",)
    assert found.contact.source_event_id.startswith("ce:")


def test_a_source_speaks_for_its_own_channels_only() -> None:
    bot = EventSource.model_validate({"name": "bot", "api_keys_sha256": ["0" * 64], "channels": ["api", "web"]})

    def refused(**data: Any) -> set[str]:
        event = read_object(json.dumps({**EVENT, "data": DATA | data}).encode())
        try:
            cloudevents.accept(bot, event, NOW)
        except PayloadRefusedError as refusal:
            return {field.field for field in refusal.fields}
        return set()

    assert refused() == refused(channel="web") == refused(reply_to={"channel": "sms", "address": "1"}) == set()
    assert refused(channel="wechat") == {"data.channel"}
    assert refused(reply_to={"channel": "wechat", "address": "openid"}) == {"data.reply_to.channel"}
    assert submitted({**EVENT, "data": {**DATA, "channel": "wechat"}}), "all, where nothing is said"
