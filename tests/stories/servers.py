"""A database for stories that are told by a command. The tests have one already."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.native.ports import free_port
from deploy.native.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.stories.telling import Live


@contextmanager
def postgres_of_its_own() -> Iterator[tuple[str, Path]]:
    """Start a Postgres; return its address and a folder for what else the stories need."""
    with tempfile.TemporaryDirectory(prefix="gridline-stories-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        folder.chmod(0o711)  # as root it runs under an account of its own
        server = PostgresServer(
            folder / "postgres", port=free_port(), log=folder / "postgres.log", settings={"fsync": "off"}
        )  # no story is of a server that dies
        server.start()
        try:
            yield server.dsn("postgres"), folder
        finally:
            server.stop()
            server.remove_data()


def on_its_own(over: Callable[[str, Path], AbstractContextManager[Live]]) -> Callable[[], AbstractContextManager[Live]]:
    """Return what gives what lives a story a Postgres of its own, and a folder."""

    @contextmanager
    def stage() -> Iterator[Live]:
        with postgres_of_its_own() as (dsn, folder), over(dsn, folder) as live:
            yield live

    return stage
