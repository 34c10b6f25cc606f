"""Tiles are whole networks beside one another."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import CustomerClass, CustomerStatus
from services.grid.device import DeviceRow
from services.grid.network_file import CustomerRow
from services.grid.tile import Base, Tiling, tile_customers, tile_devices
from services.grid.tree import Tree


def device(device_id, parent, kind, lat, lon=118.0, *, normally_open=False):
    return DeviceRow(device_id, parent, kind, normally_open, lat, lon)


SMALL = Base(
    devices=[
        device("S", None, "substation", 31.0),
        device("B", "S", "breaker", 31.0),
        device("T1", "B", "transformer", 31.01),
        device("T2", "B", "transformer", 31.02, 118.03),
        device("TIE", "B", "switch", 31.0, normally_open=True),
    ],
    customers=[
        CustomerRow("A1", "T1", 31.0101, 118.0, "1区和平路1号", "10000000001"),
        CustomerRow("A2", "T2", 31.0201, 118.03, "1区和平路2号", "10000000001"),
        CustomerRow("A3", "T2", 31.0202, 118.03, "1区和平路3号", ""),
    ],
)
LARGE = Base(
    devices=[
        device("S", None, "substation", 30.0, 110.0),
        device("B", "S", "breaker", 30.1, 110.1),
        device("T1", "B", "transformer", 30.2, 110.2),
    ],
    customers=[CustomerRow("A1", "T1", 30.2, 110.2, "1区", "10000000002")],
)


def connected(customers):
    return Counter(row.transformer_id for row in customers)


@given(st.integers(1, 6), st.integers(1, 4))
def test_every_tiling_is_radial_and_counts_what_it_was_made_of(areas, tiles_per_area):
    bases, tiling = [SMALL, LARGE], Tiling(areas, tiles_per_area)
    customers = list(tile_customers(bases, tiling))
    tree = Tree(tile_devices(bases, tiling), connected(customers))
    count = areas * tiles_per_area
    assert len(tree.areas()) == areas
    assert len({tree.feeder_of(row.transformer_id) for row in customers}) == count
    assert (
        sum(tree.customers_under(area) for area in tree.areas()) == len(customers) == (count + 1) // 2 * 3 + count // 2
    )
    assert len({row.account_id for row in customers}) == len(customers)


def test_tiles_of_one_area_share_a_substation_in_their_middle():
    tree = Tree(tile_devices([SMALL], Tiling(areas=2, tiles_per_area=3)))
    assert len(tree) == 2 + 6 * 4
    for area in tree.areas():
        feeders = tree.children(area)
        assert len(feeders) == 3
        assert tree.device(area).lon == pytest.approx(sum(tree.device(f).lon for f in feeders) / 3, abs=1e-6)


def test_a_tile_keeps_its_distances_and_no_two_tiles_touch():
    rows = {row.id: row for row in tile_devices([SMALL, LARGE], Tiling(areas=9))}
    for n in range(1, 10, 2):
        assert rows[f"T00{n}-T2"].lat - rows[f"T00{n}-S"].lat == pytest.approx(0.02, abs=2e-6)
        assert rows[f"T00{n}-T2"].lon - rows[f"T00{n}-S"].lon == pytest.approx(0.03, abs=2e-6)
    tiles = {}
    for row in rows.values():
        tiles.setdefault(row.id[:4], []).append(row)
    for one, other in itertools.combinations(tiles.values(), 2):
        apart_north = gap([r.lat for r in one], [r.lat for r in other])
        apart_east = gap([r.lon for r in one], [r.lon for r in other])
        assert max(apart_north, apart_east) >= 0.0299


def gap(one, other):
    return max(min(other) - max(one), min(one) - max(other))


def test_the_first_tile_lies_where_its_network_lies():
    rows = list(tile_devices([SMALL], Tiling(areas=2)))
    assert [(r.lat, r.lon) for r in rows[:5]] == [(r.lat, r.lon) for r in SMALL.devices]


def test_a_tie_switch_stays_open():
    assert sum(row.normally_open for row in tile_devices([SMALL], Tiling(areas=4))) == 4


def test_phones_are_shared_only_where_they_were():
    customers = list(tile_customers([SMALL, LARGE], Tiling(areas=60, tiles_per_area=3)))
    phones = Counter(row.phone for row in customers if row.phone)
    assert set(phones.values()) == {1, 2}
    assert list(phones.values()).count(2) == 90
    assert all(len(phone) == 11 and phone.startswith("100") for phone in phones)
    assert sum(not row.phone for row in customers) == 90


def test_addresses_name_their_tile():
    addresses = [row.address for row in tile_customers([SMALL], Tiling(areas=3))]
    assert len(set(addresses)) == len(addresses)
    assert addresses[3] == "2区和平路1号"


def test_every_nth_customer_gets_a_status_or_a_class():
    tiling = Tiling(areas=100, suspended_every=50, important_every=10, life_support_every=20)
    rows = list(tile_customers([SMALL], tiling))
    assert Counter(row.priority for row in rows) == {
        CustomerClass.NORMAL: 270,
        CustomerClass.IMPORTANT: 15,
        CustomerClass.LIFE_SUPPORT: 15,
    }
    assert sum(row.status is CustomerStatus.SUSPENDED for row in rows) == 6


def test_the_same_tiling_gives_the_same_rows():
    tiling = Tiling(areas=3, tiles_per_area=2, important_every=2)
    assert list(tile_customers([SMALL, LARGE], tiling)) == list(tile_customers([SMALL, LARGE], tiling))
    assert list(tile_devices([SMALL, LARGE], tiling)) == list(tile_devices([SMALL, LARGE], tiling))


def test_what_cannot_be_tiled_is_refused():
    with pytest.raises(ValueError, match="at least one area"):
        Tiling(areas=0)
    with pytest.raises(ValueError, match="no network"):
        list(tile_devices([], Tiling(areas=1)))
    with pytest.raises(ValueError, match="do not fit on the globe"):
        list(tile_devices([LARGE], Tiling(areas=1_000_000)))
