"""Instants in requests are text with an offset; a number is never taken for one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from services.runtime.periods import Instant, QueryInstant, period
from services.runtime.problems import Problem

body, query = TypeAdapter(Instant), TypeAdapter(QueryInstant)
AT = datetime(2026, 11, 26, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("number", [20261126, 0, 0.5, 1795651200000, True, "20261126", " 1795651200 ", "-1.5", "٢٠٢٦"])
def test_a_number_is_no_instant(number: object) -> None:
    for reader in (body, query):
        with pytest.raises(ValidationError, match="must be ISO 8601 text such as 2026-"):
            reader.validate_python(number)


def test_an_instant_is_what_its_text_says() -> None:
    assert body.validate_python("2026-11-26T00:30:00Z") == AT
    assert query.validate_python("2026-11-26T08:30:00 08:00") == AT  # a plus that nobody encoded
    with pytest.raises(ValidationError, match="timezone"):
        query.validate_python("2026-11-26T08:30:00")
    with pytest.raises(ValidationError, match="year outside 1900 to 2999"):
        query.validate_python("0001-01-01T00:00:00Z")


def test_a_period_ends_after_it_begins_and_not_too_late() -> None:
    day = timedelta(days=1)
    assert period(None, AT, day) == (AT - day, AT)
    for begin in (AT, AT - 2 * day):
        with pytest.raises(Problem, match="some fields do not fit"):
            period(begin, AT, day)
