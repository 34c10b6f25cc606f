"""A record is opened whatever it holds: what cannot be used has its refusal, and nothing stops the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import ConsumerRecord

from services.contracts.envelope import Refusal, encode
from services.contracts.topics import CONTACT_RECEIVED
from services.runtime.batch import read
from tests.unit.router.making import contact

if TYPE_CHECKING:
    from services.runtime.batch import Read


def opened(**headers: bytes | None) -> Read:
    """Read a good contact with these headers in place of, or beside, its own."""
    good = encode(contact("a", text="停电了"), topic=CONTACT_RECEIVED.name, source="gridline/intake")
    given = list({**dict(good.headers), **headers}.items())
    return read(ConsumerRecord("t", 0, 7, 0, 0, good.key, good.value, None, 1, 1, given), (CONTACT_RECEIVED.name, 0))


def test_a_header_without_a_value_is_empty_and_the_record_is_read():
    one = opened(note=None)
    assert one.message is not None
    assert dict(one.headers)["note"] == b""


def test_an_id_without_a_value_is_refused():
    one = opened(ce_id=None)
    assert one.refusal is not None
    assert one.refusal.reason is Refusal.BAD_ID
