"""A route that no ticket can reach is told, with the one that takes them; and only such a route is."""

from __future__ import annotations

import itertools
import random

import pytest
from structlog.testing import capture_logs

from services.router.domain.routes import ATTRIBUTES, RouteTree
from services.router.tree.book import RuleBook
from services.router.tree.routes import read_tree
from services.router.tree.unreached import never_reached
from tests.unit.router.making import CLASSIFY, ROUTES, SHIPPED

HEAD = "version: 1\nqueues: {general: G, repair: R}\nroute:\n  queue: general\n  routes:\n"


def tree_of(*routes: str) -> RouteTree:
    return read_tree("routes.yaml", HEAD + "".join(f"    - {route}\n" for route in routes), SHIPPED.keywords)


def told(*routes: str) -> list[tuple[int, str]]:
    return [(fault.line, fault.reason) for fault in never_reached(tree_of(*routes))]


TAG = "{name: t, match: {urged: true}, add_tags: [a], continue: true}"
RAISE = "{name: r, match: {urged: true}, raise_priority: high, continue: true}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{channel: web}", "{channel: web}"),
        ("{channel: web}", "{channel: web, placed: true}"),
        ("{channel: [web, app]}", "{channel: app}"),
        ("{language: {regex: 'bo.*'}}", "{language: [bo, bo-CN], channel: web}"),
        ("{language: {regex: 'bo.*'}}", "{language: {regex: 'bo.*'}}"),
        ("{hazards: {present: true}}", "{hazards: [fire]}"),
        ("{area: {present: true}}", "{area: {regex: 'S.*'}}"),
        ("{area: {present: false}}", "{area: {present: false}, channel: web}"),
        ("{repeats: {at_least: 2}}", "{repeats: {at_least: 3}}"),
        ("{repeats: {at_least: 2}}", "{repeats: [2, 9]}"),
        ("{priority: high}", "{priority: high, channel: web}"),
    ],
)
def test_a_route_behind_one_that_takes_all_it_matches_is_told_with_both_lines(before: str, after: str) -> None:
    said = told(f"{{name: a, match: {before}}}", f"{{name: b, match: {after}, queue: repair}}")
    assert said == [(7, "route 'root/b' is never reached: 'root/a' on line 6 takes whatever it matches")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{channel: web, placed: true}", "{channel: web}"),
        ("{channel: app}", "{channel: [web, app]}"),
        ("{channel: app}", "{business_type: complaint}"),
        ("{hazards: [fire]}", "{hazards: {present: true}}"),
        ("{area: {present: true}}", "{area: {present: false}}"),
        ("{area: {present: false}}", "{area: S1}"),
        ("{area: {regex: 'S.*'}}", "{area: {present: true}}"),
        ("{repeats: {at_least: 3}}", "{repeats: {at_least: 2}}"),
        ("{repeats: {at_least: 3}}", "{repeats: [2, 9]}"),
    ],
)
def test_a_route_that_something_reaches_is_not(before: str, after: str) -> None:
    assert told(f"{{name: a, match: {before}}}", f"{{name: b, match: {after}, queue: repair}}") == []


def test_what_only_adds_keeps_nothing_from_what_follows_and_is_told_where_nothing_comes_to_it() -> None:
    assert told(TAG, "{name: b, match: {urged: true}}") == []
    assert [line for line, _ in told("{name: b, match: {urged: true}}", TAG)] == [7]


@pytest.mark.parametrize(("adds", "match"), [(RAISE, "{priority: high}"), (TAG, "{tags: {present: true}}")])
def test_what_is_changed_between_two_routes_may_hold_at_the_second(adds: str, match: str) -> None:
    first, second = f"{{name: x, match: {match}}}", f"{{name: y, match: {match}, queue: repair}}"
    assert told(first, adds, second) == []
    assert [line for line, _ in told(adds, first, second)] == [8]


def test_a_child_that_only_says_again_what_its_parent_asked_takes_all_behind_it() -> None:
    parent = (
        "{name: p, match: {channel: web}, routes: [{name: a, match: {channel: web}}, {name: b, match: {area: S1}}]}"
    )
    assert [reason.split(":")[0] for _, reason in told(parent)] == ["route 'root/p/b' is never reached"]
    raised = parent.replace("channel: web}, routes", "priority: normal}, raise_priority: high, routes")
    assert told(raised.replace("channel: web", "priority: normal")) == []


def test_what_stands_below_a_route_that_is_never_reached_is_not_told_again() -> None:
    again = "{name: b, match: {channel: web}, routes: [{name: c, match: {area: S1}}, {name: d, match: {area: S1}}]}"
    assert [line for line, _ in told("{name: a, match: {channel: web}}", again)] == [7]


def test_the_shipped_tree_has_none() -> None:
    assert never_reached(SHIPPED.tree) == []


VALUES = {
    "channel": ("web", "app"),
    "priority": ("high", "normal"),
    "urged": ("true", "false"),
    "repeats": ("0", "2"),
    "area": ("", "S1"),
    "tags": ("",),
}
CONDITIONS = (
    *("channel: web", "channel: [web, app]", "priority: high", "priority: normal", "urged: true", "area: S1"),
    *(
        "area: {present: false}",
        "area: {regex: 'S.'}",
        "repeats: {at_least: 1}",
        "repeats: 2",
        "repeats: {at_least: 2}",
    ),
)


def test_of_all_tickets_none_reaches_what_is_told() -> None:
    """The tree itself is asked, with every ticket there can be of some values."""
    dice = random.Random(95598)
    tickets = [
        {
            **dict.fromkeys(ATTRIBUTES, ()),
            **{name: (value,) if value else () for name, value in zip(VALUES, one, strict=True)},
        }
        for one in itertools.product(*VALUES.values())
    ]
    found = 0
    for _ in range(300):
        routes = []
        for n in range(4):
            asked = {one.split(":")[0]: one for one in dice.sample(CONDITIONS, dice.randint(1, 2))}
            adds = dice.choice(("", "", ", raise_priority: high, continue: true"))
            routes.append(f"{{name: n{n}, match: {{{', '.join(asked.values())}}}{adds}}}")
        tree = tree_of(*routes)
        never = {fault.line for fault in never_reached(tree)}
        for ticket in tickets:
            trace: list = []
            tree.find(ticket, trace)
            assert never.isdisjoint(one.line for one in trace if one.held), routes
        found += bool(never)
    assert found > 20


def test_a_router_says_so_when_it_loads_such_a_tree(tmp_path) -> None:
    text = ROUTES.read_text(encoding="utf-8")
    again = "    - name: dangerous\n      match: {hazards: [fire]}\n      queue: repair\n"
    (tmp_path / "routes.yaml").write_text(text.rstrip("\n") + "\n" + again, encoding="utf-8")
    with capture_logs() as logs:
        book = RuleBook(tmp_path / "routes.yaml", CLASSIFY)
    (said,) = [one for one in logs if one["event"] == "route_never_reached"]
    assert (said["log_level"], said["line"]) == ("warning", text.rstrip("\n").count("\n") + 2)
    assert "root/dangerous" in said["reason"]
    assert book.rules.tree.root.routes[-1].path == "root/dangerous"
