"""Outages that few report, as at night or where half the homes are empty, as timelines that a dispatcher can read."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import ProgressStage
from services.dedup.domain.learning import Learned
from services.dedup.domain.likelihood import Likelihood
from services.dedup.rules_file import load_rules
from services.dedup.settings import RULES as SHIPPED
from services.grid.device import DeviceRow
from services.grid.tree import Tree
from tests.unit.dedup.timeline import Timeline

TRANSFORMERS: Final = 43
HOMES: Final = 70
FEEDER: Final = "B"
RULES: Final = load_rules(SHIPPED)
USUAL: Final = RULES.inference
WITHOUT: Final = replace(USUAL, few_margin=math.inf)
"""Where as many report every outage."""


@pytest.fixture(scope="session")
def feeder() -> Tree:
    """A feeder of 43 transformers with 70 homes each."""
    rows = [
        DeviceRow("S", None, "substation", False, 31.0, 118.0),
        DeviceRow(FEEDER, "S", "breaker", False, 31.0, 118.0),
    ]
    rows += [DeviceRow(f"T{n}", FEEDER, "transformer", False, 31.0, 118.0) for n in range(TRANSFORMERS)]
    return Tree(rows, {f"T{n}": HOMES for n in range(TRANSFORMERS)})


@pytest.fixture
def town(feeder: Tree) -> Timeline:
    return Timeline("S", feeder, RULES)


def one_calls_a_minute(town: Timeline) -> None:
    for n in range(TRANSFORMERS):
        town.at(float(n)).report(f"T{n}", account=f"A{n}")


def test_where_one_calls_a_minute_a_feeder_is_one_outage_by_the_third_call(town: Timeline) -> None:
    """Three hundred of 3,010 would have called by day; it has 43 calls, and had 43 crews."""
    one_calls_a_minute(town)

    assert town.live_orders().keys() == {FEEDER}
    assert len({order.order_id for order in town.orders}) <= 3
    town.at(60 * 8)
    assert town.live_orders().keys() == {FEEDER}, "and no silence of the others takes it apart"


def test_where_as_many_report_every_outage_it_is_an_outage_each(feeder: Tree) -> None:
    town = Timeline("S", feeder, replace(RULES, inference=WITHOUT))
    one_calls_a_minute(town)

    assert len(town.live_orders()) == TRANSFORMERS


def test_transformers_that_go_out_one_by_one_in_that_night_have_a_crew_each(town: Timeline) -> None:
    for fault in range(5):
        for n, at in enumerate((0.0, 4.0, 9.0)):
            town.at(40.0 * fault + at).report(f"T{7 * fault}", account=f"A{fault}-{n}")
    town.at(400)

    assert town.live_orders().keys() == {f"T{7 * fault}" for fault in range(5)}


def test_one_night_teaches_little_of_how_many_report(town: Timeline) -> None:
    usual = town.state.likelihood
    one_calls_a_minute(town)
    (order,) = town.live_orders().values()
    town.at(240).crew(order.order_id, ProgressStage.RESTORED)

    assert town.state.learned != Learned()
    assert town.state.likelihood.share == pytest.approx(usual.share, rel=0.05)
    assert town.state.likelihood.location == usual.location


def test_a_day_teaches_as_much_as_had_no_power() -> None:
    weigh = Learned().likelihood(USUAL)
    calls = [10.0 * n for n in range(200)]
    learned = Learned().with_outage(weigh, 3010, calls, 200, 14400.0)

    assert learned.dark > 2500
    assert learned.called == 200
    assert learned.delays == 200


def test_many_nights_teach_that_few_ever_report_there() -> None:
    learned = Learned()
    for _ in range(200):
        weigh = learned.likelihood(USUAL)
        learned = learned.with_outage(weigh, 3010, [120.0 * n for n in range(30)], 30, 14400.0)

    assert learned.likelihood(USUAL).share < 0.05


OUTAGES = st.tuples(st.integers(0, 100_000), st.floats(0.0, 1e6), st.integers(1, 2000))


@given(outage=OUTAGES, more=st.tuples(st.integers(0, 1000), st.floats(0.0, 1e5), st.integers(0, 1000)))
def test_the_more_are_silent_the_longer_and_beside_the_more_callers_the_less_likely_it_is(outage, more):
    weigh = Likelihood(USUAL, 0.1, 300.0)
    found = weigh.silence(*outage)
    for place in range(3):
        with_more = [*outage]
        with_more[place] += more[place]
        assert weigh.silence(*with_more) <= found + 1e-9


@given(outage=OUTAGES)
def test_silence_costs_at_most_what_it_does_where_as_many_report_every_outage(outage):
    usual = Likelihood(WITHOUT, 0.1, 300.0)
    quiet, elapsed, _ = outage
    of_each = USUAL.silence_weight * math.log1p(-usual.called_by(elapsed))

    assert usual.silence(*outage) == pytest.approx(quiet * of_each)
    assert Likelihood(USUAL, 0.1, 300.0).silence(*outage) >= usual.silence(*outage)


@pytest.mark.parametrize("callers", [1, 3, 10])
def test_it_is_the_sum_over_how_many_times_fewer_call(callers: int) -> None:
    """The closed form is the integral that it stands for, summed up step by step."""
    weigh, quiet, elapsed = Likelihood(USUAL, 0.1, 300.0), 3000, 7200.0
    expected = -USUAL.silence_weight * quiet * math.log1p(-weigh.called_by(elapsed))
    step = 1e-5
    whole = sum(
        math.exp(-part * (1.0 + expected)) * part ** (callers - 1) * step
        for part in (step * (n + 0.5) for n in range(200_000))
    )

    assert weigh.silence(quiet, elapsed, callers) == pytest.approx(math.log(whole) - USUAL.few_margin, abs=0.01)


def test_of_a_small_outage_silence_says_what_it_did() -> None:
    for callers in (1, 2, 5):
        small = [Likelihood(one, 0.1, 300.0).silence(HOMES - callers, 7200.0, callers) for one in (USUAL, WITHOUT)]
        assert small[0] == small[1]
