"""How fast files are replayed on one core: reading, placing, deciding, writing, each for itself and all together.

EPRI ckt5 tiled to 100 feeders (25 areas of four), storms of three days one after the other. No Kafka, no Postgres.
Counted in processor time: one core is what is asked about, and what a neighbour takes of it is not. The floor is
reading the same lines as JSON and writing one line a report, which any program over these files has to do.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from services.dedup.replay import Replay
from services.dedup.replay_files import (
    read_reports,
    read_restorations,
    write_assignments,
    write_orders,
)
from services.dedup.replay_reports import load_served, prepare
from services.dedup.rules_file import load_rules
from services.dedup.settings import DedupSettings
from services.grid.network_file import write_customers, write_devices
from services.quality.hearing import hearing
from services.runtime.settings import read_settings
from services.simulator.files import report_lines, restoration_lines
from services.simulator.generate import draw_storm
from services.simulator.presets import STORM, tiled
from tests.bench import opened
from tests.bench.grids import bases
from tests.bench.machine import Spell, resident_mb, watched
from tests.bench.report import Figure, Reach
from tests.bench.workload import START

if TYPE_CHECKING:
    from services.dedup.replay_files import Restoration
    from services.dedup.replay_reports import Prepared, Served
    from tests.bench.plan import Work

GROUP = "replay: files through the core on one core"
REACH = Reach("at least", 20_000.0)
_AREAS, _FEEDERS = 25, 4
_FAULTS, _DAYS = 4000, 3


@dataclass
class _Times:
    """Reports for each second of processor time of each stage, one sample a round."""

    floor: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    placed: list[float] = field(default_factory=list)
    decided: list[float] = field(default_factory=list)
    written: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    spells: list[Spell] = field(default_factory=list)


def measure(work: Work) -> None:
    """Make the files once, replay them in every round."""
    with tempfile.TemporaryDirectory(prefix="gridline-bench-") as name:
        folder = Path(name)
        work.tell("replay: making the network and the storms")
        _make(folder, storms=work.scaled(4, quick=1))
        work.tell("replay: reading the network")
        served = load_served(folder / "network.csv", folder / "customers.csv")
        times = _Times()
        peak = 0.0
        for number in range(work.rounds):
            work.tell(f"replay: round {number + 1} of {work.rounds}")
            with watched() as spell:
                storm, restored = _round(folder, served, times)
            times.spells.append(spell)
            peak = max(peak, resident_mb(os.getpid()))
        _tell(work, times, peak, len(served.homes))
        opened.measure(work, served, storm, restored)


def _make(folder: Path, storms: int) -> None:
    network = tiled(bases()[:1], _AREAS, _FEEDERS)
    write_devices(folder / "network.csv", network.devices)
    write_customers(folder / "customers.csv", network.customers)
    shape = replace(STORM, faults=_FAULTS, seconds=_DAYS * 86400.0)
    with (folder / "reports.jsonl").open("wb") as file, (folder / "restorations.csv").open("w") as restored:
        restored.write("restored_at,device_or_account\n")
        for seed in range(1, storms + 1):
            storm = draw_storm(network, shape, seed)
            start = START + timedelta(days=_DAYS * 2 * seed)
            for line in report_lines(storm, start):
                file.write(orjson.dumps(line | {"event_id": f"{seed}-{line['event_id']}"}) + b"\n")
            restored.writelines(f"{at},{what}\n" for at, what in restoration_lines(storm, start))


def _round(folder: Path, served: Served, times: _Times) -> tuple[list[Prepared], list[Restoration]]:
    rules = load_rules(read_settings(DedupSettings).thresholds_file)
    began = time.process_time()
    with (folder / "reports.jsonl").open("rb") as file:
        plain = [orjson.loads(line) for line in file]
    with (folder / "floor.csv").open("w") as out:
        out.writelines(f"{one['event_id']},{one['received_at']}\n" for one in plain)
    times.floor.append(len(plain) / (time.process_time() - began))
    del plain

    marks = [time.process_time()]
    lines = read_reports(folder / "reports.jsonl")
    restored = read_restorations(folder / "restorations.csv")
    marks.append(time.process_time())
    prepared = prepare(served.book, lines, hearing(), _quiet)
    marks.append(time.process_time())
    replayed = Replay(served, rules).decide_all(prepared, restored, _quiet)
    marks.append(time.process_time())
    write_assignments(folder / "assignments.csv", replayed.assignments)
    write_orders(folder / "orders.csv", replayed.orders)
    marks.append(time.process_time())
    if replayed.in_incidents < len(lines) / 2:
        raise AssertionError(f"only {replayed.in_incidents} of {len(lines)} reports are in incidents")
    stages = (times.read, times.placed, times.decided, times.written)
    for samples, since, until in zip(stages, marks[:-1], marks[1:], strict=True):
        samples.append(len(lines) / (until - since))
    times.whole.append(len(lines) / (marks[-1] - marks[0]))
    return prepared, restored


def _quiet(_stage: str, _done: int, _total: int) -> None:
    return


def _tell(work: Work, times: _Times, peak_mb: float, customers: int) -> None:
    def figure(name: str, samples: list[float], note: str, reach: Reach | None = None) -> Figure:
        return Figure(name, "reports/s", samples, reach, note, times.spells)

    share = [100 * whole / floor for whole, floor in zip(times.whole, times.floor, strict=True)]
    work.results.add(
        GROUP,
        figure("floor", times.floor, "JSON read, a line written"),
        figure("read", times.read, "reports.jsonl and restorations.csv, checked"),
        figure("placed", times.placed, "to a transformer, with what the words say, as messages"),
        figure("through the core", times.decided, "decide and evolve, with restorations and timers", REACH),
        figure("written", times.written, "assignments.csv and orders.csv"),
        figure("all of it", times.whole, "but for reading the network"),
        Figure("all of it", "% of the floor", share),
        Figure("memory", "MB", [peak_mb], note=f"resident, {customers:,} customers loaded, the bench itself included"),
    )
