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
    """A report of an incident, as far as needed to notify its customer."""

    report_id: UUID
    ticket_id: UUID
    ticket_ref: Name
    language: Language
    recipient: Recipient | None = None
    customer_class: CustomerClass | None = Field(default=None, description="Absent for a normal customer")
    contacted_at: Timestamp | None = Field(
        default=None,
        description="When their report reached us: long before it joined, if somebody had to place it",
    )


class ProposedPlan(Value):
    """A planned outage that was entered after an incident under it had opened."""

    planned_id: UUID
    device: Name = Field(description="Power is off under it")
    starts_at: Timestamp
    ends_at: Timestamp = Field(description="From then on it is not proposed any more")


class IncidentChanged(Message):
    """The state of an incident, and who joined or left with this change.

    ``joined`` and ``left`` are deltas: a consumer that notifies customers reads every revision (the topic keeps them
    for its retention before compaction); a consumer that only draws a map needs the last.
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
    stage: ProgressStage | None = Field(default=None, description="The crew's last stage")
    etr: Etr | None = None
    cause: Name | None = None
    opened_at: Timestamp = Field(description="Time of the earliest report")
    changed_at: Timestamp
    restored_at: Timestamp | None = None
    merged_into: UUID | None = Field(default=None, description="On a cancelled incident: where its reports went")
    joined: tuple[Member, ...] = ()
    left: tuple[UUID, ...] = Field(
        default=(), description="Reports that went to another incident, or that a planned outage answers"
    )
    reason: Word = Field(description="Rule behind this change")
    related_to: UUID | None = Field(default=None, description="A related incident, which stays separate")
    arrive_by: Timestamp | None = Field(default=None, description="When a crew is due on site (service level)")
    restore_by: Timestamp | None = Field(default=None, description="When power is due to be restored (service level)")
    breached: tuple[Word, ...] | None = Field(default=None, description="Deadlines missed so far: arrival, restoration")
    proposed_device: Name | None = Field(
        default=None, description="Where the evidence points, for an incident that only a person moves"
    )
    proposed_plan: ProposedPlan | None = Field(
        default=None,
        description="The planned outage it may be the work of, or some of its reports where that is at a device below: "
        "a dispatcher accepts or declines it",
    )
    covered_by: UUID | None = Field(
        default=None, description="On a cancelled incident: the planned outage that answers its reports"
    )
    network_change: Word | None = Field(
        default=None,
        description="After a network change: device_gone (no such device now), device_moved (now in another area)",
    )
    restoration_suggested_at: Timestamp | None = Field(
        default=None,
        description="Since when telemetry has indicated that power is back; or since when so many call under what a "
        "crew confirmed long ago that power must have been back before",
    )
    storm: bool | None = Field(default=None, description="Whether its area was in storm mode; absent if not")
    kind: Word | None = Field(
        default=None,
        description="single: one customer's own premises; hazard: danger to life, whether or not power is out; absent: "
        "an outage of all under the device",
    )
    account_id: Name | None = Field(
        default=None, description="With kind single, while it is open: whose premises they are, where known"
    )

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
    """A report without an incident: answered, or handed to a person; then, that it is in an incident after all."""

    ce_type: ClassVar[str] = "gridline.report.settled.v1"

    report_id: UUID
    ticket_id: UUID
    ticket_ref: Name
    area: Name
    outcome: Literal["answered", "needs_person", "in_incident"] = Field(
        description="in_incident: it waited for a person, who placed it, or a plan that answered it was withdrawn"
    )
    reason: Word = Field(description="arrears, planned_outage, already_restored, device_unknown, …")
    settled_at: Timestamp
    language: Language
    recipient: Recipient | None = None
    expected_at: Timestamp | None = Field(
        default=None, description="When power is expected back, if the answer is a planned outage"
    )
    incident_id: UUID | None = Field(default=None, description="The incident, if the outcome is in_incident")
    command_id: UUID | None = Field(
        default=None,
        description="The command by which a person placed or answered the report, took that back or moved the end",
    )
    planned_id: UUID | None = Field(
        default=None, description="The planned outage that answers the report, or answered it until now"
    )
    expected_before: Timestamp | None = Field(
        default=None, description="When power was expected back by what was said before; the plan's end has moved since"
    )

    @property
    def message_id(self) -> UUID:
        by_person = () if self.command_id is None else (self.command_id,)  # who may place it and take it back twice
        return derive("report.settled", self.report_id, self.outcome, self.reason, *by_person)

    @property
    def occurred(self) -> Timestamp:
        return self.settled_at

    @property
    def partition_key(self) -> str:
        return str(self.ticket_id)
