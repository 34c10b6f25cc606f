"""What notify stores: incidents, who belongs to them, what they were told.

Decided here: what is loaded and locked for a batch, in a number of statements that does not grow with it. Never here:
what to tell (``domain``), sending (``pending``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from services.contracts.values import Channel, IncidentState, Recipient
from services.notify.domain.decide import Book
from services.notify.domain.incident import Standing, Subscription
from services.notify.domain.notice import Notice, Reach, Reporter, Told, Turn, Unsaid, link_id, recipient_id
from services.notify.domain.planned import Promise, Promises, Spoken
from services.runtime.rows import Table

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from _typeshed import DataclassInstance
    from asyncpg import Record

    from services.contracts.messages import ReportSettled
    from services.notify.domain.incident import News
    from services.runtime.postgres import Connection

INCIDENT: Final = Table.of(
    "incident",
    "incident_id uuid, revision int, state text, etr timestamptz, etr_since int, restored_at timestamptz,"
    " state_since int, known_since int, changed_at timestamptz, area text, device text, progress text, storm boolean,"
    " kind text, account_id text",
)
"""A ``Standing``: its fields in their order."""
_STANDINGS: Final = f"SELECT {', '.join(INCIDENT.columns)} FROM incident WHERE incident_id = ANY($1::uuid[])"  # noqa: S608 - ours
_SAVE_STANDINGS: Final = INCIDENT.keeping(1, "incident_id")
# Of who left the address stays unknown: a record of where their report goes has it, and is no word of theirs.
_KNOWN: Final = """
SELECT v.recipient_id, v.channel, CASE WHEN l.linked IS FALSE THEN '' ELSE v.address END AS address,
       CASE WHEN l.linked IS FALSE THEN NULL ELSE v.account END AS account, v.link_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[])
     AS v (recipient_id, channel, address, account, link_id)
LEFT JOIN link l USING (link_id)
"""
_ADD_RECIPIENTS: Final = f"""
INSERT INTO recipient (recipient_id, channel, address, account, link_id)
{_KNOWN} ORDER BY v.recipient_id
ON CONFLICT (recipient_id) DO NOTHING
"""
# Always in the order of their ids, so that two batches wait for one another and never in a circle. Whom a batch adds no
# other can see, but who adds them, too.
_LOCK_RECIPIENTS: Final = """
SELECT recipient_id, address = '' OR link_id IS NULL AS is_unknown FROM recipient
WHERE recipient_id = ANY(ARRAY(
    SELECT unnest($1::uuid[])
    UNION
    SELECT r.recipient_id FROM subscription s JOIN report r USING (report_id) WHERE s.incident_id = ANY($2::uuid[])
    UNION
    SELECT recipient_id FROM report WHERE report_id = ANY($3::uuid[])
    UNION
    SELECT recipient_id FROM recipient WHERE link_id = ANY($4::uuid[])
))
ORDER BY recipient_id FOR NO KEY UPDATE OF recipient
"""
_KNOW_AGAIN: Final = f"""
UPDATE recipient p SET address = known.address, account = known.account, link_id = known.link_id
FROM ({_KNOWN}) AS known
WHERE p.recipient_id = known.recipient_id AND (p.address = '' OR p.link_id IS NULL)
"""  # noqa: S608 - ours
_SUBSCRIPTIONS: Final = """
WITH concerned AS (
    SELECT unnest($1::uuid[]) AS report_id
    UNION
    SELECT report_id FROM subscription WHERE incident_id = ANY($2::uuid[])
    UNION
    SELECT s.report_id FROM report r JOIN subscription s USING (report_id)
    WHERE s.incident_id = ANY($4::uuid[]) AND r.recipient_id IN (
        SELECT unnest($3::uuid[])
        UNION
        SELECT recipient_id FROM report WHERE report_id = ANY($1::uuid[])
    )
)
SELECT s.incident_id, s.report_id, s.joined_revision, s.left_revision, s.joined_at,
       r.ticket_id, r.ticket_ref, r.language, r.turn, p.recipient_id, p.channel, p.address, p.account
FROM concerned
JOIN subscription s USING (report_id)
LEFT JOIN report r USING (report_id)
LEFT JOIN recipient p USING (recipient_id)
"""
# What never left us was told to nobody, unless an attempt may have been taken all the same. Nor was an estimate told
# that passed before the first attempt which may have been taken: what is left of the word was (``without_etr``), or
# nothing; once that is known, the row says so. Nor was what a customer asked not to be told.
_TOLD: Final = """
SELECT n.recipient_id, n.incident_id, n.report_id, n.stage, n.revision,
       CASE WHEN n.doubted_at >= n.etr THEN NULL ELSE n.etr END AS etr,
       CASE WHEN n.state NOT IN ('pending', 'superseded') THEN 'out'
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
# A report's incident and its settlement may be told of by two partitions at once: the order of ids again.
_SAVE_REPORTS: Final = """
INSERT INTO report (report_id, ticket_id, ticket_ref, language, recipient_id, turn, outcome, reason, settled_at,
                    expected_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::int[], $7::text[], $8::text[],
                     $9::timestamptz[], $10::timestamptz[]) AS v (report_id)
ORDER BY v.report_id
ON CONFLICT (report_id) DO UPDATE SET
    (outcome, reason, settled_at, expected_at) = (
        SELECT outcome, reason, settled_at, expected_at FROM (VALUES
            (excluded.outcome, excluded.reason, excluded.settled_at, excluded.expected_at),
            (report.outcome, report.reason, report.settled_at, report.expected_at)
        ) AS said (outcome, reason, settled_at, expected_at) ORDER BY settled_at DESC NULLS LAST LIMIT 1
    ),
    turn = least(excluded.turn, report.turn)
WHERE excluded.settled_at >= coalesce(report.settled_at, '-infinity') OR excluded.turn < report.turn
"""
_SAVE_SUBSCRIPTIONS: Final = """
INSERT INTO subscription (incident_id, report_id, joined_revision, left_revision, joined_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::timestamptz[])
ON CONFLICT (incident_id, report_id) DO UPDATE SET
    joined_revision = excluded.joined_revision, left_revision = excluded.left_revision, joined_at = excluded.joined_at
"""
_ADD_NOTICES: Final = """
INSERT INTO notice (notice_id, recipient_id, channel, incident_id, report_id, ticket_ref, language, stage, revision,
                    template, etr, restored_at, caused_at, turn, planned_id, closed_at, rules, made_at)
SELECT v.*, $17, $18 FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::text[], $7::text[],
    $8::text[], $9::int[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
    $14::int[], $15::uuid[], $16::timestamptz[]) AS v
ON CONFLICT (notice_id) DO NOTHING
RETURNING notice_id, seq
"""
_PROMISED: Final = """
SELECT DISTINCT ON (recipient_id, planned_id) recipient_id, planned_id, etr, caused_at
FROM notice WHERE planned_id = ANY($1::uuid[]) AND recipient_id = ANY($2::uuid[]) AND etr IS NOT NULL
ORDER BY recipient_id, planned_id, seq DESC
"""
_REPLACE: Final = """
UPDATE notice n
SET superseded_by = outdated.successor, state = CASE n.state WHEN 'pending' THEN 'superseded' ELSE n.state END
FROM outdated WHERE n.notice_id = outdated.notice_id
RETURNING n.stage, n.channel, n.state
"""
# What an incident has to say stays said where another report of the customer is in it, though the successor is the word
# of another incident, to which a report of theirs has gone. Its leaving may not be heard of yet: the later joining
# holds.
#
# One index each: joined by "or", words of a report, or of planned work, would be looked for among all notices.
_OF_INCIDENT_OR_REPORT: Final = """
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
    )
    UNION ALL
    SELECT n.notice_id, n.seq, v.successor, v.before
    FROM said v JOIN notice n ON n.incident_id IS NULL AND n.recipient_id = v.recipient_id AND n.report_id = v.subject
"""
_OR_PLAN: Final = """
    UNION ALL
    SELECT n.notice_id, n.seq, v.successor, v.before
    FROM said v JOIN notice n ON n.planned_id = v.subject AND n.recipient_id = v.recipient_id
"""
# Rows are locked in the order of their ids, as ``pending`` does when it writes outcomes.
_IF_UNSENT: Final = f"""
), outdated AS (
    SELECT n.notice_id, f.successor FROM found f JOIN notice n USING (notice_id)
    WHERE n.state IN ('pending', 'sending') AND f.seq < f.before
    ORDER BY n.notice_id FOR UPDATE OF n
){_REPLACE}"""  # noqa: S608 - ours
_SUPERSEDE: Final = _OF_INCIDENT_OR_REPORT + _IF_UNSENT
_SUPERSEDE_PLANNED: Final = _OF_INCIDENT_OR_REPORT + _OR_PLAN + _IF_UNSENT
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


async def load_standings(tx: Connection, incidents: Collection[UUID]) -> dict[UUID, Standing]:
    """Return the incidents known, by id."""
    rows = await tx.fetch(_STANDINGS, list(incidents))
    return {row["incident_id"]: standing_of(row) for row in rows}


async def lock(
    tx: Connection,
    customers: Iterable[UUID] = (),
    *,
    announced: Iterable[UUID] = (),
    left: Iterable[UUID] = (),
    links: Iterable[UUID] = (),
) -> list[Record]:
    """Lock customers until the commit: these, and by the incidents they are in, reports that left, and links."""
    return await tx.fetch(_LOCK_RECIPIENTS, list(customers), list(announced), list(left), list(links))


async def lock_customers(tx: Connection, recipients: Iterable[Recipient], news: News, links: Iterable[UUID]) -> None:
    """Remember the recipients that a batch names; lock all whom it may tell, and whose ``links`` were heard of."""
    by_id = {recipient_id(one): one for one in recipients}
    known = _columns((who, one.channel, one.address, one.account, link_id(one)) for who, one in by_id.items())
    if by_id:
        await tx.execute(_ADD_RECIPIENTS, *known)
    left = [report for _, report in news.left]
    locked = await lock(tx, by_id, announced=news.announced, left=left, links=links)
    if any(row["is_unknown"] and row["recipient_id"] in by_id for row in locked):
        await tx.execute(_KNOW_AGAIN, *known)


async def load_book(tx: Connection, news: News, of: Collection[UUID] | None = None) -> Book:
    """Load what is known of everyone whom ``news`` may concern; or ``of`` these customers alone. They are locked."""
    reports = {report for _, report in news.joined.keys() | news.left.keys()}
    announced = news.announced if of is None else ()
    customers = [who for one in news.reporters.values() if (who := one.recipient_id)] if of is None else of
    rows = await tx.fetch(_SUBSCRIPTIONS, list(reports), list(announced), list(customers), list(news.standings))
    reporters = {row["report_id"]: _reporter(row) for row in rows if row["ticket_ref"] is not None}
    subscriptions = {
        (row["incident_id"], row["report_id"]): Subscription(
            row["incident_id"], row["report_id"], row["joined_revision"], row["left_revision"], row["joined_at"]
        )
        for row in rows
    }
    everyone = {who for one in reporters.values() if (who := one.recipient_id)} | set(customers)
    incidents = news.standings.keys() | {incident for incident, _ in subscriptions}
    told: dict[UUID, list[Told]] = {}
    for row in await tx.fetch(_TOLD, list(incidents), list(everyone)):
        reach = Reach(row["reach"])
        made = Told(row["incident_id"], row["report_id"], row["stage"], row["revision"], row["etr"], reach)
        told.setdefault(row["recipient_id"], []).append(made)
    return Book(reporters, subscriptions, told)


async def load_promises(tx: Connection, moved: Iterable[ReportSettled]) -> Promises:
    """Return what was last told of the ends of planned outages, by customer and planned outage."""
    known = [(one.planned_id, recipient_id(one.recipient)) for one in moved if one.recipient]
    rows = await tx.fetch(_PROMISED, *_columns(known)) if known else ()
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
    for row in await tx.fetch(_SPOKEN, *_columns(sorted(asked))) if asked else ():
        said = [row["latest"], now.get((row["recipient_id"], row["incident_id"]))]
        latest = max((at for at in said if at is not None), default=None)
        found.setdefault(row["report_id"], []).append(Spoken(row["incident_id"], row["alone"], latest))
    return found


async def save_reports(tx: Connection, reporters: Iterable[Reporter], settled: Iterable[ReportSettled]) -> None:
    """Remember reports and their settlements; of two settlements of a report the later one."""
    rows: dict[UUID, tuple[Any, ...]] = {
        one.report_id: (
            *(one.report_id, one.ticket_id, one.ticket_ref, one.language, one.recipient_id, one.turn),
            *(None, None, None, None),
        )
        for one in reporters
    }
    for message in sorted(settled, key=lambda one: one.settled_at):
        who = recipient_id(message.recipient) if message.recipient else None
        rows[message.report_id] = (
            *(message.report_id, message.ticket_id, message.ticket_ref, message.language, who, Turn.OTHERS),
            *(message.outcome, message.reason, message.settled_at, message.expected_at),
        )
    if rows:
        await tx.execute(_SAVE_REPORTS, *_columns(rows.values()))


async def save_news(tx: Connection, standings: Collection[Standing], subscriptions: Collection[Subscription]) -> None:
    """Save incidents as they stand and the subscriptions that changed; in the order of ids, as ``morning`` locks."""
    in_order = sorted(standings, key=attrgetter("incident_id"))
    await tx.execute(_SAVE_STANDINGS, *_fields(Standing, in_order))
    await tx.execute(_SAVE_SUBSCRIPTIONS, *_fields(Subscription, subscriptions))


async def add_notices(tx: Connection, words: Sequence[Notice | Unsaid], *, rules: str, now: datetime) -> Saved:
    """Put notices in the queue, and take from it those that they make out of date.

    Args:
        tx: The batch's transaction.
        words: What was decided, in that order. A notice that was made before is left as it is.
        rules: Digest of the templates file in force.
        now: The batch's instant.
    """
    notices = [one for one in words if isinstance(one, Notice)]
    new: Mapping[UUID, int] = {}
    if notices:
        rows = await tx.fetch(_ADD_NOTICES, *_fields(Notice, notices, without="replaces"), rules, now)
        new = {row["notice_id"]: row["seq"] for row in rows}
    replaced = _replaced(words, new)
    if not replaced:
        return Saved(frozenset(new), ())
    planned = any(isinstance(one, Unsaid) or one.planned_id is not None for one in words)
    rows = await tx.fetch(_SUPERSEDE_PLANNED if planned else _SUPERSEDE, *_columns(replaced))
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


def _columns(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _fields(kind: type[DataclassInstance], values: Collection[object], *, without: str = "") -> list[list[Any]]:
    """Return the fields of dataclass values as columns, in the order they are declared."""
    return [[getattr(one, field.name) for one in values] for field in fields(kind) if field.name != without]


def standing_of(row: Record) -> Standing:
    """Return the incident of a row."""
    stored = {field.name: row[field.name] for field in fields(Standing)}
    return Standing(**{**stored, "state": IncidentState(row["state"])})


def _reporter(row: Record) -> Reporter:
    recipient = None
    if row["channel"] is not None and row["address"]:  # blank: they left
        recipient = Recipient(channel=Channel(row["channel"]), address=row["address"], account=row["account"])
    turn = Turn(row["turn"])
    who = row["recipient_id"]
    return Reporter(row["report_id"], row["ticket_id"], row["ticket_ref"], row["language"], recipient, turn, who)
