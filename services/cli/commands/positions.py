"""``gridline positions``: the position of each service in its topics, and moving it after a halt.

Decided here: a position stays inside the log, and moving it fences whoever reads there. Never here: which records may
be skipped; a person says so.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli import addresses, moments
from services.cli.console import Json, out, print_json, table
from services.cli.database import connect
from services.cli.errors import CommandError, Exit
from services.cli.evidence import CONSUMERS
from services.cli.topics import reader
from services.contracts.topics import TOPICS

if TYPE_CHECKING:
    from services.cli.evidence import At

app = typer.Typer(
    name="positions",
    no_args_is_help=True,
    add_completion=False,
    help="Positions of services in their topics, and moving them after a halt.",
)

_STANDS: Final = """
SELECT topic, partition, next_offset, owner, claimed_at FROM "{room}".consumer_partition
ORDER BY topic, partition
"""
_STOOD: Final = """
SELECT next_offset FROM "{room}".consumer_partition WHERE topic = $1 AND partition = $2 FOR UPDATE
"""
_MOVE: Final = """
UPDATE "{room}".consumer_partition
SET next_offset = $3, last_offset = NULL, epoch = epoch + 1, owner = 'gridline positions set'
WHERE topic = $1 AND partition = $2
"""
_Row = tuple[str, str, int, int, int, int, int | None, str, str]
_COLUMNS: Final = ("service", "topic", "partition", "stands at", "log begins", "log ends", "behind", "owner", "since")


@app.command("list")
def list_positions(as_json: Json = False) -> None:
    """Show where each service goes on in each partition, and what the log holds.

    For example:  gridline positions list
    """
    rows = asyncio.run(_read())
    if as_json:
        print_json([dict(zip(_COLUMNS, row, strict=True)) for row in rows])
        return
    numbers = ("partition", "stands at", "log begins", "log ends", "behind")
    out.print(table("Positions", _COLUMNS, rows, right=numbers))
    if outside := sum(not begin <= stands <= end for _, _, _, stands, begin, end, *_ in rows):
        out.print(
            f"{outside} stand{'s' if outside == 1 else ''} outside the log: the service halts there. If the log is the "
            "right one, `gridline positions set` lets it go on."
        )


@app.command("set")
def set_position(
    service: Annotated[str, typer.Argument(help="router, dedup or notify.")],
    topic: Annotated[str, typer.Argument(help="Such as outage.input.v1.")],
    partition: Annotated[int, typer.Argument(min=0)],
    to: Annotated[str, typer.Argument(help="begin, end, or the offset of the next record to read.")],
) -> None:
    """Let a service go on elsewhere in a partition. Records that are skipped are lost; those read again change nothing.

    Whoever reads there is fenced at the partition's next record and goes on from the new place; a service that has
    halted does so when it is started.

    For example, after a topic was made anew:

      gridline positions set dedup outage.input.v1 3 begin
    """
    if service not in CONSUMERS or topic not in {one.name for one in TOPICS if service in one.consumers}:
        raise CommandError(f"{service} does not read {topic}", "See `gridline positions list`.", Exit.USAGE)
    before, after = asyncio.run(_move(service, (topic, partition), to))
    where = f"{topic} partition {partition}"
    if after > before:
        out.print(f"{service} goes on at {after} of {where}: {after - before:,} offsets are skipped.")
    else:
        out.print(f"{service} goes on at {after} of {where}, where it stood at {before}.")


async def _read() -> list[_Row]:
    settings = addresses.find().settings
    async with reader(settings) as kafka:
        bounds = await kafka.bounds([topic.name for topic in TOPICS])
    found: list[_Row] = []
    async with connect(settings) as connection:
        for room in CONSUMERS:
            if await connection.fetchval("SELECT to_regclass($1)", f'"{room}".consumer_partition') is None:
                continue
            for topic, partition, stands, owner, since in await connection.fetch(_STANDS.format(room=room)):
                begin, end = bounds.get((topic, partition), (0, 0))
                behind = end - stands if stands <= end else None
                found.append((room, topic, partition, stands, begin, end, behind, owner, moments.shown(since)))
    return found


async def _move(room: str, at: At, to: str) -> tuple[int, int]:
    """Move a position; return it as it was and as it is.

    Raises:
        CommandError: it is outside the log, or the service never read there.
    """
    settings = addresses.find().settings
    async with reader(settings) as kafka:
        bounds = await kafka.bounds([at[0]])
    if at not in bounds:
        raise CommandError(f"the cluster has no {at[0]} partition {at[1]}", "See `gridline topics list`.", Exit.NO)
    begin, end = bounds[at]
    target = {"begin": begin, "end": end}.get(to, int(to) if to.isascii() and to.isdecimal() else -1)
    if not begin <= target <= end:
        raise CommandError(f"{to} is not in the log", f"Say begin, end, or {begin} to {end}.", Exit.USAGE)
    async with connect(settings) as connection, connection.transaction():
        before = await connection.fetchval(_STOOD.format(room=room), *at)
        if before is None:
            raise CommandError(f"{room} has never read there", "It begins at the beginning by itself.", Exit.NO)
        await connection.execute(_MOVE.format(room=room), *at, target)
    return int(before), target
