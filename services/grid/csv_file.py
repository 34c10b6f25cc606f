"""A CSV file as rows, with everything that is wrong with it named by file and line.

Decided here: what is a table at all: UTF-8, one header with the columns that are needed, as many fields in each row.
Never here: what the fields mean.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from difflib import get_close_matches
from operator import itemgetter
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SHOWN: Final = 20
"""Problems told in full; the rest is counted."""

_ALIKE: Final = 0.75
"""How alike (difflib) an unknown column must be to an optional one that is absent, to be told as misspelt."""

_OTHER_FORMATS: Final = (
    (b"\x1f\x8b", "is compressed with gzip: unpack it"),
    (b"PK\x03\x04", "is a workbook or a zip file: save its sheet as CSV UTF-8"),
    (b"\xff\xfe", "is UTF-16, not UTF-8: save the file as UTF-8"),
    (b"\xfe\xff", "is UTF-16, not UTF-8: save the file as UTF-8"),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file. Lines count from 1, the header being line 1; 0 means the file as a whole."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.reason}"


class NetworkFileError(Exception):
    """The files cannot be used. ``problems`` holds the first 20, ``total`` how many there are."""

    def __init__(self, problems: list[Problem], total: int | None = None) -> None:
        self.problems = problems
        self.total = len(problems) if total is None else total
        lines = [str(problem) for problem in problems]
        if self.total > len(problems):
            lines.append(f"and {self.total - len(problems)} more")
        super().__init__("\n".join(lines))


class Problems:
    """Collects problems, and warnings of rows that are used all the same; holds no more of either than are shown.

    ``cut_off`` is set once a file was not read to its end: what is not in it may be in the rest.
    """

    def __init__(self) -> None:
        self.cut_off = False
        self.first: list[Problem] = []
        self.total = 0
        self.warnings: list[Problem] = []
        self.warned = 0

    def add(self, file: Path, line: int, reason: str) -> None:
        """Note one more; ``line`` 0 is the file as a whole."""
        self.total += 1
        if len(self.first) < SHOWN:
            self.first.append(Problem(file.name or str(file), line, reason))

    def warn(self, file: Path, line: int, reason: str) -> None:
        """Note what a row lacks and what was made of it."""
        self.warned += 1
        if len(self.warnings) < SHOWN:
            self.warnings.append(Problem(file.name, line, reason))

    def told(self) -> list[str]:
        """Return the warnings as lines for people, the first 20 and how many more there are."""
        lines = [str(warning) for warning in self.warnings]
        return [*lines, f"and {self.warned - len(lines)} more"] if self.warned > len(lines) else lines

    def throw(self) -> None:
        """Raise ``NetworkFileError`` if there was any."""
        if self.total:
            raise NetworkFileError(self.first, self.total)


def table(
    path: Path, required: Sequence[str], optional: Sequence[str], problems: Problems
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield line and cells of each row, the cells in the order of ``required + optional``.

    A row of the wrong width is a problem and is passed over; bytes that are no UTF-8 and broken quoting end it.
    """
    try:
        with path.open("rb") as file:
            yield from _rows(path, file, required, optional, problems)
    except OSError as error:
        problems.cut_off = True
        problems.add(path, 0, f"cannot be read: {error.strerror or error}")


def no_utf8(raw: bytes, at: int) -> str:
    """Say what bytes that are no UTF-8 are, and what to do; ``at`` is the first that does not fit."""
    other = next((what for start, what in _OTHER_FORMATS if raw.startswith(start)), None)
    return other or f"is not UTF-8 (byte 0x{raw[at]:02x}): save the file as UTF-8"


def _rows(
    path: Path, file: BinaryIO, required: Sequence[str], optional: Sequence[str], problems: Problems
) -> Iterator[tuple[int, Sequence[str]]]:
    lines = _Lines(path, file, problems)
    reader = csv.reader(lines, strict=True)
    start = 1
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if lines.broken:
            return
        if absent := [name for name in required if name not in header]:
            hint = "" if len(header) > 1 else other_separator(header)
            problems.cut_off = True
            problems.add(
                path, 1, f"no column {', '.join(absent)}; the header has {', '.join(header) or 'nothing'}{hint}"
            )
            return
        if double := [name for name in (*required, *optional) if header.count(name) > 1]:
            problems.cut_off = True
            problems.add(path, 1, f"column {', '.join(double)} comes twice")
            return
        _tell_misspelt(path, header, required, optional, problems)
        width = len(header)
        pick = itemgetter(*(header.index(name) if name in header else width for name in (*required, *optional)))
        start = reader.line_num + 1
        for cells in reader:
            if not any(cells):
                pass  # a blank line, or the empty rows that a spreadsheet leaves at its end
            elif len(cells) == width:
                cells.append("")  # what an optional column that is not there points to
                yield start, pick(cells)
            else:
                hint = ": put a text with a comma in quotes" if len(cells) > width else ""
                problems.add(path, start, f"{len(cells)} fields where the header has {width}{hint}")
            start = reader.line_num + 1
    except csv.Error as error:
        if not lines.broken:
            problems.cut_off = True
            problems.add(path, start, f"is not CSV from here on: {error}")


def _tell_misspelt(
    path: Path, header: Sequence[str], required: Sequence[str], optional: Sequence[str], problems: Problems
) -> None:
    absent = [name for name in optional if name not in header]
    for name in header:
        for meant in get_close_matches(name, absent, 1, _ALIKE) if name not in {*required, *optional} else ():
            problems.warn(path, 1, f"column {name} is not read: was {meant} meant, which is not there?")


def other_separator(header: Sequence[str]) -> str:
    """Say by what else than commas the fields of a header are separated; nothing where by nothing known."""
    found = next(
        (name for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")) if sign in "".join(header)), ""
    )
    return f": its fields are separated by {found}, save it with commas" if found else ""


class _Lines:
    """The lines of a file as text; ends, with a problem and ``broken`` set, at bytes that are no text."""

    def __init__(self, path: Path, file: BinaryIO, problems: Problems) -> None:
        self._path = path
        self._file = file
        self._problems = problems
        self.broken = False

    def __iter__(self) -> Iterator[str]:
        for line, raw in enumerate(self._file, start=1):
            try:
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
            except UnicodeDecodeError as error:
                self._break(line, no_utf8(raw, error.start))
                return
            if "\0" in text:
                self._break(line, "has a NUL character: save the file as UTF-8 text")
                return
            yield text

    def _break(self, line: int, reason: str) -> None:
        self._problems.add(self._path, line, reason)
        self._problems.cut_off = self.broken = True
