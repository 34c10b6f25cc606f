"""What decisions depend on and may change: the rules and the version of the network.

Decided here: which areas' network is another one than before. In a storm something is switched all the time, and a
nation's networks take seconds to load. Never here: a decision about a report.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from services.dedup import metrics
from services.dedup.domain.acts import NetworkChange
from services.dedup.levels_file import load_levels
from services.dedup.rules_file import load_rules
from services.dedup.store.incident_pages import count_proposed
from services.dedup.store.network import count_moved
from services.dedup.store.storms import count_stormy
from services.dedup.store.views import count_open
from services.grid.operating import switched_areas
from services.grid.store import current_version
from services.runtime import clock
from services.runtime.metrics import set_all
from services.runtime.postgres import connected, later_if_away
from services.runtime.watched import Watched

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from services.dedup.domain.rules import Rules
    from services.grid.store import NetworkVersion
    from services.runtime.postgres import Connection, Pool

_STEPS: Final = 1000
"""Generations whose areas are remembered: nobody looks so rarely that more lie between two looks."""
_log: Final = structlog.get_logger()


class Ground:
    """Holds the rules in force and knows which network is current.

    Attributes:
        rules: The rules in force, another object once they are others. Take them once a batch.
        generation: Goes up when the network changes.
        switched: Set when another network is in force; whoever waits for that clears it.
    """

    def __init__(self, path: Path, levels: Path | None = None, *, trusted_lag: timedelta | None = None) -> None:
        """Read the rules, and the service levels where there are some.

        ``trusted_lag`` holds in place of the rules' own.

        Raises:
            RulesError: they cannot be used.
        """
        self._watched = Watched(
            path.name,
            lambda: _load(path, levels, trusted_lag),
            lambda: (path,) if levels is None else (path, levels),
        )
        self._network: NetworkVersion | None = None
        self.switched = asyncio.Event()
        self.rules: Rules = self._watched()
        self.generation = 0
        self._switched: dict[int, frozenset[str]] = {}
        _log.info("rules_loaded", rules_hash=self.rules.hash)

    @property
    def network(self) -> NetworkVersion | None:
        """The network in force when it was last looked at; None where none was ever imported."""
        return self._network

    def changed_since(self, generation: int) -> frozenset[str] | None:
        """Return the areas whose network is another one than at that generation; None: all."""
        areas: set[str] = set()
        for step in range(generation + 1, self.generation + 1):
            switched = self._switched.get(step)
            if switched is None:
                return None
            areas |= switched
        return frozenset(areas)

    def look_at_rules(self) -> None:
        """Look at the files once and take in a change that has settled."""
        if not self._watched.look():
            return
        rules = self._watched()
        if (rules.hash, rules.levels) != (self.rules.hash, self.rules.levels):
            _log.info("rules_changed", rules_hash=rules.hash, before=self.rules.hash)
            self.rules = rules

    async def look_at_network(self, pool: Pool) -> None:
        """Ask once which network is current, and count the open incidents for the gauge."""
        async with connected(pool) as connection:
            await self.look_at_version(connection)
            found = await count_open(connection)
            stormy = await count_stormy(connection, clock.now())
            moved = await count_moved(connection)
            proposed = await count_proposed(connection, clock.now())
        metrics.STORMY.set(stormy)
        metrics.PLAN_PROPOSED.set(proposed)
        for change in NetworkChange:
            metrics.MOVED.labels(change.value).set(moved.get(change.value, 0))
        set_all(metrics.OPEN, {(kind, device_class): count for kind, device_class, count in found})

    async def look_at_version(self, connection: Connection) -> None:
        """Ask which network is current: another import, or the same one switched."""
        current, before = await current_version(connection), self._network
        if current == before:
            return
        areas = None
        if current is not None and before is not None and current.version == before.version:
            areas = await switched_areas(connection, current.version, before.revision, current.revision)
        _log.info(
            "network_version", version=str(current), before=str(before), areas="all" if areas is None else len(areas)
        )
        self._network = current
        self.generation += 1
        if areas is not None:
            self._switched[self.generation] = areas
        self._switched.pop(self.generation - _STEPS, None)
        self.switched.set()

    async def watch(self, pool: Pool, every_s: float) -> None:
        """Look again and again, for the life of the service."""
        while True:
            await asyncio.to_thread(self.look_at_rules)
            with later_if_away():
                await self.look_at_network(pool)
            await asyncio.sleep(every_s)


def _load(path: Path, levels: Path | None, trusted_lag: timedelta | None) -> Rules:
    rules = load_rules(path)
    if trusted_lag is not None:
        rules = replace(rules, trusted_lag=trusted_lag)
    return rules if levels is None else replace(rules, levels=load_levels(levels))
