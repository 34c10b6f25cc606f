"""deploy/dedup.yaml to ``Rules``: read, checked, hashed.

Decided here: what a well-formed rules file is. Every problem is named with its line, all at once; a file with a
problem gives no rules. Never here: what the rules do.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import yaml

from services.dedup.domain.rules import CELL, PLACE, Lift, Rules
from services.grid.tree import PROTECTIVE, DeviceType

if TYPE_CHECKING:
    from pathlib import Path

_LIFT_TO: Final = {kind.value: kind for kind in PROTECTIVE}
_HOLD_AT: Final = {*(kind.value for kind in DeviceType if kind is not DeviceType.OTHER), CELL, PLACE}
_LONGEST_HOLD: Final = 3600
_TOP: Final = frozenset({"version", "lift", "separation_minutes", "hold_seconds", "already_restored"})
_LIFT: Final = frozenset({"transformers", "share", "branches", "window_minutes"})
_RESTORED: Final = frozenset({"tolerance_minutes", "memory_hours"})


class RulesFileError(Exception):
    """The rules cannot be used. Each problem names its line; the text holds all of them."""

    def __init__(self, path: Path, problems: list[tuple[int, str]]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(f"{path}:{line}: {reason}" for line, reason in self.problems))


def load_rules(path: Path) -> Rules:
    """Read and check a rules file.

    Raises:
        RulesFileError: it is not there, is not YAML, or has a missing, unknown or wrong entry.
    """
    try:
        raw = path.read_bytes()
        root = yaml.compose(raw, Loader=yaml.SafeLoader)
    except OSError as error:
        raise RulesFileError(path, [(0, f"cannot be read: {error.strerror}")]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise RulesFileError(path, [(line, f"is not YAML: {error.problem}")]) from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise RulesFileError(path, [(0, "is not YAML in UTF-8")]) from None
    reader = _Reader()
    rules = reader.rules(root, hashlib.sha256(raw).hexdigest()[:12])
    if reader.problems or rules is None:
        raise RulesFileError(path, reader.problems)
    return rules


class _Reader:
    """Reads the nodes of a file, keeping every problem with its line."""

    def __init__(self) -> None:
        self.problems: list[tuple[int, str]] = []

    def rules(self, root: yaml.Node | None, digest: str) -> Rules | None:
        """Return the rules, or None; then there is at least one problem."""
        top = self._mapping(root, "the file", allowed=_TOP, needed=_TOP)
        if top is None:
            return None
        self._number(top.get("version"), "version", 1, 1, whole=True)
        restored = self._mapping(top.get("already_restored"), "already_restored", allowed=_RESTORED, needed=_RESTORED)
        restored = restored or {}
        return Rules(
            hash=digest,
            lifts=self._lifts(top.get("lift")),
            holds=self._holds(top.get("hold_seconds")),
            separation=timedelta(minutes=self._number(top.get("separation_minutes"), "separation_minutes", 1, 1440)),
            restored_tolerance=timedelta(
                minutes=self._number(restored.get("tolerance_minutes"), "tolerance_minutes", 0, 120)
            ),
            restored_memory=timedelta(hours=self._number(restored.get("memory_hours"), "memory_hours", 0, 24 * 14)),
        )

    def _lifts(self, node: yaml.Node | None) -> dict[DeviceType, Lift]:
        lifts: dict[DeviceType, Lift] = {}
        for name, entry in (self._mapping(node, "lift", allowed=frozenset(_LIFT_TO)) or {}).items():
            found = self._mapping(entry, f"lift.{name}", allowed=_LIFT, needed=_LIFT)
            if found is not None:
                lifts[_LIFT_TO[name]] = Lift(
                    transformers=int(self._number(found.get("transformers"), "transformers", 2, 100_000, whole=True)),
                    share=self._number(found.get("share"), "share", 0, 1),
                    branches=int(self._number(found.get("branches"), "branches", 2, 100_000, whole=True)),
                    window=timedelta(minutes=self._number(found.get("window_minutes"), "window_minutes", 1, 1440)),
                )
        return lifts

    def _holds(self, node: yaml.Node | None) -> dict[str, timedelta]:
        found = self._mapping(node, "hold_seconds", allowed=frozenset(_HOLD_AT)) or {}
        return {
            name: timedelta(seconds=self._number(entry, f"hold_seconds.{name}", 0, _LONGEST_HOLD))
            for name, entry in found.items()
        }

    def _mapping(
        self, node: yaml.Node | None, what: str, *, allowed: frozenset[str], needed: frozenset[str] = frozenset()
    ) -> dict[str, yaml.Node] | None:
        """Return the entries of a mapping that are known; None where it is no mapping."""
        line = _line(node)
        if not isinstance(node, yaml.MappingNode):
            if node is not None or what == "the file":
                self._problem(line, f"{what} must be a mapping with {', '.join(sorted(allowed))}")
            return None
        entries: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name not in allowed:
                self._problem(_line(key), f"{what} has no {name!r}; it may have {', '.join(sorted(allowed))}")
            elif name in entries:
                self._problem(_line(key), f"{what} has {name!r} twice")
            else:
                entries[name] = value
        for name in sorted(needed - entries.keys()):
            self._problem(line, f"{what} lacks {name!r}")
        return entries

    def _number(self, node: yaml.Node | None, what: str, least: float, most: float, *, whole: bool = False) -> float:
        """Return a number in its bounds; a missing one has been told where it is missing."""
        if node is None:
            return least
        value: Any = yaml.SafeLoader("").construct_object(node) if isinstance(node, yaml.ScalarNode) else None
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
            kind = "a whole number" if whole else "a number"
            self._problem(_line(node), f"{what} must be {kind} from {least:g} to {most:g}")
            return least
        return float(value)

    def _problem(self, line: int, reason: str) -> None:
        self.problems.append((line, reason))


def _line(node: yaml.Node | None) -> int:
    return 1 if node is None else node.start_mark.line + 1
