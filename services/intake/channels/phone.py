"""The telephone: one event of a call, as an IVR or call-centre platform reports it.

Decided here: one call is one ticket, whatever the number and order of its events; which menu choice means which
business type; when an abandoned call is still a report. An event without an id is identified by its call, its kind and
the digest of its content, its time included. Each event stands alone, since nothing is remembered here: a sender
repeats ``menu_path`` on ``queue_exit`` and ``ended`` where it can. Where it cannot, an abandoned call is unconfirmed
whatever it was about; the router knows from the call's other events whether it was a fault.

Never here: the digits a caller keyed in, which may be a password. What matters of them comes as ``menu_path`` and
``account_no``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, StrictBool, StrictFloat, StringConstraints

from services.contracts.values import Attachment, Channel, Name, Sha256, Text
from services.grid.phone import phone_key
from services.intake.channels.contact import Accepted, contact_of, contact_of_checked, reply_to
from services.intake.channels.payload import (
    Instant,
    Locale,
    Payload,
    event_id,
    ignored_fields,
    language_tag,
    read_object,
    validated,
)
from services.intake.channels.reference import wrong_reference
from services.intake.channels.refusal import FieldError, bad_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from services.contracts.messages import ContactReceived
    from services.intake.channels.source import CallSource, PhoneSource

LONGEST_KEY: Final = 16
"""Most keys of one choice of a menu."""
DEEPEST_MENU: Final = 10

CallId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]
Number = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=64)]
MenuKey = Annotated[str, StringConstraints(pattern=rf"^[0-9A-Za-z*#]{{1,{LONGEST_KEY}}}$")]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[\x21-\x7e]+$", max_length=2000)]

_A_DAY_S: Final = 86_400
_DIGEST: Final = 32


class Transcript(Payload):
    """What speech recognition heard so far."""

    text: Text
    lang: Locale | None = None
    confidence: StrictFloat | None = Field(default=None, ge=0, le=1)
    final: StrictBool = Field(default=True, description="False for an interim result")


class Recording(Payload):
    """Where the recording is; it is not fetched here."""

    url: HttpUrl = Field(description="At a host of the source's recording_hosts, if it has any; else no IP address")
    sha256: Sha256 | None = None
    duration: StrictFloat | None = Field(default=None, ge=0, le=_A_DAY_S, description="Seconds")


class QueueLeg(Payload):
    """The caller's wait for an agent."""

    name: Name | None = None
    entered: Instant | None = Field(default=None, description="When the caller began to wait")
    answered: StrictBool = Field(description="False: the caller gave up, or was sent away")
    wait_s: StrictFloat | None = Field(default=None, ge=0, le=_A_DAY_S, description="Seconds")


class PhoneEvent(Payload):
    """One event of one call. Events may come late, repeated and in any order; the last is ``ended``."""

    source: Name | None = Field(default=None, description="If sent, it must be the source the API key belongs to")
    event_id: Name | None = Field(default=None, description="Derived from the content if absent")
    external_call_id: CallId = Field(description="Your id of this call or call leg")
    linked_call_id: CallId | None = Field(
        default=None, description="Id that all legs of the call share; they become one ticket"
    )
    event: Literal["started", "dtmf", "transcript", "recording", "queue_exit", "ended"]
    occurred_at: Instant = Field(description="With an offset, unless this source has a default_offset")
    ani: Number | None = Field(default=None, description="Calling number; withheld, shared or false at times")
    dnis: Number | None = Field(default=None, description="Number called")
    language: Locale | None = Field(default=None, description="What the caller chose", examples=["zh-Hans-CN"])
    menu_path: tuple[MenuKey, ...] = Field(
        default=(), max_length=DEEPEST_MENU, description="Menu choices so far, from the top"
    )
    digits: Annotated[str, StringConstraints(pattern=r"^[0-9A-D*#]{0,64}$")] | None = Field(
        default=None, description="Keys pressed; read only as a menu choice where menu_path is absent, never kept"
    )
    transcript: Transcript | None = None
    recording: Recording | None = None
    queue: QueueLeg | None = None
    agent_id: Name | None = None
    account_no: Name | None = Field(default=None, description="Account the caller keyed in, as text")


_NEEDS: Final = {"transcript": "transcript", "recording": "recording", "queue_exit": "queue"}


def accept(source: PhoneSource, body: bytes, idempotency_key: str | None, now: datetime) -> Accepted:
    """Turn a call event into a contact.

    Raises:
        PayloadRefusedError: it cannot become a contact.
    """
    read = read_object(body)
    event = validated(PhoneEvent, read)
    given_id = event_id(idempotency_key, event.event_id)
    contact = contact_of_event(
        source, event, now=now, sha256=read.sha256, given_id=given_id, made_by=contact_of_checked
    )
    return Accepted(contact, ignored_fields(PhoneEvent, read))


def contact_of_event(
    source: CallSource,
    event: PhoneEvent,
    *,
    now: datetime,
    sha256: str,
    given_id: str | None,
    more_facts: Mapping[str, str | float | bool] | None = None,
    made_by: Callable[..., ContactReceived] = contact_of,
) -> ContactReceived:
    """Return the contact of a call event, whichever system's words it was read from.

    Args:
        source: Who sent it.
        event: The event in our words.
        now: When it arrived.
        sha256: Of what was sent; it also names an event that has no id of its own.
        given_id: The sender's id of the event.
        more_facts: What only this sender knows.
        made_by: ``contact_of``, or ``contact_of_checked`` where all of it was read by ``PhoneEvent``.

    Raises:
        PayloadRefusedError: it cannot become a contact.
    """
    occurred_at = _checked(source, event)
    path = event.menu_path or ((event.digits,) if event.digits and event.event == "dtmf" else ())
    business_type = source.business_type(path)
    abandoned = _abandoned(event)
    caller = event.ani if phone_key(event.ani) else None
    transcript = event.transcript
    return made_by(
        source,
        Channel.PHONE,
        given_id or f"{event.external_call_id}:{event.event}:{sha256[:_DIGEST]}",
        thread=event.linked_call_id or event.external_call_id,
        now=now,
        event=event.event,
        occurred_at=occurred_at,
        business_type=business_type,
        text=transcript.text if transcript else None,
        language=language_tag(event.language or (transcript.lang if transcript else None)),
        account_id=event.account_no,
        phone=caller,
        reply_to=reply_to(Channel.PHONE, caller),
        attachments=_attachments(event),
        hazard=source.is_hazard(path),
        final=event.event == "ended" or (event.event == "queue_exit" and abandoned),
        unconfirmed=abandoned and (business_type in source.fault_types or not path),
        facts={**_facts(event, abandoned=abandoned, known_caller=caller is not None), **(more_facts or {})},
        raw_sha256=sha256,
    )


def _checked(source: CallSource, event: PhoneEvent) -> datetime:
    """Check what one field demands of another; return the time with its offset."""
    wrong = []
    occurred_at = event.occurred_at
    if occurred_at.tzinfo is None:
        occurred_at = occurred_at.replace(tzinfo=source.default_offset)
    if occurred_at.tzinfo is None:
        wrong.append(FieldError("occurred_at", "has no offset, and this source has no default_offset"))
    if event.source is not None and event.source != source.name:
        wrong.append(FieldError("source", "is not the source this API key belongs to"))
    if event.recording is not None and (why := wrong_reference(event.recording.url, source.recording_hosts)):
        wrong.append(FieldError("recording.url", why))
    needed = _NEEDS.get(event.event)
    if needed is not None and getattr(event, needed) is None:
        wrong.append(FieldError(needed, f"is required when event is {event.event}"))
    if event.event == "dtmf" and not event.menu_path and not event.digits and not event.account_no:
        wrong.append(FieldError("menu_path", "this, digits or account_no is required when event is dtmf"))
    if wrong:
        raise bad_fields(*wrong)
    return occurred_at


def _abandoned(event: PhoneEvent) -> bool:
    """Whether the caller went without having spoken to anyone: in the queue, or still in the menu."""
    if event.event == "queue_exit":
        return event.queue is not None and not event.queue.answered
    if event.event == "ended":
        answered = event.agent_id is not None or (event.queue is not None and event.queue.answered)
        return not answered and event.transcript is None
    return False


def _attachments(event: PhoneEvent) -> tuple[Attachment, ...]:
    recording = event.recording
    return () if recording is None else (Attachment(kind="recording", ref=recording.url, sha256=recording.sha256),)


def _facts(event: PhoneEvent, *, abandoned: bool, known_caller: bool) -> dict[str, Any]:
    """What only a call knows."""
    queue, transcript, recording = event.queue, event.transcript, event.recording
    facts: dict[str, Any] = {"call_id": event.external_call_id}
    if event.menu_path:
        facts["menu_path"] = ".".join(event.menu_path)
    if event.dnis:
        facts["dnis"] = event.dnis
    if event.ani is not None and not known_caller:
        facts["caller_withheld"] = True
    if abandoned:
        facts["abandoned"] = True
    if event.agent_id is not None:
        facts["agent_id"] = event.agent_id
    if queue is not None:
        facts |= _told(answered=queue.answered, queue=queue.name, queue_wait_s=queue.wait_s)
    if transcript is not None:
        facts |= _told(transcript_final=transcript.final, transcript_confidence=transcript.confidence)
    if recording is not None:
        facts |= _told(recording_s=recording.duration)
    return facts


def _told(**facts: Any) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact is not None}
