"""A network of many feeders: copies of one real feeder, several to a substation."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tests.heldout.datum import Point

FEEDERS_A_SUBSTATION: Final = (2, 3, 4)
"""One of these in each storm."""
NORTH, EAST = 0.135, 0.128
"""Degrees from one copy to the next; the largest feeder is smaller than that."""

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Feeder:
    """One feeder as it is shipped."""

    devices: list[Row]
    customers: dict[str, list[Row]]
    """By transformer."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device of the network; ``template`` is its id in the feeder it is a copy of, ``tile`` which copy."""

    id: str
    parent: str
    type: str
    normally_open: bool
    point: Point
    other_end: str
    tile: int
    template: str


@dataclass(slots=True)
class Network:
    """All devices, and the tree of those that are closed."""

    tiles: int
    devices: dict[str, Device] = field(default_factory=dict)
    parent: dict[str, str] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, device: Device) -> None:
        """Add a device, below its parent."""
        self.devices[device.id] = device
        if device.parent and not device.normally_open:
            self.parent[device.id] = device.parent
            self.children[device.parent].append(device.id)

    def below(self, device: str) -> list[str]:
        """Return a device and all it feeds."""
        found, left = [], [device]
        while left:
            one = left.pop()
            found.append(one)
            left += self.children.get(one, ())
        return found

    def chain(self, device: str) -> list[str]:
        """Return a device and all that feed it, up to its substation."""
        found = [device]
        while (above := self.parent.get(found[-1])) is not None:
            found.append(above)
        return found

    def of_type(self, *types: str) -> list[Device]:
        """Return the devices of these types."""
        return [one for one in self.devices.values() if one.type in types]


def read_feeder(folder: Path) -> Feeder:
    """Read network.csv and customers.csv of a folder in deploy/networks."""
    customers: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(folder / "customers.csv"):
        customers[row["transformer_id"]].append(row)
    return Feeder(_rows(folder / "network.csv"), customers)


def tiled(feeder: Feeder, tiles: int, rng: Random) -> Network:
    """Lay copies of a feeder side by side. Substations take the place of the first feeder that they feed."""
    network = Network(tiles)
    known = {row["id"] for row in feeder.devices}
    substations = {row["id"] for row in feeder.devices if row["type"] == "substation"}
    feeders = rng.choice(FEEDERS_A_SUBSTATION)
    for tile in range(tiles):
        copy, substation = f"F{tile + 1:02d}-", f"SUB{tile // feeders + 1:02d}"
        north, east = shift(tile, tiles)
        for row in feeder.devices:
            top = row["id"] in substations
            if top and substation in network.devices:
                continue
            parent = substation if row["parent"] in substations else copy + row["parent"]
            other_end = row.get("other_end", "")
            network.add(
                Device(
                    id=substation if top else copy + row["id"],
                    parent="" if top else parent,
                    type=row["type"],
                    normally_open=row["normally_open"] == "1",
                    point=(float(row["lat"]) + north, float(row["lon"]) + east),
                    other_end=copy + other_end if other_end in known else "",
                    tile=tile,
                    template=row["id"],
                )
            )
    return network


def shift(tile: int, tiles: int) -> Point:
    """Return how many degrees north and east of the original a copy is: they make a square."""
    side = math.ceil(math.sqrt(tiles))
    return (tile // side) * NORTH, (tile % side) * EAST


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
