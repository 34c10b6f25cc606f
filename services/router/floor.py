"""Above what versions of tickets go on, after an older database was brought back (ADR 23).

Decided here: when the floor is asked for. Never here: how high it is; ``gridline db restored`` says that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from services.runtime.handling import Transaction

_FLOOR: Final = "SELECT coalesce(max(floor), 0) FROM version_floor"


class VersionFloor:
    """No version of a ticket up to it is given: others may hold it from a time that the database has forgotten."""

    def __init__(self) -> None:
        self._known: int | None = None

    async def read(self, tx: Transaction) -> int:
        """Return it; asked once, and again after ``forget``."""
        if self._known is None:
            self._known = int(await tx.fetchval(_FLOOR))
        return self._known

    def forget(self) -> None:
        """Ask again the next time: it may have been raised."""
        self._known = None
