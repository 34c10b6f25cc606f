"""The alert rules, by promtool: well formed, and each silent when all is well and firing on what it is for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.ops.prometheus import SHIPPED, binary

pytestmark = pytest.mark.integration

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
RULES = [
    rule
    for group in yaml.safe_load((SHIPPED / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]


def promtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [binary("promtool"), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_configuration_is_well_formed():
    checked = promtool("check", "config", SHIPPED / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_rule_does_what_its_cases_say():
    checked = promtool("test", "rules", SHIPPED / "rules_test.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("wrong", ["vector(0) > 1", "vector(1) > 0"], ids=["never fires", "always fires"])
def test_the_cases_find_every_rule_that_is_wrong(wrong: str, tmp_path: Path):
    """The control: each rule's cases fail when its expression is wrong, either way."""
    rules = yaml.safe_load((SHIPPED / "rules.yml").read_text(encoding="utf-8"))
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule["expr"] = wrong
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    shutil.copy(SHIPPED / "rules_test.yml", tmp_path)
    checked = promtool("test", "rules", tmp_path / "rules_test.yml")
    failed = set(re.findall(r"alertname: ?(\w+)", checked.stdout + checked.stderr))
    assert failed == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda one: one["alert"])
def test_a_rule_says_how_grave_it_is_and_operations_what_to_do(rule: dict):
    assert rule["alert"].startswith("Gridline")
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description"}
    row = re.search(rf"^\| \*\*{rule['alert']}\*\*( \(critical\))? \|", told(), re.MULTILINE)
    assert row, "docs/operations.md does not tell of it"
    assert bool(row.group(1)) == (rule["labels"]["severity"] == "critical")


def told() -> str:
    return OPERATIONS.read_text(encoding="utf-8")


def test_operations_tells_of_no_alert_that_is_no_more():
    names = set(re.findall(r"^\| \*\*(\w+)\*\*", told(), re.MULTILINE))
    assert names == {rule["alert"] for rule in RULES}
