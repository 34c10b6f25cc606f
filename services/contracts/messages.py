"""The messages on the topics, one class a fact.

Decided here: what each fact must carry. A field is only ever added, optional; it is never renamed or given a
new meaning (a break is a new ``.v<n>`` topic). We refuse unknown fields in what we make and ignore them in what
we read (``services.contracts.envelope.decode``).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from services.contracts.ids import derive
from services.contracts.values import (
    AddressLine,
    Attachment,
    Channel,
    CommandAction,
    CustomerClass,
    DeviceRef,
    Etr,
    IncidentState,
    Language,
    Name,
    OrderStatus,
    Place,
    Position,
    Priority,
    ProgressStage,
    Reading,
    Recipient,
    Text,
    TicketState,
    Timestamp,
    Value,
    Word,
)

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Message(Value):
    """A fact with a type, an id of its own and the time it happened."""

    ce_type: ClassVar[str]

    @property
    def message_id(self) -> UUID:
        """Identity for counting once: equal ids are the same fact."""
        raise NotImplementedError

    @property
    def occurred(self) -> Timestamp:
        """When the fact happened, by the clock of whoever saw it."""
        raise NotImplementedError

    @property
    def partition_key(self) -> str:
        """Kafka key."""
        raise NotImplementedError


class ContactReceived(Message):
    """One accepted inbound event on a channel. Immutable."""

    ce_type: ClassVar[str] = "gridline.contact.received.v1"

    contact_id: UUID
    ticket_id: UUID
    ticket_ref: Name
    source: Name = Field(description="Configured sender: which IVR, app, site or official account")
    source_event_id: Name = Field(description="The sender's own id of the event")
    channel: Channel
    event: Word = Field(description="The channel's own kind of event: report, started, dtmf, text, location, …")
    occurred_at: Timestamp = Field(description="By the sender's clock, which may lie")
    received_at: Timestamp = Field(description="By our clock, when we accepted it")
    business_type: Word | None = Field(default=None, description="What the customer chose on the channel")
    text: Text | None = None
    language: Language | None = Field(default=None, description="What the customer chose on the channel")
    account_id: Name | None = None
    phone: Name | None = None
    address: AddressLine | None = None
    position: Position | None = None
    reply_to: Recipient | None = None
    attachments: tuple[Attachment, ...] = ()
    hazard: bool = Field(default=False, description="The channel's own danger choice was made")
    final: bool = Field(default=True, description="False while more of the same ticket is expected (a call goes on)")
    unconfirmed: bool = Field(default=False, description="Inferred, not said: a call abandoned after the fault menu")
    facts: dict[Word, str | int | float | bool] = Field(
        default_factory=dict, description="What only this channel knows: menu path, queue wait, agent"
    )
    raw_sha256: Sha256 = Field(description="Of the payload as sent, after decryption")

    @property
    def message_id(self) -> UUID:
        return self.contact_id

    @property
    def occurred(self) -> Timestamp:
        return self.occurred_at

    @property
    def partition_key(self) -> str:
        return str(self.ticket_id)


class RecipientHeard(Message):
    """What a channel tells of one recipient besides what they want: whether they may be told, and what reached them.

    Never a ticket. ``unlinked`` (a WeChat account unfollowed, STOP by text message): nothing is sent there any more,
    until ``linked``.
    """

    ce_type: ClassVar[str] = "gridline.recipient.heard.v1"

    event_id: UUID
    source: Name = Field(description="Configured sender: which official account or gateway")
    source_event_id: Name = Field(description="The sender's own id of the event")
    recipient_id: UUID = Field(description="Derived from the recipient's channel and address")
    recipient: Recipient
    heard: Literal["linked", "unlinked", "delivered", "undelivered", "asks_status"]
    occurred_at: Timestamp = Field(description="By the sender's clock, which may lie")
    received_at: Timestamp = Field(description="By our clock, when we accepted it")
    delivery_id: Name | None = Field(default=None, description="The provider's id of the message it reports on")
    detail: Name | None = Field(default=None, description="The provider's word for why it was not delivered")
    language: Language | None = None
    raw_sha256: Sha256 = Field(description="Of the payload as sent, after decryption")

    @property
    def message_id(self) -> UUID:
        return self.event_id

    @property
    def occurred(self) -> Timestamp:
        return self.occurred_at

    @property
    def partition_key(self) -> str:
        return str(self.recipient_id)


class RouteReason(Value):
    """Why a ticket is in its queue."""

    route: Name = Field(description="Path of the matching route in the tree")
    rule: Word = Field(description="What decided the business type: channel_choice, keyword, default, …")
    matched: tuple[Name, ...] = Field(default=(), description="The matchers or keywords that held")
    tree_hash: Name = Field(description="Hash of the route tree in force")
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="How sure the business type is: 1 chosen, 0 nothing told"
    )
    language_confidence: float | None = Field(default=None, ge=0, le=1, description="How sure the language is")


class Due(Value):
    """By when a ticket must have come how far."""

    stage: Word = Field(description="As the operators' clocks name it: respond, dispatch, contact, answer")
    due_at: Timestamp | None = Field(default=None, description="Absent while the clock is paused")
    met_at: Timestamp | None = None
    level: int = Field(default=0, ge=0, le=4, description="Highest warning given so far: 0 none, 4 the last")


class TicketRouted(Message):
    """A ticket as it stands in its skill queue; a higher version replaces a lower one."""

    ce_type: ClassVar[str] = "gridline.ticket.routed.v1"

    ticket_id: UUID
    ticket_ref: Name
    version: int = Field(ge=1)
    queue: Word
    state: TicketState
    channel: Channel
    business_type: Word
    priority: Priority
    hazards: tuple[Word, ...] = ()
    language: Language
    customer_class: CustomerClass = CustomerClass.NORMAL
    place: Place
    text: Text | None = None
    phone: Name | None = None
    contacts: int = Field(default=1, ge=1, description="Contacts in this ticket so far")
    reason: RouteReason
    opened_at: Timestamp
    routed_at: Timestamp
    change: Word | None = Field(
        default=None, description="What people did that made this version: offered, claimed, transferred, completed, …"
    )
    agent: Name | None = Field(default=None, description="Who has it, or, of a closed ticket, who completed it")
    until: Timestamp | None = Field(default=None, description="When an offer lapses")
    held_for: Name | None = Field(default=None, description="Agent it is kept for, for a short while, before others")
    outcome: Word | None = Field(default=None, description="Of a closed ticket")
    merged_into: UUID | None = Field(default=None, description="The ticket that stands for this one")
    urges: int | None = Field(default=None, ge=1, description="Times the customer or a supervisor urged it")
    due: tuple[Due, ...] | None = Field(default=None, description="Its clock, a stage an entry")
    repeats: int | None = Field(default=None, ge=1, description="Times the reporter told of it again, each counted")
    repeat_of: UUID | None = Field(default=None, description="Earlier ticket of the same reporter and matter")

    @property
    def message_id(self) -> UUID:
        return derive("ticket.routed", self.ticket_id, self.version)

    @property
    def occurred(self) -> Timestamp:
        return self.routed_at

    @property
    def partition_key(self) -> str:
        return self.queue


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
    single_premise: bool = Field(default=False, description="The customer says it is only their own premises")
    unconfirmed: bool = False
    address: AddressLine | None = None
    language: Language = "zh-Hans-CN"
    recipient: Recipient | None = None

    @property
    def message_id(self) -> UUID:
        return self.report_id

    @property
    def occurred(self) -> Timestamp:
        return self.reported_at

    @property
    def partition_key(self) -> str:
        return self.area


class FieldProgress(Message):
    """What a field-repair system reports of an order: posted over HTTP or to ``dispatch.progress.v1``."""

    ce_type: ClassVar[str] = "gridline.dispatch.progress.v1"

    progress_id: UUID = Field(description="The sender's id of this report; the same id again changes nothing")
    order_id: UUID
    stage: ProgressStage
    at: Timestamp
    etr: Etr | None = None
    crew: Name | None = None
    cause: Name | None = None
    note: Text | None = None

    @property
    def message_id(self) -> UUID:
        return self.progress_id

    @property
    def occurred(self) -> Timestamp:
        return self.at

    @property
    def partition_key(self) -> str:
        return str(self.order_id)


class FieldProgressed(Message):
    """A ``FieldProgress`` re-keyed by the area of its order."""

    ce_type: ClassVar[str] = "gridline.outage.field_progressed.v1"

    type: Literal["outage.field_progressed"] = "outage.field_progressed"
    area: Name
    incident_id: UUID
    progress: FieldProgress
    received_at: Timestamp | None = Field(
        default=None, description="By our clock, when we took it in: a crew's clock may be ahead, and is bounded by it"
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
    """A moment that a decision asked to be woken at has come. In the topic, so that a replay sees it too."""

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
    """What a dispatcher told the engine to do, in the area it is about. The same ``command_id`` again changes nothing.

    Which fields an action needs: merge ``incident_id``, ``target_id``; split ``incident_id``, ``reports`` and, where
    they are not of one place, ``device``; move ``reports``, ``target_id``; confirm ``incident_id`` and, where it is
    another than predicted, ``device``; relate ``incident_id``, ``target_id``; place ``reports`` (one), ``device``;
    undo ``undoes``; plan ``planned_id``, ``device``, ``starts_at``, ``ends_at``; cancel_plan ``planned_id``.
    """

    ce_type: ClassVar[str] = "gridline.outage.commanded.v1"

    type: Literal["outage.commanded"] = "outage.commanded"
    area: Name
    command_id: UUID
    action: CommandAction
    author: Name = Field(description="Who: the name that the credential stands for, and the person it acts for")
    reason: Text = Field(description="Why, in the dispatcher's words; kept with every ledger row")
    accepted_at: Timestamp = Field(description="By our clock")
    incident_id: UUID | None = None
    target_id: UUID | None = None
    reports: Annotated[tuple[UUID, ...], Field(max_length=5000)] = ()
    device: Name | None = None
    undoes: UUID | None = Field(default=None, description="The command that is taken back")
    planned_id: UUID | None = None
    starts_at: Timestamp | None = None
    ends_at: Timestamp | None = None

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
    """Power is back at a device or a customer, whatever was predicted there: from whoever knows it."""

    ce_type: ClassVar[str] = "gridline.outage.power_restored.v1"

    type: Literal["outage.power_restored"] = "outage.power_restored"
    area: Name
    restoration_id: UUID = Field(description="The sender's id of this; the same id again changes nothing")
    device: Name = Field(description="All under it has power again; with account_id, what that customer hangs on")
    account_id: Name | None = Field(default=None, description="Only this customer has power again")
    restored_at: Timestamp
    received_at: Timestamp = Field(description="By our clock; a sender's clock may be ahead, and is bounded by it")

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
    """What a meter or a breaker said of itself: evidence without a person. Late and repeated ones are harmless."""

    ce_type: ClassVar[str] = "gridline.outage.telemetry_received.v1"

    type: Literal["outage.telemetry_received"] = "outage.telemetry_received"
    area: Name
    source: Name = Field(description="Head-end or SCADA system")
    source_event_id: Name = Field(description="That system's own id of the event")
    reading: Reading
    device: Name = Field(description="The breaker, or the transformer the meter hangs on")
    account_id: Name | None = Field(default=None, description="Whose meter it is")
    commanded: bool = Field(default=False, description="A person or a program switched the breaker: no fault opened it")
    at: Timestamp = Field(description="By the clock of whoever saw it, bounded by arrival")
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
    """The network in force feeds an open outage otherwise than the one it opened in: another version, or a switching.

    Told to the area the outage is open in (``area`` is ``home``), to the area that its device is in now, and to any
    area that feeds reported devices of it now. ``over`` tells an area that was told before that it has ended.
    """

    ce_type: ClassVar[str] = "gridline.outage.moved.v1"

    type: Literal["outage.moved"] = "outage.moved"
    area: Name
    incident_id: UUID
    home: Name = Field(description="Area the outage is open in: it stays there, with its order")
    device: Name = Field(description="Where the outage is")
    network: Name = Field(description="Version and revision of the network in force")
    noticed_at: Timestamp
    now_in: Name | None = Field(default=None, description="Area of the device now; absent where the device is gone")
    refed: tuple[Name, ...] = Field(
        default=(), max_length=5000, description="Reported devices in this area that are no longer below the device"
    )
    since: Timestamp | None = Field(default=None, description="When the outage began")
    over: bool = False
    ended_at: Timestamp | None = Field(default=None, description="When power was back, of one that is over")
    seq: int | None = Field(
        default=None,
        ge=1,
        description="Place in the ledger of ``home`` where it ended or, taken back, went on: it may do both again",
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


class OrderVersion(Message):
    """One version of the one dispatch order of an incident, with what a crew needs and no more.

    Apply it only if ``version`` is greater than the one you hold for ``order_id``, and store the version in the
    same transaction as your action. Records repeat; an older version may come again after a newer one; equal
    ``(order_id, version)`` are equal bytes.
    """

    ce_type: ClassVar[str] = "gridline.dispatch.order.v1"

    order_id: UUID
    version: int = Field(ge=1)
    incident_id: UUID
    status: OrderStatus
    priority: Priority
    area: Name
    device: DeviceRef = Field(description="Predicted device, or the one a crew confirmed")
    hazards: tuple[Word, ...] = ()
    life_support: int = Field(default=0, ge=0, description="Life-support customers among the reports")
    important: int = Field(default=0, ge=0, description="Important customers among the reports")
    reports: int = Field(ge=1, description="Reports in the incident when this version was made")
    customers_served: int = Field(ge=0, description="Customers under the device; 0 where no model covers it")
    addresses: tuple[AddressLine, ...] = Field(
        default=(), max_length=5, description="Where people reported from, at most five"
    )
    first_reported_at: Timestamp
    issued_at: Timestamp
    superseded_by: UUID | None = Field(default=None, description="Order that took over, on a cancelled one")
    reason: Word = Field(description="Why this version was made")
    arrive_by: Timestamp | None = Field(default=None, description="When a crew is due on the spot (service level)")
    restore_by: Timestamp | None = Field(default=None, description="When power is due to be back (service level)")

    @property
    def message_id(self) -> UUID:
        return derive("order", self.order_id, self.version)

    @property
    def occurred(self) -> Timestamp:
        return self.issued_at

    @property
    def partition_key(self) -> str:
        return str(self.order_id)


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
