"""IEEE 1366 figures against numbers worked out by hand, and the one clock of an incident."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.ids import timer_id
from services.contracts.messages import TimerFired
from services.contracts.values import CustomerClass, IncidentState, ProgressStage
from services.dedup.domain import acts as a
from services.dedup.domain import events as e
from services.dedup.domain.clock import due_of
from services.dedup.domain.figures import Figures, Interruption, Step, by_day, figures
from services.dedup.levels_file import load_levels
from services.dedup.settings import LEVELS
from services.runtime.yaml_reading import RulesError
from tests.unit.dedup.timeline import Timeline, minute

if TYPE_CHECKING:
    from datetime import tzinfo

    from services.dedup.domain.rules import Rules
    from services.grid.tree import Tree

FIVE = timedelta(minutes=5)
UPSTREAM = {"T": ("T", "F", "B"), "F": ("F", "B"), "B": ("B",), "U": ("U", "B")}


def out(device: str, customers: int, start: float, end: float | None) -> Interruption:
    ended = None if end is None else minute(end)
    return Interruption("S", device, UPSTREAM[device], customers, minute(start), ended)


def of(*found: Interruption, served: int = 1000, momentary: timedelta = FIVE) -> Figures:
    return figures(found, served, momentary=momentary, until=minute(600))


def test_the_indices_of_separate_outages() -> None:
    # 200 customers for 60 min, 50 for 120, 100 for 3 (momentary), of 1,000 customers:
    # CMI = 12,000 + 6,000 = 18,000; CI = 250.
    found = of(out("F", 200, 0, 60), out("U", 50, 100, 220), out("F", 100, 300, 303))
    assert found.customer_minutes == 18_000
    assert found.saidi_minutes == 18.0
    assert found.saifi == 0.25
    assert found.caidi_minutes == 72.0
    assert found.maifi == 0.1
    assert found.interruptions == 2


@pytest.mark.parametrize("device", ["F", "T"])
@pytest.mark.parametrize("customers", [200, 20])
def test_those_still_out_after_a_restoration_are_one_interruption_going_on(device: str, customers: int) -> None:
    # 200 customers for 60 min, and some of them, with the same beginning, for 30 min more.
    found = of(out("F", 200, 0, 60), out(device, customers, 0, 90))
    assert found.customer_minutes == 200 * 60 + customers * 30
    assert (found.customers_interrupted, found.interruptions) == (200, 1)
    goes_on = of(out(device, customers, 0, None), out("F", 200, 0, 60))
    assert goes_on.customer_minutes == 200 * 60 + customers * 540


@pytest.mark.parametrize(("minutes", "momentary"), [(4.99, True), (5, True), (5.01, False)])
def test_exactly_the_threshold_is_momentary(minutes: float, momentary: bool) -> None:
    found = of(out("F", 10, 0, minutes))
    assert (found.momentary_customers, found.customers_interrupted) == ((10, 0) if momentary else (0, 10))


def test_the_threshold_is_a_setting() -> None:
    assert of(out("F", 10, 0, 3), momentary=timedelta(minutes=1)).customers_interrupted == 10


def test_a_nested_outage_moves_its_customers_and_counts_them_once() -> None:
    # The feeder B (1,000 customers) is out from 0 to 60; under it transformer T (20) stays out until 180.
    # CMI = 1,000 * 60 + 20 * 120 = 62,400; every customer has one interruption.
    found = of(out("B", 1000, 0, 60), out("T", 20, 0, 180))
    assert found.customer_minutes == 62_400
    assert (found.customers_interrupted, found.interruptions) == (1000, 1)
    assert found.saifi == 1.0


def test_an_outage_inside_a_larger_one_adds_nothing() -> None:
    assert of(out("B", 1000, 0, 60), out("T", 20, 10, 50)).customer_minutes == 60_000


def test_what_began_before_the_larger_one_adds_only_its_own_minutes() -> None:
    # T out 0 to 90, B out 30 to 60: T's own minutes are 0 to 30 and 60 to 90.
    assert of(out("T", 20, 0, 90), out("B", 1000, 30, 60)).customer_minutes == 60 * 20 + 30 * 1000


def test_a_second_outage_after_power_was_back_is_a_second_interruption() -> None:
    found = of(out("F", 100, 0, 60), out("F", 100, 120, 180))
    assert (found.customers_interrupted, found.customer_minutes) == (200, 12_000)


def test_what_is_out_while_the_device_above_opens_for_a_moment_is_one_sustained_interruption_of_its_customers() -> None:
    # T (20) is out 0 to 200, and B (1,000) for four minutes of that: 980 have a momentary event, 20 a long outage.
    found = of(out("T", 20, 0, 200), out("B", 1000, 20, 24))
    assert (found.customer_minutes, found.customers_interrupted, found.momentary_customers) == (4000, 20, 980)


def test_neighbours_with_a_problem_each_are_two_customers() -> None:
    mine, theirs = (out("T", 1, start, 100)._replace(premises=who) for start, who in ((0, "A1"), (50, "A2")))
    found = of(mine, theirs)
    assert (found.customer_minutes, found.customers_interrupted, found.interruptions) == (150, 2, 2)
    found = of(mine, theirs, out("T", 20, 50, 100))
    assert (found.customer_minutes, found.customers_interrupted) == (100 + 19 * 50, 20)


def test_what_opens_again_within_the_threshold_is_one_momentary_event_or_part_of_the_outage_that_follows() -> None:
    found = of(out("F", 10, 0, 1), out("F", 10, 3, 4), out("F", 10, 30, 31))
    assert (found.momentary_customers, found.customers_interrupted) == (20, 0)
    found = of(out("F", 10, 0, 1), out("F", 10, 3, 60))
    assert (found.momentary_customers, found.customers_interrupted, found.customer_minutes) == (0, 10, 570)


def step(device: str, customers: int, at: float) -> Step:
    return Step(device, UPSTREAM[device], customers, minute(at))


@pytest.mark.parametrize(
    ("steps", "minutes"),
    [
        ([step("F", 200, 60)], 200 * 60 + 800 * 120),
        ([step("T", 20, 30), step("F", 200, 60)], 20 * 30 + 180 * 60 + 800 * 120),  # a step in a later one
        ([step("F", 200, 60), step("T", 20, 90)], 200 * 60 + 800 * 120),  # told of again
        ([step("U", 50, 40), step("F", 200, 60)], 50 * 40 + 200 * 60 + 750 * 120),
        ([step("F", 200, 180)], 1000 * 120),  # told late: all of it was back before
    ],
)
def test_each_restoration_steps_customers_count_until_their_own_step(steps: list[Step], minutes: float) -> None:
    found = of(out("B", 1000, 0, 120)._replace(steps=tuple(steps)))
    assert found.customer_minutes == minutes
    assert (found.customers_interrupted, found.interruptions) == (1000, 1)


def test_a_step_within_the_threshold_is_momentary_for_its_customers() -> None:
    found = of(out("B", 1000, 0, 120)._replace(steps=(step("F", 200, 3),)))
    assert (found.momentary_customers, found.customers_interrupted, found.customer_minutes) == (200, 800, 800 * 120)


def test_a_step_where_one_customer_had_a_problem_of_their_own_as_well_is_one_of_all_there() -> None:
    home = out("T", 1, 300, 330)._replace(premises="A1")
    found = of(out("B", 1000, 0, 120)._replace(steps=(step("T", 20, 30),)), home)
    assert found.customer_minutes == 20 * 30 + 980 * 120 + 30


def test_what_goes_out_again_after_its_step_is_another_interruption() -> None:
    found = of(out("B", 1000, 0, 120)._replace(steps=(step("F", 200, 60),)), out("F", 200, 80, 200))
    assert found.customer_minutes == 200 * 60 + 800 * 120 + 200 * 120
    assert (found.customers_interrupted, found.interruptions) == (1200, 2)


def interruptions(story: Timeline) -> list[Interruption]:
    """What a timeline came to, as the store would give it back."""
    opened = {one.incident_id: one for one in story.events if isinstance(one, e.IncidentOpened)}
    parts = [one for one in story.events if isinstance(one, e.PartRestored)]
    found = []
    for told in {change.incident_id: change for change in story.changed}.values():
        if told.state is IncidentState.CANCELLED or opened[told.incident_id].kind is e.Kind.HAZARD:
            continue
        steps = [
            Step(one.device, story.state.upstream(one.device), story.state.customers_under(one.device), one.restored_at)
            for one in parts
            if one.incident_id == told.incident_id
        ]
        began = opened[told.incident_id].out_since or told.opened_at
        place = (told.area, told.device.id, story.state.upstream(told.device.id), told.customers_served)
        found.append(Interruption(*place, began, told.restored_at, tuple(steps)))
    return found


def test_a_day_of_a_feeder_as_ieee_1366_sees_it(storm: Timeline) -> None:
    """Of 351 customers the 143 of a switch go dark at noon; a fuse's 10 are back at 13:00, all but 4 at 13:30.

    Those stay out until 14:00; in the evening 4 others are dark for four minutes, and danger keeps nobody dark.
    """
    tree = storm.state.tree
    assert tree is not None
    for n, device in enumerate(tree.transformers_under("A0SW00012")):
        first = storm.at(n / 60).report(device)
    order = storm.order_of(first)
    storm.at(60).power_back("A0FU00016")
    storm.at(90).crew(order.order_id, ProgressStage.RESTORED)
    still = storm.at(95).report("A0TR00104")
    storm.at(120).crew(storm.order_of(still).order_id, ProgressStage.RESTORED)
    brief = storm.at(400).report("A0TR00020")
    storm.at(404).crew(storm.order_of(brief).order_id, ProgressStage.RESTORED)
    storm.at(405).report("A0TR00020", hazards=("fire",))

    fuse, late, short = (tree.customers_under(one) for one in ("A0FU00016", "A0TR00104", "A0TR00020"))
    assert (tree.customers_under("A0SW00012"), fuse, late, short) == (143, 10, 4, 4)
    found = figures(interruptions(storm), 351, momentary=FIVE, until=minute(600))
    assert found.customer_minutes == pytest.approx((143 - 10) * 90 + 10 * 60 + 4 * 30)
    assert (found.customers_interrupted, found.interruptions, found.momentary_customers) == (143, 1, 4)
    assert found.saidi_minutes == pytest.approx(12_690 / 351)
    assert found.saifi == pytest.approx(143 / 351)
    assert found.caidi_minutes == pytest.approx(12_690 / 143)
    assert found.maifi == pytest.approx(4 / 351)


def test_what_is_still_out_counts_until_now() -> None:
    assert of(out("F", 10, 540, None)).customer_minutes == 600


def test_no_customers_give_no_division_by_zero() -> None:
    found = of(served=0)
    assert (found.saidi_minutes, found.saifi, found.caidi_minutes, found.maifi) == (0, 0, 0, 0)


def days(*interruptions: Interruption, zone: tzinfo = UTC) -> dict[str, Figures]:
    return by_day(interruptions, zone, momentary=FIVE, until=minute(3000))


def test_an_outage_belongs_to_the_day_it_began() -> None:
    late = out("F", 10, 12 * 60 - 10, 13 * 60)
    assert days(late, out("U", 1, 0, 9)) == {"2026-07-01": Figures(0, 10 * 70 + 9, 11, 0, 2)}


def test_the_day_is_that_of_the_zone_asked_in() -> None:
    late = out("F", 10, 0, 9)
    ahead = timezone(24 * timedelta(hours=1) - timedelta(minutes=1))
    assert list(days(late, zone=ahead)) != list(days(late, zone=timezone(-timedelta(hours=12))))


def test_who_was_dark_before_midnight_is_not_interrupted_anew_by_an_outage_above_after_it() -> None:
    home = out("T", 10, 11 * 60, 20 * 60)
    feeder = out("F", 100, 13 * 60, 15 * 60)
    found = days(home, feeder)
    assert found == {"2026-07-01": Figures(0, 10 * 540, 10, 0, 1), "2026-07-02": Figures(0, 90 * 120, 90, 0, 1)}
    assert sum(found.values(), Figures(100)) == of(home, feeder, served=100), "the days add up to the whole"


def test_a_blink_before_midnight_that_goes_on_into_an_outage_after_it_is_that_outage() -> None:
    found = days(out("F", 10, 718, 719), out("F", 10, 722, 782))
    assert [(one.momentary_customers, one.customers_interrupted) for one in found.values()] == [(0, 0), (0, 10)]


MIDNIGHT = minute(720)


def month(first: bool, *interruptions: Interruption) -> Figures:
    """The figures of the time before midnight, or after."""
    between = (minute(-9000), MIDNIGHT) if first else (MIDNIGHT, minute(9000))
    return figures(interruptions, 100, momentary=FIVE, until=minute(3000), between=between)


@pytest.mark.parametrize(
    ("outages", "before", "after"),
    [
        ([out("F", 100, 700, 780)], (100, 8000, 0), (0, 0, 0)),
        ([out("F", 100, 700, 780), out("T", 20, 730, 900)], (100, 8000 + 20 * 120, 0), (0, 0, 0)),
        ([out("T", 20, 700, 780), out("F", 100, 730, 900)], (20, 4000, 0), (80, 80 * 170, 0)),
        ([out("F", 100, 718, 719), out("F", 100, 722, 782)], (0, 0, 0), (100, 6000, 0)),
        ([out("F", 100, 718, 719), out("F", 100, 721, 722)], (0, 0, 100), (0, 0, 0)),
        ([out("F", 100, 720, 780)], (0, 0, 0), (100, 6000, 0)),
    ],
    ids=["over midnight", "its nested one after", "one above it after", "a blink before", "blinks", "at midnight"],
)
def test_what_begins_before_midnight_is_of_the_month_before_whatever_follows_on_it(
    outages: list[Interruption], before: tuple[float, ...], after: tuple[float, ...]
) -> None:
    months = [month(first, *outages) for first in (True, False)]
    found = [(one.customers_interrupted, one.customer_minutes, one.momentary_customers) for one in months]
    assert found == [before, after]


LEAVES = {
    **{f"t{n}": ("t", "f", "b") for n in range(3)},
    **{f"u{n}": ("u", "f", "b") for n in range(2)},
    "v0": ("v", "b"),
}
"""Each customer, and what could open above them."""
CHAINS = {"t": ("t", "f", "b"), "u": ("u", "f", "b"), "v": ("v", "b"), "f": ("f", "b"), "b": ("b",)}


def under(device: str) -> int:
    return sum(device in chain for chain in LEAVES.values())


@st.composite
def outages(draw: st.DrawFn) -> Interruption:
    """One that began within 80 minutes, of a device, or of a customer's own, and steps of it."""
    start, lasts = draw(st.integers(0, 80)), draw(st.integers(1, 30) | st.none())
    ended = None if lasts is None else minute(start + lasts)
    who = draw(st.sampled_from([*CHAINS, *LEAVES]))
    if who in LEAVES:
        chain = LEAVES[who]
        return Interruption("S", chain[0], chain, 1, minute(start), ended, premises=who)
    below = [one for one in CHAINS if who in CHAINS[one] and one != who]
    steps = [Step(one, CHAINS[one], under(one), minute(start + draw(st.integers(1, 30)))) for one in below]
    told = draw(st.lists(st.sampled_from(steps), max_size=2)) if steps else []
    return Interruption("S", who, CHAINS[who], under(who), minute(start), ended, tuple(told))


def one_by_one(found: list[Interruption], start: float, end: float, until: float) -> tuple[float, int, int]:
    """Minutes, customers and momentary events, counted customer by customer and minute by minute."""
    minutes, customers, brief = 0.0, 0, 0
    for who, chain in LEAVES.items():
        dark: set[int] = set()
        for one in found:
            if one.premises == who if one.premises is not None else one.device in chain:
                ends = [one.ended_at or minute(until), *(step.ended_at for step in one.steps if step.device in chain)]
                dark |= {n for n in range(200) if one.started_at <= minute(n) < min(ends)}
        spells = [(n, next(m for m in range(n, 999) if m not in dark)) for n in sorted(dark) if n - 1 not in dark]
        events: list[int] = []  # when each momentary event began
        for first, back in spells:
            goes_on = bool(events) and first - events[-1] <= 5
            if back - first <= 5:
                events += [] if goes_on else [first]
                continue
            if goes_on:
                events.pop()
            events.append(-9999)  # what is momentary after it is another event
            if start <= first < end:
                minutes, customers = minutes + back - first, customers + 1
        brief += sum(start <= first < end for first in events)
    return minutes, customers, brief


@given(st.lists(outages(), max_size=8), st.lists(st.integers(0, 100), max_size=4))
def test_however_a_time_is_cut_its_parts_add_up_and_each_is_what_its_customers_count(
    found: list[Interruption], cuts: list[int]
) -> None:
    edges = [-10, *sorted(cuts), 200]
    total = Figures(100)
    for start, end in pairwise(edges):
        of_part = figures(found, 0, momentary=FIVE, until=minute(120), between=(minute(start), minute(end)))
        counted = of_part.customer_minutes, of_part.customers_interrupted, of_part.momentary_customers
        assert counted == one_by_one(found, start, end, 120)
        total += of_part
    assert total == figures(found, 100, momentary=FIVE, until=minute(120))


# --- the clock ---


@pytest.fixture
def timed(ieee123: Tree, rules: Rules) -> Timeline:
    return Timeline("A0SU00000", ieee123, replace(rules, levels=load_levels(LEVELS)))


def due(storm: Timeline, what: str, order: object, at: float) -> None:
    """The watcher finds that a due time has passed."""
    incident, due_at = order.incident_id, order.arrive_by if what == "arrival" else order.restore_by
    fired = TimerFired(
        area=storm.state.area,
        timer_id=timer_id(storm.state.area, f"{what}_due", incident, due_at),
        kind=f"{what}_due",
        subject=incident,
        due_at=due_at,
        fired_at=minute(at),
    )
    storm.take(fired, minute(at))


def test_one_clock_runs_from_the_earliest_report(timed: Timeline) -> None:
    first = timed.at(10).report("A0TR00023", made=4)
    timed.at(20).report("A0TR00023", made=2)
    timed.at(21).report("A0TR00024")

    order = timed.order_of(first)
    assert (order.arrive_by, order.restore_by) == (minute(2 + 45), minute(2 + 45 + 180))
    assert timed.changed[-1].arrive_by == minute(47)


def test_the_repair_counts_from_the_crews_arrival(timed: Timeline) -> None:
    first = timed.at(0).report("A0TR00023")
    timed.at(20).crew(timed.order_of(first).order_id, ProgressStage.ARRIVED)

    assert timed.changed[-1].restore_by == minute(20 + 180)


def test_a_crew_is_due_sooner_at_a_life_support_customer(timed: Timeline) -> None:
    first = timed.at(0).report("A0TR00023", customer_class=CustomerClass.LIFE_SUPPORT)
    assert timed.order_of(first).arrive_by == minute(30)


def test_a_missed_due_time_is_told_once(timed: Timeline) -> None:
    first = timed.at(0).report("A0TR00023")
    order = timed.order_of(first)
    for at in (46, 47):
        due(timed, "arrival", order, at)

    assert [event.what for event in timed.events if isinstance(event, a.DeadlineBreached)] == ["arrival"]
    assert [change.breached for change in timed.changed][-1] == ("arrival",)
    due(timed, "restoration", order, 300)
    assert timed.changed[-1].breached == ("arrival", "restoration")


def test_a_due_time_that_new_service_levels_put_off_is_missed_when_it_has_passed(timed: Timeline) -> None:
    order = timed.order_of(timed.at(0).report("A0TR00023"))
    levels = load_levels(LEVELS)
    timed.state.rules = replace(timed.state.rules, levels=replace(levels, usual="rural"))
    due(timed, "arrival", order, 46)

    assert not [event for event in timed.events if isinstance(event, a.DeadlineBreached)]
    put_off = timed.changed[-1]
    assert put_off.arrive_by == minute(90), "what is stored is what is waited for"
    due(timed, "arrival", put_off, 91)
    assert timed.changed[-1].breached == ("arrival",)
    told = len(timed.changed)
    due(timed, "arrival", put_off, 92)
    assert len(timed.changed) == told


def test_a_crew_that_was_there_in_time_breaches_nothing(timed: Timeline) -> None:
    first = timed.at(0).report("A0TR00023")
    order = timed.order_of(first)
    timed.at(40).crew(order.order_id, ProgressStage.ARRIVED)
    due(timed, "arrival", order, 46)

    assert not [event for event in timed.events if isinstance(event, a.DeadlineBreached)]


def test_merged_outages_have_one_clock_from_the_earliest_of_all_their_reports(timed: Timeline) -> None:
    timed.at(30).report("A0TR00023", "older", made=10)
    timed.at(31).report("A0TR00024", "younger", made=31)
    (order,) = timed.live_orders().values()
    assert order.device.id == "A0FU00016"
    assert order.arrive_by == minute(10 + 45)
    (incident,) = timed.state.incidents.values()
    assert timed.changed[-1].arrive_by == due_of(timed.state, incident).arrive_by == minute(55)


def test_what_a_person_splits_off_and_merges_has_the_clock_of_its_own_reports(timed: Timeline) -> None:
    first = timed.at(0).report("A0TR00023", "first")
    second = timed.at(20).report("A0TR00024", "second")
    incident = timed.incident_of(first)
    assert timed.incident_of(second) is incident
    timed.at(21).dispatcher("split", incident_id=incident.incident_id, reports=(second,))
    apart = timed.incident_of(second)
    assert (timed.order_of(first).arrive_by, timed.order_of(second).arrive_by) == (minute(45), minute(65))
    timed.at(22).dispatcher("merge", incident_id=apart.incident_id, target_id=incident.incident_id)
    assert timed.order_of(second).arrive_by == minute(45)


@pytest.mark.parametrize(("zone", "arrive", "restore"), [("urban", 45, 180), ("rural", 90, 240), ("remote", 120, 240)])
def test_the_clock_is_that_of_the_feeders_zone(
    ieee123: Tree, rules: Rules, tmp_path: Path, zone: str, arrive: float, restore: float
) -> None:
    path = tmp_path / "levels.yaml"
    path.write_text(LEVELS.read_text().replace("feeders: {}", f"feeders: {{A0BR00001: {zone}}}"))
    line = Timeline("A0SU00000", ieee123, replace(rules, levels=load_levels(path)))
    order = line.order_of(line.at(0).report("A0TR00023"))
    assert (order.arrive_by, order.restore_by) == (minute(arrive), minute(arrive + restore))
    due(line, "arrival", order, arrive - 0.1)
    assert not [event for event in line.events if isinstance(event, a.DeadlineBreached)], "not yet"
    due(line, "arrival", order, arrive)
    assert [event.what for event in line.events if isinstance(event, a.DeadlineBreached)] == ["arrival"]


def test_who_is_still_out_has_a_clock_of_their_own_and_the_outage_began_with_the_first(timed: Timeline) -> None:
    first = timed.at(0).report("A0TR00023", "first")
    timed.at(30).crew(timed.order_of(first).order_id, ProgressStage.RESTORED)
    still = timed.at(50).report("A0TR00023", "still out")
    nested = timed.incident_of(still)
    assert nested.out_since == minute(0)
    assert timed.order_of(still).arrive_by == minute(50 + 45), "nobody can be on the spot before they called again"


def test_without_service_levels_nothing_is_due(storm: Timeline) -> None:
    assert storm.order_of(storm.at(0).report("A0TR00023")).arrive_by is None


def test_a_levels_file_names_every_mistake_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "levels.yaml"
    path.write_text(
        "version: 1\nzones:\n  urban: {arrive_minutes: soon, restore_hours: 3}\nusual: moon\nareas: {S1: mars}\n"
    )
    with pytest.raises(RulesError) as error:
        load_levels(path)
    assert [(line, reason.split(" ")[0]) for line, reason in error.value.faults] == [
        (3, "arrive_minutes"),
        (4, "usual:"),
        (5, "areas.S1:"),
    ]


def test_what_is_momentary_is_data_of_the_operator(tmp_path: Path) -> None:
    path = tmp_path / "levels.yaml"
    shipped = LEVELS.read_text()
    assert load_levels(LEVELS).momentary == FIVE
    path.write_text(shipped.replace("momentary_minutes: 5", "momentary_minutes: 3"))
    assert load_levels(path).momentary == timedelta(minutes=3)
    path.write_text(shipped.replace("momentary_minutes: 5", ""))
    assert load_levels(path).momentary == FIVE, "IEEE 1366 where nothing is set"
    path.write_text(shipped.replace("momentary_minutes: 5", "momentary_minutes: -1"))
    with pytest.raises(RulesError, match="momentary_minutes"):
        load_levels(path)


def test_feeder_comes_before_area_and_area_before_the_usual(tmp_path: Path) -> None:
    path = tmp_path / "levels.yaml"
    shipped = (
        LEVELS.read_text().replace("areas: {}", "areas: {S1: rural}").replace("feeders: {}", "feeders: {F1: remote}")
    )
    path.write_text(shipped)
    levels = load_levels(path)
    assert [levels.zone(*place) for place in (("S1", "F1"), ("S1", None), ("S2", "F2"))] == ["remote", "rural", "urban"]
