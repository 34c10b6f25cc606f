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
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from services.grid.place import ResolvedPlace, Weighed

_LENT: Final = 300
"""Customers' worth of what is known above a device that counts for it: of few customers, silence or one report says
little, and a whole feeder that is silent but for one corner is not out because of that corner."""

_AGES: Final = (timedelta(minutes=5), timedelta(minutes=20))
"""How old a report may be to count, in full and then less: where people called just now, others will next."""

_WEIGHTS: Final = (4, 1)
_FRESH: Final = sum(_WEIGHTS)
_WHOLE: Final = 2.0
"""A window of a quarter of the length has four times the weight; so many make one report in twenty minutes."""

_BASE: Final = 1e-4
"""Reports a customer makes in twenty minutes where nothing is out: what keeps every place possible."""

_MOST: Final = 100_000
"""Reports remembered: with more of them, the oldest go first."""


class Chain(NamedTuple):
    """A device and what feeds it, itself first: ids, and the customers fed through each."""

    devices: tuple[str, ...]
    customers: tuple[int, ...]


NO_CHAIN: Final = Chain((), ())
"""Of a device that the network does not have: nothing is known to be reported there."""


class Lately:
    """Counts of reports by device, the younger the heavier: a hint, so nothing is kept of it when the process ends."""

    def __init__(self, base: Lately | None = None) -> None:
        """Start with nothing reported.

        Args:
            base: What was reported before: its reports count here, these do not count there until ``keep``.
        """
        self._base = base
        self._counts: dict[str, int] = {}
        self._queues: tuple[deque[tuple[datetime, Chain]], ...] = tuple(deque() for _ in _AGES)  # by age, oldest first
        self._chains: dict[str, tuple[Chain, int]] = {}

    def draft(self) -> Lately:
        """Return what the reports of a batch are noted in, until it is certain that they count."""
        return Lately(self)

    def keep(self) -> None:
        """Let the reports of a draft count for good, and empty it."""
        if self._base is not None:
            for queue in reversed(self._queues):
                for at, chain in queue:
                    self._base.note(chain, at)
        self._counts.clear()
        for queue in self._queues:
            queue.clear()
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
            self._counts[device] = self._counts.get(device, 0) + _FRESH
        self._queues[0].append((at, kept))
        self._expire(at)
        while sum(map(len, self._queues)) > _MOST:
            self._drop()

    def rates(self, chains: Mapping[str, Chain], at: datetime) -> dict[str, float]:
        """Return how many reports a customer of each place makes in twenty minutes.

        From the top down, what is known of a device is what was reported under it, mixed with what is known above it.
        """
        self._expire(at)
        return {place: max(_BASE, self._rate(chain)) for place, chain in chains.items()}

    def _rate(self, chain: Chain) -> float:
        rate = _BASE
        for device, customers in zip(reversed(chain.devices), reversed(chain.customers), strict=True):
            count = self._count(device)
            if not count and rate <= _BASE:
                return _BASE  # all of it is quiet, as nearly every place is
            rate = (count / _WHOLE + _LENT * rate) / (customers + _LENT)
        return rate

    def _count(self, device: str) -> int:
        count = self._counts.get(device, 0)
        return count if self._base is None else count + self._base._count(device)  # noqa: SLF001  of its own class

    def _expire(self, at: datetime) -> None:
        if self._base is not None:
            self._base._expire(at)  # noqa: SLF001  of its own class
        for n, queue in enumerate(self._queues):
            if queue:
                since = at - _AGES[n]
                while queue and queue[0][0] < since:
                    self._fade(n)

    def _fade(self, n: int) -> None:
        """Let the oldest report of an age count less, or no more."""
        at, chain = self._queues[n].popleft()
        self._take_off(chain, _WEIGHTS[n])
        if n + 1 < len(self._queues):
            self._queues[n + 1].append((at, chain))
        else:
            self._forget(chain)

    def _drop(self) -> None:
        """Let the oldest report go, whatever its age."""
        n = next(n for n in reversed(range(len(self._queues))) if self._queues[n])
        _, chain = self._queues[n].popleft()
        self._take_off(chain, sum(_WEIGHTS[n:]))
        self._forget(chain)

    def _take_off(self, chain: Chain, weight: int) -> None:
        for device in chain.devices:
            if self._counts[device] == weight:
                del self._counts[device]
            else:
                self._counts[device] -= weight

    def _forget(self, chain: Chain) -> None:
        bottom = chain.devices[0]
        kept, count = self._chains[bottom]
        if count == 1:
            del self._chains[bottom]
        else:
            self._chains[bottom] = (kept, count - 1)
