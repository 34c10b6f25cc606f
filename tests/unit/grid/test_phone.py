"""One number, many spellings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.grid.phone import phone_key


@pytest.mark.parametrize(
    "spelling",
    [
        "13912345678",
        "+8613912345678",
        "+86 139-1234-5678",
        "008613912345678",
        "8613912345678",
        "013912345678",
        "１３９１２３４５６７８",
        "༡༣༩༡༢༣༤༥༦༧༨",  # Tibetan
        "١٣٩١٢٣٤٥٦٧٨",
        "13912345678/02162345678",
        "13912345678、13800000000",
        "13912345678或13800000000",
        "13912345678 13800000000",
        "+86 13912345678 / +86 13800000000",
        "17951-13912345678",  # over a carrier's prefix
        "13912345678.0",  # out of a table in which some have none
    ],
)
def test_a_mobile_number_is_known_in_every_spelling(spelling):
    assert phone_key(spelling) == "13912345678"


@pytest.mark.parametrize(
    "spelling",
    [
        "021-62345678",
        "021/62345678",
        "(021) 6234 5678",
        "+86 21 62345678",
        "+86-021-62345678",
        "86-21-62345678",
        "86 021 62345678",
        "tel:+86-21-6234-5678",
        "021-62345678转801",
        "021-62345678 分机 801",
        "021-62345678-801",
        "02162345678*801",
        "021-62345678/62345679",
    ],
)
def test_a_landline_is_known_in_every_spelling(spelling):
    assert phone_key(spelling) == "02162345678"


@pytest.mark.parametrize("spelling", ["400-123-4567", "+86 400 123 4567", "86 400 1234567"])
def test_a_companys_number_is_known_in_every_spelling(spelling):
    assert phone_key(spelling) == "4001234567"


def test_a_foreign_number_keeps_its_country():
    assert phone_key("+1 202 555 0123") == phone_key("0012025550123") == "+12025550123"


@pytest.mark.parametrize("spelling", [None, "", "anonymous", "unknown", "95598", "110", "+", "1" * 16, "+86 00000"])
def test_withheld_service_and_endless_numbers_are_no_number(spelling):
    assert phone_key(spelling) is None


@given(st.one_of(st.text(max_size=30), st.text("0123468+-/ *转", max_size=30)))
def test_the_key_of_a_key_is_the_key(raw):
    key = phone_key(raw)
    assert key is None or phone_key(key) == key
