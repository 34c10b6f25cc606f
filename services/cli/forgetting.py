"""Erasing what all services keep of customers, a few tickets at a time, while they run.

Decided here: the order. A ticket is what is erased, with its report and with what was told of it; the router's row goes
last, so that whatever is broken off is found again. Never here: SQL, what remains of a row: each service knows its own.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from services.cli.database import connect
from services.contracts.ids import report_id
from services.contracts.topics import CONTACT_RECEIVED
from services.dedup import erasing as dedup
from services.notify import erasing as notify
from services.router import erasing as router
from services.runtime import clock
from services.runtime.cluster import DEAD_LETTERS_MS
from services.runtime.postgres import ask_the_time
from services.runtime.retention import PUBLISHED_DAYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import asyncpg

    from services.runtime.settings import ServiceSettings

    Connection = asyncpg.Connection[asyncpg.Record]

YOUNGEST: Final = timedelta(days=PUBLISHED_DAYS)
"""What changed since is left: messages about it lie in outboxes, and a service may have it in memory."""
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO: Final = UUID(int=0)
_AT_ONCE: Final = 200
_LOOKED_AT: Final = 2000
"""Recipients at once, nearly all of whom have reports."""
_LATEST: Final = timedelta(milliseconds=CONTACT_RECEIVED.retention_ms + DEAD_LETTERS_MS)
"""So long after it was sent a contact may still open a ticket: a dead letter that is put back."""
_IN_USE: Final = "in_use_just_now"


@dataclass(frozen=True, slots=True)
class Rooms:
    """A connection to the tables of each service."""

    router: Connection
    dedup: Connection
    notify: Connection


@dataclass(slots=True)
class Erased:
    """What an erasure came to.

    Attributes:
        counts: What was erased, by kind; of a dry run tickets, meters' reports and who only asked.
        kept: Tickets that were left, by reason.
        kept_from: When the oldest of them was opened; None where none was left.
    """

    counts: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    kept_from: datetime | None = None


@asynccontextmanager
async def rooms(settings: ServiceSettings) -> AsyncIterator[Rooms]:
    """Connect to the tables of each service.

    Raises:
        UnavailableError: Postgres cannot be reached.
        CommandError: the schemas are not there, or older than this program.
    """
    async with AsyncExitStack() as stack:
        opened = []
        for name in ("router", "dedup", "notify"):
            connection = await stack.enter_async_context(connect(settings))
            await connection.execute(f'SET search_path = "{name}"')
            opened.append(connection)
        await ask_the_time(opened[0])  # this machine's may be weeks ahead
        yield Rooms(*opened)


@dataclass(slots=True)
class Forgetting:
    """One erasure.

    Attributes:
        rooms: The services' tables.
        before: What changed at this moment or later is left.
        dry_run: Only count.
        rest: For how long to leave the database alone after each step, as a multiple of what the step took.
        advance: Told how many tickets were looked at.
    """

    rooms: Rooms
    before: datetime
    dry_run: bool = False
    rest: float = 3.0
    advance: Callable[[int], object] = lambda _: None
    result: Erased = field(default_factory=Erased)
    _number: int | None = None

    async def by_age(self, since: datetime, author: str) -> Erased:
        """Erase what was opened from ``since`` on and is older than ``before``, and what meters reported then."""
        at = since, _ZERO
        await self._begin(author, "age")
        while some := await router.opened_before(self.rooms.router, self.before, at, _AT_ONCE):
            at = some[-1]
            await self._step([ticket for _, ticket in some])
            await self._note(at[0], over=False)
        place = BEGINNING, _ZERO
        while meters := await dedup.of_meters_before(self.rooms.dedup, self.before, place, _AT_ONCE):
            place = meters[-1]
            await self._meters([report for _, report in meters])
        at_asker: UUID | None = _ZERO
        while at_asker is not None:
            at_asker = await self._askers(at_asker)
        await self._note(self.before, over=True)
        return self.result

    async def of_person(self, ids: Sequence[UUID], author: str, phone: str | None, account: str | None) -> Erased:
        """Erase tickets of one person, their number where they were told, and what their meter reported."""
        await self._begin(author, "person")
        for n in range(0, len(ids), _AT_ONCE):
            await self._step(ids[n : n + _AT_ONCE])
        if account is not None:
            await self._meters(await dedup.of_meter(self.rooms.dedup, account))
        if phone is not None:
            counts = await notify.erase_number(self.rooms.notify, phone, clock.now(), dry_run=self.dry_run)
            self.result.counts.update(counts)
        await self._note(None, over=True)
        return self.result

    async def _step(self, ids: Sequence[UUID]) -> None:
        """Erase some tickets, with their reports and with what was told of those."""
        began = clock.monotonic()
        found = await router.candidates(self.rooms.router, ids, self.before)
        reports = {
            each.ticket.ticket_id: [report_id(one) for one in (each.ticket.ticket_id, *each.ticket.also)]
            for each in found
            if each.live is None
        }
        needed = await self._needed([one for theirs in reports.values() for one in theirs])
        kept: dict[UUID, str] = {each.ticket.ticket_id: each.live.value for each in found if each.live is not None}
        for ticket, theirs in reports.items():
            if why := next((needed[one] for one in theirs if one in needed), None):
                kept[ticket] = why
        free = reports.keys() - kept.keys()
        gone = free
        if free and not self.dry_run:
            asked = await self._reports([one for ticket in free for one in reports[ticket]])
            for ticket in list(free):
                if why := next((asked[one] for one in reports[ticket] if one in asked), None):
                    kept[ticket] = why
            free = reports.keys() - kept.keys()
            gone = await router.erase(self.rooms.router, free, self.before, clock.now())
        kept |= dict.fromkeys(free - gone, _IN_USE)
        self.result.counts["tickets"] += len(gone)
        self.result.kept.update(kept.values())
        opened = [each.ticket.facts.opened_at for each in found if each.ticket.ticket_id in kept]
        self.result.kept_from = min(filter(None, (self.result.kept_from, *opened)), default=None)
        self.advance(len(ids))
        await self._rest(began)

    async def _meters(self, reports: Sequence[UUID]) -> None:
        """Erase reports that have no ticket."""
        began = clock.monotonic()
        needed = await self._needed(reports)
        free = [one for one in reports if one not in needed]
        if self.dry_run:
            self.result.counts["meters' reports"] += len(free)
        else:
            await self._reports(free)
        await self._rest(began)

    async def _needed(self, reports: Sequence[UUID]) -> dict[UUID, str]:
        told = await notify.live(self.rooms.notify, reports)
        out = await dedup.live(self.rooms.dedup, reports, self.before)
        return {one: why.value for one, why in (*told.items(), *out.items())}

    async def _reports(self, reports: Sequence[UUID]) -> dict[UUID, str]:
        """Erase reports, and what was told of them; return those of which something is to be told by now, and why."""
        counts, left = await notify.erase(self.rooms.notify, reports)
        self.result.counts.update(counts)
        free = [one for one in reports if one not in left]
        self.result.counts.update(await dedup.erase(self.rooms.dedup, free, self.before))
        return {one: why.value for one, why in left.items()}

    async def _askers(self, after: UUID) -> UUID | None:
        """Erase some of those who asked for a status, or followed, and reported nothing; return after whom to go on."""
        began = clock.monotonic()
        counts, last = await notify.erase_askers(
            self.rooms.notify, after, self.before, _LOOKED_AT, dry_run=self.dry_run
        )
        self.result.counts.update(counts)
        await self._rest(began)
        return last

    async def _begin(self, author: str, asked: str) -> None:
        if not self.dry_run:
            self._number = await router.began(self.rooms.router, author, asked, self.before)

    async def _note(self, reached: datetime | None, *, over: bool) -> None:
        """Write down how far it came: the next by age begins where the oldest was left, or may still be opened."""
        if self._number is not None:
            latest = clock.now() - _LATEST
            oldest = None if reached is None else min(reached, latest, self.result.kept_from or reached)
            counts, kept = self.result.counts, self.result.kept
            await router.note(self.rooms.router, self._number, counts, kept, oldest, over=over)

    async def _rest(self, began: float) -> None:
        await asyncio.sleep(self.rest * (clock.monotonic() - began))
