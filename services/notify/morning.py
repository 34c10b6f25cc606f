"""What was held over the quiet hours is decided again when they end, from what is true then.

Decided here: how many at a time (no more than a lane sends soon, so that what is said is fresh), and what becomes of
the notices that were held: each goes as it is, is replaced by what is true now, or is not said any more. Of planned
work and of what people decided the newest word has replaced the older already. Never here: sending.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from services.contracts.values import Channel
from services.notify import book, customers, metrics, notices
from services.notify.domain.comparison import Occasion
from services.notify.domain.decide import decide
from services.notify.domain.incident import News
from services.notify.domain.quiet_hours import owed_by_now
from services.runtime.postgres import connected, later_if_away
from services.runtime.rows import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from asyncpg import Record

    from services.notify.domain.notice import Notice, Quiet
    from services.notify.wording import Wording
    from services.runtime.postgres import Connection, Pool

_AT_ONCE: Final = 500
_SECONDS: Final = 1.0
_CHANNELS: Final = """
SELECT now() AS now, ARRAY(
    SELECT c FROM unnest($1::text[]) AS c
    WHERE EXISTS (SELECT FROM notice WHERE state = 'pending' AND held_until IS NOT NULL AND channel = c)
) AS channels
"""
_DUE: Final = """
SELECT notice_id, recipient_id, incident_id FROM notice
WHERE state = 'pending' AND held_until IS NOT NULL AND channel = $1
  AND held_until <= CASE WHEN $2 THEN 'infinity' ELSE now() END
ORDER BY held_until, turn, incident_id, recipient_id
LIMIT $3 - (
    SELECT count(*) FROM (
        SELECT FROM notice
        WHERE state = 'pending' AND held_until IS NULL AND channel = $1 AND next_attempt_at <= now() LIMIT $3
    ) AS waiting
)
"""
_LOCK: Final = """
SELECT notice_id, recipient_id, incident_id, stage, channel FROM notice
WHERE notice_id = ANY($1::uuid[]) AND state = 'pending' AND held_until IS NOT NULL
ORDER BY notice_id FOR UPDATE
"""
_RELEASE: Final = """
UPDATE notice SET held_until = NULL, looked_at = now(), next_attempt_at = now(), reason = NULL
WHERE notice_id = ANY($1::uuid[])
"""
# What never left us, here and before, was told to nobody: nothing that is decided later is compared with it.
_DROP: Final = """
UPDATE notice n
SET state = 'superseded', superseded_by = NULL, held_until = NULL
FROM unnest($1::uuid[], $2::uuid[]) AS v (incident_id, recipient_id)
WHERE n.incident_id = v.incident_id AND n.recipient_id = v.recipient_id
  AND (n.state = 'superseded' OR (n.state = 'pending' AND n.held_until IS NOT NULL))
"""
# What was held stood for what their customers know. Without it, a time that they were told before may pass: who watches
# for it looks again.
_LOOK_AGAIN: Final = """
WITH silent AS (
    SELECT incident_id FROM incident WHERE incident_id = ANY($1::uuid[]) AND etr_passed IS NOT NULL
    ORDER BY incident_id FOR UPDATE
)
UPDATE incident i SET etr_passed = NULL FROM silent WHERE i.incident_id = silent.incident_id
"""
# One decided again may be there: held until now, or out of date for a while in the night. It is the newest word now.
_SAY: Final = """
UPDATE notice n
SET state = 'pending', superseded_by = NULL, held_until = NULL, looked_at = now(), next_attempt_at = now(),
    reason = NULL, seq = DEFAULT, template = v.template, etr = v.etr, restored_at = v.restored_at,
    caused_at = v.caused_at
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
     AS v (notice_id, template, etr, restored_at, caused_at)
WHERE n.notice_id = v.notice_id AND n.state IN ('pending', 'superseded')
"""


class Morning:
    """Looks at held notices again, for the life of the service."""

    def __init__(self, pool: Pool, templates: Callable[[], Wording], wake: Callable[[], None]) -> None:
        """Make it; ``wake`` is called when notices may be sent."""
        self._pool = pool
        self._templates = templates
        self._wake = wake

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with later_if_away():
                if await self.look():
                    self._wake()
            await asyncio.sleep(_SECONDS)

    async def look(self) -> int:
        """Look once at what is due; return at how many notices.

        Raises:
            UnavailableError: Postgres cannot answer; nothing is changed, and all are due as before.
        """
        async with connected(self._pool) as connection:
            [there] = await connection.fetch(_CHANNELS, list(Channel))
            wording = self._templates()
            # By day whatever is held is due, also where the file was changed meanwhile.
            is_day = wording.quiet is None or wording.quiet.until(there["now"]) is None
            looked = 0
            for channel in there["channels"]:
                looked += await self._look(connection, channel, wording, there["now"], is_day=is_day)
            return looked

    async def _look(
        self, connection: Connection, channel: str, wording: Wording, now: datetime, *, is_day: bool
    ) -> int:
        async with connection.transaction():
            due = await connection.fetch(_DUE, channel, is_day, _AT_ONCE)
            quiet = await self._again(connection, due, wording, now) if due else Counter()
        for reason, n in quiet.items():
            metrics.QUIET.labels(reason).inc(n)
        return len(due)

    async def _again(self, tx: Connection, due: Sequence[Record], wording: Wording, now: datetime) -> Counter[Quiet]:
        """Decide again; return why nothing is said."""
        who = sorted({row["recipient_id"] for row in due})
        await customers.lock(tx, who)  # before notices, as a batch does
        held = await tx.fetch(_LOCK, [row["notice_id"] for row in due])
        await tx.execute(_RELEASE, [row["notice_id"] for row in held if row["incident_id"] is None])
        owed = {(row["incident_id"], row["recipient_id"]): row for row in held if row["incident_id"] is not None}
        if not owed:
            return Counter()
        news = News.about(await customers.load_standings(tx, {incident for incident, _ in owed}))
        known = await book.load(tx, news, who)
        owed_now = owed_by_now(owed.keys(), known)
        if elsewhere := {incident for incident, _ in owed_now} - news.announced:
            news = News.about(news.standings | await customers.load_standings(tx, elsewhere))
            known = await book.load(tx, news, who)
        decision = decide(news, known, calm=wording.calm, now=now, occasion=Occasion.MORNING)
        said = [one for one in decision.notices if (one.incident_id, one.recipient_id) in owed_now]
        await tx.execute(_DROP, *columns(owed))
        await self._say(tx, said, wording, now)
        told = {(one.incident_id, one.recipient_id): one.notice_id for one in said}
        untold = [row for key, row in owed.items() if told.get(key) != row["notice_id"]]
        await tx.execute(_LOOK_AGAIN, list({incident for incident, _ in owed_now - told.keys()}))
        for row in untold:
            metrics.BECAME.labels(row["stage"], row["channel"], "superseded").inc()
        return decision.quiet

    @staticmethod
    async def _say(tx: Connection, said: Sequence[Notice], wording: Wording, now: datetime) -> None:
        await notices.add_notices(tx, said, rules=wording.digest, now=now)
        await tx.execute(
            _SAY,
            [one.notice_id for one in said],
            [one.template for one in said],
            [one.etr for one in said],
            [one.restored_at for one in said],
            [one.caused_at for one in said],
        )
