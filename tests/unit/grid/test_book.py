"""The customers in memory: the search in rings finds what looking at every service point finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import Basis
from services.grid.book import CustomerBook
from services.grid.network_file import CustomerRow
from services.grid.place import Found, Near, PlaceEvidence, Point, ask, decide, distance_m
from services.grid.tree import DeviceRow, Tree

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
        customers.append(CustomerRow(f"A{n}", f"T{n}", *spot(north + 30, east), "", f"1390000{n:04d}"))
    return Tree(rows), customers


@given(st.lists(SPOTS, min_size=1, max_size=12), SPOTS, st.floats(1, 200))
def test_the_place_is_the_one_an_exhaustive_search_gives(places, reported, accuracy):
    tree, customers = network(places)
    evidence = PlaceEvidence(lat=spot(*reported).lat, lon=spot(*reported).lon, accuracy_m=accuracy)
    here = spot(*reported)
    nearest = {}
    for row in customers:
        device = tree.device(row.transformer_id)
        for point in (Point(row.lat, row.lon), Point(device.lat, device.lon)):
            offer = (distance_m(here, point), point)
            nearest[device.id] = min(nearest.get(device.id, offer), offer)
    ranked = sorted((offer, device) for device, offer in nearest.items())[:2]
    expected = decide(ask(evidence), Found(near=tuple(Near(t, "B", "S", point) for (_, point), t in ranked)))
    assert CustomerBook(tree, customers).resolve(evidence) == expected


def test_accounts_and_phones_are_found_in_the_forms_people_give():
    tree, customers = network([(0, 0), (900, 0)])
    book = CustomerBook(tree, customers)
    assert len(book) == 2
    by_account = book.resolve(PlaceEvidence(account_id=" A1 "))
    by_phone = book.resolve(PlaceEvidence(phone="+86 139 0000 0001"))
    assert by_account.account_id == by_phone.account_id == "A1"
    assert (by_account.basis, by_phone.basis) == (Basis.ACCOUNT, Basis.PHONE)
    assert (by_phone.transformer_id, by_phone.feeder, by_phone.area) == ("T1", "B", "S")


def test_a_phone_of_two_customers_names_neither():
    tree, (first, second) = network([(0, 0), (900, 0)])
    book = CustomerBook(tree, [first, second._replace(phone=first.phone)])
    assert book.resolve(PlaceEvidence(phone=first.phone)).basis is Basis.NONE


def test_a_customer_of_an_unknown_transformer_is_refused():
    tree, (customer,) = network([(0, 0)])
    with pytest.raises(LookupError, match="'T9'"):
        CustomerBook(tree, [customer._replace(transformer_id="T9")])
