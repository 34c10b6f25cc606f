"""How many called lately of one incident, at its device and from there down, for ``waves``.

Of few, the reports are read each time; of many they are counted as they join, so that asking costs the depth of the
network, and not how many called. Never here: a decision.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.dedup.domain.report import Report


class _Calls:
    """Every call and the latest of each caller, ascending."""

    __slots__ = ("by_caller", "latest", "made")

    def __init__(self) -> None:
        self.made: list[datetime] = []
        self.latest: list[datetime] = []
        self.by_caller: dict[str | UUID, datetime] = {}

    def add(self, caller: str | UUID, at: datetime) -> None:
        insort(self.made, at)
        known = self.by_caller.get(caller)
        if known is not None:
            if known >= at:
                return
            del self.latest[bisect_left(self.latest, known)]
        self.by_caller[caller] = at
        insort(self.latest, at)

    def append(self, caller: str | UUID, at: datetime) -> None:
        """Count one of many, which are not in order until ``sort``."""
        self.made.append(at)
        known = self.by_caller.get(caller)
        if known is None or known < at:
            self.by_caller[caller] = at

    def sort(self) -> None:
        """Put in order what was appended."""
        self.made.sort()
        self.latest = sorted(self.by_caller.values())


class CallTimes:
    """The calls of an incident by the devices from its own down to theirs. Holds as long as none leaves or it moves."""

    __slots__ = ("_counted", "_under")

    def __init__(self) -> None:
        self._counted = 0
        self._under: dict[str, _Calls] = {}

    def catch_up(self, reports: dict[UUID, Report], devices: Callable[[str | None], Sequence[str]]) -> None:
        """Count the reports that joined since.

        Args:
            reports: All of the incident, in the order they joined.
            devices: The devices from the incident's own down to a report's, by that one.
        """
        joined = [*islice(reversed(reports.values()), len(reports) - self._counted)]
        places: dict[str | None, list[_Calls]] = {}
        for report in reversed(joined):  # as they were made: a list grows at its end, and is not moved for each
            under = places.get(report.device)
            if under is None:
                under = places[report.device] = [
                    self._under.setdefault(device, _Calls()) for device in devices(report.device)
                ]
            for calls in under:
                if self._counted:
                    calls.add(report.caller, report.made_at)
                else:
                    calls.append(report.caller, report.made_at)
        if not self._counted:
            for calls in self._under.values():
                calls.sort()
        self._counted = len(reports)

    def made(self, device: str, since: datetime, until: datetime | None = None) -> int:
        """Return how many calls under a device were made from ``since`` on, and before ``until``."""
        calls = self._under.get(device)
        if calls is None:
            return 0
        made = calls.made
        return (len(made) if until is None else bisect_left(made, until)) - bisect_left(made, since)

    def callers(self, device: str, since: datetime, last: Report) -> int:
        """Return how many called from under a device from ``since`` on, with whoever made the ``last`` report."""
        calls = self._under.get(device)
        if calls is None:
            return 1
        known = calls.by_caller.get(last.caller)
        return len(calls.latest) - bisect_left(calls.latest, since) + (known is None or known < since)
