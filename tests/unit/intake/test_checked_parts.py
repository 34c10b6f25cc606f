"""A contact made of parts that were checked already is one that the contract takes, and says the same.

The phone's, the site's and the app's doors do not check a contact twice: their payloads' models must hold every part to
the contract's bounds. Here payloads stand at those bounds, just inside and just outside.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.messages import ContactReceived
from services.contracts.values import Channel
from services.intake.channels import app, phone, web
from services.intake.channels.contact import contact_of, contact_of_checked
from services.intake.channels.refusal import PayloadRefusedError
from services.intake.security import load_sources
from services.intake.settings import IntakeSettings

SOURCES = load_sources(IntakeSettings.model_fields["sources_file"].default)
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ACCEPT: dict[str, Any] = {
    "phone": lambda body, key: phone.accept(SOURCES.phone["ivr-dev"], body, key, NOW),
    "web": lambda body, key: web.accept(SOURCES.web["web-dev"], body, key, NOW),
    "app": lambda body, key: app.accept(SOURCES.app["app-dev"], body, key, NOW),
}

ODD = ("停", "\U0001f600", "\u2028", " ", "é", "e\u0301", "/", "\x7f", "\x00", "\x1f", "\n", "\ud800")


def text(longest: int) -> st.SearchStrategy[str]:
    """Mostly as long as is allowed; now and then too long, empty, or with a character that may not be there."""
    lengths = st.sampled_from([*(8 * [1, 2, longest - 1, longest]), 0, longest + 1])
    chars = st.sampled_from([*(150 * [""]), *ODD])
    return st.builds(lambda n, char: ("7" * n)[len(char) :] + char, lengths, chars)


names = text(200)
words = st.sampled_from([*(8 * ["fault_report", "a" * 64, "0:.-_"]), "a" * 65, "", "é", "A", "x\n"])
locales = st.sampled_from(
    [*(8 * ["zh_Hans_CN", "en", "abcdefgh-12345678-12345678-12345678"]), "a" * 9, "zh--CN", "en\n"]
)


def number(low: float, high: float) -> st.SearchStrategy[float]:
    """Mostly within the bounds."""
    inside = st.floats(low, high)
    return st.sampled_from([low, high, 1e-300]) | inside | inside | st.sampled_from([low - 1, *(8 * [high])])


instants = st.sampled_from(
    ["2026-11-22T08:30:00+08:00", "2199-12-31T23:59:59.999999-14:00", "1970-01-01T00:00:00Z", "2026-11-22T08:30:00.5Z"]
)
positions = st.fixed_dictionaries(
    {"lat": number(-90, 90), "lon": number(-180, 180)},
    optional={"accuracy_m": number(0, 1_000_000), "crs": st.sampled_from(["wgs84", "gcj02", "bd09"])},
)
reports = {
    "event_id": names,
    "business_type": words,
    "text": text(4000),
    "account_id": names,
    "phone": names,
    "address": text(500),
    "position": positions,
    "language": locales,
    "hazard": st.booleans(),
    "single_premise": st.booleans(),
    "reported_at": instants,
}
calls = text(128)
events = {
    "event_id": names,
    "linked_call_id": calls,
    "ani": text(64),
    "dnis": text(64),
    "language": locales,
    "menu_path": st.lists(st.sampled_from(["1", "9", "*", "1" * 16]), max_size=10),
    "digits": st.sampled_from(["", "1", "*" * 64]),
    "transcript": st.fixed_dictionaries({"text": text(4000)}, optional={"lang": locales, "confidence": number(0, 1)}),
    "recording": st.fixed_dictionaries(
        {"url": text(1970).map(lambda rest: "https://recordings.example/" + rest)},
        optional={"duration": number(0, 86_400)},
    ),
    "queue": st.fixed_dictionaries({"answered": st.booleans()}, optional={"name": names, "wait_s": number(0, 86_400)}),
    "agent_id": names,
    "account_no": names,
}
PAYLOADS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "web": st.fixed_dictionaries({}, optional=reports),
    "app": st.fixed_dictionaries({}, optional={**reports, "installation_id": names, "app_version": names}),
    "phone": st.fixed_dictionaries(
        {
            "external_call_id": calls,
            "event": st.sampled_from(["started", "transcript", "recording", "queue_exit", "ended"]),
            "occurred_at": instants,
        },
        optional=events,
    ),
}


def held_against_the_contract(contact: ContactReceived) -> None:
    """Raise if the contract would not take it, or would write it otherwise."""
    written = contact.model_dump_json()
    checked = ContactReceived.model_validate_json(written)
    assert checked == contact
    assert checked.model_dump_json() == written
    assert checked.model_dump_json(exclude_none=True) == contact.model_dump_json(exclude_none=True)


@pytest.mark.parametrize("door", PAYLOADS)
@settings(max_examples=200)
@given(data=st.data())
def test_what_a_door_takes_the_contract_takes(door: str, data: st.DataObject) -> None:
    few = data.draw(PAYLOADS[door])
    key = None if "event_id" in few else data.draw(st.sampled_from(["k", "k" * 200, "k" * 201, '"q\\"q"', " k "]))
    try:
        accepted = ACCEPT[door](json.dumps(few).encode(), key)
    except PayloadRefusedError:
        return
    held_against_the_contract(accepted.contact)


TOLD: dict[str, Any] = {
    "thread": "call",
    "now": NOW,
    "event": "started",
    "occurred_at": NOW,
    "reply_to": {"channel": Channel.SMS, "address": "13800138000", "account": None},
    "facts": {"call_id": "c"},
    "raw_sha256": "0" * 64,
}


def test_both_ways_make_the_same_contact():
    source = SOURCES.phone["ivr-dev"]
    checked, unchecked = (make(source, Channel.PHONE, "e", **TOLD) for make in (contact_of, contact_of_checked))
    assert checked == unchecked
    assert checked.model_dump_json() == unchecked.model_dump_json()


@pytest.mark.parametrize(
    "wrong",
    [
        {"event": "not a word"},
        {"occurred_at": NOW.replace(tzinfo=None)},
        {"text": "x" * 4001},
        {"account_id": ""},
        {"reply_to": {"channel": Channel.SMS, "address": "\x1f", "account": None}},
        {"facts": {"Not a word": 1}},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_part_that_nobody_checked_would_be_seen_here(wrong: dict[str, Any]):
    contact = contact_of_checked(SOURCES.phone["ivr-dev"], Channel.PHONE, "e", **{**TOLD, **wrong})
    with pytest.raises((ValidationError, AssertionError)):
        held_against_the_contract(contact)
