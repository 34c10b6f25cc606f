"""The sum over calls, written out for speed, is the sum of the calls one by one."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dedup.domain.likelihood import MANY, Likelihood, _most_strays
from services.dedup.rules_file import load_rules
from services.dedup.settings import DedupSettings
from services.grid.device import DeviceType
from services.runtime.settings import read_settings

USUAL = load_rules(read_settings(DedupSettings).thresholds_file).inference
HASTY = replace(USUAL, delay_spread=0.05)
"""Everybody calls at one moment: a density above 1, so that a later call can raise a sum again."""


@pytest.mark.parametrize("inference", [USUAL, HASTY])
@given(
    calls=st.lists(st.floats(-100.0, 90_000.0), max_size=16).map(sorted),
    median=st.sampled_from([1.0, 60.0, 600.0]),
    total=st.floats(-50.0, 50.0),
    enough=st.floats(-200.0, 50.0),
)
def test_a_sum_above_what_is_enough_is_whole_and_no_other_looks_like_one(inference, calls, median, total, enough):
    weigh = Likelihood(inference, 0.1, median)
    whole = reduce(lambda so_far, at: so_far + weigh.call(at), calls, total)
    assert weigh.calls(calls, 0.0, total) == whole
    found = weigh.calls(calls, 0.0, total, enough)
    assert found == whole if whole > enough else found <= enough


def test_a_call_that_raises_the_sum_again_is_counted():
    weigh = Likelihood(HASTY, 0.9, 1.0)
    calls = [1e6, 1.0]
    assert weigh.call(1.0) > 0.0
    whole = weigh.call(1e6) + weigh.call(1.0)
    assert weigh.calls(calls, 0.0, 0.0, weigh.call(1e6)) == whole


def test_a_few_clocks_that_are_off_do_not_make_a_large_outage_unlikely():
    weigh = Likelihood(USUAL, 0.1, 300.0)
    customers, calls = 3000, [3.0 * n + 0.02 * n * n for n in range(1, 240)]
    early = [-1500.0 + 200.0 * n for n in range(7)]  # clocks that are minutes behind, each soon after the one before
    now = 4 * 3600.0
    right = weigh.outage(DeviceType.BREAKER, customers, calls, len(calls), now)
    some_off = weigh.outage(DeviceType.BREAKER, customers, [*early, *calls], len(calls) + len(early), now)
    cost_of_a_stray = weigh.call(0.0)
    assert some_off > right + len(early) * cost_of_a_stray - 1.0


def test_a_clock_that_is_off_does_not_say_when_an_outage_began():
    weigh = Likelihood(USUAL, 0.1, 300.0)
    calls = [3.0 * n + 0.2 * n * n for n in range(1, 16)]

    assert weigh.onset(300, calls) == calls[0]
    assert weigh.onset(300, [-2000.0, *calls]) == calls[0]
    assert weigh.onset(300, [-2000.0, calls[0]]) == -2000.0, "of two calls neither is known to be off"


def many_calls(count: int, seed: int = 1) -> list[float]:
    """Return calls of one outage, with one clock of fifty that is minutes behind."""
    rng = random.Random(seed)
    calls = [rng.lognormvariate(5.7, 1.3) for _ in range(count)]
    return sorted(at - (rng.uniform(60.0, 600.0) if n % 50 == 0 else 0.0) for n, at in enumerate(calls))


def each_by_itself(weigh: Likelihood, customers: int, calls: list[float], now: float) -> float:
    """Return what ``of_device`` is of few calls: every beginning with every call."""
    lead, base, count = weigh.lead(customers), weigh._base(DeviceType.SUBSTATION, customers), len(calls)
    return max(
        base
        + n * weigh.stray
        + weigh.silence(customers - count, now - calls[n] + lead, count)
        + weigh.calls(calls[n + 1 :], calls[n] - lead)
        for n in range(_most_strays(count) + 1)
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [MANY + 1, 3 * MANY])
def test_of_many_calls_near_ones_are_taken_together_and_that_changes_hardly_anything(seed, count):
    """Least of all what some of them are worth: that is what a word of power at a part of an outage is judged by."""
    weigh, customers, now = Likelihood(USUAL, 0.1, 300.0), 30_000, 7200.0
    calls = many_calls(count, seed)
    rest = [at for n, at in enumerate(calls) if n % 997 != 500]
    found = [weigh.of_device(DeviceType.SUBSTATION, customers, some, len(some), now) for some in (calls, rest)]
    exact = [each_by_itself(weigh, customers, some, now) for some in (calls, rest)]
    assert found[0] == pytest.approx(exact[0], abs=3.0)
    if len(rest) > MANY:
        assert found[0] - found[1] == pytest.approx(exact[0] - exact[1], abs=0.1)


@pytest.mark.parametrize("spread", [0.0, 0.4, 40.0])
def test_of_many_calls_all_may_be_near_one_another(spread):
    """A thousand meters gasp within the second, or a thousand records come with one rounded time."""
    weigh, count = Likelihood(USUAL, 0.1, 300.0), MANY + 200
    calls = [1000.0 + n * spread / count for n in range(count)]
    found = weigh.of_device(DeviceType.SUBSTATION, 30_000, calls, count, 2000.0)
    assert found == pytest.approx(each_by_itself(weigh, 30_000, calls, 2000.0), rel=0.01)


class Counted(list[float]):
    """Calls that count how many of them were read."""

    read = 0

    def __iter__(self):
        self.read += len(self)
        return super().__iter__()

    def __getitem__(self, place):
        found = super().__getitem__(place)
        self.read += len(found) if isinstance(place, slice) else 1
        return found


def test_each_of_many_calls_is_read_a_few_times_however_many_they_are():
    weigh = Likelihood(USUAL, 0.1, 300.0)
    for count in (2 * MANY, 20 * MANY):
        calls = Counted(many_calls(count))
        weigh.of_device(DeviceType.SUBSTATION, 300_000, calls, count, 7200.0)
        assert calls.read <= 4 * count, "as many times as beginnings are tried, of which there are the more"
