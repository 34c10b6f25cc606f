"""A network from CIM XML (IEC 61970-301 and 61968-11): the same rows network.csv gives.

Decided here: which CIM classes are devices, and how the connectivity of nodes becomes a tree as fed from the source.
Lines are no devices: what they join is one node. A load without a service transformer of its own gets one, as a report
hangs on a transformer; a regulator is none. A closed loop is opened where the paths from the source meet, and told.
What a file holds beyond that is counted, so that nothing is left out unsaid. Never here: a database.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.grid.cim_xml import Thing, read_things
from services.grid.csv_file import SHOWN, NetworkFileError, Problem
from services.grid.device import DeviceRow, DeviceType
from services.grid.network_cells import MOST_KILOVOLTS, degrees, id_problem
from services.grid.network_file import CustomerRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_SWITCHES: Final = {
    **dict.fromkeys(("Breaker", "DisconnectingCircuitBreaker"), DeviceType.BREAKER),
    "Recloser": DeviceType.RECLOSER,
    "Fuse": DeviceType.FUSE,
    "Sectionaliser": DeviceType.SECTIONALIZER,
    **dict.fromkeys(
        ("Switch", "LoadBreakSwitch", "ProtectedSwitch", "Disconnector", "GroundDisconnector", "Jumper", "Cut"),
        DeviceType.SWITCH,
    ),
}
_LINES: Final = frozenset({"ACLineSegment", "SeriesCompensator", "EquivalentBranch"})
_LOADS: Final = frozenset({"EnergyConsumer", "ConformLoad", "NonConformLoad"})
_SOURCES: Final = ("EnergySource", "ExternalNetworkInjection")
_TRANSFORMER: Final = "PowerTransformer"
_EQUIPMENT: Final = frozenset({*_SWITCHES, *_LINES, *_LOADS, *_SOURCES, _TRANSFORMER})
_KEPT: Final = frozenset(
    _EQUIPMENT
    | {
        "Terminal",
        "PositionPoint",
        "ConnectivityNode",
        "CoordinateSystem",
        "Substation",
        "Feeder",
        "PowerTransformerEnd",
        "TransformerTankEnd",
        "TransformerTank",
        "BaseVoltage",
    }
)
_DEGREES: Final = ("4326", "crs84", "wgs84", "wgs 84")
_METRES_A_DEGREE: Final = 111_320.0
_LONGEST_NAME: Final = 200
_OPEN_END: Final = "_open"
"""How a node is called that is the other end of an open switch: ``300_open`` beside ``300`` (OpenDSS, CIMHub)."""
_REGULATOR: Final = "regulator"
"""Type of a transformer between equal voltages: power passes it both ways, and nobody's service hangs on it."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Where a drawing's own coordinates lie on the globe: its origin in WGS-84 degrees, and metres a unit."""

    lat: float
    lon: float
    metres: float = 0.3048


@dataclass(frozen=True, slots=True)
class CimNetwork:
    """What a file holds.

    Attributes:
        warnings: What had to be decided on the way.
        unused: How many objects of each class were not read, the most first.
        unused_equipment: Of them, those that are connected to the network: it is less than the file says.
    """

    devices: tuple[DeviceRow, ...]
    customers: tuple[CustomerRow, ...]
    warnings: tuple[str, ...]
    unused: Mapping[str, int]
    unused_equipment: Mapping[str, int]


def read_cim(path: Path, drawing: Drawing | None = None) -> CimNetwork:
    """Read a CIM XML file.

    Args:
        path: The file.
        drawing: Where its coordinates lie, if they are not degrees.

    Raises:
        NetworkFileError: it cannot be read, is no safe XML, or is no network; names the line or the mRID.
    """
    things, unused = read_things(path, _KEPT)
    return _Reader(path, things, unused, drawing).network()


def _counted(kinds: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(kinds).items(), key=lambda one: (-one[1], one[0])))


class _Reader:
    """Makes a tree of what a file holds."""

    def __init__(self, path: Path, things: dict[str, Thing], unused: dict[str, str], drawing: Drawing | None) -> None:
        self._path = path
        self._things = things
        self._unused = unused
        self._unused_equipment: dict[str, str] = {}
        self._drawing = drawing
        self._problems: dict[Problem, None] = {}
        self._warnings: list[str] = []
        self._unplaced: dict[str, Thing] = {}
        self._degrees = False
        self._corner = (0.0, 0.0)
        self._at: dict[str, list[Thing]] = {}  # node to the equipment connected there
        self._fed: dict[str, str] = {}  # node to the device whose load side it is
        self._devices: list[DeviceRow] = []
        self._types: dict[str, str] = {}
        self._customers: list[CustomerRow] = []
        self._sources = [source for kind in _SOURCES for source in self._of(kind)]
        self._regulators = self._between_equal_voltages()

    def network(self) -> CimNetwork:
        self._tell_doubles()
        self._locate()
        self._connect()
        if not self._sources:
            self._problem(f"has no {' and no '.join(_SOURCES)}: nothing is fed")
        self._throw()
        reached: set[str] = set()
        for source in self._sources:
            self._grow(source, reached)
        self._tell_unfed(reached)
        self._join_ties()
        self._throw()
        if self._unplaced:
            objects = "1 object has" if len(self._unplaced) == 1 else f"{len(self._unplaced)} objects have"
            self._warnings.append(f"{objects} no PositionPoint, the first {next(iter(self._unplaced.values()))}")
        return CimNetwork(
            tuple(self._devices),
            tuple(self._customers),
            tuple(self._warnings),
            _counted(self._unused.values()),
            _counted(self._unused_equipment.values()),
        )

    def _of(self, kind: str) -> list[Thing]:
        return [thing for thing in self._things.values() if thing.kind == kind]

    def _problem(self, reason: str) -> None:
        self._problems[Problem(self._path.name, 0, reason)] = None

    def _throw(self) -> None:
        if self._problems:
            raise NetworkFileError(list(self._problems)[:SHOWN], len(self._problems))

    def _tell_doubles(self) -> None:
        first: dict[str, Thing] = {}
        for thing in self._things.values():
            if thing.kind in _EQUIPMENT | {"Substation", "Feeder"}:
                other = first.setdefault(thing.mrid, thing)
                if other is not thing:
                    self._problem(f"{other} and {thing.kind} {thing.name or '?'} have the same mRID")

    def _tell_unfed(self, reached: set[str]) -> None:
        unfed = [one for one in self._things.values() if one.kind in _EQUIPMENT and one.mrid not in reached]
        for load in [one for one in unfed if one.kind in _LOADS]:
            self._problem(f"{load} is not connected to a source")
        if left := [one for one in unfed if one.kind not in _LOADS]:
            objects = "1 object is" if len(left) == 1 else f"{len(left)} objects are"
            self._warnings.append(f"{objects} not connected to a source: left out, the first {left[0]}")

    def _locate(self) -> None:
        systems = [f"{one.name} {one.refs.get('crsUrn', '')}".strip() for one in self._of("CoordinateSystem")]
        self._degrees = any(word in name.lower() for name in systems for word in _DEGREES)
        points: dict[str, list[tuple[float, float]]] = {}
        for point in self._of("PositionPoint"):
            points.setdefault(point.refs.get("Location", ""), []).extend(point.points)
        for thing in self._things.values():
            if thing.kind != "PositionPoint":
                thing.points = points.get(thing.refs.get("Location", ""), [])
        everything = [point for group in points.values() for point in group]
        if everything and not self._degrees and self._drawing is None:
            told = ", ".join(systems) or "none"
            self._problem(f"its coordinates are no degrees (CoordinateSystem: {told}): say where the drawing lies")
        if everything:
            self._corner = (min(x for x, _ in everything), min(y for _, y in everything))

    def _connect(self) -> None:
        loose: list[Thing] = []
        for terminal in self._of("Terminal"):
            key = terminal.refs.get("ConductingEquipment", "")
            equipment = self._things.get(key)
            node = terminal.refs.get("ConnectivityNode") or terminal.refs.get("TopologicalNode")
            if equipment is None or equipment.kind == "Terminal":
                if key in self._unused:  # it neither conducts nor serves here: a capacitor, a battery
                    self._unused_equipment[key] = self._unused[key]
                elif equipment is None:
                    loose.append(terminal)
                continue
            if node is None:
                self._problem(f"Terminal (mRID {terminal.mrid}) of {equipment} has no ConnectivityNode")
            elif node not in equipment.nodes:
                equipment.nodes.append(node)
                self._at.setdefault(node, []).append(equipment)
        if loose:
            terminals = "1 Terminal names" if len(loose) == 1 else f"{len(loose)} Terminals name"
            self._warnings.append(f"{terminals} no equipment of the file, the first has mRID {loose[0].mrid}")

    def _grow(self, source: Thing, reached: set[str]) -> None:
        top = self._substation(source)
        breaker = any(_SWITCHES.get(thing.kind) is DeviceType.BREAKER for thing in self._things.values())
        parent = top
        if any(node in self._fed for node in source.nodes):
            self._warnings.append(f"{source} is joined to what another source feeds: nothing hangs on it")
        elif not breaker:
            feeder = self._feeder_of(source)
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

    def _feeder_of(self, source: Thing) -> Thing | None:
        """Return the Feeder a source is in, if it is not another's; a lone source is at the head of the first."""
        if len(self._sources) == 1:
            return next(iter(self._of("Feeder")), None)
        feeder = self._things.get(source.refs.get("EquipmentContainer", ""))
        return feeder if feeder is not None and feeder.kind == "Feeder" and feeder.mrid not in self._types else None

    def _pass(self, thing: Thing, node: str, visited: dict[str, str], queue: deque[str], reached: set[str]) -> None:
        reached.add(thing.mrid)
        parent = visited[node]
        beyond = [other for other in thing.nodes if other != node]
        if thing.kind in _LOADS:
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
                kind = _REGULATOR if thing.mrid in self._regulators else DeviceType.TRANSFORMER.value
                self._add(thing.mrid, parent, kind, thing)
                self._on(beyond, thing.mrid, visited, queue)
            elif beyond:
                self._warnings.append(f"{thing} closes a loop: left out")
        elif thing.kind in _LINES:
            if any(visited.get(other, parent) != parent for other in beyond):
                self._warnings.append(f"{thing} closes a loop: left out")
            self._on(beyond, parent, visited, queue)

    def _between_equal_voltages(self) -> set[str]:
        """Return the transformers all of whose ends have one base voltage."""
        voltages: dict[str, set[str]] = {}
        for end in (*self._of("PowerTransformerEnd"), *self._of("TransformerTankEnd")):
            tank = self._things.get(end.refs.get("TransformerTank", ""))
            whole = end.refs.get(_TRANSFORMER) or ("" if tank is None else tank.refs.get(_TRANSFORMER, ""))
            voltages.setdefault(whole, set()).add(end.refs.get("BaseVoltage", f"of {end.mrid}"))
        return {
            thing.mrid
            for key, thing in self._things.items()
            if thing.kind == _TRANSFORMER and len(voltages.get(key, "ab")) == 1
        }

    def _join_ties(self) -> None:
        """Say of every open switch which device's load side its other end joins, and find those that name one end only.

        A switch whose far node joins nothing else feeds nobody. Where that node is called as the open end of another,
        it is a tie that is open, whatever its state says.
        """
        nodes = ((key, thing) for key, thing in self._things.items() if thing.kind == "ConnectivityNode")
        by_name = {node.name: key for key, node in nodes if node.name}
        switches = {thing.mrid: thing for thing in self._things.values() if thing.kind in _SWITCHES}
        for n, row in enumerate(self._devices):
            if (thing := switches.get(row.id)) is None:
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

    def _serve(self, load: Thing, parent: str) -> None:
        lat, lon = self._position(load)
        at = parent
        if self._types[parent] != DeviceType.TRANSFORMER:
            at = f"{load.mrid}-T"
            self._add(at, parent, DeviceType.TRANSFORMER, load, name="")  # the load's name is the customer's
        for n in range(load.count):
            account = load.mrid if load.count == 1 else f"{load.mrid}-{n + 1}"
            customer = CustomerRow(account, at, lat, lon, "", "", load.name, voltage_kv=self._kilovolts(load))
            self._customers.append(customer)

    def _kilovolts(self, load: Thing) -> float | None:
        """Return the voltage of a load: between phases, as ``BaseVoltage`` has it (IEC 61970-301)."""
        base = self._things.get(load.refs.get("BaseVoltage", ""))
        kilovolts = 0.0 if base is None or base.volts is None else base.volts / 1000
        return kilovolts if 0 < kilovolts <= MOST_KILOVOLTS else None

    def _substation(self, source: Thing) -> str:
        named = next(iter(self._of("Substation")), source) if len(self._sources) == 1 else source
        self._add(named.mrid, None, DeviceType.SUBSTATION, source, name=named.name)
        return named.mrid

    def _add(
        self,
        device: str,
        parent: str | None,
        kind: str,
        thing: Thing,
        *,
        is_open: bool = False,
        name: str | None = None,
    ) -> None:
        if reason := id_problem("mRID", device):
            self._problem(f"{thing}: {reason}")
        lat, lon = self._position(thing)
        called = thing.name if name is None else name
        called = called[:_LONGEST_NAME] if called.isprintable() else ""
        self._types[device] = str(kind)
        self._devices.append(DeviceRow(device, parent, str(kind), is_open, lat, lon, called))

    def _position(self, thing: Thing) -> tuple[float, float]:
        if not thing.points:
            self._unplaced[thing.mrid] = thing
            return 0.0, 0.0  # where a CSV says so, the device is placed by what is around it
        x = sum(x for x, _ in thing.points) / len(thing.points)
        y = sum(y for _, y in thing.points) / len(thing.points)
        if self._degrees or self._drawing is None:
            if wrong := degrees(str(y), str(x)).wrong:
                self._problem(f"{thing}: {wrong}")
            return round(y, 6), round(x, 6)
        drawing = self._drawing
        lat = drawing.lat + (y - self._corner[1]) * drawing.metres / _METRES_A_DEGREE
        east = (x - self._corner[0]) * drawing.metres
        return round(lat, 6), round(drawing.lon + east / (_METRES_A_DEGREE * math.cos(math.radians(lat))), 6)
