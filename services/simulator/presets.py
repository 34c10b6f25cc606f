"""The storms that merging is tuned on and judged on, by name.

Decided here: which network and which storm a name and a seed stand for; that what is tuned on (grown networks) is
never what is reported on (the real ones, and a grown city of another seed). People and crews behave a little
differently in each seed, so that nothing can be fitted to one habit. Pure but for reading the shipped networks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zlib import crc32

from services.grid.network_file import open_network
from services.grid.tile import Base, Tiling, tile_customers, tile_devices
from services.simulator.faults import Network
from services.simulator.generate import dice, draw_storm
from services.simulator.grown import SUBURB, TOWN, VALLEY, Habit, grow
from services.simulator.shape import Shape

if TYPE_CHECKING:
    from services.simulator.generate import Storm

_STREET: Final = re.compile(r"(?P<district>\d+区)(?P<name>\D{2})(?P<rest>.*)")
_FIRST: Final = "金银东南西北青白红紫丹碧春秋冬云雨雪松柏竹梅兰荷柳桃杏枫龙凤鹤"
_SECOND: Final = "山河湖海江溪泉林园田岭坡桥塘湾堤港渡门台楼亭阁苑井石沙洲屏岩峰"
SHIPPED: Final = Path(__file__).parents[2] / "deploy" / "networks"


class Purpose(StrEnum):
    """What a preset may be used for."""

    TUNING = "tuning"
    REPORTING = "reporting"
    TRYING = "trying"


@dataclass(frozen=True, slots=True)
class Preset:
    """A kind of storm.

    Attributes:
        bases: Names of shipped networks, or habits with the seeds to grow feeders from.
        areas: Substations.
        feeders: Feeders a substation.
        faults: True outages, nested ones not counted.
        hours: Length of the storm.
    """

    name: str
    purpose: Purpose
    about: str
    bases: tuple[str | tuple[Habit, int], ...]
    areas: int
    feeders: int
    faults: int
    hours: float = 24.0

    def network(self) -> Network:
        """Make the network."""
        return tiled([_base(base) for base in self.bases], self.areas, self.feeders)

    def shape(self, seed: int) -> Shape:
        """Return the storm's shape: the people and crews of this seed."""
        rng = dice(seed, f"habits/{self.name}")
        return replace(
            STORM,
            faults=self.faults,
            seconds=self.hours * 3600,
            delay_median=rng.uniform(240.0, 900.0),
            delay_spread=rng.uniform(1.2, 1.7),
            wrong_account=rng.uniform(0.01, 0.05),
            address_only=rng.uniform(0.02, 0.08),
            no_place=rng.uniform(0.01, 0.03),
            restoration_missing=rng.uniform(0.02, 0.08),
            restoration_late=rng.uniform(0.05, 0.25),
        )

    def storm(self, seed: int, network: Network | None = None) -> Storm:
        """Draw the storm of a seed, on the preset's network made before or now."""
        return draw_storm(network or self.network(), self.shape(seed), seed)


STORM: Final = Shape(
    restores=True,
    peak=(2.2, 6.0),
    darkest=float("inf"),
    nested=0.15,
    steps=0.25,
    repeats=0.12,
    clock_off=0.06,
    offline=0.04,
    other=0.0,  # other business is in no outage file
)
"""What all presets share; see ``Shape`` for sources."""


def tiled(bases: list[Base], areas: int, feeders: int) -> Network:
    """Tile networks into ``areas`` substations of ``feeders`` copies each, with some customers of every class."""
    tiling = Tiling(areas, feeders, suspended_every=150, important_every=300, life_support_every=500)
    customers = (row._replace(address=_renamed(row.address)) for row in tile_customers(bases, tiling))
    return Network(tile_devices(bases, tiling), customers)


def _renamed(address: str) -> str:
    """Give a street of a copy a name of its own, as no city has forty streets of one name.

    One in seven keeps its name in every copy: there is a 人民路 in every town.
    """
    parts = _STREET.fullmatch(address)
    if parts is None or crc32(parts["name"].encode()) % 7 == 0:
        return address
    number = crc32(f"{parts['district']}{parts['name']}".encode())
    first, second = _FIRST[number % len(_FIRST)], _SECOND[number // len(_FIRST) % len(_SECOND)]
    return f"{parts['district']}{first}{second}{parts['rest']}"


def _base(base: str | tuple[Habit, int]) -> Base:
    if not isinstance(base, str):
        return grow(*base)
    files = open_network(SHIPPED / base / "network.csv", SHIPPED / base / "customers.csv")
    return Base(files.devices, list(files.read_customers()))


def _several(habit: Habit, *seeds: int) -> tuple[tuple[Habit, int], ...]:
    return tuple((habit, seed) for seed in seeds)


_ALL: Final = (
    Preset("mini", Purpose.TRYING, "two grown substations: seconds", _several(VALLEY, 901), 2, 2, 30, 8.0),
    Preset(
        "suburb",
        Purpose.TUNING,
        "large, grown: houses on many small transformers",
        _several(SUBURB, 11, 12, 13),
        9,
        4,
        500,
    ),
    Preset("valley", Purpose.TUNING, "small and deep, grown", _several(VALLEY, 21, 22, 23), 12, 3, 240),
    Preset("town", Purpose.TUNING, "estates on large transformers, grown", _several(TOWN, 31, 32, 33), 6, 4, 300),
    Preset("ckt5", Purpose.REPORTING, "large: EPRI ckt5 as 40 feeders", ("ckt5",), 10, 4, 600),
    Preset("ieee123", Purpose.REPORTING, "small and deep: IEEE 123-node as 36 feeders", ("ieee123",), 12, 3, 240),
    Preset(
        "city",
        Purpose.REPORTING,
        "estates on large transformers, other seeds",
        _several(TOWN, 71, 72, 73, 74),
        8,
        4,
        400,
    ),
)

PRESETS: Final = {preset.name: preset for preset in _ALL}


def named(purpose: Purpose) -> tuple[Preset, ...]:
    """Return the presets of a purpose."""
    return tuple(preset for preset in _ALL if preset.purpose is purpose)
