"""Contacts from any other system, as CloudEvents 1.0 over HTTP: structured, binary, and batches.

Decided here: what the attributes mean. ``source`` and ``id`` together name the event, ``time`` is when it happened,
``type`` is ours, ``data`` is ``SubmittedContact``. The same event in another mode is the same event.

Source: CloudEvents 1.0.2, HTTP protocol binding and JSON format.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import unquote

import orjson
from pydantic import Field, StrictBool, StringConstraints

from services.contracts.values import Channel, Name
from services.intake.channels.contact import TIMED_BY_US, Accepted, contact_of, reply_to
from services.intake.channels.payload import (
    Instant,
    Payload,
    Read,
    ignored_fields,
    language_tag,
    read_object,
    validated,
)
from services.intake.channels.refusal import FieldError, bad_fields
from services.intake.channels.report import ReportPayload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from services.intake.channels.source import EventSource

BINARY: Final = "application/json"
STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
_ATTRIBUTES: Final = ("specversion", "id", "source", "type", "time", "datacontenttype")

Attribute = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
"""Of a CloudEvent: text without control characters (CloudEvents 1.0.2, type system)."""
JsonType = Annotated[str, StringConstraints(pattern=r"^application/json\s*(;.*)?$", max_length=200)]
"""A media type may have parameters, such as the charset that some libraries always say."""


class Answerable(Payload):
    """Where the customer can be told."""

    channel: Channel
    address: Name
    account: Name | None = None


class SubmittedContact(ReportPayload):
    """What the event says: a customer's matter, or one more piece of it."""

    event_id: Name | None = Field(default=None, description="Not read: the event's source and id name it")
    channel: Channel = Field(default=Channel.API, description="How the customer reached you")
    thread: Name | None = Field(
        default=None, description="Your id of the conversation; its events become one ticket", examples=["chat-20931"]
    )
    reply_to: Answerable | None = None
    final: StrictBool = Field(default=True, description="False while more of the same thread is expected")


class SubmittedEvent(Payload):
    """A CloudEvent in structured mode."""

    specversion: Literal["1.0"]
    id: Attribute = Field(description="With source, names the event: the same again is counted once")
    source: Attribute = Field(examples=["https://chat.example/bots/95598"])
    type: Literal["gridline.contact.submitted.v1"] = Field(description="What data is")
    time: Instant | None = None
    datacontenttype: JsonType | None = Field(default=None, examples=[BINARY])
    data: SubmittedContact | None = None
    data_base64: str | None = Field(default=None, description="The same as data, its JSON in base64")


def accept(source: EventSource, event: Read, now: datetime) -> Accepted:
    """Turn an event into a contact.

    Raises:
        PayloadRefusedError: it cannot become one.
    """
    fields = _data(event)
    checked = validated(SubmittedEvent, Read({**event.fields, "data": fields, "data_base64": None}, event.sha256))
    data = checked.data
    if data is None:
        raise bad_fields(FieldError("data", "is required"))
    occurred_at = data.reported_at or checked.time
    wrong = [
        FieldError(name, "has no offset: end it with Z or an offset such as +08:00")
        for name, moment in (("data.reported_at", data.reported_at), ("time", checked.time))
        if moment is not None and moment.tzinfo is None
    ]
    if data.channel not in source.channels:
        wrong.append(FieldError("data.channel", "is not one of this source's channels"))
    if data.reply_to is not None and data.reply_to.channel not in source.channels | {Channel.SMS}:
        wrong.append(FieldError("data.reply_to.channel", "is not one of this source's channels, nor sms"))
    piece = data.position or data.account_id or data.address
    if not data.says_what() and not (data.thread and piece):
        wrong.append(
            FieldError("data.text", "say what it is about: text, business_type or hazard, or a place in a thread")
        )
    if wrong:
        raise bad_fields(*wrong)
    facts: dict[str, Any] = {"ce_source": checked.source[:200], "ce_id": checked.id[:200]}
    if occurred_at is None:
        facts[TIMED_BY_US] = True
    if data.single_premise:
        facts["single_premise"] = True
    to = data.reply_to
    contact = contact_of(
        source,
        data.channel,
        f"ce:{_digest(checked.source, checked.id)}",
        thread=None if data.thread is None else f"ce:{_digest(checked.source, data.thread)}",
        now=now,
        event="submitted",
        occurred_at=occurred_at or now,
        business_type=data.business_type,
        text=data.text,
        language=language_tag(data.language),
        account_id=data.account_id,
        phone=data.phone,
        address=data.address,
        position=data.position and data.position.position(),
        reply_to=to.model_dump() if to else reply_to(Channel.SMS, data.phone),
        hazard=data.hazard,
        final=data.final,
        facts=facts,
        raw_sha256=_content(fields),
    )
    return Accepted(contact, ignored_fields(SubmittedContact, Read(fields, "")))


def _data(event: Read) -> Any:
    """Return the event's data, in whichever of its two members it is."""
    encoded = event.fields.get("data_base64")
    if encoded is None:
        return event.fields.get("data")
    if event.fields.get("data") is not None:
        raise bad_fields(FieldError("data_base64", "stands beside data: send one of them"))
    try:
        body = base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise bad_fields(FieldError("data_base64", "is not base64")) from None
    return read_object(body).fields


def _content(fields: Any) -> str:
    """Digest of the data, which is the same in every mode."""
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]


def read_binary(headers: Mapping[str, str], body: bytes) -> Read:
    """Return the event of a request in binary mode: attributes in ``ce-`` headers, percent-encoded.

    Raises:
        PayloadRefusedError: the body is not a JSON object.
    """
    data = read_object(body)
    attributes = {name: unquote(headers[f"ce-{name}"]) for name in _ATTRIBUTES if f"ce-{name}" in headers}
    return Read({**attributes, "data": data.fields}, data.sha256)
