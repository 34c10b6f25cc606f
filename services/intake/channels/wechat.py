"""A WeChat official account: what the platform posts, once it is opened and read.

Decided here: which messages and events are contacts. A message is one, of a kind we know or not, since a citizen waits
for an answer, unless it only asks how a report goes on, which notify answers; an event is one only where it says what
the citizen wants (a menu click that is configured). ``LOCATION`` fires whenever a chat is opened and never opens a
ticket.

Source of the formats: developers.weixin.qq.com, official-account message management and message push.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from services.contracts.values import Attachment, Channel, Position
from services.intake.channels.contact import Accepted, NotAContact, contact_of, heard_of, reply_to
from services.intake.channels.conversation import Piece
from services.intake.channels.payload import decimal
from services.intake.channels.phrases import Command, Prompt
from services.intake.channels.refusal import FieldError, PayloadRefusedError, Reason, bad_fields, stranger
from services.intake.channels.source import MessageMode
from services.intake.channels.wechat_cipher import TamperedError, decrypt, signature, signed
from services.intake.channels.wechat_format import read, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.intake.channels.conversation import Talk
    from services.intake.channels.phrases import Phrases
    from services.intake.channels.source import WeChatSource
    from services.intake.channels.wechat_cipher import AesKey
    from services.intake.channels.wechat_format import Format

_LONGEST_NAME: Final = 128
_LONGEST_TEXT: Final = 4000
_LONGEST_ADDRESS: Final = 500
_MEDIA: Final = {"image": "image", "voice": "voice", "video": "video", "shortvideo": "video"}
_KNOWN: Final = frozenset({"text", "location", "link", *_MEDIA})


@dataclass(frozen=True, slots=True)
class Opened:
    """What the platform posted, its signature checked, decrypted and read.

    Attributes:
        fields: The text of each field.
        form: The format it came in, and is answered in.
        sha256: Of the message as it was before it was encrypted: in a retry it is the same.
        key: What it was encrypted with; None in clear.
    """

    fields: Mapping[str, str]
    form: Format
    sha256: str
    key: AesKey | None = None


def opened(source: WeChatSource | None, query: Mapping[str, Any], body: bytes) -> Opened:
    """Check who posted it, decrypt and read it. All that does not fit the account is refused alike.

    Args:
        source: The account of the address; None where there is none such.
        query: The address's query.
        body: What was posted.

    Raises:
        PayloadRefusedError: not from the platform for this account; or from it and not readable.
    """
    if source is None or query.get("encrypt_type", "raw") == "raw":
        require_signature(source, query)
        if source is None or source.mode is MessageMode.SAFE:
            raise stranger()
        return in_clear(body)
    if not source.encoding_aes_keys or source.appid is None:
        require_signature(source, query)
        raise PayloadRefusedError(Reason.MALFORMED, "The platform encrypts, and this account has no encoding_aes_keys.")
    timestamp, nonce, given = (query.get(name, "") for name in ("timestamp", "nonce", "msg_signature"))
    try:
        encrypted = read(body)[1].get("Encrypt", "")
    except PayloadRefusedError:
        raise stranger() from None
    if not signed(given, source.token, timestamp, nonce, encrypted):
        raise stranger()
    try:
        message, key = decrypt(source.encoding_aes_keys, encrypted, source.appid)
    except TamperedError:
        raise stranger() from None
    return in_clear(message, key)


def in_clear(body: bytes, key: AesKey | None = None) -> Opened:
    """Read a message that is not, or no longer, encrypted.

    Raises:
        PayloadRefusedError: it is not readable.
    """
    form, fields = read(body)
    return Opened(fields, form, hashlib.sha256(body).hexdigest(), key)


_NOBODY: Final = "0" * 32


def require_signature(source: WeChatSource | None, query: Mapping[str, Any]) -> None:
    """Refuse a query that is not signed with the account's token; as long for an account that we do not have.

    Raises:
        PayloadRefusedError: no such account, or not its signature.
    """
    timestamp, nonce, given = (query.get(name, "") for name in ("timestamp", "nonce", "signature"))
    fits = signed(given, source.token if source else _NOBODY, timestamp, nonce)
    if source is None or not fits:
        raise stranger()


def accept(source: WeChatSource, message: Opened, now: datetime, talk: Talk) -> Accepted | NotAContact:
    """Turn what the platform posted into a contact, or into none where no citizen wants anything.

    Raises:
        PayloadRefusedError: it is not a message of this account.
    """
    fields = message.fields
    occurred_at = _checked(source, fields)
    openid, event_id = fields["FromUserName"], _event_id(fields)
    if fields["MsgType"] == "event":
        told = _click(source, fields)
        if told is None:
            return _no_contact(source, message, occurred_at, now, talk)
    else:
        told = _message(source, fields)
        if fields["MsgType"] == "text" and (asking := _asks(source, message, occurred_at, now, talk.phrases)):
            return asking
    piece = _piece(source, event_id, occurred_at, told, talk.phrases)
    if piece.account is not None:
        told["account_id"] = piece.account
    if not piece.placed and (hint := talk.conversations.hinted(source.name, openid, occurred_at)):
        told["facts"] |= {"hint_lat": hint[0], "hint_lon": hint[1], "hint_crs": source.location_crs.value}
    turn = talk.turn(source.name, openid, piece)
    contact = contact_of(
        source,
        Channel.WECHAT,
        event_id,
        thread=None,
        ticket=turn.ticket,
        now=now,
        occurred_at=occurred_at,
        reply_to=reply_to(Channel.WECHAT, openid, source.name),
        raw_sha256=message.sha256,
        **told,
    )
    return Accepted(contact, reply=talk.phrases.say(turn.prompt, turn.language or source.language, contact.ticket_ref))


def answer(message: Opened, text: str, now: datetime) -> bytes:
    """Return the passive reply, in the format of the message."""
    fields = message.fields
    return write(
        message.form,
        {
            "ToUserName": fields["FromUserName"],
            "FromUserName": fields["ToUserName"],
            "CreateTime": int(now.timestamp()),
            "MsgType": "text",
            "Content": text,
        },
    )


def sealed(source: WeChatSource, message: Opened, reply: bytes, nonce: str, now: datetime, random: bytes) -> bytes:
    """Encrypt and sign a reply with the key the message came with; as it is where that came in clear."""
    if message.key is None or source.appid is None:
        return reply
    encrypted, timestamp = message.key.encrypt(reply, source.appid, random), int(now.timestamp())
    return write(
        message.form,
        {
            "Encrypt": encrypted,
            "MsgSignature": signature(source.token, str(timestamp), nonce, encrypted),
            "TimeStamp": timestamp,
            "Nonce": nonce,
        },
    )


def _checked(source: WeChatSource, fields: Mapping[str, str]) -> datetime:
    """Check what every message must have; return its time."""
    wrong = [FieldError(name, "is missing or empty") for name in _REQUIRED if not fields.get(name)]
    wrong += [FieldError(name, f"is longer than {_LONGEST_NAME}") for name in _REQUIRED if _long(fields.get(name, ""))]
    if fields.get("ToUserName") not in {None, "", source.name}:
        wrong.append(FieldError("ToUserName", "is not the account of this address"))
    occurred_at = _time(fields.get("CreateTime", ""))
    if fields.get("CreateTime") and occurred_at is None:
        wrong.append(FieldError("CreateTime", "is not a time in seconds since 1970"))
    if wrong or occurred_at is None:
        raise bad_fields(*wrong)
    return occurred_at


def _piece(source: WeChatSource, event_id: str, at: datetime, told: Mapping[str, Any], phrases: Phrases) -> Piece:
    """What a message adds to its conversation."""
    text, position = told.get("text") or "", told.get("position")
    account = phrases.account(text)
    business = told.get("business_type") or (phrases.fault_type if phrases.says_outage(text) else None)
    return Piece(
        event_id=event_id,
        at=at,
        business=business,
        says=bool(text) and account is None,
        account=account,
        point=(position.lat, position.lon) if position is not None else None,
        language=phrases.language_in(text, source.language),
    )


def _asks(
    source: WeChatSource, message: Opened, occurred_at: datetime, now: datetime, phrases: Phrases
) -> NotAContact | None:
    """A text that asks for the status of a report and says nothing else, as by text message; None for every other."""
    text = message.fields.get("Content", "")
    command, ref = phrases.asks(text)
    if command is not Command.STATUS:
        return None
    language = phrases.language_in(text, source.language) or source.language
    heard = heard_of(
        source,
        Channel.WECHAT,
        _event_id(message.fields),
        address=message.fields["FromUserName"],
        account=source.name,
        received_at=now,
        occurred_at=occurred_at,
        heard="asks_status",
        language=language,
        ticket_ref=ref,
        raw_sha256=message.sha256,
    )
    return NotAContact(command.value, heard, phrases.say(Prompt.STATUS, language))


def _no_contact(source: WeChatSource, message: Opened, occurred_at: datetime, now: datetime, talk: Talk) -> NotAContact:
    """An event of which no ticket is made: what it tells of its sender as one to be told things."""
    fields = message.fields
    event, openid = fields.get("Event", ""), fields["FromUserName"]
    kind = event.casefold()
    if kind == "location":
        position = _position(source, fields, "Latitude", "Longitude")
        if position is not None:
            talk.conversations.hint(source.name, openid, (position.lat, position.lon), occurred_at)
        return NotAContact(event)
    told: dict[str, Any] = {}
    if kind in {"subscribe", "unsubscribe"}:
        told = {"heard": "linked" if kind == "subscribe" else "unlinked"}
    elif kind == "templatesendjobfinish":
        status = fields.get("Status", "")
        told = {
            "heard": "delivered" if status == "success" else "undelivered",
            "delivery_id": fields.get("MsgID") or fields.get("MsgId") or None,
            "detail": None if status == "success" else status or None,
        }
    if not told:
        return NotAContact(event)
    heard = heard_of(
        source,
        Channel.WECHAT,
        _event_id(fields),
        address=openid,
        account=source.name,
        received_at=now,
        occurred_at=occurred_at,
        raw_sha256=message.sha256,
        **told,
    )
    welcome = talk.phrases.say(Prompt.WELCOME, source.language) if kind == "subscribe" else None
    return NotAContact(event, heard, welcome)


_REQUIRED: Final = ("ToUserName", "FromUserName", "CreateTime", "MsgType")


def _long(value: str) -> bool:
    return len(value) > _LONGEST_NAME


def _time(seconds: str) -> datetime | None:
    if not (seconds.isascii() and seconds.isdigit()) or len(seconds) > len("9999999999"):
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


def _event_id(fields: Mapping[str, str]) -> str:
    """Return what is equal in every retry: MsgId, or for an event its sender, second, kind and key.

    Hashed, as an openid is personal and this id is not.
    """
    if fields.get("MsgId"):
        return f"msg:{fields['MsgId']}"
    names = ("FromUserName", "CreateTime", "MsgType", "Event", "EventKey", *(("MsgID",) if "MsgID" in fields else ()))
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


def _position(
    source: WeChatSource, fields: Mapping[str, str], north: str = "Location_X", east: str = "Location_Y"
) -> Position | None:
    """``Location_X`` is the latitude, ``Location_Y`` the longitude."""
    try:
        lat, lon = decimal(fields[north]), decimal(fields[east])
        return Position(lat=lat, lon=lon, crs=source.location_crs)
    except (KeyError, ValueError):
        return None
