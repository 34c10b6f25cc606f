"""Agents in Postgres: profiles, presence, and the next ticket for one of them.

Never here: a decision. Which tickets an agent may have is given as lanes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.router import store
from services.router.domain.desk import Agent

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from asyncpg import Record

    from services.router.domain.ticket import Ticket
    from services.runtime.postgres import Connection


class Presence(StrEnum):
    """Whether an agent can be given tickets."""

    AVAILABLE = "available"
    AWAY = "away"
    """There, and takes nothing new."""
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Row:
    """An agent as stored."""

    agent: Agent
    presence: Presence
    since: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Hand:
    """What an agent has, and the first ticket for them that nobody is taking."""

    theirs: list[Ticket]
    first: Ticket | None


_PUT: Final = """
INSERT INTO agent (agent_id, presence, since, seen_at, body) VALUES ($1, 'offline', $2, $2, $3::jsonb)
ON CONFLICT (agent_id) DO UPDATE SET body = excluded.body
"""
_LOCK: Final = """
SELECT body::text AS body, presence, since, seen_at FROM agent WHERE agent_id = $1 FOR UPDATE
"""
_SIGN: Final = """
UPDATE agent SET seen_at = $2 WHERE agent_id = $1 RETURNING body::text AS body, presence, since, seen_at
"""
# Locked in order of id, so that two processes never wait for each other in a ring.
_ALIVE: Final = """
WITH sign AS (
    SELECT a.agent_id, s.at FROM unnest($1::text[], $2::timestamptz[]) AS s (agent_id, at)
    JOIN agent AS a ON a.agent_id = s.agent_id AND a.presence <> 'offline' AND a.seen_at < s.at
    ORDER BY a.agent_id FOR UPDATE OF a
), noted AS (
    UPDATE agent AS a SET seen_at = greatest(a.seen_at, sign.at) FROM sign WHERE a.agent_id = sign.agent_id
)
SELECT agent_id FROM agent WHERE agent_id = ANY($1::text[])
"""
_ONE: Final = "SELECT body::text AS body, presence, since, seen_at FROM agent WHERE agent_id = $1"
_ALL: Final = """
SELECT body::text AS body, presence, since, seen_at FROM agent
WHERE agent_id > $1 AND ($2::text IS NULL OR presence = $2) AND ($3::text IS NULL OR body -> 'queues' ?| ARRAY[$3, '*'])
ORDER BY agent_id LIMIT $4
"""
_SEEN: Final = """
UPDATE agent SET seen_at = $2, presence = $3, since = CASE WHEN presence = $3 THEN since ELSE $2 END WHERE agent_id = $1
"""
# Two desktops of an agent may say it at once, and what was said first may come second.
_SAYS: Final = """
WITH was AS (
    SELECT agent_id, presence, since, greatest(since, $2) AS at FROM agent WHERE agent_id = $1 FOR UPDATE
), spell AS (
    INSERT INTO agent_presence (agent_id, presence, start_at, end_at)
    SELECT agent_id, presence, since, at FROM was WHERE presence <> $3
)
UPDATE agent AS a
SET seen_at = $2, presence = $3, since = CASE WHEN was.presence = $3 THEN was.since ELSE was.at END
FROM was WHERE a.agent_id = was.agent_id
RETURNING a.body::text AS body, a.presence, a.since, a.seen_at, was.presence AS before
"""
_SPELL: Final = """
INSERT INTO agent_presence (agent_id, presence, start_at, end_at) VALUES ($1, $2, $3, $4)
"""
_REMOVE: Final = "DELETE FROM agent WHERE agent_id = $1"
_GONE: Final = """
SELECT body::text AS body, presence, since, seen_at FROM agent
WHERE presence <> 'offline' AND seen_at < $1 ORDER BY agent_id LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_ON_DUTY: Final = """
SELECT EXISTS (SELECT FROM agent) AS known, ARRAY(
    SELECT DISTINCT queue FROM agent, jsonb_array_elements_text(body -> 'queues') AS served (queue)
    WHERE presence = 'available'
) AS queues
"""
_IN_HAND: Final = """
SELECT body::text AS body FROM ticket WHERE agent = $1 ORDER BY ticket_id
"""
_KNOW: Final = """
INSERT INTO customer_agent (customer, agent, at) SELECT customer, $2, $3 FROM unnest($1::uuid[]) AS said (customer)
ON CONFLICT (customer) DO UPDATE SET agent = excluded.agent, at = excluded.at WHERE customer_agent.at <= excluded.at
"""
_IS_FREE: Final = """
a.presence = 'available'
  AND (SELECT count(*) FROM ticket AS t WHERE t.agent = a.agent_id) < coalesce((a.body->>'capacity')::int, 1)
"""
_FREE: Final = f"SELECT a.agent_id FROM agent AS a WHERE a.agent_id = ANY($1::text[]) AND {_IS_FREE}"  # noqa: S608
_KNOWN: Final = f"""
SELECT c.customer, a.body::text AS body FROM customer_agent AS c JOIN agent AS a ON a.agent_id = c.agent
WHERE c.customer = ANY($1::uuid[]) AND c.at > $2 AND {_IS_FREE}
"""  # noqa: S608 - a constant
_FORGET: Final = "DELETE FROM customer_agent WHERE at < $1"
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
_WAKING: Final = """
SELECT body::text AS body FROM ticket WHERE wake_at <= $1 ORDER BY wake_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
# Not many: agents have a few in hand each.
_WRITING: Final = """
SELECT body::text AS body FROM ticket
WHERE agent IS NOT NULL AND state = 'wrap_up' AND ($1::text[] IS NULL OR queue = ANY($1))
  AND body #>> '{work,until}' IS NULL
ORDER BY ticket_id LIMIT $2 FOR UPDATE
"""


async def put(tx: Connection, agent: Agent, now: datetime) -> None:
    """Store what an agent can; their presence stays."""
    await tx.execute(_PUT, agent.agent_id, now, agent.model_dump_json(exclude_none=True))


async def locked(tx: Connection, agent_id: str) -> Row | None:
    """Return an agent, locked until the transaction ends: what they have cannot change meanwhile."""
    row = await tx.fetchrow(_LOCK, agent_id)
    return None if row is None else as_row(row)


async def signed(tx: Connection, agent_id: str, now: datetime) -> Row | None:
    """Note a sign of an agent and return them, locked until the transaction ends."""
    row = await tx.fetchrow(_SIGN, agent_id, now)
    return None if row is None else as_row(row)


async def says(connection: Connection, agent_id: str, presence: Presence, now: datetime) -> tuple[Row, Presence] | None:
    """Note a sign of an agent and their presence; return them, and what their presence was before."""
    row = await connection.fetchrow(_SAYS, agent_id, now, presence.value)
    return None if row is None else (as_row(row), Presence(row["before"]))


async def alive(tx: Connection, signs: Mapping[str, datetime]) -> frozenset[str]:
    """Note signs of agents, each with its time; one who is offline stays so. Return which of them there are."""
    rows = await tx.fetch(_ALIVE, list(signs), list(signs.values()))
    return frozenset(row["agent_id"] for row in rows)


async def one(connection: Connection, agent_id: str) -> Row | None:
    """Return the agent of this id, if there is one."""
    row = await connection.fetchrow(_ONE, agent_id)
    return None if row is None else as_row(row)


async def page(
    connection: Connection, after: str, presence: Presence | None, queue: str | None, limit: int
) -> list[Row]:
    """Return agents by id, those after one, of one presence and who serve one queue if that is asked for."""
    found = await connection.fetch(_ALL, after, None if presence is None else presence.value, queue, limit)
    return [as_row(row) for row in found]


async def seen(tx: Connection, row: Row, presence: Presence, now: datetime) -> None:
    """Note a sign of an agent, and that their presence changed, if it did. The row must be locked."""
    if presence is not row.presence:
        await tx.execute(_SPELL, row.agent.agent_id, row.presence.value, row.since, now)
    await tx.execute(_SEEN, row.agent.agent_id, now, presence.value)


async def remove(tx: Connection, agent_id: str) -> None:
    """Strike an agent off. What they did and when they were there stays, under their id."""
    await tx.execute(_REMOVE, agent_id)


async def gone(tx: Connection, before: datetime, limit: int) -> list[Row]:
    """Return agents without a sign since ``before``, locked; those another process looks at are passed over."""
    found = await tx.fetch(_GONE, before, limit)
    return [as_row(row) for row in found]


async def in_hand(connection: Connection, agent_id: str) -> list[Ticket]:
    """Return the tickets an agent has: on offer, in hand, in wrap-up."""
    return [store.read(row["body"]) for row in await connection.fetch(_IN_HAND, agent_id)]


async def hands(connection: Connection, agent_ids: Collection[str]) -> dict[str, str]:
    """Return for each agent who they are and what they have, as one word that changes whenever that does.

    Presence, profile, tickets; agents who do not exist have none.
    """
    return {row["agent_id"]: row["has"] for row in await connection.fetch(_HANDS, list(agent_ids))}


async def on_duty(connection: Connection) -> frozenset[str] | None:
    """Return the queues that available agents serve, ``*`` for every one; None where no agent is known here at all."""
    row = await connection.fetchrow(_ON_DUTY)
    return frozenset(row["queues"]) if row is not None and row["known"] else None


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


async def know(tx: Connection, customers: Collection[UUID], agent_id: str, now: datetime) -> None:
    """Remember whom a customer spoke with, under each of their handles' keys."""
    await tx.execute(_KNOW, sorted(customers), agent_id, now)


async def free(connection: Connection, agent_ids: Collection[str]) -> frozenset[str]:
    """Return those of these agents who are there and have a place free now."""
    return frozenset(row["agent_id"] for row in await connection.fetch(_FREE, list(agent_ids)))


async def known(connection: Connection, customers: Collection[UUID], since: datetime) -> dict[UUID, Agent]:
    """Return whom customers spoke with since then, of those who are there and have a place free now."""
    found = await connection.fetch(_KNOWN, list(customers), since)
    return {row["customer"]: Agent.model_validate_json(row["body"], extra="ignore") for row in found}


async def forget_known(connection: Connection, before: datetime) -> None:
    """Forget whom customers spoke with before that."""
    await connection.execute(_FORGET, before)


async def waking(tx: Connection, now: datetime, limit: int) -> list[Ticket]:
    """Return tickets that time has something to do with, locked; those another process has are passed over."""
    return [store.read(row["body"]) for row in await tx.fetch(_WAKING, now, limit)]


async def writing_for_ever(tx: Connection, queues: Collection[str] | None, limit: int) -> list[Ticket]:
    """Return tickets of these queues, or of any, that are written up without a limit, locked."""
    return [store.read(row["body"]) for row in await tx.fetch(_WRITING, queues, limit)]


def as_row(row: Record) -> Row:
    """Return an agent as stored."""
    agent = Agent.model_validate_json(row["body"], extra="ignore")
    return Row(agent, Presence(row["presence"]), row["since"], row["seen_at"])
