"""Who sleeps while power is out, and reports in the morning."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from services.dedup.domain.night import Night, woken
from services.dedup.rules_file import load_rules
from services.dedup.settings import RULES as SHIPPED
from tests.unit.dedup.timeline import NOON, Timeline, rules_of_tests

if TYPE_CHECKING:
    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree

NIGHT = Night(UTC, time(23), time(6, 30), 0.5)
AT_ONE, AT_HALF_PAST_SIX = 13 * 60.0, 18.5 * 60.0  # minutes after noon


def outage_at(ieee123: Tree, rules: Rules, began: float, more: float) -> tuple[Timeline, bool]:
    """Half of the transformers under a switch call within minutes, half at ``more``; whether that is one outage."""
    told = Timeline("A0SU00000", ieee123, rules)
    devices = ieee123.transformers_under("A0SW00012")
    for n, device in enumerate(devices[::3]):
        first = told.at(began + n / 4).report(device)
    for n, device in enumerate(devices[1::6]):
        second = told.at(more + 3 * n).report(device)
    return told, first in told.state.members and told.incident_of(first) is told.incident_of(second)


def test_who_slept_and_calls_in_the_morning_is_of_the_outage_of_the_night(ieee123: Tree) -> None:
    told, one = outage_at(ieee123, replace(rules_of_tests(), night=NIGHT), AT_ONE, AT_HALF_PAST_SIX)

    assert one
    assert not any(order.reason == "second_wave" for order in told.orders)


@pytest.mark.parametrize(
    ("night", "began", "more"),
    [
        (None, AT_ONE, AT_HALF_PAST_SIX),  # where nobody is said to sleep
        (NIGHT, AT_ONE, AT_HALF_PAST_SIX + 300),  # at noon all have got up
        (NIGHT, 60, AT_HALF_PAST_SIX),  # of an outage of the day all had called by evening
        (replace(NIGHT, awake=1.0), AT_ONE, AT_HALF_PAST_SIX),  # nobody slept
        (replace(NIGHT, zone=ZoneInfo("America/New_York")), AT_ONE, AT_HALF_PAST_SIX),  # it is night elsewhere
    ],
)
def test_else_they_are_a_second_wave(ieee123: Tree, night: Night | None, began: float, more: float) -> None:
    told, one = outage_at(ieee123, replace(rules_of_tests(), night=night), began, more)

    assert not one
    assert any(order.reason == "second_wave" for order in told.orders)


def test_who_slept_has_called_once_by_noon(rules: Rules) -> None:
    """Half of those who would have called at night did not; in whatever spans they are counted, that many call."""
    weigh = Timeline("A0SU00000", None, rules).state.likelihood
    begun = (NOON + timedelta(minutes=AT_ONE)).timestamp()
    spans = [begun + 1200 * n for n in range(34)]
    called = sum(woken(NIGHT, weigh.called_by, 1000, begun, since, until) for since, until in pairwise(spans))

    assert called == pytest.approx(500 * weigh.called_by(5.5 * 3600), rel=0.01)


@pytest.mark.parametrize(
    ("zone", "at", "began", "ended"),
    [
        ("UTC", "2026-07-02T06:20", "2026-07-01T23:00", "2026-07-02T06:30"),  # they begin to get up
        ("UTC", "2026-07-02T06:10", "2026-06-30T23:00", "2026-07-01T06:30"),
        ("UTC", "2026-07-02T22:00", "2026-07-01T23:00", "2026-07-02T06:30"),
        ("Asia/Shanghai", "2026-07-02T00:00", "2026-07-01T15:00", "2026-07-01T22:30"),
        ("Europe/Berlin", "2026-03-29T06:00", "2026-03-28T22:00", "2026-03-29T04:30"),  # an hour shorter
    ],
)
def test_the_last_night_is_by_the_clock_of_its_zone(zone: str, at: str, began: str, ended: str) -> None:
    known = replace(NIGHT, zone=ZoneInfo(zone)).last(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp())

    assert [datetime.fromtimestamp(one, UTC).isoformat()[:16] for one in known] == [began, ended]


def test_a_night_may_begin_after_midnight() -> None:
    began, ended = replace(NIGHT, begins=time(1)).last(NOON.timestamp())
    assert ended - began == timedelta(hours=5.5).total_seconds()


def test_the_shipped_rules_know_the_night() -> None:
    assert load_rules(SHIPPED).night == Night(ZoneInfo("Asia/Shanghai"), time(23), time(6, 30), 0.5)
