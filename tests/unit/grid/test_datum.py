"""Shifted datums, against the test vectors of an independent implementation (eviltransform)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import Crs, Place
from services.grid.datum import from_wgs84, to_wgs84
from services.grid.evidence import Point, distance_m

SHANGHAI = ((31.17530398364597, 121.531541859215), (31.1774276, 121.5272106))
BEIJING = ((39.91334545536069, 116.38404722455657), (39.911954, 116.377817))
SHENZHEN = ((22.540796131694766, 113.9171764808363), (22.543847, 113.912316))


def apart(one, other):
    return distance_m(Point(*one), Point(*other))


@pytest.mark.parametrize(("gcj02", "wgs84"), [SHANGHAI, BEIJING, SHENZHEN])
def test_gcj02_is_that_of_another_implementation_both_ways(gcj02, wgs84):
    assert apart(from_wgs84(*wgs84, Crs.GCJ02), gcj02) < 0.02
    assert apart(to_wgs84(*gcj02, Crs.GCJ02), wgs84) < 0.02
    assert apart(gcj02, wgs84) > 400


def as_bd09(lat, lon):
    """Baidu's shift of a GCJ-02 position as it is usually written down."""
    step = math.pi * 3000 / 180
    radius = math.sqrt(lon * lon + lat * lat) + 0.00002 * math.sin(lat * step)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * step)
    return radius * math.sin(angle) + 0.006, radius * math.cos(angle) + 0.0065


@pytest.mark.parametrize(("gcj02", "wgs84"), [SHANGHAI, BEIJING, SHENZHEN])
def test_bd09_goes_back_through_gcj02(gcj02, wgs84):
    bd09 = as_bd09(*gcj02)
    assert apart(to_wgs84(*bd09, Crs.BD09), wgs84) < 0.02
    assert apart(bd09, wgs84) > 1000


@given(st.floats(18, 53.5), st.floats(73.5, 135), st.sampled_from([Crs.GCJ02, Crs.BD09]))
def test_in_china_there_and_back_is_the_same_place_to_a_millimetre(lat, lon, crs):
    # How far the shift goes is held by the vectors above: west of Xining there are places where it is hardly any.
    assert apart(to_wgs84(*from_wgs84(lat, lon, crs), crs), (lat, lon)) < 0.001


@given(st.floats(-85, 85), st.floats(-180, 180))
def test_wgs84_is_left_alone_and_no_datum_moves_a_place_far(lat, lon):
    assert to_wgs84(lat, lon, Crs.WGS84) == from_wgs84(lat, lon, Crs.WGS84) == (lat, lon)
    for crs in (Crs.GCJ02, Crs.BD09):
        assert apart(to_wgs84(lat, lon, crs), (lat, lon)) < 5000


def test_outside_china_gcj02_is_wgs84():
    assert to_wgs84(-33.9, 18.4, Crs.GCJ02) == (-33.9, 18.4)


@pytest.mark.parametrize("crs", Crs)
@pytest.mark.parametrize("lat", [-90.0, -89.999, 0.0, 39.9, 89.999, 90.0])
@pytest.mark.parametrize("lon", [-180.0, -179.999, 0.0, 116.4, 179.999, 180.0])
def test_a_position_at_the_edge_of_the_map_is_on_earth_in_wgs84_too(lat, lon, crs):
    there = to_wgs84(lat, lon, crs)
    assert Place(lat=there[0], lon=there[1]), "else its contact ends the router, and again at each start"
    assert apart(there, (lat, lon)) < 5000
