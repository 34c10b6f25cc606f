"""The evidence index against counting everything anew."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from services.dedup.domain.evidence import Count, Evidence, Step
from services.dedup.domain.rules import Lift
from tests.unit.dedup.timeline import minute

if TYPE_CHECKING:
    from datetime import datetime

SHORT = Lift(transformers=2, share=0, branches=2, window=timedelta(minutes=10))
LONG = Lift(transformers=2, share=0, branches=2, window=timedelta(minutes=30))


def path(leaf: str) -> tuple[Step, ...]:
    """Leaf ``abc`` lies under fuse ``ab``, that under switch ``a``, that under the breaker."""
    return (Step(leaf[:2], leaf, SHORT, 3), Step(leaf[:1], leaf[:2], LONG, 9), Step("top", leaf[:1], LONG, 27))


LEAVES = [x + y + z for x in "ab" for y in "cd" for z in "efg"]
steps = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(LEAVES), st.integers(-40, 0)),
    st.tuples(st.just("remove"), st.sampled_from(LEAVES), st.just(0)),
    st.tuples(st.just("wait"), st.just(""), st.integers(0, 15)),
)


def brute(counted: dict[str, datetime], step: Step, latest: datetime) -> Count:
    assert step.lift is not None
    inside = [
        (leaf, s.branch)
        for leaf, at in counted.items()
        for s in path(leaf)
        if s.device == step.device and at >= latest - step.lift.window
    ]
    return Count(len(inside), len({branch for _, branch in inside}))


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=40), st.sampled_from(LEAVES), st.integers(-40, 0), st.integers(0, 40))
def test_counts_are_those_of_counting_anew(
    script: list[tuple[str, str, int]], asked: str, age: int, later: int
) -> None:
    evidence = Evidence([SHORT, LONG])
    counted: dict[str, datetime] = {}
    now = 0
    for what, leaf, number in script:
        if what == "add" and leaf not in counted:
            counted[leaf] = minute(now + number)
            evidence.add(leaf, counted[leaf], path(leaf))
        elif what == "remove":
            counted.pop(leaf, None)
            evidence.remove(leaf)
        elif what == "wait":
            now += number
            evidence.advance(minute(now))
        for known in LEAVES:
            for step in path(known):
                assert evidence.count(step, known, None, minute(now)) == brute(counted, step, minute(now))
    latest = minute(now + later)
    at = None if asked in counted else minute(now + later + age)
    with_asked = counted if at is None else {**counted, asked: at}
    before = evidence.snapshot()
    for step in path(asked):
        assert evidence.count(step, asked, at, latest) == brute(with_asked, step, latest)
    assert evidence.snapshot() == before, "asking changes nothing"
