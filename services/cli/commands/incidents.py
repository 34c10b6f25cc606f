"""``gridline incidents``: open outages, their reports and orders, why, and dispatchers' commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.markup import escape

from services.cli import addresses, desk, http, incident_acts, incident_place, references
from services.cli.console import Area, Json, out, print_json, table
from services.cli.errors import CommandError, Exit
from services.cli.incident_drawing import svg
from services.cli.moments import shown
from services.contracts.ids import report_id, ticket_ref
from services.router.tree.keys import DEVELOPMENT_KEYS as ROUTER_KEYS
from services.runtime.whole_file import write_whole

app = typer.Typer(
    name="incidents",
    no_args_is_help=True,
    add_completion=False,
    help="Open outages, their reports and orders, why, and dispatchers' commands.",
)

_OPEN = ("predicted", "confirmed")
_TOLD = ("breached", "network_change", "proposed_device", "suggested_at")
"""What a list tells of an incident where there is something to tell: alerts send people to look for it."""
_VERSIONS = 10
"""Of an order, the last."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


@app.command("list")
def list_incidents(
    state: Annotated[
        list[str] | None, typer.Option("--state", "-s", help="predicted, confirmed, restored or cancelled; repeatable.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="In any state, not only open ones.")] = False,
    area: Area = None,
    proposed_plan: Annotated[
        bool, typer.Option("--proposed-plan", help="Only those that a planned outage entered later may explain.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many to show, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List incidents, newest first: device, customers, reports, the crew's last stage, the end of a plan to accept.

    At the end stands what is amiss: due times that were missed, a device that the network no longer has.

    For example:

      gridline incidents list

      gridline incidents list --state restored --area T001-A0SU00000

      gridline incidents list --proposed-plan
    """
    states = state or (None if everything else list(_OPEN))
    asked = {"state": states, "area": area, "proposed_plan": proposed_plan or None}
    found, more = desk.pages("/v1/incidents", "incidents", limit, **asked)
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
            shown((one["etr"] or {}).get("at"), seconds=False),
            shown((one["proposed_plan"] or {}).get("ends_at"), seconds=False),
            escape("; ".join(f"{name}: {_words(one[name])}" for name in _TOLD if one[name])),
        )
        for one in found
    ]
    columns = ("incident", "device", "type", "kind", "state", "customers", "reports", "crew", "ETR", "plan until?", "")
    out.print(table("Incidents", columns, rows, right=("customers", "reports")))
    if more:
        out.print(f"There are older ones than these {len(found)}: --limit.")
    out.print("Look at one: gridline incidents show INCIDENT.")


@app.command()
def waiting(
    area: Area = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show, oldest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List reports of which no more than the area is known, oldest first: `gridline incidents place` places one.

    Of which not even that is known wait in the agents' queue `locate` (`gridline routes queues`).

    For example:  gridline incidents waiting
    """
    found, more = desk.pages("/v1/reports/waiting", "reports", limit, area=area)
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("No report waits for a place. Those of which not even the area is known wait with agents:")
        out.print("gridline routes queues")
        return
    rows = [
        (
            one["report_id"],
            one["ticket_ref"],
            escape(one["area"]),
            shown(one["reported_at"]),
            one["customer_class"],
            escape(one["address"] or ""),
            one["reason"],
        )
        for one in found
    ]
    columns = ("report", "ticket", "area", "reported", "customer", "address", "why")
    out.print(table("Reports that wait for a place", columns, rows))
    if more:
        out.print(f"There are newer ones than these {len(found)}: --limit.")


@app.command()
def show(
    incident: Annotated[UUID, typer.Argument(help="Id of the incident; a merged one shows where it went.")],
    limit: Annotated[int, typer.Option(min=1, help="How many reports to show, in the order they joined.")] = 50,
    as_json: Json = False,
) -> None:
    """Show one incident: its reports, the last versions of its order, what the crew said.

    For example:  gridline incidents show 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11
    """
    found = desk.ask(f"/v1/incidents/{incident}", members=0)
    found["members"], more = desk.pages(f"/v1/incidents/{incident}/reports", "reports", limit)
    if as_json:
        print_json(found)
        return
    if found["redirected_from"]:
        out.print(f"{found['redirected_from']} was merged into this one.")
    device = found["device"]
    out.print(f"[bold]{found['kind']}[/bold] at {device['type']} [bold]{escape(device['id'])}[/bold], {found['state']}")
    out.print(
        f"area {escape(found['area'])} · feeder {escape(device['feeder'] or 'unknown')} · "
        f"{found['customers_served']} customers · {found['reports']} reports · since {shown(found['opened_at'])}"
    )
    for name in (
        "arrive_by",
        "restore_by",
        "breached",
        "suggested_at",
        "proposed_device",
        "network_change",
        "hazards",
        "stage",
        "etr",
        "cause",
        "restored_at",
        "merged_into",
        "covered_by",
        "related_to",
    ):
        if found[name]:
            out.print(f"{name.replace('_', ' ')}: {escape(_words(found[name]))}")
    if (plan := found.get("proposed_plan")) is not None:
        out.print(
            f"proposed plan: entered later, it covers this: planned outage {plan['planned_id']} at "
            f"{escape(plan['device_id'])}, {shown(plan['starts_at'])} to {shown(plan['ends_at'])}: "
            "gridline incidents accept-plan or decline-plan"
        )
    versions = [
        (o["version"], o["status"], o["priority"], escape(o["device_id"]), o["reason"], shown(o["issued_at"]))
        for o in found["order"][-_VERSIONS:]
    ]
    earlier = f", the last {_VERSIONS} of {len(found['order'])} versions" if found["order"][_VERSIONS:] else ""
    title = f"Order {found['order_id'] or '(held)'}{earlier}"
    out.print(table(title, ("version", "status", "priority", "device", "reason", "issued"), versions))
    if found["progress"]:
        said = [(shown(p["at"]), p["stage"], escape(p["crew"] or ""), p["outcome"]) for p in found["progress"]]
        out.print(table("What the crew said", ("at", "stage", "crew", ""), said))
    members = [
        (
            m["ticket_ref"],
            m["channel"],
            escape(m["device_id"] or ""),
            m["customer_class"],
            shown(m["reported_at"]),
            m["report_id"],
        )
        for m in found["members"]
    ]
    out.print(table("Reports", ("ticket", "channel", "at device", "customer", "reported", "report"), members))
    if more:
        out.print(f"There are {found['reports'] - len(members)} more than these {len(members)}: --limit.")


@app.command()
def draw(
    incident: Annotated[UUID, typer.Argument(help="Id of the incident.")],
    to: Annotated[Path, typer.Option("--out", "-o", help="Where to write the picture.")] = Path("incident.svg"),
) -> None:
    """Draw an incident on its feeder (SVG): who called, who did not, what else is open nearby.

    For example:  gridline incidents draw 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11 --out outage.svg
    """
    picture = svg(desk.ask(f"/v1/incidents/{incident}/surroundings"))
    try:
        write_whole(to, picture)
    except OSError as error:
        raise CommandError(f"{to} cannot be written: {error.strerror}.", "Give another place with --out.") from None
    out.print(f"Wrote {escape(str(to))}; a browser shows it.")


@app.command()
def explain(
    report: Annotated[
        str,
        typer.Argument(
            callback=references.given,
            help="Id of a report, as `incidents show` lists them, or the reference of its ticket.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Say why a report is in its incident, was answered, or is with a person.

    A reference is looked up at the router: the key in GRIDLINE_API_KEY needs its scope read.

    For example:

      gridline incidents explain 5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e

      gridline incidents explain 7K3M-9QPX-2HR
    """
    found = desk.ask(f"/v1/reports/{_report(report)}/explain")
    if as_json:
        print_json(found)
        return
    out.print(f"ticket {found['ticket_ref']}: [bold]{found['outcome']}[/bold]. {escape(found['words'])}")
    rows = [
        (shown(r["at"]), r["action"], r["incident_id"], escape(r["words"]), escape(r["author"] or ""))
        for r in found["ledger"]
    ]
    if rows:
        out.print(table("Ledger", ("at", "", "incident", "why", "by"), rows))
    for title, name in (("Considered", "considered"), ("What would change it", "would_change")):
        if found[name]:
            out.print(f"[bold]{title}[/bold]")
            for words in found[name]:
                out.print(f"  {escape(words)}")


def _report(said: str) -> UUID:
    """Return the id of the report that is meant: a ticket makes one, whose id follows from the ticket's."""
    try:
        return UUID(said)
    except ValueError:
        pass
    headers = http.key(ROUTER_KEYS["wallboard-dev"])
    tickets = http.get("router", addresses.find().urls["router"], f"/v1/tickets/{said}", headers=headers)["tickets"]
    if all(found["report"] == "none" and not found["carries"] for found in tickets):
        advice = f"`gridline routes explain {said}` tells why it is there."
        raise CommandError(f"ticket {said} has reported no outage: it is in {tickets[0]['queue']}", advice, Exit.NO)
    # A ticket that was joined to another is shown as that one; what it reported is still its own.
    each = {UUID(one) for found in tickets for one in (found["ticket_id"], *found["carries"])}
    meant = {one for one in each if ticket_ref(one) == said}
    if not meant and len(tickets) == 1:  # who got the reference contacted us again about that ticket
        meant = {UUID(tickets[0]["ticket_id"])}
    reports = sorted(map(report_id, meant))
    if len(reports) != 1:
        ids = ", ".join(map(str, reports))
        raise CommandError(f"{len(reports)} tickets have the reference {said}", f"Name the report: {ids}.", Exit.NO)
    return reports[0]


@app.command("commands")
def list_commands(
    about: Annotated[
        str | None, typer.Argument(help="Only about this incident, report, planned outage or command.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show, newest first.")] = 50,
    as_json: Json = False,
) -> None:
    """List what dispatchers did, newest first: to an incident, or to all.

    For example:

      gridline incidents commands

      gridline incidents commands 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11
    """
    found, more = desk.pages("/v1/commands", "commands", limit, about=about)
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("No such commands.")
        return
    rows = [
        (
            one["command_id"],
            shown(one["accepted_at"]),
            one["action"],
            one["subject"],
            escape(one["author"]),
            escape(one["reason"]),
            one["outcome"] or "not decided yet",
            one["undone_by"],
        )
        for one in found
    ]
    columns = ("command", "at", "", "about", "by", "why", "outcome", "undone by")
    out.print(table("Commands", columns, rows))
    if more:
        out.print(f"There are older ones than these {len(found)}: --limit.")


app.add_typer(incident_place.app)
app.add_typer(incident_acts.app)


def _words(value: Any) -> str:
    """Say what a field of an incident holds: a text, a time, several texts, or an estimate with its source."""
    if isinstance(value, dict):
        return f"{shown(value['at'])} ({value['source']}, {value['confidence']})"
    if isinstance(value, list):
        return ", ".join(value)
    return shown(value) if _TIME.match(value) else str(value)
