"""What one device of a network is, as its file gives it.

Decided here: which types there are, and which of them can open. Never here: what feeds what (``tree``), I/O.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from enum import StrEnum
from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple, overload

if TYPE_CHECKING:
    from collections.abc import Iterator


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


CAN_FAIL: Final = PROTECTIVE | {DeviceType.TRANSFORMER}
"""Types that an outage can be of."""


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


class DeviceColumns(Sequence[DeviceRow]):
    """Devices kept by column, for a nation's: half the memory of as many rows. Rows are made as they are asked for."""

    __slots__ = ("_ids", "_lats", "_lons", "_names", "_open", "_other_ends", "_parents", "_types")

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._parents: list[str | None] = []
        self._types: list[str] = []
        self._open = bytearray()
        self._lats = array("d")
        self._lons = array("d")
        self._names: dict[int, str] = {}
        self._other_ends: dict[int, str] = {}

    def append(self, row: DeviceRow) -> None:
        """Add a device. Texts are kept as they are: equal ones that are one object take their memory once."""
        n = len(self._ids)
        self._ids.append(row.id)
        self._parents.append(row.parent)
        self._types.append(row.type)
        self._open.append(row.normally_open)
        self._lats.append(row.lat)
        self._lons.append(row.lon)
        if row.name:
            self._names[n] = row.name
        if row.other_end is not None:
            self._other_ends[n] = row.other_end

    def ids(self) -> Sequence[str]:
        """Return all ids, by row."""
        return self._ids

    def parent_of(self, n: int) -> str | None:
        """Return the id of the device that feeds row ``n``."""
        return self._parents[n]

    def lay(self, n: int, at: int) -> None:
        """Put row ``n`` where row ``at`` is."""
        self._lats[n], self._lons[n] = self._lats[at], self._lons[at]

    def forget_unknown_ends(self) -> None:
        """Drop the other ends that name no device."""
        unknown = set(self._other_ends.values()).difference(self._ids)
        self._other_ends = {n: end for n, end in self._other_ends.items() if end not in unknown}

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[DeviceRow]:
        places = range(len(self._ids))
        names, ends = map(self._names.get, places, repeat("")), map(self._other_ends.get, places)
        return map(
            DeviceRow,
            *(self._ids, self._parents, self._types),
            *(map(bool, self._open), self._lats, self._lons),
            *(names, ends),
        )

    @overload
    def __getitem__(self, at: int) -> DeviceRow: ...

    @overload
    def __getitem__(self, at: slice) -> list[DeviceRow]: ...

    def __getitem__(self, at: int | slice) -> DeviceRow | list[DeviceRow]:
        if isinstance(at, slice):
            return [self[n] for n in range(*at.indices(len(self)))]
        n = range(len(self._ids))[at]
        return DeviceRow(
            self._ids[n],
            self._parents[n],
            self._types[n],
            bool(self._open[n]),
            self._lats[n],
            self._lons[n],
            self._names.get(n, ""),
            self._other_ends.get(n),
        )
