"""What a command says of a server that takes a connection and then says nothing: frozen, behind a firewall, another."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from services.cli import database
from services.cli.__main__ import explain
from services.cli.commands import db, grid
from services.cli.errors import Exit
from services.runtime import migration
from services.runtime.errors import UnavailableError, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer


@pytest.fixture
def silent() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(("app", "line"), [(grid.app, "show"), (db.app, "migrate")])
def test_a_database_that_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, silent: int, app: typer.Typer, line: str
) -> None:
    for module in (database, migration):
        monkeypatch.setattr(module, "CONNECT_SECONDS", 0.2)
    dsn = f"postgresql://user:password@127.0.0.1:{silent}/gridline"
    error = CliRunner().invoke(app, [line], env={"GRIDLINE_POSTGRES_DSN": dsn}).exception
    assert isinstance(error, UnavailableError)
    what, _, code = explain(error)
    assert (what, code) == ("postgres: TimeoutError", Exit.UNREACHABLE)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "TimeoutError"),
        (OSError("no route"), "OSError: no route"),
        (ValueError("ValueError: said twice"), "ValueError: said twice"),
    ],
)
def test_an_error_is_told_with_its_kind_once(error: Exception, words: str) -> None:
    assert in_words(error) == words
