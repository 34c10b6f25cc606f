"""How many transformers, on how many branches, have evidence in time, for every device above them.

Counted once on arrival along the path up and once on expiry, so a question takes the same time with ten open
incidents and with ten thousand. Never here: whether a count is enough (``decide``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from services.dedup.domain.rules import Lift


@dataclass(frozen=True, slots=True)
class Step:
    """One device on the way up from a leaf.

    Attributes:
        device: A device upstream that could have opened.
        branch: What lies directly under it on this way: the next such device down, or the leaf.
        lift: What it takes to predict it; None where it is never predicted by lifting.
        served: Transformers under it.
    """

    device: str
    branch: str
    lift: Lift | None
    served: int


class Count(NamedTuple):
    """Evidence under a device: distinct transformers, and distinct branches they lie on."""

    transformers: int
    branches: int


class Evidence:
    """Leaves with evidence, counted for every device above them whose class can be lifted to."""

    __slots__ = ("_windows",)

    def __init__(self, lifts: Iterable[Lift]) -> None:
        self._windows = {lift.window: _Window(lift.window) for lift in lifts}

    def add(self, leaf: str, at: datetime, path: Sequence[Step]) -> None:
        """Count a leaf from ``at`` on. It must not be counted already."""
        for length, window in self._windows.items():
            window.add(leaf, at, tuple((s.device, s.branch) for s in path if s.lift and s.lift.window == length))

    def remove(self, leaf: str) -> None:
        """Stop counting a leaf; nothing happens where it is not counted any more."""
        for window in self._windows.values():
            window.remove(leaf)

    def advance(self, latest: datetime) -> None:
        """Let expire what is older than its window, seen from ``latest``, the time of the latest report."""
        for window in self._windows.values():
            window.advance(latest)

    def count(self, step: Step, leaf: str, at: datetime | None, latest: datetime) -> Count:
        """Return the evidence under ``step`` as it would be with ``leaf`` counted from ``at``, seen from ``latest``.

        Changes nothing. ``at`` is None where the leaf adds nothing; it must be for a leaf that is counted already.
        """
        if step.lift is None:
            return Count(0, 0)
        return self._windows[step.lift.window].count(step, leaf, at, latest)

    def snapshot(self) -> dict[str, list[tuple[datetime, str]]]:
        """Return what is counted, in a form that two equal indexes share."""
        return {str(length): list(window.queue) for length, window in sorted(self._windows.items())}


class _Window:
    """The leaves counted for the classes that share one window."""

    __slots__ = ("_branches", "_counted", "_latest", "_length", "_next", "_totals", "queue")

    def __init__(self, length: timedelta) -> None:
        self._length = length
        self._latest: datetime | None = None
        self._next: datetime | None = None  # after this the oldest leaf expires
        self.queue: list[tuple[datetime, str]] = []
        self._counted: dict[str, tuple[datetime, tuple[tuple[str, str], ...]]] = {}
        self._totals: dict[str, int] = {}
        self._branches: dict[str, dict[str, int]] = {}

    def add(self, leaf: str, at: datetime, links: tuple[tuple[str, str], ...]) -> None:
        if leaf in self._counted or (self._latest is not None and at < self._latest - self._length):
            return
        insort(self.queue, (at, leaf))
        self._next = self.queue[0][0] + self._length
        self._counted[leaf] = (at, links)
        for device, branch in links:
            self._totals[device] = self._totals.get(device, 0) + 1
            under = self._branches.setdefault(device, {})
            under[branch] = under.get(branch, 0) + 1

    def remove(self, leaf: str) -> None:
        found = self._counted.get(leaf)
        if found is not None:
            del self.queue[bisect_left(self.queue, (found[0], leaf))]
            self._next = self.queue[0][0] + self._length if self.queue else None
            self._discount(leaf)

    def advance(self, latest: datetime) -> None:
        if self._latest is None or latest > self._latest:
            self._latest = latest
        if self._next is None or self._latest <= self._next:
            return
        expired = bisect_left(self.queue, (self._latest - self._length, ""))
        for _, leaf in self.queue[:expired]:
            self._discount(leaf)
        del self.queue[:expired]
        self._next = self.queue[0][0] + self._length if self.queue else None

    def _discount(self, leaf: str) -> None:
        _, links = self._counted.pop(leaf)
        for device, branch in links:
            under = self._branches[device]
            if self._totals[device] == 1:
                del self._totals[device], self._branches[device]
            else:
                self._totals[device] -= 1
                if under[branch] == 1:
                    del under[branch]
                else:
                    under[branch] -= 1

    def count(self, step: Step, leaf: str, at: datetime | None, latest: datetime) -> Count:
        since = latest - self._length
        total = self._totals.get(step.device, 0)
        under = self._branches.get(step.device, {})
        expired = bisect_left(self.queue, (since, ""))
        if expired and total:
            under = dict(under)
            for _, old in self.queue[:expired]:
                for device, branch in self._counted[old][1]:
                    if device == step.device:
                        total -= 1
                        under[branch] -= 1
            under = {branch: n for branch, n in under.items() if n}
        branches = len(under)
        if at is not None and at >= since and leaf not in self._counted:
            total += 1
            branches += step.branch not in under
        return Count(total, branches)
