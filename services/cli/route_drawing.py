"""A route tree as a picture: Mermaid for documents, SVG for everything else. Pure, and without a library."""

from __future__ import annotations

import unicodedata
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.router.domain.routes import Route, RouteTree

_ROW: Final = 46
_INDENT: Final = 34
_WIDTH: Final = 1180
_COLUMN: Final = 6.8  # pixels of a letter on average; a Chinese one takes two columns
_NAME: Final = 31  # columns in its box, in bold


def mermaid(tree: RouteTree) -> str:
    """Return the tree as a Mermaid flow chart; routes stand in the order they are tried."""
    lines = ["flowchart LR"]
    numbers: dict[str, int] = {}
    for route, parent in _walk(tree.root, None):
        number = numbers[route.path] = len(numbers)
        title = _quoted(route.path.rpartition("/")[2])
        does = _quoted(_does(route))
        shape = (f'n{number}[/"{title}<br/>{does}"/]') if route.go_on else f'n{number}["{title}<br/>{does}"]'
        lines.append(f"    {shape}")
        if parent is not None:
            lines.append(f'    n{numbers[parent.path]} -- "{_quoted(_when(route))}" --> n{number}')
    return "\n".join(lines) + "\n"


def svg(tree: RouteTree) -> str:
    """Return the tree as an SVG picture: one row a route, in the order they are tried, indented by depth."""
    rows = list(_walk(tree.root, None))
    height = _ROW * len(rows) + 20
    size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif" font-size="13">',
        "<title>Routes, in the order they are tried</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    at = {route.path: n for n, (route, _) in enumerate(rows)}
    for n, (route, parent) in enumerate(rows):
        depth = route.path.count("/")
        x, y = 16 + depth * _INDENT, 10 + n * _ROW
        if parent is not None:
            elbow = 16 + (depth - 1) * _INDENT + 12
            top = 10 + at[parent.path] * _ROW + 36
            parts.append(f'<path d="M{elbow} {top}V{y + 18}H{x}" fill="none" stroke="#9aa5b1"/>')
        fill, dash = ("#fff7e0", ' stroke-dasharray="4 3"') if route.go_on else ("#e8f1fb", "")
        parts.append(f'<rect x="{x}" y="{y}" width="250" height="36" rx="6" fill="{fill}" stroke="#52606d"{dash}/>')
        name, room = route.path.rpartition("/")[2], int((_WIDTH - x - 272) / _COLUMN)
        parts.append(f'<text x="{x + 10}" y="{y + 22}" font-weight="bold">{_fitted(name, _NAME)}</text>')
        parts.append(f'<text x="{x + 262}" y="{y + 15}" fill="#52606d">{_fitted(_when(route), room)}</text>')
        parts.append(f'<text x="{x + 262}" y="{y + 32}">{_fitted(_does(route), room)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _walk(route: Route, parent: Route | None) -> Iterator[tuple[Route, Route | None]]:
    yield route, parent
    for child in route.routes:
        yield from _walk(child, route)


def _when(route: Route) -> str:
    return " and ".join(matcher.text for matcher in route.matchers) or "everything else"


def _does(route: Route) -> str:
    """What a route does with a ticket: adds something and goes on, or gives it to its queues in turn."""
    adds = [f"at least {route.raise_priority}"] if route.raise_priority else []
    adds += [f"tag {tag}" for tag in route.tags]
    if route.go_on:
        return f"adds {', '.join(adds)}; goes on"
    turns = []
    for target in route.targets:
        notes = [f"{target.lasts_s} s"] if target.lasts_s else []
        notes += [f"by {target.open[0]}"] if target.open else []
        turns.append(f"{target.queue} ({', '.join(notes)})" if notes else target.queue)
    return " → ".join(turns) + (f"; {', '.join(adds)}" if adds else "")


def _fitted(text: str, columns: int) -> str:
    """Return what of a text fits; where not all does, the whole of it is shown under the pointer."""
    wide = 0
    for place, char in enumerate(text):
        wide += 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if wide > columns:
            return f"{escape(text[: place - 1])}…<title>{escape(text)}</title>"
    return escape(text)


def _quoted(text: str) -> str:
    return escape(text).replace("|", "&#124;")
