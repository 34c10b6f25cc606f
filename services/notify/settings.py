"""Settings of notify: texts, the sender of each channel, retries."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from services.contracts.values import Channel
from services.runtime.settings import ServiceSettings
from services.runtime.urls import read_url

SenderName = Literal["log", "webhook", "wechat"]

_TEMPLATES: Final = Path(__file__).parents[2] / "deploy" / "templates.yaml"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how Standard Webhooks marks a secret, not one
_SHORTEST_KEY: Final = 24  # bytes; the standard's bounds
_LONGEST_KEY: Final = 64


def read_secret(text: str) -> bytes:
    """Return the key of a ``whsec_…`` secret.

    Raises:
        ValueError: it is not base64 after the prefix, or not 24 to 64 bytes long. The secret is not in the text.
    """
    if not text.startswith(_SECRET_PREFIX):
        raise ValueError("a webhook secret begins with whsec_")
    try:
        key = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a webhook secret is base64 after whsec_") from None
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ValueError(f"a webhook secret has {_SHORTEST_KEY} to {_LONGEST_KEY} bytes, this has {len(key)}")
    return key


class NotifySettings(ServiceSettings):
    """Those every service has, and notify's own."""

    http_port: int = Field(default=8004, ge=0, le=65535)

    notify_templates: Path = Field(default=_TEMPLATES, description="Texts by language, YAML; reloaded when it changes")

    notify_webhook_url: SecretStr | None = Field(
        default=None, description="URL of your gateway; https, or http on this machine"
    )
    notify_webhook_secrets: SecretStr = Field(
        default=SecretStr(""), description="Signing secrets (whsec_…), newest first, separated by spaces"
    )
    notify_webhook_plain_http: bool = Field(
        default=False,
        validate_default=True,
        description="Allow http to other machines: addresses are then protected by the network only",
    )
    notify_ca_file: Path | None = Field(
        default=None, description="CA certificate of the gateway or platform; the system's if absent"
    )
    notify_wechat_file: Path | None = Field(
        default=None, description="Official accounts to send from, with their templates, YAML"
    )
    notify_wechat_api: str = Field(
        default="https://api.weixin.qq.com",
        description="The WeChat platform or your proxy of it; https, or this machine",
    )
    notify_senders: Annotated[dict[Channel, SenderName], NoDecode] = Field(
        default_factory=dict,
        description="channel=sender, separated by commas: sms=webhook,wechat=wechat; otherwise log",
    )

    notify_parallel_calls: int = Field(default=32, ge=1, le=1000, description="Maximum concurrent calls of one sender")
    notify_per_second: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="Maximum attempts per second of one sender and process",
    )
    notify_call_seconds: float = Field(default=10.0, gt=0, le=120, description="Timeout of one attempt")
    notify_attempts: int = Field(default=60, ge=1, le=10_000, description="Attempts before a notice fails")
    notify_backoff_first_seconds: float = Field(
        default=1.0, gt=0, le=3600, description="Delay before the second attempt; it doubles with each attempt,"
    )
    notify_backoff_longest_seconds: float = Field(default=300.0, gt=0, le=24 * 3600, description="up to this")

    @field_validator("notify_webhook_url")
    @classmethod
    def _is_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        return SecretStr(read_url(url.get_secret_value()))

    @field_validator("notify_wechat_api")
    @classmethod
    def _is_platform(cls, url: str) -> str:
        parts = urlsplit(url := read_url(url))
        if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in _LOOPBACK):
            raise ValueError("must be https://…, as secrets go there")
        return url

    @field_validator("notify_webhook_secrets")
    @classmethod
    def _are_secrets(cls, secrets: SecretStr) -> SecretStr:
        for text in secrets.get_secret_value().split():
            read_secret(text)
        return secrets

    @field_validator("notify_webhook_plain_http")
    @classmethod
    def _is_protected(cls, allowed: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic calls it
        url = info.data.get("notify_webhook_url")
        if url is not None and not allowed:
            parts = urlsplit(url.get_secret_value())
            if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
                raise ValueError(
                    "the webhook's address is plain http to another machine; use https, or set this to true "
                    "where the network between them is protected"
                )
        return allowed

    @field_validator("notify_senders", mode="before")
    @classmethod
    def _read_senders(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        pairs: dict[str, str] = {}
        for item in filter(None, (part.strip() for part in given.split(","))):
            channel, separator, sender = item.partition("=")
            if not separator:
                raise ValueError(f"{item!r} is not channel=sender")
            pairs[channel.strip()] = sender.strip()
        return pairs

    @field_validator("notify_senders")
    @classmethod
    def _are_ready(cls, senders: dict[Channel, SenderName], info: ValidationInfo) -> dict[Channel, SenderName]:
        if "wechat" in senders.values():
            if [channel for channel, sender in senders.items() if sender == "wechat"] != [Channel.WECHAT]:
                raise ValueError("the wechat sender carries the channel wechat and no other")
            if info.data.get("notify_wechat_file", ...) is None:
                raise ValueError("the wechat sender needs GRIDLINE_NOTIFY_WECHAT_FILE")
        if "webhook" not in senders.values():
            return senders
        missing = []
        if info.data.get("notify_webhook_url", ...) is None:
            missing.append("GRIDLINE_NOTIFY_WEBHOOK_URL")
        secrets = info.data.get("notify_webhook_secrets")
        if secrets is not None and not secrets.get_secret_value().strip():
            missing.append("GRIDLINE_NOTIFY_WEBHOOK_SECRETS")
        if missing:
            raise ValueError(f"the webhook sender needs {' and '.join(missing)}")
        return senders

    def channels_of(self, sender: SenderName) -> tuple[Channel, ...]:
        """Return the channels that ``sender`` carries; ``log`` carries those that no other does."""
        return tuple(channel for channel in Channel if self.notify_senders.get(channel, "log") == sender)

    def webhook_keys(self) -> tuple[bytes, ...]:
        """Return the signing keys, newest first."""
        return tuple(read_secret(text) for text in self.notify_webhook_secrets.get_secret_value().split())
