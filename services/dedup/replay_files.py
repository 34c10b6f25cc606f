"""The files of a replay (DESIGN §8): reports and restorations in, assignments and orders out.

Decided here: what a well-formed line is. Every line that is not is named.
Never here: a decision about a report.
"""

from __future__ import annotations

import csv
import json
import math
from codecs import BOM_UTF8
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import orjson

from services.contracts.envelope import parse_time
from services.contracts.values import OTHER_YEAR, YEARS, Channel
from services.grid.csv_file import no_utf8, other_separator
from services.runtime.whole_file import written_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

_T = TypeVar("_T")
SHOWN: Final = 20
_TEXTS: Final = ("account_id", "phone", "address", "text", "crs")
_CHANNELS: Final = {channel.value: channel for channel in Channel}
_LONGEST_ADDRESS: Final = 500


class ReplayFileError(Exception):
    """A file cannot be replayed. The text names the first 20 problems with file and line."""

    def __init__(self, path: Path, problems: list[tuple[int, str]]) -> None:
        self.problems = problems
        lines = [f"{path.name}:{line}: {reason}" if line else f"{path.name}: {reason}" for line, reason in problems]
        if len(lines) > SHOWN:
            lines[SHOWN:] = [f"and {len(problems) - SHOWN} more"]
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line of reports.jsonl; degrees in ``crs``, WGS-84 where it says nothing."""

    event_id: str
    channel: Channel
    reported_at: datetime
    received_at: datetime
    account_id: str | None
    phone: str | None
    lat: float | None
    lon: float | None
    accuracy_m: float | None
    crs: str | None
    address: str | None
    text: str | None


class Restoration(NamedTuple):
    """One line of restorations.csv."""

    restored_at: datetime
    device_or_account: str


class Assignment(NamedTuple):
    """Where an event of the input ended; ``orders`` are all it ever was under."""

    event_id: str
    incident_id: UUID | None
    orders: tuple[UUID, ...]


class IssuedOrder(NamedTuple):
    """An order that was ever issued, as its last version stands."""

    order_id: UUID
    incident_id: UUID
    issued_at: datetime
    device: str
    superseded_by: UUID | None


def read_reports(path: Path, refused: list[ReplayFileError] | None = None) -> list[ReportLine]:
    """Return the reports in the order of their lines.

    Args:
        path: reports.jsonl.
        refused: Told of lines that cannot be used, and the others are returned.

    Raises:
        ReplayFileError: the file cannot be read; or a line is no JSON object, or lacks or garbles what it needs, and
            nobody is there to be told.
    """
    return read_lines(path, _report, refused)


def read_lines(path: Path, read: Callable[[Any], _T], refused: list[ReplayFileError] | None = None) -> list[_T]:
    """Return what ``read`` makes of each line of a JSON Lines file, in their order.

    Args:
        path: The file.
        read: Raises ``KeyError``, ``ValueError`` or ``TypeError`` for a line that cannot be used.
        refused: Told of lines that cannot be used, and the others are returned.

    Raises:
        ReplayFileError: the file cannot be read; or a line is no JSON or cannot be used, and nobody is
            there to be told.
    """
    found: list[_T] = []
    problems: list[tuple[int, str]] = []
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = raw.removeprefix(BOM_UTF8) if number == 1 else raw
                if not line.strip():
                    continue
                try:
                    found.append(read(_json(line)))
                except json.JSONDecodeError as error:
                    problems.append((number, _no_json(line, error.msg)))
                except (KeyError, ValueError, TypeError) as error:
                    problems.append((number, _reason(error)))
    except OSError as error:
        raise ReplayFileError(path, [(0, f"cannot be read: {error.strerror}")]) from None
    _refuse(path, problems, refused)
    return found


def _json(line: bytes) -> Any:
    """Return what a line says; NaN and Infinity, which many programs write for nothing though JSON has none, are None.

    Raises:
        json.JSONDecodeError: it is not JSON.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in line and b"Infinity" not in line:
            raise
        try:
            return json.loads(line, parse_constant=_nothing)
        except ValueError:
            raise error from None


def _nothing(_number: str) -> None:
    return


def _no_json(line: bytes, reason: str) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return no_utf8(line, error.start)
    return f"is not JSON: {reason}"


def _refuse(path: Path, problems: list[tuple[int, str]], refused: list[ReplayFileError] | None) -> None:
    if problems:
        error = ReplayFileError(path, problems)
        if refused is None:
            raise error
        refused.append(error)


def _reason(error: Exception) -> str:
    return f"lacks {error.args[0]!r}" if isinstance(error, KeyError) else str(error)


def _report(line: Any) -> ReportLine:
    if not isinstance(line, dict):
        raise TypeError("is not a JSON object")
    texts = {name: text_of(line, name) for name in _TEXTS}
    event_id = text_of(line, "event_id")
    if event_id is None:
        raise KeyError("event_id")
    address = texts["address"]
    reported_at, received_at = _times(line)
    return ReportLine(
        event_id=event_id,
        channel=_channel(line.get("channel")),
        reported_at=reported_at,
        received_at=received_at,
        account_id=texts["account_id"],
        phone=texts["phone"],
        lat=_number(line, "lat"),
        lon=_number(line, "lon"),
        accuracy_m=_number(line, "accuracy_m"),
        crs=texts["crs"],
        address=None if address is None else address[:_LONGEST_ADDRESS],
        text=texts["text"],
    )


def _times(line: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return when a report was made and when it arrived; where one is not said, the other stands for it.

    When it was made is by the caller's clock: one that cannot be read says nothing. When it arrived is by ours.
    """
    came = read_time(line, "received_at") if line.get("received_at") else None
    if came is None:
        made = read_time(line, "reported_at" if line.get("reported_at") else "received_at")
        return made, made
    try:
        return read_time(line, "reported_at"), came
    except (KeyError, ValueError):
        return came, came


def _channel(word: Any) -> Channel:
    """Return the channel; one that is not said, or that we have no word for, decides nothing."""
    if word is None:
        return Channel.API
    if not isinstance(word, str):
        raise TypeError("channel must be text")
    return _CHANNELS.get(word, Channel.API)


def text_of(line: dict[str, Any], name: str) -> str | None:
    """Return a text; numbers are taken as they are written, empty texts and NUL characters as nothing."""
    value = line.get(name)
    if value is None:
        return None
    if isinstance(value, bool | dict | list):
        raise TypeError(f"{name} must be text")
    return str(value).replace("\x00", "").strip() or None


def _number(line: dict[str, Any], name: str) -> float | None:
    value = line.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a number")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number") from None
    return number if math.isfinite(number) else None


def read_time(line: Mapping[str, Any], name: str) -> datetime:
    """Return the instant that a line says, in UTC.

    Raises:
        KeyError: it says none.
        ValueError: it is not ISO 8601, has no offset, or is of no year we know.
    """
    try:
        moment = parse_time(line[name])
    except (ValueError, TypeError):
        raise ValueError(f"{name} must be an ISO 8601 time with its offset") from None
    if moment.year not in YEARS:
        raise ValueError(f"{name} {OTHER_YEAR}")
    return moment.astimezone(UTC)


def read_restorations(path: Path, refused: list[ReplayFileError] | None = None) -> list[Restoration]:
    """Return the restorations in the order of their lines.

    Args:
        path: restorations.csv.
        refused: Told of lines that cannot be used, and the others are returned.

    Raises:
        ReplayFileError: the file cannot be read as CSV; or a line has no time or no device or account, and nobody is
            there to be told.
    """
    found: list[Restoration] = []
    problems: list[tuple[int, str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file, csv_of(path):
            for number, row in _rows(path, file):
                what = (row.get("device_or_account") or "").strip()
                try:
                    at = read_time(row, "restored_at")
                except (KeyError, ValueError) as error:
                    problems.append((number, _reason(error)))
                    continue
                if what:
                    found.append(Restoration(at, what))
                else:
                    problems.append((number, "device_or_account is empty"))
    except OSError as error:
        raise ReplayFileError(path, [(0, f"cannot be read: {error.strerror}")]) from None
    _refuse(path, problems, refused)
    return found


@contextmanager
def csv_of(path: Path) -> Iterator[None]:
    """Refuse a file that turns out to be no CSV in UTF-8 while it is read.

    Raises:
        ReplayFileError: it is none.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise ReplayFileError(path, [(0, no_utf8(error.object, error.start))]) from None
    except csv.Error as error:
        raise ReplayFileError(path, [(0, f"is not CSV: {error}")]) from None


def _rows(path: Path, file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line and cells by column; a column that is not there is missing in every row, so that is told once."""
    reader = csv.DictReader(file)
    reader.fieldnames = names = [name.strip().lower() for name in reader.fieldnames or ()]
    if names and (absent := [name for name in Restoration._fields if name not in names]):
        hint = other_separator(names) if len(names) == 1 else ""
        reason = f"no column {', '.join(absent)}; the header has {', '.join(names)}{hint}"
        raise ReplayFileError(path, [(1, reason)])
    for row in reader:
        if any(row.values()):  # a spreadsheet leaves empty rows at its end
            yield reader.line_num, row


def write_assignments(path: Path, rows: Iterable[Assignment]) -> None:
    """Write assignments.csv: one row for each distinct event, and for each reading that is in an incident."""
    with written_whole(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("event_id", "incident_id", "order_ids"))
        for row in rows:
            writer.writerow((row.event_id, row.incident_id or "", ";".join(map(str, row.orders))))


def write_orders(path: Path, rows: Iterable[IssuedOrder]) -> None:
    """Write orders.csv: one row for each order ever issued."""
    with written_whole(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(IssuedOrder._fields)
        for row in rows:
            issued_at = row.issued_at.isoformat()
            writer.writerow((row.order_id, row.incident_id, issued_at, row.device, row.superseded_by or ""))
