"""An address that a sender gives us is kept only if it is where the source's recordings are."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.channels import phone, twilio
from services.intake.channels.reference import wrong_reference
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import PhoneSource, TwilioSource

NOW = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)
LIST = frozenset({"rec.example", "*.calls.example", "10.0.0.7", "2001:db8::7"})


@pytest.mark.parametrize(
    "url", ["https://rec.example/a.wav", "http://a.b.example:8080/x?y=@#z", "https://REC.Example./", "https://xn--a.cn"]
)
def test_without_a_list_a_public_name_is_taken(url: str) -> None:
    assert wrong_reference(url, ()) is None


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "metadata", "127.0.0.1", "169.254.169.254", "10.1.2.3", "[::1]", "[::ffff:127.0.0.1]"),
        *("2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.1", "", ":80", "rec.example:99999", "[::1"),
        *("good.example@127.0.0.1", "127.0.0.1\\@good.example", "127.0.0.1#@good.example", "127%2e0.0.1"),
    ],
)
def test_without_a_list_what_only_means_something_inside_a_network_is_refused(host: str) -> None:
    assert wrong_reference(f"http://{host}/x.wav", ())


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://rec.example/a.wav", True),
        ("https://REC.example:8443/a.wav", True),
        ("https://north.calls.example/a.wav", True),
        ("http://10.0.0.7/a.wav", True),
        ("http://[2001:db8::7]/a.wav", True),
        ("https://calls.example/a.wav", False),
        ("https://evilcalls.example/a.wav", False),
        ("https://rec.example.evil.example/a.wav", False),
        ("https://rec.example@evil.example/a.wav", False),
        ("http://10.0.0.8/a.wav", False),
    ],
)
def test_with_a_list_only_what_it_names_is_taken(url: str, *, taken: bool) -> None:
    assert (wrong_reference(url, LIST) is None) is taken


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40))
def test_whatever_is_sent_has_an_answer(rest: str) -> None:
    assert wrong_reference(f"https://{rest}", ()) is None or wrong_reference(f"https://{rest}", LIST) is not None


def test_the_refusal_names_the_field_as_the_sender_does() -> None:
    ivr = PhoneSource.model_validate({"name": "ivr", "api_keys_sha256": ["0" * 64], "recording_hosts": ["Rec.Example"]})
    event = {"external_call_id": "c1", "event": "recording", "occurred_at": "2026-11-22T08:30:00+08:00"}

    def sent(url: str) -> Any:
        return phone.accept(ivr, json.dumps({**event, "recording": {"url": url}}).encode(), None, NOW)

    assert sent("https://rec.example/1.wav").contact.attachments[0].ref == "https://rec.example/1.wav"
    with pytest.raises(PayloadRefusedError) as caught:
        sent("http://169.254.169.254/latest/meta-data")
    assert caught.value.reason is Reason.BAD_FIELD
    assert [field.field for field in caught.value.fields] == ["recording.url"]

    account = TwilioSource.model_validate(
        {"name": "t", "account_sid": f"AC{0:032x}", "auth_tokens": ["12345678"], "public_url": "https://h.example"}
    )
    form = (("CallSid", "CA1"), ("RecordingSid", "RE1"), ("RecordingUrl", "http://localhost/RE1"))
    with pytest.raises(PayloadRefusedError) as caught:
        twilio.accept(account, form, "", NOW)
    assert [field.field for field in caught.value.fields] == ["RecordingUrl"]
