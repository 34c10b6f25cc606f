"""How fast files are replayed on one core: reading, placing, deciding, writing, each for itself and all together.

EPRI ckt5 tiled to 100 feeders (25 areas of four), storms of three days one after the other. No Kafka, no Postgres.
Counted in processor time: one core is what is asked about, and what a neighbour takes of it is not. The floor is
reading the same lines as JSON and writing one line a report, which any program over these files has to do. Where there
is a C compiler, every round is replayed with the compiled core too.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from services.dedup.replay_reports import load_served
from services.grid.network_file import write_customers, write_devices
from services.simulator.files import report_lines, restoration_lines
from services.simulator.generate import draw_storm
from services.simulator.presets import STORM, tiled
from tests.bench import again, opened
from tests.bench.grids import bases
from tests.bench.machine import Spell, resident_mb, watched
from tests.bench.replaying import Round, compiled, replayed
from tests.bench.report import Figure, Reach
from tests.bench.workload import START

if TYPE_CHECKING:
    from tests.bench.plan import Work

GROUP = "replay: files through the core on one core"
COMPILED_GROUP = "replay: the same with the core compiled"
REACH = Reach("at least", 20_000.0)
_AREAS, _FEEDERS = 25, 4
_FAULTS, _DAYS = 4000, 3


def measure(work: Work) -> None:
    """Make the files once, replay them in every round."""
    with tempfile.TemporaryDirectory(prefix="gridline-bench-") as name:
        folder = Path(name)
        work.tell("replay: making the network and the storms")
        _make(folder, storms=work.scaled(4, quick=1))
        work.tell("replay: reading the network")
        served = load_served(folder / "network.csv", folder / "customers.csv")
        rounds: list[Round] = []
        compiled_rounds: list[Round] = []
        spells: list[Spell] = []
        peak = 0.0
        with compiled(folder, work.tell) as once:
            for number in range(work.rounds):
                work.tell(f"replay: round {number + 1} of {work.rounds}")
                with watched() as spell:
                    figures, storm, restored = replayed(folder, served)
                rounds.append(figures)
                spells.append(spell)
                peak = max(peak, resident_mb(os.getpid()))
                if once is not None:
                    compiled_rounds.append(once())
        _tell(work, rounds, spells, peak, len(served.homes))
        if compiled_rounds:
            _tell_compiled(work, rounds, compiled_rounds)
        opened.measure(work, served, storm, restored)
        again.measure(work, served)


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


def _tell(work: Work, rounds: list[Round], spells: list[Spell], peak_mb: float, customers: int) -> None:
    def figure(name: str, samples: list[float], note: str, reach: Reach | None = None) -> Figure:
        return Figure(name, "reports/s", samples, reach, note, spells)

    work.results.add(
        GROUP,
        figure("floor", [one.floor for one in rounds], "JSON read, a line written"),
        figure("read", [one.read for one in rounds], "reports.jsonl and restorations.csv, checked"),
        figure("placed", [one.placed for one in rounds], "to a transformer, with what the words say, as messages"),
        figure("through the core", [one.decided for one in rounds], "decide, evolve, restorations, timers", REACH),
        figure("written", [one.written for one in rounds], "assignments.csv and orders.csv"),
        figure("all of it", [one.whole for one in rounds], "but for reading the network"),
        Figure("all of it", "% of the floor", [100 * one.whole / one.floor for one in rounds]),
        Figure("memory", "MB", [peak_mb], note=f"resident, {customers:,} customers loaded, the bench itself included"),
    )


def _tell_compiled(work: Work, plain: list[Round], compiled: list[Round]) -> None:
    both = list(zip(compiled, plain, strict=True))
    note = "the same files in the same rounds; docs/compiled.md"
    work.results.add(
        COMPILED_GROUP,
        Figure("placed", "reports/s", [one.placed for one in compiled]),
        Figure("through the core", "reports/s", [one.decided for one in compiled], REACH),
        Figure("all of it", "reports/s", [one.whole for one in compiled]),
        Figure("placed", "times as fast as plain", [one.placed / other.placed for one, other in both], note=note),
        Figure("through the core", "times as fast as plain", [one.decided / other.decided for one, other in both]),
        Figure("all of it", "times as fast as plain", [one.whole / other.whole for one, other in both]),
    )
