"""How tickets stand for people, and the figures of what came of that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.values import Attachment, CustomerClass, Priority, TicketState
from services.router.domain.allowing import decide
from services.router.domain.deciding import route_again
from services.router.domain.desk import CLOCK_ATTRIBUTES, case_of, clock_of, following, turn_of, work_of
from services.router.domain.effects import evolve
from services.router.domain.kpi import Counts, figures
from services.router.domain.log import Did, Event, NotAllowedError
from services.router.domain.serving import Agent, lane_of, serves
from services.router.domain.sla import Clock
from services.router.domain.targets import Step
from services.router.domain.timing import WrapUp
from services.router.domain.versions import with_events, worked
from services.router.domain.work import Phase
from services.router.timers import passed
from services.router.tree.book import load_desk
from tests.unit.router.making import (
    DESK,
    MINUTE,
    NOON,
    NOWHERE,
    SHIPPED,
    SHIPPED_DESK,
    after,
    claimed,
    contact,
    done_by_time,
    home_of,
)

if TYPE_CHECKING:
    from services.router.domain.ticket import Ticket

TEXT = DESK.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("queues", "languages", "lane", "served"),
    [
        (("repair",), ("zh",), lane_of("repair", ("language:zh-Hans-CN",)), True),
        (("repair",), ("ZH-hans",), lane_of("repair", ("language:zh-Hans-CN",)), True),
        (("repair",), ("zh",), lane_of("repair.en", ("language:zh-Hans-CN",)), False),
        (("*",), ("mn",), lane_of("repair.minority", ("language:mn-Mong-CN",)), True),
        (("*",), ("mn-Mong",), lane_of("repair.minority", ("language:mn-Cyrl",)), False),
        (("*",), ("z",), lane_of("repair", ("language:zh-Hans-CN",)), False),
        (("*",), ("*",), lane_of("repair", ("language:bo-CN",)), True),
        (("repair",), ("en",), lane_of("repair"), True),
        (("repair",), ("zh",), lane_of("repair", ("area:S1", "high_voltage")), True),
        (("repair",), ("zh",), lane_of("repair", ("area:S1", "feeder:F1", "gas")), False),
    ],
)
def test_an_agent_serves_the_lanes_of_their_queues_and_languages(
    queues: tuple[str, ...], languages: tuple[str, ...], lane: str, served: bool
) -> None:
    assert (
        serves(
            Agent(agent_id="ann", queues=queues, languages=languages, skills=("area:*", "feeder:F1", "high_voltage")),
            lane,
        )
        is served
    )


def test_of_an_agent_is_asked_what_the_tree_says_and_of_a_ticket_that_a_person_moved_the_language_only() -> None:
    skills = ("language:zh-Hans-CN", "area:S1", "high_voltage")
    ticket = after(contact("1", text="查电费"))
    ticket = replace(ticket, taken=replace(ticket.taken, plan=(Step(0, "consultation", skills),)))
    assert turn_of(ticket, SHIPPED_DESK).lane == lane_of("consultation", skills)
    moved = worked(ticket, [Event(did=Did.REQUEUED, at=NOON, by="t", to_queue="complaint")], NOON)
    assert turn_of(moved, SHIPPED_DESK).lane == lane_of("complaint", skills[:1])


BY_PRIORITY = dict(zip(Priority, ("着火了", "停电了", "停电了，不知道在哪", "查电费"), strict=True))
HOMES = {Priority.URGENT: home_of(CustomerClass.IMPORTANT)}
PATTERN = {
    priority: after(contact(priority, text=text), located=HOMES.get(priority, NOWHERE))
    for priority, text in BY_PRIORITY.items()
}


def waiting(priority: Priority, opened: int) -> Ticket:
    pattern = PATTERN[priority]
    return replace(pattern, facts=replace(pattern.facts, opened_at=NOON + opened * MINUTE))


@settings(max_examples=40, deadline=None)
@given(
    starts=st.lists(st.integers(0, 3_000), min_size=4, max_size=4).map(lambda found: sorted(found, reverse=True)),
    victim=st.sampled_from(Priority),
    come=st.lists(st.lists(st.sampled_from(Priority), max_size=2), min_size=1, max_size=60),
    between=st.integers(1, 300),
)
def test_whatever_the_rules_and_whoever_comes_a_ticket_is_passed_only_by_those_of_its_bound(
    starts: list[int], victim: Priority, come: list[list[Priority]], between: int
) -> None:
    """One agent takes the first of those that wait whenever new ones have come, urgent ones without end."""
    spans = ", ".join(f"{priority.value}: {minutes}m" for priority, minutes in zip(Priority, starts, strict=True))
    shipped = "{emergency: 24h, urgent: 2h, high: 30m, normal: 0s}"
    assert shipped in TEXT
    rules = load_desk(str(DESK), TEXT.replace(shipped, f"{{{spans}}}"))
    mine = waiting(victim, 0)
    assert mine.priority is victim
    bound = (max(rules.head_start.values()) - rules.head_start[victim]) / MINUTE
    queue, opened, passed_by = [turn_of(mine, rules).rank_at], {turn_of(mine, rules).rank_at: [(victim, 0)]}, []
    for n, new in enumerate(come):
        for priority in new:
            rank = turn_of(waiting(priority, n * between), rules).rank_at
            queue.append(rank)
            opened.setdefault(rank, []).append((priority, n * between))
        first = min(queue)
        queue.remove(first)
        taken = opened[first].pop(0)
        if taken == (victim, 0):
            break
        passed_by.append(taken)
    assert all(at <= bound for _, at in passed_by)
    assert all(at <= 0 for priority, at in passed_by if priority is victim), "of one priority, the older goes first"


def test_a_ticket_stands_in_its_lane_by_priority_and_age_with_its_clock() -> None:
    plain, danger = after(contact("1", text="查电费")), after(contact("2", text="着火了", minutes=60))
    standing, urgent = turn_of(plain, SHIPPED_DESK), turn_of(danger, SHIPPED_DESK)
    assert standing.lane == lane_of("consultation", ("language:zh-Hans-CN",))
    assert standing.rank_at == NOON
    assert urgent.rank_at < standing.rank_at
    assert [due.stage for due in standing.due] == ["respond", "answer"]
    assert standing.wake_at == NOON + 0.75 * timedelta(minutes=5)
    assert turn_of(after(contact("3", text="停电了", account_id="A1")), SHIPPED_DESK).due == (), "dedup has it"


@pytest.mark.parametrize(
    ("ticket", "clock"),
    [
        (after(contact("1", text="着火了")), "danger"),
        (after(contact("2", text="停电了"), located=home_of(CustomerClass.LIFE_SUPPORT)), "life_support"),
        (after(contact("3", business_type="complaint")), "complaint"),
        (after(contact("4", business_type="praise")), "others"),
    ],
)
def test_the_first_clock_that_fits_is_the_tickets(ticket: Ticket, clock: str) -> None:
    found = clock_of(ticket, SHIPPED_DESK)
    assert found is not None
    assert found.name == clock


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("business_type", "fault_report"),
        ("fault", "voltage"),
        ("priority", "high"),
        ("customer_class", "vip"),
        ("channel", "web"),
        ("queue", "key_customers"),
    ],
)
def test_a_clock_can_be_for_what_a_ticket_is_about_who_it_is_of_and_where_it_waits(attribute: str, value: str) -> None:
    ticket = after(contact("1", text="电压低"), located=home_of(CustomerClass.VIP))
    assert attribute in CLOCK_ATTRIBUTES
    fits, not_ = (Clock("c", (), {attribute: frozenset(values)}) for values in ({value, "another"}, {"another"}))
    assert clock_of(ticket, replace(SHIPPED_DESK, clocks=(not_, fits))) is fits
    no_fault = after(contact("2", text="查电费"))
    assert clock_of(no_fault, replace(SHIPPED_DESK, clocks=(Clock("c", (), {"fault": frozenset({value})}),))) is None


def test_a_warning_of_what_is_done_by_now_is_none_of_the_ticket() -> None:
    late = after(contact("1", text="着火了"))
    while (change := passed(late, SHIPPED_DESK, NOON + 3 * MINUTE)).events:
        late = change.after
    assert turn_of(late, SHIPPED_DESK).level == 4, "nobody has responded for three times as long as they may"
    done = worked(late, [Event(did=Did.CLAIMED, at=NOON + 3 * MINUTE, by="t", agent="ann")], NOON)
    assert turn_of(done, SHIPPED_DESK).level == 0


def test_a_transfer_keeps_the_clock_and_a_merge_takes_the_earliest_start() -> None:
    ticket = claimed(after(contact("1", business_type="complaint")))
    moved = worked(ticket, [Event(did=Did.TRANSFERRED, at=NOON + timedelta(hours=1), by="t", to_queue="general")], NOON)
    due = {each.stage: each for each in turn_of(moved, SHIPPED_DESK).due}
    assert due["dispatch"].due_at == NOON + timedelta(minutes=20)
    assert due["dispatch"].met_at == NOON + timedelta(hours=1)
    early = Event(did=Did.CARRIED, at=NOON, by="t", ticket=ticket.ticket_id, opened_at=NOON - timedelta(hours=2))
    live = worked(ticket, [early], NOON)
    assert turn_of(live, SHIPPED_DESK).due[0].due_at == NOON - timedelta(minutes=100)
    released = worked(live, [Event(did=Did.RELEASED, at=NOON, by="t", ticket=ticket.ticket_id)], NOON)
    assert turn_of(released, SHIPPED_DESK).due[0].due_at == NOON + timedelta(minutes=20)


def test_who_was_not_reached_is_still_to_be_contacted() -> None:
    ticket = claimed(after(contact("1", text="着火了")))
    for minute, outcome, met in ((1, "not_reached", None), (2, "reached", NOON + 2 * MINUTE)):
        asked = Event(did=Did.CONTACTED, at=NOON + minute * MINUTE, by="t", agent="ann", outcome=outcome)
        ticket = worked(ticket, [asked], asked.at)
        assert {due.stage: due.met_at for due in turn_of(ticket, SHIPPED_DESK).due}["contact"] == met


@pytest.mark.parametrize(("minute", "in_time"), [(4, True), (6, False)])
def test_a_danger_whose_customer_was_contacted_in_time_is_handled_in_time(minute: int, *, in_time: bool) -> None:
    """However long it takes from there to its end: its clock, as everybody sees it, was kept."""
    ticket = claimed(after(contact("1", text="着火了")))
    for asked in (
        Event(did=Did.CONTACTED, at=NOON + minute * MINUTE, by="t", agent="ann", outcome="reached"),
        Event(did=Did.COMPLETED, at=NOON + 40 * MINUTE, by="t", agent="ann", outcome="solved"),
    ):
        event = decide(work_of(ticket), asked, case_of(ticket, SHIPPED_DESK))
        assert event is not None
        ticket = worked(ticket, [event], event.at)
    assert event.in_time is in_time


def test_who_ends_a_ticket_because_nobody_is_reached_has_ended_it_in_time() -> None:
    """Not reached is an outcome too: it is no attempt, after which somebody is still to call."""
    ticket = claimed(after(contact("1", text="着火了")))
    asked = Event(did=Did.COMPLETED, at=NOON + MINUTE, by="t", agent="ann", outcome="not_reached")
    done = worked(ticket, [asked], asked.at)
    assert work_of(done).elapsed.met["completed"] == asked.at
    assert not asked.is_attempt


def test_a_clock_runs_while_people_have_to_do_with_a_ticket() -> None:
    """An outage that dedup has has none, unless an agent has the ticket all the same; nor has what is done."""

    def stages(ticket: Ticket) -> int:
        return len(turn_of(ticket, SHIPPED_DESK).due)

    outage = after(contact("1", text="停电了", account_id="A1"))
    assert (outage.state, stages(outage)) == (TicketState.WITH_DEDUP, 0)
    assert stages(claimed(outage)) == 2
    question = claimed(after(contact("2", text="查电费")))
    assert stages(question) == 2
    done = Event(did=Did.COMPLETED, at=NOON + MINUTE, by="t", agent="ann", outcome="solved")
    ended = worked(question, [done], done.at)
    assert (ended.state, stages(ended), turn_of(ended, SHIPPED_DESK).wake_at) == (TicketState.QUEUED, 0, None)


def test_a_complaint_before_a_holiday_is_due_when_a_calendar_on_the_wall_says() -> None:
    """20 minutes, one working day, five working days, over National Day and a Saturday that is worked (2026)."""

    def at(day: str) -> datetime:
        return datetime.fromisoformat(f"2026-{day}+08:00")

    def due(of: Ticket) -> list[datetime | None]:
        return [each.due_at for each in turn_of(of, SHIPPED_DESK).due]

    def then(of: Ticket, did: Did, when: str, **told: object) -> Ticket:
        asked = Event.model_validate({"did": did, "at": at(when), "by": "t", **told})
        event = decide(work_of(of), asked, case_of(of, SHIPPED_DESK))
        assert event is not None
        return worked(of, [event], event.at)

    said = at("09-30T16:50")  # a Wednesday, ten minutes before they go home until the 8th
    ticket = after(contact("1", business_type="complaint", occurred_at=said, received_at=said))
    assert due(ticket) == [at("09-30T17:10"), at("10-08T16:50"), at("10-13T16:50")]
    assert case_of(ticket, SHIPPED_DESK).last_due == at("10-13T16:50"), "done by then, it is done in time"
    ticket = then(ticket, Did.CLAIMED, "10-08T09:00", agent="ann")
    ticket = then(ticket, Did.TRANSFERRED, "10-08T09:05", agent="ann", to_queue="general")
    ticket = then(ticket, Did.CLAIMED, "10-08T09:10", agent="bob")
    ticket = route_again(
        then(ticket, Did.RETURNED, "10-08T09:20", agent="bob", reason="other"), SHIPPED, at("10-08T09:20")
    )
    assert due(ticket) == [at("09-30T17:10"), at("10-08T16:50"), at("10-13T16:50")], "whoever has it"
    ticket = then(ticket, Did.PAUSED, "10-09T09:00", reason="customer")
    assert due(ticket) == [at("09-30T17:10"), at("10-08T16:50"), None]
    ticket = then(ticket, Did.RESUMED, "10-12T09:00", reason="customer")
    assert due(ticket)[2] == at("10-15T16:50"), "it stood still for two working days, the Saturday among them"
    other = contact("2").ticket_id
    ticket = then(ticket, Did.CARRIED, "10-12T10:00", ticket=other, opened_at=at("09-30T15:50"))
    assert due(ticket) == [at("09-30T16:10"), at("10-08T15:50"), at("10-15T15:50")], "from the first of their words"
    ticket = then(ticket, Did.RELEASED, "10-12T11:00", ticket=other)
    assert due(ticket) == [at("09-30T17:10"), at("10-08T16:50"), at("10-15T16:50")]
    warned = [each.at for each in (passed(ticket, SHIPPED_DESK, at("10-12T12:00")).events)]
    assert warned, "the contact is late by then"


def test_a_ticket_opened_again_takes_over_the_clock_of_what_is_merged_into_it_then_and_of_nothing_before() -> None:
    def event(did: Did, minutes: int, **told: object) -> Event:
        given = {"did": did, "at": NOON + minutes * MINUTE, "by": "t", **told}
        return Event.model_validate(given)

    def due(ticket: Ticket) -> object:
        return turn_of(ticket, SHIPPED_DESK).due[0].due_at

    old, other = (contact(name).ticket_id for name in ("old", "other"))
    ticket = claimed(after(contact("1", business_type="complaint")))
    done = [
        event(Did.CARRIED, 1, ticket=old, opened_at=NOON - 100 * MINUTE),
        event(Did.COMPLETED, 2, agent="ann", outcome="solved"),
        event(Did.REOPENED, 60),
    ]
    again = worked(ticket, done, NOON)
    assert due(again) == NOON + 80 * MINUTE, "20 minutes from when it was opened again"
    carrying = worked(again, [event(Did.CARRIED, 70, ticket=other, opened_at=NOON + 30 * MINUTE)], NOON)
    assert due(carrying) == NOON + 50 * MINUTE, "from the first word of the one who still waits"
    released = worked(carrying, [event(Did.RELEASED, 75, ticket=other)], NOON)
    assert due(released) == NOON + 80 * MINUTE


def test_a_warning_counts_for_the_clock_that_gave_it_and_is_never_given_twice() -> None:
    """As another matter, or without the older ticket it stood for, it is in time, and warned of before it is late."""

    def by(ticket: Ticket, *events: Event) -> Ticket:
        return worked(ticket, events, NOON)

    def warned(ticket: Ticket, now: datetime) -> tuple[Ticket, list[tuple[str | None, int | None]]]:
        found: list[tuple[str | None, int | None]] = []
        while (change := passed(ticket, SHIPPED_DESK, now)).events:
            ticket = change.after
            found += [(event.stage, event.level) for event in change.events if event.did is Did.ESCALATED]
        return ticket, found

    later = NOON + 60 * MINUTE
    question, early = after(contact("1", text="查电费")), contact("2").ticket_id
    ticket, found = warned(question, later)
    assert found == [("respond", 4)]
    service = after(contact("1", business_type="service_request"))
    corrected = replace(service, work=ticket.work)
    assert turn_of(corrected, SHIPPED_DESK).level == 0, "a working day has not gone by"
    paused = by(corrected, Event(did=Did.PAUSED, at=later, by="t", reason="customer"))
    assert turn_of(paused, SHIPPED_DESK).level == 0, "nor does it go by while its clock stands still"
    day = datetime(2026, 7, 2, 4, tzinfo=UTC)
    corrected, found = warned(corrected, day - MINUTE)
    assert found == [("respond", 2)]
    assert turn_of(corrected, SHIPPED_DESK).level == 2
    assert warned(replace(question, work=corrected.work), day)[1] == [], "told before"

    live = by(question, Event(did=Did.CARRIED, at=NOON, by="t", ticket=early, opened_at=NOON - 60 * MINUTE))
    live, found = warned(live, NOON)
    assert found == [("respond", 4)]
    alone = by(live, Event(did=Did.RELEASED, at=NOON, by="t", ticket=early))
    assert turn_of(alone, SHIPPED_DESK).level == 0
    alone, found = warned(alone, NOON + 4 * MINUTE)
    assert found == [("respond", 1)]
    again = by(alone, Event(did=Did.CARRIED, at=later, by="t", ticket=early, opened_at=NOON - 60 * MINUTE))
    assert warned(again, NOON + 4 * MINUTE)[1] == []


MOVES: dict[Did, dict[str, object]] = {
    Did.TRANSFERRED: {"to_queue": "general", "agent": "ann"},
    Did.RETURNED: {"reason": "other", "agent": "ann"},
    Did.REQUEUED: {"to_queue": "repair"},
    Did.LOST: {},
    Did.CLAIMED: {"agent": "ann"},
    Did.PAUSED: {"reason": "customer"},
    Did.RESUMED: {"reason": "customer"},
    Did.REPRIORITISED: {"priority": Priority.HIGH},
}


@settings(max_examples=60, deadline=None)
@given(acts=st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.integers(0, 6)), max_size=14))
def test_whoever_has_it_and_wherever_it_goes_a_clock_counts_from_the_first_word_but_for_its_pauses(
    acts: list[tuple[Did, int]],
) -> None:
    ticket, now, stands, still = after(contact("1", business_type="complaint")), NOON, False, set[int]()
    for did, minutes in acts:
        if stands:
            still |= {int((now - NOON) / MINUTE) + n for n in range(minutes)}
        now += minutes * MINUTE
        asked = Event.model_validate({"did": did, "at": now, "by": "test", **MOVES[did]})
        try:
            event = decide(work_of(ticket), asked, case_of(ticket, SHIPPED_DESK))
        except NotAllowedError:
            continue
        assert event is not None
        ticket = worked(ticket, [event], now)
        if did is Did.RETURNED:
            ticket = route_again(ticket, SHIPPED, now)
        stands = {Did.PAUSED: True, Did.RESUMED: False}.get(did, stands)
        ran, minute = 0, 0
        while ran < 20 and minute < 500:
            ran += minute not in still and not (stands and minute >= (now - NOON) / MINUTE)
            minute += 1
        due = turn_of(ticket, SHIPPED_DESK).due[0]
        assert due.stage == "dispatch"
        assert due.due_at == (NOON + minute * MINUTE if ran == 20 else None)


def test_a_new_danger_recalls_and_a_closed_ticket_opens_only_for_words() -> None:
    before = claimed(after(contact("1", thread="t", text="查电费")))
    said = contact("2", thread="t", text="着火了")
    [recalled] = following(before, after(said, before=before), said, SHIPPED_DESK, NOON)
    assert (recalled.did, recalled.agent) == (Did.RECALLED, "ann")
    closed = worked(before, [Event(did=Did.COMPLETED, at=NOON, by="t", agent="ann", outcome="solved")], NOON)
    ended = contact("3", thread="t", text=None)
    assert following(closed, after(ended, before=closed), ended, SHIPPED_DESK, NOON) == []
    recorded = contact("5", thread="t", text=None, attachments=(Attachment(kind="recording", ref="r"),))
    heard = following(closed, after(recorded, before=closed), recorded, SHIPPED_DESK, NOON)
    assert heard == [], "the recording of the call, stored when the agent is done"
    asked = contact("4", thread="t", text="又不对了")
    for free, kept_for in (({"bob"}, None), ({"ann", "bob"}, "ann")):
        [opened] = following(closed, after(asked, before=closed), asked, SHIPPED_DESK, NOON, free)
        until = NOON + SHIPPED_DESK.timings.hold if kept_for else None
        assert (opened.did, opened.to_agent, opened.until) == (Did.REOPENED, kept_for, until)
    assert closed.work is not None
    assert evolve(closed.work, opened).elapsed.start == NOON


def test_a_new_danger_makes_a_clock_that_stands_still_run_again() -> None:
    paused = Event(did=Did.PAUSED, at=NOON, by="t", reason="customer")
    before = worked(after(contact("1", thread="t", text="查电费")), [paused], NOON)
    assert {due.due_at for due in turn_of(before, SHIPPED_DESK).due} == {None}
    said = contact("2", thread="t", text="着火了")
    ticket = after(said, before=before)
    found = following(before, ticket, said, SHIPPED_DESK, NOON)
    assert [event.did for event in found] == [Did.RECALLED]
    due = turn_of(with_events(ticket, found), SHIPPED_DESK).due
    assert [each.stage for each in due] == ["respond", "contact"], "it is the clock of a danger"
    assert due[0].due_at == NOON + timedelta(seconds=60)


def test_what_time_did_is_one_change_a_version_so_that_the_topic_tells_each() -> None:
    """An offer has lapsed, the clock is late and the next target has its turn, all of it unseen until now."""
    late = NOON + timedelta(hours=2)
    offer = Event(did=Did.OFFERED, at=NOON, by="t", agent="ann", until=NOON + timedelta(seconds=20))
    ticket = worked(after(contact("1", text="སྐད་ཆ་འདྲི་རྒྱུ་ཡོད། གློག་མེད།", business_type="complaint")), [offer], NOON)
    assert len(ticket.taken.plan) > 1
    changes = []
    while (change := passed(ticket, SHIPPED_DESK, late)).after is not ticket:
        assert change.after.version == ticket.version + 1
        assert len(change.events) == (change.after.change != "moved_on")
        turn = turn_of(change.after, SHIPPED_DESK)
        ticket = change.after
        changes.append(ticket.change)
    assert turn.wake_at is not None
    assert turn.wake_at > late, "and then there is nothing more to do now"
    assert sorted(map(str, changes)) == ["escalated", "lapsed", "moved_on"]
    assert changes[0] == "lapsed"


@pytest.mark.parametrize(
    ("text", "minutes", "becomes"),
    [
        ("查电费", 10, Did.COMPLETED),
        ("我要投诉", 30, Did.REQUEUED),
        ("查电费 变压器着火了", 10, Did.REQUEUED),  # a danger, though its queue would end it
    ],
)
def test_who_never_ends_a_write_up_is_free_at_the_limit_of_the_queue(text: str, minutes: int, becomes: Did) -> None:
    ticket = after(contact("1", text=text))
    for did in (Did.CLAIMED, Did.WRAPPED_UP):
        event = decide(work_of(ticket), Event(did=did, at=NOON, by="t", agent="ann"), case_of(ticket, SHIPPED_DESK))
        assert event is not None
        ticket = worked(ticket, [event], NOON)
    over = NOON + timedelta(minutes=minutes)
    assert work_of(ticket).until == over
    wakes = turn_of(ticket, SHIPPED_DESK).wake_at
    assert wakes is not None
    assert wakes <= over
    assert becomes not in done_by_time(ticket, over - timedelta(seconds=1))
    [ended] = [each for each in done_by_time(ticket, over).values() if each.did is becomes]
    assert (ended.agent, ended.reason, ended.ended, ended.seconds) == ("ann", "wrap_up_over", "wrap_up", minutes * 60)
    assert SHIPPED_DESK.limited is None, "every queue has one"
    of_one = replace(SHIPPED_DESK, wrap_up={"complaint": WrapUp(MINUTE, completes=True)}, usual_wrap_up=None)
    assert of_one.limited == ("complaint",)
    for_ever = replace(SHIPPED_DESK, wrap_up={}, usual_wrap_up=None)
    assert case_of(ticket, for_ever).wrap_up is None
    assert for_ever.limited == ()


def test_a_write_up_that_began_without_a_limit_has_the_limit_of_the_rules_that_come_into_force() -> None:
    for_ever = replace(SHIPPED_DESK, wrap_up={}, usual_wrap_up=None)
    ticket = after(contact("1", text="查电费"))
    for did in (Did.CLAIMED, Did.WRAPPED_UP):
        event = decide(work_of(ticket), Event(did=did, at=NOON, by="t", agent="ann"), case_of(ticket, for_ever))
        assert event is not None
        ticket = worked(ticket, [event], NOON)
    assert work_of(ticket).until is None
    later = NOON + timedelta(hours=1)
    assert Did.LIMITED not in {event.did for event in passed(ticket, for_ever, later).events}
    assert turn_of(ticket, for_ever).wake_at != NOON
    assert turn_of(ticket, SHIPPED_DESK).wake_at == NOON, "at once, also when it only comes to a queue with a limit"
    limited = passed(ticket, SHIPPED_DESK, later)
    assert [event.did for event in limited.events] == [Did.LIMITED]
    work = work_of(limited.after)
    assert (work.phase, work.agent, work.since) == (Phase.WRAP_UP, "ann", NOON)
    assert work.until == later + timedelta(minutes=10), "from now on, not from when it began"
    assert Did.COMPLETED in done_by_time(limited.after, later + timedelta(minutes=10))


def test_a_call_given_up_is_counted_once() -> None:
    said = contact("1", thread="t", business_type="fault_report", unconfirmed=True)
    ticket = after(said)
    assert [each.did for each in following(None, ticket, said, SHIPPED_DESK, NOON)] == [Did.ABANDONED]
    assert (
        following(ticket, after(contact("2", thread="t", unconfirmed=True), before=ticket), said, SHIPPED_DESK, NOON)
        == []
    )


def test_figures_have_definitions_and_none_without_anything_to_count() -> None:
    counts = Counts(
        answered=8,
        answered_within=6,
        abandoned=2,
        completed=5,
        first=4,
        handle_s=500,
        after_s=100,
        busy_s=300,
        idle_s=100,
    )
    found = {figure.name: figure for figure in figures(counts, within_s=20, share=0.8, ring_s=9)}
    assert found["service_level"].value == 0.6
    assert found["answer_rate"].value == 0.8
    assert found["first_contact_resolution"].value == 0.8
    assert found["handle_time"].value == 100
    assert found["occupancy"].value == 0.75
    assert found["supervision"].value is None
    assert "20 s" in found["service_level"].definition
    assert all(figure.definition and figure.source for figure in found.values())
    assert not {figure.value for figure in figures(Counts(), within_s=20, share=0.8, ring_s=9)} - {None}
