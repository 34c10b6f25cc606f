"""Call events to contacts: one call one ticket, menus, abandoned calls, times without offset."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.contracts.values import Channel
from services.intake.channels import phone
from services.intake.channels.contact import contact_fingerprint
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import PhoneSource

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
SOURCE = PhoneSource.model_validate(
    {
        "name": "ivr-north",
        "api_keys_sha256": ["0" * 64],
        "default_offset": "+08:00",
        "menu": {"1": "fault_report", "1.2": "consultation", "2": "enquiry"},
        "hazard_menus": ["1.9"],
    }
)


def body(**fields: Any) -> bytes:
    base = {"external_call_id": "call-1", "event": "started", "occurred_at": "2026-11-22T08:30:00+08:00"}
    return json.dumps({**base, **fields}, ensure_ascii=False).encode()


def contact(by: PhoneSource = SOURCE, /, key: str | None = None, now: datetime = NOW, **fields: Any) -> Any:
    return phone.accept(by, body(**fields), key, now).contact


def refused(by: PhoneSource = SOURCE, /, **fields: Any) -> PayloadRefusedError:
    with pytest.raises(PayloadRefusedError) as caught:
        phone.accept(by, body(**fields), None, NOW)
    return caught.value


def test_a_started_call_becomes_a_contact_that_expects_more() -> None:
    made = contact(ani="13800138000", dnis="95598", language="zh_CN")
    assert made.channel is Channel.PHONE
    assert made.event == "started"
    assert made.final is False
    assert made.phone == "13800138000"
    assert made.reply_to.channel is Channel.PHONE
    assert made.language == "zh-CN"
    assert made.occurred_at == datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
    assert made.received_at == NOW
    assert made.facts == {"call_id": "call-1", "dnis": "95598"}


def test_all_events_of_one_call_share_a_ticket_and_differ_as_contacts() -> None:
    events = [
        contact(event="started"),
        contact(event="dtmf", menu_path=["1"]),
        contact(event="transcript", transcript={"text": "没电了"}),
        contact(event="recording", recording={"url": "https://rec.example/1.wav"}),
        contact(event="queue_exit", queue={"answered": True}),
        contact(event="ended"),
    ]
    assert len({one.ticket_id for one in events}) == 1
    assert len({one.ticket_ref for one in events}) == 1
    assert len({one.contact_id for one in events}) == len(events)
    assert [one.final for one in events] == [False, False, False, False, False, True]


def test_legs_joined_by_the_linked_call_id_are_one_ticket() -> None:
    legs = {contact(external_call_id=leg, linked_call_id="call-1").ticket_id for leg in ("call-1", "leg-2", "leg-3")}
    assert legs == {contact(external_call_id="call-1").ticket_id}


def test_the_same_call_id_of_another_source_is_another_call() -> None:
    other = SOURCE.model_copy(update={"name": "ivr-south"})
    assert contact(other).ticket_id != contact().ticket_id
    assert contact(other).contact_id != contact().contact_id


def test_without_an_event_id_the_same_event_later_is_the_same_contact() -> None:
    again = contact(now=NOW + timedelta(hours=3))
    assert again.contact_id == contact().contact_id
    assert contact_fingerprint(again) == contact_fingerprint(contact())


@pytest.mark.parametrize(
    "difference",
    [{"external_call_id": "call-2"}, {"event": "ended"}, {"occurred_at": "2026-11-22T08:30:01+08:00"}, {"ani": "1"}],
)
def test_without_an_event_id_another_event_is_another_contact(difference: dict[str, Any]) -> None:
    assert contact(**difference).contact_id != contact().contact_id


def test_the_senders_event_id_wins_over_the_content() -> None:
    assert (
        contact(event_id="e1").contact_id == contact(event_id="e1", ani="1").contact_id == contact(key="e1").contact_id
    )
    assert contact_fingerprint(contact(event_id="e1")) != contact_fingerprint(contact(event_id="e1", ani="13800138000"))


@pytest.mark.parametrize(
    ("path", "business_type", "hazard"),
    [
        (["1"], "fault_report", False),
        (["1", "2"], "consultation", False),
        (["1", "3"], "fault_report", False),
        (["1", "9"], "fault_report", True),
        (["1", "9", "1"], "fault_report", True),
        (["2", "1"], "enquiry", False),
        (["7"], None, False),
        ([], None, False),
    ],
)
def test_the_menu_path_decides_the_business_type(path: list[str], business_type: str | None, hazard: bool) -> None:
    made = contact(event="ended", menu_path=path, agent_id="a7")
    assert (made.business_type, made.hazard) == (business_type, hazard)


def test_digits_count_as_a_choice_where_there_is_no_path_and_are_never_kept() -> None:
    assert contact(event="dtmf", digits="1").business_type == "fault_report"
    secret = contact(event="dtmf", menu_path=["2"], digits="884422")
    assert secret.business_type == "enquiry"
    assert "884422" not in secret.model_dump_json()


@pytest.mark.parametrize(
    ("fields", "final", "unconfirmed"),
    [
        ({"event": "queue_exit", "queue": {"answered": False}, "menu_path": ["1"]}, True, True),
        ({"event": "queue_exit", "queue": {"answered": True}, "menu_path": ["1"]}, False, False),
        ({"event": "queue_exit", "queue": {"answered": False}, "menu_path": ["2"]}, True, False),
        ({"event": "ended", "menu_path": ["1"]}, True, True),
        ({"event": "ended", "menu_path": ["1"], "agent_id": "a7"}, True, False),
        ({"event": "ended", "menu_path": ["1"], "queue": {"answered": True}}, True, False),
        ({"event": "ended", "menu_path": ["1"], "queue": {"answered": False}}, True, True),
        ({"event": "ended", "menu_path": ["1"], "transcript": {"text": "我家没电了"}}, True, False),
        ({"event": "dtmf", "menu_path": ["1"]}, False, False),
    ],
)
def test_a_call_given_up_after_the_fault_menu_is_an_unconfirmed_report(
    fields: dict[str, Any], final: bool, unconfirmed: bool
) -> None:
    made = contact(**fields)
    assert (made.final, made.unconfirmed) == (final, unconfirmed)


@pytest.mark.parametrize("ani", ["anonymous", "", "Restricted", "95598"])
def test_a_withheld_number_is_no_number(ani: str) -> None:
    made = contact(ani=ani)
    assert made.phone is None
    assert made.reply_to is None
    assert made.facts["caller_withheld"] is True


def test_transcripts_and_recordings_are_carried() -> None:
    said = contact(
        event="transcript", transcript={"text": "冒烟了", "lang": "bo-CN", "confidence": 0.8, "final": False}
    )
    assert (said.text, said.language) == ("冒烟了", "bo-CN")
    assert said.facts["transcript_confidence"] == 0.8
    assert said.facts["transcript_final"] is False
    kept = contact(event="recording", recording={"url": "https://r.example/1.wav", "sha256": "a" * 64, "duration": 31})
    assert kept.attachments[0].ref == "https://r.example/1.wav"
    assert kept.attachments[0].sha256 == "a" * 64
    assert kept.facts["recording_s"] == 31


def test_a_time_without_offset_takes_the_sources_and_is_refused_where_there_is_none() -> None:
    assert contact(occurred_at="2026-11-22T08:30:00").occurred_at == datetime(2026, 11, 22, 0, 30, tzinfo=UTC)
    wrong = refused(SOURCE.model_copy(update={"default_offset": None}), occurred_at="2026-11-22T08:30:00")
    assert [field.field for field in wrong.fields] == ["occurred_at"]
    assert "default_offset" in wrong.fields[0].reason


def test_the_senders_clock_is_not_corrected() -> None:
    assert contact(occurred_at="1970-01-01T00:00:30Z").occurred_at.year == 1970
    assert contact(occurred_at="2031-01-01T00:00:00Z").occurred_at.year == 2031


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"external_call_id": None}, {"external_call_id"}),
        ({"external_call_id": 17}, {"external_call_id"}),
        ({"external_call_id": ""}, {"external_call_id"}),
        ({"event": "ringing"}, {"event"}),
        ({"occurred_at": None}, {"occurred_at"}),
        ({"source": "ivr-south"}, {"source"}),
        ({"event": "transcript"}, {"transcript"}),
        ({"event": "recording"}, {"recording"}),
        ({"event": "queue_exit"}, {"queue"}),
        ({"event": "dtmf"}, {"menu_path"}),
        ({"event": "dtmf", "digits": "12a4"}, {"digits"}),
        ({"menu_path": ["1"] * 11}, {"menu_path"}),
        ({"menu_path": ["1", "; drop"]}, {"menu_path.1"}),
        ({"account_no": 12345}, {"account_no"}),
        ({"account_no": "12\x00"}, {"account_no"}),
        ({"ani": "138\x00"}, {"ani"}),
        ({"ani": "1380013\x1f8000"}, {"ani"}),
        ({"dnis": "9\x7f5598"}, {"dnis"}),
        ({"recording": {"url": "file:///etc/passwd"}}, {"recording.url"}),
        ({"transcript": {"text": "x" * 4001}}, {"transcript.text"}),
        ({"source": "x", "event": "recording"}, {"source", "recording"}),
        ({"language": "中文", "queue": {}}, {"language", "queue.answered"}),
    ],
)
def test_every_wrong_field_is_named(fields: dict[str, Any], named: set[str]) -> None:
    wrong = refused(**fields)
    assert wrong.reason is Reason.BAD_FIELD
    assert {field.field for field in wrong.fields} == named


def test_a_refusal_never_repeats_a_value() -> None:
    wrong = refused(account_no="12\x00secret", language="geheim!", ani=13800138000)
    said = wrong.detail + "".join(field.reason for field in wrong.fields)
    assert all(value not in said for value in ("secret", "geheim", "13800138000"))


def test_fields_we_do_not_know_are_ignored_and_named() -> None:
    accepted = phone.accept(SOURCE, body(adress="鼓楼区", zzz=1), None, NOW)
    assert accepted.ignored == ("adress", "zzz")
    assert phone.accept(SOURCE, body(), None, NOW).ignored == ()
