"""The soak, which CI does not run, can still be begun: its modules load, and its faults are what they are called."""

from __future__ import annotations

import inspect
import json
import random
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.soak.__main__ import AT_ONCE
from tests.soak.faults import Faults
from tests.soak.stack import Stack


def test_every_fault_is_a_coroutine_without_arguments_and_those_of_servers_are_among_them():
    names = Faults.names()
    assert len(names) > 15
    assert names >= AT_ONCE
    for name in names:
        fault = getattr(Faults, name)
        assert inspect.iscoroutinefunction(fault)
        assert list(inspect.signature(fault).parameters) == ["self"]


def stack_where_one_ended(folder, event: str, status: int, instance: str = "dedup-0") -> Stack:
    """A stack of one process, which logged an error and ended."""
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({status})"])
    process.wait()
    log = json.dumps({"event": event, "level": "error", "instance": instance})
    stack = Stack(folder, random.Random(1))
    stack.services = {"dedup": SimpleNamespace(log=log, processes=[process])}
    stack.live["dedup"] = [(process, 1)]
    return stack


def test_who_ends_to_be_started_again_is_counted_and_is_no_finding(tmp_path):
    stack = stack_where_one_ended(tmp_path, "starts_over", 1)
    assert stack.complaints() == []
    assert stack.started_over == ["dedup-0"]


@pytest.mark.parametrize(
    ("event", "status", "instance"),
    [
        ("bug", 1, "dedup-0"),
        ("starts_over", 65, "dedup-0"),
        ("starts_over", 0, "dedup-0"),
        ("starts_over", 1, "dedup-1"),
    ],
)
def test_any_other_end_is_a_finding(tmp_path, event, status, instance):
    stack = stack_where_one_ended(tmp_path, event, status, instance)
    complaints = stack.complaints()
    assert f"the process dedup-0 ended by itself with {status}" in complaints
    assert any("logged" in one for one in complaints)
    assert stack.started_over == []
