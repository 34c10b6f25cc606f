"""``gridline incidents merge``, ``split`` and all else that dispatchers tell dedup to do, each with its undo.

Never here: what may be done, which dedup decides; how incidents are shown (``commands.incidents``).
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import typer

from services.cli import desk
from services.cli.console import Json  # noqa: TC001 - typer reads it
from services.cli.errors import CommandError

app = typer.Typer(add_completion=False)

_Incident = Annotated[UUID, typer.Argument(help="Id of the incident.")]


@app.command()
def merge(
    incident: _Incident,
    into: Annotated[UUID, typer.Argument(help="The incident that takes its reports.")],
    reason: desk.Reason,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Merge an incident into another: its order is cancelled and names the other's.

    For example:

      gridline incidents merge 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11 5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e -r "one pole"
    """
    _act(incident, "merge", {"into": str(into), "reason": reason}, command_id, as_json=as_json)


@app.command()
def split(
    incident: _Incident,
    reports: Annotated[list[UUID], typer.Argument(help="Reports that become an incident of their own.")],
    reason: desk.Reason,
    device: Annotated[
        str | None, typer.Option(help="Where it is; the lowest device above the reports if not given.")
    ] = None,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Split reports off an incident: they get an incident and an order of their own.

    For example:

      gridline incidents split 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11 5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e -r "own fuse"
    """
    body = {"reports": [*map(str, reports)], "device": device, "reason": reason}
    _act(incident, "split", body, command_id, as_json=as_json)


@app.command()
def move(
    incident: _Incident,
    to: Annotated[UUID, typer.Argument(help="The incident that takes them.")],
    reports: Annotated[list[UUID], typer.Argument(help="Reports that move.")],
    reason: desk.Reason,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Move reports of an incident to another.

    For example:

      gridline incidents move 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11 5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e
      6c0a2f8f-5f5e-5c55-a1a5-5f0c9e110b7e -r "wrong side of the street"
    """
    body = {"to": str(to), "reports": [*map(str, reports)], "reason": reason}
    _act(incident, "move", body, command_id, as_json=as_json)


@app.command()
def confirm(
    incident: _Incident,
    reason: desk.Reason,
    device: Annotated[str | None, typer.Option(help="Where it is, if elsewhere than predicted.")] = None,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Confirm where an incident is: from now on only a person moves it.

    For example:

      gridline incidents confirm 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11 --device T001-A0FU00016 -r "patrol saw it"
    """
    body = {"device": device, "reason": reason}
    _act(incident, "confirm", body, command_id, as_json=as_json)


@app.command()
def relate(
    incident: _Incident,
    to: Annotated[UUID, typer.Argument(help="The related incident.")],
    reason: desk.Reason,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Relate an incident to another; they stay separate.

    For example:

      gridline incidents relate 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11 5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e -r "one tree"
    """
    _act(incident, "relate", {"to": str(to), "reason": reason}, command_id, as_json=as_json)


_Planned = Annotated[
    str | None, typer.Option("--plan", help="Id of the planned outage; the one that is proposed if not given.")
]


@app.command("accept-plan")
def accept_plan(
    incident: _Incident,
    reason: desk.Reason,
    planned: _Planned = None,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Let a planned outage that was entered later answer an incident's reports: its crew is called back.

    For example:

      gridline incidents accept-plan 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11 -r "it is today's work"
    """
    _about_plan("accept-plan", incident, planned, reason, command_id, as_json=as_json)


@app.command("decline-plan")
def decline_plan(
    incident: _Incident,
    reason: desk.Reason,
    planned: _Planned = None,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Say that an incident is not that planned outage: it is not proposed for it again.

    For example:

      gridline incidents decline-plan 0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11 -r "a tree fell, the work has not begun"
    """
    _about_plan("decline-plan", incident, planned, reason, command_id, as_json=as_json)


def _about_plan(
    action: str, incident: UUID, planned: str | None, reason: str, command_id: str | None, *, as_json: bool
) -> None:
    if planned is None:
        proposed = desk.ask(f"/v1/incidents/{incident}")["proposed_plan"]
        if proposed is None:
            raise CommandError(f"No planned outage is proposed for incident {incident}.", "Name one with --plan.")
        planned = proposed["planned_id"]
    _act(incident, action, {"planned_id": planned, "reason": reason}, command_id, as_json=as_json)


def _act(incident: UUID, action: str, body: dict[str, Any], command_id: str | None, *, as_json: bool) -> None:
    """Give a command about an incident as it is now, and show what came of it."""
    path = f"/v1/incidents/{incident}"
    desk.show(desk.act(f"{path}/{action}", body, seen=path, command_id=command_id), as_json=as_json)


@app.command()
def place(
    report: Annotated[UUID, typer.Argument(help="Id of a report that waits for a place.")],
    device: Annotated[str, typer.Argument(help="Device it belongs to.")],
    reason: desk.Reason,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Place a waiting report at a device; it is then decided like any other.

    For example:  gridline incidents place 5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e T001-A0TR00023 -r "called back"
    """
    body = {"device": device, "reason": reason}
    desk.show(desk.act(f"/v1/reports/{report}/place", body, command_id=command_id), as_json=as_json)


@app.command()
def undo(
    command: Annotated[UUID, typer.Argument(help="Id of the command to take back.")],
    reason: desk.Reason,
    command_id: desk.CommandId = None,
    as_json: Json = False,
) -> None:
    """Undo a command, or show what prevents it.

    For example:  gridline incidents undo 5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e -r "two poles after all"
    """
    done = desk.act(f"/v1/commands/{command}/undo", {"reason": reason}, command_id=command_id)
    desk.show(done, as_json=as_json)
