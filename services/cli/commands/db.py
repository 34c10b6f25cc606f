"""``gridline db``: the schemas in Postgres."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import typer

from services.cli import addresses
from services.runtime.postgres import migrate as migrate_schema

app = typer.Typer(name="db", no_args_is_help=True, add_completion=False, help="The schemas in Postgres.")

_ROOMS = ("router", "dedup", "notify")


@app.callback()
def db() -> None:
    """The schemas in Postgres."""


@app.command()
def migrate() -> None:
    """Create or bring up to date the schema of every service and of the network model.

    Running it again changes nothing. A service also does this for its own schema when it starts.

    For example:  gridline db migrate
    """
    asyncio.run(_migrate(addresses.find().settings.postgres_dsn.get_secret_value()))


async def _migrate(dsn: str) -> None:
    await migrate_schema(dsn, "grid", _ddl("grid"), kernel=False)  # first: the others' services look into it
    print("grid: up to date")
    for room in _ROOMS:
        await migrate_schema(dsn, room, _ddl(room))
        print(f"{room}: up to date")


def _ddl(room: str) -> Path:
    """Find a room's DDL without importing the room."""
    found = importlib.util.find_spec(f"services.{room}")
    if found is None or found.origin is None:
        raise AssertionError(f"services.{room} is part of this package")
    return Path(found.origin).parent / "schema.sql"
