"""One customer's home, and its address as a utility's customer file has it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.heldout import words

if TYPE_CHECKING:
    from tests.heldout.datum import Point

_GIVEN: Final = re.compile(r"\d+区(\D+)(\d+)号(\d+)栋(\d+)室")


@dataclass(slots=True)
class Home:
    """One customer. What an address of its kind lacks is empty or 0."""

    account: str
    transformer: str
    point: Point
    kind: str
    city: str
    district: str
    road: str = ""
    number: int = 0
    estate: str = ""
    building: int = 0
    unit: int = 0
    room: str = ""
    town: str = ""
    village: str = ""
    group: int = 0
    lane: int = 0
    address: str = ""
    phone: str = ""
    priority: str = "normal"
    suspended: bool = False


def take_given(home: Home, address: str) -> None:
    """Take the parts of an address of the shipped feeder."""
    found = _GIVEN.fullmatch(address)
    if found is None:
        raise ValueError(f"the address {address!r} is not as those of deploy/networks: 1区团结北路227号5栋3001室")
    home.road, home.room = found[1], found[4]
    home.number, home.building = int(found[2]), int(found[3])


def registered(home: Home, style: int) -> str:
    """Return an address as the customer file has it, in one of four styles."""
    place, road = f"{home.city}{home.district}", home.road
    match home.kind:
        case "given":
            return f"{home.district}{road}{home.number}号{home.building}栋{home.room}室"
        case "rural":
            committee = f"{home.village}委员会" if home.village.endswith("村") else f"{home.village}村民委员会"
            return (
                f"{place}{home.town}{home.village}{home.group}组{home.number}号",
                f"{home.district}{home.town}{home.village}{words.in_characters(home.group)}组{home.number}号",
                f"{place}{home.town}{committee}{home.group}组{home.number}号",
                f"{home.district}{home.village}{home.group}社{home.number}号",
            )[style]
        case "lane":
            return f"{place}{road}{home.lane}弄{home.number}号{home.room}室"
        case "estate":
            estate, building, unit, room = home.estate, home.building, home.unit, home.room
            return (
                f"{place}{estate}{building}幢{unit}单元{room}室",
                f"{place}{road}{home.number}号{estate}{building}栋{unit}单元{room}",
                f"{home.district}{estate}{building}号楼{unit}单元{room}室",
                f"{words.PROVINCE}{place}{road}{estate}{building}-{unit}-{room}",
            )[style]
        case "buildings":
            mark = "幢" if style % 2 else "栋"
            return f"{place}{road}{home.number}号{home.building}{mark}{home.unit}单元{home.room}室"
        case _:
            return f"{place}{road}{home.number}号" + (f"{home.room}室" if home.room else "")
