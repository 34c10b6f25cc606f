"""Says at the end of a run what was left out on this machine, and how to have it run.

A test that skips says in its reason what is missing and how to get it; this prints each reason once, last.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = Counter(reason_of(report) for report in terminalreporter.stats.get("skipped", ()))
    if reasons:
        terminalreporter.section("left out on this machine", sep="-", yellow=True)
        for reason, tests in sorted(reasons.items()):
            terminalreporter.write_line(f"{tests} test{'s' if tests > 1 else ''}: {reason}")


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    found = report.longrepr
    text = found[2] if isinstance(found, tuple) else str(found)
    return text.removeprefix("Skipped: ")
