"""Ways to merge that the engine has to beat: what the field does, and doing nothing.

Decided here: the rules of each baseline. All are online and see the same resolved places as the engine; reports of
danger get their own order in all of them, and what has no place gets no order. Never here: a figure.

- ``no merging``: an order a report.
- ``feeder``, ``transformer``, ``500 m cell`` and 30 minutes: a report joins the open group of its key if the last
  report of it came at most so long ago.
- ``thresholds``: count and share up the tree, as PSI/Outage and Schneider Responder describe theirs: a device is
  predicted when enough distinct transformers under it, and enough of them, reported within a window. Restorations
  close what they explain.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from services.quality.judge import Order, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from datetime import datetime

    from services.dedup.replay_files import Restoration
    from services.dedup.replay_reports import Served
    from services.grid.tree import Tree
    from services.quality.placed import Placed

HALF_AN_HOUR: Final = timedelta(minutes=30)
_CELL_M: Final = 500.0
_METRES_A_DEGREE: Final = 111_320.0


class Books:
    """Writes down what a method does."""

    def __init__(self) -> None:
        self.outcome = Outcome({}, {}, {})
        self._groups: dict[Hashable, tuple[datetime, str]] = {}

    def open(self, report: Placed, device: str) -> str:
        """Open an incident with its order, for a first report."""
        name = f"O{len(self.outcome.orders)}"
        self.outcome.orders[name] = Order(report.at, [(report.at, device)])
        self.join(report.event, name)
        return name

    def join(self, event: str, name: str) -> None:
        """Put an event into an incident: its last, so far."""
        self.outcome.clusters[event] = name
        before = self.outcome.ever.get(event, ())
        if name not in before:
            self.outcome.ever[event] = (*before, name)

    def gather(self, report: Placed, group: Hashable, window: timedelta) -> None:
        """Put a report into the incident of its group, or into a new one if the last is older than the window."""
        last = self._groups.get(group)
        if last is None or report.at - last[0] > window:
            name = self.open(report, str(group))
        else:
            name = last[1]
            self.join(report.event, name)
        self._groups[group] = (report.at, name)

    def send(self, name: str, at: datetime, device: str) -> None:
        """Send the crew of an order elsewhere."""
        self.outcome.orders[name].places.append((at, device))


def no_merging(reports: Iterable[Placed]) -> Outcome:
    """Give each report an order."""
    books = Books()
    for report in reports:
        if report.transformer is not None:
            books.open(report, report.transformer)
    return books.outcome


def by_key(reports: Iterable[Placed], key: Callable[[Placed], Hashable | None], window: timedelta) -> Outcome:
    """Group by a key, as long as no gap is longer than the window."""
    books = Books()
    for report in reports:
        group = key(report)
        if group is None:
            continue
        if report.danger:
            books.open(report, str(group))
        else:
            books.gather(report, group, window)
    return books.outcome


feeder: Final = attrgetter("feeder")
"""Key of ``feeder + 30 min``."""
transformer: Final = attrgetter("transformer")
"""Key of ``transformer + 30 min``."""


def cell(report: Placed) -> Hashable | None:
    """Key of ``500 m cell + 30 min``: a square of 500 m, by the place of the customer or the position."""
    if report.lat is None or report.lon is None:
        return None
    row = math.floor(report.lat * _METRES_A_DEGREE / _CELL_M)
    metres_east = report.lon * _METRES_A_DEGREE * math.cos(math.radians(row * _CELL_M / _METRES_A_DEGREE))
    return row, math.floor(metres_east / _CELL_M)


@dataclass(slots=True)
class _Incident:
    name: str
    device: str
    reports: dict[str, str] = field(default_factory=dict)  # event to transformer
    accounts: set[str] = field(default_factory=set)


class Thresholds:
    """Count and share up the tree."""

    def __init__(self, served: Served, count: int, share: float, window: timedelta) -> None:
        """Args: the network; distinct transformers at least; their share of those under it; how long they count."""
        self._tree: Tree = served.tree
        self._homes = served.homes
        self._count, self._share, self._window = count, share, window
        self._books = Books()
        self._at: dict[str, _Incident] = {}
        self._seen: dict[str, datetime] = {}  # transformer to its latest report
        self._dark: dict[str, set[str]] = defaultdict(set)  # device to transformers under it that reported

    def run(self, reports: Iterable[Placed], restored: Iterable[Restoration]) -> Outcome:
        """Go through reports and restorations by arrival."""
        ahead = sorted(restored, key=lambda one: one.restored_at, reverse=True)
        for report in reports:
            while ahead and ahead[-1].restored_at <= report.at:
                self._restore(ahead.pop().device_or_account)
            if report.transformer is not None:
                if report.danger:
                    self._books.open(report, report.transformer)
                else:
                    self._report(report, report.transformer)
        return self._books.outcome

    def _report(self, report: Placed, leaf: str) -> None:
        path = (leaf, *self._tree.protective_ancestors(leaf))
        covering = next((self._at[device] for device in path if device in self._at), None)
        self._seen[leaf] = report.at
        for device in path:
            self._dark[device].add(leaf)
        if covering is not None:
            covering.reports[report.event] = leaf
            self._books.join(report.event, covering.name)
        else:
            covering = self._at[leaf] = _Incident(self._books.open(report, leaf), leaf)
            covering.reports[report.event] = leaf
        if report.account:
            covering.accounts.add(report.account)
        above = path[path.index(covering.device) + 1 :]
        best = [device for device in above if self._passes(device, report.at)]
        if best:
            self._lift(best[-1], report.at)

    def _passes(self, device: str, now: datetime) -> bool:
        dark = self._dark[device]
        recent = {one for one in dark if now - self._seen[one] <= self._window}
        self._dark[device] = recent
        served = self._tree.transformer_count(device)
        if len(recent) < self._count or len(recent) < self._share * served:
            return False
        meet = self._tree.common_ancestor(recent)
        return meet is not None and self._tree.protective_at_or_above(meet) == device  # else one further down explains

    def _lift(self, device: str, now: datetime) -> None:
        below = [one for one in self._at.values() if self._tree.is_under(one.device, device)]
        first, *others = sorted(below, key=lambda one: int(one.name[1:]))
        for other in others:
            for event in other.reports:
                self._books.join(event, first.name)
            first.reports |= other.reports
            first.accounts |= other.accounts
            del self._at[other.device]
        del self._at[first.device]
        first.device = device
        self._at[device] = first
        self._books.send(first.name, now, device)

    def _restore(self, what: str) -> None:
        home = self._homes.get(what)
        if home is not None:
            ended = [one for one in self._at.values() if one.accounts == {what} and one.device == home]
        elif what in self._tree:
            under = self._tree.is_under
            ended = [
                one
                for one in self._at.values()
                if under(one.device, what)
                or (under(what, one.device) and all(under(leaf, what) for leaf in one.reports.values()))
            ]
        else:
            return
        for incident in ended:
            del self._at[incident.device]
            for leaf in incident.reports.values():
                for device in (leaf, *self._tree.protective_ancestors(leaf)):
                    self._dark[device].discard(leaf)
