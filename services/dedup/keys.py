"""The scopes of dedup's API keys."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.runtime import keys

if TYPE_CHECKING:
    from services.runtime.keys import KeyRing

DEVELOPMENT_KEYS: Final = {
    "desk-dev": "gridline-dev-desk-key",
    "field-dev": "gridline-dev-field-key",
    "meters-dev": "gridline-dev-meters-key",
}
"""Keys of the shipped ``deploy/dedup_keys.yaml``, for the demo and work on one's own machine. They are public."""


class Scope(StrEnum):
    """What a key may do."""

    READ = "read"
    DISPATCHER = "dispatcher"
    FIELD = "field"
    TELEMETRY = "telemetry"


def read_keys(file: str, text: str) -> KeyRing[Scope]:
    """Read the keys file.

    Raises:
        RulesError: it has faults; every one is told with its line.
    """
    return keys.read_keys(file, text, Scope)
