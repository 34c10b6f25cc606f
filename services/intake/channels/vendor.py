"""What the adapters of call systems share: translating a vendor's fields into our call event.

Decided here: a refusal names the vendor's own field, an event without a time gets ours, and a language by a name that
is no tag (a folder of sounds, a locale with its encoding) is left out: it must not cost the call.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import ValidationError

from services.intake.channels.contact import TIMED_BY_US, Accepted
from services.intake.channels.payload import decimal
from services.intake.channels.phone import PhoneEvent, contact_of_event
from services.intake.channels.refusal import FieldError, PayloadRefusedError, Reason, bad_fields, from_validation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from services.intake.channels.source import CallSource

_LONGEST_NUMBER: Final = 64
_LONGEST_LOCALE: Final = 35
_LOCALE: Final = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*")


def accept_call(
    source: CallSource,
    told: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    sha256: str,
    now: datetime,
    given_id: str | None = None,
) -> Accepted:
    """Return the contact of a call event.

    Args:
        source: Who sent it.
        told: Fields of ``PhoneEvent``; what is None or empty was not told.
        names: The vendor's name of each field of ours that it may send.
        sha256: Of what was sent.
        now: When it arrived.
        given_id: The sender's id of the event.

    Raises:
        PayloadRefusedError: it cannot become a contact; the fields are named as the vendor names them.
    """
    fields = {name: value for name, value in told.items() if value is not None and value not in ("", [], ())}
    language = fields.get("language")
    if isinstance(language, str) and not (len(language) <= _LONGEST_LOCALE and _LOCALE.fullmatch(language)):
        del fields["language"]
    facts = {} if "occurred_at" in fields else {TIMED_BY_US: True}
    fields.setdefault("occurred_at", now.isoformat())
    try:
        event = PhoneEvent.model_validate(fields)
        contact = contact_of_event(source, event, now=now, sha256=sha256, given_id=given_id, more_facts=facts)
    except ValidationError as error:
        raise _renamed(from_validation(error), names) from None
    except PayloadRefusedError as refusal:
        raise _renamed(refusal, names) from None
    return Accepted(contact)


def digest(told: object) -> str:
    """Return the sha256 of what was sent, whatever the order of its fields."""
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()


def number_of(value: object) -> str | None:
    """Return a calling or called number; what is no short text is as good as withheld."""
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_NUMBER else None


def decimal_of(text: str | None, name: str) -> float | None:
    """Return the number in a vendor's field of text; None where it is absent or empty.

    Raises:
        PayloadRefusedError: it is no number.
    """
    try:
        return decimal(text) if text else None
    except ValueError:
        raise bad_fields(FieldError(name, "is not a number")) from None


def menu_path(dotted: object) -> Any:
    """Return the choices of ``1.2``; one key may come as a number, anything else is left to the check of the event."""
    if isinstance(dotted, str):
        return dotted.split(".") if dotted else None
    if isinstance(dotted, int) and not isinstance(dotted, bool):
        return [str(dotted)]
    return dotted


def part(holder: Mapping[str, Any], name: str, *, where: str = "") -> Mapping[str, Any]:
    """Return a part that is an object; empty where it is absent or null.

    Raises:
        PayloadRefusedError: it is something else.
    """
    found = holder.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise PayloadRefusedError(Reason.BAD_FIELD, f"{where}{name} must be an object.")
    return found


def _renamed(refusal: PayloadRefusedError, names: Mapping[str, str]) -> PayloadRefusedError:
    if refusal.reason is not Reason.BAD_FIELD:
        return refusal
    return bad_fields(
        *(
            replace(field, field=names.get(field.field) or names.get(field.field.partition(".")[0]) or field.field)
            for field in refusal.fields
        )
    )
