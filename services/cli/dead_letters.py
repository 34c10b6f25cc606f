"""Dead letters: reading them with their cause, and publishing them again.

Decided here: a replay publishes the original key, value and headers to the original topic, so that the id stays and
the event counts once. Never here: deleting or changing a dead letter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from services.cli.errors import CommandError, Exit
from services.cli.topics import NO_TOPICS, Record, reader
from services.contracts.envelope import Outgoing
from services.contracts.topics import BY_NAME
from services.runtime.producer import Producer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from services.runtime.settings import ServiceSettings

CAUSE: Final = "dlq."
"""Prefix of the headers that tell the cause; all others are the original's."""

REQUIRED: Final = ("dlq.reason", "dlq.topic", "dlq.partition", "dlq.offset", "dlq.consumer", "dlq.at")
"""Cause headers that every dead letter has."""

_DEADLINE_S: Final = 30.0
_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be used.

    Attributes:
        id: ``<partition>:<offset>`` in the dead-letter topic: how the commands name it.
        came_from: Topic, partition and offset of the original.
    """

    record: Record

    @property
    def id(self) -> str:
        """How the commands name it: ``<partition>:<offset>`` in its dead-letter topic."""
        return f"{self.record.partition}:{self.record.offset}"

    @property
    def topic(self) -> str:
        """Topic the original was on."""
        return self.record.header("dlq.topic") or self.record.topic.removesuffix(".dlq")

    @property
    def reason(self) -> str:
        """Word for the cause."""
        return self.record.header("dlq.reason") or "unknown"

    @property
    def cause(self) -> dict[str, str]:
        """All cause headers, without their prefix."""
        return {
            name.removeprefix(CAUSE): raw.decode("utf-8", "replace")
            for name, raw in self.record.headers
            if name.startswith(CAUSE)
        }

    @property
    def usable(self) -> bool:
        """Whether there is something to publish again: a record without a value, or cut, would only come back."""
        return not {"null-value", "cut"} & self.cause.keys()

    def original(self) -> Outgoing:
        """Return the record as it was, for the topic it came from."""
        return Outgoing(
            topic=self.topic,
            key=self.record.key or b"",
            value=self.record.value or b"",
            headers=tuple((name, raw) for name, raw in self.record.headers if not name.startswith(CAUSE)),
        )


async def read_letters(
    settings: ServiceSettings, topics: Iterable[str], wanted: Callable[[DeadLetter], bool], *, whole: bool
) -> list[DeadLetter]:
    """Read the dead letters of some topics that are wanted, oldest first.

    Ninety days of a sender that is wrong are more than fits into memory: only what is wanted is kept.

    Args:
        settings: How to reach Kafka.
        topics: Names of the original topics.
        wanted: Which of them.
        whole: With their values; else these are left out.

    Raises:
        CommandError: the cluster has none of their topics.
        UnavailableError: Kafka cannot be reached.
    """
    async with reader(settings) as kafka:
        bounds = await kafka.bounds([BY_NAME[name].dead_letters for name in topics])
        if not bounds:
            raise CommandError("the cluster has no topics for dead letters", NO_TOPICS, Exit.NO)
        read = (DeadLetter(record) async for record in kafka.records(bounds))
        letters = [one if whole else DeadLetter(replace(one.record, value=None)) async for one in read if wanted(one)]
    return sorted(letters, key=lambda letter: (letter.record.timestamp_ms, letter.topic, letter.record.offset))


async def replay(
    settings: ServiceSettings, letters: Sequence[DeadLetter], on_sent: Callable[[int], None] = lambda _: None
) -> int:
    """Publish dead letters again, in their order, and return how many.

    Raises:
        UnavailableError: Kafka did not acknowledge in time; any of them may be delivered, and may be sent again.
    """
    usable = [letter for letter in letters if letter.usable]
    producer = Producer(settings)
    await producer.start()
    try:
        for first in range(0, len(usable), _BATCH):
            batch = usable[first : first + _BATCH]
            await producer.send_batch([letter.original() for letter in batch], deadline_s=_DEADLINE_S)
            on_sent(len(batch))
    finally:
        await producer.stop()
    return len(usable)
