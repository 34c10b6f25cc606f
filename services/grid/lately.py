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
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from services.grid.place import ResolvedPlace, Weighed

_UNKNOWN: Final = 10
"""Customers added to those of a device: of few, one report says little about the next."""

_BASE: Final = 1e-4
"""Reports a customer makes in the window where nothing is out: what keeps every place possible."""

_MOST: Final = 100_000
"""Reports remembered: with more in the window, the oldest go first."""


class Chain(NamedTuple):
    """A device and what feeds it, itself first: ids, and the customers fed through each."""

    devices: tuple[str, ...]
    customers: tuple[int, ...]


NO_CHAIN: Final = Chain((), ())
"""Of a device that the network does not have: nothing is known to be reported there."""


class Lately:
    """Counts of reports by device in a sliding window: a hint, so nothing is kept of it when the process ends."""

    def __init__(self, window: timedelta = timedelta(minutes=20), base: Lately | None = None) -> None:
        """Start with nothing reported.

        Args:
            window: How long a report counts.
            base: What was reported before: its reports count here, these do not count there until ``keep``.
        """
        self._window = window
        self._base = base
        self._counts: dict[str, int] = {}
        self._queue: deque[tuple[datetime, Chain]] = deque()
        self._chains: dict[str, tuple[Chain, int]] = {}

    def draft(self) -> Lately:
        """Return what the reports of a batch are noted in, until it is certain that they count."""
        return Lately(self._window, self)

    def keep(self) -> None:
        """Let the reports of a draft count for good, and empty it."""
        if self._base is not None:
            for at, chain in self._queue:
                self._base.note(chain, at)
        self._counts.clear()
        self._queue.clear()
        self._chains.clear()

    def place(self, weighed: Weighed, chain_of: Callable[[str], Chain], at: datetime) -> ResolvedPlace:
        """Return the place of a report that arrived at ``at``; what its evidence leaves open is told by the rates."""
        if not weighed.open:
            return weighed.place
        return weighed.again(self.rates({one: chain_of(one) for one in weighed.open}, at))

    def note(self, chain: Chain, at: datetime) -> None:
        """Count a report from the device at the bottom of a chain, and let old ones go."""
        if not chain.devices:
            return
        # Of each device one chain is kept however many reports come from it: in a storm they are a million.
        kept, count = self._chains.get(chain.devices[0], (chain, 0))
        self._chains[chain.devices[0]] = (kept, count + 1)
        for device in kept.devices:
            self._counts[device] = self._counts.get(device, 0) + 1
        self._queue.append((at, kept))
        while len(self._queue) > _MOST:
            self._drop()
        self._expire(at)

    def rates(self, chains: Mapping[str, Chain], at: datetime) -> dict[str, float]:
        """Return how many reports a customer of each place makes: the highest rate of the devices that feed it."""
        self._expire(at)
        return {place: max(_BASE, *self._rates(chain)) for place, chain in chains.items()}

    def _rates(self, chain: Chain) -> Iterator[float]:
        yield 0.0
        for device, customers in zip(chain.devices, chain.customers, strict=True):
            if count := self._count(device):
                yield count / (customers + _UNKNOWN)

    def _count(self, device: str) -> int:
        before = 0 if self._base is None else self._base._count(device)  # noqa: SLF001  of its own class
        return before + self._counts.get(device, 0)

    def _expire(self, at: datetime) -> None:
        if self._base is not None:
            self._base._expire(at)  # noqa: SLF001  of its own class
        while self._queue and self._queue[0][0] < at - self._window:
            self._drop()

    def _drop(self) -> None:
        """Let the oldest report go."""
        chain = self._queue.popleft()[1]
        for device in chain.devices:
            if self._counts[device] == 1:
                del self._counts[device]
            else:
                self._counts[device] -= 1
        bottom = chain.devices[0]
        kept, count = self._chains[bottom]
        if count == 1:
            del self._chains[bottom]
        else:
            self._chains[bottom] = (kept, count - 1)
