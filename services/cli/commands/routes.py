"""``gridline routes``: what the route tree in force does with a ticket, and why."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from services.cli import addresses, http
from services.cli.console import out, print_json, table

app = typer.Typer(
    name="routes", no_args_is_help=True, help="The route tree and the skill queues, as the router has them."
)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def explain(
    business_type: Annotated[str, typer.Argument(help="Such as fault_report, enquiry, complaint.")] = "fault_report",
    hazard: Annotated[list[str] | None, typer.Option(help="Danger that was named; may be repeated.")] = None,
    fault: Annotated[str | None, typer.Option(help="Kind of fault, such as outage or voltage.")] = None,
    language: Annotated[str | None, typer.Option(help="BCP 47 tag, such as en or bo-CN.")] = None,
    channel: Annotated[str | None, typer.Option(help="phone, web, app, wechat, sms or api.")] = None,
    customer_class: Annotated[str | None, typer.Option(help="normal, important or life_support.")] = None,
    placed: Annotated[bool, typer.Option(help="Whether the ticket's place is known.")] = True,
    single_premise: Annotated[bool, typer.Option(help="Only the customer's own home is out.")] = False,
    area: Annotated[str | None, typer.Option(help="Area of the place.")] = None,
    needs_person: Annotated[str | None, typer.Option(help="Why a person must look, as dedup says it.")] = None,
    as_json: _Json = False,
) -> None:
    """Say which skill queue a ticket goes to, and every route that was looked at on the way.

    For example:

      gridline routes explain fault_report --hazard fire --channel wechat

      gridline routes explain complaint --language bo-CN
    """
    asked = {
        "business_type": business_type,
        "hazards": hazard or [],
        "fault": fault,
        "language": language,
        "channel": channel,
        "customer_class": customer_class,
        "placed": placed,
        "single_premise": single_premise,
        "area": area,
        "needs_person": needs_person,
    }
    body = {name: value for name, value in asked.items() if value is not None}
    found = http.post("router", addresses.find().urls["router"], "/v1/routes/explain", body)
    if as_json:
        print_json(found)
        return
    out.print(f"queue [bold]{escape(found['queue'])}[/bold], priority {found['priority']}")
    out.print(f"by route {escape(found['route'])}" + (f", tags {', '.join(found['tags'])}" if found["tags"] else ""))
    rows = [
        (one["line"], escape(one["route"]), "[green]holds[/green]" if one["held"] else "no", escape(one["why"]))
        for one in found["tried"]
    ]
    out.print(table("Routes looked at", ("line", "route", "", "why"), rows, right=("line",)))


@app.command()
def queues(as_json: _Json = False) -> None:
    """List the skill queues with what waits in each.

    For example:  gridline routes queues
    """
    found = http.get("router", addresses.find().urls["router"], "/v1/queues")
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["name"],
            one["title"],
            one["waiting"] or "",
            f"{one['oldest_seconds']:.0f} s" if one["waiting"] else "",
            ", ".join(f"{priority} {n}" for priority, n in one["by_priority"].items() if n),
        )
        for one in found["queues"]
    ]
    out.print(table("Skill queues", ("queue", "", "waiting", "oldest", ""), rows, right=("waiting", "oldest")))
