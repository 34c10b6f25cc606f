"""Ways to write one place in which a part is not marked: what is found, what is left open. The network is made up."""

from __future__ import annotations

from typing import Final

import pytest

from services.grid.address import parse
from services.grid.evidence import PlaceEvidence
from services.grid.numerals import arabic, run_together
from services.grid.streets import same_house
from tests.unit.grid.homes import book_of

_HOMES = (
    ("T1", "鼓楼区人民路22号4栋1401室"),
    ("T2", "鼓楼区人民路26号4栋1401室"),
    ("T3", "鼓楼区人民路3号5栋"),
    ("T4", "鼓楼区人民路11号7栋"),  # 117栋 is this one, or the next
    ("T5", "鼓楼区人民路1号17栋"),
    ("T6", "鼓楼区黄河路30号甲"),
    ("T7", "鼓楼区黄河路30号乙"),
    ("T6", "清河镇云泉村3组12号"),
    ("T7", "清河镇云泉村5组12号"),
    ("T8", "清河镇大石村3组1号"),
    ("T8", "南关区幸福路12号3栋501室"),
    ("T9", "南关区长江路50弄3号501室"),
    ("T1", "南关区长江路50弄4号501室"),
)


BOOK = book_of(_HOMES)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *((f"人民路22{gap}4栋", "T1") for gap in ("号", " ", "-", "/", "，", "、", "的", "院", "－", "")),
        *(
            ("人民路224号楼1401", "T1"),
            ("鼓楼区人民路264栋", "T2"),
            ("人民路二十六四栋", "T2"),
            ("人民路22-4#1401", "T1"),
        ),
        *(("人民路3-5栋", "T3"), ("黄河路30号甲", "T6"), ("黄河路乙30号", "T7")),
        *(("云泉村三组停电了", "T6"), ("清河镇云泉村5社", "T7"), ("云泉村3队12号", "T6"), ("大石村停电了", "T8")),
        *(("长江路50弄3号", "T9"), ("长江路五十弄四号", "T1"), ("长江路50弄4-501", "T1")),
    ],
)
def test_a_place_is_found_however_its_parts_are_marked(said, where):
    place = BOOK.resolve(PlaceEvidence(text=said))
    assert place.transformer_id == where
    assert BOOK.resolve(PlaceEvidence(address=said)).transformer_id == where


def test_a_number_that_may_be_two_houses_leaves_both_open():
    place = BOOK.resolve(PlaceEvidence(address="鼓楼区人民路117栋"))
    assert place.transformer_id is None
    assert {one.spot.transformer_id: round(one.weight, 1) for one in place.candidates} == {"T4": 0.4, "T5": 0.4}
    sure = BOOK.resolve(PlaceEvidence(address="鼓楼区人民路117栋", account_id="A4"))
    assert (sure.transformer_id, sure.account_id) == ("T5", "A4")
    assert "address_agrees" in sure.evidence
    assert "address_other_house" not in sure.evidence
    other = BOOK.resolve(PlaceEvidence(address="鼓楼区人民路117栋", account_id="A0"))
    assert "address_conflicts" in other.evidence


@pytest.mark.parametrize("said", ["鼓楼区人民路229栋", "鼓楼区人民路22栋", "鼓楼区人民路4-6栋", "鼓楼区人民路1117栋"])
def test_digits_that_are_no_house_of_the_street_are_no_house(said):
    place = BOOK.resolve(PlaceEvidence(address=said))
    assert place.transformer_id is None
    assert "address_street_only" in place.evidence


def test_a_reading_that_is_in_too_many_places_is_no_reading():
    towns = [(f"T{n % 9 + 1}", f"{n}区人民路{number}") for n in range(1, 70) for number in ("22号4栋", "2号24栋")]
    assert book_of(towns[:2]).resolve(PlaceEvidence(address="人民路224栋")).area == "S"
    place = book_of(towns).resolve(PlaceEvidence(address="人民路224栋"))
    assert (place.transformer_id, place.area) == (None, None)
    assert "address_in_many_places" in place.evidence
    one = book_of([*towns, ("T9", "70区人民路22号4栋")]).resolve(PlaceEvidence(address="70区人民路224栋"))
    assert one.transformer_id == "T9"


def test_what_may_be_read_in_two_ways_is_less_sure_than_what_is_written_out():
    read, written = (BOOK.resolve(PlaceEvidence(address=f"鼓楼区人民路{one}栋")) for one in ("224", "22号4"))
    assert (read.transformer_id, written.transformer_id) == ("T1", "T1")
    assert 0.8 < read.confidence < 0.9 < written.confidence


def test_a_street_that_sounds_alike_elsewhere_is_not_meant_where_nobody_has_the_room():
    for said, where in (
        ("性福路12号3栋501", "T8"),
        ("性福路12号3栋", "T8"),
        ("性福路12号3栋502", None),
        ("南关区性福路12号3栋502", "T8"),
    ):
        place = BOOK.resolve(PlaceEvidence(address=said))
        assert place.transformer_id == where, said
        assert "address_misspelt" in place.evidence
        assert (place.area is None) == (where is None)
    helped = BOOK.resolve(PlaceEvidence(address="性福路12号3栋502", account_id="A10"))
    assert helped.transformer_id == "T8"


@pytest.mark.parametrize(
    ("said", "stored", "same"),
    [
        ("云泉村3组12号", "清河镇云泉村3组12号", True),
        ("清河镇云泉村三组12号", "清河镇云泉村3组12号", True),
        ("云河镇云泉村三组12号", "清河镇云泉村3组12号", False),
        ("云泉村3组13号", "清河镇云泉村3组12号", False),
        ("云泉村5组", "清河镇云泉村3组12号", False),
        ("云泉村3组", "清河镇云泉村3组12号", None),
        ("云泉村", "清河镇云泉村3组12号", None),
        ("人民路12号", "清河镇云泉村3组12号", None),
    ],
)
def test_a_village_is_held_against_the_customers_own(said, stored, same):
    assert same_house(parse(said), parse(stored)) is same


def test_numbers_are_told_apart():
    for said, digits in (
        ("二百二十七", "227"),
        ("二二七", "227"),
        ("十二三", "12 3"),
        ("一百二", "120"),
        ("三千五", "3500"),
        ("一百零二", "102"),
        ("一百一十二", "112"),
        ("一千二百", "1200"),
        ("十", "10"),
    ):
        assert arabic(said) == digits
    assert run_together("12") == run_together("012") == ()
    assert run_together("100") == ()
    assert run_together("12345") == ((12, "345"), (123, "45"), (1234, "5"))


_ANY_NAMES: Final = book_of(
    (
        ("T1", "拱墅区恒大绿洲6号楼2单元104室"),
        ("T2", "江苏省江州市市中区金融巷桃花源2-1-701"),
        ("T3", "余杭区翠竹大道28号望湖里1栋3单元902"),
        ("T4", "余杭区五常街道荆丰社区文一西路998号海创园4幢301"),
        ("T5", "湖东社区融创玖樟台5栋302室"),
        ("T6", "平川县清溪镇孙家洼6组37号"),
        ("T7", "临江县安乐乡河口村民委员会7组2号"),
        ("T8", "固镇县周家咀1社1号"),
        ("T9", "平川县双溪镇孙家洼6组4号"),
    )
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *(("恒大绿洲6栋停电了", "T1"), ("你好，我住拱墅恒大绿洲六号楼，停电了", "T1"), ("恒大绿洲 6#", "T1")),
        *(("桃花源2-1-701", "T2"), ("喂 我这里是桃花源二期2座 没电了", "T2")),
        *(("余杭区望湖里1幢", "T3"), ("望湖里1#1单元", "T3")),
        *(("海创园4幢", "T4"), ("文一西路998号", "T4"), ("融创玖樟台5栋", "T5")),
        *(
            ("孙家洼6队37号", "T6"),
            ("河口村七组", "T7"),
            ("河口7组停电了", "T7"),
            ("周家咀一组", "T8"),
            ("周家咀村1社", "T8"),
        ),
    ],
)
def test_an_estate_or_a_village_may_be_called_anything(said, where):
    assert _ANY_NAMES.resolve(PlaceEvidence(text=said)).transformer_id == where
    assert _ANY_NAMES.resolve(PlaceEvidence(address=said)).transformer_id == where


@pytest.mark.parametrize("said", ["我们这里3栋停电了", "小区里3栋没电", "隔壁3栋有电", "停电3栋", "卫星8组1号台变"])
def test_what_stands_before_a_building_or_a_group_is_not_always_a_name(said):
    assert parse(said).sites == ()


_SAME_NAMES: Final = book_of(
    [
        *(
            (f"T{n}", f"{county}县{town}镇新民村2组{n}号")
            for n, county, town in ((1, "平川", "清溪"), (2, "平川", "双溪"), (3, "安丰", "清溪"))
        ),
        *(
            (f"T{n}", f"{place}文一路12号")
            for n, place in ((4, "余杭区五常街道"), (5, "西湖区灵隐街道"), (6, "滨江区"))
        ),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("双溪镇新民村2组", "T2"),
        ("平川县清溪镇新民村2组", "T1"),
        ("安丰县新民村2组", "T3"),
        ("余杭区文一路12号", "T4"),
        ("灵隐街道文一路12号", "T5"),
        ("滨江区长河街道文一路12号", "T6"),
    ],
)
def test_a_place_may_be_said_with_its_town_or_its_county_alone(said, where):
    assert _SAME_NAMES.resolve(PlaceEvidence(address=said)).transformer_id == where
    assert _SAME_NAMES.resolve(PlaceEvidence(address="清溪镇新民村2组")).transformer_id is None


def test_the_group_of_a_village_is_found_in_a_village_too_large_to_tell_its_houses_apart():
    homes = [("T1", "清溪镇新民村2组5号"), *((f"T{n % 8 + 2}", f"{n}区新民村{n}组1号") for n in range(3, 80))]
    place = book_of(homes).resolve(PlaceEvidence(text="新民村二组停电了"))
    assert place.transformer_id == "T1"


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("余杭文一路12号", "T4"),
        ("我家在滨江文一路12号", "T6"),
        ("灵隐文一路12号", "T5"),
        ("安丰新民村2组停电了", "T3"),
        ("文一路12号", None),
        ("五常文一路12号", "T4"),
    ],
)
def test_a_district_may_be_said_without_its_kind(said, where):
    place = _SAME_NAMES.resolve(PlaceEvidence(text=said))
    assert place.transformer_id == where
    assert "address_misspelt" not in place.evidence


_ONE_OF_BOTH: Final = book_of(
    (
        ("T1", "市中区东湖里14号楼1单元1204室"),
        ("T2", "越秀区月亮湾新城8幢3单元1301室"),
        ("T3", "历下区嘉陵路25号"),
        ("T4", "历下区香樟东路8号绿苑3栋"),
        ("T5", "历下区香樟东路10号绿苑5栋"),
        ("T6", "平川县城关镇新民村2组1号"),
        ("T7", "历下区泰山路10号"),
    )
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("解放东路58号东湖里14座1204室", "T1"),
        ("越秀区香樟西路48号月亮湾新城8#楼", "T2"),
        ("嘉陵路25号翠苑小区3栋", "T3"),
        ("香樟东路8号绿苑3栋", "T4"),
        ("绿苑5栋", "T5"),
        ("城关镇新民村2组", "T6"),
        ("No.10 泰山路", "T7"),
    ],
)
def test_a_house_on_a_road_and_in_an_estate_is_found_by_the_one_that_the_file_has(said, where):
    assert _ONE_OF_BOTH.resolve(PlaceEvidence(address=said)).transformer_id == where


def test_the_digits_of_a_room_are_no_district():
    book = book_of([("T1", "50区团结北路12号3栋"), ("T2", "7区团结北路12号3栋501室")])
    assert book.resolve(PlaceEvidence(address="501室，3栋，团结北路12号")).transformer_id == "T2"


_LANES: Final = book_of(
    [
        ("T1", "锦江区人民南路一段27号3栋"),
        ("T2", "锦江区人民南路四段27号3栋"),
        ("T3", "臺中市北屯區永康路三段1048巷1號1樓"),
        ("T4", "臺中市北屯區永康路三段1048巷31號2樓"),
        ("T5", "北屯區永康路三段31號"),
        ("T6", "天河区石牌村永坊9号"),
        ("T7", "天河区石牌村云里9号"),
        ("T8", "天河区石牌村云里27号"),
        ("T9", "河西区和平里3号楼"),
        ("T9", "河西区长江道12巷5号"),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *(("人民南路一段27号3栋停电", "T1"), ("人民南路4段27号", "T2"), ("人民南路第四段二十七号没电了", "T2")),
        *(("永康路3段1048巷1號停電", "T3"), ("永康路三段1048巷31号2楼", "T4"), ("永康路三段31号", "T5")),
        *(("石牌村永坊9号停电", "T6"), ("天河区石牌村云里九号", "T7"), ("没电了，石牌村云里27号", "T8")),
        *(("和平里3号楼停电", "T9"), ("长江道12巷5号", "T9"), ("永康陆三段31号", None), ("人民男路四段27号", "T2")),
    ],
)
def test_a_road_has_sections_and_lanes_and_a_village_lanes(said, where):
    for evidence in (PlaceEvidence(text=said), PlaceEvidence(address=said)):
        assert _LANES.resolve(evidence).transformer_id == where


@pytest.mark.parametrize(
    "said", ["人民南路27号停电", "人民南路二段27号", "永康路三段1048号", "石牌村9号", "永康路三段9巷1号"]
)
def test_another_section_or_lane_is_another_place(said):
    assert _LANES.resolve(PlaceEvidence(text=said)).transformer_id is None


@pytest.mark.parametrize(
    "said", ["我家里3号停电了", "我们村里3号就没电了", "这里3号停过电", "停电一段时间了", "夜里12号停的"]
)
def test_the_day_of_a_month_is_no_house_of_a_lane(said):
    assert not parse(said).sites


_PLACES_BEFORE: Final = book_of(
    [
        ("T1", "九龍旺角青山道626號元州苑2座4樓F室"),
        ("T2", "九龍深水埗桂林街28號"),
        ("T3", "九龍長沙灣桂林街28號"),
        ("T4", "九龍深水埗桂林街30號"),
        ("T5", "浦东张江路12号"),
        ("T6", "秀洲文一西路7号"),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *(
            ("青山道626號", "T1"),
            ("旺角青山道626號，停電了", "T1"),
            ("停電了，旺角青山道626號", "T1"),
            ("桂林街30號", "T4"),
        ),
        *(("深水埗桂林街28號", "T2"), ("桂林街28號", None), ("张江路12号停电", "T5"), ("文一西路7号", "T6")),
        *(("桂林街31號", None), ("桂林街停電了", None), ("张江路13号停电", None)),
    ],
)
def test_a_road_is_found_of_which_the_file_says_more(said, where):
    place = _PLACES_BEFORE.resolve(PlaceEvidence(text=said))
    assert place.transformer_id == where
    if where:
        assert "address_short" in place.evidence
        assert place.confidence < 0.9  # so people are asked where anything else speaks against it
