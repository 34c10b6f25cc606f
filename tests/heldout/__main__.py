"""``python -m tests.heldout``: how right the merging is on storms that were drawn without knowing the simulator.

Exit status 0 whatever the figures are, 1 where the product fails on a storm or refuses a part of it. In brackets: 95 %
interval of the mean over the seeds. docs/merging.md has the definitions. "Say nothing placeable" is the share of the
judged reports without address or position whose account and number nobody has: taken by itself, such a report can be
placed by people who ask, and by nobody else.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from services.quality.spread import spread
from tests.heldout.measure import NETWORKS, Job, Measured, ProductError, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SEEDS: Final = "11-20"
TILES: Final = {"ckt5": 30, "ieee123": 40}
_OTHER_TILES: Final = 30  # of a network that is not named there
_WIDTH: Final = 120  # of the table where nobody looks on


def _mean(figure: str) -> Callable[[Sequence[Measured]], str]:
    return lambda found: f"{spread(of.figures[figure] for of in found).mean:,.0f}"


def _number(figure: str, digits: int, most: float = math.inf) -> Callable[[Sequence[Measured]], str]:
    return lambda found: spread(of.figures[figure] for of in found).shown(digits, most)


def _percent(figure: str) -> Callable[[Sequence[Measured]], str]:
    return lambda found: spread(of.figures[figure] for of in found).percent()


def _absorbed(found: Sequence[Measured]) -> str:
    absorbed, all_of_them = (sum(of.figures[name] or 0 for of in found) for name in ("hazards_absorbed", "hazards"))
    return f"{absorbed:.0f} of {all_of_them:.0f}"


ROWS: Final[dict[str, Callable[[Sequence[Measured]], str]]] = {
    "storms": lambda found: str(len(found)),
    "customers": _mean("customers"),
    "true faults": _mean("faults"),
    "judged reports": _mean("reports"),
    "B³ F1": _number("b3_f1", 3, most=1),
    "B³ precision": _number("b3_precision", 3, most=1),
    "B³ recall": _number("b3_recall", 3, most=1),
    "B³ F1 of the placed": _number("b3_f1_placed", 3, most=1),
    "spare orders a fault": _number("spare_per_fault", 2),
    "no own order": _percent("hidden"),
    "hazards absorbed, of all": _absorbed,
    "not placed": _percent("unplaced"),
    "say nothing placeable": _percent("silent"),
    "once people have asked: B³ F1": _number("asked_b3_f1", 3, most=1),
    "spare orders a fault, then": _number("asked_spare_per_fault", 2),
    "no own order, then": _percent("asked_hidden"),
}


def main() -> int:
    """Measure what was asked for."""
    arguments = _arguments()
    jobs = [
        Job(network, arguments.tiles or TILES.get(network, _OTHER_TILES), seed)
        for network in arguments.networks
        for seed in arguments.seeds
    ]
    folder = arguments.out or Path(tempfile.mkdtemp(prefix="gridline-heldout-"))
    progress = Console(stderr=True, highlight=False)
    try:
        found = _measure_all(jobs, folder, progress, keep=arguments.keep)
    except ProductError as error:
        progress.print(str(error), markup=False, soft_wrap=True)
        return 1
    finally:
        if arguments.out is None and not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    _show(found, console)
    if arguments.out is not None:
        figures = [{**one.job._asdict(), "figures": one.figures} for one in found]
        (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if arguments.keep:
        console.print(f"The storms are in {folder}.", soft_wrap=True)
    return 0


def _measure_all(jobs: Sequence[Job], folder: Path, progress: Console, *, keep: bool) -> list[Measured]:
    """Measure storms, as many at once as there are processors, and say how far it is."""
    began = time.monotonic()
    found: dict[Job, Measured] = {}
    # Threads are enough: the work is in the product's processes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(measure, job, folder / job.name): job for job in jobs}
        try:
            for done in as_completed(running):
                job, one = running[done], done.result()
                found[job] = one
                if not keep:
                    shutil.rmtree(folder / job.name)
                progress.print(
                    f"{time.monotonic() - began:6.1f} s  {len(found)} of {len(jobs)}: {job.name}, "
                    f"{one.figures['reports']:,} reports of {one.figures['faults']:,} faults, "
                    f"F1 {one.figures['b3_f1']:.3f}",
                    soft_wrap=True,
                )
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [found[job] for job in jobs]


def _show(found: Sequence[Measured], console: Console) -> None:
    by_network: dict[str, list[Measured]] = {}
    for one in found:
        by_network.setdefault(f"{one.job.network} as {one.job.tiles} feeders", []).append(one)
    table = Table("figure", *by_network)
    for name, show in ROWS.items():
        table.add_row(name, *map(show, by_network.values()))
    console.print(table)


def _arguments() -> argparse.Namespace:
    known = sorted(path.parent.name for path in NETWORKS.glob("*/network.csv"))
    tiles = ", ".join(f"{name} {number}" for name, number in TILES.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.heldout", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seeds", type=_seeds, default=_seeds(SEEDS), help=f"such as 7 or 11-13,20; one storm each (default {SEEDS})"
    )
    parser.add_argument(
        "--networks",
        type=lambda text: _names(text, known),
        default=known,
        help=f"comma-separated (default {','.join(known)})",
    )
    parser.add_argument("--tiles", type=_positive, help=f"copies of the feeder in each network (default: {tiles})")
    parser.add_argument("--out", type=Path, help="folder for figures.json, and for the storms with --keep")
    parser.add_argument("--keep", action="store_true", help="keep the storms and what was replayed, by default removed")
    return parser.parse_args()


def _seeds(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        ends = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        seeds = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else ()
        if not seeds:
            raise argparse.ArgumentTypeError(f"{text!r} is not as 7 or 11-13,20")
        found += seeds
    return list(dict.fromkeys(found))


def _names(text: str, known: Sequence[str]) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
    return list(dict.fromkeys(names))


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
