"""Files of operators' data that are read again when they change, without a restart.

Decided here: a change counts once the files have stood still between two looks (an editor may be half way through),
and only if all of them are good; otherwise what is in force stays. Never here: what they say, or who is told of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

T = TypeVar("T")
Stamp = tuple[int, int, int] | None


class Watched(Generic[T]):
    """What some files say, as of the last good look.

    Attributes:
        value: What holds. Take it once a decision: it may be exchanged between two looks.
    """

    def __init__(self, load: Callable[[], T], files: Callable[[], Iterable[Path]]) -> None:
        """Read them.

        Args:
            load: Makes their meaning of them.
            files: All files that it depends on; a change of any is taken in.

        Raises:
            RulesError: they cannot be used; every fault is named.
        """
        self._load = load
        self._files = files
        self._taken = self._seen = self._stamps()
        self.value: T = load()

    def look(self) -> bool:
        """Look once, and tell whether a change that has settled was taken in.

        Raises:
            RulesError: it cannot be used, told once; what was said before holds.
        """
        stamps = self._stamps()
        settled, self._seen = stamps == self._seen, stamps
        if not settled or stamps == self._taken:
            return False
        self._taken = stamps
        self.value = self._load()
        return True

    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(_stamp(path) for path in self._files())


def _stamp(path: Path) -> Stamp:
    """Return what changes when a file does; None if it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
