"""The customers of a network in memory, for replays, simulations and tests: no database.

Decided here: nothing; ``place`` decides, and what is found here is what ``lookup`` finds in Postgres. Never here:
I/O. The services ask Postgres: this costs some hundred bytes a customer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import h3.api.basic_int as h3

from services.grid.phone import phone_key
from services.grid.place import (
    DEFAULT_RULES,
    Customer,
    Found,
    Near,
    Point,
    ask,
    decide,
    distance_m,
    latitude,
    mercator,
)
from services.grid.tree import DeviceType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from services.grid.network_file import CustomerRow
    from services.grid.place import PlaceEvidence, PlaceRules, Question, ResolvedPlace
    from services.grid.tree import Tree

_RESOLUTION: Final = 9
_SHORTEST_EDGE_M: Final = 130.0  # of a cell at resolution 9, anywhere on the globe, with a margin
_NORTHMOST: Final = 85.0


class CustomerBook:
    """All customers of a network, found by account, phone or position."""

    def __init__(self, tree: Tree, customers: Iterable[CustomerRow]) -> None:
        """Take in the customers of ``tree``.

        Raises:
            UnknownDeviceError: a customer is connected to a transformer that is not in the tree.
        """
        self._tree = tree
        self._rows: dict[str, CustomerRow] = {}
        self._by_phone: dict[str, list[str]] = {}
        self._cells: dict[int, set[tuple[float, float, str]]] = {}
        for row in customers:
            tree.type_of(row.transformer_id)
            self._rows[row.account_id] = row
            if (phone := phone_key(row.phone)) is not None:
                self._by_phone.setdefault(phone, []).append(row.account_id)
            self._deliver(row.transformer_id, row.lat, row.lon)
        for device in tree:
            if tree.type_of(device) is DeviceType.TRANSFORMER:
                known = tree.device(device)
                self._deliver(device, known.lat, known.lon)

    def __len__(self) -> int:
        return len(self._rows)

    def _deliver(self, transformer: str, lat: float, lon: float) -> None:
        if abs(lat) <= _NORTHMOST:
            cell = h3.latlng_to_cell(lat, lon, _RESOLUTION)
            self._cells.setdefault(cell, set()).add((lon, mercator(lat), transformer))

    def resolve(self, evidence: PlaceEvidence, rules: PlaceRules = DEFAULT_RULES) -> ResolvedPlace:
        """Return the place of one report."""
        question = ask(evidence, rules)
        return decide(question, self.find(question, rules), rules)

    def find(self, question: Question, rules: PlaceRules = DEFAULT_RULES) -> Found:
        """Return what the network knows about a question, as far as ``coverage_m``."""
        row = self._rows.get(question.account_id) if question.account_id else None
        same_phone = self._by_phone.get(question.phone, [])[:2] if question.phone else []
        found = Found(
            account=None if row is None else self._customer(row),
            phones=tuple(self._customer(self._rows[account]) for account in same_phone),
        )
        if row is not None or len(same_phone) == 1 or question.point is None:
            return found
        return Found(None, found.phones, self._near(question, question.point, rules))

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
        )

    def _near(self, question: Question, point: Point, rules: PlaceRules) -> tuple[Near, ...]:
        """Return the two nearest transformers, searching ring after ring until no other one can matter."""
        x, y = point.lon, mercator(point.lat)
        best: dict[str, tuple[float, float, float]] = {}  # transformer to distance in the plane, x, y
        near: list[Near] = []
        for ring, points in enumerate(self._rings(point)):
            for at_x, at_y, transformer in points:
                offer = (math.hypot(at_x - x, at_y - y), at_x, at_y)
                if transformer not in best or offer < best[transformer]:
                    best[transformer] = offer
            if points:
                ranked = sorted((offer, transformer) for transformer, offer in best.items())[:2]
                near = [self._as_near(transformer, offer) for offer, transformer in ranked]
            nearest = distance_m(point, near[0].point) if near else math.inf
            needed = rules.coverage_m
            if nearest <= rules.coverage_m:
                needed = max(nearest, rules.ambiguous_ratio * nearest, question.accuracy_m)
            if _SHORTEST_EDGE_M * (1.5 * ring - 0.5) >= needed:  # nothing so near lies outside the ring
                break
        return tuple(near)

    def _rings(self, point: Point) -> Iterator[list[tuple[float, float, str]]]:
        origin = h3.latlng_to_cell(point.lat, point.lon, _RESOLUTION)
        ring = 0
        while True:
            cells = h3.grid_ring(origin, ring)
            yield [one for cell in cells for one in self._cells.get(cell, ())]
            ring += 1

    def _as_near(self, transformer: str, offer: tuple[float, float, float]) -> Near:
        _, x, y = offer
        return Near(
            transformer, self._tree.feeder_of(transformer), self._tree.area_of(transformer), Point(latitude(y), x)
        )
