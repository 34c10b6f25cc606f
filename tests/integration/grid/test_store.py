"""Importing a network into a real Postgres: whole or not at all, beside readers."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import Counter

import asyncpg
import pytest

from services.grid.csv_file import NetworkFileError
from services.grid.evidence import PlaceEvidence
from services.grid.lookup import resolve_places
from services.grid.network_file import open_network
from services.grid.operating import switch_network, switched_areas, switchings
from services.grid.store import current_version, import_network, load_trees, migrate
from services.grid.switching import Switching, SwitchingError
from services.grid.tree import Tree

pytestmark = pytest.mark.integration


async def tables_of(connection):
    records = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'grid' ORDER BY 1")
    return {record["tablename"] for record in records}


async def tree_of(connection, area):
    return (await load_trees(connection, [area])).get(area)


async def test_an_imported_network_gives_the_trees_of_its_files(grid, tiled):
    network, customers = tiled(3, tiles_per_area=2)
    imported = await import_network(grid, network, customers)
    assert imported.changed
    assert imported.version == await current_version(grid)
    assert (imported.version.areas, imported.version.feeders, imported.version.customers) == (3, 6, 6 * 1372)
    files = open_network(network, customers)
    whole = Tree(files.devices, Counter(row.transformer_id for row in files.read_customers()))
    trees = await load_trees(grid)
    assert set(trees) == set(whole.areas())
    assert sum(len(tree) for tree in trees.values()) == len(whole) == imported.version.devices
    for tree in trees.values():
        assert [tree.device(device) for device in tree] == [whole.device(device) for device in tree]


async def test_one_area_is_loaded_alone(grid, tiled):
    await import_network(grid, *tiled(2))
    tree = await tree_of(grid, "T002-A0SU00000")
    assert tree is not None
    assert tree.areas() == ("T002-A0SU00000",)
    assert await tree_of(grid, "T009-A0SU00000") is None
    assert await tree_of(grid, "T002-A0BR00001") is None


async def test_a_packed_tree_is_the_one_its_rows_make_and_goes_when_a_row_changes(grid, tiled):
    await import_network(grid, *tiled(3))
    areas = sorted(await load_trees(grid))
    of_rows = {area: tree.packed() for area, tree in (await load_trees(grid)).items()}
    await grid.execute("UPDATE grid.area_tree SET packed = packed || '\\x00' WHERE area = $1", areas[0])
    assert {area: tree.packed() for area, tree in (await load_trees(grid, areas)).items()} == of_rows

    kept = "SELECT area FROM grid.area_tree ORDER BY area"
    assert [row["area"] for row in await grid.fetch(kept)] == areas
    # The control: what is packed is what is read. Nobody but this test can change the one without the other.
    await grid.execute(
        "UPDATE grid.area_tree SET packed = (SELECT packed FROM grid.area_tree WHERE area = $1) WHERE area = $2",
        *(areas[1], areas[2]),
    )
    assert (await load_trees(grid, [areas[2]]))[areas[2]].packed() == of_rows[areas[1]]

    transformer = await grid.fetchval(
        "SELECT min(id) FROM grid.device WHERE area = $1 AND type = 'transformer'", areas[2]
    )
    await grid.execute("UPDATE grid.device SET customers = customers + 1000 WHERE id = $1", transformer)
    assert [row["area"] for row in await grid.fetch(kept)] == areas[:2]
    trees = await load_trees(grid, [*areas, "no area of this network"])
    assert sorted(trees) == areas
    before = Tree.unpacked(of_rows[areas[2]]).customers_under(transformer)
    assert trees[areas[2]].customers_under(transformer) == before + 1000
    assert trees[areas[1]].packed() == of_rows[areas[1]]


async def test_before_any_import_there_is_no_version_and_no_tree(grid):
    assert await current_version(grid) is None
    assert await load_trees(grid) == {}


async def test_the_same_files_are_not_imported_twice(grid, shipped):
    first = await import_network(grid, *shipped("ieee123"))
    again = await import_network(grid, *shipped("ieee123"))
    assert not again.changed
    assert again.version == first.version


async def test_files_that_an_older_release_imported_are_read_again_unless_something_was_switched(grid, shipped):
    await import_network(grid, *shipped("ckt5"))
    await grid.execute("UPDATE grid.network_version SET reading = 0, revision = 1")
    assert not (await import_network(grid, *shipped("ckt5"))).changed
    await grid.execute("UPDATE grid.network_version SET revision = 0")
    assert (await import_network(grid, *shipped("ckt5"))).changed
    assert not (await import_network(grid, *shipped("ckt5"))).changed


async def test_a_changed_file_makes_a_new_version_and_the_third_drops_the_first(grid, shipped):
    versions = [(await import_network(grid, *shipped(name))).version for name in ("ieee123", "ckt5", "ieee123")]
    assert [version.version for version in versions] == [1, 2, 3]
    assert versions[0].content_hash == versions[2].content_hash != versions[1].content_hash
    assert await current_version(grid) == versions[2]
    tables = await tables_of(grid)
    assert {"customer_v3", "customer_v2"} <= tables
    assert not {table for table in tables if table.endswith("_v1")}


@pytest.mark.parametrize(
    ("file", "line", "reason"),
    [
        (0, "X,NOWHERE,fuse,0,31,118,,,\n", "orphan"),
        (1, "A0900001,A0TR00020,31.1,118.3,x,1\n", "used twice"),
        (1, "A9999999,A0TR99999,31.1,118.3,x,1\n", "not in the network"),
    ],
)
async def test_of_bad_files_nothing_is_imported(grid, shipped, tmp_path, file, line, reason):
    good = await import_network(grid, *shipped("ckt5"))
    before = await tables_of(grid)
    bad = [tmp_path / "network.csv", tmp_path / "customers.csv"]
    for source, target in zip(shipped("ieee123"), bad, strict=True):
        target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    with bad[file].open("a", encoding="utf-8") as appended:
        appended.write(line)
    with pytest.raises(NetworkFileError, match=reason):
        await import_network(grid, *bad)
    assert await current_version(grid) == good.version
    assert await tables_of(grid) == before
    assert (await import_network(grid, *shipped("ieee123"))).changed


async def test_a_missing_file_is_told_as_a_problem(grid, shipped, tmp_path):
    network, _ = shipped("ieee123")
    with pytest.raises(NetworkFileError, match=r"gone\.csv: cannot be read"):
        await import_network(grid, network, tmp_path / "gone.csv")


async def test_readers_keep_the_old_version_until_the_import_commits(grid, reader, shipped):
    await import_network(grid, *shipped("ieee123"))
    said = [PlaceEvidence(account_id="A0901372")]  # an account only ckt5 has
    async with grid.transaction():
        await import_network(grid, *shipped("ckt5"))
        (before,) = await resolve_places(reader, said)
        assert (await current_version(reader)).version == 1
    (after,) = await resolve_places(reader, said)
    assert (before.account_id, after.account_id) == (None, "A0901372")


async def test_a_version_a_reader_holds_is_dropped_by_a_later_import(grid, reader, shipped):
    await import_network(grid, *shipped("ieee123"))
    await import_network(grid, *shipped("ckt5"))
    async with reader.transaction():
        await reader.fetch("SELECT * FROM grid.customer_v1")
        await import_network(grid, *shipped("ieee123"))
        assert "customer_v1" in await tables_of(grid)
    await import_network(grid, *shipped("ckt5"))
    assert {t for t in await tables_of(grid) if t.startswith("customer_v")} == {"customer_v3", "customer_v4"}


async def test_two_imports_at_once_run_one_after_the_other(grid, reader, shipped):
    done = await asyncio.gather(import_network(grid, *shipped("ieee123")), import_network(reader, *shipped("ieee123")))
    assert sorted(imported.changed for imported in done) == [False, True]
    assert {imported.version.version for imported in done} == {1}


async def test_progress_is_told_to_the_end(grid, tiled):
    told = []
    await import_network(grid, *tiled(16), progress=lambda *step: told.append(step))
    assert [done for stage, done, _ in told if stage == "customers"] == [20_000, 16 * 1372]
    assert [done for stage, done, _ in told if stage == "devices"] == [16 * 703]
    assert all(done <= total for _, done, total in told)
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["reading devices", "customers", "devices", "indexes"]
    assert told[-1][1] == told[-1][2] > 10


class _StoppedError(BaseException):
    """As Ctrl-C."""


def _at(stage, action):
    """Act when a stage is first told of."""
    return lambda told, _done, _total: action() if told == stage else None


def _stop():
    raise _StoppedError


@pytest.mark.parametrize("stage", ["customers", "devices", "indexes"])
async def test_an_interrupted_import_leaves_nothing_behind_and_can_be_run_again(grid, shipped, stage):
    good = await import_network(grid, *shipped("ckt5"))
    before = await tables_of(grid)
    with pytest.raises(_StoppedError):
        await import_network(grid, *shipped("ieee123"), progress=_at(stage, _stop))
    assert await tables_of(grid) == before
    assert await current_version(grid) == good.version
    assert (await import_network(grid, *shipped("ieee123"))).version.version == 2


async def test_what_a_killed_import_left_is_seen_by_nobody_and_dropped_by_the_next(grid, database_dsn, shipped):
    good = await import_network(grid, *shipped("ckt5"))
    before = await tables_of(grid)
    killed = await asyncpg.connect(database_dsn)
    with pytest.raises(asyncpg.InterfaceError):
        await import_network(killed, *shipped("ieee123"), progress=_at("indexes", killed.terminate))
    assert {"customer_v2", "device_v2"} <= await tables_of(grid) - before  # the control: it was in the midst of it
    assert await current_version(grid) == good.version
    assert {row["version"] for row in await grid.fetch("SELECT DISTINCT version FROM grid.customer")} == {1}
    assert (await import_network(grid, *shipped("ieee123"))).version.version == 2
    parts = ("area_tree", "customer", "device", "house", "service_point", "street_key")
    assert await tables_of(grid) == before | {f"{part}_v2" for part in parts}


async def test_a_command_that_is_told_to_stop_clears_away_what_it_had_begun(grid, database_dsn, shipped):
    before = await tables_of(grid)
    await grid.execute("""
        CREATE OR REPLACE FUNCTION grid.version_steps(v integer) RETURNS SETOF text LANGUAGE sql AS $$
            SELECT 'SELECT pg_sleep(600)'
        $$
    """)
    network, customers = shipped("ieee123")
    command = ("-m", "services.cli", "grid", "import", "--network", str(network), "--customers", str(customers))
    importing = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, "GRIDLINE_POSTGRES_DSN": database_dsn},
        stderr=asyncio.subprocess.PIPE,
    )
    asleep = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(600)'"
    )
    try:
        async with asyncio.timeout(120):
            while not await grid.fetchval(asleep):
                assert importing.returncode is None
                await asyncio.sleep(0.05)
        assert "customer_v1" in await tables_of(grid) - before  # the control: it was in the midst of it
        importing.terminate()
        async with asyncio.timeout(120):
            _, said = await importing.communicate()
    finally:
        if importing.returncode is None:
            importing.kill()
    assert (importing.returncode, said) == (143, b"")
    assert await tables_of(grid) == before


async def test_a_full_disk_is_named_and_leaves_nothing_behind(grid, shipped):
    await import_network(grid, *shipped("ckt5"))
    before = await tables_of(grid)
    await grid.execute("""
        CREATE OR REPLACE FUNCTION grid.version_steps(v integer) RETURNS SETOF text LANGUAGE sql AS $$
            SELECT 'DO $x$ BEGIN RAISE disk_full USING MESSAGE = ''could not extend file''; END $x$'
        $$
    """)
    with pytest.raises(asyncpg.DiskFullError, match="could not extend file"):
        await import_network(grid, *shipped("ieee123"))
    assert await tables_of(grid) == before


async def test_while_an_import_runs_no_transaction_is_open_and_switching_goes_on(grid, database_dsn, shipped):
    await import_network(grid, *shipped("ieee123"))
    reached, go_on = threading.Event(), threading.Event()

    def pause():
        reached.set()
        go_on.wait(60)

    async def importing():
        connection = await asyncpg.connect(database_dsn, server_settings={"application_name": "the import"})
        try:
            return await import_network(connection, *shipped("ckt5"), progress=_at("devices", pause))
        finally:
            await connection.close()

    done = asyncio.get_running_loop().run_in_executor(None, asyncio.run, importing())
    try:
        assert await asyncio.to_thread(reached.wait, 60)
        state = await grid.fetchrow(
            "SELECT state, backend_xid, backend_xmin FROM pg_stat_activity"
            " WHERE application_name = 'the import' AND datname = current_database()"
        )
        assert tuple(state) == ("idle", None, None)
        await switch_network(grid, [Switching("A0TIE00021", "A0SW00012")], author="wang", reason="meanwhile")
        assert (await current_version(grid)).revision == 1
    finally:
        go_on.set()
    assert (await done).version.version == 2
    assert str(await current_version(grid)) == "2"  # the new files say how the network is operated


async def test_migrating_again_keeps_what_is_there(grid, shipped):
    imported = await import_network(grid, *shipped("ieee123"))
    await migrate(grid)
    assert await current_version(grid) == imported.version


async def test_switching_moves_a_subtree_in_the_current_version_and_back(grid, shipped):
    await import_network(grid, *shipped("ieee123"))
    before = await tree_of(grid, "A0SU00000")
    tables = await tables_of(grid)
    done = await switch_network(grid, [Switching("A0TIE00021", "A0SW00012")], author="wang", reason="repair")
    after = await tree_of(grid, "A0SU00000")
    assert after.children("A0TIE00021") == before.children("A0SW00012")
    assert (await current_version(grid)).revision == done.revision == 1
    assert await tables_of(grid) == tables  # no row of a customer was copied
    assert not (await import_network(grid, *shipped("ieee123"))).changed
    with pytest.raises(SwitchingError, match="is closed already"):
        await switch_network(
            grid, [Switching("A0SW00012", "A0TIE00021"), Switching("A0SW00012", "A0TIE00021")], author="wang", reason=""
        )
    assert (await current_version(grid)).revision == 1
    await switch_network(grid, [Switching("A0SW00012", "A0TIE00021")], author="wang", reason="done")
    back = await tree_of(grid, "A0SU00000")
    assert [back.device(one) for one in back] == [before.device(one) for one in before]
    kept = await switchings(grid, 10)
    assert [(one["revision"], one["closed"], one["author"], one["reason"]) for one in kept] == [
        (2, "A0SW00012", "wang", "done"),
        (1, "A0TIE00021", "wang", "repair"),
    ]


async def test_a_subtree_moves_to_another_area_and_reports_are_placed_there(grid, tiled):
    network, customers = tiled(2)
    text = network.read_text().rstrip("\n")
    one, other = "T001-A0SU00000", "T002-A0SU00000"
    network.write_text(f"{text}\nTIE,{other},switch,1,31.2,118.4,,T001-A0BR00001\n")
    await import_network(grid, network, customers)
    account = await grid.fetchval("SELECT account_id FROM grid.customer WHERE account_id LIKE 'T001%' LIMIT 1")
    (place,) = await resolve_places(grid, [PlaceEvidence(account_id=account)])
    assert place.area == one
    await switch_network(grid, [Switching("TIE", "T001-A0BR00001")], author="li", reason="substation 1 is dark")
    (place,) = await resolve_places(grid, [PlaceEvidence(account_id=account)])
    assert place.area == other
    assert (await tree_of(grid, other)).customers_under(other) == 2 * 1372
    assert set(await tree_of(grid, one)) == {one, "T001-A0BR00001"}


async def test_which_areas_a_switching_changed_is_noted_with_it(grid, tiled):
    network, customers = tiled(3)
    first, second, third = (f"T00{n}-A0SU00000" for n in (1, 2, 3))
    text = network.read_text().rstrip("\n")
    ties = [f"TIE,{second},switch,1,31.2,118.4,,T001-A0BR00001", f"TIE3,{third},switch,1,31.2,118.4,,T003-A0BR00001"]
    network.write_text("\n".join([text, *ties]) + "\n")
    await import_network(grid, network, customers)
    trees = {area: await tree_of(grid, area) for area in (first, second, third)}
    await switch_network(grid, [Switching("TIE", "T001-A0BR00001")], author="li", reason="")
    within = await switch_network(grid, [Switching("TIE3", "T003-A0BR00001")], author="li", reason="")
    assert await switched_areas(grid, within.version, 0, 1) == {first, second}
    assert await switched_areas(grid, within.version, 1, 2) == {third}
    assert await switched_areas(grid, within.version, 0, 2) == trees.keys()
    assert await switched_areas(grid, within.version, 2, 3) is None, "nobody noted how it came to that"
    await grid.execute("UPDATE grid.switching SET areas = NULL WHERE revision = 1")  # by the release before
    assert await switched_areas(grid, within.version, 0, 2) is None
    assert await switched_areas(grid, within.version, 1, 2) == {third}
