"""The small values that messages are made of.

Decided here: the closed vocabularies (channel, priority, stage, state) and the shape of a place and a person.
Open vocabularies that operators edit (business types, queues, hazard words) are data, not enums; they are only
checked for form here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def _printable(value: str) -> str:
    """Refuse NUL and lone surrogates, which no database or terminal handles.

    PostgreSQL cannot store U+0000 in text, so a record that carries one would poison its whole batch.
    """
    if value.isprintable():  # nearly every text; neither NUL nor a surrogate is printable
        return value
    if "\x00" in value:
        raise ValueError("must not contain the NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode text") from None
    return value


def _one_line(value: str) -> str:
    """Refuse control characters too: the parts of an id are joined with one of them."""
    if value.isprintable():  # nearly every name; no control character is printable
        return value
    if _CONTROL.search(value):
        raise ValueError("must not contain control characters")
    return _printable(value)


Text = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_printable)]
"""Free text of a person: up to 4,000 characters."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
"""An identifier or label that another system chose: 1 to 200 characters."""

AddressLine = Annotated[str, StringConstraints(max_length=500), AfterValidator(_printable)]
"""An address as people say it: up to 500 characters."""

Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.:-]{0,63}$")]
"""A machine word from operators' data: business type, queue, hazard, evidence, reason."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""In lower-case hexadecimal."""

Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", max_length=35)]
"""A BCP 47 language tag."""


YEARS: Final = range(1900, 3000)
"""Of every instant: the years 1 and 9999, by which systems mean nothing or for ever, no other zone can show."""
OTHER_YEAR: Final = f"has a year outside {YEARS.start} to {YEARS.stop - 1}"
"""What is said of an instant that is in none of them."""


NO_INSTANT: Final = "must be ISO 8601 text such as 2026-11-22T08:30:00+08:00"
"""What is said of what is no instant, as a number is none: nobody can tell seconds from milliseconds."""


def _in_utc(value: datetime) -> datetime:
    """Return an instant of offset zero with the one UTC there is: two of one zone are compared ten times as fast.

    A reader makes a zone of its own for each instant it reads. ``replace`` would do, and take twice as long.
    """
    return value if value.tzinfo is UTC or value.utcoffset() else value.astimezone(UTC)


def _instant(value: datetime) -> datetime:
    if value.year not in YEARS:
        raise ValueError(OTHER_YEAR)
    return _in_utc(value)


ClockTime = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""What a customer's or a sender's clock said, with its offset: of any year, as a contact is never lost for it."""

Timestamp = Annotated[AwareDatetime, AfterValidator(_instant)]
"""An instant with its offset. Naive times are refused: a hotline spans time zones and clocks that lie."""


class Channel(StrEnum):
    """How a contact reached the hotline (a superset of CIM ``TroubleTicket.reportingKind``)."""

    PHONE = "phone"
    WEB = "web"
    APP = "app"
    WECHAT = "wechat"
    SMS = "sms"
    API = "api"


TELEPHONE: Final = frozenset({Channel.PHONE, Channel.SMS})
"""Channels on which an address is a telephone number."""


class Crs(StrEnum):
    """Datum of a position. China's map services shift WGS-84 by some 500 m, so a position must say."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


class Priority(StrEnum):
    """Urgency of a ticket or an order, most urgent first."""

    EMERGENCY = "emergency"
    """Danger to life: a hazard was reported."""
    URGENT = "urgent"
    """A life-support or important customer, or a whole feeder."""
    HIGH = "high"
    """Power is out."""
    NORMAL = "normal"


class CustomerClass(StrEnum):
    """``priority`` of a customer in customers.csv (DESIGN §8)."""

    NORMAL = "normal"
    IMPORTANT = "important"
    LIFE_SUPPORT = "life_support"
    VIP = "vip"
    """Has a contact person at the utility, who handles their ticket; crews go as to anybody."""


class CustomerStatus(StrEnum):
    """``status`` of a customer in customers.csv; ``suspended`` means cut off for arrears."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class Basis(StrEnum):
    """The strongest evidence for the place of a report."""

    ACCOUNT = "account"
    PHONE = "phone"
    POSITION = "position"
    ADDRESS = "address"
    DEVICE = "device"
    """A line, pole or transformer named in the text."""
    MANUAL = "manual"
    """A person placed it."""
    CELL = "cell"
    """Only a position, outside the network model: an H3 cell stands for the device."""
    NONE = "none"


class Value(BaseModel):
    """An immutable value. Unknown fields are refused when we make one and ignored when we read one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Position(Value):
    """A point on the ground as the sender measured it."""

    lat: float = Field(ge=-90, le=90, description="Degrees north")
    lon: float = Field(ge=-180, le=180, description="Degrees east")
    crs: Crs = Crs.WGS84
    accuracy_m: float | None = Field(default=None, ge=0, le=1_000_000, description="Radius in metres, 95 %")


class Recipient(Value):
    """Where one customer can be reached: never shown to another customer, never logged."""

    channel: Channel
    address: Name = Field(description="Phone number, WeChat openid, app installation id or web session")
    account: Name | None = Field(default=None, description="Official account or app the address belongs to")


class Attachment(Value):
    """An attachment, by reference: the bytes stay with the channel."""

    kind: Literal["image", "voice", "video", "recording", "link"]
    ref: Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_printable)]
    sha256: Sha256 | None = None


class PlaceCandidate(Value):
    """One of the places a report may be at."""

    area: Name
    feeder: Name | None = None
    transformer_id: Name
    account_id: Name | None = Field(default=None, description="The customer there that the evidence names, if any")
    lat: float | None = Field(default=None, ge=-90, le=90, description="Degrees north, WGS-84")
    lon: float | None = Field(default=None, ge=-180, le=180, description="Degrees east, WGS-84")
    weight: float = Field(ge=0, le=1, description="Probability by the evidence alone; all together at most 1")


class Place(Value):
    """The place of a report, as far as the evidence goes.

    With a ``transformer_id``, the report is at that device. With only an ``area``, the evidence fits several places:
    one of the ``candidates`` in the area, heaviest first, or none of them. Without an ``area`` it is not placed.
    """

    area: Name | None = Field(default=None, description="Unit of merging; absent if the report could not be placed")
    feeder: Name | None = None
    transformer_id: Name | None = Field(
        default=None, description="Device of the report; in an unmodelled area an H3 res-9 cell: cell:<index>"
    )
    account_id: Name | None = None
    lat: float | None = Field(default=None, ge=-90, le=90, description="Degrees north, WGS-84")
    lon: float | None = Field(default=None, ge=-180, le=180, description="Degrees east, WGS-84")
    confidence: float = Field(default=0.0, ge=0, le=1)
    basis: Basis = Basis.NONE
    evidence: tuple[Word, ...] = ()
    candidates: tuple[PlaceCandidate, ...] | None = Field(
        default=None,
        max_length=8,
        description="Possible places, heaviest first; absent if the evidence is unambiguous",
    )
    customer_class: CustomerClass = CustomerClass.NORMAL
    customer_status: CustomerStatus = CustomerStatus.ACTIVE
    voltage_kv: float | None = Field(
        default=None,
        gt=0,
        le=1500,
        description="Nominal voltage of the customer's supply, kV; absent if unknown",
    )


class DeviceRef(Value):
    """A device of the network, enough of it for a crew to drive to."""

    id: Name
    type: Word
    feeder: Name | None = None
    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)


class TicketState(StrEnum):
    """Where a ticket stands with the router."""

    QUEUED = "queued"
    """Waiting in a skill queue for a person."""
    WITH_DEDUP = "with_dedup"
    """Its outage report was sent to dedup: it is in an incident, answered, or about to return to a queue."""
    ANSWERED = "answered"
    """Known outage, arrears or already restored: answered without a person."""
    OFFERED = "offered"
    """Reserved for one agent until they accept, decline or the offer lapses."""
    ASSIGNED = "assigned"
    """An agent works on it."""
    WRAP_UP = "wrap_up"
    """The agent has ended the contact and is writing it up."""
    CLOSED = "closed"
    """An agent completed it, or the customer withdrew it. A further contact reopens it."""
    MERGED = "merged"
    """Merged into another ticket, until that is undone."""


class IncidentState(StrEnum):
    """Life of an incident."""

    PREDICTED = "predicted"
    CONFIRMED = "confirmed"
    RESTORED = "restored"
    CANCELLED = "cancelled"
    """No outage of its own: its reports went to another incident, or a planned outage answers them."""


class OrderStatus(StrEnum):
    """What a version of a dispatch order asks of the field."""

    ISSUED = "issued"
    UPDATED = "updated"
    CANCELLED = "cancelled"
    CLOSED = "closed"


class ProgressStage(StrEnum):
    """Stages that a crew reports, in the usual sequence."""

    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ARRIVED = "arrived"
    DIAGNOSED = "diagnosed"
    REPAIRING = "repairing"
    RESTORED = "restored"
    RETURNED = "returned"
    """The crew cannot take it (退单); the note says why."""


class Confidence(StrEnum):
    """Confidence of an estimate (CIM ``EstimatedRestorationTime.confidenceKind``)."""

    HIGH = "high"
    LOW = "low"


class Etr(Value):
    """Estimated time of restoration."""

    at: Timestamp
    source: Literal["crew", "history", "dispatcher"] = "crew"
    confidence: Confidence = Confidence.LOW


class CommandAction(StrEnum):
    """Dispatchers' commands to the outage engine."""

    MERGE = "merge"
    """All reports of an incident move to another; its order is cancelled and names the other's."""
    SPLIT = "split"
    """Some reports leave an incident for a new one, with an order of its own."""
    MOVE = "move"
    """Some reports move to another incident."""
    CONFIRM = "confirm"
    """The incident is at this device: from now on only a person moves it."""
    RELATE = "relate"
    """Two incidents are related and stay separate."""
    PLACE = "place"
    """A report that could not be placed is at this device."""
    UNDO = "undo"
    """An earlier command is undone."""
    PLAN = "plan"
    """A planned outage of a device is added or changed."""
    CANCEL_PLAN = "cancel_plan"
    """A planned outage is cancelled, or ended early."""
    ACCEPT_PLAN = "accept_plan"
    """An incident is the work of a planned outage that was entered later: its reports are answered by that."""
    DECLINE_PLAN = "decline_plan"
    """An incident is not the work of that planned outage, which is not proposed for it again."""


class Reading(StrEnum):
    """Readings of meters and breakers."""

    LAST_GASP = "last_gasp"
    """A meter lost its supply (MultiSpeak ``Outage``, ``PowerOff``)."""
    POWER_UP = "power_up"
    """A meter has its supply again (MultiSpeak ``Restoration``, ``PowerOn``)."""
    PING_OK = "ping_ok"
    """A meter that was asked answers, so it has its supply."""
    PING_SILENT = "ping_silent"
    """A meter that was asked does not answer (MultiSpeak ``NoResponse``): weak, it proves nothing by itself.

    Of one that had gone dark in an outage that is over by then, it says that it is still out.
    """
    BREAKER_OPEN = "breaker_open"
    BREAKER_CLOSED = "breaker_closed"
