"""network.csv and customers.csv: reading, checking, writing (DESIGN §8).

Decided here: what a well-formed file is. A file with a problem gives no row to anyone who waits for the end:
every problem is named with its file and line, and ``NetworkFileError`` comes out instead. Never here: a database.
Customers are streamed; what is kept of each is eight bytes, to find an account that comes twice.
"""

from __future__ import annotations

import csv
import re
from array import array
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from services.contracts.values import CustomerClass, CustomerStatus
from services.grid.device import DeviceRow, DeviceType
from services.grid.radial import radial_faults

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

NETWORK_COLUMNS: Final = ("id", "parent", "type", "normally_open", "lat", "lon")
NETWORK_OPTIONAL: Final = ("name", "other_end")
CUSTOMER_COLUMNS: Final = ("account_id", "transformer_id", "lat", "lon", "address", "phone")
CUSTOMER_OPTIONAL: Final = ("name", "status", "priority", "language")

SHOWN: Final = 20
"""Problems told in full; the rest is counted."""

_LONGEST_ID: Final = 200
_LONGEST_TEXT: Final = 4000
_LONGEST_NAME: Final = 200
_TOO_LONG: Final = f"address, phone and name are longer than {_LONGEST_TEXT} characters together"
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_STATUSES: Final = {"": CustomerStatus.ACTIVE, **{status.value: status for status in CustomerStatus}}
_CLASSES: Final = {"": CustomerClass.NORMAL, **{cls.value: cls for cls in CustomerClass}}


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


class CustomerRow(NamedTuple):
    """One customer as customers.csv gives it; degrees are WGS-84, absent texts are empty.

    A tuple and no dataclass: an import makes millions, and a frozen dataclass takes five times as long.
    """

    account_id: str
    transformer_id: str
    lat: float
    lon: float
    address: str
    phone: str
    name: str = ""
    status: CustomerStatus = CustomerStatus.ACTIVE
    priority: CustomerClass = CustomerClass.NORMAL
    language: str = ""


@dataclass(frozen=True, slots=True)
class NetworkFiles:
    """A checked network.csv and the customers.csv that goes with it."""

    network: Path
    customers: Path
    devices: tuple[DeviceRow, ...]

    def read_customers(self) -> Iterator[CustomerRow]:
        """Yield the customers; see ``read_customers``."""
        return read_customers(self.customers, self.devices)


class _Problems:
    """Collects problems; holds no more of them than are shown."""

    def __init__(self) -> None:
        self.first: list[Problem] = []
        self.total = 0

    def add(self, file: Path, line: int, reason: str) -> None:
        self.total += 1
        if len(self.first) < SHOWN:
            self.first.append(Problem(file.name, line, reason))

    def throw(self) -> None:
        if self.total:
            raise NetworkFileError(self.first, self.total)


def open_network(network: Path, customers: Path) -> NetworkFiles:
    """Read and check network.csv.

    Where it has problems, customers.csv is checked as well, so that one look shows them all; otherwise
    customers.csv is checked while it is read.

    Raises:
        NetworkFileError: something is wrong with the files.
    """
    problems = _Problems()
    devices = _devices(network, problems)
    if problems.total:
        for _ in _customers(customers, devices, problems):
            pass
    problems.throw()
    return NetworkFiles(network, customers, tuple(devices))


def read_devices(path: Path) -> list[DeviceRow]:
    """Read and check network.csv alone.

    Raises:
        NetworkFileError: something is wrong with the file.
    """
    problems = _Problems()
    devices = _devices(path, problems)
    problems.throw()
    return devices


def read_customers(path: Path, devices: Iterable[DeviceRow]) -> Iterator[CustomerRow]:
    """Yield the customers of customers.csv in its order, checked against ``devices``.

    The rows before a problem have been given out when it is found, and no row after it is. So use none of them
    for good before the iterator has ended: import inside one transaction.

    Raises:
        NetworkFileError: at the end, if anything was wrong with the file.
    """
    problems = _Problems()
    yield from _customers(path, devices, problems)
    problems.throw()


def write_devices(path: Path, rows: Iterable[DeviceRow]) -> int:
    """Write network.csv and return how many devices it has."""
    cells = (
        (r.id, r.parent or "", r.type, int(r.normally_open), r.lat, r.lon, r.name, r.other_end or "") for r in rows
    )
    return _write(path, NETWORK_COLUMNS + NETWORK_OPTIONAL, cells)


def write_customers(path: Path, rows: Iterable[CustomerRow]) -> int:
    """Write customers.csv and return how many customers it has."""
    cells = ((*r[:7], r.status.value, r.priority.value, r.language) for r in rows)
    return _write(path, CUSTOMER_COLUMNS + CUSTOMER_OPTIONAL, cells)


def _write(path: Path, header: Sequence[str], cells: Iterable[Sequence[object]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in cells:
            writer.writerow(row)
            count += 1
    return count


def _devices(path: Path, problems: _Problems) -> list[DeviceRow]:
    """Return every row that has an id, so that customers.csv can be checked against a faulty network too."""
    before = problems.total
    rows: list[DeviceRow] = []
    lines = array("q")
    for line, cells in _table(path, NETWORK_COLUMNS, NETWORK_OPTIONAL, problems):
        device, parent, kind, normally_open, lat, lon, name, other_end = map(str.strip, cells)
        kind = kind.lower()
        if reason := _id_problem("id", device):
            problems.add(path, line, reason)
            continue
        if not kind:
            problems.add(path, line, "type is empty")
        if normally_open not in {"0", "1"}:
            problems.add(path, line, f"normally_open must be 0 or 1, not {normally_open!r}")
        if reason := _degrees_problem(lat, lon):
            problems.add(path, line, reason)
            lat = lon = "0"
        if reason := _name_problem(name):
            problems.add(path, line, reason)
        is_open = normally_open == "1"
        joins = (other_end or None) if is_open else None
        rows.append(DeviceRow(device, parent or None, kind, is_open, float(lat), float(lon), name, joins))
        lines.append(line)
    if not rows and problems.total == before:
        problems.add(path, 0, "has no device")
    for fault in radial_faults(rows):
        first = "" if fault.earlier is None else f", first on line {lines[fault.earlier]}"
        problems.add(path, lines[fault.row], fault.reason + first)
    ids = {row.id for row in rows}
    return [row if row.other_end is None or row.other_end in ids else row._replace(other_end=None) for row in rows]


def _customers(path: Path, devices: Iterable[DeviceRow], problems: _Problems) -> Iterator[CustomerRow]:
    types = {row.id: row.type for row in devices}
    transformers = {device: device for device, kind in types.items() if kind == DeviceType.TRANSFORMER}
    accounts = _Accounts()
    for line, cells in _table(path, CUSTOMER_COLUMNS, CUSTOMER_OPTIONAL, problems):
        account, at, lat, lon, address, phone, name, status, priority, language = map(str.strip, cells)
        transformer = transformers.get(at)
        reasons = [
            _id_problem("account_id", account),
            None if transformer else _transformer_problem(at, types.get(at)),
            _degrees_problem(lat, lon),
            None if status in _STATUSES else f"status must be active or suspended, not {status!r}",
            None
            if priority in _CLASSES
            else f"priority must be normal, important, life_support or vip, not {priority!r}",
            None if not language or _LANGUAGE.fullmatch(language) else f"language {language!r} is no BCP 47 tag",
            None if len(address) + len(phone) + len(name) <= _LONGEST_TEXT else _TOO_LONG,
        ]
        if any(reasons):
            for reason in filter(None, reasons):
                problems.add(path, line, reason)
        if account:
            accounts.add(account)
        if transformer and not problems.total:
            yield CustomerRow(
                account,
                transformer,
                float(lat),
                float(lon),
                address,
                phone,
                name,
                _STATUSES[status],
                _CLASSES[priority],
                language,
            )
    for line, first, account in accounts.twice(path):
        problems.add(path, line, f"account_id {account!r} is used twice, first on line {first}")


class _Accounts:
    """Finds the accounts that come twice, at eight bytes an account.

    Only hashes are kept. Where two are equal the file is read once more and the accounts themselves are compared.
    """

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(256)]  # sorted one by one at the end: a small list at a time

    def add(self, account: str) -> None:
        hashed = hash(account)
        self._buckets[hashed & 255].append(hashed)

    def twice(self, path: Path) -> Iterator[tuple[int, int, str]]:
        """Yield line, first line and account of every repetition."""
        suspects: set[int] = set()
        for bucket in self._buckets:
            hashes = sorted(bucket)
            suspects.update(one for one, after in pairwise(hashes) if one == after)
        if not suspects:
            return
        first: dict[str, int] = {}
        for line, cells in _table(path, CUSTOMER_COLUMNS[:2], (), _Problems()):
            account = cells[0].strip()
            if hash(account) in suspects and first.setdefault(account, line) != line:
                yield line, first[account], account


def _table(
    path: Path, required: Sequence[str], optional: Sequence[str], problems: _Problems
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield line and cells of each row, the cells in the order of ``required + optional``.

    A row of the wrong width is a problem and is passed over; bytes that are no UTF-8 and broken quoting end it.
    """
    try:
        with path.open("rb") as file:
            yield from _rows(path, file, required, optional, problems)
    except OSError as error:
        problems.add(path, 0, f"cannot be read: {error.strerror or error}")


def _rows(
    path: Path, file: BinaryIO, required: Sequence[str], optional: Sequence[str], problems: _Problems
) -> Iterator[tuple[int, Sequence[str]]]:
    lines = _Lines(path, file, problems)
    reader = csv.reader(lines, strict=True)
    start = 1
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if lines.broken:
            return
        if absent := [name for name in required if name not in header]:
            problems.add(path, 1, f"no column {', '.join(absent)}; the header has {', '.join(header) or 'nothing'}")
            return
        if double := [name for name in (*required, *optional) if header.count(name) > 1]:
            problems.add(path, 1, f"column {', '.join(double)} comes twice")
            return
        width = len(header)
        pick = itemgetter(*(header.index(name) if name in header else width for name in (*required, *optional)))
        start = reader.line_num + 1
        for cells in reader:
            if len(cells) == width:
                cells.append("")  # what an optional column that is not there points to
                yield start, pick(cells)
            elif cells:
                hint = ": put a text with a comma in quotes" if len(cells) > width else ""
                problems.add(path, start, f"{len(cells)} fields where the header has {width}{hint}")
            start = reader.line_num + 1
    except csv.Error as error:
        if not lines.broken:
            problems.add(path, start, f"is not CSV from here on: {error}")


class _Lines:
    """The lines of a file as text; ends, with a problem and ``broken`` set, at bytes that are no text."""

    def __init__(self, path: Path, file: BinaryIO, problems: _Problems) -> None:
        self._path = path
        self._file = file
        self._problems = problems
        self.broken = False

    def __iter__(self) -> Iterator[str]:
        for line, raw in enumerate(self._file, start=1):
            try:
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8")
            except UnicodeDecodeError as error:
                self._break(line, f"is not UTF-8 (byte 0x{raw[error.start]:02x}): save the file as UTF-8")
                return
            if "\0" in text:
                self._break(line, "has a NUL character: save the file as UTF-8 text")
                return
            yield text

    def _break(self, line: int, reason: str) -> None:
        self._problems.add(self._path, line, reason)
        self.broken = True


def _id_problem(column: str, value: str) -> str | None:
    if not value:
        return f"{column} is empty"
    if len(value) > _LONGEST_ID:
        return f"{column} is longer than {_LONGEST_ID} characters"
    if not value.isprintable():
        return f"{column} {value!r} has a character that cannot be printed"
    if value.startswith("cell:"):
        return f"{column} {value!r} must not start with 'cell:', which names places without a network"
    return None


def _name_problem(name: str) -> str | None:
    if len(name) > _LONGEST_NAME:
        return f"name is longer than {_LONGEST_NAME} characters"
    if name and not name.isprintable():
        return f"name {name!r} has a character that cannot be printed"
    return None


def _transformer_problem(device: str, kind: str | None) -> str:
    if not device:
        return "transformer_id is empty"
    if kind is None:
        return f"transformer_id {device!r} is not in the network"
    return f"transformer_id {device!r} is a {kind}, not a transformer"


def _degrees_problem(lat: str, lon: str) -> str | None:
    if not lat or not lon:
        return f"{'lat' if not lat else 'lon'} is empty"
    try:
        north, east = float(lat), float(lon)
    except ValueError:
        return f"lat {lat!r}, lon {lon!r}: not two numbers"
    if -90 <= north <= 90 and -180 <= east <= 180:  # noqa: PLR2004  the globe; false for NaN as well
        return None
    swapped = " (swapped?)" if -90 <= east <= 90 and -180 <= north <= 180 else ""  # noqa: PLR2004  the globe
    return f"lat {lat}, lon {lon}: not degrees on the globe{swapped}"
