"""Every way to merge that is in the table, by name, run over one storm.

Decided here: which there are, and what each is given. Never here: how one merges.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from services.dedup import replay_reports
from services.dedup.replay import Replay
from services.dedup.rules_file import CLASSES
from services.quality import baselines
from services.quality.asked import asked
from services.quality.baselines import HALF_AN_HOUR
from services.quality.judge import Order, Outcome, judge
from services.quality.oracles import by_known_faults, last_word, true_faults
from services.quality.placed import first_arrivals, placed, truly_placed, truly_placed_if_said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from services.dedup.domain.rules import Rules
    from services.dedup.replay import Replayed
    from services.dedup.replay_files import ReportLine
    from services.dedup.replay_reports import Prepared
    from services.quality.hearing import Hear
    from services.quality.judge import Figures
    from services.quality.storms import StormFiles

ENGINE: Final = "Gridline"
ASKED: Final = "Gridline, and people ask"
BASELINES: Final = (
    "no merging",
    "feeder + 30 min",
    "transformer + 30 min",
    "500 m cell + 30 min",
    "thresholds 3, 10 %, 30 min",
    "thresholds 2, 20 %, 15 min",
)
ORACLES: Final = (
    "true places, true faults",
    "resolved places, true faults",
    "true places, Gridline online",
    "all reports at once",
    "places that were said, true faults",
)
METHODS: Final = (ENGINE, ASKED, *BASELINES, *ORACLES)


class Compared(NamedTuple):
    """The figures of one storm by method, and of the engine by hold in seconds."""

    figures: dict[str, Figures]
    holds: dict[int, Figures]


def outcome_of(replayed: Replayed) -> Outcome:
    """Return what a replay did, in the form that is judged."""
    orders: dict[str, Order] = {}
    for step in replayed.steps:
        if step.device is not None:
            orders.setdefault(str(step.order_id), Order(step.at, [])).places.append((step.at, step.device))
    assigned = (*replayed.assignments, *replayed.of_readings)
    return Outcome(
        {one.event_id: str(one.incident_id) for one in assigned if one.incident_id is not None},
        {one.event_id: tuple(map(str, one.orders)) for one in assigned},
        orders,
    )


def judged(storm: StormFiles, outcome: Outcome) -> Figures:
    """Return the figures of what was done on a storm."""
    arrivals = {line.event_id: line.received_at for line in first_arrivals(storm.lines)}
    return judge(outcome, storm.truth, storm.faults, arrivals, storm.served.tree, storm.told)


def true_lines(storm: StormFiles) -> Iterable[ReportLine]:
    """Yield the reports as they would be if everybody gave their account, and a clock that is right."""
    for line in first_arrivals(storm.lines):
        truth = storm.truth[line.event_id]
        yield replace(
            line,
            account_id=truth.account or None,
            reported_at=truth.happened_at,
            phone=None,
            lat=None if truth.account else line.lat,
            lon=None if truth.account else line.lon,
            address=None,
        )


def prepare(storm: StormFiles, lines: Iterable[ReportLine], hear: Hear) -> list[Prepared]:
    """Return the messages that a storm's reports become."""
    return replay_reports.prepare(storm.served.book, lines, hear, _quiet)


def run_engine(storm: StormFiles, prepared: Sequence[Prepared], rules: Rules, *, instruments: bool = True) -> Replayed:
    """Run the engine over a storm's reports, restorations and, if it has ``instruments``, their readings."""
    readings = storm.readings if instruments else ()
    return Replay(storm.served, rules).decide_all(prepared, storm.restored, _quiet, readings)


def _quiet(_stage: str, _done: int, _total: int) -> None:
    return


def compare(
    storm: StormFiles,
    rules: Rules,
    hear: Hear,
    *,
    holds: Iterable[int] = (),
    only: Iterable[str] = METHODS,
) -> Compared:
    """Run every method over a storm and judge each.

    Args:
        storm: The storm with its truth.
        rules: The engine's.
        hear: What words say.
        holds: Seconds an order of any class waits, for the trade-off.
        only: Methods to run.
    """
    arrivals = {line.event_id: line.received_at for line in first_arrivals(storm.lines)}
    tree = storm.served.tree

    def figures_of(outcome: Outcome) -> Figures:
        return judge(outcome, storm.truth, storm.faults, arrivals, tree, storm.told)

    prepared = prepare(storm, storm.lines, hear)
    reports = placed(storm, prepared)

    def thresholds(count: int, share: float, window: timedelta) -> Outcome:
        return baselines.Thresholds(storm.served, count, share, window).run(reports, storm.restored)

    @cache
    def replayed() -> Replayed:
        return run_engine(storm, prepared, rules)

    ways: dict[str, Callable[[], Outcome]] = {
        ENGINE: lambda: outcome_of(replayed()),
        ASKED: lambda: outcome_of(run_engine(storm, asked(storm, prepared, hear), rules)),
        "no merging": lambda: baselines.no_merging(reports),
        "feeder + 30 min": lambda: baselines.by_key(reports, baselines.feeder, HALF_AN_HOUR),
        "transformer + 30 min": lambda: baselines.by_key(reports, baselines.transformer, HALF_AN_HOUR),
        "500 m cell + 30 min": lambda: baselines.by_key(reports, baselines.cell, HALF_AN_HOUR),
        "thresholds 3, 10 %, 30 min": lambda: thresholds(3, 0.1, HALF_AN_HOUR),
        "thresholds 2, 20 %, 15 min": lambda: thresholds(2, 0.2, HALF_AN_HOUR / 2),
        "true places, true faults": lambda: by_known_faults(truly_placed(storm), true_faults(storm), tree),
        "resolved places, true faults": lambda: by_known_faults(reports, true_faults(storm), tree),
        "true places, Gridline online": lambda: outcome_of(
            run_engine(storm, prepare(storm, true_lines(storm), hear), rules)
        ),
        "all reports at once": lambda: by_known_faults(reports, last_word(replayed(), reports, tree), tree),
        "places that were said, true faults": lambda: by_known_faults(
            truly_placed_if_said(storm), true_faults(storm), tree
        ),
    }
    figures: dict[str, Figures] = {}
    for name in only:
        figures[name] = figures_of(ways[name]())
    held: dict[int, Figures] = {}
    for seconds in holds:
        if not seconds and not any(rules.holds.values()) and ENGINE in figures:
            held[seconds] = figures[ENGINE]
            continue
        waiting = replace(rules, holds=dict.fromkeys(CLASSES, timedelta(seconds=seconds)))
        held[seconds] = figures_of(outcome_of(run_engine(storm, prepared, waiting)))
    return Compared(figures, held)
