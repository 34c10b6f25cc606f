"""The local stack's settings, from the environment (prefix GRIDLINE_STACK_).

Decided here: the folder, the ports, the bounds in seconds. Never here: a service's own settings (services.runtime).
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.native.errors import StackError
from deploy.native.kafka_jars import default_cache
from deploy.native.ports import outgoing_ports

PREFIX = "GRIDLINE_STACK_"
_PROJECT = Path(__file__).resolve().parents[2]


def default_run_folder() -> Path:
    """`.gridline` in the project's folder when run from a clone, else in the current folder."""
    home = _PROJECT if (_PROJECT / "pyproject.toml").exists() else Path.cwd()
    return home / ".gridline"


class StackSettings(BaseSettings):
    """Where the stack keeps its files, and the ports it uses on 127.0.0.1."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    run_folder: Path = Field(default_factory=default_run_folder, description="data, logs and state of the stack")
    kafka_port: int = Field(default=19092, ge=1, le=65535, description="port of Kafka")
    kafka_controller_port: int = Field(default=19093, ge=1, le=65535, description="port of Kafka's controller")
    postgres_port: int = Field(default=15432, ge=1, le=65535, description="port of Postgres")
    intake_port: int = Field(default=8001, ge=1, le=65535, description="port of intake")
    router_port: int = Field(default=8002, ge=1, le=65535, description="port of router")
    dedup_port: int = Field(default=8003, ge=1, le=65535, description="port of dedup")
    notify_port: int = Field(default=8004, ge=1, le=65535, description="port of notify")
    jar_cache: Path = Field(default_factory=default_cache, description="cache folder of Kafka's jars")
    kafka_settings: dict[str, str] = Field(
        default_factory=dict, description="broker settings to add or replace, as a JSON object"
    )
    kafka_java_options: str = Field(default="", description="more flags for Kafka's Java, such as -Xmx1g")
    maven_repository: str | None = Field(
        default=None, description="Maven repository to fetch them from, instead of the default"
    )
    start_seconds: float = Field(default=60.0, gt=0, description="longest wait for each part to become ready")
    stop_seconds: float = Field(default=20.0, gt=0, description="longest orderly stop of each layer; then kill -9")

    @field_validator("run_folder", "jar_cache")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        # The supervisor must find it from wherever it runs.
        return path.expanduser().absolute()

    @model_validator(mode="after")
    def _distinct_ports(self) -> StackSettings:
        for one, other in itertools.combinations(self.ports(), 2):
            if getattr(self, one) == getattr(self, other):
                raise ValueError(f"{PREFIX}{one.upper()} and {PREFIX}{other.upper()} are both {getattr(self, one)}")
        return self

    @classmethod
    def ports(cls) -> list[str]:
        """The names of the settings that are ports."""
        return [name for name in cls.model_fields if name.endswith("_port")]

    def unsteady_ports(self) -> list[str]:
        """The settings whose port another program's connection may hold when its server is started again."""
        return [name for name in self.ports() if getattr(self, name) in outgoing_ports()]

    @property
    def logs_folder(self) -> Path:
        """One `<name>.log` for each process."""
        return self.run_folder / "logs"

    @property
    def longest_stop(self) -> float:
        """Seconds an orderly stop of everything may take: the services' layer, then the servers', and some."""
        return 2 * self.stop_seconds + 10


def read_settings(**overrides: Any) -> StackSettings:
    """The settings from the environment, `overrides` first.

    Raises:
        StackError: some are wrong; all of them listed.
    """
    try:
        return StackSettings(**overrides)
    except ValidationError as error:
        lines = [
            f"  {PREFIX + str(item['loc'][0]).upper() + ': ' if item['loc'] else ''}{item['msg']}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise StackError("Settings of the stack that do not fit:\n" + "\n".join(lines)) from None
