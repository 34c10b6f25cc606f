"""``gridline routes``: what a route tree does with a ticket, and why.

``test`` and ``draw`` read files, so that a change can be tried before a router loads it; ``explain`` and ``queues``
ask the running router.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.markup import escape

from services.cli import addresses, http, references, route_cases, route_drawing
from services.cli.console import Json, err, out, print_json, table
from services.cli.errors import CommandError, Exit
from services.router.settings import RouterSettings
from services.router.tree.book import load_desk, load_rules
from services.router.tree.desk import kinds_of_no_ticket, queues_of_no_tree
from services.router.tree.keys import DEVELOPMENT_KEYS
from services.router.tree.unreached import never_reached
from services.runtime.settings import read_settings
from services.runtime.whole_file import write_whole
from services.runtime.yaml_reading import RulesError, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.router.domain.ticket import Rules

app = typer.Typer(
    name="routes",
    no_args_is_help=True,
    add_completion=False,
    help="The route tree and the skill queues: test, explain, draw, queues.",
)

_Routes = Annotated[Path | None, typer.Option("--routes", help="Route file; default: the router's own.")]
_Classify = Annotated[Path | None, typer.Option("--classify", help="Word file; default: the router's own.")]
_Desk = Annotated[Path | None, typer.Option("--desk", help="The desk's file; default: the router's own.")]
_SHIPPED_CASES: Final = Path(__file__).parents[3] / "deploy" / "routes.cases.yaml"


@app.command("test")
def try_cases(
    cases: Annotated[Path, typer.Argument(help="Table of cases (YAML).")] = _SHIPPED_CASES,
    routes: _Routes = None,
    classify: _Classify = None,
    desk: _Desk = None,
    as_json: Json = False,
) -> None:
    """Run a table of cases through the files, and say for each which route decided. Exit 1 if one is not as expected.

    A queue that the desk's file names and the tree does not have is told: misspelt, or of the tree before or after. So
    is a route that no ticket reaches, as one before it takes whatever it matches.

    For example:

      gridline routes test

      gridline routes test my-cases.yaml --routes new-routes.yaml
    """
    rules, settings = _rules(routes, classify)
    for line, reason in never_reached(rules.tree):
        _warn(f"{routes or settings.routes_file}:{line}: {reason}")
    _tell_unknown(desk or settings.desk_file, rules)
    with _refused("the cases do not fit"):
        results = route_cases.run(str(cases), read_text(cases), rules)
    failed = [result for result in results if result.wrong]
    if as_json:
        print_json([result.as_json() for result in results])
    else:
        rows = [
            (
                result.line,
                escape(result.name),
                "[red]wrong[/red]" if result.wrong else "[green]right[/green]",
                result.queue,
                f"{escape(result.route)} (line {result.route_line})",
                escape("; ".join(result.wrong)),
            )
            for result in results
        ]
        out.print(table(f"Cases, by tree {rules.hash}", ("line", "case", "", "queue", "decided by", ""), rows))
        out.print(f"{len(results) - len(failed)} of {len(results)} as expected.")
    if failed:
        raise typer.Exit(Exit.NO)


@app.command()
def draw(
    to: Annotated[Path | None, typer.Option("--to", "-o", help="File: .svg draws, anything else is Mermaid.")] = None,
    routes: _Routes = None,
    classify: _Classify = None,
) -> None:
    """Draw the tree: as Mermaid text, or as an SVG picture.

    For example:

      gridline routes draw

      gridline routes draw --to routes.svg
    """
    rules, _ = _rules(routes, classify)
    svg = to is not None and to.suffix == ".svg"
    text = route_drawing.svg(rules.tree) if svg else route_drawing.mermaid(rules.tree)
    if to is None:
        typer.echo(text, nl=False)
        return
    write_whole(to, text)
    out.print(f"Drawn to {escape(str(to))}.")


def _names_a_ticket(what: str) -> bool:
    """Tell an id or a reference from a business type, which is small letters and ``_``."""
    return any(char.isdigit() or char.isupper() for char in what)


def _ticket_or_type(what: str) -> str:
    return references.given(what) if _names_a_ticket(what) else what


@app.command()
def explain(
    what: Annotated[
        str,
        typer.Argument(
            callback=_ticket_or_type,
            help="Id or reference of a ticket; or a business type, for a hypothetical ticket.",
        ),
    ] = "fault_report",
    hazard: Annotated[list[str] | None, typer.Option(help="A reported danger; repeatable.")] = None,
    fault: Annotated[str | None, typer.Option(help="Kind of fault, such as outage or voltage.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47 tag, such as en or bo-CN.")] = None,
    channel: Annotated[str | None, typer.Option(help="phone, web, app, wechat, sms or api.")] = None,
    customer_class: Annotated[str | None, typer.Option(help="A customer class, such as life_support.")] = None,
    voltage_kv: Annotated[float | None, typer.Option(help="Voltage of the customer's supply, kV.")] = None,
    placed: Annotated[bool, typer.Option(help="Whether the ticket's place is known.")] = True,
    single_premise: Annotated[bool, typer.Option(help="Only the customer's own home is out.")] = False,
    area: Annotated[str | None, typer.Option(help="Area of the place.")] = None,
    needs_person: Annotated[str | None, typer.Option(help="Why a person must look, as dedup says it.")] = None,
    at: Annotated[str | None, typer.Option(help="When, for calendars, such as 2026-10-01T09:00:00+08:00.")] = None,
    as_json: Json = False,
) -> None:
    """Say which skill queue a ticket goes to, and every route that was looked at on the way.

    A ticket that exists needs a key of the router with the scope read: GRIDLINE_API_KEY.

    For example:

      gridline routes explain 7K3M-9QPX-2HR

      gridline routes explain fault_report --hazard fire --channel wechat

      gridline routes explain complaint --language bo-CN --at 2026-10-01T09:00:00+08:00
    """
    router = addresses.find().urls["router"]
    if _names_a_ticket(what):
        found = http.get("router", router, f"/v1/tickets/{what}/explain", headers=_key())
    else:
        asked = {
            "business_type": what,
            "hazards": hazard or [],
            "fault": fault,
            "language": language,
            "channel": channel,
            "customer_class": customer_class,
            "voltage_kv": voltage_kv,
            "placed": placed,
            "single_premise": single_premise,
            "area": area,
            "needs_person": needs_person,
            "at": at,
        }
        body = {name: value for name, value in asked.items() if value is not None}
        found = http.send("router", router, "POST", "/v1/routes/explain", body)
    if as_json:
        print_json(found)
        return
    _tell(found)


def _key() -> dict[str, str]:
    return http.key(DEVELOPMENT_KEYS["wallboard-dev"])


def _tell(found: Any) -> None:
    out.print(f"queue [bold]{escape(found['queue'])}[/bold], priority {found['priority']}")
    out.print(
        f"by route {escape(found['route'])}" + (f", tags {escape(', '.join(found['tags']))}" if found["tags"] else "")
    )
    for step in found["plan"]:
        asks = ", ".join(step["skills"]) or "anybody who serves it"
        out.print(f"  from {step['after_s']:>4} s  {escape(step['queue'])}: {escape(asks)}")
    rows = [
        (one["line"], escape(one["route"]), "[green]holds[/green]" if one["held"] else "no", escape(one["why"]))
        for one in found["tried"]
    ]
    out.print(table("Routes looked at", ("line", "route", "", "why"), rows, right=("line",)))
    if found.get("decided_by"):
        out.print(f"It was decided by tree {found['decided_by']}; the tree in force is {found['tree_hash']}.")


@app.command()
def queues(as_json: Json = False) -> None:
    """List the skill queues with what waits in each. It needs a key with the scope read: GRIDLINE_API_KEY.

    For example:  gridline routes queues
    """
    found = http.get("router", addresses.find().urls["router"], "/v1/queues", headers=_key())
    if as_json:
        print_json(found)
        return
    rows = [
        (
            escape(one["name"]),
            escape(one["title"]),
            one["waiting"] or "",
            f"{one['oldest_seconds']:.0f} s" if one["waiting"] else "",
            ", ".join(f"{priority} {n}" for priority, n in one["by_priority"].items() if n),
        )
        for one in found["queues"]
    ]
    out.print(table("Skill queues", ("queue", "", "waiting", "oldest", ""), rows, right=("waiting", "oldest")))


@contextmanager
def _refused(what: str) -> Iterator[None]:
    """Turn the faults of a file into the command's refusal."""
    try:
        yield
    except RulesError as error:
        raise CommandError(f"{what}:\n{error}", "Correct the lines.", Exit.REFUSED) from None


def _rules(routes: Path | None, classify: Path | None) -> tuple[Rules, RouterSettings]:
    settings = read_settings(RouterSettings)
    with _refused("rules that do not fit"):
        return load_rules(routes or settings.routes_file, classify or settings.classify_file), settings


def _tell_unknown(file: Path, rules: Rules) -> None:
    """Say which queues and types of the desk's file the rules lack: beside the results, for others may be in force."""
    with _refused("rules that do not fit"):
        desk = load_desk(str(file), read_text(file))
    for fault in (*queues_of_no_tree(desk, rules.tree.queues), *kinds_of_no_ticket(desk, rules.keywords)):
        _warn(fault)


def _warn(fault: str) -> None:
    err.print(f"[yellow]warning[/yellow] {escape(fault)}", soft_wrap=True)
