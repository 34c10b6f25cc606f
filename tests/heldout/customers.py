"""Who lives at each transformer, and their addresses as a utility's customer file has them.

Each copy of the feeder has one kind of addresses and one way to write them down. Within it, blocks of some 500 m share
a road, an estate or a village.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.heldout import words
from tests.heldout.chance import pick
from tests.heldout.datum import near
from tests.heldout.home import Home, registered, take_given
from tests.heldout.network import shift

if TYPE_CHECKING:
    from random import Random

    from tests.heldout.datum import Point
    from tests.heldout.network import Device, Feeder, Network, Row

KINDS: Final = {"given": 3, "city": 5, "lane": 1, "rural": 2}
"""Kinds of addresses of a copy; ``given``: as the feeder is shipped."""
CITY_HOMES: Final = {"estate": 4, "road": 4, "buildings": 2}
"""Kinds of a transformer's homes in a city: an estate, houses along a road, buildings with a house number."""
OWN_TOWN: Final = 0.85
"""Copies whose town has a name of its own; the others have one that there is in many counties."""
OWN_ESTATE: Final = 0.85
"""Estates whose name is meant for one copy; the others have any."""
ESTATES_A_TILE: Final = 60
"""Names that a copy has for its blocks; then the second phase of each."""
BLOCKS_A_DEGREE: Final = 200
"""Blocks are some 500 m long."""
FEW_HOMES: Final = 5
"""From this many homes on, a transformer on a road feeds flats of one house, below that, houses of their own."""
METRES_FROM_TRANSFORMER: Final = (5, 60)
ACCOUNTS: Final = (3_100_000_000, 3_900_000_000)
"""The first account number lies between these."""
ACCOUNT_STEPS: Final = (1, 1, 2, 7, 13)
"""From one account to the next."""
HAS_PHONE: Final = 0.78
"""Customers whose number is in the file."""
SUSPENDED: Final = 0.008
"""Customers who are cut off for arrears."""
PRIORITIES: Final = {"normal": 0.985, "important": 0.01, "life_support": 0.005}
MOBILE_PREFIXES: Final = ("138", "139", "159", "186", "177", "151")


@dataclass(slots=True)
class Customers:
    """All homes by account, the accounts of each transformer, and every phone number in the file."""

    homes: dict[str, Home] = field(default_factory=dict)
    at: dict[str, list[str]] = field(default_factory=dict)
    accounts: list[str] = field(default_factory=list)
    phones: set[str] = field(default_factory=set)
    _numbers: set[str] = field(default_factory=set)

    def add(self, home: Home) -> None:
        """Add a home."""
        self.homes[home.account] = home
        self.accounts.append(home.account)
        if home.phone:
            self.phones.add(home.phone)
        self.at.setdefault(home.transformer, []).append(home.account)

    def new_mobile(self, rng: Random) -> str:
        """Return a mobile number that nobody has had yet."""
        while True:
            number = f"{rng.choice(MOBILE_PREFIXES)}{rng.randrange(10**8):08d}"
            if number not in self._numbers:
                self._numbers.add(number)
                return number


@dataclass(slots=True)
class _Block:
    """What homes within some 500 m share, and how far its numbers have come."""

    road: str
    estate: str
    village: str
    number: int
    building: int = 0
    group: int = 0


@dataclass(slots=True)
class _Tile:
    """One copy of the feeder; ``style`` is how its file writes addresses, one of four ways."""

    kind: str
    district: str
    town: str
    style: int
    roads: list[str]
    estates: list[str]
    villages: list[str]
    blocks: dict[tuple[int, int], _Block] = field(default_factory=dict)


def settle(feeder: Feeder, network: Network, rng: Random) -> Customers:
    """Put as many homes at each transformer as the feeder has there."""
    settler = _Settler(network.tiles, rng)
    tiles = [settler.tile(number) for number in range(network.tiles)]
    for device in network.of_type("transformer"):
        settler.settle(tiles[device.tile], device, feeder.customers.get(device.template, []))
    return settler.customers


class _Settler:
    """Names are dealt out, so that most are in one copy only."""

    def __init__(self, tiles: int, rng: Random) -> None:
        self.customers = Customers()
        self._rng = rng
        self._tiles = tiles
        self._account = rng.randrange(*ACCOUNTS)
        self._city = rng.choice(words.CITIES)
        self._districts = rng.sample(words.DISTRICTS, min(len(words.DISTRICTS), max(2, tiles // 3)))
        self._towns = rng.sample(words.TOWNS, len(words.TOWNS))
        self._counties = rng.sample(words.COUNTIES, len(words.COUNTIES))
        self._estates = rng.sample(words.ESTATES, len(words.ESTATES))

    def tile(self, number: int) -> _Tile:
        """Return what a copy of the feeder is like."""
        rng = self._rng
        kind = pick(rng, KINDS)
        district = self._districts[number % len(self._districts)]
        if kind == "rural":
            district = self._counties[number // 2 % len(self._counties)]
        elif kind == "given":
            district = f"{number + 1}区"
        town = self._towns[number % len(self._towns)] if rng.random() < OWN_TOWN else rng.choice(words.COMMON_TOWNS)
        own = (self._estates[(number * 17 + n) % len(self._estates)] for n in range(ESTATES_A_TILE))
        return _Tile(
            kind=kind,
            district=district,
            town=town,
            style=rng.randrange(4),
            roads=rng.sample(words.ROADS, len(words.ROADS)),
            estates=[one if rng.random() < OWN_ESTATE else rng.choice(self._estates) for one in own],
            villages=rng.sample(words.VILLAGES, len(words.VILLAGES)),
        )

    def settle(self, tile: _Tile, transformer: Device, given: list[Row]) -> None:
        """Add the homes of one transformer; ``given`` are those of the shipped feeder."""
        rng, block = self._rng, self._block(tile, transformer.point)
        kind = pick(rng, CITY_HOMES) if tile.kind == "city" else tile.kind
        block.building += 1
        block.number += rng.choice((1, 2, 3))
        block.group += kind == "rural"
        for nth, row in enumerate(given):
            home = Home(
                account=str(self._account),
                transformer=transformer.id,
                point=near(rng, transformer.point, rng.uniform(*METRES_FROM_TRANSFORMER)),
                kind=kind,
                city="" if kind == "given" else self._city,
                district=tile.district,
            )
            self._account += rng.choice(ACCOUNT_STEPS)
            if kind == "given":
                north, east = shift(transformer.tile, self._tiles)
                home.point = (float(row["lat"]) + north, float(row["lon"]) + east)
                take_given(home, row["address"])
            else:
                _house(rng, home, tile, block, nth, len(given))
            home.address = registered(home, tile.style)
            home.phone = self.customers.new_mobile(rng) if rng.random() < HAS_PHONE else ""
            home.priority = pick(rng, PRIORITIES)
            home.suspended = rng.random() < SUSPENDED
            self.customers.add(home)

    def _block(self, tile: _Tile, point: Point) -> _Block:
        where = (int(point[0] * BLOCKS_A_DEGREE), int(point[1] * BLOCKS_A_DEGREE))
        if where not in tile.blocks:
            nth = len(tile.blocks)
            phase = words.PHASES[nth // len(tile.estates) % len(words.PHASES)]
            tile.blocks[where] = _Block(
                road=tile.roads[nth % len(tile.roads)] + self._rng.choice(words.ROAD_ENDINGS),
                estate=tile.estates[nth % len(tile.estates)] + phase,
                village=tile.villages[nth % len(tile.villages)],
                number=self._rng.randrange(1, 30),
            )
        return tile.blocks[where]


def _house(rng: Random, home: Home, tile: _Tile, block: _Block, nth: int, homes: int) -> None:
    """Give the ``nth`` of some homes at a transformer its house."""

    def room(floors: int, doors: int) -> str:
        return f"{rng.randint(1, floors)}0{nth % doors + 1}"

    home.road, home.number = block.road, block.number
    if home.kind == "rural":
        home.road, home.town, home.village, home.group = "", tile.town, block.village, block.group
        home.number = nth * 3 + rng.randint(1, 2)
    elif home.kind == "lane":
        home.lane, home.number, home.room = block.number * 10, block.building, room(6, 4)
    elif home.kind == "estate":
        home.estate, home.number, home.building = block.estate, block.number // 10 * 10 + 8, block.building
        home.unit, home.room = rng.randint(1, 3), room(18, 4)
    elif home.kind == "buildings":
        home.building, home.unit, home.room = nth % 3 + 1, rng.randint(1, 2), room(6, 2)
    elif homes < FEW_HOMES:
        home.number = block.number = block.number + nth * 2
    else:
        home.room = room(6, 4)
