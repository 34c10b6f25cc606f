"""One file of operators' data, watched: a refused change is an error in the log and a metric that stays up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog

from services.router import metrics
from services.runtime.watched import Watched
from services.runtime.yaml_reading import RulesError, read_text

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
        self._name = path.name
        self._watched = Watched(
            lambda: parse(str(path), read_text(path)), lambda: (path,) if beside is None else (path, beside(path))
        )
        metrics.FILE_STALE.labels(self._name).set(0)

    def __call__(self) -> T:
        """Return what holds. Take it once a decision: it may be exchanged between two looks."""
        return self._watched.value

    def look(self) -> None:
        """Look once and take in a change that has settled."""
        try:
            taken = self._watched.look()
        except RulesError as error:
            metrics.FILE_STALE.labels(self._name).set(1)
            _log.error("file_refused_old_one_holds", file=self._name, faults=str(error).splitlines())
            return
        if taken:
            metrics.FILE_STALE.labels(self._name).set(0)
            _log.info("file_reloaded", file=self._name)

    async def watch(self, every_s: float) -> None:
        """Look again and again, for the life of the service."""
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.look)
