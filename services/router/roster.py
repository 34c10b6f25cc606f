"""Agents in Postgres: profiles, presence, and whom customers spoke with. Never here: a decision, their tickets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.router.domain.serving import Agent

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from uuid import UUID

    from asyncpg import Record

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
_SET_RIGHT: Final = """
UPDATE agent SET seen_at = $1, since = least(since, $1) WHERE presence <> 'offline' AND seen_at > $2
"""
_ON_DUTY: Final = """
SELECT EXISTS (SELECT FROM agent) AS known, ARRAY(
    SELECT DISTINCT queue FROM agent, jsonb_array_elements_text(body -> 'queues') AS served (queue)
    WHERE presence = 'available'
) AS queues
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


async def set_right(tx: Connection, now: datetime, after: datetime) -> None:
    """Let who was seen ``after`` that be seen now: the database's clock was ahead then, and has been set back since.

    Until it is that late again nobody would notice that they are gone.
    """
    await tx.execute(_SET_RIGHT, now, after)


async def on_duty(connection: Connection) -> frozenset[str] | None:
    """Return the queues that available agents serve, ``*`` for every one; None where no agent is known here at all."""
    row = await connection.fetchrow(_ON_DUTY)
    return frozenset(row["queues"]) if row is not None and row["known"] else None


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


def as_row(row: Record) -> Row:
    """Return an agent as stored."""
    agent = Agent.model_validate_json(row["body"], extra="ignore")
    return Row(agent, Presence(row["presence"]), row["since"], row["seen_at"])
