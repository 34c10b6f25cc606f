"""Where a command finds the services, Kafka and Postgres.

Decided here: the environment first, then the running local stack, then the defaults. Never here: starting anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from deploy.native.settings import read_settings as read_stack_settings
from deploy.native.state import is_locked, read_state
from services.runtime.settings import ServiceSettings, read_settings

SERVICES = ("intake", "router", "dedup", "notify")
_VARIABLES = {"GRIDLINE_KAFKA_BOOTSTRAP": "kafka_bootstrap", "GRIDLINE_POSTGRES_DSN": "postgres_dsn"}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where things are. ``settings`` reaches Kafka and Postgres; ``urls`` has no slash at the end."""

    settings: ServiceSettings
    urls: dict[str, str]


def find() -> Addresses:
    """Find the system this command is about.

    Raises:
        SettingsError: settings in the environment do not fit.
        StackError: settings of the local stack do not fit.
    """
    stack = read_stack_settings()
    info = read_state(stack.run_folder) if is_locked(stack.run_folder) else None
    overrides = {}
    urls = {name: f"http://127.0.0.1:{getattr(stack, f'{name}_port')}" for name in SERVICES}
    if info is not None:
        overrides = {field: getattr(info, field) for name, field in _VARIABLES.items() if name not in os.environ}
        urls |= info.services
    for name in SERVICES:
        urls[name] = os.environ.get(f"GRIDLINE_{name.upper()}_URL", urls[name]).rstrip("/")
    return Addresses(read_settings(ServiceSettings, overrides), urls)
