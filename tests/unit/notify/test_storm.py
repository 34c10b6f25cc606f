"""Hundreds of outages at once, as customers see them: who comes first, what is told, how fast it goes out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import CustomerClass, IncidentState
from services.notify.domain.notice import Quiet, Stage, Template, Turn
from services.notify.pace import Pace, Refusals, Rest
from tests.unit.notify.snapshots import NOW

IN_TWO_HOURS = NOW + timedelta(hours=2)


def classed(member, customer_class):
    return member.model_copy(update={"customer_class": customer_class})


@pytest.mark.parametrize(
    ("customer_class", "hazards", "turn"),
    [
        (None, (), Turn.OTHERS),
        (CustomerClass.VIP, (), Turn.OTHERS),
        (CustomerClass.IMPORTANT, (), Turn.IMPORTANT),
        (CustomerClass.LIFE_SUPPORT, (), Turn.AT_RISK),
        (None, ("wire_down",), Turn.AT_RISK),
    ],
)
def test_life_support_and_danger_come_first_then_important_customers(memory, snapshots, customer_class, hazards, turn):
    member = classed(snapshots.member(1, 1), customer_class)
    (notice,) = memory.take([snapshots.changed(1, 1, joined=[member], hazards=hazards)])
    assert notice.turn is turn
    (later,) = memory.take([snapshots.changed(1, 2, etr=IN_TWO_HOURS)])
    assert later.turn is turn, "in every step, not only in the first"


def test_of_several_reports_of_one_customer_the_most_urgent_counts(memory, snapshots):
    one = snapshots.member(1, 1)
    other = classed(snapshots.member(2, 1), CustomerClass.LIFE_SUPPORT)
    (notice,) = memory.take([snapshots.changed(1, 1, joined=[one, other])])
    assert notice.turn is Turn.AT_RISK


def test_hundreds_of_incidents_are_one_message_a_customer_and_step(memory, snapshots):
    """Each of 300 outages opens, gets an estimate, moves it by little and much, and ends."""
    many = range(1, 301)

    def two(n):
        return [snapshots.member(2 * n, 2 * n), snapshots.member(2 * n + 1, 2 * n + 1)]

    steps = [
        (Stage.RECEIVED, {"joined": two}),
        (Stage.ETR_SET, {"etr": lambda _: IN_TWO_HOURS}),
        (None, {"etr": lambda _: IN_TWO_HOURS + timedelta(minutes=45)}),
        (Stage.ETR_CHANGED, {"etr": lambda _: IN_TWO_HOURS + timedelta(minutes=61)}),
        (None, {"etr": lambda _: IN_TWO_HOURS + timedelta(minutes=5)}),
        (Stage.RESTORED, {"state": lambda _: IncidentState.RESTORED}),
    ]
    for revision, (stage, fields) in enumerate(steps, start=1):
        batch = [
            snapshots.changed(n, revision, storm=True, **{name: made(n) for name, made in fields.items()}) for n in many
        ]
        told = memory.take(batch)
        assert [one.stage for one in told] == ([] if stage is None else [stage] * 600)
        assert len({one.recipient_id for one in told}) == len(told)
    assert memory.quiet[Quiet.ETR_MOVED_LITTLE] == 1200


def test_the_same_estimate_is_told_again_outside_of_a_storm(memory, snapshots):
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)], etr=IN_TWO_HOURS)])
    (told,) = memory.take([snapshots.changed(1, 2, etr=IN_TWO_HOURS + timedelta(minutes=45))])
    assert told.stage is Stage.ETR_CHANGED


@pytest.mark.parametrize(("storm", "template"), [(True, Template.RECEIVED_STORM), (None, Template.RECEIVED)])
def test_the_first_word_says_that_it_may_take_longer(memory, snapshots, storm, template):
    (told,) = memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)], storm=storm)])
    assert (told.stage, told.template) == (Stage.RECEIVED, template)


@given(
    rate=st.floats(0.5, 500),
    looks=st.lists(st.tuples(st.floats(0, 3), st.integers(0, 400)), min_size=1, max_size=60),
)
def test_never_more_begin_than_the_pace_allows(rate, looks):
    pace, now, begun = Pace(rate), 100.0, 0
    for passed, wanted in looks:
        now += passed
        count = min(wanted, pace.free(now))
        pace.begun(count)
        begun += count
        assert begun <= max(1.0, rate) + rate * (now - 100.0) + 1e-6


@given(st.floats(0.5, 500))
def test_all_of_a_backlog_begins_at_the_pace(rate):
    pace, now, left = Pace(rate), 0.0, 50
    for _ in range(10_000):
        count = min(left, pace.free(now))
        pace.begun(count)
        left -= count
        if not left:
            break
        now += max(pace.wait(), 1e-6)
    assert left == 0
    assert now <= 50 / rate + 1.5


def test_without_a_limit_there_is_none():
    pace = Pace(None)
    assert (pace.free(0.0), pace.wait()) == (None, 0.0)


def test_a_gateway_that_asks_for_a_wait_again_and_again_is_left_alone_for_it_and_then_asked_by_one_notice():
    rest = Rest()
    for _ in range(2):  # it may mean a number of its own
        rest.asked(600, now=100)
        assert rest.most(100) is None
    rest.asked(60, now=100)
    assert [rest.most(now) for now in (100, 159.9, 160, 1000)] == [0, 0, 1, 1]
    rest.asked(30, now=200)
    rest.asked(5, now=201)  # of a notice that was under way: the longer wait holds
    assert [rest.most(now) for now in (229.9, 230)] == [0, 1]
    rest.taken()
    assert rest.most(201) is None
    rest.asked(60, now=300)
    assert rest.most(300) is None, "it counts anew"


def test_who_refuses_five_in_a_row_is_not_believed_until_it_takes_one():
    refusals = Refusals()
    assert [refusals.believed() for _ in range(7)] == [True] * 5 + [False] * 2
    refusals.taken()
    assert refusals.believed()


def test_a_gateway_that_asks_for_an_hour_is_asked_each_minute_by_one_notice():
    """Somebody between us and it may be mistaken, and danger waited with all the others."""
    rest = Rest()
    for _ in range(3):
        rest.asked(3_600, now=0)
    assert [rest.most(now) for now in (59.9, 60)] == [0, 1]
    rest.asked(3_600, now=61)
    assert [rest.most(now) for now in (120.9, 121)] == [0, 1]
