"""Notify over its tables in a town whose time the test says: hours pass at once, for Postgres as well.

What notify asks of ``now()`` is answered by a table of the test's own; letters go to one receiver that notes whom it
heard of, when, and what the hour was.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from services.contracts.values import Channel
from services.notify import pending
from services.notify.delivery import Lane, Patience
from services.notify.handler import NotifyHandler
from services.notify.morning import Morning
from services.notify.senders import Delivered, Refused, Retry
from services.notify.timers import tell_passed
from services.runtime.handling import Received
from tests.unit.dedup.timeline import minute

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from services.contracts.messages import Message
    from services.notify.senders import Answer, Letter
    from services.notify.wording import Wording
    from services.runtime.postgres import Pool

CLOCK: Final = """
CREATE SCHEMA story;
CREATE TABLE story.clock (at timestamptz NOT NULL);
INSERT INTO story.clock VALUES (pg_catalog.now());
CREATE FUNCTION story.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM story.clock';
ALTER TABLE notify.notice ALTER next_attempt_at SET DEFAULT story.now();
"""
SEARCHED: Final = "story, notify, pg_catalog"
_TABLES: Final = "TRUNCATE incident, recipient, link, report, ticket, subscription, notice, planned_outage"
_BEGUN: Final = (
    "SELECT address, etr FROM notice JOIN recipient USING (recipient_id) WHERE state = 'sending' AND etr > now()"
)
_PATIENCE: Final = Patience(calls=64, call_s=5.0, attempts=50, first_s=30.0, longest_s=600.0)


class Heard(NamedTuple):
    """A letter that the receiver took.

    Attributes:
        quiet_until: Until when the quiet hours in force then went on.
        after: How many messages had come to notify by then.
    """

    letter: Letter
    at: float
    quiet_until: datetime | None
    after: int = 0


@dataclass
class Receiver:
    """Takes letters; drops those it has taken already."""

    name = "town"
    repeatable = True
    forgets_s = None
    town: Town
    fails: int = 0
    """Of ten attempts."""
    takes: float = 0.0
    """Minutes, from the beginning of an attempt until what came of it is written down."""
    refuses: int = 0
    """So many of the next letters, for good; whose they are takes others again."""
    attempts: int = 0
    taken: dict[Any, Heard] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    lost: dict[tuple[str, UUID | None], list[int]] = field(default_factory=dict)
    """By address and incident, how many messages had come by each word that was refused since the last one taken."""
    answered: set[Any] = field(default_factory=set)
    """Of which notify was told that they were taken."""
    begun: list[tuple[str, datetime]] = field(default_factory=list)
    """Whom notify began to tell a time when its process ended: as far as it knows they may have read it."""
    come: list[Message] = field(default_factory=list)
    """What notify was told, in that order."""

    async def send(self, letter: Letter, now: datetime) -> Answer:
        del now
        self.attempts += 1
        throw = (self.attempts * 7) % 10
        if throw < self.fails and throw % 3 == 1:
            return Retry("busy", after_s=60.0)
        if letter.address.endswith("07"):
            self.refused.add(letter.address)
            return Refused("no such number")
        if letter.notice_id not in self.taken:
            about = letter.address, letter.incident_id
            if self.refuses:
                self.refuses -= 1
                self.lost.setdefault(about, []).append(len(self.come))
                return Refused("no such text")
            if letter.stage != "asked":
                self.lost.pop(about, None)
            self.taken[letter.notice_id] = Heard(letter, self.town.minute, self.town.quiet_until(), len(self.come))
        if throw < self.fails:
            return Retry("no answer", doubtful=True)
        self.answered.add(letter.notice_id)
        return Delivered()


class Town:
    """Notify, its receiver and its clock."""

    receives: ClassVar[type[Receiver]] = Receiver

    def __init__(self, pool: Pool, wording: Wording) -> None:
        self.pool, self.wording = pool, wording
        self.minute = 0.0
        self.receiver = self.receives(self)
        self.starts()

    def starts(self) -> None:
        """A process with nothing in memory."""
        self.handler = NotifyHandler(lambda: self.wording, lambda: None)
        self.morning = Morning(self.pool, lambda: self.wording, lambda: None)
        self.lane = Lane(self.pool, lambda: self.wording, self.receiver, tuple(Channel), _PATIENCE)

    def reads(self, wording: Wording) -> None:
        """The texts are other ones from now on."""
        self.wording = wording

    def quiet_until(self) -> datetime | None:
        """Return until when nobody is to be woken; None by day."""
        return None if self.wording.quiet is None else self.wording.quiet.until(minute(self.minute))

    async def empty(self) -> None:
        await self.pool.execute(_TABLES)
        await self.pool.execute("UPDATE story.clock SET at = $1", minute(self.minute))

    async def set_clock(self) -> None:
        """Let Postgres know the minute."""
        await self.pool.execute("UPDATE story.clock SET at = greatest(at, $1)", minute(self.minute))

    async def take(self, batch: Sequence[tuple[str, Message]]) -> None:
        """Decide a batch of topics and messages, and commit it."""
        received = [Received(topic, 0, n, message, None) for n, (topic, message) in enumerate(batch)]
        async with self.pool.acquire() as connection, connection.transaction():
            decided = await self.handler.handle(connection, received, minute(self.minute))
        assert decided.after_commit is not None or all(topic.startswith(("ticket", "plan")) for topic, _ in batch)
        if decided.after_commit is not None:
            decided.after_commit()
        self.receiver.come += [message for _, message in batch]

    def is_day(self) -> bool:
        """Whether everybody may be told."""
        return self.wording.quiet is None or self.wording.quiet.until(minute(self.minute)) is None

    async def passes(self, minutes: float, *, step: float = 45.0) -> None:
        """Let time pass; whoever watches the clock looks now and then."""
        until = self.minute + minutes
        while True:
            await self.look()
            if self.minute >= until:
                return
            self.minute = min(until, self.minute + step)
            await self.set_clock()

    async def look(self) -> None:
        """Do once what the service does again and again."""
        await self.set_clock()
        await tell_passed(self.pool, self.wording, minute(self.minute))
        await pending.recover(self.pool, repeatable=[self.receiver.name], most_attempts=_PATIENCE.attempts)
        await pending.drop_unlinked(self.pool)
        await self.morning.look()
        await self.deliver()

    async def deliver(self) -> None:
        """Send what may be sent."""
        while True:
            await self.lane.step()
            calls, held = set(self.lane._calls), list(self.lane._ended)
            if calls:
                await asyncio.wait(calls)
                _ = [call.exception() for call in calls]  # one is raised below; of the others nobody else would ask
            if not calls and not held:
                return
            if calls and self.receiver.takes:
                self.minute += self.receiver.takes
                await self.set_clock()
            await self.lane._settle()

    async def dies_in_a_call(self) -> None:
        """Letters are on their way, and nobody writes down what came of them."""
        await self.lane.step()
        self.receiver.begun += [(row["address"], row["etr"]) for row in await self.pool.fetch(_BEGUN)]
        calls = set(self.lane._calls)
        for n, call in enumerate(calls):
            if n % 2:
                call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        self.starts()
