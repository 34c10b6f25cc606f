"""docs/merging.md out of recorded runs: the tables and what they mean.

Decided here: which figures are shown, and the words around them. Never here: a figure that is not in the runs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from services.quality.methods import ENGINE, METHODS, ORACLES
from services.quality.spread import Spread, spread
from services.simulator.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from services.quality.matrix import Run


class _Column(NamedTuple):
    title: str
    figure: str
    show: Callable[[Spread], str]


def _plain(digits: int) -> Callable[[Spread], str]:
    return lambda one: "–" if math.isnan(one.mean) else f"{one.mean:.{digits}f}"


def _ranged(digits: int) -> Callable[[Spread], str]:
    def show(one: Spread) -> str:
        if math.isnan(one.mean):
            return "–"
        return f"{one.mean:.{digits}f} ({one.low:.{digits}f}–{one.high:.{digits}f})"

    return show


def _percent(one: Spread) -> str:
    return "–" if math.isnan(one.mean) else f"{100 * one.mean:.1f} %"


def _percent_ranged(one: Spread) -> str:
    return "–" if math.isnan(one.mean) else f"{100 * one.mean:.1f} ({100 * one.low:.1f}–{100 * one.high:.1f}) %"


def _seconds(one: Spread) -> str:
    return "–" if math.isnan(one.mean) else f"{one.mean:,.0f} s"


_MAIN: Final = (
    _Column("B³ F1", "b3_f1", _ranged(3)),
    _Column("spare orders a fault", "spare_per_fault", _ranged(2)),
    _Column("no own order", "hidden", _percent_ranged),
    _Column("of these merged away", "hidden_in_another", _percent),
    _Column("hazards absorbed", "hazards_absorbed", _plain(0)),
)
_MORE: Final = (
    _Column("B³ P", "b3_precision", _plain(3)),
    _Column("B³ R", "b3_recall", _plain(3)),
    _Column("B³ F1 of the placed", "b3_f1_placed", _plain(3)),
    _Column("pairs F1", "pair_f1", _plain(3)),
    _Column("not placed", "unplaced", _percent),
    _Column("duplicate dispatch", "duplicate_rate", _percent),
    _Column("device off by", "device_hops", _plain(2)),
    _Column("device right", "device_right", _percent),
    _Column("to order, p90", "to_order_p90", _seconds),
    _Column("to device, p50", "to_device_p50", _seconds),
    _Column("churn", "churn", _plain(3)),
)


def document(runs: Sequence[Run], about: Mapping[str, Any]) -> str:
    """Return the page."""
    parts = [_HEAD.format(command=about.get("command", "gridline quality"), rules=about.get("rules", "?"))]
    if set(ORACLES[:3]) <= {one.method for one in runs}:
        parts.append(_LOST + _lost_table(runs))
    for preset in dict.fromkeys(one.preset for one in runs):
        mine = [one for one in runs if one.preset == preset]
        seeds = sorted({one.seed for one in mine})
        faults = spread(one.figures["faults"] for one in mine if one.method == ENGINE)
        reports = spread(one.figures["reports"] for one in mine if one.method == ENGINE)
        parts.append(
            f"\n### {preset}: {PRESETS[preset].about}\n\n"
            f"{len(seeds)} storms (seeds {seeds[0]} to {seeds[-1]}), on average {faults.mean:,.0f} faults with "
            f"{reports.mean:,.0f} judged reports.\n\n"
        )
        parts.append(table(mine, _MAIN))
        parts.append("\n<details><summary>more figures</summary>\n\n")
        parts.append(table(mine, _MORE))
        parts.append("\n</details>\n")
    if any(one.method.startswith("hold ") for one in runs):
        parts.append(_HOLDS)
        parts.append(_hold_table(runs))
    return "".join(parts) + _TAIL


def table(runs: Sequence[Run], columns: Sequence[_Column] = _MAIN) -> str:
    """Return one table of all methods that were run."""
    rows = [("method", *(column.title for column in columns)), ("---", *("---:" for _ in columns))]
    for method in METHODS:
        mine = [one for one in runs if one.method == method]
        if mine:
            name = f"**{method}**" if method == ENGINE else f"*{method}*" if method in ORACLES else method
            found = (column.show(spread(one.figures[column.figure] for one in mine)) for column in columns)
            rows.append((name, *(f"**{cell}**" if method == ENGINE else cell for cell in found)))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _lost_table(runs: Sequence[Run]) -> str:
    """Say what the best anybody could reach falls by, if only one thing is as it is in the product."""
    everything, places, online, _, said = ORACLES
    columns = {said: "nothing said", places: "places as resolved", online: "decided online", ENGINE: "both: Gridline"}
    shown = [method for method in columns if any(one.method == method for one in runs)]
    rows: list[tuple[str, ...]] = [
        ("storms", "all known", *(columns[method] for method in shown)),
        ("---", *("---:" for _ in range(len(shown) + 1))),
    ]
    for preset in dict.fromkeys(one.preset for one in runs):
        mean = {
            method: spread(one.figures["b3_f1"] for one in runs if one.preset == preset and one.method == method).mean
            for method in (everything, *shown)
        }
        best = mean[everything]
        falls = (f"−{max(0.0, best - mean[method]):.3f}" for method in shown)
        rows.append((preset, f"{best:.3f}", *falls))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _hold_table(runs: Sequence[Run]) -> str:
    presets = list(dict.fromkeys(one.preset for one in runs))
    seconds = sorted({int(one.method.removeprefix("hold ")) for one in runs if one.method.startswith("hold ")})
    rows = [("hold", *presets), ("---:", *("---:" for _ in presets))]
    for hold in seconds:
        cells = []
        for preset in presets:
            mine = [one.figures for one in runs if one.preset == preset and one.method == f"hold {hold}"]
            spare, hidden = spread(one["spare_per_fault"] for one in mine), spread(one["hidden"] for one in mine)
            cells.append(f"{spare.mean:.2f} / {100 * hidden.mean:.1f} %")
        rows.append((f"{hold} s", *cells))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


_HEAD: Final = """\
# How good the merging is

This page is written by a command and checked by a test against the recorded runs ([merging.json](merging.json)):

```console
$ {command}
```

`gridline quality --from docs/merging.json --out docs` writes it again from those runs without running anything.
Rules in force: `{rules}`.

## What was measured

Storms with their truth ([storm-files.md](storm-files.md)) are written as files, read back, and merged by the code
that runs in the service (`gridline replay`): online, by arrival, hold 0. Storms to tune on (`suburb`, `valley`, `town`;
seeds 1 to 10) are on networks that were grown from a seed; those below were not tuned on, neither network nor seed.
In brackets: 95 % bootstrap interval of the mean over seeds.

- **B³ F1**: B-cubed (Bagga and Baldwin 1998) over all reports of a true fault that saw no danger: for each report, how
  much of its incident is of its fault (P), and how much of its fault is in its incident (R). A report in no incident
  stands alone. **Of the placed**: over the reports that are in an incident alone: what merging does with what it got.
  **Pairs F1**: pairwise precision and recall; big faults dominate it.
- **Spare orders a fault**: orders that no fault needed: all beyond the first that a fault is the majority of, and those
  of no fault. Every order ever issued counts, cancelled ones too. **Duplicate dispatch**: share of all orders that were
  spare.
- **No own order**: share of true faults that are the majority of no order. **Of these merged away**: faults among them
  with a report in another fault's order: somebody called, and nobody comes for them. The rest gave nothing that could
  place them: they wait with people.
- **Hazards absorbed**: reports of danger in an incident without an order of their own at once; must be 0.
- **Not placed**: reports in no incident: with people, or answered.
- **Device off by**: steps in the tree from where the fault's first own order sends the crew at the end to the true
  device.
- **To order**: first report of a fault to its first own order. **To device**: first report to the first moment an own
  order named the true device, where one ever did.
- **Churn**: orders a report was under beyond its first.

The duplicate and hidden figures are our own definitions: nobody in the field publishes any. In *italics*: bounds.
*True places, true faults*: every caller's home and every fault's device, start and end are known. *Resolved places,
true faults*: the same faults with the places the product resolves, so the difference to the former is what places
cost. *True places, Gridline online*: everybody gives the right account and time, so the difference to the first is
what deciding online from reports alone costs. *Places that were said, true faults*: as the first, but reports that say
nothing of their place (no position, no address, no phone or device that anybody has, no account that anybody has or
that is a slip of the finger away from one) are nowhere: no resolver reaches more, only people who ask. *All reports at
once*: the engine's own last word (its incidents, their devices and ends) applied to all reports from the beginning,
with one order each: what only time could tell.

Baselines see the same resolved places, give danger its own order too, and get no order for what has no place.
*Thresholds* is count and share of transformers up the tree within a window, as OMS manuals describe it, with
restorations closing what they explain.

## The figures

![orders for each fault against faults without an own order](merging-methods.svg)
"""

_LOST: Final = """
### Where it is lost

B³ F1 of who knows everything, and what it falls by when the reports that say nothing of their place are nowhere, when
the places are as the product resolves them, when the faults have to be inferred online, and both of these (of one
storm, `gridline score --explain` tells each lost report, spare order and hidden fault by cause):

"""

_HOLDS: Final = """
## A hold before the order

Spare orders a fault / faults without an own order, if every order waits so long for more evidence:

![spare orders and hidden faults against the hold](merging-holds.svg)

"""

_TAIL: Final = """
## What to make of it

One simulator family, however varied its seeds; real storms have habits of their own. A figure is worth its interval,
not its last digit. Shares of wrong accounts, spoken addresses and late crews are assumptions of ours; they stand in
`services/simulator/presets.py` and each seed draws its own.
"""
