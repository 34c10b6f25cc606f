"""Addresses as people say them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import deploy
from services.grid import address, device_names, estates, spelling, traditional
from services.grid.address import Address, names_a_house, parse
from services.grid.spelling import normalise
from services.grid.streets import district_names, same_house, street_names

HOME = "1区团结北路227号5栋3001室"


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        (HOME, {"district": "1区", "road": "团结北路", "number": 227, "building": "5", "room": "3001"}),
        ("团结北路227号", {"road": "团结北路", "number": 227}),
        ("我们小区荷苑花园27栋全停了", {"estate": "荷苑花园", "building": "27"}),  # whose estate it is, is no name
        ("我家小区阳光小区3号楼", {"estate": "阳光小区", "building": "3"}),
        ("整个小区停电", {}),
        ("东楼西路靠近253号", {"road": "东楼西路", "number": 253, "near": True}),
        ("人民路大概18号", {"road": "人民路", "number": 18, "near": True}),
        ("人民路上的18号", {"road": "人民路", "number": 18}),
        ("人民路上停电了", {}),
        ("我家在团结北路二百二十七号5号楼", {"road": "团结北路", "number": 227, "building": "5"}),
        ("团结北路二二七号", {"road": "团结北路", "number": 227}),
        ("团结北路227号十二栋", {"road": "团结北路", "number": 227, "building": "12"}),
        (
            "１区团结北路２２７号５幢３００１",
            {"district": "1区", "road": "团结北路", "number": 227, "building": "5", "room": "3001"},
        ),
        ("团结北路227号5-3001", {"road": "团结北路", "number": 227, "building": "5", "room": "3001"}),
        ("团结北路227号 5座 3001房", {"road": "团结北路", "number": 227, "building": "5", "room": "3001"}),
        ("青年中路557号五栋七〇四", {"road": "青年中路", "number": 557, "building": "5", "room": "704"}),
        ("团结北路227号附近", {"road": "团结北路", "number": 227, "near": True}),
        ("团结北路附近停电了", {"road": "团结北路", "near": True}),
        ("中山路15号楼", {"road": "中山路", "building": "15"}),
        # the second number of a house, as in the southwest, and the stair, as in the north
        ("人民路12号附3号", {"road": "人民路", "number": 12, "building": "3"}),
        ("人民路12附3号停电", {"road": "人民路", "number": 12, "building": "3"}),
        ("人民路十二号附三号", {"road": "人民路", "number": 12, "building": "3"}),
        ("人民路༡༢号", {"road": "人民路", "number": 12}),
        ("人民路12号附3", {"road": "人民路", "number": 12, "building": "3"}),
        ("人民路12号附3号楼", {"road": "人民路", "number": 12, "building": "3"}),
        ("阳光小区3号楼2门501", {"estate": "阳光小区", "building": "3", "unit": "2", "room": "501"}),
        ("阳光小区三号楼二门501室", {"estate": "阳光小区", "building": "3", "unit": "2", "room": "501"}),
        ("人民路12号院3号楼2门501", {"road": "人民路", "number": 12, "building": "3", "unit": "2", "room": "501"}),
        ("阳光小区3号2门501", {"estate": "阳光小区", "building": "3", "unit": "2", "room": "501"}),
        ("人民路12号3门", {"road": "人民路", "number": 12}),  # as likely a gate
        ("人民路12号对门", {"road": "人民路", "number": 12, "near": True}),
        ("柳荫路 18 号 2 单元 501", {"road": "柳荫路", "number": 18, "unit": "2", "room": "501"}),
        ("临江市柳荫路18号", {"road": "柳荫路", "number": 18}),
        ("南京西路123弄45号", {"road": "南京西路", "number": 123, "building": "45"}),
        (
            "江苏省南京市鼓楼区中山路3号阳光花园2栋2单元501室",
            {
                "district": "鼓楼区",
                "road": "中山路",
                "number": 3,
                "estate": "阳光花园",
                "building": "2",
                "unit": "2",
                "room": "501",
            },
        ),
        ("阳光花园2号楼2单元501", {"estate": "阳光花园", "building": "2", "unit": "2", "room": "501"}),
        ("2区幸福新村5栋201", {"district": "2区", "estate": "幸福新村", "building": "5", "room": "201"}),
        ("阳光花园A座1203", {"estate": "阳光花园", "building": "a", "room": "1203"}),
        ("1204 W Main St Apt 5, Springfield", {"road": "west main street", "number": 1204, "room": "5"}),
        (
            "No. 18 Liuyin Road, Building 2, Room 501",
            {"road": "liuyin road", "number": 18, "building": "2", "room": "501"},
        ),
        ("团结北路幺二七号幺栋", {"road": "团结北路", "number": 127, "building": "1"}),
        ("团结北路227号5/3001", {"road": "团结北路", "number": 227, "building": "5", "room": "3001"}),
        (
            "1 区 团 结 北 路 2 2 7 号 5 栋 3 0 0 1 室",
            {"district": "1区", "road": "团结北路", "number": 227, "building": "5", "room": "3001"},
        ),
        (
            "团结北路227号5栋3001室，1区",
            {"district": "1区", "road": "团结北路", "number": 227, "building": "5", "room": "3001"},
        ),
        ("团结北路227号5栋，在鼓楼区", {"district": "栋在鼓楼区", "road": "团结北路", "number": 227, "building": "5"}),
        ("团结北路15号院3区", {"road": "团结北路", "number": 15}),  # a part of the estate, and not of the town
        (
            "No. 227 团结北路, Building 5, Room 3001, District 1",
            {"district": "1区", "road": "团结北路", "number": 227, "building": "5", "room": "3001"},
        ),
        (
            "Apt 3001, Bldg 5, 227 团结北路, 1区",
            {"district": "1区", "road": "团结北路", "number": 227, "building": "5", "room": "3001"},
        ),
        (
            "1區團結北路227號5樓3001室",
            {"district": "1区", "road": "团结北路", "number": 227, "room": "3001"},
        ),
        ("near 18 Liuyin Rd", {"road": "liuyin road", "number": 18, "near": True}),
        ("停电了，什么时候来电？", {}),
        ("整栋楼都停电了", {}),
        # no 号 before the building
        ("人民路22-4栋", {"road": "人民路", "number": 22, "building": "4"}),
        ("人民路22/4号楼1401", {"road": "人民路", "number": 22, "building": "4", "room": "1401"}),
        ("人民路22-4#1401", {"road": "人民路", "number": 22, "building": "4", "room": "1401"}),
        ("人民路No.22 4栋", {"road": "人民路", "number": 22, "building": "4"}),
        ("人民路二十二四栋", {"road": "人民路", "number": 22, "building": "4"}),
        ("人民路224栋", {"road": "人民路", "building": "224", "readings": ((2, "24"), (22, "4"))}),
        ("人民路1204栋", {"road": "人民路", "building": "1204", "readings": ((1, "204"), (120, "4"))}),
        ("人民路3-5栋", {"road": "人民路", "building": "5", "readings": ((3, "5"),)}),  # or 3栋 to 5栋
        ("人民路12栋", {"road": "人民路", "building": "12"}),
        ("人民路22-1401", {"road": "人民路", "number": 22, "room": "1401"}),
        ("人民路22-501室", {"road": "人民路", "number": 22, "room": "501"}),
        # second numbers, letters, lanes
        ("人民路22-4号", {"road": "人民路", "number": 22, "building": "4"}),
        ("人民路12-16号", {"road": "人民路", "number": 12}),
        ("人民路12号之一", {"road": "人民路", "number": 12, "building": "1"}),
        ("人民路十二之三号", {"road": "人民路", "number": 12, "building": "3"}),
        ("人民路甲12号", {"road": "人民路", "number": 12, "building": "甲"}),
        ("人民路甲12号院3栋", {"road": "人民路", "number": 12, "building": "3"}),
        ("人民路12乙号", {"road": "人民路", "number": 12, "building": "乙"}),
        ("人民路12号丙停电", {"road": "人民路", "number": 12, "building": "丙"}),
        ("人民路12号丁先生", {"road": "人民路", "number": 12}),
        ("南京西路123弄6支弄45号501室", {"road": "南京西路", "number": 123, "building": "6-45", "room": "501"}),
        # buildings of estates that are numbered as houses are
        ("阳光小区3号501", {"estate": "阳光小区", "building": "3", "room": "501"}),
        ("阳光小区3号2单元", {"estate": "阳光小区", "building": "3", "unit": "2"}),
        ("阳光小区3楼2单元", {"estate": "阳光小区", "building": "3", "unit": "2"}),
        ("阳光小区108号停电了", {"estate": "阳光小区", "building": "108"}),
        ("阳光小区10号停电了", {"estate": "阳光小区"}),  # or on the tenth
        ("阳光小区2号箱变", {"estate": "阳光小区"}),
        # villages
        ("清河镇云泉村三组12号", {"district": "清河镇", "road": "云泉村", "estate": "云泉村3组", "building": "12"}),
        ("我家住云泉村第3村民小组", {"road": "云泉村", "estate": "云泉村3组"}),
        # an estate whose name goes on behind what estates are called, and its building before other words
        ("名仕豪庭国际4栋", {"estate": "名仕豪庭国际", "building": "4"}),
        ("湖东社区恒大绿洲3栋", {"estate": "恒大绿洲", "building": "3"}),
        ("阳光小区4#怎么又停电了", {"estate": "阳光小区", "building": "4"}),
        ("4#变压器停电", {}),
        ("李家庄5队", {"road": "李家庄", "estate": "李家庄5组"}),
        ("石桥村6社区", {"estate": "石桥村"}),
        ("清河镇云泉村停电了", {"district": "清河镇", "estate": "云泉村"}),
        ("我们村停电了", {}),
        ("全村都没电，农村电网", {}),
        # in letters, in the order of English
        ("12 Xingfu Lu", {"road": "xingfu路", "number": 12}),
        ("I am waiting 3 hours at 12 Oak Road", {"road": "oak road", "number": 12}),
        ("Xingfu Lu No. 12, Building 3", {"road": "xingfu路", "number": 12, "building": "3"}),
        ("Room 501, Building 3, Yangguang Xiaoqu", {"estate": "yangguang小区", "building": "3", "room": "501"}),
        ("家里线路短路了", {}),
        ("", {}),
    ],
)
def test_an_address_is_read_for_its_parts(said, parts):
    assert parse(said) == Address(**parts)


def test_the_parts_of_every_shipped_address_are_found_and_the_short_way_reads_them_as_the_long_one_does():
    short = 0
    for name in ("ckt5", "ieee123"):
        path = Path(deploy.__file__).parent / "networks" / name / "customers.csv"
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                text = row["address"]
                by_parts = address._chinese(normalise(text))
                short += address._USUAL.fullmatch(text) is not None
                assert parse(text) == by_parts
                assert by_parts.district, text
                assert by_parts.road, text
                assert by_parts.building, text
                assert by_parts.room, text
    assert short > 1000


@pytest.mark.parametrize(
    ("said", "stored", "same"),
    [
        ("团结北路227号", HOME, True),
        ("我住1区团结北路227号5幢", HOME, True),
        ("团结路227号", HOME, True),  # without the compass point
        ("团结北路227号附近", HOME, True),
        ("团结北路230号附近", HOME, True),
        ("团结北路230号", HOME, False),
        ("2区团结北路227号", HOME, False),
        ("11区团结北路227号", HOME, False),  # ends like 1区 and is another one
        ("团结南路227号", HOME, False),
        ("团结北路227号4栋", HOME, False),
        ("团结北路227号5栋3002", HOME, False),
        ("团结北路", HOME, None),
        ("停电了", HOME, None),
        ("我家阳光花园2栋", "鼓楼区阳光花园2栋501室", True),
        ("18 Liuyin Rd", "Apt 5, 18 Liuyin Road", True),
    ],
)
def test_a_said_address_is_held_against_the_customers_own(said, stored, same):
    assert same_house(parse(said), parse(stored)) is same


def test_words_before_a_name_do_not_hide_it():
    assert "团结北路" in street_names("我是说团结北路")
    assert street_names("团结北路")[0] == "团结北路"
    assert "鼓楼区" in district_names("家在鼓楼区")
    assert district_names("11区") == ("11区",)


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "我家在",
                "1区",
                "鼓楼区",
                "团结北路",
                "阳光小区",
                "二百二十七",
                "227",
                "号",
                "楼",
                "#",
                "栋",
                "幢",
                "座",
            ),
            *(
                "第",
                "三",
                "单元",
                "十",
                "室",
                "房",
                "户",
                "附近",
                "附",
                "门",
                "-",
                "－",
                " ",
                "〇",
                "Ａ",
                "st",
                "No. ",
                "Main ",
                "apt",
                "层",
            ),
        ]
    ),
    max_size=14,
).map("".join)


@given(PIECES | st.text(max_size=40))
def test_to_normalise_twice_changes_nothing(text):
    once = normalise(text)
    assert normalise(once) == once


@given(PIECES | st.text(max_size=60))
def test_any_text_gives_parts_a_database_can_hold(text):
    parts = parse(text)
    assert 0 <= parts.number < 2**31
    for site in parts.sites:
        assert site.street.isprintable()
        assert 0 <= site.number < 2**31
        assert all(name.isprintable() for name in street_names(site.street))
    assert all(name.isprintable() for name in district_names(parts.district))


@given(
    st.text(
        alphabet=st.one_of(
            st.sampled_from("路街区号栋幢座楼室小区花园一二十百两〇0123#-ab 停电了buildingtowerstreetＡ１①㎡㈠½"),
            st.characters(codec="utf-8"),
        ),
        max_size=40,
    )
)
@example("中山路A座停电了")
@example("中山路ＢＬＤＧ b")
@example("main street tower c")
@example("中山路〇号")
@example("没电了没电了，快来修")
def test_only_what_names_no_house_is_passed_over(text: str):
    found = parse(text)
    assert names_a_house(text) or not (found.number or found.building)


@given(st.text(alphabet="第幢座楼#房户门牌附间号栋室-单元0123ab 停之花园在的", max_size=10) | PIECES)
@example("丽景3栋")
@example("丽景的东区3-1-501")
def test_what_is_passed_over_has_nothing_to_rewrite_and_no_estate_of_any_name(text: str):
    is_rewritten = any(pattern.sub(into, text) != text for pattern, into in spelling._REWRITES)
    assert spelling._REWRITTEN.search(text) or not is_rewritten
    assert estates._NAMED_BUILDING.search(text) or not estates._ANY_ESTATE.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "第3",
        "3号楼",
        "3号栋",
        "3幢",
        "3座",
        "3#",
        "3栋楼",
        "3号室",
        "3房",
        "3户",
        "3栋栋",
        "3室室",
        "3门牌号",
        "3附2号",
        "5栋2门301",
        "2--3",
    ],
)
def test_what_is_to_be_rewritten_is(text: str):
    assert normalise(text) != text


@given(st.text(alphabet="变壓压器台公专箱配电室房环网柜櫃开关關刀闸断熔杆桿线線路站臺区电1２#号 ", max_size=8))
@example("開關")
@example("臺區")
@example("配 電房")
def test_what_is_passed_over_names_no_device(text: str):
    is_named = device_names._NAMED.search(device_names.name_key(text)) is not None
    assert device_names._MAY_BE_NAMED.search(traditional.simplified(text)) or not is_named


def test_traditional_characters_are_none_of_simplified_writing_and_stand_for_some_that_are():
    for one, other in traditional._SIMPLE.items():
        other.encode("gb2312")
        assert ord(other) not in traditional._SIMPLE
        assert chr(one) in "後裏衆" or not chr(one).encode("gb2312", "ignore"), chr(one)
    assert len(traditional._SIMPLE) > 400


def test_names_in_traditional_characters_are_those_in_simplified_ones():
    said = "長樂路 友誼路 書院街 恆大 學苑 頤和園 大鵬灣 鷺島 御璽 白馬塢 十里鋪 沖田村 亞洲城 薔薇園 嵐山 碩園 讀書巷"
    assert traditional.simplified(said) == (
        "长乐路 友谊路 书院街 恒大 学苑 颐和园 大鹏湾 鹭岛 御玺 白马坞 十里铺 冲田村 亚洲城 蔷薇园 岚山 硕园 读书巷"
    )


def test_most_of_what_people_say_is_passed_over():
    assert not any(map(names_a_house, ("没电了没电了，快来修", "停电了", "the power is out", "中山路停电了")))
