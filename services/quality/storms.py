"""A storm's files read back, with the truth beside what the engine may see.

Decided here: which reports are judged. Never here: a figure.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from services.dedup.replay_files import (
    ReplayFileError,
    ReportLine,
    Restoration,
    csv_of,
    read_reports,
    read_restorations,
    read_time,
)
from services.dedup.replay_readings import ReadingLine, read_readings
from services.dedup.replay_reports import Served, load_served
from services.simulator.words import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime
    from pathlib import Path

    from services.grid.tree import Tree

_T = TypeVar("_T")
TOLD: Final = "readings_truth.csv"


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of one event; texts are empty where nothing is (see docs/storm-files.md)."""

    fault: str
    kind: Kind
    account: str
    transformer: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class TrueFault:
    """What is true of one fault; ``shows_at`` is when its customers could first tell it, ``ended_at`` None if never."""

    device: str
    service: bool
    shows_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class StormFiles:
    """Everything about one storm; ``told`` is what each reading tells of: a fault, or nothing (an empty text)."""

    served: Served
    lines: list[ReportLine]
    restored: list[Restoration]
    truth: Mapping[str, Truth]
    faults: Mapping[str, TrueFault]
    readings: list[ReadingLine] = field(default_factory=list)
    told: Mapping[str, str] = field(default_factory=dict)


def read_storm(folder: Path, served: Served | None = None) -> StormFiles:
    """Read a folder that ``gridline storm --out`` wrote; ``served`` spares reading the network again.

    Without ``restorations.csv`` nobody said when power was back; without ``readings.jsonl`` there are no instruments.

    Raises:
        NetworkFileError: the network cannot be used.
        ReplayFileError: another file cannot be used, or they do not belong together.
        OSError: one of those cannot be read.
    """
    restored, readings = folder / "restorations.csv", folder / "readings.jsonl"
    storm = StormFiles(
        served=served or load_served(folder / "network.csv", folder / "customers.csv"),
        lines=read_reports(folder / "reports.jsonl"),
        restored=read_restorations(restored) if restored.exists() else [],
        truth=read_truth(folder / "truth.csv"),
        faults=read_faults(folder / "faults.csv"),
        readings=read_readings(readings) if readings.exists() else [],
        told=read_told(folder / TOLD) if readings.exists() else {},
    )
    check_truth(folder, storm.truth, storm.faults, {line.event_id for line in storm.lines}, storm.served.tree)
    check_told(folder, storm.told, storm.faults, {line.event_id for line in storm.readings})
    return storm


def read_truth(path: Path) -> dict[str, Truth]:
    """Read truth.csv, by event.

    Raises:
        ReplayFileError: it is no CSV, a line lacks or garbles a column, or an event stands in it twice.
        OSError: it cannot be read.
    """
    return read_rows(path, "event_id", _truth)


def read_faults(path: Path) -> dict[str, TrueFault]:
    """Read faults.csv, by fault. One that shows from its start on may leave ``shows_at`` empty.

    Raises:
        ReplayFileError: it is no CSV, a line lacks or garbles a column, or a fault stands in it twice.
        OSError: it cannot be read.
    """
    return read_rows(path, "fault_id", _fault)


def read_told(path: Path) -> dict[str, str]:
    """Read readings_truth.csv: by reading the fault because of which it says that power is out, or an empty text.

    Raises:
        ReplayFileError: it is no CSV, a line lacks a column, or a reading stands in it twice.
        OSError: it cannot be read.
    """
    return read_rows(path, "event_id", lambda row: row["fault_id"], may_be_empty=True)


def check_told(folder: Path, told: Mapping[str, str], faults: Mapping[str, TrueFault], events: Collection[str]) -> None:
    """Check that the truth of the readings is of these readings and faults.

    Raises:
        ReplayFileError: a reading never arrived, or a fault is not in faults.csv.
    """
    problems = [(0, f"event {event!r} is not in the readings") for event in told if event not in events]
    problems += [
        (0, f"fault {fault!r} of event {event!r} is not in faults.csv")
        for event, fault in told.items()
        if fault and fault not in faults
    ]
    if problems:
        raise ReplayFileError(folder / TOLD, problems)


def check_truth(
    folder: Path, truth: Mapping[str, Truth], faults: Mapping[str, TrueFault], events: Collection[str], tree: Tree
) -> None:
    """Check that the truth is of these reports and of this network.

    Raises:
        ReplayFileError: an event was never reported, a fault is not in faults.csv, or a device not in the network.
    """
    problems = [(0, f"event {event!r} is not in the reports") for event in truth if event not in events]
    problems += [
        (0, f"fault {one.fault!r} of event {event!r} is not in faults.csv")
        for event, one in truth.items()
        if one.fault and one.fault not in faults
    ]
    if problems:
        raise ReplayFileError(folder / "truth.csv", problems)
    if problems := [
        (0, f"device {one.device!r} of fault {name!r} is not in the network")
        for name, one in faults.items()
        if one.device not in tree
    ]:
        raise ReplayFileError(folder / "faults.csv", problems)


def _truth(row: Mapping[str, str]) -> Truth:
    kind = row["kind"]
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(sorted(_KINDS))}, not {kind!r}")
    return Truth(row["fault_id"], Kind(kind), row["account_id"], row["transformer_id"], read_time(row, "happened_at"))


def _fault(row: Mapping[str, str]) -> TrueFault:
    return TrueFault(
        device=row["device"],
        service=row["type"] == "service",
        shows_at=read_time(row, "shows_at" if row.get("shows_at") else "started_at"),
        ended_at=read_time(row, "restored_at") if row["restored_at"] else None,
    )


_KINDS: Final = frozenset(Kind)


def read_rows(
    path: Path, column: str, read: Callable[[Mapping[str, str]], _T], *, may_be_empty: bool = False
) -> dict[str, _T]:
    """Return what ``read`` makes of each row, by what stands in its column.

    Raises:
        ReplayFileError: it is no CSV, has no row, or one lacks or garbles a column or stands there twice.
        OSError: it cannot be read.
    """
    problems: list[tuple[int, str]] = []
    found: dict[str, _T] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file, csv_of(path):
            reader = csv.DictReader(file, restval="")
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            for row in reader:
                if not any(row.values()):  # the empty rows that a spreadsheet leaves at its end
                    continue
                try:
                    name, what = row[column], read(row)
                except ValueError as error:
                    problems.append((reader.line_num, str(error)))
                    continue
                if name in found:
                    problems.append((reader.line_num, f"{column} {name!r} stands in an earlier line already"))
                found[name] = what
    except KeyError as error:  # a column that is missing is missing in every row
        raise ReplayFileError(path, [(1, f"lacks the column {error.args[0]!r}")]) from None
    if not (found or problems or may_be_empty):
        problems.append((0, "has no row"))
    if problems:
        raise ReplayFileError(path, problems)
    return found
