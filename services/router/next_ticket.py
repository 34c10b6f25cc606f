"""The next ticket for an agent, in Postgres: what they have, and what waits in the lanes they serve.

Never here: a decision. Which tickets an agent may have is given as lanes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.router import store

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.router.domain.ticket import Ticket
    from services.runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class Hand:
    """What an agent has, and the first ticket for them that nobody is taking."""

    theirs: list[Ticket]
    first: Ticket | None


_IN_HAND: Final = """
SELECT body::text AS body FROM ticket WHERE agent = $1 ORDER BY ticket_id
"""
HAS: Final = """
concat_ws(',', a.presence, md5(a.body::text), (
    SELECT string_agg(t.ticket_id::text || '.' || t.version, ',' ORDER BY t.ticket_id) FROM ticket AS t
    WHERE t.agent = a.agent_id
))
"""
"""All that is known of an agent ``a``, in a word that changes whenever that does."""
_HANDS: Final = f"SELECT a.agent_id, {HAS} AS has FROM agent AS a WHERE a.agent_id = ANY($1::text[])"  # noqa: S608
OPEN_TO_ALL: Final = "t.state = 'queued' AND t.held_for IS NULL"
NOT_PASSED: Final = "NOT (t.version > 2 AND coalesce((t.body #> '{work,passed}')::jsonb ? $2, false))"
"""Agent $2 did not pass ticket ``t`` on. Who did had it on offer before, so its body is looked into from the third
version on: that costs more than finding it."""
# What the agent has; and, unless that is all they can or an offer is open, the next ticket for them: the first of each
# lane that they did not pass on, one index look-up each whatever waits in them; then, of the lane whose first is the
# first of all, the first that nobody else is taking, read and locked one at a time until one is had. The lock looks at
# the row again as it is by then, so that one that another has taken is passed over.
_HAND: Final = f"""
WITH theirs AS MATERIALIZED (
    SELECT t.ticket_id, t.body::text AS body,
           coalesce(t.state = 'offered' AND (t.body #>> '{{work,until}}')::timestamptz > $4, false) AS on_offer
    FROM ticket AS t WHERE t.agent = $2
), head AS MATERIALIZED (
    SELECT wanted.lane, first_one.rank_at FROM unnest($1::text[]) AS wanted (lane) CROSS JOIN LATERAL (
        SELECT t.rank_at FROM ticket AS t
        WHERE {OPEN_TO_ALL} AND t.lane = wanted.lane
          AND {NOT_PASSED}
        ORDER BY t.rank_at, t.ticket_id LIMIT 1
    ) AS first_one
    UNION ALL
    (SELECT NULL, t.rank_at FROM ticket AS t WHERE t.state = 'queued' AND t.held_for = $2 ORDER BY t.rank_at LIMIT 1)
)
SELECT true AS has, body FROM (SELECT body FROM theirs ORDER BY ticket_id) AS had
UNION ALL
SELECT false, body FROM (
    SELECT mine.body FROM (SELECT lane FROM head ORDER BY rank_at, lane) AS h CROSS JOIN LATERAL (
        SELECT body FROM (
            SELECT t.body::text AS body FROM ticket AS t
            WHERE {OPEN_TO_ALL} AND t.lane = h.lane
              AND {NOT_PASSED}
            ORDER BY t.rank_at, t.ticket_id LIMIT 1 FOR UPDATE SKIP LOCKED
        ) AS of_lane
        UNION ALL
        SELECT body FROM (
            SELECT t.body::text AS body FROM ticket AS t
            WHERE h.lane IS NULL AND t.state = 'queued' AND t.held_for = $2
            ORDER BY t.rank_at LIMIT 1 FOR UPDATE SKIP LOCKED
        ) AS of_agent
    ) AS mine
    WHERE (SELECT count(*) < $3 AND NOT coalesce(bool_or(on_offer), false) FROM theirs)
    LIMIT 1
) AS next
"""  # noqa: S608 - constants


def _first_of_lanes(which: str) -> str:
    """Return the statement that finds the first ticket of every lane: a look-up a lane, not a row a ticket.

    A loose index scan: the next lane and its first ticket are one entry of the index.
    """
    return f"""
WITH RECURSIVE first_one AS (
    (SELECT t.lane, t.rank_at FROM ticket AS t WHERE {which} ORDER BY t.lane, t.rank_at, t.ticket_id LIMIT 1)
    UNION ALL
    SELECT following.lane, following.rank_at FROM first_one CROSS JOIN LATERAL (
        SELECT t.lane, t.rank_at FROM ticket AS t WHERE {which} AND t.lane > first_one.lane
        ORDER BY t.lane, t.rank_at, t.ticket_id LIMIT 1
    ) AS following
)
SELECT lane, rank_at FROM first_one
"""  # noqa: S608 - constants


LANES: Final = _first_of_lanes(OPEN_TO_ALL)
EMERGENCIES: Final = _first_of_lanes(f"{OPEN_TO_ALL} AND t.priority = 0")
_HOW_MANY: Final = """
SELECT wanted.lane, (
    SELECT count(*) FROM (
        SELECT FROM ticket AS t WHERE t.state = 'queued' AND t.held_for IS NULL AND t.lane = wanted.lane
        ORDER BY t.rank_at, t.ticket_id LIMIT 32
    ) AS beginning
) AS n
FROM unnest($1::text[]) WITH ORDINALITY AS wanted (lane, place) ORDER BY wanted.place
"""
_KEPT: Final = "SELECT ticket_id FROM ticket WHERE state = 'queued' AND held_for = $1"
_HELD: Final = "SELECT DISTINCT held_for FROM ticket WHERE state = 'queued' AND held_for IS NOT NULL"


async def in_hand(connection: Connection, agent_id: str) -> list[Ticket]:
    """Return the tickets an agent has: on offer, in hand, in wrap-up."""
    return [store.read(row["body"]) for row in await connection.fetch(_IN_HAND, agent_id)]


async def hands(connection: Connection, agent_ids: Collection[str]) -> dict[str, str]:
    """Return for each agent who they are and what they have, as one word that changes whenever that does.

    Presence, profile, tickets; agents who do not exist have none.
    """
    return {row["agent_id"]: row["has"] for row in await connection.fetch(_HANDS, list(agent_ids))}


async def hand(
    tx: Connection, agent_id: str, lanes: Sequence[str], capacity: int, offers_until: datetime | None = None
) -> Hand:
    """Return what an agent has and, if they have less than ``capacity``, the next ticket for them, locked.

    The agent must be locked, by an earlier statement: what another transaction gave them is not seen otherwise.

    Args:
        tx: The transaction.
        agent_id: Of the agent.
        lanes: Those they serve; what is kept for them is looked at as well.
        capacity: Most tickets they may have; 0 looks for none.
        offers_until: An offer to them that is open longer than this keeps them from the next.
    """
    rows = await tx.fetch(_HAND, lanes, agent_id, capacity, offers_until)
    theirs = [store.read(row["body"]) for row in rows if row["has"]]
    return Hand(theirs, next((store.read(row["body"]) for row in rows if not row["has"]), None))


async def lanes(connection: Connection) -> dict[str, datetime]:
    """Return the lanes in which something waits, and the place of the first ticket of each.

    As they are found: ``Lanes`` sorts them by place, once for the looks of several kinds of agents.
    """
    return {row["lane"]: row["rank_at"] for row in await connection.fetch(LANES)}


async def emergencies(connection: Connection) -> dict[str, datetime]:
    """Return the same of emergencies alone: they are few, and have an index of their own."""
    return {row["lane"]: row["rank_at"] for row in await connection.fetch(EMERGENCIES)}


async def how_many(connection: Connection, wanted: Sequence[str]) -> dict[str, int]:
    """Return how much waits in each of these lanes, up to a small number; in their order."""
    return {row["lane"]: row["n"] for row in await connection.fetch(_HOW_MANY, wanted)}


async def held(connection: Connection) -> set[str]:
    """Return the agents something is kept for."""
    return {row["held_for"] for row in await connection.fetch(_HELD)}


async def kept_for(connection: Connection, agent_id: str) -> set[UUID]:
    """Return the tickets that wait for this agent before others."""
    return {row["ticket_id"] for row in await connection.fetch(_KEPT, agent_id)}
