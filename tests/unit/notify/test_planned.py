"""Planned work ends at another time than customers were told: whom to tell again, as stories of one customer."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from services.contracts.messages import ReportSettled
from services.notify.domain.notice import Notice, Quiet, Stage, Template, recipient_id, settle
from services.notify.domain.planned import (
    Spoken,
    instead_of,
    is_moved_end,
    is_overtaken,
    promise,
    tell_moved_end,
    unsaid,
)
from tests.unit.notify.snapshots import NOW, SETTLED, Snapshots

PLAN = UUID(int=9)
UNTIL = NOW + timedelta(hours=4)
STEP = timedelta(minutes=20)


class Customer:
    """Their reports are answered by planned work until four hours from now."""

    def __init__(self):
        self.promises = {}
        self.ends = 0.0
        self.minute = 0
        self.told = []
        self.take(settle(self.word(1, 0)))

    def word(self, report, minutes, *, plan=PLAN, at=None, recipient=1):
        self.minute += 1
        fields = Snapshots.member(report, recipient).model_dump(include=SETTLED)
        fields |= {"area": "S1", "outcome": "answered", "reason": "planned_outage", "planned_id": plan}
        if self.told:
            fields["expected_before"] = UNTIL + timedelta(minutes=self.ends)
        self.ends = minutes
        return ReportSettled(
            **fields,
            settled_at=NOW + timedelta(minutes=self.minute if at is None else at),
            expected_at=UNTIL + timedelta(minutes=minutes),
            command_id=UUID(int=100 + self.minute),
        )

    def take(self, verdict):
        if isinstance(verdict, Notice):
            promise(self.promises, verdict)
        self.told.append(verdict)
        return verdict

    def moved(self, minutes, *, report=1, now=NOW, message=None, **said):
        message = message or self.word(report, minutes, **said)
        assert is_moved_end(message)
        who = next(iter(self.promises))
        known = self.promises.get((who[0], message.planned_id))
        return self.take(tell_moved_end(message, known, moved_by=STEP, now=now))


@pytest.mark.parametrize("minutes", [21, -21, 300])
def test_an_end_that_moves_later_or_earlier_is_told_as_an_estimate_that_has_changed(minutes):
    notice = Customer().moved(minutes)

    assert (notice.stage, notice.template) == (Stage.ETR_CHANGED, Template.ETR_CHANGED)
    assert notice.etr == UNTIL + timedelta(minutes=minutes)
    assert (notice.incident_id, notice.planned_id, notice.replaces) == (None, PLAN, (PLAN, UUID(int=1)))


def test_small_steps_are_not_told_until_together_they_matter():
    customer = Customer()
    assert customer.moved(10) is Quiet.ETR_MOVED_LITTLE
    assert customer.moved(20) is Quiet.ETR_MOVED_LITTLE
    assert customer.moved(25).etr == UNTIL + timedelta(minutes=25)
    assert customer.moved(40) is Quiet.ETR_MOVED_LITTLE, "since they were told, not since the plan was entered"
    assert customer.moved(25) is Quiet.ALREADY_TOLD


def test_two_reports_of_one_customer_are_told_once():
    customer = Customer()
    first = customer.word(1, 60)
    again = first.model_copy(update={"report_id": UUID(int=2), "ticket_id": UUID(int=2)})

    assert customer.moved(60, message=first).etr == UNTIL + timedelta(minutes=60)
    assert customer.moved(60, message=again) is Quiet.ALREADY_TOLD
    assert tell_moved_end(first, None, moved_by=STEP, now=NOW).notice_id == (
        tell_moved_end(again, None, moved_by=STEP, now=NOW).notice_id
    ), "and by two processes at once"


def test_that_power_is_back_is_told_once_for_all_reports_that_the_work_answered():
    said = {"outcome": "answered", "reason": "already_restored", "command_id": None, "expected_at": None}
    first = Customer().word(1, 0).model_copy(update=said)
    notice = settle(first)

    assert (notice.stage, notice.template) == (Stage.RESTORED, Template.ANSWERED_ALREADY_RESTORED)
    assert (notice.planned_id, notice.replaces) == (PLAN, (PLAN, UUID(int=1)))
    again = settle(first.model_copy(update={"report_id": UUID(int=2)}))
    assert again.notice_id == notice.notice_id
    alone = settle(first.model_copy(update={"planned_id": None}))
    assert (alone.stage, alone.replaces) == (Stage.ANSWERED, (alone.report_id,)), (
        "a report that came when power was back"
    )


def test_what_comes_late_on_another_partition_takes_nothing_back():
    customer = Customer()
    customer.moved(60, at=10)
    assert customer.moved(30, report=2, at=5) is Quiet.STALE_REVISION


def test_an_end_that_has_passed_is_not_told():
    assert Customer().moved(-30, now=UNTIL) is Quiet.ETR_PAST


def test_who_left_no_address_is_not_told():
    assert Customer().moved(60, recipient=None) is Quiet.NO_RECIPIENT


def test_of_another_planned_outage_nothing_was_told_so_its_own_end_before_counts():
    customer = Customer()
    customer.moved(60)
    assert customer.moved(65, plan=UUID(int=8)) is Quiet.ETR_MOVED_LITTLE
    assert customer.moved(120, plan=UUID(int=8)).planned_id == UUID(int=8)


OUTAGE = UUID(int=50)


def back_in_the_outage(**said):
    """The plan was withdrawn: the report is in an outage again."""
    said = {"outcome": "in_incident", "reason": "plan_withdrawn", "incident_id": OUTAGE, "expected_at": None, **said}
    return Customer().word(1, 0, at=10).model_copy(update=said)


@pytest.mark.parametrize(
    ("outcome", "alone", "minute", "overtaken"),
    [
        ("answered", True, None, False),  # the outage said nothing
        ("answered", True, 9, False),
        ("answered", True, 10, False),  # of the same moment: the answer is the newer
        ("answered", True, 11, True),
        ("answered", False, 11, False),  # that was about another report of theirs, which is still in it
        ("in_incident", True, None, False),
        ("in_incident", True, 9, False),
        ("in_incident", True, 10, True),  # the outage itself has told them that it goes on
        ("in_incident", False, 11, True),
    ],
)
def test_the_word_of_an_outage_and_that_of_planned_work_count_by_when_they_became_so(outcome, alone, minute, overtaken):
    latest = None if minute is None else NOW + timedelta(minutes=minute)
    message = back_in_the_outage(outcome=outcome)
    assert is_overtaken(message, [Spoken(UUID(int=51), True, None), Spoken(OUTAGE, alone, latest)]) is overtaken


def test_an_answer_takes_the_place_of_what_an_outage_that_has_no_report_of_theirs_any_more_has_not_sent():
    left, has_another = Spoken(OUTAGE, True, None), Spoken(UUID(int=51), False, None)
    answered, back = back_in_the_outage(outcome="answered", reason="planned_outage"), back_in_the_outage()
    assert set(instead_of(settle(answered), answered, [left, has_another]).replaces) == {PLAN, UUID(int=1), OUTAGE}
    told = instead_of(settle(back), back, [left, has_another])
    assert OUTAGE not in told.replaces, "of a report that is in it again its own word holds"


def test_until_when_the_work_lasts_is_not_said_any_more_once_an_outage_has_the_report_again():
    message = back_in_the_outage()
    gone = unsaid(message)
    assert (gone.recipient_id, gone.subject, gone.incident_id) == (recipient_id(message.recipient), PLAN, OUTAGE)
    for other in ({"outcome": "answered"}, {"planned_id": None}, {"incident_id": None}, {"recipient": None}):
        assert unsaid(back_in_the_outage(**other)) is None


def test_what_is_no_word_about_the_end_of_the_work_promises_nothing():
    customer = Customer()
    promised = dict(customer.promises)
    customer.take(settle(back_in_the_outage()))
    customer.take(settle(customer.word(1, 0).model_copy(update={"planned_id": None})))
    assert customer.promises == promised
    assert not is_moved_end(customer.word(1, 60).model_copy(update={"planned_id": None}))
    assert not is_moved_end(customer.word(1, 60).model_copy(update={"expected_before": None}))


def test_a_late_word_about_the_end_does_not_take_the_place_of_a_newer_one():
    customer = Customer()
    newer, older = settle(customer.word(1, 60, at=20)), settle(customer.word(2, 90, at=10))
    customer.take(newer)
    customer.take(older)
    [held] = customer.promises.values()
    assert held.until == UNTIL + timedelta(minutes=60)
