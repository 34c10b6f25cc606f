"""Operators' files, reloaded when they change.

Decided here: a change is loaded once the files are unchanged between two looks and while they are read (an editor may
be in the middle of saving), and only if all of them are valid. Otherwise the old content stays in force, the log lists
every error, and a metric stays set until they are corrected. What cannot be read is tried again at every look: a disk
or a right that comes back changes nothing of a file. So is a file that is gone, though another could stand in for it.
Never here: what they say.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import structlog

from services.runtime import metrics
from services.runtime.yaml_reading import Fault, RulesError, UnreadableError, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_log: Final = structlog.get_logger()
T = TypeVar("T")
Stamp = tuple[int, int, int, int] | None


class Watched(Generic[T]):
    """What some files say, as of the last good look."""

    def __init__(self, name: str, load: Callable[[], T], files: Callable[[], Iterable[Path]]) -> None:
        """Read them.

        Args:
            name: What the log and the metrics call them: the first's name.
            load: Makes their meaning of them.
            files: All files that it depends on; a change of any is taken in.

        Raises:
            RulesError: they cannot be used; every fault is named.
        """
        self._name = name
        self._load = load
        self._files = files
        self._taken: tuple[Stamp, ...] | None
        self._taken = self._seen = self._stamps()
        self._read = tuple(files())
        self._told = ""
        self._value: T = load()
        metrics.FILE_STALE.labels(name).set(0)

    def __call__(self) -> T:
        """Return what holds. Take it once a decision: it may be exchanged between two looks."""
        return self._value

    def look(self) -> bool:
        """Look once, and tell whether a change that has settled was taken in."""
        stamps = self._stamps()
        settled, self._seen = stamps == self._seen, stamps
        if not settled or stamps == self._taken:
            return False
        try:
            self._refuse_gone()
            value = self._load()
        except RulesError as error:
            if self._stamps() == stamps:
                self._taken = None if isinstance(error, UnreadableError) else stamps
                self._refuse(str(error))
            return False
        if self._stamps() != stamps:  # written while they were read: it may be half of each
            return False
        self._taken, self._value, self._told = stamps, value, ""
        self._read = tuple(self._files())
        metrics.FILE_LOADS.labels(self._name, "loaded").inc()
        metrics.FILE_STALE.labels(self._name).set(0)
        _log.info("file_reloaded", file=self._name)
        return True

    def _refuse_gone(self) -> None:
        """Refuse to go on without a file that was read: nobody has said that what stands in for it is meant.

        Raises:
            UnreadableError: one is not there any more.
        """
        now = set(self._files())
        for path in self._read:
            if path not in now and _stamp(path) is None:
                gone = "is gone: put it back, or start the service anew to go without it"
                raise UnreadableError(str(path), [Fault(0, gone)])

    def _refuse(self, faults: str) -> None:
        """Say what is wrong, once."""
        metrics.FILE_STALE.labels(self._name).set(1)
        if faults != self._told:
            self._told = faults
            metrics.FILE_LOADS.labels(self._name, "refused").inc()
            _log.error("file_refused_old_one_holds", file=self._name, faults=faults.splitlines())

    async def watch(self, every_s: float) -> None:
        """Look again and again, for the life of the service."""
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.look)

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(_stamp(path) for path in self._files())


def watched_file(
    path: Path, parse: Callable[[str, str], T], beside: Callable[[Path], Path] | None = None
) -> Watched[T]:
    """Read one file and watch it.

    Args:
        path: Where it is.
        parse: Makes its meaning of its name and text.
        beside: Where another file is that its meaning depends on; a change of either is taken in.

    Raises:
        RulesError: it cannot be used; every fault is named.
    """
    return Watched(
        path.name,
        lambda: parse(str(path), read_text(path)),
        lambda: (path,) if beside is None else (path, beside(path)),
    )


def _stamp(path: Path) -> Stamp:
    """Return what changes when a file does; None if it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino
