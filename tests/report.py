"""Says how far a run is, and at its end what it left out on this machine and what it had to try a second time.

The whole takes more than half an hour, nearly all of it on the real servers, where tests mostly wait. So folders with
such tests come last, after the thousands of tests that take minutes, and all tests are run in several processes
(``make test``, ``make check``): as many as this machine has cores, two at least and four at most, as each has a Kafka
and a Postgres of its own. Each runs a file at a time; the folders with the longest files begin first, so that no
process is left alone with one at the end.

In one process, where a run has several folders, each says as it begins how far the run is; in several, each minute
does.

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
    from collections.abc import Sequence
    from pathlib import Path

    from xdist.workermanage import WorkerController

_ON_SERVERS = ("integration", "e2e")
_LONGEST_FIRST = ("compiled", "faults", "e2e", "runtime", "router")
_EVERY_S = 60.0


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    late = {item.path.parent for item in items if on_servers(item)}

    def turn(folder: Path) -> int:
        if folder not in late:
            return -1
        return _LONGEST_FIRST.index(folder.name) if folder.name in _LONGEST_FIRST else len(_LONGEST_FIRST)

    items.sort(key=lambda item: turn(item.path.parent))  # whole folders: what a file's tests share is set up once
    if "CI" in os.environ:
        for item in filter(on_servers, items):
            item.add_marker(pytest.mark.flaky(reruns=1))
    of_folder = Counter(item.path.parent for item in items)
    if config.get_verbosity() >= 0 and len(of_folder) > 1 and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FolderByFolder(config, of_folder))


def on_servers(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in _ON_SERVERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return max(2, min(os.cpu_count() or 2, 4))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: WorkerController, ids: Sequence[str]) -> None:
    config = node.config
    if config.get_verbosity() >= 0 and not config.pluginmanager.hasplugin(MinuteByMinute.__name__):
        config.pluginmanager.register(MinuteByMinute(config, len(ids)), MinuteByMinute.__name__)


class Progress:
    """Lines that say how many of all tests are done, and the minutes gone."""

    def __init__(self, config: pytest.Config, total: int) -> None:
        self._config = config
        self._total = total
        self._done = 0
        self._began = time.monotonic()

    def _line(self, words: str) -> str:
        minutes = (time.monotonic() - self._began) / 60
        return f"-- {words}: {self._done} of {self._total} tests done in {minutes:.0f} min"

    @property
    def _reporter(self) -> pytest.TerminalReporter:
        return self._config.pluginmanager.getplugin("terminalreporter")


class FolderByFolder(Progress):
    """One line as each folder begins, with the number of its tests."""

    def __init__(self, config: pytest.Config, of_folder: Counter[Path]) -> None:
        super().__init__(config, of_folder.total())
        self._of_folder = of_folder
        self._folder: Path | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        folder = (self._config.rootpath / _file(nodeid)).parent
        if folder != self._folder:
            self._folder = folder
            self._reporter.ensure_newline()
            # No end of the line: pytest begins one for the file itself.
            self._reporter.write(self._line(f"{folder.relative_to(self._config.rootpath)} ({self._of_folder[folder]})"))

    def pytest_runtest_logfinish(self) -> None:
        self._done += 1


class MinuteByMinute(Progress):
    """One line a minute, with the files that are under way."""

    def __init__(self, config: pytest.Config, total: int) -> None:
        super().__init__(config, total)
        self._under_way: list[str] = []
        self._next = self._began

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._under_way.append(_file(nodeid))
        if time.monotonic() >= self._next:
            self._next += _EVERY_S
            self._reporter.write(f"\n{self._line(', '.join(self._under_way))}\n")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._under_way.remove(_file(nodeid))
        self._done += 1


def _file(nodeid: str) -> str:
    return nodeid.split("::", 1)[0]


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
