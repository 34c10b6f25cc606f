"""What people say of a place, in the ways they say it, and where it is. Network and sentences are made up."""

from __future__ import annotations

import time

import pytest

from services.grid.book import CustomerBook
from services.grid.device import DeviceRow
from services.grid.device_names import id_key, name_key, short_name
from services.grid.evidence import PlaceEvidence
from services.grid.network_file import CustomerRow
from services.grid.tree import Tree

_DEVICES = (
    ("S", None, "substation", "韩通变电站"),
    ("B1", "S", "breaker", "937宋北线"),
    ("B2", "S", "breaker", "10千伏十卫线"),
    ("B3", "S", "breaker", "城西Ⅱ线"),
    ("L1", "B1", "switch", "937宋北线主干13号杆开关"),
    ("T1", "L1", "transformer", "宋北线15号杆台变"),
    ("T2", "B2", "transformer", "卫星8组#1台变"),
    ("T3", "B2", "transformer", "阳光小区2号箱变"),
    ("T4", "B3", "transformer", "幸福里公变"),
    ("GTR00412", "B3", "transformer", ""),
    ("T5", "B3", "transformer", "创业园专变"),
    ("B4", "S", "breaker", "110千伏城西变电站10千伏人民Ⅲ线"),
    ("F1", "B4", "fuse", "10kV人民Ⅲ线028号杆跌落式熔断器"),
    ("T6", "F1", "transformer", "10kV人民Ⅲ线李家村3号台区"),
    ("T7", "B4", "transformer", "人民Ⅲ线新华路001号公用配电变压器"),
    ("T8", "B4", "transformer", "王庄配变"),
    ("H1", "B4", "switch", "人民Ⅲ线2号环网柜"),
    ("T9", "B4", "transformer", "学府花园1#配电室"),
)
_HOMES = (
    ("T1", "鼓楼区中山北路18号3栋2单元501室"),
    ("T1", "鼓楼区中山北路20号"),
    ("T2", "卫星镇建设路227号"),
    ("T3", "阳光小区3栋1单元201室"),
    ("T3", "秦淮区阳光路5号阳光小区7栋302室"),
    ("T4", "玄武区人民大街100号A座1203室"),
    ("T4", "幸福家园12栋1单元302室"),
    ("GTR00412", "12 Oak Street"),
    ("GTR00412", "15 North Oak Street Apt 4B"),
    ("T5", "Room 1203, 66 Innovation Avenue"),
)


def _book():
    rows = [
        DeviceRow(one, parent, kind, False, 31.0 + n / 10, 118.0, name)
        for n, (one, parent, kind, name) in enumerate(_DEVICES)
    ]
    homes = [CustomerRow(f"A{n}", at, 31.0, 118.0 + n / 10, said, "") for n, (at, said) in enumerate(_HOMES)]
    return CustomerBook(Tree(rows), homes, {row.id: row.name for row in rows})


BOOK = _book()


@pytest.mark.parametrize(
    ("said", "where"),
    [
        # houses
        ("我家在鼓楼区中山北路十八号三号楼二单元五零一", "T1"),
        ("中山北路18号3-2-501没电", "T1"),
        ("江苏省南京市鼓楼区中山北路20号停电", "T1"),
        ("中山北路20号附近全黑了", "T1"),
        ("建设路二百二十七号没有电了", "T2"),
        ("建设路二二七号", "T2"),
        ("建设路227号门面房", "T2"),
        ("卫星镇建设路停电了", "T2"),
        ("阳光小区3号楼1单元201", "T3"),
        ("阳光小区三栋停电", "T3"),
        ("阳光小区3#楼", "T3"),
        ("阳光小区3#停电了", "T3"),
        ("幸福家园12#没电", "T4"),
        ("阳光小区停电了", "T3"),
        ("陽光小區停電了", "T3"),
        ("人民大街一百號A座", "T4"),
        ("衛星8組1號臺變停電", "T2"),
        ("幸福家園十二棟一單元302室", "T4"),
        ("我们住阳光小区，整个小区都没电", "T3"),
        ("秦淮区幸福家园全黑了", "T4"),
        ("阳光路5号阳光小区7栋", "T3"),
        ("人民大街一百号A座", "T4"),
        ("幸福家园12-1-302", "T4"),
        ("幸福家园十二栋一单元302室", "T4"),
        ("we are on 12 oak street, lights out", "GTR00412"),
        ("15 N. Oak Str. #4B", "GTR00412"),
        ("power's out near 12 Oak Street", "GTR00412"),
        ("66 innovation ave rm 1203", "T5"),
        # transformers
        ("卫星8组#1台变没电", "T2"),
        ("卫星8组1号台变停电", "T2"),
        ("卫星八组一号台变停电了", "T2"),
        ("卫星8组1#变压器冒烟", "T2"),
        ("卫星8组1号变跳闸", "T2"),
        ("阳光小区二号箱变", "T3"),
        ("阳光小区2#箱变跳闸", "T3"),
        ("阳光小区2号变压器坏了", "T3"),
        ("幸福里公用变压器停电", "T4"),
        ("幸福里变压器坏了", "T4"),
        ("创业园专用变压器停电", "T5"),
        ("变压器GTR00412停电", "GTR00412"),
        ("变压器编号 GTR 00412", "GTR00412"),
        ("gtr00412", "GTR00412"),
        ("ＧＴＲ－００４１２没电", "GTR00412"),
        ("the transformer GTR00412 is humming and no light", "GTR00412"),
        # poles and lines
        ("宋北线15号杆台变", "T1"),
        ("宋北线十五号杆停电", "T1"),
        ("937宋北线停电", "B1"),
        ("宋北线跳闸了", "B1"),
        ("10kV宋北线停电", "B1"),
        ("宋北线主干13号杆开关以下停电", "L1"),
        ("10kV十卫线全线停电", "B2"),
        ("十卫线没电", "B2"),
        ("城西二线停电", "B3"),
        ("城西2线", "B3"),
        ("城西II线停电", "B3"),
        ("城西变电站停电了吗，人民三线没电", "B4"),
        ("人民Ⅲ线路停电", "B4"),
        ("人民3线28号杆停电", "F1"),
        ("人民三线的第28号电线杆上冒火花", "F1"),
        ("人民三线28杆", "F1"),
        ("10千伏人民III线28#杆熔断器烧了", "F1"),
        ("人民三线29号杆停电", "B4"),  # a pole that the network does not have is somewhere on its line
        ("宋北线15号杆没电", "T1"),
        ("宋北线 15 号水泥杆", "T1"),
        ("宋北线15号杆变压器", "T1"),
        ("人民三线2号环网柜冒烟", "H1"),
        ("韩通站全停", "S"),
        # the same transformer by other words
        ("李家村3号台区没电", "T6"),
        ("李家村三号公变停电", "T6"),
        ("李家村3号变压器", "T6"),
        ("人民三线李家村3号台变", "T6"),
        ("新华路1号公变没电", "T7"),
        ("新华路001号变压器", "T7"),
        ("王庄台区停电", "T8"),
        ("王庄公变", "T8"),
        ("王庄变压器", "T8"),
        ("幸福里台区停电", "T4"),
        ("学府花园1号配电房", "T9"),
    ],
)
def test_what_people_say_is_found(said, where):
    assert BOOK.resolve(PlaceEvidence(text=said)).transformer_id == where
    assert BOOK.resolve(PlaceEvidence(address=said)).transformer_id == where


@pytest.mark.parametrize(
    "said",
    [
        *("家里停电了", "我报过修了", "线断了", "变压器坏了", "杆子倒了", "5号线地铁停了", "1号楼停电", "停电3小时了"),
        *("10号就报修了", "今天15号停电到现在", "我在路上", "幸福里专变停电", "创业园公变没电", "938宋南线停电"),
        *("我们小区停电", "隔壁小区有电，就我们没有", "中山北路上的红绿灯不亮", "在公园旁边停电"),
        *("The power just went out", "no light since 12", "call me at GTR"),
    ],
)
def test_words_that_name_no_place_place_nothing(said):
    place = BOOK.resolve(PlaceEvidence(text=said))
    assert (place.transformer_id, place.area) == (None, None)


_IDS = (
    ("S", None, "substation"),
    ("B-1", "S", "breaker"),
    ("L-12", "B-1", "transformer"),
    ("L-13", "B-1", "transformer"),
)
_ALIKE = (("T1-12", "B-1", "transformer"), ("T11-2", "B-1", "transformer"), ("T007", "B-1", "transformer"))


def _spelt(*more):
    rows = [DeviceRow(*one, False, 31.0 + n / 10, 118.0, "") for n, one in enumerate((*_IDS, *more))]
    return CustomerBook(Tree(rows), [])


@pytest.mark.parametrize(
    "said",
    [
        *(
            "L-12停电",
            "L12停电",
            "l 12号变压器没电",
            "Ｌ１２冒烟",
            "Ｌ－１２",
            "L—12没电了",
            "l_12停电",
            "L.12",
            "变压器L-O12坏了",
        ),
        *("L-012停电", "l–12停电", "L 12 has no power", "no light at L12", "旁边的杆子上写着L/12"),
    ],
)
def test_an_id_is_found_however_it_is_written(said):
    book = _spelt()
    assert book.resolve(PlaceEvidence(text=said)).transformer_id == "L-12"
    assert book.resolve(PlaceEvidence(address=said)).transformer_id == "L-12"


@pytest.mark.parametrize(
    "said", ["LO12停电", "L1停电", "L 1 2 3", "A12栋", "L123停电", "XL12停电", "l 12 o'clock", "12"]
)
def test_what_is_no_spelling_of_an_id_finds_none(said):
    assert _spelt().resolve(PlaceEvidence(text=said)).transformer_id is None


def test_an_id_as_the_network_has_it_goes_before_one_that_is_written_alike():
    book = _spelt(*_ALIKE, ("T112", "B-1", "transformer"))
    for one in ("T112", "T1-12", "T11-2", "T007", "L-12"):
        assert book.resolve(PlaceEvidence(text=f"{one}停电")).transformer_id == one
    assert book.resolve(PlaceEvidence(text="t7停电")).transformer_id is None  # one digit: what else has one
    assert book.resolve(PlaceEvidence(text="T-07停电")).transformer_id == "T007"


def test_of_ids_that_are_written_alike_none_is_meant_and_both_are_named():
    place = _spelt(*_ALIKE).resolve(PlaceEvidence(text="T112停电"))
    assert {one.spot.transformer_id for one in place.candidates} == {"T1-12", "T11-2"}
    assert "ambiguous" in place.evidence


def test_the_key_of_an_id_is_its_own_key():
    for one in ("L-012", "l12", "Ｔ００１－ＧＴＲＯ１", "10kV-3", "宋北线-1", "T-O1", "---"):
        assert id_key(id_key(one)) == id_key(one)


@pytest.mark.parametrize(
    "said",
    [
        *(
            "A" + "1" * 290 + "bb电",
            "A-" * 100 + "1" * 50 + "zz电",
            "A1" * 140 + "bbbbbbb电",
            "A O1" * 60 + "zz",
            "lu 1 " * 60,
        ),
        *("xing " * 50 + "路" * 20, "a b " * 70 + "lu 1", "团" * 290 + "路12号", "路" * 300, "a" * 290 + "路1"),
    ],
)
def test_no_text_takes_long_to_read(said):
    began = time.process_time()
    BOOK.resolve(PlaceEvidence(text=said, address=said))
    assert time.process_time() - began < 0.5


def test_what_was_said_of_another_place_than_the_account_shows_as_conflict():
    place = BOOK.resolve(PlaceEvidence(account_id="A2", text="宋北线停电了"))
    assert {"account_conflicts", "device_conflicts"} & set(place.evidence)
    assert {one.spot.transformer_id for one in place.candidates} == {"B1", "T2"}
    place = BOOK.resolve(PlaceEvidence(account_id="A2", address="幸福家园12栋302"))
    assert {"account_conflicts", "address_conflicts"} & set(place.evidence)
    assert {one.spot.transformer_id for one in place.candidates} == {"T2", "T4"}


def test_the_form_of_a_name_is_its_own_form():
    for *_, name in _DEVICES:
        key = name_key(name)
        assert name_key(key) == key
        short = short_name(key)
        assert short is None or short_name(short) is None
