"""Which streets and districts of the network a said one may be, and whether two addresses may be one house.

Never here: the parts of an address (``address``), streets that nobody has (``alike``), I/O.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from services.grid.alike import may_mean
from services.grid.parts import apart
from services.grid.short_names import is_village, may_stand_for
from services.grid.villages import apart as in_group

if TYPE_CHECKING:
    from collections.abc import Collection

    from services.grid.address import Address

NEIGHBOURS: Final = 12
"""House numbers this close count as neighbours."""
_COUNTIES: Final = ("区", "县", "旗")
"""What counties and the districts of a city end in."""
_COUNTY: Final = re.compile(rf"\d{{1,5}}区|.{{1,8}}?[{''.join(_COUNTIES)}](?![镇乡道街])")
_SHORT_DISTRICT: Final = (2, 3)  # characters
_SHORTEST_STREET: Final = 3
_LONGEST_DISTRICT: Final = 12  # characters
VILLAGE_KINDS: Final = ("村", "嘎查")
"""What a village is called, and people leave out."""
_COMPASS: Final = "东南西北中"
_COMPASS_EN: Final = frozenset(
    ("north", "south", "east", "west", "northeast", "northwest", "southeast", "southwest"),
)


@lru_cache(maxsize=4096)  # asked for as what to look for and as what was found
def street_names(said: str) -> tuple[str, ...]:
    """Return the names a said street may have in the network, likeliest first.

    Every ending of it, since words may stand before the name; then the same with another compass point, or without
    one, since people leave them out.
    """
    if not said:
        return ()
    if said.isascii():
        return _english_names(said)
    begins = range(max(0, len(said) - 9), max(1, len(said) - 2))
    endings = [said[n:] for n in begins if not (n and said[n - 1 : n + 1].isdigit())]  # 6连 is no ending of 16连
    others: list[str] = [name for one in endings for name in _other_villages(one)]
    for name in endings:
        cut = 2 if name.endswith(("大道", "大街", "胡同")) else 1
        stem, kind = name[:-cut], name[-cut:]
        if not stem or kind not in {"路", "街", "道", "巷", "大道", "大街"} or len(name) > 6:  # noqa: PLR2004
            continue
        if stem[-1] in _COMPASS:
            if len(stem) > 2:  # noqa: PLR2004  what is left must be a name
                others.append(stem[:-1] + kind)
        elif len(stem) > 1:
            others += [stem + point + kind for point in _COMPASS]
    return tuple(dict.fromkeys(endings + others))


def _other_villages(said: str) -> tuple[str, ...]:
    """Return the group of a village with 村 or 嘎查 where it was said without, and the reverse: 高桥5组, 高桥村5组."""
    village, group = in_group(said)
    if not group:
        return tuple(filter(None, (_whole_village(said),)))
    kind = next((one for one in VILLAGE_KINDS if village.endswith(one)), "")
    if not kind:
        return tuple(f"{village}{one}{group}" for one in VILLAGE_KINDS if village)
    name = village.removesuffix(kind)
    return (f"{name}{group}",) if len(name) > 1 else ()  # 张村 is no 张


def _whole_village(said: str) -> str:
    """Return a village without the 村 that people say behind its name: 上河营村 may be 上河营 in the file."""
    return said[:-1] if said.endswith("村") and len(said) > _SHORTEST_STREET and is_village(said) else ""


def _english_names(said: str) -> tuple[str, ...]:
    words = said.split()
    endings = [" ".join(words[n:]) for n in range(max(1, len(words) - 1))]
    plain = [word for word in words if word not in _COMPASS_EN]
    return tuple(dict.fromkeys([*endings, " ".join(plain)]))


@lru_cache(maxsize=4096)
def district_names(said: str) -> tuple[str, ...]:
    """Return the names a said district may have in the network: every ending of it, a number whole.

    Of a county with its town, that is the two, the town, or the county.
    """
    county, town = _levels(said)
    return _endings(said) + (_endings(county) if county and town else ())


def unsaid_districts(street: str) -> tuple[str, ...]:
    """Return the districts that may be meant by what stands before a street's name: 天河望江路 may be 望江路 in 天河区.

    The network says which street and which district there are: of names as short as these, most are nowhere.
    """
    return tuple(f"{name}{kind}" for name in _before(street) for kind in ("区", "县", "镇", "乡", "街道"))


def unsaid_wider(street: str) -> tuple[str, ...]:
    """Return them as ``wider_districts`` has them."""
    kinds = ("{}区%", "{}县%", "%区{}街道", "%区{}镇", "%县{}镇", "%县{}乡")
    return tuple(kind.format(name) for name in _before(street) for kind in kinds)


def _before(street: str) -> list[str]:
    names = (street[:n] for n in _SHORT_DISTRICT if len(street) >= n + _SHORTEST_STREET)
    return [name for name in names if not (name.isascii() or any(map(str.isdigit, name)))]


def _endings(said: str) -> tuple[str, ...]:
    if not said:
        return ()
    if said[0].isdigit():
        return (said,)
    return tuple(said[n:] for n in range(max(0, len(said) - _LONGEST_DISTRICT), len(said) - 1))


def in_district(said: str, stored: str) -> bool:
    """Tell whether a district as said is the stored one, of which either may name the town, the county or both.

    清溪镇 and 平川县 are both 平川县清溪镇; 平川县清溪镇 is not 平川县双溪镇, nor 清溪镇 that of 安平县.
    """
    return stored in district_names(said) or is_within(stored, wider_districts(said))


def is_within(stored: str, wider: Collection[str]) -> bool:
    """Tell whether a district of the network is one of ``wider_districts``."""
    county, town = _levels(stored)
    return bool(county and town) and (f"{county}%" in wider or f"%{county[-1]}{town}" in wider)


@lru_cache(maxsize=4096)
def wider_districts(said: str) -> tuple[str, ...]:
    """Return which districts of the network name the said one along with its town or its county, as LIKE has it.

    Nothing where both were said: then it is ``district_names`` that fit.
    """
    county, town = _levels(said)
    if county and town:
        return ()
    if county:
        return tuple(f"{name}%" for name in _endings(county))
    return tuple(f"%{kind}{name}" for name in _endings(town) for kind in _COUNTIES)


@lru_cache(maxsize=4096)
def _levels(district: str) -> tuple[str, str]:
    """Return the county or the city's district, and the town in it; empty where none is named."""
    found = _COUNTY.match(district)
    return (found[0], district[found.end() :]) if found is not None else ("", district)


def same_house(said: Address, stored: Address) -> bool | None:
    """Tell whether an address as said can be the stored one; None where one of them says too little to tell."""
    if said.is_village or stored.is_village:
        return _same_group(said, stored)
    return _same_home(said, stored)


def _same_home(said: Address, stored: Address) -> bool | None:
    verdict: bool | None = None
    if said.road and stored.road:
        if (same := _same_road(said.road, stored.road)) is False:
            return False
        if said.number and stored.number:
            near = abs(said.number - stored.number) <= (NEIGHBOURS if said.near else 0)
            if not near:
                return False
            verdict = same
    if verdict is None and said.estate and stored.estate:
        verdict = _same_estate(said, stored)
    if not verdict:
        return verdict
    if said.district and stored.district and not in_district(said.district, stored.district):
        return False
    pairs = ((said.building, stored.building), (said.room, stored.room))
    if not said.near and any(one and other and one != other for one, other in pairs):
        return False
    return verdict


def _same_estate(said: Address, stored: Address) -> bool | None:
    if not (said.estate.endswith(stored.estate) or may_stand_for(said.estate, stored.estate)):
        return None if may_mean(said.estate, stored.estate) else False
    if apart(said.part, stored.part):
        return False
    return True if said.building and said.building == stored.building else None


def is_elsewhere(said: Address, stored: Address) -> bool | None:
    """Tell whether an address names another place than the stored one; None where their names say nothing of it."""
    if (same := same_house(said, stored)) is not None:
        return not same
    if said.district and stored.district and not in_district(said.district, stored.district):
        return True
    return False if (said.road and stored.road) or (said.estate and stored.estate) else None


def _same_road(said: str, stored: str) -> bool | None:
    """Tell whether a road as said is the stored one; None where it may be, misspelt or misheard."""
    if said.endswith(stored) or stored in street_names(said):
        return True
    return None if may_mean(said, stored) else False


def _same_group(said: Address, stored: Address) -> bool | None:
    """Tell whether two addresses can be one of which at least one is of a village's group."""
    if not (said.is_village and stored.is_village):
        return None
    if not (said.estate.endswith(stored.estate) or stored.estate in street_names(said.estate)):
        return None if not said.road.endswith(stored.road) and may_mean(said.road, stored.road) else False
    if not (said.building and stored.building) or said.near:
        return None
    if said.building != stored.building:
        return False
    return not (said.district and stored.district) or in_district(said.district, stored.district)
