"""A WeChat official account: what the platform posts, in plaintext XML.

Decided here: which messages and events are contacts. A message is always one, of a kind we know or not, since a
citizen waits for an answer; an event is one only where it says what the citizen wants (a menu click that is
configured). ``LOCATION`` fires whenever a chat is opened and never opens a ticket.

Source of the formats: developers.weixin.qq.com, official-account message management and message push.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from pydantic import ValidationError

from services.contracts.values import Attachment, Channel, Position
from services.intake.channels.contact import Accepted, contact_of, reply_to
from services.intake.channels.refusal import FieldError, PayloadRefusedError, Reason, bad_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.intake.channels.source import WeChatSource

_MOST_TAGS: Final = 400
_LONGEST_NAME: Final = 128
_LONGEST_TEXT: Final = 4000
_LONGEST_ADDRESS: Final = 500
_YEARS: Final = range(1970, 2200)
_MEDIA: Final = {"image": "image", "voice": "voice", "video": "video", "shortvideo": "video"}
_KNOWN: Final = frozenset({"text", "location", "link", *_MEDIA})


@dataclass(frozen=True, slots=True)
class NotAContact:
    """An event the platform is only told ``success`` for."""

    event: str


def signature(token: str, timestamp: str, nonce: str) -> str:
    """Return sha1 of the sorted token, timestamp and nonce, in hexadecimal: how the platform signs a request.

    It does not cover the body: that is the platform's scheme in plaintext mode.
    """
    return hashlib.sha1("".join(sorted((token, timestamp, nonce))).encode(), usedforsecurity=False).hexdigest()


def signed(token: str, timestamp: str, nonce: str, given: str) -> bool:
    """Whether ``given`` is the signature, compared in constant time."""
    return hmac.compare_digest(signature(token, timestamp, nonce).encode(), given.encode())


def accept(source: WeChatSource, body: bytes, now: datetime) -> Accepted | NotAContact:
    """Turn what the platform posted into a contact, or into nothing where no citizen wants anything.

    Raises:
        PayloadRefusedError: it is not a message of this account.
    """
    fields = _read(body)
    wrong = [FieldError(name, "is missing or empty") for name in _REQUIRED if not fields.get(name)]
    wrong += [FieldError(name, f"is longer than {_LONGEST_NAME}") for name in _REQUIRED if _long(fields.get(name, ""))]
    if fields.get("ToUserName") not in {None, "", source.name}:
        wrong.append(FieldError("ToUserName", "is not the account of this address"))
    occurred_at = _time(fields.get("CreateTime", ""))
    if fields.get("CreateTime") and occurred_at is None:
        wrong.append(FieldError("CreateTime", "is not a time in seconds since 1970"))
    if wrong or occurred_at is None:
        raise bad_fields(*wrong)
    if fields["MsgType"] == "event":
        told = _click(source, fields)
        if told is None:
            return NotAContact(fields.get("Event", "")[:_LONGEST_NAME])
    else:
        told = _message(source, fields)
    openid = fields["FromUserName"]
    return Accepted(
        contact_of(
            source,
            Channel.WECHAT,
            _event_id(fields),
            thread=None,
            now=now,
            occurred_at=occurred_at,
            reply_to=reply_to(Channel.WECHAT, openid, source.name),
            raw_sha256=hashlib.sha256(body).hexdigest(),
            **told,
        )
    )


_REQUIRED: Final = ("ToUserName", "FromUserName", "CreateTime", "MsgType")


def _read(body: bytes) -> Mapping[str, str]:
    """Read the flat XML of the platform: the text of each child of ``<xml>``."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PayloadRefusedError(Reason.NOT_UTF8, "The body is not UTF-8.") from None
    if body.count(b"<") > _MOST_TAGS:
        raise PayloadRefusedError(Reason.TOO_MANY_PARTS, f"The body has more than {_MOST_TAGS} tags.")
    try:
        root = fromstring(text, forbid_dtd=True)
    except DefusedXmlException:
        raise PayloadRefusedError(Reason.MALFORMED, "The body has a DTD or an entity; neither is accepted.") from None
    except (ParseError, ValueError, LookupError):
        raise PayloadRefusedError(Reason.MALFORMED, "The body is not XML.") from None
    if root.tag != "xml":
        raise PayloadRefusedError(Reason.MALFORMED, "The body is XML, but its root is not <xml>.")
    fields: dict[str, str] = {}
    for child in root:
        if child.tag in fields:
            raise PayloadRefusedError(Reason.MALFORMED, "The body has a field twice.")
        fields[child.tag] = (child.text or "").strip()
    return fields


def _long(value: str) -> bool:
    return len(value) > _LONGEST_NAME


def _time(seconds: str) -> datetime | None:
    if not (seconds.isascii() and seconds.isdigit()) or len(seconds) > len("9999999999"):
        return None
    moment = datetime.fromtimestamp(int(seconds), UTC)
    return moment if moment.year in _YEARS else None


def _event_id(fields: Mapping[str, str]) -> str:
    """Return what is equal in every retry: MsgId, or for an event its sender, second, kind and key.

    Hashed, as an openid is personal and this id is not.
    """
    if fields.get("MsgId"):
        return f"msg:{_digest(fields['MsgId'])}" if _long(fields["MsgId"]) else f"msg:{fields['MsgId']}"
    names = ("FromUserName", "CreateTime", "MsgType", "Event", "EventKey")
    return f"event:{_digest(*(fields.get(name, '') for name in names))}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]


def _click(source: WeChatSource, fields: Mapping[str, str]) -> dict[str, Any] | None:
    """A click on the account's menu, where its key is configured as a business; None for every other event."""
    business_type = source.menu.get(fields.get("EventKey", ""))
    if fields.get("Event", "").upper() != "CLICK" or business_type is None:
        return None
    return {"event": "click", "business_type": business_type, "facts": {"menu_key": fields["EventKey"]}}


def _message(source: WeChatSource, fields: Mapping[str, str]) -> dict[str, Any]:
    """What a citizen sent. A part that does not fit is left out: the platform could not correct it."""
    kind = fields["MsgType"]
    facts: dict[str, Any] = {} if kind in _KNOWN else {"message_type": kind}
    told: dict[str, Any] = {"event": kind if kind in _KNOWN else "other", "facts": facts}
    if kind == "text":
        told["text"] = _clipped(fields.get("Content", ""), facts)
    elif kind in _MEDIA:
        told["text"] = _clipped(fields.get("Recognition", ""), facts)  # voice, where recognition is switched on
        told["attachments"] = _attachment(_MEDIA[kind], fields.get("MediaId", ""), source)
    elif kind == "location":
        told["position"] = _position(source, fields)
        told["address"] = fields.get("Label", "")[:_LONGEST_ADDRESS] or None
    elif kind == "link":
        told["text"] = _clipped("\n".join(filter(None, map(fields.get, ("Title", "Description")))), facts)
        told["attachments"] = _attachment("link", fields.get("Url", ""), None)
    return told


def _clipped(text: str, facts: dict[str, Any]) -> str | None:
    if len(text) > _LONGEST_TEXT:
        facts["text_clipped"] = True
    return text[:_LONGEST_TEXT] or None


def _attachment(kind: str, ref: str, account: WeChatSource | None) -> tuple[Attachment, ...]:
    """By reference: a media id is the platform's and lasts three days."""
    whole = f"wechat-media://{account.name}/{ref}" if account and ref else ref
    try:
        return (Attachment.model_validate({"kind": kind, "ref": whole}),)
    except ValidationError:
        return ()


def _position(source: WeChatSource, fields: Mapping[str, str]) -> Position | None:
    """``Location_X`` is the latitude, ``Location_Y`` the longitude."""
    try:
        lat, lon = float(fields["Location_X"]), float(fields["Location_Y"])
        return Position(lat=lat, lon=lon, crs=source.location_crs)
    except (KeyError, ValueError):
        return None
