"""The houses of a network in memory: which transformers a street and a number mean.

Decided here: nothing; this is what the table ``grid.house`` is in Postgres. One row for each house and transformer, not
for each customer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from services.grid.address import STREET_ROW, parse
from services.grid.alike import MOST_STREETS, alike, said_keys, stored_keys
from services.grid.evidence import Point
from services.grid.fitting import as_read
from services.grid.found import MOST_COUNTED, MOST_HOUSES, House, Spot
from services.grid.steps import LOOKS
from services.grid.streets import (
    NEIGHBOURS,
    VILLAGE_KINDS,
    district_names,
    is_within,
    street_names,
    unsaid_districts,
    unsaid_wider,
    wider_districts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from services.grid.address import Address
    from services.grid.alike import Alike
    from services.grid.network_file import CustomerRow
    from services.grid.tree import Tree


class Row(NamedTuple):
    """The customers of a transformer in one house; number 0 stands for the whole street."""

    number: int
    district: str
    building: str
    transformer_id: str
    customers: int


class Wanted(NamedTuple):
    """What to look for in the order of ``steps``: streets, districts and the range of numbers.

    Of a number with more houses than ``MOST_HOUSES`` (a lane, a large estate at one gate) those of the building count,
    or where none was said, the transformers of all. Of a whole street with more rows the transformers count, too: a
    file that has half of its addresses without the district has each transformer several times.
    """

    streets: tuple[str, ...]
    districts: tuple[str, ...]
    within: tuple[str, ...]
    number: int
    low: int
    high: int
    building: str = ""


def wanted(said: Address, alike: Alike | None = None) -> tuple[Wanted, ...]:
    """Return what to look for because of an address, or in the streets it may mean instead of its own.

    Of each of its readings, only the house itself; then what is found without them. Of a village's group, the group;
    then the village, which has more houses than can be told apart. Of a road and an estate each, since the file may
    name one of them alone. Of a building in a part of an estate, that number in all parts; then the estate, whose parts
    the file may name or not.
    """
    if said.is_village and alike is None:
        group, village = replace(said, road=""), _wanted(replace(said, estate="", building=""), None)
        more = () if said.road.endswith(VILLAGE_KINDS) else tuple(f"{said.road}{kind}" for kind in VILLAGE_KINDS)
        return _wanted(group, None), village._replace(streets=(*village.streets, *more))
    if said.road and said.estate and said.building and alike is None:
        road, estate = replace(said, estate="", part=""), replace(said, road="", number=STREET_ROW)
        return _wanted(road, None), *wanted(estate)
    whole = _wanted(said, alike)
    if said.part and whole.high:
        return whole, whole._replace(number=STREET_ROW, low=STREET_ROW, high=STREET_ROW)
    return (*(whole._replace(number=number, building=building) for number, building in said.readings), whole)


def _wanted(said: Address, alike: Alike | None) -> Wanted:
    names = alike.streets if alike is not None else (n for site in said.sites for n in street_names(site.street))
    streets = tuple(dict.fromkeys(names))
    numbers = [site.number for site in said.sites if site.number]
    number = numbers[0] if numbers else STREET_ROW
    apart = NEIGHBOURS if number else 0
    low = max(number - apart, 1) if number else 0
    # "Near number 18" means its neighbours as much as itself: no exact step.
    exact = 0 if said.near else number
    districts: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    if said.district:  # where the file names no district, the one that was said is no other
        districts, within = (*district_names(said.district), ""), wider_districts(said.district)
    elif alike is None:
        districts = tuple(name for street in said.streets for name in unsaid_districts(street))
        within = tuple(name for street in said.streets for name in unsaid_wider(street))
    building = next((site.building for site in said.sites if site.number), "")
    return Wanted(streets, districts, within, exact, low, number + apart if number else 0, building)


def spot_in(tree: Tree, device: str) -> Spot:
    """Return a device of a network as a place that a report may be at."""
    return Spot(device, tree.feeder_of(device), tree.area_of(device), Point(*tree.position(device)), tree.span(device))


def _together(every: Iterable[tuple[str, Row]], building: str) -> list[tuple[str, Row]]:
    """Return the houses of one number by transformer: those of a building that was said, else the whole lane.

    Likewise the rows of a street, which are apart by the part of an estate. None of more than are counted.
    """
    most = MOST_HOUSES if building else MOST_COUNTED
    own = list(islice((one for one in every if not building or one[1].building == building), most + 1))
    if len(own) > most:
        return []
    customers: Counter[tuple[str, str, str]] = Counter()
    number = own[0][1].number if own else STREET_ROW
    for street, row in own:
        customers[street, building if number else row.building, row.transformer_id] += row.customers
    found = ((street, Row(number, "", of, at, count)) for (street, of, at), count in customers.items())
    return list(islice(found, MOST_HOUSES + 1))


class HouseIndex:
    """Houses by street."""

    def __init__(self, tree: Tree, customers: Iterable[CustomerRow]) -> None:
        """Take in the addresses of customers."""
        self._tree = tree
        self._spots: dict[str, Spot] = {}
        counts: Counter[tuple[str, int, str, str, str]] = Counter()
        for customer in customers:
            address = parse(customer.address)
            for site in address.sites:
                part = address.part if site.street == address.estate else ""
                counts[site.street, STREET_ROW, address.district, part, customer.transformer_id] += 1
                if site.number:
                    counts[site.street, site.number, address.district, site.building, customer.transformer_id] += 1
        self._streets: dict[str, list[Row]] = {}
        for (street, number, district, building, transformer), count in counts.items():
            self._streets.setdefault(street, []).append(Row(number, district, building, transformer, count))
        for rows in self._streets.values():
            rows.sort()
        self._keys: dict[str, list[str]] = {}

    def alike(self, said: Address) -> Alike | None:
        """Return the streets that may be meant by one that the network does not have."""
        if not self._keys:  # most books are never asked
            for street in sorted(self._streets):
                for key in stored_keys(street):
                    self._keys.setdefault(key, []).append(street)
        keys = said_keys(said.streets)
        return alike(said.streets, ((key, one) for key in keys for one in self._keys.get(key, ())[: MOST_STREETS + 1]))

    def find(self, said: Address, alike: Alike | None = None) -> tuple[tuple[House, ...], bool]:
        """Return the houses of the first step that finds any, and whether there are too many: then none."""
        wants = wanted(said, alike)
        if len(wants) == 1:
            houses = self._first(wants[0])
            return ((), True) if len(houses) > MOST_HOUSES else (houses, False)
        crowded: set[int] = set()
        found: list[House] = []
        for want in wants:
            houses = self._first(want)
            if len(houses) > MOST_HOUSES:
                crowded.add(houses[0].step)
            else:
                found += houses
        return as_read(said, found, crowded)

    def _first(self, want: Wanted) -> tuple[House, ...]:
        streets = [(name, self._streets[name]) for name in want.streets if name in self._streets]
        if not streets:
            return ()
        for step, where, which in LOOKS:
            if (where == "here" and not want.districts) or (where == "within" and not want.within):
                continue
            if which == "street":
                low = high = STREET_ROW
            elif which == "exact":
                low = high = want.number
            else:
                low, high = want.low, want.high
            if which != "street" and not high:
                continue
            every = self._between(streets, low, high, want, where)
            rows = list(islice(every, MOST_HOUSES + 1))
            if which != "neighbours" and len(rows) > MOST_HOUSES:
                rows = _together(chain(rows, every), want.building if which == "exact" else "") or rows
            if rows:
                return tuple(
                    House(step, self._spot(row), name, row.number, row.building, row.customers) for name, row in rows
                )
        return ()

    @staticmethod
    def _between(
        streets: list[tuple[str, list[Row]]], low: int, high: int, want: Wanted, where: str
    ) -> Iterator[tuple[str, Row]]:
        for name, rows in streets:
            for row in rows[bisect_left(rows, low, key=itemgetter(0)) :]:
                if row.number > high:
                    break
                if (
                    where == "anywhere"
                    or (where == "here" and row.district in want.districts)
                    or (where == "within" and is_within(row.district, want.within))
                ):
                    yield name, row

    def _spot(self, row: Row) -> Spot:
        found = self._spots.get(row.transformer_id)
        if found is None:  # an address said without its district is in as many places as there are towns
            found = self._spots[row.transformer_id] = spot_in(self._tree, row.transformer_id)
        return found
