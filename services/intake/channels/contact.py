"""What every channel's payload becomes: one contact, its ids derived, and its fingerprint.

Decided here: what tells two sendings of one event from two different events under one id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from services.contracts.ids import contact_id, recipient_id, ticket_id, ticket_ref
from services.contracts.messages import ContactReceived, RecipientHeard
from services.contracts.values import Recipient
from services.intake.channels.refusal import from_validation

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.contracts.values import Channel
    from services.intake.channels.source import Source

TIMED_BY_US: Final = "timed_by_us"
"""Fact on a contact whose sender gave no time: ``occurred_at`` is then our arrival time."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A contact ready to be published.

    Attributes:
        contact: The contact.
        ignored: Fields of the payload we do not know.
        reply: What the sender is told, where the channel can.
    """

    contact: ContactReceived
    ignored: tuple[str, ...] = ()
    reply: str | None = None


@dataclass(frozen=True, slots=True)
class NotAContact:
    """An event that is only answered: it opens no ticket and adds to none.

    Attributes:
        event: The sender's word for it.
        heard: What it tells of somebody as a recipient, if anything.
        reply: What they are told, if anything, where the channel can.
    """

    event: str
    heard: RecipientHeard | None = None
    reply: str | None = None


def reply_to(channel: Channel, address: str | None, account: str | None = None) -> dict[str, Any] | None:
    """Return where the customer can be told, for ``contact_of`` to check; None where no address is known."""
    return {"channel": channel, "address": address, "account": account} if address else None


def contact_of(
    source: Source,
    channel: Channel,
    source_event_id: str,
    *,
    thread: str | None,
    now: datetime,
    ticket: UUID | None = None,
    **told: Any,
) -> ContactReceived:
    """Return the contact, its ids derived from the source and the sender's own ids.

    Args:
        source: Who sent it.
        channel: On which channel.
        source_event_id: The sender's id of the event.
        thread: What joins the events of one ticket (the call); None where each event is a ticket.
        now: When it arrived.
        ticket: The ticket, where a conversation says which; else it is derived from the thread.
        told: The remaining fields of ``ContactReceived``.

    Raises:
        PayloadRefusedError: a field that the contract does not allow.
    """
    contact = contact_id(source.name, source_event_id)
    ticket = ticket or ticket_id(source.name, thread, contact)
    try:
        return ContactReceived(
            contact_id=contact,
            ticket_id=ticket,
            ticket_ref=ticket_ref(ticket),
            source=source.name,
            source_event_id=source_event_id,
            channel=channel,
            received_at=now,
            **told,
        )
    except ValidationError as error:
        raise from_validation(error) from None


def heard_of(
    source: Source, channel: Channel, source_event_id: str, *, address: str, account: str | None = None, **told: Any
) -> RecipientHeard:
    """Return what a channel tells of a recipient, its id derived as a contact's is.

    Args:
        source: Who sent it.
        channel: On which channel.
        source_event_id: The sender's id of the event.
        address: Whom it is about: an address on the channel.
        account: The official account it is an address of.
        told: The remaining fields of ``RecipientHeard``.

    Raises:
        PayloadRefusedError: a field that the contract does not allow.
    """
    event = contact_id(source.name, source_event_id)
    try:
        return RecipientHeard(
            event_id=event,
            source=source.name,
            source_event_id=source_event_id,
            recipient_id=recipient_id(channel, address),
            recipient=Recipient(channel=channel, address=address, account=account),
            **told,
        )
    except ValidationError as error:
        raise from_validation(error) from None


def contact_fingerprint(contact: ContactReceived | RecipientHeard) -> bytes:
    """Return the digest that two sendings of one event share: of the payload, whatever its spacing and key order.

    Of what was sent, not of what we made of it: that changes with our arrival time, our configuration and our
    version, and a retry must not look like another event because we were upgraded in between.
    """
    return bytes.fromhex(contact.raw_sha256)
