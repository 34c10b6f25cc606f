"""Somebody says that power is back, and those who call then say that it is not, as a dispatcher can read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.contracts.values import ProgressStage
from services.dedup.domain import likelihood
from tests.unit.dedup.timeline import Timeline

if TYPE_CHECKING:
    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree

SWITCH = "A0SW00003"


@pytest.fixture
def large(ckt5: Tree, rules: Rules) -> Timeline:
    """Half a feeder of 1,372 homes, of whom a tenth called; after forty minutes a crew says that power is back."""
    storm = Timeline(ckt5.area_of(SWITCH), ckt5, rules)
    for n, device in enumerate(homes(ckt5, 137)):
        first = storm.at(n / 10).report(device, account=f"first {n}")
    order = storm.order_of(first)
    assert order.device.id == SWITCH
    storm.at(40).crew(order.order_id, ProgressStage.RESTORED)
    assert not storm.live_orders()
    return storm


def homes(tree: Tree, number: int) -> list[str]:
    """Transformers all over the half feeder."""
    devices = sorted(tree.transformers_under(SWITCH))
    return [devices[n * len(devices) // number] for n in range(number)]


def orders(storm: Timeline) -> int:
    return len({order.order_id for order in storm.orders})


@pytest.mark.parametrize("apart", [0.5, 1, 3])
def test_those_who_are_still_out_after_a_wrong_word_are_one_outage_again_and_no_crew_each(
    large: Timeline, ckt5: Tree, apart: float
) -> None:
    """Nearly all who would call had called before the word: that the others keep silent says little."""
    before = orders(large)
    for n, device in enumerate(homes(ckt5, 8)):
        still = large.at(42 + n * apart).report(device, account=f"still {n}")
    assert large.order_of(still).device.id == SWITCH
    assert large.live_orders().keys() == {SWITCH}
    assert orders(large) - before <= 3


def test_without_a_word_so_few_in_so_long_are_faults_of_their_own(ckt5: Tree, rules: Rules) -> None:
    """The control: who never called before is silent."""
    storm = Timeline(ckt5.area_of(SWITCH), ckt5, rules)
    for n, device in enumerate(homes(ckt5, 8)):
        storm.at(42 + n * 3).report(device, account=f"still {n}")
    assert SWITCH not in storm.live_orders()


def test_two_faults_that_show_once_power_is_back_stay_two(large: Timeline, ckt5: Tree) -> None:
    first, _, _, last = homes(ckt5, 4)
    one = large.at(45).report(first, account="one")
    other = large.at(75).report(last, account="other")
    assert large.incident_of(one) is not large.incident_of(other)
    assert large.live_orders().keys() == {first, last}


def test_a_fault_inside_that_shows_once_power_is_back_stays_where_it_is_called_of(large: Timeline, ckt5: Tree) -> None:
    place = homes(ckt5, 4)[1]
    for n in range(4):
        inside = large.at(45 + n).report(place, account=f"inside {n}")
    large.at(200)
    assert large.order_of(inside).device.id == place


def test_silence_takes_two_apart_that_called_at_once(large: Timeline, ckt5: Tree) -> None:
    first, _, _, last = homes(ckt5, 4)
    one = large.at(45).report(first, account="one")
    other = large.at(45.1).report(last, account="other")
    large.at(300)
    assert large.incident_of(one) is not large.incident_of(other)


def test_what_lasted_before_a_word_counts_the_less_the_longer_that_was(large: Timeline) -> None:
    weigh = large.state.likelihood
    quiet = [weigh.silence(1000, 600, before) for before in (60, 600, 6000, 60_000)]
    assert quiet == sorted(quiet)
    assert weigh.silence(1000, 600, 60_000) < likelihood._AGAIN * 0.9 * weigh.silence(1000, 600) < 0
    assert weigh.called_since(600, 0) == weigh.called_by(600)
