"""The groups and hamlets of a village: 云泉村3组, 红坪村沈家屯.

Decided here: where in an address a village's group stands, and what it is called. A group has a number; a hamlet has a
name, of a family and of what the ground is like there (王家湾, 李家坡), or any that ends so right behind 村. Never
here: the rest of the address (``address``), or whether the network has such a place (``houses``).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.grid.estates import NO_NAME

_GROUND: Final = "屯庄寨堡湾塆坝沟坪坡岭冲垭塘营铺店院坑窑圩岗峪洼梁岔畈坞浜"
"""What the names of hamlets end in."""
_PERSONS: Final = "我你他她咱俺们大全自人回老公农国厂"
"""What stands before 家 and is no family's name."""
_OF_A_FAMILY: Final = rf"(?![{_PERSONS}])[\u4e00-\u9fff]家[{_GROUND}]"
_HAMLET: Final = rf"(?:(?<=(?<!新)村)(?![委民里组口部头边])[\u4e00-\u9fff]{{1,3}}?[{_GROUND}]|{_OF_A_FAMILY})"
_HOUSE: Final = r"(?P<house>\d{1,4})号"
_GROUP: Final = re.compile(
    rf"(?<=[\u4e00-\u9fff])(?P<group>\d{{1,3}})(?:村民|生产)?(?:小?[组队]|社(?!区))(?:{_HOUSE})?"
)
_NAMED: Final = re.compile(rf"(?<=[\u4e00-\u9fff])(?P<group>{_HAMLET})(?![路街道巷乡镇村])(?:{_HOUSE}(?![院楼]))?")
_OF_A_VILLAGE: Final = re.compile(rf"(?:\d{{1,3}}组|{_HAMLET})$")
_FAMILY: Final = re.compile(_OF_A_FAMILY)
_NAME_BEFORE: Final = re.compile(r"[\u4e00-\u9fff]{1,11}$")
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
        return Group(found.start("group"), f"{found['group']}组", found["house"] or "", is_numbered=True)
    if (found := _named_in(plain)) is not None:
        return Group(found.start("group"), found["group"], found["house"] or "", is_numbered=False)
    return None


def names_a_hamlet(text: str) -> bool:
    """Tell whether a text may name a hamlet: False only where ``group_in`` finds none that has a name."""
    return _named_in(text) is not None


def _named_in(text: str) -> re.Match[str] | None:
    """Return the hamlet that a text names: looked for only where one of the two characters stands that each needs."""
    return _NAMED.search(text) if "村" in text or "家" in text else None


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


def apart(said: str) -> tuple[str, str]:
    """Return a village and its group; an empty group where none stands behind the village."""
    found = _OF_A_VILLAGE.search(said)
    return (said, "") if found is None else (said[: found.start()], found[0])
