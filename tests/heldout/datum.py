"""WGS-84 as phones in China give it: GCJ-02 and BD-09, by the published formulas. Written apart from the product's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

Point = tuple[float, float]
"""Degrees north and east."""

_AXIS: Final = 6378245.0
"""Semi-major axis of the Krasovsky ellipsoid, m."""
_ECCENTRICITY: Final = 0.00669342162296594323
"""Its first eccentricity, squared."""
_DEGREE: Final = 111_200
"""Metres of a degree of latitude, near enough."""


def gcj02(point: Point) -> Point:
    """Return a WGS-84 position as a Chinese map shows it."""
    lat, lon = point
    north, east = _shift(lon - 105, lat - 35)
    radians = math.radians(lat)
    flat = 1 - _ECCENTRICITY * math.sin(radians) ** 2
    meridian = _AXIS * (1 - _ECCENTRICITY) / (flat * math.sqrt(flat))
    parallel = _AXIS / math.sqrt(flat) * math.cos(radians)
    return lat + math.degrees(north / meridian), lon + math.degrees(east / parallel)


def bd09(point: Point) -> Point:
    """Return a WGS-84 position as Baidu gives it."""
    lat, lon = gcj02(point)
    k = math.pi * 3000 / 180
    radius = math.hypot(lat, lon) + 0.00002 * math.sin(lat * k)
    angle = math.atan2(lat, lon) + 0.000003 * math.cos(lon * k)
    return radius * math.sin(angle) + 0.006, radius * math.cos(angle) + 0.0065


def near(rng: Random, point: Point, metres: float) -> Point:
    """Return a position that far away, in any direction."""
    lat, lon = point
    angle = rng.random() * 2 * math.pi
    return (
        lat + metres * math.sin(angle) / _DEGREE,
        lon + metres * math.cos(angle) / (_DEGREE * math.cos(math.radians(lat))),
    )


def _shift(x: float, y: float) -> Point:
    """Return metres north and east."""

    def wave(size: float, of: float) -> float:
        return size * math.sin(of * math.pi)

    root = math.sqrt(abs(x))
    both = (wave(20, 6 * x) + wave(20, 2 * x)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + both
    north += (wave(20, y) + wave(40, y / 3)) * 2 / 3 + (wave(160, y / 12) + wave(320, y / 30)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + both
    east += (wave(20, x) + wave(40, x / 3)) * 2 / 3 + (wave(150, x / 12) + wave(300, x / 30)) * 2 / 3
    return north, east
