"""A file of operators' data that is read again when it changes, without a restart.

Decided here: a change counts once the file has stood still between two looks, and only if it is good; otherwise what is
in force stays, with an error in the log and a metric that stays up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from services.router import metrics
from services.runtime.yaml_reading import Fault, RulesError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
_log = structlog.get_logger()


class WatchedFile(Generic[T]):
    """What a file says, as of the last good look."""

    def __init__(
        self, path: Path, parse: Callable[[str, str], T], beside: Callable[[Path], Path] | None = None
    ) -> None:
        """Read it.

        Args:
            path: Where it is.
            parse: Makes its meaning of its name and text.
            beside: Where another file is that its meaning depends on; a change of either is taken in.

        Raises:
            RulesError: it cannot be used; every fault is named.
        """
        self._path = path
        self._parse = parse
        self._beside = beside
        self._taken = self._seen = self._stamp()
        self._value = self._read()
        metrics.FILE_STALE.labels(path.name).set(0)

    def __call__(self) -> T:
        """Return what holds. Take it once a decision: it may be exchanged between two looks."""
        return self._value

    def look(self) -> None:
        """Look once and take in a change that has settled."""
        stamp = self._stamp()
        settled, self._seen = stamp == self._seen, stamp
        if not settled or stamp == self._taken:
            return
        self._taken = stamp
        try:
            self._value = self._read()
        except RulesError as error:
            metrics.FILE_STALE.labels(self._path.name).set(1)
            _log.error("file_refused_old_one_holds", file=self._path.name, faults=str(error).splitlines())
        else:
            metrics.FILE_STALE.labels(self._path.name).set(0)
            _log.info("file_reloaded", file=self._path.name)

    async def watch(self, every_s: float) -> None:
        """Look again and again, for the life of the service."""
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.look)

    def _read(self) -> T:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RulesError(str(self._path), [Fault(0, f"cannot be read as UTF-8: {error}")]) from None
        return self._parse(str(self._path), text)

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return stamp_of(self._path), None if self._beside is None else stamp_of(self._beside(self._path))


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file does; None if it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
