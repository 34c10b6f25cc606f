"""Counting an outage's calls as they join gives what counting them all would."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.ids import derive
from services.contracts.values import Channel, CustomerClass
from services.dedup.domain.call_times import CallTimes
from services.dedup.domain.report import Report

if TYPE_CHECKING:
    from uuid import UUID

START = datetime(2026, 7, 1, tzinfo=UTC)
DOWN = {"top": ["top"], "left": ["top", "left"], "leaf": ["top", "left", "leaf"], "right": ["top", "right"]}

_said = st.tuples(st.sampled_from(sorted(DOWN)), st.integers(0, 90), st.sampled_from([None, "1", "2", "3"]))


def _report(number: int, device: str, minute: int, account: str | None) -> Report:
    key, at = derive("call", str(number)), START + timedelta(minutes=minute)
    return Report(
        report_id=key,
        ticket_id=key,
        ticket_ref="CALL",
        contact_id=key,
        channel=Channel.WEB,
        device=device,
        feeder=None,
        account_id=account,
        customer_class=CustomerClass.NORMAL,
        suspended=False,
        hazards=(),
        single_premise=False,
        unconfirmed=False,
        lat=None,
        lon=None,
        address=None,
        language="zh-Hans-CN",
        recipient=None,
        reported_at=at,
        received_at=at,
        kept_back=False,
        made_at=at,
    )


@given(st.lists(_said, min_size=1, max_size=30), st.lists(st.integers(0, 90), min_size=1, max_size=6), st.data())
def test_calls_counted_as_they_join_are_those_counted_all_at_once(
    said: list[tuple[str, int, str | None]], asked: list[int], data: st.DataObject
) -> None:
    """Whatever the order of their times, and whenever they are asked for."""
    reports: dict[UUID, Report] = {}
    times = CallTimes()
    pause = data.draw(st.integers(1, 5))
    last = _report(-1, "top", 90, data.draw(st.sampled_from([None, "1", "4"])))
    for number, one in enumerate(said):
        report = _report(number, *one)
        reports[report.report_id] = report
        if number % pause and number < len(said) - 1:
            continue
        times.catch_up(reports, lambda device: DOWN[device or "top"])
        for device in DOWN:
            under = [one for one in reports.values() if device in DOWN[one.device or "top"]]
            for minute in asked:
                since = START + timedelta(minutes=minute)
                until = since + timedelta(minutes=20)
                lately = [one for one in under if one.made_at >= since]
                assert times.made(device, since) == len(lately)
                assert times.made(device, since, until) == len([one for one in lately if one.made_at < until])
                assert times.callers(device, since, last) == len({last.caller, *(one.caller for one in lately)})


def test_counting_many_at_once_takes_no_longer_than_one_by_one() -> None:
    """Counted from the last to the first, each would move all that are counted already."""
    reports: dict[UUID, Report] = {}
    by_and_by, at_once = CallTimes(), CallTimes()
    spent = 0.0
    for number in range(60_000):
        report = _report(number, "leaf", 0, None)
        reports[report.report_id] = report._replace(made_at=START + timedelta(seconds=number))
        began = time.process_time()
        by_and_by.catch_up(reports, lambda device: DOWN[device or "top"])
        spent += time.process_time() - began
    began = time.process_time()
    at_once.catch_up(reports, lambda device: DOWN[device or "top"])
    assert time.process_time() - began < spent
