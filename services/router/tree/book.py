"""The rules in force: routes, words and holidays count at once, and with them who is on duty."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from services.router.domain.ticket import Rules
from services.router.tree.calendars import holidays_beside, read_holidays
from services.router.tree.desk import read_desk
from services.router.tree.keywords import read_keywords
from services.router.tree.routes import read_tree
from services.runtime.watched import Watched
from services.runtime.yaml_reading import digest_of, read_text

if TYPE_CHECKING:
    from services.router.domain.desk import DeskRules
    from services.router.domain.targets import Duty

_log = structlog.get_logger()


def load_rules(routes: Path, classify: Path) -> Rules:
    """Read both files, and the holidays: ``holidays.yaml`` beside the routes, else the shipped one.

    Raises:
        RulesError: one of them cannot be read or has faults; every fault of that file is named.
    """
    holidays = holidays_beside(routes)
    texts = {path: read_text(path) for path in (classify, routes, holidays)}
    keywords = read_keywords(str(classify), texts[classify])
    tree = read_tree(str(routes), texts[routes], keywords, read_holidays(str(holidays), texts[holidays]))
    digest = digest_of(*(texts[path] for path in (routes, classify, holidays)))
    return Rules(keywords=keywords, tree=tree, hash=digest)


def load_desk(file: str, text: str) -> DeskRules:
    """Read the desk's file with the holidays that its calendars name.

    Raises:
        RulesError: one of the two cannot be read or has faults; every fault of that file is named.
    """
    holidays = holidays_beside(Path(file))
    return read_desk(file, text, read_holidays(str(holidays), read_text(holidays)))


class RuleBook:
    """Holds the rules in force."""

    def __init__(self, routes: Path, classify: Path) -> None:
        """Read both files.

        Raises:
            RulesError: they cannot be used.
        """
        self._watched = Watched(
            routes.name, lambda: load_rules(routes, classify), lambda: (routes, classify, holidays_beside(routes))
        )
        self._rules = self._watched()
        _log.info("rules_loaded", tree_hash=self._rules.hash, queues=len(self._rules.tree.queues))

    @property
    def rules(self) -> Rules:
        """The rules in force. Take them once a batch: they may be exchanged between two looks."""
        return self._rules

    def note_duty(self, duty: Duty) -> None:
        """Take in who is there and what waits, for targets that are skipped by it."""
        self._rules = replace(self._rules, duty=duty)

    def look(self) -> None:
        """Look at the files once and take in a change that has settled."""
        if self._watched.look() and (rules := self._watched()).hash != self._rules.hash:
            _log.info("rules_changed", tree_hash=rules.hash, before=self._rules.hash)
            self._rules = replace(rules, duty=self._rules.duty)

    async def watch(self, every_s: float) -> None:
        """Look again and again, for the life of the service."""
        while True:
            await asyncio.sleep(every_s)
            await asyncio.to_thread(self.look)
