"""Targets: which step a ticket is in, and that whatever the file and the hour, somebody can have it in bounded time."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.router import metrics
from services.router.domain.attributes import as_seen
from services.router.domain.routes import Route, RouteTree, Tried, take
from services.router.domain.targets import Duty, Ring, Step, Target, plan, step_at
from services.router.domain.ticket import Located
from services.router.domain.working_time import ALWAYS
from services.router.tree.book import RuleBook, load_rules
from services.router.tree.calendars import read_holidays
from services.runtime.yaml_reading import RulesError
from tests.unit.router.making import AT_HOME, CLASSIFY, ROUTES, SHIPPED, after, contact

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)
MOMENTS = st.integers(0, 2 * 365 * 24 * 3600).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
ATTRIBUTES = {"language": ("bo-CN",), "area": ("S1",), "feeder": ()}
OFFICE = SHIPPED.tree.calendars["office"]


def test_rings_drop_skills_and_timeouts_add_up() -> None:
    targets = (
        Target(
            line=1,
            queue="a",
            skills=("language", "area"),
            requires=("high_voltage",),
            rings=(Ring(20, frozenset({"area"})), Ring(40, frozenset({"language"}))),
            lasts_s=60,
        ),
        Target(line=2, queue="b", skills=("language",), lasts_s=30),
    )
    assert plan(targets, ATTRIBUTES, "general", NOON) == (
        Step(0, "a", ("language:bo-CN", "area:S1", "high_voltage")),
        Step(20, "a", ("language:bo-CN", "high_voltage")),
        Step(40, "a", ("high_voltage",)),
        Step(60, "b", ("language:bo-CN",)),
        Step(90, "general"),
    )


@pytest.mark.parametrize(
    ("target", "duty", "queue"),
    [
        (Target(line=1, queue="a", unless_staffed=True), Duty(staffed=frozenset()), "general"),
        (Target(line=1, queue="a", unless_staffed=True), Duty(staffed=frozenset({"a"})), "a"),
        (Target(line=1, queue="a", unless_staffed=True), Duty(), "a"),
        (Target(line=1, queue="a", most_waiting=9), Duty(waiting={"a": 10}), "general"),
        (Target(line=1, queue="a", most_waiting=9), Duty(waiting={"a": 9}), "a"),
        (Target(line=1, queue="a", most_waiting=0), Duty(), "a"),
        (Target(line=1, queue="a", most_waiting=0), Duty(waiting={}), "a"),
        (Target(line=1, queue="a"), Duty(staffed=frozenset(), waiting={"a": 99}), "a"),  # it asks for neither
        (Target(line=1, queue="a", open=("always", ALWAYS)), Duty(), "a"),
        (Target(line=1, queue="a", open=("office", OFFICE)), Duty(), "general"),  # noon at UTC+8 is the lunch break
    ],
)
def test_a_target_is_skipped_for_its_reason_and_the_fallback_always_is_there(
    target: Target, duty: Duty, queue: str
) -> None:
    assert [step.queue for step in plan((target,), ATTRIBUTES, "general", NOON, duty)] == [queue]


@pytest.mark.parametrize(
    ("target", "then", "before", "after_"),
    [
        ({"unless_staffed": True}, NOON, Duty(staffed=frozenset({"a"})), Duty(staffed=frozenset())),
        ({"most_waiting": 0}, NOON, Duty(waiting={"a": 0}), Duty(waiting={"a": 1})),
        ({"open": ("office", OFFICE)}, NOON + timedelta(hours=2), Duty(), Duty()),
    ],
    ids=["who is there", "how many wait", "the hour"],
)
def test_what_a_target_hangs_on_is_looked_at_for_each_ticket(
    target: dict[str, Any], then: datetime, before: Duty, after_: Duty
) -> None:
    tree = RouteTree(root=Route(path="root", line=1, queue="general"), queues={})
    tree = replace(tree, root=replace(tree.root, targets=(Target(line=1, queue="a", lasts_s=60, **target),)))
    alike = as_seen(after(contact(text="查电费")))
    assert take(tree, alike, then, before).queue == "a"
    assert take(tree, alike, NOON, after_).queue == "general"


def test_by_a_clock_that_is_behind_the_first_step_has_its_turn() -> None:
    assert step_at((Step(0, "a"), Step(60, "general")), -1) == 0


def test_a_required_skill_is_relaxed_like_one_of_the_ticket() -> None:
    target = Target(line=1, queue="a", requires=("climber", "high_voltage"), rings=(Ring(20, frozenset({"climber"})),))
    assert plan((target,), ATTRIBUTES, "general", NOON) == (
        Step(0, "a", ("climber", "high_voltage")),
        Step(20, "a", ("high_voltage",)),
    )


def test_a_step_that_changes_nothing_is_none() -> None:
    """A ticket without a feeder waits for nobody of a feeder, and so not until nobody of one is asked for."""
    feeder = Target(line=1, queue="a", skills=("feeder",), rings=(Ring(20, frozenset({"feeder"})),), lasts_s=60)
    assert plan((feeder,), ATTRIBUTES, "general", NOON) == (Step(0, "a"), Step(60, "general"))
    assert plan((replace(feeder, queue="general"),), ATTRIBUTES, "general", NOON) == (Step(0, "general"),)


def targets() -> st.SearchStrategy[tuple[Target, ...]]:
    skills = st.sampled_from([(), ("language",), ("language", "area"), ("feeder",)])
    one = st.builds(
        Target,
        line=st.just(1),
        queue=st.sampled_from(["a", "b", "c"]),
        skills=skills,
        requires=st.sampled_from([(), ("high_voltage",)]),
        rings=st.sampled_from(
            [(), (Ring(5, frozenset({"language"})),), (Ring(5, frozenset({"area"})), Ring(9, frozenset({"language"})))]
        ),
        lasts_s=st.integers(10, 100),
        open=st.sampled_from([None, ("office", OFFICE)]),
        unless_staffed=st.booleans(),
        most_waiting=st.none() | st.integers(0, 5),
    )
    return st.lists(one, max_size=5).map(tuple)


@given(
    targets(),
    MOMENTS,
    st.none() | st.frozensets(st.sampled_from(["a", "b", "c"])),
    st.none() | st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 9)),
)
@settings(deadline=None)
def test_every_ticket_comes_to_a_step_anybody_can_take_in_bounded_time(
    given_targets: tuple[Target, ...],
    now: datetime,
    staffed: frozenset[str] | None,
    waiting: dict[str, int] | None,
) -> None:
    steps = plan(given_targets, ATTRIBUTES, "general", now, Duty(staffed, waiting))
    assert steps[0].after_s == 0
    assert [step.after_s for step in steps] == sorted({step.after_s for step in steps})
    assert (steps[-1].queue, steps[-1].skills) == ("general", ())
    assert steps[-1].after_s <= sum(target.lasts_s or 0 for target in given_targets)
    for elapsed in (0, 1, 50, 10_000):
        here = step_at(steps, elapsed)
        assert steps[here].after_s <= elapsed
        assert here == len(steps) - 1 or steps[here + 1].after_s > elapsed


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-02-14", True),  # a Saturday that is worked
        ("2026-02-16", False),
        ("2026-02-24", True),
        ("2026-10-01", False),
        ("2026-10-10", True),
        ("2026-11-28", False),  # a Saturday
        ("2027-01-01", False),  # not published yet: the days that are off by law hold,
        ("2027-01-02", False),  # the weekends,
        ("2027-01-04", True),
        ("2027-02-05", False),  # the Spring Festival from its eve to the third day,
        ("2027-02-08", False),
        ("2027-02-09", True),  # and not what a notice would add
        ("2027-10-04", True),
        ("2026-04-07", True),  # Qingming of another year, where the notice tells
        ("2036-04-04", False),
        ("2037-02-16", True),  # the New Year of the moon, of a year that nobody has told of
    ],
)
def test_holidays_and_days_worked_for_them(day: str, works: bool) -> None:
    morning = datetime.fromisoformat(f"{day}T09:00:00+08:00")
    assert OFFICE.works_at(morning) is works
    assert not OFFICE.works_at(morning.replace(hour=3))
    assert OFFICE.works_at(morning.astimezone(UTC)) is works


@given(MOMENTS)
@settings(deadline=None, max_examples=40)
def test_a_moment_is_worked_where_working_time_passes(moment: datetime) -> None:
    passes = OFFICE.between(moment, moment + timedelta(microseconds=1)) > timedelta()
    assert OFFICE.works_at(moment) is passes


@pytest.mark.parametrize(
    ("old", "new", "line_of", "reason"),
    [
        ("2026:", "26:", "26:", "'26' is neither a year"),
        ('"01-01..01-03", "02', '"01-03..01-01", "02', "01-03..01-01", "ends before it begins"),
        ('"01-04", ', '"13-04", ', "13-04", "'13-04' must be a day of 2026"),
        ('"2027-04-05"', '"2027-04-31"', "04-31", "'2027-04-31' must be a day of 2027"),
        ('"2027-04-05"', '"2061-04-05"', "2061", "'2061-04-05' must be a day of 2024 or a span of them"),
        ('"2027-04-05"', '"2027-04-05..2027-04-06"', "..2027", "or of one year to 2060, such as 2027-02-05..02-08"),
        ('"01-04", ', '"2026-01-04", ', "2026-01-04", "'2026-01-04' must be a day of 2026"),
        ("version: 1", "version: 2", "version: 2", "version must be 1: the format this release reads"),
    ],
)
def test_a_fault_in_the_holidays_is_refused_with_its_line(old: str, new: str, line_of: str, reason: str) -> None:
    text = ROUTES.with_name("holidays.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    wrong = text.replace(old, new)
    line = next(n for n, each in enumerate(wrong.splitlines(), 1) if line_of in each and not each.startswith("#"))
    with pytest.raises(RulesError) as refused:
        read_holidays("holidays.yaml", wrong)
    assert f"holidays.yaml:{line}: " in str(refused.value)
    assert reason in str(refused.value)


def test_a_fault_in_what_holds_otherwise_is_told_once_and_hides_no_other() -> None:
    """It is read for each of some thirty years."""
    text = 'china:\n  otherwise: ["1-1", "05-02..05-01"]\nkorea:\n  2026: {off: ["13-04"], worked: []}\n'
    with pytest.raises(RulesError) as refused:
        read_holidays("holidays.yaml", text)
    assert [fault.line for fault in refused.value.faults] == [2, 2, 4]


def test_the_day_of_the_list_is_the_state_councils() -> None:
    china = read_holidays("h", ROUTES.with_name("holidays.yaml").read_text(encoding="utf-8"))["china"]
    assert date(2026, 2, 23) in china.off
    assert date(2026, 5, 9) in china.worked


@pytest.mark.parametrize(("day", "warned"), [("2026-11-26", False), ("2026-12-02", True), ("2027-03-01", True)])
def test_a_list_of_holidays_that_is_about_to_end_is_told_once_a_day(day: str, warned: bool) -> None:
    now = datetime.fromisoformat(f"{day}T03:00:00+00:00")
    book = RuleBook(ROUTES, CLASSIFY)
    book.note_holidays(now - timedelta(days=1))
    with capture_logs() as logs:
        for hours in (0, 1, 2):
            book.note_holidays(now + timedelta(hours=hours))
    told = [(each["list"], each["year"]) for each in logs if each["event"] == "holidays_end"]
    assert told == [("china", 2027)] * warned
    until = metrics.HOLIDAYS_UNTIL.labels("china")._value.get()
    assert datetime.fromtimestamp(until, UTC) == datetime(2027, 1, 1, tzinfo=UTC)


YEAR_2028 = '  2028:\n    off: ["01-01"]\n    worked: []\n'
YEAR_2027 = '  2027:\n    off: ["01-01..01-03"]\n    worked: ["01-09"]\n'


@pytest.mark.parametrize(
    ("added", "until"), [("", 2027), (YEAR_2027, 2028), (YEAR_2028, 2027), (YEAR_2028 + YEAR_2027, 2029)]
)
def test_a_list_of_holidays_ends_with_the_first_year_that_is_missing(added: str, until: int) -> None:
    text = ROUTES.with_name("holidays.yaml").read_text(encoding="utf-8")
    otherwise = "  otherwise:"
    assert text.count(otherwise) == 1
    china = read_holidays("h", text.replace(otherwise, added + otherwise))["china"]
    assert china.until == date(until, 1, 1)
    assert (date(2027, 5, 1) in china.off) is (YEAR_2027 not in added), "what holds otherwise is for other years"


def test_without_anything_for_a_year_its_weeks_are_as_any(tmp_path: Path) -> None:
    shutil.copy(ROUTES, tmp_path / "routes.yaml")
    (tmp_path / "holidays.yaml").write_text(f"version: 1\nchina:\n{YEAR_2028}", encoding="utf-8")
    office = load_rules(tmp_path / "routes.yaml", CLASSIFY).tree.calendars["office"]
    days = ("2027-01-01", "2027-01-02", "2027-01-03", "2027-01-04")
    assert [office.works_at(datetime.fromisoformat(f"{day}T09:00:00+08:00")) for day in days] == [
        True,
        False,
        False,
        True,
    ]


def test_a_year_that_is_added_is_taken_in_without_a_restart_and_no_longer_missed(tmp_path: Path) -> None:
    shutil.copy(ROUTES, tmp_path / "routes.yaml")
    shutil.copy(ROUTES.with_name("holidays.yaml"), tmp_path)
    book = RuleBook(tmp_path / "routes.yaml", CLASSIFY)
    saturday, now = datetime.fromisoformat("2027-01-09T09:00:00+08:00"), datetime(2026, 12, 20, tzinfo=UTC)
    assert not book.rules.tree.calendars["office"].works_at(saturday)
    file = tmp_path / "holidays.yaml"
    file.write_text(
        file.read_text(encoding="utf-8").replace("  otherwise:", f"{YEAR_2027}  otherwise:"), encoding="utf-8"
    )
    book.look()
    book.look()
    assert book.rules.tree.calendars["office"].works_at(saturday)
    with capture_logs() as logs:
        book.note_holidays(now)
    assert [each for each in logs if each["event"] == "holidays_end"] == []


def test_a_shipped_ticket_asks_for_its_language_first_and_for_nobody_in_particular_at_last() -> None:
    ticket = after(contact(text="གློག་མེད། དུ་བ་མི་འདུག", business_type="complaint"))
    assert ticket.taken.plan[0].skills == ("language:bo-CN",)
    assert ticket.taken.plan[-1].skills == ()
    assert ticket.queue == ticket.taken.plan[0].queue


def test_who_is_there_is_known_from_the_rules_and_explained() -> None:
    staffed = replace(SHIPPED, duty=Duty(staffed=frozenset({"repair"})))
    said = contact(text="Our power is out", language="en", business_type="fault_report")
    assert after(said).queue == "repair.en"
    assert after(said, rules=staffed).queue == "repair"
    tried: list[Tried] = []
    take(SHIPPED.tree, as_seen(after(said)), NOON, staffed.duty, tried)
    assert not any(each.held for each in tried if "→" in each.path)
    assert [each.why for each in tried if "→" in each.path] == [
        "nobody on duty serves repair.en",
        "nobody on duty serves english",
    ]


@pytest.mark.parametrize(
    ("kilovolts", "level"),
    [(None, None), (0.22, "low"), (0.38, "low"), (1.0, "low"), (10.0, "medium"), (35.0, "medium"), (110.0, "high")],
)
def test_a_ticket_can_be_routed_by_the_voltage_of_the_customers_supply(
    kilovolts: float | None, level: str | None, tmp_path: Path
) -> None:
    """The customer's file says it (customers.csv, BaseVoltage of CIM); what it does not say no route matches on."""
    text = ROUTES.read_text(encoding="utf-8")
    first = "\n  routes:\n"
    assert first in text
    target = "{queue: repair, skills: [voltage_level], for: 5m}"
    route = f"    - {{name: supplied, match: {{voltage_level: [medium, high]}}, targets: [{target}]}}\n"
    changed = text.replace(first, first + route, 1)
    (tmp_path / "routes.yaml").write_text(changed, encoding="utf-8")
    located = Located(AT_HOME.place.model_copy(update={"voltage_kv": kilovolts}))
    seen = as_seen(after(contact(business_type="fault_report", text="电压低"), located=located))
    assert seen["voltage_level"] == (() if level is None else (level,))
    taken = take(load_rules(tmp_path / "routes.yaml", CLASSIFY).tree, seen, NOON)
    matches = level in {"medium", "high"}
    assert (taken.path == "root/supplied") is matches
    assert (f"voltage_level:{level}" in taken.plan[0].skills) is matches
    (tmp_path / "routes.yaml").write_text(changed.replace("[medium, high]", "10kV"), encoding="utf-8")
    with pytest.raises(RulesError, match=r"'10kV' is no voltage_level"):
        load_rules(tmp_path / "routes.yaml", CLASSIFY)
