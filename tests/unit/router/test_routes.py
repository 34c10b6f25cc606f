"""The route tree: which queue, why, and what ``continue`` adds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import Priority
from services.router.domain.classify import URGENCY
from services.router.domain.routes import (
    ATTRIBUTES,
    BOOLEANS,
    Attributes,
    Matcher,
    Queue,
    Route,
    RouteTree,
    Tried,
    take,
)
from services.router.tree.routes import read_tree
from tests.unit.router.making import NOON, SHIPPED

TREE = """
version: 1
queues: {emergency: E, repair: R, repair.en: RE, complaint: C, general: G, vip: V}
route:
  queue: general
  routes:
    - {name: raise, match: {customer_status: suspended}, raise_priority: high, add_tags: [owes], continue: true}
    - {name: tagged, match: {tags: owes, business_type: enquiry}, queue: vip}
    - {name: danger, match: {hazards: {present: true}}, queue: emergency}
    - name: faults
      match: {business_type: fault_report}
      queue: repair
      routes:
        - {name: late, match: {unconfirmed: true}, add_tags: [late], continue: true}
        - {name: english, match: {language: {regex: "en(-.+)?"}}, queue: repair.en}
        - {name: north, match: {area: [N1, N2], placed: true}}
    - {name: angry, match: {business_type: [complaint, whistleblow], needs_person: {present: false}}, queue: complaint}
    - {name: urgent, match: {priority: [urgent, emergency]}, queue: vip}
    - {name: owing, match: {tags: owes}, add_tags: [owes, letter], routes: [{name: high, match: {priority: high}}]}
"""
SMALL = read_tree("routes.yaml", TREE, SHIPPED.keywords)


def seen(**given: str | tuple[str, ...]) -> Attributes:
    plain: Attributes = {
        **dict.fromkeys(ATTRIBUTES, ()),
        "business_type": ("consultation",),
        "language": ("zh-Hans-CN",),
        "channel": ("web",),
        "priority": ("normal",),
        "customer_class": ("normal",),
        "customer_status": ("active",),
        **{name: ("false",) for name, values in ATTRIBUTES.items() if values == BOOLEANS},
    }
    return {**plain, **{name: (value,) if isinstance(value, str) else value for name, value in given.items()}}


@pytest.mark.parametrize(
    ("given_", "queue", "path"),
    [
        ({}, "general", "root"),
        ({"business_type": "fault_report"}, "repair", "root/faults"),
        ({"business_type": "fault_report", "language": "en"}, "repair.en", "root/faults/english"),
        ({"business_type": "fault_report", "language": "en-GB"}, "repair.en", "root/faults/english"),
        ({"business_type": "fault_report", "language": "ben"}, "repair", "root/faults"),
        ({"business_type": "fault_report", "language": "eng"}, "repair", "root/faults"),
        ({"business_type": "fault_report", "area": "N2", "placed": "true"}, "repair", "root/faults/north"),
        ({"business_type": "fault_report", "area": "N2"}, "repair", "root/faults"),
        ({"business_type": "fault_report", "hazards": ("fire", "smoke")}, "emergency", "root/danger"),
        ({"business_type": "whistleblow"}, "complaint", "root/angry"),
        ({"business_type": "complaint", "needs_person": "device_unknown"}, "general", "root"),
        ({"business_type": "enquiry", "customer_status": "suspended"}, "vip", "root/tagged"),
        ({"priority": "urgent"}, "vip", "root/urgent"),
        (
            {"customer_status": "suspended"},
            "general",
            "root/owing/high",
        ),  # a later route sees what an earlier one raised
    ],
)
def test_the_first_route_that_matches_takes_the_ticket(given_: dict[str, str], queue: str, path: str) -> None:
    taken = take(SMALL, seen(**given_), NOON)
    assert (taken.queue, taken.path) == (queue, path)


def test_continue_adds_and_lets_a_later_sibling_decide() -> None:
    taken = take(SMALL, seen(business_type="fault_report", customer_status="suspended", unconfirmed="true"), NOON)
    assert taken.queue == "repair"
    assert taken.priority is Priority.HIGH
    assert taken.tags == ("owes", "late")
    assert taken.matched == ("customer_status = suspended", "business_type = fault_report", "unconfirmed = true")


def test_a_tag_that_two_routes_add_is_there_once() -> None:
    assert take(SMALL, seen(customer_status="suspended"), NOON).tags == ("owes", "letter")


def test_a_route_raises_the_priority_and_never_lowers_it() -> None:
    assert take(SMALL, seen(customer_status="suspended", priority="emergency"), NOON).priority is Priority.EMERGENCY


def test_the_ticket_that_was_asked_about_is_not_changed() -> None:
    given_ = seen(customer_status="suspended")
    before = dict(given_)
    take(SMALL, given_, NOON)
    assert given_ == before


def test_an_explanation_names_every_route_tried_with_its_line_and_why_not() -> None:
    tried: list[Tried] = []
    ticket = seen(business_type="fault_report", language="en", hazards=())
    take(SMALL, ticket, NOON)
    take(SMALL, ticket, NOON, trace=tried)  # looked at anew, though the way is known
    assert [(each.path, each.held) for each in tried] == [
        ("root", True),
        ("root/raise", False),
        ("root/tagged", False),
        ("root/danger", False),
        ("root/faults", True),
        ("root/faults/late", False),
        ("root/faults/english", True),
    ]
    assert tried[1].why == "customer_status = suspended does not hold: customer_status is active"
    assert tried[4].why == "business_type = fault_report"
    assert tried[3].why == "hazards present does not hold: hazards is nothing"
    assert [each.line for each in tried][:3] == [5, 7, 8]
    tried.clear()
    take(SMALL, seen(customer_status="suspended"), NOON, trace=tried)
    assert tried[1].why == "customer_status = suspended; adds to the ticket and goes on"


words = st.sampled_from(["a", "b", "c"])
attribute_names = st.sampled_from(sorted(ATTRIBUTES))


def matchers() -> st.SearchStrategy[Matcher]:
    return st.one_of(
        st.builds(
            lambda name, values: Matcher(name, "in", values=values), attribute_names, st.frozensets(words, min_size=1)
        ),
        st.builds(lambda name, word: Matcher(name, "re", pattern=re.compile(word)), attribute_names, words),
        st.builds(lambda name, there: Matcher(name, "present", present=there), attribute_names, st.booleans()),
    )


def routes(children: st.SearchStrategy[list[Route]]) -> st.SearchStrategy[Route]:
    return st.builds(
        lambda queue, held, adds, raised, below: Route(
            path="r",
            line=1,
            queue=queue,
            matchers=tuple(held),
            go_on=adds,
            raise_priority=raised,
            routes=() if adds else tuple(below),
        ),
        st.sampled_from(["q1", "q2", "q3"]),
        st.lists(matchers(), min_size=1, max_size=3),
        st.booleans(),
        st.none() | st.sampled_from(list(Priority)),
        children,
    )


trees = st.recursive(st.just([]), lambda below: st.lists(routes(below), max_size=4), max_leaves=12).map(
    lambda below: RouteTree(
        root=Route(path="root", line=1, queue="q0", routes=tuple(below)),
        queues={name: Queue(name, name) for name in ("q0", "q1", "q2", "q3")},
    )
)
tickets = st.fixed_dictionaries(
    {name: st.lists(words, max_size=2).map(tuple) for name in ATTRIBUTES}
    | {"priority": st.sampled_from(list(Priority)).map(lambda each: (each.value,))}
)


@given(trees, tickets)
def test_every_ticket_reaches_exactly_one_declared_queue_and_is_never_less_urgent(
    tree: RouteTree, ticket: Attributes
) -> None:
    tried: list[Tried] = []
    taken = take(tree, ticket, NOON, trace=tried)
    assert taken.queue in tree.queues
    assert taken == take(tree, ticket, NOON)
    assert URGENCY.index(taken.priority) <= URGENCY.index(Priority(ticket["priority"][0]))
    assert tried[0].held


@given(tickets)
def test_the_shipped_tree_gives_danger_to_the_emergency_queue_whatever_else(ticket: Attributes) -> None:
    assert take(SHIPPED.tree, {**ticket, "hazards": ("fire",)}, NOON).queue == "emergency"
