"""Web and app reports to contacts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.contracts.messages import ContactReceived
from services.contracts.values import Channel, Crs
from services.intake.channels import app, web
from services.intake.channels.contact import TIMED_BY_US, contact_fingerprint
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import ReportSource

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
SOURCE = ReportSource(name="site", api_keys_sha256=("0" * 64,))
REPORT = {"event_id": "e1", "business_type": "fault_report", "reported_at": "2026-11-22T08:30:00+08:00"}


def body(**fields: Any) -> bytes:
    return json.dumps({**REPORT, **fields}, ensure_ascii=False).encode()


def contact(channel: Any = web, key: str | None = None, now: datetime = NOW, **fields: Any) -> Any:
    return channel.accept(SOURCE, body(**fields), key, now).contact


def test_a_report_carries_all_the_customer_said() -> None:
    made = contact(
        text="整栋楼停电",
        account_id="0012345678",
        phone="13800138000",
        address="鼓楼区中山路1号",
        position={"lat": 32.06, "lon": 118.78, "accuracy_m": 25, "crs": "gcj02", "altitude": 12},
        language="zh_Hans_CN",
        hazard=True,
        single_premise=True,
    )
    assert made.channel is Channel.WEB
    assert made.event == "report"
    assert made.ticket_id == made.contact_id
    assert made.final is True
    assert made.account_id == "0012345678"
    assert made.position.crs is Crs.GCJ02
    assert made.position.accuracy_m == 25
    assert made.language == "zh-Hans-CN"
    assert made.hazard is True
    assert made.facts == {"single_premise": True}
    assert (made.reply_to.channel, made.reply_to.address) == (Channel.SMS, "13800138000")


def test_an_app_report_is_answered_on_the_installation_else_by_phone() -> None:
    pushed = contact(app, installation_id="i-1", phone="13800138000", app_version="9.1")
    assert (pushed.reply_to.channel, pushed.reply_to.address, pushed.reply_to.account) == (Channel.APP, "i-1", "site")
    assert pushed.facts == {"app_version": "9.1"}
    assert contact(app, phone="13800138000").reply_to.channel is Channel.SMS
    assert contact(app).reply_to is None


def test_the_same_id_by_header_or_body_is_the_same_event() -> None:
    by_header = web.accept(SOURCE, json.dumps({**REPORT, "event_id": None}).encode(), '"e1"', NOW).contact
    assert by_header.contact_id == contact().contact_id


def test_without_a_time_arrival_counts_and_two_sendings_are_still_one_event() -> None:
    first = contact(reported_at=None)
    again = contact(reported_at=None, now=NOW + timedelta(minutes=7))
    assert first.occurred_at == NOW
    assert first.facts[TIMED_BY_US] is True
    assert first.contact_id == again.contact_id
    assert contact_fingerprint(first) == contact_fingerprint(again)
    assert contact_fingerprint(first) != contact_fingerprint(contact())


@pytest.mark.parametrize(
    "difference", [{"text": "x"}, {"hazard": True}, {"position": {"lat": 1, "lon": 2}}, {"address": "x"}]
)
def test_another_body_under_the_same_id_has_another_fingerprint(difference: dict[str, Any]) -> None:
    assert contact(**difference).contact_id == contact().contact_id
    assert contact_fingerprint(contact(**difference)) != contact_fingerprint(contact())


@pytest.mark.parametrize("channel", [web, app])
@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"event_id": ""}, {"event_id"}),
        ({"event_id": "x" * 201}, {"event_id"}),
        ({"business_type": "Fault Report"}, {"business_type"}),
        ({"business_type": None}, {"text"}),
        ({"text": "x" * 4001}, {"text"}),
        ({"text": "\x00"}, {"text"}),
        ({"address": "\x00"}, {"address"}),
        ({"address": "x" * 501}, {"address"}),
        ({"account_id": 12}, {"account_id"}),
        ({"phone": ["138"]}, {"phone"}),
        ({"hazard": "no"}, {"hazard"}),
        ({"reported_at": "2026-11-22T08:30:00"}, {"reported_at"}),
        ({"reported_at": 1763770200}, {"reported_at"}),
        ({"position": {"lat": 91, "lon": "x"}}, {"position.lat", "position.lon"}),
        ({"position": []}, {"position"}),
    ],
)
def test_every_wrong_field_is_named(channel: Any, fields: dict[str, Any], named: set[str]) -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        contact(channel, **fields)
    assert caught.value.reason is Reason.BAD_FIELD
    assert {wrong.field for wrong in caught.value.fields} == named


def test_a_report_without_any_event_id_is_refused() -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        contact(event_id=None)
    assert caught.value.reason is Reason.NO_EVENT_ID


@pytest.mark.parametrize("text", ["", " ", "\r\n\t", "\u3000"])
def test_a_text_of_nothing_is_no_matter(text: str) -> None:
    with pytest.raises(PayloadRefusedError) as caught:
        contact(business_type=None, text=text)
    assert {wrong.field for wrong in caught.value.fields} == {"text"}
    assert contact(text=text).business_type == "fault_report"


@pytest.mark.parametrize(
    ("metres", "kept"), [(18, 18.0), (1_000_000, 1e6), (2_400_000.5, 1e6), (1e300, 1e6), (-1, None)]
)
def test_a_position_that_is_anywhere_costs_no_report(metres: float, kept: float | None) -> None:
    made = contact(position={"lat": 32.1, "lon": 118.8, "accuracy_m": metres})
    assert ContactReceived.model_validate_json(made.model_dump_json()) == made
    assert made.position is not None
    assert made.position.accuracy_m == kept


def test_danger_alone_is_a_matter() -> None:
    assert contact(business_type=None, hazard=True).hazard is True
