"""Customers' contacts, as accepted by intake."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from services.contracts.messages.message import Message
from services.contracts.values import (
    AddressLine,
    Attachment,
    Channel,
    ClockTime,
    Language,
    Name,
    Position,
    Recipient,
    Sha256,
    Text,
    Timestamp,
    Word,
)


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
    occurred_at: ClockTime = Field(description="By the sender's clock, which may be wrong")
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
    hazard: bool = Field(default=False, description="The customer chose the channel's danger option")
    final: bool = Field(default=True, description="False while more for the same ticket is expected (an ongoing call)")
    kept_back: bool | None = Field(
        default=None,
        description="Its source was cut off and posts late what it kept: occurred_at is right, by what all that it"
        " posts then has in common",
    )
    unconfirmed: bool = Field(default=False, description="Inferred, not stated: a call abandoned after the fault menu")
    facts: dict[Word, str | int | float | bool] = Field(
        default_factory=dict, description="Facts of this channel only: menu path, queue wait, agent"
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
    """A channel's news about one recipient: opt-in and opt-out, delivery receipts, a request for status.

    Never a ticket. After ``unlinked`` (a WeChat account unfollowed, STOP by text message) nothing is sent there until
    ``linked``.
    """

    ce_type: ClassVar[str] = "gridline.recipient.heard.v1"

    event_id: UUID
    source: Name = Field(description="Configured sender: which official account or gateway")
    source_event_id: Name = Field(description="The sender's own id of the event")
    recipient_id: UUID = Field(description="Derived from the recipient's channel and address")
    recipient: Recipient
    heard: Literal["linked", "unlinked", "delivered", "undelivered", "asks_status"]
    occurred_at: ClockTime = Field(description="By the sender's clock, which may be wrong")
    received_at: Timestamp = Field(description="By our clock, when we accepted it")
    delivery_id: Name | None = Field(default=None, description="The provider's id of the message it reports on")
    detail: Name | None = Field(default=None, description="The provider's reason for non-delivery")
    ticket_ref: Name | None = Field(
        default=None, description="The reference they ask about; absent: they ask about their last report"
    )
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
