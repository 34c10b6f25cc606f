"""Twilio's voice webhooks: form fields, signed with the account's auth token.

Decided here: which webhook is which event of a call. What is said of the menu comes in the query of the addresses
that the call's TwiML names (the signature covers it): ``menu_path`` chosen so far, ``account_no``, ``language``, and
``gather=account`` where the keys asked for are an account number. Twilio sends most webhooks without a time.

Never here: ``I-Twilio-Idempotency-Token``, since no signature covers it; an event is named by all it says.

Sources: twilio.com/docs/usage/security (validating requests), /docs/voice/twiml (gather, dial, enqueue, record),
/docs/voice/api/call-resource (status callbacks).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from services.intake.channels.contact import Accepted, NotAContact
from services.intake.channels.phone import DEEPEST_MENU, LONGEST_KEY
from services.intake.channels.refusal import FieldError, PayloadRefusedError, Reason, bad_fields
from services.intake.channels.vendor import accept_call, decimal_of, digest, menu_path, number_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from services.intake.channels.source import TwilioSource

Form = tuple[tuple[str, str], ...]

_MOST_FIELDS: Final = 200
_OVER: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_UNDER_WAY: Final = frozenset({"queued", "ringing", "in-progress"})
_REACHED_AGENT: Final = frozenset({"bridged", "bridging-in-process", "completed", "answered"})
_NAMES: Final = {
    "external_call_id": "CallSid",
    "linked_call_id": "ParentCallSid",
    "ani": "From",
    "dnis": "To",
    "digits": "Digits",
    "transcript": "SpeechResult",
    "recording": "RecordingUrl",
    "queue": "QueueTime",
    "occurred_at": "Timestamp",
    "menu_path": "menu_path",
    "account_no": "account_no",
    "language": "language",
}


def read_form(body: bytes) -> Form:
    """Read the fields of a form, in order.

    Raises:
        PayloadRefusedError: it is not UTF-8, or has too many fields.
    """
    try:
        text = body.decode()
        return tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
    except UnicodeDecodeError:
        raise PayloadRefusedError(Reason.NOT_UTF8, "The form is not UTF-8.") from None
    except ValueError:
        raise PayloadRefusedError(Reason.TOO_MANY_PARTS, f"The form has more than {_MOST_FIELDS} fields.") from None


def signature(token: str, url: str, form: Form) -> str:
    """Return what ``X-Twilio-Signature`` must be: HMAC-SHA1 of the address and every field, sorted by name."""
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    made = hmac.new(token.encode(), signed.encode("utf-8", "surrogatepass"), hashlib.sha1)
    return base64.b64encode(made.digest()).decode()


def signed(token: str, url: str, form: Form, given: str) -> bool:
    """Whether ``given`` is the signature, compared in constant time."""
    return hmac.compare_digest(signature(token, url, form).encode(), given.encode("utf-8", "surrogatepass"))


def accept(source: TwilioSource, form: Form, query: str, now: datetime) -> Accepted | NotAContact:
    """Turn a webhook into a contact, or into nothing where it tells nothing of what the caller wants.

    Args:
        source: The account.
        form: The fields of the body.
        query: What followed the question mark in the address.
        now: When it arrived.

    Raises:
        PayloadRefusedError: it cannot become a contact.
    """
    fields = dict(form)
    ours = dict(read_form(query.encode("utf-8", "surrogatepass")))
    what = _what(fields, ours)
    if isinstance(what, NotAContact):
        return what
    outbound = fields.get("Direction", "").startswith("outbound")
    told = {
        "external_call_id": fields.get("CallSid"),
        "linked_call_id": fields.get("ParentCallSid"),
        "ani": number_of(fields.get("To" if outbound else "From")),
        "dnis": number_of(fields.get("From" if outbound else "To")),
        "language": ours.get("language"),
        "menu_path": menu_path(ours.get("menu_path")),
        "account_no": ours.get("account_no"),
        "occurred_at": _time(fields.get("Timestamp")),
        **what,
    }
    return accept_call(source, told, _NAMES, sha256=digest([sorted(form), sorted(ours.items())]), now=now)


def _what(fields: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, Any] | NotAContact:
    """Return the event and what it alone says, by the fields that only its webhook has."""
    status = fields.get("CallStatus", "")
    # Before the recording: what a transcription is of comes with its text.
    if heard := fields.get("TranscriptionText") or fields.get("SpeechResult"):
        confidence = decimal_of(fields.get("Confidence"), "Confidence")
        return {"event": "transcript", "transcript": {"text": heard, "confidence": confidence}}
    if "TranscriptionSid" in fields:
        return NotAContact("transcription")
    if "RecordingUrl" in fields and "RecordingSid" in fields:
        if fields.get("RecordingStatus", "completed") != "completed":
            return NotAContact("recording")
        duration = decimal_of(fields.get("RecordingDuration"), "RecordingDuration")
        return {"event": "recording", "recording": {"url": fields["RecordingUrl"], "duration": duration}}
    if "Digits" in fields:
        return _keys(fields["Digits"], ours)
    if "QueueResult" in fields or "DialCallStatus" in fields:
        answered = (fields.get("QueueResult") or fields.get("DialCallStatus")) in _REACHED_AGENT
        return {
            "event": "queue_exit",
            "queue": {"answered": answered, "wait_s": decimal_of(fields.get("QueueTime"), "QueueTime")},
        }
    if status in _OVER:
        return {"event": "ended"}
    if status in _UNDER_WAY and "CallbackSource" not in fields:
        return {"event": "started"}
    return NotAContact(status)


def _keys(digits: str, ours: Mapping[str, str]) -> dict[str, Any] | NotAContact:
    """Return what the caller keyed in: the next choice of the menu, or the account number that was asked for.

    Keys that can be neither are none: a refusal would be heard as an application error, and end the call.
    """
    account = ours.get("gather") == "account"
    keyed = digits.rstrip("#") if account else digits
    if not keyed or (not account and len(keyed) > LONGEST_KEY):
        return NotAContact("no_keys")
    if account:
        return {"event": "dtmf", "account_no": keyed}
    path = [*(menu_path(ours.get("menu_path")) or ()), keyed]
    return {"event": "dtmf", "digits": keyed, "menu_path": path[:DEEPEST_MENU]}


def _time(text: str | None) -> str | None:
    """Return ISO 8601 of a status callback's time, such as ``Wed, 02 Sep 2026 06:22:41 +0000``."""
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).isoformat()
    except (ValueError, OverflowError):
        raise bad_fields(FieldError("Timestamp", "is not a date and time as in RFC 2822")) from None


def twiml(say: str | None, language: str | None, continue_url: str | None) -> bytes:
    """Return what Twilio does next: say something, go on elsewhere."""
    inside = ""
    if say:
        spoken = f" language={quoteattr(language)}" if language else ""
        inside += f"<Say{spoken}>{escape(say)}</Say>"
    if continue_url:
        inside += f'<Redirect method="POST">{escape(continue_url)}</Redirect>'
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>'.encode()
