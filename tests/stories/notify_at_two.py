"""Random stories of two notify processes over one Postgres: ``python -m tests.stories [SEED] --of notify_at_two``.

What comes is decided in two batches at once, of different partitions; both look at what is due and send at once, and
what one began to send when it ended the other goes on with. Other texts and settings reach one of them first, and the
other not before the next change, as where they are rolled out.
"""

from __future__ import annotations

import asyncio
import zlib
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from tests.integration.notify.town import Receiver, Town
from tests.stories import notify
from tests.stories.notify import Customers, story
from tests.stories.servers import postgres_of_its_own

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator, Sequence
    from datetime import datetime

    from services.contracts.messages import Message
    from services.notify.senders import Answer, Letter
    from services.notify.wording import Wording
    from tests.stories.telling import Live

_WHILE: Final = 20
"""So often another has its turn while a letter is on its way."""
__all__ = ["over", "stage", "story"]


async def _all_of(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it to the end, also where some of it fails: what went on would be in the next story."""
    for how in await asyncio.gather(*works, return_exceptions=True):
        if how is not None:
            raise how


class AskedByTwo(Receiver):
    """Takes a while for each letter, so that both may ask at once."""

    def __init__(self, town: Town) -> None:
        super().__init__(town)
        self._with_us: set[Any] = set()

    async def send(self, letter: Letter, now: datetime) -> Answer:
        assert letter.notice_id not in self._with_us, "one letter is sent by two at once"
        self._with_us.add(letter.notice_id)
        try:
            for _ in range(_WHILE):
                await asyncio.sleep(0)
            return await super().send(letter, now)
        finally:
            self._with_us.discard(letter.notice_id)


class TownOfTwo(Town):
    """A town whose customers two processes tell."""

    receives = AskedByTwo

    def starts(self) -> None:
        """Both, with nothing in memory; one of them alone, once both are there."""
        if not hasattr(self, "other"):
            self.other = Town(self.pool, self.wording)
            self.other.receiver = self.receiver
            self.other.starts()
        super().starts()

    def _hand(self) -> None:
        """Let the other one go on."""
        mine, other = (self.handler, self.morning, self.lane), self.other
        self.handler, self.morning, self.lane = other.handler, other.morning, other.lane
        other.handler, other.morning, other.lane = mine

    def reads(self, wording: Wording) -> None:
        """One of them after the other."""
        self.wording, self.other.wording = self.other.wording, wording

    def quiet_until(self) -> datetime | None:
        """By the two files: whom one of them would not let sleep the other does not keep from being woken."""
        mine, other = super().quiet_until(), self.other.quiet_until()
        return None if mine is None or other is None else min(mine, other)

    async def take(self, batch: Sequence[tuple[str, Message]]) -> None:
        """Each takes the partitions that it has: whose those are changes with the hour."""
        self.other.minute = self.minute
        hour = int(self.minute) // 60
        of_two: tuple[list[tuple[str, Message]], list[tuple[str, Message]]] = [], []
        for topic, message in batch:
            partition = zlib.crc32(message.partition_key.encode()) % 3
            of_two[(zlib.crc32(topic.encode()) + partition + hour) % 2].append((topic, message))
        await _all_of(one(some) for one, some in zip((super().take, self.other.take), of_two, strict=True) if some)

    def is_day(self) -> bool:
        return super().is_day() and self.other.is_day()

    async def look(self) -> None:
        self.other.minute = self.minute
        await _all_of((super().look(), self.other.look()))
        self.minute = max(self.minute, self.other.minute)

    async def dies_in_a_call(self) -> None:
        await super().dies_in_a_call()
        self._hand()


class CustomersOfTwo(Customers):
    """Customers who are told by two processes."""

    lives_in: ClassVar[type[Town]] = TownOfTwo


over = partial(notify.over, lives=CustomersOfTwo)


@contextmanager
def stage() -> Iterator[Live]:
    """Return what lives a story, on a Postgres of its own."""
    with postgres_of_its_own() as (dsn, _), over(dsn) as live:
        yield live
