"""The desk's file: YAML to timings, calendars and clocks, every fault with its line.

Decided here: what the file may say; that a queue which no tree has, or a type that no word list has, is a mistake to be
told, and no fault: those files and this one change one after the other. Never here: what it means for a ticket
(``domain.desk``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from yaml.nodes import SequenceNode

from services.contracts.values import Channel, CustomerClass, Priority
from services.router.domain.desk import CLOCK_ATTRIBUTES, DeskRules
from services.router.domain.effects import MEETING
from services.router.domain.kpi import RATED
from services.router.domain.sla import DEFAULT_LEVELS, LEVELS, Clock, Stage
from services.router.domain.timing import Timings, WrapUp
from services.router.domain.working_time import ALWAYS
from services.router.tree.calendars import read_calendars
from services.runtime.yaml_reading import Reader, line_of, meant

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from yaml.nodes import Node

    from services.router.domain.reading import Keywords
    from services.router.domain.working_time import WorkingTime
    from services.router.tree.calendars import Holidays

_TOP: Final = ("version", "timings", "service_level", "head_start", "calendars", "clocks")
_THEN: Final = ("complete", "requeue")
_TIMINGS: Final = {"offer": "offer", "hold": "hold", "declined": "passed", "presence": "presence", "urge": "urge"}
_OPTIONAL: Final = {"known": "known"}
_SPAN: Final = re.compile(r"(\d{1,6})([smhd])")
_LONGEST: Final = timedelta(days=3660)
_ANY_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
_LEAST: Final = 0.001
_MOST_LEVEL: Final = 100.0
_NOTHING: Final = (timedelta(0), 0.0)
_UNITS: Final = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}
_VALUES: Final[Mapping[str, frozenset[str]]] = {
    "priority": frozenset(Priority),
    "customer_class": frozenset(CustomerClass),
    "channel": frozenset(Channel),
}


def read_desk(file: str, text: str, holidays: Mapping[str, Holidays], digest: str) -> DeskRules:
    """Read the desk's file, whose calendars may name lists of holidays; the digest is of all that the rules are of.

    Raises:
        RulesError: every fault, with its line and what is allowed.
    """
    reader = Reader(file, text)
    top = reader.top((*_TOP, "wrap_up", "timely_complaints"), _TOP)
    desk = _Desk(reader)
    timings = desk.timings(top["timings"]) if "timings" in top else Timings()
    within, share, ring = desk.service_level(top["service_level"]) if "service_level" in top else (*_NOTHING, None)
    usual, by_queue = desk.wrap_up(top["wrap_up"]) if "wrap_up" in top else (None, {})
    head_start = desk.head_start(top["head_start"]) if "head_start" in top else {}
    calendars = read_calendars(reader, top["calendars"], holidays) if "calendars" in top else {}
    clocks = desk.clocks(top["clocks"], calendars) if "clocks" in top else ()
    rated = desk.rated(top["timely_complaints"]) if "timely_complaints" in top else RATED
    reader.finish()
    return DeskRules(
        timings=timings,
        wrap_up=by_queue,
        usual_wrap_up=usual,
        head_start=head_start,
        clocks=clocks,
        answer_within=within,
        answer_share=share,
        rated=rated,
        **({} if ring is None else {"ring": ring}),
        named=tuple((queue, f"{file}:{line}") for queue, line in desk.named),
        kinds=tuple((attribute, word, f"{file}:{line}") for attribute, word, line in desk.kinds),
        hash=digest,
    )


def queues_of_no_tree(desk: DeskRules, trees: Collection[str]) -> list[str]:
    """Return the queues that the desk's file names and none of the trees in force has, each with its file and line.

    What is said of such a queue holds for no ticket; the others have what is usual.
    """
    return [
        f"{where}: {queue!r} is no queue of any tree; {meant(queue, trees)}"
        for queue, where in desk.named
        if queue not in trees
    ]


def kinds_of_no_ticket(desk: DeskRules, keywords: Keywords) -> list[str]:
    """Return the business types and kinds of faults of the desk's file that no ticket has, each with its file and line.

    A clock that is for one of them alone never runs, and no complaint is of it.
    """
    known = {"business_type": tuple(keywords.business_types), "fault": tuple(kind for kind, _ in keywords.faults)}
    return [
        f"{where}: {word!r} is no {attribute} of the word lists; {meant(word, known[attribute])}"
        for attribute, word, where in desk.kinds
        if word not in known[attribute]
    ]


def _is_reached(calendar: WorkingTime, amount: timedelta) -> bool:
    """Tell whether so much working time passes within half of how far a calendar looks, from whenever on."""
    try:
        calendar.add(_ANY_DAY, 2 * amount)
    except ValueError:
        return False
    return True


class _Desk:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.named: list[tuple[str, int]] = []
        """Queues and the lines on which they are named."""
        self.kinds: list[tuple[str, str, int]] = []
        """The same of what the word lists name, with its attribute."""

    def timings(self, node: Node) -> Timings:
        words = {**_TIMINGS, **_OPTIONAL}
        fields = self._reader.fields(node, "timings", words, tuple(_TIMINGS))
        spans = {
            words[key]: self._span(value, key, shortest=0 if key in _OPTIONAL else 1) for key, value in fields.items()
        }
        return Timings(**{key: span for key, span in spans.items() if span is not None})

    def wrap_up(self, node: Node) -> tuple[WrapUp | None, dict[str, WrapUp]]:
        fields = self._reader.fields(node, "wrap_up", ("usual", "queues"))
        usual = self._one_wrap_up(fields["usual"], "usual") if "usual" in fields else None
        entries = tuple(self._reader.entries(fields["queues"], "queues")) if "queues" in fields else ()
        self.named += ((entry.key, entry.line) for entry in entries)
        queues = {
            self._reader.checked_word(entry.key, entry.line, "queue"): self._one_wrap_up(entry.value, entry.key)
            for entry in entries
        }
        return usual, {name: one for name, one in queues.items() if name is not None and one is not None}

    def _one_wrap_up(self, node: Node, what: str) -> WrapUp | None:
        fields = self._reader.fields(node, f"wrap_up of {what}", ("limit", "then"), ("limit", "then"))
        limit = self._span(fields["limit"], "limit", shortest=1) if "limit" in fields else None
        then = self._reader.word(fields["then"], "then", _THEN) if "then" in fields else None
        return None if limit is None or then is None else WrapUp(limit, completes=then == "complete")

    def service_level(self, node: Node) -> tuple[timedelta, float, timedelta | None]:
        fields = self._reader.fields(node, "service_level", ("within", "share", "ring"), ("within", "share"))
        ring = self._span(fields["ring"], "ring", shortest=1) if "ring" in fields else None
        within = self._span(fields["within"], "within", shortest=1) if "within" in fields else None
        share = self._reader.number(fields["share"], "share", _LEAST, 1) if "share" in fields else None
        return within or timedelta(0), share or 0.0, ring

    def rated(self, node: Node) -> tuple[str, ...]:
        items = self._reader.items(node, "timely_complaints")
        words = [(self._reader.word(item, "timely_complaints"), line_of(item)) for item in items]
        self.kinds += (("business_type", word, line) for word, line in words if word is not None)
        return tuple(word for word, _ in words if word is not None)

    def head_start(self, node: Node) -> dict[Priority, timedelta]:
        words = tuple(priority.value for priority in Priority)
        fields = self._reader.fields(node, "head_start", words, words)
        found = {Priority(key): self._span(value, key) or timedelta(0) for key, value in fields.items()}
        ordered = [found[priority] for priority in Priority if priority in found]
        if ordered != sorted(ordered, reverse=True):
            self._reader.fault(line_of(node), "a more urgent priority cannot have the smaller head start")
        return found

    def clocks(self, node: Node, calendars: Mapping[str, WorkingTime]) -> tuple[Clock, ...]:
        found: list[Clock] = []
        names: dict[str, int] = {}
        items = self._reader.items(node, "clocks")
        for n, item in enumerate(items):
            fields = self._reader.fields(item, "a clock", ("name", "match", "stages"), ("name", "match", "stages"))
            name = self._reader.word(fields["name"], "clock name") if "name" in fields else None
            if name in names:
                self._reader.fault(line_of(item), f"clock {name!r} stands twice, first on line {names[name]}")
            names.setdefault(name or "?", line_of(item))
            match = self._match(fields["match"]) if "match" in fields else {}
            if not match and "match" in fields and n + 1 < len(items):
                self._reader.fault(line_of(fields["match"]), "what matches everything must be the last clock")
            stages = self._stages(fields["stages"], calendars) if "stages" in fields else ()
            found.append(Clock(name or "?", stages, match))
        return tuple(found)

    def _match(self, node: Node) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for key, value in self._reader.fields(node, "match of a clock", CLOCK_ATTRIBUTES).items():
            known = _VALUES.get(key)
            items = list(value.value) if isinstance(value, SequenceNode) else [value]
            words = [self._reader.word(item, key, known) for item in items]
            if not items:
                self._reader.fault(line_of(value), f"{key} has an empty list: it would never match")
            found[key] = frozenset(word for word in words if word is not None)
            said = [(word, line_of(item)) for word, item in zip(words, items, strict=True) if word is not None]
            if key == "queue":
                self.named += said
            elif known is None:
                self.kinds += ((key, word, line) for word, line in said)
        return found

    def _stages(self, node: Node, calendars: Mapping[str, WorkingTime]) -> tuple[Stage, ...]:
        stages: list[Stage] = []
        for entry in self._reader.entries(node, "stages"):
            name = self._reader.checked_word(entry.key, entry.line, "stage name")
            keys = ("within", "calendar", "met_by", "levels")
            fields = self._reader.fields(entry.value, f"stage {entry.key!r}", keys, ("within", "met_by"))
            calendar = ALWAYS
            if "calendar" in fields:
                word = self._reader.word(fields["calendar"], "calendar", tuple(calendars))
                calendar = calendars.get(word or "", ALWAYS)
            within = (
                self._span(fields["within"], "within", shortest=1, day=calendar.day) if "within" in fields else None
            )
            met_by = self._met_by(fields["met_by"]) if "met_by" in fields else frozenset()
            levels = self._levels(fields["levels"]) if "levels" in fields else DEFAULT_LEVELS
            if within is not None and not _is_reached(calendar, within * levels[-1]):
                reason = f"{entry.key}: its last level of warning is out of reach in five years of its calendar"
                self._reader.fault(line_of(entry.value), reason)
            if name is not None and within is not None:
                stages.append(Stage(name, within, met_by, levels, calendar))
        if isinstance(node.value, list) and not node.value:
            self._reader.fault(line_of(node), "a clock needs at least one stage")
        return tuple(stages)

    def _met_by(self, node: Node) -> frozenset[str]:
        texts = self._reader.texts(node, "met_by")
        for text, line in texts:
            if text not in MEETING:
                self._reader.fault(line, f"{text!r} meets no stage; {meant(text, MEETING)}")
        if not texts:
            self._reader.fault(line_of(node), "met_by must name at least one event, or the stage is never met")
        return frozenset(text for text, _ in texts)

    def _levels(self, node: Node) -> tuple[float, ...]:
        items = self._reader.items(node, "levels")
        parts = [self._reader.number(item, "each of levels", _LEAST, _MOST_LEVEL) for item in items]
        known = tuple(part for part in parts if part is not None)
        fit = len(known) == LEVELS and list(known) == sorted(set(known))
        if len(known) == len(parts) and not fit:
            self._reader.fault(line_of(node), f"levels must be {LEVELS} ascending numbers")
        return known if fit else DEFAULT_LEVELS

    def _span(
        self, node: Node, what: str, *, shortest: int = 0, day: timedelta = timedelta(days=1)
    ) -> timedelta | None:
        text = self._reader.text(node, what)
        if text is None:
            return None
        match = _SPAN.fullmatch(text)
        if match is None:
            self._reader.fault(line_of(node), f"{what}: {text!r} must be a number and s, m, h or d: 20s, 30m, 2h, 5d")
            return None
        span = int(match[1]) * (day if match[2] == "d" else _UNITS[match[2]])
        if span < timedelta(seconds=shortest) or span > _LONGEST:
            self._reader.fault(
                line_of(node), f"{what}: {text!r} is out of reach: at least {shortest} s, at most 3660 days"
            )
            return None
        return span
