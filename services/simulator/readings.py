"""One reading of a simulated meter or breaker, and what is behind it.

Decided here: what is known of a reading that arrived. Never here: which there are (``instruments``), their bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.contracts.values import Reading


class Why(StrEnum):
    """What is behind a word."""

    OUTAGE = "outage"
    BACK = "back"
    """Power is back, or a breaker is closed again."""
    ASKED = "asked"
    MOMENTARY = "momentary"
    """A trip that recloses."""
    FALSE = "false"
    STATE = "state"
    """Nothing happened: the state before the storm."""


@dataclass(frozen=True, slots=True)
class Word:
    """One reading that arrived.

    Attributes:
        at: Event time, seconds of storm time.
        arrived: When it arrived.
        fault: The fault because of which it says that power is out, or the breaker open; None where there is none.
        device: The breaker; None for a meter.
        customer: Whose meter, by number in the network; None for a breaker.
    """

    at: float
    arrived: float
    reading: Reading
    why: Why
    fault: str | None = None
    device: str | None = None
    customer: int | None = None
