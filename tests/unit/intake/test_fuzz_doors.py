"""Any bytes at any door, from a sender who is known: taken, or refused with the reason; never an error of ours."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.intake.knocking import DOORS, Knocker, check
from tests.unit.intake.test_fuzz import TAGS, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

XML = (
    b"<xml><ToUserName>gh_plain</ToUserName><FromUserName>o</FromUserName><CreateTime>1763770200</CreateTime>"
    b"<MsgType>text</MsgType><Content>\xe5\x81\x9c\xe7\x94\xb5\xe4\xba\x86</Content><MsgId>1</MsgId></xml>"
)
LINES = b"Event: UserEvent\r\nUserEvent: gridline\r\nUniqueid: 1.42\r\nevent: dtmf\r\nmenu_path: 1\r\n\r\n"
FORM = b"1\n" + urlencode({"CallStatus": "in-progress", "From": "+8613800138000", "Digits": "1"}).encode()
SEEDS = {
    **{door: json.dumps(whole[door]).encode() for door in DOORS if door in whole},
    "asterisk lines": LINES,
    "twilio": FORM,
    "web signed": json.dumps(whole["web"]).encode(),
    "form": json.dumps(whole["web"]).encode(),
    "wechat": XML,
    "wechat ciphertext": b"0" * 96,
    "wechat sealed": XML.replace(b"gh_plain", b"gh_safe"),
    "event binary": b"2026-11-22T08:30:00Z\n" + json.dumps(whole["event"]["data"]).encode(),
    "batch": json.dumps([whole["event"]]).encode(),
}
PIECES = [
    b"\x00",
    b"\xff",
    b"\r\n",
    b"\n\n",
    b"]]>",
    b"<!DOCTYPE x [",
    b"&x;",
    b"%00",
    b"%ff",
    b"\xed\xa0\x80",
    b"1e999",
]
PIECES += [b'{"', b"[[", b'"\\ud800"', b"-1", b"9" * 30, *(f"<{tag}>".encode() for tag in TAGS[:4])]


@st.composite
def bent(draw: st.DrawFn, seed: bytes) -> bytes:
    """Return a good payload with pieces put in, taken out and doubled."""
    body = seed
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, len(body))), draw(st.integers(0, 12))
        body = body[:at] + draw(st.sampled_from(PIECES) | st.binary(max_size=6)) + body[at + length :]
    return body


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def knocker() -> Knocker:
    return Knocker()


def test_every_door_is_knocked_at_with_something_good() -> None:
    assert SEEDS.keys() == DOORS.keys()


@pytest.mark.parametrize("door", [door for door in DOORS if door != "wechat ciphertext"])
def test_a_good_payload_is_taken(runner: asyncio.Runner, knocker: Knocker, door: str) -> None:
    status, answer = runner.run(knocker.knock(door, SEEDS[door]))
    assert status in {200, 202}, answer


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=40)
@given(data=st.data())
def test_whatever_comes_it_is_taken_or_refused_with_the_reason(
    runner: asyncio.Runner, knocker: Knocker, door: str, data: st.DataObject
) -> None:
    body = data.draw(bent(SEEDS[door]) | st.binary(max_size=200))
    check(*runner.run(knocker.knock(door, body)))
