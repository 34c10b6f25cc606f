"""What is left out of the weighing for speed could not have changed what comes of it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.dedup.domain.candidates import askable, best_start
from services.dedup.domain.learning import Learned
from services.dedup.domain.relook import as_one
from services.dedup.domain.restore import explained_by_one
from services.grid.device import DeviceType
from tests.unit.dedup.timeline import Timeline, minute, rules_of_tests, shipped_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from services.dedup.domain.incident import Incident
    from services.dedup.domain.rules import Rules

AREA = "A0SU00000"
TREE = shipped_tree("ieee123")
LEAVES = [device for device in TREE if TREE.type_of(device) is DeviceType.TRANSFORMER]
USUAL = rules_of_tests()
FEW = replace(USUAL, inference=replace(USUAL.inference, few_margin=6.0))
CALLS = st.lists(st.tuples(st.integers(0, len(LEAVES) - 1), st.floats(0.0, 300.0)), min_size=2, max_size=30)


def story(calls: list[tuple[int, float]], slower: float = 1.0, rules: Rules = USUAL) -> Iterator[tuple[Timeline, str]]:
    """Yield a feeder before each of some reports, with the transformer that reports next, and when all are in."""
    told = Timeline(AREA, TREE, rules)
    for place, at in sorted(calls, key=itemgetter(1)):
        yield told.at(slower * at), LEAVES[place]
        told.report(LEAVES[place])
    yield told.at(slower * 301.0), LEAVES[0]


@pytest.mark.parametrize("rules", [USUAL, FEW])
@settings(max_examples=25, deadline=None)
@given(calls=CALLS, margin=st.sampled_from([-math.inf, 2.0]))
@example(calls=[(place, float(place % 7)) for place in range(20)], margin=-math.inf)
def test_no_beginning_gains_more_than_its_bound(rules, calls, margin):
    for told, leaf in story(calls, rules=rules):
        made = told.moment
        for asked in askable(told.state, leaf, made, made.timestamp(), margin):
            for begun, bound in zip(asked.starts, asked.bounds, strict=True):
                alone = asked._replace(starts=[begun], bounds=[bound])
                now = made.timestamp()
                found = best_start(told.state.likelihood, alone, now, now, partial(told.state.own_score, now=now))
                assert found is None or found.gain <= bound


@pytest.mark.parametrize("rules", [USUAL, FEW])
@settings(max_examples=25, deadline=None)
@given(calls=CALLS, silent=st.sampled_from([0.0, 60.0, 7200.0, 1e9]))
def test_what_is_kept_of_an_incident_is_what_it_would_come_to_again(rules, calls, silent):
    for told, _ in story(calls, rules=rules):
        for incident in told.state.incidents.values():
            kept = told.state.weighed(incident)
            assert kept.least <= told.state.own_score(incident, told.moment.timestamp() + silent)
            incident.weighed = None
            assert told.state.weighed(incident) == kept, "a report that joined, a move or a lesson made it another"


def test_what_was_learned_meanwhile_counts_for_what_is_open(storm: Timeline) -> None:
    incident = storm.incident_of(storm.at(0).report("A0TR00023"))
    before = storm.state.weighed(incident)
    storm.state.learn(Learned(dark=1e6, called=5e5))

    assert storm.state.weighed(incident) != before


def test_who_calls_again_makes_no_cause_likelier(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", account="A")
    storm.at(1).report("A0TR00024", account="B")
    once = list(storm.incident_of(first).reports.values())
    storm.at(9).report("A0TR00023", account="A")
    again = list(storm.incident_of(first).reports.values())
    assert len(again) > len(once)

    now = storm.moment.timestamp()
    assert as_one(storm.state, "A0FU00016", again, now) == as_one(storm.state, "A0FU00016", once, now)


def test_one_clock_that_is_slow_does_not_have_an_outage_begin_so_much_sooner(storm: Timeline) -> None:
    slow = storm.at(0).report("A0TR00023", made=-40, account="slow")
    for n in range(12):
        storm.at(n / 4).report("A0TR00023", account=f"A{n}")

    assert storm.state.onset(storm.incident_of(slow)) == minute(0).timestamp()


@settings(max_examples=40, deadline=None)
@given(calls=CALLS, lead=st.floats(0.1, 600.0), margin=st.sampled_from([-5.0, -2.0, 1.0, 8.0]))
@example(calls=[(3 * place, 15.0 * place) for place in range(20)], lead=20.0, margin=-1.9)
@example(calls=[(3 * place, 15.0 * place) for place in range(20)], lead=20.0, margin=8.0)
def test_a_restoration_takes_its_share_as_if_all_were_weighed_for_each_beginning(calls, lead, margin):
    *_, (told, _) = story(calls, slower=20.0)  # over days, so that many stand apart
    state, now = told.state, told.moment.timestamp()
    weigh = state.likelihood
    state.rules = replace(state.rules, inference=replace(state.rules.inference, restored_margin=margin))
    for below in state.below.values():
        incidents = list(below.values())
        starts = sorted({one.standing.calls[0] for one in incidents}, reverse=True)
        best: tuple[float, list[Incident]] = (-math.inf, [])
        for start in starts:
            gains = [
                sum(weigh.call(call - start + lead) for call in one.standing.calls) - state.own_score(one, now)
                for one in incidents
            ]
            group = [one for one, gain in zip(incidents, gains, strict=True) if gain > margin]
            if group and sum(one for one in gains if one > margin) > best[0]:
                best = sum(one for one in gains if one > margin), group
        assert explained_by_one(state, incidents, starts, lead, now)[1] == best[1]


def test_what_is_left_out_is_most_of_it():
    """A report long after another one: nothing need be weighed; soon after some near it: it is."""
    told = Timeline(AREA, TREE, rules_of_tests())
    told.report(LEAVES[0])
    told.at(300.0)
    late, margin = told.moment, told.state.rules.inference.lift_margin
    asked = list(askable(told.state, LEAVES[1], late, late.timestamp(), margin))
    assert asked
    assert all(bound <= margin for one in asked for bound in one.bounds)
    soon = Timeline(AREA, TREE, rules_of_tests())
    soon.report(LEAVES[0])
    asked = list(askable(soon.state, LEAVES[1], soon.moment, soon.moment.timestamp(), margin))
    assert any(bound > margin for one in asked for bound in one.bounds)
