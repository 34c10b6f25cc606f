"""Where the next page of a list begins: after a moment and the id of what came last.

Never here: which order a list has.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import Query

from services.contracts.envelope import parse_time
from services.runtime.problems import Problem

if TYPE_CHECKING:
    import asyncpg

After = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]


def cut(rows: list[asyncpg.Record], limit: int, at: str, key: str) -> tuple[list[asyncpg.Record], str | None]:
    """Return a page of rows, of which one more than that was asked for, and what stands for its last, if more follow.

    Args:
        rows: In the order of the list.
        limit: Rows of a page.
        at: Column of the moment by which the list is ordered.
        key: Column of the id that decides between those of one moment.
    """
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], base64.urlsafe_b64encode(f"{last[at].isoformat()} {last[key]}".encode()).decode()


def read_cursor(given: str | None) -> tuple[datetime, UUID] | None:
    """Return what a ``next`` stands for.

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
