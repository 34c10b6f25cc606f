"""The network from the command line into a real Postgres, and a storm drawn on what was imported."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest

from services.cli.errors import CommandError, Exit
from services.cli.imported import read_network
from services.simulator.generate import draw_storm
from services.simulator.shape import Shape

if TYPE_CHECKING:
    from services.simulator.faults import Network

pytestmark = pytest.mark.integration

BASE = Path(__file__).parents[3] / "deploy" / "networks" / "ieee123"


@pytest.fixture(autouse=True)
def database(database_dsn, monkeypatch, tmp_path):
    monkeypatch.setenv("GRIDLINE_POSTGRES_DSN", database_dsn)
    monkeypatch.setenv("GRIDLINE_STACK_RUN_FOLDER", str(tmp_path / "run"))


def network_of(dsn: str, areas: int) -> Network:
    async def read() -> Network:
        connection = await asyncpg.connect(dsn)
        try:
            return await read_network(connection, areas)
        finally:
            await connection.close()

    return asyncio.run(read())


def test_what_a_role_may_not_do_is_told_with_what_to_set(gridline, database_dsn, monkeypatch):
    gridline("db", "migrate")
    role = f"reader_{urlsplit(database_dsn).path.strip('/')}"

    async def run(*statements: str) -> None:
        connection = await asyncpg.connect(database_dsn)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'reader'"))
    try:
        with monkeypatch.context() as other:
            host = urlsplit(database_dsn).netloc.rpartition("@")[2]
            dsn = urlsplit(database_dsn)._replace(netloc=f"{role}:reader@{host}").geturl()
            other.setenv("GRIDLINE_POSTGRES_DSN", dsn)
            code, _, err = gridline("grid", "show")
    finally:
        asyncio.run(run(f'DROP ROLE "{role}"'))
    assert (code, "permission denied for schema grid" in err) == (Exit.REFUSED, True), err
    assert "do: Name a role that may in GRIDLINE_POSTGRES_DSN." in err


def test_migrating_makes_every_schema_and_again_changes_nothing(gridline):
    for _ in range(2):
        code, out, _ = gridline("db", "migrate")
        assert code == Exit.DONE
        assert all(f"{room}: up to date" in out for room in ("grid", "router", "dedup", "notify"))


def test_importing_before_migrating_says_what_to_do(gridline):
    code, _, err = gridline("grid", "import", "--network", BASE / "network.csv", "--customers", BASE / "customers.csv")
    assert code == Exit.REFUSED
    assert "gridline db migrate" in err


@pytest.mark.parametrize("command", [("grid", "show"), ("db", "migrate")], ids=" ".join)
def test_a_database_that_is_not_there_is_no_bug_of_ours(gridline, database_dsn, monkeypatch, command):
    monkeypatch.setenv("GRIDLINE_POSTGRES_DSN", database_dsn.replace(urlsplit(database_dsn).path, "/no_such_database"))
    code, _, err = gridline(*command)
    assert code == Exit.UNREACHABLE
    assert "no_such_database" in err
    assert "GRIDLINE_POSTGRES_DSN" in err


def test_a_network_is_imported_shown_and_drawn_a_storm_on(gridline, database_dsn, tmp_path):
    gridline("db", "migrate")
    gridline("grid", "tile", "--base", BASE, "--areas", 3, "--tiles", 2, "--suspended-every", 50, "--out", tmp_path)
    files = ("--network", tmp_path / "network.csv", "--customers", tmp_path / "customers.csv")
    code, out, _ = gridline("grid", "import", *files)
    assert code == Exit.DONE
    assert "Version 1 is current now: 3 areas, 6 feeders" in out
    assert "was current already" in gridline("grid", "import", *files)[1]
    areas = json.loads(gridline("grid", "show", "--json")[1])["areas"]
    assert [area["customers"] for area in areas] == [702, 702, 702]
    device = json.loads(gridline("grid", "show", "T001-A0BR00001", "--json")[1])
    assert device["customer_count"] == 351
    assert device["ancestors"] == ["T001-A0SU00000"]
    code, _, err = gridline("grid", "show", "nothing")
    assert (code, "no device 'nothing'" in err) == (Exit.NO, True)

    network = network_of(database_dsn, 2)
    assert len(network.tree.areas()) == 2
    assert len(network.customers) == 1404
    storm = draw_storm(network, Shape(faults=20), seed=1)
    assert len(storm.faults) == 20


def test_a_bad_network_is_refused_and_nothing_is_imported(gridline, database_dsn, tmp_path):
    gridline("db", "migrate")
    (tmp_path / "network.csv").write_text(
        "id,parent,type,normally_open,lat,lon\nS,,substation,0,31,118\nA,B,fuse,0,31,118\nB,A,fuse,0,31,118\n"
    )
    (tmp_path / "customers.csv").write_text("account_id,transformer_id,lat,lon,address,phone\n")
    files = ("--network", tmp_path / "network.csv", "--customers", tmp_path / "customers.csv")
    code, _, err = gridline("grid", "import", *files)
    assert code == Exit.REFUSED
    assert "network.csv:3: cycle" in err
    with pytest.raises(CommandError, match="no network has been imported"):
        network_of(database_dsn, 1)
