"""Addresses in English, and Chinese ones of which a telephone set to English wrote the words: No.18 中山路, Room 501.

Decided here: which English words are parts of an address, and where each stands in Chinese. Never here: the parts of
an address in Chinese (``address``), which street a name in letters means (``alike``), I/O.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.grid.spelling import GAP

_NUMBER_FIRST: Final = re.compile(
    r"(?<![0-9a-z])(?:no )?(\d{1,5})([\u4e00-\u9fff]{1,8}?(?:大道|大街|胡同|路|街|巷))(?!\d+号)"
)
_NO_FIRST: Final = re.compile(r"(?<![a-z])no ?\d{1,5}[\u4e00-\u9fff]")
_WORD_FIRST: Final = tuple(
    (re.compile(rf"(?<![0-9a-z])(?:{words}) ?(?:no )?({what})(?![0-9a-z])"), unit)
    for words, what, unit in (
        ("district", r"\d{1,3}", "区"),
        ("building|bldg|block|tower", r"\d{1,4}|[a-z]", "栋"),
        ("room|rm|apt|apartment|flat|suite|ste", r"\d{1,5}[a-z]?", "室"),
    )
)
"""How a telephone set to English writes a Chinese address: No.18 中山路, Building 3, Room 501."""
DISTRICT_LAST: Final = re.compile(r"(?:\d{1,3}|[\u4e00-\u9fff]{1,6}(?<![小社园校片]))[区县]$")
"""The district of an address in English order: it stands at the end."""
_STREETS: Final = (
    "street|avenue|road|boulevard|drive|lane|court|highway|place|square|parkway|way|terrace|circle|trail|crescent|alley"
)
_ENGLISH: Final = re.compile(
    rf"(?:\b(\d{{1,6}})[a-z]? )?((?:[a-z]+ |\d+(?:st|nd|rd|th) ){{1,4}}?)({_STREETS})(?: (north|south|east|west))?\b"
)
_NUMBER_AFTER: Final = re.compile(r"^ (?:no )?(\d{1,6})\b")
_ROOM: Final = re.compile(r"(?:room|#) ?(?:no )?([a-z]?\d+[a-z]?|[a-z])\b")
_DISTRICT: Final = re.compile(r"\bdistrict (\d{1,3})\b")
_BUILDING: Final = re.compile(r"building (?:no )?(\d+|[a-z])\b")


class English(NamedTuple):
    """The parts of an address in English; empty (0 for the number) where it does not say.

    ``road`` is as ``spelling.normalise`` gives it: ``tuanjie north road``.
    """

    district: str
    road: str
    number: int
    building: str
    room: str


def english(plain: str) -> English | None:
    """Return the parts of an address (as ``spelling.normalise`` gives it); None where it names no road."""
    found = next((one for one in _ENGLISH.finditer(plain) if one[1]), None) or _ENGLISH.search(plain)
    if found is None:
        return None
    words = [word for word in found[2].split() if word != "near"]
    number = found[1]
    if number is None and (after := _NUMBER_AFTER.match(plain[found.end() :])):
        number = after[1]
    road = " ".join([*words, found[3], *([found[4]] if found[4] else [])])
    return English(district_in(plain), road, int(number or 0), building_in(plain), room_in(plain))


def district_in(plain: str) -> str:
    """Return the district that English words name, as Chinese ones do: 3区 for district 3; empty where none is."""
    found = _DISTRICT.search(plain)
    return f"{found[1]}区" if found is not None else ""


def building_in(plain: str) -> str:
    """Return the building that English words name; empty where none is."""
    found = _BUILDING.search(plain)
    return found[1] if found is not None else ""


def room_in(plain: str) -> str:
    """Return the room that English words name; empty where none is."""
    found = _ROOM.search(plain)
    return found[1] if found is not None else ""


def in_chinese_order(plain: str) -> str:
    """Return an address with its English words as Chinese ones, each where it stands in Chinese."""
    said = {}
    for pattern, unit in _WORD_FIRST:
        if (found := pattern.search(plain)) is not None:
            said[unit] = f"{found[1]}{unit}"
            plain = f"{plain[: found.start()]} {plain[found.end() :]}"
    if said or _NO_FIRST.search(plain):
        plain = _NUMBER_FIRST.sub(r"\2\1号", GAP.sub("", " ".join(plain.split())))
        if "区" not in said and (last := DISTRICT_LAST.search(plain)) is not None:
            said["区"], plain = last[0], plain[: last.start()]
        plain = f"{said.get('区', '')}{plain}{said.get('栋', '')}{said.get('室', '')}"
    return plain
