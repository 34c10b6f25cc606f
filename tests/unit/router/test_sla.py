"""Working time and the clock of a ticket."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.router.domain.sla import Clock, Elapsed, Pause, Stage, due_levels, levels, next_level, reached
from services.router.domain.working_time import ALWAYS, WorkingTime
from services.router.tree.calendars import read_calendars
from services.runtime.yaml_reading import Reader

OFFICE = WorkingTime(holidays=frozenset({date(2026, 10, 1)}), workdays=frozenset({date(2026, 10, 10)}))
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+08:00")


@pytest.mark.parametrize(
    ("start", "amount", "end"),
    [
        ("2026-09-30T09:00", 1 * HOUR, "2026-09-30T10:00"),
        ("2026-09-30T11:30", 1 * HOUR, "2026-09-30T14:00"),  # over lunch
        ("2026-09-30T16:30", 1 * HOUR, "2026-10-02T09:00"),  # over a holiday
        ("2026-10-02T16:30", 1 * HOUR, "2026-10-05T09:00"),  # over a weekend
        ("2026-10-09T16:30", 1 * HOUR, "2026-10-10T09:00"),  # a Saturday that is worked
        ("2026-10-03T03:00", timedelta(), "2026-10-05T08:30"),  # nothing, asked for out of hours
        ("2026-09-30T17:00", 7 * HOUR, "2026-10-02T17:00"),  # one working day
    ],
)
def test_working_time_is_added_as_an_office_counts(start: str, amount: timedelta, end: str) -> None:
    assert OFFICE.add(at(start), amount) == at(end)
    assert OFFICE.between(at(start), at(end)) == amount


def test_a_day_and_a_calendar_without_days() -> None:
    assert OFFICE.day == 7 * HOUR
    assert ALWAYS.day == 24 * HOUR
    with pytest.raises(ValueError, match="without working days"):
        WorkingTime(weekend=frozenset(range(7))).add(at("2026-10-02T09:00"), HOUR)


@pytest.mark.parametrize("calendar", [OFFICE, ALWAYS])
def test_no_time_passes_backwards(calendar: WorkingTime) -> None:
    assert calendar.between(at("2026-09-30T11:00"), at("2026-09-30T10:00")) == timedelta()


minutes = st.integers(0, 4000).map(lambda n: at("2026-09-30T00:00") + n * MINUTE)


@settings(max_examples=60, deadline=None)
@given(start=minutes, amount=st.integers(1, 900), end=minutes)
def test_working_time_is_what_counting_minutes_says(start: datetime, amount: int, end: datetime) -> None:
    def works(moment: datetime) -> bool:
        day = moment.date()
        on = day in OFFICE.workdays or (day.weekday() < 5 and day not in OFFICE.holidays)
        return on and any(a <= moment.time() < b for a, b in OFFICE.hours)

    counted = sum(works(start + n * MINUTE) for n in range(max(0, int((end - start) / MINUTE))))
    assert OFFICE.between(start, end) == counted * MINUTE
    assert OFFICE.between(start, OFFICE.add(start, amount * MINUTE)) == amount * MINUTE


STAGE = Stage("answer", 10 * MINUTE, frozenset({"completed"}), (0.5, 0.8, 1.0, 2.0))
CLOCK = Clock("test", (STAGE,), {})
NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)


def test_a_pause_moves_what_is_due_and_an_open_one_stops_it() -> None:
    pause = Pause(start=NOON + 3 * MINUTE, end=NOON + 63 * MINUTE)
    assert reached(STAGE, Elapsed(), NOON) == NOON + 10 * MINUTE
    assert reached(STAGE, Elapsed(pauses=(pause,)), NOON) == NOON + 70 * MINUTE
    still = Elapsed(pauses=(Pause(start=NOON + 3 * MINUTE),))
    assert reached(STAGE, still, NOON) is None
    assert next_level(CLOCK, still, NOON) is None
    late = Elapsed(pauses=(Pause(start=NOON + 30 * MINUTE),))
    assert reached(STAGE, late, NOON) == NOON + 10 * MINUTE, "what is over is not moved"


@settings(max_examples=60, deadline=None)
@given(spans=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=5))
def test_what_is_due_after_pauses_is_what_counting_says(spans: list[tuple[int, int]]) -> None:
    pauses, moment, stood = [], NOON, set()
    for run, stand in spans:
        begin = moment + run * MINUTE
        moment = begin + stand * MINUTE
        pauses.append(Pause(start=begin, end=moment))
        stood |= {begin + n * MINUTE for n in range(stand)}
    ran, now = 0, NOON
    while ran < 10:
        ran += now not in stood
        now += MINUTE
    assert reached(STAGE, Elapsed(pauses=tuple(pauses)), NOON) == now


def test_each_level_is_told_once_and_what_was_missed_is_not_told_late() -> None:
    told: dict[str, int] = {}
    seen = []
    for minute in range(30):
        now = NOON + minute * MINUTE
        if 8 <= minute < 12:
            continue  # nobody looked
        for stage, level in due_levels(CLOCK, Elapsed(told=told), NOON, now):
            seen.append((minute, level))
            told = {**told, stage.name: level}
    assert seen == [(5, 1), (12, 3), (20, 4)]
    assert not list(levels(STAGE, Elapsed(told=told), NOON))


def test_a_stage_that_was_met_warns_no_more() -> None:
    met = Elapsed(met={"completed": NOON})
    assert next_level(CLOCK, met, NOON) is None
    assert not list(due_levels(CLOCK, met, NOON, NOON + HOUR))


def test_a_night_shift_works_until_midnight_and_from_midnight_on() -> None:
    text = '{night: {hours: ["00:00-08:00", "18:00-24:00"], offset: "+08:00", weekend: [sat, sun]}}'
    reader = Reader("desk.yaml", text)
    night = read_calendars(reader, reader.root, {})["night"]
    reader.finish()
    assert night.day == 14 * HOUR
    assert [night.works_at(at(f"2026-09-30T{hour}")) for hour in ("07:59", "08:00", "17:59", "18:00", "23:59")] == [
        True,
        False,
        False,
        True,
        True,
    ]
    last = at("2026-10-03T00:00")  # a Friday ends
    assert night.works_at(last - timedelta(microseconds=1))
    assert not night.works_at(last)
    assert night.add(at("2026-10-01T22:00"), 3 * HOUR) == at("2026-10-02T01:00")
    assert night.add(last - HOUR, 2 * HOUR) == at("2026-10-05T01:00")
    assert night.between(at("2026-10-01T00:00"), last) == 28 * HOUR


def test_hours_of_a_night_shift_at_another_offset() -> None:
    early = WorkingTime(hours=((time(0), time(6)),), offset=timedelta(hours=-3), weekend=frozenset())
    assert early.add(datetime(2026, 7, 1, 8, tzinfo=UTC), 2 * HOUR) == datetime(2026, 7, 2, 4, tzinfo=UTC)
