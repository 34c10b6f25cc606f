"""The two consoles: results on stdout, progress and errors on stderr, so that results can be piped.

Decided here: presentation. Never here: what is true.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console, Group
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from rich.console import JustifyMethod, RenderableType

_PIPE_COLUMNS: Final = 200  # rich would fold everything that is piped to 80
_STEERS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What moves the cursor, colours, rings, or turns the order of what follows around; not line breaks and tabs."""
_LAST_BYTE: Final = 0xFF

Area = Annotated[str | None, typer.Option(help="Only of this area.")]
"""The option of every command that lists or counts by area."""
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""The option of every command that can print JSON."""


def _width(stream: TextIO | None) -> int | None:
    """Return how wide to print, None for as wide as the terminal is. Without a stream (``>&-``) nothing is printed."""
    return None if stream is not None and stream.isatty() else _PIPE_COLUMNS


class _Steady(Console):
    """A console that no stranger's words steer: a customer's address may hold what clears a terminal or renames it."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text, or a cell of a table, with what would steer the terminal as its number."""
        return super().render_str(_STEERS.sub(_numbered, text), **options)


def _numbered(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= _LAST_BYTE else f"\\u{code:04x}"


out: Final = _Steady(highlight=False, width=_width(sys.stdout))
err: Final = _Steady(stderr=True, highlight=False, width=_width(sys.stderr))


class _Rate(ProgressColumn):
    """How many a second, lately."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


def progress() -> Progress:
    """Return a display with a bar, a count, the rate and the time left; gone when done, and only on a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
) -> RenderableType:
    """Make a table under its title; the columns named in ``right`` hold numbers."""
    made = Table(header_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        justify: JustifyMethod = "right" if column in right else "left"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=place == 0)  # an id is copied whole
    for row in rows:
        made.add_row(*("" if cell is None else str(cell) for cell in row))
    return Group(Text(title, style="bold"), made) if title else made  # rich would fold a title to the table's width


def share(part: int, of: int) -> str:
    """Return a share in per cent; a dash of nothing."""
    return f"{part / of:.0%}" if of else "–"


def print_json(value: Any) -> None:
    """Print JSON for another program to read, in one piece and without colours."""
    has_all = sys.stdout is not None and sys.stdout.encoding.lower().startswith("utf")
    text = json.dumps(value, ensure_ascii=not has_all, indent=2, default=str)
    print(_STEERS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
