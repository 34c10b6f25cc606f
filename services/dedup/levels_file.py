"""deploy/service_levels.yaml to ``ServiceLevels``: read, checked, hashed. Every problem is named with its line."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import yaml

from services.dedup.domain.clock import MOMENTARY, ServiceLevels, Zone
from services.dedup.rules_file import RulesFileError, RulesReader, read_nodes

if TYPE_CHECKING:
    from pathlib import Path

_TOP: Final = frozenset({"version", "zones", "usual", "areas", "feeders", "urgent_arrive_minutes", "momentary_minutes"})
_NEEDED: Final = _TOP - {"areas", "feeders", "urgent_arrive_minutes", "momentary_minutes"}
_ZONE: Final = frozenset({"arrive_minutes", "restore_hours"})
_DAY_MINUTES: Final = 24 * 60
_LONGEST_MOMENTARY: Final = 60


def load_levels(path: Path) -> ServiceLevels:
    """Read and check a service levels file.

    Raises:
        RulesFileError: it is not there, is not YAML, or has a missing, unknown or wrong entry.
    """
    root, digest = read_nodes(path)
    reader = _Reader()
    levels = reader.levels(root, digest)
    if reader.problems or levels is None:
        raise RulesFileError(path, reader.problems)
    return levels


class _Reader(RulesReader):
    def levels(self, root: yaml.Node | None, digest: str) -> ServiceLevels | None:
        """Return the levels, or None; then there is at least one problem."""
        top = self.mapping(root, "the file", allowed=_TOP, needed=_NEEDED)
        if top is None:
            return None
        self.number(top.get("version"), "version", 1, 1, whole=True)
        zones = self._zones(top.get("zones"))
        urgent, momentary = top.get("urgent_arrive_minutes"), top.get("momentary_minutes")
        return ServiceLevels(
            hash=digest,
            zones=zones,
            usual=self._zone(top.get("usual"), "usual", zones),
            areas=self._named(top.get("areas"), "areas", zones),
            feeders=self._named(top.get("feeders"), "feeders", zones),
            urgent_arrive=None
            if urgent is None
            else timedelta(minutes=self.number(urgent, "urgent_arrive_minutes", 1, _DAY_MINUTES)),
            momentary=MOMENTARY
            if momentary is None
            else timedelta(minutes=self.number(momentary, "momentary_minutes", 0, _LONGEST_MOMENTARY)),
        )

    def _zones(self, node: yaml.Node | None) -> dict[str, Zone]:
        zones: dict[str, Zone] = {}
        for name, entry in self.anything(node, "zones").items():
            found = self.mapping(entry, f"zones.{name}", allowed=_ZONE, needed=_ZONE) or {}
            zones[name] = Zone(
                timedelta(minutes=self.number(found.get("arrive_minutes"), "arrive_minutes", 1, _DAY_MINUTES)),
                timedelta(hours=self.number(found.get("restore_hours"), "restore_hours", 0.1, 24 * 14)),
            )
        return zones

    def _named(self, node: yaml.Node | None, what: str, zones: dict[str, Zone]) -> dict[str, str]:
        if node is None:
            return {}
        return {name: self._zone(entry, f"{what}.{name}", zones) for name, entry in self.anything(node, what).items()}

    def _zone(self, node: yaml.Node | None, what: str, zones: dict[str, Zone]) -> str:
        name = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
        if node is not None and name not in zones:
            self.problem(node, f"{what} must be one of the zones {', '.join(sorted(zones))}")
        return name
