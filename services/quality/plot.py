"""Two plots as SVG: methods by orders and hidden faults, and what a hold does. Pure, equal runs give equal bytes.

Decided here: axes, colours, labels. Written by hand: two scatters do not need a plotting library of fifty megabytes.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from services.quality.methods import ASKED, BASELINES, ENGINE, ORACLES
from services.quality.spread import holds_of, mean_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.quality.matrix import Run

_WIDE, _HIGH = 300.0, 240.0
_LEFT, _TOP, _GAP, _FOOT = 52.0, 34.0, 58.0, 46.0
_ROW = _TOP + _HIGH + _FOOT
_LINE, _LABEL_WIDE = 10.0, 70.0  # of a label
_COLOURS: Final = (
    {ENGINE: "#c2410c", ASKED: "#c2410c"} | dict.fromkeys(BASELINES, "#475569") | dict.fromkeys(ORACLES, "#15803d")
)
_SHORT: Final = {
    ASKED: "people ask",
    "no merging": "none",
    "feeder + 30 min": "feeder",
    "transformer + 30 min": "transformer",
    "500 m cell + 30 min": "cell",
    "thresholds 3, 10 %, 30 min": "thresholds 3",
    "thresholds 2, 20 %, 15 min": "thresholds 2",
    "true places, true faults": "all known",
    "resolved places, true faults": "faults known",
    "true places, Gridline online": "places known",
    "all reports at once": "at once",
    "places that were said, true faults": "places said",
}


class _View(NamedTuple):
    """What a row of panels shows."""

    title: str
    methods: Sequence[str]
    step: int
    """Of the ticks along x, in per cent."""
    ticks: Sequence[float]
    beyond: float
    """How far y goes beyond the least and the largest, as a factor."""


_VIEWS: Final = (
    _View("", (ENGINE, *BASELINES), 20, (0.2, 0.5, 1, 2, 5, 10, 20), 1.25),
    _View(", near Gridline, with its bounds", (ENGINE, ASKED, *ORACLES), 2, (0.8, 0.9, 1, 1.1, 1.2, 1.3), 1.05),
)


class _Panel:
    """One set of axes; x linear from 0, y linear from 0 or logarithmic."""

    def __init__(self, place: int, title: str, x_most: float, y_least: float, y_most: float, row: int = 0) -> None:
        self.x0, self.y0 = _LEFT + place * (_WIDE + _GAP), _TOP + row * _ROW
        self.ends_at = self.y0 + _HIGH + _FOOT
        self.x_most, self.y_least, self.y_most = x_most, y_least, y_most
        self.labels: list[tuple[float, float]] = []
        self.parts = [
            f'<rect x="{self.x0:.1f}" y="{self.y0:.1f}" width="{_WIDE:.0f}" height="{_HIGH:.0f}" class="frame"/>',
            _text(self.x0 + _WIDE / 2, self.y0 - 12, title, "title"),
        ]

    def x(self, value: float) -> float:
        return self.x0 + _WIDE * value / self.x_most

    def y(self, value: float) -> float:
        if self.y_least:
            along = math.log(max(value, self.y_least) / self.y_least) / math.log(self.y_most / self.y_least)
        else:
            along = value / self.y_most
        return self.y0 + _HIGH * (1 - along)

    def axes(self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_label: str, y_label: str, x_unit: str) -> None:
        for tick in x_ticks:
            at = self.x(tick)
            self.parts.append(f'<path d="M{at:.1f} {self.y0 + _HIGH:.1f}v4" class="tick"/>')
            self.parts.append(_text(at, self.y0 + _HIGH + 16, f"{tick:g}{x_unit}", "tick-text"))
        for tick in y_ticks:
            at = self.y(tick)
            self.parts.append(f'<path d="M{self.x0:.1f} {at:.1f}h{_WIDE:.0f}" class="grid"/>')
            self.parts.append(_text(self.x0 - 6, at + 4, f"{tick:g}", "tick-left"))
        self.parts.append(_text(self.x0 + _WIDE / 2, self.y0 + _HIGH + 34, x_label, "label"))
        middle = self.y0 + _HIGH / 2
        turn = f'transform="rotate(-90 {self.x0 - 36:.1f} {middle:.1f})"'
        self.parts.append(_text(self.x0 - 36, middle, y_label, "label", turn))

    def dot(self, x: float, y: float, colour: str, label: str, radius: float) -> None:
        left, top = self.x(x), self.y(y)
        self.parts.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="{radius:g}" fill="{colour}"/>')
        if label:
            ends = left > self.x0 + 0.75 * _WIDE
            anchor = 'text-anchor="end"' if ends else ""
            self.parts.append(_text(left + (-8 if ends else 8), self._free(left, top) + 4, label, "name", anchor))

    def _free(self, left: float, top: float) -> float:
        """Return the height nearest to ``top`` at which a label does not lie on another's."""
        offers = sorted((step * _LINE for step in range(-16, 17)), key=abs)
        near = [at for where, at in self.labels if abs(where - left) < _LABEL_WIDE]
        found = next(top + offer for offer in offers if all(abs(top + offer - at) >= _LINE for at in near))
        self.labels.append((left, found))
        return found

    def line(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        path = "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)
        self.parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')


def methods_plot(runs: Sequence[Run]) -> str:
    """Return orders issued for each fault (logarithmic) against faults without an own order, a column a preset.

    Above, the engine among the baselines; below, the corner in which it is, with its bounds.
    """
    presets = list(dict.fromkeys(one.preset for one in runs))
    found = {
        (preset, method): (
            100 * mean_of(runs, preset, method, "hidden"),
            mean_of(runs, preset, method, "orders_per_fault"),
        )
        for preset in presets
        for method in _COLOURS
        if any(one.preset == preset and one.method == method for one in runs)
    }
    panels: list[_Panel] = []
    for view in _VIEWS:
        shown = {at: where for at, where in found.items() if at[1] in view.methods}
        if not shown or (panels and {method for _, method in shown} == {ENGINE}):
            continue
        row = len(panels) // len(presets)
        x_most = view.step * math.ceil(max(x for x, _ in shown.values()) / view.step + 0.4)
        y_least, y_most = (view.beyond**way * most(y for _, y in shown.values()) for way, most in ((-1, min), (1, max)))
        for place, preset in enumerate(presets):
            panel = _Panel(place, preset + view.title, x_most, y_least, y_most, row)
            ticks = [tick for tick in view.ticks if y_least <= tick <= y_most]
            x_ticks = range(0, x_most + 1, view.step)
            panel.axes(x_ticks, ticks, "faults without an own order", "orders a fault", " %")
            for method in view.methods:
                if (preset, method) in shown:
                    name, radius = _SHORT.get(method, method), 6 if method == ENGINE else 4
                    panel.dot(*shown[preset, method], _COLOURS[method], name, radius)
            panels.append(panel)
    return _svg(panels)


def holds_plot(runs: Sequence[Run]) -> str:
    """Return spare orders a fault, and the share of faults without an own order, against the hold."""
    presets = list(dict.fromkeys(one.preset for one in runs))
    seconds = holds_of(runs)
    panels = []
    for place, preset in enumerate(presets):
        spare = [(s, mean_of(runs, preset, f"hold {s}", "spare_per_fault")) for s in seconds]
        hidden = [(s, mean_of(runs, preset, f"hold {s}", "hidden")) for s in seconds]
        most = max(0.2, 1.15 * max(y for _, y in (*spare, *hidden)))
        panel = _Panel(place, preset, max(seconds) * 1.05, 0.0, most)
        step = 10 ** math.floor(math.log10(most))
        step = step / 2 if most / step < 3 else step  # noqa: PLR2004  enough lines to read by
        ticks = [round(n * step, 6) for n in range(1, math.floor(most / step) + 1)]
        panel.axes([s for s in seconds if not 0 < s < max(seconds) / 4], ticks, "hold", "a fault", " s")
        for points, colour, name in ((spare, "#c2410c", "spare orders"), (hidden, "#1d4ed8", "no own order")):
            panel.line(points, colour)
            for x, y in points:
                panel.dot(x, y, colour, "", 3)
            panel.parts.append(_text(panel.x(points[-1][0]) - 4, panel.y(points[-1][1]) - 8, name, "name-end"))
        panels.append(panel)
    return _svg(panels)


def _text(x: float, y: float, text: str, kind: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" {more}>{escape(text)}</text>'


_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#1e293b}.title{font-weight:600;text-anchor:middle}"
    ".label,.tick-text{text-anchor:middle}.tick-left,.name-end{text-anchor:end}"
    ".tick-text,.tick-left{font-size:10px;fill:#64748b}.name,.name-end{font-size:10px}"
    ".frame{fill:none;stroke:#94a3b8}.tick{stroke:#94a3b8}.grid{stroke:#e2e8f0}"
)


def _svg(panels: Sequence[_Panel]) -> str:
    wide, high = max(panel.x0 for panel in panels) + _WIDE + 20, max(panel.ends_at for panel in panels)
    body = "\n".join(part for panel in panels for part in panel.parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high:.0f}">'
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )
