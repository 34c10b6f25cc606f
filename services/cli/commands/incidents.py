"""``gridline incidents``: what dedup believes is out, who reported it, what the field was told, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from services.cli import addresses, http
from services.cli.console import out, print_json, table

app = typer.Typer(
    name="incidents", no_args_is_help=True, help="Incidents as dedup has them, and why a report is where it is."
)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_OPEN = ("predicted", "confirmed")
_PAGE = 500


@app.command("list")
def list_incidents(
    state: Annotated[
        list[str] | None, typer.Option("--state", "-s", help="predicted, confirmed, restored or cancelled; repeatable.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="In any state; open ones only without it.")] = False,
    area: Annotated[str | None, typer.Option(help="Only of this area.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Youngest ones to show.")] = 50,
    as_json: _Json = False,
) -> None:
    """List incidents, youngest first: device, customers, reports, what the crew said last.

    For example:

      gridline incidents list

      gridline incidents list --state restored --area T001-A0SU00000
    """
    states = state or (None if everything else list(_OPEN))
    found = _pages(states, area, limit)
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("No such incidents." if everything or state else "No open incidents.")
        return
    rows = [
        (
            one["incident_id"],
            escape(one["device"]["id"]),
            one["device"]["type"],
            one["kind"],
            one["state"],
            one["customers_served"] or "",
            one["reports"],
            one["stage"],
            (one["etr"] or {}).get("at", "")[11:16],
        )
        for one in found
    ]
    columns = ("incident", "device", "type", "kind", "state", "customers", "reports", "crew", "ETR")
    out.print(table("Incidents", columns, rows, right=("customers", "reports")))
    out.print("Look at one: gridline incidents show INCIDENT.")


@app.command()
def show(
    incident: Annotated[str, typer.Argument(help="Id of the incident; a merged one shows where it went.")],
    as_json: _Json = False,
) -> None:
    """Show one incident: its reports, the versions of its order, what the crew said.

    For example:  gridline incidents show 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11
    """
    found = http.get("dedup", addresses.find().urls["dedup"], f"/v1/incidents/{incident}")
    if as_json:
        print_json(found)
        return
    if found["redirected_from"]:
        out.print(f"{found['redirected_from']} was merged into this one.")
    device = found["device"]
    out.print(f"[bold]{found['kind']}[/bold] at {device['type']} [bold]{escape(device['id'])}[/bold], {found['state']}")
    out.print(
        f"area {escape(found['area'])} · feeder {escape(device['feeder'] or 'unknown')} · "
        f"{found['customers_served']} customers · {found['reports']} reports · since {found['opened_at'][:19]}"
    )
    for name in ("hazards", "stage", "etr", "cause", "restored_at", "merged_into", "related_to"):
        if found[name]:
            out.print(f"{name.replace('_', ' ')}: {escape(str(found[name]))}")
    versions = [
        (o["version"], o["status"], o["priority"], escape(o["device_id"]), o["reason"], o["issued_at"][:19])
        for o in found["order"]
    ]
    title = f"Order {found['order_id'] or '(held)'}"
    out.print(table(title, ("version", "status", "priority", "device", "reason", "issued"), versions))
    if found["progress"]:
        said = [(p["at"][:19], p["stage"], escape(p["crew"] or ""), p["outcome"]) for p in found["progress"]]
        out.print(table("What the crew said", ("at", "stage", "crew", ""), said))
    members = [
        (
            m["ticket_ref"],
            m["channel"],
            escape(m["device_id"] or ""),
            m["customer_class"],
            m["reported_at"][:19],
            m["report_id"],
        )
        for m in found["members"]
    ]
    out.print(table("Reports", ("ticket", "channel", "at device", "customer", "reported", "report"), members))


@app.command()
def why(
    report: Annotated[str, typer.Argument(help="Id of a report, as `incidents show` lists them.")],
    as_json: _Json = False,
) -> None:
    """Say why a report is in its incident, was answered, or is with a person.

    For example:  gridline incidents why 5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e
    """
    found = http.get("dedup", addresses.find().urls["dedup"], f"/v1/reports/{report}/explain")
    if as_json:
        print_json(found)
        return
    out.print(f"ticket {found['ticket_ref']}: [bold]{found['outcome']}[/bold]. {escape(found['words'])}")
    rows = [(r["at"][:19], r["action"], r["incident_id"], escape(r["words"]), r["author"]) for r in found["ledger"]]
    if rows:
        out.print(table("Ledger", ("at", "", "incident", "why", "by"), rows))


def _pages(states: list[str] | None, area: str | None, limit: int) -> list[dict[str, Any]]:
    """Collect pages until there are enough or no more."""
    url = addresses.find().urls["dedup"]
    found: list[dict[str, Any]] = []
    after: str | None = None
    while len(found) < limit:
        ask = min(_PAGE, limit - len(found))
        page = http.get("dedup", url, "/v1/incidents", state=states, area=area, after=after, limit=ask)
        found += page["incidents"]
        after = page["next"]
        if after is None:
            break
    return found
