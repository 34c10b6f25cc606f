"""Storms by preset and seed, every method on each, on at most two processes.

Decided here: which seeds are for tuning and which for reporting; what is kept of a run. Never here: a figure, a table.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from services.dedup.replay_reports import Served, load_served
from services.dedup.rules_file import load_rules
from services.grid.network_file import write_customers, write_devices
from services.quality.hearing import hearing
from services.quality.instrumented import EQUIPPED, WITH, figures_with
from services.quality.methods import METHODS, compare, prepare
from services.quality.storms import read_storm
from services.runtime.whole_file import write_whole
from services.simulator.files import write_storm
from services.simulator.instruments import Instruments, with_instruments
from services.simulator.presets import PRESETS, Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from services.dedup.domain.rules import Rules
    from services.quality.storms import StormFiles
    from services.simulator.faults import Network
    from services.simulator.generate import Storm

SEEDS: Final = {
    Purpose.TUNING: tuple(range(1, 11)),
    Purpose.REPORTING: tuple(range(101, 111)),
    Purpose.TRYING: (1, 2, 3),
}
"""Seeds by what they are for: no seed is for both."""

HOLDS: Final = (0, 60, 300, 900)
"""Seconds an order waits, for the trade-off."""

_START: Final = datetime.fromisoformat("2026-07-01T18:00:00+08:00")


@dataclass(frozen=True, slots=True)
class Job:
    """One storm and what to run on it."""

    preset: str
    seed: int
    rules: Path
    methods: tuple[str, ...] = METHODS
    holds: tuple[int, ...] = ()
    instruments: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one method on one storm.

    ``method`` is ``hold 30`` and so on for the engine with a hold, ``with ...`` for the engine with instruments.
    """

    preset: str
    seed: int
    method: str
    figures: dict[str, float | None]


def run(job: Job) -> list[Run]:
    """Draw a storm, write it, read it back, and judge every method on it."""
    rules = load_rules(job.rules)
    network, served = _prepared(job.preset)
    drawn = PRESETS[job.preset].storm(job.seed, network)
    storm = _read_back(drawn, served)
    compared = compare(storm, rules, hearing(), holds=job.holds, only=job.methods)
    named = [*compared.figures.items(), *((f"hold {seconds}", found) for seconds, found in compared.holds.items())]
    found = [Run(job.preset, job.seed, name, _rounded(figures.as_json())) for name, figures in named]
    return found + (_equipped(job, drawn, storm, rules) if job.instruments else [])


def _equipped(job: Job, drawn: Storm, storm: StormFiles, rules: Rules) -> list[Run]:
    """Return the runs of the engine with instruments; ``storm`` is ``drawn`` as it is read without any."""
    prepared = prepare(storm, storm.lines, hearing())
    found, has = [], Instruments()
    for name, equipped in EQUIPPED.items():
        if equipped.instruments != has:
            has = equipped.instruments
            storm = _read_back(with_instruments(drawn, has), storm.served)
        figures = figures_with(storm, prepared, rules, equipped.wait)
        found.append(Run(job.preset, job.seed, f"{WITH}{name}", _rounded(figures)))
    return found


def _read_back(drawn: Storm, served: Served) -> StormFiles:
    """Return a storm as anybody would read it."""
    with tempfile.TemporaryDirectory(prefix="gridline-storm-") as name:
        write_storm(drawn, _START, Path(name))
        return read_storm(Path(name), served)


def _rounded(figures: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 5) for name, value in figures.items()}


@lru_cache(maxsize=1)
def _prepared(preset: str) -> tuple[Network, Served]:
    """Return a preset's network as the storm and as the engine know it; one at a time is kept."""
    network = PRESETS[preset].network()
    with tempfile.TemporaryDirectory(prefix="gridline-storm-") as name:
        devices, customers = Path(name) / "network.csv", Path(name) / "customers.csv"
        write_devices(devices, network.devices)
        write_customers(customers, network.customers)
        return network, load_served(devices, customers)


def run_all(jobs: Sequence[Job], processes: int, done: Callable[[Job], None]) -> list[Run]:
    """Run jobs on so many processes; the result is in the order of the jobs, whatever came first."""
    found: dict[int, list[Run]] = {}
    if processes <= 1:
        for place, job in enumerate(jobs):
            found[place] = run(job)
            done(job)
    else:
        spawn = multiprocessing.get_context("spawn")
        with (
            tempfile.TemporaryDirectory(prefix="gridline-storms-") as folder,
            ProcessPoolExecutor(processes, spawn, _begin, (folder,)) as pool,
        ):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited, until a process has been read
            try:
                waiting = {pool.submit(run, job): place for place, job in enumerate(jobs)}
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            try:
                for future in as_completed(waiting):
                    found[waiting[future]] = future.result()
                    done(jobs[waiting[future]])
            except BaseException:
                # Interrupted, or a storm failed: by itself the pool would first run all that are waiting.
                for worker in multiprocessing.active_children():
                    worker.terminate()
                pool.shutdown(cancel_futures=True)
                raise
    return [one for place in sorted(found) for one in found[place]]


def _begin(folder: str) -> None:
    """Begin a process: what it leaves when it is ended lies in a folder that the one it works for takes away.

    Ctrl-C reaches all of them, also one from while this process was being read; that one says what comes of it. Where
    that one is killed, nobody says anything any more.
    """
    threading.Thread(target=_end_with_whom_it_works_for, daemon=True).start()
    tempfile.tempdir = folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _end_with_whom_it_works_for() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def write_runs(path: Path, runs: Iterable[Run], **about: Any) -> None:
    """Write the runs as JSON, one a line, so that a change is seen in a diff."""
    lines = ",\n".join(json.dumps(asdict(one), ensure_ascii=False) for one in runs)
    head = "".join(f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)},\n" for name, value in about.items())
    write_whole(path, f'{{\n{head}"runs": [\n{lines}\n]\n}}\n')


def read_runs(path: Path) -> tuple[list[Run], dict[str, Any]]:
    """Read what ``write_runs`` wrote: the runs, and what was said about them.

    Raises:
        ValueError: it is no such file.
    """
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return [Run(**one) for one in about.pop("runs")], about
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path.name} is not what `gridline quality` wrote: {error}") from None
