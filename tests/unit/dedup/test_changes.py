"""What a batch of several messages comes to: one revision an incident, every version of every order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.contracts.ids import derive
from services.contracts.messages import IncidentChanged, OrderVersion, OutageCommanded, PowerRestored, ReportSettled
from services.contracts.values import Channel, CommandAction, IncidentState, Recipient
from services.dedup.domain import AreaState, decide
from services.dedup.domain import changes as under_test
from services.dedup.domain.changes import Changes
from services.dedup.domain.events import OrderEvent
from tests.unit.dedup.timeline import a_report, minute

if TYPE_CHECKING:
    import pytest

    from services.contracts.messages import Message
    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree

AREA = "A0SU00000"


def batch(
    state: AreaState, *messages: Message
) -> tuple[list[OrderVersion], list[IncidentChanged], list[ReportSettled]]:
    changes = Changes(minute(9))
    for message in messages:
        changes.apply(state, decide(state, message, minute(9)), f"trace of {message.message_id}")
    told = [one.message for one in changes.messages()]
    orders = [one for one in told if isinstance(one, OrderVersion)]
    assert told[: len(orders)] == orders, "orders first"
    assert orders == [event.order for _, event in changes.events if isinstance(event, OrderEvent)], "every version"
    return (
        orders,
        [one for one in told if isinstance(one, IncidentChanged)],
        [one for one in told if isinstance(one, ReportSettled)],
    )


def test_many_reports_of_one_incident_are_one_revision(ieee123: Tree, rules: Rules) -> None:
    state = AreaState(AREA, ieee123, rules)
    reports = [a_report(AREA, "A0TR00023", f"r{n}", n / 10) for n in range(50)]
    orders, changed, _ = batch(state, *reports)

    (change,) = changed
    assert (change.revision, change.reports) == (1, 50)
    assert [member.report_id for member in change.joined] == [report.report_id for report in reports]
    assert len(orders) == 1


def test_a_report_that_leaves_and_comes_back_in_one_batch_did_neither_for_others(ieee123: Tree, rules: Rules) -> None:
    """Told to have joined and left at once, it was nobody's to whoever counts by revisions."""
    state = AreaState(AREA, ieee123, rules)
    _, (here, there), _ = batch(
        state, a_report(AREA, "A0TR00023", "here", -60), a_report(AREA, "A0TR00104", "there", 1)
    )
    said = {"area": AREA, "author": "dispatcher Li", "reason": "seen", "accepted_at": minute(5)}
    ends = {"incident_id": there.incident_id, "target_id": here.incident_id}
    merge, undo = derive("test", "merge"), derive("test", "undo")
    merged = OutageCommanded(command_id=merge, action=CommandAction.MERGE, **said, **ends)
    undone = OutageCommanded(command_id=undo, action=CommandAction.UNDO, undoes=merge, **said)
    _, changed, _ = batch(state, merged, undone)

    assert {one.incident_id: (one.reports, one.joined, one.left) for one in changed} == {
        one.incident_id: (1, (), ()) for one in (here, there)
    }


def test_who_is_in_no_incident_is_told_themselves(ieee123: Tree, rules: Rules) -> None:
    """The answer carries where they can be reached; of an incident its snapshot tells."""
    phone = Recipient(channel=Channel.PHONE, address="13800000000")
    answered = a_report(AREA, "A0TR00023", "arrears", 0, suspended=True).model_copy(update={"recipient": phone})
    nowhere = a_report(AREA, None, "nowhere", 1).model_copy(update={"recipient": phone})
    inside = a_report(AREA, "A0TR00026", "inside", 2).model_copy(update={"recipient": phone})
    _, changed, settled = batch(AreaState(AREA, ieee123, rules), answered, nowhere, inside)

    assert [(one.report_id, one.outcome, one.recipient) for one in settled] == [
        (answered.report_id, "answered", phone),
        (nowhere.report_id, "needs_person", phone),
    ]
    assert [member.recipient for change in changed for member in change.joined] == [phone]


def test_an_incident_that_opened_and_was_absorbed_in_one_batch_leaves_nobody_behind(
    ieee123: Tree, rules: Rules
) -> None:
    state = AreaState(AREA, ieee123, rules)
    reports = [a_report(AREA, f"A0TR00{n}", f"r{n}", at) for at, n in ((0, "026"), (10, "104"), (11, "023"))]
    orders, changed, _ = batch(state, *reports)

    survivor, absorbed = changed
    assert {member.report_id for member in survivor.joined} == {report.report_id for report in reports}
    assert (absorbed.state, absorbed.merged_into) == (IncidentState.CANCELLED, survivor.incident_id)
    assert (absorbed.joined, absorbed.left) == ((), ()), "nobody was ever told to be in it"
    assert [(o.version, o.status.value) for o in orders] == [
        (1, "issued"),
        (1, "issued"),
        (2, "cancelled"),
        (2, "updated"),
    ], "but its order was issued, and whoever has it must be told"


def test_a_report_that_moved_leaves_one_incident_and_joins_the_other(ieee123: Tree, rules: Rules) -> None:
    state = AreaState(AREA, ieee123, rules)
    told = ((0, "026"), (10, "104"), (11, "023"))
    first, second, third = (a_report(AREA, f"A0TR00{n}", f"r{n}", at) for at, n in told)
    batch(state, first, second)
    _, changed, _ = batch(state, third)

    by_state = {change.state: change for change in changed}
    assert by_state[IncidentState.CANCELLED].left == (second.message_id,)
    joined = {member.report_id for member in by_state[IncidentState.PREDICTED].joined}
    assert joined == {second.message_id, third.message_id}


def test_a_settlement_carries_what_telling_the_customer_needs(ieee123: Tree, rules: Rules) -> None:
    state = AreaState(AREA, ieee123, rules)
    report = a_report(AREA, None, "nowhere", 0)
    _, _, (settled,) = batch(state, report)

    assert (settled.outcome, settled.reason) == ("needs_person", "device_unknown")
    assert (settled.ticket_id, settled.ticket_ref) == (report.ticket_id, report.ticket_ref)


def test_a_long_list_of_members_is_told_in_several_revisions(
    ieee123: Tree, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "_JOINED", 20)
    state = AreaState(AREA, ieee123, rules)
    _, changed, _ = batch(state, *(a_report(AREA, "A0TR00023", f"r{n}", 0) for n in range(50)))

    assert [(change.revision, len(change.joined)) for change in changed] == [(1, 20), (2, 20), (3, 10)]


def test_no_more_leave_in_one_record_than_are_looked_at_at_once(ieee123: Tree, rules: Rules) -> None:
    """Whoever is told of a record looks at all who left, within one transaction."""
    state = AreaState(AREA, ieee123, rules)
    many = [a_report(AREA, "A0TR00023", f"r{n}", 0) for n in range(2500)]
    _, (target,), _ = batch(state, a_report(AREA, "A0TR00104", "elsewhere", -600))
    _, [there, *_], _ = batch(state, *many)
    said = {"area": AREA, "author": "dispatcher Li", "reason": "seen", "accepted_at": minute(9)}
    merge = OutageCommanded(
        **said,
        command_id=derive("test", "merge"),
        action=CommandAction.MERGE,
        incident_id=there.incident_id,
        target_id=target.incident_id,
    )
    _, changed, _ = batch(state, merge)
    of_the_merged = [one for one in changed if one.incident_id == there.incident_id]
    assert [len(one.left) for one in of_the_merged] == [1000, 1000, 500]
    assert {report for one in of_the_merged for report in one.left} == {one.report_id for one in many}


def test_the_trace_is_that_of_the_message_that_caused_it(ieee123: Tree, rules: Rules) -> None:
    state = AreaState(AREA, ieee123, rules)
    changes = Changes(minute(0))
    for n in range(2):
        report = a_report(AREA, "A0TR00023", f"r{n}", 0)
        changes.apply(state, decide(state, report, minute(0)), f"trace {n}")

    assert [told.traceparent for told in changes.messages()] == ["trace 0", "trace 1"]


def test_what_is_no_outage_of_all_under_a_device_says_so(ieee123: Tree, rules: Rules) -> None:
    """Who asks about a place must not hear that a neighbour's fuse, or a danger, is theirs; whose fuse it is must."""
    state = AreaState(AREA, ieee123, rules)
    _, changed, _ = batch(
        state,
        a_report(AREA, "A0TR00023", "street", 0, account="0000000021"),
        a_report(AREA, "A0TR00026", "own fuse", 1, only_mine=True, account="0000000023"),
        a_report(AREA, "A0TR00104", "wire", 2, hazards=("wire_down",)),
    )
    assert {change.device.id: (change.kind, change.account_id) for change in changed} == {
        "A0TR00023": (None, None),
        "A0TR00026": ("single", "0000000023"),
        "A0TR00104": ("hazard", None),
    }

    back = PowerRestored(
        area=AREA,
        restoration_id=derive("test", "own fuse"),
        device="A0TR00026",
        account_id="0000000023",
        restored_at=minute(8),
        received_at=minute(8),
    )
    _, (over,), _ = batch(state, back)
    assert (over.state, over.kind) == (IncidentState.RESTORED, "single")
    assert over.account_id is None, "the last record of an incident is kept for ever"
