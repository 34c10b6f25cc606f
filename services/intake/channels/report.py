"""What web forms and mobile apps post: a matter in words or by choice, and its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar

from pydantic import Field, StrictBool, StringConstraints

from services.contracts.ids import contact_id
from services.contracts.values import Attachment, Name, Text, Word
from services.intake.channels.contact import TIMED_BY_US, Accepted, contact_of, contact_of_checked
from services.intake.channels.payload import (
    Instant,
    Locale,
    Payload,
    PositionPayload,
    event_id,
    ignored_fields,
    language_tag,
    read_object,
    required_event_id,
    validated,
)
from services.intake.channels.refusal import FieldError, bad_fields

if TYPE_CHECKING:
    from datetime import datetime

    from services.contracts.values import Channel
    from services.intake.channels.source import Source

_NO_OFFSET: Final = FieldError("reported_at", "has no offset: end it with Z or an offset such as +08:00")


class ReportPayload(Payload):
    """A report or another matter, as a customer filled it in."""

    event_id: Name | None = Field(
        default=None, description="Your id of this event; or send it as the Idempotency-Key header"
    )
    business_type: Word | None = Field(
        default=None, description="What the customer chose, such as fault_report", examples=["fault_report"]
    )
    text: Text | None = Field(default=None, description="In the customer's own words", examples=["整栋楼都停电了"])
    account_id: Name | None = Field(default=None, description="Account number, as text: leading zeros count")
    phone: Name | None = None
    address: Annotated[Text, StringConstraints(max_length=500)] | None = None
    position: PositionPayload | None = None
    language: Locale | None = Field(default=None, examples=["zh-Hans-CN"])
    hazard: StrictBool = Field(default=False, description="The customer reported danger: fire, a wire down, a shock")
    single_premise: StrictBool = Field(default=False, description="The customer says only their own home is out")
    reported_at: Instant | None = Field(
        default=None, description="By the customer's clock, with its offset; our arrival time if absent"
    )

    def says_what(self) -> bool:
        """Whether it says what it is about; an empty text says nothing."""
        return bool(self.business_type or self.hazard or (self.text and not self.text.isspace()))


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo that is stored.

    Attributes:
        ref: Its path under the photos' folder.
        sha256: Of what is stored.
        sent_sha256: Of what was sent.
    """

    ref: str
    sha256: str
    sent_sha256: str


R = TypeVar("R", bound=ReportPayload)


@dataclass(frozen=True, slots=True)
class Heard(Generic[R]):
    """A report that was read and checked."""

    payload: R
    event_id: str
    sha256: str
    ignored: tuple[str, ...]

    def accepted(
        self,
        source: Source,
        channel: Channel,
        now: datetime,
        *,
        recipient: dict[str, Any] | None,
        facts: dict[str, Any],
    ) -> Accepted:
        """Return it as a contact: a ticket of its own.

        Raises:
            PayloadRefusedError: a field that the contract does not allow.
        """
        payload = self.payload
        if payload.reported_at is None:
            facts[TIMED_BY_US] = True
        if payload.single_premise:
            facts["single_premise"] = True
        contact = contact_of_checked(
            source,
            channel,
            self.event_id,
            thread=None,
            now=now,
            event="report",
            occurred_at=payload.reported_at or now,
            business_type=payload.business_type,
            text=payload.text,
            language=language_tag(payload.language),
            account_id=payload.account_id,
            phone=payload.phone,
            address=payload.address,
            position=payload.position,
            reply_to=recipient,
            hazard=payload.hazard,
            facts=facts,
            raw_sha256=self.sha256,
        )
        return Accepted(contact, self.ignored)


def photo_contact(
    source: Source, channel: Channel, report: str, idempotency_key: str | None, photo: Photo, now: datetime
) -> Accepted:
    """Return the contact that adds a photo to a report's ticket. The same photo again is the same contact.

    Args:
        source: Who sends it.
        channel: Which channel.
        report: The report's contact id, as it was answered.
        idempotency_key: Its own id, as it was sent: only who made the report knows it, so only they add to it.
        photo: What was stored.
        now: When it arrived.

    Raises:
        PayloadRefusedError: it is no report of this source and id.
    """
    own = event_id(idempotency_key, None)
    if own is None:
        raise bad_fields(FieldError("Idempotency-Key", "is required: the one that the report was sent with"))
    made = contact_id(source.name, own)
    if report.lower() != str(made):
        raise bad_fields(FieldError("contact_id", "is not the report that was sent with this Idempotency-Key"))
    contact = contact_of(
        source,
        channel,
        f"photo:{made}:{photo.sent_sha256}",
        thread=None,
        now=now,
        ticket=made,
        event="photo",
        occurred_at=now,
        attachments=(Attachment(kind="image", ref=photo.ref, sha256=photo.sha256),),
        facts={TIMED_BY_US: True},
        raw_sha256=photo.sent_sha256,
    )
    return Accepted(contact)


def read_report(model: type[R], body: bytes, idempotency_key: str | None) -> Heard[R]:
    """Read and check a report.

    Raises:
        PayloadRefusedError: it cannot become a contact.
    """
    read = read_object(body)
    payload = validated(model, read)
    own_id = required_event_id(idempotency_key, payload.event_id)
    if payload.reported_at is not None and payload.reported_at.tzinfo is None:
        raise bad_fields(_NO_OFFSET)
    if not payload.says_what():
        raise bad_fields(FieldError("text", "say what it is about: text, business_type or hazard is required"))
    return Heard(payload, own_id, read.sha256, ignored_fields(model, read))
