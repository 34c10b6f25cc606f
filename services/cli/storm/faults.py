"""The true faults of a storm: which device, whose homes, from when to when.

Decided here: where faults strike, so that their sizes follow the recorded ones. Never here: who reports them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.cli.storm.shape import CUSTOMERS_OUT, HOURS_OUT, Shape, quantile
from services.grid.tree import DeviceType, Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

    from services.grid.network_file import CustomerRow
    from services.grid.tree import DeviceRow

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
_DARKEST: Final = 0.5  # share of an area's customers that large faults may take
_SMALL: Final = 50  # customers of a fault that never counts as large


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
    """

    id: str
    device: str
    type: str
    area: str
    customers: tuple[int, ...]
    start: float
    restored: float


def draw_faults(network: Network, shape: Shape, rng: Random) -> tuple[Fault, ...]:
    """Draw the faults of a storm, by start.

    Sizes are drawn one from each of ``shape.faults`` equal shares of the curve, so that a small storm too has its
    large fault. No two faults overlap in place and time, and large ones leave half of an area lit.

    Raises:
        ValueError: the network has no customers.
    """
    if not network.customers:
        raise ValueError("a storm needs a network with customers")
    sizes = sorted(
        (quantile(CUSTOMERS_OUT, (n + rng.random()) / shape.faults) for n in range(shape.faults)), reverse=True
    )
    sites = _Sites(network)
    drawn: list[Fault] = []
    for size in sizes:
        start = shape.seconds * rng.betavariate(2.0, 4.0)  # a storm rises fast and dies out slowly
        hours = quantile(HOURS_OUT, rng.random())
        restored = start + hours * 3600 if shape.restores else math.inf
        site = sites.take(size, start, restored, rng)
        if site is not None:
            device, kind, customers = site
            area = network.tree.area_of(device)
            drawn.append(Fault("", device, kind, area, customers, start, restored))
    drawn.sort(key=lambda fault: (fault.start, fault.device, fault.customers))
    return tuple(
        Fault(f"F{n:04d}", f.device, f.type, f.area, f.customers, f.start, f.restored) for n, f in enumerate(drawn, 1)
    )


class _Sites:
    """Finds a place for a fault of a size, away from all faults so far."""

    def __init__(self, network: Network) -> None:
        tree = network.tree
        self._network = network
        devices = [device for device in tree if tree.type_of(device) in _STRIKES]
        self._by_size = sorted((tree.customers_under(device), device) for device in devices)
        self._taken: dict[str, list[tuple[float, float, str, int | None]]] = defaultdict(list)
        self._dark: dict[str, int] = defaultdict(int)

    def take(self, size: float, start: float, restored: float, rng: Random) -> tuple[str, str, tuple[int, ...]] | None:
        """Return device, type and customers of a free place; None if the network is full."""
        tree = self._network.tree
        if round(size) > 1:
            for device in self._candidates(size, rng):
                area = tree.area_of(device)
                count = tree.customers_under(device)
                room = _DARKEST * tree.customers_under(area) - self._dark[area]
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

    def _candidates(self, size: float, rng: Random) -> Iterator[str]:
        """Yield the devices of about that size in random order, then a few of the nearest below it."""
        near = [device for count, device in self._by_size if size / _NEAR <= count <= size * _NEAR]
        rng.shuffle(near)
        yield from near
        below = [device for count, device in self._by_size if 1 < count < size / _NEAR]
        yield from reversed(below[-40:])

    def _free(self, device: str, customer: int | None, start: float, restored: float) -> bool:
        tree = self._network.tree
        for begun, ended, other, other_customer in self._taken[tree.feeder_of(device)]:
            if begun >= restored or start >= ended:
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
