"""The network model in Postgres: import of a version, the switch to it, trees out of it.

Decided here: when a version becomes visible (whole, in the commit of its import) and how long an old one stays
(until the one after its successor). Never here: what a well-formed file is, what is upstream of what.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from services.grid.address import parse
from services.grid.device import DeviceRow
from services.grid.evidence import name_key
from services.grid.network_file import open_network
from services.grid.phone import phone_key
from services.grid.tree import Tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable

    from services.grid.network_file import NetworkFiles

    Connection = asyncpg.Connection[asyncpg.Record]

    Progress = Callable[[str, int, int], None]
    """Called with the stage (``devices``, ``customers``, ``indexes``), rows done and rows in all."""

SCHEMA: Final = Path(__file__).parent / "schema.sql"
"""Idempotent DDL of schema ``grid``, every name qualified."""

IMPORT_LOCK: Final = 0x95598_6D
"""Advisory lock: one import or switching at a time per database."""

_MIGRATE_LOCK: Final = 0x95598_6E
_IMPORT_SECONDS: Final = 24 * 3600.0  # the pool's timeout is meant for messages, not for a nation's customers
_PROGRESS_ROWS: Final = 10_000
_KEPT: Final = 2  # versions: the current one and the one before, which long readers may still hold

_DEVICE_COLUMNS: Final = (
    *("id", "parent", "type", "normally_open", "lat", "lon", "area", "feeder", "customers"),
    *("name", "span_from", "span_to", "chain", "chain_customers", "other_end"),
)
_CUSTOMER_COLUMNS: Final = (
    *("account_id", "transformer_id", "lat", "lon", "address"),
    *("phone", "name", "status", "priority", "language"),
    *("district", "road", "house", "estate", "building", "room"),
)

_CURRENT: Final = """
SELECT version, content_hash, areas, feeders, devices, customers, revision FROM grid.network_version WHERE is_current
"""
_SWITCH_OFF: Final = "UPDATE grid.network_version SET is_current = false WHERE is_current"
_SWITCH_ON: Final = """
INSERT INTO grid.network_version (version, content_hash, areas, feeders, devices, customers, is_current)
VALUES ($1, $2, $3, $4, $5, $6, true)
"""
_NEXT: Final = "SELECT coalesce(max(version), 0) + 1 FROM grid.network_version"
_OUTDATED: Final = "SELECT version FROM grid.network_version ORDER BY version DESC OFFSET $1"
_DEVICES: Final = """
SELECT id, parent, type, normally_open, lat, lon, area, customers
FROM grid.device
WHERE version = (SELECT version FROM grid.network_version WHERE is_current)
  AND ($1::text[] IS NULL OR area = ANY($1))
"""


@dataclass(frozen=True, slots=True)
class NetworkVersion:
    """A version of the network model.

    ``content_hash`` is the SHA-256 of the two files it came from; ``revision`` counts how often it was switched since.
    """

    version: int
    content_hash: str
    areas: int
    feeders: int
    devices: int
    customers: int
    revision: int = 0

    def __str__(self) -> str:
        return f"{self.version}.{self.revision}" if self.revision else str(self.version)


@dataclass(frozen=True, slots=True)
class Imported:
    """The version that is current after an import; ``changed`` is false where it already was."""

    version: NetworkVersion
    changed: bool


async def migrate(connection: Connection) -> None:
    """Create schema ``grid``. Running it again changes nothing."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATE_LOCK)
        await connection.execute(SCHEMA.read_text(encoding="utf-8"))


async def current_version(connection: Connection) -> NetworkVersion | None:
    """Return the current version; None where no network was ever imported."""
    row = await connection.fetchrow(_CURRENT)
    return None if row is None else NetworkVersion(**dict(row))


async def load_tree(connection: Connection, area: str) -> Tree | None:
    """Return the tree of one area; None where the network has no such area."""
    return (await load_trees(connection, [area])).get(area)


async def load_trees(connection: Connection, areas: Collection[str] | None = None) -> dict[str, Tree]:
    """Return the trees of the named areas that exist, or of all, by area; all of one version."""
    rows: dict[str, list[DeviceRow]] = {}
    customers: dict[str, dict[str, int]] = {}
    for device, parent, kind, normally_open, lat, lon, area, count in await connection.fetch(
        _DEVICES, None if areas is None else list(areas)
    ):
        rows.setdefault(area, []).append(DeviceRow(device, parent, kind, normally_open, lat, lon))
        if count:
            customers.setdefault(area, {})[device] = count
    return {area: Tree(rows[area], customers.get(area), checked=True) for area in sorted(rows)}


async def import_network(
    connection: Connection,
    network: Path,
    customers: Path,
    *,
    progress: Progress | None = None,
) -> Imported:
    """Import network.csv and customers.csv as a new version and make it current, in one transaction.

    Files that are the current version already are not imported again. Readers go on meanwhile with the version
    they have.

    Raises:
        NetworkFileError: something is wrong with the files; nothing was imported.
    """
    tell = progress or (lambda _stage, _done, _total: None)
    content_hash, lines = _fingerprint(network, customers)
    if (same := await _already(connection, content_hash)) is not None:
        return same
    files = open_network(network, customers)  # before the transaction, which must not stand idle meanwhile
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", IMPORT_LOCK, timeout=_IMPORT_SECONDS)
        if (same := await _already(connection, content_hash)) is not None:
            return same
        version = await _fill(connection, files, content_hash, max(lines - 1, 0), tell)
        await connection.execute(_SWITCH_OFF)
        await connection.execute(
            _SWITCH_ON,
            version.version,
            version.content_hash,
            version.areas,
            version.feeders,
            version.devices,
            version.customers,
        )
    await _forget_outdated(connection)
    return Imported(version, changed=True)


async def _already(connection: Connection, content_hash: str) -> Imported | None:
    current = await current_version(connection)
    return None if current is None or current.content_hash != content_hash else Imported(current, changed=False)


def _fingerprint(network: Path, customers: Path) -> tuple[str, int]:
    """Return the hash of both files and the number of lines of the second; unreadable files count as empty."""
    hashed = hashlib.sha256()
    lines = 0
    for path in (network, customers):
        lines = 0
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    hashed.update(block)
                    lines += block.count(b"\n")
        except OSError:
            continue  # reading it will say what is wrong with it, beside all the other problems
        hashed.update(b"\0")
    return hashed.hexdigest(), lines


async def _fill(
    connection: Connection, files: NetworkFiles, content_hash: str, expected: int, tell: Progress
) -> NetworkVersion:
    version: int = await connection.fetchval(_NEXT)
    await connection.execute("SELECT grid.open_version($1)", version)
    connected: Counter[str] = Counter()
    await connection.copy_records_to_table(
        f"customer_v{version}",
        schema_name="grid",
        columns=_CUSTOMER_COLUMNS,
        records=_customer_records(files, connected, expected, tell),
        timeout=_IMPORT_SECONDS,
    )
    tree = Tree(files.devices, connected, checked=True)
    await connection.copy_records_to_table(
        f"device_v{version}",
        schema_name="grid",
        columns=_DEVICE_COLUMNS,
        records=_device_records(files.devices, tree, connected),
        timeout=_IMPORT_SECONDS,
    )
    tell("devices", len(tree), len(tree))
    tell("indexes", 0, 1)
    await connection.execute("SELECT grid.close_version($1)", version, timeout=_IMPORT_SECONDS)
    tell("indexes", 1, 1)
    feeders = {tree.feeder_of(device) for device in tree} - set(tree.areas())
    return NetworkVersion(
        version=version,
        content_hash=content_hash,
        areas=len(tree.areas()),
        feeders=len(feeders),
        devices=len(tree),
        customers=connected.total(),
    )


async def _customer_records(
    files: NetworkFiles, connected: Counter[str], expected: int, tell: Progress
) -> AsyncIterator[tuple[object, ...]]:
    """Yield the customers as table rows, counting them by transformer on the way."""
    for done, row in enumerate(files.read_customers(), start=1):
        connected[row.transformer_id] += 1
        address = parse(row.address)
        yield (
            row.account_id,
            row.transformer_id,
            row.lat,
            row.lon,
            row.address,
            phone_key(row.phone),
            row.name,
            row.status,
            row.priority,
            row.language or None,
            address.district,
            address.road,
            address.number,
            address.estate,
            address.building,
            address.room,
        )
        if done % _PROGRESS_ROWS == 0:
            tell("customers", done, max(done, expected))
    tell("customers", connected.total(), connected.total())


def _device_records(rows: Iterable[DeviceRow], tree: Tree, connected: Counter[str]) -> Iterable[tuple[object, ...]]:
    for row in rows:
        chain = tree.chain(row.id)
        yield (
            row.id,
            row.parent,
            row.type,
            row.normally_open,
            row.lat,
            row.lon,
            tree.area_of(row.id),
            tree.feeder_of(row.id),
            connected[row.id],
            name_key(row.name),
            *tree.span(row.id),
            chain,
            [tree.customers_under(one) for one in chain],
            row.other_end,
        )


async def _forget_outdated(connection: Connection) -> None:
    """Drop all but the newest versions, unless a reader holds one: then the next import does it."""
    for record in await connection.fetch(_OUTDATED, _KEPT):
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '2s'")
                await connection.execute("SELECT grid.drop_version($1)", record["version"])
        except asyncpg.LockNotAvailableError:
            return
