"""A network from CIM XML (IEC 61970-301 and 61968-11, RDF as IEC 61970-552): the same rows network.csv gives.

Decided here: which CIM classes are devices, and how the connectivity of nodes becomes a tree as fed from the source.
Lines are no devices: what they join is one node. A load without a service transformer of its own gets one, as a report
hangs on a transformer. A closed loop is opened where the paths from the source meet, and told. Never here: a database.

The file is read as a stream; document types, entities and external references are refused before anything is believed.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from services.grid.csv_file import NetworkFileError, Problem
from services.grid.device import DeviceRow, DeviceType
from services.grid.network_file import CustomerRow

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_SWITCHES: Final = {
    "Breaker": DeviceType.BREAKER,
    "Recloser": DeviceType.RECLOSER,
    "Fuse": DeviceType.FUSE,
    "Sectionaliser": DeviceType.SECTIONALIZER,
    **dict.fromkeys(("Switch", "LoadBreakSwitch", "Disconnector", "GroundDisconnector", "Jumper"), DeviceType.SWITCH),
}
_LINES: Final = frozenset({"ACLineSegment", "SeriesCompensator"})
_KEPT: Final = frozenset(
    {*_SWITCHES, *_LINES, "PowerTransformer", "EnergySource", "EnergyConsumer", "Terminal", "PositionPoint"}
    | {
        "ConnectivityNode",
        "CoordinateSystem",
        "Substation",
        "Feeder",
        "PowerTransformerEnd",
        "TransformerTankEnd",
        "TransformerTank",
    }
)
_DEGREES: Final = ("4326", "crs84", "wgs84", "wgs 84")
_METRES_A_DEGREE: Final = 111_320.0
_LONGEST_NAME: Final = 200
_OPEN_END: Final = "_open"
"""How a node is called that is the other end of an open switch: ``300_open`` beside ``300`` (OpenDSS, CIMHub)."""
_TRANSFORMER: Final = "PowerTransformer"


@dataclass(frozen=True, slots=True)
class Drawing:
    """Where a drawing's own coordinates lie on the globe: its origin in WGS-84 degrees, and metres a unit."""

    lat: float
    lon: float
    metres: float = 0.3048


@dataclass(frozen=True, slots=True)
class CimNetwork:
    """What a file holds; ``warnings`` is what had to be decided on the way."""

    devices: tuple[DeviceRow, ...]
    customers: tuple[CustomerRow, ...]
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Thing:
    kind: str
    mrid: str
    name: str = ""
    open: bool = False
    count: int = 1
    nodes: list[str] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    location: str = ""
    refs: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.name or '?'} (mRID {self.mrid})"


def read_cim(path: Path, drawing: Drawing | None = None) -> CimNetwork:
    """Read a CIM XML file.

    Args:
        path: The file.
        drawing: Where its coordinates lie, if they are not degrees.

    Raises:
        NetworkFileError: it cannot be read, is no safe XML, or is no network; names the line or the mRID.
    """
    things = _things(path)
    return _Reader(path, things, drawing).network()


def _refuse(path: Path, reason: str, line: int = 0) -> NetworkFileError:
    return NetworkFileError([Problem(path.name, line, reason)])


def _things(path: Path) -> dict[str, _Thing]:
    found: dict[str, _Thing] = {}
    depth = 0
    try:
        for event, element in iterparse(
            str(path), events=("start", "end"), forbid_dtd=True, forbid_entities=True, forbid_external=True
        ):
            depth += 1 if event == "start" else -1
            if event == "end" and depth == 1:
                _take(found, element)
                element.clear()
    except DefusedXmlException as error:
        raise _refuse(path, f"has a document type, an entity or an external reference: {error}") from None
    except ParseError as error:
        raise _refuse(path, f"is not well-formed XML: {error}", error.position[0]) from None
    except OSError as error:
        raise _refuse(path, f"cannot be read: {error.strerror or error}") from None
    if not found:
        raise _refuse(path, "holds no CIM equipment")
    return found


def _take(found: dict[str, _Thing], element: Element) -> None:
    kind = element.tag.rpartition("}")[2]
    if kind not in _KEPT:
        return
    about = element.get(f"{_RDF}about") or element.get(f"{_RDF}ID") or ""
    thing = _Thing(kind, _plain(about))
    x: float | None = None
    y: float | None = None
    for child in element:
        name = child.tag.rpartition("}")[2].rpartition(".")[2]
        text = (child.text or "").strip()
        if (target := child.get(f"{_RDF}resource")) is not None:
            thing.refs[name] = _plain(target)
        elif name == "mRID" and text:
            thing.mrid = _plain(text)
        elif name in {"name", "crsUrn"}:
            thing.name = text
        elif name in {"normalOpen", "open"}:
            thing.open = thing.open or text.lower() == "true"
        elif name == "customerCount" and text.isdigit():
            thing.count = int(text)
        elif name in {"xPosition", "yPosition"}:
            number = _number(text)
            x, y = (number, y) if name == "xPosition" else (x, number)
    if x is not None and y is not None:
        thing.points.append((x, y))
    found[_plain(about)] = thing


def _plain(identifier: str) -> str:
    return identifier.rpartition("#")[2].removeprefix("urn:uuid:").lstrip("_")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class _Reader:
    """Makes a tree of what a file holds."""

    def __init__(self, path: Path, things: dict[str, _Thing], drawing: Drawing | None) -> None:
        self._path = path
        self._things = things
        self._drawing = drawing
        self._problems: list[Problem] = []
        self._warnings: list[str] = []
        self._degrees = False
        self._corner = (0.0, 0.0)
        self._at: dict[str, list[_Thing]] = {}  # node to the equipment connected there
        self._fed: dict[str, str] = {}  # node to the device whose load side it is
        self._devices: list[DeviceRow] = []
        self._customers: list[CustomerRow] = []

    def network(self) -> CimNetwork:
        self._locate()
        self._connect()
        sources = self._of("EnergySource")
        if not sources:
            self._problem("has no EnergySource: nothing is fed")
        self._throw()
        reached: set[str] = set()
        for source in sources:
            self._grow(source, reached)
        for load in self._of("EnergyConsumer"):
            if load.mrid not in reached:
                self._problem(f"{load} is not connected to a source")
        self._join_ties()
        self._throw()
        return CimNetwork(tuple(self._devices), tuple(self._customers), tuple(self._warnings))

    def _of(self, kind: str) -> list[_Thing]:
        return [thing for thing in self._things.values() if thing.kind == kind]

    def _problem(self, reason: str) -> None:
        self._problems.append(Problem(self._path.name, 0, reason))

    def _throw(self) -> None:
        if self._problems:
            raise NetworkFileError(self._problems[:20], len(self._problems))

    def _locate(self) -> None:
        systems = [system.name for system in self._of("CoordinateSystem")]
        self._degrees = any(word in name.lower() for name in systems for word in _DEGREES)
        if not self._degrees and self._drawing is None:
            told = ", ".join(systems) or "none"
            self._problem(f"its coordinates are no degrees (CoordinateSystem: {told}): say where the drawing lies")
        points: dict[str, list[tuple[float, float]]] = {}
        for point in self._of("PositionPoint"):
            points.setdefault(point.refs.get("Location", ""), []).extend(point.points)
        for thing in self._things.values():
            if thing.kind != "PositionPoint":
                thing.points = points.get(thing.refs.get("Location", ""), [])
        everything = [point for group in points.values() for point in group]
        if everything:
            self._corner = (min(x for x, _ in everything), min(y for _, y in everything))

    def _connect(self) -> None:
        for terminal in self._of("Terminal"):
            equipment = self._things.get(terminal.refs.get("ConductingEquipment", ""))
            node = terminal.refs.get("ConnectivityNode") or terminal.refs.get("TopologicalNode")
            if equipment is None or equipment.kind == "Terminal":
                continue  # of a class that neither conducts nor serves here: a capacitor, a battery
            if node is None:
                self._problem(f"Terminal (mRID {terminal.mrid}) of {equipment} has no ConnectivityNode")
            elif node not in equipment.nodes:
                equipment.nodes.append(node)
                self._at.setdefault(node, []).append(equipment)

    def _grow(self, source: _Thing, reached: set[str]) -> None:
        top = self._substation(source)
        breaker = any(thing.kind == "Breaker" for thing in self._things.values())
        parent = top
        if not breaker:
            feeder = next(iter(self._of("Feeder")), None)
            parent = feeder.mrid if feeder is not None else f"{top}-feeder"
            self._add(parent, top, DeviceType.BREAKER, source, name="" if feeder is None else feeder.name)
            self._warnings.append(f"no Breaker: {feeder or 'a feeder'} stands for the one at its head")
        reached.add(source.mrid)
        visited: dict[str, str] = dict.fromkeys(source.nodes, parent)
        queue = deque(source.nodes)
        while queue:
            node = queue.popleft()
            self._fed.setdefault(node, visited[node])
            for thing in self._at.get(node, ()):
                if thing.mrid not in reached:
                    self._pass(thing, node, visited, queue, reached)

    def _pass(self, thing: _Thing, node: str, visited: dict[str, str], queue: deque[str], reached: set[str]) -> None:
        reached.add(thing.mrid)
        parent = visited[node]
        beyond = [other for other in thing.nodes if other != node]
        if thing.kind == "EnergyConsumer":
            self._serve(thing, parent)
        elif thing.kind in _SWITCHES:
            closes = any(other in visited for other in beyond)
            if closes and not thing.open:
                self._warnings.append(f"{thing} closes a loop: taken as normally open")
            is_open = thing.open or closes
            self._add(thing.mrid, parent, _SWITCHES[thing.kind], thing, is_open=is_open)
            if not is_open:
                self._on(beyond, thing.mrid, visited, queue)
        elif thing.kind == _TRANSFORMER:
            if any(other not in visited for other in beyond):
                self._add(thing.mrid, parent, DeviceType.TRANSFORMER, thing)
                self._on(beyond, thing.mrid, visited, queue)
        elif thing.kind in _LINES:
            self._on(beyond, parent, visited, queue)

    def _join_ties(self) -> None:
        """Say of every open switch which device's load side its other end joins, and find those that name one end only.

        A switch whose far node joins nothing else feeds nobody. Where that node is called as the open end of another,
        it is a tie that is open, whatever its state says.
        """
        by_name = {node.name: node.mrid for node in self._of("ConnectivityNode") if node.name}
        for n, row in enumerate(self._devices):
            thing = self._things.get(row.id)
            if thing is None or thing.kind not in _SWITCHES:
                continue
            ends = [node for node in thing.nodes if row.normally_open or len(self._at[node]) == 1]
            named = {node: self._things[node].name for node in ends if node in self._things}
            joined = [by_name.get(name.removesuffix(_OPEN_END)) for name in named.values() if name.endswith(_OPEN_END)]
            if joined and joined[0] is not None and joined[0] in self._fed:
                if not row.normally_open:
                    self._warnings.append(f"{thing} ends at an open end: taken as normally open")
                self._devices[n] = row._replace(normally_open=True, other_end=self._fed[joined[0]])
            elif row.normally_open:
                fed = [self._fed[node] for node in ends if node in self._fed]
                other = next((device for device in fed if device != row.parent), row.parent if len(fed) > 1 else None)
                self._devices[n] = row._replace(other_end=other)
                if other is None:
                    self._warnings.append(f"{thing} is open and its other end joins nothing that is fed")

    @staticmethod
    def _on(nodes: list[str], parent: str, visited: dict[str, str], queue: deque[str]) -> None:
        for node in nodes:
            if node not in visited:
                visited[node] = parent
                queue.append(node)

    def _serve(self, load: _Thing, parent: str) -> None:
        lat, lon = self._position(load)
        at = parent
        if next(row.type for row in reversed(self._devices) if row.id == parent) != DeviceType.TRANSFORMER:
            at = f"{load.mrid}-T"
            self._add(at, parent, DeviceType.TRANSFORMER, load, name="")  # the load's name is the customer's
        for n in range(load.count):
            account = load.mrid if load.count == 1 else f"{load.mrid}-{n + 1}"
            self._customers.append(CustomerRow(account, at, lat, lon, "", "", load.name))

    def _substation(self, source: _Thing) -> str:
        named = next(iter(self._of("Substation")), source) if len(self._of("EnergySource")) == 1 else source
        self._add(named.mrid, None, DeviceType.SUBSTATION, source, name=named.name)
        return named.mrid

    def _add(
        self,
        device: str,
        parent: str | None,
        kind: DeviceType,
        thing: _Thing,
        *,
        is_open: bool = False,
        name: str | None = None,
    ) -> None:
        lat, lon = self._position(thing)
        called = thing.name if name is None else name
        called = called[:_LONGEST_NAME] if called.isprintable() else ""
        self._devices.append(DeviceRow(device, parent, kind.value, is_open, lat, lon, called))

    def _position(self, thing: _Thing) -> tuple[float, float]:
        if not thing.points:
            self._problem(f"{thing} has no PositionPoint")
            return 0.0, 0.0
        x = sum(x for x, _ in thing.points) / len(thing.points)
        y = sum(y for _, y in thing.points) / len(thing.points)
        if self._degrees or self._drawing is None:
            return round(y, 6), round(x, 6)
        drawing = self._drawing
        lat = drawing.lat + (y - self._corner[1]) * drawing.metres / _METRES_A_DEGREE
        east = (x - self._corner[0]) * drawing.metres
        return round(lat, 6), round(drawing.lon + east / (_METRES_A_DEGREE * math.cos(math.radians(lat))), 6)
