"""Names of roads, estates, villages, towns and districts, such as there are everywhere, and how they are misspelt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random


def _each(words: str) -> tuple[str, ...]:
    return tuple(words.split())


ROADS: Final = _each(
    "建设 解放 胜利 和平 光明 朝阳 复兴 友谊 工农 迎宾 天山 泰山 昆仑 衡山 太湖 洞庭 钱塘 湘江 珠江 嘉陵 "
    "学府 书院 文昌 体育 科技 创业 金融 商城 望江 临河 北苑 南苑 东风 红旗 青年 育才 兴业 振兴 康宁 福安 "
    "永定 广安 宣武 平安 长安 延安 井冈 韶山 百花 牡丹 海棠 玉兰 紫荆 枫林 翠竹 丹桂 金桂 梧桐 香樟"
)
ROAD_ENDINGS: Final = ("路", "路", "路", "街", "大道", "东路", "西路", "巷", "一路", "二路")
"""As often as they stand here."""

DEVELOPERS: Final = ("万科", "中海", "保利", "恒大", "绿城", "融创", "华润", "龙湖", "绿地", "世茂", "招商")
"""Firms whose name begins that of an estate, and is often left out."""
_ESTATES: Final = _each(
    "金色家园 锦绣花园 翡翠城 御景湾 碧水云天 水岸名都 东方名城 万科四季花城 中海国际社区 保利香槟国际 "
    "恒大绿洲 绿城桂花园 融创玖樟台 阳光新城 春江花月 翰林苑 丽景华庭 幸福里 银河湾 紫金华府 世纪家园 "
    "温馨家园 华润橡树湾 龙湖春森彼岸 绿地泰晤士新苑 世茂滨江花园 招商雍华府 和谐家园 祥和小区 富强新村 "
    "工人新村 曙光新村 铁路小区 电力小区 教师新村 河畔新村 香榭丽舍 格林小镇 北岸江山 桃花源"
)
_ESTATE_BEGINNINGS: Final = _each(
    "金色 锦绣 碧水 银河 紫金 丽景 翠湖 枫丹 香榭 月亮湾 天鹅 莱茵 蓝天 星河 滨江 望湖 听涛 怡景 荣盛 鑫苑 "
    "汇景 恒昌 福源 嘉和 盛世 东湖 西城 南湖 北辰 华泰 玉兰 百合"
)
_ESTATE_ENDINGS: Final = _each("家园 花园 新城 华庭 名苑 雅苑 公寓 小区 佳苑 新村 广场 花苑 豪庭 府 里")
ESTATES: Final = (*_ESTATES, *(one + end for one in _ESTATE_BEGINNINGS for end in _ESTATE_ENDINGS))
PHASES: Final = ("", "二期", "三期")
"""Of an estate whose name is used up."""

VILLAGES: Final = _each(
    "大王庄 李家村 赵庄 柳林村 张家湾 河口村 石桥村 杨树屯 双井村 后沟村 前进村 新民村 马家堡 小河村 东岭村 "
    "西坡村 三岔村 龙泉村 白沙村 青石村 高桥村 陈家集 孙家洼 周家咀 北关村 枣园村"
)
TOWNS: Final = tuple(
    one + end
    for one in "清永太城石金平大安长新白青龙凤马双三高柳"
    for end in _each("溪镇 和镇 平镇 关镇 桥镇 鸡乡 川镇 渡镇 乐乡 岭镇")
    if one != end[0]
)
COMMON_TOWNS: Final = _each("清溪镇 永和镇 太平镇 城关镇 石板镇 金鸡乡 平川镇 大渡口镇 安乐乡 长岭镇")
"""There is one of the name in many counties."""
COUNTIES: Final = tuple(
    f"{one}{end}县" for one in "临安长固青平怀凤五全来定" for end in "江丰镇川塘远阳河椒安" if one != end
)
DISTRICTS: Final = _each(
    "鼓楼区 玄武区 江岸区 洪山区 青羊区 锦江区 雁塔区 碑林区 天河区 越秀区 福田区 罗湖区 历下区 市中区 "
    "西湖区 拱墅区 余杭区 吴中区 相城区 姑苏区 新北区 钟楼区 滨湖区 梁溪区 和平区 南开区 河西区 红桥区 "
    "沈河区 皇姑区"
)
CITIES: Final = ("", "江州市", "海宁市")
"""What a customer file begins its addresses with; nothing in one of three."""
PROVINCE: Final = "江苏省"
LANDMARKS: Final = _each("超市 小学 菜市场 加油站 派出所 公交站 农业银行 药店 幼儿园 卫生院")

_SOUND_ALIKE: Final = {
    pair[0]: pair[1]
    for pair in _each(
        "建健 设社 解姐 胜圣 利力 和河 平坪 光广 明名 朝潮 复富 友有 工公 农浓 迎营 天添 泰太 山删 学雪 书输 "
        "文闻 昌常 东冬 红宏 旗其 青清 年念 育玉 才材 兴星 业夜 振镇 康慷 宁凝 福幅 安按 长常 百摆 花华 牡母 "
        "丹单 海孩 玉雨 紫子 枫风 林临 桂贵 梧无 香乡 金今 锦紧 水谁 阳洋 新心 城成 春村 世是 纪记 家加 园元 "
        "人仁 民名 团抟 结节 中钟 黄皇 河何 梅没 银寅 杏幸 江姜 凤奉 凰皇 滨宾 桃逃 源原"
    )
}
BY_SOUND, SWAPPED = 0.6, 0.2
"""Of misspelt names: a character that sounds alike, two characters swapped; the rest stays as it was."""

_DIGITS: Final = "零一二三四五六七八九"


def misspell(rng: Random, name: str) -> str:
    """Return a name as somebody wrote it who heard it or slipped."""
    how = rng.random()
    if how < BY_SOUND:
        places = [at for at, char in enumerate(name) if char in _SOUND_ALIKE]
        if places:
            at = rng.choice(places)
            return name[:at] + _SOUND_ALIKE[name[at]] + name[at + 1 :]
    if len(name) > 2 and how < BY_SOUND + SWAPPED:
        at = rng.randrange(len(name) - 1)
        return name[:at] + name[at + 1] + name[at] + name[at + 2 :]
    return name


def in_characters(number: int) -> str:
    """Return a number as it is spoken: 12 is 十二, but a house number of three digits goes digit by digit."""
    if number >= 100:
        return "".join(_DIGITS[int(digit)] for digit in str(number))
    tens, ones = divmod(number, 10)
    last = _DIGITS[ones] if ones else ""
    if tens == 0:
        return _DIGITS[ones]
    return f"十{last}" if tens == 1 else f"{_DIGITS[tens]}十{last}"
