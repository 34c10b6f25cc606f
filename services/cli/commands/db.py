"""``gridline db``: the schemas in Postgres, and what is to be done when an older database was brought back.

Decided here: above what versions go on. Never here: which orders there are; services decide that again.
"""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from services.cli import addresses
from services.cli.console import out, progress
from services.cli.database import connect
from services.cli.errors import CommandError, Exit
from services.cli.evidence import CONSUMERS, VERSION_FLOOR
from services.cli.topics import NO_TOPICS, reader
from services.contracts.envelope import RefusedError, decode, open_record
from services.contracts.messages import IncidentChanged, OrderVersion, TicketRouted
from services.contracts.topics import BY_NAME, DISPATCH_ORDER, INCIDENT_CHANGED, TICKET_ROUTED
from services.runtime.migration import migrate as migrate_schema

if TYPE_CHECKING:
    from services.cli.topics import Record
    from services.runtime.settings import ServiceSettings

app = typer.Typer(name="db", no_args_is_help=True, add_completion=False, help="The schemas in Postgres.")

_MOST: Final = 1_000_000_000
_TOLD: Final = {DISPATCH_ORDER.name: "dedup", INCIDENT_CHANGED.name: "dedup", TICKET_ROUTED.name: "router"}
"""Who counts the versions on which topic."""
_RAISE: Final = "INSERT INTO {room}.version_floor (floor) VALUES ($1)"
_FENCE: Final = "UPDATE {room}.consumer_partition SET epoch = epoch + 1, owner = 'gridline db restored'"


@app.command()
def migrate() -> None:
    """Create or bring up to date the schema of every service and of the network model.

    Running it again changes nothing. A service also does this for its own schema when it starts.

    For example:  gridline db migrate
    """
    asyncio.run(_migrate(addresses.find().settings))


async def _migrate(settings: ServiceSettings) -> None:
    async with connect(settings):  # what is wrong with the address is told as everywhere
        await migrate_all(settings.postgres_dsn.get_secret_value())


@app.command()
def restored() -> None:
    """Let versions go on above all that others may hold, after an older database was brought back.

    What services decide again since the backup was told before, under the same ids and other bytes: field-repair
    systems would take it for old, and so would notify and agents' desktops. This looks for the highest version of an
    order, revision of an incident and version of a ticket on their topics, and all that are decided from now on are
    above it. Run it between bringing the database back and starting the services; run late, it holds from then on, and
    run again, it does no harm.

    For example:

      psql "$GRIDLINE_POSTGRES_DSN" -c 'DROP SCHEMA IF EXISTS grid, router, dedup, notify CASCADE'

      pg_restore --dbname="$GRIDLINE_POSTGRES_DSN" gridline.dump

      gridline db migrate

      gridline db restored
    """
    floors, records = asyncio.run(raise_floors(addresses.find().settings))
    out.print(
        f"Looked at {records:,} records. Versions of orders and revisions of incidents go on above {floors['dedup']},"
    )
    out.print(f"versions of tickets above {floors['router']}.")


async def raise_floors(settings: ServiceSettings) -> tuple[dict[str, int], int]:
    """Raise the floor of each room's versions to the highest that was told.

    Returns:
        The floors by room, and how many records were looked at.

    Raises:
        CommandError: the rooms' tables are not there, or a version on a topic is none of ours.
        UnavailableError: Kafka or Postgres cannot be reached.
    """
    highest = dict.fromkeys(_TOLD.values(), 0)
    records = 0
    async with reader(settings) as kafka:
        bounds = await kafka.bounds(list(_TOLD))
        if missing := sorted(_TOLD.keys() - {topic for topic, _ in bounds}):
            raise CommandError(f"the cluster has no {', '.join(missing)}", NO_TOPICS, Exit.NO)
        with progress() as display:
            task = display.add_task("told", total=sum(end - first for first, end in bounds.values()))
            async for record in kafka.records(bounds):
                room, version = _TOLD[record.topic], _version(record)
                if version > _MOST:
                    raise CommandError(f"{version} on {record.topic} is no version of ours", "")
                highest[room] = max(highest[room], version)
                records += 1
                display.advance(task)
    async with connect(settings) as connection, connection.transaction():
        for room, told in highest.items():
            if await connection.fetchval("SELECT to_regclass($1)", f"{room}.version_floor") is None:
                raise CommandError("the database is older than this program", "Run `gridline db migrate`.", Exit.NO)
            known = int(await connection.fetchval(VERSION_FLOOR.format(room=room)))
            if told > known:
                await connection.execute(_RAISE.format(room=room), told)
            highest[room] = max(told, known)
            await connection.execute(_FENCE.format(room=room))  # whoever decides now asks for the floor again
    return highest, records


def _version(record: Record) -> int:
    """Return the version that a record tells; 0 of one that nobody can read."""
    try:
        message = decode(open_record(record.value, record.headers), BY_NAME[record.topic].types)
    except RefusedError:
        return 0
    if isinstance(message, OrderVersion | TicketRouted):
        return message.version
    return message.revision if isinstance(message, IncidentChanged) else 0


async def migrate_all(dsn: str) -> None:
    """Create or bring up to date all schemas.

    Raises:
        UnavailableError: Postgres cannot be reached.
    """
    await migrate_schema(dsn, "grid", _ddl("grid"), kernel=False)  # first: the others' services look into it
    print("grid: up to date")
    for room in CONSUMERS:
        await migrate_schema(dsn, room, _ddl(room))
        print(f"{room}: up to date")


def _ddl(room: str) -> Path:
    """Find a room's DDL without importing the room."""
    found = importlib.util.find_spec(f"services.{room}")
    if found is None or found.origin is None:
        raise AssertionError(f"services.{room} is part of this package")
    return Path(found.origin).parent / "schema.sql"
