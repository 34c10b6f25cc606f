"""What a report costs with ten, a thousand and a hundred thousand incidents open, in the same areas.

The same storm is decided each time, before it the openings: outages at transformers that the storm does not touch, as
far as there are any, then customers' own problems. Each size is measured in every round. Counted in processor time; the
openings themselves are not, and what power that comes back costs is counted apart: at a device it also ends what was
opened under it, which is work for those incidents and not for a report.
"""

from __future__ import annotations

import gc
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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.dedup.domain.rules import Rules
    from services.dedup.replay_files import Restoration
    from services.dedup.replay_reports import Prepared, Served
    from services.dedup.replay_restorations import PowerBack
    from tests.bench.plan import Work

GROUP = "open incidents: one storm decided beside them"
OPEN: Final = (10, 1_000, 100_000)
_LEAD: Final = timedelta(days=3)
"""How long before the storm the last of them opened."""
_APART: Final = timedelta(hours=2)
"""How far apart two of one area are: nearer, and they would be taken for one."""


class _Timed(Replay):
    """A replay that knows what its restorations cost."""

    def __init__(self, served: Served, rules: Rules) -> None:
        super().__init__(served, rules)
        self.restoring_s = 0.0

    def _restore(self, back: PowerBack) -> None:
        self._fire_until(back.at)  # what is due before is not its
        began = time.process_time()
        super()._restore(back)
        self.restoring_s += time.process_time() - began


def measure(work: Work, served: Served, storm: Sequence[Prepared], restored: Sequence[Restoration]) -> None:
    """Decide the storm beside each number of open incidents in every round."""
    rules = load_rules(read_settings(DedupSettings).thresholds_file)
    sizes = work.scaled(OPEN, quick=(*OPEN[:2], 10_000))  # opening a hundred thousand takes a minute
    touched = {one.message.place.transformer_id for one in storm if one.message is not None}
    before = storm[0].received_at - _LEAD
    openings = {count: _openings(served, touched, count, before) for count in sizes}
    costs: dict[int, list[float]] = {count: [] for count in sizes}
    restoring: dict[int, list[float]] = {count: [] for count in sizes}
    with watched() as spell:
        for number in range(work.rounds):
            for count in sizes:
                work.tell(f"open incidents: {count:,}, round {number + 1} of {work.rounds}")
                replay = _Timed(served, rules)
                replay.decide_all(openings[count], (), quiet)
                opened = replay.decide_all((), (), quiet).incidents
                if opened < 0.95 * count:
                    raise AssertionError(f"{opened} incidents were opened, not {count}")
                gc.collect()
                began = time.process_time()
                replay.decide_all(storm, restored, quiet)
                spent = time.process_time() - began - replay.restoring_s
                costs[count].append(1e6 * spent / len(storm))
                restoring[count].append(1e6 * replay.restoring_s / len(restored))
    fewest = costs[sizes[0]]
    for count in sizes:
        work.results.add(
            GROUP,
            Figure(f"{count:,} open", "µs/report", costs[count], None, f"{len(storm):,} reports", [spell]),
            Figure(
                f"{count:,} open, against {sizes[0]}",
                "x",
                [one / base for one, base in zip(costs[count], fewest, strict=True)],
                None,
                "wanted within ±20 %",
            ),
            Figure(f"{count:,} open", "µs/restoration", restoring[count], None, "with what it ends of those"),
        )


def _openings(served: Served, touched: set[str | None], count: int, until: datetime) -> list[Prepared]:
    """Return reports that open ``count`` incidents: one at a transformer, then of single customers."""
    found: list[Prepared] = []
    homes: dict[str, str] = {}
    for account, transformer in served.homes.items():
        homes.setdefault(transformer, account)
    apart = [(account, transformer) for transformer, account in homes.items() if transformer not in touched]
    taken = {account for account, _ in apart[:count]}
    others = [(account, home) for account, home in served.homes.items() if account not in taken]
    tree = served.tree
    latest: dict[str, datetime] = {}
    for account, transformer in apart[:count] + others[: max(0, count - len(apart))]:
        area = tree.area_of(transformer)
        at = latest[area] = latest.get(area, until) - _APART
        alone = account not in taken
        found.append(reported(served, account, transformer, at, derive("bench opening", account), alone=alone))
    return sorted(found, key=lambda one: one.received_at)
