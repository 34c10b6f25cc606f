"""The next ticket of an agent, or one they name: offered, or claimed at once.

Decided here: where it is looked for, in the lanes the bell knows or in the database, and what keeps an agent from it.
Never here: which of the waiting is the next (``next_ticket``), what the act is and stores (``acting``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.router import metrics, next_ticket, roster
from services.router.acting import FullError, NoSuchAgentError, NotThereError
from services.router.domain.desk import turn_of, work_of
from services.router.domain.log import Did, Event
from services.router.domain.serving import in_words, serves
from services.router.domain.work import Phase
from services.router.roster import Presence
from services.runtime import clock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from services.router.acting import Desk
    from services.router.domain.ticket import Ticket
    from services.router.roster import Row
    from services.runtime.postgres import Connection


async def take(
    desk: Desk,
    agent_id: str,
    did: Did,
    by: str,
    ticket_id: UUID | None = None,
    *,
    asked: bool = True,
    waits: bool = False,
) -> Ticket | None:
    """Give an agent the next ticket, or one they name: on offer, or claimed at once. None if nothing waits.

    An offer that is still open is given again: its answer may have been lost. ``asked``: they ask for it now, which
    is a sign of them; a stream that was opened long ago is none. ``waits``: they go on waiting if there is none, so
    that lanes this process has not heard of are left to the bell's next look.

    Raises:
        NoSuchAgentError, NotThereError, NoSuchTicketError, NotAllowedError: as they say.
    """
    try:
        async with desk.turn():
            return await _take(desk, agent_id, did, by, ticket_id, asked=asked, waits=waits)
    finally:
        desk.bell.looked(agent_id)


async def _take(
    desk: Desk, agent_id: str, did: Did, by: str, ticket_id: UUID | None, *, asked: bool, waits: bool
) -> Ticket | None:
    began = clock.monotonic()
    now, rules = clock.now(), desk.rules()
    async with desk.transaction() as tx:
        row = await (roster.signed(tx, agent_id, now) if asked else roster.locked(tx, agent_id))
        if row is None:
            raise NoSuchAgentError
        wants_offer = did is Did.OFFERED
        looks = ticket_id is None and row.presence is Presence.AVAILABLE
        lanes = desk.bell.lanes.worth(row.agent) if looks else []
        room = row.agent.capacity if looks else 0
        hand = await next_ticket.hand(tx, agent_id, lanes, room, now if wants_offer else None)
        if wants_offer and (open_offer := _open_offer(hand.theirs, now)) is not None:
            return open_offer
        if row.presence is not Presence.AVAILABLE:
            raise NotThereError(f"the agent is {row.presence}")
        if len(hand.theirs) >= row.agent.capacity:
            raise FullError(f"the agent has as much as they can: {len(hand.theirs)} of {row.agent.capacity}")
        if ticket_id is not None:
            before: Ticket | None = await _named(desk, tx, row, ticket_id)
        else:
            before = hand.first or await _elsewhere(desk, tx, row, lanes, waits=waits)
        if before is None:
            return None
        until = now + rules.timings.offer if did is Did.OFFERED else None
        change = desk.change(before, Event(did=did, at=now, by=by, agent=agent_id, until=until))
        [change] = await desk.keep(tx, [change], now)
    desk.committed([change])
    metrics.CLAIM_SECONDS.observe(clock.monotonic() - began)
    return change.after


async def _named(desk: Desk, tx: Connection, row: Row, ticket_id: UUID) -> Ticket:
    ticket = (await desk.locked(tx, {ticket_id}))[ticket_id]
    lane = turn_of(ticket, desk.rules()).lane
    if work_of(ticket).held_for != row.agent.agent_id and not serves(row.agent, lane):
        raise NotThereError(f"the agent does not serve {in_words(lane)}")
    return ticket


async def _elsewhere(desk: Desk, tx: Connection, row: Row, tried: list[str], *, waits: bool) -> Ticket | None:
    """Return the next ticket of the lanes that seemed worth no look, or that this process had not heard of."""
    lanes, began = desk.bell.lanes, clock.monotonic()
    while True:
        seen = lanes.began
        for some in lanes.further(row.agent, tried):
            found = await next_ticket.hand(tx, row.agent.agent_id, some, row.agent.capacity)
            if found.first is not None:
                return found.first
            tried = [*tried, *some]
        if lanes.began != seen:  # somebody has looked meanwhile
            continue
        looked = clock.monotonic()
        if seen >= began or lanes.is_fresh(looked) or (waits and lanes.is_recent(looked)):
            return None
        lanes.saw(await next_ticket.lanes(tx), looked, clock.monotonic())


def _open_offer(theirs: Sequence[Ticket], now: datetime) -> Ticket | None:
    for ticket in theirs:
        work = work_of(ticket)
        if work.phase is Phase.OFFERED and work.until is not None and work.until > now:
            return ticket
    return None
