"""The rules in force: routes, words and holidays count at once, and with them who is on duty."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from services.router import metrics
from services.router.domain.targets import UNKNOWN
from services.router.domain.ticket import Rules
from services.router.tree.beside import beside
from services.router.tree.calendars import FILE, holidays_beside, read_holidays
from services.router.tree.desk import read_desk
from services.router.tree.keywords import read_keywords
from services.router.tree.likeness import FILE as LIKENESS
from services.router.tree.likeness import read_likeness
from services.router.tree.routes import read_tree
from services.router.tree.unreached import never_reached
from services.runtime import clock
from services.runtime.watched import Watched
from services.runtime.yaml_reading import digest_of, read_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from services.router.domain.desk import DeskRules
    from services.router.domain.targets import Duty
    from services.router.tree.calendars import Holidays

_SOON: Final = timedelta(days=31)
"""The State Council's office publishes a year each November: from December on the next one must be there."""
_log: Final = structlog.get_logger()


def load_rules(routes: Path, classify: Path) -> Rules:
    """Read both files, ``holidays.yaml`` beside the routes, ``likeness.txt`` beside the words, or the shipped ones.

    Raises:
        RulesError: one of them cannot be read or has faults; every fault of that file is named.
    """
    return _load(routes, classify)[0]


def _load(routes: Path, classify: Path) -> tuple[Rules, Mapping[str, Holidays]]:
    _, _, days, weights = files = _files(routes, classify)
    texts = {path: read_text(path) for path in files}
    likeness = read_likeness(str(weights), texts[weights])
    keywords, holidays = read_keywords(str(classify), texts[classify], likeness), read_holidays(str(days), texts[days])
    tree = read_tree(str(routes), texts[routes], keywords, holidays)
    digest = digest_of(*texts.values())
    return Rules(keywords=keywords, tree=tree, hash=digest), holidays


def _files(routes: Path, classify: Path) -> tuple[Path, Path, Path, Path]:
    return routes, classify, holidays_beside(routes), beside(classify, LIKENESS)


def load_desk(file: str, text: str) -> DeskRules:
    """Read the desk's file with the holidays that its calendars name.

    Raises:
        RulesError: one of the two cannot be read or has faults; every fault of that file is named.
    """
    holidays = holidays_beside(Path(file))
    days = read_text(holidays)
    return read_desk(file, text, read_holidays(str(holidays), days), digest_of(text, days))


class RuleBook:
    """Holds the rules in force."""

    def __init__(self, routes: Path, classify: Path) -> None:
        """Read both files.

        Raises:
            RulesError: they cannot be used.
        """
        self._watched = Watched(routes.name, lambda: _load(routes, classify), lambda: _files(routes, classify))
        self._duty = UNKNOWN
        self._elsewhere: frozenset[str] = frozenset()
        self._warned_on: date | None = None
        self.note_holidays(clock.now())
        holidays = str(holidays_beside(routes))
        _log.info("rules_loaded", tree_hash=self.rules.hash, queues=len(self.rules.tree.queues), holidays=holidays)
        self._tell_unreached()

    @property
    def rules(self) -> Rules:
        """The rules in force. Take them once a batch: they may be exchanged between two looks."""
        return replace(self._watched()[0], duty=self._duty)

    @property
    def declared(self) -> tuple[str, ...]:
        """The queues of the tree in force, then those that only trees of other processes have, as last heard."""
        here = self.rules.tree.queues
        return (*here, *sorted(self._elsewhere - here.keys()))

    def note_declared(self, queues: Collection[str]) -> None:
        """Take in which queues the trees of all processes have."""
        self._elsewhere = frozenset(queues)

    def note_duty(self, duty: Duty) -> None:
        """Take in who is there and what waits, for targets that are skipped by it."""
        self._duty = duty

    def look(self) -> None:
        """Look at the files once and take in a change that has settled."""
        before = self.rules.hash
        if self._watched.look() and self.rules.hash != before:
            _log.info("rules_changed", tree_hash=self.rules.hash, before=before)
            self._tell_unreached()
            self._warned_on = None
        self.note_holidays(clock.now())

    def _tell_unreached(self) -> None:
        for line, reason in never_reached(self.rules.tree):
            _log.warning("route_never_reached", line=line, reason=reason)

    def note_holidays(self, now: datetime) -> None:
        """Say once a day, and after each change, which list of holidays is about to have no year any more."""
        if self._warned_on == now.date():
            return
        self._warned_on = now.date()
        _, lists = self._watched()
        for name, holidays in lists.items():
            if holidays.until is None:
                continue
            ends = datetime.combine(holidays.until, time(), UTC)
            metrics.HOLIDAYS_UNTIL.labels(name).set(ends.timestamp())
            if ends - now < _SOON:
                _log.warning("holidays_end", list=name, year=holidays.until.year, file=FILE)

    async def watch(self, every_s: float) -> None:
        """Look again and again, for the life of the service."""
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.look)
