"""How people say where they live: short, misspelt, with what is nearby, in English, or only the estate."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.heldout import words
from tests.heldout.chance import pick

if TYPE_CHECKING:
    from random import Random

    from tests.heldout.home import Home

DISTRICT: Final = 0.6
"""Say their district or county."""
CITY: Final = 0.15
"""Of these, where addresses have a city: say it too."""
DISTRICT_SHORT: Final = 0.2
"""Of these: leave out its 区."""
MISSPELT: Final = 0.06
"""Road and estate."""
DEVELOPER_LEFT_OUT: Final = 0.25
"""Of estates with a long name: said without the firm that built it."""
ESTATE_SHORT: Final = 0.1
"""Of the other estates: said without 小区 or 家园."""
VAGUE_VILLAGE, VAGUE_ESTATE, VAGUE_ROAD = 0.15, 0.12, 0.08
"""Say nothing more than that."""
NEARBY, WITH_DASHES, IN_ENGLISH = 0.12, 0.05, 0.04
"""On a road: opposite or beside a house; 12号-3-501; No. 12."""
NEAR: Final = ("附近", "对面", "旁边", "斜对面", "隔壁")

_DEVELOPER: Final = re.compile("^(?:" + "|".join(words.DEVELOPERS) + ")")


class Saying(NamedTuple):
    """An address as it is said; ``vague`` if it names no house."""

    text: str
    vague: bool = False


def say(rng: Random, home: Home) -> Saying:
    """Return a home's address as its people say it."""
    district = _district(rng, home)
    if home.kind == "rural":
        return _village(rng, home, district)
    if home.kind == "lane":
        lane = rng.choice((str(home.lane), words.in_characters(home.lane)))
        return Saying(f"{district}{home.road}{lane}弄{home.number}号{_room(rng, home)}")
    road, estate = home.road, home.estate
    if rng.random() < MISSPELT:
        road, estate = words.misspell(rng, road), words.misspell(rng, estate)
    if home.kind == "estate":
        return _estate(rng, home, district, road, estate)
    return _road(rng, home, district, road)


def _district(rng: Random, home: Home) -> str:
    if rng.random() >= DISTRICT:
        return ""
    said = home.district
    if home.city and rng.random() < CITY:
        said = home.city + said
    numbered = said.removesuffix("区").isdigit()
    if said.endswith("区") and not numbered and rng.random() < DISTRICT_SHORT:
        return said.removesuffix("区")
    return said


def _village(rng: Random, home: Home, district: str) -> Saying:
    village, number = home.village, home.group
    if rng.random() < VAGUE_VILLAGE:
        return Saying(village, vague=True)
    spoken = words.in_characters(number)
    group = rng.choice((f"{number}组", f"{spoken}组", f"{number}队", f"{spoken}社"))
    return Saying(
        rng.choice(
            (
                f"{district}{home.town}{village}{group}{home.number}号",
                f"{home.town}{village}{group}",
                f"{village}{group}{home.number}号",
                f"{village}{group}",
                f"{district}{village}{group}",
            )
        )
    )


def _estate(rng: Random, home: Home, district: str, road: str, estate: str) -> Saying:
    if len(estate) > 4 and rng.random() < DEVELOPER_LEFT_OUT:
        estate = _DEVELOPER.sub("", estate)
    elif rng.random() < ESTATE_SHORT:
        estate = estate.replace("小区", "").replace("家园", "")
    if rng.random() < VAGUE_ESTATE:
        more = estate if estate.endswith(("园", "村", "区")) else f"{estate}小区"
        return Saying(rng.choice((f"{district}{estate}", more, f"{estate}门口", f"{road}{estate}")), vague=True)
    building = _building(rng, home)
    inside = f"{building}{_unit(rng, home)}{_room(rng, home)}"
    forms = {
        f"{district}{estate}{inside}": 4,
        f"{district}{road}{estate}{inside}": 1,
        f"{district}{road}{home.number}号{estate}{inside}": 1,
        f"{estate}{home.building}-{home.unit}-{home.room}": 1,
        f"{estate} {building}": 1,
    }
    return Saying(pick(rng, forms))


def _road(rng: Random, home: Home, district: str, road: str) -> Saying:
    house = pick(rng, {f"{home.number}号": 7, f"{words.in_characters(home.number)}号": 1})
    building = _building(rng, home) if home.building else ""
    share = rng.random()
    if (share := share - VAGUE_ROAD) < 0:
        landmark, other = rng.choice(words.LANDMARKS), rng.choice(words.ROADS)
        forms = (
            f"{district}{road}{landmark}旁边",
            f"{district}{road}",
            f"{district}{road}靠近{landmark}",
            f"{road}和{other}路交叉口",
        )
        return Saying(rng.choice(forms), vague=True)
    if (share := share - NEARBY) < 0:
        return Saying(f"{district}{road}{house}{building}{rng.choice(NEAR)}")
    if (share := share - WITH_DASHES) < 0 and home.building:
        return Saying(f"{district}{road}{house}-{home.building}-{home.room}")
    if share < IN_ENGLISH:
        block = f", Building {home.building}" if home.building else ""
        return Saying(f"No.{home.number} {road}{block}" + (f", Room {home.room}" if home.room else ""))
    unit = _unit(rng, home) if home.unit else ""
    return Saying(f"{district}{road}{house}{building}{unit}{_room(rng, home)}")


def _building(rng: Random, home: Home) -> str:
    number, spoken = home.building, words.in_characters(home.building)
    numbers = (f"{number}栋", f"{number}号楼", f"{number}幢", f"{number}#楼", f"{number}#", f"{number}座")
    return rng.choice((*numbers, f"{spoken}号楼", f"{spoken}栋"))


def _unit(rng: Random, home: Home) -> str:
    """Return the staircase, which half leave out."""
    return rng.choice((f"{home.unit}单元", f"{words.in_characters(home.unit)}单元", "", ""))


def _room(rng: Random, home: Home) -> str:
    """Return the room or its floor, which a third leave out."""
    room = home.room
    return rng.choice((room, f"{room}室", f"{room}房", "", "", f"{room[:-2]}楼")) if room else ""
