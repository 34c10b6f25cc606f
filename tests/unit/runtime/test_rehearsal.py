"""A rehearsal's clock: hours of the past lived again at speed, never ahead of the present."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime import clock, rehearsal
from services.runtime.clock import CatchUp
from services.runtime.rehearsal import Rehearsal
from services.runtime.yaml_reading import RulesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEGINS = datetime(2026, 11, 26, 20, 0, tzinfo=UTC).timestamp()
COURSES = st.builds(
    CatchUp,
    behind=st.floats(0, 7 * 86_400),
    begins=st.none() | st.just(BEGINS),
    rate=st.floats(1.01, 100_000),
)
PRESENTS = st.floats(BEGINS - 86_400, BEGINS + 7 * 86_400)


@pytest.fixture(autouse=True)
def the_present_again() -> Iterator[None]:
    yield
    clock.follow(None)


@given(COURSES, PRESENTS, PRESENTS)
def test_it_never_goes_back_and_is_never_ahead(course: CatchUp, one: float, other: float):
    earlier, later = sorted((one, other))
    assert course.shown(earlier) <= course.shown(later) + 1e-3
    assert course.shown(later) <= later


@given(COURSES, PRESENTS)
def test_when_it_showed_an_instant_can_be_told(course: CatchUp, present: float):
    assert course.present(course.shown(present)) == pytest.approx(present, abs=1e-3)


def test_six_hours_are_over_in_forty_seconds():
    begins = datetime.fromtimestamp(BEGINS, UTC)
    lived = Rehearsal.of(6 * 3600.0, 40.0)
    waiting, course = lived.course(), lived.beginning(begins).course()
    first = BEGINS - lived.behind_seconds
    # Nothing jumps when it is told to begin.
    assert waiting.shown(BEGINS) == course.shown(BEGINS) == pytest.approx(first)
    assert course.shown(BEGINS + 20) == pytest.approx(first + 3 * 3600)
    assert course.shown(BEGINS + 40) == pytest.approx(first + 6 * 3600) == pytest.approx(BEGINS + 40)
    assert course.shown(BEGINS + 3600) == BEGINS + 3600


def test_a_process_follows_the_file_and_its_changes(tmp_path: Path):
    path = tmp_path / "rehearsal.json"
    Rehearsal(behind_seconds=3600).write(path)
    watched = rehearsal.follow(path)
    assert abs(clock.now() - (datetime.now(UTC) - timedelta(hours=1))) < timedelta(minutes=1)
    ago = datetime.now(UTC) - timedelta(minutes=1)
    Rehearsal(behind_seconds=3600, begins_at=ago, rate=1000).write(path)
    watched.look()
    assert watched.look()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "content: Invalid JSON"),
        ('{"behind_seconds": -1}', "behind_seconds: Input should be greater than or equal to 0"),
        ('{"behind_seconds": 60, "rate": 1}', "rate: Input should be greater than 1"),
        ('{"behind_seconds": 60, "begins_at": "2026-11-26T20:00:00"}', "begins_at: Input should have timezone info"),
        ('{"behind_seconds": 60, "pace": 2}', "pace: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path: Path, text: str, problem: str):
    path = tmp_path / "rehearsal.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RulesError, match=problem):
        rehearsal.follow(path)
