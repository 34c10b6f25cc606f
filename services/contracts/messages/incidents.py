"""What became of reports: the state of incidents, and reports that belong to none."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from services.contracts.ids import derive
from services.contracts.messages.message import Message
from services.contracts.values import (
    CustomerClass,
    DeviceRef,
    Etr,
    IncidentState,
    Language,
    Name,
    ProgressStage,
    Recipient,
    Timestamp,
    Value,
    Word,
)


class Member(Value):
    """A report of an incident, as far as telling its customer needs."""

    report_id: UUID
    ticket_id: UUID
    ticket_ref: Name
    language: Language
    recipient: Recipient | None = None
    customer_class: CustomerClass | None = Field(default=None, description="Absent where it is like any other")


class IncidentChanged(Message):
    """An incident as it stands, and who joined or left with this change.

    ``joined`` and ``left`` are deltas: a reader that tells customers consumes every revision (the topic keeps
    them longer than any tolerated outage before compaction); a reader that only draws a map needs the last.
    """

    ce_type: ClassVar[str] = "gridline.incident.changed.v1"

    incident_id: UUID
    revision: int = Field(ge=1)
    state: IncidentState
    area: Name
    device: DeviceRef
    order_id: UUID | None = None
    reports: int = Field(ge=0)
    customers_served: int = Field(ge=0)
    hazards: tuple[Word, ...] = ()
    stage: ProgressStage | None = Field(default=None, description="Last thing the crew said")
    etr: Etr | None = None
    cause: Name | None = None
    opened_at: Timestamp = Field(description="Earliest report's time")
    changed_at: Timestamp
    restored_at: Timestamp | None = None
    merged_into: UUID | None = Field(default=None, description="Where the reports went, on a cancelled incident")
    joined: tuple[Member, ...] = ()
    left: tuple[UUID, ...] = Field(default=(), description="Reports that went to another incident")
    reason: Word = Field(description="Rule that made this change")
    related_to: UUID | None = Field(default=None, description="An incident this one has to do with, and stays apart")
    arrive_by: Timestamp | None = Field(default=None, description="When a crew is due on the spot (service level)")
    restore_by: Timestamp | None = Field(default=None, description="When power is due to be back (service level)")
    breached: tuple[Word, ...] | None = Field(default=None, description="Due times missed so far: arrival, restoration")
    proposed_device: Name | None = Field(
        default=None, description="Where the evidence points, of an incident that only a person moves"
    )
    network_change: Word | None = Field(
        default=None,
        description="Since the network changed: device_gone (its device is no more), device_moved (in another area)",
    )
    restoration_suggested_at: Timestamp | None = Field(
        default=None, description="Since when telemetry has said that power is back, before any crew did"
    )
    storm: bool | None = Field(default=None, description="Whether its area was in a storm then; absent if not")

    @property
    def message_id(self) -> UUID:
        return derive("incident.changed", self.incident_id, self.revision)

    @property
    def occurred(self) -> Timestamp:
        return self.changed_at

    @property
    def partition_key(self) -> str:
        return str(self.incident_id)


class ReportSettled(Message):
    """A report that did not go into an incident: it was answered as known, or a person must look."""

    ce_type: ClassVar[str] = "gridline.report.settled.v1"

    report_id: UUID
    ticket_id: UUID
    ticket_ref: Name
    area: Name
    outcome: Literal["answered", "needs_person"]
    reason: Word = Field(description="arrears, planned_outage, already_restored, device_unknown, …")
    settled_at: Timestamp
    language: Language
    recipient: Recipient | None = None
    expected_at: Timestamp | None = Field(
        default=None, description="When power is expected back, where the answer is a planned outage"
    )

    @property
    def message_id(self) -> UUID:
        return derive("report.settled", self.report_id, self.outcome, self.reason)

    @property
    def occurred(self) -> Timestamp:
        return self.settled_at

    @property
    def partition_key(self) -> str:
        return str(self.ticket_id)
