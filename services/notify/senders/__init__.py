"""Senders: each takes one letter and returns what came of it; it keeps no state of its own.

To add one: a module here with a class that has ``Sender``'s four members, its name in ``settings.SenderName``, its
construction in ``__main__``. ``repeatable`` decides what happens when the outcome of an attempt is unknown (the
process died, the other side did not answer). True only if receivers drop a second notice with the same id: the attempt
is then repeated until its outcome is known, for as long as they remember: ``forgets_s``. False: it is never repeated
(at most once). What may not be repeated stays ``unknown`` for people to see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from services.contracts.values import Channel


@dataclass(frozen=True, slots=True)
class Letter:
    """One notice, addressed and worded.

    Attributes:
        notice_id: The same at every attempt.
        language: Of ``text``; may differ from what the customer speaks.
    """

    notice_id: UUID
    channel: Channel
    address: str
    account: str | None
    stage: str
    template: str
    revision: int
    language: str
    text: str
    ticket_ref: str
    incident_id: UUID | None
    etr: datetime | None
    restored_at: datetime | None
    made_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver took it.

    Attributes:
        delivery_id: The receiver's own id of it, by which it may say later whether it arrived.
    """

    delivery_id: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """It was not taken now, or that is not known; another attempt may succeed.

    Attributes:
        reason: A word for log and metric.
        after_s: Seconds the receiver asks us to wait; None leaves it to us.
        doubtful: Whether it may have been taken all the same: then it may arrive, its time counts as perhaps told, and
            where receivers forget it is not repeated for ever.
        of_all: Whether the wait is asked of all that goes through the sender, not of this notice or its account alone.
    """

    reason: str
    after_s: float | None = None
    doubtful: bool = False
    of_all: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver will never take this notice.

    Attributes:
        reason: A word for log and metric.
        perhaps_all: Whether it would say the same of all, by a mistake of its own or in a setting of ours.
    """

    reason: str
    perhaps_all: bool = False


Answer = Delivered | Retry | Refused


class Sender(Protocol):
    """Sends letters one at a time; many calls may be under way at once."""

    @property
    def name(self) -> str:
        """The word for settings and rows; never changes."""
        ...

    @property
    def repeatable(self) -> bool:
        """Whether receivers drop a repeat with the same notice id."""
        ...

    @property
    def forgets_s(self) -> float | None:
        """Seconds after which they no longer know it for one; None: never."""
        ...

    async def send(self, letter: Letter, now: datetime) -> Answer:
        """Try once. The caller bounds how long it may take; anything raised is a bug."""
        ...
