"""What was reported lately, and where: the prior of a report whose evidence fits several places.

Decided here: how much likelier a place is for the reports that came from around it. Never here: I/O, a clock (times are
arguments). An address said without its district fits a house in every district; where an outage goes on, people call
from it again and again, so the house that lies in it is by far the likeliest. Only reports whose evidence left nothing
open are counted, so that a guess never feeds the next one.
"""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_UNKNOWN: Final = 10
"""Customers added to those of a device: of few, one report says little about the next."""

_BASE: Final = 1e-4
"""Reports a customer makes in the window where nothing is out: what keeps every place possible."""


class Chain(NamedTuple):
    """A device and what feeds it, itself first: ids, and the customers fed through each."""

    devices: tuple[str, ...]
    customers: tuple[int, ...]


class Lately:
    """Counts of reports by device in a sliding window."""

    def __init__(self, window: timedelta = timedelta(minutes=20)) -> None:
        """Start with nothing reported; a report counts for ``window``."""
        self._window = window
        self._counts: dict[str, int] = {}
        self._queue: deque[tuple[datetime, tuple[str, ...]]] = deque()

    def note(self, chain: Chain, at: datetime) -> None:
        """Count a report from the device at the bottom of a chain, and let old ones go."""
        for device in chain.devices:
            self._counts[device] = self._counts.get(device, 0) + 1
        self._queue.append((at, chain.devices))
        self._expire(at)

    def rates(self, chains: Mapping[str, Chain]) -> dict[str, float]:
        """Return how many reports a customer of each place makes: the highest rate of the devices that feed it."""
        return {place: max(_BASE, *self._rates(chain)) for place, chain in chains.items()}

    def _rates(self, chain: Chain) -> Iterator[float]:
        yield 0.0
        for device, customers in zip(chain.devices, chain.customers, strict=True):
            if count := self._counts.get(device):
                yield count / (customers + _UNKNOWN)

    def _expire(self, at: datetime) -> None:
        queue = self._queue
        while queue and queue[0][0] < at - self._window:
            for device in queue.popleft()[1]:
                if self._counts[device] == 1:
                    del self._counts[device]
                else:
                    self._counts[device] -= 1
