"""Everybody in an outage is looked at piece by piece, where they are too many for the batch that brings its news.

Decided here: for how many a batch is too small, how many are looked at in one transaction, and in which order: whose
turn is before others' first. A piece moves the place up to which they were looked at in the transaction that puts what
they are told in the queue: wherever a process dies, the next goes on after it. Where an incident has news again
meanwhile, all are gone through anew. Never here: what anybody is told.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

import structlog

from services.notify import book, customers, metrics, notices
from services.notify.domain.comparison import Occasion
from services.notify.domain.decide import decide
from services.notify.domain.incident import News
from services.notify.domain.notice import Notice, Quiet, Turn
from services.notify.heard import unlinked
from services.runtime.failpoints import failpoint
from services.runtime.postgres import connected, later_if_away

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from asyncpg import Record

    from services.notify.domain.decide import Decision
    from services.notify.domain.incident import Standing
    from services.notify.notices import Saved
    from services.notify.wording import Wording
    from services.runtime.postgres import Connection, Pool

WHOLE: Final = 1000
"""An incident with more reports than this is gone through in pieces. Of 100,000 that took a transaction half a minute,
which Postgres ends before: it was begun again and again, and nobody was told anything."""
PIECE: Final = 500
"""Reports whose customers are looked at in one transaction."""
FIRST: Final = UUID(int=0)
_SECONDS: Final = 1.0
# Before recipients are locked, as a piece does. Ordered, so that it is counted by key: where most of what is known is
# in one outage, Postgres expects any incident's reports among the first it reads, and reads all for another's few.
_BEGIN: Final = """
INSERT INTO fan_out (incident_id)
SELECT v.incident_id FROM unnest($1::uuid[]) AS v (incident_id)
WHERE (
    SELECT count(*) FROM (
        SELECT FROM subscription s WHERE s.incident_id = v.incident_id ORDER BY s.report_id LIMIT $2 + 1
    ) AS few
) > $2
ORDER BY v.incident_id
ON CONFLICT (incident_id) DO UPDATE SET urgent = DEFAULT, after = DEFAULT, to_do = DEFAULT
RETURNING incident_id
"""
_NEXT: Final = """
SELECT incident_id, urgent, after, to_do IS NULL AS uncounted, now() AS now FROM fan_out
ORDER BY looked_at, incident_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
# OFFSET 0: by key, from the place on; joined otherwise, Postgres reads all reports before it for each piece.
_PIECE_OF: Final = """
SELECT s.report_id, r.recipient_id
FROM subscription s
CROSS JOIN LATERAL (SELECT recipient_id FROM report WHERE report_id = s.report_id{whose} OFFSET 0) AS r
WHERE s.incident_id = $1 AND s.report_id > $2 AND s.joined_revision > s.left_revision
ORDER BY s.report_id LIMIT $3
"""
_PIECE: Final = _PIECE_OF.format(whose="")
_URGENT: Final = _PIECE_OF.format(whose=f" AND turn < {Turn.OTHERS:d}")  # a number: an index has them
_GO_ON: Final = (
    "UPDATE fan_out SET after = $2, to_do = to_do - $3, looked_at = clock_timestamp() WHERE incident_id = $1"
)
_ALL: Final = "UPDATE fan_out SET urgent = false, after = DEFAULT WHERE incident_id = $1"
_DONE: Final = "DELETE FROM fan_out WHERE incident_id = $1"
_REPORTS: Final = """
SELECT count(*) FROM subscription s WHERE s.incident_id = f.incident_id AND s.joined_revision > s.left_revision
"""
_COUNT: Final = f"UPDATE fan_out f SET to_do = ({_REPORTS}) WHERE incident_id = $1"  # noqa: S608 - ours
# Counted once, as the first piece is looked at: each process asks every few seconds.
_TO_DO: Final = f"""
SELECT coalesce(sum(coalesce(f.to_do, ({_REPORTS}))), 0)::bigint AS reports,
       coalesce(max(extract(epoch FROM now() - f.looked_at)), 0)::float8 AS idle_s
FROM fan_out f
"""  # noqa: S608 - ours
_log: Final = structlog.get_logger()


class Piece(NamedTuple):
    """Some of an incident's customers.

    Attributes:
        who: They; fewer than reports, as some have several, and some cannot be told.
        after: The last of their reports, as the next piece begins after it.
        reports: How many.
        is_last: Whether there are no more.
    """

    who: frozenset[UUID]
    after: UUID
    reports: int
    is_last: bool


class Looked(NamedTuple):
    """What came of looking at some of an incident's customers."""

    made: list[Notice]
    saved: Saved
    decision: Decision


async def begin(tx: Connection, announced: Collection[UUID], *, whole: int = WHOLE) -> frozenset[UUID]:
    """Return those of these incidents, of which there is news, whose customers are looked at later in pieces.

    Args:
        tx: The batch's transaction.
        announced: The incidents.
        whole: Most reports of one that is left to the batch.
    """
    rows = await tx.fetch(_BEGIN, sorted(announced), whole) if announced else ()
    return frozenset(row["incident_id"] for row in rows)


async def piece_of(tx: Connection, incident: UUID, after: UUID, *, urgent: bool = False, most: int = PIECE) -> Piece:
    """Return the customers of an incident's next reports; ``urgent``: of those whose turn is before others'."""
    rows = await tx.fetch(_URGENT if urgent else _PIECE, incident, after, most)
    who = frozenset(row["recipient_id"] for row in rows if row["recipient_id"] is not None)
    return Piece(who, rows[-1]["report_id"] if rows else after, len(rows), len(rows) < most)


async def look(
    tx: Connection,
    standing: Standing,
    who: Collection[UUID],
    wording: Wording,
    now: datetime,
    *,
    occasion: Occasion = Occasion.NEWS,
    only: Callable[[Notice], bool] | None = None,
) -> Looked:
    """Look at some of an incident's customers, who are locked: decide what they are told, and put that in the queue.

    Args:
        tx: The transaction.
        standing: The incident.
        who: They.
        wording: The templates in force.
        now: The instant of it.
        occasion: Why they are looked at.
        only: Which words are said of this occasion, and nothing taken back; None for whatever there is to say.
    """
    news = News.about({standing.incident_id: standing})
    decision = decide(news, await book.load(tx, news, who), calm=wording.calm, now=now, occasion=occasion)
    said = [one for one in decision.notices if only is None or only(one)]
    gone = await unlinked(tx, {one.recipient_id for one in said})
    decision.quiet[Quiet.UNLINKED] += sum(one.recipient_id in gone for one in said)
    said = [one for one in said if one.recipient_id not in gone]
    unsaid = [one for one in decision.unsaid if only is None and one.recipient_id not in gone]
    saved = await notices.add_notices(tx, [*unsaid, *said], rules=wording.digest, now=now)
    decision.quiet[Quiet.ALREADY_TOLD] += len(said) - len(saved.new)
    return Looked(said, saved, decision)


def observe_made(made: Iterable[Notice], saved: Saved) -> None:
    """Count what was made, as far as it was not there before."""
    for one in made:
        if one.notice_id in saved.new:
            metrics.MADE.labels(one.stage, one.channel).inc()


def observe(made: Iterable[Notice], saved: Saved, decision: Decision) -> None:
    """Count what was decided and committed: what was made, what that took the place of, and why others are silent."""
    observe_made(made, saved)
    for stage, channel in saved.superseded:
        metrics.BECAME.labels(stage, channel, "superseded").inc()
    for reason, n in decision.quiet.items():
        metrics.QUIET.labels(reason).inc(n)
    for outcome, n in decision.held.items():
        metrics.ESTIMATES.labels(outcome).inc(n)


async def to_do(pool: Pool) -> tuple[int, float]:
    """Return how many reports' customers are still to be looked at, and for how long nobody of some outage was."""
    [row] = await pool.fetch(_TO_DO)
    return row["reports"], max(0.0, row["idle_s"])


class FanOut:
    """Goes through the customers of large outages, for the life of the service."""

    def __init__(
        self, pool: Pool, templates: Callable[[], Wording], wake: Callable[[], None], *, most: int = PIECE
    ) -> None:
        """Make it.

        Args:
            pool: The service's pool.
            templates: The templates in force.
            wake: Called when notices may be sent.
            most: Reports in a piece.
        """
        self._pool = pool
        self._templates = templates
        self._wake = wake
        self._most = most
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be customers to look at."""
        self._woken.set()

    async def run(self) -> None:
        """Look for ever; also at those whom a process that died has left."""
        while True:
            self._woken.clear()
            with later_if_away():
                if await self.step():
                    continue
            with suppress(TimeoutError):
                async with asyncio.timeout(_SECONDS):
                    await self._woken.wait()

    async def step(self) -> bool:
        """Look at one piece of one incident; return whether there was one.

        Raises:
            UnavailableError: Postgres cannot answer; the piece is looked at when it does.
        """
        async with connected(self._pool) as connection, connection.transaction():
            row = await connection.fetchrow(_NEXT)
            if row is None:
                return False
            looked = await self._look(connection, row)
            failpoint("fan_out.looked")
        failpoint("fan_out.committed")
        observe(looked.made, looked.saved, looked.decision)
        if looked.saved.new:
            self._wake()
        return True

    async def _look(self, tx: Connection, asked: Record) -> Looked:
        incident, urgent = asked["incident_id"], asked["urgent"]
        if asked["uncounted"]:
            await tx.execute(_COUNT, incident)
        piece = await piece_of(tx, incident, asked["after"], urgent=urgent, most=self._most)
        await customers.lock(tx, piece.who)
        standing = (await customers.load_standings(tx, {incident}))[incident]
        looked = await look(tx, standing, piece.who, self._templates(), asked["now"])
        if not piece.is_last:
            await tx.execute(_GO_ON, incident, piece.after, 0 if urgent else piece.reports)
        elif urgent:
            await tx.execute(_ALL, incident)
        else:
            await tx.execute(_DONE, incident)
            _log.info("customers_looked_at", incident_id=str(incident), revision=standing.revision)
        return looked
