"""Erasing what dedup keeps of customers: reports of outages that are over, and what was made of them.

Decided here: which reports are still needed, and what goes with one. Incidents, orders, the ledger and the figures
stay; accounts that figures count by become pseudonyms. What is open, what can be undone and what a planned outage still
answers is left: a process has it in memory and would write it anew. A report that nothing placed is erased with its
ticket: who closed that was the person it waited for. Never here: a row that the loop may write.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.dedup.domain.rules import CELL, PLACE
from services.dedup.store.pseudonym import pseudonym_of
from services.grid.accounts import account_spellings
from services.runtime.postgres import rows_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from uuid import UUID

    from services.runtime.postgres import Connection


class Live(StrEnum):
    """Why a report keeps its contents for now."""

    OPEN = "in_an_open_outage"
    RECENT = "outage_changed_too_lately"
    PLAN = "answered_by_planned_work_that_is_not_over"
    UNDOABLE = "in_a_command_that_can_be_undone"


# Every incident it ever was in counts: a ledger row leads from one to the other.
_LIVE: Final = """
SELECT r.report_id, CASE
    WHEN was.open THEN 'in_an_open_outage'
    WHEN was.recent OR r.received_at >= $2 THEN 'outage_changed_too_lately'
    WHEN EXISTS (
        SELECT FROM plan_answer AS a WHERE a.report_id = r.report_id AND a.planned_id = ANY(ARRAY(
            SELECT p.planned_id FROM planned_outage AS p WHERE p.area = r.area AND p.ends_at >= $2
        ))
    ) THEN 'answered_by_planned_work_that_is_not_over'
    WHEN EXISTS (
        SELECT FROM command AS c
        WHERE c.area = r.area AND (c.undoable OR c.undoable_plan) AND c.incidents && was.incidents
    ) THEN 'in_a_command_that_can_be_undone'
END AS why
FROM report AS r CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(i.state IN ('predicted', 'confirmed')), false) AS open,
           coalesce(bool_or(i.changed_at >= $2), false) AS recent,
           coalesce(array_agg(i.incident_id), '{}') AS incidents
    FROM (
        SELECT r.incident_id UNION SELECT m.incident_id FROM membership AS m WHERE m.report_id = r.report_id
    ) AS each JOIN incident AS i USING (incident_id)
) AS was
WHERE r.report_id = ANY($1::uuid[])
"""
_OF_METER: Final = """
SELECT report_id FROM report WHERE channel = 'api' AND ticket_id = report_id AND account_id = ANY($1::text[])
"""
_METERS_BEFORE: Final = """
SELECT report_id, received_at FROM report
WHERE channel = 'api' AND ticket_id = report_id AND account_id IS NOT NULL
  AND received_at < $1 AND (received_at, report_id) > ($2, $3::uuid)
ORDER BY received_at, report_id LIMIT $4
"""
_REPORTS: Final = """
UPDATE report SET account_id = NULL, lat = NULL, lon = NULL, address = NULL, recipient = NULL, erased_at = now()
WHERE report_id = ANY($1::uuid[]) AND erased_at IS NULL
"""
_TOUCHED: Final = """
SELECT incident_id FROM membership WHERE report_id = ANY($1::uuid[])
UNION SELECT incident_id FROM report WHERE report_id = ANY($1::uuid[]) AND incident_id IS NOT NULL
"""
# What dispatchers write by way of reason may be about the customer; so may a crew's note.
_LEDGER: Final = """
UPDATE membership SET evidence = evidence - 'said' WHERE report_id = ANY($1::uuid[]) AND evidence ? 'said'
"""
_CLOSED: Final = "state IN ('restored', 'cancelled') AND changed_at < $2"
# Where no network is known, an incident is where its first report came from.
_OF_GROUND: Final = f"IN ('{CELL}', '{PLACE}')"
_INCIDENTS: Final = f"""
UPDATE incident SET premises = {pseudonym_of("premises")}, also_premises = ARRAY(
    SELECT {pseudonym_of("one")} FROM unnest(also_premises) WITH ORDINALITY AS a (one, n) ORDER BY n
), lat = CASE WHEN device_type {_OF_GROUND} THEN NULL ELSE lat END,
   lon = CASE WHEN device_type {_OF_GROUND} THEN NULL ELSE lon END
WHERE incident_id = ANY($1::uuid[]) AND {_CLOSED}
  AND (premises NOT LIKE 'erased:%' OR EXISTS (SELECT FROM unnest(also_premises) AS o WHERE o NOT LIKE 'erased:%')
       OR device_type {_OF_GROUND} AND lat IS NOT NULL)
"""  # noqa: S608 - ours
_ORDERS: Final = f"""
UPDATE order_version SET body = CASE
    WHEN body -> 'device' ->> 'type' {_OF_GROUND} THEN body - 'addresses' #- '{{device,lat}}' #- '{{device,lon}}'
    ELSE body - 'addresses'
END
WHERE order_id IN (SELECT order_id FROM incident WHERE incident_id = ANY($1::uuid[]) AND {_CLOSED})
  AND (body ? 'addresses' OR body -> 'device' ->> 'type' {_OF_GROUND} AND body -> 'device' ? 'lat')
"""  # noqa: S608 - ours
_NOTES: Final = f"""
UPDATE progress SET note = NULL
WHERE incident_id IN (SELECT incident_id FROM incident WHERE incident_id = ANY($1::uuid[]) AND {_CLOSED})
  AND note IS NOT NULL
"""  # noqa: S608 - ours
_COMMANDS: Final = """
UPDATE command SET body = jsonb_set(body, '{reason}', '"erased"'), undo = NULL
WHERE subject = ANY($1::uuid[]) AND NOT undoable AND NOT undoable_plan AND outcome IS NOT NULL AND decided_at < $2
  AND (body ->> 'reason' <> 'erased' OR undo IS NOT NULL)
"""


async def live(connection: Connection, reports: Collection[UUID], before: datetime) -> dict[UUID, Live]:
    """Return which of the reports are still needed, and why; what changed at ``before`` or later is."""
    rows = await connection.fetch(_LIVE, list(reports), before)
    return {row["report_id"]: Live(row["why"]) for row in rows if row["why"] is not None}


async def of_meter(connection: Connection, account: str) -> list[UUID]:
    """Return the reports that the meter of an account made, however that is written."""
    return [row["report_id"] for row in await connection.fetch(_OF_METER, account_spellings(account))]


async def of_meters_before(
    connection: Connection, before: datetime, after: tuple[datetime, UUID], limit: int
) -> list[tuple[datetime, UUID]]:
    """Return when meters reported and the report, those not erased and older than a moment, after a place."""
    rows = await connection.fetch(_METERS_BEFORE, before, *after, limit)
    return [(row["received_at"], row["report_id"]) for row in rows]


async def erase(connection: Connection, reports: Iterable[UUID], before: datetime) -> dict[str, int]:
    """Erase reports and what the outages they were in say of customers, in a transaction.

    Args:
        connection: Of this service's schema.
        reports: None of them ``live``.
        before: An incident that changed at this moment or later is left as it is.

    Returns:
        How many rows of each kind were changed.
    """
    some = sorted(reports)
    async with connection.transaction():
        incidents = [row["incident_id"] for row in await connection.fetch(_TOUCHED, some)]
        statements = (
            ("reports", _REPORTS, (some,)),
            ("ledger rows", _LEDGER, (some,)),
            ("incidents", _INCIDENTS, (incidents, before)),
            ("order versions", _ORDERS, (incidents, before)),
            ("crews' notes", _NOTES, (incidents, before)),
            ("commands", _COMMANDS, ([*incidents, *some], before)),
        )
        return {what: rows_of(await connection.execute(statement, *said)) for what, statement, said in statements}
