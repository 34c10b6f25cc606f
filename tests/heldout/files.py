"""Draw a storm and write it as docs/storm-files.md has it. Equal arguments give equal bytes."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.heldout.customers import Customers, settle
from tests.heldout.faults import Faults, draw_faults
from tests.heldout.network import Network, read_feeder, tiled
from tests.heldout.reports import Reports, draw_reports
from tests.heldout.restorations import Restoration, draw_restorations

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NETWORK: Final = ("id", "parent", "type", "normally_open", "lat", "lon", "other_end")
_CUSTOMERS: Final = ("account_id", "transformer_id", "lat", "lon", "address", "phone", "name", "status", "priority")
_TRUTH: Final = (
    *("event_id", "fault_id", "kind", "account_id", "transformer_id", "happened_at", "again", "misplaced", "said"),
)
_FAULTS: Final = (
    *("fault_id", "device", "type", "customers", "started_at", "restored_at", "under_fault", "shows_at", "reports"),
)


@dataclass(frozen=True, slots=True)
class Storm:
    """One storm with its truth."""

    network: Network
    customers: Customers
    faults: Faults
    reports: Reports
    restorations: list[Restoration]


def draw_storm(folder: Path, tiles: int, seed: int, faults: int | None = None) -> Storm:
    """Draw a storm on copies of the feeder in a folder; ``faults``: how many, if not as many as fit the customers."""
    rng = Random(f"heldout/{folder.name}/{seed}")
    feeder = read_feeder(folder)
    network = tiled(feeder, tiles, rng)
    customers = settle(feeder, network, rng)
    failed = draw_faults(network, customers, rng, faults)
    reports = draw_reports(customers, failed, rng, f"x{seed}")
    return Storm(network, customers, failed, reports, draw_restorations(network, customers, failed, rng))


def write_storm(storm: Storm, folder: Path) -> None:
    """Write a storm's files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "reports.jsonl").open("w", encoding="utf-8") as file:
        for _, event in storm.reports.arrivals:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")
    _write(folder / "network.csv", _NETWORK, _network(storm.network))
    _write(folder / "customers.csv", _CUSTOMERS, _customers(storm.customers))
    _write(folder / "truth.csv", _TRUTH, _truth(storm.reports))
    _write(folder / "faults.csv", _FAULTS, _faults(storm))
    told = ((one.at.isoformat(), one.what) for one in storm.restorations)
    _write(folder / "restorations.csv", ("restored_at", "device_or_account"), told)


def _network(network: Network) -> Iterable[tuple[Any, ...]]:
    for one in network.devices.values():
        lat, lon = one.point
        yield one.id, one.parent, one.type, int(one.normally_open), f"{lat:.6f}", f"{lon:.6f}", one.other_end


def _customers(customers: Customers) -> Iterable[tuple[Any, ...]]:
    for one in customers.homes.values():
        lat, lon = one.point
        status = "suspended" if one.suspended else "active"
        where = (one.account, one.transformer, f"{lat:.6f}", f"{lon:.6f}", one.address)
        yield *where, one.phone, "", status, one.priority


def _truth(reports: Reports) -> Iterable[tuple[Any, ...]]:
    for one in reports.contacts:
        who = (one.event["event_id"], one.fault, one.kind, one.account, one.transformer)
        yield *who, one.happened.isoformat(), int(one.again), int(one.misplaced), "+".join(one.said)


def _faults(storm: Storm) -> Iterable[tuple[Any, ...]]:
    """Yield the faults that anybody reported: of the others there is no record."""
    for one in storm.faults.all:
        if one.id in storm.reports.of_fault:
            kind = "service" if one.service else storm.network.devices[one.device].type
            times = (one.start.isoformat(), one.end.isoformat(), one.under, one.shows.isoformat())
            yield one.id, one.device, kind, len(one.customers), *times, storm.reports.of_fault[one.id]


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
