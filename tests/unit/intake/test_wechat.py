"""WeChat signatures, messages and events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.contracts.values import Channel, Crs
from services.intake.channels.contact import contact_fingerprint
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import WeChatSource
from services.intake.channels.wechat import NotAContact, accept, signed

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ACCOUNT = WeChatSource(name="gh_1", token="AAAAA", menu={"REPORT_OUTAGE": "fault_report"})


def xml(**fields: str) -> bytes:
    base = {"ToUserName": "gh_1", "FromUserName": "openid-1", "CreateTime": "1763770200"}
    inner = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in {**base, **fields}.items())
    return f"<xml>{inner}</xml>".encode()


def message(kind: str, **fields: str) -> Any:
    return arrived(NOW, kind, **fields)


def arrived(now: datetime, kind: str, **fields: str) -> Any:
    accepted = accept(ACCOUNT, xml(**{"MsgType": kind, "MsgId": "23456789012345678", **fields}), now)
    assert not isinstance(accepted, NotAContact)
    return accepted.contact


def event(**fields: str) -> Any:
    return accept(ACCOUNT, xml(MsgType="event", **fields), NOW)


@pytest.mark.parametrize(
    ("token", "timestamp", "nonce", "given"),
    [
        ("AAAAA", "1714036504", "1514711492", "f464b24fc39322e44b38aa78f5edd27bd1441696"),  # V1, Tencent: URL check
        ("AAAAA", "1714037059", "486452656", "899cf89e464efb63f54ddac96b0a0a235f53aa78"),  # V2, Tencent: plain POST
        ("test", "1410685589", "test", "f21891de399b4e33a1a93c9a7b8a8fffb5a443ff"),  # V8, wechatpy tests/test_utils.py
    ],
)
def test_the_published_signature_vectors_hold(token: str, timestamp: str, nonce: str, given: str) -> None:
    assert signed(token, timestamp, nonce, given)
    assert not signed(token + "x", timestamp, nonce, given)
    assert not signed(token, timestamp, nonce + "1", given)
    assert not signed(token, timestamp, nonce, given[:-1] + "0")
    assert not signed(token, timestamp, nonce, "")
    assert not signed(token, timestamp, nonce, "签名")


def test_a_text_message_becomes_a_contact() -> None:
    made = message("text", Content="停电了,户号 1234567890")
    assert made.channel is Channel.WECHAT
    assert made.event == "text"
    assert made.text == "停电了,户号 1234567890"
    assert made.source == "gh_1"
    assert made.source_event_id == "msg:23456789012345678"
    assert made.occurred_at == datetime(2025, 11, 22, 0, 10, tzinfo=UTC)
    assert (made.reply_to.channel, made.reply_to.address, made.reply_to.account) == (
        Channel.WECHAT,
        "openid-1",
        "gh_1",
    )


def test_location_x_is_the_latitude() -> None:
    made = message("location", Location_X="23.134521", Location_Y="113.358803", Scale="20", Label="天河区")
    assert (made.position.lat, made.position.lon, made.position.crs) == (23.134521, 113.358803, Crs.GCJ02)
    assert made.address == "天河区"


@pytest.mark.parametrize("place", [{"Location_X": "113", "Location_Y": "23"}, {"Location_X": "nan"}, {}])
def test_a_location_that_cannot_be_read_is_still_a_contact(place: dict[str, str]) -> None:
    made = message("location", Label="天河区", **place)
    assert made.position is None
    assert made.address == "天河区"


@pytest.mark.parametrize(
    ("kind", "fields", "attachment", "text"),
    [
        ("image", {"PicUrl": "http://p.example/1", "MediaId": "m1"}, ("image", "wechat-media://gh_1/m1"), None),
        ("voice", {"MediaId": "m2", "Format": "amr"}, ("voice", "wechat-media://gh_1/m2"), None),
        (
            "voice",
            {"MediaId": "m2", "Format": "amr", "Recognition": "我家停电了"},
            ("voice", "wechat-media://gh_1/m2"),
            "我家停电了",
        ),
        ("video", {"MediaId": "m3", "ThumbMediaId": "t"}, ("video", "wechat-media://gh_1/m3"), None),
        ("shortvideo", {"MediaId": "m4", "ThumbMediaId": "t"}, ("video", "wechat-media://gh_1/m4"), None),
        (
            "link",
            {"Title": "新闻", "Description": "停电", "Url": "https://n.example"},
            ("link", "https://n.example"),
            "新闻\n停电",
        ),
    ],
)
def test_media_come_by_reference(kind: str, fields: dict[str, str], attachment: tuple[str, str], text: str) -> None:
    made = message(kind, **fields)
    assert [(one.kind, one.ref) for one in made.attachments] == [attachment]
    assert made.text == text
    assert made.event == kind


def test_a_kind_of_message_we_do_not_know_still_reaches_a_person() -> None:
    made = message("miniprogrampage", Title="x")
    assert made.event == "other"
    assert made.facts == {"message_type": "miniprogrampage"}


def test_a_configured_menu_click_is_a_contact() -> None:
    made = event(Event="CLICK", EventKey="REPORT_OUTAGE").contact
    assert (made.event, made.business_type) == ("click", "fault_report")


@pytest.mark.parametrize(
    "fields",
    [
        {"Event": "CLICK", "EventKey": "SOMETHING_ELSE"},
        {"Event": "VIEW", "EventKey": "https://x.example", "MenuId": "1"},
        {"Event": "LOCATION", "Latitude": "23.1", "Longitude": "113.3", "Precision": "119"},
        {"Event": "subscribe", "EventKey": "qrscene_1", "Ticket": "t"},
        {"Event": "unsubscribe"},
        {"Event": "SCAN", "EventKey": "1"},
        {"Event": "TEMPLATESENDJOBFINISH", "MsgID": "200163836", "Status": "success"},
        {"Event": "debug_demo"},
        {},
    ],
)
def test_other_events_open_no_ticket(fields: dict[str, str]) -> None:
    assert isinstance(event(**fields), NotAContact)


def test_a_retry_is_the_same_contact() -> None:
    first, again = message("text", Content="停电"), arrived(NOW + timedelta(seconds=5), "text", Content="停电")
    assert first.contact_id == again.contact_id
    assert contact_fingerprint(first) == contact_fingerprint(again)
    assert first.raw_sha256 == again.raw_sha256
    assert message("text", MsgId="9", Content="停电").contact_id != first.contact_id


def test_events_without_msgid_are_told_apart_by_sender_second_kind_and_key() -> None:
    account = WeChatSource(name="gh_1", token="AAAAA", menu={"A": "enquiry", "B": "enquiry"})

    def click(**fields: str) -> str:
        made = accept(account, xml(MsgType="event", Event="CLICK", **fields), NOW)
        assert not isinstance(made, NotAContact)
        return made.contact.source_event_id

    base = click(EventKey="A")
    assert click(EventKey="A") == base
    others = [click(EventKey="B"), click(EventKey="A", FromUserName="o2"), click(EventKey="A", CreateTime="1763770201")]
    assert len({base, *others}) == 4
    assert "openid-1" not in base


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE xml [<!ENTITY a "x">]><xml>&a;</xml>',
        b'<!DOCTYPE xml SYSTEM "http://evil.example/x.dtd"><xml/>',
        b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "1"><!ENTITY b "&a;&a;">]><xml><MsgType>&b;</MsgType></xml>',
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><Content>&e;</Content></xml>',
    ],
)
def test_dtds_and_entities_are_refused(body: bytes) -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        accept(ACCOUNT, body, NOW)
    assert caught.value.reason is Reason.MALFORMED
    assert "DTD" in caught.value.detail


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.MALFORMED),
        (b"<xml>", Reason.MALFORMED),
        (b'{"ToUserName":"gh_1"}', Reason.MALFORMED),
        (b"<html/>", Reason.MALFORMED),
        (b'<?xml version="1.0" encoding="rot13"?><html/>', Reason.MALFORMED),
        (b"<xml><MsgId>1</MsgId><MsgId>2</MsgId></xml>", Reason.MALFORMED),
        (xml(MsgType="text", Content="停电").decode().encode("gbk"), Reason.NOT_UTF8),
        (xml(MsgType="text").decode().encode("utf-16"), Reason.NOT_UTF8),
        (b"<xml>" + b"<a>" * 20_000, Reason.TOO_MANY_PARTS),
        (xml(), Reason.BAD_FIELD),
        (xml(MsgType="text", ToUserName="gh_2"), Reason.BAD_FIELD),
        (xml(MsgType="text", CreateTime="yesterday"), Reason.BAD_FIELD),
        (xml(MsgType="text", CreateTime="99999999999999"), Reason.BAD_FIELD),
        (xml(MsgType="text", CreateTime="٣"), Reason.BAD_FIELD),
        (xml(MsgType="text", FromUserName="o" * 200), Reason.BAD_FIELD),
    ],
)
def test_what_the_platform_never_sends_is_refused(body: bytes, reason: Reason) -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        accept(ACCOUNT, body, NOW)
    assert caught.value.reason is reason


def test_text_beyond_the_contract_is_clipped_and_says_so() -> None:
    made = message("text", Content="停" * 5000)
    assert len(made.text) == 4000
    assert made.facts["text_clipped"] is True
