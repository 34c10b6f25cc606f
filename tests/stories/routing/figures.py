"""The KPIs in the router's stories: counted once more from what was told of the tickets, and compared at the end.

Never here: the log that the product counts from. Of what the topic does not tell (why a ticket was returned, how long
somebody waited who had been with a machine) nothing is counted here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from services.router import figures
from tests.integration.router.figures_told import counted
from tests.integration.router.story import covered, told
from tests.stories.routing.teller import Teller
from tests.unit.router.making import NOON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import TicketRouted

_LONG: Final = timedelta(days=4_000)
_OF_QUEUES: Final = frozenset({"answered", "rung", "moved", "returned", "written", "completed", "handle_s", "after_s"})
"""What is as much in all queues as in each of them together."""


def computed(
    versions: Mapping[UUID, Sequence[TicketRouted]], seen: Mapping[str, datetime], ring_s: float
) -> dict[str, float]:
    """Compute counts from what was told; ``seen``: when each agent was heard of last."""
    done = counted(versions, ring_s, seen)
    found: dict[str, float] = {"handle_s": done.seconds["assigned"], "after_s": done.seconds["wrap_up"]}
    found["busy_s"] = sum(covered([one for one in times if one[0] < one[1]]) for times in done.busy.values())
    names = ("rung", "rung_within", "answered", "written", "written_within", "completed", "called", "first")
    return found | {name: done.n[name] for name in (*names, "moved", "returned")}


class Counted(Teller):
    """Does what a story tells, and counts what came of it at the end."""

    async def the_clock_jumps(self, minutes: float) -> None:
        """Forth only: a service's clock never goes back, and what took no time would have to be counted as such."""
        await super().the_clock_jumps(abs(minutes))

    async def _lives(self, steps: Any) -> None:
        await super()._lives(steps)
        rules = self.room.desk_rules
        within_s, ring_s = rules.answer_within.total_seconds(), rules.ring.total_seconds()
        seen = {one: row.seen_at for one, row in (await self.room.agents()).items()}
        wanted = computed(told(self.judge.told), seen, ring_s)

        async def counts(queue: str | None) -> dict[str, float]:
            async with self.room.pool.acquire() as connection:
                found = await figures.count(connection, NOON - _LONG, NOON + _LONG, queue, within_s, ring_s)
            return {name: getattr(found, name) for name in found.__slots__}

        found = await counts(None)
        other = {name: (found[name], n) for name, n in wanted.items() if abs(found[name] - n) > 0.01}
        assert not other, f"figures ({', '.join(other)}): counted, and by what was told: {other}"
        queues = [await counts(one) for one in sorted({one.queue for one in self.judge.told})]
        other = {name: (found[name], sum(one[name] for one in queues)) for name in _OF_QUEUES}
        other = {name: both for name, both in other.items() if abs(both[0] - both[1]) > 0.01}
        assert not other, f"queues ({', '.join(other)}): all, and each of them: {other}"
