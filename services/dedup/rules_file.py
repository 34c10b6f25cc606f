"""deploy/dedup.yaml to ``Rules``: read, checked, hashed.

Decided here: what a well-formed rules file is. Every problem is named with its line, all at once; a file with a
problem gives no rules. Never here: what the rules do.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from services.dedup.domain.night import Night
from services.dedup.domain.rules import BREAKERS, CELL, METERS, NO_HOLD, PLACE, Inference, Rules
from services.dedup.domain.storm import StormRules
from services.grid.device import CAN_FAIL, DeviceType
from services.runtime.yaml_reading import Reader, digest_of, line_of, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from yaml.nodes import Node

_HOME: Final = "home"
_CAN_FAIL: Final = {kind.value: kind for kind in sorted(CAN_FAIL)}
CLASSES: Final = frozenset({*(kind.value for kind in DeviceType if kind is not DeviceType.OTHER), CELL, PLACE})
"""Where an incident may stand, and so an order may be held."""
_HELD: Final = CLASSES | {METERS, BREAKERS}
_TIMES: Final = {
    "hold_seconds": (0.0, 3600.0, "seconds", _HELD),
    "etr_hours": (0.25, 14 * 24.0, "hours", CLASSES),
}
"""Least, most and unit of what is told by class of device, and what may be named."""
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
_IN_STORM: Final = frozenset({"hold_seconds", "lift_margin", "etr_hours"})
_REPORTING: Final = frozenset(
    {"share", "share_weight", "delay_minutes", "delay_weight", "delay_spread", "stray_per_hour", "silence_weight"}
)
_INFERENCE: Final = frozenset(
    {"lift_margin", "split_margin", "restored_margin", "enough", "wave_margin", "relook_minutes"}
)
_FEW: Final = "few_margin"
_FRESH: Final = "fresh_minutes"
_NIGHT: Final = frozenset({"time_zone", "from", "to", "awake"})
_TELEMETRY: Final = frozenset({"closed_after_minutes", "early_minutes", "asked_twice"})
_RESTORED: Final = frozenset({"tolerance_minutes", "memory_hours", "still_out_minutes"})


def load_rules(path: Path) -> Rules:
    """Read and check a rules file.

    Raises:
        RulesError: it is not there, is not YAML, or has a missing, unknown or wrong entry; every fault with its line.
    """
    text = read_text(path)
    reader = Reader(str(path), text)
    top = reader.top(_TOP | {"storm", "night", "telemetry"}, _TOP)
    rules = _Rules(reader).rules(top, digest_of(text))
    reader.finish()
    return rules


class _Rules:
    """Reads the parts; what is missing or wrong is noted, and stands at its least until the file is refused."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def rules(self, top: Mapping[str, Node], digest: str) -> Rules:
        restored = self._fields(top.get("already_restored"), "already_restored", _RESTORED)
        machines = self._fields(top.get("telemetry"), "telemetry", frozenset(), *_TELEMETRY)
        return Rules(
            hash=digest,
            inference=self._inference(top),
            holds=self._by_class(top, "hold_seconds"),
            trusted_lag=timedelta(minutes=self._number(top, "trusted_lag_minutes", 0, 24 * 60)),
            restored_tolerance=timedelta(minutes=self._number(restored, "tolerance_minutes", 0, 120)),
            restored_memory=timedelta(hours=self._number(restored, "memory_hours", 0, 24 * 14)),
            still_out=timedelta(minutes=self._number(restored, "still_out_minutes", 0, 24 * 60)),
            storm=None if "storm" not in top else self._storm(top["storm"]),
            night=None if "night" not in top else self._night(top["night"]),
            closed_after=self._span(machines, "closed_after_minutes", 24 * 60),
            early=self._span(machines, "early_minutes", 24 * 60) or NO_HOLD,
            asked_twice="asked_twice" in machines and bool(self._reader.truth(machines["asked_twice"], "asked_twice")),
        )

    def _night(self, node: Node) -> Night | None:
        found = self._reader.fields(node, "night", _NIGHT, sorted(_NIGHT))
        if found.keys() != _NIGHT:
            return None  # that something is missing has been told
        begins, ends = (self._reader.clock(found[name], f"night: {name}") for name in ("from", "to"))
        if begins is not None and begins == ends:
            self._reader.fault(line_of(found["to"]), "night: from and to must differ; leave night out to have none")
        zone, awake = self._reader.zone(found["time_zone"]), self._number(found, "awake", 0, 1)
        return None if begins is None or ends is None else Night(zone, begins, ends, awake)

    def _storm(self, node: Node) -> StormRules:
        found = self._reader.fields(node, "storm", _STORM | _IN_STORM, sorted(_STORM))
        enter = self._number(found, "enter_times", 1, 1e6)
        leave = self._number(found, "leave_times", 0.1, 1e6)
        if leave >= enter and {"enter_times", "leave_times"} <= found.keys():
            line = line_of(found["leave_times"])
            self._reader.fault(line, "leave_times must be less than enter_times, or the storm would flap")
        return StormRules(
            recent=60.0 * self._number(found, "recent_minutes", 0.1, 1440),
            usual=24 * _HOUR * self._number(found, "usual_days", 0.1, 3650),
            usual_per_hour=self._number(found, "usual_per_hour", 0.001, 1e6),
            enter=enter,
            least=self._number(found, "least_reports", 1, 1e6),
            leave=leave,
            holds=self._by_class(found, "hold_seconds", " of storm"),
            lift_margin=self._number(found, "lift_margin", -20, 20) if "lift_margin" in found else None,
            etr=self._by_class(found, "etr_hours", " of storm"),
        )

    def _inference(self, top: Mapping[str, Node]) -> Inference:
        said = self._fields(top.get("reporting"), "reporting", _REPORTING)
        how = self._fields(top.get("inference"), "inference", _INFERENCE, _FRESH, _FEW)
        rates, home = self._rates(top.get("faults_per_year"))
        return Inference(
            rates=rates,
            home=home,
            fresh=60.0 * self._number(how, _FRESH, 0, 60),
            share=self._number(said, "share", 0.001, 0.9),
            share_weight=self._number(said, "share_weight", 1, 1e9),
            delay_median=60.0 * self._number(said, "delay_minutes", 0.1, 600),
            delay_weight=self._number(said, "delay_weight", 1, 1e9),
            delay_spread=self._number(said, "delay_spread", 0.1, 5),
            silence_weight=self._number(said, "silence_weight", 0, 1),
            stray=math.log(self._number(said, "stray_per_hour", 1e-9, 1) / _HOUR),
            lift_margin=self._number(how, "lift_margin", -20, 20),
            few_margin=self._number(how, _FEW, 1, 100) if _FEW in how else math.inf,
            split_margin=self._number(how, "split_margin", -20, 20),
            restored_margin=self._number(how, "restored_margin", -50, 20),
            enough=self._number(how, "enough", 0, 1),
            wave=self._number(how, "wave_margin", 0, 100),
            relook=self._minutes(how.get("relook_minutes")),
        )

    def _rates(self, node: Node | None) -> tuple[dict[DeviceType, float], float | None]:
        """Return the rates by class of device, and of one home's own line if it is named."""
        found = {} if node is None else self._reader.fields(node, "faults_per_year", {*_CAN_FAIL, _HOME})
        rates = {name: math.log(self._number(found, name, 1e-6, 1e6) / _YEAR) for name in found}
        home = rates.pop(_HOME, None)
        return {_CAN_FAIL[name]: rate for name, rate in rates.items()}, home

    def _minutes(self, node: Node | None) -> tuple[float, ...]:
        if node is None:
            return ()
        read = [
            self._reader.number(each, "each of relook_minutes", 0.1, 1440)
            for each in self._reader.items(node, "relook_minutes")
        ]
        found = [60.0 * minutes for minutes in read if minutes is not None]
        if found != sorted(set(found)):
            self._reader.fault(line_of(node), "relook_minutes must ascend")
        return tuple(found)

    def _by_class(self, entries: Mapping[str, Node], what: str, of: str = "") -> dict[str, timedelta]:
        """Return the times by class of device; none where the entry, which need not be there, is not."""
        least, most, unit, known = _TIMES[what]
        found = self._reader.fields(entries[what], what + of, known) if what in entries else {}
        return {name: timedelta(**{unit: self._number(found, name, least, most)}) for name in found}

    def _span(self, entries: Mapping[str, Node], name: str, most: float) -> timedelta | None:
        """Return a time of minutes; None where it is not named."""
        return timedelta(minutes=self._number(entries, name, 0, most)) if name in entries else None

    def _fields(self, node: Node | None, what: str, needed: frozenset[str], *others: str) -> dict[str, Node]:
        """Return the entries of a part, with others if they are there; that the part is missing has been told."""
        return {} if node is None else self._reader.fields(node, what, needed.union(others), sorted(needed))

    def _number(self, entries: Mapping[str, Node], name: str, least: float, most: float) -> float:
        """Return a number in its bounds; that it is missing has been told."""
        found = self._reader.number(entries[name], name, least, most) if name in entries else None
        return least if found is None else found
