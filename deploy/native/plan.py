"""What the stack runs: the four services, and what must be done before they start.

Decided here: the lists of commands, in one place, and the environment they get.
Never here: starting anything.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from deploy.native.ports import LOOPBACK
from deploy.native.settings import StackSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SERVICES = ("intake", "router", "dedup", "notify")


@dataclass(frozen=True, slots=True)
class Service:
    """One service: how to run it and where it answers `/readyz` on 127.0.0.1.

    Whole environment = the caller's, the addresses of Kafka and Postgres, then `environment`.
    """

    name: str
    arguments: tuple[str, ...]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self.port}"


@dataclass(frozen=True, slots=True)
class Preparation:
    """A command run to its end once Kafka and Postgres are ready, before any service starts."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All a supervisor needs to know; it travels to it as JSON."""

    settings: StackSettings
    jars: tuple[str, ...]
    services: tuple[Service, ...]
    preparations: tuple[Preparation, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "settings": self.settings.model_dump(mode="json"),
            "jars": list(self.jars),
            "services": [asdict(each) for each in self.services],
            "preparations": [asdict(each) for each in self.preparations],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Plan:
        """What `to_json` gave."""
        return cls(
            settings=StackSettings(**content["settings"]),
            jars=tuple(content["jars"]),
            services=tuple(Service(**{**each, "arguments": tuple(each["arguments"])}) for each in content["services"]),
            preparations=tuple(Preparation(each["name"], tuple(each["arguments"])) for each in content["preparations"]),
        )


def default_services(settings: StackSettings, *, rehearsal: Path | None = None) -> list[Service]:
    """The four services, in the order a contact passes through them.

    Args:
        settings: folder and ports.
        rehearsal: the file that says what time it is, where hours are lived again at speed; else it is now.
    """
    if rehearsal is None:
        # A stack on one's own machine is shown storms whose hours are squeezed into seconds: a report says when it
        # was made in storm time, long before it arrives, and is right.
        everywhere, dedup = {}, {"GRIDLINE_TRUSTED_LAG_MINUTES": str(24 * 60)}
    else:
        everywhere = {"GRIDLINE_REHEARSAL_FILE": str(rehearsal)}
        dedup = {"GRIDLINE_TIMER_SECONDS": "0.05"}  # half a minute of a rehearsal's time
    extra = {
        "intake": {
            "GRIDLINE_NOTIFY_URL": f"http://{LOOPBACK}:{settings.notify_port}",
            "GRIDLINE_PHOTOS_FOLDER": str(settings.run_folder / "photos"),
        },
        "dedup": dedup,
    }
    return [
        Service(
            name,
            (sys.executable, "-m", f"services.{name}"),
            getattr(settings, f"{name}_port"),
            everywhere | extra.get(name, {}),
        )
        for name in _SERVICES
    ]


def default_preparations() -> list[Preparation]:
    """Topics, then schemas. Both may run again and again."""
    if importlib.util.find_spec("services.cli.__main__") is None:
        return []
    command = (sys.executable, "-m", "services.cli")
    return [
        Preparation("create the topics", (*command, "topics", "apply")),
        Preparation("create the database schemas", (*command, "db", "migrate")),
    ]


def ports_needed(settings: StackSettings, services: Sequence[Service]) -> list[tuple[int, str, str]]:
    """Every port the stack listens on: (port, what for, the setting that changes it)."""
    needed = [
        (settings.kafka_port, "Kafka", "kafka_port"),
        (settings.kafka_controller_port, "Kafka's controller", "kafka_controller_port"),
        (settings.postgres_port, "Postgres", "postgres_port"),
    ]
    return [*needed, *((each.port, each.name, f"{each.name}_port") for each in services)]


def addresses(kafka_bootstrap: str, postgres_dsn: str) -> dict[str, str]:
    """The environment that leads a service, a preparation or a test to the servers."""
    return {"GRIDLINE_KAFKA_BOOTSTRAP": kafka_bootstrap, "GRIDLINE_POSTGRES_DSN": postgres_dsn}


def log_file(settings: StackSettings, name: str) -> Path:
    """Where a process's output goes."""
    return settings.logs_folder / f"{name}.log"
