"""What every channel's payload becomes: one contact, its ids derived, and its fingerprint.

Decided here: what tells two sendings of one event from two different events under one id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import ValidationError

from services.contracts.ids import contact_id, recipient_id, ticket_id, ticket_ref
from services.contracts.messages import ContactReceived, RecipientHeard
from services.contracts.values import Position, Recipient, Value
from services.intake.channels.refusal import from_validation

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.contracts.values import Channel
    from services.intake.channels.payload import PositionPayload
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


def contact_of_checked(
    source: Source,
    channel: Channel,
    source_event_id: str,
    *,
    thread: str | None,
    now: datetime,
    reply_to: dict[str, Any] | None,
    position: PositionPayload | None = None,
    **told: Any,
) -> ContactReceived:
    """Return what ``contact_of`` does, of parts that the payload's own model held to the contract's bounds or closer.

    For the doors that storms come through: checking every part twice took a tenth of a request. A test holds what comes
    out against the contract, for any payload that those doors take.
    """
    contact = contact_id(source.name, source_event_id)
    ticket = ticket_id(source.name, thread, contact)
    parts = _BLANK | told
    parts["contact_id"] = contact
    parts["ticket_id"] = ticket
    parts["ticket_ref"] = ticket_ref(ticket)
    parts["source"] = source.name
    parts["source_event_id"] = source_event_id
    parts["channel"] = channel
    parts["received_at"] = now
    if reply_to is not None:
        parts["reply_to"] = _assembled(Recipient, reply_to)
    if position is not None:
        parts["position"] = _assembled(
            Position,
            {"lat": position.lat, "lon": position.lon, "crs": position.crs, "accuracy_m": position.accuracy_m},
        )
    return _assembled(ContactReceived, parts)


_BLANK: Final = {
    name: None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    for name, field in ContactReceived.model_fields.items()
}
"""Every field of a contact in the contract's order, as it is where nothing is told."""

V = TypeVar("V", bound=Value)


def _assembled(model: type[V], parts: dict[str, Any]) -> V:
    """Return a value of all its parts, none of which is checked: ``model_construct``, which takes ten times as long."""
    made = model.__new__(model)
    put = object.__setattr__  # the value is frozen
    put(made, "__dict__", parts)
    put(made, "__pydantic_fields_set__", _ALL[model])
    put(made, "__pydantic_extra__", None)
    put(made, "__pydantic_private__", None)
    return made


_ALL: Final[dict[type[Value], set[str]]] = {
    model: set(model.model_fields) for model in (ContactReceived, Recipient, Position)
}


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
