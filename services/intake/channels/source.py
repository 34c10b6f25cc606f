"""What is configured about each sender: the part of ``sources.yaml`` that gives a payload its meaning.

Credentials are checked in ``services.intake.security``; they are declared here because one entry of the file
describes one sender.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Container, Iterable, Mapping
from datetime import timedelta, timezone
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from services.contracts.languages import LAST_RESORT
from services.contracts.values import Channel, Crs, Language, Name, Sha256, Word
from services.intake.channels.wechat_cipher import AesKey

_LARGEST_OFFSET: Final = timedelta(hours=14)

HostName = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[A-Za-z0-9_.:-]{1,253}$", to_lower=True)]
"""A host name or an IP address; ``*.example`` is all that ends in ``.example``."""

MenuPath = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z*#]{1,16}(\.[0-9A-Za-z*#]{1,16}){0,9}$")]
"""Choices of an IVR menu from the top, joined by dots: ``1`` or ``1.2``."""


def _offset(value: object) -> timezone:
    if isinstance(value, timezone):
        return value
    text = str(value)
    try:
        sign = {"+": 1, "-": -1}[text[0]]
        hours, minutes = text[1:].split(":")
        offset = sign * timedelta(hours=int(hours), minutes=int(minutes))
    except (ValueError, KeyError, IndexError):
        raise ValueError('must be an offset in quotes such as "+08:00"') from None
    if not -_LARGEST_OFFSET <= offset <= _LARGEST_OFFSET:
        raise ValueError("is more than 14 hours")
    return timezone(offset)


Offset = Annotated[timezone, BeforeValidator(_offset)]

Token = Annotated[SecretStr, Field(min_length=8, max_length=128)]
"""A secret shared with a sender that signs; never shown."""


def _is_whsec(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value().removeprefix("whsec_")
    try:
        size = len(base64.b64decode(text, validate=True))
    except binascii.Error:
        size = 0
    if not 24 <= size <= 64:  # noqa: PLR2004 - what Standard Webhooks asks for
        raise ValueError('must be "whsec_" and the base64 of 24 to 64 random bytes')
    return secret


WebhookSecret = Annotated[SecretStr, AfterValidator(_is_whsec)]
"""``whsec_`` and base64, as Standard Webhooks writes its secrets."""

SourceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Source(BaseModel):
    """One sender. Its name is part of every id it causes: renaming it makes its old events new."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: SourceName
    """The key of its entry."""


class JsonSource(Source):
    """A sender that shows an API key, signs what it sends, or has a client certificate: any one of them is enough.

    Of each there may be two, while one is being changed for another.
    """

    api_keys_sha256: tuple[Sha256, ...] = Field(default=(), max_length=2)
    webhook_secrets: tuple[WebhookSecret, ...] = Field(default=(), max_length=2)
    """Standard Webhooks: the sender signs id, timestamp and the raw body. They cannot be kept hashed."""
    client_certificates_sha256: tuple[Sha256, ...] = Field(default=(), max_length=2)
    """Of the certificate (DER), which a trusted proxy has checked and tells in ``X-Forwarded-Client-Cert``."""
    addresses: tuple[IPv4Network | IPv6Network, ...] = Field(default=(), max_length=100)
    """Where it may send from; anywhere if empty."""

    @model_validator(mode="after")
    def _shows_something(self) -> Self:
        if not (self.api_keys_sha256 or self.webhook_secrets or self.client_certificates_sha256):
            raise ValueError(
                "needs a credential: api_keys_sha256, webhook_secrets or client_certificates_sha256, one or two of it"
            )
        return self


class CallSource(Source):
    """What is configured about calls, whoever tells of them."""

    default_offset: Offset | None = None
    """For times that lack one; without it such times are refused."""
    menu: Mapping[MenuPath, Word] = Field(default_factory=dict)
    """Menu path to business type; the longest path that begins the caller's wins."""
    fault_types: frozenset[Word] = frozenset({"fault_report"})
    """Business types that make a call given up a report all the same."""
    hazard_menus: frozenset[MenuPath] = frozenset()
    """Menu choices that mean danger to life."""
    menu_contexts: frozenset[Name] = frozenset()
    """Asterisk's dialplan contexts in which one key is a choice of the first menu; elsewhere keys may be a password."""

    recording_hosts: frozenset[HostName] = frozenset()
    """Where its recordings are. Any public host name if empty; recordings elsewhere are refused."""

    def business_type(self, path: Iterable[str]) -> Word | None:
        """Return what the caller's way through the menu means; None where nothing is configured."""
        chosen = _longest(self.menu, tuple(path))
        return None if chosen is None else self.menu[chosen]

    def is_hazard(self, path: Iterable[str]) -> bool:
        """Whether the caller chose an entry that means danger."""
        return _longest(self.hazard_menus, tuple(path)) is not None


class PhoneSource(CallSource, JsonSource):
    """An IVR or call-centre platform with an API key."""


class TwilioSource(CallSource):
    """A Twilio account, or subaccount, whose voice webhooks come here."""

    account_sid: Annotated[str, StringConstraints(pattern=r"^AC[0-9a-fA-F]{32}$")]
    """It is in every webhook and says which token signed it."""
    auth_tokens: tuple[Token, ...] = Field(min_length=1, max_length=2)
    """Twilio signs with the account's auth token, so it cannot be kept hashed; two while one is changed."""
    public_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/?#\s]+$")]
    """Scheme and host that Twilio calls, before any proxy: the signature covers the address as Twilio knows it."""
    continue_url: Annotated[str, StringConstraints(pattern=r"^https?://[\x21-\x7e]+$", max_length=2000)] | None = None
    """Where Twilio goes on with the call when the caller has heard the answer; the call ends there if absent."""


class ReportSource(JsonSource):
    """A web site or a mobile app's back end."""


class EventSource(ReportSource):
    """A chat system, or anybody else who says what customers told them."""

    channels: frozenset[Channel] = frozenset(Channel)
    """How customers may have reached it, and where they may be answered: its word counts for these and no others.

    A text message may always be the answer, as to anybody who leaves a number.
    """


class FormSource(Source):
    """The report form that this service shows. Anybody may use it: it has no credential."""


def _aes_key(value: object) -> AesKey:
    return value if isinstance(value, AesKey) else AesKey.decode(str(value))


class MessageMode(StrEnum):
    """How the platform's console says that messages are sent (消息加解密方式)."""

    PLAINTEXT = "plaintext"
    COMPATIBLE = "compatible"
    """In clear and encrypted at once, while a server is changed; we read the encrypted one, which is signed."""
    SAFE = "safe"
    """Encrypted; a message in clear is refused."""


class WeChatSource(Source):
    """An official account; the name is its original id (``gh_…``), the ``ToUserName`` of its messages."""

    token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{3,32}$")] = Field(repr=False)
    """The token entered in the platform's console: the platform signs with it, so it cannot be kept hashed."""
    mode: MessageMode = MessageMode.PLAINTEXT
    appid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,64}$")] | None = None
    """The account's AppID (``wx…``); it stands in every encrypted message."""
    encoding_aes_keys: tuple[Annotated[AesKey, BeforeValidator(_aes_key)], ...] = Field(
        default=(), max_length=2, repr=False
    )
    """The EncodingAESKey, and the one before it: the platform may use either while it is changed."""
    language: Language = LAST_RESORT
    """Of the answers, where a citizen has not written in another one."""
    location_crs: Crs = Crs.GCJ02
    """Datum of location messages. No official statement exists: settle it with a field test."""
    menu: Mapping[str, Word] = Field(default_factory=dict)
    """EventKey of a menu click to business type; a click that is not here opens no ticket."""

    @model_validator(mode="after")
    def _encrypted_modes_have_keys(self) -> Self:
        if self.mode is not MessageMode.PLAINTEXT and (self.appid is None or not self.encoding_aes_keys):
            raise ValueError(f"mode {self.mode} needs appid and encoding_aes_keys")
        return self


class SmsProvider(StrEnum):
    """Whose form a gateway's uplink has."""

    ALIYUN = "aliyun"
    VOLCENGINE = "volcengine"
    BAIDU = "baidu"
    GENERIC = "generic"
    """Ours (docs/channels-wechat-sms.md), for every other gateway."""


class SmsSource(JsonSource):
    """A gateway that pushes text messages. Providers sign nothing: the key stands in the address, as its last part."""

    provider: SmsProvider
    default_offset: Offset = timezone(timedelta(hours=8))
    """Of times that come without one, which Aliyun's do."""
    language: Language = LAST_RESORT
    """Of the answers, where a customer has not written in another one."""


class Sources(BaseModel):
    """Every sender we take contacts from, by channel and name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phone: Mapping[SourceName, PhoneSource] = Field(default_factory=dict)
    twilio: Mapping[SourceName, TwilioSource] = Field(default_factory=dict)
    web: Mapping[SourceName, ReportSource] = Field(default_factory=dict)
    app: Mapping[SourceName, ReportSource] = Field(default_factory=dict)
    form: Mapping[SourceName, FormSource] = Field(default_factory=dict, max_length=1)
    wechat: Mapping[SourceName, WeChatSource] = Field(default_factory=dict)
    sms: Mapping[SourceName, SmsSource] = Field(default_factory=dict)
    api: Mapping[SourceName, EventSource] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _entries_carry_their_name(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            channel: {
                name: {**entry, "name": name} if isinstance(entry, dict) else entry for name, entry in entries.items()
            }
            if isinstance(entries, dict)
            else entries
            for channel, entries in data.items()
        }

    @model_validator(mode="after")
    def _names_and_keys_are_unique(self) -> Self:
        everyone: list[Source] = [source for section in self.sections() for source in section.values()]
        names = [source.name for source in everyone]
        keyed = [source for source in everyone if isinstance(source, JsonSource)]
        keys: list[str] = [key for source in keyed for key in source.api_keys_sha256]
        keys += [secret.get_secret_value() for source in keyed for secret in source.webhook_secrets]
        keys += [f"certificate {one}" for source in keyed for one in source.client_certificates_sha256]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"names in use by two sources: {', '.join(twice)}; a name is part of every id it causes")
        if len(set(keys)) < len(keys):
            raise ValueError("two sources share a credential; it must tell who is calling")
        accounts = [source.account_sid for source in self.twilio.values()]
        if len(set(accounts)) < len(accounts):
            raise ValueError("two twilio sources share an account_sid; it must tell who is calling")
        return self

    def sections(self) -> tuple[Mapping[str, Source], ...]:
        """Return every section of the file: the fields of this model."""
        return tuple(getattr(self, name) for name in type(self).model_fields)


def _longest(paths: Container[str], path: tuple[str, ...]) -> str | None:
    """Return the longest of the paths that begins this one."""
    for length in range(len(path), 0, -1):
        begin = ".".join(path[:length])
        if begin in paths:
            return begin
    return None
