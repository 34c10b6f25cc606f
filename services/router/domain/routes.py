"""The route tree: from what a ticket is to the one queue it sits in.

Decided here: which route takes a ticket. The search is Alertmanager's: from the root down, the first child that
matches takes over; where no child matches, the route itself has the ticket. The root matches everything, so every
ticket has a queue. A route with ``continue`` never takes a ticket: it raises its priority or tags it and lets the
search go on with its next sibling, which sees the change. Never here: YAML, what the attributes mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from services.contracts.values import (
    Channel,
    CustomerClass,
    CustomerStatus,
    Priority,
)
from services.router.domain.classify import TypeRule, more_urgent

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

BOOLEANS: Final = frozenset({"true", "false"})
ATTRIBUTES: Final[Mapping[str, frozenset[str] | None]] = {
    "business_type": None,
    "classified_by": frozenset(TypeRule),
    "fault": None,
    "is_outage": BOOLEANS,
    "hazards": None,
    "single_premise": BOOLEANS,
    "language": None,
    "language_sure": BOOLEANS,
    "channel": frozenset(Channel),
    "priority": frozenset(Priority),
    "customer_class": frozenset(CustomerClass),
    "customer_status": frozenset(CustomerStatus),
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

    Exactly one of ``values``, ``pattern`` and ``present`` is set.

    Attributes:
        values: The attribute has one of these.
        pattern: The attribute has a value that this fits from end to end.
        present: The attribute has a value at all, or (False) has none.
        text: The condition as the operator wrote it, for reasons and explanations.
    """

    attribute: str
    text: str
    values: frozenset[str] | None = None
    pattern: re.Pattern[str] | None = None
    present: bool | None = None

    def holds(self, attributes: Mapping[str, tuple[str, ...]]) -> bool:
        """Tell whether a ticket fits."""
        given = attributes[self.attribute]
        if self.values is not None:
            return not self.values.isdisjoint(given)
        if self.pattern is not None:
            return any(self.pattern.fullmatch(value) is not None for value in given)
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


@dataclass(frozen=True, slots=True)
class Queue:
    """A skill queue as the file declares it."""

    name: str
    title: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class RouteTree:
    """A tree with the queues it may use."""

    root: Route
    queues: Mapping[str, Queue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Where a ticket sits and why."""

    queue: str
    path: str
    matched: tuple[str, ...] = ()
    """Conditions that held on the way, those of ``continue`` routes included."""
    priority: Priority
    tags: tuple[str, ...] = ()


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


def take(tree: RouteTree, attributes: Attributes, trace: list[Tried] | None = None) -> Taken:
    """Find the one queue for a ticket.

    Args:
        tree: The tree in force.
        attributes: The ticket; ``priority`` has one value.
        trace: Filled with every route that was looked at and why it held or did not, if given.
    """
    walk = _Walk(dict(attributes), Priority(attributes["priority"][0]))
    here: Route | None = tree.root
    route = tree.root
    while here is not None:
        route = here
        walk.enter(route)
        if trace is not None and route is tree.root:
            trace.append(Tried(route.path, route.line, held=True, why="the root matches everything"))
        here = _next(route, walk, trace)
    return Taken(
        queue=route.queue,
        path=route.path,
        matched=tuple(walk.matched),
        priority=walk.priority,
        tags=tuple(walk.tags),
    )


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
