"""The templates file in force: read at start, looked at again, replaced only by a good one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from services.notify import metrics
from services.notify.wording import WordingError, parse_wording

if TYPE_CHECKING:
    from pathlib import Path

    from services.notify.wording import Wording

_log = structlog.get_logger()


class TemplateFile:
    """Holds the wording in force."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            WordingError: it cannot be read, or has a fault; the text says where.
        """
        self._path = path
        self._seen: str | None = self._read()
        self._fault: str | None = None
        self.current: Wording = parse_wording(self._seen, name=str(path))
        self._install(self.current)

    def look(self) -> None:
        """Take a changed file into force; one with a fault is logged once and changes nothing."""
        try:
            source = self._read()
            if source != self._seen:
                self._seen = source
                self._install(parse_wording(source, name=str(self._path)))
        except WordingError as error:
            if str(error) != self._fault:
                self._fault = str(error)
                metrics.TEMPLATES_REFUSED.set(1)
                _log.error("templates_refused", in_force=self.current.digest, faults=self._fault)

    def _install(self, wording: Wording) -> None:
        self.current = wording
        self._fault = None
        metrics.TEMPLATES_REFUSED.set(0)
        _log.info("templates_in_force", digest=wording.digest, languages=sorted(wording.languages))

    async def watch(self, every_s: float) -> None:
        """Look for a change every ``every_s`` seconds, for ever."""
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.look)

    def _read(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8")
        except OSError as error:
            self._seen = None
            raise WordingError(f"{self._path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            self._seen = None
            raise WordingError(f"{self._path} is not UTF-8, at byte {error.start}") from None
