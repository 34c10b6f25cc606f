"""Python's collector as the services use it: little at a time, everything only in quiet moments."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from services.runtime.collecting import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

ENOUGH = 6_000
"""Objects after which a look is worth it."""
BURST = 30_000
"""Objects that are too many for one."""


class Ring:
    """Something that keeps itself alive."""

    def __init__(self) -> None:
        self.itself = self


def ring() -> weakref.ref[Ring]:
    """Return a view of a ring that nobody else holds."""
    return weakref.ref(Ring())


@pytest.fixture(name="collector")
def _collector() -> Iterator[Collector]:
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    collector = Collector(least=1_000)
    collector.begin()
    yield collector
    gc.callbacks[:] = callbacks
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
def test_nothing_is_gone_through_while_a_batch_is_made() -> None:
    seen = ring()
    held = [[n] for n in range(10 * ENOUGH)]
    assert seen() is not None
    del held


def test_a_look_frees_what_is_new_once_it_is_enough(collector: Collector) -> None:
    seen = ring()
    collector.look(1.0, behind=False)
    assert seen() is not None, "too little was made to go through it"
    held = [[n] for n in range(ENOUGH)]
    collector.look(2.0, behind=False)
    assert seen() is None
    assert gc.get_freeze_count() > len(held), "what lives is not gone through again"
    assert gc.get_count()[0] < ENOUGH


def test_while_more_waits_than_a_batch_takes_only_very_many_are_gone_through(collector: Collector) -> None:
    seen = ring()
    held = [[n] for n in range(ENOUGH)]
    for second in range(60):
        collector.look(second, behind=True)
    assert seen() is not None
    held += [[n] for n in range(500_000)]
    assert seen() is None, "Python itself goes through so many"
    assert gc.get_freeze_count() > 500_000


def test_what_a_burst_left_behind_is_put_aside_unseen(collector: Collector) -> None:
    passes: list[str] = []
    gc.callbacks.append(lambda phase, _info: passes.append(phase))
    seen, held = ring(), []
    for second in range(1, 3 + gc.get_freeze_count() // BURST):
        held += [[n] for n in range(BURST)]
        collector.look(second, behind=True)
        collector.look(second + 0.1, behind=False)
        assert gc.get_count()[0] < ENOUGH
    assert not passes, "whoever comes after a burst waits for nothing"
    assert gc.get_freeze_count() > len(held)
    assert seen() is not None
    collector.look(1_000.0, behind=False)
    collector.look(1_005.0, behind=False)
    assert seen() is None, "what was put aside unseen is gone through in a quiet moment"


def test_what_was_put_aside_is_gone_through_in_a_quiet_moment(collector: Collector) -> None:
    one = Ring()
    seen = weakref.ref(one)
    held = [[n] for n in range(gc.get_freeze_count() + ENOUGH)]
    collector.look(1.0, behind=False)
    del one
    assert seen() is not None, "it was put aside while it lived"
    collector.look(2.0, behind=False)
    collector.look(6.9, behind=False)
    assert seen() is not None, "not quiet for long enough"
    collector.look(7.0, behind=False)
    assert seen() is None
    assert held


def test_whoever_has_something_to_do_is_not_quiet(collector: Collector) -> None:
    one = Ring()
    seen = weakref.ref(one)
    held = [[n] for n in range(gc.get_freeze_count() + ENOUGH)]
    collector.look(1.0, behind=False)
    del one
    for second in range(2, 20):
        held += [[n] for n in range(1_000)]
        collector.look(float(second), behind=False)
    for second in range(20, 40):
        collector.look(float(second), behind=True)
    assert seen() is not None
    for second in range(40, 47):
        collector.look(float(second), behind=False)
    assert seen() is None


def test_everything_is_gone_through_in_proportion_to_what_is_made(collector: Collector) -> None:
    one = Ring()
    seen = weakref.ref(one)
    held = [[n] for n in range(ENOUGH)]
    collector.look(1.0, behind=False)
    del one
    assert len(held) < gc.get_freeze_count() / 2, "the process holds much more than was made since"
    for second in range(2, 100):
        collector.look(float(second), behind=False)
    assert seen() is not None
