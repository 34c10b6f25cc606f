"""The network in Postgres as it is switched: a revision of the current version, in one transaction.

Decided here: a switching changes the rows of what it moves and nothing else, and counts up the revision; who did it,
why and when is kept for ever. Never here: what feeds what after it (``switching``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from services.grid.device import DeviceRow
from services.grid.store import NETWORK_LOCK
from services.grid.switching import SwitchingError, switched
from services.grid.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.grid.switching import Switching
    from services.runtime.postgres import Connection


_CURRENT: Final = "SELECT version, revision FROM grid.network_version WHERE is_current FOR UPDATE"
_NAMED: Final = "SELECT area, other_end FROM grid.device WHERE version = $1 AND id = ANY($2::text[])"
_COLUMNS: Final = "id, parent, type, normally_open, lat, lon, name, other_end, area, feeder, customers"
_ROWS: Final = f"""
SELECT {_COLUMNS} FROM grid.device WHERE version = $1 AND area = ANY($2::text[])
UNION ALL
SELECT {_COLUMNS} FROM grid.device
WHERE version = $1 AND normally_open AND other_end IS NOT NULL AND area <> ALL($2::text[])
"""  # noqa: S608 - the only text put in is ours, and constant
_CHANGE: Final = """
UPDATE grid.device AS d
SET parent = c.parent, normally_open = c.normally_open, other_end = c.other_end, area = c.area, feeder = c.feeder,
    span_from = c.span_from, span_to = c.span_to, chain = string_to_array(c.chain, E'\\n'),
    chain_customers = string_to_array(c.counts, E'\\n')::integer[]
FROM unnest($2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::integer[],
            $10::text[], $11::text[])
    AS c (id, parent, normally_open, other_end, area, feeder, span_from, span_to, chain, counts)
WHERE d.version = $1 AND d.id = c.id
"""
# The areas get places of their own in the depth-first order, behind all others: one may have grown.
_BEHIND: Final = "SELECT coalesce(max(span_to), 0) FROM grid.device WHERE version = $1"
_JOIN: Final = "UPDATE grid.device SET other_end = $2 WHERE version = $1 AND id = $3"
_COUNT_UP: Final = "UPDATE grid.network_version SET revision = $2 WHERE version = $1"
_KEEP: Final = """
INSERT INTO grid.switching (version, revision, step, closed, opened, joins, author, reason, devices, customers)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_TOUCHED: Final = "UPDATE grid.switching SET areas = $3 WHERE version = $1 AND revision = $2"
_AREAS_SINCE: Final = "SELECT areas FROM grid.switching WHERE version = $1 AND revision > $2 AND revision <= $3"
_KEPT: Final = "SELECT * FROM grid.switching ORDER BY version DESC, revision DESC, step DESC LIMIT $1"


class NoNetworkError(LookupError):
    """No network was ever imported."""


@dataclass(frozen=True, slots=True)
class Switched:
    """What switching came to.

    Attributes:
        version: The network's version.
        revision: Its revision by this switching.
        devices: Devices that have another feeder, area or neighbour now.
        customers: Customers at those of them whose feeder is another now.
    """

    version: int
    revision: int
    devices: int
    customers: int


async def switch_network(
    connection: Connection, operations: Sequence[Switching], *, author: str, reason: str
) -> Switched:
    """Make a new revision of the current version: all operations in their order, or none.

    Only the areas that the operations name are read and written; readers see the
    network of before until it is committed.

    Raises:
        NoNetworkError: there is nothing to switch.
        SwitchingError: an operation would leave a loop or an island, or names what is not there.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", NETWORK_LOCK)
        current = await connection.fetchrow(_CURRENT)
        if current is None:
            raise NoNetworkError("no network has been imported")
        version, revision = current["version"], current["revision"] + 1
        areas = await _areas(connection, version, operations)
        records = {row["id"]: row for row in await connection.fetch(_ROWS, version, areas)}
        rows = {key: DeviceRow(*tuple(row)[:8]) for key, row in records.items()}
        within = set(areas)
        at = {key: (row["area"], row["feeder"]) for key, row in records.items()}
        counts: tuple[int, int] = (0, 0)
        for step, operation in enumerate(operations):
            joins = operation.to or (rows[operation.close].other_end if operation.close in rows else None)
            after = switched(rows, operation)
            tree = Tree([row for key, row in after.items() if records[key]["area"] in within])
            now = at | {key: (tree.area_of(key), tree.feeder_of(key)) for key in tree}
            moved = [key for key in after if now[key] != at[key] or after[key] != rows[key]]
            customers = sum(records[key]["customers"] for key in moved if now[key] != at[key])
            said = (operation.close, operation.open, joins, author, reason)
            await connection.execute(_KEEP, version, revision, step, *said, len(moved), customers)
            counts = counts[0] + len(moved), counts[1] + customers
            rows, at = after, now
        counted = {key: row["customers"] for key, row in records.items() if row["customers"] and row["area"] in within}
        tree = Tree([row for key, row in rows.items() if records[key]["area"] in within], counted)
        changed = list(tree)
        behind = await connection.fetchval(_BEHIND, version)
        await connection.execute(
            _CHANGE, version, *zip(*(_cells(rows[key], at[key], tree, behind) for key in changed), strict=True)
        )
        renamed = [key for key, row in rows.items() if key not in tree and row.other_end != records[key]["other_end"]]
        await connection.executemany(_JOIN, [(version, rows[key].other_end, key) for key in renamed])
        touched = within | {records[key]["area"] for key in renamed}
        await connection.execute(_TOUCHED, version, revision, sorted(touched))
        await connection.execute(_COUNT_UP, version, revision)
    return Switched(version, revision, *counts)


def _cells(row: DeviceRow, at: tuple[str, str], tree: Tree, behind: int) -> tuple[object, ...]:
    """Return what may have changed of a device of the switched areas."""
    first, end = tree.span(row.id)
    chain = tree.chain(row.id)
    counts = "\n".join(str(tree.customers_under(one)) for one in chain)
    own = (row.id, row.parent, row.normally_open, row.other_end)
    return (*own, *at, behind + first, behind + end, "\n".join(chain), counts)


async def _areas(connection: Connection, version: int, operations: Sequence[Switching]) -> list[str]:
    """Return the areas of every device that is named, and of what the ties join."""
    names = {name for one in operations for name in one if name is not None}
    found = await connection.fetch(_NAMED, version, sorted(names))
    joined = {row["other_end"] for row in found if row["other_end"] is not None} - names
    found += await connection.fetch(_NAMED, version, sorted(joined))
    return sorted({row["area"] for row in found})


async def switched_areas(connection: Connection, version: int, since: int, until: int) -> frozenset[str] | None:
    """Return the areas whose trees differ between two revisions of a version; None if that is not known."""
    found = [row["areas"] for row in await connection.fetch(_AREAS_SINCE, version, since, until)]
    if not found or None in found:
        return None
    return frozenset(area for areas in found for area in areas)


async def switchings(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Return what was switched, latest first."""
    return [dict(row) for row in await connection.fetch(_KEPT, limit)]


__all__ = ["NoNetworkError", "Switched", "SwitchingError", "switch_network", "switched_areas", "switchings"]
