"""Everything that can change an incident: the messages of ``outage.input.v1``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from services.contracts.ids import derive
from services.contracts.messages.dispatch import FieldProgress
from services.contracts.messages.message import Message
from services.contracts.values import (
    AddressLine,
    Channel,
    CommandAction,
    Language,
    Name,
    Place,
    Reading,
    Recipient,
    Text,
    Timestamp,
    Word,
)


class OutageReported(Message):
    """A ticket's claim that power is out, at a place and a time. Immutable."""

    ce_type: ClassVar[str] = "gridline.outage.reported.v1"

    type: Literal["outage.reported"] = "outage.reported"
    area: Name
    report_id: UUID
    ticket_id: UUID
    ticket_ref: Name
    contact_id: UUID
    channel: Channel
    place: Place
    reported_at: Timestamp = Field(description="Event time bounded by arrival time")
    received_at: Timestamp
    hazards: tuple[Word, ...] = ()
    single_premise: bool = Field(default=False, description="The customer says that only their own premises are out")
    unconfirmed: bool = False
    address: AddressLine | None = None
    language: Language = "zh-Hans-CN"
    recipient: Recipient | None = None
    kept_back: bool | None = Field(
        default=None, description="reported_at is right though it came late: its source had been cut off"
    )

    @property
    def message_id(self) -> UUID:
        return self.report_id

    @property
    def occurred(self) -> Timestamp:
        return self.reported_at

    @property
    def partition_key(self) -> str:
        return self.area


class FieldProgressed(Message):
    """A ``FieldProgress`` re-keyed by the area of its order."""

    ce_type: ClassVar[str] = "gridline.outage.field_progressed.v1"

    type: Literal["outage.field_progressed"] = "outage.field_progressed"
    area: Name
    incident_id: UUID
    progress: FieldProgress
    received_at: Timestamp | None = Field(
        default=None, description="When we received it, by our clock; bounds the crew's clock, which may be ahead"
    )

    @property
    def message_id(self) -> UUID:
        return derive("field_progressed", self.progress.progress_id)

    @property
    def occurred(self) -> Timestamp:
        return self.progress.at

    @property
    def partition_key(self) -> str:
        return self.area


class TimerFired(Message):
    """A timer set by an earlier decision is due. It is in the topic so that a replay sees it too."""

    ce_type: ClassVar[str] = "gridline.outage.timer_fired.v1"

    type: Literal["outage.timer_fired"] = "outage.timer_fired"
    area: Name
    timer_id: UUID
    kind: Word
    subject: UUID = Field(description="The incident the timer is about")
    due_at: Timestamp
    fired_at: Timestamp

    @property
    def message_id(self) -> UUID:
        return self.timer_id

    @property
    def occurred(self) -> Timestamp:
        return self.due_at

    @property
    def partition_key(self) -> str:
        return self.area


class OutageCommanded(Message):
    """A dispatcher's command, in the area it is about. The same ``command_id`` again changes nothing.

    Fields by action: merge ``incident_id``, ``target_id``; split ``incident_id``, ``reports`` and, if they are not at
    one place, ``device``; move ``reports``, ``target_id``; confirm ``incident_id`` and, if it differs from the
    prediction, ``device``; relate ``incident_id``, ``target_id``; place ``reports`` (one), ``device``;
    undo ``undoes``; plan ``planned_id``, ``device``, ``starts_at``, ``ends_at`` and, if one is changed,
    ``planned_revision``; cancel_plan ``planned_id``; accept_plan and decline_plan ``incident_id``, ``planned_id``.
    """

    ce_type: ClassVar[str] = "gridline.outage.commanded.v1"

    type: Literal["outage.commanded"] = "outage.commanded"
    area: Name
    command_id: UUID
    action: CommandAction
    author: Name = Field(description="The key's holder, and the person it acts for")
    reason: Text = Field(description="In the dispatcher's words; recorded in every ledger row")
    accepted_at: Timestamp = Field(description="By our clock")
    incident_id: UUID | None = None
    target_id: UUID | None = None
    reports: Annotated[tuple[UUID, ...], Field(max_length=5000)] = ()
    device: Name | None = None
    undoes: UUID | None = Field(default=None, description="The command to undo")
    planned_id: UUID | None = None
    starts_at: Timestamp | None = None
    ends_at: Timestamp | None = None
    planned_revision: int | None = Field(
        default=None,
        ge=1,
        description="Of the planned outage that is changed: the next is one more, also where it was over long ago",
    )

    @property
    def message_id(self) -> UUID:
        return derive("outage.commanded", self.command_id)

    @property
    def occurred(self) -> Timestamp:
        return self.accepted_at

    @property
    def partition_key(self) -> str:
        return self.area


class PowerRestored(Message):
    """Power is back at a device or a customer, whatever was predicted there; reported by any system."""

    ce_type: ClassVar[str] = "gridline.outage.power_restored.v1"

    type: Literal["outage.power_restored"] = "outage.power_restored"
    area: Name
    restoration_id: UUID = Field(description="The sender's id; the same id again changes nothing")
    device: Name = Field(
        description="Everything below it has power again; with account_id, the device that feeds that customer"
    )
    account_id: Name | None = Field(default=None, description="Only this customer has power again")
    restored_at: Timestamp
    received_at: Timestamp = Field(description="By our clock; bounds the sender's clock, which may be ahead")

    @property
    def message_id(self) -> UUID:
        return self.restoration_id

    @property
    def occurred(self) -> Timestamp:
        return self.restored_at

    @property
    def partition_key(self) -> str:
        return self.area


class TelemetryReceived(Message):
    """A meter's or breaker's reading: evidence without a person. Late and repeated readings are harmless."""

    ce_type: ClassVar[str] = "gridline.outage.telemetry_received.v1"

    type: Literal["outage.telemetry_received"] = "outage.telemetry_received"
    area: Name
    source: Name = Field(description="Head-end or SCADA system")
    source_event_id: Name = Field(description="That system's own id of the event")
    reading: Reading
    device: Name = Field(description="The breaker, or the transformer that feeds the meter")
    account_id: Name | None = Field(default=None, description="Whose meter it is")
    commanded: bool = Field(
        default=False, description="The breaker was switched by a person or a program, not opened by a fault"
    )
    at: Timestamp = Field(description="Event time, bounded by arrival time")
    received_at: Timestamp

    @property
    def message_id(self) -> UUID:
        return derive("telemetry", self.source, self.source_event_id)

    @property
    def occurred(self) -> Timestamp:
        return self.at

    @property
    def partition_key(self) -> str:
        return self.area


class OutageMoved(Message):
    """The network has changed (new version or switching) so that an open outage is fed differently.

    Sent to the area the outage is open in (``area`` is ``home``), to the area its device is in now, and to any area
    that now feeds reported devices of it. ``over`` tells an area informed before that the outage has ended.
    """

    ce_type: ClassVar[str] = "gridline.outage.moved.v1"

    type: Literal["outage.moved"] = "outage.moved"
    area: Name
    incident_id: UUID
    home: Name = Field(description="Area the outage is open in and stays in, with its order")
    device: Name = Field(description="Device of the outage")
    network: Name = Field(description="Version and revision of the current network")
    noticed_at: Timestamp
    now_in: Name | None = Field(default=None, description="Area of the device now; absent where the device is gone")
    refed: tuple[Name, ...] = Field(
        default=(), max_length=5000, description="Reported devices in this area that are no longer below the device"
    )
    since: Timestamp | None = Field(default=None, description="When the outage began")
    over: bool = False
    ended_at: Timestamp | None = Field(default=None, description="When power was restored, if it is over")
    seq: int | None = Field(
        default=None,
        ge=1,
        description="Ledger position in ``home`` where it ended or, after an undo, continued; both may happen again",
    )

    @property
    def message_id(self) -> UUID:
        state = "over" if self.over else f"{self.now_in} {bool(self.refed)}"
        again = () if self.seq is None else (self.seq,)
        return derive("outage.moved", self.area, self.incident_id, self.network, state, *again)

    @property
    def occurred(self) -> Timestamp:
        return self.noticed_at

    @property
    def partition_key(self) -> str:
        return self.area


OutageInput = (
    OutageReported | FieldProgressed | PowerRestored | TimerFired | OutageCommanded | TelemetryReceived | OutageMoved
)
"""Everything that can change an incident."""
