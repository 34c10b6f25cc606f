"""The templates file in force: read at start, looked at again, replaced only by a good one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from services.notify import metrics
from services.notify.wording import parse_wording
from services.runtime.watched import Watched
from services.runtime.yaml_reading import RulesError, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from services.notify.wording import Wording

_log = structlog.get_logger()


class TemplateFile:
    """Holds the wording in force."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            RulesError: it cannot be read, or has a fault; the text says where.
        """
        self._watched = Watched(lambda: parse_wording(read_text(path), name=str(path)), lambda: (path,))
        self._note()

    @property
    def current(self) -> Wording:
        """The wording in force. Take it once a batch: it may be exchanged between two looks."""
        return self._watched.value

    def look(self) -> None:
        """Look once and take in a change that has settled; one with a fault is logged and changes nothing."""
        try:
            if self._watched.look():
                self._note()
        except RulesError as error:
            metrics.TEMPLATES_REFUSED.set(1)
            _log.error("templates_refused", in_force=self.current.digest, faults=str(error).splitlines())

    def _note(self) -> None:
        metrics.TEMPLATES_REFUSED.set(0)
        _log.info("templates_in_force", digest=self.current.digest, languages=sorted(self.current.languages))

    async def watch(self, every_s: float) -> None:
        """Look for a change every ``every_s`` seconds, for ever."""
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.look)
