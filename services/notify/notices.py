"""What customers were told, as it is stored, and what they are to be told.

Decided here: what counts as told, and which of what is not sent yet is out of date. Never here: what to tell
(``domain``), sending (``pending``), who is where (``customers``).
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from services.notify.domain.notice import Notice, Reach, Told, Unsaid, recipient_id
from services.notify.domain.planned import Promise, Promises, Spoken
from services.runtime.rows import Table, columns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import ReportSettled
    from services.runtime.postgres import Connection

# What never left us was told to nobody, unless an attempt may have been taken all the same. Nor was an estimate told
# that passed before the first attempt which may have been taken: what is left of the word was (``without_etr``), or
# nothing; once that is known, the row says so. Nor was what a customer asked not to be told. What failed was tried.
_TOLD: Final = """
SELECT n.recipient_id, n.incident_id, n.report_id, n.stage, n.revision,
       CASE WHEN n.doubted_at >= n.etr THEN NULL ELSE n.etr END AS etr,
       CASE WHEN n.state = 'failed' AND (n.doubted_at IS NULL OR n.sent_at IS NOT NULL) THEN 'lost'
            WHEN n.state = 'failed' THEN 'given_up'
            WHEN n.state NOT IN ('pending', 'superseded') THEN 'out'
            WHEN n.doubted_at IS NOT NULL THEN 'doubted'
            WHEN n.state = 'pending' AND n.held_until IS NULL THEN 'leaving'
            ELSE 'kept' END AS reach
FROM notice n
WHERE n.incident_id = ANY($1::uuid[]) AND n.recipient_id = ANY($2::uuid[])
  AND NOT (n.state = 'failed' AND n.reason IN ('etr_past', 'unlinked'))
  AND NOT (
      n.sent_at IS NULL AND coalesce(n.doubted_at >= n.etr, false) AND n.stage IN ('etr_set', 'etr_changed')
      AND EXISTS (
          SELECT FROM notice s
          WHERE s.incident_id = n.incident_id AND s.recipient_id = n.recipient_id AND s.state = 'sent'
      )
  )
  AND NOT (n.state = 'superseded' AND n.doubted_at IS NULL)
ORDER BY n.seq
"""
_NOTICE: Final = Table.of(
    "notice",
    "notice_id uuid, recipient_id uuid, channel text, incident_id uuid, report_id uuid, ticket_ref text, language text,"
    " stage text, revision int, template text, etr timestamptz, restored_at timestamptz, caused_at timestamptz,"
    " turn int, planned_id uuid, closed_at timestamptz",
)
"""A ``Notice``, but for what it replaces."""
_FIELDS: Final = attrgetter(*_NOTICE.columns)
_MADE: Final = Table("notice", {**_NOTICE.kinds, "rules": "text", "made_at": "timestamptz"})
_ADD_NOTICES: Final = f"{_MADE.adding(1)} ON CONFLICT (notice_id) DO NOTHING RETURNING notice_id, seq"
# What is due of an incident, was out of date for a while and reached nobody, is made anew: it is the newest word then.
_MAKE_ANEW: Final = """
DELETE FROM notice WHERE notice_id = ANY(ARRAY(
    SELECT notice_id FROM notice
    WHERE notice_id = ANY($1::uuid[]) AND state = 'superseded' AND doubted_at IS NULL AND incident_id IS NOT NULL
    ORDER BY notice_id FOR UPDATE
))
"""
_PROMISED: Final = """
SELECT DISTINCT ON (recipient_id, planned_id) recipient_id, planned_id, caused_at,
       CASE WHEN state <> 'failed' THEN etr END AS etr
FROM notice WHERE planned_id = ANY($1::uuid[]) AND recipient_id = ANY($2::uuid[]) AND etr IS NOT NULL
ORDER BY recipient_id, planned_id, state = 'failed', seq DESC
"""
# What an incident has to say stays said where another report of the customer is in it, though the successor is the word
# of another incident, to which a report of theirs has gone. Its leaving may not be heard of yet: the later joining
# holds.
#
# One index each: joined by "or", words of a report, or of planned work, would be looked for among all notices.
# OFFSET 0: it is asked of one customer at a time; else Postgres joins all reports with where they are, to answer from
# that. Rows are locked in the order of their ids, as ``pending`` does when it writes outcomes.
_SUPERSEDE: Final = """
WITH said AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::boolean[])
         AS v (successor, recipient_id, subject, before, by_another)
), found AS (
    SELECT n.notice_id, n.seq, v.successor, v.before
    FROM said v JOIN notice n ON n.incident_id = v.subject AND n.recipient_id = v.recipient_id
    WHERE NOT v.by_another OR NOT EXISTS (
        SELECT FROM report r JOIN subscription o USING (report_id)
        WHERE r.recipient_id = v.recipient_id AND o.incident_id = v.subject AND o.joined_revision > o.left_revision
          AND NOT EXISTS (
              SELECT FROM subscription l
              WHERE l.report_id = o.report_id AND l.joined_revision > l.left_revision AND l.joined_at > o.joined_at
          )
        OFFSET 0
    )
    UNION ALL
    SELECT n.notice_id, n.seq, v.successor, v.before
    FROM said v JOIN notice n ON n.incident_id IS NULL AND n.recipient_id = v.recipient_id AND n.report_id = v.subject
    UNION ALL
    SELECT n.notice_id, n.seq, v.successor, v.before
    FROM said v JOIN notice n ON n.planned_id = v.subject AND n.recipient_id = v.recipient_id
), outdated AS (
    SELECT n.notice_id, f.successor FROM found f JOIN notice n USING (notice_id)
    WHERE n.state IN ('pending', 'sending') AND f.seq < f.before
    ORDER BY n.notice_id FOR UPDATE OF n
)
UPDATE notice n
SET superseded_by = outdated.successor, state = CASE n.state WHEN 'pending' THEN 'superseded' ELSE n.state END
FROM outdated WHERE n.notice_id = outdated.notice_id
RETURNING n.stage, n.channel, n.state
"""
_SPOKEN: Final = """
SELECT v.report_id, v.recipient_id, s.incident_id,
       NOT EXISTS (
           SELECT FROM report r JOIN subscription o USING (report_id)
           WHERE r.recipient_id = v.recipient_id AND r.report_id <> ALL($1) AND o.incident_id = s.incident_id
             AND o.joined_revision > o.left_revision
       ) AS alone,
       (
           SELECT max(n.caused_at) FROM notice n
           WHERE n.incident_id = s.incident_id AND n.recipient_id = v.recipient_id
       ) AS latest
FROM unnest($1::uuid[], $2::uuid[]) AS v (report_id, recipient_id) JOIN subscription s USING (report_id)
"""
_EVER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Saved:
    """What came of saving notices: which are new, and the stage and channel of those they made out of date."""

    new: frozenset[UUID]
    superseded: tuple[tuple[str, str], ...]


async def load_told(
    tx: Connection, incidents: Collection[UUID], recipients: Collection[UUID]
) -> dict[UUID, list[Told]]:
    """Return by customer what they were told of incidents, oldest first."""
    told: dict[UUID, list[Told]] = {}
    for row in await tx.fetch(_TOLD, list(incidents), list(recipients)):
        reach = Reach(row["reach"])
        made = Told(row["incident_id"], row["report_id"], row["stage"], row["revision"], row["etr"], reach)
        told.setdefault(row["recipient_id"], []).append(made)
    return told


async def load_promises(tx: Connection, moved: Iterable[ReportSettled]) -> Promises:
    """Return what was last told of the ends of planned outages, by customer and planned outage."""
    known = [(one.planned_id, recipient_id(one.recipient)) for one in moved if one.recipient]
    rows = await tx.fetch(_PROMISED, *columns(known)) if known else ()
    return {(row["recipient_id"], row["planned_id"]): Promise(row["etr"], row["caused_at"]) for row in rows}


async def load_spoken(
    tx: Connection, settled: Iterable[ReportSettled], notices: Iterable[Notice]
) -> dict[UUID, list[Spoken]]:
    """Return by report the incidents it was in, with what they last told its customer.

    Args:
        tx: The batch's transaction.
        settled: What is to be told of reports by planned work.
        notices: What the batch's incidents tell.
    """
    asked = {(one.report_id, recipient_id(one.recipient)) for one in settled if one.recipient}
    now = {(one.recipient_id, one.incident_id): one.caused_at for one in notices}
    found: dict[UUID, list[Spoken]] = {}
    for row in await tx.fetch(_SPOKEN, *columns(sorted(asked))) if asked else ():
        said = [row["latest"], now.get((row["recipient_id"], row["incident_id"]))]
        latest = max((at for at in said if at is not None), default=None)
        found.setdefault(row["report_id"], []).append(Spoken(row["incident_id"], row["alone"], latest))
    return found


async def add_notices(tx: Connection, words: Sequence[Notice | Unsaid], *, rules: str, now: datetime) -> Saved:
    """Put notices in the queue, and take from it those that they make out of date.

    Args:
        tx: The batch's transaction.
        words: What was decided, in that order. A notice that is there is left as it is.
        rules: Digest of the templates file in force.
        now: The batch's instant.
    """
    notices = [one for one in words if isinstance(one, Notice)]
    new: Mapping[UUID, int] = {}
    if notices:
        await tx.execute(_MAKE_ANEW, [one.notice_id for one in notices])
        rows = await tx.fetch(_ADD_NOTICES, *columns((*_FIELDS(one), rules, now) for one in notices))
        new = {row["notice_id"]: row["seq"] for row in rows}
    replaced = _replaced(words, new)
    if not replaced:
        return Saved(frozenset(new), ())
    rows = await tx.fetch(_SUPERSEDE, *columns(replaced))
    return Saved(frozenset(new), tuple((row["stage"], row["channel"]) for row in rows if row["state"] == "superseded"))


def _replaced(words: Sequence[Notice | Unsaid], new: Mapping[UUID, int]) -> list[tuple[UUID, UUID, UUID, int, bool]]:
    """Return successor, customer, subject, the number before which what was said of it is out of date, and one more.

    That is whether the successor is the word of an incident that is not the subject.

    Of incidents a batch is judged by its end, so nothing of the same batch is. The words of reports without one come
    one by one: the later takes the place of the earlier.
    """
    batch = min(new.values(), default=_EVER)
    replaced: list[tuple[UUID, UUID, UUID, int, bool]] = []
    following = _EVER
    for one in reversed(words):
        if isinstance(one, Unsaid):
            replaced.append((one.incident_id, one.recipient_id, one.subject, following, one.subject != one.incident_id))
        elif one.notice_id in new:
            following = new[one.notice_id]
            before = following if one.incident_id is None else batch
            replaced += [
                (one.notice_id, one.recipient_id, subject, before, one.incident_id not in {None, subject})
                for subject in one.replaces
            ]
    return replaced
