"""Instants in requests, and the period that one asks about. Never here: what is asked."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import BeforeValidator

from services.contracts.values import NO_INSTANT, Timestamp
from services.runtime import clock
from services.runtime.problems import wrong_field

_NUMBER: Final = re.compile(r"\s*[-+]?[\d.]+\s*")


def _written(value: object) -> object:
    """Refuse a number, as text too: nobody can tell seconds from milliseconds, or either from 20261126."""
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError(NO_INSTANT)
    return value


def _with_plus(value: object) -> object:
    """Give an offset its plus back, which stands for a space where nobody encoded the address."""
    return re.sub(r" (?=\d\d:?\d\d$)", "+", value) if isinstance(value, str) else value


Instant = Annotated[Timestamp, BeforeValidator(_written)]
"""An instant in a body."""

QueryInstant = Annotated[Instant, BeforeValidator(_with_plus)]
"""An instant in an address."""


def period(
    begin: datetime | None, end: datetime | None, longest: timedelta, names: tuple[str, str] = ("since", "until")
) -> tuple[datetime, datetime]:
    """Return the period that is asked for: by default the last day until now.

    Raises:
        Problem: it is none, or longer than ``longest``; the fields are called by their ``names``.
    """
    end = end or clock.now()
    begin = begin or end - timedelta(days=1)
    if not timedelta(0) < end - begin <= longest:
        raise wrong_field(names[0], f"must be before {names[1]}, by {longest.days} days at most")
    return begin, end
