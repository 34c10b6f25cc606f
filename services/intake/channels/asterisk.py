"""Asterisk: events of its REST interface (ARI, JSON) and of its manager interface (AMI, text or JSON).

Decided here: which events say what a caller wants. The telling one is the dialplan's own, ``UserEvent(gridline,…)``,
with ``event``, ``menu_path``, ``account_no``, ``language``, ``text``: the dialplan knows what a key meant. A bare key
press counts only in a dialplan context that the source lists under ``menu_contexts``: elsewhere keys may be an account
number or a password. AMI joins the legs of a call by ``Linkedid``; ARI does not, so a dialplan sends it as ``linkedid``
or keeps to the first leg.

Sources: docs.asterisk.org (AMI and ARI events). ARI's times look like ``2026-07-14T19:30:31.002+0800``; AMI has a time
only with ``timestampevents=yes``.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from services.intake.channels.contact import Accepted, NotAContact
from services.intake.channels.payload import event_id, is_utf8, read_object
from services.intake.channels.refusal import FieldError, PayloadRefusedError, Reason, bad_fields
from services.intake.channels.vendor import accept_call, decimal_of, digest, menu_path, number_of, part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.intake.channels.source import PhoneSource

_MOST_LINES: Final = 200
_USER_EVENT: Final = "gridline"
_LAST_SECOND: Final = 7_258_118_400  # the year 2200

_ARI_NAMES: Final = {
    "external_call_id": "channel.id",
    "linked_call_id": "userevent.linkedid",
    "event": "userevent.event",
    "occurred_at": "timestamp",
    "ani": "channel.caller.number",
    "dnis": "channel.dialplan.exten",
    "language": "channel.language",
    "digits": "digit",
    "recording": "recording",
    "menu_path": "userevent.menu_path",
    "account_no": "userevent.account_no",
    "transcript": "userevent.text",
    "queue": "userevent.answered",
}
_AMI_NAMES: Final = {
    "external_call_id": "Uniqueid",
    "linked_call_id": "Linkedid",
    "event": "event",
    "occurred_at": "Timestamp",
    "ani": "CallerIDNum",
    "dnis": "Exten",
    "language": "Language",
    "digits": "Digit",
    "queue": "HoldTime",
    "agent_id": "MemberName",
    "menu_path": "menu_path",
    "account_no": "account_no",
    "transcript": "text",
}

_AMI_READ: Final = frozenset(name.lower() for name in _AMI_NAMES.values())


def accept(source: PhoneSource, body: bytes, idempotency_key: str | None, now: datetime) -> Accepted | NotAContact:
    """Turn an event into a contact, or into nothing where it says nothing of what the caller wants.

    Raises:
        PayloadRefusedError: it cannot become a contact.
    """
    body = body.removeprefix(BOM_UTF8)
    if body.lstrip()[:1] == b"{":
        read = read_object(body)
        fields, sha256 = read.fields, read.sha256
        if "Event" not in fields:
            return _ari(source, fields, sha256, event_id(idempotency_key, None), now)
        for name, value in fields.items():
            if not isinstance(value, str):
                raise bad_fields(FieldError(name[:200], "must be text, as AMI sends it"))
    else:
        fields = _lines(body)
        sha256 = digest(fields)
    return _ami(source, fields, sha256, event_id(idempotency_key, None), now)


def _lines(body: bytes) -> dict[str, Any]:
    """Read ``Name: value`` lines of one event.

    Only a line feed ends one, as AMI writes them: a caller chooses the name their telephone shows, and Unicode's other
    line breaks in it would be lines of theirs before the dialplan's. That name comes in any encoding, and what is not
    UTF-8 is refused only in a field that is read.
    """
    lines = body.strip().split(b"\n")
    if len(lines) > _MOST_LINES:
        raise PayloadRefusedError(Reason.TOO_MANY_PARTS, f"The event has more than {_MOST_LINES} lines.")
    fields: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        name, colon, value = (part.strip() for part in line.decode(errors="replace").partition(":"))
        if not colon or not name:
            raise PayloadRefusedError(Reason.MALFORMED, f"Line {number} is not “Name: value” of one AMI event.")
        if name.lower() in _AMI_READ and not is_utf8(line):
            raise PayloadRefusedError(Reason.NOT_UTF8, f"{name[:200]} is not UTF-8.")
        fields.setdefault(name, value)
    if "Event" not in fields:
        raise PayloadRefusedError(Reason.MALFORMED, "The body is neither an AMI event nor JSON.")
    return fields


def _ami(
    source: PhoneSource, fields: Mapping[str, str], sha256: str, given_id: str | None, now: datetime
) -> Accepted | NotAContact:
    lower = {name.lower(): value for name, value in fields.items()}
    kind = fields["Event"]
    call, linked = lower.get("uniqueid"), lower.get("linkedid")
    first_leg = linked in {None, "", call}
    what: dict[str, Any]
    if kind == "UserEvent" and lower.get("userevent", "").lower() == _USER_EVENT:
        what = _said(lower)
    elif kind == "Newchannel" and first_leg:
        what = {"event": "started"}
    elif kind == "DTMFEnd" and lower.get("context") in source.menu_contexts and lower.get("direction") != "Sent":
        what = {"event": "dtmf", "digits": lower.get("digit")}
    elif kind == "QueueCallerAbandon":
        what = {"event": "queue_exit", "queue": _queue(lower, answered=False)}
    elif kind == "AgentConnect":
        agent = lower.get("membername") or lower.get("interface")
        what = {"event": "queue_exit", "queue": _queue(lower, answered=True), "agent_id": agent}
    elif kind == "Hangup" and first_leg:
        what = {"event": "ended"}
    else:
        return NotAContact(kind)
    told = {
        "external_call_id": call,
        "linked_call_id": linked,
        "occurred_at": _epoch(lower.get("timestamp")),
        "ani": number_of(lower.get("calleridnum")),
        "dnis": number_of(lower.get("exten")),
        "language": lower.get("language"),
        **what,
    }
    return accept_call(source, told, _AMI_NAMES, sha256=sha256, now=now, given_id=given_id)


def _ari(
    source: PhoneSource, fields: Mapping[str, Any], sha256: str, given_id: str | None, now: datetime
) -> Accepted | NotAContact:
    kind = fields.get("type")
    if not isinstance(kind, str):
        raise bad_fields(FieldError("type", "is required: the ARI event's type, or Event of an AMI event"))
    channel = part(fields, "channel")
    dialplan, caller = part(channel, "dialplan", where="channel."), part(channel, "caller", where="channel.")
    user = part(fields, "userevent")
    what: dict[str, Any]
    if kind == "ChannelUserevent" and str(fields.get("eventname", "")).lower() == _USER_EVENT:
        what = _said(user)
    elif kind == "StasisStart":
        what = {"event": "started"}
    elif kind == "ChannelDtmfReceived" and str(dialplan.get("context")) in source.menu_contexts:
        what = {"event": "dtmf", "digits": fields.get("digit")}
    elif kind == "ChannelDestroyed":
        what = {"event": "ended"}
    else:
        return NotAContact(kind)
    told = {
        "external_call_id": channel.get("id"),
        "linked_call_id": user.get("linkedid"),
        "occurred_at": fields.get("timestamp"),
        "ani": number_of(caller.get("number")),
        "dnis": number_of(dialplan.get("exten")),
        "language": channel.get("language"),
        **{name: value for name, value in what.items() if value is not None},
    }
    return accept_call(source, told, _ARI_NAMES, sha256=sha256, now=now, given_id=given_id)


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the dialplan says of the call."""
    answered = fields.get("answered")
    queue = None if answered is None else {"answered": str(answered).lower() in {"1", "yes", "true"}}
    return {
        "event": fields.get("event"),
        "menu_path": menu_path(fields.get("menu_path")),
        "account_no": fields.get("account_no"),
        "language": fields.get("language"),
        "transcript": {"text": fields["text"]} if fields.get("text") else None,
        "queue": queue,
    }


def _queue(fields: Mapping[str, str], *, answered: bool) -> dict[str, Any]:
    waited = decimal_of(fields.get("holdtime"), "HoldTime")
    return {"name": fields.get("queue") or None, "answered": answered, "wait_s": waited}


def _epoch(text: str | None) -> str | None:
    seconds = decimal_of(text, "Timestamp")
    if seconds is None:
        return None
    if not 0 <= seconds < _LAST_SECOND:
        raise bad_fields(FieldError("Timestamp", "is not seconds since 1970"))
    return datetime.fromtimestamp(seconds, UTC).isoformat()
