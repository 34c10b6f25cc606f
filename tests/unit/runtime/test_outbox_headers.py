"""Headers are kept in the outbox as one value: whatever bytes came must go out again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.outbox import pack_headers, unpack_headers

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=50))))
def test_headers_come_back_byte_for_byte_and_in_order(headers):
    assert unpack_headers(pack_headers(tuple(headers))) == tuple(headers)
