"""Rows of several tables in one statement: each column is one argument, however many rows it has.

``COPY`` takes less of both sides for each of hundreds of rows, but two round trips a table, which is most of what a
batch of a few rows takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

_SEPARATOR: Final = "\x1f"  # no name or word of ours has it (contracts.ids)
_JSON: Final = frozenset({"json", "jsonb"})


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a table that are written, in one order.

    Attributes:
        name: In the session's schema.
        kinds: Column to PostgreSQL type; ``text[]``, ``uuid[]`` and ``float8[]`` are arrays, of neither empty words nor
            control characters.
    """

    name: str
    kinds: dict[str, str]

    @classmethod
    def of(cls, name: str, columns: str) -> Table:
        """Return a table of columns as SQL lists them: ``id uuid, at timestamptz``."""
        return cls(name, dict(column.split() for column in columns.split(", ")))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.kinds)

    def adding(self, first: int) -> str:
        """Return the statement that adds rows; its arguments are the columns, from number ``first`` on."""
        names = ", ".join(self.kinds)
        arrays = ", ".join(f"${n}::{_sent_as(kind)}[]" for n, kind in enumerate(self.kinds.values(), first))
        values = ", ".join(_value(name, kind) for name, kind in self.kinds.items())
        return f"INSERT INTO {self.name} ({names}) SELECT {values} FROM unnest({arrays}) AS v ({names})"  # noqa: S608

    def keeping(self, first: int, key: str, never_change: Collection[str] = ()) -> str:
        """Return the statement that stores rows as they now stand.

        Args:
            first: Number of the first column's argument.
            key: The column by which a row is known.
            never_change: Columns that a row keeps.
        """
        changes = ", ".join(f"{name} = excluded.{name}" for name in self.kinds if name not in {key, *never_change})
        return f"{self.adding(first)} ON CONFLICT ({key}) DO UPDATE SET {changes}"

    def arguments(self, rows: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
        """Yield the columns of rows."""
        columns = zip(*rows, strict=True)
        for kind in self.kinds.values():
            column = next(columns, ())
            yield [_SEPARATOR.join(map(str, each)) for each in column] if kind.endswith("[]") else list(column)


def columns(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Return the columns of rows, each an argument; none where there are no rows."""
    return [list(column) for column in zip(*rows, strict=True)]


def _sent_as(kind: str) -> str:
    return "text" if kind in _JSON or kind.endswith("[]") else kind


def _value(name: str, kind: str) -> str:
    if kind.endswith("[]"):
        return f"string_to_array({name}, E'\\x1f')::{kind}"
    return f"{name}::{kind}" if kind in _JSON else name
