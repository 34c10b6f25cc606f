"""Replay storms with the product's own commands and score what came of it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.heldout.contact import NOTHING_PLACEABLE
from tests.heldout.files import draw_storm, write_storm

if TYPE_CHECKING:
    from collections.abc import Mapping

NETWORKS: Final = Path(__file__).parents[2] / "deploy" / "networks"
_COMMAND: Final = Path(sys.executable).with_name("gridline")


class Job(NamedTuple):
    """One storm: on so many copies of a network's feeder."""

    network: str
    tiles: int
    seed: int

    @property
    def name(self) -> str:
        """Return its name, which its folder has."""
        return f"{self.network}-{self.seed}"


class Measured(NamedTuple):
    """What came of a storm: ``gridline score``'s figures, and the customers and silent reports of the storm."""

    job: Job
    figures: Mapping[str, float | None]


class ProductError(Exception):
    """A command of the product failed, or refused a part of a storm."""


def measure(job: Job, folder: Path) -> Measured:
    """Draw a storm, replay it, and score the result.

    Raises:
        ProductError: a command failed, or left out lines.
    """
    storm = draw_storm(NETWORKS / job.network, job.tiles, job.seed)
    write_storm(storm, folder)
    customers = len(storm.customers.homes)
    del storm  # large, and the product needs the memory
    files = {name: folder / f"{name}.csv" for name in ("network", "customers", "restorations")}
    files |= {"reports": folder / "reports.jsonl", "out": folder}
    replayed = _gridline("replay", *(word for name, path in files.items() for word in (f"--{name}", str(path))))
    if "left out" in replayed.stderr or "name nothing in the network" in replayed.stdout:
        raise ProductError(f"{job.name}: gridline replay left out a part:\n{replayed.stdout}{replayed.stderr}")
    (figures,) = json.loads(_gridline("score", "--json", "--ask", str(folder)).stdout)
    asked = {f"asked_{name}": value for name, value in figures.pop("asked").items()}
    figures |= {"customers": customers, "silent": silent(folder / "truth.csv")} | asked
    return Measured(job, figures)


def silent(truth: Path) -> float:
    """Return the share of a storm's reports of a fault, without danger, that say nothing to place them by."""
    with truth.open(encoding="utf-8", newline="") as file:
        judged = [row for row in csv.DictReader(file) if row["fault_id"] and row["kind"] != "hazard"]
    said = [{one for one in row["said"].split("+") if one} for row in judged]
    return sum(one <= NOTHING_PLACEABLE for one in said) / len(said) if said else 0.0


def _gridline(*words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(_COMMAND), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProductError(f"gridline {' '.join(words)}:\n{done.stdout}{done.stderr}")
    return done
