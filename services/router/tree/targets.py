"""The targets of a route: YAML to values, every fault with its line.

Decided here: what the file may say; a demand that never ends is refused here, so that none can starve a ticket. Never
here: what a target means for a ticket (``domain.targets``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.router.domain.targets import Ring, Target
from services.runtime.yaml_reading import Reader, line_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yaml.nodes import Node

    from services.router.domain.working_time import WorkingTime

SKILLS: Final = ("language", "business_type", "fault", "area", "feeder", "channel", "customer_class", "voltage_level")
"""Attributes of a ticket that an agent can be asked to serve."""
_TARGET: Final = ("queue", "skills", "requires", "relax", "for", "open", "skip_if")
_SPAN: Final = re.compile(r"(\d{1,5})([smh])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}


def seconds(reader: Reader, node: Node, what: str) -> int | None:
    """Return a span of time in whole seconds, at least one."""
    text = reader.text(node, what)
    match = None if text is None else _SPAN.fullmatch(text)
    if match is not None and int(match[1]) > 0:
        return int(match[1]) * _UNITS[match[2]]
    if text is not None:
        reader.fault(line_of(node), f"{what} {text!r} must be a number and a unit, such as 30s, 5m or 2h")
    return None


@dataclass(frozen=True, slots=True)
class Targets:
    """Reads targets against what is declared."""

    reader: Reader
    queues: Mapping[str, object]
    calendars: Mapping[str, WorkingTime]

    def read(self, node: Node, path: str) -> tuple[Target, ...]:
        """Return the targets of a route, in order."""
        items = self.reader.items(node, f"targets of {path!r}")
        if not items:
            self.reader.fault(line_of(node), f"route {path!r} has no targets")
        found = [self._target(item, is_last=n == len(items) - 1) for n, item in enumerate(items)]
        return tuple(target for target in found if target is not None)

    def _target(self, node: Node, *, is_last: bool) -> Target | None:
        reader = self.reader
        fields = reader.fields(node, "a target", _TARGET, ("queue",))
        queue = reader.word(fields["queue"], "declared queue", tuple(self.queues)) if "queue" in fields else None
        lasts = seconds(reader, fields["for"], "for") if "for" in fields else None
        if not is_last and "for" not in fields:
            reader.fault(
                line_of(node), "a target before the last needs a time after which the next has its turn: for: 60s"
            )
        skills = self._words(fields, "skills", SKILLS)
        requires = self._words(fields, "requires")
        rings = self._rings(fields["relax"], skills | requires, lasts) if "relax" in fields else ()
        kept = (skills | requires).difference(*(ring.drop for ring in rings))
        if "for" not in fields and kept:
            reason = f"a target that never ends would ask for {', '.join(sorted(kept))} for ever"
            reader.fault(line_of(node), f"{reason}: give it a time (for: 5m), or relax them")
        skip = (
            reader.fields(fields["skip_if"], "skip_if", ("nobody_on_duty", "waiting_over"))
            if "skip_if" in fields
            else {}
        )
        if queue is None:
            return None
        return Target(
            line=line_of(node),
            queue=queue,
            skills=tuple(name for name in SKILLS if name in skills),
            requires=tuple(sorted(requires)),
            rings=rings,
            lasts_s=lasts,
            open=self._open(fields["open"]) if "open" in fields else None,
            unless_staffed="nobody_on_duty" in skip and reader.truth(skip["nobody_on_duty"], "nobody_on_duty") is True,
            most_waiting=reader.whole(skip["waiting_over"], "waiting_over") if "waiting_over" in skip else None,
        )

    def _words(self, fields: Mapping[str, Node], key: str, known: tuple[str, ...] | None = None) -> frozenset[str]:
        if key not in fields:
            return frozenset()
        what = "attribute an agent can serve" if known else "skill"
        checked = {self.reader.word(item, what, known) for item in self.reader.items(fields[key], key)}
        return frozenset(word for word in checked if word is not None)

    def _rings(self, node: Node, asked: frozenset[str], lasts: int | None) -> tuple[Ring, ...]:
        rings: list[Ring] = []
        for item in self.reader.items(node, "relax"):
            fields = self.reader.fields(item, "a ring", ("after", "drop"), ("after", "drop"))
            if len(fields) < len(("after", "drop")):
                continue
            after = seconds(self.reader, fields["after"], "after")
            words = {
                self.reader.word(word, "skill of this target", asked)
                for word in self.reader.items(fields["drop"], "drop")
            }
            if after is None:
                continue
            if rings and after <= rings[-1].after_s:
                self.reader.fault(line_of(fields["after"]), "a ring must come after the one before it")
            if lasts is not None and after >= lasts:
                self.reader.fault(
                    line_of(fields["after"]), f"a ring after {after} s never comes: the target lasts {lasts} s"
                )
            rings.append(Ring(after, frozenset(word for word in words if word is not None)))
        return tuple(rings)

    def _open(self, node: Node) -> tuple[str, WorkingTime] | None:
        name = self.reader.word(node, "calendar", tuple(self.calendars))
        return None if name is None else (name, self.calendars[name])
