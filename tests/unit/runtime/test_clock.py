"""The time of a service: it counts on from what all processes share, whatever its host's clock does meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING

import pytest

from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


class Host:
    """A machine: the time that is right, how far its clock is off, and since when it runs."""

    def __init__(self) -> None:
        self.right, self.off, self.runs = NOON, timedelta(), 0.0

    def passes(self, seconds: float) -> None:
        self.right += timedelta(seconds=seconds)
        self.runs += seconds

    def asks(self, *, takes: float = 0.0, for_s: float = inf) -> float:
        """Ask the database, which answers right in the middle of the time that it takes."""
        asked = self.runs
        self.passes(takes / 2)
        said = self.right
        self.passes(takes / 2)
        return clock.told(said, asked, for_s=for_s)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    made = Host()
    monkeypatch.setattr(clock, "_held", None)
    monkeypatch.setattr(clock, "of_host", lambda: made.right + made.off)
    monkeypatch.setattr(clock, "monotonic", lambda: made.runs)
    return made


@pytest.mark.parametrize("jump", [8 * HOUR, -8 * HOUR, timedelta(minutes=1), -timedelta(minutes=1), 500 * HOUR])
def test_a_clock_that_jumps_is_not_followed(host: Host, jump: timedelta):
    assert host.asks() == 0
    host.passes(2)
    host.off = jump
    assert clock.now() == host.right, "not even for a moment"
    assert host.asks() == 0, "nothing changed here"
    host.passes(250)
    assert clock.now() == host.right
    host.off = timedelta()
    assert clock.now() == host.right, "nor when it is set right"


@pytest.mark.parametrize("off", [8 * HOUR, -500 * HOUR])
def test_a_clock_that_was_wrong_from_the_start_is_put_right_and_told_once(host: Host, off: timedelta):
    host.off = off
    assert clock.now() == NOON + off, "nobody was asked yet"
    assert host.asks() == -off.total_seconds()
    assert clock.now() == host.right
    host.passes(2)
    assert (host.asks(), clock.now()) == (0, host.right)


@pytest.mark.parametrize("off", [timedelta(), 4 * SECOND, -4 * SECOND])
def test_clocks_that_are_nearly_one_are_left_alone_and_so_is_one_that_is_told_late(host: Host, off: timedelta):
    """Else a time would go back with every slow answer."""
    host.off = off
    for takes in (0, 0.01, 3, 20, 0):
        assert host.asks(takes=takes) == 0
        assert clock.now() == host.right + off
        host.passes(2)


def test_who_is_told_only_now_and_then_goes_by_its_host_again_after_a_while(host: Host):
    host.asks(for_s=300)
    host.right += 3 * HOUR  # the machine slept: what never goes back did not go on either
    assert clock.now() == host.right - 3 * HOUR
    host.passes(301)
    assert clock.now() == host.right
    assert host.asks() == 0


def test_who_is_told_every_moment_goes_on_by_that_however_long_nobody_answers(host: Host):
    """The database is away for hours, and what is due is looked at before the time is asked for when it is back."""
    host.asks()
    host.off = 8 * HOUR
    host.passes(4 * 3600)
    assert clock.now() == host.right


def test_a_machine_that_slept_goes_on_with_the_right_time_once_it_is_told(host: Host):
    host.asks()
    host.right += 3 * HOUR
    assert host.asks() == 3 * 3600
    assert clock.now() == host.right
