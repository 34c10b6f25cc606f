"""Reading a JSON payload within limits, and the pieces every JSON channel shares.

Decided here: how deep and how many-parted a payload may be, what a time, a position and an event id look like.
Fields we do not know are ignored (an IVR that is upgraded before us must not lose its callers) and are named in
the answer, so that a misspelt field does not vanish in silence. Half of an emoji, which is what a text message or a
form that cuts by length may end in, is read as the replacement character: what is said around it counts.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StringConstraints,
    ValidationError,
)

from services.contracts.values import NO_INSTANT, Crs, Name, Position
from services.intake.channels.refusal import FieldError, PayloadRefusedError, Reason, bad_fields, from_validation

MAX_DEPTH: Final = 8
MAX_PARTS: Final = 2_000
"""Most strings, brackets and separators of a payload; a full CTI event has some 150."""

MAX_ELEMENTS: Final = 500
"""Most elements of a list: gateways push a few hundred text messages at once."""
MAX_LIST_PARTS: Final = 60_000
"""Most parts of a list: an event that says all it may has 104, a text message some 30."""

_YEARS: Final = range(1970, 2200)
"""A gateway whose clock was reset says 1970, and its callers count all the same; beyond these, sums overflow."""
_LONGEST_DATE: Final = len("2026-11-22")
_SHOWN_FIELDS: Final = 20
_BOM: Final = b"\xef\xbb\xbf"

# Linear whatever comes: possessive groups are never retried, and an unterminated string ends at the end.
_PARTS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{},:]', re.DOTALL)
_EVENT_ID: Final = re.compile(r"[\x20-\x7e]{1,200}")

_HIGH: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPES: Final = re.compile(rb"%s%s|(%s|%s)|\\." % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL)
"""Escapes of JSON, one that escapes a backslash too; the group is a surrogate without its other half."""


def _instant(value: object) -> datetime:
    """Read ISO 8601 text. A number is refused: nobody can tell seconds from milliseconds."""
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]  # what is not text raises TypeError
    except (TypeError, ValueError):
        raise ValueError(NO_INSTANT) from None
    if len(value) <= _LONGEST_DATE:  # type: ignore[arg-type] # it is text
        raise ValueError("is a date without a time of day")
    if moment.year not in _YEARS:
        raise ValueError(f"has a year outside {_YEARS.start} to {_YEARS.stop - 1}")
    offset = moment.utcoffset()
    if offset is not None and (offset.seconds % 60 or offset.microseconds):
        raise ValueError("has an offset that is not whole minutes")
    return moment


Instant = Annotated[
    datetime,
    BeforeValidator(_instant, json_schema_input_type=str),
    Field(examples=["2026-11-22T08:30:00+08:00"], json_schema_extra={"format": "date-time"}),
]
"""ISO 8601 date and time. It may lack an offset; whether that is acceptable is the source's to say."""

Locale = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$", max_length=35)]
"""A BCP 47 language tag; ``zh_CN`` is taken for ``zh-CN``."""


def decimal(text: str) -> float:
    """Read a number that came as text.

    Raises:
        ValueError: it is none, or one of Python's own: ``1_0``, ``１２`` (other scripts' digits), ``nan``, ``inf``.
    """
    found = float(text)
    if not text.isascii() or "_" in text or not math.isfinite(found):
        raise ValueError("is not a number")
    return found


def language_tag(locale: str | None) -> str | None:
    """Return the BCP 47 form of a locale."""
    return None if locale is None else locale.replace("_", "-")


class Payload(BaseModel):
    """What a sender posts: unknown fields are ignored, text is never made of a number."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=False)


_COARSEST_M: Final = 1_000_000.0
"""Of the contract. A browser that knows a country by its network says more of a large one, and the report counts."""
Accuracy = Annotated[StrictFloat, AfterValidator(lambda metres: None if metres < 0 else min(metres, _COARSEST_M))]


class PositionPayload(Payload):
    """A point on the ground as the sender measured it."""

    lat: StrictFloat = Field(ge=-90, le=90, description="Degrees north")
    lon: StrictFloat = Field(ge=-180, le=180, description="Degrees east")
    accuracy_m: Accuracy | None = Field(
        default=None, description="Radius in metres, 95 %; a negative one, which iOS says where it has none, is none"
    )
    crs: Crs = Field(default=Crs.WGS84, description="Datum: browsers and GPS give wgs84, Amap and Tencent gcj02")

    def position(self) -> Position:
        """Return it as the contract's value."""
        return Position(lat=self.lat, lon=self.lon, crs=self.crs, accuracy_m=self.accuracy_m)


@dataclass(frozen=True, slots=True)
class Read:
    """A payload read as JSON: its fields, and the digest of its content whatever its spacing and key order."""

    fields: dict[str, Any]
    sha256: str


def read_object(body: bytes) -> Read:
    """Read a JSON object in UTF-8.

    Raises:
        PayloadRefusedError: other encoding, too deep, too many parts, not JSON, not an object.
    """
    body = body.removeprefix(_BOM)
    _refuse_bombs(body)
    found = _loads(body)
    if not isinstance(found, dict):
        raise PayloadRefusedError(Reason.MALFORMED, "The body is JSON, but not an object.")
    return _read(found)


def read_list(body: bytes) -> list[Read | PayloadRefusedError]:
    """Read a JSON array of objects, or one object alone; an element that is no object is refused in its place.

    Raises:
        PayloadRefusedError: other encoding, too deep, too many parts or elements, not JSON, neither array nor object.
    """
    body = body.removeprefix(_BOM)
    _refuse_bombs(body, MAX_LIST_PARTS)
    found = _loads(body)
    elements = found if isinstance(found, list) else [found]
    if not isinstance(found, list | dict):
        raise PayloadRefusedError(Reason.MALFORMED, "The body is JSON, but neither an array nor an object.")
    if len(elements) > MAX_ELEMENTS:
        raise PayloadRefusedError(Reason.TOO_MANY_PARTS, f"The array has more than {MAX_ELEMENTS} elements.")
    return [
        _read(one) if isinstance(one, dict) else PayloadRefusedError(Reason.MALFORMED, "The element is not an object.")
        for one in elements
    ]


def _whole(escape: re.Match[bytes]) -> bytes:
    """Return an escape as it is, or the replacement character for half of a pair (RFC 8259, 8.2)."""
    return rb"\ufffd" if escape[1] else escape[0]


def _read(found: dict[str, Any]) -> Read:
    try:
        canonical = orjson.dumps(found, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError):
        raise PayloadRefusedError(Reason.MALFORMED, "The body has text that is not Unicode.") from None
    return Read(found, hashlib.sha256(canonical).hexdigest())


def _loads(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        whole = _ESCAPES.sub(_whole, body)
        if whole != body:
            return _loads(whole)
        if not is_utf8(body):
            raise PayloadRefusedError(Reason.NOT_UTF8, "The body is not UTF-8.") from None
        place = f"line {error.lineno}, column {error.colno}"
        raise PayloadRefusedError(Reason.MALFORMED, f"The body is not JSON: {error.msg} at {place}.") from None


def _refuse_bombs(body: bytes, most: int = MAX_PARTS) -> None:
    """Bound nesting and the number of parts before a parser builds anything."""
    openings = body.count(b"[") + body.count(b"{")
    if openings <= MAX_DEPTH and body.count(b",") + openings < most // 8:
        return  # the usual payload: too few brackets to be deep, too few separators to be large
    depth = 0
    for parts, found in enumerate(_PARTS.finditer(body)):
        part = found.group()[:1]
        if part in b"[{":
            depth += 1
        elif part in b"]}":
            depth -= 1
        if depth > MAX_DEPTH:
            raise PayloadRefusedError(Reason.TOO_DEEP, f"The body is nested deeper than {MAX_DEPTH} levels.")
        if parts > most:
            raise PayloadRefusedError(Reason.TOO_MANY_PARTS, f"The body has more than {most} parts.")


def is_utf8(body: bytes) -> bool:
    """Whether it is text in UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


P = TypeVar("P", bound=Payload)


def validated(model: type[P], read: Read) -> P:
    """Check the fields against ``model``.

    Raises:
        PayloadRefusedError: fields that are missing or wrong, all of them.
    """
    try:
        found: P = model.__pydantic_validator__.validate_python(read.fields)
    except ValidationError as error:
        raise from_validation(error) from None
    return found


def ignored_fields(model: type[Payload], read: Read) -> tuple[str, ...]:
    """Names of the fields we do not know, the first twenty."""
    known = model.__pydantic_fields__.keys()
    if read.fields.keys() <= known:
        return ()
    return tuple(sorted(read.fields.keys() - known)[:_SHOWN_FIELDS])


def event_id(header: str | None, field: Name | None) -> str | None:
    """Return the sender's id of the event, from ``Idempotency-Key`` or the body; None where there is neither.

    The header is a structured-field string in its draft (draft-ietf-httpapi-idempotency-key-header), so it may
    stand in quotes; most senders leave them out.

    Raises:
        PayloadRefusedError: the two differ, or the header is not 1 to 200 printable ASCII characters.
    """
    if header is None:
        return field
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    if not _EVENT_ID.fullmatch(key):
        raise bad_fields(FieldError("Idempotency-Key", "must be 1 to 200 printable ASCII characters"))
    if field is not None and field != key:
        raise bad_fields(
            FieldError("event_id", "differs from the Idempotency-Key or webhook-id header: send one of them")
        )
    return key


def required_event_id(header: str | None, field: Name | None) -> str:
    """Return the sender's id of the event.

    Raises:
        PayloadRefusedError: there is none, or as ``event_id``.
    """
    found = event_id(header, field)
    if found is None:
        raise PayloadRefusedError(
            Reason.NO_EVENT_ID,
            "Send an id of your own for this event, in the Idempotency-Key header or the field event_id, and the"
            " same one when you send it again: it is how a report is counted once.",
            (FieldError("event_id", "is required, here or as the Idempotency-Key header"),),
        )
    return found
