"""The columns that a batch writes, in the order in which ``save`` makes its rows."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from services.contracts.values import Etr
from services.runtime.rows import Table

AREA: Final = Table.of(
    "area",
    "area text, latest timestamptz, next_seq bigint, calm_at timestamptz, lag float8, learned float8[], pace float8[]",
)
INCIDENT: Final = Table.of(
    "incident",
    "incident_id uuid, order_id uuid, area text, kind text, state text, device_id text, device_type text, feeder text,"
    " lat float8, lon float8, customers_served int, ordered boolean, reports int, hazards text[], opened_seq bigint,"
    " since_seq bigint, opened_at timestamptz, premises text, related_to uuid, merged_into uuid, stage text,"
    " stage_at timestamptz, etr jsonb, cause text, restored_at timestamptz, restored_seq bigint, hold_timer uuid,"
    " hold_due_at timestamptz, relook_timer uuid, relook_due_at timestamptz, relook_since timestamptz, relook_step int,"
    " continues uuid, out_since timestamptz, revision int, changed_at timestamptz, pinned boolean, also text[],"
    " also_premises text[], arrived_at timestamptz, breached text[], suggested_at timestamptz, proposed_device text,"
    " network_change text, network text, told text[], settled_plans uuid[], covered_by uuid, part_plans uuid[],"
    " arrive_by timestamptz, restore_by timestamptz, upstream text[]",
)
REPORT: Final = Table.of(
    "report",
    "report_id uuid, area text, ticket_id uuid, ticket_ref text, contact_id uuid, channel text, device_id text,"
    " feeder text, account_id text, customer_class text, suspended boolean, hazards text[], single_premise boolean,"
    " unconfirmed boolean, lat float8, lon float8, address text, language text, recipient jsonb,"
    " reported_at timestamptz, received_at timestamptz, kept_back boolean, outcome text, reason text,"
    " incident_id uuid, seq bigint",
)
MEMBERSHIP: Final = Table.of(
    "membership",
    "area text, seq bigint, report_id uuid, incident_id uuid, action text, rule text, evidence jsonb, rules_hash text,"
    " author text, at timestamptz",
)
ORDER_VERSION: Final = Table.of(
    "order_version",
    "order_id uuid, version int, incident_id uuid, status text, priority text, device_id text, superseded_by uuid,"
    " reason text, issued_at timestamptz, body jsonb",
)
PROGRESS: Final = Table.of(
    "progress",
    "progress_id uuid, incident_id uuid, order_id uuid, stage text, at timestamptz, crew text, cause text, note text,"
    " outcome text, noted_at timestamptz",
)
PART: Final = Table.of(
    "restored_part",
    "area text, seq bigint, device_id text, incident_id uuid, restored_at timestamptz, since timestamptz,"
    " upstream text[], customers int",
)
TIMER: Final = Table.of("timer", "timer_id uuid, area text, kind text, subject uuid, due_at timestamptz")


def etr_of(text: str | None) -> Etr | None:
    """Return the estimate a row has; earlier releases kept what is no time, such as the year 9999: that is none."""
    try:
        return None if text is None else Etr.model_validate_json(text)
    except ValidationError:
        return None
