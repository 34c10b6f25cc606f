"""YAML with line numbers: every error of a file is collected, with its line and what would be right."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from dataclasses import dataclass
from datetime import time
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_BOOL: Final = "tag:yaml.org,2002:bool"
_NULL: Final = "tag:yaml.org,2002:null"
_TRUE: Final = frozenset({"true", "yes", "on"})
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}")
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DEEPEST: Final = 40
_TOO_DEEP: Final = f"nested deeper than {_DEEPEST} levels"
_LARGEST: Final = 2_000_000
_SHOWN: Final = 30
_HASH_DIGITS: Final = 16
FORMAT: Final = "1"


class Fault(NamedTuple):
    """One thing wrong: lines count from 1; 0 is the file as a whole."""

    line: int
    reason: str


class RulesError(Exception):
    """A rule file cannot be used; the text has a line for every fault."""

    def __init__(self, file: str, faults: list[Fault]) -> None:
        self.file = file
        self.faults = sorted(set(faults))
        places = [f"{file}:{fault.line}" if fault.line else file for fault in self.faults[:_SHOWN]]
        lines = [f"{place}: {fault.reason}" for place, fault in zip(places, self.faults, strict=False)]
        if len(self.faults) > _SHOWN:
            lines.append(f"{file}: and {len(self.faults) - _SHOWN} more")
        super().__init__("\n".join(lines))


class UnreadableError(RulesError):
    """It cannot be read now, whatever it says."""


def read_text(path: Path) -> str:
    """Return what a file says.

    Raises:
        UnreadableError: it is not there, or cannot be read.
        RulesError: it is not UTF-8, or too large for what people write.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise UnreadableError(str(path), [Fault(0, f"cannot be read: {error.strerror}")]) from None
    if len(raw) > _LARGEST:
        raise RulesError(str(path), [Fault(0, f"is larger than {_LARGEST // 1_000_000} MB: is it the right file?")])
    try:
        return raw.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise RulesError(str(path), [Fault(raw.count(b"\n", 0, error.start) + 1, "is not UTF-8")]) from None


def digest_of(*texts: str) -> str:
    """Return what names the content of some files: 16 hexadecimal digits that change with it."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:_HASH_DIGITS]


def compiled(expression: str, flags: int = 0) -> re.Pattern[str]:
    """Compile what an operator wrote.

    Raises:
        ValueError: it is no regular expression, or asks for more repetitions or deeper nesting than one can have.
    """
    try:
        return re.compile(expression, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None


def line_of(node: Node) -> int:
    """Return the line a node begins on, from 1."""
    return int(node.start_mark.line) + 1


def allowed(words: Collection[str]) -> str:
    """Return a list of what may stand there."""
    return "allowed: " + ", ".join(sorted(words))


def meant(wrong: str, words: Collection[str]) -> str:
    """Return what is allowed, with the nearest word first if one is near."""
    near = difflib.get_close_matches(wrong, [str(word) for word in words], n=1)
    return (f"did you mean {near[0]!r}? " if near else "") + allowed(words)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping with its value."""

    key: str
    line: int
    value: Node


class Reader:
    """Reads one file; faults collect in ``faults`` and what is wrong is left out of what is returned."""

    def __init__(self, file: str, text: str) -> None:
        """Parse ``text``.

        Raises:
            RulesError: it is not YAML, is empty, or nests endlessly.
        """
        self.file = file
        self.faults: list[Fault] = []
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = 1 if mark is None else mark.line + 1
            tab = "; indent with spaces" if "'\\t'" in (error.problem or "") else ""
            raise RulesError(file, [Fault(line, f"not YAML: {error.problem or error.context}{tab}")]) from None
        except yaml.reader.ReaderError as error:
            line, wrong = text.count("\n", 0, error.position) + 1, chr(error.character)
            raise RulesError(file, [Fault(line, f"not YAML: the character {wrong!r} may not stand there")]) from None
        except RecursionError:
            raise RulesError(file, [Fault(1, _TOO_DEEP)]) from None
        if root is None:
            raise RulesError(file, [Fault(1, "the file is empty")])
        if _too_deep(root):
            raise RulesError(file, [Fault(line_of(root), _TOO_DEEP)])
        self.root: Node = root

    def fault(self, line: int, reason: str) -> None:
        """Note a fault."""
        self.faults.append(Fault(line, reason))

    def finish(self) -> None:
        """Raise what was found.

        Raises:
            RulesError: there was a fault.
        """
        if self.faults:
            raise RulesError(self.file, self.faults)

    def entries(self, node: Node, what: str) -> Iterator[Entry]:
        """Yield the keys of a mapping, each once, in order."""
        if not isinstance(node, MappingNode):
            self.fault(line_of(node), f"{what} must be a mapping (key: value)")
            return
        seen: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.fault(line_of(key), f"a key of {what} must be a word")
            elif key.value in seen:
                self.fault(line_of(key), f"{key.value!r} stands twice in {what}, first on line {seen[key.value]}")
            else:
                seen[key.value] = line_of(key)
                yield Entry(key.value, line_of(key), value)

    def fields(self, node: Node, what: str, known: Collection[str], required: Collection[str] = ()) -> dict[str, Node]:
        """Return the values of a mapping whose keys are known."""
        found: dict[str, Node] = {}
        for entry in self.entries(node, what):
            if entry.key in known:
                found[entry.key] = entry.value
            else:
                self.fault(entry.line, f"unknown key {entry.key!r} in {what}; {meant(entry.key, known)}")
        if isinstance(node, MappingNode):
            for key in required:
                if key not in found:
                    self.fault(line_of(node), f"{what} has no {key!r}")
        return found

    def top(self, known: Collection[str], required: Collection[str]) -> dict[str, Node]:
        """Return the values of the whole file, which says what format it is of."""
        found = self.fields(self.root, "the file", known, required)
        if "version" in found:
            self.version(found["version"])
        return found

    def version(self, node: Node) -> None:
        """Note a fault if the file is of a format this release does not read."""
        if self.text(node, "version") not in {FORMAT, None}:
            self.fault(line_of(node), f"version must be {FORMAT}: the format this release reads")

    def items(self, node: Node, what: str) -> list[Node]:
        """Return the items of a list."""
        if not isinstance(node, SequenceNode):
            self.fault(line_of(node), f"{what} must be a list")
            return []
        return list(node.value)

    def text(self, node: Node, what: str) -> str | None:
        """Return a scalar as it is written: ``no`` stays ``no``."""
        if not isinstance(node, ScalarNode) or node.tag == _NULL or not node.value.strip():
            self.fault(line_of(node), f"{what} must be a text, and is empty or a list or a mapping")
            return None
        text = str(node.value).strip()
        if _CONTROL.search(text):
            self.fault(line_of(node), f"{what} must be one line without control characters")
            return None
        return text

    def texts(self, node: Node, what: str) -> list[tuple[str, int]]:
        """Return a list of texts with their lines; a list in it (``*name`` of another) stands for its texts."""
        listed = [item.value if isinstance(item, SequenceNode) else [item] for item in self.items(node, what)]
        found = [(self.text(item, f"each of {what}"), line_of(item)) for items in listed for item in items]
        return [(text, line) for text, line in found if text is not None]

    def word(self, node: Node, what: str, known: Collection[str] | None = None) -> str | None:
        """Return a machine word, one of ``known`` if given."""
        text = self.text(node, what)
        return None if text is None else self.checked_word(text, line_of(node), what, known)

    def checked_word(self, text: str, line: int, what: str, known: Collection[str] | None = None) -> str | None:
        """Return ``text`` if it is a machine word, one of ``known`` if given."""
        if known is not None and text not in known:
            self.fault(line, f"{text!r} is no {what}; {meant(text, known)}")
        elif _WORD.fullmatch(text) is None:
            self.fault(line, f"{what} {text!r} must be small letters, digits and _ . : -, at most 64, no space")
        else:
            return text
        return None

    def number(self, node: Node, what: str, least: float, most: float) -> float | None:
        """Return a number in its bounds."""
        try:
            number = float(node.value) if isinstance(node, ScalarNode) and node.style is None else math.nan
        except ValueError:
            number = math.nan
        if least <= number <= most:
            return number
        said = f", not {node.value!r}" if isinstance(node, ScalarNode) else ""
        self.fault(line_of(node), f"{what} must be a number from {least:g} to {most:g}{said}")
        return None

    def whole(self, node: Node, what: str) -> int | None:
        """Return a whole number, 0 or more."""
        text = self.text(node, what)
        if text is not None and text.isascii() and text.isdigit():
            return int(text)
        if text is not None:
            self.fault(line_of(node), f"{what} must be a whole number, not {text!r}")
        return None

    def clock(self, node: Node, what: str) -> time | None:
        """Return a time of day."""
        text = self.text(node, what)
        found = None if text is None else _CLOCK.fullmatch(text)
        if text is not None and found is None:
            self.fault(line_of(node), f'{what} must be a time of day such as "22:00", not {text!r}')
        return time(int(found[1]), int(found[2])) if found else None

    def zone(self, node: Node) -> ZoneInfo:
        """Return the time zone a file names; UTC where it names none that is known."""
        name = self.text(node, "time_zone") or "UTC"
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fault(
                line_of(node),
                f"time_zone: {name!r} is not in this machine's time zone database; "
                "give an IANA name such as Asia/Shanghai, or install the tzdata package if it is one",
            )
            return ZoneInfo("UTC")

    def truth(self, node: Node, what: str) -> bool | None:
        """Return a boolean."""
        if isinstance(node, ScalarNode) and node.tag == _BOOL:
            return node.value.lower() in _TRUE
        self.fault(line_of(node), f"{what} must be true or false")
        return None


def _too_deep(root: Node) -> bool:
    """Tell whether the nodes nest too deep; an alias inside what it stands for nests without end."""
    level: list[Node] = [root]
    for _ in range(_DEEPEST):
        below: dict[int, Node] = {}
        for node in level:
            if isinstance(node, SequenceNode):
                below.update((id(child), child) for child in node.value)
            elif isinstance(node, MappingNode):
                below.update((id(child), child) for pair in node.value for child in pair)
        if not below:
            return False
        level = list(below.values())
    return True
