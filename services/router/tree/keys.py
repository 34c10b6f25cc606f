"""The scopes of the router's API keys."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Final

from services.runtime import keys

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


read_keys: Final = partial(keys.read_keys, scopes=Scope)
"""Reads the keys file, by its name and text."""
