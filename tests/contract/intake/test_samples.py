"""Payloads as senders post them, and what they must mean: each sample becomes the contact described here.

The WeChat samples have the shape of the platform's documentation; the phone samples are one call of our own CTI
event (docs/openapi). A sample without an entry, or an entry without a sample, fails.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # its types are a package of their own
import orjson
import pytest
from pydantic import BaseModel  # noqa: TC002 - one import, read once

from services.contracts.envelope import decode, encode, open_record
from services.contracts.topics import CONTACT_RECEIVED
from services.intake.channels import app, cloudevents, phone, sms, web, wechat
from services.intake.channels.contact import Accepted, NotAContact, contact_fingerprint
from services.intake.channels.conversation import Talk
from services.intake.channels.payload import read_object
from services.intake.channels.refusal import PayloadRefusedError
from services.intake.channels.source import SmsSource
from services.intake.security import load_sources
from services.intake.settings import IntakeSettings
from services.intake.yaml_file import load_phrases

SAMPLES = Path(__file__).parent / "samples"
NOW = datetime(2026, 7, 14, 12, 0, tzinfo=UTC)
PHRASES = load_phrases(IntakeSettings.model_fields["phrases_file"].default)
SOURCES = load_sources(IntakeSettings.model_fields["sources_file"].default)

CALL = {"call_id": "00001017541763771412-leg2"}
EXPECTED: dict[str, dict[str, Any] | None] = {
    "phone-1-started.json": {"event": "started", "phone": "02587654321", "final": False, "business_type": None},
    "phone-2-dtmf.json": {
        "event": "dtmf",
        "business_type": "fault_report",
        "account_id": "0123456789",
        "final": False,
        "unconfirmed": False,
        "facts": {"call_id": "00001017541763771412", "menu_path": "1.2", "dnis": "95598"},
    },
    "phone-3-transcript.json": {
        "source_event_id": "asr-7f3a-0001",
        "text": "你好，我们这栋楼半个小时前就停电了，楼道里有一股烧焦的味道",
        "language": "zh-Hans-CN",
        "facts": {**CALL, "menu_path": "1.2", "transcript_final": True, "transcript_confidence": 0.91},
    },
    "phone-4-queue-exit-abandoned.json": {
        "occurred_at": "2026-07-14T19:34:40+08:00",
        "business_type": "fault_report",
        "final": True,
        "unconfirmed": True,
        "facts": {
            **CALL,
            "menu_path": "1.2",
            "abandoned": True,
            "answered": False,
            "queue": "fault-nanjing",
            "queue_wait_s": 210.0,
        },
    },
    "phone-5-recording.json": {
        "final": False,
        "attachments": [
            {
                "kind": "recording",
                "ref": "https://recordings.example/2026/07/14/00001017541763771412.wav",
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            }
        ],
    },
    "phone-6-ended-by-agent.json": {
        "business_type": "complaint",
        "language": "bo-CN",
        "phone": None,
        "reply_to": None,
        "final": True,
        "unconfirmed": False,
    },
    "web-report.json": {
        "channel": "web",
        "business_type": "fault_report",
        "occurred_at": "2026-07-14T11:31:44.120000Z",
        "position": {"lat": 32.0603, "lon": 118.7969, "accuracy_m": 18.6, "crs": "wgs84"},
        "reply_to": {"channel": "sms", "address": "13800138000", "account": None},
    },
    "web-enquiry-anonymous.json": {
        "business_type": "enquiry",
        "language": "en",
        "reply_to": None,
        "facts": {"timed_by_us": True},
    },
    "app-hazard.json": {
        "channel": "app",
        "hazard": True,
        "language": "zh-Hans-CN",
        "position": {"lat": 32.058, "lon": 118.801, "accuracy_m": 9.0, "crs": "gcj02"},
        "reply_to": {"channel": "app", "address": "a1b2c3d4e5f6", "account": "app-dev"},
    },
    "app-single-premise.json": {
        "text": "ئۆيۈمدە توك ئۈزۈلدى",
        "language": "ug-Arab-CN",
        "facts": {"single_premise": True},
        "reply_to": {"channel": "sms", "address": "+8613900139000", "account": None},
    },
    "wechat-text.xml": {
        "channel": "wechat",
        "source": "gh_gridline_dev",
        "source_event_id": "msg:24738291847362001",
        "event": "text",
        "text": "我家停电了，户号0123456789",
        "occurred_at": "2026-07-14T11:30:12Z",
        "reply_to": {"channel": "wechat", "address": "oIjF05kPiU8LwPo6TzkpcLS9HuEo", "account": "gh_gridline_dev"},
    },
    "wechat-image.xml": {"event": "image", "text": None},
    "wechat-voice.xml": {"event": "voice", "text": "我们这里停电了"},
    "wechat-voice-without-recognition.xml": {"event": "voice", "text": None},
    "wechat-shortvideo.xml": {"event": "shortvideo"},
    "wechat-location.xml": {
        "event": "location",
        "address": "广州市天河区体育西路",
        "position": {"lat": 23.134521, "lon": 113.358803, "accuracy_m": None, "crs": "gcj02"},
    },
    "wechat-link.xml": {"event": "link", "text": "停电公告\n检修通知"},
    "wechat-event-click.xml": {"event": "click", "business_type": "fault_report"},
    "wechat-event-location.xml": None,
    "wechat-event-subscribe.xml": None,
    "wechat-event-unsubscribe.xml": None,
    "wechat-event-template-finished.xml": None,
    "sms-aliyun.json": {
        "channel": "sms",
        "text": "停电了，户号0123456789",
        "account_id": "0123456789",
        "phone": "13800000000",
        "occurred_at": "2026-07-14T19:31:02+08:00",
        "reply_to": {"channel": "sms", "address": "13800000000", "account": None},
        "facts": {},
    },
    "sms-aliyun-stop.json": None,
    "sms-volcengine.json": {"text": "没电了，什么时候来电？", "occurred_at": "2026-07-14T11:31:02Z"},
    "sms-baidu.json": {"business_type": "fault_report", "text": "OUT", "occurred_at": "2026-07-14T11:31:02Z"},
    "sms-generic.json": {"source_event_id": "smsc-1-000042", "occurred_at": "2026-07-14T19:31:02+08:00"},
    "event-structured.json": {
        "channel": "api",
        "event": "submitted",
        "occurred_at": "2026-07-14T11:31:02Z",
        "hazard": True,
        "account_id": "0123456789",
        "position": {"lat": 32.0603, "lon": 118.7969, "accuracy_m": 18.6, "crs": "wgs84"},
        "reply_to": {"channel": "app", "address": "session-9f", "account": "chat-bot"},
        "facts": {"ce_id": "20931-4", "ce_source": "https://chat.example/bots/95598"},
    },
}
FOR_EVER = {
    "phone-2-dtmf.json": ("24874d93-8a1e-55cb-8e40-7a54ae50af83", "cd4455f8-39f9-55df-84ee-bc322732d27f"),
    "phone-3-transcript.json": ("6778884e-e00e-5ddf-b4b8-abb4604e2551", "cd4455f8-39f9-55df-84ee-bc322732d27f"),
    "web-report.json": ("ff9239d7-7fd8-5aa2-886e-68cb7e4bddbb", "ff9239d7-7fd8-5aa2-886e-68cb7e4bddbb"),
    "wechat-text.xml": ("fb5f76c0-d8a0-514b-8b02-ebd3a1553ebc", "45823fec-541d-50bc-aa83-97e5b8b08498"),
}
MODELS: dict[str, type[BaseModel]] = {
    "phone": phone.PhoneEvent,
    "web": web.WebReport,
    "app": app.AppReport,
    "event": cloudevents.SubmittedEvent,
}
names = pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir()))


def accept(name: str) -> Accepted | NotAContact:
    body = (SAMPLES / name).read_bytes()
    match name.partition("-")[0]:
        case "phone":
            return phone.accept(SOURCES.phone["ivr-dev"], body, None, NOW)
        case "web":
            return web.accept(SOURCES.web["web-dev"], body, None, NOW)
        case "app":
            return app.accept(SOURCES.app["app-dev"], body, None, NOW)
        case "event":
            return cloudevents.accept(SOURCES.api["api-dev"], read_object(body), NOW)
        case "sms":
            provider = name.removesuffix(".json").split("-")[1]
            gateway = SmsSource.model_validate({"name": "gw", "provider": provider, "api_keys_sha256": ["0" * 64]})
            talk = Talk.fresh(lambda: PHRASES)
            (outcome,) = sms.accept(gateway, body, None, NOW, talk)
            assert not isinstance(outcome, PayloadRefusedError), outcome
            return outcome
        case _:
            talk = Talk.fresh(lambda: PHRASES)
            return wechat.accept(SOURCES.wechat["gh_gridline_dev"], wechat.in_clear(body), NOW, talk)


def test_every_sample_is_described_and_every_description_has_its_sample() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == EXPECTED.keys()


@names
def test_a_sample_becomes_the_contact_described(name: str) -> None:
    accepted, expected = accept(name), EXPECTED[name]
    if expected is None:
        assert isinstance(accepted, NotAContact)
        return
    assert isinstance(accepted, Accepted)
    contact = accepted.contact.model_dump(mode="json")
    assert {field: contact[field] for field in expected} == expected


@names
def test_the_record_of_a_sample_is_read_by_every_consumer(name: str) -> None:
    accepted = accept(name)
    if isinstance(accepted, Accepted):
        contact = accepted.contact
        record = encode(contact, topic="t", source="s", content=contact_fingerprint(contact))
        assert decode(open_record(record.value, record.headers), CONTACT_RECEIVED.types) == contact


@names
def test_a_json_sample_fits_the_schema_that_the_openapi_document_shows(name: str) -> None:
    model = MODELS.get(name.partition("-")[0])
    if model is not None:
        jsonschema.validate(orjson.loads((SAMPLES / name).read_bytes()), model.model_json_schema())


def test_the_events_of_the_sample_call_are_one_ticket() -> None:
    call = [accept(name) for name in sorted(EXPECTED) if name.startswith("phone-") and not name.startswith("phone-6")]
    contacts = [accepted.contact for accepted in call if isinstance(accepted, Accepted)]
    assert len(contacts) == 5
    assert len({contact.ticket_id for contact in contacts}) == 1
    assert len({contact.contact_id for contact in contacts}) == 5


def test_a_field_of_a_newer_sender_is_ignored_and_named() -> None:
    accepted = accept("phone-6-ended-by-agent.json")
    assert isinstance(accepted, Accepted)
    assert accepted.ignored == ("x_vendor_trunk",)


def test_ids_never_change_for_the_same_events() -> None:
    """Renaming every accepted event would make all of them new: these values are for ever."""
    found = {}
    for name in FOR_EVER:
        accepted = accept(name)
        assert isinstance(accepted, Accepted)
        found[name] = (str(accepted.contact.contact_id), str(accepted.contact.ticket_id))
    assert found == FOR_EVER
