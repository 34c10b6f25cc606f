"""Whether a log is still the one that was read before.

Decided here: a log is known again by the record before the place where reading goes on. One that was cut and written
on, or a topic that was made anew and filled, has bounds like any other; going on there would lose records silently.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, TypeAlias

from services.runtime.errors import HaltError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord, TopicPartition

    from services.runtime.positions import Claim

    Record: TypeAlias = ConsumerRecord[bytes | None, bytes | None]

DECIDE: Final = "Going on would lose records silently. Restore the topic, or decide with `gridline positions set`."


def digest(record: Record) -> bytes:
    """Return what a record is known again by, wherever and whenever it is read."""
    found = hashlib.sha256(record.key or b"")
    found.update(record.value or b"")
    return found.digest()


class Recognising:
    """The records that are still to be seen again, one of each partition that was claimed."""

    def __init__(self) -> None:
        self._expected: dict[TopicPartition, tuple[int, bytes]] = {}

    def begin(self, at: TopicPartition, claim: Claim, first: int) -> int:
        """Return where to read on from: the record before a claim's place, if it is known and the log still has it.

        Args:
            at: The partition.
            claim: As it was claimed just now.
            first: The log's first offset.
        """
        self._expected.pop(at, None)
        before = claim.next_offset - 1
        if claim.last is None or before < first:
            return claim.next_offset
        self._expected[at] = before, claim.last
        return before

    def see(self, at: TopicPartition, records: Sequence[Record]) -> None:
        """Look at what was read. A record that compaction has taken cannot be told from any other.

        Raises:
            HaltError: where one was read before there is another.
        """
        if at not in self._expected:
            return
        offset, known = self._expected[at]
        if records[-1].offset < offset:
            return
        del self._expected[at]
        if any(record.offset == offset and digest(record) != known for record in records):
            raise HaltError(
                f"{at.topic}[{at.partition}] holds at {offset} another record than this service has read there: "
                f"records were lost and others written in their place, or the topic was made anew. {DECIDE}"
            )
