"""The sum over calls, written out for speed, is the sum of the calls one by one."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dedup.domain.likelihood import Likelihood
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
