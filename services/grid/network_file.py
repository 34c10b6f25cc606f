"""network.csv and customers.csv: reading, checking, writing (DESIGN §8).

Decided here: what a well-formed file is. A file with a problem gives no row to anyone who waits for the end:
every problem is named with its file and line, and ``NetworkFileError`` comes out instead. Never here: a database; what
a single cell may say (``network_cells``).
Customers are streamed; what is kept of each is eight bytes, to find an account that comes twice.
"""

from __future__ import annotations

import csv
import re
from array import array
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.values import CustomerClass, CustomerStatus
from services.grid.csv_file import Problems, table
from services.grid.device import DeviceColumns, DeviceRow, DeviceType
from services.grid.network_cells import (
    account_problem,
    degrees,
    id_problem,
    kilovolts_problem,
    name_problem,
    phone_oddity,
    said,
)
from services.grid.radial import radial_faults
from services.grid.unplaced import place_the_unplaced
from services.runtime.whole_file import written_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

NETWORK_COLUMNS: Final = ("id", "parent", "type", "normally_open", "lat", "lon")
NETWORK_OPTIONAL: Final = ("name", "other_end")
CUSTOMER_COLUMNS: Final = ("account_id", "transformer_id", "lat", "lon", "address", "phone")
CUSTOMER_OPTIONAL: Final = ("name", "status", "priority", "language", "voltage_kv")

_SAID_OPEN: Final = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "y", "t"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "n", "f", ""), False),
}

_CARRIED: Final = frozenset({*DeviceType, "regulator", ""})
"""Types that need no word: those of the model, and what ``cim`` writes knowing that no outage is predicted there."""

_TOLD_EVERY: Final = 10_000
_LONGEST_TEXT: Final = 4000
_TOO_LONG: Final = f"address, phone and name are longer than {_LONGEST_TEXT} characters together"
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_STATUSES: Final = {"": CustomerStatus.ACTIVE, **{status.value: status for status in CustomerStatus}}
_CLASSES: Final = {"": CustomerClass.NORMAL, **{cls.value: cls for cls in CustomerClass}}


class CustomerRow(NamedTuple):
    """One customer as customers.csv gives it; degrees are WGS-84, absent texts are empty, kV are of the supply.

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
    voltage_kv: float | None = None


@dataclass(frozen=True, slots=True)
class NetworkFiles:
    """A checked network.csv and the customers.csv that goes with it."""

    network: Path
    customers: Path
    devices: Sequence[DeviceRow]
    told: Problems = field(default_factory=Problems)

    def read_customers(self) -> Iterator[CustomerRow]:
        """Yield the customers; see ``read_customers``. Their warnings are in ``warnings`` once they are read."""
        return read_customers(self.customers, self.devices, self.told)

    @property
    def warnings(self) -> list[str]:
        """What rows lack and what was made of them, so far, as lines for people."""
        return self.told.told()


def open_network(network: Path, customers: Path, seen: Callable[[int], None] = lambda _: None) -> NetworkFiles:
    """Read and check network.csv.

    Where it has problems, customers.csv is checked as well, so that one look shows them all; otherwise
    customers.csv is checked while it is read.

    Args:
        network: network.csv.
        customers: customers.csv.
        seen: Called now and then with the number of devices read.

    Raises:
        NetworkFileError: something is wrong with the files.
    """
    problems = Problems()
    devices = _devices(network, problems, seen)
    if problems.total:
        for _ in _customers(customers, devices, problems):
            pass
    problems.throw()
    return NetworkFiles(network, customers, devices, problems)


def read_devices(path: Path) -> list[DeviceRow]:
    """Read and check network.csv alone.

    Raises:
        NetworkFileError: something is wrong with the file.
    """
    problems = Problems()
    devices = _devices(path, problems)
    problems.throw()
    return list(devices)


def read_customers(path: Path, devices: Iterable[DeviceRow], told: Problems | None = None) -> Iterator[CustomerRow]:
    """Yield the customers of customers.csv in its order, checked against ``devices``.

    The rows before a problem have been given out when it is found, and no row after it is. So use none of them
    for good before the iterator has ended: import into tables that nobody sees yet.

    Args:
        path: customers.csv.
        devices: Those of the network.
        told: Told of rows that lack something and can be used all the same.

    Raises:
        NetworkFileError: at the end, if anything was wrong with the file.
    """
    problems = Problems() if told is None else told
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
    cells = ((*r[:7], r.status.value, r.priority.value, r.language, _kilovolts_text(r.voltage_kv)) for r in rows)
    return _write(path, CUSTOMER_COLUMNS + CUSTOMER_OPTIONAL, cells)


def _write(path: Path, header: Sequence[str], cells: Iterable[Sequence[object]]) -> int:
    count = 0
    with written_whole(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in cells:
            writer.writerow(row)
            count += 1
    return count


def _devices(path: Path, problems: Problems, seen: Callable[[int], None] = lambda _: None) -> DeviceColumns:
    """Return every row that has an id, so that customers.csv can be checked against a faulty network too."""
    before = problems.total
    rows = DeviceColumns()
    lines = array("q")
    unplaced: dict[int, str] = {}  # by row, what its coordinates lack
    kinds: dict[str, int] = {}  # the line each type is first on
    texts: dict[str, str] = {}  # a feeder's id is the parent of many: each text is kept once
    for line, cells in table(path, NETWORK_COLUMNS, NETWORK_OPTIONAL, problems):
        device, parent, kind, normally_open, lat, lon, name, other_end = map(str.strip, cells)
        kind = kind.lower()
        parent = said(parent) if kind == DeviceType.SUBSTATION else parent
        if reason := id_problem("id", device):
            problems.add(path, line, reason)
            continue
        north, east, wrong, odd = degrees(lat, lon)
        for reason in filter(None, (*_row_problems(kind, normally_open, name), wrong)):
            problems.add(path, line, reason)
        if odd and east is None:
            unplaced[len(rows)] = odd
        elif odd:
            problems.warn(path, line, odd)
        is_open = _SAID_OPEN.get(normally_open.lower(), False)
        joins = (other_end or None) if is_open else None
        device, parent, kind = (texts.setdefault(text, text) for text in (device, parent, kind))
        rows.append(DeviceRow(device, parent or None, kind, is_open, north or 0.0, east or 0.0, name, joins))
        lines.append(line)
        kinds.setdefault(kind, line)
        if len(rows) % _TOLD_EVERY == 0:
            seen(len(rows))
    del texts
    if not rows and problems.total == before:
        problems.add(path, 0, "has no device")
    for fault in radial_faults(rows):
        first = "" if fault.earlier is None else f", first on line {lines[fault.earlier]}"
        problems.add(path, lines[fault.row], fault.reason + first)
    rows.forget_unknown_ends()
    _tell_unknown_types(path, kinds, problems)
    if problems.total == before:
        _place(rows, unplaced, lambda n, reason: problems.warn(path, lines[n], reason))
    return rows


def _tell_unknown_types(path: Path, first_lines: Mapping[str, int], problems: Problems) -> None:
    for kind in sorted(first_lines.keys() - _CARRIED):
        reason = f"type {kind!r} is none of {', '.join(DeviceType)}: no outage is predicted at such a device"
        problems.warn(path, first_lines[kind], reason)


def _place(rows: DeviceColumns, unplaced: Mapping[int, str], warn: Callable[[int, str], None]) -> None:
    ids = rows.ids()
    for n, source in place_the_unplaced(rows, unplaced):
        nowhere = "no device around it has any, so no position finds it"
        warn(n, f"{unplaced[n]}: {ids[n]!r}: {nowhere if source is None else f'taken to be at {ids[source]!r}'}")


def _row_problems(kind: str, normally_open: str, name: str) -> Iterator[str]:
    if not kind:
        yield "type is empty"
    if normally_open.lower() not in _SAID_OPEN:
        yield f"normally_open must be 0 or 1, not {normally_open!r}"
    if reason := name_problem(name):
        yield reason


def _customers(path: Path, devices: Iterable[DeviceRow], problems: Problems) -> Iterator[CustomerRow]:
    checked = not problems.cut_off  # what a network lacks of which a part was read, nobody knows
    transformers = {row.id: row.id for row in devices if row.type == DeviceType.TRANSFORMER}
    types: dict[str, str] = {}  # of all devices, once a customer is at something else
    points: dict[str, tuple[float, float]] = {}  # of all transformers, once a customer has no coordinates
    accounts = _Accounts()
    line = 0
    for line, cells in table(path, CUSTOMER_COLUMNS, CUSTOMER_OPTIONAL, problems):
        account, at, lat, lon, address, phone, name, status, priority, language, kilovolts = map(str.strip, cells)
        transformer = transformers.get(at)
        if not transformer and not types:
            types = {row.id: row.type for row in devices}
        north, east, wrong, odd = degrees(lat, lon)
        status, priority, language, kilovolts = map(said, (status.lower(), priority.lower(), language, kilovolts))
        reasons = [
            id_problem("account_id", account) or account_problem(account),
            None if transformer or not checked else _transformer_problem(at, types.get(at)),
            wrong,
            None if status in _STATUSES else f"status must be active or suspended, not {status!r}",
            None
            if priority in _CLASSES
            else f"priority must be normal, important, life_support or vip, not {priority!r}",
            None if not language or _LANGUAGE.fullmatch(language) else f"language {language!r} is no BCP 47 tag",
            kilovolts_problem(kilovolts),
            None if len(address) + len(phone) + len(name) <= _LONGEST_TEXT else _TOO_LONG,
        ]
        for reason in filter(None, reasons):
            problems.add(path, line, reason)
        if account:
            accounts.add(account)
        if transformer and not problems.total:
            if north is None or east is None:
                points = points or {row.id: (row.lat, row.lon) for row in devices if row.id in transformers}
                north, east = points[transformer]
                odd = f"{odd}: {account!r} is taken to be at {transformer!r}"
            for reason in filter(None, (odd, phone_oddity(phone))):
                problems.warn(path, line, reason)
            yield CustomerRow(
                account,
                transformer,
                north,
                east,
                address,
                phone,
                name,
                _STATUSES[status],
                _CLASSES[priority],
                language,
                float(kilovolts) if kilovolts else None,
            )
    _check_together(path, line, accounts, problems)


def _check_together(path: Path, last: int, accounts: _Accounts, problems: Problems) -> None:
    """Note what is wrong with the customers together: that there are none, or an account that comes twice."""
    if not last and not problems.total:
        problems.add(path, 0, "has no customer")
    for line, first, account in accounts.twice(path):
        problems.add(path, line, f"account_id {account!r} is used twice, first on line {first}")


def _kilovolts_text(kilovolts: float | None) -> str:
    return "" if kilovolts is None else f"{kilovolts:g}"


def _transformer_problem(device: str, kind: str | None) -> str:
    if not device:
        return "transformer_id is empty"
    if kind is None:
        return f"transformer_id {device!r} is not in the network"
    return f"transformer_id {device!r} is a {kind}, not a transformer"


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
        for line, cells in table(path, CUSTOMER_COLUMNS[:2], (), Problems()):
            account = cells[0].strip()
            if hash(account) in suspects and first.setdefault(account, line) != line:
                yield line, first[account], account
