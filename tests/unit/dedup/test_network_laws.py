"""Laws of what dispatchers, crews and meters do while other networks come into force, whatever their clocks say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from services.contracts.values import ProgressStage
from services.dedup.domain import events as e
from services.dedup.domain import evolve
from services.dedup.domain.explain import considered, would_change
from services.dedup.domain.indexing import on_other_ground
from services.grid.network_file import read_devices
from services.grid.tree import Tree
from tests.unit.dedup.laws import AREA, RULES, TREE, numbers
from tests.unit.dedup.test_command_laws import DEVICES, Desk
from tests.unit.dedup.timeline import NETWORKS, Timeline, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.grid.device import DeviceRow

ROWS = read_devices(NETWORKS / "ieee123" / "network.csv")
FUSE, SWITCH = "A0FU00016", "A0SW00015"


def network(rows: Iterable[DeviceRow]) -> Tree:
    known = list(rows)
    return Tree(known, {row.id: TREE.customers_under(row.id) for row in known if row.type == "transformer"})


def without(gone: str) -> Tree:
    """A device is taken out, and what hung on it hangs on what it hung on."""
    above = next(row.parent for row in ROWS if row.id == gone)
    return network(row._replace(parent=above) if row.parent == gone else row for row in ROWS if row.id != gone)


def fed_by_another_area(top: str) -> Tree:
    return network(row for row in ROWS if not TREE.is_under(row.id, top))


def switched_over(device: str, to: str) -> Tree:
    return network(row._replace(parent=to) if row.id == device else row for row in ROWS)


NETWORKS_IN_FORCE = [
    TREE,
    without(FUSE),
    without("A0TR00023"),
    without(SWITCH),
    fed_by_another_area(FUSE),
    switched_over(FUSE, AREA),
    switched_over(FUSE, "A0FU00017"),
]


class Switched(Desk):
    """The desk on a network that changes under it; planned work is left out, as its laws are of one network."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = TREE
        self.changes: list[tuple[int, int, Tree]] = []

    @rule(tree=st.sampled_from(NETWORKS_IN_FORCE), noticed=st.booleans())
    def another_network_is_in_force(self, tree: Tree, noticed: bool) -> None:
        self.tree = tree
        self.story.under(tree)
        self.changes.append((len(self.story.inputs), len(self.story.events), tree))
        if noticed:
            self.the_watcher_looks()

    @rule()
    def the_watcher_looks(self) -> None:
        """Tell of what is elsewhere by now, and of what is fed otherwise (as ``services.dedup.network_watch`` does)."""
        self.later()
        label, state = f"network {len(self.changes)}", self.story.state
        for key, known in list(state.incidents.items()):
            here = known.device.id in self.tree
            if known.network != label and (not here or known.network_change is not None):
                self.story.network_told(key, known.device.id, AREA, AREA if here else None, network=label)
        for key in list(state.incidents):
            one = state.incidents.get(key)
            if one is None or one.kind is not e.Kind.OUTAGE or one.pinned or one.device.id not in self.tree:
                continue
            places = {report.device for report in one.reports.values() if report.device is not None}
            away = {place for place in places if place in self.tree and not state.is_under(place, one.device.id)}
            if away:
                self.story.network_told(
                    key, one.device.id, AREA, AREA, network=label, refed=tuple(sorted(away)), since=one.began_at
                )

    @rule(number=numbers, stage=st.sampled_from(ProgressStage), off=st.sampled_from([-400, -50, 60, 3000]))
    def a_crew_whose_clock_is_off_speaks(self, number: int, stage: ProgressStage, off: float) -> None:
        if self.story.orders:
            self.later()
            order = self.story.orders[number % len(self.story.orders)].order_id
            self.story.crew(order, stage, etr=self.minute + 30, made=self.minute + off)

    @rule(
        device=st.sampled_from([*DEVICES[:-1], "A0BR00001"]),
        account=st.sampled_from([None, None, "A1"]),
        off=st.sampled_from([-3000, -300, 600]),
    )
    def power_is_back_by_a_clock_that_is_off(self, device: str, account: str | None, off: float) -> None:
        self.later()
        self.story.power_back(device, account, made=self.minute + off)

    def a_plan_that_people_called_under_is_withdrawn(self) -> None: ...
    def what_an_incident_says_of_a_plan_is_what_is_so(self) -> None: ...
    def who_is_answered_by_a_plan_was_told_when_it_ends(self) -> None: ...

    @invariant()
    def what_is_over_was_not_over_before_it_began_nor_before_now(self) -> None:
        for change in self.story.changed:
            if change.restored_at is not None:
                assert change.opened_at <= change.restored_at <= self.story.moment

    @invariant()
    def explaining_finds_words_and_changes_nothing(self) -> None:
        state = self.story.state
        before = snapshot(state)
        for report in list(state.members)[:2]:
            home = state.incidents[state.members[report]]
            known = home.reports[report]
            counts = {key: len(one.reports) for key, one in state.incidents.items()}
            assert considered(state, known.device, known.made_at, home.incident_id, counts)
            assert would_change(state, report, "", self.story.moment)
        assert snapshot(state) == before

    @invariant()
    def folding_the_events_gives_the_state(self) -> None:
        again, changes = self.build(), list(self.changes)
        for n, event in enumerate([*self.story.events, None]):
            while changes and changes[0][1] <= n:
                again = on_other_ground(again, changes.pop(0)[2], RULES)
            if event is not None:
                evolve(again, event)
        for key, incident in again.incidents.items():
            incident.revision = self.story.state.incidents[key].revision
        assert snapshot(again) == snapshot(self.story.state)

    @invariant()
    def built_anew_it_is_what_it_was_and_the_story_goes_on_with_that(self) -> None:
        before = snapshot(self.story.state)
        assert snapshot(self.story.under(self.tree).state) == before

    def teardown(self) -> None:
        """Replaying the messages gives the same events."""
        again, changes = Timeline(AREA, TREE, RULES), list(self.changes)
        for n, (message, now) in enumerate(self.story.inputs):
            while changes and changes[0][0] <= n:
                again.under(changes.pop(0)[2])
            again.take(message, now)
        assert again.events == self.story.events


TestSwitched = Switched.TestCase
TestSwitched.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
