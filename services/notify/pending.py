"""The queue of notices to send: claiming them, and recording the outcome of each attempt.

Decided here: when an attempt begins (its row says ``sending`` before anything leaves this process), when one without
an outcome counts as lost, and what happens then. Times are the database's, so that instances with different clocks
agree on when a claim expires. Never here: sending, or a claim on a row that another instance holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.contracts.values import Channel
from services.notify.domain.notice import Stage, Template, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.runtime.postgres import Pool

# Of one customer's notices of one incident at most one is pending, as newer ones supersede it; and it waits here while
# an older one is on its way: so they arrive in the order in which they were made. What a newer release made with a word
# that this one has no text for is left to its processes.
_CLAIM: Final = """
WITH due AS (
    SELECT n.notice_id, n.doubted_at
    FROM notice n
    WHERE n.state = 'pending' AND n.channel = ANY($1::text[]) AND n.next_attempt_at <= now() AND n.held_until IS NULL
      AND n.stage = ANY($5::text[]) AND n.template = ANY($6::text[])
      AND NOT EXISTS (SELECT FROM notice o WHERE o.state = 'sending' AND o.recipient_id = n.recipient_id)
      AND NOT EXISTS (
          SELECT FROM recipient r JOIN link l USING (link_id)
          WHERE r.recipient_id = n.recipient_id AND NOT l.linked
      )
    ORDER BY n.turn, n.next_attempt_at, n.seq
    LIMIT $2
    FOR UPDATE OF n SKIP LOCKED
)
UPDATE notice n
SET state = 'sending', attempts = n.attempts + 1, sender = $3, sending_until = now() + make_interval(secs => $4),
    doubted_at = coalesce(n.doubted_at, now())
FROM due, recipient r
WHERE n.notice_id = due.notice_id AND r.recipient_id = n.recipient_id
RETURNING n.notice_id, n.attempts AS attempt, n.channel, r.address, r.account, n.incident_id, n.ticket_ref,
          n.language, n.stage, n.revision, n.template, n.etr, n.restored_at, n.closed_at, n.caused_at, n.made_at,
          n.incident_id IS NOT NULL AND NOT EXISTS (
              SELECT FROM notice o
              WHERE o.incident_id = n.incident_id AND o.recipient_id = n.recipient_id AND o.state = 'sent'
          ) AS first_word,
          due.doubted_at, n.turn, r.contacted_at, now() AS claimed_at
"""
# Rows are locked in the order of their ids, as ``notices`` does when it supersedes. A delivery counts even where its
# claim had ended: it is a fact. Any other outcome counts only while the claim holds. The receiver may have said by then
# whether it arrived. An attempt that began when the estimate had passed did not name it: the time that stays is the one
# that the customer reads, or may have read where an attempt before that is in doubt.
_SETTLE: Final = """
WITH settled AS (
    SELECT n.notice_id, v.outcome, coalesce(n.early -> v.delivery_id ->> 'reason', v.reason) AS reason, v.delay,
           v.delivery_id, v.doubtful, v.doubted_at, v.held_until, n.early -> v.delivery_id ->> 'at' AS said_at
    FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::float8[], $6::text[], $8::boolean[],
                $9::timestamptz[], $10::timestamptz[])
         AS v (notice_id, attempt, outcome, reason, delay, delivery_id, doubtful, doubted_at, held_until)
    JOIN notice n ON n.notice_id = v.notice_id AND n.attempts = v.attempt
    WHERE n.state = 'sending' OR (v.outcome = 'delivered' AND n.state <> 'sent')
    ORDER BY n.notice_id FOR UPDATE OF n
)
UPDATE notice n
SET state = CASE
        WHEN s.outcome = 'delivered' AND s.reason IS NOT NULL THEN 'failed'
        WHEN s.outcome = 'delivered' THEN 'sent'
        WHEN s.outcome = 'unknown' THEN 'unknown'
        WHEN s.outcome = 'refused' THEN 'failed'
        WHEN n.superseded_by IS NOT NULL THEN 'superseded'
        WHEN s.outcome <> 'held' AND n.attempts >= $7 THEN 'failed'
        ELSE 'pending'
    END,
    attempts = CASE s.outcome WHEN 'held' THEN n.attempts - 1 ELSE n.attempts END,
    held_until = s.held_until,
    etr = CASE WHEN s.outcome IN ('delivered', 'unknown') AND n.doubted_at >= n.etr THEN NULL ELSE n.etr END,
    reason = s.reason,
    arrived_at = CASE WHEN s.reason IS NULL THEN s.said_at::timestamptz END,
    delivery_id = s.delivery_id,
    sent_at = CASE WHEN s.outcome = 'delivered' THEN now() END,
    next_attempt_at = now() + make_interval(secs => s.delay),
    doubted_at = CASE WHEN s.doubtful THEN n.doubted_at ELSE s.doubted_at END,
    sending_until = NULL
FROM settled s WHERE n.notice_id = s.notice_id
RETURNING n.notice_id, n.stage, n.channel, n.state, n.reason,
          extract(epoch FROM now() - greatest(n.caused_at, n.looked_at))::float8 AS seconds
"""
_RECOVER: Final = """
WITH lost AS (
    SELECT notice_id FROM notice WHERE state = 'sending' AND sending_until < now()
    ORDER BY notice_id LIMIT 1000 FOR UPDATE SKIP LOCKED
)
UPDATE notice n
SET state = CASE
        WHEN NOT n.sender = ANY($1::text[]) OR n.attempts >= $2 THEN 'unknown'
        WHEN n.superseded_by IS NOT NULL THEN 'superseded'
        ELSE 'pending'
    END,
    reason = 'outcome_unknown', next_attempt_at = now(), sending_until = NULL
FROM lost WHERE n.notice_id = lost.notice_id
RETURNING n.notice_id, n.stage, n.channel, n.state, n.reason, extract(epoch FROM now() - n.caused_at)::float8 AS seconds
"""
_DROP_UNLINKED: Final = """
WITH gone AS (
    SELECT n.notice_id FROM notice n JOIN recipient r USING (recipient_id) JOIN link l USING (link_id)
    WHERE n.state = 'pending' AND NOT l.linked
    ORDER BY n.notice_id LIMIT 1000 FOR UPDATE OF n SKIP LOCKED
)
UPDATE notice n SET state = 'failed', reason = 'unlinked'
FROM gone WHERE n.notice_id = gone.notice_id
RETURNING n.notice_id, n.stage, n.channel, n.state, n.reason, extract(epoch FROM now() - n.caused_at)::float8 AS seconds
"""
# What was held is due once its night is over, whether or not somebody has looked at it again by then. Each state has an
# index of its own; asked for together, all notices that ever were are read.
_BACKLOG: Final = """
SELECT channel, turn, count(*) AS count,
       extract(epoch FROM now() - min(greatest(coalesce(looked_at, made_at), held_until)))::float8 AS oldest_s
FROM (
    SELECT channel, turn, looked_at, made_at, held_until FROM notice WHERE state = 'pending'
    UNION ALL SELECT channel, turn, looked_at, made_at, held_until FROM notice WHERE state = 'sending'
) AS waiting
WHERE held_until IS NULL OR held_until <= now() GROUP BY channel, turn
"""
_HELD: Final = "SELECT count(*) FROM notice WHERE state = 'pending' AND held_until > now()"


class Outcome(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """Not delivered, or perhaps delivered through a sender that drops repeats: to be tried again."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Perhaps delivered, through a sender that cannot drop repeats: not tried again."""
    HELD = "held"
    """Not attempted, as it is night: to be looked at again when that ends."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice this process may attempt to send until its claim ends.

    Attributes:
        first_word: Whether its customer was sent nothing yet of the incident.
        doubted_at: When the first attempt began of which it is not known whether it was taken; None if of none.
        contacted_at: When its customer last contacted us.
        claimed_at: Now, by the database's clock.
    """

    notice_id: UUID
    attempt: int
    channel: Channel
    address: str
    account: str | None
    incident_id: UUID | None
    ticket_ref: str
    language: str
    stage: Stage
    revision: int
    template: Template
    etr: datetime | None
    restored_at: datetime | None
    closed_at: datetime | None
    caused_at: datetime
    made_at: datetime
    first_word: bool
    doubted_at: datetime | None
    turn: Turn
    contacted_at: datetime | None
    claimed_at: datetime


_WORDS: Final[Mapping[str, type[StrEnum | Turn]]] = {
    "channel": Channel,
    "stage": Stage,
    "template": Template,
    "turn": Turn,
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended.

    Attributes:
        delay_s: How long to wait before the next.
        delivery_id: The receiver's own.
        doubtful: Whether it may have been taken although it failed.
        doubted_at: When the first attempt before this began that may have been; None if none was.
        held_until: When it is to be looked at again.
    """

    notice_id: UUID
    attempt: int
    outcome: Outcome
    reason: str | None = None
    delay_s: float = 0.0
    delivery_id: str | None = None
    doubtful: bool = False
    doubted_at: datetime | None = None
    held_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Became:
    """What a notice has become. ``seconds`` have gone by since the change it tells of."""

    notice_id: UUID
    stage: str
    channel: str
    state: str
    reason: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many notices of a channel and turn are not settled yet, and the age of the oldest in seconds."""

    channel: Channel
    turn: Turn
    count: int
    oldest_s: float


async def claim(pool: Pool, channels: Sequence[Channel], *, sender: str, most: int, claim_s: float) -> list[Claimed]:
    """Take due notices of these channels, and write that an attempt through ``sender`` begins.

    Args:
        pool: The service's pool.
        channels: Channels to take from.
        sender: Name of the sender they will go through.
        most: How many to take at most.
        claim_s: Seconds until an attempt without an outcome counts as lost.
    """
    rows = await pool.fetch(_CLAIM, list(channels), most, sender, claim_s, list(Stage), list(Template))
    return [
        Claimed(**{**row, **{name: word(row[name]) for name, word in _WORDS.items()}})  # one column a field
        for row in rows
    ]


async def settle(pool: Pool, attempts: Sequence[Attempt], *, most_attempts: int) -> list[Became]:
    """Write down how attempts ended, and return what their notices have become.

    One whose claim has ended meanwhile is left out, unless it was delivered.
    """
    rows = await pool.fetch(
        _SETTLE,
        [one.notice_id for one in attempts],
        [one.attempt for one in attempts],
        [one.outcome for one in attempts],
        [one.reason for one in attempts],
        [one.delay_s for one in attempts],
        [one.delivery_id for one in attempts],
        most_attempts,
        [one.doubtful for one in attempts],
        [one.doubted_at for one in attempts],
        [one.held_until for one in attempts],
    )
    return [Became(**row) for row in rows]


async def recover(pool: Pool, *, repeatable: Sequence[str], most_attempts: int) -> list[Became]:
    """Settle attempts whose claim has ended without an outcome: their process died or was cut off.

    Those that went through one of the ``repeatable`` senders are queued again, the others stay ``unknown``.
    """
    return [Became(**row) for row in await pool.fetch(_RECOVER, list(repeatable), most_attempts)]


async def drop_unlinked(pool: Pool) -> list[Became]:
    """Give up what waits for customers who asked not to be told, or left."""
    return [Became(**row) for row in await pool.fetch(_DROP_UNLINKED)]


async def backlog(pool: Pool) -> list[Waiting]:
    """Return what is not settled yet."""
    return [
        Waiting(Channel(row["channel"]), Turn(row["turn"]), row["count"], row["oldest_s"])
        for row in await pool.fetch(_BACKLOG)
    ]


async def held(pool: Pool) -> int:
    """Return how many notices wait for the end of the quiet hours."""
    return int(await pool.fetchval(_HELD))
