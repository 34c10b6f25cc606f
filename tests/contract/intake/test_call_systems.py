"""Events as call systems send them, in the shapes their makers document, and what each must mean.

The events of each system's sample call, in any order and repeated, are one ticket with the same facts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deploy
from services.contracts.envelope import decode, encode, open_record
from services.contracts.topics import CONTACT_RECEIVED
from services.intake.channels import asterisk, connect, huawei, twilio
from services.intake.channels.contact import Accepted, NotAContact, contact_fingerprint
from services.intake.channels.source import PhoneSource, TwilioSource
from services.router.domain.facts import Bounds, Facts, fold
from services.router.tree.book import load_rules

SAMPLES = Path(__file__).parent / "call_systems"
NOW = datetime(2026, 7, 14, 12, 0, tzinfo=UTC)
MENU = {"1": "fault_report", "2": "enquiry"}
SOURCE = PhoneSource.model_validate(
    {
        "name": "ivr-north",
        "api_keys_sha256": ["0" * 64],
        "default_offset": "+08:00",
        "menu": MENU,
        "menu_contexts": ["ivr-main"],
    }
)
TWILIO = TwilioSource.model_validate(
    {
        "name": "twilio-north",
        "account_sid": "AC0123456789abcdef0123456789abcdef",
        "auth_tokens": ["12345678"],
        "public_url": "https://hotline.example",
        "menu": MENU,
    }
)
QUERY = {"twilio-gather-digits.form": "menu_path=1&language=zh-CN", "twilio-queue-hangup.form": "menu_path=1.2"}

CALL = {"event": "started", "phone": "+8613800138000", "final": False, "business_type": None}
ENDED = {"final": True, "unconfirmed": True}
EXPECTED: dict[str, dict[str, Any] | None] = {
    "twilio-started.form": {**CALL, "facts": {"call_id": "CA0123456789abcdef0123456789abcde1", "dnis": "+8695598"}},
    "twilio-gather-digits.form": {"event": "dtmf", "business_type": "fault_report", "language": "zh-CN"},
    "twilio-gather-speech.form": {"event": "transcript", "text": "整栋楼都停电了"},
    "twilio-recording.form": {
        "event": "recording",
        "attachments": [
            {
                "kind": "recording",
                "ref": "https://api.twilio.com/2010-04-01/Accounts/AC0/Recordings/RE0",
                "sha256": None,
            }
        ],
    },
    "twilio-queue-hangup.form": {"event": "queue_exit", **ENDED, "business_type": "fault_report"},
    "twilio-status-completed.form": {"event": "ended", **ENDED, "occurred_at": "2026-07-14T11:36:20Z"},
    "twilio-status-ringing.form": None,
    "connect-flow-started.json": {**CALL, "language": "zh-CN"},
    "connect-flow-dtmf.json": {
        "event": "dtmf",
        "source_event_id": "flow-17",
        "business_type": "fault_report",
        "account_id": "0123456789",
    },
    "connect-contact-event-disconnected.json": {
        "event": "ended",
        "occurred_at": "2026-07-14T11:36:20Z",
        "final": True,
        "unconfirmed": False,
        "phone": None,
        "facts": {"call_id": "4a573372-1f28-4e26-b97b-000000000002", "agent_id": "agent-17"},
    },
    "connect-chat.json": None,
    "asterisk-ari-stasis-start.json": {
        "event": "started",
        "phone": "02587654321",
        "language": "zh",
        "occurred_at": "2026-07-14T19:30:10.155000+08:00",
    },
    "asterisk-ari-dtmf.json": {"event": "dtmf", "business_type": "fault_report"},
    "asterisk-ari-destroyed.json": {"event": "ended", **ENDED},
    "asterisk-ami-newchannel.txt": {"event": "started", "occurred_at": "2026-07-14T11:30:10.150000Z"},
    "asterisk-ami-agent-leg.txt": None,
    "asterisk-ami-dtmf-of-a-password.txt": None,
    "asterisk-ami-user-event.txt": {
        "event": "dtmf",
        "business_type": "fault_report",
        "account_id": "0123456789",
        "occurred_at": "2026-07-14T11:30:40.500000Z",
    },
    "asterisk-ami-abandon.txt": {"event": "queue_exit", **ENDED},
    "asterisk-ami-agent-connect.txt": {
        "event": "queue_exit",
        "final": False,
        "facts": {
            "call_id": "1784028610.42",
            "agent_id": "agent-7",
            "answered": True,
            "queue": "fault-nanjing",
            "queue_wait_s": 35.0,
            "timed_by_us": True,
        },
    },
    "huawei-started.json": {
        "event": "started",
        "language": "zh-CN",
        "occurred_at": "2026-07-14T19:30:10+08:00",
        "facts": {"call_id": "1784028610-18446744", "dnis": "02595598"},
    },
    "huawei-queue-exit.json": {
        "event": "queue_exit",
        "language": None,
        **ENDED,
        "business_type": "fault_report",
        "occurred_at": "2026-07-14T19:34:40+08:00",
        "source_event_id": "flow-9-exit",
    },
}
names = pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir()))
CALLS = {
    "twilio": [name for name in EXPECTED if name.startswith("twilio") and EXPECTED[name]],
    "connect": [name for name in EXPECTED if name.startswith("connect") and EXPECTED[name]],
    "ari": [name for name in EXPECTED if name.startswith("asterisk-ari") and EXPECTED[name]],
    "ami": [name for name in EXPECTED if name.startswith("asterisk-ami") and EXPECTED[name]],
    "huawei": [name for name in EXPECTED if name.startswith("huawei")],
}
RULES = load_rules(Path(deploy.__file__).parent / "routes.yaml", Path(deploy.__file__).parent / "classify.yaml")


def accept(name: str) -> Accepted | NotAContact:
    body = (SAMPLES / name).read_bytes()
    match name.partition("-")[0]:
        case "twilio":
            return twilio.accept(TWILIO, twilio.read_form(body), QUERY.get(name, ""), NOW)
        case "connect":
            return connect.accept(SOURCE, body, None, NOW)
        case "asterisk":
            return asterisk.accept(SOURCE, body, None, NOW)
        case _:
            return huawei.accept(SOURCE, body, None, NOW)


def contact(name: str) -> Any:
    accepted = accept(name)
    assert isinstance(accepted, Accepted)
    return accepted.contact


def test_every_sample_is_described_and_every_description_has_its_sample() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == EXPECTED.keys()


@names
def test_a_sample_becomes_the_contact_described(name: str) -> None:
    expected = EXPECTED[name]
    if expected is None:
        assert isinstance(accept(name), NotAContact)
        return
    found = contact(name)
    record = encode(found, topic="t", source="s", content=contact_fingerprint(found))
    assert decode(open_record(record.value, record.headers), CONTACT_RECEIVED.types) == found
    shown = found.model_dump(mode="json")
    if "facts" in expected and "timed_by_us" not in expected["facts"]:
        shown["facts"].pop("timed_by_us", None)
    assert {field: shown[field] for field in expected} == expected


@pytest.mark.parametrize("system", CALLS)
@settings(max_examples=40)
@given(data=st.data())
def test_a_calls_events_in_any_order_and_repeated_are_one_ticket_with_the_same_facts(
    system: str, data: st.DataObject
) -> None:
    events = [contact(name) for name in CALLS[system]]
    assert len({one.ticket_id for one in events}) == 1
    assert len({one.contact_id for one in events}) == len(events)
    delivered = data.draw(st.permutations(events)) + data.draw(st.lists(st.sampled_from(events), max_size=3))

    def folded(order: list[Any]) -> Facts | None:
        facts = None
        for one in order:
            facts = fold(facts, one, RULES.keywords, Bounds())
        return facts

    assert folded(delivered) == folded(events)


def test_a_call_that_an_agent_answered_is_not_unconfirmed_when_it_ends() -> None:
    facts = None
    for name in CALLS["ami"]:
        if "abandon" not in name:
            facts = fold(facts, contact(name), RULES.keywords, Bounds())
    ended = contact("asterisk-ami-abandon.txt")
    assert facts is not None
    assert ended.unconfirmed
    assert not fold(facts, ended, RULES.keywords, Bounds()).is_unconfirmed
