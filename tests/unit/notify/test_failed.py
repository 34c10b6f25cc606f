"""What failed for good was told to nobody: what is said after it is said as if it never was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.values import IncidentState
from services.notify.domain.notice import Quiet, Reach, Stage
from tests.unit.notify.snapshots import ACTIONS, SINGLE, Dedup, Memory, Snapshots

RESTORED = IncidentState.RESTORED
BOTH = pytest.mark.parametrize("how", [Reach.LOST, Reach.GIVEN_UP])


@pytest.fixture
def reported(memory, snapshots):
    """Somebody heard that their report is received; what comes next fails."""
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])
    memory.fails = Reach.LOST
    return memory


def take(memory, snapshots, revision, minutes=None, **said):
    etr = None if minutes is None else snapshots.now + timedelta(minutes=minutes)
    return [(one.stage, one.etr) for one in memory.take([snapshots.changed(1, revision, etr=etr, **said)])]


@BOTH
def test_a_time_that_nobody_heard_is_told_as_the_first_one_however_little_it_has_moved(reported, snapshots, how):
    reported.fails = how
    take(reported, snapshots, 2, 120)
    reported.fails = None
    assert take(reported, snapshots, 3, 125) == [(Stage.ETR_SET, snapshots.now + timedelta(minutes=125))]
    assert take(reported, snapshots, 4, 130) == []


def test_who_never_heard_that_power_is_back_hears_nothing_where_it_was_not_and_hears_it_the_next_time(
    reported, snapshots
):
    assert take(reported, snapshots, 2, state=RESTORED) == [(Stage.RESTORED, None)]
    reported.fails = None
    assert take(reported, snapshots, 3) == [], "to them it was out all the time"
    assert take(reported, snapshots, 4, state=RESTORED) == [(Stage.RESTORED, None)]


def test_who_may_have_heard_that_power_is_back_hears_that_it_is_not(reported, snapshots):
    reported.fails = Reach.GIVEN_UP
    take(reported, snapshots, 2, state=RESTORED)
    reported.fails = None
    assert take(reported, snapshots, 3) == [(Stage.JOINED_KNOWN, None)]


@BOTH
def test_the_word_that_failed_is_said_with_the_next_news_and_not_for_a_copy_of_the_last(memory, snapshots, how):
    memory.fails = how
    joined = [snapshots.member(1, 1)]
    assert take(memory, snapshots, 1, joined=joined) == [(Stage.RECEIVED, None)]
    assert take(memory, snapshots, 1, joined=joined) == []
    assert take(memory, snapshots, 2, 60) == [(Stage.ETR_SET, snapshots.now + timedelta(minutes=60))]
    memory.fails = None
    assert take(memory, snapshots, 3) == [(Stage.RECEIVED, None)], "the time was taken back"
    assert [one.revision >= 2 for one in memory.sent] == [True], "no older news than what failed"
    assert take(memory, snapshots, 3, joined=joined) == []


def test_a_gateway_that_refuses_one_number_is_not_asked_for_it_with_every_step_of_an_estimate(reported, snapshots):
    tried = [take(reported, snapshots, 2 + n, 120 + 5 * n) for n in range(10)]
    assert [len(one) for one in tried] == [1, 1, 1, 0, 0, 0, 0, 1, 0, 0], "the last that failed was ten minutes in"
    assert reported.quiet[Quiet.ETR_MOVED_LITTLE] == 6
    reported.fails = None
    assert take(reported, snapshots, 12, state=RESTORED) == [(Stage.RESTORED, None)]


@settings(max_examples=200, deadline=None)
@given(data=st.data(), actions=ACTIONS)
def test_whatever_failed_everybody_hears_the_next_news_of_their_outage_as_it_is(data, actions):
    dedup = Dedup.after(actions)
    memory = Memory()
    for change in dedup.sent:
        memory.fails = data.draw(st.sampled_from([None, Reach.LOST, Reach.GIVEN_UP]))
        memory.take([change])
    memory.fails = None
    told = len(dedup.sent)
    for incident in sorted(set(dedup.home.values())):
        for _ in range(2 if dedup.state[incident] is RESTORED else 0):
            dedup.act(("power", incident, 0))
        dedup.minute += 1
        dedup.etr[incident] = memory.now + timedelta(days=9)
        dedup.emit(incident)
    for change in dedup.sent[told:]:
        memory.take([change])

    for customer, report in SINGLE.items():
        if (home := dedup.home.get(report)) is None:
            continue
        last = next(one for one in reversed(memory.sent) if one.report_id.int == report)
        assert last.incident_id == Snapshots.id(home), customer
        assert (last.stage is Stage.RESTORED) == (dedup.state[home] is RESTORED)
        assert last.stage is Stage.RESTORED or last.etr == memory.now + timedelta(days=9)
