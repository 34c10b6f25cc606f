"""The scopes of dedup's API keys."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Final

from services.runtime import keys

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


read_keys: Final = partial(keys.read_keys, scopes=Scope)
"""Reads the keys file, by its name and text."""
