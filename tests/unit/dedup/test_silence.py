"""Until when silence speaks: with what has been heard, not with the clock on the wall alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.dedup.timeline import Timeline, minute

if TYPE_CHECKING:
    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree


@pytest.fixture
def squeezed(ieee123: Tree, rules: Rules) -> Timeline:
    """The feeder, told within moments of what happened over hours: what reports say of time is believed."""
    return Timeline("A0SU00000", ieee123, replace(rules, trusted_lag=timedelta(hours=24)))


def test_silence_speaks_with_what_is_told_and_again_with_the_clock_once_nothing_is(squeezed: Timeline) -> None:
    """Two calls of one moment, told two hours later: nobody has kept silent for two hours yet."""
    first = squeezed.at(120).report("A0TR00023", made=0)
    second = squeezed.at(120.01).report("A0TR00104", made=0.2)
    assert squeezed.incident_of(first) is squeezed.incident_of(second), "two at once are taken for one"
    squeezed.at(121.5)  # a second look was taken on the way
    assert squeezed.incident_of(first) is squeezed.incident_of(second)
    squeezed.at(120 + 300)
    assert squeezed.incident_of(first) is not squeezed.incident_of(second)


def test_calls_take_a_while_to_be_told_and_silence_waits_for_them(storm: Timeline) -> None:
    storm.at(2).report("A0TR00023", made=0)
    assert storm.state.heard_until(minute(2).timestamp()) == minute(0).timestamp()
    assert storm.state.heard_until(minute(62).timestamp()) == minute(60).timestamp()
    storm.at(30).report("A0TR00024", made=5)
    assert storm.state.heard_until(minute(30).timestamp()) == minute(5).timestamp(), "a report a long way behind"
    storm.at(31).report("A0TR00024", made=31)
    assert storm.state.heard_until(minute(40).timestamp()) == minute(40).timestamp()


def test_a_clock_that_is_ahead_brings_no_silence_forward(storm: Timeline) -> None:
    storm.at(2).report("A0TR00023", made=90)
    assert storm.state.heard_until(minute(3).timestamp()) == minute(3).timestamp()


def test_calls_of_one_moment_from_two_fuses_are_one_breaker_until_silence_speaks(storm: Timeline) -> None:
    """Two faults at the same second are rarer than one further up, and in two minutes few of its 351 would call."""
    for n, device in enumerate(("A0TR00002", "A0TR00004", "A0TR00005") * 2):
        storm.at(-60 + n / 60).report(device)
    storm.at(-2).power_back("A0BR00001")
    assert storm.live_orders() == {}
    fuses = {"A0FU00002", "A0FU00003"}
    assert storm.state.tree is not None
    under = [device for fuse in sorted(fuses) for device in storm.state.tree.transformers_under(fuse)[:3]]
    for n, device in enumerate(under):
        storm.at(n / 60).report(device)
    assert storm.live_orders().keys() == storm.at(2).live_orders().keys() == {"A0BR00001"}
    assert storm.at(16).live_orders().keys() == fuses
