"""Who a request comes from: signatures by Standard Webhooks, certificates by a proxy, addresses."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.contracts.values import Channel
from services.intake.channels.refusal import UNIFORM, PayloadRefusedError, Reason
from services.intake.channels.source import ReportSource
from services.intake.credentials import TOLERANCE_S, Credentials
from services.intake.doors.front import Visit
from services.intake.peer import Peer, peer_of

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)
OLD, NEW, OTHERS = ("whsec_" + base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))
CERTIFICATE = hashlib.sha256(b"the certificate").hexdigest()
BODY = '{"text": "停电了"}'.encode()
INSIDE = Peer(ip_address("10.1.2.3"))


def sources(**entry: object) -> dict[str, ReportSource]:
    asked = {"name": "site", "webhook_secrets": [OLD, NEW], "client_certificates_sha256": [CERTIFICATE]} | entry
    return {
        "site": ReportSource.model_validate(asked),
        "other": ReportSource.model_validate({"name": "other", "webhook_secrets": [OTHERS]}),
    }


def signed(secret: str, *, at: datetime = NOW, body: bytes = BODY, event: str = "msg_1") -> dict[str, str]:
    """Headers as Standard Webhooks' own libraries write them."""
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{event}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": event,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }


def from_signature(headers: dict[str, str], body: bytes = BODY, peer: Peer = INSIDE, **entry: object) -> str:
    credentials = Credentials(lambda: sources(**entry))
    assert credentials.presented(headers, peer) is None
    return credentials.signed(headers, body, peer, NOW).name


def test_the_vector_of_the_specification_fits():
    # github.com/standard-webhooks: the example its libraries are tested with.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    source = ReportSource.model_validate({"name": "site", "webhook_secrets": [secret]})
    at = datetime.fromtimestamp(1614265330, UTC)
    assert Credentials(lambda: {"site": source}).signed(headers, b'{"test": 2432232314}', INSIDE, at) is source


def test_old_and_new_secret_are_both_good_and_say_whose_they_are():
    assert [from_signature(signed(one)) for one in (OLD, NEW, OTHERS)] == ["site", "site", "other"]


def test_one_good_signature_among_several_is_enough():
    headers = signed(OLD)
    headers["webhook-signature"] = "v1a,xxxx v1,AAAA nonsense " + headers["webhook-signature"]
    assert from_signature(headers) == "site"


@pytest.mark.parametrize("late_s", [-TOLERANCE_S, 0, TOLERANCE_S])
def test_a_clock_may_be_five_minutes_off_either_way(late_s: int):
    assert from_signature(signed(OLD, at=NOW + timedelta(seconds=late_s))) == "site"


@pytest.mark.parametrize(
    "headers",
    [
        signed(OLD, at=NOW + timedelta(seconds=TOLERANCE_S + 1)),
        signed(OLD, at=NOW - timedelta(hours=8)),
        signed(OLD) | {"webhook-timestamp": "1e9"},
        *(signed(OLD) | {"webhook-timestamp": stamp} for stamp in ("٣", "²", "9" * 5000)),
        signed(OLD) | {"webhook-signature": signed(OLD)["webhook-signature"].replace("v1,", "v1a,")},
        signed(OLD) | {"webhook-id": "msg_2"},
        signed(OLD) | {"webhook-signature": ""},
        signed(OLD) | {"webhook-signature": "v1,"},
        signed(OLD) | {"webhook-signature": "v1,é"},
        signed(OLD, body=b"another"),
        signed("whsec_" + base64.b64encode(b"x" * 32).decode()),
        {"webhook-signature": "v1,AAAA"},
    ],
)
def test_a_signature_that_is_not_good_is_refused_in_the_same_words(headers: dict[str, str]):
    with pytest.raises(PayloadRefusedError) as caught:
        from_signature(headers)
    assert (caught.value.reason, caught.value.detail) == (Reason.CREDENTIALS, UNIFORM)


def test_a_request_that_shows_nothing_is_refused_before_its_body_is_read():
    with pytest.raises(PayloadRefusedError):
        Credentials(sources).presented({}, INSIDE)


def test_a_wrong_key_is_not_saved_by_a_good_signature():
    with pytest.raises(PayloadRefusedError):
        Credentials(sources).presented({"x-api-key": "wrong"} | signed(OLD), INSIDE)


def test_a_good_signature_counts_beside_a_certificate_that_is_nobodys():
    through = Peer(INSIDE.address, hashlib.sha256(b"of a proxy on the way").digest())
    assert from_signature(signed(OLD), peer=through) == "site"
    with pytest.raises(PayloadRefusedError):
        from_signature(signed(OLD, body=b"{}"), peer=through)
    with pytest.raises(PayloadRefusedError):
        Credentials(sources).presented({}, through)
    known = Credentials(sources).presented(signed(OTHERS), Peer(INSIDE.address, bytes.fromhex(CERTIFICATE)))
    assert known is not None
    assert known.name == "site"


def test_a_source_may_send_only_from_its_addresses():
    allowed = ["10.0.0.0/8", "2001:db8::/32"]
    assert from_signature(signed(OLD), addresses=allowed) == "site"
    assert from_signature(signed(OLD), peer=Peer(ip_address("2001:db8::1")), addresses=allowed) == "site"
    for stranger in (Peer(ip_address("11.0.0.1")), Peer()):
        with pytest.raises(PayloadRefusedError):
            from_signature(signed(OLD), peer=stranger, addresses=allowed)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_short", "whsec_" + "A" * 30, "no base64 at all, but long enough"])
def test_a_weak_secret_is_refused_and_not_shown(secret: str):
    with pytest.raises(ValidationError) as caught:
        ReportSource.model_validate({"name": "site", "webhook_secrets": [secret]})
    assert "24 to 64 random bytes" in str(caught.value)


PROXIES = (ip_network("10.0.0.0/8"),)
XFCC = f'By=spiffe://x;Hash={"0" * 64};Subject="CN=forged",By=spiffe://y;Hash={CERTIFICATE};Subject="CN=ivr"'


def test_a_certificate_counts_by_a_trusted_proxys_word_and_its_last_word_only():
    peer = peer_of("10.0.0.1", {"x-forwarded-client-cert": XFCC, "x-forwarded-for": "203.0.113.9"}, PROXIES)
    assert peer.address == ip_address("203.0.113.9")
    source = Credentials(sources).presented({}, peer)
    assert source is not None
    assert source.name == "site"


VICTIMS = "0" * 64


@pytest.mark.parametrize(
    "forwarded",
    [
        f'By=spiffe://y;Hash={CERTIFICATE};Subject="CN=ivr,O=a\\;Hash={VICTIMS}"',  # a name of the client's own choice
        f'Hash={CERTIFICATE};Subject="CN=\\",By=spiffe://y;Hash={VICTIMS}"',
        f"Hash={CERTIFICATE};URI=spiffe://x;Hash={VICTIMS}",
        f'By=spiffe://y;Hash="{CERTIFICATE}";Cert="-----BEGIN%20";Subject="";URI=;DNS=a.example;DNS=b.example',
        f"By=spiffe://x;Hash={VICTIMS}, Hash={CERTIFICATE}",
    ],
)
def test_no_name_that_a_client_chose_counts_as_another_ones_certificate(forwarded: str):
    peer = peer_of("10.0.0.1", {"x-forwarded-client-cert": forwarded}, PROXIES)
    assert peer.certificate_sha256 == bytes.fromhex(CERTIFICATE)


@pytest.mark.parametrize(
    "names",
    [
        "URI=spiffe://x,Hash={}",
        "URI=,Hash={}",
        "DNS=a.example,By=spiffe://y;Hash={}",
        'Subject="CN=ivr";URI=spiffe://x,By=spiffe://y;Hash={};Subject="CN=other";URI=spiffe://other',
        'URI=x;Subject="",By=spiffe://y;Hash={}',
        'URI=x",Hash={}',
        'URI="x,Hash={}',
        'URI=x;Subject=",By=spiffe://y;Hash={};Subject=""',
        "uri=x,hash={0},Hash={0}",
    ],
)
def test_a_name_with_a_comma_in_it_is_no_element_that_a_proxy_added(names: str):
    """Envoy writes URI and DNS names without quotes; after the only element's hash they change nothing."""
    forwarded = f"By=spiffe://proxy;Hash={CERTIFICATE};{names.format(VICTIMS)}"
    assert peer_of("10.0.0.1", {"x-forwarded-client-cert": forwarded}, PROXIES).certificate_sha256 is None
    client = f'By=spiffe://proxy;Hash={CERTIFICATE};Subject="CN=ivr";URI=spiffe://x;DNS=a.example'
    peer = peer_of("10.0.0.1", {"x-forwarded-client-cert": client}, PROXIES)
    assert peer.certificate_sha256 == bytes.fromhex(CERTIFICATE)


@pytest.mark.parametrize(
    "forwarded",
    [
        *("", "By=spiffe://y", "Hash=0", f"Hash={CERTIFICATE}0", f'Hash={CERTIFICATE};Subject="'),
        f'Hash={VICTIMS};Subject=",By=spiffe://y;Hash={CERTIFICATE};Subject="CN=ivr"',  # sent to our proxy, which adds
    ],
)
def test_what_tells_of_no_certificate_shows_none(forwarded: str):
    assert peer_of("10.0.0.1", {"x-forwarded-client-cert": forwarded}, PROXIES).certificate_sha256 is None


def test_a_proxy_may_add_a_line_of_its_own_instead_of_lengthening_the_one_there():
    """HAProxy does. With its last line alone, all customers were the balancer before it, and shared one rate limit."""
    lines = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-client-cert", f"Hash={VICTIMS}"),
        ("x-forwarded-for", "10.0.0.7"),
        ("x-forwarded-client-cert", f"Hash={CERTIFICATE}"),
    ]
    headers = [(name.encode(), value.encode()) for name, value in lines]
    request = Request({"type": "http", "headers": headers, "client": ("10.0.0.1", 4711)})
    front = SimpleNamespace(settings=SimpleNamespace(trusted_proxies=PROXIES))
    peer = Visit(cast("Any", front), request, Channel.WEB).peer
    assert peer == Peer(ip_address("203.0.113.9"), bytes.fromhex(CERTIFICATE))


def test_what_a_stranger_writes_of_itself_is_not_looked_at():
    peer = peer_of("203.0.113.9", {"x-forwarded-client-cert": XFCC, "x-forwarded-for": "10.9.9.9"}, PROXIES)
    assert peer == Peer(ip_address("203.0.113.9"))


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),  # the left one was sent to our proxy: anybody's word
        ("", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("203.0.113.9, unknown", "10.0.0.1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("198.51.100.1:80, 203.0.113.9:51234, 10.0.0.7:443", "203.0.113.9"),
        ("[2001:db8::9]:51234, 10.0.0.7", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("203.0.113.9:port", "10.0.0.1"),
        ("[203.0.113.9", "10.0.0.1"),
    ],
)
def test_the_address_is_the_last_that_our_own_proxies_saw(forwarded: str, address: str):
    assert peer_of("10.0.0.1", {"x-forwarded-for": forwarded}, PROXIES).address == ip_address(address)


@given(st.text(max_size=200), st.text(max_size=200), st.sampled_from(["10.0.0.1", "203.0.113.9", "", None, "x"]))
def test_no_header_can_break_the_reading(one: str, other: str, host: str | None):
    peer_of(host, {"x-forwarded-for": one, "x-forwarded-client-cert": other}, PROXIES)


@given(st.text(max_size=100), st.text(max_size=30), st.text(max_size=300))
def test_no_signature_header_can_break_the_check(event: str, stamp: str, signatures: str):
    headers = {"webhook-id": event, "webhook-timestamp": stamp, "webhook-signature": signatures}
    with pytest.raises(PayloadRefusedError):
        Credentials(sources).signed(headers, BODY, INSIDE, NOW)
