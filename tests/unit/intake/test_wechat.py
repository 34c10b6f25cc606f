"""WeChat signatures, messages and events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from defusedxml import ElementTree

from services.contracts.values import Channel, Crs, Recipient
from services.intake.channels.contact import Accepted, contact_fingerprint
from services.intake.channels.conversation import Talk
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import WeChatSource
from services.intake.channels.wechat import NotAContact, accept, answer, in_clear
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ACCOUNT = WeChatSource(name="gh_1", token="AAAAA", menu={"REPORT_OUTAGE": "fault_report"})


PHRASES = load_phrases(IntakeSettings.model_fields["phrases_file"].default)


def taken(source: WeChatSource, body: bytes, now: datetime, talk: Talk | None = None) -> Accepted | NotAContact:
    return accept(source, in_clear(body), now, talk or Talk.fresh(lambda: PHRASES))


def xml(**fields: str) -> bytes:
    base = {"ToUserName": "gh_1", "FromUserName": "openid-1", "CreateTime": "1763770200"}
    inner = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in {**base, **fields}.items())
    return f"<xml>{inner}</xml>".encode()


def message(kind: str, **fields: str) -> Any:
    return arrived(NOW, kind, **fields)


def arrived(now: datetime, kind: str, **fields: str) -> Any:
    accepted = taken(ACCOUNT, xml(**{"MsgType": kind, "MsgId": "23456789012345678", **fields}), now)
    assert not isinstance(accepted, NotAContact)
    return accepted.contact


def event(**fields: str) -> Any:
    return taken(ACCOUNT, xml(MsgType="event", **fields), NOW)


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


def test_an_account_number_in_a_text_is_the_citizens() -> None:
    assert message("text", Content="停电了，户号0123456789").account_id == "0123456789"
    assert message("text", Content="停电了").account_id is None


def test_location_x_is_the_latitude() -> None:
    made = message("location", Location_X="23.134521", Location_Y="113.358803", Scale="20", Label="天河区")
    assert (made.position.lat, made.position.lon, made.position.crs) == (23.134521, 113.358803, Crs.GCJ02)
    assert made.address == "天河区"


@pytest.mark.parametrize(
    "place",
    [{"Location_X": "113", "Location_Y": "23"}, {"Location_X": "nan"}, {"Location_X": "2_3", "Location_Y": "113"}, {}],
)
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


def test_a_picture_that_is_not_named_is_no_attachment() -> None:
    assert message("image", PicUrl="http://p.example/1").attachments == ()


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
        made = taken(account, xml(MsgType="event", Event="CLICK", **fields), NOW)
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
        taken(ACCOUNT, body, NOW)
    assert caught.value.reason is Reason.MALFORMED
    assert "DTD" in caught.value.detail


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.MALFORMED),
        (b"<xml>", Reason.MALFORMED),
        (b'{"ToUserName":"gh_1"}', Reason.BAD_FIELD),
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
        (xml(MsgType="text", MsgId="9" * 200), Reason.BAD_FIELD),
    ],
)
def test_what_the_platform_never_sends_is_refused(body: bytes, reason: Reason) -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        taken(ACCOUNT, body, NOW)
    assert caught.value.reason is reason


@pytest.mark.parametrize("control", ["\x1d", "\x02", "\x00", "\x1b", "\ufffe"])
def test_a_control_character_of_a_citizens_telephone_costs_no_message(control: str) -> None:
    fields = {"MsgType": "te" + control + "xt", "MsgId": "9", "Content": f"停{control}电\t了\n快{control}"}
    in_json = {"ToUserName": "gh_1", "FromUserName": "openid-1", "CreateTime": 1763770200, **fields}
    for body in (xml(**fields), json.dumps(in_json).encode()):
        made = taken(ACCOUNT, body, NOW)
        assert isinstance(made, Accepted)
        assert (made.contact.event, made.contact.text) == ("text", "停电\t了\n快")
        assert "户号" in (made.reply or "")


def test_what_a_control_character_hides_is_seen() -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        taken(ACCOUNT, b'<!DOC\x02TYPE xml [<!ENT\x02ITY a "x">]><xml>&a;</xml>', NOW)
    assert "DTD" in caught.value.detail


def test_text_beyond_the_contract_is_clipped_and_says_so() -> None:
    made = message("text", Content="停" * 5000)
    assert len(made.text) == 4000
    assert made.facts["text_clipped"] is True


def told(**fields: str) -> Any:
    return event(**fields).heard


def test_following_and_leaving_are_told_of_the_recipient() -> None:
    gone = told(Event="unsubscribe")
    assert (gone.heard, gone.recipient.channel, gone.recipient.address) == ("unlinked", Channel.WECHAT, "openid-1")
    assert gone.recipient.account == "gh_1"
    assert told(Event="subscribe", EventKey="qrscene_1").heard == "linked"
    assert "户号" in event(Event="subscribe").reply
    assert event(Event="unsubscribe").reply is None


@pytest.mark.parametrize(
    ("status", "heard", "detail"),
    [
        ("success", "delivered", None),
        ("failed:user block", "undelivered", "failed:user block"),
        ("failed: system failed", "undelivered", "failed: system failed"),
        ("", "undelivered", None),
    ],
)
def test_what_became_of_a_template_message_is_told(status: str, heard: str, detail: str | None) -> None:
    found = told(Event="TEMPLATESENDJOBFINISH", MsgID="200163836", Status=status)
    assert (found.heard, found.delivery_id, found.detail) == (heard, "200163836", detail)
    other = told(Event="TEMPLATESENDJOBFINISH", MsgID="200163837", Status=status)
    assert other.event_id != found.event_id


def test_a_place_where_the_chat_was_opened_is_a_hint_for_people_and_no_position() -> None:
    talk = Talk.fresh(lambda: PHRASES)
    opened = {"Event": "LOCATION", "Latitude": "23.1", "Longitude": "113.3", "Precision": "119"}
    assert taken(ACCOUNT, xml(MsgType="event", **opened), NOW, talk) == NotAContact("LOCATION")
    made = taken(ACCOUNT, xml(MsgType="text", MsgId="1", Content="停电了"), NOW, talk)
    assert isinstance(made, Accepted)
    assert made.contact.position is None
    assert made.contact.facts == {"hint_lat": 23.1, "hint_lon": 113.3, "hint_crs": "gcj02"}
    placed = xml(MsgType="location", MsgId="3", Location_X="32.1", Location_Y="118.8")
    assert "hint_lat" not in taken(ACCOUNT, placed, NOW, talk).contact.facts, "who says where needs no hint"
    later = taken(ACCOUNT, xml(MsgType="text", MsgId="2", Content="停电了", CreateTime="1763771900"), NOW, talk)
    assert isinstance(later, Accepted)
    assert later.contact.facts == {}


def test_json_is_read_like_xml() -> None:
    body = (
        b'{"ToUserName":"gh_1","FromUserName":"openid-1","CreateTime":1763770200,"MsgType":"location",'
        b'"Location_X":23.134521,"Location_Y":113.358803,"Label":"x","MsgId":6054768590064713728,"Scale":20}'
    )
    made = taken(ACCOUNT, body, NOW)
    assert isinstance(made, Accepted)
    assert made.contact.source_event_id == "msg:6054768590064713728"
    assert made.contact.position is not None
    assert (made.contact.position.lat, made.contact.position.lon) == (23.134521, 113.358803)
    assert made.contact.occurred_at == datetime(2025, 11, 22, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "reply"),
    [
        ({"MsgType": "text", "Content": "停电了"}, "户号"),
        ({"MsgType": "text", "Content": "電停了"}, "戶號"),
        ({"MsgType": "text", "Content": "Our power is out"}, "account number"),
        ({"MsgType": "text", "Content": "停电了，户号0123456789"}, "已受理"),
        ({"MsgType": "text", "Content": "电费多少"}, "工作人员"),
        ({"MsgType": "image", "MediaId": "m"}, "什么情况"),
        ({"MsgType": "location", "Location_X": "1", "Location_Y": "2"}, "什么情况"),
        ({"MsgType": "event", "Event": "CLICK", "EventKey": "REPORT_OUTAGE"}, "户号"),
    ],
)
def test_a_citizen_is_asked_for_what_is_missing_in_their_language(fields: dict[str, str], reply: str) -> None:
    made = taken(ACCOUNT, xml(MsgId="1", **fields), NOW)
    assert isinstance(made, Accepted)
    assert reply in (made.reply or "")
    assert made.contact.ticket_ref in (made.reply or "")


def test_a_citizen_is_answered_in_the_language_they_wrote_in_also_where_they_send_no_words() -> None:
    talk = Talk.fresh(lambda: PHRASES)

    def answered(number: int, **fields: str) -> str:
        made = taken(ACCOUNT, xml(MsgId=str(number), **{"MsgType": "text", **fields}), NOW, talk)
        assert isinstance(made, Accepted)
        return str(made.reply)

    place = {"MsgType": "location", "Location_X": "32.1", "Location_Y": "118.8"}
    assert "account number" in answered(1, Content="Our power is out")
    assert "registered" in answered(2, **place)
    assert "Added" in answered(3, Content="0123456789")
    assert "补充" in answered(4, Content="谢谢")
    assert "补充" in answered(5, MsgType="image", MediaId="m")
    assert "registered" in answered(2, **place), "a retry"
    assert "什么情况" in answered(6, FromUserName="openid-2", **place), "who has written nothing yet"


def test_a_reply_cannot_break_out_of_its_field() -> None:
    message = in_clear(xml(MsgType="text", MsgId="1", Content="x"))
    written = answer(message, "a]]></Content><Content>b", NOW)
    root = ElementTree.fromstring(written.decode(), forbid_dtd=True)
    assert [child.text for child in root if child.tag == "Content"] == ["a]]></Content><Content>b"]


@pytest.mark.parametrize(
    ("text", "ref", "language"),
    [
        ("查询", None, "zh-Hans-CN"),
        ("进度。", None, "zh-Hans-CN"),
        ("STATUS", None, "en"),
        ("查詢工單號7K3M-9QPX-2HR", "7K3M-9QPX-2HR", "zh-Hant"),
        ("进度 7k3m9qpx2hr", "7K3M-9QPX-2HR", "zh-Hans-CN"),
    ],
)
def test_who_asks_how_it_goes_on_is_told_as_by_text_message(text: str, ref: str | None, language: str) -> None:
    """It opened a ticket, and what was to be said of the outage waited for a person."""
    asking = xml(MsgType="text", MsgId="23456789012345678", Content=text)
    found = taken(ACCOUNT, asking, NOW)

    assert isinstance(found, NotAContact)
    assert found.heard is not None
    assert (found.heard.heard, found.heard.ticket_ref, found.heard.language) == ("asks_status", ref, language)
    assert found.heard.recipient == Recipient(channel=Channel.WECHAT, address="openid-1", account="gh_1")
    assert found.reply is not None
    assert "95598" in found.reply
    again = taken(ACCOUNT, asking, NOW + timedelta(seconds=5))
    assert isinstance(again, NotAContact)
    assert again.heard is not None
    assert again.heard.event_id == found.heard.event_id, "the platform posts it again: one question, one answer"


@pytest.mark.parametrize("text", ["查询电费", "查询 7K3M-9QPX-2HR 又停电了", "7K3M-9QPX-2HR", "td"])
def test_whoever_says_more_than_that_they_ask_is_read_by_a_person(text: str) -> None:
    assert isinstance(taken(ACCOUNT, xml(MsgType="text", MsgId="1", Content=text), NOW), Accepted)
