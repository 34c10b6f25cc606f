"""Counting a period from tickets, their log and the spells of agents. Never here: what the counts mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.router.domain.kpi import RATED, Counts, Told

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from services.runtime.postgres import Connection

# Of a completed ticket its columns and its own log are read, once. Its body is as long as all of these, and where what
# was done with it is asked for one by one, Postgres may read the log of all that ever were for each. What it was about
# and whether it was urged as it was completed is in its line; of an older release's, what the ticket says now counts.
_COUNTS: Final = """
WITH line AS (
    SELECT ticket_id, version, n, did, at, seconds, body FROM ticket_log
    WHERE at >= $1 AND at < $2 AND ($3::text IS NULL OR queue = $3)
), done AS (
    SELECT
        coalesce((l.body->>'first')::boolean, false) AS first,
        coalesce((l.body->>'in_time')::boolean, true) AS in_time,
        coalesce(l.body->>'business_type', t.business_type) = ANY($6::text[]) AS rated,
        coalesce(
            (l.body->>'urged')::boolean,
            t.urged,
            coalesce((t.body #>> '{work,urges}')::int, 0) + coalesce((t.body->>'urges')::int, 0) > 0
        ) AS urged,
        coalesce(t.last_telling > 1, (t.body->>'repeats')::int > 0, false) AS repeated,
        own.opened_again, own.called, own.wrong
    FROM line AS l JOIN ticket AS t ON t.ticket_id = l.ticket_id CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(m.did = 'reopened' AND (m.version, m.n) > (l.version, l.n)), false) AS opened_again,
            coalesce(bool_or(m.did = 'contacted'), false) AS called,
            coalesce(bool_or(
                m.did = 'returned'
                AND m.body->>'reason' IN ('wrong_queue', 'wrong_type', 'wrong_language', 'not_our_area')
            ), false) AS wrong
        FROM ticket_log AS m WHERE m.ticket_id = l.ticket_id
    ) AS own
    WHERE l.did = 'completed'
)
SELECT
    count(*) FILTER (WHERE did IN ('claimed', 'accepted')) AS answered,
    count(*) FILTER (WHERE did IN ('claimed', 'accepted') AND seconds <= $4) AS answered_within,
    coalesce(sum(seconds::float8) FILTER (WHERE did IN ('claimed', 'accepted')), 0) AS wait_s,
    count(*) FILTER (WHERE body ? 'rang') AS rung,
    count(*) FILTER (WHERE did = 'accepted' AND (body->>'rang')::float8 <= $5) AS rung_within,
    count(DISTINCT ticket_id) FILTER (WHERE did IN ('abandoned', 'withdrawn')) AS abandoned,
    count(*) FILTER (WHERE did = 'transferred') AS moved,
    count(*) FILTER (WHERE did = 'returned') AS returned,
    coalesce(sum(seconds::float8) FILTER (WHERE body->>'ended' = 'assigned'), 0) AS handle_s,
    coalesce(sum(seconds::float8) FILTER (WHERE body->>'ended' = 'wrap_up'), 0) AS after_s,
    count(*) FILTER (WHERE body->>'ended' = 'wrap_up') AS written,
    count(*) FILTER (
        WHERE body->>'ended' = 'wrap_up' AND did IN ('completed', 'transferred', 'returned')
          AND body->>'reason' IS DISTINCT FROM 'wrap_up_over' AND NOT body ? 'over'
    ) AS written_within,
    (SELECT count(*) FROM done) AS completed,
    (SELECT count(*) FROM done WHERE first AND NOT opened_again) AS first,
    (SELECT count(*) FROM done WHERE in_time) AS in_time,
    (SELECT count(*) FROM done WHERE rated) AS rated,
    (SELECT count(*) FROM done WHERE rated AND in_time) AS rated_in_time,
    (SELECT count(*) FROM done WHERE called) AS called,
    (SELECT count(*) FROM done WHERE NOT wrong) AS correct,
    (SELECT count(*) FROM done WHERE repeated) AS repeated,
    (SELECT count(*) FROM done WHERE urged) AS urged,
    (SELECT count(*) FROM done WHERE urged AND in_time) AS urged_in_time
FROM line
"""
# When agents had something in hand, from the lines that ended it and from what they have now; several tickets at once
# are one stretch of time. One that ended more than a week after the period is missed: the log is not read to its end.
_OCCUPIED: Final = """
WITH stretch AS (
    SELECT agent, at - seconds * interval '1 second' AS began, at AS ended FROM ticket_log
    WHERE at > $1 AND at < $2::timestamptz + interval '7 days' AND body ? 'ended' AND agent IS NOT NULL
    UNION ALL
    SELECT t.agent, (t.body #>> '{work,since}')::timestamptz, a.seen_at
    FROM ticket AS t JOIN agent AS a ON a.agent_id = t.agent WHERE t.state IN ('assigned', 'wrap_up')
), busy AS (
    SELECT agent, range_agg(tstzrange(began, ended) * tstzrange($1, $2)) AS times
    FROM stretch WHERE began < ended GROUP BY agent
), there AS (
    SELECT agent, range_agg(tstzrange(began, ended) * tstzrange($1, $2)) AS times FROM (
        SELECT agent_id AS agent, start_at AS began, end_at AS ended FROM agent_presence
        WHERE presence = 'available' AND end_at > $1 AND start_at < $2
        UNION ALL
        SELECT agent_id, since, seen_at FROM agent WHERE presence = 'available' AND seen_at > $1 AND since < $2
    ) AS spell WHERE began < ended GROUP BY agent
), seconds AS (
    SELECT true AS handling, upper(one) - lower(one) AS long FROM busy, unnest(times) AS one
    UNION ALL
    SELECT false, upper(one) - lower(one)
    FROM there LEFT JOIN busy USING (agent), unnest(there.times - coalesce(busy.times, '{}')) AS one
)
SELECT coalesce(extract(epoch FROM sum(long) FILTER (WHERE handling)), 0)::float8 AS busy_s,
       coalesce(extract(epoch FROM sum(long) FILTER (WHERE NOT handling)), 0)::float8 AS idle_s
FROM seconds
"""
# A matter may be in several tickets of its customer; each holds some of its tellings.
_TOLD: Final = """
SELECT queue, business_type, count(*) FILTER (WHERE first_telling = 1) AS told,
       count(*) FILTER (WHERE 2 BETWEEN first_telling AND last_telling) AS twice,
       count(*) FILTER (WHERE 3 BETWEEN first_telling AND last_telling) AS three_times
FROM ticket
WHERE opened_at >= $1 AND opened_at < $2 AND first_telling > 0 AND ($3::text IS NULL OR queue = $3)
GROUP BY queue, business_type ORDER BY queue, business_type
"""


async def told(connection: Connection, since: datetime, until: datetime, queue: str | None) -> list[Told]:
    """Return how often customers told of their matters, by where the tickets are now and what they are about."""
    return [Told(**dict(row)) for row in await connection.fetch(_TOLD, since, until, queue)]


async def count(
    connection: Connection,
    since: datetime,
    until: datetime,
    queue: str | None,
    within_s: float,
    ring_s: float,
    rated: Collection[str] = RATED,
) -> Counts:
    """Return the counts of ``[since, until)``, of one queue or of all.

    What people did counts for the queue in which the ticket was then; the agents' time is never of one queue.
    """
    row = await connection.fetchrow(_COUNTS, since, until, queue, within_s, ring_s, list(rated))
    times = await connection.fetchrow(_OCCUPIED, since, until)
    if row is None or times is None:
        raise AssertionError("a count is always a row")
    return Counts(**dict(row), **(dict(times) if queue is None else {}))
