"""Addresses as people say them, and as the customer file has them: one form for both.

Decided here: which spellings are the same street, house, building and room. Never here: I/O, or which house a report
is from.

An address is read for its parts instead of compared as text, because people leave out and add: "团结北路227号5栋",
"家住团结北路二百二十七号附近", "１区团结北路227号5号楼3001". No dictionary cuts out the names of streets (none has
every town's): what stands before 路, 街, 小区 … may begin with words that are no part of the name, so every ending of
it is offered, longest first, and the network says which one exists.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from services.grid.alike import ESTATES, ESTATES_OR_NOT, may_mean
from services.grid.traditional import TRADITIONAL, simplified
from services.grid.typed import typed

if TYPE_CHECKING:
    from services.grid.typed import Typed

NEIGHBOURS: Final = 12
"""House numbers this close count as neighbours."""
_LONGEST: Final = 300  # characters looked at: the place stands early, or it is no address
_NUMERALS: Final = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2, "幺": 1}
_UNITS: Final = {"十": 10, "百": 100, "千": 1000}
_SLASH: Final = re.compile(r"(?<=[0-9])/(?=[0-9])")
_APART: Final = re.compile(r"(?:[\u4e00-\u9fff] ){2}")
"""Characters apart from one another, as programs that read pictures write them: then digits are too."""
_DIGITS_APART: Final = re.compile(r"(?<=(?<![0-9])[0-9]) (?=[0-9](?![0-9]))")
_OTHER: Final = re.compile(r"[^0-9a-z#\u4e00-\u9fff-]+")
_GAP: Final = re.compile(r"(?<=[\u4e00-\u9fff]) +| +(?=[\u4e00-\u9fff])")
_SIGNS: Final = dict.fromkeys(map(ord, "‐‑‒–—―−ー－~～"), "-") | {ord("〇"): "零"}
_SIGN: Final = re.compile(f"[{''.join(map(chr, _SIGNS))}]")
_SPOKEN: Final = re.compile(
    r"第?([零一二三四五六七八九十百千两幺]+)(?=号|栋|幢|座|楼|单元|室|房|户|层|弄|巷|区|期|组|门|杆|支|#|-)"
    r"|([零一二三四五六七八九幺]{3,})"
)
_REWRITES: Final = tuple(
    (re.compile(pattern), into)
    for pattern, into in (
        (r"第(?=\d)", ""),
        (r"(\d|(?<![a-z])[a-z])(?:号楼|号栋|栋楼|幢楼|号幢|幢|座|#楼|#栋|楼栋)", r"\1栋"),
        (r"(\d)#(?=\d|$| )", r"\1栋"),
        (r"(\d)(?:号房|号室|房间|房|户)", r"\1室"),
        (r"栋+", "栋"),
        (r"室+", "室"),
        (r"(\d)门牌号?", r"\1号"),
        (r"--+", "-"),
    )
)
_SHORT: Final = {
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
_NUMBER_FIRST: Final = re.compile(
    r"(?<![0-9a-z])(?:no )?(\d{1,5})([\u4e00-\u9fff]{1,8}?(?:大道|大街|胡同|路|街|巷))(?!\d+号)"
)
_WORD_FIRST: Final = tuple(
    (re.compile(rf"(?<![0-9a-z])(?:{words}) ?(?:no )?({what})(?![0-9a-z])"), unit)
    for words, what, unit in (
        ("district", r"\d{1,3}", "区"),
        ("building|bldg|block|tower", r"\d{1,4}|[a-z]", "栋"),
        ("room|rm|apt|apartment|flat|suite|ste", r"\d{1,5}[a-z]?", "室"),
    )
)
"""How a telephone set to English writes a Chinese address: No.18 中山路, Building 3, Room 501."""
_LATIN: Final = re.compile(r"[a-z]+")
_COMPASS: Final = "东南西北中"
_COMPASS_EN: Final = frozenset(
    ("north", "south", "east", "west", "northeast", "northwest", "southeast", "southwest"),
)

_LEAD_IN: Final = re.compile(
    r"^(?:您好|你好|请问|麻烦|喂|我们家住|我们家在|我们家|我家住|我家在|我家|我住在|我住|我们住|家住|住在|我们在|我在|地址是|地址在|地址|"
    r"位置是|位置在|这里是|这边是|我这边是|我们这边是|位于|停电了|停电|没电了|报修)+"
)
_OURS: Final = re.compile(
    r"(?:我们家?|我家?|咱们?|俺们?|本|这个?|整个?|(?<!安)全)(?:这个|这里的?|这边的?)?小区(?:里面?)?的?"
)
"""Whose estate it is, and not what it is called."""
_DISTRICT: Final = re.compile(r"(\d{1,5}|[\u4e00-\u9fff]{1,6})(?:(?<![小社园校片])区|县|镇|乡|街道)")
_DISTRICT_LAST: Final = re.compile(r"(?:\d{1,3}|[\u4e00-\u9fff]{1,6}(?<![小社园校片]))[区县]$")
_TOWNS: Final = re.compile(r"^.*[省市](?=.{2})")
_ROAD: Final = re.compile(
    r"([\u4e00-\u9fff\d]{1,12}?)(大道|大街|胡同|(?<![线电短马道铁半])路(?!灯|由|过|上(?!的?\d))|街(?!道|坊)|(?<![街大])道(?!路)|巷)"
)
_NUMBER: Final = re.compile(
    r"(?:-|靠近|附近的?|上的?|大[概约]|的)?(\d{1,5})(?:[-之](\d{1,3}))?(?:号院?|弄|(?![\d栋室#]|-(?!\d{1,2}-\d{3})|单元|区|期|层|楼|米))"
)
_ESTATES: Final = rf"{ESTATES}|(?:{ESTATES_OR_NOT})(?=\d|[a-z]栋)"
_ESTATE_END: Final = re.compile(_ESTATES)
"""Without it there is no estate: to look for one in a text that names none is half of reading it."""
_ESTATE: Final = re.compile(rf"([\u4e00-\u9fff\d]{{1,12}}?)({_ESTATES})")
_BUILDING: Final = re.compile(r"(\d{1,4}|(?<![a-z])[a-z]\d?)栋")
_UNIT: Final = re.compile(r"(\d{1,2}|(?<![a-z])[a-z])单元")
_ROOM: Final = re.compile(r"(\d{1,5}[a-z]?)室")
_BARE_ROOM: Final = re.compile(r"(?:栋|单元|层|楼|号)-?(?:\d{1,2}-)?(\d{3,5})(?![\d号栋杆]|单元)")
_DASHED: Final = re.compile(r"(?<!\d)(\d{1,3})-(?:(\d{1,2})-)?(\d{3,4})(?![\d-])")
_NEAR: Final = re.compile(
    r"附近|靠近|大[概约]|旁|对面|对过|门口|隔壁|后面|前面|周边|一带|边上|\bnear\b|next to|opposite|across from"
)
_STREETS_EN: Final = (
    "street|avenue|road|boulevard|drive|lane|court|highway|place|square|parkway|way|terrace|circle|trail|crescent|alley"
)
_ENGLISH: Final = re.compile(
    rf"(?:\b(\d{{1,6}})[a-z]? )?((?:[a-z]+ |\d+(?:st|nd|rd|th) ){{1,4}}?)({_STREETS_EN})(?: (north|south|east|west))?\b"
)
_NUMBER_AFTER_EN: Final = re.compile(r"^ (?:no )?(\d{1,6})\b")
_ROOM_EN: Final = re.compile(r"(?:room|#) ?(?:no )?([a-z]?\d+[a-z]?|[a-z])\b")
_BUILDING_EN: Final = re.compile(r"building (?:no )?(\d+|[a-z])\b")

_PLAIN: Final = (
    rf"(?:(?![{TRADITIONAL}省市州区县镇乡路街道巷弄号栋苑村府湾庭院城轩居园场寓厦墅庄馆邸零一二三四五六七八九幺])"
    r"[\u4e00-\u9fff])"
)
_OF_A_HOUSE: Final = re.compile(
    rf"[0-9{''.join(_NUMERALS)}{''.join(_UNITS)}〇栋幢座楼]|"
    + "|".join(["building", *(short for short, word in _SHORT.items() if word == "building")])
)
"""Without any of these, no text has the number or the name of a house: each is in what ``parse`` looks for."""
_USUAL: Final = re.compile(
    rf"([0-9]{{1,5}}区|{_PLAIN}{{2,4}}[区县])?({_PLAIN}{{2,6}}路)([1-9][0-9]{{0,4}})号(?:([0-9]{{1,4}})栋)?"
    r"(?:([0-9]{1,2})单元)?(?:([0-9]{1,5})室)?"
)
"""Most addresses of a customer file, read in one step: ten times as fast, and the same as by the long way."""

STREET_ROW: Final = 0
"""House number of the rows that stand for a whole street."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of an address; empty (0 for numbers) where it does not say.

    Attributes:
        district: 鼓楼区, 1区: may begin with words that are no part of it.
        road: 团结北路, likewise; in English ``tuanjie north road``.
        number: House number on the road.
        estate: 阳光小区, likewise.
        building: ``5`` of 5栋, 5号楼, 5幢; ``a`` of A座.
        unit: 单元.
        room: ``3001``.
        near: It says 附近, 旁边, 对面: near that place, not at it.
    """

    district: str = ""
    road: str = ""
    number: int = 0
    estate: str = ""
    building: str = ""
    unit: str = ""
    room: str = ""
    near: bool = False

    @property
    def sites(self) -> tuple[Site, ...]:
        """Return the places it names: the house on the road, the building of the estate, or both."""
        found = []
        if self.road:
            found.append(Site(self.road, self.number, self.building))
        if self.estate:
            found.append(
                Site(self.estate, int(self.building) if self.building.isdigit() else STREET_ROW, self.building)
            )
        return tuple(found)


class Site(NamedTuple):
    """A house on a street: a building of an estate counts as a house on a street of the estate's name."""

    street: str
    number: int
    building: str


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
    plain = simplified(unicodedata.normalize("NFKC", text).casefold())
    if _SIGN.search(plain) is not None:
        plain = plain.translate(_SIGNS)
    if "/" in plain:
        plain = _SLASH.sub("-", plain)
    plain = _OTHER.sub(" ", plain)
    if _APART.search(plain) is not None:
        plain = _DIGITS_APART.sub("", plain)
    plain = _GAP.sub("", plain).strip()
    plain = _SPOKEN.sub(lambda found: arabic(found[1] or found[2]), plain)
    for pattern, into in _REWRITES:
        plain = pattern.sub(into, plain)
    if plain.isascii():
        plain = _LATIN.sub(lambda found: _SHORT.get(found[0], found[0]), plain)
    return plain


def arabic(numeral: str) -> str:
    """Return a Chinese numeral in digits: 二百二十七 and 二二七 are both 227."""
    if not any(char in _UNITS for char in numeral):
        return "".join(str(_NUMERALS[char]) for char in numeral)
    total, digit = 0, -1
    for char in numeral:
        if (unit := _UNITS.get(char)) is not None:
            total += unit * (1 if digit < 0 or (digit == 0 and unit == 10) else digit)  # noqa: PLR2004  十五, 零十五
            digit = -1
        else:
            digit = _NUMERALS[char]
    return str(total + max(digit, 0))


def names_a_house(text: str) -> bool:
    """Tell whether a text may name a house: False only where ``parse`` finds neither a number nor a building in it.

    Most of what people say names none, and to read it for its parts takes fifty times as long.
    """
    return _OF_A_HOUSE.search(simplified(unicodedata.normalize("NFKC", text).casefold())) is not None


def names_an_estate(text: str) -> bool:
    """Tell whether a text may name an estate: False only where ``parse`` finds none."""
    return _ESTATE_END.search(simplified(text)) is not None


@lru_cache(maxsize=4096)
def parse(text: str) -> Address:
    """Return the parts of an address in any spelling."""
    if (usual := _USUAL.fullmatch(text)) is not None:
        district, road, number, building, unit, room = usual.groups("")
        return Address(district, road, int(number), "", building, unit, room)
    plain = normalise(text[:_LONGEST])
    if not plain:
        return Address()
    if _LATIN.search(plain) is not None and (found := typed(plain)) is not None:
        return _in_letters(found)
    return _english(plain) if plain.isascii() else _chinese(plain)


def _in_letters(said: Typed) -> Address:
    building, unit, room = (pattern.search(said.rest) for pattern in (_BUILDING, _UNIT, _ROOM))
    bare = room or _BARE_ROOM.search(said.rest)
    return Address(
        district=said.district,
        road=said.name if said.is_road else "",
        number=said.number if said.is_road else STREET_ROW,
        estate="" if said.is_road else said.name,
        building=building[1] if building else "",
        unit=unit[1] if unit else "",
        room=bare[1] if bare else "",
    )


def _chinese(plain: str) -> Address:
    if _LATIN.search(plain) is not None:
        plain = _in_chinese_order(plain)
    plain = _LEAD_IN.sub("", _OURS.sub("", plain))
    near = _NEAR.search(plain) is not None
    start, district = 0, ""
    road = number = None
    estate = _ESTATE.search(plain) if _ESTATE_END.search(plain) else None
    for found in _ROAD.finditer(plain):
        road = road or found
        if (after := _NUMBER.match(plain, found.end())) is not None:
            road, number = found, after
            break
    first = min((found.start() for found in (road, estate) if found is not None), default=len(plain))
    last = max((found.end() for found in (road, estate) if found is not None), default=len(plain))
    for found in _DISTRICT.finditer(plain, 0, last):
        named = found.end()
        if (road is not None and named > road.end()) or (road is None and estate is not None and named >= estate.end()):
            break
        district, start = _TOWNS.sub("", found[0]), named
    road_name = _TOWNS.sub("", plain[max(start, road.start()) : road.end()]) if road is not None else ""
    estate_name = ""
    if estate is not None:
        begin = max(start, estate.start())
        if road is not None and begin < road.end() <= estate.end():
            begin = max(begin, number.end() if number is not None and number.end() < estate.end() else road.end())
        estate_name = plain[begin : estate.end()].lstrip("0123456789号-") if begin < estate.end() else ""
        estate_name = estate_name if len(estate_name) > 1 else ""  # 15号院3栋: what it is, and no name
    rest = plain[min(first, len(plain)) :]
    tail = plain[number.end() if number is not None else min(last, len(plain)) if road or estate else 0 :]
    building = _BUILDING.search(rest)
    unit = _UNIT.search(rest)
    room = _ROOM.search(rest) or _BARE_ROOM.search(rest if number is None else plain[number.start() :])
    dashed = _DASHED.search(tail)
    if not district and number is not None and number[0].endswith("号"):
        last_word = _DISTRICT_LAST.search(tail)
        district = last_word[0] if last_word is not None else ""
    return Address(
        district=district,
        road=road_name,
        number=int(number[1]) if number is not None else STREET_ROW,
        estate=estate_name,
        building=building[1] if building else dashed[1] if dashed else "",
        unit=unit[1] if unit else (dashed[2] or "") if dashed and not building else "",
        room=room[1] if room else dashed[3] if dashed else "",
        near=near,
    )


def _in_chinese_order(plain: str) -> str:
    """Return an address with its English words as Chinese ones, each where it stands in Chinese."""
    said = {}
    for pattern, unit in _WORD_FIRST:
        if (found := pattern.search(plain)) is not None:
            said[unit] = f"{found[1]}{unit}"
            plain = f"{plain[: found.start()]} {plain[found.end() :]}"
    if said:
        plain = _NUMBER_FIRST.sub(r"\2\1号", _GAP.sub("", " ".join(plain.split())))
        if "区" not in said and (last := _DISTRICT_LAST.search(plain)) is not None:
            said["区"], plain = last[0], plain[: last.start()]
        plain = f"{said.get('区', '')}{plain}{said.get('栋', '')}{said.get('室', '')}"
    return plain


def _english(plain: str) -> Address:
    found = next((one for one in _ENGLISH.finditer(plain) if one[1]), None) or _ENGLISH.search(plain)
    if found is None:
        return Address(near=_NEAR.search(plain) is not None)
    words = [word for word in found[2].split() if word != "near"]
    number = found[1]
    if number is None and (after := _NUMBER_AFTER_EN.match(plain[found.end() :])):
        number = after[1]
    room, building = _ROOM_EN.search(plain), _BUILDING_EN.search(plain)
    return Address(
        road=" ".join([*words, found[3], *([found[4]] if found[4] else [])]),
        number=int(number) if number else STREET_ROW,
        building=building[1] if building else "",
        room=room[1] if room else "",
        near=_NEAR.search(plain) is not None,
    )


def street_names(said: str) -> tuple[str, ...]:
    """Return the names a said street may have in the network, likeliest first.

    Every ending of it, since words may stand before the name; then the same with another compass point, or without
    one, since people leave them out.
    """
    if not said:
        return ()
    if said.isascii():
        return _english_names(said)
    endings = [said[n:] for n in range(max(0, len(said) - 9), max(1, len(said) - 2))]
    others: list[str] = []
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


def _english_names(said: str) -> tuple[str, ...]:
    words = said.split()
    endings = [" ".join(words[n:]) for n in range(max(1, len(words) - 1))]
    plain = [word for word in words if word not in _COMPASS_EN]
    return tuple(dict.fromkeys([*endings, " ".join(plain)]))


def district_names(said: str) -> tuple[str, ...]:
    """Return the names a said district may have in the network: every ending of it, a number whole."""
    if not said:
        return ()
    if said[0].isdigit():
        return (said,)
    return tuple(said[n:] for n in range(max(0, len(said) - 6), len(said) - 1))


def same_house(said: Address, stored: Address) -> bool | None:
    """Tell whether an address as said can be the stored one; None where one of them says too little to tell."""
    verdict: bool | None = None
    if said.road and stored.road:
        if (same := _same_road(said.road, stored.road)) is False:
            return False
        if said.number and stored.number:
            near = abs(said.number - stored.number) <= (NEIGHBOURS if said.near else 0)
            if not near:
                return False
            verdict = same
    elif said.estate and stored.estate:
        if not said.estate.endswith(stored.estate):
            return None if may_mean(said.estate, stored.estate) else False
        verdict = True if said.building and said.building == stored.building else None
    if verdict is None:
        return None
    if said.district and stored.district and stored.district not in district_names(said.district):
        return False
    pairs = ((said.building, stored.building), (said.room, stored.room))
    if not said.near and any(one and other and one != other for one, other in pairs):
        return False
    return verdict


def _same_road(said: str, stored: str) -> bool | None:
    """Tell whether a road as said is the stored one; None where it may be, misspelt or misheard."""
    if said.endswith(stored) or stored in street_names(said):
        return True
    return None if may_mean(said, stored) else False
