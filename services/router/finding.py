"""Finding tickets long after, by number, account, place or time.

Decided here: which index is used. Never here: a change. A search costs the same with a thousand and ten million
tickets: it reads a bounded number of entries of one index, newest first, and skips what else does not match.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from services.router import store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.contracts.values import TicketState
    from services.router.domain.ticket import Ticket
    from services.runtime.postgres import Connection

MOST_LOOKED_AT: Final = 500
"""Places of an index that one look reads. In the statement itself, as its plan hangs on it."""
_ZERO: Final = UUID(int=0)


def _reading(which: str) -> str:
    """Return the statement that reads an index: the places of what is asked for, the latest first."""
    return f"""
    SELECT opened_at, ticket_id FROM ticket
    WHERE {which} AND opened_at >= coalesce($2::timestamptz, '-infinity')
      AND (opened_at, ticket_id) < (coalesce($3::timestamptz, 'infinity'), $4::uuid)
    ORDER BY opened_at DESC, ticket_id DESC LIMIT {MOST_LOOKED_AT}
"""  # noqa: S608 - constants


def _looking(reading: str) -> str:
    """Return the statement that tells of each ticket in such places whether the rest fits as well."""
    return f"""
WITH beginning AS MATERIALIZED ({reading})
SELECT b.ticket_id, coalesce(fits, false) AS fits FROM beginning AS b CROSS JOIN LATERAL (
    SELECT t.first_telling IS DISTINCT FROM 0 -- its contacts are in another ticket
        AND ($5::text[] IS NULL OR t.state = ANY($5)) AND ($6::text IS NULL OR t.area = $6)
        AND ($7::uuid IS NULL OR t.account = $7) AS fits
    FROM ticket AS t WHERE t.ticket_id = b.ticket_id LIMIT 1
) AS looked_at
ORDER BY b.opened_at DESC, b.ticket_id DESC
"""  # noqa: S608 - constants


_EITHER: Final = "SELECT * FROM (({}) UNION ({})) AS either ORDER BY opened_at DESC, ticket_id DESC LIMIT {}"
BY_PHONE: Final = _looking(
    _EITHER.format(_reading("phone = $1::uuid"), _reading("call_back = $1::uuid"), MOST_LOOKED_AT)
)
BY_ACCOUNT: Final = _looking(_reading("account = $1::uuid"))
BY_AREA: Final = _looking(_reading("area = $1::text"))
BY_TIME: Final = _looking(_reading("$1::text IS NULL"))
_OPENED: Final = "SELECT opened_at FROM ticket WHERE ticket_id = $1"
_READ: Final = """
SELECT body::text AS body FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (ticket_id, place)
JOIN ticket USING (ticket_id) ORDER BY place
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a ticket must be to be found; nothing asks for all.

    Attributes:
        phone: Key of a number of its customer.
        account: Key of their account.
        area: Of its place.
        states: Any of these.
        since: Opened then or later.
        until: Opened before.
        after: The last ticket looked at by the page before.
    """

    phone: UUID | None = None
    account: UUID | None = None
    area: str | None = None
    states: Sequence[TicketState] | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Tickets, the latest first, and after which to look on; None at the end."""

    tickets: list[Ticket]
    further: UUID | None


async def find(connection: Connection, asked: Asked, limit: int) -> Found:
    """Look once; fewer than ``limit`` may be found though there are more further on.

    Raises:
        NoSuchPlaceError: there is no ticket to look on after.
    """
    until, last = asked.until, _ZERO
    if asked.after is not None:
        until, last = await connection.fetchval(_OPENED, asked.after), asked.after
        if until is None:
            raise store.NoSuchPlaceError
    way: tuple[str, UUID | str | None] = (BY_TIME, None)
    if asked.phone is not None:
        way = (BY_PHONE, asked.phone)
    elif asked.account is not None:
        way = (BY_ACCOUNT, asked.account)
    elif asked.area is not None:
        way = (BY_AREA, asked.area)
    states = None if asked.states is None else [state.value for state in asked.states]
    rows = await connection.fetch(*way, asked.since, until, last, states, asked.area, asked.account)
    fitting = [row["ticket_id"] for row in rows if row["fits"]]
    if len(fitting) > limit:
        further = fitting[limit - 1]
    else:
        further = rows[-1]["ticket_id"] if len(rows) == MOST_LOOKED_AT else None
    read = await connection.fetch(_READ, fitting[:limit])
    return Found([store.read(row["body"]) for row in read], further)
