"""What a service gives the consume loop: a handler that loads, decides, saves and returns messages.

A handler never produces, never commits and never opens a transaction of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from services.contracts.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from services.contracts.envelope import Refusal
    from services.contracts.messages import Message
    from services.contracts.publication import Publication
    from services.contracts.topics import Topic
    from services.runtime.postgres import Connection

    Transaction = Connection


@frozen()
class Received:
    """A record whose id was never seen before, decoded."""

    topic: str
    partition: int
    offset: int
    message: Message
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A record the handler cannot use; it becomes a dead letter in the same transaction."""

    record: Received
    reason: Refusal
    detail: str


@dataclass(slots=True)
class Decided:
    """What came of a batch.

    Attributes:
        publish: Messages, in the order they must be published.
        refused: Records that go to the dead-letter topic.
        tally: Whole numbers to add to the service's own counts (name to change, may be negative), in the same
            transaction: the conservation count is made of them.
        after_commit: Called once the transaction has committed; the place to install cached state and metrics.
    """

    publish: list[Publication] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    after_commit: Callable[[], None] | None = None


class Handler(Protocol):
    """Decides what a batch of records means."""

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Topics this handler reads."""
        ...

    async def handle(self, tx: Transaction, batch: Sequence[Received], now: datetime) -> Decided:
        """Load, decide and save inside ``tx``; return what to publish.

        The batch holds records of several partitions and topics; those of one partition are in order. ``now`` is
        one instant for the whole batch.

        Raises:
            RefusedError: a record cannot be processed. The batch is rolled back and tried again in halves until
                the record stands alone and becomes a dead letter; so prefer returning ``Decided.refused``.
        """
        ...

    def forget(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Drop any state cached for these partitions: they were lost, or their transaction did not commit."""
        ...
