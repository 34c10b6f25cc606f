"""One form for all spellings of an address: signs, numerals, short forms, the words for a building and a room.

Never here: what the parts of an address are (``address``), I/O.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from services.grid.numerals import arabic, western
from services.grid.traditional import simplified

_SLASH: Final = re.compile(r"(?<=[0-9])/(?=[0-9])")
_APART: Final = re.compile(r"(?:[\u4e00-\u9fff] ){2}")
"""Characters apart from one another, as programs that read pictures write them: then digits are too."""
_DIGITS_APART: Final = re.compile(r"(?<=(?<![0-9])[0-9]) (?=[0-9](?![0-9]))")
_OTHER: Final = re.compile(r"[^0-9a-z#\u4e00-\u9fff-]+")
GAP: Final = re.compile(r"(?<=[\u4e00-\u9fff]) +| +(?=[\u4e00-\u9fff])")
DASHES: Final = dict.fromkeys(map(ord, "‐‑‒–—―−ー~"), "-")
"""What is written for a dash, in compatibility form."""
_SIGNS: Final = DASHES | {ord("〇"): "零"}
_SIGN: Final = re.compile(f"[{''.join(map(chr, _SIGNS))}]")
_SPOKEN: Final = re.compile(
    r"第?([零一二三四五六七八九十百千两幺]+)(?=号|栋|幢|座|楼|单元|室|房|户|层|弄|巷|区|街坊|期|组|社(?!区)|队|小[组队]|排|连(?=\d|[一二三四五六七八九十两])|连$|分场|工区|作业区|段(?!时间|路|距离|话)|村民|生产队|门|杆|支|#|-|之[一二三四五六七八九十0-9]+号)"
    r"|([零一二三四五六七八九幺]{3,})"
)
_SPOKEN_SECOND: Final = re.compile(r"(?<=[0-9号]之)[一二三四五六七八九十]+")
_NO_ROAD: Final = r"(?<![0-9])([^0-9路街道巷同弄])"
"""Before a number that is no house's: 人民路12号宿舍 is a house, 师范学院5号宿舍 a building."""
_REWRITES: Final = tuple(
    (re.compile(pattern), into)
    for pattern, into in (
        (r"第(?=\d)", ""),
        (r"(\d|(?<![a-z])[a-z])(?:号楼|号栋|栋楼|幢楼|号幢|幢|座|#楼|#栋|楼栋)", r"\1栋"),
        (r"(\d)#(?=\d|$| |(?![变杆台箱配公专线主支柜机泵环开])[\u4e00-\u9fff])", r"\1栋"),
        (rf"{_NO_ROAD}(\d{{1,3}})号?(?:宿舍楼?|教学楼|公寓楼|厂房|车间|仓库)", r"\1\2栋"),
        (rf"{_NO_ROAD}(\d{{1,3}})舍(?=\d|$|[停没断跳])", r"\1\2栋"),
        (r"([a-z]区|市场|商城)(\d{1,4})号(?:摊位?|铺位?|档口?|商铺|门面)?(?![\d楼院栋])", r"\1\2栋"),
        (r"(\d)(?:号房|号室|房间|房|户)", r"\1室"),
        (r"栋+", "栋"),
        (r"室+", "室"),
        (r"(\d)门牌号?", r"\1号"),
        (r"(?<=\d)号?附(?=\d{1,3}(?:号|$|[ -]|[停没断跳]))", "之"),
        (r"(?<=[栋号])-?(\d{1,2})门(?=-?\d{3,4}(?!\d))", r"\1单元"),
        (r"(?<=栋)(\d{1,2})[门梯](?!牌)", r"\1单元"),
        (r"--+", "-"),
    )
)
_REWRITTEN: Final = re.compile("[第幢座楼#房户门梯附舍间库]|号[栋室]|栋栋|室室|--|[a-z]区[0-9]|(?:市场|商城)[0-9]")
"""Without any of these nothing is rewritten: most addresses have none, and ten patterns are half of a round."""
_ROMAN: Final = re.compile(r"(?<![a-z])(i{1,3}|iv)(?=期)")
ROMAN_DIGITS: Final = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
SHORT: Final = {
    "st": "street",
    "str": "street",
    "ave": "avenue",
    "av": "avenue",
    "rd": "road",
    "blvd": "boulevard",
    "dr": "drive",
    "ln": "lane",
    "ct": "court",
    "hwy": "highway",
    "pl": "place",
    "sq": "square",
    "pkwy": "parkway",
    "n": "north",
    "s": "south",
    "e": "east",
    "w": "west",
    "ne": "northeast",
    "nw": "northwest",
    "se": "southeast",
    "sw": "southwest",
    "apt": "room",
    "apartment": "room",
    "unit": "room",
    "suite": "room",
    "ste": "room",
    "flat": "room",
    "rm": "room",
    "bldg": "building",
    "block": "building",
    "tower": "building",
}
LATIN: Final = re.compile(r"[a-z]+")


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """Return one form for all spellings; the same again for what is in that form already.

    Full-width forms, case, dashes and Chinese numerals before a unit become one; 号楼, 幢, 座 become 栋; 房, 户
    become 室; English short forms are written out; other signs become blanks.
    """
    before, plain = "", text
    while plain != before:  # from the second round on, a round shortens the text or changes nothing
        before, plain = plain, _round(plain)
    return plain


def _round(text: str) -> str:
    plain = simplified(western(text).casefold())
    if _SIGN.search(plain) is not None:
        plain = plain.translate(_SIGNS)
    if "/" in plain:
        plain = _SLASH.sub("-", plain)
    plain = _OTHER.sub(" ", plain)
    if _APART.search(plain) is not None:
        plain = _DIGITS_APART.sub("", plain)
    plain = GAP.sub("", plain).strip()
    plain = _SPOKEN.sub(lambda found: arabic(found[1] or found[2]), plain)
    if "之" in plain:
        plain = _SPOKEN_SECOND.sub(lambda found: arabic(found[0]), plain)
    if "期" in plain:
        plain = _ROMAN.sub(lambda found: ROMAN_DIGITS[found[1]], plain)
    if _REWRITTEN.search(plain) is not None:
        for pattern, into in _REWRITES:
            plain = pattern.sub(into, plain)
    if plain.isascii():
        plain = LATIN.sub(lambda found: SHORT.get(found[0], found[0]), plain)
    return plain
