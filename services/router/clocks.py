"""Clocks that changed while tickets wait: when to look at each again is stored anew, by the rules in force.

When a ticket has to be looked at (``wake_at``) and its place (``rank_at``) are stored with it, as the rules of that
moment had them. With a tighter clock, or a Saturday that is worked after all, that is too late for a warning. So what
is open is gone through once when rules are new, and once more when those of another process have ended, for until then
that process stored by them. Decided here: when. Never here: what is due (``domain.sla``), who is warned.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from services.router import store
from services.router.domain.desk import turn_of
from services.runtime import clock
from services.runtime.postgres import connected, later_if_away

if TYPE_CHECKING:
    from services.router.acting import Desk
    from services.router.domain.desk import DeskRules

LEASE: Final = timedelta(seconds=15)
"""Rules count as in force for so long after a process that has them said so."""
_EVERY_S: Final = 2.0
_PAGE: Final = 25
"""Gone through in one go, in which the process does nothing else: some milliseconds."""
_START: Final = ("", datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))
"""Before the first: no queue and no agent has an empty name."""
# By the database's clock, which all processes share; a rehearsal of a storm leaves it alone.
_SAY: Final = """
INSERT INTO desk_in_force (desk_hash, until) VALUES ($1, now() + $2)
ON CONFLICT (desk_hash) DO UPDATE SET until = excluded.until
RETURNING now() AS at,
    stored_from IS NOT NULL AND stored_from > ALL (SELECT until FROM desk_in_force WHERE desk_hash <> $1) AS is_stored
"""
_IN_FORCE: Final = "SELECT desk_hash FROM desk_in_force WHERE until > now()"
_STORED: Final = "UPDATE desk_in_force SET stored_from = $2 WHERE desk_hash = $1"


@dataclass(frozen=True, slots=True)
class _Said:
    """What is known as a process says which rules it has.

    Attributes:
        at: When that was.
        in_force: The rules of all processes.
        is_stored: Whether another process, or this one before it was started anew, went through what is open by the
            same rules, and nobody had others since it began.
    """

    at: datetime
    in_force: frozenset[str]
    is_stored: bool


def _page_of(by: str, which: str) -> str:
    return f"""
SELECT {by} AS by, rank_at, ticket_id, wake_at, body::text AS body FROM ticket
WHERE {which} AND ({by}, rank_at, ticket_id) > ($1, $2, $3) ORDER BY {by}, rank_at, ticket_id LIMIT $4
"""  # noqa: S608 - constants


WAITING: Final = _page_of("queue", "state = 'queued'")
IN_HAND: Final = _page_of("agent", "agent IS NOT NULL")
_log: Final = structlog.get_logger()


async def watch_clocks(desk: Desk, every_s: float = _EVERY_S) -> None:
    """Look again and again, for the life of the service."""
    seen: frozenset[str] = frozenset()
    while True:
        with later_if_away():
            seen = await look(desk, seen)
        await asyncio.sleep(every_s)


async def look(desk: Desk, seen: frozenset[str], lease: timedelta = LEASE) -> frozenset[str]:
    """Say which rules there are here, hear of others', and go through what is open if it may be stored by none of them.

    Processes with two sets of rules do not take turns: each goes through once, and again when the other's have ended.

    Args:
        desk: Whose tickets.
        seen: What the last look returned; empty at the first.
        lease: How long rules count.

    Returns:
        The rules in force by which tickets may be stored.
    """
    rules = desk.rules()
    said = await _say(desk, rules, lease)
    if rules.hash in seen and seen <= said.in_force:
        return said.in_force
    done = said.is_stored or await _store_anew(desk, rules, lease, said.at)
    return said.in_force if done else seen


async def _say(desk: Desk, rules: DeskRules, lease: timedelta) -> _Said:
    async with connected(desk.pool) as connection:
        row = await connection.fetchrow(_SAY, rules.hash, lease)
        in_force = frozenset(one["desk_hash"] for one in await connection.fetch(_IN_FORCE))
    if row is None:
        raise AssertionError("it was written by this statement")
    return _Said(row["at"], in_force, row["is_stored"])


async def _store_anew(desk: Desk, rules: DeskRules, lease: timedelta, begun: datetime) -> bool:
    """Go through what is open, page by page; return whether to the end, with the same rules all the while.

    Between two pages there is as much time for contacts and agents as one took.
    """
    last_said, moved = clock.monotonic(), 0
    for statement in (WAITING, IN_HAND):
        after: tuple[str, datetime, UUID] | None = _START
        while after is not None:
            if desk.rules().hash != rules.hash:
                return False
            if (began := clock.monotonic()) - last_said >= lease.total_seconds() / 5:
                await _say(desk, rules, lease)
                last_said = began
            after, n = await _page(desk, rules, statement, after)
            moved += n
            await asyncio.sleep(clock.monotonic() - began)
    async with connected(desk.pool) as connection:
        await connection.execute(_STORED, rules.hash, begun)
    if moved:
        _log.info("clocks_changed", tickets=moved, desk_hash=rules.hash)
    return True


async def _page(
    desk: Desk, rules: DeskRules, statement: str, after: tuple[str, datetime, UUID]
) -> tuple[tuple[str, datetime, UUID] | None, int]:
    """Store what is due otherwise by these rules; return where the page ended, if more may follow, and how many.

    It is read without a lock: nearly always nothing differs. Nothing is told and no version made: no one did anything.
    """
    async with connected(desk.pool) as connection:
        rows = await connection.fetch(statement, *after, _PAGE)
    other = set()
    for row in rows:
        turn = turn_of(store.read(row["body"]), rules)
        if (turn.wake_at, turn.rank_at) != (row["wake_at"], row["rank_at"]):
            other.add(row["ticket_id"])
    if other:
        async with desk.transaction() as tx:
            found = await store.locked(tx, other)
            await store.keep(tx, [(ticket, turn_of(ticket, rules)) for ticket in found.values()])
    last = rows[-1] if len(rows) == _PAGE else None
    return None if last is None else (last["by"], last["rank_at"], last["ticket_id"]), len(other)
