"""The customers in memory: what is found is what looking at everything finds, and places obey their laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import Basis, CustomerStatus
from services.grid.accounts import account_key
from services.grid.book import CustomerBook
from services.grid.candidates import search
from services.grid.device import DeviceRow
from services.grid.evidence import DEFAULT_RULES, PlaceEvidence, Point, ask, distance_m
from services.grid.found import MOST_COUNTED, MOST_HOUSES, MOST_POINTS, Named, Spot
from services.grid.network_file import CustomerRow
from services.grid.slips import slips
from services.grid.tree import Tree

METRE = 1 / 111_195
SPOTS = st.tuples(st.floats(-4000, 4000), st.floats(-4000, 4000))


def spot(north, east):
    return Point(31.2 + north * METRE, 118.4 + east * METRE / 0.855)


def network(places):
    """A transformer at each place and a customer 30 m north of it."""
    rows = [DeviceRow("S", None, "substation", False, 31.2, 118.4), DeviceRow("B", "S", "breaker", False, 31.2, 118.4)]
    customers = []
    for n, (north, east) in enumerate(places):
        rows.append(DeviceRow(f"T{n}", "B", "transformer", False, *spot(north, east)))
        address = f"鼓楼区团结{'东南西北'[n % 4]}路{10 + 3 * n}号2栋{101 + n}室"
        customers.append(CustomerRow(f"A{n}", f"T{n}", *spot(north + 30, east), address, f"1390000{n:04d}"))
    return Tree(rows), customers


@given(st.lists(SPOTS, min_size=1, max_size=20), SPOTS)
def test_the_points_around_are_the_ones_an_exhaustive_search_gives(places, reported):
    tree, customers = network(places)
    here = spot(*reported)
    all_points = [(Point(row.lat, row.lon), row.transformer_id) for row in customers]
    all_points += [(Point(tree.device(t).lat, tree.device(t).lon), t) for _, t in list(all_points)]
    near = sorted(round(distance_m(here, point), 3) for point, _ in all_points)[:MOST_POINTS]
    expected = [distance for distance in near if distance <= 2000]
    question = ask(PlaceEvidence(lat=here.lat, lon=here.lon, accuracy_m=20))
    found = CustomerBook(tree, customers).around(search(question, Named(), DEFAULT_RULES)).points
    distances = sorted(round(distance_m(here, one.point), 3) for one in found)
    assert distances[: len(expected)] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("3201-0045-1234", "320100451234"),
        ("3201 0045 1234", "3201-0045-1234"),
        ("320100451234", "３２０１００４５１２３４"),
        ("0045123", "45123"),
        ("45123", "0045123"),
        ("00-45123", "45123"),
        ("ab-12/7", "AB127"),
        ("AB127", "户号：ab 127"),
        ("户号:0045123", "45123"),
        ("００４５１２３", "45123"),
    ],
)
def test_an_account_is_found_however_the_file_and_the_customer_write_it(stored, said):
    tree, (one,) = network([(0, 0)])
    book = CustomerBook(tree, [one._replace(account_id=account) for account in (stored, "9")])
    assert book.resolve(PlaceEvidence(account_id=said)).account_id == stored
    assert book.account(said) == stored


def test_of_accounts_that_signs_alone_tell_apart_the_one_that_was_said_is_meant_and_else_none():
    tree, (one,) = network([(0, 0)])
    book = CustomerBook(tree, [one._replace(account_id=account) for account in ("1-23", "12-3", "0123")])
    assert [book.account(said) for said in ("1-23", "12-3", "0123", "1 23")] == ["1-23", "12-3", "0123", None]
    assert book.resolve(PlaceEvidence(account_id="1 23")).area is None


def town(*accounts, status=CustomerStatus.ACTIVE):
    """A book of customers 9 km apart, each of a substation of its own."""
    rows, customers = [], []
    for n, account in enumerate(accounts):
        lat = 31.2 + 9000 * n * METRE
        rows += [
            DeviceRow(f"S{n}", None, "substation", False, lat, 118.4),
            DeviceRow(f"B{n}", f"S{n}", "breaker", False, lat, 118.4),
            DeviceRow(f"T{n}", f"B{n}", "transformer", False, lat, 118.4),
        ]
        customers.append(CustomerRow(account, f"T{n}", lat, 118.4, f"团结路{10 + n}号", "", status=status))
    return CustomerBook(Tree(rows), customers)


@pytest.mark.parametrize(
    "said", ["3100471", "310047182", "13100471 8", "31008471-8", "31004178", "81004718", "031004719", "户号：3100471"]
)
def test_an_account_that_nobody_has_is_taken_for_the_only_one_that_is_a_slip_away(said):
    place = town("31004718", "52290035").resolve(PlaceEvidence(account_id=said))
    assert (place.account_id, place.transformer_id) == ("31004718", "T0")
    assert {"account_unknown", "account_slip"} <= set(place.evidence)
    assert place.confidence == pytest.approx(0.75, abs=0.001)


@pytest.mark.parametrize("said", ["310047", "3100471823", "81008718", "99999999", "310O4718X", "A" * 25 + "1"])
def test_an_account_two_slips_away_from_any_places_nothing(said):
    place = town("31004718", "52290035").resolve(PlaceEvidence(account_id=said))
    assert (place.area, place.basis) == (None, Basis.NONE)
    assert "account_slip" not in place.evidence


def test_a_short_account_is_not_guessed_at():
    assert town("47182").resolve(PlaceEvidence(account_id="4718")).area is None


def test_of_several_accounts_a_slip_away_the_rest_of_the_evidence_tells_which_is_meant():
    book = town("31004718", "31004728", "31004778")
    alone = book.resolve(PlaceEvidence(account_id="31004798"))
    assert alone.transformer_id is None
    assert [one.account_id for one in alone.candidates] == ["31004718", "31004728", "31004778"]
    with_address = book.resolve(PlaceEvidence(account_id="31004798", address="团结路11号"))
    assert (with_address.account_id, with_address.transformer_id) == ("31004728", "T1")
    assert with_address.confidence > 0.99


def test_of_too_many_accounts_a_slip_away_none_is_meant():
    crowd = [f"1{'0' * n}{digit}{'0' * (8 - n)}" for n in range(9) for digit in range(1, 10)]
    place = town(*crowd).resolve(PlaceEvidence(account_id="1000000000"))
    assert "account_slip" not in place.evidence
    assert place.area is None


def test_whom_a_slip_alone_names_is_not_told_of_arrears():
    place = town("31004718", status=CustomerStatus.SUSPENDED).resolve(PlaceEvidence(account_id="310047182"))
    assert (place.account_id, place.status) == ("31004718", CustomerStatus.ACTIVE)


DIGITS = st.text("0123456789", min_size=6, max_size=13).filter(lambda key: key[0] != "0")


@given(DIGITS, st.data())
def test_what_was_meant_is_a_slip_away_from_every_slip(meant, data):
    n = data.draw(st.integers(0, len(meant) - 1))
    digit = data.draw(st.sampled_from("0123456789"))
    made = (
        meant[:n] + digit + meant[n:],
        meant[:n] + digit + meant[n + 1 :],
        meant[:n] + meant[n + 1 :],
        meant[:n] + meant[n : n + 2][::-1] + meant[n + 2 :],
    )
    for said in made:
        key = account_key(said)
        if len(key) >= 6 and len(said) == len(key):
            assert meant in slips(key)


def test_accounts_and_phones_are_found_in_the_forms_people_give():
    tree, customers = network([(0, 0), (900, 0)])
    book = CustomerBook(tree, customers)
    assert len(book) == 2
    by_account = book.resolve(PlaceEvidence(account_id=" A1 "))
    by_phone = book.resolve(PlaceEvidence(phone="+86 139 0000 0001"))
    assert by_account.account_id == by_phone.account_id == "A1"
    assert (by_account.basis, by_phone.basis) == (Basis.ACCOUNT, Basis.PHONE)
    assert (by_phone.transformer_id, by_phone.feeder, by_phone.area) == ("T1", "B", "S")


def numbered():
    tree, _ = network([(0, 0)])
    return CustomerBook(tree, [CustomerRow(account, "T0", *spot(0, 0), "", phone) for account, phone in TOWN])


TOWN = (("31000012", "13912345678"), ("A0-900345", "10086000123"), ("0045678901", ""), ("12345678", "010-62345678"))


@pytest.mark.parametrize(
    ("said", "who"),
    [
        *(("31000012 停电了", "31000012"), ("停电了，3100 0012", "31000012"), ("我家国网号是31000012没电", "31000012")),
        *(
            ("A0-900345没电", "A0-900345"),
            ("acct a0900345, no power", "A0-900345"),
            ("４５６７８９０１停电", "0045678901"),
        ),
        *(
            ("停电，打我电话13912345678", "31000012"),
            ("没电 139-1234-5678", "31000012"),
            ("电话：+8610086000123", "A0-900345"),
        ),
        ("联系电话010-62345678，楼里没电", "12345678"),
        *(
            ("单号20261127001，停电", None),
            ("停电3小时了，12315", None),
            ("31000013停电", None),
        ),  # nobody's: no slip is looked up
        ("31000012和12345678都停电", None),  # of two that were said, neither is meant more
    ],
)
def test_a_number_in_the_words_is_taken_for_what_the_customer_file_has_it_as(said, who):
    book = numbered()
    assert book.resolve(PlaceEvidence(text=said)).account_id == who
    assert book.resolve(PlaceEvidence(address=said)).account_id == who


def test_a_number_in_the_words_gives_way_to_what_was_given_as_an_account_and_stands_in_for_one_nobody_has():
    book = numbered()
    other = "12345678 停电"
    assert book.resolve(PlaceEvidence(account_id="31000012", text=other)).account_id == "31000012"
    assert book.resolve(PlaceEvidence(account_id="99999999", text=other)).account_id == "12345678"
    assert (
        book.resolve(PlaceEvidence(account_id="+86 139 1234 5678")).account_id == "31000012"
    )  # a phone for an account


@pytest.mark.parametrize(
    ("said", "transformer", "account"),
    [
        ("鼓楼区团结南路13号2栋102室", "T1", "A1"),
        ("我住团结南路13号2号楼102", "T1", "A1"),
        ("团结南路十三号二幢", "T1", None),
        ("团结路13号", "T1", None),  # no compass point: the number tells
        ("团结南路14号", "T1", None),  # its neighbour
        ("团结南路附近", "T1", None),
        ("玄武区团结南路13号", "T1", None),  # the district is wrong, the house is the only one
        ("团结南路300号", "T1", None),
        ("什么路13号", None, None),
    ],
)
def test_an_address_as_said_finds_the_house(said, transformer, account):
    tree, customers = network([(0, 0), (900, 0), (0, 900)])
    place = CustomerBook(tree, customers).resolve(PlaceEvidence(address=said))
    assert (place.transformer_id, place.account_id) == (transformer, account)


def test_a_device_is_found_by_its_id_and_by_its_name():
    tree, customers = network([(0, 0), (900, 0)])
    book = CustomerBook(tree, customers, {"T0": "卫星8组#1台变", "B": ""})
    by_name = book.resolve(PlaceEvidence(text="十卫线卫星8组1#台变停电"))
    assert (by_name.transformer_id, by_name.basis) == ("T0", Basis.DEVICE)
    question = ask(PlaceEvidence(text="SUB-7 and T0"))
    assert book.named(question).devices == ()  # T0 is too short to be told from chance
    assert book.named(ask(PlaceEvidence(text="卫星8组1#台变"))).devices == (
        Spot("T0", "B", "S", Point(31.2, 118.4), (2, 3)),
    )


def test_a_phone_of_two_customers_leaves_both_open():
    tree, (first, second) = network([(0, 0), (900, 0)])
    place = CustomerBook(tree, [first, second._replace(phone=first.phone)]).resolve(PlaceEvidence(phone=first.phone))
    assert place.account_id == "A0"
    assert {one.account_id for one in place.candidates} == {"A0", "A1"}
    assert place.confidence < 0.5


def test_a_customer_of_an_unknown_transformer_is_refused():
    tree, (customer,) = network([(0, 0)])
    with pytest.raises(LookupError, match="'T9'"):
        CustomerBook(tree, [customer._replace(transformer_id="T9")])


_PLACES = [(0, 0), (30, 40), (90, 0), (400, 300), (-1200, 50), (60, -80)]
_TREE, _CUSTOMERS = network(_PLACES)
_BOOK = CustomerBook(_TREE, _CUSTOMERS)
_SAID = st.fixed_dictionaries(
    {},
    optional={
        "account_id": st.sampled_from(["A0", "A1", "A5", "X9"]),
        "phone": st.sampled_from(["13900000000", "13900000003", "13999999999"]),
        "address": st.sampled_from(["团结东路10号", "团结南路13号2栋", "团结路", "团结北路附近", "没有"]),
        "text": st.sampled_from(["停电了", "团结西路19号停电", "T-1 没电"]),
    },
)
_POSITIONS = st.none() | st.tuples(st.floats(-3000, 3000), st.floats(-3000, 3000), st.floats(0, 250))


@given(_SAID, _POSITIONS)
def test_no_report_is_placed_outside_the_network(said, position):
    more = {}
    if position is not None:
        north, east, accuracy = position
        more = {"lat": spot(north, east).lat, "lon": spot(north, east).lon, "accuracy_m": accuracy}
    place = _BOOK.resolve(PlaceEvidence(**said, **more))
    named = [place.transformer_id, *(one.spot.transformer_id for one in place.candidates)]
    assert all(one is None or one in _TREE or one.startswith("cell:") for one in named)
    if place.transformer_id is not None and place.basis is not Basis.CELL:
        assert place.area == _TREE.area_of(place.transformer_id)
        assert place.feeder == _TREE.feeder_of(place.transformer_id)
    assert sum(one.weight for one in place.candidates) <= 1.01
    assert 0 <= place.confidence <= 1


@given(st.integers(0, len(_CUSTOMERS) - 1), st.permutations(["account_id", "phone", "address", "position"]))
def test_more_evidence_of_the_same_place_never_lowers_confidence(n, order):
    row = _CUSTOMERS[n]
    whole = {
        "account_id": {"account_id": row.account_id},
        "phone": {"phone": row.phone},
        "address": {"address": row.address},
        "position": {"lat": row.lat, "lon": row.lon, "accuracy_m": 5.0},
    }
    said, before = {}, 0.0
    for kind in order:
        said |= whole[kind]
        place = _BOOK.resolve(PlaceEvidence(**said))
        assert place.transformer_id == row.transformer_id
        assert place.confidence >= before - 0.001
        before = place.confidence


def test_a_named_line_narrows_what_other_evidence_leaves_open_and_else_stands_for_itself():
    rows = [DeviceRow("S", None, "substation", False, 31.2, 118.4)]
    for n in (1, 2):
        rows.append(DeviceRow(f"L{n}", "S", "breaker", False, 31.2, 118.4 + n, f"93{n}宋北线"))
        rows.append(DeviceRow(f"T{n}", f"L{n}", "transformer", False, 31.2, 118.4 + n))
    homes = [CustomerRow(f"A{n}", f"T{n}", 31.2, 118.4 + n, f"{n}区人民路5号1栋101室", "") for n in (1, 2)]
    book = CustomerBook(Tree(rows, {"T1": 1, "T2": 1}), homes, {row.id: row.name for row in rows if row.name})
    open_place = book.resolve(PlaceEvidence(address="人民路5号"))
    assert {one.spot.transformer_id for one in open_place.candidates} == {"T1", "T2"}
    place = book.resolve(PlaceEvidence(address="人民路5号", text="932宋北线停电"))
    assert (place.transformer_id, place.candidates) == ("T2", ())
    assert "address_agrees" in place.evidence
    sure = book.resolve(PlaceEvidence(account_id="A1", text="931宋北线停电"))
    assert (sure.transformer_id, sure.account_id) == ("T1", "A1")
    other = book.resolve(PlaceEvidence(account_id="A1", address="1区人民路5号", text="932宋北线停电"))
    assert (other.transformer_id, "device_conflicts" in other.evidence) == ("T1", True)
    alone = book.resolve(PlaceEvidence(text="932宋北线停电"))
    assert (alone.transformer_id, alone.basis) == ("L2", Basis.DEVICE)


def lane(houses):
    """Return the customers of a lane, 30 houses to a transformer, which a road has at one number."""
    count = -(-houses // 30)
    rows = [DeviceRow("S", None, "substation", False, 31.2, 118.4)]
    rows += [DeviceRow(f"T{n}", "S", "transformer", False, *spot(90 * n, 0)) for n in range(count)]
    homes = [
        CustomerRow(f"A{n}", f"T{(n - 1) // 30}", *spot(3 * n, 0), f"鼓楼区民主东路57弄{n}号", "")
        for n in range(1, houses + 1)
    ]
    return CustomerBook(Tree(rows), homes)


@pytest.mark.parametrize("houses", [60, MOST_HOUSES, MOST_HOUSES + 1, 300])
def test_a_house_of_a_lane_is_found_however_many_the_lane_has(houses):
    book = lane(houses)
    for said in ("鼓楼区民主东路57弄{}号", "民主东路57弄{}号", "鼓楼民主东路五十七弄{}"):
        for house in (1, 31, houses):
            place = book.resolve(PlaceEvidence(address=said.format(house)))
            assert (place.transformer_id, place.basis) == (f"T{(house - 1) // 30}", Basis.ADDRESS)


def test_of_a_lane_with_more_houses_than_can_be_told_apart_none_is_named():
    for houses, said in ((MOST_COUNTED + 1, "民主东路57弄"), (300, "民主东路57弄301号")):
        place = lane(houses).resolve(PlaceEvidence(address=said))
        assert (place.transformer_id, place.evidence) == (None, ("address_in_many_places",))


def test_a_lane_of_many_houses_is_where_its_transformers_are():
    for houses in (MOST_HOUSES + 26, MOST_COUNTED):
        place = lane(houses).resolve(PlaceEvidence(address="民主东路57弄"))
        assert place.area == "S"
        assert {one.spot.transformer_id for one in place.candidates} <= {f"T{n}" for n in range(-(-houses // 30))}
    few = lane(MOST_HOUSES + 26).resolve(PlaceEvidence(address="民主东路57弄"))
    assert [round(one.weight, 2) for one in few.candidates] == [0.32, 0.32, 0.32]
