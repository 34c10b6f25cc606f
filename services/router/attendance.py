"""Agents' presence, and what happens to their tickets when they are gone.

Decided here: who counts as gone (by their own word, or silent for too long while they could be heard), and whose
offers pass on early because their stream broke. Never here: where a ticket goes that lost its agent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from services.router import next_ticket, roster, store
from services.router.acting import NoSuchAgentError
from services.router.domain.desk import work_of
from services.router.domain.log import GRIDLINE, Did, Event
from services.router.domain.work import Phase
from services.router.roster import Presence
from services.runtime import clock
from services.runtime.errors import UnavailableError
from services.runtime.postgres import connected

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.router.acting import Change, Desk
    from services.router.roster import Row
    from services.runtime.postgres import Connection

_PAGE: Final = 100
COME_BACK: Final = timedelta(seconds=5)
"""For a desktop whose stream broke to open it again: it is told to after two seconds."""
_TOGETHER_S: Final = 0.25
"""For so long heartbeats are gathered: thousands of desktops send hundreds a second; each commit waits for the disk."""
_log = structlog.get_logger()


@dataclass(slots=True)
class Listening:
    """Since when agents can be heard without a break: whoever was silent before that may have spoken to nobody.

    After a minute without a database, or without any router, all agents have been silent for a minute: they would all
    be logged off at once, and lose the customers they talk to.

    Attributes:
        break_: Between two looks that succeeded, so long that signs may have been lost.
    """

    break_: timedelta
    _since: datetime | None = None
    _last: datetime | None = None

    def looked(self, now: datetime) -> None:
        """Note that a look at the database succeeded."""
        if self._since is None or self._last is None or not timedelta() <= now - self._last <= self.break_:
            self._since = now
        self._last = now

    def long_enough(self, presence: timedelta) -> bool:
        """Tell whether who was silent for ``presence`` could be heard all that time."""
        return self._since is not None and self._last is not None and self._last - self._since >= presence


async def note_beat(desk: Desk, agent_id: str) -> None:
    """Note a heartbeat, with those of others that come about now: one statement for all of them.

    Raises:
        NoSuchAgentError: there is none of this id.
        UnavailableError: it cannot be written down now; it counts all the same.
    """
    desk.beats[agent_id] = clock.now()
    if desk.noting is None:
        desk.noting = asyncio.create_task(_note_beats(desk))
    if agent_id not in await asyncio.shield(desk.noting):
        raise NoSuchAgentError


async def _note_beats(desk: Desk) -> frozenset[str]:
    await asyncio.sleep(_TOGETHER_S)
    beats, desk.beats, desk.noting = desk.beats, {}, None
    try:
        async with connected(desk.pool) as connection:
            return await roster.alive(connection, beats)
    except UnavailableError:
        desk.signs = beats | desk.signs  # they are there, though it cannot be written down now
        raise


async def note_presence(desk: Desk, agent_id: str, presence: Presence | None) -> Row:
    """Note a sign of an agent, and their presence if they say; whoever goes offline gives back what they have.

    Raises:
        NoSuchAgentError: there is none of this id.
    """
    try:
        return await _note_presence(desk, agent_id, presence)
    except UnavailableError:
        if presence is not Presence.OFFLINE:
            desk.signs[agent_id] = clock.now()  # they are there, though it cannot be written down now
        raise


async def _note_presence(desk: Desk, agent_id: str, presence: Presence | None) -> Row:
    """Note it in one statement, unless they go: when a shift begins, thousands come at once."""
    if presence is Presence.OFFLINE:
        return await _leaves(desk, agent_id)
    async with desk.turn(), connected(desk.pool) as connection:
        now = clock.now()
        if presence is None:
            row = await roster.signed(connection, agent_id, now)
            said = None if row is None else (row, row.presence)
        else:
            said = await roster.says(connection, agent_id, presence, now)
    if said is None:
        raise NoSuchAgentError
    row, before = said
    if row.presence is not before:
        desk.bell.changed({agent_id})
    return row


async def _leaves(desk: Desk, agent_id: str) -> Row:
    changes: list[Change] = []
    async with desk.turn(), desk.transaction() as tx:
        now = clock.now()
        row = await roster.locked(tx, agent_id)
        if row is None:
            raise NoSuchAgentError
        await roster.seen(tx, row, Presence.OFFLINE, now)
        changes = await _lost(desk, tx, row, _gone(now))
        changes = await desk.keep(tx, changes, now)
    desk.committed(changes)
    if row.presence is Presence.OFFLINE:
        return replace(row, seen_at=now)
    desk.bell.changed({agent_id})
    return replace(row, presence=Presence.OFFLINE, since=now, seen_at=now)


async def remove(desk: Desk, agent_id: str, by: str) -> None:
    """Strike off an agent who left for good: what they have goes back to its place, what they did stays in the log.

    Raises:
        NoSuchAgentError: there is none of this id.
    """
    now = clock.now()
    async with desk.transaction() as tx:
        row = await roster.locked(tx, agent_id)
        if row is None:
            raise NoSuchAgentError
        await roster.seen(tx, row, Presence.OFFLINE, now)
        changes = await _lost(desk, tx, row, Event(did=Did.LOST, at=now, by=by, reason="agent_removed"))
        changes = await desk.keep(tx, changes, now)
        await roster.remove(tx, agent_id)
    desk.committed(changes)
    desk.bell.changed({agent_id})
    _log.info("agent_removed", agent=agent_id, by=by)


async def note_signs(desk: Desk) -> None:
    """Note who did something since the last time: one statement for all of them, beside their acts' transactions.

    There an agent would be locked after a ticket, the other way round than everywhere else.
    """
    signs, desk.signs = {**desk.signs, **desk.beats}, {}
    if not signs:
        return
    try:
        async with desk.transaction() as tx:
            await roster.alive(tx, signs)
    except UnavailableError:
        desk.signs = signs | desk.signs  # they are noted once the database is back
        raise


async def sweep(desk: Desk) -> int:
    """Give back the tickets of agents who are not heard of any more; return how many agents."""
    await note_signs(desk)
    now, presence = clock.now(), desk.rules().timings.presence
    changes: list[Change] = []
    async with desk.transaction() as tx:
        await roster.set_right(tx, now, now + presence)
        rows = await roster.gone(tx, now - presence, _PAGE)
        for row in rows:
            await roster.seen(tx, row, Presence.OFFLINE, now)
            changes += await _lost(desk, tx, row, _gone(now))
        changes = await desk.keep(tx, changes, now)
    desk.committed(changes)
    return len(rows)


async def give_back(desk: Desk, after: timedelta = COME_BACK) -> int:
    """Take offers from agents whose stream ended a while ago and who gave no sign since; return how many agents.

    So the customer waits for the next agent, not for the offer to lapse. What was accepted stays until ``sweep``.
    """
    await note_signs(desk)
    now = clock.now()
    over = {agent: at for agent, at in desk.hung_up.items() if now - at >= after}
    changes: list[Change] = []
    for agent_id, at in sorted(over.items()):
        async with desk.transaction() as tx:
            row = await roster.locked(tx, agent_id)
            if row is not None and row.seen_at <= at:
                lost = await _lost(desk, tx, row, _gone(now), only=Phase.OFFERED)
                lost = await desk.keep(tx, lost, now)
                changes += lost
        if desk.hung_up.get(agent_id) == at:
            del desk.hung_up[agent_id]
    desk.committed(changes)
    return len(over)


def _gone(now: datetime) -> Event:
    return Event(did=Did.LOST, at=now, by=GRIDLINE, reason="agent_gone")


async def _lost(desk: Desk, tx: Connection, row: Row, lost: Event, only: Phase | None = None) -> list[Change]:
    agent = row.agent.agent_id
    theirs = {ticket.ticket_id for ticket in await next_ticket.in_hand(tx, agent)}
    kept: set[UUID] = await next_ticket.kept_for(tx, agent) if only is None else set()
    ended = Event(did=Did.HOLD_ENDED, at=lost.at, by=lost.by, reason=lost.reason)
    changes = []
    for ticket in (await store.locked(tx, theirs | kept)).values():
        work = work_of(ticket)
        if work.in_hand and work.agent == agent and only in {None, work.phase}:
            changes.append(desk.change(ticket, lost))
        elif work.held_for == agent and only is None:
            changes.append(desk.change(ticket, ended))
    return changes
