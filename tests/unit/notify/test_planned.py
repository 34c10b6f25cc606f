"""Planned work ends at another time than customers were told: whom to tell again, as stories of one customer."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from services.contracts.messages import ReportSettled
from services.notify.domain.notice import Notice, Quiet, Stage, Template, settle
from services.notify.domain.planned import is_moved_end, promise, tell_moved_end
from tests.unit.notify.snapshots import NOW, Snapshots

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
        fields = Snapshots.member(report, recipient).model_dump(exclude={"customer_class"})
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
