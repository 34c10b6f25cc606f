"""``gridline quality``: the merging, its baselines and its bounds on labelled storms: a table, plots, and every run."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.console import out, progress
from services.cli.console import table as shown_table
from services.cli.errors import CommandError, Exit
from services.dedup.rules_file import load_rules
from services.dedup.settings import DedupSettings
from services.quality.instrumented import SEEDS_OF_THEM
from services.quality.matrix import HOLDS, SEEDS, Job, read_runs, run_all, write_runs
from services.quality.methods import ENGINE, METHODS
from services.quality.plot import holds_plot, methods_plot
from services.quality.spread import spread
from services.quality.table import document
from services.runtime.settings import read_settings
from services.runtime.whole_file import write_whole
from services.runtime.yaml_reading import RulesError
from services.simulator.presets import PRESETS, Purpose, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.quality.matrix import Run

_MOST_PROCESSES: Final = 2


def quality(
    what: Annotated[
        str, typer.Option("--storms", help=f"tuning, reporting, or presets with commas: {', '.join(PRESETS)}.")
    ] = "reporting",
    seeds: Annotated[str | None, typer.Option(help="As 101-110 or 1,2,3; by default those of the purpose.")] = None,
    only: Annotated[
        str | None, typer.Option(help=f"'engine' for Gridline alone; else methods with ';': {'; '.join(METHODS)}.")
    ] = None,
    holds: Annotated[bool, typer.Option(help="Also run the engine with held orders, for the trade-off.")] = False,
    instruments: Annotated[
        bool, typer.Option(help=f"Also the engine on storms with meters and telemetry, {SEEDS_OF_THEM} seeds of each.")
    ] = False,
    rules: Annotated[Path | None, typer.Option(help="Rules, in place of the shipped deploy/dedup.yaml.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=_MOST_PROCESSES, help="Storms at a time.")] = _MOST_PROCESSES,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Write merging.md, merging.json and the plots into this folder.")
    ] = None,
    recorded: Annotated[
        Path | None, typer.Option("--from", help="Run nothing: use the runs of this merging.json.")
    ] = None,
) -> None:
    """Measure how good the merging is: the engine, baselines and bounds, on storms whose truth is known.

    Tune on `--storms tuning`; the published table is of `--storms reporting`, which nothing was tuned on.

    For example:

      gridline quality --storms mini

      gridline quality --storms tuning --only engine

      gridline quality --holds --instruments --out docs
    """
    if out_folder is not None:
        out_folder.mkdir(parents=True, exist_ok=True)  # before hours of work that would have nowhere to go
    if recorded is not None:
        try:
            runs, about = read_runs(recorded)
        except ValueError as error:
            raise CommandError(str(error), "Name the merging.json that --out wrote.", Exit.REFUSED) from None
    else:
        runs, about = _measure(what, seeds, only, rules, processes, holds=holds, instruments=instruments)
    _show(runs)
    if out_folder is not None:
        write_runs(out_folder / "merging.json", runs, **about)
        write_whole(out_folder / "merging.md", document(runs, about))
        write_whole(out_folder / "merging-methods.svg", methods_plot(runs))
        if any(one.method.startswith("hold ") for one in runs):
            write_whole(out_folder / "merging-holds.svg", holds_plot(runs))
        out.print(f"{out_folder / 'merging.md'} has the table.")


def _measure(
    what: str,
    seeds: str | None,
    only: str | None,
    rules: Path | None,
    processes: int,
    *,
    holds: bool,
    instruments: bool,
) -> tuple[list[Run], dict[str, str]]:
    file = rules or read_settings(DedupSettings).thresholds_file
    try:
        rules_hash = load_rules(file).hash
    except RulesError as error:
        raise CommandError(str(error), "Correct these lines and run it again.") from None
    methods = _methods(only)
    jobs = [
        Job(preset, seed, file, methods, HOLDS if holds else (), instruments and place < SEEDS_OF_THEM)
        for preset, its_seeds in _storms(what, seeds)
        for place, seed in enumerate(its_seeds)
    ]
    with progress() as display:
        task = display.add_task("storms", total=len(jobs))
        at_once = min(processes, os.cpu_count() or 1, len(jobs))
        runs = run_all(jobs, at_once, lambda job: display.update(task, advance=1, description=job.preset))
    words = ["gridline quality", f"--storms {what}" if what != "reporting" else "", "--holds" if holds else ""]
    words += ["--instruments" if instruments else "", f"--seeds {seeds}" if seeds else "", "--out docs"]
    return runs, {"command": " ".join(word for word in words if word), "rules": rules_hash}


def _methods(only: str | None) -> tuple[str, ...]:
    if only is None:
        return METHODS
    wanted = tuple(ENGINE if name.strip() == "engine" else name.strip() for name in only.split(";"))
    if unknown := [name for name in wanted if name not in METHODS]:
        raise CommandError(f"no method {unknown[0]!r}", f"There are: {'; '.join(METHODS)}.", Exit.USAGE)
    return wanted


def _storms(what: str, seeds: str | None) -> list[tuple[str, Sequence[int]]]:
    presets = [preset.name for preset in named(Purpose(what))] if what in set(Purpose) else what.split(",")
    if unknown := [name for name in presets if name not in PRESETS]:
        raise CommandError(f"no storm {unknown[0]!r}", f"There are {', '.join(PRESETS)}.", Exit.USAGE)
    return [(name, SEEDS[PRESETS[name].purpose] if seeds is None else _numbers(seeds)) for name in presets]


def _numbers(text: str) -> list[int]:
    found: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            found += range(int(first), int(last or first) + 1)
    except ValueError:
        found = []
    if not found:
        raise CommandError(f"--seeds {text}: no numbers", "Write 101-110 or 1,2,3.", Exit.USAGE)
    return found


_SHOWN: Final = ("b3_f1", "b3_f1_placed", "spare_per_fault", "hidden", "hidden_in_another", "unplaced", "device_hops")

_COLUMNS: Final = (
    *("method", "B3 F1", "of placed", "spare", "no own order"),
    *("merged away", "not placed", "hops", "absorbed"),
)


def _show(runs: Sequence[Run]) -> None:
    for preset in dict.fromkeys(one.preset for one in runs):
        mine = [one for one in runs if one.preset == preset]
        rows = []
        for method in dict.fromkeys(one.method for one in mine):
            of = [one.figures for one in mine if one.method == method]
            cells = [f"{spread(one[name] for one in of).mean:.3f}" for name in _SHOWN]
            rows.append((method, *cells, f"{sum(one['hazards_absorbed'] or 0 for one in of):.0f}"))
        seeds = len({one.seed for one in mine})
        out.print(shown_table(f"{preset}, {seeds} storms", _COLUMNS, rows, right=_COLUMNS[1:]))
