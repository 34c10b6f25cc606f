"""Amazon Connect: what a contact flow sends to a Lambda function, and contact events from EventBridge.

Decided here: which of the two it is, and what it means. A flow's invocation says what it is about in its Parameters,
which the flow's author sets: ``event``, ``menu_path`` (``1.2``), ``digits``, ``account_no``, ``language``, ``text``
(what was heard), ``occurred_at``, ``event_id``; without ``event`` it is a call's start. Attributes of the contact with
the same names fill in what Parameters leave out, but not ``event_id`` and ``occurred_at``: the contact carries its
attributes through all steps of the call, and those are of one. A contact event carries no telephone number.

Sources: AWS's documentation of Connect (Lambda functions: the event; contact events: the data model) and the samples
that aws_lambda_events and @types/aws-lambda publish, which disagree on ``Name`` and on the case of ``Channel``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from services.intake.channels.contact import Accepted, NotAContact
from services.intake.channels.payload import Read, event_id, read_object
from services.intake.channels.refusal import FieldError, bad_fields
from services.intake.channels.vendor import accept_call, menu_path, number_of, part

if TYPE_CHECKING:
    from datetime import datetime

    from services.intake.channels.source import PhoneSource

_CONTACT_EVENT: Final = "Amazon Connect Contact Event"
_KINDS: Final = {
    "INITIATED": "started",
    "CONNECTED_TO_AGENT": "queue_exit",
    "DISCONNECTED": "ended",
}
_NAMES: Final = {
    "external_call_id": "ContactId",
    "linked_call_id": "InitialContactId",
    "ani": "CustomerEndpoint.Address",
    "dnis": "SystemEndpoint.Address",
    "queue": "Queue.Name",
    "source_event_id": "Parameters.event_id",
    "transcript": "Parameters.text",
    **{
        name: f"Parameters.{name}" for name in ("event", "menu_path", "digits", "account_no", "language", "occurred_at")
    },
}
_EVENT_NAMES: Final = {
    "external_call_id": "detail.contactId",
    "linked_call_id": "detail.initialContactId",
    "occurred_at": "time",
    "agent_id": "detail.agentInfo.agentArn",
    "queue": "detail.queueInfo",
    "source_event_id": "id",
}


def accept(source: PhoneSource, body: bytes, idempotency_key: str | None, now: datetime) -> Accepted | NotAContact:
    """Turn what Connect sent into a contact, or into nothing where it is not a call.

    Raises:
        PayloadRefusedError: it cannot become a contact.
    """
    read = read_object(body)
    if read.fields.get("detail-type") == _CONTACT_EVENT:
        return _contact_event(source, read, idempotency_key, now)
    details = part(read.fields, "Details")
    data = part(details, "ContactData", where="Details.")
    if not data:
        raise bad_fields(FieldError("Details.ContactData", "is required, or detail-type of a contact event"))
    if not _is_voice(data.get("Channel")):
        return NotAContact("channel")
    own = part(details, "Parameters", where="Details.")
    said = {**part(data, "Attributes"), **own}
    event = said.get("event") or "started"
    queue = part(data, "Queue")
    told: dict[str, Any] = {
        "external_call_id": data.get("ContactId"),
        "linked_call_id": data.get("InitialContactId"),
        "event": event,
        "occurred_at": own.get("occurred_at"),
        "ani": number_of(part(data, "CustomerEndpoint").get("Address")),
        "dnis": number_of(part(data, "SystemEndpoint").get("Address")),
        "language": said.get("language") or data.get("LanguageCode"),
        "menu_path": menu_path(said.get("menu_path")),
        "digits": said.get("digits"),
        "account_no": said.get("account_no"),
        "transcript": {"text": said["text"]} if said.get("text") else None,
        "queue": {"name": queue.get("Name"), "answered": False} if event == "queue_exit" else None,
    }
    given = _text(own.get("event_id"))
    return accept_call(source, told, _NAMES, sha256=read.sha256, now=now, given_id=event_id(idempotency_key, given))


def _contact_event(
    source: PhoneSource, read: Read, idempotency_key: str | None, now: datetime
) -> Accepted | NotAContact:
    """Read a contact event: that the call began, reached an agent, or is over."""
    detail = part(read.fields, "detail")
    kind = _KINDS.get(_text(detail.get("eventType")) or "")
    if kind is None or not _is_voice(detail.get("channel")) or detail.get("initiationMethod") == "OUTBOUND":
        return NotAContact("contact_event")
    agent = _text(part(detail, "agentInfo", where="detail.").get("agentArn"))
    told: dict[str, Any] = {
        "external_call_id": detail.get("contactId"),
        "linked_call_id": detail.get("initialContactId"),
        "event": kind,
        "occurred_at": read.fields.get("time"),
        "agent_id": agent and agent.rpartition("/")[2],
        "queue": {"answered": True} if kind == "queue_exit" else None,
    }
    given = _text(read.fields.get("id"))
    return accept_call(
        source, told, _EVENT_NAMES, sha256=read.sha256, now=now, given_id=event_id(idempotency_key, given)
    )


def _is_voice(channel: object) -> bool:
    return isinstance(channel, str) and channel.upper() == "VOICE"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
