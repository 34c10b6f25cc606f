"""The rules file: the shipped one is good, and every mistake is named with its line."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from deploy.native.plan import default_services
from deploy.native.settings import StackSettings
from services.dedup.ground import Ground
from services.dedup.rules_file import load_rules
from services.dedup.settings import RULES as SHIPPED
from services.dedup.settings import DedupSettings
from services.grid.device import PROTECTIVE, DeviceType
from services.runtime.yaml_reading import RulesError
from tests.unit.dedup.timeline import RULES

if TYPE_CHECKING:
    from pathlib import Path


def test_the_shipped_rules_name_every_class_that_can_open_and_hold_nothing() -> None:
    rules = load_rules(SHIPPED)

    assert rules.inference.rates.keys() == PROTECTIVE | {DeviceType.TRANSFORMER}
    assert not any(rules.holds.values())


def test_what_machines_say_closes_after_five_minutes_as_shipped_and_never_without_the_setting(tmp_path: Path) -> None:
    shipped, without = load_rules(SHIPPED), load_rules(RULES)
    file = tmp_path / "rules.yaml"
    text = RULES.read_text(encoding="utf-8")
    file.write_text(text.replace("  cell: 0\n", "  cell: 0\n  meters: 180\n"), encoding="utf-8")

    assert (shipped.closed_after, shipped.early) == (timedelta(minutes=5), timedelta(minutes=15))
    assert (without.closed_after, without.early) == (None, timedelta(0))
    assert (shipped.asked_twice, without.asked_twice) == (True, False)
    assert load_rules(file).hold("meters") == timedelta(minutes=3)


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    same, other = tmp_path / "same.yaml", tmp_path / "other.yaml"
    same.write_bytes(RULES.read_bytes())
    other.write_bytes(RULES.read_bytes() + b"\n")

    assert load_rules(same).hash == load_rules(RULES).hash != load_rules(other).hash


def test_without_a_margin_for_few_as_many_report_every_outage(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(RULES.read_text(encoding="utf-8").replace("  few_margin: 12\n", ""), encoding="utf-8")

    assert load_rules(file).inference.few_margin == math.inf


def test_numbers_mean_what_their_names_say() -> None:
    rules = load_rules(RULES)

    inference = rules.inference
    year = 365.25 * 24 * 3600
    assert math.exp(inference.rates[DeviceType.SUBSTATION]) * year == pytest.approx(2)
    assert inference.home is not None
    assert math.exp(inference.home) * year == pytest.approx(0.6)
    assert (inference.share, inference.delay_median, inference.relook[:3]) == (0.1, 300, (60, 120, 240))
    assert inference.few_margin == 12
    assert math.exp(inference.stray) * 3600 == pytest.approx(0.0001)
    assert rules.trusted_lag == timedelta(minutes=45)
    assert rules.restored_memory == timedelta(hours=24)
    assert rules.hold("no such class") == timedelta(0)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("version: 1", "version: 2", "version must be 1"),
        ("faults_per_year:", "faults:", "unknown key 'faults' in the file"),
        ("  fuse: 15", "  fuze: 15", "unknown key 'fuze' in faults_per_year; did you mean 'fuse'?"),
        ("  fuse: 15", "  fuse: 0", "fuse must be a number from 1e-06"),
        ("share: 0.10", "share: 10%", "share must be a number from 0.001 to 0.9"),
        ("share: 0.10", "share: .nan", "share must be a number from 0.001 to 0.9"),
        ("share: 0.10", "share: true", "share must be a number from 0.001 to 0.9"),
        ("  delay_spread: 1.3", "  spread: 1.3", "unknown key 'spread' in reporting"),
        ("faults_per_year:", "reporting: {}\nfaults_per_year:", "reporting has no 'delay_spread'"),
        ("silence_weight: 0.5", "silence_weight: 2", "silence_weight must be a number from 0 to 1"),
        ("enough: 0.6", "enough: -1", "enough must be a number from 0 to 1"),
        ("[1, 2, 4, 8, 16, 32, 64, 128]", "[2, 1]", "relook_minutes must ascend"),
        ("[1, 2, 4, 8, 16, 32, 64, 128]", "128", "relook_minutes must be a list"),
        ("trusted_lag_minutes: 45", "trusted_lag_minutes: -1", "trusted_lag_minutes must be a number"),
        ("  cell: 0", "  cell: [0]", "cell must be a number from 0 to 3600"),
        ("  cell: 0", "  cell: 0\n  cell: 5", "'cell' stands twice in hold_seconds"),
        ("  memory_hours: 24", "  memory: 24", "already_restored has no 'memory_hours'"),
        ("leave_times: 4", "leave_times: 12", "leave_times must be less than enter_times"),
        ("  usual_days: 14", "  usual_weeks: 2", "unknown key 'usual_weeks' in storm"),
        ("leave_times: 4", "leave_times: 4\n  hold_seconds: {tree: 9}", "unknown key 'tree' in hold_seconds of storm"),
        (
            "leave_times: 4",
            "leave_times: 4\n  etr_hours: {tree: 9}",
            "unknown key 'tree' in etr_hours",
        ),
        ("few_margin: 12", "few_margin: 0", "few_margin must be a number from 1 to 100"),
        ("lift_margin: 0", "lift_margin: 0\n  fresh_minutes: 90", "fresh_minutes must be a number from 0 to 60"),
        *(
            (
                "already_restored:",
                f"night: {{time_zone: {zone}, from: '{begins}', to: '{ends}', awake: {awake}}}\nalready_restored:",
                problem,
            )
            for zone, begins, ends, awake, problem in [
                ("Asia/Shanghei", "23:00", "06:30", 0.5, "time_zone: 'Asia/Shanghei' is not in"),
                ("UTC", "24:00", "06:30", 0.5, 'night: from must be a time of day such as "22:00"'),
                ("UTC", "23:00", "23:00", 0.5, "night: from and to must differ"),
                ("UTC", "23:00", "06:30", 2, "awake must be a number from 0 to 1"),
            ]
        ),
        ("already_restored:", "night: {from: '23:00'}\nalready_restored:", "night has no 'awake'"),
        ("already_restored:", "already_restored: never\nx:", "already_restored must be a mapping"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    text = RULES.read_text()
    assert old in text
    changed = tmp_path / "dedup.yaml"
    changed.write_text(text.replace(old, new, 1))

    with pytest.raises(RulesError) as refused:
        load_rules(changed)
    line = text[: text.index(old)].count("\n") + 1
    told = [reason for at, reason in refused.value.faults if abs(at - line) <= 1]
    assert any(problem in reason for reason in told), refused.value


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    changed = tmp_path / "dedup.yaml"
    changed.write_text(RULES.read_text().replace("share: 0.10", "share: 2").replace("version: 1", "version: x"))

    with pytest.raises(RulesError) as refused:
        load_rules(changed)
    assert len(refused.value.faults) == 2


@pytest.mark.parametrize("text", ["", "[]", "version: 1", "a: [", "\x00", "\xff", "version: 1\nreporting: &a [*a]"])
def test_what_is_no_rules_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dedup.yaml"
    path.write_bytes(text.encode("latin-1"))

    with pytest.raises(RulesError):
        load_rules(path)


def test_where_storms_are_squeezed_a_setting_says_how_late_a_report_may_come_in_place_of_the_rules() -> None:
    day = timedelta(hours=24)
    assert Ground(RULES).rules.trusted_lag == load_rules(RULES).trusted_lag < day
    assert Ground(RULES, trusted_lag=day).rules.trusted_lag == day
    dedup = next(one for one in default_services(StackSettings()) if one.name == "dedup")
    assert DedupSettings.model_fields.keys() >= {"trusted_lag_minutes"}
    assert float(dedup.environment["GRIDLINE_TRUSTED_LAG_MINUTES"]) == day.total_seconds() / 60
