"""The network changes while outages are open: nothing is lost, no outage gets a second order, people are told.

Two IEEE 123-node feeders, substations A0 and B0. A tie joins what lies below switch A0SW00015 to B0SW00015: fuse
FU00016 (transformers TR00023 to 25), fuse FU00017 (TR00026, 27) and fuse FU00018 (TR00028, 30 to 33).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.contracts.ids import derive
from services.contracts.values import CustomerClass, IncidentState, OrderStatus
from services.dedup.domain.acts import NetworkChange
from services.dedup.domain.events import PartRestored
from services.grid.device import DeviceRow
from services.grid.network_file import read_customers, read_devices
from services.grid.switching import Switching, switched
from services.grid.tree import Tree
from tests.unit.dedup.timeline import NETWORKS, Timeline, minute, rules_of_tests, snapshot

if TYPE_CHECKING:
    from services.contracts.values import ProgressStage
    from services.dedup.domain.incident import Incident

HOME, AWAY = "A0SU00000", "B0SU00000"
TIE = DeviceRow("TIE", "B0SW00015", "switch", True, 31.19, 118.36, "", "A0SW00015")


def two_feeders() -> dict[str, DeviceRow]:
    rows = read_devices(NETWORKS / "ieee123" / "network.csv")
    there = [
        row._replace(
            id=row.id.replace("A0", "B0"),
            parent=None if row.parent is None else row.parent.replace("A0", "B0"),
            other_end=None,
        )
        for row in rows
    ]
    here = [row._replace(other_end=None) for row in rows]
    return {row.id: row for row in (*here, *there, TIE)}


def tree_of(rows: dict[str, DeviceRow], area: str) -> Tree:
    whole = Tree(rows.values())
    own = [row for row in rows.values() if whole.area_of(row.id) == area]
    customers: dict[str, int] = {}
    for row in read_customers(
        NETWORKS / "ieee123" / "customers.csv", read_devices(NETWORKS / "ieee123" / "network.csv")
    ):
        for name in (row.transformer_id, row.transformer_id.replace("A0", "B0")):
            customers[name] = customers.get(name, 0) + 1
    known = {one.id for one in own}
    return Tree(own, {name: n for name, n in customers.items() if name in known})


BEFORE = two_feeders()
AFTER = switched(BEFORE, Switching(close="TIE", open="A0SW00015"))


@pytest.fixture
def here() -> Timeline:
    return Timeline(HOME, tree_of(BEFORE, HOME), rules_of_tests())


@pytest.fixture
def there() -> Timeline:
    return Timeline(AWAY, tree_of(BEFORE, AWAY), rules_of_tests())


def live(*stories: Timeline) -> list[str]:
    """Where crews are asked for, in all areas."""
    return sorted(device for story in stories for device in story.live_orders())


def a_fuse_moves_to_the_other_substation(here: Timeline, there: Timeline) -> None:
    """The fuse is out; then the switch above opens and the tie closes."""
    here.at(0).report("A0TR00023", "first")
    here.at(1).report("A0TR00024")
    assert here.live_orders().keys() == {"A0FU00016"}
    (incident,) = here.state.incidents
    here.under(tree_of(AFTER, HOME)).at(10).network_told(incident, "A0FU00016", HOME, AWAY)
    there.under(tree_of(AFTER, AWAY)).at(10).hear(here)


def test_an_outage_whose_device_another_substation_feeds_now_stays_open_with_its_order_and_says_so(
    here: Timeline, there: Timeline
) -> None:
    a_fuse_moves_to_the_other_substation(here, there)

    (incident,) = here.state.incidents.values()
    assert incident.network_change is NetworkChange.DEVICE_MOVED
    assert incident.told == (AWAY,)
    assert (here.changed[-1].network_change, here.changed[-1].reason) == ("device_moved", "device_moved")
    assert incident.order is not None
    assert live(here, there) == ["A0FU00016"]
    late = here.at(11).report("A0TR00023")
    assert here.incident_of(late) is incident, "placed by the network of before, it still finds its outage"


def test_reports_placed_in_the_new_tree_need_no_second_order_and_end_with_the_outage(
    here: Timeline, there: Timeline
) -> None:
    a_fuse_moves_to_the_other_substation(here, there)
    (incident,) = here.state.incidents.values()
    first = there.at(12).report("A0TR00025")
    second = there.at(13).report("A0TR00023")
    there.at(14).report("A0TR00026")

    waiting = there.incident_of(first)
    assert there.incident_of(second) is waiting
    assert (waiting.order, waiting.related_to, waiting.device.id) == (None, incident.incident_id, "A0FU00016")
    assert live(here, there) == ["A0FU00016", "A0TR00026"], "what is not under it is an outage like any other"
    there.at(200)
    assert there.incident_of(first) is waiting, "inference leaves alone what waits for another area"
    assert incident.order is not None
    here.at(210).crew(incident.order.order_id, restored())
    there.at(210).hear(here)
    assert waiting.state is IncidentState.RESTORED
    assert waiting.restored_at == minute(210)
    assert {first, second}.isdisjoint(there.state.members)
    assert not there.state.elsewhere
    assert not [order for order in there.orders if order.incident_id == waiting.incident_id]
    again = there.at(500).report("A0TR00025")
    assert there.order_of(again).version == 1, "once it is over, a report is an outage like any other"


def restored() -> ProgressStage:
    from services.contracts.values import ProgressStage

    return ProgressStage.RESTORED


def test_who_reports_after_the_outage_elsewhere_was_over_gets_a_crew(here: Timeline, there: Timeline) -> None:
    a_fuse_moves_to_the_other_substation(here, there)
    order = next(iter(here.live_orders().values())).order_id
    here.at(60).crew(order, restored())
    still = there.at(61).report("A0TR00025")
    assert there.incident_of(still).order is None
    there.hear(here)

    assert there.order_of(still).reason == "still_out"
    assert live(here, there) == ["A0FU00016"]


def test_what_was_dispatched_before_the_other_area_knew_is_told_to_be_related(here: Timeline, there: Timeline) -> None:
    here.at(0).report("A0TR00023")
    here.at(1).report("A0TR00024")
    (incident,) = here.state.incidents
    here.under(tree_of(AFTER, HOME))
    early = there.under(tree_of(AFTER, AWAY)).at(2).report("A0TR00025")
    here.at(3).network_told(incident, "A0FU00016", HOME, AWAY)
    there.at(3).hear(here)

    assert there.incident_of(early).related_to == incident
    assert there.changed[-1].reason == "open_in_another_area"
    late = there.at(4).report("A0TR00024")
    assert there.incident_of(late).device.id == "A0FU00016"
    assert live(here, there) == ["A0FU00016", "A0TR00025"]


@pytest.mark.parametrize("a_neighbour_called_before", [True, False])
def test_life_support_under_an_outage_elsewhere_is_dispatched_at_once(
    here: Timeline, there: Timeline, a_neighbour_called_before: bool
) -> None:
    a_fuse_moves_to_the_other_substation(here, there)
    if a_neighbour_called_before:
        there.at(12).report("A0TR00025", account="A1")
    special = there.at(13).report("A0TR00025", account="A2", customer_class=CustomerClass.LIFE_SUPPORT)

    assert there.order_of(special).life_support == 1
    assert there.incident_of(special).related_to in here.state.incidents


@pytest.mark.parametrize("said", [{"only_mine": True, "account": "A1"}, {"hazards": ("fire",)}])
def test_what_is_one_customers_own_or_danger_answers_nobody_in_another_area(
    here: Timeline, there: Timeline, said: dict[str, object]
) -> None:
    here.at(0).report("A0TR00023", **said)
    (incident,) = here.state.incidents.values()
    here.under(tree_of(AFTER, HOME)).at(10).network_told(incident.incident_id, "A0TR00023", HOME, AWAY)
    there.under(tree_of(AFTER, AWAY)).at(10).hear(here)
    other = there.at(11).report("A0TR00023")

    assert incident.network_change is NetworkChange.DEVICE_MOVED, "people are told all the same"
    assert there.order_of(other).version == 1
    assert live(here, there) == ["A0TR00023", "A0TR00023"]


def test_a_dispatcher_who_confirms_what_waits_sends_a_crew(here: Timeline, there: Timeline) -> None:
    a_fuse_moves_to_the_other_substation(here, there)
    report = there.at(12).report("A0TR00025")
    there.at(13).dispatcher("confirm", incident_id=there.incident_of(report).incident_id, why="two fuses")
    order = next(iter(here.live_orders().values())).order_id
    here.at(60).crew(order, restored())
    there.at(60).hear(here)

    assert there.order_of(report).status is OrderStatus.ISSUED, "what a person confirmed is not closed for another"


def test_an_outage_elsewhere_that_a_person_merged_away_leaves_nobody_waiting(here: Timeline, there: Timeline) -> None:
    a_fuse_moves_to_the_other_substation(here, there)
    (moved,) = here.state.incidents
    other = here.at(11).report("A0TR00104")
    report = there.at(12).report("A0TR00025")
    here.at(13).dispatcher("merge", incident_id=moved, target_id=here.incident_of(other).incident_id)
    there.at(13).hear(here)

    assert there.order_of(report).reason == "not_open_elsewhere"


def test_undoing_that_merge_lets_the_other_area_know_that_it_is_open_again_as_often_as_it_is_done(
    here: Timeline, there: Timeline
) -> None:
    a_fuse_moves_to_the_other_substation(here, there)
    (moved,) = here.state.incidents
    other = here.at(11).report("A0TR00104")
    target = here.incident_of(other).incident_id
    merge = here.at(12).dispatcher("merge", incident_id=moved, target_id=target)
    there.at(12).hear(here)
    assert not there.state.elsewhere
    here.at(13).dispatcher("undo", undoes=merge)
    words = list(here.sent_on)
    there.at(13).hear(here)
    late = there.at(14).report("A0TR00025")
    assert there.incident_of(late).order is None
    assert there.incident_of(late).related_to == moved
    assert live(here, there) == ["A0FU00016", "A0TR00104"]

    merge = here.at(15).dispatcher("merge", incident_id=moved, target_id=target)
    words += here.sent_on
    there.at(15).hear(here)
    assert there.order_of(late).reason == "not_open_elsewhere"
    here.at(16).dispatcher("undo", undoes=merge)
    words += here.sent_on
    there.at(16).hear(here)
    assert there.state.elsewhere.keys() == {"A0FU00016"}
    here.at(20).crew(here.state.incidents[moved].order_id, restored())
    words += here.sent_on
    there.at(20).hear(here)
    assert not there.state.elsewhere
    told = [word.message_id for word in words]
    assert len(told) == len(set(told)) == 4, "each word is heard: none is taken for one that was said before"


def test_a_customer_whose_power_is_back_is_found_in_the_area_the_outage_opened_in(
    here: Timeline, there: Timeline
) -> None:
    here.at(0).report("A0TR00023", account="A1")
    here.at(1).report("A0TR00024", account="A2")
    (incident,) = here.state.incidents
    here.under(tree_of(AFTER, HOME)).at(10).network_told(incident, "A0FU00016", HOME, AWAY)
    here.at(20).power_back("A0TR00023", account="A1")

    assert {one.account_id for one in here.state.incidents[incident].reports.values()} == {"A2"}
    assert live(here) == ["A0FU00016"], "the others are still out"
    here.at(30).power_back("A0TR00024", account="A2")
    assert here.state.incidents == {}
    assert live(here) == []


def test_switched_back_it_is_where_it_was(here: Timeline, there: Timeline) -> None:
    a_fuse_moves_to_the_other_substation(here, there)
    (incident,) = here.state.incidents.values()
    back = switched(AFTER, Switching(close="A0SW00015", open="TIE"))
    here.under(tree_of(back, HOME)).at(30).network_told(incident.incident_id, "A0FU00016", HOME, HOME, network="2.1")
    assert (incident.network_change, here.changed[-1].reason) == (None, "device_back")
    assert not here.sent_on, "nobody else's any more"
    report = here.at(31).report("A0TR00025")

    assert here.incident_of(report) is incident
    assert live(here) == ["A0FU00016"]


def test_what_a_switching_feeds_otherwise_is_a_step_of_restoring(here: Timeline, there: Timeline) -> None:
    """The switch above is out; its lateral goes to the other substation: who called before has power again."""
    tree = here.state.tree
    assert tree is not None
    for n, device in enumerate(tree.transformers_under("A0SW00012")):
        here.at(n / 6).report(device)
    assert here.live_orders().keys() == {"A0SW00012"}
    (incident,) = here.state.incidents
    moved = ("A0TR00023", "A0TR00024", "A0TR00026")
    here.under(tree_of(AFTER, HOME)).at(60)
    there.under(tree_of(AFTER, AWAY)).at(60).network_told(
        incident, "A0SW00012", HOME, HOME, refed=moved, since=minute(0)
    )
    there.at(64).report("A0TR00023", made=50)
    assert there.answers() == [("answered", "already_restored")]
    assert live(here, there) == ["A0SW00012"]
    still = there.at(80).report("A0TR00024")
    nested = there.incident_of(still)

    assert (nested.continues, nested.out_since) == (incident, minute(0)), "a crew goes, and it is told to be nested"
    assert there.order_of(still).reason == "still_out"


def test_what_is_open_where_something_else_feeds_now_is_not_restored_with_the_rest(
    here: Timeline, there: Timeline
) -> None:
    """A transformer's own fault goes on, whatever feeds its street."""
    for n in range(6):
        here.at(n / 6).report(f"A0TR0002{n + 3}" if n < 5 else "A0TR00030")
    (incident,) = here.state.incidents.values()
    there.under(tree_of(AFTER, AWAY))
    own = there.at(30).report("A0TR00023", account="A1")
    there.at(60).network_told(
        incident.incident_id, incident.device.id, HOME, HOME, refed=("A0TR00023", "A0TR00024"), since=minute(0)
    )
    late = there.at(61).report("A0TR00023", account="A2", made=50)

    assert there.incident_of(late) is there.incident_of(own)
    assert there.answers() == []
    there.report("A0TR00024", made=50)
    assert there.answers() == [("answered", "already_restored")]


def test_what_waits_for_an_outage_elsewhere_is_answered_by_no_plan(here: Timeline, there: Timeline) -> None:
    """Its crew is the other area's to call back."""
    a_fuse_moves_to_the_other_substation(here, there)
    waiting = there.incident_of(there.at(12).report("A0TR00025"))
    plan = derive("a plan of", "the other area")
    there.dispatcher("plan", planned_id=plan, device="A0FU00016", starts_at=minute(0), ends_at=minute(120))
    there.at(13).dispatcher("accept_plan", incident_id=waiting.incident_id, planned_id=plan)

    ((field, why),) = there.refusals()
    assert (field, why) == ("incident_id", f"its order is that of incident {waiting.related_to}, in another area")


def the_fuse_gets_another_name(here: Timeline) -> Incident:
    first = here.at(0).report("A0TR00023")
    here.at(1).report("A0TR00024")
    incident = here.incident_of(first)
    renamed = {
        key.replace("A0FU00016", "NEW"): row._replace(
            id=row.id.replace("A0FU00016", "NEW"), parent=row.parent and row.parent.replace("A0FU00016", "NEW")
        )
        for key, row in BEFORE.items()
    }
    here.under(tree_of(renamed, HOME)).at(10).network_told(incident.incident_id, "A0FU00016", HOME, None)
    return incident


def test_power_back_where_it_was_reported_is_a_step_of_an_outage_whose_device_is_gone_until_the_last(
    here: Timeline,
) -> None:
    incident = the_fuse_gets_another_name(here)
    here.at(20).power_back("A0TR00023")
    assert incident.state is IncidentState.PREDICTED
    assert live(here) == ["A0FU00016"], "others are still out, and their crew goes on"
    here.at(21).report("A0TR00023", made=11)
    assert here.answers()[-1][1] == "already_restored"
    here.at(30).power_back("A0TR00024")
    assert (incident.state, incident.restored_at) == (IncidentState.RESTORED, minute(30))
    assert live(here) == []


def test_an_outage_whose_device_is_gone_says_so_stands_for_its_callers_and_proposes_a_device(here: Timeline) -> None:
    incident = the_fuse_gets_another_name(here)
    assert (incident.network_change, here.changed[-1].network_change) == (NetworkChange.DEVICE_GONE, "device_gone")
    assert incident.proposed_device == "NEW"
    again = here.at(11).report("A0TR00023")
    assert here.incident_of(again) is incident, "no second order where it was reported"
    here.at(200)
    assert live(here) == ["A0FU00016"], "second looks leave it where it is"
    here.at(201).dispatcher("confirm", incident_id=incident.incident_id, device="NEW")

    assert here.history(incident.order_id)[-1][1:] == ("updated", "NEW")
    other = here.at(202).report("A0TR00025")
    assert here.incident_of(other) is incident


def test_the_same_word_of_the_network_changes_nothing(here: Timeline, there: Timeline) -> None:
    a_fuse_moves_to_the_other_substation(here, there)
    (incident,) = here.state.incidents
    before = snapshot(here.state)
    assert here.at(11).network_told(incident, "A0FU00016", HOME, AWAY) == []
    assert snapshot(here.state) == before


def two_feeders_of_one_substation(switch_is_under: str) -> Tree:
    rows = [DeviceRow("S", None, "substation", False, 31.0, 118.0)]
    rows += [DeviceRow(name, "S", "breaker", False, 31.0, 118.0) for name in ("B1", "B2")]
    rows.append(DeviceRow("SW", switch_is_under, "switch", False, 31.0, 118.0))
    rows += [DeviceRow(f"T{n}", "SW" if n < 3 else "B1", "transformer", False, 31.0, 118.0) for n in range(6)]
    rows.append(DeviceRow("T9", "B2", "transformer", False, 31.0, 118.0))
    return Tree(rows, {f"T{n}": 10 for n in (*range(6), 9)})


def test_power_that_is_back_at_a_switch_that_was_switched_over_is_a_step_of_the_outage_it_was_in() -> None:
    story = Timeline("S", two_feeders_of_one_substation("B1"), rules_of_tests())
    story.at(0).reading("breaker_open", "B1")
    own = story.at(1).report("T1")
    story.at(2).report("T4")
    incident = story.incident_of(own)
    story.under(two_feeders_of_one_substation("B2")).at(30).power_back("SW")

    (step,) = (event for event in story.events if isinstance(event, PartRestored))
    assert (step.incident_id, step.device, step.restored_at) == (incident.incident_id, "SW", minute(30))
    assert story.state.customers_under("SW") == 30, "so many has the step, also those who had not called"
    assert story.live_orders().keys() == {"B1"}
    story.at(31).report("T2", made=20)
    assert story.answers() == [("answered", "already_restored")]


def test_power_that_is_back_where_nothing_is_out_is_a_step_of_nothing() -> None:
    story = Timeline("S", two_feeders_of_one_substation("B2"), rules_of_tests())
    story.at(0).reading("breaker_open", "B1")
    story.at(30).power_back("SW")

    assert not [event for event in story.events if isinstance(event, PartRestored)]
