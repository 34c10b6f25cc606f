"""``gridline grid switch`` and ``switchings``: switching the network, and the record of who switched what."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from services.cli import desk
from services.cli.console import Json, err, out, print_json, table
from services.cli.errors import CommandError, Exit
from services.cli.moments import shown
from services.cli.network import connected
from services.grid.operating import NoNetworkError, switch_network, switchings
from services.grid.switching import Switching, SwitchingError

if TYPE_CHECKING:
    import asyncpg

    from services.grid.operating import Switched

_COLUMNS = ("close", "open")


def switch(
    close: Annotated[str | None, typer.Option(help="The open device that closes: the tie.")] = None,
    open_device: Annotated[str | None, typer.Option("--open", help="The closed device that opens.")] = None,
    to: Annotated[
        str | None, typer.Option(help="What the tie's other end joins, where network.csv has no other_end for it.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A CSV of several, in their order: close,open and optionally to. All or none.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; recorded with it.")] = "",
    author: Annotated[str | None, typer.Option(help="Who; default: your login name.")] = None,
) -> None:
    """Close a tie and open a switch: what lies between is fed by the other feeder from now on.

    The network stays radial as operated: a loop or an island is refused with the devices named, and nothing changes.
    Services see it within moments; open incidents and orders stay as they are. To take it back, switch back.

    For example:

      gridline grid switch --close A0TIE00021 --open A0SW00012 --reason "feeder 1 is being repaired"
    """
    operations = _operations(close, open_device, to, file)
    by = (author or desk.person()).strip()

    async def work(connection: asyncpg.Connection[asyncpg.Record]) -> Switched:
        return await switch_network(connection, operations, author=by, reason=reason)

    try:
        done = asyncio.run(connected(work))
    except NoNetworkError as error:
        raise CommandError(str(error), "Run `gridline grid import`.", Exit.NO) from None
    except SwitchingError as error:
        raise CommandError(
            f"nothing was switched: {error}", "See a device: gridline grid show DEVICE.", Exit.NO
        ) from None
    out.print(
        f"Version {done.version}.{done.revision} is current now: {done.devices:,} devices changed, "
        f"{done.customers:,} customers have another feeder."
    )
    if file is None:
        err.print(f"To take it back: gridline grid switch --close {operations[0].open} --open {operations[0].close}")


def _operations(close: str | None, open_device: str | None, to: str | None, file: Path | None) -> list[Switching]:
    if file is None:
        if close is None or open_device is None:
            raise CommandError("say what closes and what opens", "--close TIE --open SWITCH, or --file.", Exit.USAGE)
        return [Switching(close, open_device, to)]
    if close is not None or open_device is not None or to is not None:
        raise CommandError("--file goes without --close, --open and --to", "Put them into the file.", Exit.USAGE)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or ())]:
                raise CommandError(
                    f"{file}:1: no column {', '.join(missing)}", "The header is close,open,to.", Exit.USAGE
                )
            found = []
            for row in reader:
                cells = {name: (row.get(name) or "").strip() for name in (*_COLUMNS, "to")}
                if empty := [name for name in _COLUMNS if not cells[name]]:
                    raise CommandError(f"{file}:{reader.line_num}: {empty[0]} is empty", "Name a device.", Exit.USAGE)
                found.append(Switching(cells["close"], cells["open"], cells["to"] or None))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{file} cannot be read: {error}", "It must be CSV in UTF-8.", Exit.USAGE) from None
    if not found:
        raise CommandError(f"{file} names no operation", "One close,open a line.", Exit.USAGE)
    return found


def list_switchings(
    limit: Annotated[int, typer.Option(min=1, help="How many to show, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """Show what was switched, latest first: when, by whom and why.

    For example:  gridline grid switchings
    """
    found = asyncio.run(connected(lambda connection: switchings(connection, limit)))
    if as_json:
        print_json([{**one, "at": one["at"].isoformat()} for one in found])
        return
    if not found:
        out.print("Nothing was ever switched.")
        return
    rows = [
        (
            f"{one['version']}.{one['revision']}",
            shown(one["at"], seconds=False),
            escape(one["closed"]),
            escape(one["opened"]),
            one["customers"],
            escape(one["author"]),
            escape(one["reason"]),
        )
        for one in found
    ]
    columns = ("version", "at", "closed", "opened", "customers", "by", "why")
    out.print(table("Switchings", columns, rows, right=("customers",)))
