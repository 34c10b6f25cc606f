"""deploy/service_levels.yaml to ``ServiceLevels``: read, checked, hashed. Every problem is named with its line."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from services.dedup.domain.service_levels import MOMENTARY, ServiceLevels, Zone
from services.runtime.yaml_reading import Reader, digest_of, line_of, meant, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from yaml.nodes import Node

_TOP: Final = frozenset({"version", "zones", "usual", "areas", "feeders", "urgent_arrive_minutes", "momentary_minutes"})
_NEEDED: Final = _TOP - {"areas", "feeders", "urgent_arrive_minutes", "momentary_minutes"}
_ZONE: Final = frozenset({"arrive_minutes", "restore_hours"})
_DAY_MINUTES: Final = 24 * 60
_LONGEST_MOMENTARY: Final = 60


def load_levels(path: Path) -> ServiceLevels:
    """Read and check a service levels file.

    Raises:
        RulesError: it is not there, is not YAML, or has a missing, unknown or wrong entry; every fault with its line.
    """
    text = read_text(path)
    reader = Reader(str(path), text)
    top = reader.top(_TOP, _NEEDED)
    levels = _Levels(reader).levels(top, digest_of(text))
    reader.finish()
    return levels


class _Levels:
    """Reads the parts; what is missing or wrong is noted, and stands at its least until the file is refused."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def levels(self, top: Mapping[str, Node], digest: str) -> ServiceLevels:
        zones = self._zones(top["zones"]) if "zones" in top else {}
        urgent = self._number(top, "urgent_arrive_minutes", 1, _DAY_MINUTES)
        momentary = self._number(top, "momentary_minutes", 0, _LONGEST_MOMENTARY)
        return ServiceLevels(
            hash=digest,
            zones=zones,
            usual=self._zone(top["usual"], "usual", zones) if "usual" in top else "",
            areas=self._named(top, "areas", zones),
            feeders=self._named(top, "feeders", zones),
            urgent_arrive=None if urgent is None else timedelta(minutes=urgent),
            momentary=MOMENTARY if momentary is None else timedelta(minutes=momentary),
        )

    def _zones(self, node: Node) -> dict[str, Zone]:
        zones: dict[str, Zone] = {}
        for entry in self._reader.entries(node, "zones"):
            found = self._reader.fields(entry.value, f"zone {entry.key!r}", _ZONE, sorted(_ZONE))
            arrive = self._number(found, "arrive_minutes", 1, _DAY_MINUTES)
            restore = self._number(found, "restore_hours", 0.1, 24 * 14)
            zones[entry.key] = Zone(timedelta(minutes=arrive or 0), timedelta(hours=restore or 0))
        return zones

    def _named(self, top: Mapping[str, Node], what: str, zones: Mapping[str, Zone]) -> dict[str, str]:
        entries = self._reader.entries(top[what], what) if what in top else ()
        return {entry.key: self._zone(entry.value, f"{what}.{entry.key}", zones) for entry in entries}

    def _zone(self, node: Node, what: str, zones: Mapping[str, Zone]) -> str:
        name = self._reader.text(node, what) or ""
        if name and name not in zones:
            self._reader.fault(line_of(node), f"{what}: {name!r} is no zone; {meant(name, zones)}")
        return name

    def _number(self, entries: Mapping[str, Node], name: str, least: float, most: float) -> float | None:
        return self._reader.number(entries[name], name, least, most) if name in entries else None
