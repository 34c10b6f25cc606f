"""The embedded Postgres: keeps what it committed, runs wherever the project lies, lets nobody in without a password."""

from __future__ import annotations

import os
import shutil

import asyncpg
import pytest

from deploy.native.account import Account, account_for_postgres, can_reach, own_folder_name
from deploy.native.errors import StaleDataError
from deploy.native.ports import free_port
from deploy.native.postgres import PostgresServer, _site_packages, _wheel_version

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("end", ["kill", "stop_immediately", "stop"])
async def test_a_commit_survives_the_end_of_the_server(postgres_server, database_dsn, end):
    connection = await asyncpg.connect(database_dsn)
    await connection.execute("CREATE TABLE kept (it int); INSERT INTO kept VALUES (7)")
    getattr(postgres_server, end)()
    assert postgres_server.pid is None
    connection.terminate()
    postgres_server.start()
    connection = await asyncpg.connect(database_dsn)
    assert await connection.fetchval("SELECT it FROM kept") == 7
    await connection.close()


async def test_it_is_durable_utf8_and_in_utc(database_dsn):
    connection = await asyncpg.connect(database_dsn)
    shown = [
        await connection.fetchval(f"SHOW {name}")
        for name in ("fsync", "synchronous_commit", "full_page_writes", "server_encoding", "timezone")
    ]
    provider = await connection.fetchval(
        "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()"
    )
    await connection.close()
    assert (shown, provider) == (["on", "on", "on", "UTF8", "UTC"], "bC.UTF-8")


async def test_a_wrong_password_is_refused(database_dsn):
    user, _, rest = database_dsn.removeprefix("postgresql://gridline:").partition("@")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://gridline:{user[::-1]}@{rest}")


async def test_a_test_sees_no_other_tests_tables(database_dsn, make_database):
    for dsn in (database_dsn, make_database()):
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TABLE mine (it int)")
        await connection.close()


@pytest.mark.parametrize("version", ["17", None])
def test_a_folder_made_by_another_postgres_is_refused_with_the_way_out(tmp_path, version):
    (tmp_path / "data").mkdir()
    if version:
        (tmp_path / "data" / "PG_VERSION").write_text(f"{version}\n")
    server = PostgresServer(tmp_path, port=free_port(), log=tmp_path / "log")
    with pytest.raises(StaleDataError, match=f"PostgreSQL {version or 'an unknown version'};(.|\n)*stack reset"):
        server.start()


def test_a_torn_initdb_is_done_again_in_a_very_deep_folder(servers_folder):
    deep = servers_folder / "/".join(["a-long-folder-name-with-spaces in it"] * 5)
    torn = deep / "data.new"
    torn.mkdir(parents=True)
    (torn / "PG_VERSION").write_text("18\n")
    server = PostgresServer(deep, port=free_port(), log=servers_folder / "deep.log")
    try:
        server.start()
        assert server.execute("SELECT 1") == "1"
        assert not torn.exists()
    finally:
        server.stop()
        server.remove_data()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must run Postgres as somebody else; this is not root")
def test_as_root_it_runs_from_and_in_folders_only_root_can_enter(tmp_path, servers_folder):
    closed = tmp_path / "home"  # as many a home is
    closed.mkdir(mode=0o700)
    (closed / "wheel").symlink_to(_site_packages())
    account = account_for_postgres()
    assert isinstance(account, Account)
    assert not can_reach(account, closed / "wheel")
    folder = closed / "project" / ".gridline" / "postgres"
    server = PostgresServer(folder, port=free_port(), log=closed / "log", wheel_folder=closed / "wheel")
    programs = own_folder_name("programs", _wheel_version(), str(closed / "wheel"))
    data = own_folder_name("data", str(folder))
    try:
        server.start()
        assert server.execute("SHOW data_directory") == str(data / "data")
        assert (closed.stat().st_mode & 0o777, (data / "data").stat().st_uid) == (0o700, account.uid)
        server.stop()
        server.start()  # finds its data there again
        assert server.execute("SELECT 1") == "1"
    finally:
        server.stop()
        server.remove_data()
        shutil.rmtree(programs, ignore_errors=True)
    assert not data.exists()
