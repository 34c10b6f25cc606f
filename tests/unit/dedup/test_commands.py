"""What dispatchers do with incidents, as timelines: merge, split, move, confirm, relate, place, and taking it back.

On the IEEE 123-node feeder: switch SW00015 feeds fuse FU00016 (transformers TR00023 to 25), fuse FU00017 (TR00026, 27)
and fuse FU00018 (TR00028, 30 to 33). TR00104 lies elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid5

import pytest

from services.contracts.ids import NAMESPACE
from services.contracts.values import CustomerClass, IncidentState, OrderStatus, Priority, ProgressStage
from services.dedup.domain import events as e
from services.dedup.domain.decided_by import Rule
from services.dedup.domain.indexing import on_other_ground
from tests.unit.dedup.timeline import minute as clock_at
from tests.unit.dedup.timeline import snapshot

if TYPE_CHECKING:
    from uuid import UUID

    from services.dedup.domain.state import AreaState
    from tests.unit.dedup.timeline import Timeline


def places(storm: Timeline) -> dict[str, Any]:
    """Where every report is and what every open incident says, without what only ever counts up."""
    return {
        "members": dict(storm.state.members),
        "waiting": dict(storm.state.waiting),
        "by_device": dict(storm.state.by_device),
        "by_premises": dict(storm.state.by_premises),
        "incidents": {
            key: (
                *(one.device, one.state, one.kind, one.pinned, one.also, one.related_to, one.opened_at),
                *(one.premises, one.stage, one.arrived_at, one.standing.reports, one.standing.hazards),
                *(frozenset(one.reports), one.standing.callers, one.order.device if one.order else None),
                one.order.status in {OrderStatus.ISSUED, OrderStatus.UPDATED} if one.order else None,
            )
            for key, one in storm.state.incidents.items()
        },
    }


def two_outages(storm: Timeline) -> tuple[UUID, UUID, UUID, UUID]:
    """Two reports at two places: report and incident of each."""
    here = storm.at(-60).report("A0TR00023", "here")
    there = storm.at(1).report("A0TR00104", "there")
    return here, storm.incident_of(here).incident_id, there, storm.incident_of(there).incident_id


def test_merge_moves_the_reports_and_cancels_the_order_with_its_successor(storm: Timeline) -> None:
    here, mine, there, other = two_outages(storm)
    order, successor = storm.order_of(there), storm.order_of(here)
    storm.at(5).dispatcher("merge", incident_id=other, target_id=mine, why="one pole carries both")

    assert storm.incident_of(there).incident_id == mine
    assert storm.history(order.order_id)[-1] == (2, "cancelled", "A0TR00104")
    assert [o for o in storm.orders if o.order_id == order.order_id][-1].superseded_by == successor.order_id
    assert len(storm.live_orders()) == 1
    told = {change.incident_id: change for change in storm.changed}
    assert (told[other].state, told[other].merged_into, told[other].left) == (IncidentState.CANCELLED, mine, (there,))
    assert told[other].reason == Rule.MERGED
    moved = [event for event in storm.events if isinstance(event, e.ReportMoved)]
    assert [(m.rule, m.author, m.evidence["said"]) for m in moved] == [
        (Rule.MERGED, "dispatcher Li", "one pole carries both")
    ]


def test_after_a_merge_reports_at_the_merged_place_join_the_survivor(storm: Timeline) -> None:
    _, mine, _, other = two_outages(storm)
    storm.at(5).dispatcher("merge", incident_id=other, target_id=mine)
    later = storm.at(9).report("A0TR00104")

    assert storm.incident_of(later).incident_id == mine
    assert len(storm.live_orders()) == 1


@pytest.mark.parametrize("account", ["A1", None])
def test_after_a_merge_of_one_customers_own_the_survivor_stands_for_them_and_not_for_their_neighbours(
    storm: Timeline, account: str | None
) -> None:
    mine = storm.incident_of(storm.at(0).report("A0TR00023")).incident_id
    own = storm.incident_of(storm.at(1).report("A0TR00104", account=account, only_mine=True)).incident_id
    storm.at(5).dispatcher("merge", incident_id=own, target_id=mine)
    neighbour = storm.at(400).report("A0TR00104", account="A2")
    assert storm.incident_of(neighbour).incident_id != mine
    if account is not None:
        again = storm.at(401).report("A0TR00104", account=account, only_mine=True)
        assert storm.incident_of(again).incident_id == mine
    assert storm.incident_of(storm.report("A0TR00089", only_mine=True)).incident_id != mine, "nor for anybody unnamed"


def test_undo_of_a_merge_gives_back_the_incident_its_order_and_its_first_time(storm: Timeline) -> None:
    here, mine, there, other = two_outages(storm)
    before = places(storm)
    merge = storm.at(5).dispatcher("merge", incident_id=other, target_id=mine)
    later = storm.at(9).report("A0TR00023", "meanwhile")
    storm.at(10).dispatcher("undo", undoes=merge, by="dispatcher Wang", why="two poles after all")

    assert storm.incident_of(there).incident_id == other
    assert storm.incident_of(there).opened_at == before["incidents"][other][6], "the original time"
    told = {change.incident_id: change for change in storm.changed}
    assert (told[other].state, told[other].merged_into) == (IncidentState.PREDICTED, None), "its id leads nowhere else"
    assert storm.incident_of(later).incident_id == mine, "who came meanwhile stays"
    assert storm.history(storm.order_of(there).order_id) == [
        (1, "issued", "A0TR00104"),
        (2, "cancelled", "A0TR00104"),
        (3, "issued", "A0TR00104"),
    ]
    assert len(storm.live_orders()) == 2
    assert storm.incident_of(storm.at(12).report("A0TR00104")).incident_id == other
    del here


def test_what_is_undone_at_once_is_as_if_it_had_never_been(storm: Timeline) -> None:
    here, mine, there, other = two_outages(storm)
    third = storm.at(2).report("A0TR00023", "third")
    commands: list[dict[str, Any]] = [
        {"action": "merge", "incident_id": other, "target_id": mine},
        {"action": "split", "incident_id": mine, "reports": (third,), "device": "A0FU00016"},
        {"action": "move", "reports": (third,), "target_id": other},
        {"action": "move", "reports": (there,), "target_id": mine},
        {"action": "confirm", "incident_id": mine, "device": "A0SW00015"},
        {"action": "confirm", "incident_id": mine},
        {"action": "relate", "incident_id": mine, "target_id": other},
    ]
    before = places(storm)
    for command in commands:
        key = storm.at(5).dispatcher(**command)
        assert places(storm) != before, command
        storm.dispatcher("undo", undoes=key)
        assert places(storm) == before, command
    assert not storm.refusals()
    del here


def test_what_was_undone_is_gone_through_in_the_same_order_when_the_area_is_loaded_again(storm: Timeline) -> None:
    _, mine, _, other = two_outages(storm)
    merge = storm.at(5).dispatcher("merge", incident_id=mine, target_id=other)
    storm.at(6).dispatcher("undo", undoes=merge)
    again = on_other_ground(storm.state, storm.state.tree, storm.state.rules)

    def standing(state: AreaState) -> list[UUID]:
        return [one.incident_id for one in state.outages_below("A0SW00012")]

    assert standing(storm.state) == standing(again) == [mine, other]
    assert list(storm.state.below["A0SW00012"]) != list(again.below["A0SW00012"]), "the control: not so by itself"


def test_undone_evidence_counts_again(storm: Timeline) -> None:
    _, mine, _, other = two_outages(storm)
    merge = storm.at(2).dispatcher("merge", incident_id=other, target_id=mine)
    storm.at(3).dispatcher("undo", undoes=merge)
    storm.at(4).report("A0TR00094")

    assert "A0SW00012" in storm.live_orders(), "inference moves it up as if no person had been there"


def test_what_a_person_arranged_is_not_moved_by_inference(storm: Timeline) -> None:
    _, mine, _, other = two_outages(storm)
    storm.at(2).dispatcher("merge", incident_id=other, target_id=mine)
    storm.at(3).report("A0TR00024")

    assert storm.state.incidents[mine].device.id == "A0TR00023"


def test_split_gives_part_of_an_incident_an_order_of_its_own(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    second = storm.at(1).report("A0TR00024")
    source = storm.incident_of(first)
    assert source is storm.incident_of(second), "the engine took it for one outage of the fuse"
    split = storm.at(6).dispatcher("split", incident_id=source.incident_id, reports=(second,), why="own fuse blown")

    new = storm.incident_of(second)
    assert new is not source
    assert storm.live_orders().keys() == {"A0FU00016", "A0TR00024"}
    assert storm.order_of(first).reports == 1, "the crew of the first is told that it has one report less"
    assert new.related_to == source.incident_id
    later = storm.at(7).report("A0TR00024")
    assert storm.incident_of(later) is new
    storm.at(8).dispatcher("undo", undoes=split)
    assert storm.incident_of(second) is storm.incident_of(first) is storm.incident_of(later)
    cancelled = [o for o in storm.orders if o.incident_id == new.incident_id][-1]
    assert (cancelled.status, cancelled.superseded_by) == (OrderStatus.CANCELLED, source.order_id)


def test_a_split_whose_command_has_a_reports_id_opens_an_incident_of_its_own(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    second = storm.at(1).report("A0TR00024")
    source = storm.incident_of(first)
    storm.at(6).dispatcher("split", incident_id=source.incident_id, reports=(second,), command_id=first)

    assert storm.incident_of(second) is not source
    assert storm.order_of(second).order_id != storm.order_of(first).order_id


def test_one_customer_split_off_at_the_same_device_is_single(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023", account="A1")
    second = storm.at(1).report("A0TR00023", account="A2")
    storm.at(2).dispatcher("split", incident_id=storm.incident_of(first).incident_id, reports=(second,))

    assert storm.incident_of(second).kind is e.Kind.SINGLE
    assert storm.incident_of(second).customers_served == 1


def test_a_moved_life_support_customer_takes_the_urgency_along(storm: Timeline) -> None:
    _, mine, _, other = two_outages(storm)
    patient = storm.at(2).report("A0TR00104", customer_class=CustomerClass.LIFE_SUPPORT)
    assert storm.order_of(patient).priority is Priority.URGENT
    storm.at(3).dispatcher("move", reports=(patient,), target_id=mine)

    assert storm.state.incidents[mine].order.priority is Priority.URGENT
    assert storm.state.incidents[other].order.priority is Priority.HIGH


def test_moving_the_last_report_closes_the_incident_and_its_id_leads_on(storm: Timeline) -> None:
    _, mine, there, other = two_outages(storm)
    storm.at(2).dispatcher("move", reports=(there,), target_id=mine)

    assert other not in storm.state.incidents
    assert {c.incident_id: c.merged_into for c in storm.changed}[other] == mine


def test_a_confirmed_device_stays_and_the_order_gets_a_version(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    incident = storm.incident_of(first)
    storm.at(3).dispatcher("confirm", incident_id=incident.incident_id, device="A0SW00015", why="patrol saw it open")
    storm.at(4).report("A0TR00026")

    assert storm.history(incident.order_id) == [(1, "issued", "A0TR00023"), (2, "updated", "A0SW00015")]
    assert incident.state is IncidentState.CONFIRMED
    assert len(storm.live_orders()) == 1


def test_a_confirmation_cannot_be_undone_once_a_crew_is_there(storm: Timeline) -> None:
    first = storm.at(0).report("A0TR00023")
    incident = storm.incident_of(first)
    confirm = storm.at(3).dispatcher("confirm", incident_id=incident.incident_id)
    storm.at(20).crew(incident.order_id, ProgressStage.ARRIVED)
    storm.at(21).dispatcher("undo", undoes=confirm)

    ((field, reason),) = storm.refusals()
    assert (field, "a crew has been on the spot since" in reason) == ("undoes", True)
    assert incident.state is IncidentState.CONFIRMED


def test_danger_is_never_merged_away_by_a_person_either(storm: Timeline) -> None:
    danger = storm.at(0).report("A0TR00023", hazards=("fire",))
    outage = storm.at(1).report("A0TR00024")
    hazard, other = storm.incident_of(danger).incident_id, storm.incident_of(outage).incident_id
    storm.dispatcher("merge", incident_id=hazard, target_id=other)
    storm.dispatcher("merge", incident_id=other, target_id=hazard)
    storm.dispatcher("move", reports=(danger,), target_id=other)

    assert [field for field, _ in storm.refusals()] == ["incident_id", "target_id", "reports"]
    assert storm.incident_of(danger).incident_id == hazard
    storm.dispatcher("relate", incident_id=other, target_id=hazard)
    assert storm.state.incidents[other].related_to == hazard


def test_a_report_that_waits_is_placed_and_decided_like_any_other(storm: Timeline) -> None:
    known = storm.at(0).report("A0TR00023")
    lost = storm.at(1).report(None, "lost", made=0.5)
    assert storm.answers() == [("needs_person", "device_unknown")]
    place = storm.at(30).dispatcher("place", reports=(lost,), device="A0TR00023", why="called back")

    assert storm.incident_of(lost) is storm.incident_of(known)
    joined = [event for event in storm.events if isinstance(event, e.ReportJoined)][-1]
    assert (joined.author, joined.evidence["said"]) == ("dispatcher Li", "called back")
    told = storm.settled[-1]
    assert (told.outcome, told.incident_id, told.command_id) == ("in_incident", storm.state.members[lost], place)
    assert told.recipient is None, "the incident tells its customers"
    storm.at(31).dispatcher("undo", undoes=place)
    assert lost in storm.state.waiting
    assert lost not in storm.state.members
    assert storm.answers()[-1] == ("needs_person", "placement_undone")


def test_every_placing_and_every_taking_back_is_told_by_an_id_of_its_own(storm: Timeline) -> None:
    """Whoever drops what it has seen by its id would else be left with the first time."""
    storm.at(0).report("A0TR00023")
    lost = storm.at(1).report(None)
    for minute in (2, 4):
        place = storm.at(minute).dispatcher("place", reports=(lost,), device="A0TR00023")
        storm.at(minute + 1).dispatcher("undo", undoes=place)
    assert [outcome for outcome, _ in storm.answers()] == ["needs_person", *(["in_incident", "needs_person"] * 2)]
    assert len({told.message_id for told in storm.settled}) == len(storm.settled)


def test_a_placed_report_under_a_planned_outage_is_told_as_answered(storm: Timeline) -> None:
    span = {"starts_at": clock_at(0), "ends_at": clock_at(60)}
    storm.at(0).dispatcher("plan", planned_id=NOBODY, device="A0TR00023", **span)
    lost = storm.at(1).report(None)
    place = storm.at(2).dispatcher("place", reports=(lost,), device="A0TR00023")
    told = storm.settled[-1]
    assert (told.outcome, told.reason, told.command_id) == ("answered", "planned_outage", place)


def test_a_placed_report_that_opened_an_incident_stays_there(storm: Timeline) -> None:
    lost = storm.at(1).report(None, "lost")
    place = storm.at(2).dispatcher("place", reports=(lost,), device="A0TR00023")
    assert storm.live_orders().keys() == {"A0TR00023"}
    storm.at(3).dispatcher("undo", undoes=place)

    ((field, reason),) = storm.refusals()
    assert (field, "move it, or confirm the right device" in reason) == ("undoes", True)
    assert storm.live_orders().keys() == {"A0TR00023"}


NOBODY = uuid5(NAMESPACE, "nobody")


@pytest.mark.parametrize(
    ("told", "field", "words"),
    [
        ({"action": "merge", "incident_id": NOBODY, "target_id": "mine"}, "incident_id", "is not open in area"),
        ({"action": "merge", "incident_id": "mine", "target_id": NOBODY}, "target_id", "is not open in area"),
        ({"action": "merge", "incident_id": "mine", "target_id": "mine"}, "target_id", "is the incident itself"),
        ({"action": "merge", "incident_id": "mine"}, "target_id", "is needed"),
        ({"action": "split", "incident_id": "mine", "reports": ("here",)}, "reports", "all reports of the incident"),
        ({"action": "split", "incident_id": "mine", "reports": ("there",)}, "reports", "is in incident"),
        ({"action": "split", "incident_id": "mine", "reports": ()}, "reports", "at least one"),
        ({"action": "move", "reports": (NOBODY,), "target_id": "mine"}, "reports", "is in no open incident"),
        ({"action": "move", "reports": ("here",), "target_id": "mine"}, "reports", "already"),
        (
            {"action": "move", "incident_id": "mine", "reports": ("single",), "target_id": "other"},
            "reports",
            "is in incident",
        ),
        (
            {"action": "merge", "incident_id": "own", "target_id": "own"},
            "target_id",
            "is the incident itself",
        ),
        ({"action": "confirm", "incident_id": "mine", "device": "A0TR99999"}, "device", "has no device"),
        ({"action": "confirm", "incident_id": "mine", "device": "A0TR00104"}, "device", "stands at"),
        ({"action": "place", "reports": ("here",), "device": "A0TR00104"}, "reports", "move it"),
        ({"action": "place", "reports": (NOBODY,), "device": "A0TR00104"}, "reports", "does not wait"),
        ({"action": "undo", "undoes": NOBODY}, "undoes", "cannot be undone"),
        ({"action": "undo"}, "undoes", "is needed"),
    ],
)
def test_a_refusal_names_the_field_and_the_reason_and_changes_nothing(
    storm: Timeline, told: dict[str, Any], field: str, words: str
) -> None:
    here, mine, there, other = two_outages(storm)
    single = storm.at(2).report("A0TR00026", only_mine=True)
    names = {"here": here, "mine": mine, "there": there, "other": other}
    names |= {"single": single, "own": storm.incident_of(single).incident_id}

    def meant(value: Any) -> Any:
        return tuple(names.get(one, one) for one in value) if isinstance(value, tuple) else names.get(value, value)

    before = snapshot(storm.state)
    storm.at(3).dispatcher(**{name: meant(value) for name, value in told.items()})

    ((wrong, reason),) = storm.refusals()
    assert wrong == field
    assert words in reason
    assert snapshot(storm.state) == before


def test_an_incident_that_is_closed_takes_no_merge(storm: Timeline) -> None:
    here, mine, _, other = two_outages(storm)
    storm.at(9).crew(storm.order_of(here).order_id, ProgressStage.RESTORED)
    storm.at(10).dispatcher("merge", incident_id=other, target_id=mine)

    assert [field for field, _ in storm.refusals()] == ["target_id"]


def test_undo_says_which_later_command_stands_in_the_way(storm: Timeline) -> None:
    _, mine, there, other = two_outages(storm)
    third = storm.at(60).report("A0TR00020")
    merge = storm.at(61).dispatcher("merge", incident_id=other, target_id=mine)
    move = storm.at(62).dispatcher(
        "move", reports=(there,), target_id=storm.incident_of(third).incident_id, by="dispatcher Wang"
    )
    storm.at(63).dispatcher("undo", undoes=merge)

    ((field, reason),) = storm.refusals()
    assert field == "undoes"
    assert f"undo move {move} of dispatcher Wang first" in reason
    storm.dispatcher("undo", undoes=move)
    storm.dispatcher("undo", undoes=merge)
    assert storm.incident_of(there).incident_id == other


def test_a_command_given_twice_counts_once(storm: Timeline) -> None:
    _, mine, _, other = two_outages(storm)
    merge = storm.at(2).dispatcher("merge", incident_id=other, target_id=mine)
    before = snapshot(storm.state)
    storm.dispatcher("merge", incident_id=other, target_id=mine, command_id=merge)

    assert snapshot(storm.state) == before
    assert not storm.refusals()


def test_a_held_order_goes_out_when_one_that_went_out_is_merged_into_it(held: Timeline) -> None:
    patient = held.at(-60).report("A0TR00104", customer_class=CustomerClass.LIFE_SUPPORT)
    waits = held.at(1).report("A0TR00023")
    mine, other = held.incident_of(waits).incident_id, held.incident_of(patient).incident_id
    held.at(2).dispatcher("merge", incident_id=other, target_id=mine)

    assert held.live_orders().keys() == {"A0TR00023"}
    assert not held.waiting()


def test_taking_a_merge_back_leaves_what_was_arranged_before_it(storm: Timeline) -> None:
    """Also where what arranged it can be undone no more, as another incident it changed has been closed since."""
    mine, theirs = storm.at(0).report("A0TR00023"), storm.at(1).report("A0TR00104")
    both = storm.incident_of(mine)
    storm.at(2).dispatcher("split", incident_id=both.incident_id, reports=(mine,), device="A0TR00023")
    storm.at(3).crew(storm.order_of(theirs).order_id, ProgressStage.RESTORED)
    apart = storm.incident_of(mine)
    other = storm.at(4).report("A0TR00088")
    before = places(storm)
    assert apart.pinned

    merged = storm.dispatcher("merge", incident_id=apart.incident_id, target_id=storm.incident_of(other).incident_id)
    storm.dispatcher("undo", undoes=merged)
    assert places(storm) == before
