"""Huawei CEC: what a flow's HTTP node posts of a call, under the names of the flow's own system variables.

Decided here: what they mean. ``SYS.callId`` and its fellows stand flat or in an object ``SYS``; beside them the flow
says ``event``, ``menu_path`` (``1.2``), ``digits``, ``account_no``, ``text``, ``answered``, ``agent_id``,
``occurred_at``, ``event_id``. ``SYS.createTime`` (``20261122083000``) is when the call began and names no time zone:
the source's ``default_offset`` is taken, and it is the time of a call's start only.

Source: support.huaweicloud.com, CEC system variables.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from services.intake.channels.payload import event_id, read_object
from services.intake.channels.refusal import FieldError, bad_fields
from services.intake.channels.vendor import accept_call, menu_path, number_of, part

if TYPE_CHECKING:
    from services.intake.channels.contact import Accepted
    from services.intake.channels.source import PhoneSource

_CREATED: Final = re.compile(r"[0-9]{14}")
_NAMES: Final = {
    "external_call_id": "SYS.callId",
    "linked_call_id": "SYS.cti_callid",
    "ani": "SYS.callingNumber",
    "dnis": "SYS.calledNumber",
    "language": "SYS.language",
    "transcript": "text",
    "queue": "answered",
    "source_event_id": "event_id",
}


def accept(source: PhoneSource, body: bytes, idempotency_key: str | None, now: datetime) -> Accepted:
    """Turn a flow's post into a contact.

    Raises:
        PayloadRefusedError: it cannot become a contact.
    """
    read = read_object(body)
    fields = read.fields
    system = {**part(fields, "SYS"), **{n.removeprefix("SYS."): v for n, v in fields.items() if n.startswith("SYS.")}}
    event = fields.get("event") or "started"
    answered = fields.get("answered")
    told: dict[str, Any] = {
        "external_call_id": _id(system.get("callId")),
        "linked_call_id": _id(system.get("cti_callid")),
        "event": event,
        "occurred_at": fields.get("occurred_at")
        or (_created(system.get("createTime")) if event == "started" else None),
        "ani": number_of(system.get("callingNumber")),
        "dnis": number_of(system.get("realCalledNumber")) or number_of(system.get("calledNumber")),
        "language": system.get("language"),
        "menu_path": menu_path(fields.get("menu_path")),
        "digits": fields.get("digits"),
        "account_no": fields.get("account_no"),
        "agent_id": fields.get("agent_id"),
        "transcript": {"text": fields["text"]} if fields.get("text") else None,
        "queue": None if answered is None else {"answered": answered},
    }
    given = fields.get("event_id")
    if given is not None and not isinstance(given, str):
        raise bad_fields(FieldError("event_id", "must be text"))
    return accept_call(source, told, _NAMES, sha256=read.sha256, now=now, given_id=event_id(idempotency_key, given))


def _id(value: object) -> object:
    """Take a number for text: a flow that has a call id as a number means its digits."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _created(value: object) -> str | None:
    if value is None or value == "":
        return None
    wrong = bad_fields(FieldError("SYS.createTime", "is not a time such as 20261122083000"))
    text = str(value)
    if not _CREATED.fullmatch(text):
        raise wrong
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").isoformat()  # noqa: DTZ007 - the source's offset is added later
    except ValueError:
        raise wrong from None
