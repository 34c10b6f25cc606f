"""Routes that no ticket reaches: one before them takes whatever they match.

Decided here: the plain cases, by comparing condition with condition; what only several routes together take is not
found. Never here: a refusal: such a tree works, and its operator may mean to wake the route again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from services.runtime.yaml_reading import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from services.router.domain.routes import Matcher, Route, RouteTree

_CHANGE: Final = frozenset({"priority", "tags"})
"""Attributes of a ticket that routes change on its way."""


def never_reached(tree: RouteTree) -> list[Fault]:
    """Return each route that a sibling before it keeps every ticket from, in the order of lines; its own not again."""
    return sorted(_below(tree.root, ()), key=lambda fault: fault.line)


def _below(route: Route, above: tuple[Matcher, ...]) -> Iterator[Fault]:
    taking: list[Route] = []
    for child in route.routes:
        held = (*above, *child.matchers)
        before = next((one for one in taking if _follow(held, one.matchers)), None)
        if before is not None:
            reason = f"route {child.path!r} is never reached: {before.path!r} on line {before.line}"
            yield Fault(child.line, f"{reason} takes whatever it matches")
        elif not child.go_on:
            taking.append(child)
            yield from _below(child, tuple(one for one in held if one.attribute not in _CHANGE))
        else:  # what it changes may hold from here on, and did not before
            taking = [one for one in taking if _CHANGE.isdisjoint(each.attribute for each in one.matchers)]


def _follow(held: Iterable[Matcher], asked: Iterable[Matcher]) -> bool:
    return all(any(_follows(one, each) for one in held) for each in asked)


def _follows(held: Matcher, asked: Matcher) -> bool:
    """Tell whether every ticket for which one condition holds fits the other: False where that is not plain."""
    if held == asked:
        return True
    if held.attribute != asked.attribute:
        return False
    if asked.present is True:
        return held.present is not False
    if held.values is not None:
        return all(asked.holds({asked.attribute: (value,)}) for value in held.values)
    return held.at_least is not None and asked.at_least is not None and asked.at_least <= held.at_least
