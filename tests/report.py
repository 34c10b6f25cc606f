"""Says how far a run is, and at its end what it left out on this machine and what it had to try a second time.

The whole takes most of an hour, nearly all of it on the real servers. So folders with such tests come last, after the
thousands of tests that take minutes; and where a run has several folders, each says as it begins how far the run is.

A test that skips says in its reason what is missing and how to get it; this prints each reason once, last.

A test on the real servers that fails where a change is judged (CI) is run once more: those machines stall for seconds
now and then, and one stall in a thousand tests says nothing of the change. What needed its second try is printed with
how it failed, as each is a defect to look for: of the test, or of what it tests. Elsewhere nothing is tried twice.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_ON_SERVERS = ("integration", "e2e")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    late = {item.path.parent for item in items if on_servers(item)}
    items.sort(key=lambda item: item.path.parent in late)  # whole folders: what a file's tests share is set up once
    if "CI" in os.environ:
        for item in filter(on_servers, items):
            item.add_marker(pytest.mark.flaky(reruns=1))
    if config.get_verbosity() >= 0 and len({item.path.parent for item in items}) > 1:
        config.pluginmanager.register(Progress(config, items))


def on_servers(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in _ON_SERVERS)


class Progress:
    """One line as each folder begins: its tests, how many of all are done, and the minutes gone."""

    def __init__(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        self._config = config
        self._of = Counter(item.path.parent for item in items)
        self._total = len(items)
        self._done = 0
        self._folder: Path | None = None
        self._began = time.monotonic()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        folder = (self._config.rootpath / nodeid.split("::", 1)[0]).parent
        if folder != self._folder:
            self._folder = folder
            reporter = self._config.pluginmanager.getplugin("terminalreporter")
            reporter.ensure_newline()
            reporter.write(  # pytest begins a line for the file itself
                f"-- {folder.relative_to(self._config.rootpath)} ({self._of[folder]}): "
                f"{self._done} of {self._total} tests done in {(time.monotonic() - self._began) / 60:.0f} min"
            )

    def pytest_runtest_logfinish(self) -> None:
        self._done += 1


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
