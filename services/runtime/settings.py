"""Settings every service has, read once from the environment (prefix ``GRIDLINE_``) and passed down.

Nothing reads the environment at import. A missing or wrong setting is reported together with all the others.
"""

from __future__ import annotations

import difflib
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.urls import check_dsn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_NONE: Final[tuple[object, ...]] = ("", SecretStr(""), (), {})
_BROKER: Final = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_LAST_PORT: Final = 65_535
_ALIKE: Final = 0.9
"""How like a setting's name another is that can only be a slip of it; no two settings of ours are (a test holds it)."""


class ServiceSettings(BaseSettings):
    """Where Kafka and Postgres are, how to reach them, and how this process presents itself."""

    model_config = SettingsConfigDict(env_prefix="GRIDLINE_", extra="ignore", frozen=True, hide_input_in_errors=True)

    kafka_bootstrap: str = Field(default="127.0.0.1:19092", description="Kafka brokers, host:port, comma-separated")
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Security protocol of the brokers"
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="With SASL"
    )
    kafka_username: str | None = Field(default=None, description="With SASL")
    kafka_password: SecretStr | None = Field(default=None, validate_default=True, description="With SASL")
    kafka_ca_file: Path | None = Field(default=None, description="CA certificate for SSL; the system's if absent")
    topic_prefix: str = Field(
        default="", pattern=r"^[a-z0-9._-]{0,40}$", description="Prefix of all topic names, to share a cluster"
    )
    postgres_dsn: SecretStr = Field(
        default=SecretStr("postgresql://gridline@127.0.0.1:15432/gridline"), description="PostgreSQL address"
    )
    postgres_pool: int = Field(default=8, ge=3, le=100, description="Maximum connections of one process")
    http_host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for all")
    http_port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on")
    instance: str = Field(default="", description="Name of this process in logs; the host and pid if empty")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is logged"
    )
    drain_seconds: float = Field(default=15.0, gt=0, le=120, description="Longest drain after SIGTERM")

    reload_seconds: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="How often operators' files and the network are checked for changes",
    )
    rehearsal_file: Path | None = Field(
        default=None,
        description="For rehearsals only: file with the clock's course, JSON",
    )
    batch_records: int = Field(default=1000, ge=1, le=10_000, description="Maximum records in one transaction")
    session_timeout_ms: int = Field(
        default=30_000,
        ge=6_000,
        le=300_000,
        description="Kafka session timeout: a process silent for longer loses its partitions",
    )
    outbox_shards: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Relays of one service across its processes; one process may have them all, each with a connection."
        " Change it while nothing waits in the outbox: readers might see a version before the one before it",
    )
    produce_deadline_s: float = Field(
        default=5.0, gt=0, le=60, description="Longest wait for Kafka to confirm a record"
    )
    watchdog_seconds: float = Field(
        default=60.0, ge=5, le=3600, description="Exit if the consume loop is stuck for longer"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_said(cls, given: Any, info: ValidationInfo) -> Any:
        """Refuse what a template left empty: as a path it would be the folder the process happens to run in."""
        if isinstance(given, str) and not given.strip() and cls.model_fields[str(info.field_name)].default not in _NONE:
            raise ValueError("is empty; unset it for the default")
        return given

    @field_validator("kafka_bootstrap")
    @classmethod
    def _are_brokers(cls, given: str) -> str:
        brokers = [broker.strip() for broker in given.split(",")]
        if wrong := [broker for broker in brokers if not _is_broker(broker)]:
            raise ValueError(f"{wrong[0]!r} is not host:port; several are separated by commas")
        return ",".join(brokers)

    @field_validator("postgres_dsn")
    @classmethod
    def _can_be_read(cls, dsn: SecretStr) -> SecretStr:
        check_dsn(dsn.get_secret_value())
        return dsn

    @field_validator("outbox_shards")
    @classmethod
    def _leave_connections(cls, shards: int, info: ValidationInfo) -> int:
        least = shards + 2
        if info.data.get("postgres_pool", least) < least:
            raise ValueError(f"a relay keeps a connection: GRIDLINE_POSTGRES_POOL must be {least} at least")
        return shards

    @field_validator("kafka_password")
    @classmethod
    def _is_there_for_sasl(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if str(info.data.get("kafka_security", "")).startswith("SASL") and not (
            password is not None and password.get_secret_value() and info.data.get("kafka_username")
        ):
            raise ValueError("SASL needs GRIDLINE_KAFKA_USERNAME and GRIDLINE_KAFKA_PASSWORD")
        return password

    def kafka_client(self) -> dict[str, Any]:
        """Arguments that any aiokafka client needs to reach the cluster.

        Raises:
            SettingsError: the file of certificates cannot be used.
        """
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.kafka_bootstrap,
            "security_protocol": self.kafka_security,
        }
        if "SSL" in self.kafka_security:
            arguments["ssl_context"] = tls_context("GRIDLINE_KAFKA_CA_FILE", self.kafka_ca_file)
        if self.kafka_security.startswith("SASL"):
            arguments["sasl_mechanism"] = self.kafka_sasl_mechanism
            arguments["sasl_plain_username"] = self.kafka_username
            arguments["sasl_plain_password"] = self.kafka_password.get_secret_value() if self.kafka_password else None
        return arguments


S = TypeVar("S", bound=ServiceSettings)


def _is_broker(text: str) -> bool:
    found = _BROKER.fullmatch(text)
    return found is not None and (found[1] is None or 0 < int(found[1]) <= _LAST_PORT)


class SettingsError(Exception):
    """The settings do not fit; the text lists every one with its variable and the reason."""


def tls_context(setting: str, file: Path | None) -> ssl.SSLContext:
    """Trust the certificates of a file, or the system's.

    Raises:
        SettingsError: the file cannot be used; the text names the setting that names it.
    """
    try:
        return ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        reason = f"{file} has no certificates in PEM"
    except OSError as error:
        reason = f"{file} cannot be read: {error.strerror}"
    raise SettingsError(f"settings that do not fit:\n  {setting}: {reason}")


def read_settings(kind: type[S], overrides: Mapping[str, Any] | None = None) -> S:
    """Read settings from the environment.

    Raises:
        SettingsError: one or more settings are missing or wrong; all of them are named at once.
    """
    try:
        return kind(**(overrides or {}))
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        lines = [
            f"  {prefix}{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsError("settings that do not fit:\n" + "\n".join(lines)) from None


def misspelt(kind: type[ServiceSettings], variables: Iterable[str]) -> dict[str, str]:
    """Return the variables that no setting is called, but nearly, with what was meant: they change nothing."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    settings = [f"{prefix}{name}".upper() for name in kind.model_fields]
    others = [name for name in variables if name.startswith(prefix) and name not in settings]
    near = {name: difflib.get_close_matches(name, settings, n=1, cutoff=_ALIKE) for name in others}
    return {name: found[0] for name, found in near.items() if found}
