"""An incident on its feeder as a picture: what is out, who called, who did not, what else is open. Pure SVG."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_WIDTH: Final = 1000.0
_TALLEST: Final = 760.0
_MARGIN: Final = 48.0
_HEAD: Final = 64.0
_CALLED: Final = 5.0
_LETTER: Final = 13.0  # as wide as the widest
_LIVE, _DARK, _CALL, _SILENT, _OTHER = "#94a3b8", "#7f1d1d", "#dc2626", "#fecaca", "#f59e0b"
_DARK_ELSE: Final = "#fde68a"
_OUT: Final = frozenset({"predicted", "confirmed"})
_KEY: Final = (
    ("circle", _CALL, "transformer, somebody called"),
    ("circle", _SILENT, "dark, nobody called"),
    ("circle", _DARK_ELSE, "dark by another outage"),
    ("circle", "#ffffff", "has power"),
    ("diamond", _CALL, "where the crew is sent"),
    ("diamond", _OTHER, "another open outage"),
    ("square", "#334155", "substation"),
)
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#1e293b}.title{font-size:17px;font-weight:600}.small{fill:#64748b}"
    ".device{font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:4px}"
)
Device = dict[str, Any]


def svg(found: Mapping[str, Any]) -> str:
    """Return the picture of what ``GET /v1/incidents/{id}/surroundings`` gives; north is up."""
    devices: list[Device] = found["devices"]
    place, height = _projection(devices)
    elsewhere = _dark_by_others(devices, found["device"])
    by_id = {one["id"]: one for one in devices}
    said = _said(found)
    size = f'width="{_WIDTH:g}" height="{height:.0f}" viewBox="0 0 {_WIDTH:g} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(". ".join(said))}</title>',
        f"<style>{_STYLE}</style>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{_MARGIN:g}" y="28" class="title">{escape(said[0])}</text>',
        f'<text x="{_MARGIN:g}" y="48" class="small">{escape(said[1])}</text>',
        *(_line(place, one, by_id[one["parent"]]) for one in devices if one["parent"] in by_id),
        *(
            _mark(place, one, found["device"], elsewhere)
            for one in sorted(devices, key=lambda one: _layer(one, found["device"]))
        ),
        *_key(height),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _said(found: Mapping[str, Any]) -> tuple[str, str]:
    """Return what stands over the picture, in two lines."""
    under = [one for one in found["devices"] if one["dark"] and one["type"] == "transformer"]
    called = sum(1 for one in under if one["reports"])
    [device] = [one for one in found["devices"] if one["id"] == found["device"]]
    title = f"{device['type']} {device['id']}, {found['state']}"
    said = f"{found['reports']} reports from {called} of {len(under)} transformers"
    if found["state"] in _OUT:
        said += f"; {found['customers_served']} customers without power"
    return title, said


def _projection(devices: list[Device]) -> tuple[Callable[[Device], tuple[float, float]], float]:
    """Return where a device stands on the sheet, and how tall the sheet is: equal scales, north up."""
    lats, lons = [one["lat"] for one in devices], [one["lon"] for one in devices]
    shrink = math.cos(math.radians(sum(lats) / len(lats)))  # a degree of longitude is shorter than one of latitude
    wide, tall = (max(lons) - min(lons)) * shrink, max(lats) - min(lats)
    room = _WIDTH - 2 * _MARGIN
    scale = min(room / wide if wide else math.inf, (_TALLEST - _HEAD) / tall if tall else math.inf)
    scale = scale if math.isfinite(scale) else 0.0
    left = _MARGIN + (room - wide * scale) / 2
    height = _HEAD + tall * scale + 3 * _MARGIN

    def place(one: Device) -> tuple[float, float]:
        return left + (one["lon"] - min(lons)) * shrink * scale, _HEAD + _MARGIN / 2 + (max(lats) - one["lat"]) * scale

    return place, height


def _line(place: Callable[[Device], tuple[float, float]], one: Device, above: Device) -> str:
    (x, y), (x2, y2) = place(one), place(above)
    dash = ' stroke-dasharray="4 3"' if one["normally_open"] else ""
    colour, width = (_DARK, 2) if one["dark"] and above["dark"] else (_LIVE, 1.2)
    return f'<path d="M{x2:.1f} {y2:.1f}L{x:.1f} {y:.1f}" stroke="{colour}" stroke-width="{width}"{dash}/>'


def _layer(one: Device, device: str) -> int:
    """What is drawn later lies on top: calls over silence, where the crew goes over everything."""
    return 3 if one["id"] == device else 2 if one["incident"] else 1 if one["reports"] else 0


def _dark_by_others(devices: list[Device], device: str) -> set[str]:
    """Return what is under another open outage; one at a transformer may be one home's, or a danger."""
    found: set[str] = set()
    for one in devices:  # a parent comes before its children
        opens = one["incident"] and one["id"] != device and one["type"] != "transformer"
        if opens or one["parent"] in found:
            found.add(one["id"])
    return found


def _mark(place: Callable[[Device], tuple[float, float]], one: Device, device: str, elsewhere: set[str]) -> str:
    x, y = place(one)
    told = f"<title>{escape(_told(one))}</title>"
    if one["id"] == device:
        fits = x + 16 + _LETTER * len(device) < _WIDTH
        side = f'x="{x + 16:.1f}"' if fits else f'x="{x - 16:.1f}" text-anchor="end"'
        label = f'<text {side} y="{y - 10:.1f}" class="device">{escape(device)}</text>'
        return _shape("diamond", x, y, 11, _CALL, told) + label
    if one["incident"]:
        return _shape("diamond", x, y, 8, _OTHER, told)
    if one["parent"] is None:
        return _shape("square", x, y, 8, "#334155", told)
    if one["type"] != "transformer":
        return ""
    radius = min(9.0, 2.5 + math.sqrt(one["customers"]) / 2.5)
    if one["reports"]:  # one call among a thousand silent homes is seen
        radius = max(radius, _CALLED)
    fill = _SILENT if one["dark"] else _DARK_ELSE if one["id"] in elsewhere else "#ffffff"
    return _shape("circle", x, y, radius, _CALL if one["reports"] else fill, told)


def _told(one: Device) -> str:
    calls = f", {one['reports']} reports" if one["reports"] else ""
    return f"{one['type']} {one['id']}: {one['customers']} customers{calls}"


def _shape(kind: str, x: float, y: float, size: float, fill: str, inside: str = "") -> str:
    look = f'fill="{fill}" stroke="#475569"'
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" {look}>{inside}</circle>'
    if kind == "square":
        side = f'x="{x - size:.1f}" y="{y - size:.1f}" width="{2 * size:g}" height="{2 * size:g}"'
        return f"<rect {side} {look}>{inside}</rect>"
    corners = f"M{x:.1f} {y - size:.1f}l{size:g} {size:g}l-{size:g} {size:g}l-{size:g} -{size:g}z"
    return f'<path d="{corners}" {look}>{inside}</path>'


def _key(height: float) -> Iterable[str]:
    x, y = _MARGIN, height - 44
    for kind, fill, words in _KEY:
        if x + 12 + 7 * len(words) > _WIDTH - _MARGIN:
            x, y = _MARGIN, y + 22
        yield _shape(kind, x, y, 6, fill) + f'<text x="{x + 12:g}" y="{y + 4:.0f}" class="small">{words}</text>'
        x += 34 + 7 * len(words)
