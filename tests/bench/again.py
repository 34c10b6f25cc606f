"""What a report costs of an outage whose customers call again and again, from few calls to many.

All of one feeder: within two hours everybody on it calls, then anybody, so that the outage is old enough for its calls
to be those of another. Counted in processor time.
"""

from __future__ import annotations

import gc
import random
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from services.contracts.ids import derive
from services.dedup.replay import Replay
from services.dedup.rules_file import load_rules
from services.dedup.settings import DedupSettings
from services.runtime.settings import read_settings
from tests.bench.machine import watched
from tests.bench.replaying import quiet, reported
from tests.bench.report import Figure
from tests.bench.workload import START

if TYPE_CHECKING:
    from services.dedup.replay_reports import Prepared, Served
    from tests.bench.plan import Work

GROUP = "one outage: its customers call again and again"
CALLS: Final = (2_500, 10_000, 40_000)
_HOURS: Final = 2


def measure(work: Work, served: Served) -> None:
    """Decide each number of calls in every round."""
    rules = load_rules(read_settings(DedupSettings).thresholds_file)
    sizes = work.scaled(CALLS, quick=CALLS[:2])
    calls = {count: _calls(served, count) for count in sizes}
    costs: dict[int, list[float]] = {count: [] for count in sizes}
    with watched() as spell:
        for number in range(work.rounds):
            for count in sizes:
                work.tell(f"calls again: {count:,}, round {number + 1} of {work.rounds}")
                replay = Replay(served, rules)
                gc.collect()
                began = time.process_time()
                replay.decide_all(calls[count], (), quiet)
                costs[count].append(1e6 * (time.process_time() - began) / count)
    for count in sizes:
        against = [one / base for one, base in zip(costs[count], costs[sizes[0]], strict=True)]
        work.results.add(
            GROUP,
            Figure(f"{count:,} calls", "µs/report", costs[count], None, "", [spell]),
            Figure(f"{count:,} calls, against {sizes[0]:,}", "x", against),
        )


def _calls(served: Served, count: int) -> list[Prepared]:
    """Return calls of one feeder's customers, evenly spread over the hours."""
    tree, rng = served.tree, random.Random(1)
    feeder = tree.feeder_of(next(iter(served.homes.values())))
    homes = [(account, home) for account, home in served.homes.items() if tree.feeder_of(home) == feeder]
    found: list[Prepared] = []
    for number in range(count):
        account, home = homes[number] if number < len(homes) else rng.choice(homes)
        at = START + timedelta(hours=_HOURS) * number / count
        found.append(reported(served, account, home, at, derive("bench call again", str(number))))
    return found
