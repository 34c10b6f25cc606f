"""Where the next page of a list begins: after a moment and the id of what came last.

Never here: which order a list has.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query

from services.contracts.envelope import parse_time
from services.runtime.http import Problem

After = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]


def cursor(at: datetime, key: UUID) -> str:
    """Return what stands for the last one of a page."""
    return base64.urlsafe_b64encode(f"{at.isoformat()} {key}".encode()).decode()


def read_cursor(given: str | None) -> tuple[datetime, UUID] | None:
    """Return what a ``cursor`` stands for.

    Raises:
        Problem: it is none.
    """
    if given is None:
        return None
    try:
        at, key = base64.urlsafe_b64decode(given.encode()).decode().split(" ")
        return parse_time(at).astimezone(UTC), UUID(key)
    except (ValueError, OverflowError, binascii.Error):
        errors = [{"field": "after", "reason": "is not a `next` this door gave"}]
        raise Problem(422, "some fields do not fit", errors=errors) from None
