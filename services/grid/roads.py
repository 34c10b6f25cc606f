"""Roads by their names in Chinese, and the numbers of the houses on them.

Decided here: where the name of a road ends, and what the digits behind it mean: 12号, 甲12号, 12弄3号, 12-3号. Never
here: a road in other letters (``english``, ``typed``), or the rest of an address (``address``).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.grid.numerals import SECTION, run_together

ROAD: Final = re.compile(
    r"([\u4e00-\u9fff\d]{1,12}?)((?:大道|大街|胡同|(?<![线电短马道铁半条])路(?!灯|由|过|上(?!的?\d))|(?<!条)街(?!道|坊)|(?<![街大])道(?!路)|巷)"
    rf"(?:{SECTION})?|(?:(?<![家公夜村屋店院城心手这那哪])里|坊|(?<![\d支])弄"
    r"|(?<=[\u4e00-\u9fff][头二三四五六七八九十])条)(?=\d{1,4}号))"
)
"""A long road has sections, each with its own numbers (人民南路四段); 里, 坊, 弄, 条 are lanes if a house is said."""
_BEFORE: Final = r"(?:-|靠近|附近的?|上的?|大[概约]|的| ?no ?)?"
LETTERS: Final = "甲乙丙丁戊己庚辛"
_NUMBER: Final = re.compile(
    rf"{_BEFORE}([{LETTERS}])?(\d{{1,5}})([{LETTERS}](?=号))?(?:[-之](\d{{1,4}}))?"
    rf"(?:号(?:之(\d{{1,3}})|([{LETTERS}])(?=[\d号院楼门座停没断附 -]|$))?院?|[弄巷]|(?(4)室|(?!))"
    r"|(?![\d栋室#]|-(?!\d{1,2}-\d{3})|单元|区|期|层|楼|米))"
)
"""The number of a house, with 甲 before or after it, or its second number: 12号, 12-3号, 12之3, 甲12号, 12号甲."""
_DASH_BUILDING: Final = re.compile(rf"{_BEFORE}(\d{{1,5}})-(?=(\d{{1,3}})栋)")
_RUN_TOGETHER: Final = re.compile(r"(\d{3,7})栋")
_OF_A_LANE: Final = re.compile(r"(?:(\d{1,3})支?弄)?(\d{1,4})(?:号|$| )")
_LONGEST_SECOND: Final = 2  # digits; more are a room


class Numbered(NamedTuple):
    """What stands behind the name of a road, from ``start`` to ``end``; ``readings`` as an ``Address`` has them.

    ``number`` is 0 where digits have several readings.
    """

    number: int
    building: str
    room: str
    start: int
    end: int
    readings: tuple[tuple[int, str], ...] = ()


def number_at(plain: str, at: int) -> Numbered | None:
    """Return the number that stands behind a road's name, which ends at ``at``."""
    if (found := _NUMBER.match(plain, at)) is not None:
        before, number, inside, second, of, after = found.groups("")
        is_room = len(second) > _LONGEST_SECOND or found[0].endswith("室")
        is_own = not is_room and (
            "之" in found[0] or int(second or 0) < int(number)
        )  # 12-16号 is all from 12号 to 16号
        building = of or (second if is_own else "") or before or inside or after
        lane = _OF_A_LANE.match(plain, found.end()) if found[0].endswith(("弄", "巷")) else None
        if lane is not None:
            building = "-".join(filter(None, lane.groups()))
        return Numbered(int(number), building, second if is_room else "", found.start(), found.end())
    if (found := _DASH_BUILDING.match(plain, at)) is not None:
        number, building = found.groups()
        if int(number) > int(building):
            return Numbered(int(number), building, "", found.start(), found.end())
        return Numbered(0, "", "", at, at, ((int(number), building),))  # 3-5栋 may be all of 3栋 to 5栋
    found = _RUN_TOGETHER.match(plain, at)
    readings = run_together(found[1]) if found is not None else ()
    return Numbered(0, "", "", at, at, readings) if readings else None
