"""The true faults of a storm: which device, whose homes, from when to when.

Decided here: where faults strike, so that their sizes follow the recorded ones; what else is broken under them; in
which steps power comes back. Never here: who reports them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from services.grid.device import DeviceType
from services.grid.tree import Tree
from services.simulator.shape import CUSTOMERS_OUT, HOURS_OUT, Shape, quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from services.grid.device import DeviceRow
    from services.grid.network_file import CustomerRow

SERVICE: Final = "service"
"""Type of a fault of one customer's own line, below every device of the network."""

_NEAR: Final = 1.25  # a device fits a drawn size if its customers are within this factor of it
_STRIKES: Final = frozenset(
    {
        DeviceType.BREAKER,
        DeviceType.RECLOSER,
        DeviceType.SWITCH,
        DeviceType.SECTIONALIZER,
        DeviceType.FUSE,
        DeviceType.TRANSFORMER,
    }
)
_SMALL: Final = 50  # customers of a fault that never counts as large
_LONE_TRANSFORMER: Final = 0.3  # share of faults of one customer that are the transformer of that customer alone
_HIDES: Final = 10  # customers of a fault from which on something may be broken under it too
_STEPPED: Final = 20  # customers of a fault from which on power may come back in steps
_MOST_NESTED: Final = 0.3  # share of the outer fault's customers that the inner one has at most


class Network:
    """The network a storm strikes, with its customers by number."""

    def __init__(self, devices: Iterable[DeviceRow], customers: Iterable[CustomerRow]) -> None:
        """Raises ``NotRadialError`` or ``ValueError`` where the two do not fit: see ``Tree``."""
        self.devices: tuple[DeviceRow, ...] = tuple(devices)
        self.customers: tuple[CustomerRow, ...] = tuple(customers)
        self._at: dict[str, list[int]] = defaultdict(list)
        for number, customer in enumerate(self.customers):
            self._at[customer.transformer_id].append(number)
        self.tree = Tree(self.devices, {device: len(numbers) for device, numbers in self._at.items()})

    def customers_under(self, device: str) -> tuple[int, ...]:
        """Return the customers fed through a device, by number."""
        return tuple(n for transformer in self.tree.transformers_under(device) for n in self._at.get(transformer, ()))


@dataclass(frozen=True, slots=True)
class Fault:
    """One true outage.

    Attributes:
        id: ``F0001`` and so on, by start.
        device: Device that opened; the transformer for a customer's own line.
        type: Its type, or ``service``.
        customers: Homes without power, by number in the network.
        start: Seconds of storm time.
        restored: Seconds of storm time; infinite if it does not end in this storm.
        shows: Seconds from which on its customers can tell it: later than ``start`` where a larger fault above had
            taken their power already and gave it back then.
        under: That larger fault, for one that is nested.
        steps: When and under which device power came back before ``restored``, by time.
    """

    id: str
    device: str
    type: str
    area: str
    customers: tuple[int, ...]
    start: float
    restored: float
    shows: float
    under: str | None = None
    steps: tuple[tuple[float, str], ...] = ()

    def power_back(self, tree: Tree, device: str) -> float:
        """Return when this fault let power back to a device under its own."""
        return min((at for at, step in self.steps if tree.is_under(device, step)), default=self.restored)


def draw_faults(network: Network, shape: Shape, rng: Random) -> tuple[Fault, ...]:
    """Draw the faults of a storm, by start.

    Sizes are drawn one from each of ``shape.faults`` equal shares of the curve, so that a small storm too has its
    large fault. But for nested ones, no two faults overlap in place and time.

    Raises:
        ValueError: the network has no customers.
    """
    if not network.customers:
        raise ValueError("a storm needs a network with customers")
    sizes = sorted(
        (quantile(CUSTOMERS_OUT, (n + rng.random()) / shape.faults) for n in range(shape.faults)), reverse=True
    )
    sites = _Sites(network, shape.darkest)
    drawn: list[Fault] = []
    for size in sizes:
        start = shape.seconds * rng.betavariate(*shape.peak)
        restored = start + quantile(HOURS_OUT, rng.random()) * 3600 if shape.restores else math.inf
        site = sites.take(size, start, restored, rng)
        if site is not None:
            device, kind, customers = site
            area = network.tree.area_of(device)
            drawn.append(Fault("", device, kind, area, customers, start, restored, start))
    if shape.restores:
        drawn = [_stepped(network, fault, rng) if rng.random() < shape.steps else fault for fault in drawn]
    found = _numbered("F", drawn)
    if shape.restores:
        hide = [f for f in found if len(f.customers) >= _HIDES and f.restored < shape.seconds]
        inner = (_nested(network, sites, fault, rng) for fault in hide if rng.random() < shape.nested)
        found += _numbered("N", [fault for fault in inner if fault is not None])
    return tuple(sorted(found, key=lambda fault: (fault.start, fault.id)))


def _numbered(letter: str, faults: list[Fault]) -> list[Fault]:
    faults.sort(key=lambda fault: (fault.start, fault.device, fault.customers))
    return [replace(fault, id=f"{letter}{n:04d}") for n, fault in enumerate(faults, 1)]


def _stepped(network: Network, fault: Fault, rng: Random) -> Fault:
    """Give a large fault's power back branch by branch, the last branch at its end."""
    if fault.type == SERVICE or len(fault.customers) < _STEPPED:
        return fault
    branches, tree = [fault.device], network.tree
    while len(branches) == 1:  # down to where it forks
        branches = [child for child in tree.children(branches[0]) if tree.customers_under(child)]
    if not branches:
        return fault
    first = rng.sample(branches, rng.randint(1, min(3, len(branches) - 1)))
    lasts = fault.restored - fault.start
    times = sorted(fault.start + rng.uniform(0.3, 0.95) * lasts for _ in first)
    return replace(fault, steps=tuple(zip(times, first, strict=True)))


def _nested(network: Network, sites: _Sites, outer: Fault, rng: Random) -> Fault | None:
    """Break something else under a fault, found only when that one's power is back; None where nothing fits."""
    tree = network.tree
    most = max(1, int(_MOST_NESTED * len(outer.customers)))
    inside = [
        device
        for device in tree.under(outer.device)[1:]
        if tree.type_of(device) in _STRIKES and 0 < tree.customers_under(device) <= most
    ]
    if not inside:
        return None
    device = rng.choice(inside)
    customers = network.customers_under(device)
    kind: str = tree.type_of(device).value
    if rng.random() < 0.5:  # noqa: PLR2004  as often one home's own line: what a crew sees last
        customers, kind = (rng.choice(customers),), SERVICE
        device = network.customers[customers[0]].transformer_id
    shows = outer.power_back(tree, device)
    start = outer.start + rng.random() * (shows - outer.start)
    restored = shows + quantile(HOURS_OUT, rng.random()) * 3600
    if not sites.take_nested(device, customers[0] if kind == SERVICE else None, start, restored, outer.device):
        return None
    return Fault("", device, kind, outer.area, customers, start, restored, shows, under=outer.id)


class _Sites:
    """Finds a place for a fault of a size, away from all faults so far."""

    def __init__(self, network: Network, darkest: float) -> None:
        tree = network.tree
        self._network = network
        self._darkest = darkest
        devices = [device for device in tree if tree.type_of(device) in _STRIKES]
        self._by_size = sorted((tree.customers_under(device), device) for device in devices)
        self._taken: dict[str, list[tuple[float, float, str, int | None]]] = defaultdict(list)
        self._dark: dict[str, int] = defaultdict(int)

    def take(self, size: float, start: float, restored: float, rng: Random) -> tuple[str, str, tuple[int, ...]] | None:
        """Return device, type and customers of a free place; None if the network is full."""
        tree = self._network.tree
        if round(size) > 1 or rng.random() < _LONE_TRANSFORMER:
            for device in self._candidates(size, rng):
                area = tree.area_of(device)
                count = tree.customers_under(device)
                room = self._darkest * tree.customers_under(area) - self._dark[area]
                if (count <= room or count <= _SMALL) and self._free(device, None, start, restored):
                    self._hold(device, None, start, restored, count)
                    return device, tree.type_of(device).value, self._network.customers_under(device)
        for _ in range(100):
            number = rng.randrange(len(self._network.customers))
            device = self._network.customers[number].transformer_id
            if self._free(device, number, start, restored):
                self._hold(device, number, start, restored, 1)
                return device, SERVICE, (number,)
        return None

    def take_nested(self, device: str, customer: int | None, start: float, restored: float, outer: str) -> bool:
        """Take a place under the fault at ``outer``; False where a third fault is in the way."""
        if not self._free(device, customer, start, restored, besides=outer):
            return False
        self._hold(device, customer, start, restored, 0)
        return True

    def _candidates(self, size: float, rng: Random) -> Iterator[str]:
        """Yield the devices of about that size in random order, then a few of the nearest below it."""
        low = bisect_left(self._by_size, (max(1.0, size / _NEAR), ""))
        near = [device for _, device in self._by_size[low : bisect_right(self._by_size, (size * _NEAR, "\uffff"))]]
        rng.shuffle(near)
        yield from near
        yield from (device for count, device in reversed(self._by_size[max(0, low - 40) : low]) if count > 1)

    def _free(
        self, device: str, customer: int | None, start: float, restored: float, *, besides: str | None = None
    ) -> bool:
        tree = self._network.tree
        for begun, ended, other, other_customer in self._taken[tree.feeder_of(device)]:
            if begun >= restored or start >= ended or (other == besides and other_customer is None):
                continue
            if customer is not None and other_customer is not None:
                if customer == other_customer:
                    return False
            elif tree.is_under(device, other) or tree.is_under(other, device):
                return False
        return True

    def _hold(self, device: str, customer: int | None, start: float, restored: float, size: int) -> None:
        tree = self._network.tree
        self._taken[tree.feeder_of(device)].append((start, restored, device, customer))
        self._dark[tree.area_of(device)] += size
