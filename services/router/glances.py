"""A glance at what there is for an agent who goes on waiting: one statement, without a lock or a commit.

Decided here: whether it is worth a transaction to look for their next ticket. Thousands wait, and nearly always there
is nothing for them. Never here: which ticket they get; what a glance shows may be another's a moment later.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from services.router import next_ticket, roster
from services.router.acting import NoSuchAgentError, NotThereError
from services.router.domain.log import Did
from services.router.roster import Presence
from services.router.taking import take
from services.runtime import clock
from services.runtime.postgres import connected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.router.acting import Desk
    from services.router.domain.ticket import Ticket
    from services.router.roster import Row
    from services.runtime.postgres import Connection

# Tickets for which others were called just now are theirs. An offer that has lapsed counts until time has ended it.
_GLANCE: Final = f"""
SELECT a.body::text AS body, a.presence, a.since, a.seen_at, {next_ticket.HAS} AS has, had.tickets,
       had.on_offer, a.presence = 'available' AND had.tickets < coalesce((a.body ->> 'capacity')::int, 1) AND (
    EXISTS (SELECT FROM ticket AS t WHERE t.state = 'queued' AND t.held_for = $2)
    OR EXISTS (
        SELECT FROM unnest($1::text[], $3::int[]) AS wanted (lane, called) CROSS JOIN LATERAL (
            SELECT FROM ticket AS t
            WHERE {next_ticket.OPEN_TO_ALL} AND t.lane = wanted.lane AND {next_ticket.NOT_PASSED}
            ORDER BY t.rank_at, t.ticket_id OFFSET wanted.called LIMIT 1
        ) AS one_more
    )
) AS waits
FROM agent AS a CROSS JOIN LATERAL (
    SELECT count(*)::int AS tickets, coalesce(bool_or(t.state = 'offered'), false) AS on_offer
    FROM ticket AS t WHERE t.agent = a.agent_id
) AS had
WHERE a.agent_id = $2
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Glance:
    """How an agent stands.

    Attributes:
        row: The agent.
        has: All that is known of them in a word, as ``next_ticket.hands`` tells it.
        tickets: How many they have.
        finds: There seems to be something for them: an open offer, or a ticket to take.
    """

    row: Row
    has: str
    tickets: int
    finds: bool

    @property
    def busy(self) -> bool:
        """Whether nothing can be given to them as they are: away, or at capacity."""
        return self.row.presence is not Presence.AVAILABLE or self.tickets >= self.row.agent.capacity


async def next_offer(
    desk: Desk, agent_id: str, by: str, *, rung: bool, asked: bool, in_case: bool = False
) -> tuple[Ticket | None, Glance | None]:
    """Return the ticket that is on offer to an agent by now; or, where there is none, how they stand.

    Neither where the process began to end.

    Args:
        desk: Where tickets are.
        agent_id: Of the agent.
        by: Who asks for them.
        rung: The bell rang for them: they look for the ticket at once, and rest if it is another's by now.
        asked: As in ``take``.
        in_case: Nobody called them: as in ``Desk.turn``.

    Raises:
        NoSuchAgentError: there is none of this id.
    """
    if rung and (ticket := await _taken(desk, agent_id, by, asked=asked)) is not None:
        return ticket, None
    seen = await glance(desk, agent_id, in_case=in_case)
    if seen is None or rung or not seen.finds:
        return None, seen
    return await _taken(desk, agent_id, by, asked=asked), seen


async def _taken(desk: Desk, agent_id: str, by: str, *, asked: bool) -> Ticket | None:
    try:
        return await take(desk, agent_id, Did.OFFERED, by, asked=asked, waits=True)
    except NotThereError:
        return None


async def glance(desk: Desk, agent_id: str, *, in_case: bool = False) -> Glance | None:
    """Return how an agent stands; None where the process began to end. ``in_case``: as in ``Desk.turn``.

    Lanes that this process has not heard of, and tickets whose agents do not come, are left to the bell's next look,
    which wakes whoever waits; where the last one is long ago, there may be anything.

    Raises:
        NoSuchAgentError: there is none of this id.
    """
    async with desk.turn(in_case=in_case), connected(desk.pool) as connection:
        while not desk.bell.closed:
            known, lanes = desk.seated.get(agent_id), desk.bell.lanes
            worth = lanes.worth(known) if known is not None else []
            called = desk.bell.called() if worth else Counter[str]()
            seen = await at_a_glance(connection, agent_id, worth, [called[lane] for lane in worth])
            if seen is None:
                desk.seated.pop(agent_id, None)
                raise NoSuchAgentError
            if seen.row.agent == known:
                unsure = not seen.busy and (lanes.has_more(known) or not lanes.is_recent(clock.monotonic()))
                return replace(seen, finds=seen.finds or unsure)
            desk.seated[agent_id] = seen.row.agent
        return None


async def at_a_glance(
    connection: Connection, agent_id: str, lanes: Sequence[str], called: Sequence[int]
) -> Glance | None:
    """Return how an agent stands; something waits in a lane if it is more than were ``called`` for it."""
    row = await connection.fetchrow(_GLANCE, lanes, agent_id, called)
    if row is None:
        return None
    return Glance(roster.as_row(row), row["has"], row["tickets"], row["on_offer"] or row["waits"])
