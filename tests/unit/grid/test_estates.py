"""Estates as people call them: their phases, and their names without what estates are called."""

from __future__ import annotations

import pytest

from services.grid.address import parse
from services.grid.evidence import PlaceEvidence, ask
from services.grid.parts import apart
from services.grid.streets import same_house
from tests.unit.grid.homes import book_of


def at(book, said, **more):
    """The transformer by the words and by the address field, which must be one."""
    places = [book.resolve(PlaceEvidence(text=said, **more)), book.resolve(PlaceEvidence(address=said, **more))]
    assert places[0].transformer_id == places[1].transformer_id, said
    return places[0]


PHASES = book_of(
    [
        ("T1", "鼓楼区丽景花园一期5栋1单元301室"),
        ("T2", "鼓楼区丽景花园三期5栋"),
        ("T2", "鼓楼区丽景花园三期6栋"),
        ("T3", "鼓楼区丽景花园二期7栋"),
        ("T4", "鼓楼区恒大绿洲东区5栋"),
        ("T5", "鼓楼区恒大绿洲西区5栋"),
        ("T6", "鼓楼区莲花新村A区2栋"),
        ("T7", "鼓楼区莲花新村B区2栋"),
        ("T8", "鼓楼区荷苑小区5栋"),
    ]
)


@pytest.mark.parametrize(
    ("said", "part", "building"),
    [
        ("丽景花园三期5栋", "3期", "5"),
        ("丽景花园3期5号楼", "3期", "5"),
        ("丽景花园第三期五栋", "3期", "5"),
        ("丽景花园Ⅲ期5栋", "3期", "5"),
        ("丽景花园III期5栋", "3期", "5"),
        ("丽景花园（三期）5栋", "3期", "5"),
        ("丽景花园三期的5栋", "3期", "5"),
        ("丽景花园十二期5栋", "12期", "5"),
        ("丽景花园二期东区5栋", "2期东区", "5"),
        ("丽景花园A区5栋", "a区", "5"),
        ("丽景花园2组团5栋", "2组团", "5"),
        ("丽景花园东院5栋", "东院", "5"),
        ("丽景花园前院5号楼", "前院", "5"),
        ("丽景花园二街坊5栋", "2街坊", "5"),
        ("丽景花园12排5号", "12排", "5"),
        ("丽景花园十二排5号停电", "12排", "5"),
        ("丽景花园3区12排5号", "3区12排", "5"),
        ("丽景花园5门301", "", "5"),
        ("丽景花园三期", "3期", ""),
        ("丽景花园三期5-2-301", "3期", "5"),
        ("丽景花园5栋", "", "5"),
        ("丽景花园，今天15号停电", "", ""),
    ],
)
def test_the_part_of_an_estate_is_read(said, part, building):
    found = parse(said)
    assert (found.estate, found.part, found.building) == ("丽景花园", part, building)


@pytest.mark.parametrize(
    ("said", "estate", "part"),
    [
        ("恒大绿洲东区5栋", "恒大绿洲", "东区"),
        ("鼓楼区恒大绿洲东区5栋", "恒大绿洲", "东区"),
        ("恒大绿洲二期5栋", "恒大绿洲", "2期"),
        ("城东区荷苑小区5栋", "荷苑小区", ""),
    ],
)
def test_a_quarter_is_no_part_of_a_name_and_no_district(said, estate, part):
    found = parse(said)
    assert (found.estate, found.part, found.building) == (estate, part, "5")


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("丽景花园三期5栋停电了", "T2"),
        ("丽景花园3期5号楼没电", "T2"),
        ("丽景花园Ⅲ期五栋", "T2"),
        ("丽景花园一期5栋", "T1"),
        ("丽景花园三期停电了", "T2"),
        ("丽景花园二期停电了", "T3"),
        ("恒大绿洲东区5栋停电", "T4"),
        ("恒大绿洲西区5号楼停电", "T5"),
        ("莲花新村B区2栋", "T7"),
        ("莲花新村a区2栋", "T6"),
        ("荷苑小区5栋", "T8"),
        ("荷苑小区一期5栋", "T8"),  # the file tells no parts of it
    ],
)
def test_the_part_that_was_said_is_found(said, where):
    assert at(PHASES, said).transformer_id == where


COMPOUNDS = book_of(
    [
        ("T1", "城关区建设路15号棉纺厂家属院东院3号楼2单元401"),
        ("T2", "城关区建设路15号棉纺厂家属院西院3号楼1单元201"),
        ("T3", "城关区民主路8号粮食局家属院东院3号楼1单元101"),
        ("T4", "城关区和平街22号供销社家属院3号楼"),
        ("T5", "城关区东院小区3号楼"),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("棉纺厂家属院东院3号楼停电了", "T1"),
        ("棉纺厂东院3号楼没电", "T1"),
        ("棉纺厂家属院西院停电了", "T2"),
        ("棉纺厂西院停电", "T2"),
        ("粮食局家属院东院3栋停电", "T3"),
        ("粮食局东院没电", "T3"),
        ("供销社家属院3号楼没电", "T4"),
        ("东院小区3号楼没电", "T5"),
    ],
)
def test_the_yards_of_a_works_compound_are_parts_of_it(said, where):
    """Read as an estate, 东院 is one name for half of the compounds of a city."""
    assert at(COMPOUNDS, said).transformer_id == where


OLD_TOWN = book_of(
    [
        ("T1", "静安区番瓜弄12号"),
        ("T2", "静安区番瓜弄14号"),
        ("T3", "东城区东四十条12号"),
        ("T4", "东城区东四九条12号"),
        ("T5", "万柏林区西矿街267号官地矿三宿舍12排5号"),
        ("T6", "万柏林区西矿街267号官地矿三宿舍13排5号"),
        ("T7", "青山区红钢城二街坊12门301"),
        ("T8", "青山区红钢城三街坊12门301"),
        ("T9", "喀什市色满乡10村3组45号"),
        ("T10", "喀什市色满乡11村3组45号"),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *(
            ("番瓜弄12号停电了", "T1"),
            ("番瓜弄14号停电了", "T2"),
            ("东四十条12号没电", "T3"),
            ("东四九条12号没电", "T4"),
        ),
        *(("官地矿三宿舍12排5号停电", "T5"), ("官地矿三宿舍13排停电了", "T6")),
        *(("红钢城二街坊12门停电", "T7"), ("红钢城3街坊12门301没电", "T8"), ("红钢城三街坊停电", "T8")),
        *(("色满乡10村3组停电", "T9"), ("色满乡11村3组停电了", "T10"), ("11村3组45号没电", "T10")),
    ],
)
def test_lanes_rows_doors_and_numbered_villages_are_told_apart(said, where):
    assert at(OLD_TOWN, said).transformer_id == where


def test_a_compound_of_which_no_yard_was_said_is_left_open():
    assert {one.spot.transformer_id for one in at(COMPOUNDS, "棉纺厂家属院停电").candidates} == {"T1", "T2"}


def test_the_building_of_another_phase_is_another_house():
    place = at(PHASES, "丽景花园二期5栋停电了")
    assert place.transformer_id == "T3", "the phase is known, the building is not"
    assert place.confidence < 0.85
    assert "address_street_only" in place.evidence
    place = at(PHASES, "丽景花园四期5栋停电了")  # no such phase
    assert place.transformer_id is None
    assert place.confidence < 0.5
    assert place.area == "S"
    assert at(PHASES, "恒大绿洲北区5栋").transformer_id is None
    assert at(PHASES, "莲花新村C区2栋").transformer_id is None


def test_a_building_that_several_phases_have_is_left_open():
    place = at(PHASES, "丽景花园5栋停电了")
    assert place.transformer_id is None
    assert {one.spot.transformer_id for one in place.candidates} == {"T1", "T2"}
    assert at(PHASES, "丽景花园6栋停电了").transformer_id == "T2"


def test_who_names_a_phase_that_the_file_does_not_tell_is_less_sure_to_be_found():
    assert at(PHASES, "荷苑小区5栋").confidence > 0.95
    assert at(PHASES, "荷苑小区一期5栋").confidence < 0.9


def test_houses_of_two_phases_are_two_houses():
    said, other, open_ = parse("丽景花园三期5栋"), parse("丽景花园一期5栋"), parse("丽景花园5栋")
    assert same_house(said, other) is False
    assert same_house(parse("丽景花园三期停电"), other) is False
    assert same_house(said, open_) is True
    assert same_house(open_, said) is True


def test_what_tells_buildings_apart_is_what_both_name():
    alike = (("5", "3期5"), ("3期", "3期5"), ("3期东区5", "3期5"), ("东区5", "3期5"), ("", "5"), ("a", "a"))
    other = (("6", "3期5"), ("1期", "3期5"), ("3期西区5", "3期东区5"), ("3期6", "3期5"), ("a区2", "b区2"))
    for one, two in alike:
        assert not apart(one, two)
        assert not apart(two, one)
    for one, two in other:
        assert apart(one, two)
        assert apart(two, one)


SHORT = book_of(
    [
        ("T1", "鼓楼区丽景花园10栋1单元301室"),
        ("T1", "鼓楼区丽景花园11栋"),
        ("T2", "鼓楼区建设路5号恒大绿洲3栋502室"),
        ("T2", "鼓楼区恒大绿洲二期8栋"),
        ("T3", "鼓楼区翠湖小区6栋"),
        ("T4", "鼓楼区翠湖公寓6栋"),
        ("T4", "鼓楼区翠湖公寓9栋"),
        ("T5", "清溪镇曙光村3组12号"),
        ("T6", "鼓楼区曙光小区2栋"),
        ("T7", "鼓楼区望江路12号2栋"),
        ("T7", "鼓楼区建设路20号"),
        ("T8", "鼓楼区万科四季花城15栋"),
        ("T9", "鼓楼区教师新村4栋"),
        ("T9", "清溪镇孙家洼3组"),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        # a building, and the estate by its bare name
        ("丽景10栋停电了", "T1"),
        ("丽景10号楼没电", "T1"),
        ("丽景十栋", "T1"),
        ("我家在丽景10栋1单元301", "T1"),
        ("麗景10棟停電了", "T1"),
        ("鼓楼区丽景10栋", "T1"),
        ("丽景小区10号楼停电", "T1"),
        ("翠湖9栋停电了", "T4"),  # only one of the two has it
        ("绿洲3栋停电了", "T2"),
        ("恒大绿洲小区3栋", "T2"),
        ("绿洲二期8号楼", "T2"),
        ("四季花城15栋没电", "T8"),
        ("教师4栋停电", "T9"),
        ("建设路丽景10栋", "T1"),  # a road that the network has, and its estate for short
        ("恒大丽景10栋", "T1"),  # by a firm that the file does not name
    ],
)
def test_an_estate_is_found_by_what_people_call_it(said, where):
    place = at(SHORT, said)
    assert place.transformer_id == where
    assert 0.5 <= place.confidence < 0.9
    assert "address_short" in place.evidence


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *(("丽景停电了", "T1"), ("丽景附近停电", "T1"), ("丽景那边没电了", "T1"), ("我住丽景，停电了", "T1")),
        *(
            ("你好，丽景全停电了", "T1"),
            ("丽景今天又停电了", "T1"),
            ("停电了，地址丽景", "T1"),
            ("丽景门口，没电", None),
        ),
        *(
            ("恒大绿洲停电了", "T2"),
            ("恒大绿洲附近停电", "T2"),
            ("喂 我这里是恒大绿洲 没电了", "T2"),
            ("绿洲没电", "T2"),
        ),
        *(("鼓楼区丽景停电了", "T1"), ("恒大绿洲二期停电", "T2"), ("我们丽景停电了", "T1"), ("孙家洼停电了", "T9")),
    ],
)
def test_a_bare_name_is_found_where_only_one_estate_has_it(said, where):
    place = SHORT.resolve(PlaceEvidence(text=said))
    assert place.transformer_id == where
    if where is not None:
        assert 0.5 <= place.confidence < 0.8


@pytest.mark.parametrize(
    "said", ["丽景", "恒大绿洲", "丽景附近", "丽景门口", "恒大绿洲那边", "鼓楼区丽景", "恒大绿洲小区"]
)
def test_a_bare_name_is_an_address_if_it_is_given_for_one(said):
    place = SHORT.resolve(PlaceEvidence(address=said, text="停电了"))
    assert place.transformer_id in {"T1", "T2"}
    assert place.confidence < 0.8


@pytest.mark.parametrize(
    "said",
    [
        "翠湖停电了",  # 小区 or 公寓
        "翠湖6栋停电了",
        "曙光停电了",  # 小区, or the village
        "丽景99栋停电",  # nobody has it
        "新丽景10栋停电",  # another one
        "丽景苑10栋停电",  # 苑 is no 花园
        "丽景公寓10栋停电",
        "万科绿洲3栋停电",  # another firm's
        "丽景村10栋",
        "丽景路10号",
        "丽景路停电了",
        "望江停电了",  # a road
        "望江2栋停电了",
        "建设停电",
        "去丽景的路上停电了",
        "丽景旁边的超市停电了",
        "教师停了电话课",
        "丽景没电梯",
        "家里停电了",
        "学校停电了",
        "今天停电",
        "又停电了",
        "隔壁停电",
        "整栋楼没电",
        "我住丽景对面的小区",
        "秦淮区丽景10栋",  # there is none in that district
        "秦淮区丽景停电了",
        "不知道，丽景吧",
    ],
)
def test_what_may_be_another_place_is_left_open(said):
    place = SHORT.resolve(PlaceEvidence(text=said))
    assert place.transformer_id is None, place


def test_estates_of_one_short_name_are_both_named_however_large_they_are():
    homes = [("T1", f"鼓楼区丽景花园3栋{n}室") for n in range(101, 130)]
    place = book_of([*homes, ("T2", "鼓楼区丽景小区3栋501室")]).resolve(PlaceEvidence(text="丽景3栋停电了"))
    assert place.transformer_id is None
    assert [one.weight for one in place.candidates] == [0.384, 0.384]


def test_words_that_may_be_a_name_are_no_address_to_people():
    place = SHORT.resolve(PlaceEvidence(text="昨儿停电了"))
    assert (place.transformer_id, place.evidence) == (None, ())


@pytest.mark.parametrize("said", ["只有我家停电，邻居都有电", "只有我家跳闸了，推不上去", "整条街都停了"])
def test_what_stands_before_whose_home_it_is_is_no_name(said):
    assert ask(PlaceEvidence(text=said)).address is None


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("恒大绿洲A座停电了", "T1"),
        ("绿洲b栋没电", "T2"),
        ("恒大绿洲B座1201停电", "T2"),
        ("恒大绿洲C1栋停电", "T3"),
        ("恒大绿洲C2栋停电", None),  # nobody has it
        ("恒大绿洲D座停电", None),
        ("恒大绿洲1栋停电", None),
    ],
)
def test_the_buildings_of_an_estate_may_be_lettered(said, where):
    homes = [("T1", "秦淮区恒大绿洲A座1201室"), ("T2", "秦淮区恒大绿洲B座1201室"), ("T3", "秦淮区恒大绿洲C1栋301室")]
    assert book_of(homes).resolve(PlaceEvidence(text=said)).transformer_id == where


RELATIVES = book_of(
    [
        ("T1", "鼓楼区幸福家园5栋1单元301室"),
        ("T2", "秦淮区丽景花园1栋"),
        ("T2", "秦淮区丽景花园2栋"),
        ("T3", "秦淮区望江路12号"),
        ("T3", "秦淮区望江路30号"),
        ("T4", "秦淮区丽景花园3栋"),
        ("T4", "秦淮区翠湖公寓3栋"),
    ]
)
MINE = "13800000000"
"""The number that the file has for 幸福家园5栋."""


@pytest.mark.parametrize(
    "said", ["秦淮区望江路停电了", "你好，我在秦淮区望江路附近，没电了", "翠湖公寓停电了", "翠湖停电了"]
)
def test_a_place_that_is_said_goes_before_the_home_of_the_number_elsewhere(said):
    place = RELATIVES.resolve(PlaceEvidence(phone=MINE, text=said))
    assert place.transformer_id in {"T3", "T4", None}
    assert {"phone_conflicts", "address_conflicts"} & set(place.evidence)
    at = {one.spot.transformer_id: one.weight for one in place.candidates}
    assert "T1" in at, "or nobody sees that it may be the home of the number"
    assert at["T1"] < max(at.values()) < 0.9
    assert place.account_id is None


@pytest.mark.parametrize(
    "said",
    [
        "我在翠湖公寓上班，家里停电了",
        "我现在在秦淮区望江路12号开会, 邻居说我家没电了",
        "人在秦淮区翠湖公寓3栋住院。我家停电了，麻烦看一下",
        "我去翠湖公寓买菜了，家里突然停电",
    ],
)
def test_where_somebody_is_meanwhile_is_not_where_the_power_is_out(said):
    place = RELATIVES.resolve(PlaceEvidence(phone=MINE, text=said))
    assert (place.transformer_id, "phone_conflicts" in place.evidence) == ("T1", False)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ("我在秦淮区望江路12号上班，停电了", "T3"),  # there
        ("我在秦淮区望江路12号上班，公司停电了", "T3"),
        ("我在外地出差，我家秦淮区望江路12号停电了", "T3"),
        ("我在单位上班，妈妈家秦淮区望江路12号没电了", "T3"),
    ],
)
def test_where_somebody_works_may_be_where_the_power_is_out_and_their_home_may_be_named(said, where):
    assert RELATIVES.resolve(PlaceEvidence(phone=MINE, text=said)).transformer_id == where


def test_of_a_house_and_the_home_of_a_number_elsewhere_the_house_is_meant():
    place = RELATIVES.resolve(PlaceEvidence(phone=MINE, text="我妈家秦淮区望江路12号停电了"))
    assert (place.transformer_id, place.confidence > 0.9) == ("T3", True)
    assert "phone_conflicts" in place.evidence


def test_an_estate_of_several_transformers_contradicts_the_home_of_a_number_and_both_are_named():
    place = RELATIVES.resolve(PlaceEvidence(phone=MINE, address="丽景花园", text="停电了"))
    assert place.transformer_id is None
    assert {one.spot.transformer_id for one in place.candidates} == {"T1", "T2", "T4"}
    assert "address_conflicts" in place.evidence or "phone_conflicts" in place.evidence


@pytest.mark.parametrize(
    "said", ["停电了", "幸福家园停电了", "幸福停电了", "幸福家园附近停电", "家里停电了", "某某路停电了"]
)
def test_a_number_is_believed_where_nothing_speaks_against_it(said):
    place = RELATIVES.resolve(PlaceEvidence(phone=MINE, text=said))
    assert (place.transformer_id, place.account_id) == ("T1", "A0")
    assert place.confidence > 0.9


HOMES = book_of(
    [
        ("T1", "玄武区世茂滨江花园二期1号楼1单元601室"),
        ("T2", "新北区延安路8号滨江花园1栋1单元1801"),
        ("T3", "青羊区泰山一路保利香槟国际1-3-701"),
        ("T4", "青羊区泰山一路28号"),
        ("T5", "青羊区泰山一路30号"),
    ]
)


@pytest.mark.parametrize(
    ("phone", "said", "where"),
    [
        ("13800000000", "玄武区滨江花园二期1幢一单元6楼停电", "T1"),  # without the firm
        ("13800000000", "滨江花园二期1座601室", "T1"),
        ("13800000002", "泰山一路28号保利香槟国际1#楼，灯全灭了", "T3"),  # the file has no number
        ("13800000002", "香槟国际1栋", "T3"),
    ],
)
def test_the_home_of_a_number_is_what_is_said_by_a_shorter_name(phone, said, where):
    place = HOMES.resolve(PlaceEvidence(phone=phone, text=said))
    assert (place.transformer_id, place.confidence > 0.99) == (where, True)
    assert not {"phone_conflicts", "address_conflicts", "address_other_house"} & set(place.evidence)


def test_the_home_of_a_number_may_be_meant_by_a_shorter_name_that_another_estate_has():
    place = HOMES.resolve(PlaceEvidence(phone="13800000000", text="滨江花园停电了"))
    assert (place.transformer_id, place.confidence < 0.9) == ("T1", True)
    assert "T2" in {one.spot.transformer_id for one in place.candidates}


_CALLED = book_of(
    [
        ("T1", "清河镇金湖家园小区5栋301室"),
        ("T2", "清河镇师范学院宿舍5号楼1单元101室"),
        ("T3", "清河镇纺织厂生活区3号楼2单元501室"),
        ("T4", "清河镇上河营2组12号"),
        ("T5", "清河镇柳湾村3组"),
        ("T6", "清河镇望江西路12号"),
        ("T7", "清河镇帽儿胡同7号"),
        ("T8", "清河镇金河花园5栋"),
        ("T9", "清河镇滨江工业园A区兴业路3号宏达机械厂"),
        ("T10", "清河镇万和名城5栋"),
        ("T11", "清河镇孔庙一巷48号"),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *((f"{name}5栋停电了", "T1") for name in ("金湖家园", "金湖家园小区", "清河镇金湖家园")),
        *(("师范学院5号楼停电", "T2"), ("师范学院宿舍5号楼停电", "T2"), ("师范学院宿舍旁边停电了", "T2")),
        *(("纺织厂3号楼停电", "T3"), ("纺织厂生活区停电了", "T3"), ("纺织厂生活区3号楼2单元501室没电", "T3")),
        *(("上河营村停电了", "T4"), ("清河镇上河营村，家里没电", "T4"), ("上河营二生产队停电了", "T4")),
        *((f"柳湾村{where}停电了", "T5") for where in ("村口", "村部旁边", "村东头", "村委会附近", "小学旁边")),
        *(("柳湾村，我家没电", "T5"), ("没电了，柳湾村", "T5")),
        *(
            (f"{words}望江西路{more}", "T6")
            for words, more in (("", "停电了"), ("投诉！", "又停电了"), ("停电了，", ""))
        ),
        *(("滨江工业园停电了", "T9"), ("滨江工业园A区停电", "T9"), ("滨江工业园宏达机械厂停电", "T9")),
        *(("万和名城停电了", "T10"), ("万和5栋停电了", "T10")),
        *(("我住望江西路，家里没电", "T6"), ("帽儿胡同停电了", "T7"), ("帽儿胡同，家里没电", "T7")),
        *(
            (f"望江西路{who}没电", "T6")
            for who in ("家里", "我们这一片都", "整条街都", "冰箱停了，", "菜市场旁边，打雷以后")
        ),
        *(("孔庙一巷停电了", "T11"), ("你好，报一下停电，孔庙一巷", "T11"), ("整条街都停了，清河镇望江西路", "T6")),
        *(("清河镇万和名城家里没电", "T10"), ("万和名城5#怎么又停电了", "T10")),
    ],
)
def test_a_place_is_found_by_what_people_call_it(said, where):
    assert _CALLED.resolve(PlaceEvidence(text=said)).transformer_id == where


@pytest.mark.parametrize(
    "said",
    [
        *(
            "马路停电了",
            "旁边的大路停电了",
            "线路停电了",
            "公路停电",
            "路灯不亮，望江西路",
            "我在望江西路等车，家里没电",
        ),
        *("望江西路冰箱坏了", "学校门口那条路停电了", "报一下停电"),
    ],
)
def test_a_road_among_other_words_or_of_no_outage_is_no_place(said):
    place = _CALLED.resolve(PlaceEvidence(text=said))
    assert (place.transformer_id, place.area) == (None, None)


def test_an_estate_is_not_called_by_a_name_that_is_more_than_its_own():
    book = book_of([("T1", "清河镇金湖公寓5栋"), ("T2", "清河镇金河家园小区5栋")])
    assert book.resolve(PlaceEvidence(text="金湖家园5栋停电了")).transformer_id is None


HALVES = book_of(
    [
        ("T1", "越秀区凤安半岛8栋404室"),
        ("T2", "海珠区碧桂园金河雅居5栋"),
        ("T3", "海珠区豪庭国际4栋"),
        ("T4", "海珠区东湖名都1栋"),
        ("T5", "海珠区东湖国际1栋"),
        ("T6", "平川县红星农庄2栋"),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *(("凤安小区8座404停电", "T1"), ("凤安8栋没电", "T1"), ("凤安小区停电了", "T1"), ("碧桂园金河5幢", "T2")),
        *(
            ("金河小区5栋", "T2"),
            ("东湖名都1栋", "T4"),
            ("东湖小区1栋", None),
            ("凤安花园8栋", None),
            ("凤安小区9栋", None),
        ),
        *(("保利金河5栋", None), ("红星小区2栋", None), ("凤小区8栋", None), ("半岛小区8栋", None)),
    ],
)
def test_an_estate_of_any_ending_is_called_by_its_first_half(said, where):
    assert at(HALVES, said).transformer_id == where
