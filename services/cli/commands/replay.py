"""``gridline replay``: the outage engine over files, without Kafka or Postgres."""

from __future__ import annotations

import csv
from pathlib import Path  # noqa: TC003 - typer reads annotations at run time
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli import score
from services.cli.console import out, progress
from services.cli.errors import CommandError
from services.dedup.replay import Heard, Replayed, replay_files
from services.dedup.replay_files import ReplayFileError
from services.dedup.rules_file import RulesFileError, load_rules
from services.dedup.settings import DedupSettings
from services.grid.network_file import NetworkFileError
from services.router.domain.words import normalise
from services.router.settings import RouterSettings
from services.router.tree.keywords import read_keywords
from services.router.tree.reading import RulesError
from services.runtime import clock
from services.runtime.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable

_ADVICE = "Correct these lines and run it again."


def replay(
    network: Annotated[Path, typer.Option(help="network.csv")],
    customers: Annotated[Path, typer.Option(help="customers.csv")],
    reports: Annotated[Path, typer.Option(help="reports.jsonl, one outage report a line")],
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for assignments.csv and orders.csv.")],
    restorations: Annotated[Path | None, typer.Option(help="restorations.csv: when power came back where.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Thresholds, in place of the shipped deploy/dedup.yaml.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="truth.csv of `gridline storm --out`: say how right it was.")
    ] = None,
) -> None:
    """Run the outage engine over files, by arrival time: the same code that decides in the service.

    It is online: a decision uses only what had arrived. Files are as `gridline storm --out` writes them. Words of
    danger and "only my house" are found by the router's keywords (deploy/classify.yaml).

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
                hear=_hearing(),
                progress=tell,
            )
    except (NetworkFileError, ReplayFileError) as error:
        raise CommandError(f"nothing was written:\n{error}", _ADVICE) from None
    except (RulesFileError, RulesError) as error:
        raise CommandError(str(error), _ADVICE) from None
    _tell(found, clock.monotonic() - begun, out_folder)
    if truth is not None:
        _tell_score(found, truth)


def _hearing() -> Callable[[str], Heard]:
    """Return what finds danger and "only my house" in words: the router's keywords."""
    file = read_settings(RouterSettings).classify_file
    keywords = read_keywords(file.name, file.read_text(encoding="utf-8"))

    def hear(text: str) -> Heard:
        plain = normalise(text)
        return Heard(keywords.hazards_in(plain), keywords.only_mine.find(plain) is not None)

    return hear


def _tell(found: Replayed, seconds: float, folder: Path) -> None:
    out.print(
        f"{found.lines:,} reports in {seconds:.1f} s: {found.in_incidents:,} in {found.incidents:,} incidents, "
        f"{found.answered:,} answered, {found.need_person:,} for people, {found.repeated:,} repeated"
    )
    if found.restorations_unknown:
        out.print(f"{found.restorations_unknown} restorations name nothing in the network")
    out.print(f"{len(found.orders):,} orders: {folder / 'assignments.csv'}, {folder / 'orders.csv'}")


def _tell_score(found: Replayed, truth: Path) -> None:
    """Hold the assignments against the truth; dangers have incidents of their own on purpose and are left out."""
    with truth.open(encoding="utf-8", newline="") as file:
        rows = {row["event_id"]: row for row in csv.DictReader(file)}
    faults = {event: row["fault_id"] for event, row in rows.items() if row["fault_id"] and row["kind"] == "outage"}
    placed = {one.event_id: str(one.incident_id) for one in found.assignments if one.incident_id is not None}
    judged = {event: fault for event, fault in faults.items() if event in placed}
    orders: dict[str, list[str]] = {}
    for one in found.assignments:
        for order in one.orders if one.event_id in judged else ():
            orders.setdefault(str(order), []).append(one.event_id)
    cubed, dispatched = score.b_cubed(placed, judged), score.dispatch(orders, judged)
    out.print(
        f"B-cubed over {len(judged):,} reports: F1 {cubed.f1:.3f} (P {cubed.precision:.3f}, R {cubed.recall:.3f})"
    )
    out.print(
        f"{dispatched.faults:,} faults: {dispatched.spare_per_fault:.2f} spare orders a fault, "
        f"{100 * dispatched.hidden_rate:.1f} % without an own order; {len(faults) - len(judged):,} reports not placed"
    )
