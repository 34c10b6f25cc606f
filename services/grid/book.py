"""The customers of a network in memory, for replays, simulations and tests: no database.

Decided here: nothing; ``place`` decides, and what is found here is what ``lookup`` finds in Postgres. Never here:
I/O. The services ask Postgres: this costs some hundred bytes a customer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from services.grid.accounts import account_key, account_spellings
from services.grid.address import parse
from services.grid.candidates import search
from services.grid.device import DeviceType
from services.grid.device_names import Hit, id_key, loosely_meant, meant, name_key, short_name
from services.grid.evidence import DEFAULT_RULES, Point, ask, latitude, mercator
from services.grid.fitting import believed, without_known_road
from services.grid.found import (
    MOST_DEVICES,
    MOST_PHONES,
    MOST_POINTS,
    MOST_ROOMS,
    Around,
    Customer,
    Named,
    Spot,
    meant_of,
)
from services.grid.houses import HouseIndex, spot_in
from services.grid.lately import Chain
from services.grid.phone import phone_key
from services.grid.place import decide, weigh
from services.grid.slips import slips

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from services.grid.address import Address
    from services.grid.evidence import PlaceEvidence, Question
    from services.grid.found import House, Search
    from services.grid.lately import Lately
    from services.grid.network_file import CustomerRow
    from services.grid.place import ResolvedPlace
    from services.grid.tree import Tree

_CELL: Final = 0.004
"""Degrees of the plane along a side of the squares that service points are kept in: some 400 m in China."""
_NORTHMOST: Final = 85.0
"""No service point is kept, and none looked for, nearer to a pole: in the plane everything is far apart there."""
_DEGREE_M: Final = 111_195.0  # of latitude on h3's sphere


class CustomerBook:
    """All customers of a network, found by account, phone, position, address or the name of a device."""

    def __init__(self, tree: Tree, customers: Iterable[CustomerRow], names: Mapping[str, str] | None = None) -> None:
        """Take in the customers of ``tree``.

        Args:
            tree: The network.
            customers: Its customers.
            names: Device to what people call it.

        Raises:
            UnknownDeviceError: a customer is connected to a transformer that is not in the tree.
        """
        self._tree = tree
        self._rows: dict[str, CustomerRow] = {}
        self._by_key: dict[str, list[str]] = {}
        self._by_phone: dict[str, list[str]] = {}
        self._by_room: dict[tuple[str, str], list[str]] = {}
        self._cells: dict[tuple[int, int], set[tuple[float, float, str]]] = {}
        self._spots: dict[tuple[float, float, str], Spot] = {}
        self._by_name: dict[str, list[str]] = {}
        self._by_short_name: dict[str, list[str]] = {}
        self._by_id_key: dict[str, list[str]] = {}
        for row in customers:
            tree.type_of(row.transformer_id)
            self._rows[row.account_id] = row
            if (key := account_key(row.account_id)) and key != row.account_id:
                self._by_key.setdefault(key, []).append(row.account_id)
            if (phone := phone_key(row.phone)) is not None:
                self._by_phone.setdefault(phone, []).append(row.account_id)
            if room := parse(row.address).room:
                self._by_room.setdefault((row.transformer_id, room), []).append(row.account_id)
            self._deliver(row.transformer_id, row.lat, row.lon)
        for device in tree:
            if (key := id_key(device)) != device:
                self._by_id_key.setdefault(key, []).append(device)
            if tree.type_of(device) is DeviceType.TRANSFORMER:
                known = tree.device(device)
                self._deliver(device, known.lat, known.lon)
        self._names = {device: name_key(name) for device, name in (names or {}).items() if name}
        for device, name in self._names.items():
            self._by_name.setdefault(name, []).append(device)
            if (short := short_name(name)) is not None:
                self._by_short_name.setdefault(short, []).append(device)
        self._chains: dict[str, Chain] = {}
        self._houses = HouseIndex(tree, self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)

    def _deliver(self, transformer: str, lat: float, lon: float) -> None:
        if abs(lat) <= _NORTHMOST:
            x, y = lon, mercator(lat)
            self._cells.setdefault((math.floor(x / _CELL), math.floor(y / _CELL)), set()).add((x, y, transformer))

    def resolve(
        self,
        evidence: PlaceEvidence,
        *,
        lately: Lately | None = None,
        at: datetime | None = None,
    ) -> ResolvedPlace:
        """Return the place of one report.

        Args:
            evidence: What it says.
            lately: What was reported before: it helps to tell between places that the evidence leaves open. The
                report is counted there for those to come.
            at: When it arrived, where ``lately`` is given.
        """
        question = ask(evidence)
        named = self.named(question)
        around = self.around(search(question, named, DEFAULT_RULES))
        if lately is None or at is None:
            return decide(question, named, around)
        weighed = weigh(question, named, around)
        if weighed.sure is not None:
            lately.note(self._chain(weighed.sure), at)
        return lately.place(weighed, self._chain, at)

    def _chain(self, device: str) -> Chain:
        known = self._chains.get(device)
        if known is None:
            devices = self._tree.chain(device)
            known = Chain(devices, tuple(self._tree.customers_under(one) for one in devices))
            self._chains[device] = known
        return known

    def named(self, question: Question) -> Named:
        """Return whom and what a question names."""
        row = self._row(question.spellings) or self._numbered(question.numbers)
        same_phone = set(self._by_phone.get(question.phone, ())) if question.phone else set()
        if not same_phone:
            keys = (phone_key(number) for number in question.numbers)
            same_phone.update(*(self._by_phone.get(key, ()) for key in keys if key is not None))
        return Named(
            account=None if row is None else self._customer(row),
            phones=tuple(self._customer(self._rows[one]) for one in sorted(same_phone)[: MOST_PHONES + 1]),
            devices=tuple(self._devices(question)),
        )

    def _numbered(self, numbers: Sequence[str]) -> CustomerRow | None:
        found: set[str] = set()
        for number in numbers:
            found |= {number} & self._rows.keys()
            found.update(self._by_key.get(account_key(number), ()))
        return self._rows[found.pop()] if len(found) == 1 else None

    def account(self, said: str) -> str | None:
        """Return the account of the customer file that is meant, however it is written; None for one nobody has."""
        row = self._row(account_spellings(said))
        return None if row is None else row.account_id

    def _row(self, spellings: Sequence[str]) -> CustomerRow | None:
        if not spellings:
            return None
        row = next((self._rows[one] for one in spellings if one in self._rows), None)
        if row is None:
            like = self._by_key.get(account_key(spellings[0]), ())
            row = self._rows[like[0]] if len(like) == 1 else None
        return row

    def _devices(self, question: Question) -> Iterator[Spot]:
        said = question.devices
        hits = [Hit(text, text, self._names.get(text, ""), is_short=False) for text in said if text in self._tree]
        for index, is_short in ((self._by_name, False), (self._by_short_name, True)):
            for text in said:
                at = sorted(index.get(text, ()))[:MOST_DEVICES]
                hits += [Hit(text, device, self._names[device], is_short) for device in at]
        found = meant(hits, said)
        if question.id_keys:
            loose = [
                Hit(key, device, "", is_short=False)
                for key in question.id_keys
                for device in (
                    *sorted(self._by_id_key.get(key, ()))[:MOST_DEVICES],
                    *([key] if key in self._tree else ()),
                )
            ]
            found |= loosely_meant(loose, hits)
        for device in sorted(found)[:MOST_DEVICES]:
            yield spot_in(self._tree, device)

    def around(self, wanted: Search) -> Around:
        """Return what a search finds, as far as ``coverage_m``."""
        points = () if wanted.point is None else tuple(self._near(wanted.point))
        meant = () if wanted.slipped is None else self._slips(wanted.slipped)
        if wanted.address is None:
            return Around(points, slips=meant)
        (houses, crowded), alike = self._houses.find(wanted.address), None
        unknown = without_known_road(wanted.address, houses, crowded=crowded)
        if unknown is not None and (like := self._houses.alike(unknown)) is not None:
            likely, too_many = self._houses.find(unknown, like)
            likely = believed(unknown, like, likely)
            if likely or not (houses or crowded):
                houses, crowded, alike = likely, too_many, like
        if crowded:
            return Around(points, crowded=True, slips=meant, alike=alike)
        return Around(points, houses, self._rooms(wanted.address, houses), slips=meant, alike=alike)

    def _slips(self, key: str) -> tuple[Customer, ...]:
        found: dict[str, Customer] = {}
        for one in slips(key):
            for account in (one, *self._by_key.get(one, ())):
                if (row := self._rows.get(account)) is not None:
                    found[account] = self._customer(row)
        return meant_of(found)

    def _rooms(self, said: Address, houses: tuple[House, ...]) -> tuple[Customer, ...]:
        if not said.room:
            return ()
        found: list[Customer] = []
        for transformer in sorted({house.spot.transformer_id for house in houses}):
            accounts = sorted(self._by_room.get((transformer, said.room), ()))[:MOST_ROOMS]
            found += [self._customer(self._rows[account]) for account in accounts]
        return tuple(found)

    def _customer(self, row: CustomerRow) -> Customer:
        return Customer(
            account_id=row.account_id,
            transformer_id=row.transformer_id,
            feeder=self._tree.feeder_of(row.transformer_id),
            area=self._tree.area_of(row.transformer_id),
            phone=phone_key(row.phone),
            status=row.status,
            priority=row.priority,
            language=row.language or None,
            point=Point(row.lat, row.lon),
            address=row.address,
            span=self._tree.span(row.transformer_id),
            voltage_kv=row.voltage_kv,
        )

    def _near(self, point: Point) -> Iterator[Spot]:
        """Yield the nearest service points, in ever more squares around the position until no other one can matter."""
        if abs(point.lat) > _NORTHMOST:
            return
        x, y = point.lon, mercator(point.lat)
        corner = round(x / _CELL), round(y / _CELL)  # of four squares, one of which it is in
        beside = max(abs(x / _CELL - corner[0]), abs(y / _CELL - corner[1]))
        coverage = DEFAULT_RULES.coverage_m / (_DEGREE_M * math.cos(math.radians(point.lat)))
        best: list[tuple[float, tuple[float, float, str]]] = []
        searched, ring = 0.0, 0
        while searched < coverage and not (len(best) == MOST_POINTS and best[-1][0] <= searched):
            ring += 1
            searched = (ring - beside) * _CELL
            best += [
                (math.hypot(at[0] - x, at[1] - y), at)
                for cell in _ring(corner, ring)
                for at in self._cells.get(cell, ())
            ]
            best.sort()
            del best[MOST_POINTS:]
        for _, at in best:
            yield self._spot(at)

    def _spot(self, at: tuple[float, float, str]) -> Spot:
        """Return a service point, made once: all 24 made anew were a fifth of what a position costs."""
        known = self._spots.get(at)
        if known is None:
            x, y, transformer = at
            known = self._spots[at] = Spot(
                transformer,
                self._tree.feeder_of(transformer),
                self._tree.area_of(transformer),
                Point(latitude(y), x),
                self._tree.span(transformer),
            )
        return known


def _ring(corner: tuple[int, int], ring: int) -> Iterator[tuple[int, int]]:
    """Yield the squares around a corner: the four that touch it first, then the twelve around those, and so on."""
    west, south = corner[0] - ring, corner[1] - ring
    east, north = corner[0] + ring - 1, corner[1] + ring - 1
    for i in range(west, east + 1):
        yield i, south
        yield i, north
    for j in range(south + 1, north):
        yield west, j
        yield east, j
