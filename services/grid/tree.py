"""The network tree of one or more areas, as operated.

Decided here: what is upstream of what, the area and the feeder of a device, which devices may be predicted to
have opened. Never here: I/O, a clock, customers as persons (they are counts a transformer), incidents.

The devices lie in depth-first order in flat arrays, so the devices under one device are a slice: "is it under",
"how many customers are under it" take constant time, a common ancestor takes the depth of the tree.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from services.grid.device import PROTECTIVE, DeviceType
from services.grid.radial import NotRadialError, radial_faults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from services.grid.device import DeviceRow


_ORDER: Final = tuple(DeviceType)
_RANK: Final = {member: rank for rank, member in enumerate(_ORDER)}
_WORD_RANK: Final = {member.value: rank for member, rank in _RANK.items()}
_OTHER: Final = _RANK[DeviceType.OTHER]

_PACKED: Final = struct.Struct("<4sII")  # which form, devices, bytes of their ids; a checksum is behind all
_FORM: Final = b"GLT1"
_CHECKSUM: Final = 4
_COLUMNS: Final = (
    *(("_parent", "i", 0), ("_end", "i", 0), ("_depth", "i", 0), ("_root", "i", 0), ("_feeder", "i", 0)),
    *(("_guard", "i", 0), ("_transformers", "i", 1), ("_customers", "q", 1), ("_lat", "d", 0), ("_lon", "d", 0)),
)
"""The arrays of a tree: name, type of an item, how many items more than devices."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device with what the tree knows of it.

    Attributes:
        area: Id of the substation at the top.
        feeder: Id of the topmost breaker on the way down, or of the substation where there is none.
        transformer_count: Transformers under it, itself included.
        customer_count: Customers under it, itself included.
    """

    id: str
    parent: str | None
    type: DeviceType
    normally_open: bool
    lat: float
    lon: float
    area: str
    feeder: str
    transformer_count: int
    customer_count: int


class UnknownDeviceError(LookupError):
    """The tree has no such device."""


class Tree:
    """A radial network: every device has one path up to its substation.

    Device ids go in and come out. A device counts as under itself. Every method raises ``UnknownDeviceError``
    for an id the tree does not have.
    """

    __slots__ = (
        "_customers",
        "_depth",
        "_end",
        "_feeder",
        "_guard",
        "_ids",
        "_index",
        "_lat",
        "_lon",
        "_open",
        "_parent",
        "_root",
        "_transformers",
        "_type",
    )

    def __init__(
        self, rows: Iterable[DeviceRow], customers: Mapping[str, int] | None = None, *, checked: bool = False
    ) -> None:
        """Build the tree; equal rows in any order give equal trees.

        Args:
            rows: The devices, parents before or after their children.
            customers: Customers connected directly to each transformer; absent means none.
            checked: Whether the rows are known to be radial, as all are that an import let in.

        Raises:
            NotRadialError: the rows are no radial network.
            ValueError: ``customers`` names a device that is not there.
        """
        given = sorted(rows, key=itemgetter(0))
        if not checked and (faults := radial_faults(given)):
            raise NotRadialError(faults)
        order = _depth_first(given)
        count = len(order)
        self._ids = tuple(given[n].id for n in order)
        self._index = {device: i for i, device in enumerate(self._ids)}
        self._parent = array("i", [-1 if (p := given[n].parent) is None else self._index[p] for n in order])
        self._type = bytes([_WORD_RANK.get(given[n].type, _OTHER) for n in order])
        self._open = bytes([given[n].normally_open for n in order])
        self._lat = array("d", [given[n].lat for n in order])
        self._lon = array("d", [given[n].lon for n in order])
        self._end = array("i", range(1, count + 1))
        self._depth = array("i", bytes(4 * count))
        self._root = array("i", range(count))
        self._feeder = array("i", range(count))
        self._guard = array("i", [-1]) * count
        self._descend()
        direct = array("q", bytes(8 * count))
        for device, number in (customers or {}).items():
            if device not in self._index:
                raise ValueError(f"customers are connected to {device!r}, which is not in the network")
            direct[self._index[device]] = number
        transformer = _RANK[DeviceType.TRANSFORMER]
        self._customers = array("q", accumulate(direct, initial=0))
        self._transformers = array("i", accumulate([kind == transformer for kind in self._type], initial=0))

    def packed(self) -> bytes:
        """Return the tree as bytes, from which ``unpacked`` makes it again without working anything out.

        Raises:
            ValueError: the id of a device holds a line break.
        """
        ids = "\n".join(self._ids)
        if ids.count("\n") != max(0, len(self._ids) - 1):
            raise ValueError("the id of a device holds a line break")
        text = ids.encode()
        columns = (_little(getattr(self, name)) for name, _, _ in _COLUMNS)
        whole = b"".join((_PACKED.pack(_FORM, len(self._ids), len(text)), text, self._type, self._open, *columns))
        return whole + zlib.crc32(whole).to_bytes(_CHECKSUM, "little")

    @classmethod
    def unpacked(cls, packed: bytes) -> Tree:
        """Return the tree that was packed.

        Raises:
            ValueError: these are not the bytes of a tree, not all of them, or those of another form than today's.
        """
        whole = memoryview(packed)[:-_CHECKSUM]
        if bytes(whole[:4]) != _FORM or zlib.crc32(whole) != int.from_bytes(packed[-_CHECKSUM:], "little"):
            raise ValueError("not a packed tree, or not as it was packed")
        tree = cls(())
        cls._unpack(tree, whole)
        return tree

    def _unpack(self, packed: memoryview) -> None:
        _, count, length = _PACKED.unpack_from(packed)
        at = _PACKED.size + length
        self._ids = tuple(bytes(packed[_PACKED.size : at]).decode().split("\n")) if count else ()
        self._index = dict(zip(self._ids, range(count), strict=True))
        self._type, self._open = bytes(packed[at : at + count]), bytes(packed[at + count : at + 2 * count])
        at += 2 * count
        for name, kind, more in _COLUMNS:
            column: array[int] | array[float] = array("d") if kind == "d" else array("q" if kind == "q" else "i")
            size = column.itemsize * (count + more)
            column.frombytes(packed[at : at + size])
            if sys.byteorder == "big":
                column.byteswap()
            setattr(self, name, column)
            at += size

    def _descend(self) -> None:
        """Fill what a device takes from its parent, and the end of each device's slice."""
        breaker = _RANK[DeviceType.BREAKER]
        guards = {_RANK[kind] for kind in PROTECTIVE}
        types, parents = self._type, self._parent
        depths, roots, guard, feeders, ends = self._depth, self._root, self._guard, self._feeder, self._end
        for i, parent in enumerate(parents):
            if parent < 0:
                continue
            depths[i] = depths[parent] + 1
            roots[i] = roots[parent]
            guard[i] = parent if types[parent] in guards else guard[parent]
            above = feeders[parent]
            if types[above] == breaker:
                feeders[i] = above
            elif types[i] != breaker:
                feeders[i] = roots[i]
        for i in range(len(parents) - 1, 0, -1):
            parent = parents[i]
            if parent >= 0 and ends[parent] < ends[i]:
                ends[parent] = ends[i]

    def _at(self, device: str) -> int:
        try:
            return self._index[device]
        except KeyError:
            raise UnknownDeviceError(f"no device {device!r} in this network") from None

    def __contains__(self, device: object) -> bool:
        return device in self._index

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        """Yield every device, a parent before its children; the order depends on ids only."""
        return iter(self._ids)

    def device(self, device: str) -> Device:
        """Return what the tree knows of a device."""
        i = self._at(device)
        return Device(
            id=self._ids[i],
            parent=self.parent(device),
            type=_ORDER[self._type[i]],
            normally_open=bool(self._open[i]),
            lat=self._lat[i],
            lon=self._lon[i],
            area=self._ids[self._root[i]],
            feeder=self._ids[self._feeder[i]],
            transformer_count=self._transformers[self._end[i]] - self._transformers[i],
            customer_count=self._customers[self._end[i]] - self._customers[i],
        )

    def type_of(self, device: str) -> DeviceType:
        """Return the type of a device."""
        return _ORDER[self._type[self._at(device)]]

    def position(self, device: str) -> tuple[float, float]:
        """Return where a device is: degrees north and east, WGS-84."""
        i = self._at(device)
        return self._lat[i], self._lon[i]

    def areas(self) -> tuple[str, ...]:
        """Return the substations at the top, one an area."""
        return tuple(self._ids[i] for i, parent in enumerate(self._parent) if parent < 0)

    def area_of(self, device: str) -> str:
        """Return the substation at the top of a device's path: the unit of merging."""
        return self._ids[self._root[self._at(device)]]

    def feeder_of(self, device: str) -> str:
        """Return the topmost breaker on a device's path (itself included), else the substation."""
        return self._ids[self._feeder[self._at(device)]]

    def parent(self, device: str) -> str | None:
        """Return the device directly upstream; None for a substation at the top."""
        parent = self._parent[self._at(device)]
        return None if parent < 0 else self._ids[parent]

    def children(self, device: str) -> tuple[str, ...]:
        """Return the devices directly downstream, by id."""
        return tuple(self._ids[i] for i in self._children(self._at(device)))

    def _children(self, i: int) -> Iterator[int]:
        child, end = i + 1, self._end[i]
        while child < end:
            yield child
            child = self._end[child]

    def ancestors(self, device: str) -> tuple[str, ...]:
        """Return what is upstream of a device, nearest first, itself not included."""
        return self._climb(self._at(device), self._parent)

    def protective_ancestors(self, device: str) -> tuple[str, ...]:
        """Return the devices upstream that could have opened, nearest first, itself not included.

        Their types are ``PROTECTIVE``; lines, transformers and unknown types are passed over.
        """
        return self._climb(self._at(device), self._guard)

    def guard_of(self, device: str) -> str | None:
        """Return the nearest device upstream that could have opened; None at the top."""
        guard = self._guard[self._at(device)]
        return None if guard < 0 else self._ids[guard]

    def chain(self, device: str) -> tuple[str, ...]:
        """Return a device and those upstream of it that could have opened, nearest first."""
        return (device, *self.protective_ancestors(device))

    def _climb(self, i: int, up: array[int]) -> tuple[str, ...]:
        path = []
        while (i := up[i]) >= 0:
            path.append(self._ids[i])
        return tuple(path)

    def depth(self, device: str) -> int:
        """Return how many devices are upstream of a device: 0 for a substation at the top."""
        return self._depth[self._at(device)]

    def is_under(self, device: str, ancestor: str) -> bool:
        """Tell whether power to ``device`` comes through ``ancestor``; a device is under itself."""
        top = self._at(ancestor)
        return top <= self._at(device) < self._end[top]

    def span(self, device: str) -> tuple[int, int]:
        """Return where a device stands in depth-first order, and where what is under it ends.

        Equal networks give equal numbers. What is under the device, itself included, stands at the first number or
        behind it, and before the second.
        """
        i = self._at(device)
        return i, self._end[i]

    def common_ancestor(self, devices: Iterable[str]) -> str | None:
        """Return the lowest device that all of ``devices`` are under; None across areas or of no devices.

        One of them may itself be the answer. It may be of a type that is never predicted: see
        ``protective_at_or_above``.
        """
        places = [self._at(device) for device in devices]
        if not places:
            return None
        i, last = min(places), max(places)
        while i >= 0 and self._end[i] <= last:
            i = self._parent[i]
        return None if i < 0 else self._ids[i]

    def protective_at_or_above(self, device: str) -> str | None:
        """Return the device itself if it could have opened, else the nearest one upstream that could."""
        i = self._at(device)
        if _ORDER[self._type[i]] not in PROTECTIVE:
            i = self._guard[i]
        return None if i < 0 else self._ids[i]

    def customers_under(self, device: str) -> int:
        """Return how many customers are fed through a device."""
        i = self._at(device)
        return self._customers[self._end[i]] - self._customers[i]

    def transformer_count(self, device: str) -> int:
        """Return how many transformers are fed through a device, itself included."""
        i = self._at(device)
        return self._transformers[self._end[i]] - self._transformers[i]

    def under(self, device: str) -> tuple[str, ...]:
        """Return a device and all that is fed through it, a parent before its children."""
        i = self._at(device)
        return self._ids[i : self._end[i]]

    def transformers_under(self, device: str) -> tuple[str, ...]:
        """Return the transformers fed through a device, itself included."""
        i = self._at(device)
        transformer = _RANK[DeviceType.TRANSFORMER]
        return tuple(self._ids[j] for j in range(i, self._end[i]) if self._type[j] == transformer)


def _little(column: array[int] | array[float]) -> bytes:
    """Return the items of an array, their lowest byte first."""
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _depth_first(rows: Sequence[DeviceRow]) -> list[int]:
    """Return row numbers, each parent before its children and each subtree in one piece."""
    at = {row.id: n for n, row in enumerate(rows)}
    below: dict[int, list[int]] = {}
    stack: list[int] = []
    for n in range(len(rows) - 1, -1, -1):  # from the end, as a stack gives back what came last
        parent = rows[n].parent
        if parent is None:
            stack.append(n)
        else:
            below.setdefault(at[parent], []).append(n)
    order: list[int] = []
    while stack:
        n = stack.pop()
        order.append(n)
        stack += below.get(n, ())
    return order
