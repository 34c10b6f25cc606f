"""Feeders that grow from a seed: networks to tune on, so that the real ones stay for reporting; and other shapes.

Decided here: what a grown feeder looks like. It is radial, its devices carry the types of DESIGN §8, its addresses
are in the form of the shipped networks' files. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.grid.device import DeviceRow, DeviceType
from services.grid.network_file import CustomerRow
from services.grid.tile import Base
from services.simulator.generate import dice

if TYPE_CHECKING:
    from random import Random

_SOUTH, _WEST = 31.2, 118.4  # where the shipped networks lie
_METRES_A_DEGREE: Final = 111_320.0
_NO_PHONE: Final = 0.2
_STREETS: Final = tuple(
    f"{name}{side}路"
    for name in ("人民", "建设", "胜利", "光明", "振兴", "滨江", "朝阳", "花园", "东风", "迎宾", "育才", "工农")
    for side in ("东", "南", "西", "北", "中")
)
_ESTATES: Final = tuple(
    f"{name}{kind}"
    for name in ("阳光", "锦绣", "翠湖", "金桂", "紫薇", "明珠", "康乐", "世纪")
    for kind in ("花园", "家园", "新村")
)


@dataclass(frozen=True, slots=True)
class Habit:
    """How a feeder grows.

    Attributes:
        transformers: How many it has.
        customers: Least and most customers a transformer serves; the most common are few.
        devices: Share of new nodes that can open: the others are transformers.
        deep: How much a new node prefers the youngest branches, 0 (all alike: bushy) to 1 (one long line).
        span_m: Metres from a node to the next.
        estates: Addresses are of housing estates with blocks and units, else of houses along a street.
    """

    transformers: int
    customers: tuple[int, int]
    devices: float
    deep: float
    span_m: float
    estates: bool = False


SUBURB: Final = Habit(transformers=450, customers=(1, 5), devices=0.2, deep=0.5, span_m=90)
VALLEY: Final = Habit(transformers=80, customers=(1, 10), devices=0.25, deep=0.75, span_m=250)
TOWN: Final = Habit(transformers=40, customers=(30, 180), devices=0.3, deep=0.3, span_m=160, estates=True)


def grow(habit: Habit, seed: int) -> Base:
    """Grow one feeder under one substation; equal arguments give equal feeders."""
    return _Feeder(habit, dice(seed, f"feeder/{habit.transformers}/{habit.deep}")).grown()


class _Feeder:
    """One feeder as it grows."""

    def __init__(self, habit: Habit, rng: Random) -> None:
        self._habit = habit
        self._rng = rng
        self._parent: list[int] = [-1, 0]
        self._type: list[DeviceType] = [DeviceType.SUBSTATION, DeviceType.BREAKER]
        self._depth: list[int] = [0, 1]
        self._at: list[tuple[float, float]] = [(0.0, 0.0), (habit.span_m, 0.0)]
        self._heading: list[float] = [0.0, 0.0]

    def grown(self) -> Base:
        rng, habit = self._rng, self._habit
        open_ends, made = [1], 0
        while made < habit.transformers:
            if rng.random() < habit.deep:  # the youngest branches
                parent = open_ends[-1 - min(len(open_ends) - 1, int(rng.expovariate(0.7)))]
            else:
                parent = rng.choice(open_ends)
            if rng.random() < habit.devices:
                trunk = self._depth[parent] < 4 and rng.random() < 0.6  # noqa: PLR2004  switches near the head
                kind = rng.choice((DeviceType.SWITCH, DeviceType.RECLOSER)) if trunk else DeviceType.FUSE
                open_ends.append(self._add(parent, kind))
            else:
                self._add(parent, DeviceType.TRANSFORMER)
                made += 1
        self._fill_empty_ends()
        return self._rows()

    def _add(self, parent: int, kind: DeviceType) -> int:
        heading = self._heading[parent] + self._rng.gauss(0.0, 0.7)
        span = self._habit.span_m * self._rng.uniform(0.6, 1.4)
        east, north = self._at[parent]
        self._at.append((east + span * math.cos(heading), north + span * math.sin(heading)))
        self._heading.append(heading)
        self._parent.append(parent)
        self._type.append(kind)
        self._depth.append(self._depth[parent] + 1)
        return len(self._parent) - 1

    def _fill_empty_ends(self) -> None:
        """Give each end that feeds nobody a transformer: no such device is built."""
        feeding = set(self._parent)
        for node in range(len(self._parent)):
            if node not in feeding and self._type[node] is not DeviceType.TRANSFORMER:
                self._add(node, DeviceType.TRANSFORMER)

    def _rows(self) -> Base:
        letters = {DeviceType.SUBSTATION: "SU", DeviceType.BREAKER: "BR", DeviceType.FUSE: "FU"}
        letters |= {DeviceType.SWITCH: "SW", DeviceType.RECLOSER: "RC", DeviceType.TRANSFORMER: "TR"}
        ids = [f"G{letters[kind]}{node:05d}" for node, kind in enumerate(self._type)]
        places = [_degrees(*at) for at in self._at]
        devices = [
            DeviceRow(own, None if up < 0 else ids[up], kind.value, normally_open=False, lat=lat, lon=lon)
            for own, up, kind, (lat, lon) in zip(ids, self._parent, self._type, places, strict=True)
        ]
        customers: list[CustomerRow] = []
        phones: dict[str, None] = {}
        for node, kind in enumerate(self._type):
            if kind is DeviceType.TRANSFORMER:
                self._connect(ids[node], self._at[node], customers, phones)
        return Base(devices, customers)

    def _connect(
        self, transformer: str, at: tuple[float, float], customers: list[CustomerRow], phones: dict[str, None]
    ) -> None:
        rng, (least, most) = self._rng, self._habit.customers
        count = least + min(most - least, int(rng.expovariate(3.0 / (most - least + 1))))
        street, number = rng.choice(_ESTATES if self._habit.estates else _STREETS), rng.randint(1, 600)
        for _ in range(count):
            phone = f"100{rng.randrange(10**8):08d}"
            while phone in phones:
                phone = f"100{rng.randrange(10**8):08d}"
            phones[phone] = None
            radius, angle = 70.0 * math.sqrt(rng.random()), rng.uniform(0.0, math.tau)
            where = _degrees(at[0] + radius * math.cos(angle), at[1] + radius * math.sin(angle))
            room = f"{rng.randint(1, 24)}{rng.randint(1, 4):02d}室"
            if self._habit.estates:
                address = f"1区{street}{number % 9 * 4 + rng.randint(1, 4)}栋{rng.randint(1, 4)}单元{room}"
            else:
                address = f"1区{street}{number + rng.randint(0, 30)}号{rng.randint(1, 6)}栋{room}"
            told = "" if rng.random() < _NO_PHONE else phone
            customers.append(CustomerRow(f"G{len(customers) + 1:07d}", transformer, *where, address, told))


def _degrees(east: float, north: float) -> tuple[float, float]:
    lat = _SOUTH + north / _METRES_A_DEGREE
    return round(lat, 6), round(_WEST + east / (_METRES_A_DEGREE * math.cos(math.radians(_SOUTH))), 6)
