"""The decision of a report's place: what each piece of evidence says, and which to believe."""

from __future__ import annotations

import h3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import Basis, Crs, CustomerClass, CustomerStatus
from services.grid.accounts import account_key, numbers_in, said_account
from services.grid.candidates import search
from services.grid.datum import from_wgs84
from services.grid.device_names import name_key
from services.grid.evidence import (
    DEFAULT_RULES,
    PlaceEvidence,
    PlaceRules,
    Point,
    ask,
    distance_m,
    latitude,
    mercator,
    place_words,
    telling_words,
)
from services.grid.found import Around, Customer, House, Named, Spot
from services.grid.place import decide

HOME = Point(31.2, 118.4)
METRE = 1 / 111_195  # degrees of latitude


def north(metres, of=HOME):
    return Point(of.lat + metres * METRE, of.lon)


def customer(account="A1", phone="13900000001", **changes):
    known = {
        "account_id": account,
        "transformer_id": "T1",
        "feeder": "B1",
        "area": "S1",
        "phone": phone,
        "status": CustomerStatus.ACTIVE,
        "priority": CustomerClass.NORMAL,
        "language": None,
        "point": HOME,
        "address": "1区团结北路227号5栋301室",
    }
    return Customer(**(known | changes))


def spot(metres, transformer="T1", area="S1", feeder=None):
    return Spot(transformer, feeder or f"B-{transformer}", area, north(metres))


def house(transformer="T1", number=227, step=3, building="5", area="S1", **more):
    return House(step, spot(0, transformer, area, **more), "团结北路", number, building, 1)


def place(
    evidence, *, account=None, phones=(), devices=(), points=(), houses=(), rooms=(), crowded=False, rules=DEFAULT_RULES
):
    return decide(ask(evidence, rules), Named(account, phones, devices), Around(points, houses, rooms, crowded), rules)


def at(point, **more):
    return PlaceEvidence(lat=point.lat, lon=point.lon, **more)


ACCOUNT = customer()
OTHER = customer("A2", "13900000002", transformer_id="T2", point=north(40_000), address="1区中山路3号1栋101室")
NEIGHBOUR = customer("A3", "13900000003", address="1区团结北路229号1栋101室")
PHONE = {"phone": "13900000001"}
FAR = {"lat": north(5000).lat, "lon": HOME.lon, "accuracy_m": 10.0}
HERE = {"lat": HOME.lat, "lon": HOME.lon, "accuracy_m": 10.0}
THERE = {"lat": OTHER.point.lat, "lon": OTHER.point.lon, "accuracy_m": 10.0}


@pytest.mark.parametrize(
    ("said", "found", "basis", "account", "clues"),
    [
        ({"account_id": "A1"}, {"account": ACCOUNT}, "account", "A1", {"account"}),
        (
            {"account_id": "A1", **PHONE},
            {"account": ACCOUNT, "phones": (ACCOUNT,)},
            *("account", "A1", {"account", "phone_agrees"}),
        ),
        ({"account_id": "A1", **HERE}, {"account": ACCOUNT}, "account", "A1", {"account", "position_agrees"}),
        (
            {"account_id": "A1", **FAR},
            {"account": ACCOUNT, "points": (spot(5000, "T3"),)},
            *("account", "A1", {"account", "position_conflicts", "ambiguous"}),
        ),
        # Of two that disagree the more reliable one; a third decides.
        (
            {"account_id": "A1", "phone": "13900000002"},
            {"account": ACCOUNT, "phones": (OTHER,)},
            *("account", "A1", {"account", "phone_conflicts", "ambiguous"}),
        ),
        (
            {"account_id": "A1", "phone": "13900000002", **THERE},
            {"account": ACCOUNT, "phones": (OTHER,)},
            *("phone", "A2", {"phone", "position_agrees", "account_conflicts"}),
        ),
        (
            {"account_id": "A1", "address": "中山路3号", **THERE},
            {"account": ACCOUNT, "points": (spot(40_000, "T2"),), "houses": (house("T2", 3),)},
            *("address", None, {"address", "position_agrees", "account_conflicts", "address_other_house"}),
        ),
        ({"account_id": "X", **PHONE}, {"phones": (ACCOUNT,)}, "phone", "A1", {"account_unknown", "phone"}),
        ({**PHONE, **HERE}, {"phones": (ACCOUNT,)}, "phone", "A1", {"phone", "position_agrees"}),
        (
            PHONE,
            {"phones": (ACCOUNT, NEIGHBOUR)},  # of one transformer: the place is sure, the customer is not
            *("phone", None, {"phone", "phone_shared"}),
        ),
        (PHONE, {"phones": (ACCOUNT,) * 4}, "none", None, {"phone_shared"}),
        ({"account_id": "X", **PHONE}, {}, "none", None, {"account_unknown", "phone_unknown"}),
        (
            {"account_id": "A1", "address": "团结北路227号"},
            {"account": ACCOUNT},
            *("account", "A1", {"account", "address_agrees"}),
        ),
        (
            {"account_id": "A1", "address": "团结北路229号"},  # a neighbour's: another house, the same transformer
            {"account": ACCOUNT, "houses": (house(number=229),)},
            *("address", "A1", {"address", "account_agrees", "address_other_house"}),
        ),
        (  # who names a house in full names what is dark; an account may be read from another home's bill
            {"account_id": "A1", "address": "中山路3号1栋"},
            {"account": ACCOUNT, "houses": (house("T2", 3, building="1"),)},
            *("address", None, {"address", "account_conflicts", "address_other_house"}),
        ),
        (
            {"account_id": "A1", "address": "中山路3号附近"},
            {"account": ACCOUNT, "houses": (house("T2", 3, building="1"),)},
            *("account", "A1", {"account", "address_conflicts", "address_other_house", "ambiguous"}),
        ),
        ({"address": "团结北路227号5幢"}, {"houses": (house(),)}, "address", None, {"address"}),
        (
            {"address": "团结北路227号5栋301"},
            {"houses": (house(),), "rooms": (ACCOUNT,)},
            *("address", "A1", {"address"}),
        ),
        (
            {"address": "团结北路附近"},
            {"houses": (house(number=0, step=5),)},
            *("address", None, {"address", "address_street_only"}),
        ),
        (
            {"address": "团结北路225号"},
            {"houses": (house(step=4),)},
            *("address", None, {"address", "address_neighbours"}),
        ),
        ({"address": "什么路99号"}, {}, "none", None, {"address_unknown"}),
        ({"address": "就在我家"}, {}, "none", None, {"address_unknown"}),
        (
            {"address": "团结北路227号"},
            {"crowded": True},
            *("none", None, {"address_in_many_places"}),
        ),
        ({"text": "卫星8组#1台变停电"}, {"devices": (spot(0),)}, "device", None, {"device"}),
        (
            {"account_id": "A1", "text": "T-0412 没电"},
            {"account": ACCOUNT, "devices": (spot(0, "T-0412"),)},
            *("device", None, {"device", "account_conflicts", "ambiguous"}),
        ),
        ({}, {}, "none", None, set()),
        ({"phone": "95598", "account_id": " "}, {}, "none", None, set()),
    ],
)
def test_what_is_believed_and_what_is_said_of_the_rest(said, found, basis, account, clues):
    resolved = place(PlaceEvidence(**said), **found)
    assert (resolved.basis, resolved.account_id, set(resolved.evidence)) == (basis, account, clues)


def test_what_agrees_raises_confidence_and_what_conflicts_lowers_it():
    alone = place(PlaceEvidence(account_id="A1"), account=ACCOUNT).confidence
    agreed = place(PlaceEvidence(account_id="A1", **PHONE), account=ACCOUNT, phones=(ACCOUNT,)).confidence
    doubted = place(PlaceEvidence(account_id="A1", **THERE), account=ACCOUNT, points=(spot(40_000, "T2"),))
    assert agreed > 0.99 > alone == DEFAULT_RULES.account_trust > doubted.confidence
    assert [one.spot.transformer_id for one in doubted.candidates] == ["T1", "T2"]
    assert sum(one.weight for one in doubted.candidates) <= 1


def test_reliability_decides_between_two_that_conflict():
    said = PlaceEvidence(account_id="A1", phone="13900000002")
    found = {"account": ACCOUNT, "phones": (OTHER,)}
    assert place(said, **found, rules=PlaceRules(account_trust=0.9, phone_trust=0.95)).account_id == "A2"
    assert place(said, **found, rules=PlaceRules(account_trust=0.95, phone_trust=0.9)).account_id == "A1"


def test_below_a_confidence_nobody_is_sent_anywhere_but_people_see_what_it_may_be():
    copies = tuple(house(f"T{n}", area=f"S{n}") for n in range(12))
    resolved = place(PlaceEvidence(address="团结北路227号"), houses=copies)
    assert (resolved.area, resolved.transformer_id, resolved.basis) == (None, None, Basis.NONE)
    assert "unsure" in resolved.evidence
    assert len(resolved.candidates) == 5
    assert {one.weight for one in resolved.candidates} == {resolved.candidates[0].weight}


def test_an_area_may_be_sure_where_the_feeder_is_not():
    copies = tuple(house(f"T{n}", area="S1") for n in range(6))
    resolved = place(PlaceEvidence(address="团结北路227号"), houses=copies)
    assert (resolved.area, resolved.transformer_id, resolved.feeder) == ("S1", None, None)
    assert resolved.confidence > 0.9
    assert resolved.as_value().candidates is not None


def test_neighbours_on_one_feeder_are_told_apart_as_well_as_can_be():
    copies = tuple(house(f"T{n}", feeder="B1") for n in range(6))
    resolved = place(PlaceEvidence(address="团结北路227号"), houses=copies)
    assert (resolved.feeder, resolved.transformer_id) == ("B1", "T0")
    assert resolved.confidence < 0.2


def test_a_position_and_an_address_that_is_said_everywhere_find_the_house_together():
    copies = tuple(house(f"T{n}", area=f"S{n}") for n in range(12))
    resolved = place(
        PlaceEvidence(address="团结北路227号", **HERE), houses=copies, points=(spot(20, "T7"), spot(25, "T8x"))
    )
    assert (resolved.transformer_id, resolved.confidence > 0.9) == ("T7", True)


def test_a_found_customer_brings_transformer_feeder_area_class_status_and_language():
    known = customer(
        status=CustomerStatus.SUSPENDED, priority=CustomerClass.LIFE_SUPPORT, language="bo-CN", voltage_kv=10.0
    )
    resolved = place(PlaceEvidence(account_id="A1"), account=known)
    assert (resolved.transformer_id, resolved.feeder, resolved.area) == ("T1", "B1", "S1")
    assert (resolved.status, resolved.priority, resolved.language) == ("suspended", "life_support", "bo-CN")
    assert (resolved.lat, resolved.lon) == HOME
    value = resolved.as_value()
    assert (value.customer_status, value.customer_class, value.basis) == ("suspended", "life_support", Basis.ACCOUNT)
    assert (value.candidates, value.voltage_kv) == (None, 10.0)


def test_who_depends_on_power_counts_wherever_the_report_is_placed_and_arrears_only_where_it_is_sure():
    frail = customer(status=CustomerStatus.SUSPENDED, priority=CustomerClass.LIFE_SUPPORT)
    said = PlaceEvidence(account_id="A1", phone="13900000002", **THERE)
    elsewhere = place(said, account=frail, phones=(OTHER,))
    assert (elsewhere.account_id, elsewhere.priority, elsewhere.status) == ("A2", "life_support", "active")
    doubted = place(PlaceEvidence(account_id="A1", **THERE), account=frail, points=(spot(40_000, "T2"),))
    assert (doubted.account_id, doubted.status) == ("A1", "active")
    supplied = customer(voltage_kv=10.0)
    elsewhere = place(PlaceEvidence(account_id="A1", phone="13900000002", **THERE), account=supplied, phones=(OTHER,))
    assert (elsewhere.account_id, elsewhere.voltage_kv) == ("A2", None), "it is the supply of the place"


@pytest.mark.parametrize(
    ("accuracy", "distances", "transformer"),
    [
        (10, (10, 60), "T1"),
        (150, (120, 400), "T1"),
        (10, (300, 499), "T1"),  # out in the open: the nearest, with little confidence
        (10, (501, 900), None),
    ],
)
def test_a_position_takes_the_nearest_within_reach(accuracy, distances, transformer):
    points = tuple(spot(metres, f"T{n}") for n, metres in enumerate(distances, start=1))
    resolved = place(at(HOME, accuracy_m=accuracy), points=points)
    assert (resolved.transformer_id, resolved.area, resolved.basis) == (transformer, "S1", Basis.POSITION)
    assert ("position_out_of_reach" in resolved.evidence) == (transformer is None)


def test_a_position_between_two_transformers_says_so_and_names_both():
    sure = place(at(HOME, accuracy_m=10), points=(spot(5), spot(200, "T2")))
    between = place(at(HOME, accuracy_m=60), points=(spot(20, "T1", feeder="B1"), spot(22, "T2", feeder="B1")))
    assert between.confidence < sure.confidence
    assert "ambiguous" in between.evidence
    assert {one.spot.transformer_id for one in between.candidates} == {"T1", "T2"}
    assert not sure.candidates


def test_the_order_of_what_was_found_does_not_matter():
    one, other = spot(20), spot(25, "T2")
    assert place(at(HOME), points=(one, other)) == place(at(HOME), points=(other, one))


@pytest.mark.parametrize("points", [(), (spot(2001),)])
def test_where_no_network_covers_the_place_cells_stand_for_area_and_transformer(points):
    resolved = place(at(HOME, accuracy_m=10), points=points)
    assert resolved.basis is Basis.CELL
    assert resolved.area == f"cell:{h3.latlng_to_cell(*HOME, 5)}"
    assert resolved.transformer_id == f"cell:{h3.latlng_to_cell(*HOME, 9)}"
    assert resolved.feeder is None
    assert "no_network" in resolved.evidence


@pytest.mark.parametrize(
    ("said", "clue"),
    [
        ({**HERE, "accuracy_m": 201.0}, "position_too_coarse"),
        ({**HERE, "accuracy_m": float("inf")}, "position_too_coarse"),
        ({**HERE, "lat": 95.0}, "position_invalid"),
        ({**HERE, "lon": float("nan")}, "position_invalid"),
        ({**HERE, "lat": 89.0}, "position_invalid"),
        ({**HERE, "crs": "cgcs"}, "position_invalid"),
        ({"lat": 0.0, "lon": 0.0}, "position_invalid"),  # what a program sends that has no position
    ],
)
def test_a_useless_position_places_nothing(said, clue):
    evidence = PlaceEvidence(**said)
    assert ask(evidence).point is None
    resolved = place(evidence)
    assert (resolved.basis, resolved.area, resolved.confidence) == (Basis.NONE, None, 0)
    assert clue in resolved.evidence


def test_a_coarse_position_is_still_shown_to_people():
    resolved = place(PlaceEvidence(**HERE | {"accuracy_m": 900.0}))
    assert (resolved.lat, resolved.lon) == HOME


@pytest.mark.parametrize("accuracy", [None, 0, 0.0, float("nan")])
def test_an_accuracy_that_is_not_stated_is_assumed_and_said(accuracy):
    question = ask(at(HOME, accuracy_m=accuracy))
    assert question.point == HOME
    assert question.accuracy_m == PlaceRules().assumed_accuracy_m
    assert "accuracy_unknown" in question.clues


@pytest.mark.parametrize("crs", ["gcj02", "bd09"])
def test_a_shifted_position_is_converted_before_anything_is_looked_up(crs):
    lat, lon = from_wgs84(*HOME, Crs(crs))
    question = ask(PlaceEvidence(lat=lat, lon=lon, crs=crs, accuracy_m=10))
    assert distance_m(question.point, HOME) < 0.01
    assert "datum_converted" in question.clues


@pytest.mark.parametrize("account", ["", "  ", "A\0", "\ud800", "A" * 201])
def test_an_account_no_database_can_hold_is_not_asked_for(account):
    assert ask(PlaceEvidence(account_id=account)).account_id is None


@pytest.mark.parametrize(
    "said",
    [
        "a0900001",
        "Ａ０９００００１",
        " A090 0001 ",
        "A0-900-001",
        "户号：A0900001",
        "我的户号是a0900001",
        "A0900001\u200b",
        "A༠༩༠༠༠༠༡",
        "A0900001",
    ],
)
def test_an_account_is_asked_for_however_it_is_written(said):
    assert "A0900001" in ask(PlaceEvidence(account_id=said)).spellings


def test_an_account_as_it_stands_in_the_file_comes_first_and_the_usual_one_is_asked_for_once():
    assert ask(PlaceEvidence(account_id="a-1")).spellings == ("a-1", "A-1", "a1", "A1")
    assert ask(PlaceEvidence(account_id="900001")).spellings == ("900001",)
    assert ask(PlaceEvidence(account_id="0900001")).spellings == ("0900001", "900001")


@pytest.mark.parametrize("said", ["户号0900001（本人）", "张三 0900001", "0900001，5栋的", "帐号:0900001 王"])
def test_an_account_beside_other_words_is_asked_for(said):
    assert "0900001" in ask(PlaceEvidence(account_id=said)).numbers


def test_parts_of_an_account_are_no_accounts():
    assert ask(PlaceEvidence(account_id="3100-0900001")).numbers == ()


def test_an_account_that_a_table_made_a_fraction_is_itself():
    assert ask(PlaceEvidence(account_id="310900001.0")).spellings == ("310900001",)
    assert account_key("310900001.0") == "310900001"
    assert ask(PlaceEvidence(account_id="12.10")).account_id == "12.10"


@pytest.mark.parametrize(
    "said", ["undefined", "NULL", "N/A", "nan", "(none)", "-", "0", "00000000", "无", "不知道", " "]
)
def test_words_for_no_account_are_none(said):
    assert said_account(said) is None
    assert ask(PlaceEvidence(account_id=said)).account_id is None


def test_latitude_and_longitude_in_each_others_place_are_put_right_in_chinas_west():
    kashgar = ask(PlaceEvidence(lat=75.99, lon=39.47))
    assert (kashgar.point, kashgar.clues[0]) == ((39.47, 75.99), "position_swapped")
    for lat, lon in ((70.4, 31.1), (78.2, 15.6), (39.47, 75.99)):  # Vardø, Longyearbyen, Kashgar
        assert ask(PlaceEvidence(lat=lat, lon=lon)).point == (lat, lon)


def test_latitude_and_longitude_in_each_others_place_are_put_right_where_only_that_is_a_position():
    question = ask(PlaceEvidence(lat=HOME.lon, lon=HOME.lat, accuracy_m=10))
    assert question.point == HOME
    assert "position_swapped" in question.clues
    assert "position_swapped" not in ask(PlaceEvidence(lat=40.0, lon=30.0)).clues, "both ways are on the globe"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("10千伏十卫线卫星8组#1台变停电了", name_key("卫星8组#1台变")),
        ("10千伏十卫线卫星8组1#台变", name_key("卫星8组#1台变")),
        ("韩通站937宋北线主干13号杆开关以下都没电", "937宋北线"),
        ("韩通站937宋北线主干13号杆开关以下都没电", "主干13号杆开关"),
        ("变压器T001-A0TR00679坏了", "T001-A0TR00679"),
        ("transformer T-0412 is on fire", "T-0412"),
    ],
)
def test_devices_are_found_in_what_people_say(text, word):
    assert word in ask(PlaceEvidence(text=text)).devices


def test_plain_words_name_no_device():
    assert ask(PlaceEvidence(text="The power just went out, number 227")).devices == ()


def test_an_address_in_the_words_counts_if_it_has_a_house():
    assert ask(PlaceEvidence(text="我家在团结北路227号停电了")).address.number == 227
    assert ask(PlaceEvidence(text="马路上的路灯不亮，团结北路")).address is None


def test_an_address_that_is_said_in_two_parts_is_one():
    district = ask(PlaceEvidence(address="鼓楼区", text="团结北路227号停电")).address
    assert (district.district, district.road, district.number) == ("鼓楼区", "团结北路", 227)
    street = ask(PlaceEvidence(address="团结北路", text="团结北路227号5栋停电")).address
    assert (street.number, street.building) == (227, "5")
    given = ask(PlaceEvidence(address="团结北路227号", text="中山路1号有电")).address
    assert (given.road, given.number) == ("团结北路", 227)
    assert ask(PlaceEvidence(address="团结北路", text="阳光小区停电")).address.road == "团结北路"


def test_an_estate_says_where_a_report_is_and_not_where_a_danger_is():
    assert ask(PlaceEvidence(text="阳光小区停电了")).address.estate == "阳光小区"
    assert telling_words("阳光小区停电了") is not None
    assert place_words("隔壁小区冒烟") is None, "or it would not be where they said before"


def test_nothing_is_searched_for_that_a_named_customer_explains():
    question = ask(PlaceEvidence(account_id="A1", address="团结北路227号", **HERE))
    assert search(question, Named(ACCOUNT), DEFAULT_RULES).point is None
    assert search(question, Named(ACCOUNT), DEFAULT_RULES).address is None
    conflicting = search(question, Named(OTHER), DEFAULT_RULES)
    assert conflicting.point == HOME
    assert conflicting.address == question.address


@given(st.floats(-85, 85))
def test_the_mercator_latitude_goes_back(lat):
    assert latitude(mercator(lat)) == pytest.approx(lat, abs=1e-9)


@given(
    st.builds(
        PlaceEvidence,
        account_id=st.none() | st.text(max_size=5),
        phone=st.none() | st.text(max_size=15),
        lat=st.none() | st.floats(),
        lon=st.none() | st.floats(),
        crs=st.none() | st.sampled_from(["wgs84", "gcj02", "bd09", "?"]),
        accuracy_m=st.none() | st.floats(),
        address=st.none() | st.text(max_size=20),
        text=st.none() | st.text(max_size=20),
    )
)
def test_any_evidence_gives_a_place_that_a_message_can_carry(evidence):
    value = place(evidence).as_value()
    assert 0 <= value.confidence <= 1
    assert (value.area is None) == (value.basis is Basis.NONE)


def test_a_named_device_that_other_evidence_names_too_shares_with_what_is_below_it():
    outer, inner = spot(0, "T1", feeder="B")._replace(span=(2, 4)), spot(300, "T2", feeder="B")._replace(span=(3, 4))
    own = customer(feeder="B", span=(2, 4))
    both = place(PlaceEvidence(account_id="A1", text="T1-0412", **HERE), account=own, devices=(outer,), points=(inner,))
    assert (both.transformer_id, "device_conflicts" in both.evidence) == ("T1", False)
    named = place(PlaceEvidence(text="T1-0412", **THERE), devices=(outer,), points=(inner,))
    assert named.transformer_id == "T1"  # the position is far from all that is below it


def test_a_number_in_the_words_may_be_in_another_script():
    assert ask(PlaceEvidence(text="གློག་མེད། ༣༡༠༠༠༠༡༢")).numbers == ("31000012",)


@pytest.mark.parametrize(
    ("crs", "same"),
    [
        ("WGS-84", "wgs84"),
        ("EPSG:4326", None),
        ("CGCS2000", "wgs84"),
        ("EPSG:4490", "wgs84"),
        ("GCJ-02", "gcj02"),
        ("gcj02ll", "gcj02"),
        ("Bd09", "bd09"),
        ("bd09ll", "bd09"),
    ],
)
def test_a_datum_is_known_however_it_is_spelled(crs, same):
    assert ask(at(HOME, crs=crs)) == ask(at(HOME, crs=same))


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        ("户号三四零二幺三六幺四七", ("3402136147",)),
        ("户号是三四零二 幺三六幺，谢谢", ("34021361",)),
        ("电话幺三八零零〇〇一二三四", ("13800001234",)),
        ("停了一二十个小时了，三五百户都没电", ()),
        ("二〇二六年五月", ()),
        ("户号三四零二，幺三六幺，四七没电了", ("3402136147",)),
        ("我的户号是340，213，614，7，停电了", ("3402136147",)),
        ("户号3402136147，2栋都没电", ("34021361472", "3402136147")),
        ("电话13800001234，停了3，4个小时", ("13800001234",)),
        ("停了3，4，5个小时", ()),
    ],
)
def test_a_number_said_digit_by_digit_is_one(said, numbers):
    assert numbers_in(said) == numbers
