"""What is known of one area: its open incidents, their reports, the evidence, the recent restorations.

Indexed so that a report costs the depth of the network and not the number of open incidents. Changed only by
``evolve``; read by ``decide``. Never here: a decision.
"""

from __future__ import annotations

from datetime import datetime
from inspect import isdatadescriptor
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from services.contracts.values import DeviceRef
from services.dedup.domain.learning import Learned
from services.dedup.domain.likelihood import FEW
from services.dedup.domain.planned import PlannedOutages
from services.dedup.domain.rules import BREAKERS, METERS
from services.dedup.domain.storm import Pace
from services.dedup.domain.telemetry import Telemetry
from services.grid.device import CAN_FAIL, DeviceType

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from services.dedup.domain.acts import Elsewhere
    from services.dedup.domain.done import Done
    from services.dedup.domain.incident import Incident, Standing
    from services.dedup.domain.likelihood import Part
    from services.dedup.domain.report import Report
    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree


class Step(NamedTuple):
    """One device on the way up from a leaf: its class, and the customers under it."""

    device: str
    kind: DeviceType
    customers: int


class Restored(NamedTuple):
    """A restoration that can still answer late reports, and tell who is still out.

    Attributes:
        seq: Its place in the area's ledger.
        since: When the outage that it ended had begun.
    """

    restored_at: datetime
    seq: int
    incident_id: UUID
    since: datetime


class AreaState:
    """One area as known. Build it empty, or load it (``services.dedup.store``).

    Attributes:
        area: Substation, or ``cell`` where no model covers the ground.
        tree: Network of the area; None where no model covers it.
        rules: Rules in force. Where tree or rules become others, a new state takes over (``indexing.on_other_ground``).
        incidents: Open incidents.
        members: Live report to its incident.
        by_device: The open outage predicted at each device.
        by_premises: The open single incident of each account.
        singles_at: The open single incidents at each device, by their place in the ledger.
        below: The open outages predicted strictly below each device, by their place in the ledger.
        restored: Last restoration of each device.
        restored_premises: Last restoration of each account's own premises.
        oldest_restored: No restoration in these is older.
        latest: Time of the latest report; restorations are forgotten by it.
        lag: Seconds after which that report arrived: until then others of its time may still come.
        learned: What closed incidents taught of who reports, and when.
        likelihood: The densities that follow from it.
        next_seq: Number of the next ledger row.
        waiting: Reports that a person must place.
        commands: What persons did and can still undo, oldest first.
        set_aside: Incidents that a person's command emptied and undoing it brings back.
        planned: Planned outages.
        covered: Reports of incidents that a planned outage answers, as a person accepted it: they may come back.
        answered: Reports that each planned outage answered as they came: they may come back, too.
        telemetry: What meters and breakers last said.
        pace: How fast reports arrive, and the storm they make.
        elsewhere: Outages that are open in another area at a device of this one, by device.
        floor: No version of an order and no revision of an incident up to this is given: others may hold it from a time
            that the database has forgotten (``gridline db restored``).
    """

    __slots__ = (
        "_devices",
        "_paths",
        "_refs",
        "_through",
        "answered",
        "area",
        "below",
        "by_device",
        "by_premises",
        "commands",
        "covered",
        "elsewhere",
        "floor",
        "incidents",
        "lag",
        "latest",
        "learned",
        "likelihood",
        "members",
        "next_seq",
        "oldest_restored",
        "pace",
        "planned",
        "restored",
        "restored_premises",
        "rules",
        "set_aside",
        "singles_at",
        "telemetry",
        "tree",
        "waiting",
    )

    def __init__(self, area: str, tree: Tree | None, rules: Rules) -> None:
        self.area = area
        self.tree = tree
        self.rules = rules
        self.incidents: dict[UUID, Incident] = {}
        self.members: dict[UUID, UUID] = {}
        self.by_device: dict[str, UUID] = {}
        self.by_premises: dict[str, UUID] = {}
        self.singles_at: dict[str, dict[int, Incident]] = {}
        self.below: dict[str, dict[int, Incident]] = {}
        self.restored: dict[str, Restored] = {}
        self.restored_premises: dict[str, Restored] = {}
        self.oldest_restored: datetime | None = None
        self.latest: datetime | None = None
        self.lag = 0.0
        self.next_seq = 1
        self.waiting: dict[UUID, Report] = {}
        self.commands: dict[UUID, Done] = {}
        self.set_aside: dict[UUID, Incident] = {}
        self.planned = PlannedOutages()
        self.covered: dict[UUID, Report] = {}
        self.answered: dict[UUID, dict[UUID, Report]] = {}
        self.telemetry = Telemetry()
        self.pace = Pace()
        self.elsewhere: dict[str, Elsewhere] = {}
        self.floor = 0
        self.learned = Learned()
        self.likelihood = self.learned.likelihood(rules.inference)
        self._paths: dict[str, tuple[Step, ...]] = {}
        self._through: dict[str, tuple[Step, ...]] = {}
        self._devices: dict[str, tuple[DeviceType, int]] = {}
        self._refs: dict[str, DeviceRef] = {}

    def heard_until(self, at: float) -> float:
        """Return until when silence is known by ``at``: what was said lately may not have arrived.

        As late as the latest report arrived, others may; while nothing arrives, it goes on with the clock. Where a
        storm is told faster than it happened, it goes on with what is told.
        """
        if self.latest is None:
            return at
        return min(at, max(self.latest.timestamp(), at - self.lag))

    def silent_until(self, report: Report) -> float:
        """Return until when the others are known to have kept silent, as a report comes."""
        return max(report.made_at.timestamp(), self.heard_until(report.received_at.timestamp()))

    def stormy(self, at: float) -> bool:
        """Tell whether the area is in a storm at a time, seconds since the epoch."""
        return self.rules.storm is not None and self.pace.stormy(at, self.rules.storm)

    def hold(self, device_class: str, at: float) -> timedelta:
        """Return how long the order of an incident at such a device waits."""
        usual = self.rules.hold(device_class)
        if self.rules.storm is None or not self.stormy(at):
            return usual
        return self.rules.storm.holds.get(device_class, usual)

    def wait(self, device_class: str, at: float, told: Standing) -> timedelta:
        """Return how long the order of an incident waits, by who told of it: people, customers' meters, breakers."""
        own = self.hold(device_class, at)
        if told.people:
            return own
        own = max(own, self.hold(METERS, at))
        return own if told.customers else max(own, self.hold(BREAKERS, at))

    def lift_margin(self, at: float) -> float:
        """Return how much likelier a common cause must be, as a logarithm."""
        storm = self.rules.storm
        if storm is None or storm.lift_margin is None or not self.stormy(at):
            return self.rules.inference.lift_margin
        return storm.lift_margin

    def leaf(self, device: str | None) -> str | None:
        """Return the device a report counts for: its own, or the nearest above it that can be predicted.

        None where the area has no such device.
        """
        if device is None:
            return None
        if device in self._paths or device in self.by_device:
            return device  # where something is open, also once the network has no such device any more
        if self.tree is None:
            return device if device.startswith("cell:") else None
        if device not in self.tree:
            return None
        if self.tree.type_of(device) is DeviceType.TRANSFORMER:
            return device
        return self.tree.protective_at_or_above(device)

    def is_under(self, place: str | None, device: str) -> bool:
        """Tell whether what is reported at a place is at or under a device, by the network in force."""
        tree, leaf = self.tree, self.leaf(place)
        if tree is None or leaf is None or leaf not in tree or device not in tree:
            return False
        return tree.is_under(leaf, device)

    def outages_at(self, devices: Iterable[str]) -> list[Incident]:
        """Return the open outages found at devices, in their order and each once: one may stand for several."""
        keys = dict.fromkeys(self.by_device.get(device) for device in devices)
        return [self.incidents[key] for key in keys if key is not None]

    def outages_below(self, device: str) -> list[Incident]:
        """Return the open outages predicted strictly below a device, oldest first.

        ``below`` itself has those that an undo brought back last, until the area is loaded again.
        """
        return [incident for _, incident in sorted(self.below.get(device, {}).items())]

    def reported_under(self, device: str, reports: Iterable[Report]) -> list[Report]:
        """Return the reports that were made at or under a device: those of whose places ``is_under`` is true."""
        tree = self.tree
        if tree is None or device not in tree:
            return []
        first, end = tree.span(device)
        under: dict[str | None, bool] = {}  # of a place many have called
        found: list[Report] = []
        for report in reports:
            place = report.device
            is_under = under.get(place)
            if is_under is None:
                leaf = self.leaf(place)
                is_under = under[place] = leaf is not None and leaf in tree and first <= tree.span(leaf)[0] < end
            if is_under:
                found.append(report)
        return found

    def path(self, leaf: str) -> tuple[Step, ...]:
        """Return the devices upstream of a leaf that could have opened, nearest first."""
        found = self._paths.get(leaf)
        if found is None:
            if self.tree is None or leaf not in self.tree:
                return ()
            found = self._find_path(self.tree, leaf)
            if self.tree.type_of(leaf) in CAN_FAIL:  # what is kept is what ``leaf`` may answer
                self._paths[leaf] = found
        return found

    def _find_path(self, tree: Tree, leaf: str) -> tuple[Step, ...]:
        """Climb to a device whose path is known, and build from there down what is missing: paths share their steps."""
        paths, through = self._paths, self._through
        missing: list[str] = []
        while (device := tree.guard_of(missing[-1] if missing else leaf)) is not None and device not in through:
            missing.append(device)
        above = () if device is None else through[device]
        for branch in reversed(missing):
            paths[branch] = above
            above = through[branch] = (Step(branch, *self._known(branch)), *above)
        return above

    def upstream(self, device: str) -> tuple[str, ...]:
        """Return a device and what is upstream of it that could have opened, nearest first."""
        return (device, *(step.device for step in self.path(device)))

    def chain_of(self, place: str | None) -> tuple[str, ...]:
        """Return the device a report counts for and what is upstream of it; nothing where the area has none."""
        leaf = self.leaf(place)
        return () if leaf is None else self.upstream(leaf)

    def kind_of(self, device: str) -> DeviceType:
        """Return the class of a device; a cell of unmodelled ground counts as a transformer."""
        return self._known(device)[0]

    def customers_under(self, device: str) -> int:
        """Return the customers under a device; 0 where the network does not know it."""
        return self._known(device)[1]

    def _known(self, device: str) -> tuple[DeviceType, int]:
        """Return the class of a device and the customers under it, asked of the tree once."""
        found = self._devices.get(device)
        if found is None:
            tree = self.tree
            if tree is None or device not in tree:
                return DeviceType.TRANSFORMER, 0
            found = self._devices[device] = tree.type_of(device), tree.customers_under(device)
        return found

    def ref(self, device: str, tree: Tree) -> DeviceRef:
        """Return a device of the network for a crew to drive to, asked of the tree once."""
        found = self._refs.get(device)
        if found is None:
            lat, lon = tree.position(device)
            kind, feeder = self.kind_of(device).value, tree.feeder_of(device)
            found = self._refs[device] = DeviceRef(id=device, type=kind, feeder=feeder, lat=lat, lon=lon)
        return found

    def onset(self, incident: Incident) -> float:
        """Return the call with which an open incident began, seconds since the epoch."""
        calls = incident.standing.calls
        return calls[0] if len(calls) < FEW else self.weighed(incident).onset  # of few calls none is a stray

    def weighed(self, incident: Incident) -> Part:
        """Return what is the same of an open incident for every report until one joins it, or it moves."""
        found = incident.weighed
        if found is None or found.by is not self.likelihood:
            standing, customers = incident.standing, incident.customers_served
            kind, order = self.kind_of(incident.device.id), incident.opened_seq
            found = incident.weighed = self.likelihood.part(kind, customers, order, standing.calls, standing.callers)
        return found

    def own_score(self, incident: Incident, now: float) -> float:
        """Return how likely an open incident is as an outage of its own, with the others silent until ``now``."""
        standing, device = incident.standing, incident.device.id
        return self.likelihood.outage(
            self.kind_of(device), incident.customers_served, standing.calls, standing.callers, now
        )

    def learn(self, learned: Learned) -> None:
        """Take in what was learned."""
        self.learned = learned
        self.likelihood = learned.likelihood(self.rules.inference)

    def seen_from(self, reported_at: datetime) -> datetime:
        """Return the time of the latest report, if ``reported_at`` had come too."""
        return reported_at if self.latest is None else max(self.latest, reported_at)


FIELDS: Final = tuple(name for name, slot in vars(AreaState).items() if isdatadescriptor(slot))
"""What an area's state consists of. Compiled, the class has no ``__slots__``."""
