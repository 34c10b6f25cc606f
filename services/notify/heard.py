"""What is heard of recipients, as it is stored: who may be told, at which address, what arrived, who is awake.

Decided here: when something counts as heard, whatever a gateway's clock says. Never here: what is answered to who asks.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from services.notify.domain.notice import link_id, recipient_id
from services.runtime.rows import columns

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import RecipientHeard
    from services.runtime.postgres import Connection

# Of a number every address is known again, also those for calls, or in a spelling of before they had one.
_KNOW_ADDRESSES_AGAIN: Final = """
WITH back AS (
    SELECT r.recipient_id, v.address, v.account
    FROM unnest($1::uuid[], $2::text[], $3::text[]) AS v (link_id, address, account)
    JOIN recipient r USING (link_id) JOIN link l USING (link_id)
    WHERE l.linked AND r.address = ''
    ORDER BY r.recipient_id FOR NO KEY UPDATE OF r
)
UPDATE recipient r SET address = back.address, account = back.account FROM back WHERE r.recipient_id = back.recipient_id
"""
# What was heard first does not undo what was heard later; of one instant, what comes last holds.
_SAVE_LINKS: Final = """
INSERT INTO link (link_id, linked, at)
SELECT * FROM unnest($1::uuid[], $2::boolean[], $3::timestamptz[]) AS v (link_id)
ORDER BY v.link_id
ON CONFLICT (link_id) DO UPDATE SET linked = excluded.linked, at = excluded.at
WHERE excluded.at >= link.at
"""
_FORGET_ADDRESSES: Final = """
WITH gone AS (
    SELECT r.recipient_id FROM recipient r JOIN link l USING (link_id)
    WHERE l.link_id = ANY($1::uuid[]) AND NOT l.linked
    ORDER BY r.recipient_id FOR NO KEY UPDATE OF r
)
UPDATE recipient r SET address = '', account = NULL FROM gone WHERE r.recipient_id = gone.recipient_id
"""
_UNLINKED: Final = """
SELECT r.recipient_id FROM recipient r JOIN link l USING (link_id)
WHERE r.recipient_id = ANY($1::uuid[]) AND NOT l.linked
"""
# A receiver may say so before it is written down that it took the notice, or whose answer never came: it waits there.
_KEEP_EARLY_ARRIVALS: Final = """
WITH said AS (
    SELECT n.notice_id, v.delivery_id, v.arrived, v.detail, v.at
    FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::text[], $5::timestamptz[])
         AS v (recipient_id, delivery_id, arrived, detail, at)
    JOIN notice n USING (recipient_id)
    WHERE n.state IN ('pending', 'sending') AND n.doubted_at IS NOT NULL
    ORDER BY n.notice_id FOR UPDATE OF n
), early AS (
    SELECT notice_id, jsonb_object_agg(
        delivery_id, jsonb_build_object('at', at, 'reason', CASE WHEN arrived THEN NULL ELSE detail END)
    ) AS words
    FROM said GROUP BY notice_id
)
UPDATE notice n SET early = coalesce(n.early, '{}') || early.words FROM early WHERE n.notice_id = early.notice_id
"""
# Taken is not arrived: the receiver says so later, of a notice that is sent. Rows in the order of their ids, again.
_SAVE_ARRIVALS: Final = """
WITH said AS (
    SELECT n.notice_id, v.arrived, v.detail, v.at
    FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::text[], $5::timestamptz[])
         AS v (recipient_id, delivery_id, arrived, detail, at)
    JOIN notice n USING (recipient_id, delivery_id)
    WHERE n.state = 'sent' AND n.arrived_at IS NULL
    ORDER BY n.notice_id FOR UPDATE OF n
)
UPDATE notice n
SET state = CASE WHEN s.arrived THEN 'sent' ELSE 'failed' END,
    reason = CASE WHEN s.arrived THEN NULL ELSE s.detail END,
    arrived_at = CASE WHEN s.arrived THEN s.at END
FROM said s WHERE n.notice_id = s.notice_id
RETURNING n.stage, n.channel, n.state
"""
# A report that is not known yet was made now; what was held for its customer is looked at again, as they are awake. Who
# asks is answered for itself. Of what is held only a STOP locks a row without its recipient: it is given up then.
_NOTE_CONTACTS: Final = """
WITH said AS (
    SELECT v.recipient_id, max(v.at) AS at, bool_or(v.reports) AS reports
    FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::boolean[]) AS v (report_id, recipient_id, at, reports)
    WHERE NOT EXISTS (SELECT FROM report r WHERE r.report_id = v.report_id)
    GROUP BY v.recipient_id
), noted AS (
    UPDATE recipient r SET contacted_at = greatest(r.contacted_at, said.at)
    FROM said WHERE r.recipient_id = said.recipient_id
), held AS (
    SELECT n.notice_id FROM notice n JOIN said USING (recipient_id)
    WHERE n.state = 'pending' AND n.held_until > now() AND said.reports
    FOR UPDATE OF n SKIP LOCKED
)
UPDATE notice n SET held_until = now() FROM held WHERE n.notice_id = held.notice_id
"""
_PUSHED_FOR: Final = timedelta(days=1)
"""Gateways push again what was not taken, for hours; older than this is a matter of their clock alone."""


async def save_links(tx: Connection, heard: Iterable[RecipientHeard]) -> None:
    """Remember who may be told and who may not any more, and forget the addresses of the latter."""
    links: dict[UUID, RecipientHeard] = {}
    for one in heard:
        before = links.get(link_id(one.recipient))
        if one.heard in {"linked", "unlinked"} and (before is None or _heard_at(one) >= _heard_at(before)):
            links[link_id(one.recipient)] = one
    if links:
        linked = [one.heard == "linked" for one in links.values()]
        await tx.execute(_SAVE_LINKS, list(links), linked, [_heard_at(one) for one in links.values()])
        await tx.execute(_FORGET_ADDRESSES, list(links))
        back = {key: one.recipient for key, one in links.items() if one.heard == "linked"}
        known = [one.address for one in back.values()], [one.account for one in back.values()]
        if back:
            await tx.execute(_KNOW_ADDRESSES_AGAIN, list(back), *known)


def _heard_at(heard: RecipientHeard) -> datetime:
    """Event time bounded by arrival time: a gateway's clock may be wrong, and must not decide for ever.

    Ahead, nothing would be heard after it; a day and more behind, it would have a STOP be of before the last START.
    """
    return max(min(heard.occurred_at, heard.received_at), heard.received_at - _PUSHED_FOR)


async def note_contacts(tx: Connection, contacts: Iterable[tuple[UUID, UUID | None, datetime, bool]]) -> None:
    """Remember when customers contacted us: by reports that are not saved yet, or by a question.

    Args:
        tx: The batch's transaction. The recipients are locked already.
        contacts: Report or question, recipient, when, and whether it is a report.
    """
    known = [one for one in contacts if one[1] is not None]
    if known:
        await tx.execute(_NOTE_CONTACTS, *columns(known))


async def save_arrivals(tx: Connection, heard: Iterable[RecipientHeard]) -> list[tuple[str, str]]:
    """Write down what receivers say arrived or did not, and return stage and channel of what did not."""
    said = [one for one in heard if one.delivery_id is not None and one.heard in {"delivered", "undelivered"}]
    if not said:
        return []
    words = columns(
        (
            recipient_id(one.recipient),
            one.delivery_id,
            one.heard == "delivered",
            one.detail or "undelivered",
            _heard_at(one),
        )
        for one in said
    )
    await tx.execute(_KEEP_EARLY_ARRIVALS, *words)  # first: it waits for an outcome that is being written
    rows = await tx.fetch(_SAVE_ARRIVALS, *words)
    return [(row["stage"], row["channel"]) for row in rows if row["state"] == "failed"]


async def unlinked(tx: Connection, recipients: Iterable[UUID]) -> frozenset[UUID]:
    """Return those of the recipients that may not be told."""
    wanted = list(recipients)
    return frozenset(row["recipient_id"] for row in await tx.fetch(_UNLINKED, wanted)) if wanted else frozenset()
