"""A storm as files: the neutral formats of DESIGN §8 and the truth beside them (docs/storm-files.md).

Decided here: what each file says of a storm, and what crews tell of restorations. Never here: what a storm is, or
sending it.
"""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from services.contracts.values import Channel, Crs
from services.grid.datum import from_wgs84
from services.runtime.whole_file import written_whole
from services.simulator.faults import SERVICE
from services.simulator.generate import Storm, dice
from services.simulator.words import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from services.simulator.cases import Case
    from services.simulator.faults import Fault
    from services.simulator.readings import Word

TRUTH_COLUMNS = ("event_id", "fault_id", "kind", "account_id", "transformer_id", "happened_at", "again", "misplaced")
FAULT_COLUMNS = (
    *("fault_id", "device", "type", "area", "customers", "started_at", "restored_at"),
    *("under_fault", "shows_at", "reports"),
)
WORD_COLUMNS = ("event_id", "fault_id", "why", "account_id", "device")
_CLAIMS_OUTAGE = frozenset({Kind.OUTAGE, Kind.HAZARD, Kind.ARREARS})
_CALL_SECONDS = 75.0  # until an IVR or agent has heard a call out
_CHINESE_MAPS: Final = {Channel.WECHAT: Crs.GCJ02, Channel.WEB: Crs.BD09}
"""Datum of the positions a channel gives, where it is not WGS-84."""


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows each file got."""

    reports: int
    truth: int
    faults: int
    restorations: int
    readings: int = 0


def write_storm(storm: Storm, start: datetime, folder: Path) -> Written:
    """Write ``reports.jsonl``, ``restorations.csv``, ``truth.csv`` and ``faults.csv``.

    Where it has instruments also ``readings.jsonl`` and ``readings_truth.csv``; else what an earlier storm left of
    these is removed.

    Args:
        storm: What happened.
        start: Instant of second 0 of storm time, with an offset.
        folder: An existing folder; files in it are replaced, each whole.
    """
    reports = report_lines(storm, start)
    with written_whole(folder / "reports.jsonl") as file:
        for line in reports:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    claims = [case for case in storm.cases if case.kind in _CLAIMS_OUTAGE]
    restored = restoration_lines(storm, start)
    of_fault: dict[str, int] = {}
    for case in claims:
        if case.fault is not None:
            of_fault[case.fault] = of_fault.get(case.fault, 0) + 1
    _write(folder / "restorations.csv", ("restored_at", "device_or_account"), restored)
    _write(folder / "truth.csv", TRUTH_COLUMNS, (truth_row(storm, case, start) for case in claims))
    faults = (fault_row(fault, start, of_fault.get(fault.id, 0)) for fault in storm.faults)
    _write(folder / "faults.csv", FAULT_COLUMNS, faults)
    _write_words(storm, start, folder)
    return Written(len(reports), len(claims), len(storm.faults), len(restored), len(storm.words or ()))


def _write_words(storm: Storm, start: datetime, folder: Path) -> None:
    words, truth = folder / "readings.jsonl", folder / "readings_truth.csv"
    if storm.words is None:
        words.unlink(missing_ok=True)
        truth.unlink(missing_ok=True)
        return
    with written_whole(words) as file:
        for number, word in enumerate(storm.words, 1):
            file.write(json.dumps(word_line(storm, word, number, start), ensure_ascii=False) + "\n")
    _write(truth, WORD_COLUMNS, (_word_row(storm, word, number) for number, word in enumerate(storm.words, 1)))


def word_line(storm: Storm, word: Word, number: int, start: datetime) -> dict[str, Any]:
    """Return a reading as ``POST /v1/telemetry`` takes it, and when it arrived."""
    line: dict[str, Any] = {"event_id": _word_id(number), "reading": word.reading.value}
    if word.customer is not None:
        line["account_id"] = storm.network.customers[word.customer].account_id
    else:
        line["device"] = word.device
    return line | {"at": _at(start, word.at), "received_at": _at(start, word.arrived)}


def _word_row(storm: Storm, word: Word, number: int) -> tuple[str, ...]:
    customer = None if word.customer is None else storm.network.customers[word.customer]
    where = ("", word.device or "") if customer is None else (customer.account_id, customer.transformer_id)
    return (_word_id(number), word.fault or "", word.why.value, *where)


def _word_id(number: int) -> str:
    return f"R{number:06d}"


def event_id(case: Case) -> str:
    """Id of a case's report in the files."""
    return f"E{case.number:06d}"


def truth_row(storm: Storm, case: Case, start: datetime) -> tuple[str, ...]:
    """What is true of a case; ``fault_id`` is empty where there was no outage."""
    customer = None if case.customer is None else storm.network.customers[case.customer]
    where = ("", "") if customer is None else (customer.account_id, customer.transformer_id)
    flags = (str(int(case.again)), str(int(case.misplaced)))
    return (event_id(case), case.fault or "", case.kind, *where, _at(start, case.at), *flags)


def fault_row(fault: Fault, start: datetime, reports: int) -> tuple[str, ...]:
    """What is true of a fault; ``restored_at`` is empty if it did not end."""
    ended = "" if math.isinf(fault.restored) else _at(start, fault.restored)
    what = (fault.id, fault.device, fault.type, fault.area, str(len(fault.customers)))
    return (*what, _at(start, fault.start), ended, fault.under or "", _at(start, fault.shows), str(reports))


def report_lines(storm: Storm, start: datetime) -> list[dict[str, Any]]:
    """Return the outage reports by arrival, those that a sender sent twice included."""
    rng = dice(storm.seed, "files")
    lines: list[tuple[float, dict[str, Any]]] = []
    for case in storm.cases:
        if case.kind not in _CLAIMS_OUTAGE:
            continue
        said = case.said
        arrived = case.at + (_CALL_SECONDS if case.channel is Channel.PHONE else rng.uniform(0.2, 3.0))
        if case.channel is Channel.APP and rng.random() < storm.shape.offline:
            arrived += rng.uniform(60, 1800)
        line: dict[str, Any] = {
            "event_id": event_id(case),
            "channel": case.channel.value,
            "reported_at": _at(start, case.at + said.clock_error),
            "received_at": _at(start, arrived),
            "account_id": said.account,
            "phone": said.phone,
            "address": said.home,
            "text": said.text,
        }
        line = {name: value for name, value in line.items() if value not in {None, ""}} | _position(case)
        lines.append((arrived, line))
        if rng.random() < storm.shape.resends:
            again = arrived + rng.uniform(1, 120)
            lines.append((again, line | {"received_at": _at(start, again)}))
    lines.sort(key=lambda pair: (pair[0], pair[1]["event_id"]))
    return [line for _, line in lines]


def _position(case: Case) -> dict[str, Any]:
    """Return the position in the datum its channel gives it in; the accuracy is not one of the format's columns."""
    if case.said.lat is None or case.said.lon is None:
        return {}
    datum = _CHINESE_MAPS.get(case.channel)
    if datum is None:
        return {"lat": case.said.lat, "lon": case.said.lon}
    lat, lon = from_wgs84(case.said.lat, case.said.lon, datum)
    return {"lat": round(lat, 6), "lon": round(lon, 6), "crs": datum.value}


def restoration_lines(storm: Storm, start: datetime) -> list[tuple[str, str]]:
    """Return time and device or account of what crews tell, by time."""
    return sorted((_at(start, at), what) for at, what in told_back(storm))


def told_back(storm: Storm) -> Iterator[tuple[float, str]]:
    """Yield what crews tell, at seconds of storm time: each step and end, but for those nobody tells; some late."""
    rng, shape = dice(storm.seed, "restorations"), storm.shape
    for fault in storm.faults:
        if math.isinf(fault.restored):
            continue
        where = storm.network.customers[fault.customers[0]].account_id if fault.type == SERVICE else fault.device
        for at, what in (*fault.steps, (fault.restored, where)):
            luck, late = rng.random(), rng.lognormvariate(math.log(1200.0), 1.0)
            if luck >= shape.restoration_missing:
                is_late = luck < shape.restoration_missing + shape.restoration_late
                yield at + late if is_late else at, what


def _at(start: datetime, seconds: float) -> str:
    return (start + timedelta(seconds=round(seconds, 3))).isoformat(timespec="milliseconds")


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    with written_whole(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
