"""CloudEvents 1.0 over Kafka: message to record and back.

Binary mode inside (attributes in ``ce_*`` headers, the value is the data); structured mode for outside readers
(the whole event in the value, so that it survives being copied to a file or a database), with ``ce_id`` and
``ce_type`` headers beside it. Source: CloudEvents Kafka protocol binding 1.0.2.

Never here: a guess. A record without an id or with an unknown type is refused with a reason.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pydantic import BaseModel, ValidationError

from services.contracts.frozen import frozen
from services.contracts.unfit import why

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from services.contracts.messages import Message

Headers = tuple[tuple[str, bytes], ...]

STRUCTURED: Final = "application/cloudevents+json"
_BINARY: Final = "application/json"
_JSON_DATA: Final = ("content-type", _BINARY.encode())
_COMPACT: Final = json.JSONEncoder(separators=(",", ":"))  # made once: ``json.dumps`` makes one a call
_TRACE: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class Refusal(StrEnum):
    """Why a record cannot be used. The word is in the dead letter, the log and the metric."""

    NO_VALUE = "no_value"
    NOT_JSON = "not_json"
    NO_ID = "no_id"
    BAD_ID = "bad_id"
    UNKNOWN_TYPE = "unknown_type"
    BAD_FIELD = "bad_field"
    CONFLICT = "same_id_other_body"
    UNPROCESSABLE = "unprocessable"
    OVERSIZE = "oversize"
    UNKNOWN_SUBJECT = "unknown_subject"
    """It is about an order or a ticket that nobody here has heard of."""


class RefusedError(ValueError):
    """A record or a message that cannot be used, with the reason word and a text without personal data."""

    def __init__(self, reason: Refusal, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@frozen()
class Outgoing:
    """A record to be published: bytes settled once, so that every copy is equal."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


@frozen()
class Incoming:
    """A record as read, with its envelope opened and its data not yet decoded."""

    id: UUID
    type: str
    data: bytes
    fingerprint: bytes
    traceparent: str | None


def trace_parent(cause: UUID, hop: str) -> str:
    """W3C trace context derived from the contact that caused it: one trace a contact, one span a hop."""
    span = hashlib.sha256(cause.bytes + hop.encode()).hexdigest()[:16]
    return f"00-{cause.hex}-{span}-01"


def child_trace(parent: str | None, cause: UUID, hop: str) -> str:
    """Continue ``parent`` if it is well formed, else start the trace of ``cause``."""
    found = _TRACE.fullmatch(parent) if parent else None
    if found is not None:
        span = hashlib.sha256(f"{parent}{cause}{hop}".encode()).hexdigest()[:16]
        return f"00-{found[1]}-{span}-01"
    return trace_parent(cause, hop)


def fingerprint(message: BaseModel, *, without: Iterable[str] = ()) -> bytes:
    """Sha256 of the message's content, leaving out fields that differ between two sendings of one event."""
    return hashlib.sha256(message.model_dump_json(exclude=set(without), exclude_none=True).encode()).digest()


def encode(
    message: Message,
    *,
    topic: str,
    source: str,
    structured: bool = False,
    traceparent: str | None = None,
    content: bytes | None = None,
) -> Outgoing:
    """Turn a message into the record that is published.

    Args:
        message: What happened.
        topic: Where it goes.
        source: CloudEvents source, such as ``gridline/router``.
        structured: Structured mode instead of binary.
        traceparent: W3C trace context to continue.
        content: Fingerprint of the content where the bytes may differ between two sendings; sent as the
            CloudEvents extension attribute ``fingerprint``.
    """
    # Bytes at once: model_dump_json makes text of them, which would be made bytes again.
    data = message.__pydantic_serializer__.to_json(message, exclude_none=True)
    cause = message.message_id  # once: it may be derived each time
    event_id = str(cause)
    trace = child_trace(traceparent, cause, source)
    headers: Headers
    if structured:
        attributes = {
            "specversion": "1.0",
            "id": event_id,
            "type": message.ce_type,
            "source": source,
            "time": message.occurred.isoformat(),
            "partitionkey": message.partition_key,
            "traceparent": trace,
            "datacontenttype": _BINARY,
        }
        head = _COMPACT.encode(attributes).encode()
        data = head[:-1] + b',"data":' + data + b"}"
        headers = (
            ("ce_id", event_id.encode()),
            ("ce_type", message.ce_type.encode()),
            ("content-type", STRUCTURED.encode()),
            ("traceparent", trace.encode()),
        )
    else:
        headers = (
            ("ce_id", event_id.encode()),
            *_same_for_all(message.ce_type, source),
            ("ce_time", message.occurred.isoformat().encode()),
            _JSON_DATA,
            ("traceparent", trace.encode()),
        )
        if content is not None:
            headers += (("ce_fingerprint", content.hex().encode()),)
    return Outgoing(topic=topic, key=message.partition_key.encode(), value=data, headers=headers)


@cache
def _same_for_all(ce_type: str, source: str) -> Headers:
    """Return the headers of binary mode that every record of a type and a source begins with, its id aside."""
    return (
        ("ce_type", ce_type.encode()),
        ("ce_specversion", b"1.0"),
        ("ce_source", source.encode()),
    )


def open_record(value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Incoming:
    """Read the envelope of a record, in either mode.

    Raises:
        RefusedError: no value, no usable id, or a structured event that is not JSON.
    """
    if value is None:
        raise RefusedError(Refusal.NO_VALUE, "the record has no value")
    by_name: dict[str, bytes] = dict(headers)
    if not "".join(by_name).islower():  # hardly ever: our own are small letters
        by_name = {name.lower(): raw for name, raw in headers}
    content_type = by_name.get("content-type", b"")
    if content_type != _JSON_DATA[1] and content_type.decode("latin-1").lower().startswith(STRUCTURED):
        return _open_structured(value, by_name)
    raw_id = by_name.get("ce_id")
    if raw_id is None:
        raise RefusedError(Refusal.NO_ID, "the record has no ce_id header")
    given = by_name.get("ce_fingerprint")
    return Incoming(
        id=_uuid(raw_id.decode("latin-1")),
        type=by_name.get("ce_type", b"").decode("latin-1"),
        data=value,
        fingerprint=_digest(given) if given is not None else hashlib.sha256(value).digest(),
        traceparent=_text(by_name.get("traceparent")),
    )


def _open_structured(value: bytes, by_name: Mapping[str, bytes]) -> Incoming:
    try:
        event = json.loads(value)
    except (ValueError, RecursionError):
        raise RefusedError(Refusal.NOT_JSON, "the structured event is not JSON in UTF-8") from None
    if not isinstance(event, dict) or "id" not in event:
        raise RefusedError(Refusal.NO_ID, "the structured event has no id")
    data = json.dumps(event.get("data"), ensure_ascii=False, separators=(",", ":"))
    try:
        raw = data.encode()
    except UnicodeEncodeError:
        raise RefusedError(Refusal.NOT_JSON, "the structured event has a lone surrogate") from None
    return Incoming(
        id=_uuid(str(event["id"])),
        type=str(event.get("type", "")),
        data=raw,
        fingerprint=hashlib.sha256(raw).digest(),
        traceparent=_text(by_name.get("traceparent")) or str(event.get("traceparent") or "") or None,
    )


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("latin-1")


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise RefusedError(Refusal.BAD_ID, "the event id is not a UUID") from None


def _digest(given: bytes) -> bytes:
    try:
        digest = bytes.fromhex(given.decode("latin-1"))
    except ValueError:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise RefusedError(Refusal.BAD_FIELD, "ce_fingerprint is not 64 hexadecimal digits")
    return digest


def decode(incoming: Incoming, types: Mapping[str, type[Message]]) -> Message:
    """Decode the data, ignoring fields a newer producer may have added.

    Raises:
        RefusedError: unknown type, or a field that is missing or wrong; the detail names every one, and never a
            value.
    """
    model = types.get(incoming.type)
    if model is None:
        raise RefusedError(Refusal.UNKNOWN_TYPE, f"type {incoming.type[:80]!r} is not one of {sorted(types)}")
    try:
        # What model_validate_json calls, after looking at arguments that nobody gives here: a tenth of its time.
        message: Message = model.__pydantic_validator__.validate_json(incoming.data, extra="ignore")
    except ValidationError as error:
        raise RefusedError(Refusal.BAD_FIELD, describe(error)) from None
    if message.message_id != incoming.id:
        raise RefusedError(Refusal.BAD_ID, "the event id is not the id of its data")
    return message


def describe(error: ValidationError) -> str:
    """Every wrong field with its reason, and no value: values may be personal."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    shown = [f"{'.'.join(map(str, item['loc'])) or 'body'}: {why(item)}" for item in found[:10]]
    more = len(found) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 instant that has an offset.

    Raises:
        ValueError: not ISO 8601, or no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no offset")
    return moment
