"""Places in words that are misspelt or misheard: what is meant, and what is left to people. The network is made up."""

from __future__ import annotations

from itertools import pairwise

import pytest

from services.grid.address import parse
from services.grid.alike import MOST_STREETS, Alike, How, alike, said_keys, stored_keys
from services.grid.book import CustomerBook
from services.grid.evidence import PlaceEvidence
from services.grid.houses import HouseIndex
from services.grid.streets import same_house
from services.grid.syllables import SYLLABLES
from services.simulator.presets import PRESETS
from tests.unit.grid.homes import book_of

_HOMES = (
    ("T1", "鼓楼区幸福路12号3栋501室"),
    ("T2", "鼓楼区南山路8号"),
    ("T3", "鼓楼区团结北路227号"),
    ("T4", "秦淮区阳光小区3栋"),
    ("T5", "秦淮区五一路20号"),
    ("T6", "秦淮区建国一路5号"),
    ("T7", "秦淮区长乐路66号"),
    ("T8", "秦淮区厦门路9号"),
    ("T9", "秦淮区黄河路30号"),
    ("T1", "鼓楼区光明路1号"),
    ("T2", "秦淮区广鸣路1号"),
    ("T3", "玄武区文昌路40号"),
    ("T4", "玄武区文场路41号"),
    ("T5", "玄武区解放大道100号"),
)


BOOK = book_of(_HOMES)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        # the same sound
        *(("性福路12号", "T1"), ("我家在兴福路十二号停电了", "T1"), ("鼓楼区行夫路12号3号楼501", "T1")),
        *(("难山路8号", "T2"), ("团洁北路227号", "T3"), ("家住团结被路二百二十七号", "T3"), ("羊光小区3栋", "T4")),
        *(("51路20号", "T5"), ("常乐路66号", "T7"), ("长月路66号", "T7"), ("夏门路9号", "T8"), ("下门路9号", "T8")),
        *(("皇河路30号", "T9"), ("解放大道一百号", "T5"), ("姐放大道100号", "T5"), ("陽廣小區三棟", "T4")),
        # an accent's
        *(
            ("辛福路12号", "T1"),
            ("蓝山路8号", "T2"),
            ("黄和路30号附近", "T9"),
            ("房河路30号", "T9"),
            ("掌乐路66号", "T7"),
        ),
        # slips of the finger
        *(
            ("结团北路227号", "T3"),
            ("团北路227号", "T3"),
            ("福幸路12号", "T1"),
            ("幸福福路12号", "T1"),
            ("团结结北路227号", "T3"),
        ),
        *(("鼓楼区团苦北路227号", "T3"), ("团结路227号", "T3")),
        # in letters
        *(("xingfu lu 12 hao", "T1"), ("Xingfulu 12", "T1"), ("wo jia zai nan shan lu 8 hao, ting dian le", "T2")),
        *(
            ("yangguang xiaoqu 3 dong", "T4"),
            ("Building 3, Yangguang Community", "T4"),
            ("Power outage at Building 3, Yangguang Community", "T4"),
            ("xingfu路12号", "T1"),
            ("12 Xingfu Road", "T1"),
            ("No. 227 Tuanjie North Road", "T3"),
            *(("No. 227 Tuanjie Beilu没电了", "T3"), ("No. 227 Tuanjiebeilu, power is out", "T3")),
            ("Building 3, Yangguangxiaoqu，停电了", "T4"),
        ),
        *(("100 Jiefang Avenue, no power", "T5"), ("wuyi lu 20", "T5"), ("zhang le lu 66", "T7")),
    ],
)
def test_a_street_that_nobody_has_stands_for_the_one_that_was_meant(said, where):
    for evidence in (PlaceEvidence(text=said), PlaceEvidence(address=said)):
        place = BOOK.resolve(evidence)
        assert place.transformer_id == where
        if said not in {"解放大道一百号", "团结路227号"}:
            assert "address_misspelt" in place.evidence
            assert place.confidence < 0.9


@pytest.mark.parametrize(
    "said",
    [
        "性福路13号",  # no such house: the street is another one
        "性福路12号5栋",  # nor such a building
        "性福路",
        "秦淮区性福路12号",  # in another district
        "建国二路5号",  # told apart by its number
        "北山路8号",
        "团结新路227号",
        "团苦北路227号",  # any other character, and no district
        "幸运路12号",
        "王河路30号",
        "性福街12号",
        "福路12号",
        "幸路12号",
        "一二路20号",
        *("value 12", "blue lu", "lu 12", "12 Oak Road", "xingfu lu", "I live at 12", "xingfu 12"),
    ],
)
def test_what_may_as_well_be_another_street_is_left_to_people(said):
    for evidence in (PlaceEvidence(text=said), PlaceEvidence(address=said)):
        place = BOOK.resolve(evidence)
        assert (place.transformer_id, place.area) == (None, None), place


def test_of_two_streets_that_sound_alike_none_is_meant_and_both_are_named():
    place = BOOK.resolve(PlaceEvidence(address="光名路1号"))
    assert place.transformer_id is None
    assert {one.spot.transformer_id for one in place.candidates} == {"T1", "T2"}
    assert {"address_misspelt", "ambiguous", "unsure"} <= set(place.evidence)
    for more, where in (
        ({"address": "鼓楼区光名路1号"}, "T1"),
        ({"address": "光名路1号", "lat": 31.0 + 10, "lon": 118.0}, "T2"),
        ({"address": "光名路1号", "account_id": "A9"}, "T1"),
    ):
        assert BOOK.resolve(PlaceEvidence(**more)).transformer_id == where
    # The house is on one of them.
    assert BOOK.resolve(PlaceEvidence(address="玄武区闻昌路41号")).transformer_id == "T4"
    assert BOOK.resolve(PlaceEvidence(address="玄武区文昌路40号")).confidence > 0.9
    # Of those that are there, the one that was written: nothing was misspelt.
    for said, where in (("光明路1号", "T1"), ("广鸣路1号", "T2")):
        place = BOOK.resolve(PlaceEvidence(address=said))
        assert (place.transformer_id, "address_misspelt" in place.evidence) == (where, False)


def test_an_estate_without_a_house_is_meant_by_its_sound_alone():
    assert BOOK.resolve(PlaceEvidence(text="羊光小区停电了")).transformer_id == "T4"
    assert BOOK.resolve(PlaceEvidence(text="养关小区停电了")).transformer_id is None  # an accent's


def test_what_speaks_for_another_place_is_a_conflict_and_the_same_home_agrees():
    place = BOOK.resolve(PlaceEvidence(account_id="A1", address="性福路12号"))
    assert {"account", "address_misspelt", "address_conflicts"} <= set(place.evidence)
    assert place.transformer_id == "T2"  # an account goes before a street that was not said
    assert {one.spot.transformer_id for one in place.candidates} == {"T1", "T2"}
    place = BOOK.resolve(PlaceEvidence(account_id="A0", address="性福路12号"))
    assert {"account", "address_misspelt", "address_agrees"} <= set(place.evidence)
    assert "address_other_house" not in place.evidence
    assert place.confidence > 0.99


@pytest.mark.parametrize(
    ("said", "stored", "same"),
    [
        ("幸福路12号", "幸福路12号3栋", True),
        ("性福路12号", "幸福路12号3栋", None),
        ("xingfu lu 12 hao", "幸福路12号", None),
        ("结团北路227号", "团结北路227号", None),
        ("性福路13号", "幸福路12号", False),
        ("羊光小区3栋", "阳光小区3栋", None),
        ("文化小区3栋", "阳光小区3栋", False),
        ("建国二路5号", "建国一路5号", False),
        ("团苦北路227号", "团结北路227号", False),
        ("文化路12号", "幸福路12号", False),
    ],
)
def test_an_address_that_may_be_misspelt_is_not_that_of_another_house(said, stored, same):
    assert same_house(parse(said), parse(stored)) is same


BY_EAR = book_of(
    [
        *(("T1", "鼓楼区枫林苑7幢201室"), ("T2", "鼓楼区枫林嘉园2幢101室"), ("T3", "鼓楼区春晓名邸2号楼")),
        *(("T4", "秦淮区康乐华庭21栋"), ("T5", "秦淮区翠湖雅苑一期19幢"), ("T6", "秦淮区金地豪庭2号楼")),
        *(("T7", "玄武区海棠苑5栋"), ("T8", "玄武区海棠院5栋"), ("T9", "玄武区民生路5号")),
        *(("T10", "鼓楼区天鹅苑5栋"), ("T11", "鼓楼区天鹅小区5栋"), ("T12", "鼓楼区荷塘小区3栋")),
        *(("T13", "鼓楼区星河城6栋"), ("T14", "鼓楼区御景湾2栋"), ("T15", "鼓楼区府城路8号")),
    ]
)


@pytest.mark.parametrize(
    ("said", "where"),
    [
        *(("枫林院7号楼", "T1"), ("枫林园7幢201", "T1"), ("我家住枫林家园2幢", "T2"), ("枫林佳园二栋", "T2")),
        *(("春晓明邸2号楼", "T3"), ("康乐华亭21栋", "T4"), ("秦淮区翠湖亚苑一期19幢", "T5"), ("金地豪亭2#", "T6")),
        *(("fenglin jiayuan 2 dong", "T2"), ("海棠苑5栋", "T7"), ("海棠院5栋", "T8"), ("民声路5号", "T9")),
        *(("海棠园5栋", None), ("枫林院8栋", None), ("风林路7号", None), ("明生苑5栋", None)),
        ("秦淮区枫林院7幢", None),
        # said of a kind: what sounds like it before what is only called so for short
        *(("天鹅院5栋", "T10"), ("天鹅小区5栋", "T11"), ("荷塘苑3栋", "T12")),
        # in letters
        *(("xinghe cheng 6 dong", "T13"), ("yujing wan 2 dong", "T14"), ("yujingwan 2dong", "T14")),
        *(("fucheng lu 8 hao", "T15"), ("kangle huating 21 dong", "T4"), ("tiane yuan 5 dong", "T10")),
        *(("cheng 6 dong", None), ("xinghe cheng", None), ("xinghe cheng 6", None)),
        ("wo jia zai yujing wan 2 dong", "T14"),
    ],
)
def test_an_estate_is_found_by_all_of_its_sound(said, where):
    assert BY_EAR.resolve(PlaceEvidence(address=said)).transformer_id == where


def test_of_too_many_streets_none_is_meant():
    said = ("性福路",)
    found = [(key, f"{chr(0x4E00 + n)}福路") for key in said_keys(said) for n in range(MOST_STREETS + 1)]
    assert alike(said, found) is None
    assert alike(said, found[:1]) == Alike((found[0][1],), (How.SOUND,))


def test_a_right_address_is_never_looked_for_elsewhere():
    network = PRESETS["valley"].network()
    book, houses = CustomerBook(network.tree, network.customers), HouseIndex(network.tree, network.customers)
    for home in network.customers:
        for said in (home.address, home.address.split("区", 1)[1]):
            assert houses.find(parse(said))[0]  # what finds a house asks for no other street
            assert "address_misspelt" not in book.resolve(PlaceEvidence(address=said)).evidence
    assert houses.find(parse("1区无此路1号")) == ((), False)  # the control


def test_every_street_is_found_by_what_it_sounds_like():
    network = PRESETS["town"].network()
    streets = sorted({site.street for home in network.customers for site in parse(home.address).sites})
    assert len(streets) > 400
    by_sound = {syllables: char for char, syllables in SYLLABLES.items()}
    for street in streets:
        stem, kind = street[:-2], street[-2:]
        spoilt = "".join(by_sound[SYLLABLES[char]] for char in stem) + kind
        meant = alike((spoilt,), ((key, street) for key in stored_keys(street)))
        assert spoilt == street or meant == Alike((street,), (How.SOUND,))


def test_the_commonest_characters_stand_in_the_order_of_their_sounds():
    """The first 3,755 characters of GB 2312 are in the order of pinyin: who made that standard knew their readings."""
    common = [bytes((high, low)).decode("gb2312", "ignore") for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF)]
    common = [one for one in common if one]
    assert len(common) == 3755
    assert len(SYLLABLES) == 6763
    least = ""
    for char in common:
        fits = [one for syllable in SYLLABLES[char] if (one := syllable.replace("v", "u")) >= least]
        assert fits, char
        least = min(fits)
    assert sum(a > b for a, b in pairwise(SYLLABLES[one][-1] for one in common)) > 0  # one reading each is too few
