"""The objects of a CIM XML file (RDF as IEC 61970-552), read as a stream.

Decided here: what is refused before anything is believed: document types, entities, external references. Never here:
what the objects mean.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from xml.etree.ElementTree import ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, iterparse

from services.grid.csv_file import NetworkFileError, Problem
from services.grid.network_cells import number, said

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from xml.etree.ElementTree import Element

_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

_LONGEST_TAG: Final = 1_000_000
"""In bytes. Expat before 2.6 reads a tag, a comment or a name anew with every 16 KiB of it: 300 MB take hours."""
_COUNT: Final = re.compile("[0-9]{1,6}")
_NUMBERS: Final = ("xPosition", "yPosition", "nominalVoltage")
_PACKED: Final = {b"\x1f\x8b": "is compressed with gzip: unpack it", b"PK": "is a zip file: unpack it"}
_YES: Final = frozenset({"true", "1"})  # as XML Schema spells a boolean


@dataclass(slots=True)
class Thing:
    """One object, with what is used of it; ``refs`` are ids by the property that names them."""

    kind: str
    mrid: str
    name: str = ""
    open: bool = False
    count: int = 1
    volts: float | None = None
    nodes: list[str] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.name or '?'} (mRID {self.mrid})"


def _refuse(path: Path, reason: str, line: int = 0) -> NetworkFileError:
    return NetworkFileError([Problem(path.name, line, reason)])


def read_things(path: Path, kept: Collection[str]) -> tuple[dict[str, Thing], dict[str, str]]:
    """Return the objects of the kept classes, by id, and the class of every other object, by id.

    Raises:
        NetworkFileError: it cannot be read, is no safe XML, or holds none of those; names the line.
    """
    found: dict[str, Thing] = {}
    unused: dict[str, str] = {}
    depth = 0
    parser = DefusedXMLParser(target=TreeBuilder(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        with path.open("rb") as file:
            for event, element in iterparse(_Progressing(path, file, parser), ("start", "end"), parser):
                depth += 1 if event == "start" else -1
                if event == "end" and depth == 1:
                    _take(path, found, unused, element, kept)
                    element.clear()
    except DefusedXmlException as error:
        raise _refuse(path, f"has a document type, an entity or an external reference: {error}") from None
    except ParseError as error:
        raise _refuse(path, _packed(path) or f"is not well-formed XML: {error}", error.position[0]) from None
    except (ValueError, LookupError) as error:  # the parser reads UTF-8, UTF-16 and what has one byte a character
        raise _refuse(path, f"is in no encoding that can be read ({error}): save it as UTF-8, and say so", 1) from None
    except OSError as error:
        raise _refuse(path, f"cannot be read: {error.strerror or error}") from None
    if not found:
        raise _refuse(path, "holds no CIM equipment")
    return found, unused


class _Progressing:
    """A file that is read only as long as the parser gets on with it."""

    def __init__(self, path: Path, file: BinaryIO, parser: Any) -> None:
        self._path, self._file, self._expat, self._given = path, file, parser.parser, 0

    def read(self, size: int = -1, /) -> bytes:
        """Return what comes next.

        Raises:
            NetworkFileError: of what was given, the parser waits for the end of something far too long.
        """
        if self._given - self._expat.CurrentByteIndex > _LONGEST_TAG:
            reason = f"has a tag or a comment of over {_LONGEST_TAG:,} bytes: is it the right file?"
            raise _refuse(self._path, _packed(self._path) or reason, self._expat.CurrentLineNumber)
        data = self._file.read(size)
        self._given += len(data)
        return data


def _packed(path: Path) -> str | None:
    with path.open("rb") as file:
        return _PACKED.get(file.read(2))


def _the(path: Path, found: dict[str, Thing], kind: str, key: str) -> Thing:
    """Return the object of that id: one whose parts stand apart, as equipment and its state in a joined file, is one.

    Raises:
        NetworkFileError: an object of another class has it.
    """
    thing = found.get(key) or Thing(kind, key)
    if thing.kind != kind:
        raise _refuse(path, f"{thing} and a {kind} have the same id")
    return thing


def _take(path: Path, found: dict[str, Thing], unused: dict[str, str], element: Element, kept: Collection[str]) -> None:
    kind = element.tag.rpartition("}")[2]
    about = element.get(f"{_RDF}about") or element.get(f"{_RDF}ID") or ""
    if kind not in kept:
        unused[_plain(about) or f"{kind} {len(unused)}"] = kind
        return
    if not _plain(about):
        name = next((child.text for child in element if child.tag.endswith("IdentifiedObject.name")), None) or "?"
        raise _refuse(path, f"{kind} {name} has neither rdf:ID nor rdf:about")
    thing = _the(path, found, kind, _plain(about))
    numbers: dict[str, float | None] = {}
    for child in element:
        name = child.tag.rpartition("}")[2].rpartition(".")[2]
        if (target := child.get(f"{_RDF}resource")) is not None:
            thing.refs[name] = _plain(target)
        elif name in _NUMBERS:
            numbers[name] = _number(path, thing, name, (child.text or "").strip())
        else:
            _say(path, thing, name, (child.text or "").strip())
    x, y, volts = (numbers.get(name) for name in _NUMBERS)
    thing.volts = thing.volts if volts is None else volts
    if x is not None and y is not None:
        thing.points.append((x, y))
    found[_plain(about)] = thing


def _say(path: Path, thing: Thing, name: str, text: str) -> None:
    """Note what a property says of an object, if it is used."""
    if name == "mRID" and text:
        thing.mrid = _plain(text)
    elif name == "name":
        if thing.name not in {"", text}:
            raise _refuse(path, f"{thing} and a {thing.kind} {text} have the same id")
        thing.name = text
    elif name == "crsUrn":
        thing.refs[name] = text
    elif name in {"normalOpen", "open"}:
        thing.open = thing.open or text.lower() in _YES
    elif name == "customerCount" and text:
        thing.count = _count(path, thing, text)


def _count(path: Path, load: Thing, text: str) -> int:
    if _COUNT.fullmatch(text) is None:
        raise _refuse(path, f"{load}: customerCount {text[:20]!r} is no whole number below a million")
    return int(text)


def _plain(identifier: str) -> str:
    return identifier.rpartition("#")[2].removeprefix("urn:uuid:").lstrip("_")


def _number(path: Path, thing: Thing, name: str, text: str) -> float | None:
    found = number(text)
    if not math.isfinite(found) and said(text):
        raise _refuse(path, f"{thing}: {name} {text[:20]!r} is no number")
    return found if math.isfinite(found) else None
