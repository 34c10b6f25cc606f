"""What people do with tickets: each action is one transaction that locks, decides, saves, logs, counts and publishes.

Decided here: what is locked, in which order: the agent before tickets, tickets by id. So an agent's capacity and a
ticket's single agent hold across processes. Never here: whether an action is allowed (``domain.allowing``), what
follows when an agent leaves (``attendance``), which ticket they get next (``taking``), timers (``timers``).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from services.contracts.publication import Publication
from services.contracts.topics import TICKET_ROUTED
from services.contracts.values import TicketState
from services.router import metrics, roster, store
from services.router.backlog import Backlog
from services.router.domain.allowing import decide
from services.router.domain.conservation import REPORT_SENT, count
from services.router.domain.deciding import FOLLOW_UP, route_again
from services.router.domain.desk import case_of, turn_of, work_of
from services.router.domain.log import Did, Event, NotAllowedError, ReturnReason, Why
from services.router.domain.repeats import reporters
from services.router.domain.telling import outage_reported, report_placed, routed
from services.router.domain.ticket import ReportState
from services.router.domain.versions import above, worked
from services.router.floor import VersionFloor
from services.runtime.pool import Half, for_looking
from services.runtime.postgres import connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.router.bell import Bell
    from services.router.domain.desk import DeskRules
    from services.router.domain.serving import Agent
    from services.router.domain.ticket import Ticket
    from services.router.tree.book import RuleBook
    from services.runtime.outbox import Outbox
    from services.runtime.postgres import Connection, Pool

_SPREAD: Final = 64
"""Rows a count is spread over, so that those who complete tickets do not wait for one another."""


class NoSuchTicketError(Exception):
    """There is no ticket with this id."""


class NoSuchAgentError(Exception):
    """There is no agent with this id."""


class NotThereError(Exception):
    """The agent is away or offline, or cannot have this ticket."""


class FullError(NotThereError):
    """The agent has as much as they can."""


class OtherVersionError(Exception):
    """The ticket has changed since the caller saw it."""

    def __init__(self, version: int) -> None:
        self.version = version
        super().__init__(f"the ticket is in version {version} by now: read it again")


@dataclass(frozen=True, slots=True)
class Change:
    """A ticket before and after what was done with it; the same if nothing was."""

    before: Ticket
    after: Ticket
    events: tuple[Event, ...]

    def above(self, floor: int) -> Change:
        """Return it with the ticket in a version above ``floor``, if it changed."""
        return self if self.after is self.before else replace(self, after=above(floor, self.after))


class Desk:
    """Does what people ask."""

    def __init__(self, pool: Pool, outbox: Outbox, book: RuleBook, rules: Callable[[], DeskRules], bell: Bell) -> None:
        self.pool = pool
        self.looking = for_looking(pool)
        """For requests that change nothing."""
        self.bell = bell
        self.backlog = Backlog(pool)
        self.rules = rules
        self.book = book
        self.hung_up: dict[str, datetime] = {}
        """Agents whose stream has ended, and when; until ``attendance`` has looked at them."""
        self.signs: dict[str, datetime] = {}
        """Agents who did something, and when; until ``attendance`` has noted it."""
        self.seated: dict[str, Agent] = {}
        """What agents could when they were last looked at; it may have changed since."""
        self.beats: dict[str, datetime] = {}
        """Agents who sent a heartbeat that is not noted yet, and when."""
        self.noting: asyncio.Task[frozenset[str]] | None = None
        """Notes them in a moment; returns those who exist."""
        self.floor = VersionFloor()
        self._outbox = outbox
        self._turns = Half(pool)
        self._turns_in_case = asyncio.Semaphore(1)

    async def act(self, ticket_id: UUID, asked: Event, version: int | None) -> Ticket:
        """Do one thing with one ticket; asking again for what is done changes nothing.

        Args:
            ticket_id: Of the ticket.
            asked: What, by whom and when.
            version: What the caller saw, if they say.

        Raises:
            NoSuchTicketError, OtherVersionError, NotAllowedError: as they say.
        """
        async with self.transaction() as tx:
            before = await self.load(tx, ticket_id, version)
            change = self.change(before, asked)
            [change] = await self.keep(tx, [change], asked.at)
        self.committed([change])
        return change.after

    @asynccontextmanager
    async def turn(self, *, in_case: bool = False) -> AsyncIterator[None]:
        """Wait until it is an agent's turn at the database.

        When a shift begins, or a router was started anew, a thousand desktops come at once. They have half of the
        connections: else no contact is routed and no time looked at before all of them were served. Who looks only
        ``in_case`` waits, for as long as it takes, behind others of that kind alone: so many do, that an agent for whom
        there is a ticket would wait behind them.

        Raises:
            UnavailableError: it takes too long.
        """
        async with self._turns_in_case if in_case else self._turns.place():
            yield

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Open a transaction of the pool; an error takes everything back."""
        async with connected(self.pool) as connection, connection.transaction():
            yield connection

    async def load(self, tx: Connection, ticket_id: UUID, version: int | None) -> Ticket:
        """Return a ticket, or what it is part of, locked, in the version that the caller saw, if they say.

        Raises:
            NoSuchTicketError, OtherVersionError: as they say.
        """
        found = await store.locked(tx, {ticket_id})
        ticket = found.pop(ticket_id, None)
        if (ticket is None or ticket.merged_into is not None) and found:
            ticket = found.popitem()[1]  # what it is part of
        if ticket is None:
            raise NoSuchTicketError
        check_version(ticket, version)
        return ticket

    async def locked(self, tx: Connection, ticket_ids: set[UUID]) -> dict[UUID, Ticket]:
        """Return these tickets, locked.

        Raises:
            NoSuchTicketError: one of them does not exist.
        """
        found = await store.locked(tx, ticket_ids)
        if ticket_ids - found.keys():
            raise NoSuchTicketError
        return found

    def change(self, before: Ticket, asked: Event) -> Change:
        """Return what an act makes of a ticket.

        Raises:
            NotAllowedError: it does not fit the state of the work.
        """
        try:
            _still_there(before)
            event = decide(work_of(before), self._addressed(before, asked), case_of(before, self.rules()))
        except NotAllowedError as error:
            metrics.REFUSED_ACTS.labels(error.why.value).inc()
            raise
        if event is None:
            return Change(before, before, ())
        after = worked(before, [event], event.at)
        if event.did in {Did.RETURNED, Did.PLACED, Did.REROUTED} or (event.did is Did.URGED and event.first):
            after = route_again(after, self.book.rules, event.at, corrected=event.business_type is not None)
        if event.did is Did.REOPENED and after.standing is not TicketState.QUEUED:
            after = route_again(after, self.book.rules, event.at, FOLLOW_UP)  # no machine takes care of it any more
        return Change(before, after, (event,))

    def _addressed(self, before: Ticket, asked: Event) -> Event:
        """Say where a returned ticket goes: by the tree if it was corrected, else to those who take everything.

        The tree alone would only put it back where it was wrong.
        """
        corrected = asked.business_type or asked.language
        if asked.did is not Did.RETURNED or corrected or asked.reason == ReturnReason.MISSING_INFORMATION:
            return asked
        everything = self.book.rules.tree.root.queue
        return asked.model_copy(update={"to_queue": everything if before.queue != everything else None})

    async def keep(self, tx: Connection, changes: Sequence[Change], now: datetime) -> list[Change]:
        """Store what changed, the log, the counts, and what is to be published; return the changes as they are told."""
        floor = await self.floor.read(tx)
        kept = [change.above(floor) for change in changes]
        changed = [change for change in kept if change.after is not change.before]
        if not changed:
            return kept
        rules = self.rules()
        stood = [(change.after, turn_of(change.after, rules)) for change in changed]
        standing = (Publication(routed(ticket, turn.due)) for ticket, turn in stood)
        told = self._outbox.settle((*_reports(changed), *standing))
        lines = [(change.after, change.events) for change in changed]
        await store.acted(tx, stood, lines, _tally(changed), self._outbox.columns(told, now))
        for change in changed:
            await self._knows(tx, change, rules)
        return kept

    async def _knows(self, tx: Connection, change: Change, rules: DeskRules) -> None:
        """Remember whom the customer spoke with: last in a transaction, so that nobody waits in a ring."""
        if not rules.timings.known:
            return
        ends = {Did.CONTACTED, Did.COMPLETED}
        spoke = [event for event in change.events if event.did in ends and event.agent and not event.is_attempt]
        customers = {handle.key for handle in reporters(change.after.facts)} if spoke else set()
        if customers:
            await roster.know(tx, customers, str(spoke[-1].agent), spoke[-1].at)

    def committed(self, changes: Sequence[Change]) -> None:
        """Tell those who must know. Call it once the transaction has committed."""
        changed = [change.after for change in changes if change.after is not change.before]
        agents: set[str | None] = set()
        for change in changes:
            agents |= {work_of(change.before).agent, work_of(change.after).agent}
            if _reports_now(change):
                metrics.REPORTS.labels(ReportState.SENT.value).inc()
            for event in change.events:
                metrics.acted(event, change.after.queue)
        rules = self.rules()
        waiting = (ticket for ticket in changed if ticket.standing is TicketState.QUEUED)
        self.bell.heard((ticket, turn_of(ticket, rules)) for ticket in waiting)
        offered = {str(event.agent) for change in changes for event in change.events if event.did is Did.OFFERED}
        self.bell.changed({agent for agent in agents if agent is not None}, offered)
        if changed:
            self._outbox.wake()


def _reports(changes: Sequence[Change]) -> Iterator[Publication]:
    """Yield what goes to dedup once a person said where an outage is.

    Its report, as of when the customer told of it; or, where that went out and waits for a place, the place.
    """
    for facts, ticket in ((change.after.facts, change.after) for change in changes if _reports_now(change)):
        arrived = max(facts.arrived_at or facts.opened_at, ticket.reported_at or facts.opened_at)
        yield Publication(outage_reported(ticket, facts.channel.contact_id, arrived))
    waiting = (change for change in changes if change.before.report is ReportState.RETURNED)
    places = ((change.after, event) for change in waiting for event in change.events if event.did is Did.PLACED)
    yield from (Publication(report_placed(ticket, event)) for ticket, event in places)


def _reports_now(change: Change) -> bool:
    return change.before.report is ReportState.NONE and change.after.report is ReportState.SENT


def _tally(changes: Sequence[Change]) -> Mapping[tuple[str, int, str], int]:
    tally: Counter[tuple[str, int, str]] = Counter()
    for change in changes:
        moved: Counter[str] = Counter()
        count(moved, change.before, change.after)
        moved[REPORT_SENT] += _reports_now(change)
        row = change.after.ticket_id.int % _SPREAD
        tally.update({(TICKET_ROUTED.name, row, name): n for name, n in moved.items()})
    return tally


def _still_there(ticket: Ticket) -> None:
    """Raise ``NotAllowedError`` if nobody can do anything about a ticket: its contents were erased, or are in another.

    It may have become part of another since whoever asks has read it: decided on anew, it had its contacts twice.
    """
    if ticket.merged_into is not None:
        raise NotAllowedError(Why.MERGED, f"it is part of ticket {ticket.merged_into} by now: read it again")
    if ticket.erased_at is not None:
        raise NotAllowedError(Why.ERASED, f"its customer's data was erased at {ticket.erased_at.isoformat()}")


def check_version(ticket: Ticket, version: int | None) -> None:
    """Raise ``OtherVersionError`` if the caller saw another version."""
    if version is not None and version != ticket.version:
        raise OtherVersionError(ticket.version)
