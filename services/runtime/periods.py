"""The period that a request asks about, from its query parameters. Never here: what is asked."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

from services.contracts.values import OTHER_YEAR, YEARS
from services.runtime import clock
from services.runtime.problems import wrong_field


def _with_plus(value: object) -> object:
    """Give an offset its plus back, which stands for a space where nobody encoded the address."""
    return re.sub(r" (?=\d\d:?\d\d$)", "+", value) if isinstance(value, str) else value


Instant = Annotated[AwareDatetime, BeforeValidator(_with_plus)]
"""An instant in an address."""


def period(
    begin: datetime | None, end: datetime | None, longest: timedelta, names: tuple[str, str] = ("since", "until")
) -> tuple[datetime, datetime]:
    """Return the period that is asked for: by default the last day until now.

    Raises:
        Problem: it is none, or longer than ``longest``; the fields are called by their ``names``.
    """
    end = end or clock.now()
    for name, at in zip(names, (begin, end), strict=True):
        if at is not None and at.year not in YEARS:
            raise wrong_field(name, OTHER_YEAR)
    begin = begin or end - timedelta(days=1)
    if not timedelta(0) < end - begin <= longest:
        raise wrong_field(names[0], f"must be before {names[1]}, by {longest.days} days at most")
    return begin, end
