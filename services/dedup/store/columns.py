"""The columns of incident and report, written and read in one order."""

from __future__ import annotations

from typing import Final

from pydantic import ValidationError

from services.contracts.values import Etr

INCIDENT: Final = (
    "incident_id",
    "order_id",
    "area",
    "kind",
    "state",
    "device_id",
    "device_type",
    "feeder",
    "lat",
    "lon",
    "customers_served",
    "ordered",
    "reports",
    "hazards",
    "opened_seq",
    "since_seq",
    "opened_at",
    "premises",
    "related_to",
    "merged_into",
    "stage",
    "stage_at",
    "etr",
    "cause",
    "restored_at",
    "restored_seq",
    "hold_timer",
    "hold_due_at",
    "relook_timer",
    "relook_due_at",
    "relook_since",
    "relook_step",
    "continues",
    "out_since",
    "revision",
    "changed_at",
    "pinned",
    "also",
    "also_premises",
    "arrived_at",
    "breached",
    "suggested_at",
    "proposed_device",
    "network_change",
    "network",
    "told",
    "settled_plans",
    "covered_by",
    "part_plans",
    "arrive_by",
    "restore_by",
    "upstream",
)
REPORT: Final = (
    "report_id",
    "area",
    "ticket_id",
    "ticket_ref",
    "contact_id",
    "channel",
    "device_id",
    "feeder",
    "account_id",
    "customer_class",
    "suspended",
    "hazards",
    "single_premise",
    "unconfirmed",
    "lat",
    "lon",
    "address",
    "language",
    "recipient",
    "reported_at",
    "received_at",
    "outcome",
    "reason",
    "incident_id",
    "seq",
)
MEMBERSHIP: Final = (
    "area",
    "seq",
    "report_id",
    "incident_id",
    "action",
    "rule",
    "evidence",
    "rules_hash",
    "author",
    "at",
)
ORDER_VERSION: Final = (
    "order_id",
    "version",
    "incident_id",
    "status",
    "priority",
    "device_id",
    "superseded_by",
    "reason",
    "issued_at",
    "body",
)
PROGRESS: Final = (
    "progress_id",
    "incident_id",
    "order_id",
    "stage",
    "at",
    "crew",
    "cause",
    "note",
    "outcome",
    "noted_at",
)
TIMER: Final = ("timer_id", "area", "kind", "subject", "due_at")


def etr_of(text: str | None) -> Etr | None:
    """Return the estimate a row has; earlier releases kept what is no time, such as the year 9999: that is none."""
    try:
        return None if text is None else Etr.model_validate_json(text)
    except ValidationError:
        return None
