"""``gridline replay``: the outage engine over files, without Kafka or Postgres."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import Annotated

import typer
from rich.markup import escape

from services.cli.commands.score import show_figures
from services.cli.console import err, out, progress
from services.cli.errors import CommandError
from services.dedup.replay import Replayed, replay_files
from services.dedup.replay_files import SHOWN, ReplayFileError, read_reports
from services.dedup.replay_readings import read_readings
from services.dedup.replay_reports import load_served
from services.dedup.rules_file import load_rules
from services.dedup.settings import DedupSettings
from services.grid.csv_file import NetworkFileError
from services.quality.hearing import hearing
from services.quality.judge import judge
from services.quality.methods import outcome_of
from services.quality.placed import first_arrivals
from services.quality.storms import TOLD, check_told, check_truth, read_faults, read_told, read_truth
from services.runtime import clock
from services.runtime.settings import read_settings
from services.runtime.yaml_reading import RulesError

_ADVICE = "Correct these lines and run it again."


def replay(
    network: Annotated[Path, typer.Option(help="network.csv")],
    customers: Annotated[Path, typer.Option(help="customers.csv")],
    reports: Annotated[Path, typer.Option(help="reports.jsonl, one outage report a line")],
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for assignments.csv and orders.csv.")],
    restorations: Annotated[Path | None, typer.Option(help="restorations.csv: when power was restored where.")] = None,
    readings: Annotated[
        Path | None, typer.Option(help="readings.jsonl: what meters and breakers said, one a line.")
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="Thresholds, in place of the shipped deploy/dedup.yaml.")] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="truth.csv of `gridline storm --out`, beside its faults.csv: score the result."),
    ] = None,
) -> None:
    """Run the outage engine over files, by arrival time: the same code that decides in the service.

    It is online: a decision uses only what had arrived. Files are as `gridline storm --out` writes them. Words of
    danger, "only my house", an account number and other faults (voltage, meters: no outage) are found by the router's
    keywords (deploy/classify.yaml).

    For example:

      gridline storm --network network.csv --customers customers.csv --out /tmp/storm

      gridline replay --network /tmp/storm/network.csv --customers /tmp/storm/customers.csv
      --reports /tmp/storm/reports.jsonl --restorations /tmp/storm/restorations.csv --out /tmp/storm
      --truth /tmp/storm/truth.csv
    """
    out_folder.mkdir(parents=True, exist_ok=True)
    begun = clock.monotonic()
    try:
        with progress() as display:
            task = display.add_task("network", total=None)

            def tell(stage: str, done: int, total: int) -> None:
                display.update(task, description=stage, completed=done, total=total)

            found = replay_files(
                network=network,
                customers=customers,
                reports=reports,
                restorations=restorations,
                out=out_folder,
                rules=load_rules(rules or read_settings(DedupSettings).thresholds_file),
                hear=hearing(),
                progress=tell,
                readings=readings,
            )
    except (NetworkFileError, ReplayFileError) as error:
        raise CommandError(f"nothing was written:\n{error}", _ADVICE) from None
    except RulesError as error:
        raise CommandError(str(error), _ADVICE) from None
    _tell(found, clock.monotonic() - begun, out_folder)
    if truth is not None:
        try:
            _show_how_right(found, network, customers, reports, truth, readings)
        except ReplayFileError as error:
            raise CommandError(f"it was replayed; how right it was is not known:\n{error}", _ADVICE) from None


def _show_how_right(
    found: Replayed, network: Path, customers: Path, reports: Path, truth: Path, readings: Path | None
) -> None:
    tree = load_served(network, customers).tree
    arrivals = {line.event_id: line.received_at for line in first_arrivals(read_reports(reports, []))}
    of_events, faults = read_truth(truth), read_faults(truth.with_name("faults.csv"))
    check_truth(truth.parent, of_events, faults, arrivals, tree)
    told = {} if readings is None else read_told(truth.with_name(TOLD))
    check_told(truth.parent, told, faults, {line.event_id for line in read_readings(readings, [])} if readings else ())
    show_figures([judge(outcome_of(found), of_events, faults, arrivals, tree, told)])


def _tell(found: Replayed, seconds: float, folder: Path) -> None:
    out.print(
        f"{found.lines:,} reports in {seconds:.1f} s: {found.in_incidents:,} in {found.incidents:,} incidents, "
        f"{found.answered:,} answered, {found.need_person:,} for people, {found.repeated:,} repeated"
    )
    if found.readings:
        out.print(f"{found.readings:,} readings, {len(found.of_readings):,} of them in incidents")
    if found.readings_unknown:
        names = escape(", ".join(list(dict.fromkeys(found.readings_unknown))[:SHOWN]))
        err.print(
            f"[yellow]{len(found.readings_unknown):,} readings name what the network does not have: {names}[/yellow]"
        )
    if found.restorations_unknown:
        names = escape(", ".join(found.unknown_places))
        out.print(f"{found.restorations_unknown} restorations name nothing in the network: {names}", soft_wrap=True)
    if found.warnings:
        err.print("[yellow]used all the same:[/yellow]\n" + escape("\n".join(found.warnings)), soft_wrap=True)
    for error in found.refused:
        err.print(f"[yellow]left out:[/yellow]\n{escape(str(error))}", soft_wrap=True)
    out.print(f"{len(found.orders):,} orders: {folder / 'assignments.csv'}, {folder / 'orders.csv'}")
