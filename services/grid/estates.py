"""Estates by their names: what these end in, what no name has in it, and where one stands in an address.

Never here: what an estate is called for short (``short_names``), its phases and quarters (``parts``), or the rest of
an address (``address``).
"""

from __future__ import annotations

import re
from typing import Final

from services.grid.parts import PART

ESTATES: Final = (
    "小区|花园|家园|公寓|新村|社区|花苑|雅苑|嘉苑|佳苑|大厦|别墅|山庄|华府|公馆|庄园|新城|家属院|大院|名苑|豪庭|名邸|"
    "宿舍|生活区|家属区|家属楼|名城|工业园(?!区)|(?:产业|科技|软件|创业|物流)园区?"
)
"""What names of estates and of parks of firms end in, and nearly nothing else does; a 工业园区 may be a district."""
VILLAGES: Final = "村|庄|屯|寨|堡|嘎查"
ESTATES_OR_NOT: Final = f"苑|{VILLAGES}|府|湾|庭|院|城|轩|居|园|广场"
"""What they end in, as do other words."""
NO_NAME: Final = "我你他她咱俺们这那的是了吗呢请问住在号栋层室"
"""Characters that stand before the name of an estate, and in none."""
_ENDS: Final = (
    rf"{ESTATES}|(?:{ESTATES_OR_NOT})(?=\d|[a-z]栋)"
    "|(?<![农全们本这个我咱俺各每壁乡那该整])村"
    "(?=[停没断跳全整都大突里委村口部东南西北我这邻怎就 ]|附近|旁|小学|一片|好像|周围|$)"
    "|嘎查|渔港"
)
_NUMBERED: Final = re.compile(
    r"(?:里面?的?)?(?:(\d{1,4})号(?=$|[ -]?\d{3}|\d{1,2}单元|附近|旁|对面)"
    r"|(3[2-9]|[4-9]\d|\d{3,4})号(?=[停没断跳全突])|(?<=排)(\d{1,3})号|(\d{1,3})楼(?=\d{1,2}单元)|(\d{1,3})门(?=\d{3}))"
)
"""The building of an estate that is numbered as a house is, or by its door (12门301).

Before 停电, 10号 may as well be the tenth of the month.
"""
SURELY_AN_ESTATE: Final = re.compile(ESTATES)
ESTATE_END: Final = re.compile(_ENDS)
"""Without it there is no estate: to look for one in a text that names none is half of reading it."""
_ESTATE: Final = re.compile(rf"([\u4e00-\u9fff\d]{{1,12}}?)((?:{ESTATES})*(?:{_ENDS}))")
"""Many are called so twice: 金湖家园小区, 新城公寓."""
_OF_A_BUILDING: Final = rf"的?{PART}(?:(?:\d{{1,4}}|[a-z]\d?)栋|\d{{1,3}}-\d{{1,2}}-\d{{3,4}}(?![\d-]))"
_ITS_BUILDING: Final = re.compile(_OF_A_BUILDING)
_ANY_ESTATE: Final = re.compile(
    rf"((?:(?![{NO_NAME}])[\u4e00-\u9fff]){{2,12}})(?<!家里)(?<![院区村屋]里)(?<!里面)(?<![前后对]面)(?<![东南西北前后旁左右]边)"
    rf"(?<!隔壁)(?<!楼[上下])(?<!附近)(?<![停没断]电)(?={_OF_A_BUILDING})"
)
"""An estate may be called anything (恒大绿洲): what stands right before the number of a building is its name."""
_NAMED_BUILDING: Final = re.compile(rf"(?<=[\u4e00-\u9fff])(?<![{NO_NAME}])(?={_OF_A_BUILDING})")
"""Without it there is no such name: where the building stands behind the number of a house, as in most addresses."""


def estate_in(plain: str) -> re.Match[str] | None:
    """Return the estate whose building is named; else the first that is called as estates are; with its quarter (东区).

    A file may have the community or the village first that an estate lies in: 湖东社区阳光小区3栋, 湖东社区恒大绿洲3栋.
    """
    first = None
    if ESTATE_END.search(plain):
        for found in _ESTATE.finditer(plain):
            if _ITS_BUILDING.match(plain, found.end()):
                return found
            first = first or found
    if _NAMED_BUILDING.search(plain) is None:
        return first
    if first is not None and (whole := _ANY_ESTATE.match(plain, first.start())) is not None:
        return whole  # 豪庭国际4栋 is no 豪庭
    return _ANY_ESTATE.search(plain, first.end() if first is not None else 0) or first


def numbered_building_at(plain: str, at: int) -> str:
    """Return the building at ``at``, behind an estate's name, that is numbered as a house is or by its door."""
    found = _NUMBERED.match(plain, at)
    return next(filter(None, found.groups())) if found is not None else ""
