"""Says at the end of a run what it left out on this machine, and what it had to try a second time.

A test that skips says in its reason what is missing and how to get it; this prints each reason once, last.

A test on the real servers that fails where a change is judged (CI) is run once more: those machines stall for seconds
now and then, and one stall in a thousand tests says nothing of the change. What needed its second try is printed with
how it failed, as each is a defect to look for: of the test, or of what it tests. Elsewhere nothing is tried twice.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

_ON_SERVERS = ("integration", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "CI" in os.environ:
        for item in items:
            if any(item.get_closest_marker(name) for name in _ON_SERVERS):
                item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(reason_of(report) for report in terminalreporter.stats.get("skipped", ()))
    if reasons:
        terminalreporter.section("left out on this machine", sep="-", yellow=True)
        for reason, tests in sorted(reasons.items()):
            terminalreporter.write_line(f"{tests} test{'s' if tests > 1 else ''}: {reason}")
    again = terminalreporter.stats.get("rerun", ())
    if again:
        terminalreporter.section("failed at first; look for the cause", sep="-", yellow=True)
        for report in again:
            terminalreporter.write_line(f"{report.nodeid} ({report.when})\n{report.longreprtext}")


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    found = report.longrepr
    text = found[2] if isinstance(found, tuple) else str(found)
    return text.removeprefix("Skipped: ")
