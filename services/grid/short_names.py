"""Estates by what people call them: without 小区 or 花园, and without the firm that built them.

丽景花园 is 丽景 or 丽景小区 to those who live there, 恒大绿洲 is 绿洲. Decided here: what an estate is called so, which
estates a said one may stand for by it, and where a text says no more than such a name (丽景停电了). Never here:
whether the network has one (``alike`` has the keys), how far to believe it (``candidates``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from services.grid.estates import ESTATES, ESTATES_OR_NOT, NO_NAME, VILLAGES
from services.grid.numerals import western
from services.grid.traditional import simplified
from services.grid.villages import hamlet_of, is_of_a_family, run_together

_KIND: Final = re.compile(rf"(?:华庭|{ESTATES}|{ESTATES_OR_NOT})$")
_IS_VILLAGE: Final = re.compile(rf"(?<!新)(?:{VILLAGES})$")
_NO_ESTATE: Final = re.compile(r"[路街道巷组]$|胡同$|[^\u4e00-\u9fff]")
_ROAD: Final = re.compile(r".{2,}(?:(?<![线电短马道铁半公])路|街|大道|巷|胡同)")
"""A road by its name; no 线路, 马路, 公路."""
_ANY_KIND: Final = frozenset(("", "小区", "社区"))
"""What people, and files, call any estate; 丽景公寓 is another one than 丽景花园."""
_FIRM: Final = re.compile(
    "(?:恒大|万科|碧桂园|保利|绿地|中海|融创|龙湖|华润|金地|招商|世茂|绿城|富力|雅居乐|佳兆业|旭辉|金茂|首开|中梁|金科|荣盛|远洋|越秀|"
    "中南|华侨城)(?=..)"
)
_SHORTEST: Final = 2
_LAST_WORD: Final = re.compile(rf"^.*[{NO_NAME}](?=..)")
"""Words before a name, and in none."""
_LONGEST_TEXT: Final = 300
_CLAUSE: Final = re.compile(r"[\w()（）]+")
_WORDS: Final = f"{NO_NAME}没停断跳电灯闸闪不么谁啥哪很吧啊呀嘛"
_NAME: Final = rf"(?P<name>(?:(?![{_WORDS}])[\u4e00-\u9fff]){{2,12}}?)"
_PART: Final = (
    r"[(（]?(?P<part>第?[零一二三四五六七八九十\da-zA-ZⅠ-Ⅳ]{1,3}期|[东南西北中a-zA-Z]区|[东南西北前后]院)?[)）]?"
)
_NEAR: Final = "附近|旁边|对面|斜对面|隔壁|周边|一带|门口|后面|前面"
_OVER_THERE: Final = "那边|这边|那里|这里|那儿|这儿|那一?片|这一?片|里面|里头|(?<!家)里"
_THERE: Final = f"(?:这|那|的)?(?P<near>{_NEAR})?(?:{_OVER_THERE})?的?"
_WHEN: Final = (
    "(?:今天|今晚|今早|昨天|昨晚|刚才|刚刚|现在|早上|上午|中午|下午|晚上|半夜|凌晨|已经|突然|忽然|一直|经常|老是|总是|又|还|也|都|全部|"
    "全都|全|整个|整片|一片|大面积|怎么|为什么|好像|可能|是不是)"
)
_WHOSE: Final = (
    "(?P<whose>(?:(?:我们?|咱们?|俺们?)?(?:家里?|家中|这边|这里|这一?片|那一?片)"
    "|[整全](?:条街|栋楼|幢楼|个?村|个?小区|楼|片)|周围|四周|到处)的?)?"
)
"""Who has no power there: 望江路家里停电了, 柳湾整条街都停了."""
_OUT: Final = (
    "(?:[都全]停了|(?:停了?|没有?了?|没得|无|断了?)电(?![话梯视影车脑])|没来电|停水停电|跳了?闸|电停|电没"
    "|灯全灭|黑了|漆黑|全黑)"
)
_OUT_ANYWHERE: Final = re.compile(_OUT)
_DARK: Final = re.compile(
    rf"(?:您好|你好|喂|请问|麻烦|{_WHEN})*(?:我们?(?:家|这边|这里)?)?(?:住|在|是|住在)?{_NAME}{_PART}{_THERE}{_WHOSE}{_WHEN}*(?:都|是|就|了)*{_OUT}"
)
_ROAD_FIRST: Final = re.compile(
    r"(?:您好|你好|喂|请问|麻烦)*(?:(?:我们?)?(?:家住在?|家在|住在?|家|们))?"
    rf"(?P<name>(?:(?![{_WORDS}])[\u4e00-\u9fff]){{2,12}}?(?:大道|大街|胡同|(?<![线电短马道铁半公条])路(?!灯|由|过)|(?<!条)街(?!道|坊)|巷))"
)
"""A road with which a clause begins, whatever follows: 望江路冰箱都停了."""
_LIVES: Final = re.compile(
    rf"(?:您好|你好|喂)*(?:我们?家?住在?|我们?家?在|家住在?|住在|(?:我|我们)?(?:这里|这边)是|地址[是在]?|位置[是在]?){_NAME}{_PART}{_THERE}"
)
_IN_CHARGE: Final = re.compile(
    rf"(?:您好|你好|喂|请问)*我们?(?:这边|这里)?是{_NAME}{_PART}的?(?P<near>(?!))?"
    "(?:物业|业委会|管理处|居委会|村委会|村民?委|网格员|保安|门卫|村长|村支书|队长|楼长|社区工作)"
)
"""Who looks after a place speaks for all of it: 我是湖畔花园物业."""
_ALONE: Final = re.compile(rf"{_NAME}{_PART}{_THERE}")
_DISTRICT: Final = re.compile(r"^.{1,7}?[市区县镇乡](?=..)")
_OF_A_TOWN: Final = re.compile(r"^.{2,7}?[镇乡](?=..)")
_NO_NAME: Final = re.compile(
    "^报|^家|家里|家中|全家|大家|(?<![老新大])屋|楼|隔壁|邻居|小区|社区|村里|村子|全村|整村|镇上|街上|路边|路上|城区|市区|县城|学校|医院|公司|单位|工厂|厂里|厂房|车间|商场|超市|(?<![\u4e00-\u9fff]{2})市场|"
    "菜场|菜市场|公园|(?<![\u4e00-\u9fff]{2})广场|宾馆|酒店|饭店|银行|车站|地铁|高铁|政府|办公|宿舍|教室|店里|门店|商铺|店铺|门面|外地|外面|外头|上班|回家|"
    "[今昨前明]天|[今昨]晚|早上|上午|中午|下午|晚上|半夜|凌晨|夜里|刚才|刚刚|现在|目前|突然|忽然|一直|经常|已经|又|还|全部|全都|到处|整个|"
    "整栋|整片|整条|周围|附近|所有|一片|大面积|线路|变压|空调|冰箱|热水|设备|打雷|下雨|刮风|台风|暴雨|雷雨|计划|通知|临时|检修|施工|"
    "什么|怎么|为何|多久|几点|小时|分钟|星期|周[一二三四五六日]|[上下本]周|可能|好像|应该|因为|所以|如果|但是|而且|没有|大概|估计"
)
"""What stands before 停电 and is no name."""


class Bare(NamedTuple):
    """An estate of which a text says the name alone, or less, with its phase or quarter and its district; or a road."""

    name: str
    part: str
    district: str
    near: bool


class Short(NamedTuple):
    """What an estate is called: 恒大, 丽景, 花园 of 恒大丽景花园."""

    firm: str
    name: str
    kind: str


@lru_cache(maxsize=4096)
def short_of(estate: str) -> Short | None:
    """Return what an estate or a village is called by its name; None for a road, a group, and what is in letters."""
    if len(estate) < _SHORTEST or _NO_ESTATE.search(estate) is not None:
        return None
    firm, name = "", estate
    if (found := _FIRM.match(estate)) is not None and not _KIND.fullmatch(estate, found.end()):
        firm, name = found[0], estate[found.end() :]
    kind = _KIND.search(name)
    if kind is None or kind.start() < _SHORTEST:
        return Short(firm, name, "")
    return Short(firm, name[: kind.start()], kind[0])


def key_of(estate: str) -> tuple[str, ...]:
    """Return the keys that an estate shares with what people call it; none for what is no estate.

    A hamlet is called without its village, too, and behind it without 村: 红坪村沈家屯 is 沈家屯 and 红坪沈家屯.
    """
    whole = _LAST_WORD.sub("", estate)
    if (found := short_of(whole)) is None:
        return ()
    names = [found.name, hamlet_of(estate), _before_its_kind(found)]
    if (together := run_together(whole)) != whole:
        names.append(together)
    return tuple(f"short {name}" for name in names if name)


def _before_its_kind(estate: Short) -> str:
    """Return what an estate is called that ends in no word of ours, as half of four characters: 凤凰 of 凤凰半岛."""
    whole = estate.name + estate.kind
    if len(whole) != _SHORTEST * 2 or len(estate.kind) > 1 or is_village(whole):
        return ""
    return whole[:_SHORTEST]


def said_keys_of(said: str) -> tuple[str, ...]:
    """Return under which keys to look for an estate by what people call it.

    What they say may itself end as names do: 金湖家园 of 金湖家园小区, 师范学院 of 师范学院宿舍.
    """
    found = short_of(run_together(_LAST_WORD.sub("", said)))
    return () if found is None else tuple(dict.fromkeys((f"short {found.name}", f"short {found.name}{found.kind}")))


def may_stand_for(said: str, estate: str) -> bool:
    """Tell whether an estate of the network may be meant by what was said, having its short name."""
    plain = _LAST_WORD.sub("", said)
    if run_together(plain) == run_together(estate):
        return True
    one, other = short_of(plain), short_of(estate)
    if one is not None and one.firm + one.name + one.kind == hamlet_of(estate):
        return True
    if one is None or other is None or (one.firm and other.firm and one.firm != other.firm):
        return False
    if _is_all_of(one, other):
        return True
    if one.kind in _ANY_KIND and one.name == _before_its_kind(other):
        return True
    if one.name != other.name:
        return False
    if is_village(estate):
        return not one.kind
    return one.kind in _ANY_KIND or other.kind in _ANY_KIND or one.kind == other.kind


def is_of_another_kind(said: str, estate: str) -> bool:
    """Tell whether what was said is of a kind that the estate is not: 天鹅院 and 天鹅小区; 天鹅小区 is of any."""
    one, other = short_of(_LAST_WORD.sub("", said)), short_of(estate)
    if one is None or other is None or _is_all_of(one, other):
        return False
    return one.kind not in {*_ANY_KIND, other.kind}


def _is_all_of(said: Short, estate: Short) -> bool:
    """Tell whether what was said, its last word and all, is what the estate is called without its own."""
    return said.kind != "" and said.name + said.kind == estate.name


def is_village(name: str) -> bool:
    """Tell a village by its name."""
    return _IS_VILLAGE.search(name) is not None


@lru_cache(maxsize=4096)  # people say much the same
def bare_in(text: str, *, is_address: bool = False) -> Bare | None:
    """Return what may be the name of an estate where nothing says so: 丽景停电了, 我住丽景; None where nothing is.

    Only the whole of what stands before the words for an outage, or behind those for where somebody lives: words that
    happen to end in the name of an estate are not told from it. So is the name of a road: 望江路停电了. In an address,
    all of a clause; in a text, if it is called as roads, estates and villages are: 停电了，望江路.
    """
    plain = simplified(western(text[:_LONGEST_TEXT]))
    for clause in _CLAUSE.findall(plain):
        alone = _ALONE.fullmatch(clause)
        found = (
            (alone if is_address else None)
            or _LIVES.fullmatch(clause)
            or _IN_CHARGE.match(clause)
            or _DARK.match(clause)
        )
        if found is None and alone is not None and _is_dark(alone["name"], plain):
            found = alone
        if found is not None and _is_whose(found) and not _is_surely_called(found["name"]):
            found = None  # 只有我家停电
        road = _ROAD_FIRST.match(clause)
        if found is not None and (road is None or _is_called(found["name"])):
            name, part, near = found["name"], found["part"] or "", found["near"] is not None
        elif road is not None and _OUT_ANYWHERE.search(plain) is not None:
            name, part, near = road["name"], "", False
        else:
            continue
        district = town[0] if (town := _DISTRICT.match(name)) is not None else ""
        name = name[len(district) :]
        if _NO_NAME.search(name) is None and (short_of(name) is not None or _ROAD.fullmatch(name) is not None):
            return Bare(name, part, district, near)
    return None


def _is_whose(found: re.Match[str]) -> bool:
    """Tell whether a name stands before 我家, as other words do."""
    return (found.groupdict().get("whose") or "").startswith(("我", "咱", "俺"))


def _is_dark(name: str, text: str) -> bool:
    """Tell whether a name that stands alone is one, in a text that tells of an outage."""
    return _is_surely_called(name) and _OUT_ANYWHERE.search(text) is not None


def _is_surely_called(name: str) -> bool:
    """Tell whether a name is one by its end, or by its town."""
    return _is_called(name) or _OF_A_TOWN.match(name) is not None


def _is_called(name: str) -> bool:
    """Tell whether a name is called as roads, estates, villages and hamlets are."""
    if _ROAD.fullmatch(name) is not None or is_of_a_family(name):
        return True
    return (found := short_of(name)) is not None and found.kind != ""
