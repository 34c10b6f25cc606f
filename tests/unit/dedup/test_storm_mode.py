"""Storm mode, as a dispatcher would tell it: when it begins, how long it lasts, what then holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.contracts.values import CustomerClass, ProgressStage
from services.dedup.domain.acts import StormBegan, StormEnded
from services.dedup.domain.indexing import on_other_ground
from services.dedup.domain.state import AreaState
from services.dedup.domain.storm import Pace
from tests.unit.dedup.timeline import Timeline, fold, minute

if TYPE_CHECKING:
    from datetime import datetime

    from services.dedup.domain.incident import Incident
    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree

HERE, ELSEWHERE = "A0TR00104", "A0TR00025"


def storms(line: Timeline) -> list[tuple[str, float]]:
    """What was said of storms, with the minute."""
    return [
        ("began" if isinstance(one, StormBegan) else "over", round((one.at - minute(0)).total_seconds() / 60, 1))
        for one in line.events
        if isinstance(one, StormBegan | StormEnded)
    ]


def many_call(line: Timeline, since: float, calls: int, every: float) -> float:
    """Customers of one transformer call one after the other; returns the minute of the last."""
    for n in range(calls):
        line.at(since + n * every).report(HERE, account=f"{since} {n}")
    return since + (calls - 1) * every


def test_calls_over_a_day_are_no_storm(storm: Timeline) -> None:
    many_call(storm, 0, 24, every=60)
    assert storms(storm) == []


def test_a_burst_is_a_storm_once_and_says_by_which_figures(storm: Timeline) -> None:
    many_call(storm, 0, 60, every=0.25)
    assert len(storms(storm)) == 1
    (began,) = [one for one in storm.events if isinstance(one, StormBegan)]
    assert minute(4) < began.at < minute(10), "after twenty recent reports, not at the first"
    assert (began.reports, began.usual_per_hour) == (20, 1.0)
    assert began.per_hour >= 12 * began.usual_per_hour


def test_a_few_calls_at_once_are_no_storm_however_quiet_the_area_was(storm: Timeline) -> None:
    many_call(storm, 0, 15, every=0.05)
    assert storms(storm) == []


def test_it_lasts_while_calls_come_too_slowly_to_begin_one(storm: Timeline) -> None:
    last = many_call(storm, 0, 60, every=0.25)
    many_call(storm, last + 6, 20, every=6)  # ten an hour: under 12 times the usual, over 4 times
    assert [what for what, _ in storms(storm)] == ["began"]


def test_a_quiet_area_is_out_of_it_and_says_so_with_the_next_message(storm: Timeline) -> None:
    last = many_call(storm, 0, 60, every=0.25)
    calm = storm.state.pace.calm_at(storm.state.rules.storm)
    assert calm is not None
    assert minute(last + 20).timestamp() < calm < minute(last + 90).timestamp()
    assert storm.state.stormy(calm - 1)
    assert not storm.state.stormy(calm), "nobody has to say so for it to be over"
    storm.at(last + 600).reading("ping_ok", ELSEWHERE, "an account")
    assert [what for what, _ in storms(storm)] == ["began", "over"]
    assert minute(storms(storm)[1][1]).timestamp() == pytest.approx(calm, abs=4), (
        "when it was over, not when it is said"
    )


def test_another_burst_is_another_storm(storm: Timeline) -> None:
    many_call(storm, 0, 60, every=0.25)
    many_call(storm, 2000, 60, every=0.25)
    assert [what for what, _ in storms(storm)] == ["began", "over", "began"]


def test_where_many_call_every_day_it_takes_more_to_be_a_storm(storm: Timeline) -> None:
    rules = storm.state.rules.storm
    pace = Pace()
    for n in range(60 * 24 * 10):  # ten an hour for sixty days
        pace = pace.arrived(n * 360.0, rules)
    assert pace.usual_per_hour(rules) == pytest.approx(10, rel=0.1)
    burst = pace
    for n in range(30):  # would be one elsewhere
        burst = burst.arrived(pace.last + n * 15.0, rules)
    assert burst.recent >= rules.least
    assert not burst.begins(rules)


@pytest.fixture
def stormy(ieee123: Tree, rules: Rules) -> Timeline:
    """The feeder, where orders of transformers wait a minute in a storm, and not otherwise."""
    assert rules.storm is not None
    then = replace(rules.storm, holds={"transformer": timedelta(minutes=1)}, lift_margin=30.0)
    return Timeline("A0SU00000", ieee123, replace(rules, storm=then))


def test_orders_wait_in_a_storm_only_where_the_rules_say_so(stormy: Timeline) -> None:
    last = many_call(stormy, 0, 60, every=0.25)
    assert [(one.device.id, one.reason) for one in stormy.orders] == [(HERE, "first_report")], "that was no storm yet"
    stormy.at(last + 1).report(ELSEWHERE)
    assert ELSEWHERE not in stormy.live_orders()
    stormy.at(last + 2)
    assert ELSEWHERE in stormy.live_orders()
    later = stormy.at(last + 600).report("A0TR00030", only_mine=True)
    assert stormy.order_of(later), "the storm is long over, though this is the first that comes after it"


def test_danger_and_life_support_wait_in_no_storm(stormy: Timeline) -> None:
    last = many_call(stormy, 0, 60, every=0.25)
    stormy.at(last + 1).report(ELSEWHERE, hazards=("fire",))
    assert ELSEWHERE in stormy.live_orders()


def test_a_common_cause_needs_the_storms_margin(storm: Timeline, stormy: Timeline) -> None:
    """Two calls at once under one fuse: one outage as a rule, and two where the storm's rules ask for more."""
    found = []
    for line in (storm, stormy):
        last = many_call(line, 0, 60, every=0.25)
        for device in ("A0TR00023", "A0TR00024", "A0TR00025"):
            line.at(last + 1).report(device)
        found.append(len({one.device.id for one in line.state.incidents.values()}))
    assert found[0] < found[1] == 4


def test_without_rules_of_storms_there_is_none_and_one_that_goes_on_is_forgotten(stormy: Timeline) -> None:
    last = many_call(stormy, 0, 60, every=0.25)
    assert storms(stormy)
    calm = replace(stormy.state.rules, storm=None)
    stormy.state = on_other_ground(stormy.state, stormy.state.tree, calm)
    at_once = stormy.at(last + 1).report(ELSEWHERE, only_mine=True)
    assert stormy.order_of(at_once).issued_at == minute(last + 1)

    quiet = Timeline("A0SU00000", stormy.state.tree, calm)
    many_call(quiet, 0, 60, every=0.25)
    assert storms(quiet) == []


def test_replaying_the_area_gives_the_same_pace_and_storm(storm: Timeline) -> None:
    many_call(storm, 0, 40, every=0.25)
    state = storm.state
    again = fold(lambda: AreaState(state.area, state.tree, state.rules), storm.events)
    assert again.pace == state.pace
    assert again.pace.since is not None


def test_who_tells_customers_hears_of_the_storm_and_of_who_comes_first(storm: Timeline) -> None:
    quiet = storm.at(0).report(ELSEWHERE, account="quiet")
    assert storm.changed[-1].storm is None
    assert [one.customer_class for one in storm.changed[-1].joined] == [None]
    last = many_call(storm, 1, 60, every=0.25)
    storm.at(last + 0.1).report(HERE, account="at risk", customer_class=CustomerClass.LIFE_SUPPORT)
    (told,) = [one for one in storm.changed[-1].joined if one.customer_class is not None]
    assert (storm.changed[-1].storm, told.customer_class) == (True, CustomerClass.LIFE_SUPPORT)
    storm.at(last + 600).report(HERE, account="long after")
    assert storm.changed[-1].storm is None
    assert quiet in storm.state.members


EXPECTED = {
    "transformer": timedelta(hours=8),
    "fuse": timedelta(hours=5),
    "switch": timedelta(hours=3),
    "breaker": timedelta(hours=2),
}


def by_class(incident: Incident) -> datetime:
    return incident.opened_at + EXPECTED[incident.device.type]


@pytest.fixture
def estimating(ieee123: Tree, rules: Rules) -> Timeline:
    """The same feeder, where an outage is expected to last by its class of device while there is a storm."""
    assert rules.storm is not None
    return Timeline("A0SU00000", ieee123, replace(rules, storm=replace(rules.storm, etr=EXPECTED)))


def test_before_a_storm_nobody_but_a_crew_says_when_power_is_back_and_in_it_the_class_of_device_does(
    estimating: Timeline,
) -> None:
    before = estimating.at(0).report(ELSEWHERE, account="early")
    assert estimating.incident_of(before).etr is None
    last = many_call(estimating, 1, 60, every=0.25)
    (began,) = [one for one in estimating.events if isinstance(one, StormBegan)]
    known = estimating.incident_of(before)
    assert known.etr is not None, "what was open when it began has one too"
    assert (known.etr.at, known.etr.source, known.etr.confidence) == (by_class(known), "history", "low")
    assert began.at < minute(last)

    late = estimating.at(last + 1).report("A0TR00023", account="in it")
    incident = estimating.incident_of(late)
    assert incident.etr is not None
    assert incident.etr.at == by_class(incident)
    assert estimating.changed[-1].etr == incident.etr


def test_in_a_storm_the_estimate_goes_with_the_device_until_a_crew_says_one(estimating: Timeline) -> None:
    last = many_call(estimating, 0, 60, every=0.25)
    first = estimating.at(last + 1).report("A0TR00023", account="a")
    incident = estimating.incident_of(first)
    for n, name in enumerate(("A0TR00024", "A0TR00025")):
        estimating.at(last + 1.2 + n / 10).report(name, account=name)
    assert incident.device.type != "transformer", "it was lifted"
    assert incident.etr is not None
    assert incident.etr.at == by_class(incident)
    estimating.at(last + 5).crew(incident.order_id, ProgressStage.ARRIVED, etr=last + 90)
    assert (incident.etr.source, incident.etr.at) == ("crew", minute(last + 90))
    for n, name in enumerate(("A0TR00026", "A0TR00027", "A0TR00028", "A0TR00030", "A0TR00031")):
        estimating.at(last + 5.2 + n / 10).report(name, account=name)
    assert incident.etr.source == "crew"


def test_in_a_storm_an_outage_has_its_estimate_from_its_first_report_and_a_home_or_danger_alone_has_none(
    estimating: Timeline,
) -> None:
    mine = estimating.at(0).report("A0TR00034", account="before", only_mine=True)
    last = many_call(estimating, 1, 60, every=0.25)
    assert estimating.incident_of(mine).etr is None
    new = estimating.incident_of(estimating.at(last + 1).report("A0TR00050", account="new"))
    assert new.etr is not None
    assert new.etr.at == by_class(new)
    for alone in ({"only_mine": True}, {"hazards": ("fire",)}):
        report = estimating.at(last + 2).report("A0TR00045", account=str(alone), **alone)
        assert estimating.incident_of(report).etr is None


def test_what_a_crew_said_before_the_storm_stands(estimating: Timeline) -> None:
    first = estimating.at(0).report("A0TR00050", account="early")
    estimating.at(1).crew(estimating.order_of(first).order_id, ProgressStage.ACCEPTED, etr=95)
    many_call(estimating, 2, 60, every=0.25)
    etr = estimating.incident_of(first).etr
    assert etr is not None
    assert (etr.source, etr.at) == ("crew", minute(95))


def test_no_estimate_is_said_that_has_passed(estimating: Timeline) -> None:
    """An outage that is older than its class usually lasts has none."""
    old = estimating.at(0).report("A0TR00050", account="early")
    many_call(estimating, 8 * 60, 60, every=0.25)
    assert estimating.incident_of(old).etr is None


def test_what_comes_apart_in_a_storm_is_expected_to_last_from_its_own_first_report(estimating: Timeline) -> None:
    last = many_call(estimating, 0, 60, every=0.25)
    reports = [estimating.at(last + 1 + n / 4).report(f"A0TR0002{n}", account=f"f{n}") for n in (3, 4, 5)]
    whole = estimating.incident_of(reports[0])
    estimating.at(last + 3).dispatcher("split", incident_id=whole.incident_id, reports=(reports[2],))
    apart = estimating.incident_of(reports[2])
    assert apart is not whole
    assert apart.etr is not None
    assert apart.etr.at == by_class(apart) != by_class(whole)


def test_no_estimate_is_said_where_the_rules_have_none(storm: Timeline) -> None:
    many_call(storm, 0, 60, every=0.25)
    assert all(one.etr is None for one in storm.state.incidents.values())


def test_an_estimate_is_folded_like_everything_else(estimating: Timeline, ieee123: Tree) -> None:
    last = many_call(estimating, 0, 60, every=0.25)
    estimating.at(last + 1).report("A0TR00023", account="a")
    rules = estimating.state.rules
    again = fold(lambda: AreaState("A0SU00000", ieee123, rules), estimating.events)
    said = {key: one.etr for key, one in estimating.state.incidents.items()}
    assert {key: one.etr for key, one in again.incidents.items()} == said
    assert None not in said.values()
