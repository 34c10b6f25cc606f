"""China's shifted datums to WGS-84 and back.

Decided here: what a position in GCJ-02 (Tencent, Amap) or BD-09 (Baidu) is in WGS-84. Never here: I/O.

GCJ-02 shifts a position in China by some 270 to 630 m, BD-09 by 860 to 930 m more: further than an H3 cell of
resolution 9 is wide. The constants are those of the shift as it has been public since 2013 (Wikipedia, "Restrictions
on geographic data in China"). Both shifts change slowly from place to place, so they are inverted by a few rounds of
correction, to better than a millimetre. The tests hold the published vectors of another implementation.
"""

from __future__ import annotations

from math import atan2, copysign, cos, hypot, pi, radians, sin, sqrt
from typing import TYPE_CHECKING, Final

from services.contracts.values import Crs

if TYPE_CHECKING:
    from collections.abc import Callable

_LATITUDES: Final = (0.8293, 55.8271)
_LONGITUDES: Final = (72.004, 137.8347)
"""The box inside which GCJ-02 is shifted at all; outside it the two datums are one."""

_AXIS_M: Final = 6_378_245.0  # Krasovsky 1940 ellipsoid: semi-major axis
_ECCENTRICITY2: Final = 0.006_693_421_622_965_943  # and eccentricity squared
_BAIDU_WAVE: Final = radians(3000.0)  # per degree
_BAIDU_NORTH: Final = 0.006
_BAIDU_EAST: Final = 0.0065
_DATE_LINE: Final = 180.0
_ROUNDS: Final = 10
_CLOSE: Final = 1e-9  # degrees: 0.1 mm


def to_wgs84(lat: float, lon: float, crs: Crs) -> tuple[float, float]:
    """Return latitude and longitude in WGS-84 degrees of a position given in ``crs``.

    Baidu's shift reaches over the date line and the poles: what it takes there is a place all the same.
    """
    if crs is Crs.BD09:
        lat, lon = _on_earth(*_inverse(_gcj02_to_bd09, lat, lon))
    return (lat, lon) if crs is Crs.WGS84 else _inverse(_wgs84_to_gcj02, lat, lon)


def _on_earth(lat: float, lon: float) -> tuple[float, float]:
    east = lon if abs(lon) <= _DATE_LINE else lon - copysign(2 * _DATE_LINE, lon)
    return max(-90.0, min(lat, 90.0)), east


def from_wgs84(lat: float, lon: float, crs: Crs) -> tuple[float, float]:
    """Return latitude and longitude in degrees of ``crs`` of a WGS-84 position."""
    if crs is Crs.WGS84:
        return lat, lon
    shifted = _wgs84_to_gcj02(lat, lon)
    return _gcj02_to_bd09(*shifted) if crs is Crs.BD09 else shifted


def _inverse(forward: Callable[[float, float], tuple[float, float]], lat: float, lon: float) -> tuple[float, float]:
    """Return the position that ``forward`` takes to (or, at the edge of the box, nearest to) the given one."""
    back_lat, back_lon = lat, lon
    for _ in range(_ROUNDS):
        there_lat, there_lon = forward(back_lat, back_lon)
        back_lat += lat - there_lat
        back_lon += lon - there_lon
        if abs(lat - there_lat) < _CLOSE and abs(lon - there_lon) < _CLOSE:
            break
    return back_lat, back_lon


def _wgs84_to_gcj02(lat: float, lon: float) -> tuple[float, float]:
    if not (_LATITUDES[0] <= lat <= _LATITUDES[1] and _LONGITUDES[0] <= lon <= _LONGITUDES[1]):
        return lat, lon
    x, y = lon - 105.0, lat - 35.0
    ripple = 20 * (sin(6 * pi * x) + sin(2 * pi * x))
    north_waves = ripple + 20 * sin(pi * y) + 40 * sin(pi * y / 3) + 160 * sin(pi * y / 12) + 320 * sin(pi * y / 30)
    east_waves = ripple + 20 * sin(pi * x) + 40 * sin(pi * x / 3) + 150 * sin(pi * x / 12) + 300 * sin(pi * x / 30)
    north_m = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + north_waves * 2 / 3
    east_m = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + east_waves * 2 / 3
    flattening = 1 - _ECCENTRICITY2 * sin(radians(lat)) ** 2
    degree_north_m = radians(_AXIS_M * (1 - _ECCENTRICITY2) / flattening**1.5)
    degree_east_m = radians(_AXIS_M * cos(radians(lat)) / sqrt(flattening))
    return lat + north_m / degree_north_m, lon + east_m / degree_east_m


def _gcj02_to_bd09(lat: float, lon: float) -> tuple[float, float]:
    radius = hypot(lat, lon) + 0.00002 * sin(lat * _BAIDU_WAVE)
    angle = atan2(lat, lon) + 0.000003 * cos(lon * _BAIDU_WAVE)
    return radius * sin(angle) + _BAIDU_NORTH, radius * cos(angle) + _BAIDU_EAST
