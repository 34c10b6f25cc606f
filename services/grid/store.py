"""The network model in Postgres: import of a version, the switch to it, trees out of it.

Decided here: when a version becomes visible (whole, in the commit of the switch to it) and how long an old one stays
(until the one after its successor). Never here: what a well-formed file is, what is upstream of what.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from services.grid.accounts import account_key
from services.grid.address import parse
from services.grid.alike import stored_keys
from services.grid.device import DeviceRow
from services.grid.device_names import id_key, name_key, short_name
from services.grid.network_file import open_network
from services.grid.phone import phone_key
from services.grid.radial import rows_by_area
from services.grid.tree import Tree
from services.runtime.postgres import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from services.grid.network_file import NetworkFiles
    from services.runtime.postgres import Connection

    Progress = Callable[[str, int, int], None]
    """Called with the stage (``reading devices``, ``customers``, ``devices``, ``indexes``), rows done and in all."""

SCHEMA: Final = Path(__file__).parent / "schema.sql"
"""Idempotent DDL of schema ``grid``, every name qualified."""

NETWORK_LOCK: Final = 0x95598_6D
"""Advisory lock of a transaction: one change of the network in force at a time per database."""

_FILL_LOCK: Final = 0x95598_6F  # of a session: one import at a time, while switching goes on
_MIGRATE_LOCK: Final = 0x95598_6E
_IMPORT_SECONDS: Final = 24 * 3600.0  # the pool's timeout is meant for messages, not for a nation's customers
_PORTION: Final = 20_000  # rows a transaction of an import: under a second
_TREES_PORTION: Final = 200  # trees a transaction: some 20 MB
_SORT_MEMORY: Final = "256MB"  # while a version is indexed, in the one session that does it
READING: Final = 10
"""Counts the ways in which imports read names, addresses and phones: the next import reads the same files again."""
_KEPT: Final = 2  # versions: the current one and the one before, which long readers may still hold

_DEVICE_COLUMNS: Final = (
    *("id", "parent", "type", "normally_open", "lat", "lon", "area", "feeder", "customers"),
    *("name", "span_from", "span_to", "chain", "chain_customers", "other_end", "short_name", "id_key"),
)
_CUSTOMER_COLUMNS: Final = (
    *("account_id", "transformer_id", "lat", "lon", "address"),
    *("phone", "name", "status", "priority", "language", "voltage_kv"),
    *("district", "road", "house", "estate", "part", "building", "room", "account_key"),
)

_CURRENT: Final = """
SELECT version, content_hash, areas, feeders, devices, customers, revision FROM grid.network_version WHERE is_current
"""
_SWITCH_OFF: Final = "UPDATE grid.network_version SET is_current = false WHERE is_current"
_SWITCH_ON: Final = """
INSERT INTO grid.network_version (version, content_hash, areas, feeders, devices, customers, reading, is_current)
VALUES ($1, $2, $3, $4, $5, $6, $7, true)
"""
_READ_SO: Final = "SELECT reading >= $1 OR revision > 0 FROM grid.network_version WHERE is_current"
_NEXT: Final = "SELECT coalesce(max(version), 0) + 1 FROM grid.network_version"
_OUTDATED: Final = "SELECT version FROM grid.network_version ORDER BY version DESC OFFSET $1"
_DEVICES: Final = """
SELECT d.id, d.parent, d.type, d.normally_open, d.lat, d.lon, d.area, d.customers, v.version, v.revision
FROM grid.network_version AS v JOIN grid.device AS d USING (version)
WHERE v.is_current AND ($1::text[] IS NULL OR d.area = ANY($1))
"""
_TREES: Final = """
SELECT t.area, t.packed, v.version, v.revision
FROM grid.network_version AS v JOIN grid.area_tree AS t USING (version)
WHERE v.is_current AND t.area = ANY($1)
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
    """The version that is current after an import; ``changed`` is false where it already was.

    ``warnings`` say what rows lack and what was made of them, as lines for people.
    """

    version: NetworkVersion
    changed: bool
    warnings: tuple[str, ...] = ()


async def migrate(connection: Connection) -> None:
    """Create schema ``grid``. Running it again changes nothing."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATE_LOCK)
        await connection.execute(SCHEMA.read_text(encoding="utf-8"))


async def current_version(connection: Connection) -> NetworkVersion | None:
    """Return the current version; None where no network was ever imported."""
    row = await connection.fetchrow(_CURRENT)
    return None if row is None else NetworkVersion(**dict(row))


async def load_trees(connection: Connection, areas: Collection[str] | None = None) -> dict[str, Tree]:
    """Return the trees of the named areas that exist, or of all, by area; all of one version and revision."""
    if areas is None:
        return (await _made_of_rows(connection, None))[0]
    trees: dict[str, Tree] = {}
    states: set[tuple[int, int]] = set()
    for area, packed, version, revision in await connection.fetch(_TREES, list(areas)):
        with suppress(ValueError):  # of another form, by another release: as if there were none
            trees[area] = Tree.unpacked(packed)
            states.add((version, revision))
    if missing := [area for area in areas if area not in trees]:
        made, states_of_rows = await _made_of_rows(connection, missing)
        if len(states | states_of_rows) > 1:  # it was switched between the two questions
            return (await _made_of_rows(connection, areas))[0]
        trees.update(made)
    return trees


async def _made_of_rows(
    connection: Connection, areas: Collection[str] | None
) -> tuple[dict[str, Tree], set[tuple[int, int]]]:
    """Return the trees of areas made of their devices' rows, and the version and revision that they are of."""
    rows: dict[str, list[DeviceRow]] = {}
    customers: dict[str, dict[str, int]] = {}
    states: set[tuple[int, int]] = set()
    for record in await connection.fetch(_DEVICES, None if areas is None else list(areas)):
        device, parent, kind, normally_open, lat, lon, area, count, version, revision = record
        rows.setdefault(area, []).append(DeviceRow(device, parent, kind, normally_open, lat, lon))
        if count:
            customers.setdefault(area, {})[device] = count
        states.add((version, revision))
    return {area: Tree(rows[area], customers.get(area), checked=True) for area in sorted(rows)}, states


async def import_network(
    connection: Connection,
    network: Path,
    customers: Path,
    *,
    progress: Progress | None = None,
) -> Imported:
    """Import network.csv and customers.csv as a new version and make it current.

    The rows go into tables that nobody sees, a few at a time, so that no transaction lasts; only the switch to them is
    one. What a killed import left is dropped by the next. Files that are the current version already are not imported
    again, unless they were read in another way (``READING``) and nothing was switched since. Readers go on meanwhile
    with the version they have, and switching with what it does.

    Raises:
        NetworkFileError: something is wrong with the files; nothing was imported.
        asyncpg.PostgresError: something is wrong with the database, as a full disk; nothing was imported.
    """
    tell = progress or (lambda _stage, _done, _total: None)
    content_hash, lines = _fingerprint(network, customers)
    if (same := await _already(connection, content_hash)) is not None:
        return same
    devices, rows = (max(count - 1, 0) for count in lines)
    files = open_network(network, customers, lambda done: tell("reading devices", done, max(done, devices)))
    await connection.execute("SELECT pg_advisory_lock($1)", _FILL_LOCK, timeout=_IMPORT_SECONDS)
    try:
        if (same := await _already(connection, content_hash)) is not None:
            return same
        await connection.execute("SELECT grid.drop_unfinished()")
        try:
            version = await _fill(connection, files, content_hash, rows, tell)
            await _switch_to(connection, version)
        except BaseException:
            # Where the connection itself is gone the next import does it.
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await connection.execute("SELECT grid.drop_unfinished()")
            raise
        await _forget_outdated(connection)
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.execute("SELECT pg_advisory_unlock($1)", _FILL_LOCK)
    return Imported(version, changed=True, warnings=tuple(files.warnings))


async def _already(connection: Connection, content_hash: str) -> Imported | None:
    current = await current_version(connection)
    same = current is not None and current.content_hash == content_hash and await connection.fetchval(_READ_SO, READING)
    return Imported(current, changed=False) if current is not None and same else None


def _fingerprint(network: Path, customers: Path) -> tuple[str, tuple[int, int]]:
    """Return the hash of both files and the number of lines of each; unreadable files count as empty."""
    hashed = hashlib.sha256()
    lines = [0, 0]
    for n, path in enumerate((network, customers)):
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    hashed.update(block)
                    lines[n] += block.count(b"\n")
        except OSError:
            continue  # reading it will say what is wrong with it, beside all the other problems
        hashed.update(b"\0")
    return hashed.hexdigest(), (lines[0], lines[1])


async def _fill(
    connection: Connection, files: NetworkFiles, content_hash: str, expected: int, tell: Progress
) -> NetworkVersion:
    """Fill and index the tables of the next version."""
    version: int = await connection.fetchval(_NEXT)
    await connection.execute("SELECT grid.open_version($1)", version)
    await connection.execute(f"SET maintenance_work_mem = '{_SORT_MEMORY}'; SET work_mem = '{_SORT_MEMORY}'")
    try:
        connected: Counter[str] = Counter()
        streets: set[str] = set()
        records = _customer_records(files, connected, streets)
        told = partial(tell, "customers")
        await _copy(connection, f"customer_v{version}", _CUSTOMER_COLUMNS, records, expected, told)
        keys = ((key, street) for street in sorted(streets) for key in stored_keys(street))
        await _copy(connection, f"street_key_v{version}", ("key", "street"), keys)
        size = _Size()
        placed = _device_records(files.devices, connected, size)
        total = len(files.devices)
        await _copy(connection, f"device_v{version}", _DEVICE_COLUMNS, placed, total, partial(tell, "devices"))
        trees = _tree_records(files.devices, connected)
        await _copy(connection, f"area_tree_v{version}", ("area", "packed"), trees, portion=_TREES_PORTION)
        steps = [row[0] for row in await connection.fetch("SELECT grid.version_steps($1)", version)]
        for done, step in enumerate(steps):
            tell("indexes", done, len(steps))
            await connection.execute(step, timeout=_IMPORT_SECONDS)
        tell("indexes", len(steps), len(steps))
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.execute("RESET maintenance_work_mem; RESET work_mem")
    return NetworkVersion(version, content_hash, size.areas, size.feeders, len(files.devices), connected.total())


async def _switch_to(connection: Connection, version: NetworkVersion) -> None:
    """Let everyone see a filled version from now on."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", NETWORK_LOCK)
        await connection.execute("SELECT grid.attach_version($1)", version.version)
        await connection.execute(_SWITCH_OFF)
        size = version.areas, version.feeders, version.devices, version.customers
        await connection.execute(_SWITCH_ON, version.version, version.content_hash, *size, READING)


async def _copy(
    connection: Connection,
    table: str,
    columns: tuple[str, ...],
    records: Iterator[tuple[object, ...]],
    expected: int = 0,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
    *,
    portion: int = _PORTION,
) -> None:
    """Write rows into a table, each portion in a transaction of its own; ``expected`` rows are told of in all."""
    done = 0
    while True:
        some = islice(records, portion)
        said = await connection.copy_records_to_table(
            table, schema_name="grid", columns=columns, records=some, timeout=_IMPORT_SECONDS
        )
        copied = rows_of(said)
        done += copied
        tell(done, done if copied < portion else max(done, expected))
        if copied < portion:
            return


def _customer_records(files: NetworkFiles, connected: Counter[str], streets: set[str]) -> Iterator[tuple[object, ...]]:
    """Yield the customers as table rows, counting them by transformer and noting their streets on the way."""
    for row in files.read_customers():
        connected[row.transformer_id] += 1
        address = parse(row.address)
        streets.update(site.street for site in address.sites)
        key = account_key(row.account_id)
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
            row.voltage_kv,
            address.district,
            address.road,
            address.number,
            address.estate,
            address.part,
            address.building,
            address.room,
            None if key == row.account_id else key or None,
        )


@dataclass(slots=True)
class _Size:
    """What the devices turned out to be while they were written."""

    areas: int = 0
    feeders: int = 0


def _device_records(rows: Sequence[DeviceRow], connected: Counter[str], size: _Size) -> Iterator[tuple[object, ...]]:
    """Yield the devices as table rows, with what the tree says of each; one area's tree at a time."""
    before = 0
    for own in rows_by_area(rows):
        tree = _tree_of(own, connected)
        size.areas += 1
        size.feeders += len({tree.feeder_of(device) for device in tree} - set(tree.areas()))
        for row in own:
            chain = tree.chain(row.id)
            first, end = tree.span(row.id)
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
                before + first,
                before + end,
                chain,
                [tree.customers_under(one) for one in chain],
                row.other_end,
                short_name(name_key(row.name)) if row.name else None,
                None if (key := id_key(row.id)) == row.id else key or None,
            )
        before += len(own)


def _tree_records(rows: Sequence[DeviceRow], connected: Counter[str]) -> Iterator[tuple[str, bytes]]:
    """Yield each area's tree, packed: made once more, for a nation's would not fit into memory beside its rows."""
    for own in rows_by_area(rows):
        tree = _tree_of(own, connected)
        yield tree.areas()[0], tree.packed()


def _tree_of(own: Sequence[DeviceRow], connected: Counter[str]) -> Tree:
    return Tree(own, {row.id: connected[row.id] for row in own if row.id in connected}, checked=True)


async def _forget_outdated(connection: Connection) -> None:
    """Drop all but the newest versions, unless a reader holds one: then the next import does it."""
    for record in await connection.fetch(_OUTDATED, _KEPT):
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '2s'")
                await connection.execute("SELECT grid.drop_version($1)", record["version"])
        except asyncpg.LockNotAvailableError:
            return
