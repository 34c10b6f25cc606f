"""The scopes of the router's API keys."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from services.runtime import keys

if TYPE_CHECKING:
    from services.runtime.keys import KeyRing

DEVELOPMENT_KEYS: Final = {
    "desktop-dev": "gridline-dev-desktop-key",
    "supervisor-dev": "gridline-dev-supervisor-key",
    "wallboard-dev": "gridline-dev-wallboard-key",
}
"""Keys of the shipped ``deploy/keys.yaml``, for the demo and for work on one's own machine. They are public."""


class Scope(StrEnum):
    """What a key is good for."""

    READ = "read"
    AGENT = "agent"
    SUPERVISOR = "supervisor"


def read_keys(file: str, text: str) -> KeyRing[Scope]:
    """Read the keys file.

    Raises:
        RulesError: it has faults; every one is told with its line.
    """
    return keys.read_keys(file, text, Scope)
