"""The router's handler called as the loop calls it: a batch, a transaction, a commit."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from copy import copy
from functools import cache
from typing import TYPE_CHECKING

from services.contracts.messages import ContactReceived, Message, OutageReported, ReportSettled, TicketRouted
from services.contracts.topics import CONTACT_RECEIVED, REPORT_SETTLED
from services.router import store
from services.router.handler import RouterHandler
from services.router.tree.book import RuleBook
from services.runtime.handling import Decided, Received
from tests.unit.router.making import BOUNDS, CLASSIFY, NOON, ROUTES, SHIPPED_DESK

if TYPE_CHECKING:
    from collections.abc import Iterator

    import asyncpg

    from services.router.domain.ticket import Ticket


@cache
def _read() -> RuleBook:
    return RuleBook(ROUTES, CLASSIFY)


def shipped_book() -> RuleBook:
    """A book of the shipped rules that has heard of nothing yet; their files, which nobody changes, are read once."""
    return copy(_read())


class Desk:
    """Takes batches; remembers what was published, counted and refused."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record], book: RuleBook) -> None:
        self.connection = connection
        self.rules = SHIPPED_DESK
        self.handler = RouterHandler(book, BOUNDS, lambda: self.rules)
        self.tally: Counter[str] = Counter()
        self.published: list[Message] = []
        self.refused: list[tuple[Message, str]] = []
        self.now = NOON
        self._offset = 0

    async def take(self, *messages: Message, trace: str | None = None) -> Decided:
        batch = [self._received(message, trace) for message in messages]
        async with self.connection.transaction():
            decided = await self.handler.handle(self.connection, batch, self.now)
        if decided.after_commit is not None:
            decided.after_commit()
        self.tally.update(decided.tally)
        self.published += [each.message for each in decided.publish]
        self.refused += [(each.record.message, each.reason) for each in decided.refused]
        return decided

    def _received(self, message: Message, trace: str | None) -> Received:
        self._offset += 1
        topic = REPORT_SETTLED if isinstance(message, ReportSettled) else CONTACT_RECEIVED
        return Received(topic.name, 0, self._offset, message, trace)

    async def ticket(self, contact: ContactReceived) -> Ticket:
        [ticket] = await store.by_id(self.connection, contact.ticket_id)
        return ticket

    @property
    def reports(self) -> list[OutageReported]:
        return [each for each in self.published if isinstance(each, OutageReported)]

    @property
    def routed(self) -> list[TicketRouted]:
        return [each for each in self.published if isinstance(each, TicketRouted)]

    @contextmanager
    def queries(self) -> Iterator[list[str]]:
        """Collect what is asked of Postgres, but for BEGIN and COMMIT."""
        asked: list[str] = []

        def note(query: object) -> None:
            text = str(getattr(query, "query", ""))
            if not text.startswith(("BEGIN", "COMMIT")):
                asked.append(text)

        with self.connection.query_logger(note):
            yield asked
