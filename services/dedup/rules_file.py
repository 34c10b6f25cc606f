"""deploy/dedup.yaml to ``Rules``: read, checked, hashed.

Decided here: what a well-formed rules file is. Every problem is named with its line, all at once; a file with a
problem gives no rules. Never here: what the rules do.
"""

from __future__ import annotations

import hashlib
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import yaml

from services.dedup.domain.rules import CELL, PLACE, Inference, Rules
from services.dedup.domain.storm import StormRules
from services.grid.tree import PROTECTIVE, DeviceType

if TYPE_CHECKING:
    from pathlib import Path

_CAN_FAIL: Final = {kind.value: kind for kind in (*sorted(PROTECTIVE), DeviceType.TRANSFORMER)}
_HOLD_AT: Final = {*(kind.value for kind in DeviceType if kind is not DeviceType.OTHER), CELL, PLACE}
_LONGEST_HOLD: Final = 3600
_HOUR: Final = 3600.0
_YEAR: Final = 365.25 * 24 * 3600.0
_TOP: Final = frozenset(
    {
        *("version", "faults_per_year", "reporting", "inference"),
        *("hold_seconds", "trusted_lag_minutes", "already_restored"),
    }
)
_STORM: Final = frozenset(
    {"recent_minutes", "usual_days", "usual_per_hour", "enter_times", "least_reports", "leave_times"}
)
_IN_STORM: Final = frozenset({"hold_seconds", "lift_margin"})
_REPORTING: Final = frozenset(
    {"share", "share_weight", "delay_minutes", "delay_weight", "delay_spread", "stray_per_hour", "silence_weight"}
)
_INFERENCE: Final = frozenset(
    {"lift_margin", "split_margin", "restored_margin", "enough", "wave_margin", "relook_minutes"}
)
_RESTORED: Final = frozenset({"tolerance_minutes", "memory_hours", "still_out_minutes"})


class RulesFileError(Exception):
    """The rules cannot be used. Each problem names its line; the text holds all of them."""

    def __init__(self, path: Path, problems: list[tuple[int, str]]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(f"{path}:{line}: {reason}" for line, reason in self.problems))


def read_nodes(path: Path) -> tuple[yaml.Node | None, str]:
    """Return what a file says, with its lines, and the hash of its content.

    Raises:
        RulesFileError: it is not there, or is not YAML.
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
    return root, hashlib.sha256(raw).hexdigest()[:12]


def load_rules(path: Path) -> Rules:
    """Read and check a rules file.

    Raises:
        RulesFileError: it is not there, is not YAML, or has a missing, unknown or wrong entry.
    """
    root, digest = read_nodes(path)
    reader = RulesReader()
    rules = reader.rules(root, digest)
    if reader.problems or rules is None:
        raise RulesFileError(path, reader.problems)
    return rules


class RulesReader:
    """Reads the nodes of a file, keeping every problem with its line."""

    def __init__(self) -> None:
        self.problems: list[tuple[int, str]] = []

    def rules(self, root: yaml.Node | None, digest: str) -> Rules | None:
        """Return the rules, or None; then there is at least one problem."""
        top = self.mapping(root, "the file", allowed=_TOP | {"storm"}, needed=_TOP)
        if top is None:
            return None
        self.number(top.get("version"), "version", 1, 1, whole=True)
        restored = self.mapping(top.get("already_restored"), "already_restored", allowed=_RESTORED, needed=_RESTORED)
        restored = restored or {}
        return Rules(
            hash=digest,
            inference=self._inference(top),
            holds=self._holds(top.get("hold_seconds")),
            trusted_lag=timedelta(
                minutes=self.number(top.get("trusted_lag_minutes"), "trusted_lag_minutes", 0, 24 * 60)
            ),
            restored_tolerance=timedelta(
                minutes=self.number(restored.get("tolerance_minutes"), "tolerance_minutes", 0, 120)
            ),
            restored_memory=timedelta(hours=self.number(restored.get("memory_hours"), "memory_hours", 0, 24 * 14)),
            still_out=timedelta(
                minutes=self.number(restored.get("still_out_minutes"), "still_out_minutes", 0, 24 * 60)
            ),
            storm=None if "storm" not in top else self._storm(top["storm"]),
        )

    def _storm(self, node: yaml.Node) -> StormRules | None:
        found = self.mapping(node, "storm", allowed=_STORM | _IN_STORM, needed=_STORM)
        if found is None:
            return None
        enter = self.number(found.get("enter_times"), "storm.enter_times", 1, 1e6)
        leave = self.number(found.get("leave_times"), "storm.leave_times", 0.1, 1e6)
        if leave >= enter and {"enter_times", "leave_times"} <= found.keys():
            self.problem(found["leave_times"], "storm.leave_times must be less than enter_times, or it would flap")
        margin = found.get("lift_margin")
        return StormRules(
            recent=60.0 * self.number(found.get("recent_minutes"), "storm.recent_minutes", 0.1, 1440),
            usual=24 * _HOUR * self.number(found.get("usual_days"), "storm.usual_days", 0.1, 3650),
            usual_per_hour=self.number(found.get("usual_per_hour"), "storm.usual_per_hour", 0.001, 1e6),
            enter=enter,
            least=self.number(found.get("least_reports"), "storm.least_reports", 1, 1e6),
            leave=leave,
            holds=self._holds(found.get("hold_seconds"), "storm.hold_seconds"),
            lift_margin=None if margin is None else self.number(margin, "storm.lift_margin", -20, 20),
        )

    def _inference(self, top: dict[str, yaml.Node]) -> Inference:
        said = self.mapping(top.get("reporting"), "reporting", allowed=_REPORTING, needed=_REPORTING) or {}
        how = self.mapping(top.get("inference"), "inference", allowed=_INFERENCE, needed=_INFERENCE) or {}

        def of(entries: dict[str, yaml.Node], name: str, least: float, most: float) -> float:
            return self.number(entries.get(name), name, least, most)

        return Inference(
            rates=self._rates(top.get("faults_per_year")),
            share=of(said, "share", 0.001, 0.9),
            share_weight=of(said, "share_weight", 1, 1e9),
            delay_median=60.0 * of(said, "delay_minutes", 0.1, 600),
            delay_weight=of(said, "delay_weight", 1, 1e9),
            delay_spread=of(said, "delay_spread", 0.1, 5),
            silence_weight=of(said, "silence_weight", 0, 1),
            stray=math.log(of(said, "stray_per_hour", 1e-9, 1) / _HOUR),
            lift_margin=of(how, "lift_margin", -20, 20),
            split_margin=of(how, "split_margin", -20, 20),
            restored_margin=of(how, "restored_margin", -50, 20),
            enough=of(how, "enough", 0, 1),
            wave=of(how, "wave_margin", 0, 100),
            relook=self._minutes(how.get("relook_minutes")),
        )

    def _rates(self, node: yaml.Node | None) -> dict[DeviceType, float]:
        found = self.mapping(node, "faults_per_year", allowed=frozenset(_CAN_FAIL)) or {}
        return {
            _CAN_FAIL[name]: math.log(self.number(entry, f"faults_per_year.{name}", 1e-6, 1e6) / _YEAR)
            for name, entry in found.items()
        }

    def _minutes(self, node: yaml.Node | None) -> tuple[float, ...]:
        if not isinstance(node, yaml.SequenceNode):
            if node is not None:
                self.problem(node, "relook_minutes must be a list of minutes")
            return ()
        found = [60.0 * self.number(entry, "relook_minutes", 0.1, 1440) for entry in node.value]
        if found != sorted(set(found)):
            self.problem(node, "relook_minutes must ascend")
        return tuple(found)

    def _holds(self, node: yaml.Node | None, what: str = "hold_seconds") -> dict[str, timedelta]:
        found = self.mapping(node, what, allowed=frozenset(_HOLD_AT)) or {}
        return {
            name: timedelta(seconds=self.number(entry, f"{what}.{name}", 0, _LONGEST_HOLD))
            for name, entry in found.items()
        }

    def mapping(
        self, node: yaml.Node | None, what: str, *, allowed: frozenset[str], needed: frozenset[str] = frozenset()
    ) -> dict[str, yaml.Node] | None:
        """Return the entries of a mapping that are known; None where it is no mapping."""
        if not isinstance(node, yaml.MappingNode):
            if node is not None or what == "the file":
                self.problem(node, f"{what} must be a mapping with {', '.join(sorted(allowed))}")
            return None
        entries: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name not in allowed:
                self.problem(key, f"{what} has no {name!r}; it may have {', '.join(sorted(allowed))}")
            elif name in entries:
                self.problem(key, f"{what} has {name!r} twice")
            else:
                entries[name] = value
        for name in sorted(needed - entries.keys()):
            self.problem(node, f"{what} lacks {name!r}")
        return entries

    def number(self, node: yaml.Node | None, what: str, least: float, most: float, *, whole: bool = False) -> float:
        """Return a number in its bounds; a missing one has been told where it is missing."""
        if node is None:
            return least
        value: Any = yaml.SafeLoader("").construct_object(node) if isinstance(node, yaml.ScalarNode) else None
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
            kind = "a whole number" if whole else "a number"
            self.problem(node, f"{what} must be {kind} from {least:g} to {most:g}")
            return least
        return float(value)

    def anything(self, node: yaml.Node | None, what: str) -> dict[str, yaml.Node]:
        """Return the entries of a mapping whose keys are names that the file chooses."""
        if not isinstance(node, yaml.MappingNode):
            if node is not None:
                self.problem(node, f"{what} must be a mapping")
            return {}
        return {str(key.value): value for key, value in node.value}

    def problem(self, node: yaml.Node | None, reason: str) -> None:
        """Keep a problem with its line."""
        self.problems.append((_line(node), reason))


def _line(node: yaml.Node | None) -> int:
    return 1 if node is None else node.start_mark.line + 1
