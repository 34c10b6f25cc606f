"""Addresses typed in the letters of pinyin: xingfu lu 12 hao, 3 dong 501.

Decided here: which letters are the words of an address (路, 号, 栋) and where the name of the street stands. Never
here: which street the letters of its name mean (``alike``), I/O.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from services.grid.alike import is_road
from services.grid.english import english

_KINDS: Final = {
    "dadao": "大道",
    "dajie": "大街",
    "hutong": "胡同",
    "lu": "路",
    "jie": "街",
    "xiang": "巷",
    "xiaoqu": "小区",
    "huayuan": "花园",
    "jiayuan": "家园",
    "gongyu": "公寓",
    "xincun": "新村",
    "shanzhuang": "山庄",
    "xincheng": "新城",
    "dasha": "大厦",
    "huating": "华庭",
    "haoting": "豪庭",
    "mingdi": "名邸",
    "huafu": "华府",
    "yayuan": "雅苑",
    "yuan": "苑",
    "cheng": "城",
    "wan": "湾",
    "fu": "府",
    "ting": "庭",
    "ju": "居",
}
_ENGLISH_KINDS: Final = {"garden": "花园", "community": "小区", "new village": "新村", "mansion": "大厦"}
_UNITS: Final = {
    "haolou": "栋",
    "hao": "号",
    "dong": "栋",
    "zhuang": "栋",
    "lou": "栋",
    "danyuan": "单元",
    "shi": "室",
    "fang": "室",
    "qu": "区",
}
_ROADS: Final = "da ?dao|da ?jie|hu ?tong|lu|jie|xiang"
_PLACES: Final = (
    "xiao ?qu|hua ?yuan|jia ?yuan|gong ?yu|xin ?cun|shan ?zhuang|xin ?cheng|da ?sha|hua ?ting|hao ?ting|ming ?di|"
    "hua ?fu|ya ?yuan"
)
_WORDS: Final = r"(?:yuan|cheng|wan|fu|ting|ju)(?= ?\d{1,4} ?(?:hao|dong|zhuang|lou|[栋号]))"
"""What names of estates end in, as do other words (waiting 3 hours): only before the number of a building."""
_NUMBER_FIRST: Final = re.compile(rf"(?<![0-9a-z])(\d{{1,5}}) ((?:[a-z]{{2,}} ){{1,4}}?(?:{_ROADS}))(?![0-9a-z]| ?\d)")
"""12 Xingfu Lu, as in English."""
_RUN_TOGETHER: Final = re.compile(
    rf"(?<![0-9a-z])(\d{{1,5}}) ((?:[a-z]{{2,}} ){{0,3}}[a-z]{{3,}}?(?:{_ROADS}))(?![0-9a-z]| ?\d)"
)
"""12 Xingfu Beilu, as on the signs of streets; the name may itself end so: 227 Tuanjie North Road."""
_KIND: Final = re.compile(
    rf"([a-z]{{2}}) ?({_ROADS}|{_PLACES}|{_WORDS}) ?(?:no ?)?(?=\d)|([a-z]{{2}}) ?({_PLACES})(?![a-z])"
)
_ENGLISH_KIND: Final = re.compile(rf"([a-z]{{2}}) ({'|'.join(_ENGLISH_KINDS)})s?(?![a-z])")
"""Building 5, Yangguang Garden."""
_UNIT: Final = re.compile(r"(\d) ?(hao ?lou|hao|dong|zhuang|lou|dan ?yuan|shi|fang|qu)(?![a-z]) ?")
_STREET: Final = re.compile(
    rf"(?:(\d{{1,5}}区) ?)?([a-z][a-z ]{{2,60}}?) ?({'|'.join(_KINDS.values())})"
    r" ?(?:(\d{1,5})(?:号|(?!\d|栋|单元|室)))?"
)


class Typed(NamedTuple):
    """The parts of an address whose names are in letters; ``rest`` is what follows, its units in characters."""

    district: str
    name: str
    is_road: bool
    number: int
    rest: str


def typed(plain: str) -> Typed | None:
    """Return the parts of an address (as ``spelling.normalise`` gives it); None where it is not in letters."""
    plain, apart = _NUMBER_FIRST.subn(r"\2 \1", plain, count=1)
    if not apart and english(plain) is None:
        plain = _RUN_TOGETHER.sub(r"\2 \1", plain, count=1)
    plain = _KIND.sub(_kind, plain, count=1)
    if (found := _STREET.search(plain)) is None and english(plain) is None:
        plain = _ENGLISH_KIND.sub(lambda kind: kind[1] + _ENGLISH_KINDS[kind[2]], plain, count=1)
        found = _STREET.search(plain)
    if found is None:
        return None
    plain = _UNIT.sub(lambda unit: unit[1] + _UNITS[unit[2].replace(" ", "")], plain)
    found = _STREET.search(plain)
    if found is None:
        return None
    district, name, kind, number = found.groups("")
    return Typed(district, f"{name}{kind}", is_road(kind), int(number or 0), plain[found.end() :].strip())


def _kind(found: re.Match[str]) -> str:
    return (found[1] or found[3]) + _KINDS[(found[2] or found[4]).replace(" ", "")]
