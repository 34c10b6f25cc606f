"""Rows in one statement are what COPY makes of them, whatever their words and numbers are."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.runtime.rows import Table

pytestmark = pytest.mark.integration

ODD = Table.of("odd", "id uuid, words text[], ids uuid[], sums float8[], said jsonb, n int, at float8")
ONE, TWO = UUID(int=1), UUID(int=2**127 + 1)
ROWS: list[tuple[Any, ...]] = [
    (
        UUID(int=1),
        ["a,b", '"', "{}", "\\", "NULL", " ", "电站-甲", "'; DROP"],
        [ONE, TWO],
        [0.1 + 0.2, 1e-308],
        "{}",
        1,
        0.1,
    ),
    (UUID(int=2), [], [], [], json.dumps({"a": ["\u2028", 'x"']}), None, None),
    (UUID(int=3), ["one"], [TWO], [float("inf"), -0.0, 2.0**53 + 1], None, -5, float("-inf")),
]


@pytest.fixture
async def connection(database_dsn: str):
    connection = await asyncpg.connect(database_dsn)
    for name in ("odd", "copied"):
        columns = ", ".join(f"{column} {kind}" for column, kind in ODD.kinds.items())
        await connection.execute(f"CREATE TABLE {name} ({columns}, PRIMARY KEY (id))")
    yield connection
    await connection.close()


async def test_one_statement_writes_what_copy_writes(connection: asyncpg.Connection):
    await connection.execute(ODD.adding(1), *ODD.arguments(ROWS))
    await connection.copy_records_to_table("copied", columns=ODD.columns, records=ROWS)
    assert await connection.fetch("SELECT * FROM odd ORDER BY id") == await connection.fetch(
        "SELECT * FROM copied ORDER BY id"
    )
    assert [tuple(row)[1] for row in await connection.fetch("SELECT * FROM odd ORDER BY id")] == [
        row[1] for row in ROWS
    ]


async def test_a_row_that_is_known_is_as_it_now_stands_but_for_what_never_changes(connection: asyncpg.Connection):
    await connection.execute(ODD.adding(1), *ODD.arguments(ROWS))
    later = [(UUID(int=2), ["new"], [ONE], [1.0], "[]", 7, 2.0), (UUID(int=9), [], [], [], None, 9, None)]
    await connection.execute(ODD.keeping(1, "id", never_change=("n",)), *ODD.arguments(later))
    rows = {row["id"].int: row for row in await connection.fetch("SELECT * FROM odd")}
    assert sorted(rows) == [1, 2, 3, 9]
    assert (rows[2]["words"], rows[2]["said"], rows[2]["n"], rows[9]["n"]) == (["new"], "[]", None, 9)


async def test_no_rows_are_no_rows(connection: asyncpg.Connection):
    await connection.execute(ODD.keeping(1, "id"), *ODD.arguments([]))
    assert await connection.fetchval("SELECT count(*) FROM odd") == 0
