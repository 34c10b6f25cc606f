"""A larger network out of small ones: copies side by side, several feeders to a substation.

Decided here: where a copy lies and how its ids, accounts, phones and addresses differ from the original's. The
same input gives the same output. Never here: I/O, randomness.

A copy is called a tile. It is shifted, not scaled, so distances within it stay as they are (but for the
narrowing of degrees of longitude towards the pole).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.contracts.values import CustomerClass, CustomerStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from services.grid.device import DeviceRow
    from services.grid.network_file import CustomerRow

_DISTRICT: Final = re.compile(r"^\d+区")
_DIGITS: Final = 6  # of a degree: 0.1 m
_PHONES: Final = 100_000_000
_PHONE_STEP: Final = 48_271_859  # shares no factor with _PHONES, so it reaches every number once
_NORTHMOST: Final = 85.0


@dataclass(frozen=True, slots=True)
class Base:
    """A network to copy, with its customers; both non-empty devices and WGS-84."""

    devices: Sequence[DeviceRow]
    customers: Sequence[CustomerRow]


@dataclass(frozen=True, slots=True)
class Tiling:
    """What to make of the bases.

    Attributes:
        areas: Substations in the result.
        tiles_per_area: Tiles under one substation. With more than one, their own substations become one, which
            lies in the middle of them; the shipped networks have one feeder a tile.
        gap: Degrees between neighbouring tiles.
        suspended_every: Every n-th customer is suspended; 0 changes none.
        important_every: Every n-th customer is important; 0 changes none.
        life_support_every: Every n-th customer depends on life support (before ``important_every``); 0 changes none.
    """

    areas: int
    tiles_per_area: int = 1
    gap: float = 0.03
    suspended_every: int = 0
    important_every: int = 0
    life_support_every: int = 0

    def __post_init__(self) -> None:
        if self.areas < 1 or self.tiles_per_area < 1:
            raise ValueError("a tiling has at least one area and one tile an area")


@dataclass(frozen=True, slots=True)
class _Tile:
    number: int
    prefix: str
    base: Base
    north: float
    east: float


def tile_devices(bases: Sequence[Base], tiling: Tiling) -> Iterator[DeviceRow]:
    """Yield the devices of all tiles; tile n copies ``bases[n % len(bases)]``.

    Raises:
        ValueError: there is no base, or so many tiles would not lie on the globe.
    """
    tiles = _tiles(bases, tiling)
    for first in range(0, len(tiles), tiling.tiles_per_area):
        group = tiles[first : first + tiling.tiles_per_area]
        if tiling.tiles_per_area == 1:
            yield from (_moved(row, group[0]) for row in group[0].base.devices)
        else:
            yield from _under_one_substation(group)


def _under_one_substation(group: Sequence[_Tile]) -> Iterator[DeviceRow]:
    tops = [_moved(row, tile) for tile in group for row in tile.base.devices if row.parent is None]
    merged = {row.id for row in tops}
    shared = tops[0]._replace(
        lat=round(sum(row.lat for row in tops) / len(tops), _DIGITS),
        lon=round(sum(row.lon for row in tops) / len(tops), _DIGITS),
    )
    yield shared
    for tile in group:
        for row in tile.base.devices:
            if row.parent is not None:
                moved = _moved(row, tile)
                yield moved._replace(parent=shared.id) if moved.parent in merged else moved


def _moved(row: DeviceRow, tile: _Tile) -> DeviceRow:
    return row._replace(
        id=tile.prefix + row.id,
        name=tile.prefix + row.name if row.name else "",
        parent=None if row.parent is None else tile.prefix + row.parent,
        lat=round(row.lat + tile.north, _DIGITS),
        lon=round(row.lon + tile.east, _DIGITS),
        other_end=None if row.other_end is None else tile.prefix + row.other_end,
    )


def tile_customers(bases: Sequence[Base], tiling: Tiling) -> Iterator[CustomerRow]:
    """Yield the customers of all tiles.

    Phones are made anew, 11 digits starting with 100 (no such mobile numbers exist): customers who shared one in
    the base share one, nobody else does, up to a hundred million. Customers without a phone stay without.

    Raises:
        ValueError: there is no base, or so many tiles would not lie on the globe.
    """
    count = phones = 0
    for tile in _tiles(bases, tiling):
        new: dict[str, str] = {}
        for row in tile.base.customers:
            count += 1
            if row.phone and row.phone not in new:
                new[row.phone] = f"100{(phones + len(new)) * _PHONE_STEP % _PHONES:08d}"
            yield row._replace(
                account_id=tile.prefix + row.account_id,
                transformer_id=tile.prefix + row.transformer_id,
                lat=round(row.lat + tile.north, _DIGITS),
                lon=round(row.lon + tile.east, _DIGITS),
                address=f"{tile.number}区{_DISTRICT.sub('', row.address)}",
                phone=new.get(row.phone, ""),
                status=CustomerStatus.SUSPENDED if _falls(count, tiling.suspended_every) else row.status,
                priority=_class(count, tiling, row.priority),
            )
        phones += len(new)


def _class(count: int, tiling: Tiling, own: CustomerClass) -> CustomerClass:
    if _falls(count, tiling.life_support_every):
        return CustomerClass.LIFE_SUPPORT
    return CustomerClass.IMPORTANT if _falls(count, tiling.important_every) else own


def _falls(count: int, every: int) -> bool:
    return every > 0 and count % every == 0


def _tiles(bases: Sequence[Base], tiling: Tiling) -> list[_Tile]:
    """Lay the tiles out in rows, those of one area side by side; tile 0 stays where its base is."""
    if not bases:
        raise ValueError("there is no network to tile")
    corners = [(min(r.lat for r in b.devices), min(r.lon for r in b.devices)) for b in bases]
    high = max(max(r.lat for r in b.devices) - south for b, (south, _) in zip(bases, corners, strict=True))
    wide = max(max(r.lon for r in b.devices) - west for b, (_, west) in zip(bases, corners, strict=True))
    count = tiling.areas * tiling.tiles_per_area
    columns = tiling.tiles_per_area * math.ceil(math.sqrt(count) / tiling.tiles_per_area)
    south, west = corners[0]
    digits = max(3, len(str(count)))
    tiles = []
    for n in range(count):
        row, column = divmod(n, columns)
        own_south, own_west = corners[n % len(bases)]
        north = south + row * (high + tiling.gap) - own_south
        east = west + column * (wide + tiling.gap) - own_west
        if own_south + north + high > _NORTHMOST or own_west + east + wide > 180:  # noqa: PLR2004  the globe
            raise ValueError(f"{count} tiles do not fit on the globe north and east of {south}, {west}")
        tiles.append(_Tile(n + 1, f"T{n + 1:0{digits}d}-", bases[n % len(bases)], north, east))
    return tiles
