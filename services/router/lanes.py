"""In which lanes something waits, as this process knows it, and which of them an agent serves.

Decided here: which lanes are worth a look for an agent: the few whose first ticket stands first, as it was at the last
look or came since. So a claim costs the same with ten lanes and with ten thousand. What is known may be a moment old;
who gets what, the rows decide. Never here: the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from services.router.domain.serving import serves

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from services.router.domain.serving import Agent

MOST: Final = 16
"""Lanes looked at for one claim: each costs the database some hundredths of a millisecond."""
_FEW: Final = 100
"""Lanes up to which whoever finds nothing has a look made for them: some milliseconds of the database."""
_FRESH: Final = 20
"""With more, a look is not made again for so many times as long as it took."""
RECENT_SECONDS: Final = 2.0
"""Within which the bell has looked: at least once in a second, and a little later where the machine stood still."""
_NARROW: Final = 8
"""An agent with this many times fewer lanes than there are is found theirs by going through their own."""
_MOST_KINDS: Final = 2_000
_MOST_LANES: Final = 20_000

Kind = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def kind_of(agent: Agent) -> Kind:
    """Return what tells which lanes an agent serves: many agents are of one kind."""
    return (agent.queues, agent.languages, agent.skills)


@dataclass(slots=True)
class _Served:
    """The lanes that agents of one kind serve, of the first ``judged`` that were ever heard of."""

    judged: int = 0
    lanes: set[str] = field(default_factory=set)


class Lanes:
    """The lanes known to this process."""

    def __init__(self) -> None:
        self._first: dict[str, datetime] = {}
        """The place of the first ticket of each lane."""
        self._order: list[str] | None = None
        """The same lanes, in the order of their first tickets; none until somebody asks."""
        self._took = float("-inf")
        self.began = float("-inf")
        """When the last look began."""
        self._heard: dict[str, tuple[float, datetime]] = {}
        self._ever: dict[str, None] = {}
        self._served: dict[Kind, _Served] = {}
        self._theirs: dict[Kind, list[str]] = {}

    def heard(self, lanes: Mapping[str, datetime], now: float) -> None:
        """Note lanes in which something has come to wait, and its place; ``now`` on the clock that never jumps."""
        for lane, rank_at in lanes.items():
            _, before = self._heard.get(lane, (now, rank_at))
            self._heard[lane] = now, min(before, rank_at)
            self._stands(lane, rank_at)

    def saw(self, waiting: Mapping[str, datetime], began: float, now: float) -> None:
        """Take in a look that began then and is over now: the first ticket's place in each lane."""
        if began < self.began:
            return  # it ended after one that began later
        self.began, self._took = began, now - began
        self._heard = {lane: heard for lane, heard in self._heard.items() if heard[0] >= began}
        self._first = dict(waiting)
        self._changed()
        if len(self._ever) > _MOST_LANES:
            self._ever, self._served = {}, {}
        self._ever |= dict.fromkeys(waiting)
        for lane, (_, rank_at) in self._heard.items():
            self._stands(lane, rank_at)

    def is_fresh(self, now: float) -> bool:
        """Tell whether the last look is as good as another: one that takes long is not made for everybody who asks."""
        return len(self._first) > _FEW and now - self.began <= _FRESH * self._took

    def is_recent(self, now: float) -> bool:
        """Tell whether somebody looks again and again: whoever waits is told of what was never heard here."""
        return now - self.began <= RECENT_SECONDS

    def has_more(self, agent: Agent) -> bool:
        """Tell whether something waits for an agent in more lanes than are worth a look."""
        return len(self.theirs(agent)) > MOST

    def worth(self, agent: Agent) -> list[str]:
        """Return the lanes to look at for an agent."""
        return self.theirs(agent)[:MOST]

    def further(self, agent: Agent, tried: Iterable[str]) -> Iterator[list[str]]:
        """Yield the further lanes of an agent in the order of their first tickets, a few and then ever more at once."""
        done = set(tried)
        left = (lane for lane in self.theirs(agent) if lane not in done)
        many = MOST
        while some := list(islice(left, many)):
            yield some
            many *= 4

    def theirs(self, agent: Agent) -> list[str]:
        """Return every lane of an agent in which something waits, in the order of their first tickets."""
        kind, first = kind_of(agent), self._first
        found = self._theirs.get(kind)
        if found is None:
            served = self.served(agent)
            if len(served) * _NARROW < len(first):
                found = sorted((lane for lane in served if lane in first), key=first.__getitem__)
            else:
                if self._order is None:
                    self._order = sorted(first, key=first.__getitem__)
                found = [lane for lane in self._order if lane in served]
            self._theirs[kind] = found
        return found

    def served(self, agent: Agent) -> set[str]:
        """Return the lanes that an agent serves, whether anything waits in them or not: judged once for their kind."""
        if len(self._served) > _MOST_KINDS:
            self._served.clear()
        known = self._served.setdefault(kind_of(agent), _Served())
        if known.judged < len(self._ever):
            known.lanes.update(lane for lane in islice(self._ever, known.judged, None) if serves(agent, lane))
            known.judged = len(self._ever)
        return known.lanes

    def _stands(self, lane: str, rank_at: datetime) -> None:
        """Note that something waits in a lane at a place; nothing changes where something stands before it."""
        self._ever.setdefault(lane)
        if lane not in self._first or rank_at < self._first[lane]:
            self._first[lane] = rank_at
            self._changed()

    def _changed(self) -> None:
        self._order = None
        self._theirs.clear()
