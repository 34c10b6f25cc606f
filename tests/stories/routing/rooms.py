"""Where the router's stories are lived: its real parts on rows, and what those show.

Decided here: how a process starts, and its time. Never here: a law, a decision.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast
from unittest.mock import patch

from services.contracts.messages import ReportSettled
from services.contracts.topics import CONTACT_RECEIVED, REPORT_SETTLED, TICKET_ROUTED
from services.router import erasing, roster, store
from services.router.acting import Desk
from services.router.bell import Bell
from services.router.handler import RouterHandler
from services.runtime import clock, positions
from services.runtime.handling import Received
from services.runtime.outbox import Outbox
from tests.unit.router.making import BOUNDS, NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.envelope import Outgoing
    from services.contracts.messages import Message
    from services.contracts.publication import Publication
    from services.router.domain.desk import DeskRules
    from services.router.domain.targets import Duty
    from services.router.domain.ticket import Rules, Ticket
    from services.router.roster import Row
    from services.runtime.handling import Decided
    from services.runtime.postgres import Pool


class Book:
    """The rules in force, to be exchanged by a story."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.elsewhere: frozenset[str] = frozenset()

    @property
    def declared(self) -> tuple[str, ...]:
        here = self.rules.tree.queues
        return (*here, *sorted(self.elsewhere - here.keys()))

    def note_declared(self, queues: Collection[str]) -> None:
        self.elsewhere = frozenset(queues)

    def note_duty(self, duty: Duty) -> None:
        self.rules = replace(self.rules, duty=duty)


class _Noting(Outbox):
    """An outbox that tells what was settled."""

    def __init__(self) -> None:
        super().__init__("gridline/router", shards=1)
        self.settled: list[Message] = []

    def settle(self, publications: Any) -> list[Outgoing]:
        those: list[Publication] = list(publications)
        self.settled += [one.message for one in those]
        return super().settle(those)


@dataclass(frozen=True, slots=True)
class Shown:
    """A ticket as its row shows it: whole, and by the columns beside."""

    ticket: Ticket
    body: str
    columns: Mapping[str, object]


COLUMNS: Final = ("version", "queue", "state", "agent", "held_for", "wake_at", "rank_at", "lane", "level")


async def _no_sleep(sleep: Callable[[float], Awaitable[None]], _seconds: float) -> None:
    """Rest for no time: nobody else is to have it."""
    await sleep(0)


class Room(ABC):
    """The router's parts, and what they left behind."""

    def __init__(self, rules: Rules, desk: DeskRules) -> None:
        self.now = NOON
        self.book, self.desk_rules = Book(rules), desk
        self.outbox = _Noting()
        self.people = cast("Desk", Desk.__new__(Desk))
        self._offset = 0

    def start(self) -> None:
        """Start the process, or start it anew: all that it knew is what is stored."""
        book = cast("Any", self.book)
        self.people.__init__(self.pool, self.outbox, book, lambda: self.desk_rules, Bell())  # type: ignore[misc] # doors keep it
        self.handler = RouterHandler(book, BOUNDS, lambda: self.desk_rules, self.people.bell.heard, self.people.floor)

    @property
    def queues(self) -> frozenset[str]:
        """Of the trees in force."""
        return frozenset(self.book.rules.tree.queues)

    @property
    @abstractmethod
    def pool(self) -> Pool:
        """Of connections to the rows."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let the story's time be the process's."""
        with (
            patch.object(clock, "now", lambda: self.now),
            patch.object(asyncio, "sleep", partial(_no_sleep, asyncio.sleep)),
        ):
            self.start()
            yield

    async def take(self, messages: Sequence[Message]) -> list[Message]:
        """Take a batch as the loop does, of ids that were never seen; return what is published."""
        batch = []
        for message in messages:
            self._offset += 1
            topic = REPORT_SETTLED if isinstance(message, ReportSettled) else CONTACT_RECEIVED
            batch.append(Received(topic.name, 0, self._offset, message, None))
        async with self.people.transaction() as tx:
            decided = await self.handler.handle(tx, batch, self.now)
            self.outbox.settle(decided.publish)
            await self._counted(tx, decided)
        if decided.after_commit is not None:
            decided.after_commit()
        return [each.record.message for each in decided.refused]

    @abstractmethod
    async def _counted(self, tx: Any, decided: Decided) -> None:
        """Add to the exact counts what a batch came to."""

    @abstractmethod
    async def rows(self) -> dict[UUID, Shown]:
        """Return every ticket."""

    @abstractmethod
    async def lines(self) -> list[tuple[UUID, int, str]]:
        """Return the log: ticket, version, line as it is stored, in order."""

    @abstractmethod
    async def counts(self) -> Counter[str]:
        """Return the exact counts."""

    @abstractmethod
    async def agents(self) -> dict[str, Row]:
        """Return all agents."""

    @abstractmethod
    async def erase(self, ids: Collection[UUID] | None, before: datetime) -> set[UUID]:
        """Erase these tickets, or all, where they may be; return which were."""

    @abstractmethod
    async def only_here(self) -> None:
        """Let there be no other process, and this one have listened long enough."""


class InPostgres(Room):
    """The router with its rows where they are."""

    def __init__(self, rules: Rules, desk: DeskRules, pool: Pool) -> None:
        super().__init__(rules, desk)
        self._pool = pool

    @property
    def pool(self) -> Pool:
        return self._pool

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        tables = await self._pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'router'")
        await self._pool.execute(f"TRUNCATE {', '.join(row['tablename'] for row in tables)}")
        async with super().open():
            yield

    async def _counted(self, tx: Any, decided: Decided) -> None:
        if decided.tally:
            counts = {(TICKET_ROUTED.name, 0, name): n for name, n in decided.tally.items()}
            statement = positions.counting(1)
            await tx.execute(statement, *positions.count_columns(counts))

    async def rows(self) -> dict[UUID, Shown]:
        rows = await self._pool.fetch(f"SELECT ticket_id, {', '.join(COLUMNS)}, body::text AS body FROM ticket")  # noqa: S608
        return {
            row["ticket_id"]: Shown(store.read(row["body"]), row["body"], {name: row[name] for name in COLUMNS})
            for row in rows
        }

    async def lines(self) -> list[tuple[UUID, int, str]]:
        rows = await self._pool.fetch("SELECT ticket_id, version, body::text AS body FROM ticket_log ORDER BY 1, 2, n")
        return [(row["ticket_id"], row["version"], row["body"]) for row in rows]

    async def counts(self) -> Counter[str]:
        async with self._pool.acquire() as connection:
            return await positions.totals(connection)

    async def agents(self) -> dict[str, Row]:
        async with self._pool.acquire() as connection:
            return {row.agent.agent_id: row for row in await roster.page(connection, "", None, None, 100)}

    async def erase(self, ids: Collection[UUID] | None, before: datetime) -> set[UUID]:
        async with self._pool.acquire() as connection:
            if ids is None:
                ids = [row["ticket_id"] for row in await connection.fetch("SELECT ticket_id FROM ticket")]
            found = await erasing.candidates(connection, list(ids), before)
            free = [one.ticket.ticket_id for one in found if one.live is None]
            return await erasing.erase(connection, free, before, self.now)

    async def only_here(self) -> None:
        rules = self.book.rules
        async with self._pool.acquire() as connection:
            await connection.execute("TRUNCATE tree_in_force, desk_in_force")
            await connection.execute(
                "INSERT INTO tree_in_force VALUES ($1, $2, now() - interval '1 minute', now() + interval '1 minute')",
                rules.hash,
                list(rules.tree.queues),
            )
