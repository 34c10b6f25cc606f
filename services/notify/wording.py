"""The texts customers read: by language and template, with times in one zone.

Decided here: which language a customer gets (their own tag, then ever shorter forms of it as RFC 4647 §3.4 looks up,
then ``zh-Hans-CN``) and what a well-formed templates file is. A file is taken whole or refused whole, with the line of
every error. Never here: files, the clock, whom to tell.
"""

from __future__ import annotations

import hashlib
import re
import string
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from services.notify.domain.notice import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

LAST_RESORT: Final = "zh-Hans-CN"
"""The language everyone gets whose own is not in the file; so it must be."""

_LONGEST: Final = 500  # characters: some seven parts of a Chinese SMS
_TAG: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_MOST_MINUTES: Final = 24 * 60
_TIME_FIELDS: Final = frozenset({"year", "month", "day", "hour", "minute"})
_PLACEHOLDERS: Final[Mapping[Template, frozenset[str]]] = {
    template: frozenset({"ref"} | extra)
    for template, extra in {
        Template.RECEIVED: set[str](),
        Template.JOINED_KNOWN: set[str](),
        Template.JOINED_KNOWN_ETR: {"etr"},
        Template.ETR_SET: {"etr"},
        Template.ETR_CHANGED: {"etr"},
        Template.RESTORED: {"restored_at"},
        Template.ANSWERED: set[str](),
        Template.ANSWERED_ARREARS: set[str](),
        Template.ANSWERED_ALREADY_RESTORED: set[str](),
        Template.WITH_PERSON: set[str](),
    }.items()
}


class WordingError(ValueError):
    """A templates file that cannot be used; the text names every fault with its line."""


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
        etr_moved_by: An ETR must move by more than this to be told again.
        digest: SHA-256 of the file, its first 12 hexadecimal digits; it is kept with every decision.
    """

    etr_moved_by: timedelta
    digest: str
    zone: ZoneInfo
    languages: Mapping[str, _Language]

    def language_for(self, tag: str) -> str:
        """Return the tag of the language a customer of ``tag`` is told in."""
        by_form = {known.lower(): known for known in self.languages}
        parts = tag.lower().split("-")
        for length in range(len(parts), 0, -1):
            found = by_form.get("-".join(parts[:length]))
            if found is not None:
                return found
        return LAST_RESORT

    def render(
        self,
        template: Template,
        tag: str,
        *,
        ref: str,
        etr: datetime | None = None,
        restored_at: datetime | None = None,
    ) -> Rendered:
        """Render a text. Times have an offset and are shown in the file's zone."""
        chosen = self.language_for(tag)
        language = self.languages[chosen]
        values = {"ref": ref}
        for name, moment in (("etr", etr), ("restored_at", restored_at)):
            if moment is not None:
                values[name] = self._show(language.time, moment)
        return Rendered(language.texts[template].format_map(values), chosen)

    def _show(self, pattern: str, moment: datetime) -> str:
        local = moment.astimezone(self.zone)
        return pattern.format_map({name: getattr(local, name) for name in _TIME_FIELDS})


def parse_wording(source: str, *, name: str = "templates") -> Wording:
    """Read a templates file.

    Args:
        source: YAML text.
        name: How to call the file in errors.

    Raises:
        WordingError: the file is not YAML, or something is missing, unknown or wrong; every fault with its line.
    """
    try:
        root = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark is not None else ""
        raise WordingError(f"{name}{line}: not YAML: {getattr(error, 'problem', None) or error}") from None
    return _Reader(name).read(root, hashlib.sha256(source.encode()).hexdigest()[:12])


class _Reader:
    """Walks the YAML nodes, which know their lines, and collects faults."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._faults: list[tuple[int, str]] = []

    def read(self, root: yaml.Node | None, digest: str) -> Wording:
        top = self._fields(root, "the file", {"version", "time_zone", "etr_moved_by_minutes", "languages"})
        if "version" in top and self._scalar(top["version"], "version") != "1":
            self._fault(top["version"], "version must be 1")
        zone = self._zone(top.get("time_zone"))
        minutes = self._minutes(top.get("etr_moved_by_minutes"))
        languages: dict[str, _Language] = {}
        listed = top.get("languages")
        for tag, node in self._mapping(listed, "languages").items() if listed is not None else ():
            if not _TAG.fullmatch(tag):
                self._fault(node, f"{tag!r} is not a language tag (BCP 47), such as zh-Hans-CN or en")
            elif tag.lower() in {known.lower() for known in languages}:
                self._fault(node, f"the language {tag} is given twice")
            languages[tag] = self._language(tag, node)
        if listed is not None and LAST_RESORT not in languages:
            self._fault(listed, f"{LAST_RESORT} is missing: it is what everyone gets whose own language is not listed")
        if self._faults:
            lines = [f"{self._name} line {line}: {text}" for line, text in sorted(self._faults)]
            raise WordingError("\n".join(lines))
        return Wording(timedelta(minutes=minutes), digest, zone, languages)

    def _language(self, tag: str, node: yaml.Node) -> _Language:
        fields = self._fields(node, f"language {tag}", {"time", "texts"})
        pattern = self._text(fields.get("time"), f"{tag}: time", _TIME_FIELDS, _shows_time)
        texts = self._fields(fields.get("texts"), f"{tag}: texts", {*Template}) if "texts" in fields else {}
        return _Language(
            pattern,
            {
                template: self._text(texts.get(template), f"{tag}: {template}", allowed, _shows_text)
                for template, allowed in _PLACEHOLDERS.items()
            },
        )

    def _text(
        self, node: yaml.Node | None, what: str, allowed: frozenset[str], show: Callable[[str, frozenset[str]], str]
    ) -> str:
        if node is None:
            return ""  # its absence is noted where the fields are
        text = self._scalar(node, what)
        try:
            found = list(string.Formatter().parse(text))
        except ValueError as error:
            self._fault(node, f"{what}: {error}; write {{{{ and }}}} for braces that are meant to be read")
            return ""
        unknown = sorted({name for _, name, _, _ in found if name is not None} - allowed)
        if unknown:
            names = ", ".join(f"{{{name}}}" for name in unknown)
            known = ", ".join(f"{{{name}}}" for name in sorted(allowed))
            self._fault(node, f"{what}: unknown placeholder {names}; it may use {known}")
            return ""
        if "etr" in allowed and "etr" not in {name for _, name, _, _ in found}:
            self._fault(node, f"{what}: must say {{etr}}, the time it is about")
            return ""
        try:
            shown = show(text, allowed)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            self._fault(node, f"{what}: cannot be filled in: {error}")
            return ""
        if not shown.strip():
            self._fault(node, f"{what}: is empty")
        elif len(shown) > _LONGEST:
            self._fault(node, f"{what}: is {len(shown)} characters long, the most is {_LONGEST}")
        return text

    def _zone(self, node: yaml.Node | None) -> ZoneInfo:
        name = self._scalar(node, "time_zone") if node is not None else "UTC"
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self._fault(
                node,
                f"time_zone: {name!r} is not in this machine's time zone database; "
                "give an IANA name such as Asia/Shanghai, or install the tzdata package if it is one",
            )
            return ZoneInfo("UTC") if name != "UTC" else ZoneInfo("Etc/UTC")

    def _minutes(self, node: yaml.Node | None) -> int:
        text = self._scalar(node, "etr_moved_by_minutes") if node is not None else "0"
        if text.isascii() and text.isdigit() and int(text) <= _MOST_MINUTES:
            return int(text)
        self._fault(node, f"etr_moved_by_minutes: a whole number from 0 to {_MOST_MINUTES} is needed, not {text!r}")
        return 0

    def _fields(self, node: yaml.Node | None, what: str, names: set[str]) -> dict[str, yaml.Node]:
        """Return a mapping that must have exactly these fields."""
        fields = self._mapping(node, what)
        for name in sorted(fields.keys() - names):
            self._fault(fields[name], f"{what}: unknown field {name}; it may have {', '.join(sorted(names))}")
        for name in sorted(names - fields.keys()):
            self._fault(node, f"{what}: {name} is missing")
        return {name: value for name, value in fields.items() if name in names}

    def _mapping(self, node: yaml.Node | None, what: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, f"{what}: must be names with values")
            return {}
        fields: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in fields:
                self._fault(key, f"{what}: {name} is given twice")
            fields[name] = value
        return fields

    def _scalar(self, node: yaml.Node, what: str) -> str:
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        self._fault(node, f"{what}: must be a text")
        return ""

    def _fault(self, node: yaml.Node | None, text: str) -> None:
        self._faults.append((node.start_mark.line + 1 if node is not None and node.start_mark else 1, text))


def _shows_text(text: str, allowed: frozenset[str]) -> str:
    return text.format_map(dict.fromkeys(allowed, "0000-0000-000"))


def _shows_time(text: str, allowed: frozenset[str]) -> str:
    return text.format_map(dict.fromkeys(allowed, 12))
