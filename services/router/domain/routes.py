"""The route tree: from what a ticket is to the one queue it sits in.

Decided here: which route takes a ticket. The search is Alertmanager's: from the root down, the first child that
matches takes over; where no child matches, the route itself has the ticket. The root matches everything, so every
ticket has a queue. A route with ``continue`` never takes a ticket: it raises its priority or tags it and lets the
search go on with its next sibling, which sees the change. Never here: YAML, what the attributes mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from services.contracts.frozen import frozen
from services.contracts.values import (
    Channel,
    CustomerClass,
    CustomerStatus,
    Priority,
)
from services.router.domain.classify import TypeRule, more_urgent
from services.router.domain.targets import UNKNOWN, Step, plan

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from services.router.domain.targets import Duty, Passed, Target
    from services.router.domain.working_time import WorkingTime

_MOST_WAYS: Final = 4096

BOOLEANS: Final = frozenset({"true", "false"})


class VoltageLevel(StrEnum):
    """How high the voltage of a customer's supply is. Bounds: IEC 60050-601, 1 kV and 35 kV."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


ATTRIBUTES: Final[Mapping[str, frozenset[str] | None]] = {
    "business_type": None,
    "classified_by": frozenset(TypeRule),
    "fault": None,
    "is_outage": BOOLEANS,
    "hazards": None,
    "suspected": BOOLEANS,
    "single_premise": BOOLEANS,
    "language": None,
    "language_sure": BOOLEANS,
    "channel": frozenset(Channel),
    "priority": frozenset(Priority),
    "customer_class": frozenset(CustomerClass),
    "customer_status": frozenset(CustomerStatus),
    "voltage_level": frozenset(VoltageLevel),
    "placed": BOOLEANS,
    "area": None,
    "feeder": None,
    "final": BOOLEANS,
    "unconfirmed": BOOLEANS,
    "needs_person": None,
    "repeats": None,
    "urged": BOOLEANS,
    "tags": None,
}
"""What a route can match on, with the values an attribute of a closed vocabulary can have."""

Attributes = dict[str, tuple[str, ...]]
"""A ticket as the tree sees it: every attribute of ``ATTRIBUTES`` with none, one or several values."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one attribute; it holds if any of the attribute's values fits.

    Exactly one of ``values``, ``pattern``, ``present`` and ``at_least`` is set.

    Attributes:
        values: The attribute has one of these.
        pattern: The attribute has a value that this fits from end to end.
        present: The attribute has a value at all, or (False) has none.
        at_least: The attribute is a number of at least this much.
        text: The condition as the operator wrote it, for reasons and explanations.
    """

    attribute: str
    text: str
    values: frozenset[str] | None = None
    pattern: re.Pattern[str] | None = None
    present: bool | None = None
    at_least: int | None = None

    def holds(self, attributes: Mapping[str, tuple[str, ...]]) -> bool:
        """Tell whether a ticket fits."""
        given = attributes[self.attribute]
        if self.values is not None:
            return not self.values.isdisjoint(given)
        if self.pattern is not None:
            return any(self.pattern.fullmatch(value) is not None for value in given)
        if self.at_least is not None:
            return any(value.isdecimal() and int(value) >= self.at_least for value in given)
        return bool(given) is self.present


@dataclass(frozen=True, slots=True)
class Route:
    """One node of the tree, fully resolved: a child that named no queue has its parent's.

    Attributes:
        path: Names from the root down, joined by ``/``.
        line: Line in the file, from 1.
        matchers: Conditions that must all hold; none on the root.
        queue: Where a ticket sits that this route takes.
        go_on: The route was written with ``continue``: it only adds, the next sibling is tried.
        raise_priority: The ticket becomes at least this urgent; never less.
        tags: Labels the ticket gets, for later routes to match on and people to see.
        targets: Who it waits for, one after the other; the first one's queue is ``queue``.
        routes: Children, tried in order.
    """

    path: str
    line: int
    queue: str
    matchers: tuple[Matcher, ...] = ()
    go_on: bool = False
    raise_priority: Priority | None = None
    tags: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class Queue:
    """A skill queue as the file declares it."""

    name: str
    title: str
    description: str = ""


class Found(NamedTuple):
    """What the tree says of a ticket, whatever the hour: the route, and what was added on the way."""

    route: Route
    matched: tuple[str, ...]
    priority: Priority
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class RouteTree:
    """A tree with the queues and calendars it may use.

    Attributes:
        asked: The attributes any route matches on: tickets that are alike in these take the same way.
    """

    root: Route
    queues: Mapping[str, Queue]
    calendars: Mapping[str, WorkingTime] = field(default_factory=dict)
    asked: tuple[str, ...] = field(init=False)
    _ways: dict[tuple[object, ...], Found] = field(init=False, default_factory=dict)
    _plans: dict[tuple[object, ...], tuple[Step, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Note what the tree asks."""
        object.__setattr__(self, "asked", tuple(sorted({"priority"} | set(_asked(self.root)))))

    def find(self, attributes: Attributes, trace: list[Tried] | None = None) -> Found:
        """Search from the root down; a way that was gone before is remembered."""
        key = tuple(map(attributes.__getitem__, self.asked))
        found = self._ways.get(key) if trace is None else None
        if found is None:
            if len(self._ways) >= _MOST_WAYS:
                self._ways.clear()
            found = self._ways[key] = _search(self.root, attributes, trace)
        return found

    def steps(
        self, route: Route, attributes: Attributes, now: datetime, duty: Duty, passed: list[Passed]
    ) -> tuple[Step, ...]:
        """Return the plan of a ticket on a route; one that hangs on neither the hour nor who is there is remembered."""
        if any(target.is_conditional for target in route.targets):
            return plan(route.targets, attributes, self.root.queue, now, duty, passed)
        key = (route.path, *(attributes[name] for target in route.targets for name in target.skills))
        steps = self._plans.get(key)
        if steps is None:
            if len(self._plans) >= _MOST_WAYS:
                self._plans.clear()
            steps = self._plans[key] = plan(route.targets, attributes, self.root.queue, now, duty)
        return steps


def skills_asked(route: Route) -> Iterator[str]:
    """Yield what the targets of a route and of those below it ask of agents: skills, and attributes as ``name:``."""
    for target in route.targets:
        yield from target.requires
        yield from (f"{name}:" for name in target.skills)
    for child in route.routes:
        yield from skills_asked(child)


def _asked(route: Route) -> Iterator[str]:
    yield from (matcher.attribute for matcher in route.matchers)
    for child in route.routes:
        yield from _asked(child)


@frozen(kw_only=True)
class Taken:
    """Where a ticket sits and why."""

    queue: str
    path: str
    matched: tuple[str, ...] = ()
    """Conditions that held on the way, those of ``continue`` routes included."""
    priority: Priority
    tags: tuple[str, ...] = ()
    plan: tuple[Step, ...] = ()
    """Who it waits for as time passes; the first step's queue is ``queue``."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One route that was looked at, for ``explain``."""

    path: str
    line: int
    held: bool
    why: str


_LONGEST_REASON: Final = 200


@dataclass(slots=True)
class _Walk:
    attributes: Attributes
    priority: Priority
    tags: list[str] = field(default_factory=list)
    matched: list[str] = field(default_factory=list)

    def enter(self, route: Route) -> None:
        self.matched += [matcher.text[:_LONGEST_REASON] for matcher in route.matchers]
        if route.raise_priority is not None:
            self.priority = more_urgent(self.priority, route.raise_priority)
            self.attributes["priority"] = (self.priority.value,)
        self.tags += [tag for tag in route.tags if tag not in self.tags]
        self.attributes["tags"] = tuple(self.tags)


def take(
    tree: RouteTree,
    attributes: Attributes,
    now: datetime,
    duty: Duty = UNKNOWN,
    trace: list[Tried] | None = None,
) -> Taken:
    """Find the one queue for a ticket, and those after it.

    Args:
        tree: The tree in force.
        attributes: The ticket; ``priority`` has one value.
        now: Calendars are asked about this instant.
        duty: What is known of the queues.
        trace: Filled with every route and target that was looked at and why it held or did not, if given.
    """
    found = tree.find(attributes, trace)
    passed: list[Passed] = []
    steps = tree.steps(found.route, attributes, now, duty, passed)
    if trace is not None:
        path = found.route.path
        trace += [Tried(f"{path} → {each.queue}", each.line, held=False, why=why) for each, why in passed]
    return Taken(
        queue=steps[0].queue,
        path=found.route.path,
        matched=found.matched,
        priority=found.priority,
        tags=found.tags,
        plan=steps,
    )


def _search(root: Route, attributes: Attributes, trace: list[Tried] | None) -> Found:
    walk = _Walk(dict(attributes), Priority(attributes["priority"][0]))
    here: Route | None = root
    route = root
    while here is not None:
        route = here
        walk.enter(route)
        if trace is not None and route is root:
            trace.append(Tried(route.path, route.line, held=True, why="the root matches everything"))
        here = _next(route, walk, trace)
    return Found(route, tuple(walk.matched), walk.priority, tuple(walk.tags))


def _next(route: Route, walk: _Walk, trace: list[Tried] | None) -> Route | None:
    for child in route.routes:
        broken = next((matcher for matcher in child.matchers if not matcher.holds(walk.attributes)), None)
        if trace is not None:
            trace.append(Tried(child.path, child.line, held=broken is None, why=_why(child, broken, walk.attributes)))
        if broken is not None:
            continue
        if not child.go_on:
            return child
        walk.enter(child)
    return None


def _why(route: Route, broken: Matcher | None, attributes: Attributes) -> str:
    if broken is not None:
        given = ", ".join(attributes[broken.attribute]) or "nothing"
        return f"{broken.text} does not hold: {broken.attribute} is {given}"
    held = " and ".join(matcher.text for matcher in route.matchers)
    return f"{held}; adds to the ticket and goes on" if route.go_on else held
