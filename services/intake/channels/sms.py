"""Text messages from customers, as gateways push them: Aliyun, Volcengine, Baidu, and a form of ours for all others.

Decided here: what one message means. A keyword alone stops or starts telling somebody, or asks how their report
stands; everything else is a contact, in a short conversation like a chat's. A push carries many messages, and each is
judged by itself: one that cannot be read takes none of the others with it.

Sources: Aliyun SmsUp, Volcengine and Baidu SMS documentation (uplink messages). None documents a signature.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID  # noqa: TC003 - pydantic reads it

from pydantic import BeforeValidator, Field, StrictBool, StrictStr, StringConstraints, WithJsonSchema

from services.contracts.values import Channel, Name
from services.intake.channels.contact import TIMED_BY_US, Accepted, NotAContact, contact_of, heard_of, reply_to
from services.intake.channels.conversation import SPAN, Piece
from services.intake.channels.payload import Instant, Payload, event_id, read_list, validated
from services.intake.channels.phrases import Command, Prompt
from services.intake.channels.refusal import FieldError, PayloadRefusedError, Reason, bad_fields
from services.intake.channels.source import SmsProvider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.intake.channels.conversation import Talk
    from services.intake.channels.payload import Read
    from services.intake.channels.source import SmsSource

Number = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 -]{3,32}$")]
Content = Annotated[StrictStr, StringConstraints(max_length=20_000)]
"""Gateways that read 7-bit or 16-bit text amiss put NUL between the letters: it is left out, and the words count."""
Code = Annotated[
    int | str | None,
    BeforeValidator(lambda said: said if isinstance(said, int | str | None) else str(said)),
    WithJsonSchema({"type": ["string", "integer"]}, mode="validation"),
]
"""What stands beside the words: a number or text, as the gateway pleases. Whatever it is, the words count."""
_LONGEST_TEXT: Final = 4000
_LONGEST_DETAIL: Final = 100
_YEARS: Final = range(1970, 2200)
_NOTHING: Final = (None, "")


class AliyunUp(Payload):
    """One element of Aliyun's SmsUp array."""

    phone_number: Number
    content: Content
    send_time: Code = Field(default=None, description="YYYY-MM-DD HH:MM:SS without an offset")
    sequence_id: Code = None


class VolcengineUp(Payload):
    """One element of Volcengine's array."""

    mobile: Number
    content: Content
    recv_time: Code = Field(default=None, description="Milliseconds since 1970")
    ext: Code = None


class BaiduUp(Payload):
    """Baidu's object."""

    mobile: Number
    content: Content
    receiveTime: Code = Field(default=None, description="UTC")  # noqa: N815 - its name there
    extCode: Code = None  # noqa: N815 - its name there


class GenericUp(Payload):
    """One text message in our own form; an array of them, or one alone."""

    event_id: Name | None = Field(default=None, description="Your id of it; or the Idempotency-Key header, if alone")
    phone: Number
    text: Content
    received_at: Instant | None = Field(default=None, description="With its offset; our arrival time if absent")
    to: Name | None = Field(default=None, description="Number it was sent to")


class GenericReceipt(Payload):
    """What became of a message of ours, in our own form; among text messages or alone."""

    notice_id: UUID = Field(description="Of the message, as notify posted it")
    phone: Number
    channel: Literal["sms", "phone"] = Field(default="sms", description="As notify posted it: a text message or a call")
    delivered: StrictBool = Field(description="Whether it reached the telephone")
    detail: StrictStr | None = Field(default=None, description="Why it did not, in the carrier's words")
    received_at: Instant | None = Field(default=None, description="With its offset; our arrival time if absent")


MODELS: Final[dict[SmsProvider, type[Payload]]] = {
    SmsProvider.ALIYUN: AliyunUp,
    SmsProvider.VOLCENGINE: VolcengineUp,
    SmsProvider.BAIDU: BaiduUp,
    SmsProvider.GENERIC: GenericUp,
}


@dataclass(frozen=True, slots=True)
class _Sms:
    """One message, whoever pushed it."""

    event_id: str
    phone: str
    text: str
    at: datetime | None
    sha256: str


def accept(
    source: SmsSource, body: bytes, idempotency_key: str | None, now: datetime, talk: Talk
) -> Sequence[Accepted | NotAContact | PayloadRefusedError]:
    """Turn a push into what each of its messages means, in their order; one that cannot be used into its refusal.

    Raises:
        PayloadRefusedError: the push as a whole cannot be read.
    """
    found = read_list(body)
    key = idempotency_key if len(found) == 1 else None
    return [one if isinstance(one, PayloadRefusedError) else _outcome(source, one, key, now, talk) for one in found]


def _outcome(
    source: SmsSource, read: Read, key: str | None, now: datetime, talk: Talk
) -> Accepted | NotAContact | PayloadRefusedError:
    try:
        if source.provider is SmsProvider.GENERIC and "notice_id" in read.fields:
            return _receipt(source, read, now)
        return _meaning(source, _message(source, read, key, now), now, talk)
    except PayloadRefusedError as refusal:
        return refusal


def _message(source: SmsSource, read: Read, key: str | None, now: datetime) -> _Sms:
    message = validated(MODELS[source.provider], read)
    match message:
        case AliyunUp():
            at = _civil(message.send_time, source)
            sent = message.send_time if message.sequence_id not in _NOTHING else _told(message.send_time, now)
            identity = _digest(message.phone_number, sent, message.sequence_id, message.content)
            return _Sms(identity, message.phone_number, message.content, at, read.sha256)
        case VolcengineUp():
            identity = _digest(message.mobile, _told(message.recv_time, now), message.ext, message.content)
            return _Sms(identity, message.mobile, message.content, _epoch(message.recv_time), read.sha256)
        case BaiduUp():
            at = _epoch(message.receiveTime) or _utc(message.receiveTime)
            identity = _digest(message.mobile, _told(message.receiveTime, now), message.extCode, message.content)
            return _Sms(identity, message.mobile, message.content, at, read.sha256)
        case GenericUp():
            return _generic(message, read, key)
        case _:
            raise AssertionError("every provider has its case")


def _receipt(source: SmsSource, read: Read, now: datetime) -> NotAContact:
    """Read a receipt. It is named by the message and what became of it: the same again is the same."""
    receipt = validated(GenericReceipt, read)
    _require_offset(receipt.received_at)
    word = "delivered" if receipt.delivered else "undelivered"
    heard = heard_of(
        source,
        Channel(receipt.channel),
        f"receipt:{receipt.notice_id}:{word}",
        address=receipt.phone,
        received_at=now,
        occurred_at=receipt.received_at or now,
        heard=word,
        delivery_id=str(receipt.notice_id),
        detail=None if receipt.delivered else " ".join((receipt.detail or "").split())[:_LONGEST_DETAIL] or None,
        raw_sha256=read.sha256,
    )
    return NotAContact(word, heard)


def _require_offset(moment: datetime | None) -> None:
    if moment is not None and moment.tzinfo is None:
        raise bad_fields(FieldError("received_at", "has no offset: end it with Z or an offset such as +08:00"))


def _generic(message: GenericUp, read: Read, key: str | None) -> _Sms:
    identity = event_id(key, message.event_id)
    if identity is None:
        raise PayloadRefusedError(
            Reason.NO_EVENT_ID,
            "Send an id of your own for each message, and the same one when you send it again.",
            (FieldError("event_id", "is required"),),
        )
    _require_offset(message.received_at)
    return _Sms(identity, message.phone, message.text, message.received_at, read.sha256)


def _meaning(source: SmsSource, message: _Sms, now: datetime, talk: Talk) -> Accepted | NotAContact:
    phrases, text = talk.phrases, message.text.replace("\x00", "")[:_LONGEST_TEXT]
    command, ref = phrases.asks(text)
    told = phrases.language_in(text, source.language)
    at = message.at or now
    if command is not None and command is not Command.OUT:
        what, prompt = _COMMANDS[command]
        heard = heard_of(
            source,
            Channel.SMS,
            message.event_id,
            address=message.phone,
            received_at=now,
            occurred_at=at,
            heard=what,
            language=told or source.language,
            ticket_ref=ref,
            raw_sha256=message.sha256,
        )
        return NotAContact(command.value, heard, phrases.say(prompt, told or source.language))
    outage = command is Command.OUT or phrases.says_outage(text)
    account = phrases.account(text)
    piece = Piece(
        event_id=message.event_id,
        at=at,
        business=phrases.fault_type if outage else None,
        says=bool(text.strip()) and account is None,
        account=account,
        language=told,
    )
    turn = talk.turn(source.name, message.phone, piece)
    facts: dict[str, Any] = {} if message.at is not None else {TIMED_BY_US: True}
    if len(message.text) > _LONGEST_TEXT:
        facts["text_clipped"] = True
    contact = contact_of(
        source,
        Channel.SMS,
        message.event_id,
        thread=None,
        ticket=turn.ticket,
        now=now,
        event="text",
        occurred_at=at,
        business_type=phrases.fault_type if command is Command.OUT else None,
        text=text or None,
        account_id=account,
        phone=message.phone,
        reply_to=reply_to(Channel.SMS, message.phone),
        facts=facts,
        raw_sha256=message.sha256,
    )
    prompt = Prompt.ASK_PLACE_IN_WORDS if turn.prompt is Prompt.ASK_PLACE else turn.prompt
    return Accepted(contact, reply=phrases.say(prompt, turn.language or source.language, contact.ticket_ref))


_COMMANDS: Final = {
    Command.STOP: ("unlinked", Prompt.STOPPED),
    Command.START: ("linked", Prompt.STARTED),
    Command.STATUS: ("asks_status", Prompt.STATUS),
}


def _digest(*parts: object) -> str:
    """Return what is equal in every push of a message. Hashed, as a number is personal and this id is not."""
    joined = "\x1f".join("" if part is None else str(part) for part in parts)
    return f"sms:{hashlib.sha256(joined.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"


def _told(time: Code, now: datetime) -> Code:
    """Return the time that a gateway tells; in its place, where it tells none, the half hour of its arrival.

    A push again is then mostly the same contact, and never one with the customer's next outage.
    """
    return f"arrived:{math.floor(now.timestamp() / SPAN.total_seconds())}" if time in _NOTHING else time


def _civil(text: object, source: SmsSource) -> datetime | None:
    """Read a time without an offset; None where it cannot be read: a customer's words do not wait for a date."""
    moment = _iso(text)
    return moment.replace(tzinfo=source.default_offset) if moment is not None and moment.tzinfo is None else moment


def _utc(text: object) -> datetime | None:
    moment = _iso(text)
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _iso(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]  # what is not text raises TypeError
    except (TypeError, ValueError):
        return None
    offset = moment.utcoffset() or timedelta()
    return moment if moment.year in _YEARS and not offset % timedelta(minutes=1) else None


def _epoch(value: int | str | None) -> datetime | None:
    """Read milliseconds since 1970."""
    text = str(value)
    if not (text.isascii() and text.isdigit()) or len(text) > len("9999999999999"):
        return None
    return datetime.fromtimestamp(int(text) / 1000, UTC)
