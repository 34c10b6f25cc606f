"""Who is told what after a batch of snapshots."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from services.contracts import ids
from services.contracts.messages import ReportSettled
from services.contracts.values import IncidentState, ProgressStage, Recipient
from services.notify.domain.comparison import present
from services.notify.domain.notice import Held, Quiet, Stage, Template, is_told, link_id, recipient_id, settle
from tests.unit.notify.snapshots import SETTLED


def stages(notices):
    return [(one.stage.value, one.ticket_ref) for one in notices]


def test_a_report_that_opens_an_incident_is_received(memory, snapshots):
    notices = memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])

    assert stages(notices) == [("received", "REF-1")]
    one = notices[0]
    assert one.notice_id == ids.notice_id("sms", "13800000001", snapshots.id(1), "received", 1)
    assert (one.incident_id, one.report_id, one.language) == (snapshots.id(1), snapshots.id(1), "zh-Hans-CN")


def test_who_joins_a_known_outage_hears_that_it_is_known_and_until_when(memory, snapshots):
    etr = snapshots.now + timedelta(hours=2)
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])
    memory.take([snapshots.changed(1, 2, etr=etr, stage=ProgressStage.ARRIVED)])

    notices = memory.take([snapshots.changed(1, 3, etr=etr, joined=[snapshots.member(2, 2)])])

    assert stages(notices) == [("joined_known", "REF-2")]
    assert notices[0].template is Template.JOINED_KNOWN_ETR
    assert notices[0].etr == etr


def test_everyone_hears_of_an_estimate_and_of_the_restoration(memory, snapshots):
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(n, n) for n in (1, 2, 3)])])
    etr = snapshots.now + timedelta(hours=2)

    estimated = memory.take([snapshots.changed(1, 2, etr=etr)])
    restored = memory.take([snapshots.changed(1, 3, etr=etr, state=IncidentState.RESTORED, restored_at=snapshots.now)])

    assert sorted(stages(estimated)) == [("etr_set", f"REF-{n}") for n in (1, 2, 3)]
    assert sorted(stages(restored)) == [("restored", f"REF-{n}") for n in (1, 2, 3)]
    assert {one.restored_at for one in restored} == {snapshots.now}
    assert {one.replaces for one in restored} == {(snapshots.id(1), snapshots.id(n)) for n in (1, 2, 3)}


def test_of_a_danger_nothing_is_said_about_power(memory, snapshots):
    """The wire is down, and the light may be on."""
    smoke = {"kind": "hazard", "hazards": ("smoke",)}
    now, later = (snapshots.now + timedelta(hours=hours) for hours in (1, 3))
    changes = [
        snapshots.changed(1, 1, joined=[snapshots.member(1, 1)], storm=True, **smoke),
        snapshots.changed(1, 2, etr=now, **smoke),
        snapshots.changed(1, 3, etr=later, joined=[snapshots.member(2, 2)], **smoke),
    ]
    told = [one for change in changes for one in memory.take([change])]

    assert [(one.stage, one.template) for one in told] == [
        (Stage.RECEIVED, Template.DANGER_KNOWN),
        (Stage.ETR_SET, Template.DANGER_ETR),
        (Stage.ETR_CHANGED, Template.DANGER_ETR),
        (Stage.JOINED_KNOWN, Template.DANGER_ETR),
    ]
    standing = memory.standings[changes[0].incident_id]
    assert present(standing, joined_revision=1, now=snapshots.now).template is Template.DANGER_ETR
    assert present(standing, joined_revision=1, now=later).template is Template.DANGER_KNOWN


def test_once_a_danger_is_dealt_with_its_customer_does_not_hear_that_power_is_back(memory, snapshots):
    """The outage at the same home goes on: the crew made the wire safe, and another is still on the way."""
    out = snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])
    smoke = {"kind": "hazard", "hazards": ("smoke",)}
    memory.take([out, snapshots.changed(2, 1, joined=[snapshots.member(2, 1)], **smoke)])

    over = snapshots.changed(2, 2, state=IncidentState.RESTORED, restored_at=snapshots.now, **smoke)
    (told,) = memory.take([over])

    assert (told.stage, told.template, told.restored_at) == (Stage.RESTORED, Template.DANGER_OVER, snapshots.now)
    asked = present(memory.standings[over.incident_id], joined_revision=1, now=snapshots.now)
    assert asked.template is Template.DANGER_OVER, "nor does who asks"


def test_a_customer_who_reported_twice_is_told_once(memory, snapshots):
    together = memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1), snapshots.member(2, 1)])])
    later = memory.take([snapshots.changed(1, 2, joined=[snapshots.member(3, 1)])])
    restored = memory.take([snapshots.changed(1, 3, state=IncidentState.RESTORED)])

    assert stages(together) == [("received", "REF-1")]
    assert later == []
    assert stages(restored) == [("restored", "REF-1")]
    assert memory.quiet[Quiet.SAME_CUSTOMER] == 1
    assert memory.quiet[Quiet.ALREADY_TOLD] == 1


def test_a_customer_is_told_in_the_language_of_their_last_report(memory, snapshots):
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])
    memory.take([snapshots.changed(1, 2, joined=[snapshots.member(2, 1, language="en")])])

    restored = memory.take([snapshots.changed(1, 3, state=IncidentState.RESTORED)])

    assert [one.language for one in restored] == ["en"]


def test_a_report_without_an_address_is_counted_once_and_never_told(memory, snapshots):
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, None)])])
    assert memory.quiet[Quiet.NO_RECIPIENT] == 1
    memory.take([snapshots.changed(1, 2, state=IncidentState.RESTORED)])

    assert memory.notices == []
    assert memory.quiet[Quiet.NO_RECIPIENT] == 1


def test_an_outage_opened_and_restored_within_a_batch_is_told_as_restored(memory, snapshots):
    notices = memory.take(
        [
            snapshots.changed(1, 1, joined=[snapshots.member(1, 1)]),
            snapshots.changed(1, 2, etr=snapshots.now + timedelta(hours=2)),
            snapshots.changed(1, 3, state=IncidentState.RESTORED),
        ]
    )

    assert stages(notices) == [("restored", "REF-1")]


def test_an_estimate_that_creeps_is_told_once_it_has_moved_enough_in_all(memory, snapshots):
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])
    first = snapshots.now + timedelta(hours=2)
    told = []
    for step in range(5):  # 0, 9, 18, 27, 36 minutes later; the threshold is 20
        etr = first + timedelta(minutes=9 * step)
        told += [one.etr for one in memory.take([snapshots.changed(1, 2 + step, etr=etr)])]

    assert told == [first, first + timedelta(minutes=27)]
    assert memory.quiet[Quiet.ETR_MOVED_LITTLE] == 3


def test_a_late_joiner_is_measured_against_what_they_were_told_themselves(memory, snapshots):
    first = snapshots.now + timedelta(hours=2)
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)], etr=first)])
    crept = first + timedelta(minutes=15)
    memory.take([snapshots.changed(1, 2, joined=[snapshots.member(2, 2)], etr=crept)])

    moved = memory.take([snapshots.changed(1, 3, etr=first + timedelta(minutes=30))])

    assert stages(moved) == [("etr_changed", "REF-1")]  # 30 minutes for the first, 15 for the second


def test_a_report_that_moves_is_not_received_again_and_hears_only_of_the_new_incident(memory, snapshots):
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])
    moved = memory.take([snapshots.changed(1, 2, left=[1]), snapshots.changed(2, 1, joined=[snapshots.member(1, 1)])])
    old = memory.take([snapshots.changed(1, 3, etr=snapshots.now + timedelta(hours=2))])
    new = memory.take([snapshots.changed(2, 2, etr=snapshots.now + timedelta(hours=3))])

    assert moved == []
    assert old == []
    assert stages(new) == [("etr_set", "REF-1")]
    assert new[0].incident_id == snapshots.id(2)
    assert set(new[0].replaces) == {snapshots.id(1), snapshots.id(2)}  # what is unsent of the old one is out of date
    assert memory.quiet[Quiet.LEFT] == 1
    assert memory.quiet[Quiet.NOTHING_TO_TELL] == 0


def test_power_that_comes_back_fails_again_and_comes_back_again_is_told_each_time(memory, snapshots):
    states = [IncidentState.PREDICTED, IncidentState.RESTORED] * 2
    told = []
    for revision, state in enumerate(states, start=1):
        joined = [snapshots.member(1, 1)] if revision == 1 else []
        told += memory.take([snapshots.changed(1, revision, joined=joined, state=state)])

    assert [one.stage.value for one in told] == ["received", "restored", "joined_known", "restored"]
    assert [one.revision for one in told] == [1, 2, 3, 4]


def test_who_asks_right_after_reporting_hears_that_it_is_received(memory, snapshots):
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])
    standing = memory.standings[snapshots.id(1)]

    assert present(standing, joined_revision=1, now=snapshots.now).stage is Stage.RECEIVED


def test_who_has_a_report_in_each_of_two_outages_hears_of_both_that_power_is_back(memory, snapshots):
    """Two homes in one outage; then one of them is found to be another outage, which ends later."""
    members = [snapshots.member(1, 1), snapshots.member(2, 1)]
    memory.take([snapshots.changed(1, 1, joined=members)])
    memory.take([snapshots.changed(1, 2, left=[2]), snapshots.changed(2, 1, joined=[members[1]], minute=2)])
    first = memory.take([snapshots.changed(1, 3, state=IncidentState.RESTORED)])
    second = memory.take([snapshots.changed(2, 2, state=IncidentState.RESTORED, minute=60)])

    assert (stages(first), stages(second)) == ([("restored", "REF-1")], [("restored", "REF-2")])


def test_what_was_said_of_two_homes_is_not_said_again_of_the_one_that_stays(memory, snapshots):
    members, etr = [snapshots.member(1, 1), snapshots.member(2, 1)], snapshots.now + timedelta(hours=2)
    memory.take([snapshots.changed(1, 1, joined=members, etr=etr)])
    memory.take([snapshots.changed(1, 2, left=[1], etr=etr), snapshots.changed(2, 1, joined=[members[0]], minute=2)])
    moved = [snapshots.changed(1, 3 + n, etr=etr + timedelta(minutes=15 * (n + 1))) for n in range(2)]

    assert memory.take(moved[:1]) == []
    assert stages(memory.take(moved[1:])) == [("etr_changed", "REF-2")]


def test_what_one_outage_says_after_a_report_has_left_it_is_not_said_of_that_report(memory, snapshots):
    members, etr = [snapshots.member(1, 1), snapshots.member(2, 1)], snapshots.now + timedelta(hours=2)
    memory.take([snapshots.changed(1, 1, joined=members)])
    memory.take([snapshots.changed(1, 2, left=[2]), snapshots.changed(2, 1, joined=[members[1]], minute=2)])
    memory.take([snapshots.changed(1, 3, etr=etr)])
    second = memory.take([snapshots.changed(2, 2, etr=etr + timedelta(minutes=5))])

    assert stages(second) == [("etr_set", "REF-2")]


def test_of_two_homes_that_were_told_of_together_the_one_that_moves_is_not_received_again(memory, snapshots):
    (told,) = memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1), snapshots.member(2, 1)])])
    other = 3 - told.report_id.int
    moved = snapshots.changed(2, 1, joined=[snapshots.member(other, 1)])
    assert memory.take([snapshots.changed(1, 2, left=[other]), moved]) == []


def test_the_estimate_with_which_a_report_left_is_not_the_one_that_its_customer_had_of_it(memory, snapshots):
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1), snapshots.member(2, 1)])])
    soon, later = (snapshots.now + timedelta(hours=hours) for hours in (2, 5))
    (set_here,) = memory.take([snapshots.changed(1, 2, left=[2], etr=soon)])
    (set_there,) = memory.take([snapshots.changed(2, 1, joined=[snapshots.member(2, 1)], etr=later)])
    assert (set_here.stage, set_there.stage) == (Stage.ETR_SET, Stage.ETR_SET)


def test_an_estimate_is_not_told_again_where_a_report_came_back_from_another_outage_before_it(memory, snapshots):
    """The record of its coming back arrives last."""
    first, second = snapshots.member(1, 1), snapshots.member(2, 1)
    memory.take([snapshots.changed(1, 1, joined=[first])])
    memory.take([snapshots.changed(1, 5, etr=snapshots.now + timedelta(hours=2))])
    assert len(memory.take([snapshots.changed(2, 1, joined=[second], minute=2)])) == 1
    memory.take([snapshots.changed(2, 2, left=[2], minute=3)])
    assert memory.take([snapshots.changed(1, 4, joined=[second])]) == []


def test_a_merge_undone_gives_the_estimate_of_the_first_incident_back(memory, snapshots):
    member = snapshots.member(1, 1)
    first, second = snapshots.now + timedelta(hours=2), snapshots.now + timedelta(hours=8)
    memory.take([snapshots.changed(1, 1, joined=[member])])
    memory.take([snapshots.changed(1, 2, etr=first)])
    memory.take([snapshots.changed(1, 3, etr=first + timedelta(hours=1))])
    memory.take([snapshots.changed(1, 4, etr=first + timedelta(hours=1), left=[1], minute=10)])
    memory.take([snapshots.changed(2, 1, etr=second, joined=[member], minute=10)])
    memory.take([snapshots.changed(2, 2, etr=second, left=[1], minute=20)])
    memory.take([snapshots.changed(1, 5, etr=first + timedelta(hours=1), joined=[member], minute=20)])

    assert [(one.stage.value, one.etr) for one in memory.notices] == [
        ("received", None),
        ("etr_set", first),
        ("etr_changed", first + timedelta(hours=1)),
        ("etr_changed", second),
        ("etr_changed", first + timedelta(hours=1)),
    ]
    assert len({one.notice_id for one in memory.notices}) == 5


def test_of_two_reports_of_a_customer_the_one_is_named_of_which_it_is_news(memory, snapshots):
    """They were told the time of the second, and of the first only that it was received: now both are one outage."""
    etr = snapshots.now + timedelta(hours=2)
    memory.take([snapshots.changed(2, 1, joined=[snapshots.member(2, 1)], etr=etr)])
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])

    moved = [snapshots.changed(1, 2, left=[1]), snapshots.changed(2, 2, joined=[snapshots.member(1, 1)], etr=etr)]
    assert stages(memory.take(moved)) == [("etr_set", "REF-1")]


def test_joining_the_next_incident_may_be_heard_of_before_leaving_the_last(memory, snapshots):
    member = snapshots.member(1, 1)
    memory.take([snapshots.changed(1, 1, joined=[member], minute=1)])
    memory.take([snapshots.changed(2, 1, joined=[member], minute=5)])

    late = memory.take([snapshots.changed(1, 2, etr=snapshots.now + timedelta(hours=2), minute=3)])

    assert late == []  # the record of the leaving is still on its way, and the old incident is no more theirs


def test_a_snapshot_older_than_the_one_held_changes_nothing_but_who_joined(memory, snapshots):
    etr = snapshots.now + timedelta(hours=2)
    memory.take([snapshots.changed(1, 3, etr=etr)])

    notices = memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])

    assert stages(notices) == [("etr_set", "REF-1")]
    assert notices[0].etr == etr
    assert memory.standings[snapshots.id(1)].revision == 3
    assert memory.quiet[Quiet.STALE_REVISION] == 1


def test_who_left_and_came_back_in_one_record_is_there(memory, snapshots):
    """They came back last: dedup tells nobody to have joined who is not there by the end of its batch."""
    joined = [snapshots.member(1, 1)]
    memory.take([snapshots.changed(1, 1, joined=joined)])
    memory.take([snapshots.changed(1, 2, joined=joined, left=[1])])
    assert stages(memory.take([snapshots.changed(1, 3, state=IncidentState.RESTORED)])) == [("restored", "REF-1")]


def test_leaving_may_be_heard_of_before_joining(memory, snapshots):
    memory.take([snapshots.changed(1, 2, left=[1])])
    assert memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])]) == []
    assert memory.take([snapshots.changed(1, 3, state=IncidentState.RESTORED)]) == []


def test_a_clock_that_is_hours_ahead_keeps_no_estimate_from_anybody(memory, snapshots):
    memory.now = snapshots.now + timedelta(hours=16)
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])
    estimated = memory.take([snapshots.changed(1, 2, etr=snapshots.now + timedelta(hours=2))])
    past = memory.take([snapshots.changed(1, 3, etr=snapshots.now)])

    assert stages(estimated) == [("etr_set", "REF-1")]
    assert past == []
    assert memory.quiet[Quiet.ETR_PAST] == 1, "a crew's own that had passed as they said it"


@pytest.mark.parametrize("heard", [True, False])
def test_an_estimate_not_sent_is_not_told_once_the_crew_names_an_hour_that_has_passed(memory, snapshots, heard):
    """Who was sent nothing yet hears that the report is received; the next estimate is told as the first."""
    memory.sends = heard
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])
    memory.sends = False
    memory.take([snapshots.changed(1, 2, etr=snapshots.now + timedelta(hours=2))])
    passed = snapshots.changed(1, 3, etr=snapshots.now)
    for _ in range(2):
        memory.take([passed])
        assert stages(memory.waiting) == ([] if heard else [("received", "REF-1")])

    memory.take([snapshots.changed(1, 4, etr=snapshots.now + timedelta(hours=3))])
    memory.send()
    assert stages(memory.sent) == [("received", "REF-1")] * heard + [("etr_set", "REF-1")]


@pytest.mark.parametrize("sends", [True, False])
def test_the_same_snapshot_again_says_nothing(memory, snapshots, sends):
    memory.sends = sends
    change = snapshots.changed(1, 1, joined=[snapshots.member(1, 1)], etr=snapshots.now + timedelta(hours=2))

    assert len(memory.take([change, change])) == 1
    assert memory.take([change]) == []


def test_a_change_that_is_no_news_to_customers_has_that_reason(memory, snapshots):
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])
    memory.take([snapshots.changed(1, 2, stage=ProgressStage.EN_ROUTE)])

    assert memory.quiet[Quiet.NOTHING_TO_TELL] == 1


@pytest.mark.parametrize(
    ("outcome", "reason", "stage", "template"),
    [
        ("answered", "arrears", Stage.ANSWERED, Template.ANSWERED_ARREARS),
        ("answered", "already_restored", Stage.ANSWERED, Template.ANSWERED_ALREADY_RESTORED),
        ("answered", "planned_outage", Stage.ANSWERED, Template.ANSWERED),
        ("needs_person", "device_unknown", Stage.WITH_PERSON, Template.WITH_PERSON),
    ],
)
def test_a_settled_report_is_answered_or_with_a_person(snapshots, outcome, reason, stage, template):
    member = snapshots.member(7, 1, language="en")
    said = {"area": "S1", "outcome": outcome, "reason": reason, "settled_at": snapshots.now}
    fields = member.model_dump(include=SETTLED) | said
    notice = settle(ReportSettled(**fields))

    assert (notice.stage, notice.template, notice.language) == (stage, template, "en")
    assert notice.incident_id is None
    assert notice.notice_id == ids.notice_id("sms", "13800000001", member.report_id, stage, 1)
    assert settle(ReportSettled(**(fields | {"recipient": None}))) is Quiet.NO_RECIPIENT


def settled(snapshots, **said):
    member = snapshots.member(7, 1, language="en")
    fields = {"area": "S1", "outcome": "answered", "reason": "planned_outage", "settled_at": snapshots.now, **said}
    return settle(ReportSettled(**(member.model_dump(include=SETTLED) | fields)))


@pytest.mark.parametrize(
    ("outcome", "reason", "told"),
    [
        ("answered", "arrears", True),
        ("needs_person", "device_unknown", True),
        ("in_incident", "plan_withdrawn", True),
        ("in_incident", "undone_by_person", True),
        ("in_incident", "not_planned_after_all", False),
    ],
)
def test_of_a_report_in_an_incident_only_an_answer_taken_back_is_told_beside_it(snapshots, outcome, reason, told):
    member = snapshots.member(7, 1)
    said = {"area": "S1", "outcome": outcome, "reason": reason, "settled_at": snapshots.now, "incident_id": UUID(int=1)}
    assert is_told(ReportSettled(**(member.model_dump(include=SETTLED) | said))) is told


def test_who_stops_messages_to_a_number_stops_texts_and_calls_however_it_is_spelled():
    def link(channel, address):
        return link_id(Recipient(channel=channel, address=address))

    assert link("sms", "13800000000") == link("phone", "+86 138 0000 0000") != link("sms", "13800000001")
    assert link("wechat", "13800000000") != link("sms", "13800000000"), "an openid is no number"
    assert link("sms", "95598") == link("phone", "95598"), "nor need it be one of a subscriber"


def test_only_numbers_have_several_spellings():
    def who(channel, address):
        return recipient_id(Recipient(channel=channel, address=address))

    assert who("sms", "13800000000") == who("sms", "+86 138-0000-0000") != who("phone", "13800000000")
    assert who("app", "13800000000") != who("app", "+86 138-0000-0000"), "two installations"


def test_whose_outage_is_planned_is_told_until_when(snapshots):
    notice = settled(snapshots, expected_at=snapshots.now + timedelta(hours=2))

    assert (notice.stage, notice.template) == (Stage.ANSWERED, Template.ANSWERED_PLANNED)
    assert notice.etr == snapshots.now + timedelta(hours=2)


def test_what_a_person_answers_takes_back_and_answers_again_is_told_each_time_and_once(snapshots):
    """A planned outage entered late is accepted, that is undone, and it is accepted again."""
    until = snapshots.now + timedelta(hours=2)
    first, undo, second = (UUID(int=n) for n in (1, 2, 3))
    told = [
        settled(snapshots, command_id=first, expected_at=until),
        settled(snapshots, command_id=undo, outcome="in_incident", reason="undone_by_person", incident_id=undo),
        settled(snapshots, command_id=second, expected_at=until),
    ]

    assert [one.stage for one in told] == [Stage.ANSWERED, Stage.RECEIVED, Stage.ANSWERED]
    assert len({one.notice_id for one in told}) == 3
    assert settled(snapshots, command_id=first, expected_at=until) == told[0], "delivered again it is the same notice"


def test_what_was_not_sent_of_planned_work_is_out_of_date_once_a_person_says_otherwise(snapshots):
    plan, first = UUID(int=9), UUID(int=1)
    until = snapshots.now + timedelta(hours=2)
    called_under_it = settled(snapshots, planned_id=plan, expected_at=until)
    accepted = settled(snapshots, planned_id=plan, expected_at=until, command_id=first)

    assert (called_under_it.planned_id, called_under_it.replaces) == (plan, (accepted.report_id,)), (
        "each call has an answer of its own"
    )
    assert (accepted.planned_id, accepted.replaces) == (plan, (plan, accepted.report_id))


def test_every_reason_for_silence_is_reached_by_a_test_of_this_room():
    here = {
        Quiet.SAME_CUSTOMER,
        Quiet.NO_RECIPIENT,
        Quiet.LEFT,
        Quiet.STALE_REVISION,
        Quiet.NOTHING_TO_TELL,
        Quiet.ETR_MOVED_LITTLE,
        Quiet.ALREADY_TOLD,
    }
    in_the_table = {Quiet.ETR_PAST, Quiet.ETR_NOT_PASSED, Quiet.ETR_WITHDRAWN, Quiet.INCIDENT_CANCELLED}
    where_links_are_stored = {Quiet.UNLINKED}  # tests/integration/notify/test_links.py
    when_it_is_sent = {Quiet.QUIET_HOURS}  # tests/integration/notify/test_quiet_hours.py
    assert here | in_the_table | where_links_are_stored | when_it_is_sent == set(Quiet)


@pytest.mark.parametrize(
    ("etrs", "back", "held"),
    [((120,), 110, "held"), ((120,), 120, "held"), ((120,), 121, "missed"), ((60, 120), 110, "held"), ((), 50, "none")],
)
def test_whether_the_last_time_that_was_told_held_is_counted(memory, snapshots, etrs, back, held):
    memory.take(
        [snapshots.changed(1, 1, joined=[snapshots.member(1, 1), snapshots.member(2, 1), snapshots.member(3, 3)])]
    )
    for revision, etr in enumerate(etrs, 2):
        memory.take([snapshots.changed(1, revision, etr=snapshots.now + timedelta(minutes=etr))])

    over = snapshots.now + timedelta(minutes=back)
    memory.take([snapshots.changed(1, 9, state=IncidentState.RESTORED, restored_at=over)])

    assert memory.held == {Held(held): 2}, "by customer, not by report"


def test_a_time_that_was_never_sent_or_told_of_an_outage_before_does_not_count_as_held(memory, snapshots):
    etr = snapshots.now + timedelta(minutes=120)
    memory.take([snapshots.changed(1, 1, joined=[snapshots.member(1, 1)])])
    memory.sends = False
    memory.take([snapshots.changed(1, 2, etr=etr)])
    memory.take([snapshots.changed(1, 3, etr=etr, state=IncidentState.RESTORED, restored_at=snapshots.now)])
    assert memory.held == {Held.NONE: 1}

    memory.send()
    memory.take([snapshots.changed(1, 4)])
    memory.take([snapshots.changed(1, 5, state=IncidentState.RESTORED, restored_at=snapshots.now)])
    assert memory.held == {Held.NONE: 2}
