"""The groups and hamlets of a village: 云泉村3组, 红坪村沈家屯; the companies and rows of a farm: 16连4排.

Decided here: where in an address a village's group stands, and what it is called. A group has a number; a hamlet has a
name, of a family and of what the ground is like there (王家湾, 李家坡), or any right behind 村 that ends so or has a
house. What state farms and forests have for villages is numbered itself: 16连, 九分场, 四工区. Never here: the rest of
the address (``address``), or whether the network has such a place (``houses``).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.grid.estates import NO_NAME

_GROUND: Final = "屯庄寨堡湾塆坝沟坪坡岭冲垭塘营铺店院坑窑圩岗峪洼梁岔畈坞浜集嘴坳垸"
"""What the names of hamlets end in."""
_PERSONS: Final = "我你他她咱俺们大全自人回老公农国厂"
"""What stands before 家 and is no family's name."""
_OF_A_FAMILY: Final = rf"(?![{_PERSONS}])[\u4e00-\u9fff]家(?:[{_GROUND}]|[老新大]屋|台子|窝棚|院子)"
_ANY: Final = (
    r"(?![委民里组口部头边])(?:(?![路街道巷村号])[\u4e00-\u9fff]){2,5}"
    r"(?<!小区)(?<!花园)(?<!家园)(?<!公寓)(?<!大院)(?<!小学)(?<!中学)(?<!附近)(?<!超市)(?<!对面)(?<!旁边)(?<!门口)"
)
"""Behind 村, before a house: what ends in no word of ours."""
_LAST: Final = r"(?:(?![我你他这那的了吗没停断跳电全都整周围黑片家好像就怎突边近旁对面后前门])[\u4e00-\u9fff]){2,4}$"
"""Behind 村, at the end of an address."""
_OF_THE_GROUND: Final = rf"(?![委民里组口部头边])[\u4e00-\u9fff]{{1,3}}?[{_GROUND}](?![屯庄寨堡])"
_OF_HOUSES: Final = rf"(?:(?![{NO_NAME}村全整每各本])[\u4e00-\u9fff]){{1,3}}?[屯庄寨堡]"
"""What is called so and stands behind 杨家洼 is a hamlet of it, though nobody says 村: 杨家洼西杨树屯."""
_HAMLET: Final = (
    rf"(?:(?<=(?<!新)村)(?:{_OF_THE_GROUND}|{_ANY}(?=\d{{1,4}}号)|(?={_LAST}){_ANY}$)"
    rf"|(?<=[^家][庄屯寨堡]){_OF_THE_GROUND}(?=\d{{1,4}}号)"
    rf"|(?:(?<=家[{_GROUND}])|(?<=家(?:台子|窝棚|院子))){_OF_HOUSES}|{_OF_A_FAMILY}(?!{_OF_HOUSES}))"
)
_HOUSE: Final = r"(?P<house>\d{1,4})(?:号|栋(?!\d))"
_GROUP: Final = re.compile(
    rf"(?<=[\u4e00-\u9fff])(?P<group>\d{{1,3}})(?:(?:村民|生产)?(?:小?[组队]|社(?!区))|(?P<row>排))(?:{_HOUSE})?"
)
_NUMBERED: Final = r"\d{1,3}(?:连(?![续接着])|分场|作业区)|(?:\d{1,2}|[\u4e00-\u9fff]{2})工区"
"""What the farms and forests of the state have for villages."""
_WHOLE: Final = re.compile(rf"(?:{_NUMBERED})(?:{_HOUSE})?")
_FARM: Final = re.compile(r"(?:\d{1,2}师)?(?P<farm>\d{1,3}团场?|[\u4e00-\u9fff]{1,6}?[林农牧]场)(?=..)")
"""Farms and forests of the state are as towns to what lies in them: 187团16连, 松山林场四工区."""
_OF_A_COMMITTEE: Final = r"(?<=村)(?:村?民)?委(?:员?会)?"
_UP_TO_ITS_GROUP: Final = re.compile(rf"{_OF_A_COMMITTEE}(?=\d)|(?<=[\u4e00-\u9fff])(?:行政|自然)(?=村)")
"""What stands in a customer file between a village and its group, or before 村: 河口村民委员会7组, 河口行政村7组."""
_COMMITTEE: Final = re.compile(rf"{_OF_A_COMMITTEE}(?![\u4e00-\u9fff]?[边近面口里])(?=\d|[\u4e00-\u9fff]{{2}})")
"""What stands in a customer file between a village and its hamlet: 茶岭村委会曹家老屋."""
_NAMED: Final = re.compile(rf"(?<=[\u4e00-\u9fff])(?P<group>{_HAMLET})(?![路街道巷乡镇村])(?:{_HOUSE}(?![院楼]))?")
_MAY_BE: Final = re.compile("[村家庄屯寨堡]")
_OF_A_VILLAGE: Final = re.compile(rf"(?:\d{{1,3}}[组排]|{_HAMLET})$")
_FAMILY: Final = re.compile(_OF_A_FAMILY)
_NAME_BEFORE: Final = re.compile(rf"(?:{_NUMBERED}|\d{{1,2}}村|[\u4e00-\u9fff]{{1,11}})$")
SHORTEST_VILLAGE: Final = 2


class Group(NamedTuple):
    """A village's group: where the village's name ends, what the group is called, and the house in it."""

    at: int
    name: str
    house: str
    is_numbered: bool


def group_in(plain: str) -> Group | None:
    """Return the group or the hamlet that an address names behind a village; None where it names none."""
    if (found := _GROUP.search(plain)) is not None:
        kind = found["row"] or "组"
        return Group(found.start("group"), f"{found['group']}{kind}", found["house"] or "", is_numbered=True)
    if (found := _WHOLE.search(plain)) is not None:
        at = found.start("house") if found["house"] else found.end()
        return Group(at, "", found["house"] or "", is_numbered=True)
    if (found := _named_in(plain)) is not None:
        return Group(found.start("group"), found["group"], found["house"] or "", is_numbered=False)
    return None


def names_a_hamlet(text: str) -> bool:
    """Tell whether a text may name a hamlet: False only where ``group_in`` finds none that has a name."""
    return _named_in(text) is not None


def _named_in(text: str) -> re.Match[str] | None:
    """Return the hamlet that a text names: looked for only where one of the characters stands that each needs."""
    return _NAMED.search(text) if _MAY_BE.search(text) is not None else None


def farm_at(plain: str, start: int, end: int) -> re.Match[str] | None:
    """Return the farm or the forest of the state at ``start``, in which something lies that is named before ``end``."""
    return _FARM.match(plain, start, end)


def joined_to_its_group(plain: str) -> str:
    """Return an address without the words between a village and the number of what is in it, or before 村."""
    return _UP_TO_ITS_GROUP.sub("", plain)


def without_committee(plain: str) -> str:
    """Return an address without the words for a village's committee between the village and what is in it."""
    return _COMMITTEE.sub("", plain)


def village_before(plain: str, start: int, group: Group) -> str:
    """Return what stands between ``start`` and a group, as far as it may be a name."""
    found = _NAME_BEFORE.search(plain, start, group.at)
    return "" if found is None else found[0]


def without_words(name: str) -> str:
    """Return a village's name without the words of a sentence before it."""
    return name[max(map(name.rfind, NO_NAME)) + 1 :]


def is_of_a_family(name: str) -> bool:
    """Tell a hamlet by its name alone: 王家湾."""
    return _FAMILY.fullmatch(name) is not None


def hamlet_of(group: str) -> str:
    """Return the hamlet of a village with its hamlet; empty where there are no such two."""
    village, own = apart(group)
    return own if village and not own[:1].isdigit() else ""


def run_together(name: str) -> str:
    """Return a village with its hamlet as people say it: 大房身后窑屯 of 大房身村后窑屯; any other name as it is."""
    village, own = apart(name)
    is_said_so = len(village) > SHORTEST_VILLAGE and village.endswith("村") and own and not own[0].isdigit()
    return village[:-1] + own if is_said_so else name


def apart(said: str) -> tuple[str, str]:
    """Return a village and its group; an empty group where none stands behind the village."""
    found = _OF_A_VILLAGE.search(said)
    return (said, "") if found is None else (said[: found.start()], found[0])
