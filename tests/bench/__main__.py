"""``python -m tests.bench``: measure Gridline against floors on the same machine, and say how it stands.

Exit status 0 whatever the figures are: they depend on the machine and on who else uses it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.bench import (
    callers,
    claims,
    day,
    drain,
    intake,
    joining,
    latency,
    network,
    orders,
    overload,
    replay,
    scale,
    seats,
)
from tests.bench.grids import Grids
from tests.bench.plan import Plan, Work
from tests.bench.report import Results
from tests.bench.servers import servers

if TYPE_CHECKING:
    from collections.abc import Callable

MEASUREMENTS: dict[str, Callable[[Plan], None]] = {
    "intake": intake.measure,
    "callers": callers.measure,
    "overload": overload.measure,
    "drain": drain.measure,
    "latency": latency.measure,
    "orders": orders.measure,
    "network": network.measure,
    "scale": scale.measure,
    "joining": joining.measure,
    "claims": claims.measure,
    "day": day.measure,
    "seats": seats.measure,
}

WITHOUT_SERVERS: dict[str, Callable[[Work], None]] = {"replay": replay.measure}

_NAMES = (*MEASUREMENTS, *WITHOUT_SERVERS)
_WIDTH = 150  # of the tables where nobody looks on


def main() -> int:
    """Run the measurements that were asked for."""
    arguments = _arguments()
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    results = Results()
    began = time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("starting")

        def tell(what: str) -> None:
            display.update(task, description=what)
            if not display.console.is_terminal:
                display.console.print(f"{time.monotonic() - began:6.1f} s  {what}")

        rounds = arguments.rounds or (2 if arguments.quick else 3)
        try:
            work = Work(
                results=results,
                rounds=rounds,
                quick=arguments.quick,
                huge=arguments.huge,
                tell=tell,
                agents=arguments.agents,
            )
            for name in arguments.only:
                if name in WITHOUT_SERVERS:
                    tell(name)
                    WITHOUT_SERVERS[name](work)
            if wanted := [name for name in arguments.only if name in MEASUREMENTS]:
                with servers() as running:
                    plan = Plan(**vars(work), servers=running, grids=Grids(running, tell))
                    for name in wanted:
                        tell(name)
                        MEASUREMENTS[name](plan)
                    tell("stopping")
        finally:
            _show(results, arguments, console, began)  # also what was measured before one that failed
    return 0


def _show(results: Results, arguments: argparse.Namespace, console: Console, began: float) -> None:
    results.show(console)
    file = arguments.json or Path("bench-results") / ("quick.json" if arguments.quick else "bench.json")
    results.write(file, quick=arguments.quick, seconds=round(time.monotonic() - began, 1))
    console.print(f"{file} has every sample. It took {time.monotonic() - began:.0f} s.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", type=_names, default=list(_NAMES), help=f"comma-separated: {','.join(_NAMES)}")
    parser.add_argument("--rounds", type=int, default=0, help="repetitions (default 3, quick 2)")
    parser.add_argument("--quick", action="store_true", help="smaller amounts, under two minutes")
    parser.add_argument(
        "--huge", action="store_true", help="ten million customers as well (network, scale): 10 GB of disk, an hour"
    )
    parser.add_argument("--agents", type=int, default=0, help="desktops of `seats` (default 4,700)")
    parser.add_argument("--json", type=Path, help="where the figures go (default bench-results/bench.json)")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in _NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(_NAMES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
