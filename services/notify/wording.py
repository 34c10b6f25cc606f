"""The texts customers read: by language and template, with times in one zone.

Decided here: what a valid templates file is. A file is accepted or rejected as a whole, with the line of every error.
Never here: files, the clock, whom to tell.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from services.contracts.languages import LAST_RESORT, lookup
from services.notify.domain.comparison import Calm
from services.notify.domain.notice import Stage, Template
from services.notify.domain.quiet_hours import MAY_WAIT, QuietHours
from services.runtime.yaml_reading import Reader, digest_of, line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from yaml.nodes import Node

_LONGEST: Final = 500  # characters: some seven parts of a Chinese SMS
_TAG: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_MOST_MINUTES: Final = 24 * 60
_TOP: Final = ("version", "time_zone", "etr_moved_by_minutes", "languages")
_IN_STORM: Final = "etr_moved_by_minutes_in_storm"
_PASSED: Final = "etr_passed_minutes"
_QUIET: Final = "quiet_hours"
_SPAN: Final = ("from", "to")
_QUIET_FIELDS: Final = (*_SPAN, "hold", "awake_minutes")
_LANGUAGE: Final = ("time", "texts")
_TIME_FIELDS: Final = frozenset({"year", "month", "day", "hour", "minute"})
PLACEHOLDERS: Final[Mapping[Template, frozenset[str]]] = {
    template: frozenset({"ref"} | extra)
    for template, extra in {
        Template.RECEIVED: set[str](),
        Template.RECEIVED_STORM: set[str](),
        Template.JOINED_KNOWN: set[str](),
        Template.JOINED_KNOWN_ETR: {"etr"},
        Template.ETR_SET: {"etr"},
        Template.ETR_CHANGED: {"etr"},
        Template.ETR_PASSED: set[str](),
        Template.RESTORED: {"restored_at"},
        Template.DANGER_KNOWN: set[str](),
        Template.DANGER_ETR: {"etr"},
        Template.DANGER_OVER: {"restored_at"},
        Template.ANSWERED: set[str](),
        Template.ANSWERED_ARREARS: set[str](),
        Template.ANSWERED_ALREADY_RESTORED: set[str](),
        Template.ANSWERED_PLANNED: {"etr"},
        Template.WITH_PERSON: set[str](),
        Template.CLOSED: {"closed_at"},
    }.items()
}
"""What each text may say beside its words."""
_SAMPLE: Final = dict.fromkeys(("ref", "etr", "restored_at", "closed_at"), "0000-0000-000")
USUALLY: Final[Mapping[Template, Template]] = {
    Template.RECEIVED_STORM: Template.RECEIVED,
    Template.ETR_PASSED: Template.JOINED_KNOWN,
    Template.DANGER_KNOWN: Template.WITH_PERSON,
    Template.DANGER_ETR: Template.WITH_PERSON,
    Template.DANGER_OVER: Template.ANSWERED,
    Template.ANSWERED_PLANNED: Template.ANSWERED,
    Template.CLOSED: Template.ANSWERED,
}
"""What is said where a text is not given."""


@dataclass(frozen=True, slots=True)
class _Language:
    time: str
    texts: Mapping[Template, str]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text, and the language it is in."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Wording:
    """A templates file that was found good.

    Attributes:
        calm: By how much an ETR must move to be told again.
        digest: Names the file's content; it is kept with every decision.
        quiet: Quiet hours; None where there are none.
    """

    calm: Calm
    digest: str
    zone: ZoneInfo
    languages: Mapping[str, _Language]
    quiet: QuietHours | None = None

    def language_for(self, tag: str) -> str:
        """Return the tag of the language a customer of ``tag`` is told in."""
        return lookup(tag, self.languages) or LAST_RESORT

    def render(
        self,
        template: Template,
        tag: str,
        *,
        ref: str,
        etr: datetime | None = None,
        restored_at: datetime | None = None,
        closed_at: datetime | None = None,
    ) -> Rendered:
        """Render a text. Times have an offset and are shown in the file's zone."""
        chosen = self.language_for(tag)
        language = self.languages[chosen]
        values = {"ref": ref}
        for name, moment in (("etr", etr), ("restored_at", restored_at), ("closed_at", closed_at)):
            if moment is not None:
                values[name] = self._show(language.time, moment)
        return Rendered(language.texts[template].format_map(values), chosen)

    def _show(self, pattern: str, moment: datetime) -> str:
        local = moment.astimezone(self.zone)
        return pattern.format_map({name: getattr(local, name) for name in _TIME_FIELDS})


def read_wording(file: str, text: str) -> Wording:
    """Read a templates file.

    Args:
        file: How to call it in errors.
        text: YAML.

    Raises:
        RulesError: the file is not YAML, or something is missing, unknown or wrong; every fault with its line.
    """
    reader = Reader(file, text)
    top = reader.top((*_TOP, _IN_STORM, _PASSED, _QUIET), _TOP)
    rest = _File(reader)
    moved_by = top.get("etr_moved_by_minutes")
    minutes = (None if moved_by is None else reader.number(moved_by, "etr_moved_by_minutes", 0, _MOST_MINUTES)) or 0
    stormy = reader.number(top[_IN_STORM], _IN_STORM, 0, _MOST_MINUTES) if _IN_STORM in top else None
    if stormy is not None and stormy < minutes:
        reader.fault(line_of(top[_IN_STORM]), f"{_IN_STORM} must not be less than etr_moved_by_minutes")
    passed = reader.number(top[_PASSED], _PASSED, 0, _MOST_MINUTES) if _PASSED in top else None
    zone = reader.zone(top["time_zone"]) if "time_zone" in top else ZoneInfo("UTC")
    languages = rest.languages(top["languages"]) if "languages" in top else {}
    quiet = rest.quiet_hours(top[_QUIET], zone) if _QUIET in top else None
    reader.finish()
    calm = Calm(
        timedelta(minutes=minutes),
        timedelta(minutes=minutes if stormy is None else stormy),
        None if passed is None else timedelta(minutes=passed),
    )
    return Wording(calm, digest_of(text), zone, languages, quiet)


class _File:
    """Reads the parts; what is missing or wrong is noted, and the file is refused for it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def languages(self, node: Node) -> dict[str, _Language]:
        found: dict[str, _Language] = {}
        for entry in self._reader.entries(node, "languages"):
            tag, line = entry.key, entry.line
            if not _TAG.fullmatch(tag):
                self._reader.fault(line, f"{tag!r} is not a language tag (BCP 47), such as zh-Hans-CN or en")
            elif tag.lower() in {known.lower() for known in found}:
                self._reader.fault(line, f"the language {tag} is given twice")
            found[tag] = self._language(tag, entry.value)
        if LAST_RESORT not in found:
            self._fault(node, f"{LAST_RESORT} is missing: it is what everyone gets whose own language is not listed")
        return found

    def quiet_hours(self, node: Node, zone: ZoneInfo) -> QuietHours:
        fields = self._reader.fields(node, _QUIET, _QUIET_FIELDS, _QUIET_FIELDS)
        begins, ends = (
            self._reader.clock(fields[name], f"{_QUIET}: {name}") if name in fields else None for name in _SPAN
        )
        if begins is not None and begins == ends:
            self._fault(fields["to"], f"{_QUIET}: from and to must differ; leave {_QUIET} out to have none")
        known = {stage.value for stage in MAY_WAIT}
        given = self._reader.texts(fields["hold"], f"{_QUIET}: hold") if "hold" in fields else []
        words = [self._reader.checked_word(text, line, "kind of notice that may wait", known) for text, line in given]
        awake = fields.get("awake_minutes")
        minutes = None if awake is None else self._reader.number(awake, f"{_QUIET}: awake_minutes", 0, _MOST_MINUTES)
        held = frozenset(Stage(word) for word in words if word is not None)
        if Stage.RESTORED in held and Stage.JOINED_KNOWN not in held:
            # They would be woken by a word that means: out again. That it had been back waits.
            self._fault(fields["hold"], f"{_QUIET}: hold: where restored waits, joined_known must wait")
        return QuietHours(zone, begins or time(), ends or time(), held, timedelta(minutes=minutes or 0))

    def _language(self, tag: str, node: Node) -> _Language:
        fields = self._reader.fields(node, f"language {tag}", _LANGUAGE, _LANGUAGE)
        names = tuple(template.value for template in Template)
        needed = tuple(template.value for template in Template if template not in USUALLY)
        texts = self._reader.fields(fields["texts"], f"texts of {tag}", names, needed) if "texts" in fields else {}
        read = {
            Template(name): self._text(text, f"{tag}: {name}", PLACEHOLDERS[Template(name)], _shows_text)
            for name, text in texts.items()
        }
        read |= {one: read[usual] for one, usual in USUALLY.items() if one not in read and usual in read}
        time = self._text(fields["time"], f"{tag}: time", _TIME_FIELDS, _shows_time) if "time" in fields else ""
        return _Language(time, read)

    def _text(self, node: Node, what: str, allowed: frozenset[str], show: Callable[[str], str]) -> str:
        text = checked_pattern(self._reader, node, what, allowed, show, _LONGEST)
        if text and "etr" in allowed and "etr" not in _names(text):
            self._fault(node, f"{what}: must say {{etr}}, the time it is about")
            return ""
        return text

    def _fault(self, node: Node, reason: str) -> None:
        self._reader.fault(line_of(node), reason)


def checked_pattern(
    reader: Reader, node: Node, what: str, allowed: frozenset[str], show: Callable[[str], str], longest: int | None
) -> str:
    """Return a text with placeholders, or nothing where it has a fault: found before a customer would have it.

    Args:
        reader: Notes the fault.
        node: The text.
        what: How to call it.
        allowed: The placeholders it may use.
        show: Fills it in.
        longest: Characters it may have, filled in.
    """
    text = reader.text(node, what) or ""
    try:
        unknown = sorted(_names(text) - allowed)
        if unknown:
            names, known = (", ".join(f"{{{name}}}" for name in each) for each in (unknown, sorted(allowed)))
            reader.fault(line_of(node), f"{what}: unknown placeholder {names}; it may use {known}")
            return ""
    except ValueError as error:
        reader.fault(line_of(node), f"{what}: {error}; write {{{{ and }}}} for braces that are meant to be read")
        return ""
    try:
        shown = show(text)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        reader.fault(line_of(node), f"{what}: cannot be filled in: {error}")
        return ""
    if longest is not None and len(shown) > longest:
        reader.fault(line_of(node), f"{what} may be {longest} characters long, and would be {len(shown)}")
    return text


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _shows_text(text: str) -> str:
    return text.format_map(_SAMPLE)


def _shows_time(text: str) -> str:
    return text.format_map(dict.fromkeys(_TIME_FIELDS, 12))
