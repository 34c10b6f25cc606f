"""Who is told to wait: the storm's customers are not, and what is urgent is slowed last."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import Channel
from services.intake import limits as limits_module
from services.intake.channels.contact import contact_of, heard_of
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import FormSource
from services.intake.limits import Buckets, Limits, Rate, Urgency
from services.intake.peer import Peer

SOURCE = FormSource(name="form")
HOME = Peer(ip_address("203.0.113.9"))
PLENTY = Rate(1e6, 1e6)
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def a_contact(**told: Any):
    told = {"event": "report", "occurred_at": NOW, "raw_sha256": "0" * 64, "business_type": "fault_report"} | told
    return contact_of(SOURCE, Channel.WEB, "e", thread=None, now=NOW, **told)


def sent(
    limits: Limits, count: int, *, at: float = 0.0, anonymous: bool = False, peer: Peer = HOME, **told: Any
) -> int:
    """How many of some contacts at one moment are let through."""
    refusals = []
    for _ in range(count):
        try:
            limits.admit(a_contact(**told), peer, anonymous=anonymous, now=at)
        except PayloadRefusedError as refusal:
            refusals.append(refusal)
    assert all(one.reason is Reason.TOO_MANY and (one.retry_after_s or 0) >= 1 for one in refusals)
    return count - len(refusals)


def test_other_business_gives_way_before_outage_reports_and_danger_comes_last():
    limits = Limits(source=Rate(1, 100), customer=PLENTY, address=PLENTY)
    assert sent(limits, 100, business_type="praise") == 50
    assert sent(limits, 100) == 40
    assert sent(limits, 100, hazard=True) == 10


def test_what_nobody_named_is_treated_as_an_outage():
    assert [Urgency.of(a_contact(business_type=kind)) for kind in (None, "fault_report", "complaint")] == [
        Urgency.OUTAGE,
        Urgency.OUTAGE,
        Urgency.OTHER,
    ]


@pytest.mark.parametrize("channel", ["phone", "wechat"])
def test_one_customer_that_floods_is_slowed_and_the_neighbours_are_not(channel):
    """Each of their messages is a ticket of its own, as far as is known here."""
    limits = Limits(source=PLENTY, customer=Rate(0.5, 20), address=PLENTY)

    def passed(count: int, who: str, at: float = 0.0) -> int:
        named = {"phone": who} if channel == "phone" else {"reply_to": {"channel": channel, "address": who}}
        return sum(sent(limits, 1, at=at, ticket=uuid5(NAMESPACE_URL, f"{at}{n}"), **named) for n in range(count))

    assert passed(100, "13800000000") == 18
    assert passed(1, "13800000001") == 1
    assert passed(10, "13800000000", at=4.0) == 2


def test_whoever_goes_on_flooding_is_not_forgotten_for_many_who_come_once(monkeypatch):
    monkeypatch.setattr(limits_module, "_MOST_BUCKETS", 3)
    buckets = Buckets(Rate(0.0001, 4))
    passed = 0
    for stranger in range(50):
        passed += buckets.wait("flood", Urgency.DANGER, 0.0) == 0
        buckets.wait(stranger, Urgency.DANGER, 0.0)
    assert passed == 4
    assert buckets.wait(0, Urgency.DANGER, 0.0) == 0, "one that is forgotten is full again"
    assert len(buckets._levels) == 3
    assert sum(buckets.wait("who came later", Urgency.DANGER, 0.0) == 0 for _ in range(9)) == 4


def test_callers_behind_one_number_do_not_take_one_anothers_place():
    limits = Limits(source=PLENTY, customer=Rate(0.5, 20), address=PLENTY)

    def taken(call: str, events: int) -> int:
        told = {"event": "dtmf", "occurred_at": NOW, "raw_sha256": "0" * 64, "phone": "02588880000"}
        passed = 0
        with contextlib.suppress(PayloadRefusedError):
            for number in range(events):
                contact = contact_of(SOURCE, Channel.PHONE, f"{call}{number}", thread=call, now=NOW, **told)
                limits.admit(contact, HOME, anonymous=False, now=0.0)
                passed += 1
        return passed

    assert [taken(f"call-{number}", 5) for number in range(100)] == [5] * 100
    assert taken("one that never ends", 100) == 18


def test_who_is_told_to_wait_takes_nothing_of_the_others_share():
    limits = Limits(source=Rate(1, 100), customer=Rate(0.5, 20), address=Rate(1, 50))
    neighbour = Peer(ip_address("203.0.113.10"))
    assert sent(limits, 1000, phone="13800000000", anonymous=True) == 18, "the customer's"
    assert sent(limits, 18, phone="13800000001", anonymous=True) == 18, "of the same address"
    assert sent(limits, 1000, phone="13800000002", anonymous=True) == 9, "the address's"
    assert sent(limits, 18, phone="13800000003", anonymous=True, peer=neighbour) == 18, "the source's are left"
    assert sent(limits, 9, phone="13800000002", anonymous=True, peer=neighbour) == 9, "and the customer's"


def test_an_address_is_a_sender_only_where_no_credential_is_asked_for():
    limits = Limits(source=PLENTY, customer=PLENTY, address=Rate(1, 10))
    assert sent(limits, 100, anonymous=False) == 100
    assert sent(limits, 100, anonymous=True) == 9
    assert sent(limits, 100, anonymous=True, peer=Peer(ip_address("203.0.113.10"))) == 9


def test_a_stranger_who_floods_under_somebodys_number_takes_nothing_of_theirs():
    """Anybody can name anybody's; their own reports, of danger even, had to wait for it."""
    limits = Limits(source=PLENTY, customer=Rate(0.5, 20), address=PLENTY)
    assert sent(limits, 1000, phone="13800000000", anonymous=True, hazard=True) == 20
    assert sent(limits, 1, phone="13800000000") == 1, "at the site's own door"
    neighbour = Peer(ip_address("203.0.113.10"))
    assert sent(limits, 1, phone="13800000000", anonymous=True, peer=neighbour) == 1


def test_all_addresses_of_one_ipv6_network_are_one_sender():
    """A home or a rented server has 2^64 of them."""
    limits = Limits(source=PLENTY, customer=PLENTY, address=Rate(1, 10))
    assert (
        sum(sent(limits, 1, anonymous=True, peer=Peer(ip_address(f"2001:db8:1:2::{n:x}"))) for n in range(1, 99)) == 9
    )
    assert sent(limits, 100, anonymous=True, peer=Peer(ip_address("2001:db8:1:3::1"))) == 9


def test_a_number_that_strangers_name_again_and_again_is_told_of_some_only():
    """Each report is kept; what must not be had here is a stranger's telephone full of our messages."""
    limits = Limits(source=PLENTY, customer=PLENTY, address=PLENTY)

    def told(*numbers: str, at: float = 0.0) -> int:
        return sum(limits.may_tell(a_contact(reply_to={"channel": "sms", "address": one}), at) for one in numbers)

    assert told(*["13800000000", "+86 138 0000 0000"] * 50) == 12
    assert told("13800000001") == 1
    assert told(*["13800000000"] * 50, at=3600.0) == 6
    assert not limits.may_tell(a_contact(), 0.0), "nobody is named"


def test_a_number_is_not_used_up_by_what_was_not_kept():
    limits = Limits(source=PLENTY, customer=PLENTY, address=PLENTY)
    contact = a_contact(reply_to={"channel": "sms", "address": "13800000000"})
    for _ in range(50):
        assert limits.may_tell(contact, 0.0)
        limits.was_not_kept(contact)


def test_whoever_waits_as_long_as_told_is_let_through():
    limits = Limits(source=PLENTY, customer=Rate(0.1, 5), address=PLENTY)
    sent(limits, 5, phone="1")
    with pytest.raises(PayloadRefusedError) as caught:
        limits.admit(a_contact(phone="1"), HOME, anonymous=False, now=0.0)
    assert sent(limits, 1, at=float(caught.value.retry_after_s or 0), phone="1") == 1


@given(st.lists(st.tuples(st.floats(0, 10), st.sampled_from(Urgency)), max_size=200))
def test_no_more_passes_than_the_bucket_and_its_filling(steps):
    buckets, now, passed = Buckets(Rate(2.0, 10.0)), 0.0, 0
    for pause, urgency in steps:
        now += pause
        passed += buckets.wait("k", urgency, now) == 0.0
    assert passed <= 10 + 2.0 * now + 1e-6


@given(st.lists(st.sampled_from(Urgency), min_size=1, max_size=100))
def test_whatever_came_before_danger_passes_where_anything_else_does(before):
    def level_after() -> Buckets:
        buckets = Buckets(Rate(0.001, 20.0))
        for urgency in before:
            buckets.wait("k", urgency, 0.0)
        return buckets

    passes = [
        level_after().wait("k", urgency, 0.0) == 0.0 for urgency in (Urgency.OTHER, Urgency.OUTAGE, Urgency.DANGER)
    ]
    assert passes == sorted(passes)


@pytest.mark.parametrize("anonymous", [False, True])
def test_the_photos_of_one_report_are_counted_together_wherever_they_come_from(anonymous):
    limits = Limits(source=PLENTY, customer=Rate(0.5, 20), address=PLENTY)
    report, other = uuid5(NAMESPACE_URL, "1"), uuid5(NAMESPACE_URL, "2")
    homes = [Peer(ip_address(f"203.0.113.{number}")) for number in range(100)]
    photo = {"event": "photo", "anonymous": anonymous}
    assert sum(sent(limits, 1, peer=home, ticket=report, **photo) for home in homes) == 18
    assert sent(limits, 1, ticket=other, **photo) == 1


def test_questions_and_words_of_recipients_give_way_before_reports_do():
    limits = Limits(source=PLENTY, customer=Rate(1, 10), address=Rate(1, 10))
    answered = 0
    with contextlib.suppress(PayloadRefusedError):
        for _ in range(100):
            limits.ask(HOME, 0.0)
            answered += 1
    assert answered == 5
    assert sent(limits, 100, anonymous=True) == 4

    told: dict[str, Any] = {"heard": "unlinked", "occurred_at": NOW, "received_at": NOW, "raw_sha256": "0" * 64}
    stop = heard_of(SOURCE, Channel.SMS, "e", address="13800000000", **told)
    taken = 0
    with contextlib.suppress(PayloadRefusedError):
        for _ in range(100):
            limits.hear(stop, 0.0)
            taken += 1
    assert taken == 5
