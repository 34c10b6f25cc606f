"""In which lanes something waits, as this process saw it last, and which of them an agent serves.

Decided here: which lanes are worth a look for an agent: the few whose first ticket stood first at the last look, and
those that something has come to since. So a claim costs the same with ten lanes and with ten thousand. What was seen
may be a moment old; who gets what, the rows decide. Never here: the database.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from services.router.domain.desk import serves

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from services.router.domain.desk import Agent
    from services.router.roster import Waiting

MOST: Final = 16
"""Lanes looked at for one claim: each costs the database some hundredths of a millisecond."""
_FEW: Final = 100
"""Lanes up to which whoever finds nothing has a look made for them: some milliseconds of the database."""
_FRESH: Final = 20
"""With more, a look is not made again for so many times as long as it took."""
_MOST_KINDS: Final = 2_000
_MOST_LANES: Final = 20_000

Kind = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


def kind_of(agent: Agent) -> Kind:
    """Return what tells which lanes an agent serves: many agents are of one kind."""
    return (agent.queues, agent.languages, agent.skills)


class Lanes:
    """The lanes known to this process."""

    def __init__(self) -> None:
        self._seen: Mapping[str, Waiting] = {}
        self._took = float("-inf")
        self.began = float("-inf")
        """When the last look began."""
        self._heard: dict[str, float] = {}
        self._serving: dict[Kind, dict[str, bool]] = {}

    def heard(self, lanes: Iterable[str], now: float) -> None:
        """Note lanes in which something has come to wait; ``now`` on the clock that never jumps."""
        self._heard.update(dict.fromkeys(lanes, now))

    def saw(self, waiting: Mapping[str, Waiting], began: float, now: float) -> None:
        """Take in a look that began then and is over now: lanes in the order of their first tickets."""
        if began < self.began:
            return  # it ended after one that began later
        self._seen, self.began, self._took = waiting, began, now - began
        self._heard = {lane: at for lane, at in self._heard.items() if at >= began}

    def is_fresh(self, now: float) -> bool:
        """Tell whether the last look is as good as another: one that takes long is not made for everybody who asks."""
        return len(self._seen) > _FEW and now - self.began <= _FRESH * self._took

    def worth(self, agent: Agent) -> list[str]:
        """Return the lanes to look at for an agent."""
        known = self.known_to(agent)
        first = islice((lane for lane in self._seen if self.serves(known, agent, lane)), MOST)
        heard = (lane for lane in self._heard if self.serves(known, agent, lane))
        return list(dict.fromkeys((*first, *heard)))

    def further(self, agent: Agent, tried: Iterable[str]) -> Iterator[list[str]]:
        """Yield the further lanes of an agent in the order of their first tickets, a few and then ever more at once."""
        known, done = self.known_to(agent), set(tried)
        left = (lane for lane in self._seen if lane not in done and self.serves(known, agent, lane))
        many = MOST
        while some := list(islice(left, many)):
            yield some
            many *= 4

    def known_to(self, agent: Agent) -> dict[str, bool]:
        """Return which lanes agents of this kind serve, as far as it was asked."""
        if len(self._serving) > _MOST_KINDS:
            self._serving.clear()
        known = self._serving.setdefault(kind_of(agent), {})
        if len(known) > _MOST_LANES:
            known.clear()
        return known

    @staticmethod
    def serves(known: dict[str, bool], agent: Agent, lane: str) -> bool:
        """Tell whether an agent serves a lane: worked out once for all of their kind."""
        found = known.get(lane)
        if found is None:
            found = known[lane] = serves(agent, lane)
        return found
