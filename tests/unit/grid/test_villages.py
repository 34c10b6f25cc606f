"""Hamlets of villages and villages by their names: what is found, what is left open. The network is made up."""

from __future__ import annotations

from typing import Final

import pytest

from services.grid.address import parse
from services.grid.evidence import PlaceEvidence
from services.grid.streets import same_house
from services.grid.villages import hamlet_of
from tests.unit.grid.homes import book_of

_BOOK: Final = book_of(
    [
        ("T1", "平川县盐池镇红坪村沈家屯11号"),
        ("T2", "盐池镇红坪村韩家沟唐勇"),
        ("T3", "平川县盐池镇白桥村2组7号"),
        ("T4", "马家店乡东坝村于家塆陈贵"),
        ("T5", "大柳镇新堰村16号"),
        ("T6", "石门镇前溪梁家坪3号"),
        ("T7", "石门镇竹峰村上湾5号"),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *((f"{words}红坪村沈家屯{more}", "T1") for words, more in (("", "停电了"), ("我家住", ""), ("盐池镇", "11号"))),
        *(
            ("红坪沈家屯没电", "T1"),
            ("平川县盐池镇红坪村沈家屯郑梅家整条街都停了", "T1"),
            ("红坪村韩家沟唐勇家停电", "T2"),
        ),
        *(
            ("马家店乡东坝于家塆，又停电了", "T4"),
            ("东坝村于家塆8号没电", "T4"),
            ("停电了。地址：马家店乡东坝村", "T4"),
        ),
        *(("前溪村梁家坪没电了", "T6"), ("石门镇前溪梁家坪", "T6"), ("竹峰村上湾停电", "T7")),
    ],
)
def test_a_hamlet_is_found_by_its_village(said, where):
    assert _BOOK.resolve(PlaceEvidence(text=said)).transformer_id == where
    assert _BOOK.resolve(PlaceEvidence(address=said)).transformer_id == where


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *(("沈家屯停电了", "T1"), ("停电了，于家塆", "T4"), ("我们住韩家沟，没电", "T2")),
        *(("白桥停电了", "T3"), ("白桥周围都黑了", "T3"), ("盐池镇白桥，一片漆黑", "T3")),
        *(("大柳镇新堰村打雷以后就没电了", "T5"), ("新堰家里没电", "T5"), ("马家店乡东坝家里停电了", "T4")),
    ],
)
def test_a_village_and_a_hamlet_are_found_by_their_names_alone(said, where):
    assert _BOOK.resolve(PlaceEvidence(text=said)).transformer_id == where


@pytest.mark.parametrize("kind", ["村", ""])
@pytest.mark.parametrize(
    ("said", "where"),
    [
        *((f"{words}杨家洼西杨树屯{more}", "T1") for words, more in (("", "停电了"), ("河东乡", "没电"), ("", "12号"))),
        *((f"杨家洼村西杨树屯{more}", "T1") for more in ("停电", "12号停电")),
        *((said, "T1") for said in ("西杨树屯没电", "河东乡西杨树屯没电")),
        *((said, "T2") for said in ("杨家洼东杨树屯停电了", "河东乡杨家洼村东杨树屯没电")),
        *((said, "T3") for said in ("杨家洼前屯停电", "杨家洼村前屯3号没电")),
        *((said, "T4") for said in ("刘家窝棚北沟屯没电", "双井镇刘家窝棚村北沟屯停电")),
        *((said, "T5") for said in ("大房身后窑屯没电", "大房身村后窑屯5号没电", "双井镇大房身后窑屯停电")),
    ],
)
def test_a_hamlet_is_found_whether_or_not_the_file_or_the_caller_says_that_it_is_of_a_village(kind, said, where):
    book = book_of(
        [
            ("T1", f"昌图县河东乡杨家洼{kind}西杨树屯12号"),
            ("T2", f"昌图县河东乡杨家洼{kind}东杨树屯8号"),
            ("T3", f"昌图县河东乡杨家洼{kind}前屯3号"),
            ("T4", f"昌图县双井镇刘家窝棚{kind}北沟屯5号"),
            ("T5", f"昌图县双井镇大房身{kind}后窑屯5号"),
        ]
    )
    assert book.resolve(PlaceEvidence(text=said)).transformer_id == where
    assert book.resolve(PlaceEvidence(address=said)).transformer_id == where


def test_what_is_named_behind_a_town_alone_is_the_village():
    """河东乡杨家洼: the town is the district, and no village with a hamlet."""
    found = parse("昌图县河东乡杨家洼12号")
    assert (found.district, found.road, found.estate, found.building) == ("昌图县河东乡", "", "杨家洼", "12")


@pytest.mark.parametrize("said", ["杨家洼停电了全屯都黑了", "张家店大寨路5号", "李家庄小区3栋", "杨家洼我们屯没电"])
def test_words_behind_a_village_are_no_hamlet(said):
    assert "屯" not in parse(said).estate
    assert "大寨" not in parse(said).estate


def test_a_hamlet_that_nobody_has_is_somewhere_in_its_village():
    place = _BOOK.resolve(PlaceEvidence(address="红坪村赵家坡"))
    assert {one.spot.transformer_id for one in place.candidates} == {"T1", "T2"}
    assert _BOOK.resolve(PlaceEvidence(address="白桥村赵家坡9号")).transformer_id == "T3"


def test_a_hamlet_that_two_villages_have_is_one_or_the_other():
    book = book_of([("T1", "清河镇上庄村王家湾1号"), ("T2", "清河镇石桥村王家湾1号"), ("T3", "清河镇石桥村李家湾1号")])
    place = book.resolve(PlaceEvidence(text="王家湾停电了"))
    assert {one.spot.transformer_id for one in place.candidates} == {"T1", "T2"}
    assert book.resolve(PlaceEvidence(text="石桥村王家湾停电了")).transformer_id == "T2"


def test_a_house_that_is_not_in_the_file_is_where_its_group_is():
    book = book_of([*(("T1", f"清河镇大石村3组{n}号") for n in (1, 2, 3)), ("T2", "清河镇大石村4组1号")])
    place = book.resolve(PlaceEvidence(address="清河镇大石村3组12号"))
    assert (place.transformer_id, "address_neighbours" in place.evidence) == ("T1", True)


@pytest.mark.parametrize(
    "said",
    ["我家院子停电了", "全村沟里都没电", "回家坡上停电", "清河镇全村没电", "学校食堂大家坐着，没电", "新村停电了"],
)
def test_other_words_are_no_hamlet(said):
    place = _BOOK.resolve(PlaceEvidence(text=said))
    assert (place.transformer_id, place.area) == (None, None)


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        ("李家屯小区3栋", {"estate": "李家屯小区", "building": "3"}),
        ("幸福新村王家大院3栋", {"estate": "王家大院", "building": "3"}),
        ("马家店乡", {"district": "马家店乡"}),
        ("东坝1组，冰箱都停了", {"road": "东坝", "estate": "东坝1组"}),
        ("卫星8组1号台变", {}),
        ("红坪村沈家屯唐勇", {"road": "红坪村", "estate": "红坪村沈家屯"}),
        ("红坪村村口", {"estate": "红坪村"}),
    ],
)
def test_what_is_read_as_a_hamlet(said, parts):
    read = parse(said)
    assert {
        name: value for name in ("district", "road", "estate", "building") if (value := getattr(read, name))
    } == parts


@pytest.mark.parametrize(
    ("said", "stored", "same"),
    [
        ("红坪村沈家屯11号", "盐池镇红坪沈家屯11号", True),
        ("红坪村沈家屯12号", "红坪村沈家屯11号", False),
        ("红坪村韩家沟", "红坪村沈家屯11号", False),
        ("红坪村沈家屯", "红坪村沈家屯11号", None),
    ],
)
def test_a_hamlet_is_held_against_the_customers_own(said, stored, same):
    assert same_house(parse(said), parse(stored)) is same


def test_a_hamlet_is_what_stands_behind_a_village():
    assert [
        hamlet_of(one) for one in ("红坪村沈家屯", "红坪沈家屯", "红坪村3组", "沈家屯", "阳光小区", "新村小院")
    ] == [*("沈家屯", "沈家屯", "", "", "", "")]


_GROUPS: Final = book_of(
    [
        ("T1", "疏附县吾库萨克镇阿热勒村1小队2号"),
        ("T2", "疏附县吾库萨克镇阿热勒村2小队33号"),
        ("T3", "西乌珠穆沁旗吉仁高勒镇宝力根嘎查1组1号"),
        ("T4", "西乌珠穆沁旗吉仁高勒镇宝力根嘎查2组1号"),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *(("阿热勒村第一小队停电", "T1"), ("阿热勒2小队33号没电", "T2"), ("吾库萨克镇阿热勒村二组33号", "T2")),
        *(
            ("宝力根一组停电了", "T3"),
            ("宝力根嘎查第二社1号", "T4"),
            ("吉仁高勒镇宝力根2组", "T4"),
            ("宝力根3组停电", None),
        ),
    ],
)
def test_a_village_and_its_groups_are_called_in_several_ways(said, where):
    for evidence in (PlaceEvidence(text=said), PlaceEvidence(address=said)):
        assert _GROUPS.resolve(evidence).transformer_id == where
