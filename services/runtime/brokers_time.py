"""The time as Kafka's brokers tell it, for a process without a database: an acknowledgement bears its broker's.

Decided here: whether they are believed. A cluster has several clocks, and by the partition's leader each record has one
of them. Where they contradict each other, nobody knows which is right, and the process goes by its host's, as if nobody
had told it: by each of them in turn its time would jump with every record.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog

from services.runtime import clock

if TYPE_CHECKING:
    from aiokafka import TopicPartition

_COUNTS_S: Final = 300.0
"""For so long after a record was acknowledged its time is counted on; then the host's is as good."""
_SLOW_S: Final = 1.0
"""What took longer to be acknowledged says too little of the time; nor do clocks differ by less."""
_AGAIN_S: Final = 1.0
"""For so long after the time was taken in, a partition that says the same as before says nothing."""
_log = structlog.get_logger()


class BrokersTime:
    """What the brokers' clocks say, by the partitions that they lead."""

    def __init__(self) -> None:
        """Nobody has told anything."""
        self._ahead: dict[TopicPartition, float] = {}  # of ``monotonic``, in seconds
        self._apart = 0.0
        self._told_at = float("-inf")

    def heard(self, place: TopicPartition, stamped: float, asked: float) -> None:
        """Take in a stamp.

        Args:
            place: The partition of the record that bears it.
            stamped: Seconds since 1970.
            asked: When the record was sent, by ``monotonic``.
        """
        answered = clock.monotonic()
        if answered - asked > _SLOW_S:
            return
        ahead = stamped - answered
        known = self._ahead.get(place)
        if known is not None and abs(ahead - known) <= _SLOW_S:
            if answered - self._told_at < _AGAIN_S:  # nearly every record
                return
        else:
            self._ahead[place] = ahead
            self._apart = max(self._ahead.values()) - min(self._ahead.values())
        if self._apart <= clock.APART_S:
            self._told_at = answered
            if by := clock.told(datetime.fromtimestamp(stamped, UTC), asked, for_s=_COUNTS_S):
                _log.warning("time_taken_from", what="kafka", seconds=round(by, 1))
        elif clock.leave():
            _log.warning("time_taken_from", what="host", brokers_apart_s=round(self._apart, 1))
