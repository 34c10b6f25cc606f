"""Addresses with the number before the name, and places that are numbered otherwise than houses on roads."""

from __future__ import annotations

import pytest

from services.grid.address import parse
from services.grid.evidence import PlaceEvidence
from services.grid.turned import number_last
from tests.unit.grid.homes import book_of

_FARMS = book_of(
    [
        ("T1", "温泉县 87团 16连 4排8号陈**"),
        ("T2", "温泉县 87团 6连 4排8号"),
        ("T3", "温泉县 88团 16连 4排8号"),
        ("T4", "石浦县松山林场北岔工区11#"),
        ("T5", "石浦县松山林场四工区11#"),
        ("T6", "东洋县前哨农场九分场5队9号"),
        ("T7", "泰塘县.布日图苏木.布日哈达嘎查.2队1号"),
        ("T8", "雁江镇官澳渔港5排2号"),
        ("T9", "雁江镇官澳渔港7排2号"),
    ]
)
_VILLAGES = book_of(
    [
        ("T1", "永洲镇大柳坪行政村 3组3号"),
        ("T2", "永洲镇大柳坪行政村 4组3号"),
        ("T3", "东洋县茶岭村委会曹家老屋18号"),
        ("T4", "东洋县茶岭村委会双河18号"),
        ("T5", "泰塘县 梧桐村民委员会 龙王庙(表箱3780)"),
        ("T6", "泰塘县 梧桐村民委员会 上桂沟"),
        ("T7", "东洋县老唐庄村委会大桂铺11号"),
    ]
)
_STALLS = book_of(
    [
        ("T1", "星亭区惠民农贸市场C区15号摊位"),
        ("T2", "星亭区惠民农贸市场D区15号铺"),
        ("T3", "丰泽科创园B区2号厂房2楼(红旗食品有限公司)"),
        ("T4", "丰泽科创园B区3号厂房"),
        ("T5", "东方师范学院6号宿舍楼307"),
        ("T6", "东方师范学院7号宿舍楼307"),
        ("T7", "和顺城3号2梯10楼2室"),
        ("T8", "人民路12号宿舍楼"),
    ]
)
_TURNED = book_of(
    [
        ("T1", "德洋区57号 东台二路"),
        ("T2", "德洋区59号 东台二路"),
        ("T3", "德洋区 德洋区2#2单元102室 铁路小区"),
        ("T4", "云池区-鹤河镇10-1-302-翠竹时代小区"),
        ("T5", "丹洋乡4座2梯一楼西户室.水泥厂家属院(表箱7493)"),
        ("T6", "嘉岭区富荣花园A座7楼B室"),
    ]
)


@pytest.mark.parametrize(
    ("book", "said", "where"),
    [
        (_FARMS, "87团16连4排8号停电了", "T1"),
        (_FARMS, "87团六连四排8号没电", "T2"),
        (_FARMS, "88团十六连4排这里停电", "T3"),
        (_FARMS, "松山林场北岔工区11号这边停电了", "T4"),
        (_FARMS, "松山林场4工区停电了", "T5"),
        (_FARMS, "九分场五队9号没电", "T6"),
        (_FARMS, "布日图苏木布日哈达嘎查2小组1号，没电了", "T7"),
        (_FARMS, "官澳渔港五排停电", "T8"),
        (_FARMS, "雁江镇官澳渔港7排2号", "T9"),
        (_VILLAGES, "大柳坪3社停电了", "T1"),
        (_VILLAGES, "永洲镇大柳坪村四组3号", "T2"),
        (_VILLAGES, "茶岭曹家老屋18号没电", "T3"),
        (_VILLAGES, "茶岭村双河18号停电", "T4"),
        (_VILLAGES, "梧桐村龙王庙", "T5"),
        (_VILLAGES, "梧桐村上桂沟停电", "T6"),
        (_VILLAGES, "老唐庄大桂铺11号", "T7"),
        (_STALLS, "惠民农贸市场C区十五号档口停电了", "T1"),
        (_STALLS, "惠民农贸市场D区15号摊", "T2"),
        (_STALLS, "丰泽科创园B区二号厂房没电", "T3"),
        (_STALLS, "我们是丰泽科创园b区3号厂房，停电了", "T4"),
        (_STALLS, "东方师范学院6舍停电", "T5"),
        (_STALLS, "东方师范学院7号宿舍楼停电", "T6"),
        (_STALLS, "和顺城3号楼2单元停电", "T7"),
        (_STALLS, "人民路12号停电", "T8"),
        (_TURNED, "东台二路57号停电", "T1"),
        (_TURNED, "59号，德洋区东台二路", "T2"),
        (_TURNED, "铁路小区2栋停电了", "T3"),
        (_TURNED, "十栋一单元，翠竹时代小区，这一片都停电了", "T4"),
        (_TURNED, "水泥厂家属院4号楼停电", "T5"),
        (_TURNED, "A座7楼B室，嘉岭区富荣花园", "T6"),
    ],
)
def test_a_place_is_found_however_it_is_numbered_and_in_whatever_order(book, said, where):
    of_text, of_address = book.resolve(PlaceEvidence(text=said)), book.resolve(PlaceEvidence(address=said))
    assert where in {of_text.transformer_id, of_address.transformer_id}, (of_text.evidence, parse(said))


@pytest.mark.parametrize(
    "plain",
    [
        "人民路12号3栋",
        "12号停电了",
        "12号线人民路",
        "1区团结北路227号",
        "22号院3栋",
        "鼓楼区3栋",
        "5路车停运了",
        "中山路5号建设小区3栋",
    ],
)
def test_what_stands_in_its_order_is_not_turned(plain):
    assert number_last(plain) == plain


def test_who_looks_after_a_place_speaks_for_it():
    book = book_of([("T1", "鼓楼区翠竹花园3栋"), ("T2", "鼓楼区泰门横街12号"), ("T3", "清河镇熊家大屋村3组")])
    for said, where in (
        ("你好，我是翠竹花园物业，我们整个小区停电了", "T1"),
        ("我是泰门横街网格员，我们这边没电", "T2"),
        ("我是熊家大屋村居委会，全村停电", "T3"),
    ):
        assert book.resolve(PlaceEvidence(text=said)).transformer_id == where
    assert book.resolve(PlaceEvidence(text="我是小区物业，停电了")).transformer_id is None


def test_a_village_without_its_end_is_found_in_a_town_that_the_file_does_not_name():
    book = book_of([("T1", "东洋县老唐庄村委会2组"), ("T2", "东洋县青桥村委会2组")])
    place = book.resolve(PlaceEvidence(address="沙浦镇青桥"))
    assert [one.spot.transformer_id for one in place.candidates] == ["T2"]


def test_a_district_that_stands_twice_is_one():
    assert parse("德洋区德洋区东台路5号").district == "德洋区"
    assert parse("市场路12号").road == "市场路"
