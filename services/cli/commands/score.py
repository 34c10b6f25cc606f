"""``gridline score``: assignments and orders of a replay, compared with the storm's truth."""

from __future__ import annotations

import math
from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from services.cli.console import Json, err, out, print_json, progress, table
from services.cli.errors import CommandError, Exit
from services.dedup.replay_files import ReplayFileError, read_time
from services.dedup.rules_file import load_rules
from services.dedup.settings import DedupSettings
from services.grid.csv_file import NetworkFileError
from services.quality.hearing import hearing
from services.quality.judge import Order, Outcome
from services.quality.losses import Cause, losses
from services.quality.methods import ASKED, BASELINES, compare, judged, outcome_of, prepare, run_engine
from services.quality.placed import says_where
from services.quality.spread import spread
from services.quality.storms import read_rows, read_storm
from services.quality.told import told
from services.runtime.settings import read_settings
from services.runtime.yaml_reading import RulesError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from services.quality.judge import Figures
    from services.quality.losses import Losses
    from services.quality.storms import StormFiles
    from services.quality.told import Told


def score(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders with a storm (`gridline storm --out`) and what a replay of it wrote.")
    ],
    as_json: Json = False,
    explain: Annotated[bool, typer.Option(help="Also break the losses down by cause.")] = False,
    ask: Annotated[bool, typer.Option(help="Also as it is once people have asked those whom nothing placed.")] = False,
    baselines: Annotated[bool, typer.Option(help="Also compare with simpler methods.")] = False,
) -> None:
    """Score how right merging was: B-cubed, orders for each true fault, faults nobody was sent to, and more.

    docs/merging.md says what each figure means. Of several folders (seeds), the mean and its 95 % interval. Files carry
    an order's last device alone, so when it was first named right is only known to `gridline replay --truth`.

    For example:

      gridline score /tmp/storm

      gridline score /tmp/storm-1 /tmp/storm-2 /tmp/storm-3

      gridline score --explain --ask --baselines /tmp/storm
    """
    with progress() as display:
        read = [_of_folder(folder) for folder in display.track(folders, description="storms")]
        try:
            lost = [_lost(*one) for one in display.track(read, description="losses")] if explain else []
            ways = (*([ASKED] if ask else []), *(BASELINES if baselines else []))
            others = [_others(storm, ways) for storm, _ in display.track(read, description="others")] if ways else []
            heard = [_heard(*one) if one[0].readings else None for one in read]
        except RulesError as error:
            raise CommandError(str(error), "Correct these lines and run it again.") from None
    found = [judged(*one) for one in read]
    if as_json:
        of_all: list[dict[str, object]] = [dict(one.as_json()) for one in found]
        for figures, lost_by in zip(of_all, lost, strict=False):
            figures["lost"] = lost_by._asdict()
        for place, other in enumerate(others):
            of_all[place] |= _others_as_json(other)
        for place, words in enumerate(heard):
            of_all[place] |= {} if words is None else words.as_json()
        print_json(of_all)
        return
    show_figures(found, without=_ONLY_LIVE)
    if with_words := [(one, of) for one, of in zip(heard, found, strict=True) if one is not None]:
        _show_instruments([one for one, _ in with_words], [of for _, of in with_words])
    if lost:
        _show_losses(lost)
    if others:
        _show_others([{_THESE: one, **of} for one, of in zip(found, others, strict=True)])


_ONLY_LIVE: Final = frozenset({"to_device_p50", "named_device"})


def _of_folder(folder: Path) -> tuple[StormFiles, Outcome]:
    try:
        storm = read_storm(folder)
    except (NetworkFileError, ReplayFileError) as error:
        advice = "Correct these lines and run it again (docs/storm-files.md has the columns)."
        raise CommandError(f"{folder}:\n{error}", advice, Exit.REFUSED) from None
    try:
        outcome = read_outcome(folder / "assignments.csv", folder / "orders.csv")
        events, readings = ({line.event_id for line in of} for of in (storm.lines, storm.readings))
        _check_events(folder / "assignments.csv", outcome, events, readings)
    except ReplayFileError as error:
        advice = "Correct these lines, or replay the storm again: `gridline replay --out` writes both files."
        raise CommandError(f"{folder}:\n{error}", advice, Exit.REFUSED) from None
    return storm, outcome


def _check_events(path: Path, outcome: Outcome, events: set[str], readings: set[str]) -> None:
    """Check that assignments are of these reports and readings, and say how many reports they leave out.

    Raises:
        ReplayFileError: they name an event that was never reported.
    """
    known = events | readings
    if unknown := [(0, f"event {event!r} is not in the reports") for event in outcome.ever if event not in known]:
        raise ReplayFileError(path, unknown)
    if absent := len(events - outcome.ever.keys()):
        err.print(
            f"[yellow]{absent:,} of {len(events):,} reports are not in {path}: they count as in no incident.[/yellow]"
        )


def _lost(storm: StormFiles, outcome: Outcome) -> Losses:
    lines = {line.event_id: line for line in storm.lines}
    prepared = prepare(storm, storm.lines, hearing())
    return losses(storm, prepared, outcome, lambda event: says_where(storm, lines[event]))


def _others(storm: StormFiles, ways: Sequence[str]) -> dict[str, Figures]:
    rules = load_rules(read_settings(DedupSettings).thresholds_file)  # baselines have none
    return compare(storm, rules, hearing(), only=ways).figures


def _others_as_json(found: Mapping[str, Figures]) -> dict[str, object]:
    """Return the figures of other ways: of people who ask, and of the baselines, as far as they were asked for."""
    asked = {"asked": found[ASKED].as_json()} if ASKED in found else {}
    baselines = {name: way.as_json() for name, way in found.items() if name != ASKED}
    return asked | ({"baselines": baselines} if baselines else {})


class _Heard(NamedTuple):
    """What instruments bring: these orders, and what the same reports come to where nobody hears the instruments."""

    these: Told
    without: Told
    figures: Figures

    def as_json(self) -> dict[str, object]:
        """Return it as ``--json`` has it."""
        without = {**self.figures.as_json(), "instruments": self.without.as_json()}
        return {"instruments": self.these.as_json(), "without_instruments": without}


def _heard(storm: StormFiles, outcome: Outcome) -> _Heard:
    rules = load_rules(read_settings(DedupSettings).thresholds_file)
    deaf = outcome_of(run_engine(storm, prepare(storm, storm.lines, hearing()), rules, instruments=False))
    return _Heard(told(outcome, storm), told(deaf, storm), judged(storm, deaf))


_THESE: Final = "orders.csv"
_COMPARED: Final = {
    "b3_f1": "B-cubed F1",
    "spare_per_fault": "spare orders a fault",
    "hidden": "faults without an own order",
    "hidden_in_another": "of these, merged away",
    "hazards_absorbed": "hazards absorbed",
}


def _show_others(found: Sequence[Mapping[str, Figures]]) -> None:
    """Show what was done beside what other ways make of the same reports, in the mean."""
    rows = []
    for method in found[0]:
        values = [of[method].as_json() for of in found]
        rows.append((method, *(f"{spread(value[name] for value in values).mean:.3f}" for name in _COMPARED)))
    columns = ("merged by", *_COMPARED.values())
    out.print(table("", columns, rows, right=columns[1:]))


_TOLD: Final = {
    "from_fault_p50": "fault to order, p50, s",
    "from_fault_p90": "fault to order, p90, s",
    "for_no_outage": "orders for no outage",
    "on_words_alone": "of these, on words of instruments alone",
    "untold": "faults that only instruments told of",
    "untold_hidden": "of these, without an own order",
    "untold_to_order_p50": "of these, fault to order, p50, s",
}


def _show_instruments(found: Sequence[_Heard], these: Sequence[Figures]) -> None:
    """Show what instruments bring, in the mean of the storms that have them, beside the same storms without."""
    rows = []
    for name, label in _TOLD.items():
        pair = ([one.these.as_json()[name] for one in found], [one.without.as_json()[name] for one in found])
        means = (spread(values).mean for values in pair)
        rows.append((label, *("–" if math.isnan(mean) else f"{mean:,.3f}" for mean in means)))
    for name in ("b3_f1", "spare_per_fault", "hidden", "device_hops"):
        both = (these, [one.figures for one in found])
        means = (spread(of.as_json()[name] for of in figures).mean for figures in both)
        rows.append((_LABELS[name], *(f"{mean:,.3f}" for mean in means)))
    columns = ("instruments", _THESE, "without")
    out.print(table("", columns, rows, right=columns[1:]))


def _show_losses(found: Sequence[Losses]) -> None:
    """Show what each cause costs, in the mean of the storms: the columns add up to what the figures lack."""
    columns = ("lost by reports that are", "recall", "precision", "spare orders a fault", "faults without an order")
    rows = []
    for cause in Cause:
        parts = [spread(of.get(cause, 0.0) for of in of_each).mean for of_each in zip(*found, strict=True)]
        if any(parts):
            rows.append((cause.value, *(f"{part:.4f}" for part in parts)))
    out.print(table("", columns, rows, right=columns[1:]))


def read_outcome(assignments: Path, orders: Path) -> Outcome:
    """Read what a replay wrote.

    Raises:
        ReplayFileError: a row lacks or garbles a column, or names an order that orders.csv does not have.
        OSError: a file cannot be read.
    """
    issued = read_rows(orders, "order_id", _order, may_be_empty=True)

    def assigned(row: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
        ever = tuple(order for order in row["order_ids"].split(";") if order)
        if unknown := [order for order in ever if order not in issued]:
            raise ValueError(f"order {unknown[0]} is not in {orders.name}")
        return row["incident_id"], ever

    rows = read_rows(assignments, "event_id", assigned)
    clusters = {event: incident for event, (incident, _) in rows.items() if incident}
    return Outcome(clusters, {event: ever for event, (_, ever) in rows.items()}, issued)


def _order(row: Mapping[str, str]) -> Order:
    at = read_time(row, "issued_at")
    return Order(at, [(at, row["device"])])


_LABELS: Final = {
    "reports": "judged reports",
    "faults": "true faults",
    "b3_precision": "B-cubed precision",
    "b3_recall": "B-cubed recall",
    "b3_f1": "B-cubed F1",
    "b3_f1_placed": "B-cubed F1 of the placed",
    "pair_precision": "pairwise precision",
    "pair_recall": "pairwise recall",
    "pair_f1": "pairwise F1",
    "unplaced": "share not placed",
    "orders_per_fault": "orders for each fault",
    "spare_per_fault": "spare orders for each fault",
    "duplicate_rate": "duplicate dispatch rate",
    "hidden": "faults without an own order",
    "hidden_in_another": "of these, merged away",
    "device_hops": "device off by, steps in the tree",
    "device_right": "device right",
    "to_order_p50": "first report to order, p50, s",
    "to_order_p90": "first report to order, p90, s",
    "to_device_p50": "first report to right device, p50, s",
    "named_device": "right device ever named",
    "churn": "orders a report was under beyond its first",
    "hazards": "reports of danger",
    "hazards_own": "with an order of their own at once",
    "hazards_absorbed": "absorbed (must be 0)",
}


def show_figures(found: Sequence[Figures], *, without: frozenset[str] = frozenset()) -> None:
    """Show the figures of one storm, or mean and interval of several."""
    values = [one.as_json() for one in found]
    rows = []
    for name, label in _LABELS.items():
        if name in without:
            continue
        one = spread(value[name] for value in values)
        rows.append((label, f"{one.mean:,.3f}", f"{one.low:,.3f} - {one.high:,.3f}" if len(found) > 1 else ""))
    columns = ("figure", "mean", "95 %") if len(found) > 1 else ("figure", "value", "")
    out.print(table("", columns, rows, right=columns[1:2]))
