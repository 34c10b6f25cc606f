"""``python -m tests.bench.places``: how many simulated reports are placed, and how many of them rightly.

By kind of evidence, over the storms of ``gridline storm --preset``. A storm's truth is the customer; nothing here is
told to the resolver. The trusts in ``services.grid.evidence`` were set on
seeds 1 to 3 of the tuning presets.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from services.grid.book import CustomerBook
from services.grid.evidence import PlaceEvidence
from services.grid.lately import Lately
from services.simulator.files import event_id, report_lines
from services.simulator.generate import draw_storm
from services.simulator.presets import PRESETS

if TYPE_CHECKING:
    from services.simulator.faults import Network

START = datetime(2026, 7, 1, 10, tzinfo=UTC)
_FIELDS = {"account_id": "account", "phone": "phone", "lat": "position", "address": "address"}
_ALL = "all"


def measure(network: Network, name: str, seeds: list[int], counts: dict[str, Counter[str]], misspelt: float) -> float:
    """Resolve every report of the storms; add to the counts by kind of evidence and return microseconds a report."""
    book = CustomerBook(network.tree, network.customers)
    homes = network.customers
    spent, done = 0.0, 0
    for seed in seeds:
        lately = Lately()
        storm = draw_storm(network, replace(PRESETS[name].shape(seed), misspelt=misspelt), seed)
        cases = {event_id(case): case for case in storm.cases}
        seen: set[str] = set()
        for line in report_lines(storm, START):
            if line["event_id"] in seen:
                continue
            seen.add(line["event_id"])
            case = cases[line["event_id"]]
            if case.customer is None:
                continue
            names = set(PlaceEvidence.__dataclass_fields__)
            evidence = PlaceEvidence(**{field: value for field, value in line.items() if field in names})
            began = time.perf_counter()
            place = book.resolve(evidence, lately=lately, at=datetime.fromisoformat(line["received_at"]))
            spent += time.perf_counter() - began
            done += 1
            home = homes[case.customer]
            kind = "+".join(word for field, word in _FIELDS.items() if line.get(field) is not None) or "nothing"
            tree = network.tree
            for each in (kind, _ALL):
                count = counts[each]
                count["reports"] += 1
                if place.area is None:
                    count["abstained"] += 1
                    continue
                count["area"] += place.area == tree.area_of(home.transformer_id)
                count["feeder"] += place.feeder == tree.feeder_of(home.transformer_id)
                if place.transformer_id is None:
                    count["open"] += 1
                    continue
                count["placed"] += 1
                right = place.transformer_id == home.transformer_id
                count["right"] += right
                count["wrong"] += not right
                count["account"] += place.account_id == home.account_id
                if not right:
                    count["wrong, another feeder"] += place.feeder != tree.feeder_of(home.transformer_id)
                    shown = {one.spot.transformer_id for one in getattr(place, "candidates", ())}
                    count["wrong, but a candidate"] += home.transformer_id in shown
    return 1e6 * spent / max(done, 1)


def show(console: Console, title: str, counts: dict[str, Counter[str]]) -> None:
    """Print the shares by kind of evidence, the most frequent first."""
    table = Table(
        "evidence",
        "reports",
        "placed",
        "right of placed",
        "right of all",
        "wrong",
        "wrong feeder",
        "wrong, but a candidate",
        "left open",
        "abstained",
        "account right",
        title=title,
    )
    for kind, count in sorted(counts.items(), key=lambda item: -item[1]["reports"]):
        total, placed = count["reports"], count["placed"]
        shares = (
            placed / total,
            count["right"] / max(placed, 1),
            count["right"] / total,
            count["wrong"] / total,
            count["wrong, another feeder"] / total,
            count["wrong, but a candidate"] / total,
            count["open"] / total,
            count["abstained"] / total,
            count["account"] / total,
        )
        table.add_row(kind, f"{total:,}", *(f"{100 * share:.1f} %" for share in shares))
    console.print(table)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.places", description=__doc__)
    parser.add_argument("--presets", default="ckt5,ieee123,city")
    parser.add_argument("--seeds", default="100,101,102")
    parser.add_argument("--misspelt", type=float, default=0.0, help="share of the addresses whose street is misspelt")
    arguments = parser.parse_args()
    console = Console(width=180)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    for name in arguments.presets.split(","):
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        micros = measure(PRESETS[name].network(), name, seeds, counts, arguments.misspelt)
        show(console, f"{name}, seeds {arguments.seeds}: {micros:.0f} µs a report", counts)


if __name__ == "__main__":
    main()
