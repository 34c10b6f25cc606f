"""docs/merging.md out of recorded runs: the tables and what they mean.

Decided here: which figures are shown, and the words around them. Never here: a figure that is not in the runs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from services.quality.instrumented import WITH
from services.quality.methods import ENGINE, METHODS, ORACLES
from services.quality.spread import Spread, holds_of, mean_of, spread
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


def _ranged(digits: int, most: float = math.inf) -> Callable[[Spread], str]:
    return lambda one: one.shown(digits, most)


def _percent(one: Spread) -> str:
    return "–" if math.isnan(one.mean) else f"{100 * one.mean:.1f} %"


def _seconds(one: Spread) -> str:
    return "–" if math.isnan(one.mean) else f"{one.mean:,.0f} s"


_MAIN: Final = (
    _Column("B³ F1", "b3_f1", _ranged(3, most=1.0)),
    _Column("spare orders a fault", "spare_per_fault", _ranged(2)),
    _Column("no own order", "hidden", Spread.percent),
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


_TOLD: Final = (
    _Column("B³ F1", "b3_f1", _ranged(3, most=1.0)),
    _Column("spare orders a fault", "spare_per_fault", _ranged(2)),
    _Column("for no outage", "for_no_outage", _plain(1)),
    _Column("no own order", "hidden", Spread.percent),
    _Column("device off by", "device_hops", _plain(2)),
    _Column("to order, p50", "from_fault_p50", _seconds),
    _Column("p90", "from_fault_p90", _seconds),
    _Column("heard of by machines alone", "untold", _plain(1)),
    _Column("of these no own order", "untold_hidden", _percent),
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
    if any(one.method.startswith(WITH) for one in runs):
        parts.append(_INSTRUMENTS)
        parts += (_equipped_table(runs, preset) for preset in dict.fromkeys(one.preset for one in runs))
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
        best = mean_of(runs, preset, everything, "b3_f1")
        falls = (f"−{max(0.0, best - mean_of(runs, preset, method, 'b3_f1')):.3f}" for method in shown)
        rows.append((preset, f"{best:.3f}", *falls))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _hold_table(runs: Sequence[Run]) -> str:
    presets = list(dict.fromkeys(one.preset for one in runs))
    rows = [("hold", *presets), ("---:", *("---:" for _ in presets))]
    for hold in holds_of(runs):
        cells = []
        for preset in presets:
            spare, hidden = (mean_of(runs, preset, f"hold {hold}", one) for one in ("spare_per_fault", "hidden"))
            cells.append(f"{spare:.2f} / {100 * hidden:.1f} %")
        rows.append((f"{hold} s", *cells))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _equipped_table(runs: Sequence[Run], preset: str) -> str:
    """Return the engine's figures on one preset by what the network has; nothing where none was run so."""
    mine = [one for one in runs if one.preset == preset and one.method.startswith(WITH)]
    if not mine:
        return ""
    seeds = sorted({one.seed for one in mine})
    rows = [(preset, *(column.title for column in _TOLD)), ("---", *("---:" for _ in _TOLD))]
    for method in dict.fromkeys(one.method for one in mine):
        of = [one.figures for one in mine if one.method == method]
        cells = (column.show(spread(one[column.figure] for one in of)) for column in _TOLD)
        rows.append((method.removeprefix(WITH), *cells))
    about = f"\nSeeds {seeds[0]} to {seeds[-1]}:\n\n"
    return about + "".join(f"| {' | '.join(row)} |\n" for row in rows)


_HEAD: Final = """\
# How good the merging is

This page is generated, and a test checks it against the recorded runs ([merging.json](merging.json)):

```console
$ {command}
```

`gridline quality --from docs/merging.json --out docs` generates it from those runs without running anything.
Rules in force: `{rules}`.

## Method

Simulated storms with their truth ([storm-files.md](storm-files.md)) are written to files, read back, and merged by the
code that runs in the service (`gridline replay`): online, by arrival, without a hold. The tuning storms (`suburb`,
`valley`, `town`; seeds 1 to 10) are on networks grown from a seed. Nothing was tuned on the networks and seeds below.
In brackets: 95 % interval of the mean over seeds (Student).

- **B³ F1**: B-cubed (Bagga and Baldwin 1998) over all reports of a true fault without danger: for each report, the
  share of its incident that belongs to its fault (P), and the share of its fault that is in its incident (R). A
  report without an incident is a cluster of one. **Of the placed**: over reports in an incident only. **Pairs F1**:
  pairwise precision and recall; dominated by large faults.
- **Spare orders a fault**: orders beyond the first that a fault is the majority of (of two with as many reports in it,
  the one whose id comes first), and orders of no fault. Every order ever issued counts, cancelled ones too.
  **Duplicate dispatch**: the share of all orders that were spare.
- **No own order**: share of true faults that are the majority of no order. **Of these merged away**: those with a
  report in another fault's order: somebody called, and nobody comes for them. The others could not be placed and wait
  with people.
- **Hazards absorbed**: reports of danger in an incident without an immediate order of their own; must be 0.
- **Not placed**: reports in no incident: with people, or answered.
- **Device off by**: steps in the tree between the device the fault's first own order names last and the true device.
- **To order**: from a fault's first report to its first own order. **To device**: from its first report to the first
  moment an own order named the true device, if ever.
- **Churn**: orders a report was under beyond its first.

The definitions of duplicates and hidden faults are our own: nobody in the field publishes any.

*Gridline* is the engine alone: a report that it cannot place stays with people, and counts as lost. *Gridline, and
people ask* is the same engine with what its queue for such reports (`locate`) is for: ten minutes after they reported,
everybody who was not placed has told an agent where they live, and the report is merged then. Not asked, and so still
lost, is who left a web form without a number, and who spoke of the voltage or the meter instead of an outage; danger
has its own agent at once and is not counted here. That all others are reached, and say it right, is an assumption.

Bounds are in *italics*:

- *True places, true faults*: every caller's home and every fault's device, start and end are known.
- *Resolved places, true faults*: the same faults with the places that Gridline resolves. The difference to the first
  is the cost of places.
- *True places, Gridline online*: everybody gives the right account and time. The difference to the first is the cost
  of deciding online from reports alone.
- *Places that were said, true faults*: as the first, except for reports that say nothing about their place (no
  position, no address, no known phone, device or account, nor an account one typing error away from a known one). No
  resolver can do better; only people who ask.
- *All reports at once*: the engine's final incidents, devices and ends, applied to all reports from the start, with
  one order each: what only time could tell.

Baselines see the same resolved places, also give danger its own order, and issue no order without a place.
*Thresholds* is count and share of transformers up the tree within a window, as OMS manuals describe it, with
restorations closing what they explain.

## Results

![orders for each fault against faults without an own order](merging-methods.svg)
"""

_LOST: Final = """
### Where it is lost

B³ F1 with everything known, and the loss if reports that say nothing about their place have none, if places are as
Gridline resolves them, if faults must be inferred online, and with both. (`gridline score --explain` lists each lost
report, spare order and hidden fault of one storm by cause.)

"""

_HOLDS: Final = """
## Holding orders

Spare orders a fault / faults without an own order, if every order is held this long for more evidence:

![spare orders and hidden faults against the hold](merging-holds.svg)

"""

_INSTRUMENTS: Final = """
## With meters and telemetry

The same storms where homes have smart meters (last gasps, of which 5 to 40 % are lost, and false ones; power that is
back; answers when asked) and every breaker telemetry (late, lost, stuck; three in ten faults trip it for seconds, and
it trips for nothing), by `services/simulator/instruments.py`, which says where a figure has a source and where it is
ours. There are faults more that nobody reports (*heard of by machines alone*); all other columns are over the faults
that people reported, as above. *For no outage*: orders most of whose reports and readings are of no fault: false gasps,
trips. *To order*: from the moment the power went, whoever said so first. `breakers: 60` of `hold_seconds` lets the
order of what only a breaker spoke of wait for a minute, or the first meter or person.
"""

_TAIL: Final = """
## Limits

All storms come from one simulator, however varied its seeds; real storms have habits of their own. Trust the interval
of a figure, not its last digit. The shares of wrong accounts, colloquial addresses and late crews are our
assumptions; they are in `services/simulator/presets.py`, and each seed draws its own. `python -m tests.heldout`
measures the same on storms of a second generator, which was written without knowledge of the first.
"""
