"""When customers sleep, and what does not wake them. Pure.

Decided here: when the quiet hours of a day are, in a time zone whose clocks change; which notice waits for their end;
and that what waited is decided again then, as if it had never been made. Never here: I/O, the clock, sending.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from services.notify.domain.notice import Stage, Turn

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import time, tzinfo

    from services.notify.domain.decide import Book

Owed = tuple[UUID, UUID]
"""An incident and a recipient."""

MAY_WAIT: Final = frozenset(Stage) - {Stage.ASKED, Stage.CLOSED}
"""Who asks is answered, whatever the hour."""
_NEARBY: Final = (-1, 0, 1)  # days; the local date is another than that of the night's begin, or of its end


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Quiet hours, by the local time of a zone.

    Attributes:
        begins: When they begin, each day.
        ends: When they end, that day or the next.
        hold: What waits for their end.
        awake: For how long who contacted us is taken to be awake.
    """

    zone: tzinfo
    begins: time
    ends: time
    hold: frozenset[Stage]
    awake: timedelta

    def until(self, now: datetime) -> datetime | None:
        """Return when the quiet hours end that ``now`` is in; None if in none.

        An hour that the clocks repeat counts the first time; one that they leave out, as before they were changed.
        """
        today = now.astimezone(self.zone).date()
        for days in _NEARBY:
            day = today + timedelta(days=days)
            last = day if self.begins < self.ends else day + timedelta(days=1)
            begins = datetime.combine(day, self.begins, self.zone).astimezone(UTC)
            ends = datetime.combine(last, self.ends, self.zone).astimezone(UTC)
            if begins <= now < ends:
                return ends
        return None

    def holds(self, stage: Stage, turn: Turn, contacted_at: datetime | None, now: datetime) -> datetime | None:
        """Return until when a notice waits; None if it may go now.

        Args:
            stage: What it is about.
            turn: Whose turn it is. Life support and danger never wait.
            contacted_at: When its customer last contacted us.
            now: The instant at which it would be sent.
        """
        if stage not in self.hold or turn is Turn.AT_RISK:
            return None
        if contacted_at is not None and now - contacted_at < self.awake:
            return None
        return self.until(now)


def owed_by_now(owed: Collection[Owed], book: Book) -> set[Owed]:
    """Return of which incidents customers are owed a word: those it was held of, and where their reports are by now.

    A report that went in the night to an incident of which the same is true got no word of that: one was made already.

    Args:
        owed: Incident and recipient of what was held.
        book: Of these customers alone.
    """
    whose = {report: who for report, one in book.reporters.items() if (who := one.recipient_id)}
    been_in = book.subscriptions.values()
    theirs = {one.report_id for one in been_in if (one.incident_id, whose.get(one.report_id)) in owed}
    return {
        *owed,
        *((one.incident_id, whose[one.report_id]) for one in been_in if one.active and one.report_id in theirs),
    }
