"""Whether the tables may follow released ones: processes of the release before still write while they are replaced.

The rule of an upgrade: columns are added, nullable or with a default; what a release had stays until the one after no
longer needs it, and then the frozen files are made anew. Pure but for ``describe`` and ``make_released``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

from services.runtime.migration import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import asyncpg

FROZEN: Final = Path(__file__).parent / "released" / "tables"
"""The DDL of the release: the kernel's, and each schema's by its name."""
SCHEMAS: Final = ("grid", "router", "dedup", "notify")
_SERVICES: Final = Path(__file__).parents[2] / "services"
CURRENT: Final = {"kernel": _SERVICES / "runtime" / "kernel.sql"} | {
    name: _SERVICES / name / "schema.sql" for name in SCHEMAS
}

_COLUMNS: Final = """
SELECT n.nspname || '.' || c.relname AS on_table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       NOT a.attnotnull OR a.atthasdef OR a.attidentity <> '' AS may_be_left_out, NOT a.attnotnull AS may_be_null
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY 1, a.attnum
"""
_UNIQUE: Final = """
SELECT n.nspname || '.' || c.relname AS on_table, pg_get_indexdef(i.indexrelid) AS made
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1) AND i.indisunique AND NOT c.relispartition
ORDER BY 1, 2
"""


class Column(TypedDict):
    """One column: its type, and what an old process may do."""

    type: str
    may_be_left_out: bool
    may_be_null: bool


class Table(TypedDict):
    """A table's columns by name, and what is unique in it, as ``btree (order_id, version)``."""

    columns: dict[str, Column]
    unique: list[str]


async def make_released(dsn: str) -> None:
    """Make the tables of the release in an empty database."""
    for name in SCHEMAS:
        kernel = () if name == "grid" else (FROZEN / "kernel.sql",)
        await migrate(dsn, name, *kernel, FROZEN / f"{name}.sql", kernel=False)


async def describe(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, Table]:
    """Return the tables of all services as they are, by schema and name."""
    found: dict[str, Table] = {}
    for row in await connection.fetch(_COLUMNS, list(SCHEMAS)):
        table = found.setdefault(row["on_table"], Table(columns={}, unique=[]))
        table["columns"][row["name"]] = Column(
            type=row["type"], may_be_left_out=row["may_be_left_out"], may_be_null=row["may_be_null"]
        )
    for row in await connection.fetch(_UNIQUE, list(SCHEMAS)):
        found[row["on_table"]]["unique"].append(row["made"].partition(" USING ")[2])
    return found


def hurts(released: Mapping[str, Table], current: Mapping[str, Table]) -> list[str]:
    """Return what a process of the release would end of if its tables became ``current``."""
    return [f"{name}: {why}" for name, old in released.items() for why in _table(old, current.get(name))]


def _table(old: Table, new: Table | None) -> Iterator[str]:
    if new is None:
        yield "the table is gone"
        return
    for name, column in old["columns"].items():
        now = new["columns"].get(name)
        if now is None:
            yield f"column {name} is gone"
        elif now["type"] != column["type"]:
            yield f"column {name} was {column['type']} and is {now['type']}"
        elif column["may_be_left_out"] and not now["may_be_left_out"]:
            yield f"column {name} has no default any more, and who does not know that leaves it out"
        elif column["may_be_null"] and not now["may_be_null"]:
            yield f"column {name} may no longer be null"
    for name, column in new["columns"].items():
        if name not in old["columns"] and not column["may_be_left_out"]:
            yield f"new column {name} must be nullable or have a default: who does not know it leaves it out"
    yield from (
        f"{one} is no longer unique, and ON CONFLICT names it" for one in old["unique"] if one not in new["unique"]
    )
    yield from (f"{one} is unique now, and old rows need not be" for one in new["unique"] if one not in old["unique"])
