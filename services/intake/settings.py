"""Settings of the intake, beside those every service has."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from services.runtime.settings import ServiceSettings
from services.runtime.urls import read_url

_DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_PART: Final = re.compile(r'[^\s,"\[\]]+')
"""One of several, separated by commas, or by what JSON has between them."""


class IntakeSettings(ServiceSettings):
    """Who may send, how much at once, and how long a sender waits."""

    http_port: int = Field(default=8001, ge=0, le=65535)
    produce_deadline_s: float = Field(
        default=4.0, gt=0, le=60, description="Longest wait for Kafka; WeChat hangs up after 5 s"
    )
    sources_file: Path = Field(default=_DEPLOY / "sources.yaml", description="Senders and their credentials, YAML")
    phrases_file: Path = Field(
        default=_DEPLOY / "phrases.yaml", description="Words and texts of WeChat and SMS conversations, YAML"
    )
    max_body_bytes: int = Field(default=64 * 1024, ge=1024, le=512 * 1024, description="Largest request body")
    max_push_bytes: int = Field(
        default=512 * 1024, ge=1024, le=4 * 1024 * 1024, description="Largest push of text messages, or batch of events"
    )
    body_deadline_s: float = Field(default=10.0, gt=0, le=120, description="Longest wait for a request body")
    max_unresolved_sends: int = Field(
        default=4096, ge=1, le=100_000, description="Requests waiting for Kafka beyond which new ones get 503"
    )
    max_unresolved_age_s: float = Field(
        default=2.0,
        gt=0,
        le=60,
        description="How long one may wait for Kafka before others for its partition get 503; all, if none is answered",
    )
    source_per_s: float = Field(default=5000.0, gt=0, description="Contacts per second of one source, sustained")
    source_burst: float = Field(default=20_000.0, ge=1, description="The same, burst")
    customer_per_minute: float = Field(
        default=30.0, gt=0, description="Contacts per minute from one phone or openid, or of one call, sustained"
    )
    customer_burst: float = Field(default=60.0, ge=1, description="The same, burst: a call has many events")
    address_per_minute: float = Field(
        default=120.0, gt=0, description="Contacts per minute from one address at endpoints without a credential"
    )
    address_burst: float = Field(
        default=240.0, ge=1, description="The same, burst: a whole street may share an address"
    )
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        default=(),
        description="Networks of our own proxies, with commas, whose X-Forwarded-For and -Client-Cert are trusted",
    )
    retry_after_s: int = Field(default=2, ge=1, le=600, description="Retry-After of a 503, in seconds")
    notify_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#\s]+$",
        description="Base URL of notify, http://host:8004, to tell callers of known outages; unset: they are not told",
    )
    notify_deadline_s: float = Field(
        default=0.12, gt=0, le=5, description="Longest wait for notify in a caller's response"
    )
    ivr_file: Path = Field(default=_DEPLOY / "ivr.yaml", description="Texts for callers, YAML")

    recent_keys: int = Field(
        default=20_000, ge=0, le=1_000_000, description="Event ids remembered, to answer 422 and 409; 0: none"
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Web sites whose pages may post reports from a browser: https://a.example,https://b.example",
    )

    photos_folder: Path | None = Field(default=None, description="Folder for photos; unset: none are accepted")
    max_photo_bytes: int = Field(default=10 * 1024 * 1024, ge=10_000, le=50 * 1024 * 1024, description="Largest photo")
    photo_deadline_s: float = Field(default=60.0, gt=0, le=600, description="Longest wait for a photo's bytes")
    photos_min_free_bytes: int = Field(
        default=1024**3, ge=0, description="Refuse photos while the folder's disk has less free space"
    )
    form_file: Path = Field(default=_DEPLOY / "form.yaml", description="Texts of the report form, YAML")

    @field_validator("notify_url")
    @classmethod
    def _can_be_called(cls, url: str | None) -> str | None:
        return None if url is None else read_url(url)

    @field_validator("cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _read_several(cls, given: object) -> object:
        return tuple(_PART.findall(given)) if isinstance(given, str) else given

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}":
                raise ValueError(f"{origin!r} is not an origin such as https://www.example")
        return origins
