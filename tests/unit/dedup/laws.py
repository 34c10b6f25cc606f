"""Laws of an area, whatever comes to it in whatever order: those of the core alone and those of dispatchers' acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.dedup.domain import AreaState
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain import plan_acts as pa
from tests.unit.dedup.timeline import Timeline, fold, rules_of_tests, shipped_tree, snapshot

if TYPE_CHECKING:
    from uuid import UUID

    from services.dedup.domain.rules import Rules

AREA = "A0SU00000"
TREE = shipped_tree("ieee123")
RULES = rules_of_tests()
numbers = st.integers(0, 1000)


class Laws(RuleBasedStateMachine):
    """One area's story and what holds of it; what comes to it, subclasses say."""

    area_rules: Rules = RULES

    def __init__(self) -> None:
        super().__init__()
        self.story = Timeline(AREA, TREE, self.area_rules)
        self.minute = 0.0
        self.sent: list[UUID] = []

    def build(self) -> AreaState:
        return AreaState(AREA, TREE, self.area_rules)

    def later(self, minutes: float = 0.5) -> None:
        self.minute += minutes
        self.story.at(self.minute)

    @rule(number=numbers, now_in=st.sampled_from([None, "elsewhere", AREA]))
    def the_network_changes(self, number: int, now_in: str | None) -> None:
        """What the network in force has of an open incident's device."""
        known = list(self.story.state.incidents.values())
        if known:
            one = known[number % len(known)]
            network = f"{len(self.story.inputs)}"
            self.story.network_told(one.incident_id, one.device.id, AREA, now_in, network=network)

    @invariant()
    def an_incident_and_its_order_are_founded_once(self) -> None:
        """Whatever a report founded before, and whatever id a dispatcher's command has."""
        founded = [event for event in self.story.events if isinstance(event, e.IncidentOpened)]
        assert len({event.incident_id for event in founded}) == len(founded)
        assert len({event.order_id for event in founded}) == len(founded)

    @invariant()
    def ledger_rows_are_numbered_without_gap_or_repeat(self) -> None:
        rows: list[int] = []
        for event in self.story.events:
            if isinstance(event, e.IncidentOpened | e.ReportJoined | e.PredictionMoved):
                rows.append(event.seq)
            elif isinstance(event, e.ReportMoved):
                rows += [event.seq, event.seq + 1]
            elif isinstance(event, a.CommandDone):
                rows.append(event.done.seq)
            elif isinstance(event, a.ReportUnplaced | pa.ReportCovered | pa.ReportUncovered):
                rows.append(event.seq)
        assert rows == list(range(1, self.story.state.next_seq))

    @invariant()
    def a_moment_is_waited_for_while_an_order_is_held_or_a_look_is_due_and_no_longer(self) -> None:
        known = self.story.state.incidents.values()
        timers = [timer for one in known for timer in (one.hold, one.relook) if timer is not None]
        assert self.story.waiting() == {timer.timer_id for timer in timers}

    @invariant()
    def those_who_were_told_of_an_incident_are_in_it(self) -> None:
        told: dict[UUID, set[UUID]] = {}
        revisions: dict[UUID, int] = {}
        for change in self.story.changed:
            assert change.revision == revisions.get(change.incident_id, 0) + 1
            revisions[change.incident_id] = change.revision
            members = told.setdefault(change.incident_id, set())
            assert set(change.left) <= members
            members -= set(change.left)
            joined = {member.report_id for member in change.joined}
            assert not joined & members
            members |= joined
            assert len(members) == change.reports
        for key, incident in self.story.state.incidents.items():
            assert told[key] == set(incident.reports)

    @invariant()
    def folding_the_events_gives_the_state(self) -> None:
        again = fold(self.build, self.story.events)
        for key, incident in again.incidents.items():
            incident.revision = self.story.state.incidents[key].revision  # counted by the shell, not by events
        assert snapshot(again) == snapshot(self.story.state)

    def teardown(self) -> None:
        """Replaying the messages gives the same events and the same state."""
        again = Timeline(AREA, TREE, self.area_rules)
        for message, now in self.story.inputs:
            again.take(message, now)
        assert again.events == self.story.events
        assert snapshot(again.state) == snapshot(self.story.state)
