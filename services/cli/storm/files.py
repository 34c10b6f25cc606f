"""A storm as files: the neutral formats of DESIGN §8 and the truth beside them.

Decided here: what each file says of a storm. Never here: what a storm is, or sending it.
"""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.cli.storm.generate import Storm, dice
from services.cli.storm.words import Kind
from services.contracts.values import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from services.cli.storm.cases import Case
    from services.cli.storm.faults import Fault

TRUTH_COLUMNS = ("event_id", "fault_id", "kind", "account_id", "again", "misplaced")
FAULT_COLUMNS = ("fault_id", "device", "type", "area", "customers", "started_at", "restored_at")
_CLAIMS_OUTAGE = frozenset({Kind.OUTAGE, Kind.HAZARD, Kind.ARREARS})
_CALL_SECONDS = 75.0  # until an IVR or agent has heard a call out
_OFFLINE = 0.02  # app reports that wait for the network to come back


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows each file got."""

    reports: int
    truth: int
    faults: int
    restorations: int


def write_storm(storm: Storm, start: datetime, folder: Path) -> Written:
    """Write ``reports.jsonl``, ``restorations.csv``, ``truth.csv`` and ``faults.csv``.

    Args:
        storm: What happened.
        start: Instant of second 0 of storm time, with an offset.
        folder: An existing folder; files in it are overwritten.
    """
    reports = report_lines(storm, start)
    with (folder / "reports.jsonl").open("w", encoding="utf-8") as file:
        for line in reports:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    claims = [case for case in storm.cases if case.kind in _CLAIMS_OUTAGE]
    restored = sorted(_restorations(storm, start))
    _write(folder / "restorations.csv", ("restored_at", "device_or_account"), restored)
    _write(folder / "truth.csv", TRUTH_COLUMNS, (truth_row(storm, case) for case in claims))
    _write(folder / "faults.csv", FAULT_COLUMNS, (fault_row(fault, start) for fault in storm.faults))
    return Written(len(reports), len(claims), len(storm.faults), len(restored))


def event_id(case: Case) -> str:
    """Id of a case's report in the files."""
    return f"E{case.number:06d}"


def truth_row(storm: Storm, case: Case) -> tuple[str, ...]:
    """What is true of a case; ``fault_id`` is empty where there was no outage."""
    account = "" if case.customer is None else storm.network.customers[case.customer].account_id
    return (event_id(case), case.fault or "", case.kind, account, str(int(case.again)), str(int(case.misplaced)))


def fault_row(fault: Fault, start: datetime) -> tuple[str, ...]:
    """What is true of a fault; ``restored_at`` is empty if it did not end."""
    ended = "" if math.isinf(fault.restored) else _at(start, fault.restored)
    return (fault.id, fault.device, fault.type, fault.area, str(len(fault.customers)), _at(start, fault.start), ended)


def report_lines(storm: Storm, start: datetime) -> list[dict[str, Any]]:
    """Return the outage reports by arrival, those that a sender sent twice included."""
    rng = dice(storm.seed, "files")
    lines: list[tuple[float, dict[str, Any]]] = []
    for case in storm.cases:
        if case.kind not in _CLAIMS_OUTAGE:
            continue
        said = case.said
        arrived = case.at + (_CALL_SECONDS if case.channel is Channel.PHONE else rng.uniform(0.2, 3.0))
        if case.channel is Channel.APP and rng.random() < _OFFLINE:
            arrived += rng.uniform(60, 1800)
        line: dict[str, Any] = {
            "event_id": event_id(case),
            "channel": case.channel.value,
            "reported_at": _at(start, case.at + said.clock_error),
            "received_at": _at(start, arrived),
            "account_id": said.account,
            "phone": said.phone,
            "lat": said.lat,
            "lon": said.lon,
            "address": said.home,
            "text": said.text,
        }
        line = {name: value for name, value in line.items() if value not in {None, ""}}
        lines.append((arrived, line))
        if rng.random() < storm.shape.resends:
            again = arrived + rng.uniform(1, 120)
            lines.append((again, line | {"received_at": _at(start, again)}))
    lines.sort(key=lambda pair: (pair[0], pair[1]["event_id"]))
    return [line for _, line in lines]


def _restorations(storm: Storm, start: datetime) -> Iterator[tuple[str, str]]:
    for fault in storm.faults:
        if not math.isinf(fault.restored):
            own_line = fault.type == "service"
            where = storm.network.customers[fault.customers[0]].account_id if own_line else fault.device
            yield _at(start, fault.restored), where


def _at(start: datetime, seconds: float) -> str:
    return (start + timedelta(seconds=round(seconds, 3))).isoformat(timespec="milliseconds")


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
