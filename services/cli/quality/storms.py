"""A storm's files read back, with the truth beside what the engine may see.

Decided here: which reports are judged. Never here: a figure.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from services.cli.storm.words import Kind
from services.dedup.replay import Served, load_served
from services.dedup.replay_files import ReportLine, Restoration, read_reports, read_restorations

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


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
    """Everything about one storm."""

    served: Served
    lines: list[ReportLine]
    restored: list[Restoration]
    truth: Mapping[str, Truth]
    faults: Mapping[str, TrueFault]


def read_storm(folder: Path, served: Served | None = None) -> StormFiles:
    """Read a folder that ``gridline storm --out`` wrote; ``served`` spares reading the network again.

    Raises:
        NetworkFileError: the network cannot be used.
        ReplayFileError: reports or restorations cannot be used.
        KeyError: truth.csv or faults.csv lacks a column.
        OSError: one of those cannot be read.
    """
    return StormFiles(
        served=served or load_served(folder / "network.csv", folder / "customers.csv"),
        lines=read_reports(folder / "reports.jsonl"),
        restored=read_restorations(folder / "restorations.csv"),
        truth=read_truth(folder / "truth.csv"),
        faults=read_faults(folder / "faults.csv"),
    )


def read_truth(path: Path) -> dict[str, Truth]:
    """Read truth.csv, by event."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["event_id"]: Truth(
                fault=row["fault_id"],
                kind=Kind(row["kind"]),
                account=row["account_id"],
                transformer=row["transformer_id"],
                happened_at=datetime.fromisoformat(row["happened_at"]),
            )
            for row in csv.DictReader(file)
        }


def read_faults(path: Path) -> dict[str, TrueFault]:
    """Read faults.csv, by fault."""
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["fault_id"]: TrueFault(
                device=row["device"],
                service=row["type"] == "service",
                shows_at=datetime.fromisoformat(row["shows_at"]),
                ended_at=datetime.fromisoformat(row["restored_at"]) if row["restored_at"] else None,
            )
            for row in csv.DictReader(file)
        }
