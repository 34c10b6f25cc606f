"""``routes.yaml`` to a resolved route tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from yaml.nodes import MappingNode, ScalarNode, SequenceNode

from services.contracts.values import Priority
from services.router.domain.routes import ATTRIBUTES, BOOLEANS, Matcher, Queue, Route, RouteTree
from services.router.domain.targets import Ring, Target
from services.router.tree.calendars import read_calendars
from services.router.tree.targets import Targets, seconds
from services.runtime.yaml_reading import Reader, allowed, compiled, line_of, meant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from yaml.nodes import Node

    from services.router.domain.reading import Keywords
    from services.router.tree.calendars import Holidays

_ROOT: Final = "root"
_ALWAYS: Final = frozenset(
    {
        "business_type",
        "classified_by",
        "language",
        "channel",
        "priority",
        "repeats",
        "customer_class",
        "customer_status",
    }
    | {attribute for attribute, values in ATTRIBUTES.items() if values == BOOLEANS}
)
"""Attributes every ticket has, so that asking whether they are present is a mistake."""
_ROUTE_KEYS: Final = frozenset(
    {"name", "match", "continue", "queue", "raise_priority", "add_tags", "routes", "targets"}
)
_LONGEST_PATH: Final = 200
_TOP: Final = ("version", "queues", "calendars", "language_for", "route")
_LANGUAGE_FOR_S: Final = 600
_NUMBERS: Final = frozenset({"repeats"})


def read_tree(file: str, text: str, keywords: Keywords, holidays: Mapping[str, Holidays] | None = None) -> RouteTree:
    """Read a route tree, checked against the words it matches on.

    Args:
        file: Its name, for faults.
        text: What it says.
        keywords: The words it may match on.
        holidays: Lists of days off that its calendars may name.

    Raises:
        RulesError: every fault, with its line and what is allowed.
    """
    reader = Reader(file, text)
    top = reader.top(_TOP, ("version", "queues", "route"))
    queues = _queues(reader, top["queues"]) if "queues" in top else {}
    tags: set[str] = set()
    vocabulary: dict[str, AbstractSet[str] | None] = {
        **ATTRIBUTES,
        "business_type": frozenset(keywords.business_types),
        "hazards": keywords.hazard_words,
        "fault": frozenset(kind for kind, _ in keywords.faults),
        "tags": tags,
    }
    calendars = read_calendars(reader, top["calendars"], holidays or {}) if "calendars" in top else {}
    language_for = seconds(reader, top["language_for"], "language_for") if "language_for" in top else None
    targets = Targets(reader, queues, calendars)
    routes = _Routes(reader, queues, vocabulary, targets, language_for, tags)
    root = routes.root(top["route"]) if "route" in top else None
    reader.finish()
    if root is None:
        raise AssertionError("a tree without a root has a fault")
    return RouteTree(root=root, queues=queues, calendars=calendars)


def _queues(reader: Reader, node: Node) -> dict[str, Queue]:
    queues: dict[str, Queue] = {}
    for entry in reader.entries(node, "queues"):
        name = reader.checked_word(entry.key, entry.line, "queue name")
        what = f"queue {entry.key!r}"
        if isinstance(entry.value, ScalarNode):
            title, description = reader.text(entry.value, f"the title of {what}"), None
        else:
            told = reader.fields(entry.value, what, {"title", "description"}, ("title",))
            title = reader.text(told["title"], f"the title of {what}") if "title" in told else None
            description = reader.text(told["description"], what) if "description" in told else None
        if name is not None:
            queues[name] = Queue(name, title or name, description or "")
    if not node.value:
        reader.fault(line_of(node), "queues must declare at least one queue (name: title)")
    return queues


@dataclass(frozen=True, slots=True)
class _Routes:
    reader: Reader
    queues: Mapping[str, Queue]
    vocabulary: Mapping[str, AbstractSet[str] | None]
    targets: Targets
    language_for_s: int | None
    tags: set[str]
    """What is added on the way to the route that is read: by those above it and by the additions before it."""

    def root(self, node: Node) -> Route | None:
        fields = self.reader.fields(node, "the root route", _ROUTE_KEYS, ("queue",))
        for key in ("match", "continue", "name"):
            if key in fields:
                reason = f"the root route catches everything and is called root: it has no {key!r}"
                self.reader.fault(line_of(fields.pop(key)), reason)
        if "targets" in fields:
            self.reader.fault(line_of(fields["targets"]), "the root is the last of all: it has a queue and no targets")
        queue = self._queue(fields)
        own = self._plain(node, queue)
        return self._route(node, fields, _ROOT, own, ()) if isinstance(node, MappingNode) else None

    def _plain(self, node: Node, queue: str) -> tuple[Target, ...]:
        """A queue by itself: somebody of the ticket's language for a while, then anybody who serves it."""
        ring = Ring(self.language_for_s or _LANGUAGE_FOR_S, frozenset({"language"}))
        return (Target(line=line_of(node), queue=queue, skills=("language",), rings=(ring,)),)

    def _waits(
        self, node: Node, fields: Mapping[str, Node], path: str, above: tuple[Target, ...]
    ) -> tuple[Target, ...]:
        if "targets" in fields:
            if "queue" in fields:
                reason = "a route has a queue or targets, not both: make the queue its first target"
                self.reader.fault(line_of(fields["queue"]), reason)
            return self.targets.read(fields["targets"], path) or above
        return self._plain(node, self._queue(fields)) if "queue" in fields else above

    def _route(
        self,
        node: Node,
        fields: Mapping[str, Node],
        path: str,
        targets: tuple[Target, ...],
        matchers: tuple[Matcher, ...],
    ) -> Route:
        go_on = "continue" in fields and self.reader.truth(fields["continue"], "continue") is True
        raised = (
            self.reader.word(fields["raise_priority"], "priority", tuple(Priority))
            if "raise_priority" in fields
            else None
        )
        tags = self.reader.texts(fields["add_tags"], "add_tags") if "add_tags" in fields else []
        checked = [self.reader.checked_word(tag, line, "tag") for tag, line in tags]
        added = tuple(tag for tag in checked if tag is not None)
        self.tags.update(added)
        if go_on:
            for key in ("queue", "targets", "routes"):
                if key in fields:
                    reason = f"a route with continue takes no ticket, so it has no {key!r}"
                    self.reader.fault(line_of(fields[key]), reason)
            if not checked and raised is None:
                self.reader.fault(
                    line_of(node), f"route {path!r} continues and adds nothing: give it raise_priority or add_tags"
                )
        return Route(
            path=path,
            line=line_of(node),
            queue=targets[0].queue,
            targets=targets,
            matchers=matchers,
            go_on=go_on,
            raise_priority=None if raised is None else Priority(raised),
            tags=added,
            routes=() if go_on or "routes" not in fields else self._children(fields["routes"], path, targets),
        )

    def _children(self, node: Node, path: str, above: tuple[Target, ...]) -> tuple[Route, ...]:
        children: list[Route] = []
        names: dict[str, int] = {}
        for item in self.reader.items(node, f"routes of {path!r}"):
            fields = self.reader.fields(item, "a route", _ROUTE_KEYS, ("name", "match"))
            name = self.reader.word(fields["name"], "route name") if "name" in fields else None
            if name is None:
                name = "?"  # a fault was noted; go on, to find the others
            elif name in names:
                self.reader.fault(line_of(item), f"route {name!r} stands twice here, first on line {names[name]}")
            names.setdefault(name, line_of(item))
            below = f"{path}/{name}"
            if len(below) > _LONGEST_PATH:
                self.reader.fault(line_of(item), f"the path {below[:40]!r}… is longer than {_LONGEST_PATH} characters")
            matchers = self._matchers(fields["match"], below) if "match" in fields else ()
            so_far = set(self.tags)
            children.append(self._route(item, fields, below, self._waits(item, fields, below, above), matchers))
            if not children[-1].go_on:
                self.tags.intersection_update(so_far)  # what it takes does not come to its siblings
        return tuple(children)

    def _queue(self, fields: Mapping[str, Node]) -> str:
        known = tuple(self.queues)
        return (self.reader.word(fields["queue"], "declared queue", known) if "queue" in fields else None) or ""

    def _matchers(self, node: Node, path: str) -> tuple[Matcher, ...]:
        matchers: list[Matcher] = []
        entries = list(self.reader.entries(node, f"match of {path!r}"))
        if isinstance(node, MappingNode) and not node.value:
            self.reader.fault(
                line_of(node), f"match of {path!r} is empty: what is to catch everything is the parent itself"
            )
        for entry in entries:
            if entry.key not in self.vocabulary:
                reason = f"unknown matcher {entry.key!r}; {meant(entry.key, self.vocabulary)}"
                self.reader.fault(entry.line, reason)
            elif (matcher := self._matcher(entry.key, entry.value)) is not None:
                matchers.append(matcher)
        return tuple(matchers)

    def _matcher(self, attribute: str, node: Node) -> Matcher | None:
        if isinstance(node, SequenceNode):
            values = {self._value(attribute, item) for item in self.reader.items(node, attribute)}
            if not values:
                self.reader.fault(line_of(node), f"{attribute} has an empty list: it would never match")
            if None in values or not values:
                return None
            known = frozenset(value for value in values if value is not None)
            return Matcher(attribute, f"{attribute} in [{', '.join(sorted(known))}]", values=known)
        if isinstance(node, ScalarNode):
            value = self._value(attribute, node)
            return None if value is None else Matcher(attribute, f"{attribute} = {value}", values=frozenset({value}))
        return self._operator(attribute, node)

    def _operator(self, attribute: str, node: Node) -> Matcher | None:
        fields = self.reader.fields(node, f"the matcher {attribute}", {"regex", "present", "at_least"})
        if len(fields) != 1:
            if len(fields) == len(node.value):  # else the unknown key was told
                self.reader.fault(line_of(node), f"{attribute} needs one of regex, present and at_least")
            return None
        if "present" in fields:
            present = self.reader.truth(fields["present"], "present")
            if attribute in _ALWAYS:
                self.reader.fault(line_of(node), f"every ticket has {attribute}: match one of its values instead")
            return (
                None
                if present is None
                else Matcher(attribute, f"{attribute} {'present' if present else 'absent'}", present=present)
            )
        if "at_least" in fields:
            return self._at_least(attribute, fields["at_least"])
        pattern = self.reader.text(fields["regex"], "regex")
        if pattern is None:
            return None
        try:
            expression = compiled(pattern)
        except ValueError as error:
            self.reader.fault(line_of(fields["regex"]), f"regex {pattern!r} does not compile: {error}")
            return None
        known = self.vocabulary[attribute]
        if known is not None and not any(map(expression.fullmatch, known)):
            self.reader.fault(line_of(fields["regex"]), f"regex {pattern!r} fits no {attribute}; {allowed(known)}")
        return Matcher(attribute, f"{attribute} =~ {pattern}", pattern=expression)

    def _at_least(self, attribute: str, node: Node) -> Matcher | None:
        if attribute not in _NUMBERS:
            self.reader.fault(line_of(node), f"{attribute} is no number; {meant(attribute, _NUMBERS)}")
            return None
        number = self.reader.whole(node, "at_least")
        return None if number is None else Matcher(attribute, f"{attribute} >= {number}", at_least=number)

    def _value(self, attribute: str, node: Node) -> str | None:
        known = self.vocabulary[attribute]
        if known == BOOLEANS:
            truth = self.reader.truth(node, attribute)
            return None if truth is None else str(truth).lower()
        if attribute in _NUMBERS:
            number = self.reader.whole(node, attribute)
            return None if number is None else str(number)
        value = self.reader.text(node, attribute)
        if value is not None and known is not None and value not in known:
            wrong = f"{value!r} is no {attribute}"
            if attribute == "tags":
                wrong = f"no route on the way here adds the tag {value!r}"
            self.reader.fault(line_of(node), f"{wrong}; {meant(value, known)}")
            return None
        return value
