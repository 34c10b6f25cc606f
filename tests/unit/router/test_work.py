"""The state machine of the work on a ticket: every act in every phase, and any sequence of acts."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydantic import TypeAdapter

from services.contracts.values import Place, Priority, TicketState
from services.router import store
from services.router.domain.allowing import ALLOWED, MOST_CARRIED, Case, decide
from services.router.domain.effects import evolve, fold
from services.router.domain.log import Did, Event, NotAllowedError, Why
from services.router.domain.sla import Stage, reached
from services.router.domain.ticket import Ticket
from services.router.domain.timing import Timings, WrapUp, lapsed, wakes, written_up
from services.router.domain.work import UNTOUCHED, Phase, Work
from tests.unit.router.making import NOON, claimed, contact
from tests.unit.router.making import after as routed

OTHER = UUID(int=7)
CASE = Case(opened_at=NOON, queue="general", waits=True)
TIMINGS = Timings()
FURTHER = {
    Did.OFFERED: {"until": NOON + timedelta(hours=9)},
    Did.COMPLETED: {"outcome": "solved"},
    Did.REPRIORITISED: {"priority": Priority.URGENT},
    Did.MERGED: {"ticket": OTHER},
    Did.CARRIED: {"ticket": OTHER, "opened_at": NOON},
    Did.RELEASED: {"ticket": OTHER},
    Did.TRANSFERRED: {"to_queue": "repair"},
    Did.ESCALATED: {"stage": "respond", "level": 2},
}
BY_AGENT = {
    Did.OFFERED,
    Did.CLAIMED,
    Did.ACCEPTED,
    Did.DECLINED,
    Did.WRAPPED_UP,
    Did.COMPLETED,
    Did.CONTACTED,
    Did.TRANSFERRED,
    Did.RETURNED,
}


def act(did: Did, *, agent: str = "ann", seconds: float = 0, **told: object) -> Event:
    given = {**FURTHER.get(did, {}), **({"agent": agent} if did in BY_AGENT else {}), **told}
    return Event.model_validate({"did": did, "at": NOON + timedelta(seconds=seconds), "by": "test", **given})


def after(*events: Event) -> Work:
    work = UNTOUCHED
    for event in events:
        decided = decide(work, event, CASE)
        assert decided is not None
        work = evolve(work, decided)
    return work


AT = {
    Phase.WAITING: UNTOUCHED,
    Phase.OFFERED: after(act(Did.OFFERED)),
    Phase.ASSIGNED: after(act(Did.CLAIMED)),
    Phase.WRAP_UP: after(act(Did.CLAIMED), act(Did.WRAPPED_UP)),
    Phase.CLOSED: after(act(Did.CLAIMED), act(Did.COMPLETED)),
    Phase.MERGED: after(act(Did.MERGED)),
}
HERE, THERE = Place(area="S1", transformer_id="T1"), Place(area="S2", transformer_id="T2")


def declined() -> tuple[Event, Event]:
    return act(Did.OFFERED), act(Did.DECLINED, until=NOON + TIMINGS.passed)


def test_every_act_and_every_phase_is_in_the_tables() -> None:
    assert set(ALLOWED) == set(Did)
    assert {phase: work.phase for phase, work in AT.items()} == {phase: phase for phase in Phase}


@pytest.mark.parametrize("did", Did)
@pytest.mark.parametrize("phase", Phase)
def test_an_act_is_done_where_the_table_allows_it_and_refused_by_name_elsewhere(did: Did, phase: Phase) -> None:
    work, asked = AT[phase], act(did, seconds=5, **({"ticket": UUID(int=8)} if did is Did.MERGED else {}))
    if did is Did.RESUMED and phase in ALLOWED[did]:
        work = evolve(work, act(Did.PAUSED, seconds=1))
    if did is Did.COMPLETED:
        asked = asked.model_copy(update={"outcome": "other"})
    # What waits for a person is open; for a machine, it can be again. What is merged is placed if dedup asks.
    case = replace(CASE, waits=did is not Did.REOPENED, waits_in="S1" if phase is Phase.MERGED else None)
    already = {(Did.ACCEPTED, Phase.ASSIGNED), (Did.WRAPPED_UP, Phase.WRAP_UP)}
    if (did, phase) in already:
        assert decide(work, asked, case) is None
    elif phase in ALLOWED[did]:
        decided = decide(work, asked, case)
        assert decided is not None
        assert decided.did is did
    else:
        with pytest.raises(NotAllowedError) as refused:
            decide(work, asked, case)
        assert refused.value.why in set(Why)


def test_what_waits_for_a_person_is_not_opened_again() -> None:
    with pytest.raises(NotAllowedError) as refused:
        decide(UNTOUCHED, act(Did.REOPENED), CASE)
    assert refused.value.why is Why.NOT_CLOSED


@pytest.mark.parametrize("did", sorted(BY_AGENT - {Did.OFFERED, Did.CLAIMED}))
def test_only_the_agent_who_has_it_can_go_on_with_it(did: Did) -> None:
    work = AT[Phase.OFFERED] if did in {Did.ACCEPTED, Did.DECLINED} else AT[Phase.ASSIGNED]
    with pytest.raises(NotAllowedError) as refused:
        decide(work, act(did, agent="bob"), CASE)
    assert refused.value.why is Why.NOT_YOURS


@pytest.mark.parametrize(
    ("work", "asked", "case", "why"),
    [
        (UNTOUCHED, act(Did.CLAIMED), Case(NOON, "repair", waits=False), Why.NOT_WAITING),
        (AT[Phase.ASSIGNED], act(Did.CLAIMED, agent="bob"), CASE, Why.NOT_WAITING),
        (
            after(act(Did.CLAIMED), act(Did.TRANSFERRED, to_agent="cy", until=NOON + timedelta(seconds=30))),
            act(Did.CLAIMED, seconds=29, agent="bob"),
            CASE,
            Why.KEPT_FOR_ANOTHER,
        ),
        (
            after(act(Did.OFFERED, until=NOON + timedelta(seconds=20))),
            act(Did.ACCEPTED, seconds=20),
            CASE,
            Why.OFFER_LAPSED,
        ),
        (UNTOUCHED, act(Did.REPRIORITISED), Case(NOON, "emergency", waits=True, danger=True), Why.DANGER),
        (UNTOUCHED, act(Did.WITHDRAWN), Case(NOON, "emergency", waits=True, danger=True), Why.DANGER),
        (after(act(Did.CARRIED)), act(Did.WITHDRAWN), CASE, Why.STANDS_FOR_OTHERS),
        (UNTOUCHED, act(Did.PAUSED), Case(NOON, "emergency", waits=True, danger=True), Why.DANGER),
        (after(act(Did.PAUSED)), act(Did.PAUSED), CASE, Why.ALREADY_PAUSED),
        (UNTOUCHED, act(Did.RESUMED), CASE, Why.NOT_PAUSED),
        (UNTOUCHED, act(Did.COMPLETED), CASE, Why.NOT_IN_HAND),
        (AT[Phase.ASSIGNED], act(Did.REOPENED), CASE, Why.NOT_CLOSED),
        *((AT[Phase.ASSIGNED], act(did, agent="bob"), CASE, Why.NOT_OFFERED) for did in (Did.ACCEPTED, Did.DECLINED)),
        *(
            (UNTOUCHED, act(did), Case(NOON, "repair", waits=False), Why.NOT_WAITING)
            for did in (Did.REQUEUED, Did.PAUSED, Did.WITHDRAWN)
        ),
        (UNTOUCHED, act(Did.PLACED, place=HERE), replace(CASE, reported=True), Why.REPORTED),
        (UNTOUCHED, act(Did.PLACED, place=THERE), replace(CASE, waits_in="S1"), Why.OTHER_AREA),
        (AT[Phase.CLOSED], act(Did.CLAIMED), CASE, Why.CLOSED),
        (AT[Phase.MERGED], act(Did.COMPLETED), CASE, Why.MERGED),
        (AT[Phase.MERGED], act(Did.PLACED), CASE, Why.MERGED),
    ],
    ids=lambda value: value.value if isinstance(value, Why) else "",
)
def test_what_is_refused_has_a_name(work: Work, asked: Event, case: Case, why: Why) -> None:
    with pytest.raises(NotAllowedError) as refused:
        decide(work, asked, case)
    assert refused.value.why is why


def test_from_when_a_hold_is_over_anybody_has_it_noticed_or_not() -> None:
    held = after(act(Did.KEPT, to_agent="cy", until=NOON + TIMINGS.hold))
    assert decide(held, act(Did.CLAIMED, seconds=1, agent="cy"), CASE) is not None
    assert decide(held, act(Did.CLAIMED, seconds=TIMINGS.hold.total_seconds()), CASE) is not None


@pytest.mark.parametrize(
    ("work", "again", "other"),
    [
        (AT[Phase.CLOSED], act(Did.COMPLETED), None),
        (AT[Phase.MERGED], act(Did.MERGED), None),
        (after(act(Did.CARRIED)), act(Did.CARRIED), {"ticket": UUID(int=8)}),
        (after(act(Did.PLACED, place=HERE)), act(Did.PLACED, place=HERE), {"place": THERE}),
        (after(*declined()), act(Did.DECLINED), None),
        (after(*declined(), act(Did.OFFERED, agent="bob")), act(Did.DECLINED), None),
    ],
    ids=["completed", "merged", "carried", "placed", "declined", "declined, and offered to the next"],
)
def test_asking_again_for_what_is_done_changes_nothing(
    work: Work, again: Event, other: dict[str, object] | None
) -> None:
    assert decide(work, again.model_copy(update={"at": NOON + timedelta(seconds=9)}), CASE) is None
    if other is not None:
        decided = decide(work, again.model_copy(update=other), CASE)
        assert decided is not None, "something else is not done yet"
        assert evolve(work, decided) != work


def test_who_has_it_on_offer_again_can_decline_it_again() -> None:
    work = after(*declined(), act(Did.OFFERED, seconds=1))
    assert decide(work, act(Did.DECLINED, seconds=2), CASE) is not None


def test_a_ticket_that_stands_for_as_many_as_it_can_takes_no_more_and_is_worked_on_like_any_other() -> None:
    work = after(*(act(Did.CARRIED, ticket=UUID(int=n)) for n in range(MOST_CARRIED)))
    with pytest.raises(NotAllowedError) as refused:
        decide(work, act(Did.CARRIED, ticket=UUID(int=MOST_CARRIED)), CASE)
    assert refused.value.why is Why.TOO_MANY_MERGED
    assert decide(work, act(Did.CLAIMED), CASE) is not None


def test_what_an_agent_spends_with_a_ticket_counts_from_when_they_took_it_and_writing_up_from_when_that_began() -> None:
    """And what rang with an agent, from when it was offered."""
    work, found = UNTOUCHED, []
    for asked in (
        act(Did.OFFERED, seconds=10, until=NOON + timedelta(seconds=30)),
        act(Did.ACCEPTED, seconds=17),
        act(Did.WRAPPED_UP, seconds=60),
        act(Did.COMPLETED, seconds=75),
    ):
        decided = decide(work, asked, CASE)
        assert decided is not None
        found.append((decided.seconds, decided.rang, decided.ended))
        work = evolve(work, decided)
    assert found == [(None, None, None), (17, 7, None), (43, None, "assigned"), (15, None, "wrap_up")]


@pytest.mark.parametrize(("due", "in_time"), [(None, True), (60, True), (59, False)])
def test_what_is_completed_by_the_last_of_its_clock_is_in_time(due: int | None, in_time: bool) -> None:
    case = replace(CASE, last_due=None if due is None else NOON + timedelta(seconds=due))
    done = decide(AT[Phase.ASSIGNED], act(Did.COMPLETED, seconds=60), case)
    assert done is not None
    assert done.in_time is in_time


def test_of_urges_one_an_interval_counts() -> None:
    work, counted = UNTOUCHED, []
    for minutes in (5, 34, 35, 36):
        decided = decide(work, act(Did.URGED, seconds=60 * minutes), CASE)
        assert decided is not None
        counted.append(decided.first)
        work = evolve(work, decided)
    assert (counted, work.urges) == ([True, False, True, False], 2)


def test_the_wait_until_a_person_counts_the_offers_that_came_to_nothing() -> None:
    work = after(
        act(Did.OFFERED, seconds=10, until=NOON + timedelta(seconds=30)),
        act(Did.LAPSED, seconds=30, until=NOON + timedelta(seconds=150)),
        act(Did.OFFERED, agent="bob", seconds=40),
    )
    assert work.passed == ("ann",)
    taken = decide(work, act(Did.ACCEPTED, agent="bob", seconds=45), CASE)
    assert taken is not None
    assert taken.seconds == 45


@pytest.mark.parametrize(
    ("work", "over", "did", "then"),
    [
        (after(act(Did.OFFERED, until=NOON + TIMINGS.offer)), TIMINGS.offer, Did.LAPSED, TIMINGS.passed),
        (after(act(Did.KEPT, to_agent="cy", until=NOON + TIMINGS.hold)), TIMINGS.hold, Did.HOLD_ENDED, None),
        (after(*declined()), TIMINGS.passed, Did.PASS_ENDED, None),
    ],
    ids=lambda value: value.value if isinstance(value, Did) else "",
)
def test_an_offer_a_hold_and_a_decline_last_until_their_time_is_over(
    work: Work, over: timedelta, did: Did, then: timedelta | None
) -> None:
    now = NOON + over
    assert wakes(work, None) == now
    assert list(lapsed(work, TIMINGS, now - timedelta(seconds=1))) == []
    [ended] = lapsed(work, TIMINGS, now)
    assert ended.did is did
    decided = decide(work, ended, CASE)
    assert decided is not None
    waits = evolve(work, decided)
    assert (waits.phase, waits.held_for) == (Phase.WAITING, None)
    assert wakes(waits, None) == (None if then is None else now + then)
    assert waits.passed == (("ann",) if did is Did.LAPSED else ())


@pytest.mark.parametrize("ended", [act(Did.WITHDRAWN), act(Did.MERGED)], ids=lambda event: event.did.value)
def test_who_passed_on_what_is_over_is_nothing_for_time_to_end(ended: Event) -> None:
    work = after(*declined(), ended)
    assert wakes(work, None) is None
    assert list(lapsed(work, TIMINGS, NOON + timedelta(days=1))) == []


def test_a_write_up_with_a_limit_whose_queue_has_none_any_more_goes_back_when_it_is_over() -> None:
    """What ends it, the rules in force say; they say nothing, so somebody must."""
    limit = WrapUp(timedelta(minutes=10), completes=True)
    work = after(act(Did.CLAIMED)).model_copy(update={"phase": Phase.WRAP_UP, "until": NOON + limit.limit})
    for wrap_up, did in ((limit, Did.COMPLETED), (None, Did.REQUEUED)):
        assert wakes(work, wrap_up) == NOON + limit.limit
        [ended] = written_up(work, wrap_up, NOON + limit.limit, by_people=False)
        assert ended.did is did


@pytest.mark.parametrize(
    ("back", "queue"),
    [
        (act(Did.LOST), "repair"),
        (act(Did.REQUEUED), "repair"),
        (act(Did.REQUEUED, to_queue="general"), "general"),
        (act(Did.TRANSFERRED, agent="bob", to_queue="complaint"), "complaint"),
        (act(Did.TRANSFERRED, agent="bob", to_queue=None, to_agent="cy"), "repair"),
        (act(Did.RETURNED, agent="bob", to_queue="general"), "general"),
        (act(Did.RETURNED, agent="bob"), None),
        (act(Did.RECALLED), None),
    ],
)
def test_where_a_person_moved_it_a_ticket_stays_until_it_is_given_back_or_a_danger(
    back: Event, queue: str | None
) -> None:
    """None: the tree decides again."""
    moved = after(act(Did.CLAIMED), act(Did.TRANSFERRED), act(Did.CLAIMED, agent="bob"))
    decided = decide(moved, back, CASE)
    assert decided is not None
    waits = evolve(moved, decided)
    assert (waits.phase, waits.queue, waits.agent) == (Phase.WAITING, queue, None)


@pytest.mark.parametrize(
    ("way", "since", "passed"),
    [
        ((act(Did.OFFERED, agent="bob"), act(Did.LOST, seconds=9)), None, ("ann",)),
        ((act(Did.CLAIMED, agent="bob"), act(Did.LOST, seconds=9)), 9, ()),
        ((act(Did.REQUEUED, seconds=9),), None, ()),
    ],
    ids=["whose agent was lost before they took it", "after they took it", "that a supervisor put back"],
)
def test_a_customer_waits_since_a_person_had_them_and_a_ticket_is_offered_anew_once_it_was_moved(
    way: tuple[Event, ...], since: int | None, passed: tuple[str, ...]
) -> None:
    work = after(*declined(), *way)
    assert work.waiting_since == (None if since is None else NOON + timedelta(seconds=since))
    assert work.passed == passed


def test_a_clock_stands_still_for_each_of_its_pauses() -> None:
    ways = ((Did.PAUSED, 10), (Did.RESUMED, 20), (Did.PAUSED, 30), (Did.RESUMED, 50))
    work = after(*(act(did, seconds=seconds) for did, seconds in ways))
    stage = Stage("answer", timedelta(seconds=60), frozenset({"completed"}))
    assert reached(stage, work.elapsed, NOON) == NOON + timedelta(seconds=90)


def test_undoing_a_merge_gives_the_old_place_back() -> None:
    work = after(act(Did.MERGED, seconds=100), act(Did.UNMERGED, seconds=200))
    taken = decide(work, act(Did.CLAIMED, seconds=300), CASE)
    assert taken is not None
    assert taken.seconds == 300
    assert work.stands(TicketState.QUEUED) is TicketState.QUEUED


def test_undoing_the_merge_of_a_ticket_that_was_opened_again_leaves_it_waiting_since_then() -> None:
    """As its clock has it: whom it waited for before, it had."""
    before = after(act(Did.CLAIMED), act(Did.COMPLETED, seconds=10), act(Did.REOPENED, seconds=100))
    work = fold([act(Did.MERGED, seconds=200), act(Did.UNMERGED, seconds=300)], before)
    taken = decide(work, act(Did.CLAIMED, seconds=400), CASE)
    assert taken is not None
    assert taken.seconds == 300


@pytest.mark.parametrize("way", [(Did.CLAIMED,), (Did.OFFERED, Did.ACCEPTED), (Did.CLAIMED, Did.WRAPPED_UP)])
def test_undoing_the_merge_of_a_ticket_that_an_agent_had_leaves_it_waiting_since_it_was_taken_from_them(
    way: tuple[Did, ...],
) -> None:
    """An agent had answered within seconds: the wait that follows is not counted from the customer's first word."""
    had = after(*(act(did, seconds=5) for did in way))
    work = fold([act(Did.MERGED, seconds=3600), act(Did.UNMERGED, seconds=3700)], had)
    taken = decide(work, act(Did.CLAIMED, seconds=3710), CASE)
    assert taken is not None
    assert taken.seconds == 110


@pytest.mark.parametrize(
    "way", [(Did.CLAIMED, Did.COMPLETED), (Did.CLAIMED, Did.WRAPPED_UP, Did.COMPLETED), (Did.WITHDRAWN,)]
)
def test_undoing_the_merge_of_a_ticket_that_had_ended_leaves_it_ended(way: tuple[Did, ...]) -> None:
    before = after(*(act(did, seconds=10 * n) for n, did in enumerate(way)))
    assert before.phase is Phase.CLOSED
    undone = fold([act(Did.MERGED, seconds=100), act(Did.UNMERGED, seconds=200)], before)
    assert undone == before


@pytest.mark.parametrize("before", [(act(Did.WITHDRAWN), act(Did.REOPENED)), (act(Did.CLAIMED), act(Did.LOST))])
def test_what_was_over_once_or_was_with_somebody_before_is_not_resolved_at_the_first_contact(
    before: tuple[Event, Event],
) -> None:
    closed = decide(after(*before, act(Did.CLAIMED)), act(Did.COMPLETED), CASE)
    assert closed is not None
    assert not closed.first


def test_first_contact_resolution_is_one_person_one_contact_nothing_before() -> None:
    closed = decide(AT[Phase.ASSIGNED], act(Did.COMPLETED), CASE)
    assert closed is not None
    assert closed.first
    moved = after(act(Did.CLAIMED), act(Did.TRANSFERRED), act(Did.CLAIMED, agent="bob"))
    again = decide(moved, act(Did.COMPLETED, agent="bob"), CASE)
    assert again is not None
    assert not again.first


class AnySequence(RuleBasedStateMachine):
    """Any acts by any agents at any times: the work is always the fold of its log."""

    def __init__(self) -> None:
        super().__init__()
        self.work, self.log, self.now = UNTOUCHED, list[Event](), NOON

    @rule(did=st.sampled_from(Did), agent=st.sampled_from(["ann", "bob"]), wait=st.integers(0, 90))
    def ask(self, did: Did, agent: str, wait: int) -> None:
        self.now += timedelta(seconds=wait)
        asked = act(did, agent=agent).model_copy(update={"at": self.now})
        if did is Did.OFFERED:
            asked = asked.model_copy(update={"until": self.now + TIMINGS.offer})
        if did in {Did.TRANSFERRED, Did.REOPENED}:
            asked = asked.model_copy(update={"to_agent": "bob", "until": self.now + TIMINGS.hold})
        try:
            decided = decide(self.work, asked, CASE)
        except NotAllowedError as refused:
            assert refused.why in set(Why)  # noqa: PT017 - most sequences are allowed, none need be refused
            return
        if decided is not None:
            self.log.append(decided)
            self.work = evolve(self.work, decided)

    @rule(wait=st.integers(0, 300))
    def pass_time(self, wait: int) -> None:
        self.now += timedelta(seconds=wait)
        for event in lapsed(self.work, TIMINGS, self.now):
            decided = decide(self.work, event, CASE)
            assert decided is not None
            self.log.append(decided)
            self.work = evolve(self.work, decided)
        assert not list(lapsed(self.work, TIMINGS, self.now))

    @invariant()
    def folding_the_log_gives_the_work(self) -> None:
        assert fold(self.log) == self.work

    @invariant()
    def it_is_with_one_agent_or_with_none(self) -> None:
        assert (self.work.agent is not None) or not self.work.in_hand
        assert self.work.phase is not Phase.WAITING or self.work.agent is None
        assert self.work.phase is Phase.WAITING or self.work.held_for is None
        assert (self.work.until is not None) == (self.work.phase is Phase.OFFERED)

    @invariant()
    def each_taking_was_of_a_ticket_nobody_had(self) -> None:
        holder: str | None = None
        for event in self.log:
            if event.did in {Did.OFFERED, Did.CLAIMED}:
                assert holder is None
                holder = event.agent
            elif event.did in {
                Did.DECLINED,
                Did.LAPSED,
                Did.COMPLETED,
                Did.WITHDRAWN,
                Did.TRANSFERRED,
                Did.RETURNED,
                Did.REQUEUED,
                Did.MERGED,
                Did.LOST,
                Did.RECALLED,
            }:
                holder = None


TestAnySequence = AnySequence.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_is_decided_again_as_its_queue_is_gone_keeps_its_place_its_clock_and_whom_it_is_kept_for() -> None:
    moved = after(
        act(Did.CLAIMED, seconds=1),
        act(Did.PAUSED, seconds=2),
        act(Did.TRANSFERRED, seconds=3, to_agent="bob", until=NOON + timedelta(minutes=1)),
    )
    again = evolve(moved, act(Did.REROUTED, seconds=4))
    assert (moved.queue, again.queue) == ("repair", None)
    assert again == moved.model_copy(update={"queue": None})


def test_what_a_newer_release_stored_is_read_without_what_it_added() -> None:
    """Two releases run side by side during a rollout, and one can be taken back."""
    ticket = claimed(routed(contact("1", text="查电费")))
    stored = TypeAdapter(Ticket).dump_python(ticket, mode="json", exclude_none=True)
    stored["newer"] = stored["work"]["newer"] = stored["work"]["elapsed"]["newer"] = stored["place"]["newer"] = {"a": 1}
    assert store.read(json.dumps(stored)) == ticket
