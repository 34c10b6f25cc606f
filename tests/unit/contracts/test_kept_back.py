"""What a cut off source had kept is told from wrong clocks, by what its contacts have in common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.kept_back import FEWEST, LATE, SILENCE, WITHIN, Arrivals

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
CUT = 120.0  # minutes that a source was cut off, before noon
Moment = tuple[float, float]
"""When it says it was made, and when it arrived: minutes from noon on."""


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def heard(moments: list[Moment], arrivals: Arrivals | None = None) -> list[bool]:
    """What is told of each as it arrives, one after another."""
    arrivals = Arrivals() if arrivals is None else arrivals
    found = []
    for made, came in moments:
        found += arrivals.kept_back([(at(made), at(came))])
        arrivals.arrived(at(made), at(came))
    return found


def connected(until: float = -CUT, since: float = -600.0) -> Arrivals:
    """A source that was heard every two minutes, each contact at once, until it was cut off."""
    arrivals = Arrivals()
    heard([(when, when + 0.1) for when in _steps(since, until, 2.0)], arrivals)
    return arrivals


def _steps(first: float, last: float, step: float) -> list[float]:
    return [first + step * n for n in range(int((last - first) / step) + 1)]


def backlog(seed: int, contacts: int, *, order: str, minutes: float = 5.0) -> list[Moment]:
    rng = Random(seed)
    made = sorted(rng.uniform(-CUT, 0.0) for _ in range(contacts))
    if order == "backwards":
        made.reverse()
    elif order == "any":
        rng.shuffle(made)
    return [(one, minutes * n / contacts) for n, one in enumerate(made)]


def is_late(moment: Moment) -> bool:
    return (moment[1] - moment[0]) * 60 >= LATE


@pytest.mark.parametrize("order", ["as made", "backwards", "any"])
@pytest.mark.parametrize("known", [True, False])
@given(seed=st.integers(0, 10_000), contacts=st.integers(30, 400))
def test_what_was_kept_is_believed_but_for_the_first_of_it(seed: int, contacts: int, order: str, known: bool) -> None:
    moments = backlog(seed, contacts, order=order)
    told = heard(moments, connected() if known else None)
    late = [one for moment, one in zip(moments, told, strict=True) if is_late(moment)]
    assert sum(late) >= len(late) - max(15, 0.15 * len(late))
    assert not any(one for moment, one in zip(moments, told, strict=True) if not is_late(moment))


@given(seed=st.integers(0, 10_000), lag=st.floats(6, 1430), jitter=st.floats(0, 0.5), contacts=st.integers(1, 200))
def test_a_source_whose_clock_is_wrong_is_not_believed(seed: int, lag: float, jitter: float, contacts: int) -> None:
    rng = Random(seed)
    for arrivals in (None, connected(), connected(until=-lag - 1)):
        came = sorted(rng.uniform(0, 60) for _ in range(contacts))
        assert not any(heard([(when - lag - rng.uniform(-jitter, jitter), when) for when in came], arrivals))


@given(seed=st.integers(0, 10_000), wrong=st.floats(0, 0.12))
def test_callers_whose_clocks_are_wrong_are_hardly_ever_believed(seed: int, wrong: float) -> None:
    """A few of an ordinary evening, which has silences, too."""
    rng = Random(seed)
    came, when = [], 0.0
    for _ in range(300):
        when += rng.expovariate(1 / 4) + (rng.random() < 0.05) * 30
        came.append(when)
    moments = [(one - (rng.uniform(10, 1440) if rng.random() < wrong else 0.1), one) for one in came]
    assert sum(heard(moments)) <= 3


@given(seed=st.integers(0, 10_000))
def test_who_says_anything_while_it_was_heard_is_not_believed(seed: int) -> None:
    """Its times are nonsense, each another: but it was never silent."""
    rng = Random(seed)
    moments = [(when - rng.uniform(0, 1440), when) for when in _steps(WITHIN / 60, 600, SILENCE / 60 / 2)]
    assert not any(heard(moments, connected(until=WITHIN / 60, since=-60)))


@given(seed=st.integers(0, 10_000))
def test_a_clock_that_is_hours_off_as_well_is_not_believed(seed: int) -> None:
    moments = [(made - 480, came) for made, came in backlog(seed, 100, order="as made")]
    assert not any(heard(moments, connected()))


@pytest.mark.parametrize("processes", [2, 5])
def test_each_of_several_processes_sees_enough(processes: int) -> None:
    shares = [connected() for _ in range(processes)]
    told = [heard([moment], shares[n % processes])[0] for n, moment in enumerate(backlog(1, 300, order="as made"))]
    assert sum(told) >= 0.85 * len(told)


def test_few_are_not_told_from_callers_with_wrong_clocks() -> None:
    moments: list[Moment] = [(-100, 0), (-80, 0.1), (-50, 0.2), (-30, 0.3)]
    assert heard(moments, connected()) == [False] * (FEWEST - 1) + [True, True]


def test_what_comes_at_once_is_looked_at_together() -> None:
    moments = [(at(made), at(0)) for made in (-100, -80, -50, -30, -1)]
    assert connected().kept_back(moments) == [True, True, True, True, False]


def test_asking_decides_nothing() -> None:
    arrivals = connected()
    moments = [(at(made), at(0)) for made in (-100, -80, -50)]
    assert arrivals.kept_back(moments) == arrivals.kept_back(moments) == [True] * 3
    assert arrivals.kept_back(moments[:1]) == [False]


def test_those_who_contact_it_meanwhile_are_no_reason_against_it() -> None:
    kept = backlog(1, 200, order="as made", minutes=10)
    moments = sorted([*kept, *((when, when + 0.05) for when in _steps(0.2, 10, 0.25))], key=lambda one: one[1])
    told = [one for moment, one in zip(moments, heard(moments, connected()), strict=True) if is_late(moment)]
    assert sum(told) >= 0.8 * len(told)


def test_once_it_is_over_a_wrong_clock_is_one_again() -> None:
    arrivals = connected()
    heard(backlog(1, 200, order="as made"), arrivals)
    heard([(when, when + 0.1) for when in _steps(5, 15, 1)], arrivals)
    assert heard([(-60, 16)], arrivals) == [False]


def test_nothing_is_believed_for_longer_than_it_may_take_to_post() -> None:
    moments = [(made, came * WITHIN / 60 / 2.5) for made, came in backlog(1, 100, order="as made")]
    told = heard(moments, connected())
    assert any(told)
    assert not any(one for (_, came), one in zip(moments, told, strict=True) if came * 60 > WITHIN)


def test_what_a_source_sends_without_a_time_ends_its_silence() -> None:
    arrivals = connected()
    arrivals.arrived(None, at(-15))
    assert heard([(-100, 0), (-80, 0.1), (-50, 0.2), (-30, 0.3)], arrivals) == [False] * 4


def test_what_is_kept_of_a_source_has_a_bound() -> None:
    rng = Random(1)
    arrivals = Arrivals()
    heard([(-rng.uniform(0, 1e5), n * 1e-3) for n in range(20_000)], arrivals)
    assert len(arrivals._lags) <= 24 * 60 + 1
