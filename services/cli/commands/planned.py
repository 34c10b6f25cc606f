"""``gridline planned``: planned outages, which answer reports instead of sending crews."""

from __future__ import annotations

from shlex import quote
from typing import Annotated, Any
from uuid import UUID  # noqa: TC003 - typer reads it

import typer
from rich.markup import escape

from services.cli import desk
from services.cli.console import Area, Json, out, print_json, table
from services.cli.moments import given, shown

app = typer.Typer(
    name="planned", no_args_is_help=True, add_completion=False, help="Planned outages: list, add, change, cancel."
)

_From = Annotated[str, typer.Option("--from", callback=given, help="Begin, ISO 8601 with offset.")]
_Until = Annotated[str, typer.Option("--until", callback=given, help="End, ISO 8601 with offset.")]
_NewFrom = Annotated[str | None, typer.Option("--from", callback=given, help="Begin, ISO 8601 with offset.")]
_NewUntil = Annotated[str | None, typer.Option("--until", callback=given, help="End, ISO 8601 with offset.")]


@app.command("list")
def list_planned(
    area: Area = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show, by their begin.")] = 50,
    as_json: Json = False,
) -> None:
    """List the planned outages that are not over.

    For example:  gridline planned list
    """
    found, more = desk.pages("/v1/planned-outages", "planned_outages", limit, area=area)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one["planned_id"],
            escape(one["device_id"]),
            shown(one["starts_at"], seconds=False),
            shown(one["ends_at"], seconds=False),
            escape(one["reason"]),
            "cancelled" if one["cancelled"] else "",
        )
        for one in found
    ]
    out.print(table("Planned outages", ("planned outage", "device", "from", "until", "why", ""), rows))
    if more:
        out.print(f"There are later ones than these {len(found)}: --limit.")


@app.command()
def add(
    device: Annotated[str, typer.Argument(help="Device under which power will be off.")],
    starts: _From,
    ends: _Until,
    reason: desk.Reason,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Add a planned outage.

    For example:

      gridline planned add T001-A0FU00016 --from 2026-12-01T08:00+08:00 --until 2026-12-01T12:00+08:00 -r "new poles"
    """
    body = {"device": device, "starts_at": starts, "ends_at": ends, "reason": reason}
    done = desk.act("/v1/planned-outages", body, command_id=command_id)
    back = f"Take it back: gridline planned cancel {done['subject']} --reason …; of work done early, change the end."
    desk.show(done, as_json=as_json, back=back)


@app.command()
def change(
    planned: Annotated[UUID, typer.Argument(help="Id of the planned outage.")],
    reason: desk.Reason,
    device: Annotated[str | None, typer.Option(help="Device under which power will be off.")] = None,
    starts: _NewFrom = None,
    ends: _NewUntil = None,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Change the device or the time of a planned outage; what is left out stays.

    For example:

      gridline planned change 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11 --until 2026-12-01T14:00+08:00 -r "takes longer"
    """
    path = f"/v1/planned-outages/{planned}"
    before = desk.ask(path)
    body = {
        "device": device or before["device_id"],
        "starts_at": starts or before["starts_at"],
        "ends_at": ends or before["ends_at"],
        "reason": reason,
    }
    done = desk.act(path, body, seen=before, command_id=command_id, method="PUT")
    back = f"Take it back: gridline planned change {planned} --device {_as_it_was(before)} --reason …"
    desk.show(done, as_json=as_json, back=back)


@app.command()
def cancel(
    planned: Annotated[UUID, typer.Argument(help="Id of the planned outage.")],
    reason: desk.Reason,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Cancel a planned outage that is wrong or put off: whoever called under it is an outage with a crew.

    Of work that is done early, change the end instead.

    For example:  gridline planned cancel 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11 -r "rain"
    """
    path = f"/v1/planned-outages/{planned}"
    before = desk.ask(path)
    done = desk.act(f"{path}/cancel", {"reason": reason}, seen=before, command_id=command_id)
    back = (
        f"Take it back by entering it again: gridline planned add {_as_it_was(before)} --reason …\n"
        "Who had called under it is an outage since: gridline incidents list --proposed-plan, then accept-plan."
    )
    desk.show(done, as_json=as_json, back=back)


def _as_it_was(planned: Any) -> str:
    """Return device and time of a planned outage, as the commands take them."""
    return f"{escape(quote(planned['device_id']))} --from {planned['starts_at']} --until {planned['ends_at']}"
