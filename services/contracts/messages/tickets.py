"""The state of tickets in their skill queues."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from services.contracts.ids import derive
from services.contracts.messages.message import Message
from services.contracts.values import (
    Channel,
    CustomerClass,
    Language,
    Name,
    Place,
    Priority,
    Text,
    TicketState,
    Timestamp,
    Value,
    Word,
)


class RouteReason(Value):
    """Why a ticket is in its queue."""

    route: Name = Field(description="Path of the matching route in the tree")
    rule: Word = Field(description="What decided the business type: channel_choice, keyword, default, …")
    matched: tuple[Name, ...] = Field(default=(), description="The matchers or keywords that matched")
    tree_hash: Name = Field(description="Hash of the current route tree")
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="Confidence of the business type: 1 chosen, 0 no information"
    )
    language_confidence: float | None = Field(default=None, ge=0, le=1, description="Confidence of the language")


class Due(Value):
    """The deadline of one stage of a ticket's SLA clock."""

    stage: Word = Field(description="As the operators' clocks name it: respond, dispatch, contact, answer")
    due_at: Timestamp | None = Field(default=None, description="Absent while the clock is paused")
    met_at: Timestamp | None = None
    level: int = Field(default=0, ge=0, le=4, description="Highest warning given so far: 0 none, 4 the last")


class TicketRouted(Message):
    """The state of a ticket in its skill queue; a higher version replaces a lower one."""

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
        default=None, description="The action behind this version: offered, claimed, transferred, completed, …"
    )
    agent: Name | None = Field(
        default=None, description="The agent who has it or, on a closed ticket, who completed it"
    )
    until: Timestamp | None = Field(default=None, description="When an offer lapses or the wrap-up time ends")
    held_for: Name | None = Field(default=None, description="Agent it is held for, briefly, before others get it")
    outcome: Word | None = Field(default=None, description="On a closed ticket")
    merged_into: UUID | None = Field(default=None, description="The ticket this one was merged into")
    joined: tuple[UUID, ...] | None = Field(
        default=None,
        description="Tickets that contacts were given at the door and that are this one: each has its reference",
    )
    urges: int | None = Field(default=None, ge=1, description="Times the customer or a supervisor urged it")
    due: tuple[Due, ...] | None = Field(default=None, description="Its SLA clock, one entry per stage")
    repeats: int | None = Field(default=None, ge=1, description="How often the reporter contacted about it again")
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
