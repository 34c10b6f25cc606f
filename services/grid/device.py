"""What one device of a network is, as its file gives it.

Decided here: which types there are, and which of them can open. Never here: what feeds what (``tree``), I/O.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class DeviceType(StrEnum):
    """Type of a device in network.csv (DESIGN §8)."""

    SUBSTATION = "substation"
    BREAKER = "breaker"
    RECLOSER = "recloser"
    SWITCH = "switch"
    SECTIONALIZER = "sectionalizer"
    FUSE = "fuse"
    TRANSFORMER = "transformer"
    LINE = "line"
    OTHER = "other"
    """Any type this model does not know: carried, never predicted."""

    @classmethod
    def of(cls, word: str) -> DeviceType:
        """Return the type a file's word means; ``OTHER`` where the word is unknown."""
        return _TYPES.get(word, cls.OTHER)


_TYPES: Final = {member.value: member for member in DeviceType}

PROTECTIVE: Final = frozenset(
    {
        DeviceType.SUBSTATION,
        DeviceType.BREAKER,
        DeviceType.RECLOSER,
        DeviceType.SWITCH,
        DeviceType.SECTIONALIZER,
        DeviceType.FUSE,
    }
)
"""Types that can open and darken all that is under them: the classes an incident may be lifted to."""


class DeviceRow(NamedTuple):
    """One device as network.csv gives it: ``parent`` is None for a substation; degrees are WGS-84.

    ``name`` is what people call it, as the file writes it.
    ``other_end`` is, of an open device, the one whose load side it joins as well; None where that is not known.
    """

    id: str
    parent: str | None
    type: str
    normally_open: bool
    lat: float
    lon: float
    name: str = ""
    other_end: str | None = None
