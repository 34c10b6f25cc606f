"""The handler on a real Postgres: what it saves, what it locks, what it costs."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.messages import ReportSettled
from services.contracts.values import IncidentState, ProgressStage
from services.notify.domain.notice import recipient_id
from tests.integration.notify.conftest import Desk
from tests.integration.notify.test_links import heard
from tests.unit.notify.snapshots import ACTIONS, NOW, SETTLED, Dedup, Memory, Snapshots

pytestmark = pytest.mark.integration

ETR = NOW + timedelta(hours=2)
RESTORED = IncidentState.RESTORED


def settled(report=1, customer=1, outcome="needs_person", reason="device_unknown", minute=0, **said):
    fields = Snapshots.member(report, customer).model_dump(include=SETTLED)
    at = NOW + timedelta(minutes=minute)
    return ReportSettled(**fields, area="S1", outcome=outcome, reason=reason, settled_at=at, **said)


async def test_that_a_person_placed_a_report_is_told_by_its_incident_alone(desk):
    await desk.take(settled())
    assert await desk.take(settled(outcome="in_incident", reason="same_device", minute=5)) == 0
    assert [row["stage"] for row in await desk.notices()] == ["with_person"]
    assert await desk.pool.fetchval("SELECT outcome FROM report") == "in_incident"
    assert await desk.take(desk.make.changed(1, 1, joined=[desk.make.member(1, 1)], minute=5)) == 1


async def test_planned_work_that_was_entered_late_is_told_with_its_end_and_so_is_that_it_was_not_that(desk):
    """Two reports of one customer: each word of a dispatcher is told once."""
    plan = {"outcome": "answered", "reason": "planned_outage", "expected_at": ETR, "command_id": UUID(int=1)}
    back = {"outcome": "in_incident", "reason": "plan_withdrawn", "command_id": UUID(int=2), "incident_id": UUID(int=9)}
    members = [desk.make.member(1, 1), desk.make.member(2, 1)]
    await desk.take(desk.make.changed(1, 1, joined=members))
    covered = desk.make.changed(1, 2, state=IncidentState.CANCELLED, left=(1, 2))
    assert await desk.take(covered, settled(1, 1, **plan, minute=2), settled(2, 1, **plan, minute=2)) == 1
    assert await desk.take(settled(1, 1, **plan, minute=2)) == 0, "told again, it is known"
    assert await desk.pool.fetchval("SELECT expected_at FROM report LIMIT 1") == ETR
    reopened = desk.make.changed(1, 3, joined=members)
    assert await desk.take(reopened, settled(1, 1, **back, minute=3), settled(2, 1, **back, minute=3)) == 1

    told = [(row["stage"], row["template"], row["etr"]) for row in await desk.notices()]
    assert told == [("received",) * 2 + (None,), ("answered", "answered_planned", ETR), ("received",) * 2 + (None,)]


async def test_an_end_of_planned_work_that_moves_is_told_once_and_takes_the_place_of_what_was_not_sent(desk):
    """Two reports of one customer and one of another; the plan's end moves a little, then much, then is withdrawn."""
    step = desk.templates().calm.usual
    plan = {"outcome": "answered", "reason": "planned_outage", "planned_id": UUID(int=7)}
    reports = [(1, 1), (2, 1), (3, 3)]

    def ends(at, command, minute, before=None):
        said = {**plan, "expected_at": at, "command_id": UUID(int=command), "expected_before": before}
        return [settled(*one, **said, minute=minute) for one in reports]

    assert await desk.take(*ends(ETR, 1, 1)) == 2
    assert await desk.take(*ends(ETR + step, 2, 2, before=ETR)) == 0
    later = ETR + step + timedelta(minutes=1)
    for word in ends(later, 3, 3, before=ETR + step):
        await desk.take(word)
    assert await desk.take(*ends(later, 3, 3, before=ETR + step)) == 0, "told again, it is known"
    assert Counter(await desk.states()) == {("answered", "superseded"): 2, ("etr_changed", "pending"): 2}
    assert {row["etr"] for row in await desk.notices() if row["state"] == "pending"} == {later}
    assert await desk.pool.fetch("SELECT DISTINCT expected_at FROM report") == [(later,)], "who asks hears the same"

    back = {"outcome": "in_incident", "reason": "plan_withdrawn", "planned_id": UUID(int=7), "command_id": UUID(int=4)}
    assert await desk.take(*[settled(*one, **back, incident_id=UUID(int=9), minute=4) for one in reports]) == 2
    assert Counter(state for _, state in await desk.states()) == {"superseded": 4, "pending": 2}


async def test_who_called_under_planned_work_hears_once_that_it_is_an_outage_or_that_power_is_back(desk):
    """Two reports of one customer and one of another; withdrawn, the incident that they join tells them."""
    plan = {"outcome": "answered", "reason": "planned_outage", "planned_id": UUID(int=7)}
    reports = [(1, 1), (2, 1), (3, 3)]
    assert await desk.take(*[settled(*one, **plan, expected_at=ETR) for one in reports]) == 3
    back = {**plan, "reason": "already_restored"}
    assert await desk.take(settled(3, 3, **back, minute=4)) == 1
    assert await desk.take(settled(3, 3, **back, minute=4)) == 0, "told again, it is known"

    gone = {"outcome": "in_incident", "reason": "not_planned_after_all", "planned_id": UUID(int=7)}
    words = [settled(*one, **gone, incident_id=UUID(int=9), command_id=UUID(int=4), minute=5) for one in reports[:2]]
    opened = desk.make.changed(9, 1, joined=[desk.make.member(1, 1), desk.make.member(2, 1)])
    assert await desk.take(*words, opened) == 1
    told = [(row["stage"], row["state"]) for row in await desk.notices()]
    assert Counter(told) == {
        ("answered", "superseded"): 3,
        ("restored", "pending"): 1,
        ("received", "pending"): 1,
    }


ACCEPTED = {"outcome": "answered", "reason": "planned_outage", "planned_id": UUID(int=7), "expected_at": ETR}
BACK = {"outcome": "in_incident", "planned_id": UUID(int=7)}


@pytest.mark.parametrize("at_once", [True, False])
async def test_what_planned_work_promised_and_was_not_sent_is_not_said_after_a_newer_word(desk, at_once):
    """Accepted, taken back and accepted, all within what a failed attempt waits; in one batch, or one by one."""
    steps = [
        settled(**ACCEPTED, command_id=UUID(int=1), minute=1),
        settled(**BACK, reason="undone_by_person", incident_id=UUID(int=9), command_id=UUID(int=2), minute=2),
        settled(**ACCEPTED, command_id=UUID(int=3), minute=3),
    ]
    for batch in [steps] if at_once else [[one] for one in steps]:
        await desk.take(*batch)
    assert await desk.states() == [("answered", "superseded"), ("received", "superseded"), ("answered", "pending")]


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_promise_not_sent_is_dropped_where_the_incident_has_nothing_new_to_say(desk, at_once):
    """Their first report is in the incident, of which they know; their second was answered by the plan."""
    await desk.take(desk.make.changed(9, 1, joined=[desk.make.member(1, 1)]))
    gone = settled(2, 1, **BACK, reason="not_planned_after_all", incident_id=UUID(int=9), minute=5)
    for batch in [[settled(2, 1, **ACCEPTED), gone]] if at_once else [[settled(2, 1, **ACCEPTED)], [gone]]:
        await desk.take(*batch)
    assert await desk.take(desk.make.changed(9, 2, joined=[desk.make.member(2, 1)], minute=5)) == 0
    assert await desk.states() == [("received", "pending"), ("answered", "superseded")]
    assert await desk.take(settled(2, 1, **ACCEPTED, command_id=UUID(int=6), minute=8)) == 1, (
        "and is told once it is so"
    )


@pytest.mark.parametrize("others", [0, 1])
async def test_an_accepted_plan_takes_the_place_of_what_the_incident_has_not_sent(desk, others):
    """Unless another report of the customer is left in the incident: its word is of that, too."""
    members = [desk.make.member(1 + n, 1) for n in range(1 + others)]
    await desk.take(desk.make.changed(9, 1, joined=members))
    covered = settled(**ACCEPTED, command_id=UUID(int=11), minute=2)
    assert await desk.take(covered, desk.make.changed(9, 2, left=[1], minute=2)) == 1

    state = "pending" if others else "superseded"
    assert await desk.states() == [("received", state), ("answered", "pending")]


@pytest.mark.parametrize("sent", [False, True])
async def test_an_estimate_not_sent_before_planned_work_was_accepted_is_told_when_that_is_undone(desk, sent):
    """Sent, they know it, and hear only that it is no planned work; else it is the first word of the outage."""
    members = [desk.make.member(1, 1)]
    await desk.take(desk.make.changed(9, 1, joined=members))
    await desk.take(desk.make.changed(9, 2, etr=ETR, minute=1))
    if sent:
        await desk.pool.execute("UPDATE notice SET state = 'sent' WHERE stage = 'etr_set'")
    covered = settled(**ACCEPTED, command_id=UUID(int=11), minute=2)
    await desk.take(covered, desk.make.changed(9, 3, etr=ETR, left=[1], minute=2))
    undone = settled(**BACK, reason="undone_by_person", incident_id=UUID(int=9), command_id=UUID(int=12), minute=3)
    assert await desk.take(desk.make.changed(9, 4, etr=ETR, joined=members, minute=3), undone) == 1
    last = (await desk.notices())[-1]
    assert (last["stage"], last["etr"], last["state"]) == (
        ("received", None, "pending") if sent else ("joined_known", ETR, "pending")
    )


async def test_a_plans_word_that_comes_after_a_newer_one_of_the_incident_is_not_told(desk):
    """The incident's partition is ahead: accepted, taken back, and the crew's estimate is told already."""
    await desk.take(desk.make.changed(9, 1, joined=[desk.make.member(1, 1)]))
    await desk.take(desk.make.changed(9, 2, left=[1], minute=2))
    await desk.take(desk.make.changed(9, 3, joined=[desk.make.member(1, 1)], etr=ETR, minute=4))
    undone = settled(**BACK, reason="undone_by_person", incident_id=UUID(int=9), command_id=UUID(int=12), minute=3)
    assert await desk.take(settled(**ACCEPTED, command_id=UUID(int=11), minute=2), undone) == 0
    assert await desk.states() == [("received", "superseded"), ("etr_set", "pending")]


async def test_the_end_of_another_plan_takes_the_place_of_what_the_first_promised(desk):
    """The same work was entered twice and once cancelled."""
    await desk.take(settled(**ACCEPTED))
    moved = {**ACCEPTED, "planned_id": UUID(int=8), "expected_before": ETR, "expected_at": ETR + timedelta(hours=2)}
    assert await desk.take(settled(**moved, command_id=UUID(int=4), minute=1)) == 1
    assert await desk.states() == [("answered", "superseded"), ("etr_changed", "pending")]


async def test_a_clock_that_is_hours_ahead_keeps_the_new_end_of_planned_work_from_nobody(desk):
    plan = {"outcome": "answered", "reason": "planned_outage", "planned_id": UUID(int=7)}
    await desk.take(settled(**plan, expected_at=ETR))
    later = {"expected_at": ETR + timedelta(hours=1), "expected_before": ETR, "command_id": UUID(int=2)}
    assert await desk.take(settled(**plan, **later, minute=2), now=NOW + timedelta(hours=16)) == 1


async def test_steps_in_one_batch_are_compared_with_one_another(desk):
    step = desk.templates().calm.usual
    said = {"outcome": "answered", "reason": "planned_outage", "planned_id": UUID(int=7)}
    first = settled(1, 1, **said, expected_at=ETR, command_id=UUID(int=1), minute=1)
    far = {"expected_at": ETR + 2 * step, "expected_before": ETR, "command_id": UUID(int=2)}
    near = {"expected_at": ETR + 2.5 * step, "expected_before": ETR + 2 * step, "command_id": UUID(int=3)}
    assert await desk.take(first, settled(1, 1, **said, **far, minute=2), settled(1, 1, **said, **near, minute=3)) == 2
    assert [(row["stage"], row["etr"]) for row in await desk.notices()] == [
        ("answered", ETR),
        ("etr_changed", ETR + 2 * step),
    ]


async def test_a_notice_waits_in_the_queue_with_all_that_sending_needs(desk):
    made = await desk.take(desk.make.changed(1, 1, joined=[desk.make.member(1, 1)]))

    (row,) = await desk.notices()
    assert made == 1
    assert desk.woken == 1
    assert (row["stage"], row["state"], row["attempts"], row["channel"]) == ("received", "pending", 0, "sms")
    assert row["caused_at"] == NOW + timedelta(minutes=1)
    assert row["rules"] == desk.templates().digest
    address = await desk.pool.fetchval("SELECT address FROM recipient WHERE recipient_id = $1", row["recipient_id"])
    assert address == "13800000001"


async def test_personal_data_is_in_one_table(desk):
    await desk.take(desk.make.changed(1, 1, joined=[desk.make.member(1, 1)]), settled(2, 1))

    for table in ("incident", "report", "subscription", "notice"):
        rows = await desk.pool.fetch(f"SELECT {table}::text AS text FROM {table}")  # noqa: S608 - names of ours
        assert rows
        assert not any("13800000001" in row["text"] for row in rows)


async def test_a_newer_notice_takes_the_place_of_one_not_sent_yet(desk):
    await desk.take(desk.make.changed(1, 1, joined=[desk.make.member(1, 1), desk.make.member(2, 2)]))
    await desk.take(desk.make.changed(1, 2, etr=ETR))
    await desk.take(desk.make.changed(1, 3, state=RESTORED))

    assert Counter(await desk.states()) == {
        ("received", "superseded"): 2,
        ("etr_set", "superseded"): 2,
        ("restored", "pending"): 2,
    }
    by_id = {row["notice_id"]: row for row in await desk.notices()}
    for row in by_id.values():
        if row["state"] == "superseded":
            successor = by_id[row["superseded_by"]]
            assert successor["recipient_id"] == row["recipient_id"]
            assert successor["seq"] > row["seq"]


async def test_a_move_takes_the_unsent_word_of_the_old_incident_along(desk):
    member = desk.make.member(1, 1)
    await desk.take(desk.make.changed(1, 1, joined=[member]))
    await desk.take(desk.make.changed(1, 2, etr=ETR, minute=2))
    await desk.take(desk.make.changed(1, 3, etr=ETR, left=[1], minute=3))
    await desk.take(desk.make.changed(2, 1, etr=ETR + timedelta(hours=3), joined=[member], minute=3))

    assert await desk.states() == [("received", "superseded"), ("etr_set", "superseded"), ("etr_changed", "pending")]


async def test_a_move_leaves_the_unsent_word_of_the_old_incident_where_another_report_of_theirs_stays(desk):
    """Two homes in one outage; one of them is in another outage then, which is first to be told of."""
    members = [desk.make.member(1, 1), desk.make.member(2, 1)]
    await desk.take(desk.make.changed(1, 1, joined=members))
    await desk.take(desk.make.changed(2, 1, joined=[members[1]], minute=2))  # before the record of its leaving
    await desk.take(desk.make.changed(1, 2, left=[2], minute=2))
    await desk.take(desk.make.changed(1, 3, state=RESTORED))
    await desk.take(desk.make.changed(2, 2, etr=ETR))

    assert await desk.states() == [("received", "superseded"), ("restored", "pending"), ("etr_set", "pending")]


async def test_an_estimate_that_no_more_holds_of_one_report_is_told_of_another_that_stays(desk):
    members = [desk.make.member(1, 1), desk.make.member(2, 1)]
    await desk.take(desk.make.changed(1, 1, joined=members, etr=ETR))
    await desk.take(desk.make.changed(1, 2, left=[2], etr=ETR), desk.make.changed(2, 1, joined=[members[1]], minute=2))

    assert ("joined_known", "pending") in await desk.states()


@pytest.mark.parametrize("sent", [True, False])
async def test_an_estimate_not_sent_is_not_told_once_the_report_is_in_an_outage_without_one(desk, sent):
    """A dispatcher moved it. Who was sent nothing at all yet hears of the outage; back again, the estimate is told."""
    member = desk.make.member(1, 1)
    await desk.take(desk.make.changed(101, 1, joined=[member]))
    if sent:
        await desk.pool.execute("UPDATE notice SET state = 'sent'")
    await desk.take(desk.make.changed(101, 2, etr=ETR, minute=1))
    await desk.take(desk.make.changed(101, 3, etr=ETR, left=[1], minute=2))
    await desk.take(desk.make.changed(102, 1, joined=[member], minute=2))
    moved = [("received", "sent"), ("etr_set", "superseded")]
    opened = [("received", "superseded"), ("etr_set", "superseded"), ("received", "pending")]
    assert await desk.states() == (moved if sent else opened)

    await desk.take(desk.make.changed(102, 2, left=[1], minute=3))
    await desk.take(desk.make.changed(101, 4, etr=ETR, joined=[member], minute=3))
    last = (await desk.notices())[-1]
    assert (last["stage"], last["etr"], last["state"]) == ("etr_set", ETR, "pending")


async def test_a_settled_report_is_told_once_and_a_later_settlement_replaces_the_first_for_who_asks(desk):
    assert await desk.take(settled(), settled(minute=1, reason="place_unknown")) == 1
    assert await desk.take(settled(minute=2, outcome="answered", reason="arrears")) == 1
    assert await desk.take(settled(minute=1, outcome="answered", reason="already_restored")) == 0

    assert await desk.states() == [("with_person", "superseded"), ("answered", "pending")]
    row = await desk.pool.fetchrow("SELECT outcome, reason FROM report")
    assert tuple(row) == ("answered", "arrears")


@pytest.mark.parametrize(("sent", "state"), [(True, "sent"), (False, "superseded")])
async def test_a_person_first_and_an_incident_later_are_told_in_that_order_or_the_later_alone(desk, sent, state):
    """Unsent, the first waits for its next attempt, and would come after the second; another report has its own."""
    await desk.take(settled(), settled(2, 1))
    if sent:
        await desk.pool.execute("UPDATE notice SET state = 'sent'")
    await desk.take(desk.make.changed(101, 1, joined=[desk.make.member(1, 1)], minute=1))

    of = {row["report_id"].int: row["state"] for row in await desk.notices(stage="with_person")}
    assert of == {1: state, 2: "sent" if sent else "pending"}
    assert (await desk.states())[-1] == ("received", "pending")


async def test_an_incident_that_is_ahead_of_the_person_who_looked_into_the_report_first_has_the_last_word(desk):
    """Of one batch or of another partition, with the person's word behind."""
    joined = desk.make.changed(101, 1, joined=[desk.make.member(1, 1)], minute=1)
    assert await desk.take(settled(), joined) == 1
    assert await desk.take(settled(reason="place_unknown")) == 0
    assert await desk.states() == [("received", "pending")]


async def test_an_estimate_not_sent_is_not_told_once_a_person_looks_into_the_report_again(desk):
    """A dispatcher had placed it there, and takes that back; another customer's report is left there."""
    members = [desk.make.member(n, n) for n in (1, 2)]
    await desk.take(desk.make.changed(101, 1, joined=members, etr=ETR, minute=1))
    unplaced = settled(minute=2, reason="undone_by_person", command_id=UUID(int=11))
    assert await desk.take(desk.make.changed(101, 2, left=[1], etr=ETR, minute=2), unplaced) == 1

    assert await desk.states() == [
        ("joined_known", "superseded"),
        ("joined_known", "pending"),
        ("with_person", "pending"),
    ]


async def test_what_was_not_sent_before_a_person_looked_into_the_report_is_told_when_it_is_placed_again(desk):
    member = desk.make.member(1, 1)
    await desk.take(desk.make.changed(101, 1, joined=[member]))
    await desk.pool.execute("UPDATE notice SET state = 'sent'")
    await desk.take(desk.make.changed(101, 2, etr=ETR, minute=1))
    unplaced = settled(minute=2, reason="undone_by_person", command_id=UUID(int=11))
    await desk.take(desk.make.changed(101, 3, left=[1], etr=ETR, minute=2), unplaced)
    assert await desk.take(desk.make.changed(101, 4, joined=[member], etr=ETR, minute=3)) == 1
    assert (await desk.notices())[-1]["stage"] == "etr_set"


async def test_an_answer_to_who_asked_does_not_come_after_a_newer_word_or_answer(desk):
    member = desk.make.member(1, 1)
    await desk.take(desk.make.changed(101, 1, joined=[member], etr=ETR))
    await desk.pool.execute("UPDATE notice SET state = 'sent'")
    address = member.recipient.address
    await desk.take(heard("asks_status", address))
    await desk.take(heard("asks_status", address, number=2))
    await desk.take(desk.make.changed(101, 2, state=RESTORED))

    assert await desk.states() == [
        ("joined_known", "sent"),
        ("asked", "superseded"),
        ("asked", "superseded"),
        ("restored", "pending"),
    ]


async def test_a_rolled_back_batch_leaves_nothing_and_comes_again(desk):
    change = desk.make.changed(1, 1, joined=[desk.make.member(1, 1)])
    async with desk.pool.acquire() as connection:
        outer = connection.transaction()
        await outer.start()
        assert await desk.handle(connection, [change]) == 1
        await outer.rollback()
    assert await desk.notices() == []

    assert await desk.take(change) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), actions=ACTIONS)
def test_the_store_loads_all_that_a_decision_needs(event_loop_pool, data, actions):
    """With Postgres beneath and with everything in memory, every batch makes the same notices."""
    desk, run = event_loop_pool
    dedup = Dedup(Snapshots())
    for action in actions:
        dedup.act(action)
    order = data.draw(st.permutations(dedup.sent))
    order += data.draw(st.lists(st.sampled_from(order), max_size=4))
    memory = Memory(sends=False)

    async def compare():
        await desk.pool.execute("TRUNCATE incident, recipient, report, subscription, notice")
        rest = order
        while rest:
            size = data.draw(st.integers(1, 5))
            batch, rest = rest[:size], rest[size:]
            expected = {one.notice_id for one in memory.take(batch)}
            before = {row["seq"] for row in await desk.notices()}
            await desk.take(*batch, now=memory.now)
            assert {row["notice_id"] for row in await desk.notices() if row["seq"] not in before} == expected

    run(compare())


async def test_a_word_that_was_out_of_date_for_a_while_and_reached_nobody_is_said_where_it_is_due_again(desk):
    """Their report went to another outage before it was sent; a second of theirs is in the first, and comes late."""
    first, second = desk.make.member(1, 1), desk.make.member(2, 1)
    await desk.take(desk.make.changed(1, 1, joined=[first]))
    await desk.take(desk.make.changed(1, 5, etr=ETR))
    await desk.take(desk.make.changed(1, 4, left=[1]), desk.make.changed(2, 1, joined=[first], minute=4))
    assert (await desk.states())[-2:] == [("etr_set", "superseded"), ("received", "pending")]

    assert await desk.take(desk.make.changed(1, 2, joined=[second])) == 1
    [said] = await desk.notices(stage="etr_set", state="pending")
    assert (said["ticket_ref"], said["superseded_by"]) == ("REF-2", None)
    assert (await desk.notices())[-1] == said, "it is the newest word"
    assert await desk.take(desk.make.changed(1, 2, joined=[second])) == 0, "told again, it is known"


@pytest.fixture
def event_loop_pool(database_dsn, templates):
    """A desk on an event loop of its own, for tests that hypothesis calls many times."""
    from services.notify.__main__ import SCHEMA
    from services.runtime.migration import migrate
    from services.runtime.pool import open_pool

    with asyncio.Runner() as runner:
        runner.run(migrate(database_dsn, "notify", SCHEMA))
        pool = runner.run(open_pool(database_dsn, schema="notify", size=2))
        yield Desk(pool, templates), runner.run
        runner.run(pool.close())


async def at_the_same_moment(desk, first, second):
    """Handle two batches as two processes would, overlapping; return how many notices the second made."""
    async with desk.pool.acquire() as one, desk.pool.acquire() as other:
        held = one.transaction()
        await held.start()
        assert await desk.handle(one, [first]) == 1
        waiting = asyncio.create_task(desk.handle(other, [second]))
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done, "the second must wait until the first has committed"
        await held.commit()
        return await waiting


async def test_two_incidents_on_two_partitions_do_not_receive_one_report_twice(desk):
    member = desk.make.member(1, 1)
    first = desk.make.changed(1, 1, joined=[member], minute=1)
    second = desk.make.changed(2, 1, joined=[member], minute=2)

    assert await at_the_same_moment(desk, first, second) == 0
    assert await desk.states() == [("received", "pending")]


async def test_a_customer_who_moves_while_the_old_incident_speaks_hears_it_once(desk):
    member = desk.make.member(1, 1)
    await desk.take(desk.make.changed(1, 1, joined=[member], minute=1))
    old = desk.make.changed(1, 2, etr=ETR, minute=2)
    new = desk.make.changed(2, 1, etr=ETR, joined=[member], minute=3)

    assert await at_the_same_moment(desk, old, new) == 0
    assert await desk.states() == [("received", "superseded"), ("etr_set", "pending")]


async def test_a_second_report_finds_its_customer_told_by_the_incident_their_first_came_from(desk):
    first = desk.make.member(1, 1)
    await desk.take(desk.make.changed(1, 1, joined=[first], minute=1))
    await desk.take(desk.make.changed(1, 2, left=[1], minute=2), desk.make.changed(2, 1, joined=[first], minute=2))

    assert await desk.take(desk.make.changed(2, 2, joined=[desk.make.member(2, 1)], minute=3)) == 0
    assert await desk.states() == [("received", "pending")]

    parted, back = desk.make.changed(2, 3, left=[1], minute=4), desk.make.changed(1, 3, joined=[first], minute=4)
    assert await at_the_same_moment(desk, parted, back) == 0
    received = [(row["ticket_ref"], row["state"]) for row in await desk.notices()]
    assert received == [("REF-1", "pending"), ("REF-2", "pending")], "once they are two outages, each has its own word"


async def test_who_has_two_reports_in_an_outage_hears_nothing_new_where_one_of_them_leaves(desk):
    members = [desk.make.member(n, 1) for n in (1, 2)]
    await desk.take(desk.make.changed(1, 1, joined=members))
    assert await desk.take(desk.make.changed(1, 2, left=[1]), desk.make.changed(2, 1, joined=members[:1])) == 0


async def test_batches_that_share_customers_never_wait_in_a_circle(desk):
    """Many small transactions over the same customers in opposite orders, on several connections."""
    customers = range(1, 13)
    rounds = 6

    async def process(incident, order):
        for revision in range(1, rounds):
            members = [desk.make.member(100 * incident + n, n) for n in order]
            etr = ETR + timedelta(hours=revision)
            await desk.take(desk.make.changed(incident, revision, joined=members, etr=etr))

    await asyncio.gather(*(process(n, customers if n % 2 else reversed(customers)) for n in range(1, 7)))

    rows = await desk.notices()
    assert len({row["notice_id"] for row in rows}) == len(rows) == 6 * 12 * (rounds - 1)


@pytest.mark.parametrize("stops", [False, True])
async def test_a_batch_that_waits_for_a_customer_has_locked_none_who_comes_after_them(desk, stops):
    """It would wait in a circle with one that has locked the first and waits for the second."""
    who = [desk.make.member(n, n) for n in (1, 2)]
    await desk.take(desk.make.changed(1, 1, joined=who))
    first, second = sorted((recipient_id(one.recipient), one) for one in who)
    joined = [] if stops else [second[1].model_copy(update={"report_id": UUID(int=9)})]
    said = [heard("unlinked", second[1].recipient.address)] if stops else []
    lock = "SELECT FROM recipient WHERE recipient_id = $1 FOR NO KEY UPDATE"
    async with desk.pool.acquire() as other, other.transaction():
        await other.execute(lock, first[0])
        batch = asyncio.create_task(desk.take(desk.make.changed(1, 2, joined=joined, etr=ETR), *said))
        async with asyncio.timeout(20):
            while not await desk.pool.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                await asyncio.sleep(0.01)
        await other.execute(f"{lock} NOWAIT", second[0])
    await batch


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("minute", [4, 5])
async def test_an_older_record_of_an_outage_says_nothing_of_a_report_that_was_answered_since(desk, minute, at_once):
    """They come on two topics: the customer read that it is planned work, and then that it is a known outage."""
    crew = {"stage": ProgressStage.ARRIVED, "etr": ETR, "minute": minute}
    joined = desk.make.changed(9, 6, **crew, joined=[desk.make.member(1, 1), desk.make.member(2, 2)])
    steps = [settled(**ACCEPTED, command_id=UUID(int=1), minute=5), joined]
    made = [await desk.take(*batch) for batch in ([steps] if at_once else [[one] for one in steps])]
    assert sum(made) == 2
    assert await desk.take(desk.make.changed(9, 7, **crew | {"etr": ETR + timedelta(hours=1)})) == 1, "of the other"
    assert await desk.take(desk.make.changed(9, 8, left=(1,), **crew)) == 1, "so it is with them"
    assert [row["stage"] for row in await desk.notices(report_id=UUID(int=1))] == ["answered"]


@pytest.mark.parametrize("known", [True, False])
async def test_a_report_that_was_answered_and_is_in_an_outage_again_is_told_by_it_also_of_the_same_instant(desk, known):
    said = [settled(**ACCEPTED, minute=5)] if known else []
    back = settled(**BACK, reason="not_planned_after_all", incident_id=UUID(int=9), minute=5)
    await desk.take(*said, back.model_copy(update={"recipient": None}))
    assert await desk.take(desk.make.changed(9, 1, joined=[desk.make.member(1, 1)], minute=5)) == 1
    assert await desk.take(desk.make.changed(9, 2, etr=ETR, minute=6)) == 1


async def statements_of(desk, messages):
    seen = []
    async with desk.pool.acquire() as connection:
        connection.add_query_logger(logger := lambda record: seen.append(record.query))
        await desk.handle(connection, messages)
        connection.remove_query_logger(logger)
    return len(seen)


async def test_a_batch_costs_the_same_number_of_statements_whatever_its_size(desk):
    def storm(size, start):
        return [
            change
            for n in range(start, start + size)
            for change in (
                desk.make.changed(n, 1, joined=[desk.make.member(n, n)]),
                desk.make.changed(n, 2, etr=ETR),
                settled(10_000 + n, n),
            )
        ]

    async with desk.pool.acquire() as connection:
        await desk.handle(connection, storm(1, 1))  # the driver asks for types once a connection
    few, many = await statements_of(desk, storm(1, 2)), await statements_of(desk, storm(200, 1000))

    assert few == many
    assert many <= 17
