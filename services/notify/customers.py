"""Who is where, as it is stored: incidents as they stand, customers, and the incidents that their reports are in.

Decided here: what is loaded and locked for a batch, in a number of statements that does not grow with it. Never here:
what customers were told (``notices``), and who may be told at all (``heard``).
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from services.contracts.values import Channel, IncidentState, Recipient
from services.notify.domain.incident import Settled, Standing, Subscription
from services.notify.domain.notice import Reporter, Turn, link_id, recipient_id
from services.runtime.rows import Table, columns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from uuid import UUID

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
_SUBSCRIPTION: Final = Table.of(
    "subscription",
    "incident_id uuid, report_id uuid, joined_revision int, left_revision int, joined_at timestamptz",
)
"""A ``Subscription``."""
_SAVE_SUBSCRIPTIONS: Final = _SUBSCRIPTION.keeping(1, "incident_id, report_id", ("incident_id", "report_id"))
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
# OFFSET 0: by key, one at a time. Where much of what is known is in one outage, Postgres takes it for cheaper to read
# all.
_SUBSCRIPTIONS: Final = """
WITH named AS (
    SELECT unnest($3::uuid[]) AS recipient_id
    UNION
    SELECT recipient_id FROM report WHERE report_id = ANY($1::uuid[])
), concerned AS (
    SELECT unnest($1::uuid[]) AS report_id
    UNION
    SELECT report_id FROM subscription WHERE incident_id = ANY($2::uuid[])
    UNION
    SELECT r.report_id
    FROM named
    CROSS JOIN LATERAL (SELECT report_id FROM report WHERE recipient_id = named.recipient_id OFFSET 0) AS r
    WHERE EXISTS (
        SELECT FROM subscription s WHERE s.report_id = r.report_id AND s.incident_id = ANY($4::uuid[]) OFFSET 0
    )
)
SELECT s.incident_id, concerned.report_id, s.joined_revision, s.left_revision, s.joined_at,
       r.ticket_id, r.ticket_ref, r.language, r.turn, p.recipient_id, p.channel, p.address, p.account,
       r.outcome, r.reason, r.settled_at, r.expected_at
FROM concerned
LEFT JOIN LATERAL (SELECT * FROM subscription WHERE report_id = concerned.report_id OFFSET 0) AS s ON true
LEFT JOIN LATERAL (SELECT * FROM report WHERE report_id = concerned.report_id OFFSET 0) AS r ON true
LEFT JOIN LATERAL (SELECT * FROM recipient WHERE recipient_id = r.recipient_id OFFSET 0) AS p ON true
"""
# A report's incident and its settlement may be told of by two partitions at once: the order of ids again. That it is in
# an incident after all is noted of what is known; of one instant what comes last holds.
_SAVE_REPORTS: Final = """
INSERT INTO report (report_id, ticket_id, ticket_ref, language, recipient_id, turn, outcome, reason, settled_at,
                    expected_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::int[], $7::text[], $8::text[],
                     $9::timestamptz[], $10::timestamptz[])
     AS v (report_id, ticket_id, ticket_ref, language, recipient_id, turn, outcome)
WHERE v.outcome IS DISTINCT FROM 'in_incident' OR v.recipient_id IS NOT NULL
   OR EXISTS (SELECT FROM report AS known WHERE known.report_id = v.report_id)
ORDER BY v.report_id
ON CONFLICT (report_id) DO UPDATE SET
    (outcome, reason, settled_at, expected_at) = (
        SELECT outcome, reason, settled_at, expected_at FROM (VALUES
            (excluded.outcome, excluded.reason, excluded.settled_at, excluded.expected_at, 1),
            (report.outcome, report.reason, report.settled_at, report.expected_at, 2)
        ) AS said (outcome, reason, settled_at, expected_at, n) ORDER BY settled_at DESC NULLS LAST, n LIMIT 1
    ),
    turn = least(excluded.turn, report.turn)
WHERE excluded.settled_at >= coalesce(report.settled_at, '-infinity') OR excluded.turn < report.turn
"""


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
    known = columns((who, one.channel, one.address, one.account, link_id(one)) for who, one in by_id.items())
    if by_id:
        await tx.execute(_ADD_RECIPIENTS, *known)
    left = [report for _, report in news.left]
    locked = await lock(tx, by_id, announced=news.announced, left=left, links=links)
    if any(row["is_unknown"] and row["recipient_id"] in by_id for row in locked):
        await tx.execute(_KNOW_AGAIN, *known)


async def load_members(
    tx: Connection, news: News, announced: Iterable[UUID], named: Iterable[UUID]
) -> tuple[dict[UUID, Reporter], dict[tuple[UUID, UUID], Subscription], dict[UUID, Settled]]:
    """Return the reports that ``news`` may concern, where they were ever seen; where each is and has been; settlements.

    Args:
        tx: The transaction.
        news: What has changed.
        announced: Incidents of which all reports are wanted.
        named: Customers of whom all are wanted that are in these incidents.
    """
    reports = {report for _, report in news.joined.keys() | news.left.keys()}
    rows = await tx.fetch(_SUBSCRIPTIONS, list(reports), list(announced), list(named), list(news.standings))
    reporters = {row["report_id"]: _reporter(row) for row in rows if row["ticket_ref"] is not None}
    subscriptions = {
        (row["incident_id"], row["report_id"]): Subscription(
            row["incident_id"], row["report_id"], row["joined_revision"], row["left_revision"], row["joined_at"]
        )
        for row in rows
        if row["incident_id"] is not None
    }
    settled = {row["report_id"]: settled_of(row) for row in rows if row["settled_at"] is not None}
    return reporters, subscriptions, settled


async def save_reports(tx: Connection, reporters: Iterable[Reporter], settled: Iterable[ReportSettled]) -> None:
    """Remember reports and their settlements; of two settlements of a report the later one, of one instant the last."""
    rows: dict[UUID, tuple[Any, ...]] = {
        one.report_id: (
            *(one.report_id, one.ticket_id, one.ticket_ref, one.language, one.recipient_id, one.turn),
            *(None, None, None, None),
        )
        for one in reporters
    }
    for message in sorted(settled, key=lambda one: one.settled_at):
        who = recipient_id(message.recipient) if message.recipient else None
        known = (message.report_id, message.ticket_id, message.ticket_ref, message.language, who, Turn.OTHERS)
        rows[message.report_id] = (
            *rows.get(message.report_id, known)[: len(known)],
            *(message.outcome, message.reason, message.settled_at, message.expected_at),
        )
    if rows:
        await tx.execute(_SAVE_REPORTS, *columns(rows.values()))


async def save_news(tx: Connection, standings: Collection[Standing], subscriptions: Collection[Subscription]) -> None:
    """Save incidents as they stand and the subscriptions that changed; in the order of ids, as ``morning`` locks."""
    in_order = sorted(standings, key=attrgetter("incident_id"))
    await tx.execute(_SAVE_STANDINGS, *columns(map(attrgetter(*INCIDENT.columns), in_order)))
    if subscriptions:
        await tx.execute(_SAVE_SUBSCRIPTIONS, *columns(map(attrgetter(*_SUBSCRIPTION.columns), subscriptions)))


def standing_of(row: Record) -> Standing:
    """Return the incident of a row."""
    stored = {name: row[name] for name in INCIDENT.columns}
    return Standing(**{**stored, "state": IncidentState(row["state"])})


def settled_of(row: Record) -> Settled:
    """Return the settlement of a row."""
    return Settled(row["outcome"], row["reason"], row["settled_at"], row["expected_at"])


def _reporter(row: Record) -> Reporter:
    recipient = None
    if row["channel"] is not None and row["address"]:  # blank: they left
        recipient = Recipient(channel=Channel(row["channel"]), address=row["address"], account=row["account"])
    turn = Turn(row["turn"])
    who = row["recipient_id"]
    return Reporter(row["report_id"], row["ticket_id"], row["ticket_ref"], row["language"], recipient, turn, who)
